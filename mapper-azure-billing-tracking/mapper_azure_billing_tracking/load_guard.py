"""Keeps a load from hiding good months: makes tables, compares clocks, refuses future instants, claims snapshots.

It sends ClickHouse a few small queries at the start, and two statements for each snapshot; it looks at no rows. Where
the mapper may go on without ClickHouse, all of it is done as soon as ClickHouse answers.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt
import logging
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure_billing_warehouse.clickhouse import Connection, UnreachableError, WarehouseError, read_clock
from azure_billing_warehouse.cluster import in_turn
from azure_billing_warehouse.config import read_months
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, qualified
from azure_billing_warehouse.schema.views import whole
from azure_billing_warehouse.tables import TABLES, BillingMonth, SnapshotClaim
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.tallies import SnapshotKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from mapper_azure_billing_tracking.config import ProcessingConfig

logger = logging.getLogger(__name__)

_KEY = ", ".join(SNAPSHOT_KEY)
_INSTANT = "parseDateTime64BestEffort({{{name}:String}}, 3, 'UTC')"


class LoadRefusedError(OperatorError):
    """Going on would hide or mix months; the message says which, and what to do."""


class LoadGuard:
    """Guards the warehouse's months during one run of the mapper.

    Args:
        clickhouse: Where the tables are.
        settings: The mapper's settings; snapshots are claimed where `create_tables` is on.
        now: This machine's clock.
        connection: A connection to that ClickHouse; one of its own by default.
    """

    def __init__(
        self,
        clickhouse: ClickHouseConfig,
        settings: ProcessingConfig,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        connection: Connection | None = None,
    ) -> None:
        self._clickhouse = clickhouse
        self._connection = connection or Connection(clickhouse)
        self._settings = settings
        self._skew = dt.timedelta(seconds=settings.max_clock_skew)
        self._accepted = read_months(settings.accept_empty_months)
        self._now = now
        self._load_id = str(uuid.uuid4())
        self._claimed: set[SnapshotKey] = set()
        self._row_counts: dict[tuple[str, str, dt.date], int] = {}
        self._place = f"ClickHouse at {clickhouse.host}:{clickhouse.port}, database {clickhouse.database}"
        self._has_tables = not settings.create_tables
        self._has_started = False
        self._is_reachable = True
        self._was_out_of_reach = False

    def make_tables(self) -> None:
        """Make the tables that are missing, where `create_tables` is on.

        Raises:
            WarehouseError: They can't be made, or one that is there can't hold the bill.
        """
        if not self._has_tables:
            with self._going_on("making and checking the tables, comparing clocks and claiming months"):
                ensure_tables(self._clickhouse, self._connection)
                self._has_tables = True

    def start(self) -> bool:
        """Compare the clocks, and read what the warehouse has for each month; return whether that is done.

        Raises:
            LoadRefusedError: The clocks differ, or the warehouse has a snapshot in the future.
            WarehouseError: ClickHouse can't be queried.
        """
        if self._is_reachable and not self._has_started:
            with (
                self._going_on("comparing clocks and months with it"),
                self._connection.use("look at the months that are there") as client,
            ):
                self._compare_clocks(client)
                present = self._tables_present(client)
                self._refuse_future_snapshots(client, present)
                if BillingMonth.table in present:
                    self._read_row_counts(client)
                self._has_started = True
        return self._has_started

    def claim(self, snapshots: Iterable[SnapshotKey]) -> None:
        """Claim the snapshots whose first rows are about to be sent; skip those this run has claimed.

        Raises:
            LoadRefusedError: A snapshot lies in the future, another load has claimed it, or its instant is claimed for
                another dataset.
            WarehouseError: ClickHouse can't be queried.
        """
        for snapshot in snapshots:
            written = self._as_written(snapshot)
            if written not in self._claimed and self._is_ready():
                if any(written == other._replace(dataset=written.dataset) for other in self._claimed):
                    raise LoadRefusedError(_same_instant(written))
                self._claim(written)
                self._claimed.add(written)

    def close(self, month: Mapping[str, Any]) -> None:
        """Judge the month row that is about to be sent.

        Args:
            month: The row of `stg_azure_billing_month`.

        Raises:
            LoadRefusedError: As for `claim`, or the row would replace a month that has rows with an empty one.
            WarehouseError: ClickHouse can't be queried.
        """
        snapshot = SnapshotKey(*(month[name] for name in SNAPSHOT_KEY))
        self.claim([snapshot])
        known = self._row_counts.get(snapshot[:3], 0)
        if known and month["row_count"] == 0 and snapshot.billing_month not in self._accepted:
            raise LoadRefusedError(
                f"{snapshot.name}: the tap counted no rows, and the warehouse has {counted(known, 'row')} of this "
                "month from an extraction before, which an empty one would hide. Nothing of it was published: run "
                "again. If the month really became empty, name it in the setting accept_empty_months "
                f"(TAP_AZURE_EA_BILLING_ACCEPT_EMPTY_MONTHS={snapshot.billing_month:%Y-%m})."
            )
        if month["row_count"] == month["received_row_count"]:
            self._row_counts[snapshot[:3]] = month["row_count"]

    @contextmanager
    def _going_on(self, without: str) -> Iterator[None]:
        """Turn an error into a warning where the mapper may go on; a server that says no to the tables is an error."""
        try:
            yield
        except WarehouseError as error:
            is_no = self._settings.create_tables and not isinstance(error, UnreachableError)
            if is_no or self._settings.patterns.on_unavailable == "fail":
                raise
            level = logging.DEBUG if self._was_out_of_reach else logging.WARNING  # once is enough
            logger.log(level, "%s Going on without %s, until it can be reached.", error, without)
            self._is_reachable, self._was_out_of_reach = False, True

    def _is_ready(self) -> bool:
        """Return whether clocks and months were compared, after another try if they could not be at the start."""
        if not self._has_started:
            self._is_reachable = True
            self.make_tables()
            if self.start() and self._was_out_of_reach:
                logger.info("%s can be reached: clocks and months are compared from here on.", self._place)
        return self._has_started

    def _compare_clocks(self, client: Client) -> None:
        before = self._now()
        server = read_clock(client)
        after = self._now()
        if before > server + self._skew:
            apart, where = before - server, "ahead of"
        elif after < server - self._skew:
            apart, where = server - after, "behind"
        else:
            return
        raise LoadRefusedError(
            f"The clock of this machine is {apart.total_seconds():,.0f} seconds {where} that of {self._place}, "
            "so nothing would say which snapshot of a month is the newest. Set the clock that is wrong; the setting "
            f"max_clock_skew allows {self._settings.max_clock_skew:g} seconds."
        )

    def _tables_present(self, client: Client) -> set[str]:
        """Return the tables that a loader fills; there may be none yet where `create_tables` is off."""
        rows = client.query(
            "SELECT name FROM system.tables WHERE database = {database:String}",
            {"database": self._clickhouse.database},
        ).result_rows
        return {name for (name,) in rows} & {model.table for model in TABLES}

    def _refuse_future_snapshots(self, client: Client, present: set[str]) -> None:
        # In a table partitioned by snapshot, only parts later than the instant are read: none, if all is well.
        latest = read_clock(client) + self._skew
        queries = [
            f"(SELECT {_KEY} FROM {qualified(self._clickhouse, table)} "
            f"WHERE snapshot_at > {_INSTANT.format(name='latest')} LIMIT 1)"
            for table in sorted(present)
        ]
        if not queries:
            return
        rows = client.query(" UNION ALL ".join(queries), {"latest": _text(latest)}).result_rows
        for row in rows:
            snapshot = SnapshotKey(*row)
            raise LoadRefusedError(
                f"{snapshot.name}: the warehouse has a snapshot of {_shown(snapshot.snapshot_at)}, which is later "
                f"than ClickHouse's clock, and would hide what is loaded now. It was loaded with a wrong clock: "
                "`azure-billing-warehouse prune --future` drops it; then load its month again."
            )

    def _read_row_counts(self, client: Client) -> None:
        """Read the row count of each month's newest extraction that is whole by its month row."""
        rows = client.query(
            "SELECT enrollment_number, dataset, billing_month, argMax(row_count, snapshot_at) "
            f"FROM {qualified(self._clickhouse, BillingMonth.table)} FINAL WHERE {whole()} "
            "GROUP BY enrollment_number, dataset, billing_month"
        ).result_rows
        self._row_counts = {(enrollment, dataset, month): count for enrollment, dataset, month, count in rows}

    def _as_written(self, snapshot: SnapshotKey) -> SnapshotKey:
        """Return the snapshot as the tables will hold it: RECORDs are written in whole seconds."""
        if self._settings.output == "records":
            return snapshot._replace(snapshot_at=snapshot.snapshot_at.replace(microsecond=0))
        return snapshot

    def _claim(self, snapshot: SnapshotKey) -> None:
        with self._connection.use("claim a snapshot") as client:
            server = read_clock(client)
            if snapshot.snapshot_at > server + self._skew:
                raise LoadRefusedError(
                    f"{snapshot.name}: its snapshot is of {_shown(snapshot.snapshot_at)}, when ClickHouse's clock "
                    f"says {_shown(server)}: it would hide later ones. Set the clock of the machine that runs the tap, "
                    "and run again; nothing of the month was sent."
                )
            if snapshot.billing_month > (server + self._skew).date():
                raise LoadRefusedError(
                    f"{snapshot.name}: this month has not begun by ClickHouse's clock, which says {_shown(server)}. "
                    "Set the clock of the machine that runs the tap, and run again; nothing of the month was sent."
                )
            self._refuse_if_hidden(client, snapshot)
            if self._settings.create_tables and self._others(client, snapshot):
                raise LoadRefusedError(
                    f"{snapshot.name}: another load has begun the snapshot of {_shown(snapshot.snapshot_at)}: two "
                    "runs extract the month in the same instant, or one extraction is loaded twice. Nothing of it was "
                    "sent by this run, so that the two can't mix: run the tap again."
                )

    def _refuse_if_hidden(self, client: Client, snapshot: SnapshotKey) -> None:
        """Refuse a snapshot that a later whole one of its month would hide, as two clocks may differ.

        Raises:
            LoadRefusedError: There is a later one, or one of another dataset with the same instant.
        """
        if BillingMonth.table not in self._tables_present(client):
            return
        of_dataset, instant = "dataset = {dataset:String}", _INSTANT.format(name="snapshot")
        ((latest, others),) = client.query(
            f"SELECT maxOrNullIf(snapshot_at, {of_dataset}), countIf(NOT {of_dataset} AND snapshot_at = {instant}) "
            f"FROM {qualified(self._clickhouse, BillingMonth.table)} "
            "WHERE enrollment_number = {enrollment:String} AND billing_month = {month:Date}",
            _parameters(snapshot),
        ).result_rows
        if others:
            raise LoadRefusedError(_same_instant(snapshot))
        if latest is not None and latest > snapshot.snapshot_at:
            raise LoadRefusedError(
                f"{snapshot.name}: the warehouse has a whole snapshot of {_shown(latest)}, which is later than this "
                f"one of {_shown(snapshot.snapshot_at)} and would hide it. Another run overtook this one, or went by a "
                "clock that is ahead: nothing of it was sent; run again."
            )

    def _others(self, client: Client, snapshot: SnapshotKey) -> int:
        """Write our claim, then count those of other loads: of two at once, at least one sees the other's.

        Raises:
            LoadRefusedError: The same instant is claimed for another dataset.
        """
        table = qualified(self._clickhouse, SnapshotClaim.table)
        instant = _INSTANT.format(name="snapshot")
        parameters = {**_parameters(snapshot), "load": self._load_id}
        claim = (
            f"INSERT INTO {table} ({_KEY}, load_id) "
            f"SELECT {{enrollment:String}}, {{dataset:String}}, {{month:Date}}, {instant}, {{load:String}}"
        )
        in_turn(lambda: client.command(claim, parameters))
        ((others, other_datasets),) = client.query(
            f"SELECT countIf(load_id != {{load:String}}), countIf(dataset != {{dataset:String}}) FROM {table} "
            "WHERE enrollment_number = {enrollment:String} "
            f"AND billing_month = {{month:Date}} AND snapshot_at = {instant}",
            parameters,
        ).result_rows
        if other_datasets:
            raise LoadRefusedError(_same_instant(snapshot))
        return int(others)


def _parameters(snapshot: SnapshotKey) -> dict[str, str]:
    return {
        "enrollment": snapshot.enrollment_number,
        "dataset": snapshot.dataset,
        "month": snapshot.billing_month.isoformat(),
        "snapshot": _text(snapshot.snapshot_at),
    }


def _same_instant(snapshot: SnapshotKey) -> str:
    return (
        f"{snapshot.name}: the warehouse has a snapshot of {_shown(snapshot.snapshot_at)} of another dataset of this "
        "month: two datasets that share an instant can't be told apart in every table. Nothing of it was sent by this "
        "run: run the tap again."
    )


def _text(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds")


def _shown(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03} UTC"
