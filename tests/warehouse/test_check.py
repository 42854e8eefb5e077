"""What `check` finds, each fault made by hand in a real ClickHouse, and how its exit code tells."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER

from azure_billing_warehouse.check.checks import CHECKS, check_id
from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.schema.create import ensure_tables

if TYPE_CHECKING:
    from click.testing import Result
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.quality import Quality
    from azure_billing_warehouse.check.verdict import CheckResult, MonthCheck
    from azure_billing_warehouse.config import ClickHouseConfig

KEY = "enrollment_number, billing_month, snapshot_at"
DETAIL, ISSUE, MONTH = "stg_azure_billing_detail", "dq_billing_issue", "stg_azure_billing_month"


def run(config: ClickHouseConfig, *arguments: str) -> Result:
    """Run the command as Meltano does: all that it needs to connect is in environment variables."""
    return CliRunner().invoke(main, arguments, env=environment(config), catch_exceptions=False)


def environment(config: ClickHouseConfig) -> dict[str, str]:
    return {
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_USER": config.username,
        "CLICKHOUSE_PASSWORD": config.password.get_secret_value(),
        "CLICKHOUSE_DATABASE": config.database,
        "CLICKHOUSE_SECURE": "",
        "CLICKHOUSE_JSON_TYPE": "",
        "CLICKHOUSE_CLUSTER": "",
        "AZURE_BILLING_FIRST_MONTH": "",
        "AZURE_BILLING_LAST_MONTH": "2026-08",
        "AZURE_BILLING_MAX_AGE": "",
        "AZURE_BILLING_MAX_FALL": "",
        "AZURE_BILLING_ACCEPT_FALL": "",
    }


def only_month(warehouse: Warehouse, **expected: Any) -> MonthCheck:
    verdict = checked(warehouse, **expected)
    (month,) = verdict.months
    return month


def checked(warehouse: Warehouse, **expected: Any) -> CheckResult:
    """The verdict, where August is the only month that is expected."""
    expectations = Expectations(**{"last_month": AUGUST, **expected})
    verdict = check(warehouse.config, expected=expectations)
    assert verdict is not None
    return verdict


def snapshot_of(month: MonthCheck) -> Snapshot:
    assert month.snapshot is not None
    return month.snapshot


def quality_of(month: MonthCheck) -> Quality:
    assert month.quality is not None
    return month.quality


def texts(month: MonthCheck) -> list[str]:
    return [problem.text for problem in month.problems]


def load_august(warehouse: Warehouse) -> None:
    """Three staged rows, of which two are equal, two rejected ones, one audit row."""
    warehouse.stage([1.5, 2.25, 2.25])
    warehouse.reject([4.25, None], first_row=4)
    warehouse.audit(2.25, conflict=True)
    warehouse.audit(1.5, conflict=False, first_row_number=2)
    warehouse.finish([1.5, 2.25, 2.25], rejected=[4.25, None], audit_count=2)


def test_a_month_that_adds_up_is_ok_and_shows_its_parts(warehouse: Warehouse) -> None:
    load_august(warehouse)
    month = only_month(warehouse)
    assert (month.status, month.problems, month.notes) == ("ok", [], [])
    assert (snapshot_of(month).distinct_row_count, snapshot_of(month).rejected_row_count) == (3, 2)
    assert (snapshot_of(month).extended_cost, snapshot_of(month).rejected_extended_cost) == (6.0, 4.25)
    assert snapshot_of(month).conflict_extended_cost == 2.25
    assert quality_of(month).identical_row_count == 1


@pytest.mark.parametrize(
    ("check_id", "fault", "problem"),
    [
        (
            "C6",
            f"DELETE FROM {DETAIL} WHERE row_number = 2",
            "3 rows were sent to stg_azure_billing_detail, 2 are there: 1 missing",
        ),
        (
            "C12",
            f"ALTER TABLE {DETAIL} UPDATE extended_cost = 2.26 WHERE row_number = 2",
            "a cost of 6.0 was staged, the table holds 6.01",
        ),
        (
            "C6",
            f"INSERT INTO {DETAIL} ({KEY}, row_number) SELECT {KEY}, 99 FROM {MONTH}",
            "3 rows were sent to stg_azure_billing_detail, 4 are there: 1 too many",
        ),
        (
            "C7",
            f"DELETE FROM {ISSUE} WHERE row_number = 4 AND rule = 'R1'",
            "2 rejected rows were sent to dq_billing_issue, 1",
        ),
        (
            "C8",
            f"DELETE FROM {ISSUE} WHERE row_number = 4 AND rule = 'R5'",
            "4 findings were sent to dq_billing_issue, 3",
        ),
        (
            "C13",
            f"ALTER TABLE {ISSUE} UPDATE extended_cost = 4 WHERE row_number = 4",
            "a cost of 4.25 was rejected, dq_billing_issue holds 4.0",
        ),
        (
            "C9",
            "DELETE FROM dq_tagging_audit WHERE conflict",
            "2 audit rows were sent to dq_tagging_audit, 1 are there",
        ),
        ("C11", f"ALTER TABLE {MONTH} UPDATE extended_cost = 10.26 WHERE 1", "the API gave a cost of 10.2599999"),
        (
            "C11",
            f"ALTER TABLE {MONTH} UPDATE extended_cost = NULL WHERE 1",
            "the month row doesn't say what cost the API gave",
        ),
        ("C4", f"ALTER TABLE {MONTH} UPDATE row_count = 6 WHERE 1", "the API gave 6 rows, the mapper received 5"),
        ("C5", f"ALTER TABLE {MONTH} UPDATE row_count = 6 WHERE 1", "the API gave 6 rows, 5 were staged or rejected"),
        ("C3", f"DELETE FROM {MONTH} WHERE 1", "no month row came: its load broke off, or is running"),
    ],
)
def test_a_fault_made_by_hand_is_found(warehouse: Warehouse, check_id: str, fault: str, problem: str) -> None:
    load_august(warehouse)
    warehouse.client.command(fault, settings={"mutations_sync": 1})
    month = only_month(warehouse)
    assert month.status == "fails"
    assert problem in "; ".join(texts(month))
    assert problem in "; ".join(found.text for found in month.problems if found.check == check_id)


def test_a_half_loaded_month_fails_and_the_view_shows_the_one_before(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0])
    warehouse.stage([1.0], snapshot=SECOND)
    month = only_month(warehouse)
    assert month.status == "fails"
    assert month.published_snapshot_at is not None
    assert month.published_snapshot_at < snapshot_of(month).snapshot_at
    assert "the view shows the snapshot of 2026-09-02 03:00:00 UTC instead" in month.notes


def test_a_month_that_never_came_whole_is_said_to_be_invisible(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    assert "no snapshot is complete: the view shows nothing of this month" in only_month(warehouse).notes


def test_an_older_broken_snapshot_does_not_fail_a_month_that_was_loaded_again(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.load([1.0, 2.0], snapshot=SECOND)
    assert only_month(warehouse).status == "ok"


def test_a_load_whose_clock_was_ahead_and_that_broke_off_is_overtaken_by_a_whole_one(warehouse: Warehouse) -> None:
    warehouse.stage([1.0], snapshot=SECOND)
    warehouse.client.command(
        f"ALTER TABLE {DETAIL} UPDATE create_at = create_at - 60 WHERE 1 SETTINGS mutations_sync = 2"
    )
    warehouse.load([1.0, 2.0])  # by the right clock: its instant is the earlier one
    month = only_month(warehouse)
    assert (month.status, month.published_snapshot_at) == ("ok", FIRST)
    assert any("prune --broken-off" in note for note in month.notes)


def test_rows_delivered_twice_and_equal_rows_are_told_apart(warehouse: Warehouse) -> None:
    warehouse.client.command(f"SYSTEM STOP MERGES {DETAIL}")
    warehouse.load([1.0, 1.0, 3.0])
    warehouse.stage([1.0, 1.0, 3.0])
    month = only_month(warehouse)
    assert (month.status, month.redelivered_row_count, quality_of(month).identical_row_count) == ("ok", 3, 1)
    warehouse.client.command(f"SYSTEM START MERGES {DETAIL}")


def test_rows_that_differ_in_one_column_only_are_not_equal(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 1.0, 1.0], tags=['{"app":"a"}', '{"app":"b"}', '{"app":"a"}'], sku=["SQL", "SQL", None])
    assert quality_of(only_month(warehouse)).identical_row_count == 0


def test_a_month_seen_before_is_looked_at_again_once_a_row_has_changed(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 1.0], cost_center="cc")
    seen = quality_of(only_month(warehouse))
    assert (seen.identical_row_count, seen.filled["cost_center"]) == (1, 100.0)
    kept = "SELECT quality, looked_at FROM dq_billing_quality FINAL"
    before = warehouse.query(kept)
    assert quality_of(only_month(warehouse)) == seen
    assert warehouse.query(kept) == before
    warehouse.client.command(
        f"ALTER TABLE {DETAIL} UPDATE cost_center = NULL WHERE row_number = 2 SETTINGS mutations_sync = 2"
    )
    changed = quality_of(only_month(warehouse))
    assert (changed.identical_row_count, changed.filled["cost_center"]) == (0, 50.0)
    warehouse.client.command(f"DELETE FROM {DETAIL} WHERE row_number = 2")
    assert quality_of(only_month(warehouse)).filled["cost_center"] == 100.0
    warehouse.stage([1.0], row_number=[2])
    assert quality_of(only_month(warehouse)).filled["cost_center"] == 50.0


def test_cost_without_an_application_is_that_of_rows_that_fell_back_on_their_resource(warehouse: Warehouse) -> None:
    """A pattern that is the whole name is a match, and so is one that is no pattern any more."""
    warehouse.load(
        [1.0, 2.0, 4.0, 8.0],
        instance_id=["/subscriptions/s/vm-1", "/a/b//", "/x/payroll", "/x/vm-3"],
        resource_tracking=["VM-1", "B", "PAYROLL", "PAYROLL"],
        match_level=[None, None, "last_segment", "subscription"],
    )
    assert quality_of(only_month(warehouse)).unmatched_extended_cost == 3.0


def test_rows_of_a_version_that_did_not_say_whether_a_pattern_matched_are_noted_and_not_unmatched(
    new_warehouse: Warehouse,
) -> None:
    new_warehouse.load([1.0, 2.0], resource_tracking=["VM-1", "PAYROLL"])
    new_warehouse.client.command(f"ALTER TABLE {DETAIL} DROP COLUMN match_level")
    ensure_tables(new_warehouse.config)
    new_warehouse.load([4.0], month=SEPTEMBER, resource_tracking="VM-1", match_level=None)
    august, september = checked(new_warehouse).months
    assert (quality_of(august).unmatched_extended_cost, quality_of(september).unmatched_extended_cost) == (0.0, 4.0)
    (note,) = august.notes
    assert note.startswith("an older version loaded 2 rows and did not say whether a pattern matched them")
    assert note.endswith("; `azure-billing-warehouse retrack` finds out")
    assert (august.status, september.notes) == ("ok", [])


def test_completeness_is_percent_filled_and_a_fall_is_noted(warehouse: Warehouse) -> None:
    warehouse.load([1.0] * 4, cost_center="cc", tags="{}", resource_group=["rg", "rg", " ", None])
    warehouse.load([1.0] * 4, month=SEPTEMBER, cost_center=["cc", "", None, "cc"], resource_group="rg")
    verdict = checked(warehouse)
    august, september = verdict.months
    assert (quality_of(august).filled["cost_center"], quality_of(august).filled["resource_group"]) == (100.0, 50.0)
    assert (quality_of(august).filled["tags"], quality_of(september).filled["tags"]) == (0.0, 100.0)
    assert september.notes == ["cost_center is filled in 50.0 % of the rows, in 100.0 % of 2026-08"]


def test_nothing_is_said_of_the_completeness_of_a_month_without_rows(warehouse: Warehouse) -> None:
    warehouse.load([1.0] * 4, cost_center="cc")
    warehouse.load([], month=SEPTEMBER)
    august, september = checked(warehouse).months
    assert (quality_of(august).filled["cost_center"], quality_of(september).filled["cost_center"]) == (100.0, None)
    assert september.notes == []
    (line,) = [line for line in run(warehouse.config, "check").output.splitlines() if line.startswith("cost_center")]
    assert line.split() == ["cost_center", "100.0", "-"]


def test_a_restatement_is_told_by_application(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0, 3.0], resource_tracking=["PAYROLL", "SHOP", "GONE"])
    warehouse.load([1.0, 2.5, 4.0], snapshot=SECOND, resource_tracking=["PAYROLL", "SHOP", "SHOP"])
    restatement = only_month(warehouse).restatement
    assert restatement is not None
    assert (restatement.row_count_before, restatement.row_count) == (3, 3)
    assert (restatement.extended_cost_before, restatement.extended_cost) == (6.0, 7.5)
    assert [
        (change.resource_tracking, change.row_count_before, change.row_count, change.extended_cost)
        for change in restatement.applications
    ] == [("SHOP", 1, 2, 6.5), ("GONE", 1, 0, 0.0)]
    assert "SHOP: +1 row, cost +4.500000" in run(warehouse.config, "check").output


def test_an_empty_month_adds_up(warehouse: Warehouse) -> None:
    warehouse.load([])
    month = only_month(warehouse)
    assert (month.status, snapshot_of(month).distinct_row_count) == ("ok", 0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1e9, 1e9 + 0.0009, True),
        (1e9, 1e9 + 0.002, False),
        (1.0, 1.000002, False),
        (0.0, 1e-6, True),
        (-5.0, 5.0, False),
    ],
)
def test_costs_are_the_same_within_the_tolerance(one: float, other: float, *, same: bool) -> None:
    assert same_cost(one, other) is same


def test_the_exit_code_is_0_when_all_adds_up_1_when_not_2_when_it_cannot_be_told(new_warehouse: Warehouse) -> None:
    nothing = run(new_warehouse.config, "check")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert "There is no month to check" in nothing.stderr
    new_warehouse.load([1.0])
    assert run(new_warehouse.config, "check").exit_code == 0
    new_warehouse.stage([1.0], month=SEPTEMBER)
    failed = run(new_warehouse.config, "check")
    assert failed.exit_code == 1
    assert "2 months: 1 of 2 does not add up." in failed.stdout
    assert run(new_warehouse.config, "check", "--since", "2026-10").exit_code == 2
    new_warehouse.client.command(f"DROP TABLE {DETAIL}")
    untold = run(new_warehouse.config, "check")
    assert untold.exit_code == 2
    assert "a table is missing; `azure-billing-warehouse create` makes them" in untold.stderr


def test_the_command_merges_the_published_months_after_its_verdict(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.load([1.0, 2.0])
    assert "delivered twice" in run(warehouse.config, "check").stdout
    parts = (
        "SELECT table, count() AS parts, sum(rows) AS rows FROM system.parts WHERE active AND database = {} GROUP BY 1"
    )
    merged = warehouse.query(parts.format("currentDatabase()"))
    assert {"table": DETAIL, "parts": 1, "rows": 2} in merged
    assert {"table": MONTH, "parts": 1, "rows": 1} in merged


def test_json_has_the_figures_of_each_month(warehouse: Warehouse) -> None:
    load_august(warehouse)
    verdict = json.loads(run(warehouse.config, "check", "--format", "json").output)
    (month,) = verdict["months"]
    assert verdict["status"] == "ok"
    assert (month["enrollment_number"], month["billing_month"]) == (ENROLLMENT, AUGUST.isoformat())
    assert float(month["snapshot"]["month_row"]["extended_cost"]) == 10.25


def test_table_and_json_give_the_id_of_each_check_that_fails(warehouse: Warehouse) -> None:
    load_august(warehouse)
    warehouse.client.command("DELETE FROM dq_tagging_audit WHERE conflict", settings={"mutations_sync": 1})
    text = "2 audit rows were sent to dq_tagging_audit, 1 are there: 1 missing"
    (month,) = json.loads(run(warehouse.config, "check", "--format", "json").output)["months"]
    (problem,) = month["problems"]
    assert (problem["check"], problem["text"]) == ("C9", text)
    assert f"\n  fails C9: {text}\n" in run(warehouse.config, "check").output


def test_operations_says_of_each_check_what_must_hold_and_what_to_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (C\d+) \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    stated = {check_id(each): (each.__doc__ or "").splitlines()[0].rstrip(".") for each in CHECKS}
    assert len(stated) == len(CHECKS)
    assert {name: must_hold for name, must_hold, _ in rows} == stated
    assert len(rows) == len(stated)


def test_the_installed_command_ends_with_the_sentence_and_no_password(warehouse: Warehouse) -> None:
    program = Path(sys.executable).with_name("azure-billing-warehouse")
    unreachable = environment(warehouse.config) | {"CLICKHOUSE_PORT": "1", "CLICKHOUSE_PASSWORD": "battery staple"}
    ended = subprocess.run([program, "check"], env=unreachable, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    place = f"127.0.0.1:1, database {warehouse.config.database}"
    assert ended.stderr == f"Error: ClickHouse at {place}: can't connect: nothing answers on this port.\n"


def test_help_names_the_environment_variables_and_shows_no_password(config: ClickHouseConfig) -> None:
    told = run(config, "--help").output + run(config, "check", "--help").output
    for name in environment(config):
        assert name in told
    assert config.password.get_secret_value() not in told


def test_a_month_before_since_is_not_looked_at(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.load([1.0], month=SEPTEMBER)
    verdict = check(
        warehouse.config,
        since=SEPTEMBER,
        expected=Expectations(last_month=SEPTEMBER),
    )
    assert verdict is not None
    assert [month.billing_month for month in verdict.months] == [SEPTEMBER]
