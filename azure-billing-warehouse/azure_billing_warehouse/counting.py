"""Counts the rows of whole snapshots once, and keeps the counts in their month rows, so that no view counts again.

A count is written by one INSERT of the month's row: it is there or it isn't. A month row that is delivered again, and a
count that `check` withdraws, leave the snapshot uncounted, and the views then count it themselves.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.exceptions import DatabaseError

from azure_billing_warehouse.cluster import in_turn
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, literal, merge, qualified
from azure_billing_warehouse.schema.views import MONTHS, SNAPSHOTS, whole
from azure_billing_warehouse.tables import AzureBillingDetail, BillingMonth

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig

_KEY = ", ".join(SNAPSHOT_KEY)
_MAY_NOT_WRITE = {164, 497}  # READONLY, ACCESS_DENIED
_CAN_NOT_MERGE = {*_MAY_NOT_WRITE, 236, 243, 388}  # ABORTED (merges are stopped), NOT_ENOUGH_SPACE, CANNOT_ASSIGN
_NO_ROWS = ("0", "''")
_COUNTED = ("counted_row_count", "counted_partition_id", "counted_at")


class SnapshotId(NamedTuple):
    """What identifies a snapshot, in the order of `SNAPSHOT_KEY`."""

    enrollment_number: str
    dataset: str
    billing_month: dt.date
    snapshot_at: dt.datetime


def count_snapshots(client: Client, config: ClickHouseConfig) -> None:
    """Count the whole snapshots that aren't counted yet, and keep the counts of complete ones.

    A snapshot whose rows aren't all there stays uncounted, as they may still come, unless it has none and a later one
    is complete: then it was pruned. Does nothing for a user who may not write. Call it within `explained`.
    """
    months = client.query(
        f"SELECT {_KEY}, staged_row_count, counted_row_count, distinct_row_count, partition_id "
        f"FROM {qualified(config, SNAPSHOTS)} WHERE {whole()} ORDER BY {_KEY}"
    ).result_rows
    for _, group in itertools.groupby(months, key=lambda row: row[:3]):
        pruned: list[SnapshotId] = []
        for *key, staged, counted, present, partition_id in group:
            snapshot = SnapshotId(*key)
            if present != staged:
                pruned += [snapshot] if present == 0 and counted is None else []
                continue
            found = (str(present), literal(partition_id)) if present else _NO_ROWS
            if counted is None and not _keep(client, config, [snapshot], *found):
                return
            _keep(client, config, pruned, *_NO_ROWS)
            pruned = []


def merge_published(client: Client, config: ClickHouseConfig) -> None:
    """Merge the rows of each published snapshot into one part, and the month rows, which all queries begin with.

    The views are faster then, and show the same. On a cluster nothing is merged.

    Does nothing for a user who may not write or look at the parts. Call it within `explained`.
    """
    if config.cluster:
        return
    table = AzureBillingDetail.table
    try:
        parted = client.query(
            "SELECT partition_id FROM system.parts "
            "WHERE active AND database = {database:String} AND table = {table:String} "
            f"AND partition_id IN (SELECT partition_id FROM {qualified(config, MONTHS)}) "
            "GROUP BY partition_id HAVING count() > 1 OR max(level) = 0",
            {"database": config.database, "table": table},
        ).result_rows
    except DatabaseError as error:
        if error.code not in _MAY_NOT_WRITE:
            raise
        return
    for (partition_id,) in parted:
        attempt(client, merge(table, config, partition_id), _CAN_NOT_MERGE)
    attempt(client, merge(BillingMonth.table, config), _CAN_NOT_MERGE)


def merge_snapshot(client: Client, config: ClickHouseConfig, snapshot: SnapshotId) -> None:
    """Merge the usage rows of a snapshot, published or not, into one part; otherwise as `merge_published`."""
    if config.cluster:
        return
    table = AzureBillingDetail.table
    partitions = client.query(
        f"SELECT DISTINCT _partition_id FROM {qualified(config, table)} WHERE ({_KEY}) = {key_literal(snapshot)}"
    ).result_rows
    for (partition_id,) in partitions:
        attempt(client, merge(table, config, partition_id), _CAN_NOT_MERGE)


def withdraw_counts(client: Client, config: ClickHouseConfig, snapshots: Iterable[SnapshotId]) -> bool:
    """Forget the counts of snapshots whose rows have changed; return whether that was allowed."""
    return _keep(client, config, snapshots, "NULL", "NULL")


def mark_as_dropped(client: Client, config: ClickHouseConfig, snapshots: Iterable[SnapshotId]) -> None:
    """Keep that snapshots have no rows: those that are about to be dropped; they are not complete from then on."""
    if statement := _insert(config, snapshots, *_NO_ROWS):
        in_turn(lambda: client.command(statement))


def key_literal(snapshot: SnapshotId) -> str:
    """Write a snapshot's key as a tuple in SQL."""
    instant = literal(snapshot.snapshot_at.isoformat(timespec="milliseconds"))
    return (
        f"({literal(snapshot.enrollment_number)}, {literal(snapshot.dataset)}, "
        f"toDate({literal(snapshot.billing_month.isoformat())}), parseDateTime64BestEffort({instant}, 3, 'UTC'))"
    )


def _keep(
    client: Client, config: ClickHouseConfig, snapshots: Iterable[SnapshotId], count: str, partition_id: str
) -> bool:
    statement = _insert(config, snapshots, count, partition_id)
    return not statement or attempt(client, statement)


def _insert(config: ClickHouseConfig, snapshots: Iterable[SnapshotId], count: str, partition_id: str) -> str:
    """Return the statement that writes the month rows of snapshots with a count; '' for no snapshots."""
    keys = ", ".join(key_literal(snapshot) for snapshot in snapshots)
    if not keys:
        return ""
    # A replicated table drops an insert that equals an earlier one; no two are of the same instant.
    values = dict(zip(_COUNTED, (count, partition_id, "now64(3, 'UTC')"), strict=True))
    names = [column.name for column in BillingMonth.columns()]
    columns = ", ".join(quote_identifier(name) for name in names)
    selected = ", ".join(values.get(name, quote_identifier(name)) for name in names)
    table = qualified(config, BillingMonth.table)
    return f"INSERT INTO {table} ({columns}) SELECT {selected} FROM {table} FINAL WHERE ({_KEY}) IN ({keys})"


def attempt(client: Client, statement: str, refusals: Collection[int] = _MAY_NOT_WRITE) -> bool:
    """Run a statement that the tables are right without.

    Returns:
        Whether it was run; False if ClickHouse refused it for one of these causes: the user may not write.
    """
    try:
        in_turn(lambda: client.command(statement))
    except DatabaseError as error:
        if error.code not in refusals:
            raise
        return False
    return True
