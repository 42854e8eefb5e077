"""Drops superseded snapshots of usage rows, audit and findings; the month rows stay, as load history."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt  # noqa: TC003 - Pydantic reads the annotations at run time
import itertools
from typing import TYPE_CHECKING

from pydantic import BaseModel

from mapper_azure_billing_tracking.client import connect, explained
from mapper_azure_billing_tracking.ddl import PARTITIONED, SNAPSHOT_KEY, drop_partition, qualified
from mapper_azure_billing_tracking.ledger import read_snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clickhouse_connect.driver.client import Client

    from mapper_azure_billing_tracking.config import ClickHouseConfig
    from mapper_azure_billing_tracking.ledger import Snapshot

_KEY = ", ".join(SNAPSHOT_KEY)


class PrunedSnapshot(BaseModel):
    """A snapshot that was dropped, or would be."""

    enrollment_number: str
    billing_month: dt.date
    snapshot_at: dt.datetime
    complete: bool
    row_count: int


def prune(config: ClickHouseConfig, *, keep: int, dry_run: bool) -> list[PrunedSnapshot]:
    """Drop what no view shows and no restatement is compared with.

    Of each enrollment and month the `keep` newest complete snapshots stay, and whatever is newer than the newest
    complete one, as it may be loading. Older incomplete ones go. A month without a complete snapshot stays as it is.

    Args:
        config: where the tables are.
        keep: complete snapshots of a month that stay, at least 1.
        dry_run: whether only to tell.

    Returns:
        What was dropped, oldest first.

    Raises:
        WarehouseError: ClickHouse can't be reached, or refuses.
    """
    if keep < 1:
        raise ValueError("the newest complete snapshot of a month is always kept: keep must be at least 1")
    with connect(config) as client:
        superseded = list(_superseded(read_snapshots(client, config), keep))
        if not dry_run:
            _drop(client, config, {snapshot.key for snapshot in superseded})
    return [
        PrunedSnapshot(
            enrollment_number=snapshot.enrollment_number,
            billing_month=snapshot.billing_month,
            snapshot_at=snapshot.snapshot_at,
            complete=snapshot.complete,
            row_count=snapshot.distinct_row_count,
        )
        for snapshot in superseded
    ]


def _superseded(snapshots: Iterable[Snapshot], keep: int) -> Iterator[Snapshot]:
    for _, group in itertools.groupby(snapshots, key=lambda snapshot: snapshot.key[:2]):
        month = list(group)
        complete = [snapshot for snapshot in month if snapshot.complete]
        if not complete:
            continue
        kept = {snapshot.key for snapshot in complete[-keep:]}
        yield from (
            snapshot
            for snapshot in month
            if snapshot.key < complete[-1].key and snapshot.key not in kept and _has_rows(snapshot)
        )


def _has_rows(snapshot: Snapshot) -> bool:
    """Whether there is anything left to drop: of a pruned snapshot only the month row is left."""
    return bool(snapshot.delivered_row_count or snapshot.issue_count or snapshot.audit_count)


def _drop(client: Client, config: ClickHouseConfig, superseded: set[tuple[str, dt.date, dt.datetime]]) -> None:
    with explained(config, "drop the superseded snapshots"):
        for model in PARTITIONED:
            partitions = client.query(
                f"SELECT DISTINCT {_KEY}, _partition_id FROM {qualified(config, model.table)}"
            ).result_rows
            for *key, partition_id in partitions:
                if tuple(key) in superseded:
                    client.command(drop_partition(model.table, partition_id, config))
