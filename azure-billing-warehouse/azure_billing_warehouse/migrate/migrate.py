"""Migrates the old table month by month: which months, in which order the statements are run, what is verified.

A month's rows are written first and its month row last, into a snapshot that no other run has written to: a run that
is killed leaves rows that no view shows, and the next run begins the month again. The old table is only read.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from azure_billing_warehouse.clickhouse import Connection, WarehouseError, connect, explained, read_clock
from azure_billing_warehouse.cluster import in_turn
from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.counting import SnapshotId, count_snapshots
from azure_billing_warehouse.migrate import statements
from azure_billing_warehouse.migrate.old_table import MissingInstanceId, read_old_table
from azure_billing_warehouse.migrate.tracking import Resource, Tracker, find_moves
from azure_billing_warehouse.patterns.table import read_table
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.schema.ddl import literal, qualified
from azure_billing_warehouse.schema.views import SNAPSHOTS
from azure_billing_warehouse.tables import ACTUAL, MIGRATED, AzureBillingDetail, BillingIssue, SnapshotClaim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.migrate.old_table import OldTable
    from azure_billing_warehouse.migrate.tracking import Move

BEFORE_THE_MONTH = dt.timedelta(hours=1)
"""How long before its month begins a migrated snapshot is dated: no load can be that old, so any load replaces it."""
_NO_LOAD_BEFORE = dt.timedelta(minutes=30)
_ATTEMPT = dt.timedelta(milliseconds=1)
_FLOAT32_ERROR = Decimal(2) ** -24
"""By what part of itself a number can differ from what was written to a Float32."""

Fate = Literal["migrated", "would be migrated", "skipped: it was loaded", "skipped: it was migrated already"]


@dataclass(frozen=True)
class Request:
    """What is to be migrated.

    Attributes:
        table: The old table, or `database.table`.
        enrollment: The enrollment whose rows are migrated, or that all rows are of.
        currency: Currency of the costs, where the table has no column for it.
        missing_instance_id: What becomes of usage without an instance id.
        since: First month; all months if None.
        until: Last month; all months if None.
        again: Whether a month that was migrated already is migrated again.
        replace_loaded: Whether the migrated rows take the place of what was loaded.
        dry_run: Whether nothing is written.
    """

    table: str
    enrollment: str | None = None
    currency: str | None = None
    missing_instance_id: MissingInstanceId = "quarantine"
    since: dt.date | None = None
    until: dt.date | None = None
    again: bool = False
    replace_loaded: bool = False
    dry_run: bool = False


class Facts(NamedTuple):
    """What the old table has of a month; costs before tax."""

    enrollment_number: str
    billing_month: dt.date | None
    row_count: int
    rejected_row_count: int
    issue_count: int
    extended_cost: Decimal
    """The exact sum of the costs as decimals."""
    staged_extended_cost: float
    rejected_extended_cost: float
    absolute_cost: float
    rejected: dict[str, tuple[int, Decimal]]
    """Rows and cost that were rejected, by the first rule that did."""


@dataclass(frozen=True)
class MonthOutcome:
    """What became of a month.

    Attributes:
        facts: What the old table has of it.
        fate: What was done.
        float32_error: By how much its cost can differ from the bill, because of the old column's type.
        moves: What R16 would track to another application; None: not compared.
    """

    facts: Facts
    fate: Fate
    float32_error: Decimal
    moves: Sequence[Move] | None


@dataclass(frozen=True)
class _Present:
    """What the warehouse has, by enrollment and month."""

    newest_source: dict[tuple[str, dt.date], str] = field(default_factory=dict)
    is_loaded: set[tuple[str, dt.date]] = field(default_factory=set)
    last_attempt: dict[tuple[str, dt.date], dt.datetime] = field(default_factory=dict)


class Migration:
    """A run of `migrate`: the table is read and judged when it is made, and each month migrated as it is iterated over.

    Args:
        config: Where the warehouse is.
        request: What is to be migrated.

    Attributes:
        old: The old table.
        tracker: What R16 is; None: there are no patterns, or no applications, to compare.
        without_month: What the old table has of no month: rows without a date. They stay there.

    Raises:
        WarehouseError: The table can't be migrated, or ClickHouse can't be used.
    """

    def __init__(self, config: ClickHouseConfig, request: Request) -> None:
        self._config, self._request = config, request
        if not request.dry_run:
            ensure_tables(config)
        with connect(config) as client:
            with explained(config, f"read the table {request.table}"):
                self.old: OldTable = read_old_table(
                    client,
                    config,
                    request.table,
                    enrollment=request.enrollment,
                    currency=request.currency,
                    missing_instance_id=request.missing_instance_id,
                )
                found = [_facts(row) for row in client.query(statements.select_facts(self.old)).result_rows]
            with explained(config, "read the months that are there"):
                self._present = _read_present(client, config)
        self.without_month = [facts for facts in found if facts.billing_month is None]
        self._months = [
            (facts, facts.billing_month)
            for facts in found
            if facts.billing_month is not None
            and (request.since is None or facts.billing_month >= request.since)
            and (request.until is None or facts.billing_month <= request.until)
        ]
        patterns = read_table(config, connection=Connection(config)) if "resource_tracking" in self.old.types else None
        self.tracker = Tracker(patterns) if patterns else None

    def __iter__(self) -> Iterator[MonthOutcome]:
        """Migrate each month and tell what became of it.

        Raises:
            WarehouseError: ClickHouse can't be used, another run is at work on the month, or the old table changed.
        """
        with connect(self._config) as client:
            for facts, month in self._months:
                with explained(self._config, f"migrate month {month:%Y-%m} of {self.old.shown}"):
                    fate = self._fate(facts.enrollment_number, month)
                    if fate == "migrated":
                        self._migrate(client, facts, self._snapshot(client, facts.enrollment_number, month))
                    moves = None if fate.startswith("skipped") else self._moves(client, facts.enrollment_number, month)
                error = Decimal(facts.absolute_cost) * _FLOAT32_ERROR if self.old.is_float32 else Decimal(0)
                yield MonthOutcome(facts, fate, error, moves)
            if not self._request.dry_run:
                with explained(self._config, "count the migrated months"):
                    count_snapshots(client, self._config)

    def _fate(self, enrollment: str, month: dt.date) -> Fate:
        source = self._present.newest_source.get((enrollment, month))
        if source == MIGRATED and not self._request.again:
            return "skipped: it was migrated already"
        if source not in {None, MIGRATED} and not self._request.replace_loaded:
            return "skipped: it was loaded"
        return "would be migrated" if self._request.dry_run else "migrated"

    def _snapshot(self, client: Client, enrollment: str, month: dt.date) -> SnapshotId:
        """Return a snapshot that no run has begun: older than any load, unless it is to replace one."""
        key = enrollment, month
        if key in self._present.is_loaded:
            now = read_clock(client)
            return SnapshotId(enrollment, ACTUAL, month, now.replace(microsecond=now.microsecond // 1000 * 1000))
        first = _midnight(month) - BEFORE_THE_MONTH
        last = self._present.last_attempt.get(key)
        return SnapshotId(enrollment, ACTUAL, month, last + _ATTEMPT if last else first)

    def _migrate(self, client: Client, facts: Facts, snapshot: SnapshotId) -> None:
        started = read_clock(client)
        self._claim(client, snapshot)
        self._insert(client, statements.insert_rows(self.old, snapshot, self._config))
        if facts.issue_count:
            self._insert(client, statements.insert_findings(self.old, snapshot, self._config))
        self._verify(client, facts, snapshot)
        staged = facts.row_count - facts.rejected_row_count
        row = {
            "source": literal(MIGRATED),
            "row_count": str(facts.row_count),
            "extended_cost": f"toDecimal256({literal(f'{facts.extended_cost:f}')}, 38)",
            "started_at": _instant(started),
            "completed_at": _instant(read_clock(client)),
            "received_row_count": str(facts.row_count),
            "staged_row_count": str(staged),
            "rejected_row_count": str(facts.rejected_row_count),
            "staged_extended_cost": repr(facts.staged_extended_cost),
            "rejected_extended_cost": repr(facts.rejected_extended_cost),
            "issue_count": str(facts.issue_count),
        }
        self._insert(client, statements.insert_month(self.old, snapshot, row, self._config))

    def _claim(self, client: Client, snapshot: SnapshotId) -> None:
        """Say that this run writes the snapshot; of two at once, at least one sees the other and stops."""
        load_id = str(uuid.uuid4())
        self._insert(client, statements.insert_claim(snapshot, load_id, self._config))
        ((others,),) = client.query(
            f"SELECT count() FROM {qualified(self._config, SnapshotClaim.table)} "
            f"WHERE {statements.of_snapshot(snapshot)} AND load_id != {literal(load_id)}"
        ).result_rows
        if others:
            raise WarehouseError(
                f"Another `migrate` is at work on month {snapshot.billing_month:%Y-%m} of enrollment "
                f"{snapshot.enrollment_number}: nothing was written by this one. Run it again when that has ended."
            )

    def _insert(self, client: Client, statement: str) -> None:
        in_turn(lambda: client.command(statement, settings=statements.SETTINGS))

    def _verify(self, client: Client, facts: Facts, snapshot: SnapshotId) -> None:
        """Compare what has arrived with what the old table had when it was read first.

        Raises:
            WarehouseError: It is something else.
        """
        chosen = statements.of_snapshot(snapshot)
        ((rows, cost),) = client.query(
            "SELECT count(), ifNull(sumKahan(toFloat64(staged.extended_cost)), 0) "
            f"FROM {qualified(self._config, AzureBillingDetail.table)} AS staged FINAL WHERE {chosen}"
        ).result_rows
        ((findings,),) = client.query(
            f"SELECT count() FROM {qualified(self._config, BillingIssue.table)} FINAL WHERE {chosen}"
        ).result_rows
        expected = facts.row_count - facts.rejected_row_count
        if (rows, findings) != (expected, facts.issue_count) or not same_cost(cost, facts.staged_extended_cost):
            raise WarehouseError(
                f"Month {snapshot.billing_month:%Y-%m} of {self.old.shown} had {expected} rows at a cost of "
                f"{facts.staged_extended_cost!r} and {facts.issue_count} findings, and {rows} rows at {cost!r} and "
                f"{findings} findings arrived: the table was changed in between. No view shows them; stop what writes "
                "to it, and run again."
            )

    def _moves(self, client: Client, enrollment: str, month: dt.date) -> Sequence[Move] | None:
        if self.tracker is None:
            return None
        query = statements.select_applications(self.old, enrollment, month)
        return find_moves((Resource(*row) for row in client.query(query).result_rows), self.tracker)


def _facts(row: Sequence[Any]) -> Facts:
    *told, r1_rows, r1_cost, r4_rows, r4_cost, r7_rows, r7_cost = row
    by_rule = zip(statements.REJECTING, ((r1_rows, r1_cost), (r4_rows, r4_cost), (r7_rows, r7_cost)), strict=True)
    return Facts._make([*told, {rule: found for rule, found in by_rule if found[0]}])


def _read_present(client: Client, config: ClickHouseConfig) -> _Present:
    present = _Present()
    found = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String}", {"database": config.database}
    ).result_columns
    names = set(found[0]) if found else set()
    if not {SNAPSHOTS, SnapshotClaim.table} <= names:
        return present
    newest: dict[tuple[str, dt.date], dt.datetime] = defaultdict(lambda: dt.datetime.min.replace(tzinfo=dt.UTC))
    for enrollment, month, source, snapshot_at in client.query(
        f"SELECT enrollment_number, billing_month, source, snapshot_at FROM {qualified(config, SNAPSHOTS)} "
        "WHERE complete AND dataset = {dataset:String}",
        {"dataset": ACTUAL},
    ).result_rows:
        key = enrollment, month
        if source != MIGRATED:
            present.is_loaded.add(key)
        if snapshot_at > newest[key]:
            newest[key] = snapshot_at
            present.newest_source[key] = source
    for enrollment, month, snapshot_at in client.query(
        f"SELECT enrollment_number, billing_month, snapshot_at FROM {qualified(config, SnapshotClaim.table)} "
        "WHERE dataset = {dataset:String}",
        {"dataset": ACTUAL},
    ).result_rows:
        key = enrollment, month
        if snapshot_at < _midnight(month) - _NO_LOAD_BEFORE:
            present.last_attempt[key] = max(snapshot_at, present.last_attempt.get(key, snapshot_at))
    return present


def _midnight(month: dt.date) -> dt.datetime:
    return dt.datetime.combine(month, dt.time(), dt.UTC)


def _instant(moment: dt.datetime) -> str:
    return f"parseDateTime64BestEffort({literal(moment.isoformat(timespec='milliseconds'))}, 3, 'UTC')"
