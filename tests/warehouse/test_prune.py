"""Which snapshots `prune` drops and which it must never drop, in a real ClickHouse."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from warehouse.loading import AUGUST, FIRST, SECOND, SEPTEMBER

from mapper_azure_billing_tracking.cli import main
from mapper_azure_billing_tracking.prune import prune

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

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
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_month") == 2


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
