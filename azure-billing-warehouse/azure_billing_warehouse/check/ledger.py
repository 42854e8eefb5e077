"""Reads what each snapshot's month row says and what is in the tables; `checks` says what that means."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt
import decimal  # noqa: TC003 - Pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from azure_billing_warehouse.check.expectations import Known
from azure_billing_warehouse.clickhouse import explained
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, qualified
from azure_billing_warehouse.schema.views import SNAPSHOTS, whole
from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, BillingMonth, TaggingAudit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig

_KEY = ", ".join(SNAPSHOT_KEY)
BROKEN_OFF_AFTER = dt.timedelta(hours=1)
"""Time without a row after which the load of a snapshot without a month row counts as broken off."""


class MonthRow(BaseModel):
    """The month row of a snapshot: the tap's counts, and what the mapper made of the rows."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: str
    page_count: int
    row_count: int
    extended_cost: decimal.Decimal | None
    started_at: dt.datetime
    completed_at: dt.datetime
    received_row_count: int
    staged_row_count: int
    rejected_row_count: int
    staged_extended_cost: float
    rejected_extended_cost: float
    issue_count: int
    audit_count: int
    run_id: str | None
    blob_count: int | None
    byte_count: int | None
    counted_row_count: int | None = None
    """The kept count of the rows in stg_azure_billing_detail, which the views go by; None: they count themselves."""
    whole: bool
    """Whether all rows of the extraction reached the mapper, and each was staged or rejected: `views.whole`."""


class Snapshot(BaseModel):
    """One extraction of a dataset's month: its month row, if there is one, and rows in the tables; costs before tax."""

    enrollment_number: str
    dataset: str
    billing_month: dt.date
    snapshot_at: dt.datetime
    month_row: MonthRow | None = None
    complete: bool = False
    """Whether it is whole and each staged row is in the table, by the view azure_billing_snapshot."""
    published: bool = False
    """Whether it is the one that the views show, by that view."""
    partition_id: str = Field("", exclude=True)
    """ClickHouse's id of the partition of its rows in stg_azure_billing_detail; '' if there are none."""
    state: str = Field("", exclude=True)
    """The parts of that partition: another text after any row of it was delivered, changed or deleted."""
    delivered_row_count: int = 0
    """Rows in stg_azure_billing_detail; those delivered again and not merged yet count each time."""
    delivered_at: dt.datetime | None = None
    """When the last row was delivered to stg_azure_billing_detail, by ClickHouse's clock; None if there is none."""
    distinct_row_count: int = 0
    """Rows in stg_azure_billing_detail, each counted once."""
    no_number_row_count: int = 0
    """Rows in stg_azure_billing_detail whose cost is NaN or infinite: no sum holds them."""
    extended_cost: float = 0.0
    """Cost of the distinct rows in stg_azure_billing_detail."""
    rejected_row_count: int = 0
    """Rows with a finding that rejected them."""
    rejected_extended_cost: float = 0.0
    """Their cost, as far as it can be read."""
    no_number_rejected_count: int = 0
    """Rejected rows whose cost is NaN or infinite."""
    issue_count: int = 0
    warned_row_count: int = 0
    audit_count: int = 0
    no_number_audit_count: int = 0
    """Audit rows whose cost is NaN or infinite."""
    conflict_extended_cost: float = 0.0
    """Cost of the rows that more than one pattern matched."""

    @property
    def key(self) -> tuple[str, str, dt.date, dt.datetime]:
        """What identifies the snapshot."""
        return *self.month_key, self.snapshot_at

    @property
    def month_key(self) -> tuple[str, str, dt.date]:
        """What it is a snapshot of."""
        return self.enrollment_number, self.dataset, self.billing_month

    def is_broken_off(self, now: dt.datetime) -> bool:
        """Return whether its load ended before its month row came: nothing was delivered for an hour.

        A snapshot with a month row never counts, whatever is missing from it: the tap has gone on to the next month.

        Args:
            now: The time of ClickHouse's clock.
        """
        return self.month_row is None and now - (self.delivered_at or self.snapshot_at) >= BROKEN_OFF_AFTER


def read_snapshots(client: Client, config: ClickHouseConfig, since: dt.date | None = None) -> list[Snapshot]:
    """Read every snapshot that has a month row or any other row, oldest first.

    Args:
        client: Connection to the database.
        config: The configuration of the connection.
        since: First month to read; all months if None.

    Raises:
        WarehouseError: The tables can't be read.
    """
    found: dict[tuple[Any, ...], Snapshot] = {}
    partitions: dict[str, tuple[Any, ...]] = {}
    with explained(config, "read the snapshots"):
        for query in _queries(config):
            for row in _rows(client, query, since):
                # Rows are counted by partition, which reads no key column; the first of these queries names the keys.
                if SNAPSHOT_KEY[0] in row:
                    key = tuple(row[name] for name in SNAPSHOT_KEY)
                    if "partition_id" in row:
                        partitions[row["partition_id"]] = key
                elif row["partition_id"] in partitions:
                    key = partitions[row["partition_id"]]
                else:  # delivered in between
                    continue
                snapshot = found.setdefault(key, Snapshot(**dict(zip(SNAPSHOT_KEY, key, strict=True))))
                found[key] = snapshot.model_copy(update=_facts(row))
    return [found[key] for key in sorted(found)]


