"""Drops snapshots of usage rows, audit and findings: superseded ones, or those that a wrong clock or a kill left.

The month rows of superseded snapshots stay, as load history.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt  # noqa: TC003 - Pydantic reads the annotations at run time
import itertools
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from azure_billing_warehouse.check.ledger import read_snapshots
from azure_billing_warehouse.clickhouse import connect, explained, read_clock
from azure_billing_warehouse.counting import SnapshotId, key_literal, mark_as_dropped
from azure_billing_warehouse.schema.ddl import PARTITIONED, SNAPSHOT_KEY, delete_rows, drop_partition, qualified
from azure_billing_warehouse.tables import BillingMonth, SnapshotClaim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.config import ClickHouseConfig

_KEY = ", ".join(SNAPSHOT_KEY)

Kind = Literal["superseded", "future", "broken off"]
"""Why a snapshot is dropped."""


class PrunedSnapshot(BaseModel):
    """A snapshot that was dropped, or would be."""

    enrollment_number: str
    dataset: str
    billing_month: dt.date
    snapshot_at: dt.datetime
    kind: Kind
    complete: bool
    row_count: int


def prune(
    config: ClickHouseConfig, *, keep: int, dry_run: bool, kinds: frozenset[Kind] = frozenset({"superseded"})
) -> list[PrunedSnapshot]:
    """Drop what no view shows and no restatement is compared with, or what should not be there.

    Superseded: for each enrollment, dataset and month the `keep` newest complete snapshots stay, and whatever is newer
    than the newest complete one, as it may be loading. Older incomplete ones go. A month without a complete snapshot
    stays unchanged. A snapshot in the future doesn't count as one of those kept, and stays.

    Future: snapshots later than ClickHouse's clock, and those of months that have not begun; their month rows go too.

    Broken off: snapshots without a month row that are newer than the newest complete one of their month, and into which
    nothing was delivered for an hour.

    Args:
        config: Where the tables are.
        keep: Complete snapshots of a month that stay, at least 1.
        dry_run: Whether only to list what would be dropped.
        kinds: What is dropped.

    Returns:
        What was dropped, oldest first.

    Raises:
        WarehouseError: ClickHouse can't be reached, or refuses.
    """
    if keep < 1:
        raise ValueError("the newest complete snapshot of a month is always kept: keep must be at least 1")
    with connect(config) as client:
        with explained(config, "read its clock"):
            now = read_clock(client)
        judged = _judged(read_snapshots(client, config), keep, now)
        chosen = [(kind, snapshot) for kind, snapshot in judged if kind in kinds]
        if not dry_run:
            _forget(client, config, [snapshot for kind, snapshot in chosen if kind != "superseded"])
            with explained(config, "drop the snapshots"):
                mark_as_dropped(
                    client, config, [SnapshotId(*snapshot.key) for kind, snapshot in chosen if kind == "superseded"]
                )
            _drop(client, config, {snapshot.key for _, snapshot in chosen})
    return [
        PrunedSnapshot(
            enrollment_number=snapshot.enrollment_number,
            dataset=snapshot.dataset,
            billing_month=snapshot.billing_month,
            snapshot_at=snapshot.snapshot_at,
            kind=kind,
            complete=snapshot.complete,
            row_count=snapshot.distinct_row_count,
        )
        for kind, snapshot in chosen
    ]


def _judged(snapshots: Iterable[Snapshot], keep: int, now: dt.datetime) -> Iterator[tuple[Kind, Snapshot]]:
    """Yield every snapshot that doesn't stay, and why."""
    for _, group in itertools.groupby(snapshots, key=lambda snapshot: snapshot.month_key):
        month = list(group)
        complete = [snapshot for snapshot in month if snapshot.complete and not _is_future(snapshot, now)]
        kept = {snapshot.key for snapshot in complete[-keep:]}
        for snapshot in month:
            if _is_future(snapshot, now):
                yield "future", snapshot
            elif not complete or snapshot.key in kept:
                continue
            elif snapshot.key < complete[-1].key:
                if _has_rows(snapshot):
                    yield "superseded", snapshot
            elif snapshot.is_broken_off(now):
                yield "broken off", snapshot


def _is_future(snapshot: Snapshot, now: dt.datetime) -> bool:
    return snapshot.snapshot_at > now or snapshot.billing_month > now.date()


def _has_rows(snapshot: Snapshot) -> bool:
    """Return whether there is anything left to drop: a pruned snapshot has only its month row."""
    return bool(snapshot.delivered_row_count or snapshot.issue_count or snapshot.audit_count)


def _forget(client: Client, config: ClickHouseConfig, snapshots: list[Snapshot]) -> None:
    """Delete month rows and claims: a snapshot that is no longer whole is no longer published."""
    if not snapshots:
        return
    keys = ", ".join(key_literal(SnapshotId(*snapshot.key)) for snapshot in snapshots)
    with explained(config, "drop the snapshots"):
        for model in (BillingMonth, SnapshotClaim):
            client.command(delete_rows(model.table, f"({_KEY}) IN ({keys})", config))


def _drop(client: Client, config: ClickHouseConfig, dropped: set[tuple[str, str, dt.date, dt.datetime]]) -> None:
    with explained(config, "drop the snapshots"):
        for model in PARTITIONED:
            partitions = client.query(
                f"SELECT DISTINCT {_KEY}, _partition_id FROM {qualified(config, model.table)}"
            ).result_rows
            for *key, partition_id in partitions:
                if tuple(key) in dropped:
                    client.command(drop_partition(model.table, partition_id, config))
