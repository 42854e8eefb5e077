"""What `check` expects beside sums: every month, new loads, no fall, no future, costs that are numbers."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER

from azure_billing_warehouse.check.expectations import Expectations, months_between
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.report.content import read_report
from azure_billing_warehouse.report.page import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.check.verdict import CheckResult, EnrollmentCheck, MonthCheck

OCTOBER = dt.date(2026, 10, 1)
THIRD = SECOND + dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def now() -> dt.datetime:
    instant = dt.datetime.now(dt.UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def run(warehouse: Warehouse, *arguments: str, **variables: str) -> Result:
    """The command with the environment variables that Meltano gives it."""
    config = warehouse.config
    connection = {
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_PASSWORD": config.password.get_secret_value(),
        "CLICKHOUSE_DATABASE": config.database,
    }
    named = {f"AZURE_BILLING_{name.upper()}": text for name, text in {"last_month": "2026-08", **variables}.items()}
    return CliRunner().invoke(main, arguments, env=connection | named, catch_exceptions=False)


def checked(warehouse: Warehouse, since: dt.date | None = None, **expected: Any) -> CheckResult:
    expectations = Expectations(**{"last_month": AUGUST, **expected})
    verdict = check(warehouse.config, since=since, expected=expectations)
    assert verdict is not None
    return verdict


def missing(verdict: CheckResult) -> list[tuple[str, dt.date]]:
    assert all(month.status == "fails" for month in verdict.months if month.snapshot is None)
    return [(month.enrollment_number, month.billing_month) for month in verdict.months if month.snapshot is None]


def texts(verdict: MonthCheck | EnrollmentCheck) -> list[str]:
    return [problem.text for problem in verdict.problems]


def failed(verdict: MonthCheck | EnrollmentCheck) -> set[str]:
    return {problem.check for problem in verdict.problems}


def august(warehouse: Warehouse, **expected: Any) -> MonthCheck:
    (month,) = checked(warehouse, **expected).months
    return month


def test_months_that_never_came_are_months_of_their_own_and_fail(warehouse: Warehouse) -> None:
    warehouse.load([1.0], month=SEPTEMBER)
    verdict = checked(warehouse, first_month=AUGUST, last_month=OCTOBER)
    assert missing(verdict) == [(ENROLLMENT, AUGUST), (ENROLLMENT, OCTOBER)]
    assert [month.billing_month for month in verdict.months] == [AUGUST, SEPTEMBER, OCTOBER]
    assert verdict.status == "fails"
    assert "was never loaded" in texts(verdict.months[0])[0]
    assert failed(verdict.months[0]) == {"C1"}


def test_a_gap_and_the_months_up_to_the_current_one_are_expected_by_default(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([1.0], month=OCTOBER)
    verdict = check(warehouse.config)
    assert verdict is not None
    current = now().date().replace(day=1)
    expected = [month for month in months_between(AUGUST, current) if month not in {AUGUST, OCTOBER}]
    assert SEPTEMBER in expected
    assert missing(verdict) == [(ENROLLMENT, month) for month in expected]


def test_an_enrollment_whose_rows_were_all_rejected_is_known_by_them(warehouse: Warehouse) -> None:
    warehouse.reject([1.0], first_row=1)
    assert missing(checked(warehouse, last_month=OCTOBER)) == [(ENROLLMENT, SEPTEMBER), (ENROLLMENT, OCTOBER)]


def test_a_month_in_the_future_is_not_expected_whatever_the_setting_says(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    verdict = checked(warehouse, last_month=dt.date(2100, 1, 1))
    assert max(month for _, month in missing(verdict)) == now().date().replace(day=1)


def test_each_enrollment_has_a_first_month_of_its_own(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([1.0], month=SEPTEMBER)
    warehouse.stage([1.0], month=SEPTEMBER, enrollment_number="1000")
    warehouse.finish([1.0], month=SEPTEMBER, enrollment_number="1000")
    assert checked(warehouse, last_month=SEPTEMBER).status == "ok"
    assert missing(checked(warehouse, last_month=OCTOBER)) == [("1000", OCTOBER), (ENROLLMENT, OCTOBER)]


def test_an_enrollment_that_must_be_there_and_is_not_fails(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    verdict = checked(warehouse, first_month=AUGUST, enrollments=frozenset({"1000"}))
    assert [(month.enrollment_number, month.billing_month) for month in verdict.months] == [("1000", AUGUST)]
    assert verdict.status == "fails"
    named = run(warehouse, "check", f"--enrollment={ENROLLMENT}", "--enrollment=1000")
    assert named.exit_code == 1
    assert "2 months: 1 of 2 does not add up." in named.output


def test_since_hides_no_month_that_is_missing_after_it(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    verdict = checked(warehouse, since=SEPTEMBER, last_month=SEPTEMBER)
    assert missing(verdict) == [(ENROLLMENT, SEPTEMBER)]


def test_table_and_json_name_the_months_that_are_missing(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    told = run(warehouse, "check", first_month="2026-07-15", last_month="2026-09-30")
    assert told.exit_code == 1
    assert "88888888    2026-07  FAILS  never loaded" in told.output
    assert "3 months: 2 of 3 do not add up." in told.output
    verdict = json.loads(run(warehouse, "check", "--format=json", last_month="2026-09").output)
    assert [(month["billing_month"], month["snapshot"] is None) for month in verdict["months"]] == [
        ("2026-08-01", False),
        ("2026-09-01", True),
    ]
    assert verdict["enrollments"][0]["last_month"] == "2026-09-01"


def test_the_report_shows_the_months_that_are_missing(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.load([1.0])
    path = tmp_path / "bill.html"
    expected = Expectations(last_month=SEPTEMBER)
    write_report(warehouse.config, path, expected=expected)
    assert "the month was never loaded" in path.read_text(encoding="utf-8")


def test_the_age_of_the_newest_complete_load_is_told_and_bounded(warehouse: Warehouse) -> None:
    loaded = now() - 30 * HOUR
    warehouse.load([1.0])
    warehouse.load([1.0], snapshot=loaded)
    warehouse.stage([1.0], snapshot=now() - HOUR / 2, month=dt.date(2026, 7, 1))
    verdict = checked(warehouse, max_age=31 * HOUR, last_month=AUGUST)
    (enrollment,) = verdict.enrollments
    assert (enrollment.status, enrollment.newest_load_at) == ("ok", loaded)
    assert enrollment.newest_load_age_seconds == pytest.approx(30 * 3600, abs=600)
    (enrollment,) = checked(warehouse, max_age=29 * HOUR).enrollments
    assert texts(enrollment) == ["its newest complete load is 30.0 hours old; at most 29.0 hours is allowed"]
    assert failed(enrollment) == {"C16"}


def test_an_old_load_alone_fails_and_is_said_in_the_last_line(warehouse: Warehouse) -> None:
    warehouse.load([1.0], snapshot=now() - 30 * HOUR)
    fine = run(warehouse, "check", max_age="2d")
    assert fine.exit_code == 0
    assert "UTC, 30.0 hours ago" in fine.output
    assert fine.output.endswith("1 month: All of them add up.\n")
    old = run(warehouse, "check", "--max-age", "29h")
    assert old.exit_code == 1
    assert "Enrollment 88888888: its newest complete load is 30.0 hours old" in old.output.splitlines()[-1]
    assert json.loads(run(warehouse, "check", "--max-age=29h", "--format=json").output)["status"] == "fails"


def test_an_enrollment_without_a_complete_load_is_older_than_any_age(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    assert texts(checked(warehouse, max_age=1000 * HOUR).enrollments[0]) == ["no load of it is complete"]
    assert "\n88888888  none\n" in run(warehouse, "check").output


@pytest.mark.parametrize("rows", [[], [1.0] * 4, [0.5] * 10], ids=["all", "most rows", "half of the cost and more"])
def test_a_month_that_lost_most_of_what_it_had_fails(warehouse: Warehouse, rows: list[float]) -> None:
    warehouse.load([1.1] * 10)
    warehouse.load(rows, snapshot=SECOND)
    month = august(warehouse)
    assert month.status == "fails"
    assert "% less; if that is right, accept it by --accept-fall 2026-08" in "; ".join(texts(month))
    assert "the load of 2026-09-02 03:00 UTC had" in "; ".join(texts(month))
    assert failed(month) == ({"C14", "C15"} if len(rows) < 10 else {"C15"})
    assert august(warehouse, accept_fall=frozenset({AUGUST})).status == "ok"
    assert august(warehouse, max_fall=100).status == "ok"


def test_a_month_that_lost_half_is_ok_and_any_part_can_be_too_much(warehouse: Warehouse) -> None:
    warehouse.load([1.0] * 10)
    warehouse.load([1.0] * 5, snapshot=SECOND)
    assert august(warehouse).status == "ok"
    assert august(warehouse, max_fall=49).status == "fails"
    assert run(warehouse, "check", max_fall="49").exit_code == 1
    assert run(warehouse, "check", "--max-fall=49", accept_fall="2026-07,2026-08").exit_code == 0


def test_the_largest_load_counts_also_when_it_was_pruned_and_not_one_that_broke_off(warehouse: Warehouse) -> None:
    warehouse.load([1.0] * 10)
    warehouse.load([1.0] * 8, snapshot=SECOND)
    warehouse.load([1.0] * 4, snapshot=THIRD)
    assert run(warehouse, "prune", "--keep=1").exit_code == 0
    assert "had 10: 60.0 % less" in "; ".join(texts(august(warehouse)))
    warehouse.client.command("TRUNCATE TABLE stg_azure_billing_month")
    warehouse.finish([1.0] * 10, received_row_count=3)
    warehouse.finish([1.0] * 4, snapshot=THIRD)
    assert august(warehouse).status == "ok"


def test_a_snapshot_in_the_future_fails_with_the_command_that_drops_it(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([], snapshot=now() + HOUR)
    assert "`azure-billing-warehouse prune --future` drops it" in texts(august(warehouse))[0]
    assert checked(warehouse).enrollments[0].newest_load_at == FIRST
    assert run(warehouse, "prune", "--future").output.endswith(
        "Snapshots in the future that were dropped: 1\n"
        "Load their months again, without the state of that load: meltano run --full-refresh ...\n"
    )
    assert august(warehouse).status == "ok"


def test_a_snapshot_a_little_ahead_is_none_in_the_future(warehouse: Warehouse) -> None:
    warehouse.load([1.0], snapshot=now() + HOUR / 60)
    assert august(warehouse).status == "ok"


def test_a_month_that_has_not_begun_fails(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([], month=dt.date(2090, 1, 1))
    later = checked(warehouse).months[-1]
    assert "the month has not begun by ClickHouse's clock" in texts(later)[0]
    assert failed(later) == {"C2"}


def test_a_load_that_broke_off_an_hour_ago_is_said_to_be_and_a_running_one_is_not(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.stage([2.0], snapshot=SECOND)
    assert not any("prune --broken-off" in note for note in august(warehouse).notes)
    warehouse.client.command(
        "ALTER TABLE stg_azure_billing_detail UPDATE create_at = now() - 7200 WHERE 1", settings={"mutations_sync": 1}
    )
    assert "`azure-billing-warehouse prune --broken-off` drops what is left of it" in august(warehouse).notes[-1]


@pytest.mark.parametrize("cost", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("stg_azure_billing_detail", "extended_cost"),
        ("dq_billing_issue", "extended_cost"),
        ("dq_tagging_audit", "extended_cost"),
        ("stg_azure_billing_month", "staged_extended_cost"),
        ("stg_azure_billing_month", "rejected_extended_cost"),
    ],
)
def test_a_cost_that_is_no_number_fails_its_month_and_nothing_breaks(
    warehouse: Warehouse, table: str, column: str, cost: str
) -> None:
    for snapshot in (FIRST, SECOND):
        warehouse.stage([1.0, 2.0], snapshot=snapshot)
        warehouse.reject([4.0], first_row=3, snapshot=snapshot)
        warehouse.audit(1.0, conflict=True, snapshot=snapshot)
        warehouse.finish([1.0, 2.0], snapshot=snapshot, rejected=[4.0], audit_count=1)
    warehouse.load([1.0], month=SEPTEMBER)
    warehouse.client.command(
        f"ALTER TABLE {table} UPDATE {column} = {cost} WHERE billing_month = '2026-08-01'",
        settings={"mutations_sync": 1},
    )
    told = run(warehouse, "check", last_month="2026-09")
    assert told.exit_code == 1
    assert "2 months: 1 of 2 does not add up." in told.output
    assert re.search(r"88888888 2026-08\n  fails C\d+: ", told.output)
    if column == "extended_cost":
        assert re.search(rf"fails C10: \d+ rows? in {table} with a cost that is not a finite number", told.output)
    json.loads(run(warehouse, "check", "--format=json").output, parse_constant=pytest.fail)
    report = read_report(warehouse.config, expected=Expectations(last_month=SEPTEMBER))
    cells = [cell for cut in report.cuts for value in cut.values for cell in value.cells]
    costs = [cost for found in report.reconciliations for cost in (found.staged_cost, found.rejected_cost)]
    assert all(map(math.isfinite, [*costs, *(cell.cost for cell in cells)]))
    assert {cell.unknown for cell in cells if report.months[cell.month].month == AUGUST} == {
        2 * (table == "stg_azure_billing_detail")
    }


def test_staged_rows_without_a_cost_break_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.load([1.0, 2.0])
    warehouse.client.command(
        "ALTER TABLE stg_azure_billing_detail UPDATE extended_cost = NULL, resource_tracking = 'VM-1' WHERE 1",
        settings={"mutations_sync": 1},
    )
    assert run(warehouse, "check").exit_code == 1
    assert run(warehouse, "report", str(tmp_path / "bill.html")).exit_code == 0


def test_the_report_shows_costs_that_a_table_holds_as_decimals(new_warehouse: Warehouse, tmp_path: Path) -> None:
    new_warehouse.client.command(
        "ALTER TABLE stg_azure_billing_detail MODIFY COLUMN extended_cost Nullable(Decimal(76, 38))"
    )
    new_warehouse.load([1.5, 2.25], resource_tracking=["VM-1", "PAYROLL"])
    path = tmp_path / "bill.html"
    assert run(new_warehouse, "report", str(path)).exit_code == 0
    assert "3.75" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--first-month=2026-13", "2026-13 is not a month such as 2026-08"),
        ("--last-month=soon", "soon is not a month such as 2026-08"),
        ("--max-age=36", "36 is not an age such as 36h or 2d"),
        ("--max-age=-2d", "-2d is not an age such as 36h or 2d"),
        ("--max-fall=101", "101"),
        ("--max-fall=nan", "this is not a number"),
        ("--max-unallocated=lots", "lots is not a percentage such as 10%"),
        ("--max-change=-1%", "-1% is not a percentage such as 10%"),
        ("--max-rejected=nan", "nan is not a percentage such as 10%"),
        ("--accept-fall=August", "August is not a month such as 2026-08"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused_before_anything_is_asked(option: str, said: str) -> None:
    refused = CliRunner().invoke(main, ["--port=1", "check", option])
    assert refused.exit_code == 2
    assert said in refused.output
