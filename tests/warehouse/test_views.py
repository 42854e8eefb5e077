"""Which rows the published views show, at every moment of a load, in a real ClickHouse."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.counting import SnapshotId, count_snapshots, merge_published, withdraw_counts
from azure_billing_warehouse.tables import ACTUAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.loading import Warehouse


def published(warehouse: Warehouse) -> list[tuple[dt.date, int, float]]:
    rows = warehouse.query(
        "SELECT billing_month, row_number, extended_cost FROM azure_billing_detail ORDER BY billing_month, row_number"
    )
    return [(row["billing_month"], row["row_number"], row["extended_cost"]) for row in rows]


def test_a_load_killed_at_any_point_leaves_the_view_as_it_was(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0, 3.0])
    old = [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0), (AUGUST, 3, 3.0)]
    steps: list[Callable[[], None]] = [
        lambda: warehouse.stage([10.0], snapshot=SECOND),
        lambda: warehouse.reject([5.0], first_row=2, snapshot=SECOND),
        lambda: warehouse.audit(10.0, conflict=True, snapshot=SECOND),
        lambda: warehouse.stage([30.0], snapshot=SECOND, row_number=[3]),
    ]
    for step in steps:
        assert published(warehouse) == old
        step()
    assert published(warehouse) == old
    assert warehouse.scalar("SELECT count() FROM azure_billing_issue") == 0
    warehouse.finish([10.0, 30.0], snapshot=SECOND, rejected=[5.0], audit_count=1)
    assert published(warehouse) == [(AUGUST, 1, 10.0), (AUGUST, 3, 30.0)]
    assert warehouse.scalar("SELECT count() FROM azure_billing_issue") == 2
    assert warehouse.scalar("SELECT count() FROM azure_tagging_audit") == 1


def test_a_month_row_before_the_last_rows_shows_nothing_yet(warehouse: Warehouse) -> None:
    warehouse.finish([1.0, 2.0])
    assert published(warehouse) == []
    warehouse.stage([1.0])
    assert published(warehouse) == []
    warehouse.stage([2.0], row_number=[2])
    assert published(warehouse) == [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]


def test_the_same_batch_delivered_twice_counts_once_before_and_after_a_merge(warehouse: Warehouse) -> None:
    # No merge may hide it in the first half of the test.
    warehouse.client.command("SYSTEM STOP MERGES stg_azure_billing_detail")
    warehouse.load([1.0, 2.0])
    warehouse.stage([1.0, 2.0])
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 4
    assert published(warehouse) == [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]
    warehouse.client.command("SYSTEM START MERGES stg_azure_billing_detail")
    warehouse.client.command("OPTIMIZE TABLE stg_azure_billing_detail FINAL")
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 2
    assert published(warehouse) == [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]


def test_a_batch_delivered_twice_does_not_make_up_for_a_missing_one(warehouse: Warehouse) -> None:
    warehouse.stage([1.0])
    warehouse.stage([1.0])
    warehouse.finish([1.0, 2.0])
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 2
    assert published(warehouse) == []


def test_a_month_row_delivered_twice_counts_once(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.finish([1.0])
    assert published(warehouse) == [(AUGUST, 1, 1.0)]
    assert warehouse.scalar("SELECT count() FROM azure_billing_month") == 1


def test_two_identical_rows_count_twice(warehouse: Warehouse) -> None:
    warehouse.load([1.25, 1.25])
    assert published(warehouse) == [(AUGUST, 1, 1.25), (AUGUST, 2, 1.25)]


def test_a_restated_month_replaces_the_old_one_and_leaves_other_months(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0])
    warehouse.load([7.0], month=SEPTEMBER)
    warehouse.load([1.5, 2.0, 4.0], snapshot=SECOND)
    assert published(warehouse) == [(AUGUST, 1, 1.5), (AUGUST, 2, 2.0), (AUGUST, 3, 4.0), (SEPTEMBER, 1, 7.0)]


@pytest.mark.parametrize("left", [[1.0], []], ids=["fewer rows", "no row"])
def test_a_month_that_shrinks_loses_its_rows(warehouse: Warehouse, left: list[float]) -> None:
    warehouse.load([1.0, 2.0, 3.0])
    warehouse.load(left, snapshot=SECOND)
    assert [cost for _, _, cost in published(warehouse)] == left


@pytest.mark.parametrize(
    "counts",
    [
        {"received_row_count": 1},
        {"row_count": 3, "received_row_count": 3},
        {"staged_row_count": 3},
        {"staged_row_count": 1},
        {"rejected_row_count": 1},
    ],
    ids=str,
)
def test_a_snapshot_whose_counts_disagree_is_never_shown(warehouse: Warehouse, counts: dict[str, Any]) -> None:
    warehouse.load([9.0])
    warehouse.stage([1.0, 2.0], snapshot=SECOND)
    warehouse.finish([1.0, 2.0], snapshot=SECOND, **counts)
    assert published(warehouse) == [(AUGUST, 1, 9.0)]


def test_enrollments_are_complete_each_for_itself(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.stage([2.0], enrollment_number="99999999", snapshot=SECOND)
    assert published(warehouse) == [(AUGUST, 1, 1.0)]


def test_the_view_has_the_columns_of_the_table_in_its_order(warehouse: Warehouse) -> None:
    table, view = (
        [row["name"] for row in warehouse.query(f"DESCRIBE TABLE {name}")]
        for name in ("stg_azure_billing_detail", "azure_billing_detail")
    )
    assert view == [*table, "application", "is_conflict"]


def test_the_view_says_whose_cost_a_row_is_and_whether_patterns_compete(warehouse: Warehouse) -> None:
    levels = ["last_segment", "resource_group", "subscription", None, "unknown"]
    warehouse.load([1.0] * 5, match_level=levels, match_count=[1, 2, 3, 0, None], resource_tracking=list("ABCDE"))
    found = warehouse.query("SELECT application, is_conflict FROM azure_billing_detail ORDER BY row_number")
    assert [tuple(row.values()) for row in found] == [("A", 0), ("B", 1), ("C", 1), (None, 0), (None, None)]
    focus = "SELECT x_Application, x_IsConflict FROM focus_cost_and_usage ORDER BY x_ResourceTracking"
    assert [list(row.values()) for row in warehouse.query(focus)] == [list(row.values()) for row in found]


def test_the_view_holds_with_the_settings_of_other_clients(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    warehouse.load([], snapshot=SECOND, month=SEPTEMBER)
    warehouse.load([2.0], snapshot=FIRST + dt.timedelta(days=1))
    warehouse.load([], month=SEPTEMBER, snapshot=SECOND + dt.timedelta(days=1))
    for settings in ("join_use_nulls = 1", "final = 1", "do_not_merge_across_partitions_select_final = 1"):
        shown = warehouse.query(f"SELECT extended_cost FROM azure_billing_detail SETTINGS {settings}")
        assert shown == [{"extended_cost": 2.0}]
        assert warehouse.scalar(f"SELECT count() FROM azure_billing_month SETTINGS {settings}") == 2


def counts(warehouse: Warehouse) -> list[int | None]:
    rows = warehouse.query("SELECT counted_row_count FROM stg_azure_billing_month FINAL ORDER BY snapshot_at")
    return [row["counted_row_count"] for row in rows]


def count(warehouse: Warehouse) -> None:
    count_snapshots(warehouse.client, warehouse.config)


def test_a_whole_snapshot_is_counted_and_merged_and_shown_the_same_before_between_and_after(
    warehouse: Warehouse,
) -> None:
    warehouse.client.command("SYSTEM STOP MERGES stg_azure_billing_detail")
    warehouse.load([1.0, 2.0])
    warehouse.stage([2.0], row_number=[2])
    shown = [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]
    assert (published(warehouse), counts(warehouse)) == (shown, [None])
    count(warehouse)
    assert (published(warehouse), counts(warehouse)) == (shown, [2])
    merge_published(warehouse.client, warehouse.config)  # ClickHouse refuses: merges are stopped
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 3
    warehouse.client.command("SYSTEM START MERGES stg_azure_billing_detail")
    for _ in range(2):
        merge_published(warehouse.client, warehouse.config)
        assert (published(warehouse), counts(warehouse)) == (shown, [2])
        assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 2
    warehouse.finish([1.0, 2.0])  # the month row again: its count is gone
    assert (published(warehouse), counts(warehouse)) == (shown, [None])
    count(warehouse)
    assert (published(warehouse), counts(warehouse)) == (shown, [2])
    warehouse.stage([1.0, 2.0])  # and rows that are delivered again count once, as before
    assert published(warehouse) == shown


def test_a_month_row_before_its_last_rows_is_counted_when_they_have_come(warehouse: Warehouse) -> None:
    warehouse.load([9.0])
    warehouse.finish([1.0, 2.0], snapshot=SECOND)
    warehouse.stage([1.0], snapshot=SECOND)
    count(warehouse)
    assert (published(warehouse), counts(warehouse)) == ([(AUGUST, 1, 9.0)], [1, None])
    warehouse.stage([2.0], snapshot=SECOND, row_number=[2])
    for _ in range(2):
        assert published(warehouse) == [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]
        count(warehouse)
        assert counts(warehouse) == [1, 2]


def test_a_row_lost_after_the_count_fails_the_check_which_withdraws_the_count(warehouse: Warehouse) -> None:
    warehouse.load([3.0])
    warehouse.load([1.0, 2.0], snapshot=SECOND)
    expected = Expectations(last_month=AUGUST)
    assert check(warehouse.config, expected=expected).status == "ok"  # type: ignore[union-attr]
    warehouse.client.command("DELETE FROM stg_azure_billing_detail WHERE extended_cost = 2")
    verdict = check(warehouse.config, expected=expected)
    assert verdict is not None
    assert [problem.check for problem in verdict.months[0].problems] == ["C6", "C12"]
    assert verdict.months[0].published_snapshot_at == FIRST
    assert (published(warehouse), counts(warehouse)) == ([(AUGUST, 1, 3.0)], [1, None])
    warehouse.stage([2.0], snapshot=SECOND, row_number=[2])
    assert published(warehouse) == [(AUGUST, 1, 1.0), (AUGUST, 2, 2.0)]


def test_a_user_who_may_only_read_gets_the_same_verdict_and_keeps_no_count(warehouse: Warehouse) -> None:
    warehouse.load([1.0])
    with connect(warehouse.config) as reader:
        reader.set_client_setting("readonly", 2)
        count_snapshots(reader, warehouse.config)
        assert not withdraw_counts(reader, warehouse.config, [SnapshotId(ENROLLMENT, ACTUAL, AUGUST, FIRST)])
    assert (published(warehouse), counts(warehouse)) == ([(AUGUST, 1, 1.0)], [None])


def test_a_pruned_snapshot_is_counted_once_as_having_no_rows(warehouse: Warehouse) -> None:
    warehouse.finish([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    count(warehouse)
    assert (published(warehouse), counts(warehouse)) == ([(AUGUST, 1, 2.0)], [0, 1])