def read_enrollments(client: Client, config: ClickHouseConfig, now: dt.datetime) -> dict[tuple[str, str], Known]:
    """Read what the warehouse knows about each enrollment and dataset.

    Args:
        client: Connection to the database.
        config: The configuration of the connection.
        now: The time of ClickHouse's clock, plus the skew allowed for snapshots.

    Raises:
        WarehouseError: The tables can't be read.
    """
    others = " UNION ALL ".join(
        f"SELECT {_KEY}, 0 AS is_load FROM {qualified(config, model.table)} GROUP BY {_KEY}"
        for model in (AzureBillingDetail, BillingIssue)
    )
    with explained(config, "read the enrollments"):
        rows = client.query(
            "SELECT enrollment_number, dataset, min(billing_month), countIf(is_load), maxIf(snapshot_at, is_load) "
            f"FROM (SELECT {_KEY}, complete AND snapshot_at <= "
            f"parseDateTime64BestEffort({{now:String}}, 3, 'UTC') AS is_load "
            f"FROM {qualified(config, SNAPSHOTS)} UNION ALL {others}) GROUP BY enrollment_number, dataset",
            {"now": now.isoformat(timespec="milliseconds")},
        ).result_rows
    return {
        (number, dataset): Known(first, newest if loads else None) for number, dataset, first, loads, newest in rows
    }


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    if "received_row_count" not in row:
        return row
    judged = {name: bool(row[name]) for name in ("complete", "published")}
    return {**judged, "month_row": MonthRow(**row)}


def _rows(client: Client, query: str, since: dt.date | None) -> Iterator[dict[str, Any]]:
    yield from client.query(query, {"since": since or dt.date(1970, 1, 1)}).named_results()


def _queries(config: ClickHouseConfig) -> tuple[str, ...]:
    """Return queries by snapshot, each for different fields of `Snapshot`.

    The costs are summed with compensation (sumKahan), so the order and number of the rows don't matter.
    """
    detail, issue, audit = (
        qualified(config, model.table) for model in (AzureBillingDetail, BillingIssue, TaggingAudit)
    )
    months = ", ".join(column.name for column in BillingMonth.columns())
    of_interest = "WHERE billing_month >= {since:Date}"
    found = (
        f"SELECT {_KEY}, row_number, max(severity = 'reject') AS rejected, count() AS findings, "
        f"any(extended_cost) AS row_cost FROM {issue} FINAL {of_interest} GROUP BY {_KEY}, row_number"
    )
    return (
        f"SELECT {months}, {whole()} AS whole, complete, published FROM {qualified(config, SNAPSHOTS)} {of_interest}",
        f"""SELECT {_KEY}, _partition_id AS partition_id, count() AS delivered_row_count
        FROM {detail} {of_interest} GROUP BY {_KEY}, partition_id""",
        f"""SELECT partition_id, max(latest) AS delivered_at,
        concat(toString(sum(row_count)), ' ', hex(sipHash128(arraySort(groupArray((part, row_count)))))) AS state
        FROM
        (
            SELECT any(_partition_id) AS partition_id, _part AS part, count() AS row_count, max(create_at) AS latest
            FROM {detail} {of_interest} GROUP BY _part
        )
        GROUP BY partition_id""",
        f"""SELECT _partition_id AS partition_id, count() AS distinct_row_count,
        ifNull(sumKahan(toFloat64(staged.extended_cost)), 0) AS extended_cost,
        countIf(NOT isFinite(toFloat64(staged.extended_cost))) AS no_number_row_count
        FROM {detail} AS staged FINAL {of_interest} GROUP BY _partition_id""",
        f"""SELECT {_KEY}, countIf(rejected) AS rejected_row_count,
        ifNull(sumKahanIf(toFloat64(row_cost), rejected), 0) AS rejected_extended_cost,
        countIf(rejected AND NOT isFinite(toFloat64(row_cost))) AS no_number_rejected_count,
        sum(findings) AS issue_count, countIf(NOT rejected) AS warned_row_count FROM ({found}) GROUP BY {_KEY}""",
        f"""SELECT {_KEY}, count() AS audit_count,
        countIf(NOT isFinite(toFloat64(extended_cost))) AS no_number_audit_count,
        sumKahanIf(toFloat64(extended_cost), conflict) AS conflict_extended_cost
        FROM {audit} FINAL {of_interest} GROUP BY {_KEY}""",
    )
