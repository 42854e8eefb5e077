"""Which snapshots `prune` drops and which it must never drop, in a real ClickHouse."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.prune import prune
from azure_billing_warehouse.tables import SnapshotClaim

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.check.verdict import MonthCheck
    from azure_billing_warehouse.prune import Kind

HOUR = dt.timedelta(hours=1)
THIRD, FOURTH = SECOND + dt.timedelta(days=1), SECOND + dt.timedelta(days=2)


def staged(warehouse: Warehouse) -> list[tuple[dt.date, dt.datetime, float]]:
    rows = warehouse.query(
        "SELECT billing_month, snapshot_at, sum(extended_cost) AS cost FROM stg_azure_billing_detail "
        "GROUP BY billing_month, snapshot_at ORDER BY billing_month, snapshot_at"
    )
    return [(row["billing_month"], row["snapshot_at"], row["cost"]) for row in rows]


def load_three(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    warehouse.load([3.0], snapshot=THIRD)
    warehouse.load([9.0], month=SEPTEMBER)


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, [(THIRD, 3.0)]), (2, [(SECOND, 2.0), (THIRD, 3.0)]), (3, [(FIRST, 1.0), (SECOND, 2.0), (THIRD, 3.0)])],
    ids=["one", "two", "all"],
)
def test_the_newest_complete_snapshots_of_each_month_stay(
    warehouse: Warehouse, keep: int, left: list[tuple[dt.datetime, float]]
) -> None:
    load_three(warehouse)
    before = warehouse.query("SELECT billing_month, extended_cost FROM azure_billing_detail ORDER BY billing_month")
    prune(warehouse.config, keep=keep, dry_run=False)
    assert staged(warehouse) == [*((AUGUST, at, cost) for at, cost in left), (SEPTEMBER, FIRST, 9.0)]
    after = warehouse.query("SELECT billing_month, extended_cost FROM azure_billing_detail ORDER BY billing_month")
    assert after == before


def test_a_dry_run_tells_the_same_and_drops_nothing(warehouse: Warehouse) -> None:
    load_three(warehouse)
    before = staged(warehouse)
    told = prune(warehouse.config, keep=1, dry_run=True)
    assert staged(warehouse) == before
    assert prune(warehouse.config, keep=1, dry_run=False) == told
    assert [(snapshot.snapshot_at, snapshot.row_count) for snapshot in told] == [(FIRST, 1), (SECOND, 1)]


def test_a_snapshot_that_is_being_loaded_stays_and_older_broken_ones_go(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    warehouse.stage([3.0], snapshot=THIRD)
    warehouse.stage([4.0], snapshot=FOURTH)
    (pruned,) = prune(warehouse.config, keep=2, dry_run=False)
    assert (pruned.snapshot_at, pruned.complete) == (FIRST, False)
    assert [at for _, at, _ in staged(warehouse)] == [SECOND, THIRD, FOURTH]


def test_a_month_without_a_complete_snapshot_is_left_alone(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.stage([2.0], snapshot=SECOND)
    assert prune(warehouse.config, keep=1, dry_run=False) == []
    assert len(staged(warehouse)) == 2


def test_findings_and_audit_go_with_their_snapshot_and_month_rows_stay(warehouse: Warehouse) -> None:
    for snapshot in (FIRST, SECOND):
        warehouse.stage([1.0], snapshot=snapshot)
        warehouse.reject([5.0], first_row=2, snapshot=snapshot)
        warehouse.audit(1.0, conflict=True, snapshot=snapshot)
        warehouse.finish([1.0], snapshot=snapshot, rejected=[5.0], audit_count=1)
    prune(warehouse.config, keep=1, dry_run=False)
    for table in ("dq_billing_issue", "dq_tagging_audit"):
        assert warehouse.query(f"SELECT DISTINCT snapshot_at FROM {table}") == [{"snapshot_at": SECOND}]  # noqa: S608
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_month FINAL") == 2


def test_pruning_again_finds_nothing(warehouse: Warehouse) -> None:
    load_three(warehouse)
    prune(warehouse.config, keep=1, dry_run=False)
    assert prune(warehouse.config, keep=1, dry_run=False) == []


def test_the_snapshot_that_is_shown_is_an_empty_one(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([], snapshot=SECOND)
    prune(warehouse.config, keep=1, dry_run=False)
    assert staged(warehouse) == []
    assert warehouse.scalar("SELECT count() FROM azure_billing_month") == 1


def test_keeping_none_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="keep must be at least 1"):
        prune(warehouse.config, keep=0, dry_run=False)
    assert CliRunner().invoke(main, ["prune", "--keep", "0"]).exit_code == 2


def clock() -> dt.datetime:
    instant = dt.datetime.now(dt.UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def test_a_snapshot_in_the_future_never_makes_good_ones_superseded(warehouse: Warehouse) -> None:
    """Else the bill would be gone for an empty month that a wrong clock loaded."""
    warehouse.load([1.0])
    warehouse.load([], snapshot=clock() + HOUR)
    assert prune(warehouse.config, keep=1, dry_run=False) == []
    assert staged(warehouse) == [(AUGUST, FIRST, 1.0)]


def test_snapshots_in_the_future_go_with_their_month_rows_and_claims(warehouse: Warehouse) -> None:
    ahead = clock() + HOUR
    warehouse.load([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    warehouse.load([3.0], snapshot=ahead)
    warehouse.reject([3.0], first_row=2, snapshot=ahead)
    warehouse.stage([4.0], snapshot=ahead + HOUR)
    warehouse.load([], month=dt.date(2090, 1, 1))
    for at in (FIRST, SECOND, ahead):
        warehouse.insert(
            SnapshotClaim,
            [{"enrollment_number": ENROLLMENT, "billing_month": AUGUST, "snapshot_at": at, "load_id": "one"}],
        )
    told = prune(warehouse.config, keep=1, dry_run=True, kinds=frozenset({"future"}))
    assert [(snapshot.snapshot_at, snapshot.billing_month) for snapshot in told] == [
        (ahead, AUGUST),
        (ahead + HOUR, AUGUST),
        (FIRST, dt.date(2090, 1, 1)),
    ]
    assert prune(warehouse.config, keep=1, dry_run=False, kinds=frozenset({"future"})) == told
    assert staged(warehouse) == [(AUGUST, FIRST, 1.0), (AUGUST, SECOND, 2.0)]
    for table in ("stg_azure_billing_month", "stg_azure_billing_load"):
        left = warehouse.query(f"SELECT snapshot_at, billing_month FROM {table} FINAL ORDER BY snapshot_at")  # noqa: S608
        assert left == [{"snapshot_at": at, "billing_month": AUGUST} for at in (FIRST, SECOND)]
    assert warehouse.query("SELECT extended_cost FROM azure_billing_detail") == [{"extended_cost": 2.0}]
    assert warehouse.scalar("SELECT count() FROM dq_billing_issue") == 0


def broken_off(warehouse: Warehouse) -> list[dt.datetime]:
    kinds: frozenset[Kind] = frozenset({"broken off"})
    return [snapshot.snapshot_at for snapshot in prune(warehouse.config, keep=1, dry_run=False, kinds=kinds)]


def test_what_a_killed_load_left_goes_after_an_hour_whatever_its_clock_said(warehouse: Warehouse) -> None:
    """A run with its clock ahead was killed; the run after it was right, and the month is final: none will replace it.

    `check` goes by what was delivered last, and names the command.
    """
    warehouse.stage([1.0], snapshot=THIRD, create_at=clock() - 2 * HOUR)
    warehouse.load([2.0], snapshot=SECOND)
    (month,) = months(warehouse)
    assert month.status == "ok"
    assert "`azure-billing-warehouse prune --broken-off`" in month.notes[0]
    assert broken_off(warehouse) == [THIRD]
    assert staged(warehouse) == [(AUGUST, SECOND, 2.0)]
    (month,) = months(warehouse)
    assert (month.status, month.notes) == ("ok", [])


def test_a_load_that_may_be_running_is_not_broken_off(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.stage([2.0], snapshot=SECOND, create_at=clock() - 2 * HOUR)
    warehouse.stage([3.0], snapshot=SECOND, row_number=[2])
    assert broken_off(warehouse) == []


def test_a_damaged_snapshot_is_not_broken_off(warehouse: Warehouse) -> None:
    """Its month row came, and the tap has gone on: without it `check` would be content with the month before it."""
    warehouse.load([1.0])
    warehouse.stage([2.0], snapshot=SECOND, create_at=clock() - 2 * HOUR)
    warehouse.finish([2.0, 3.0], snapshot=SECOND)
    assert broken_off(warehouse) == []
    assert [month.status for month in months(warehouse)] == ["fails"]


def test_a_broken_off_month_that_was_never_complete_stays(warehouse: Warehouse) -> None:
    warehouse.stage([2.0], create_at=clock() - 2 * HOUR)
    assert broken_off(warehouse) == []


def test_the_command_drops_one_kind_or_more_and_tells_how_many(warehouse: Warehouse) -> None:
    config = warehouse.config
    environment = {
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_PASSWORD": config.password.get_secret_value(),
        "CLICKHOUSE_DATABASE": config.database,
    }
    warehouse.load([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    warehouse.stage([3.0], snapshot=THIRD, create_at=clock() - 2 * HOUR)
    warehouse.load([4.0], snapshot=clock() + HOUR)
    told = CliRunner().invoke(main, ["prune", "--future", "--broken-off", "--keep=1"], env=environment).output
    assert "Snapshots in the future that were dropped: 1\nSnapshots of broken-off loads that were dropped: 1\n" in told
    assert "Superseded" not in told
    assert [at for _, at, _ in staged(warehouse)] == [FIRST, SECOND]


def months(warehouse: Warehouse) -> list[MonthCheck]:
    expected = Expectations(last_month=AUGUST)
    verdict = check(warehouse.config, expected=expected)
    assert verdict is not None
    return verdict.months
