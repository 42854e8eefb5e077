"""Writes a published month again with today's tracking, as a new complete snapshot; `resources` says what changes.

The rows are copied within ClickHouse. The month row comes last, as in any load, so that the views show the snapshot
before until everything is there. The new snapshot's instant is a millisecond after the one it copies: a load that began
later, by which the bill itself was read again, is newer than it.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt
import io
import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.clickhouse import Connection, WarehouseError
from azure_billing_warehouse.cluster import in_turn
from azure_billing_warehouse.counting import SnapshotId, count_snapshots, key_literal, merge_published, merge_snapshot
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, create_everywhere, literal, on_cluster, qualified
from azure_billing_warehouse.schema.views import MONTHS, SNAPSHOTS
from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, BillingMonth, SnapshotClaim, TaggingAudit
from mapper_azure_billing_tracking.allocation.resources import (
    RESOURCE,
    TRACKED,
    Move,
    is_tracked_anew,
    moves,
    new_name,
    read_resources,
    track,
)
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.load_guard import LoadGuard
from mapper_azure_billing_tracking.rules.audit import audit_of_resources
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.tallies import SnapshotKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.patterns.pattern import Pattern
    from azure_billing_warehouse.tables import BillTable

logger = logging.getLogger(__name__)

_KEY = ", ".join(SNAPSHOT_KEY)
_TRACKING = "stg_azure_billing_retrack"
_MILLISECOND = dt.timedelta(milliseconds=1)
_DEFINITIONS = (
    *(f"`{name}` String" for name in RESOURCE),
    "`resource_tracking` Nullable(String)",
    "`match_level` Nullable(String)",
    "`match_count` Nullable(Int64)",
)
_PURPOSE = "track the months again"
_COPY: dict[str, str | int] = {
    # One thread reads the rows in the order of the table's key: they need no sorting, and no two parts overlap.
    "max_threads": 1,
    "max_insert_threads": 1,
    # Two thirds of the default's parts for the merge that follows. A block becomes a part; in memory are a few of them.
    "min_insert_block_size_bytes": 448 * 2**20,
}
_MERGED_AFTERWARDS: dict[str, str | int] = {
    # No two of the rows are equal: looking for such takes more CPU than reading and writing them.
    "optimize_on_insert": 0,
}


@dataclass(frozen=True)
class RetrackedMonth:
    """What became of a month.

    Attributes:
        snapshot: The published snapshot that was looked at.
        row_count: Its rows.
        moves: The rows that change their application.
        is_changed: Whether anything changes: the level or number of matches may, where no application does.
    """

    snapshot: SnapshotKey
    row_count: int
    moves: Sequence[Move]
    is_changed: bool


def retrack(
    config: ClickHouseConfig,
    patterns: Sequence[Pattern],
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    dry_run: bool = False,
) -> Iterator[RetrackedMonth]:
    """Track published months by these patterns, and publish each that changes as a new snapshot.

    Args:
        config: Where the tables are.
        patterns: The patterns.
        since: First month; all without it.
        until: Last month.
        dry_run: Whether only to tell what would change.

    Yields:
        Each month, oldest first, once it is done.

    Raises:
        LoadRefusedError: Another load has begun the same snapshot, or a newer one is there.
        WarehouseError: ClickHouse can't be reached, or refuses.
    """
    if not dry_run:
        ensure_tables(config)
    engine = ResourceTrackingEngine(patterns)
    connection = Connection(config)
    if not dry_run:
        with connection.use(_PURPOSE) as client:
            _drop_left_overs(client, config)
    with connection.use(_PURPOSE) as client:
        months = client.query(
            f"SELECT {_KEY}, partition_id, distinct_row_count FROM {qualified(config, MONTHS)} "
            "WHERE billing_month BETWEEN {since:Date} AND {until:Date} "
            "ORDER BY billing_month, enrollment_number, dataset",
            {"since": since or dt.date(1970, 1, 1), "until": until or dt.date(2149, 1, 1)},
        ).result_rows
    for *key, partition_id, row_count in months:
        snapshot = SnapshotKey(*key)
        with connection.use(_PURPOSE) as client:
            tracked = track(read_resources(client, config, partition_id), engine)
        is_changed = bool(row_count) and is_tracked_anew(tracked)
        if is_changed and not dry_run:
            _publish(connection, config, snapshot, partition_id, tracked)
        yield RetrackedMonth(snapshot, row_count, moves(tracked), is_changed)
    if not dry_run:
        with connection.use(_PURPOSE) as client:
            merge_published(client, config)


def _publish(
    connection: Connection, config: ClickHouseConfig, old: SnapshotKey, partition_id: str, tracked: pl.DataFrame
) -> None:
    with connection.use(_PURPOSE) as client:
        new = old._replace(snapshot_at=_next_instant(client, config, old))
    LoadGuard(config, ProcessingConfig(output="arrow"), connection=connection).claim([new])
    audited = audit_of_resources(
        tracked.drop(TRACKED)
        .rename({new_name(name): name for name in TRACKED})
        .with_columns(pl.lit(value).alias(name) for name, value in new._asdict().items()),
        dt.datetime.now(dt.UTC),
    )
    with connection.use(_PURPOSE) as client:
        copy = _Copy(client, config, old, new)
        copy.rows(partition_id, tracked)
        copy.rest(BillingIssue, {})
        if audited.height:
            copy.send(qualified(config, TaggingAudit.table), audited)
        copy.rest(BillingMonth, {"audit_count": str(audited.height)})
        count_snapshots(client, config)
        _require_published(client, config, new)
    logger.info("%s: tracked again.", new.name)


def _drop_left_overs(client: Client, config: ClickHouseConfig) -> None:
    """Drop the tables of runs that were killed: those made more than an hour ago."""
    left = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {tracking:String}) "
        "AND metadata_modification_time < now() - INTERVAL 1 HOUR",
        {"database": config.database, "tracking": f"{_TRACKING}_"},
    ).result_rows
    for (name,) in left:
        client.command(f"DROP TABLE IF EXISTS {qualified(config, name)}{on_cluster(config)} SYNC")


def _next_instant(client: Client, config: ClickHouseConfig, old: SnapshotKey) -> dt.datetime:
    """Return an instant after the snapshot at which no load has begun: one that was killed may have left rows."""
    tables = " UNION ALL ".join(
        f"SELECT max(snapshot_at) AS latest FROM {qualified(config, model.table)} "
        "WHERE enrollment_number = {enrollment:String} AND billing_month = {month:Date} "
        f"AND snapshot_at < toStartOfSecond({_instant(old)}) + INTERVAL 1 SECOND"
        for model in (SnapshotClaim, BillingMonth)
    )
    ((latest,),) = client.query(
        f"SELECT max(latest) FROM ({tables})",
        {"enrollment": old.enrollment_number, "month": old.billing_month},
    ).result_rows
    instant: dt.datetime = max(latest, old.snapshot_at) + _MILLISECOND
    if instant.replace(microsecond=0) != old.snapshot_at.replace(microsecond=0):
        raise WarehouseError(
            f"{old.name}: it was tracked again so often that no millisecond is left in its second. Load the month "
            "again; it can then be tracked again as often."
        )
    return instant


@dataclass(frozen=True)
class _Copy:
    """Copies a snapshot's rows within ClickHouse under another instant.

    Attributes:
        client: The connection.
        config: Its configuration.
        old: The snapshot that is copied.
        new: The snapshot that it becomes.
    """

    client: Client
    config: ClickHouseConfig
    old: SnapshotKey
    new: SnapshotKey

    def rows(self, partition_id: str, tracked: pl.DataFrame) -> None:
        """Copy the usage rows with what today's patterns make of them.

        A row whose resource is not among those that were tracked is left out, and the new snapshot then not complete.
        """
        table = f"{_TRACKING}_{uuid.uuid4().hex}"
        tracking = qualified(self.config, table)
        resources = tracked.select(
            *(pl.col(name).fill_null("") for name in RESOURCE),
            *(pl.col(new_name(name)).alias(name) for name in TRACKED),
        ).unique(RESOURCE)
        self.client.command(create_everywhere(table, _DEFINITIONS, RESOURCE, uuid.uuid4().hex, self.config))
        try:
            self.send(tracking, resources)
            detail = qualified(self.config, AzureBillingDetail.table)
            # An inner join, which may repeat rows, takes ClickHouse 25.5 some 2 s of CPU more for 1,000,000 of them.
            join = f"{'GLOBAL ' if self.config.cluster else ''}SEMI LEFT JOIN (SELECT * FROM {tracking}) AS tracking"
            on = " AND ".join(f"tracking.{name} = ifNull(detail.{name}, '')" for name in RESOURCE)
            source = (
                f"FROM (SELECT * FROM {detail} FINAL WHERE _partition_id = {literal(partition_id)}) AS detail "
                f"{join} ON {on}"
            )
            made = {name: f"tracking.{name}" for name in TRACKED}
            settings = _COPY if self.config.cluster else _COPY | _MERGED_AFTERWARDS
            self._insert(AzureBillingDetail, made, source, "detail.", settings)
        finally:
            self.client.command(f"DROP TABLE IF EXISTS {tracking}{on_cluster(self.config)} SYNC")
        # Before ClickHouse begins to merge some of the parts, which would then be merged twice.
        merge_snapshot(self.client, self.config, SnapshotId(*self.new))

    def rest(self, model: type[BillTable], changed: Mapping[str, str]) -> None:
        """Copy the snapshot's rows of another table, with these expressions in place of columns."""
        table = qualified(self.config, model.table)
        of_old = f"FROM {table} FINAL WHERE ({_KEY}) = {key_literal(SnapshotId(*self.old))}"
        self._insert(model, changed, of_old)

    def send(self, table: str, frame: pl.DataFrame) -> None:
        """Insert a frame into a table."""
        content = _arrow(frame)
        in_turn(lambda: self.client.raw_insert(table, frame.columns, content, fmt="Arrow"))

    def _insert(
        self,
        model: type[BillTable],
        changed: Mapping[str, str],
        source: str,
        prefix: str = "",
        settings: Mapping[str, str | int] | None = None,
    ) -> None:
        """Copy rows of a table; what the table fills itself, it fills anew."""
        names = [column.name for column in model.sent_columns()]
        values = {**changed, "snapshot_at": _instant(self.new)}
        selected = ", ".join(values.get(name, f"{prefix}{quote_identifier(name)}") for name in names)
        columns = ", ".join(map(quote_identifier, names))
        statement = f"INSERT INTO {qualified(self.config, model.table)} ({columns}) SELECT {selected} {source}"
        in_turn(lambda: self.client.command(statement, settings=dict(settings or {})))


def _require_published(client: Client, config: ClickHouseConfig, new: SnapshotKey) -> None:
    ((published,),) = client.query(
        f"SELECT count() FROM {qualified(config, SNAPSHOTS)} "
        f"WHERE published AND ({_KEY}) = {key_literal(SnapshotId(*new))}"
    ).result_rows
    if not published:
        raise WarehouseError(
            f"{new.name}: the rows tracked again are not all there, or a newer load of the month is; the views show "
            "what they showed before, or that load. Run `retrack` again."
        )


def _instant(snapshot: SnapshotKey) -> str:
    return f"parseDateTime64BestEffort('{snapshot.snapshot_at.isoformat(timespec='milliseconds')}', 3, 'UTC')"


def _arrow(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_ipc(content, compat_level=pl.CompatLevel.oldest())
    return content.getvalue()
