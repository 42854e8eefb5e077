"""Reads what a snapshot's rows are like: how complete, identical, well matched, changed; judges nothing."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.binding import quote_identifier
from pydantic import BaseModel

from azure_billing_warehouse.clickhouse import explained
from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.schema.ddl import qualified
from azure_billing_warehouse.tables import AzureBillingDetail, text_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import Column

IMPORTANT_COLUMNS = (
    "instance_id",
    "subscription_guid",
    "resource_group",
    "meter_category",
    "meter_name",
    "resource_location",
    "consumed_service",
    "department_name",
    "cost_center",
    "tags",
    "cmdb_mapped_application_service",
    "resource_tracking",
)
"""Columns without which a cost can't be allocated or explained; AzureBillingDetail describes them."""

UNMATCHED = "match_level IS NULL"
"""The condition, in SQL, for a usage row that no pattern matched."""
UNKNOWN = "match_level = 'unknown'"
"""The condition for a row loaded by a version that didn't record it."""
_OF_SNAPSHOT = (
    "enrollment_number = {enrollment:String} AND dataset = {dataset:String} AND billing_month = {month:Date} "
    "AND snapshot_at = parseDateTime64BestEffort({snapshot:String}, 3, 'UTC')"
)


class Quality(BaseModel):
    """What the distinct rows of a snapshot are like."""

    filled: dict[str, float | None]
    """Column -> percentage of the rows that have it, 0 to 100; None for a snapshot without rows."""
    identical_row_count: int
    """Rows that equal an earlier one in everything but row_number: each is a real cost, and kept."""
    unmatched_extended_cost: float
    """Cost of the rows that no pattern matched."""
    unknown_match_row_count: int
    """Rows loaded by an older version, which didn't record whether a pattern matched: their cost is not included."""


class ApplicationChange(BaseModel):
    """What a restatement changed for one application."""

    resource_tracking: str | None
    row_count_before: int
    row_count: int
    extended_cost_before: float
    extended_cost: float


def read_quality(client: Client, config: ClickHouseConfig, snapshot: Snapshot) -> Quality:
    """Look at each row of a snapshot once.

    Args:
        client: Connection to the database.
        config: The configuration of the connection.
        snapshot: The extraction of a month that is looked at.

    Raises:
        WarehouseError: The table can't be read.
    """
    columns = [column for column in AzureBillingDetail.columns() if column.name in IMPORTANT_COLUMNS]
    filled = [f"countIf({_is_filled(column)}) AS {quote_identifier(f'filled {column.name}')}" for column in columns]
    compared = ", ".join(
        quote_identifier(column.name)
        for column in AzureBillingDetail.sent_columns()
        if column.name not in AzureBillingDetail.order_by and column.clickhouse.type != "JSON"
    )
    with explained(config, "read the usage rows"):
        (row,) = client.query(
            f"SELECT count() AS row_count, {', '.join(filled)}, "
            f"row_count - uniqExact(sipHash128(({compared}))) AS identical_row_count, "
            f"ifNull(sumKahanIf(toFloat64(extended_cost), {UNMATCHED}), 0) AS unmatched_extended_cost, "
            f"countIf({UNKNOWN}) AS unknown_match_row_count "
            f"FROM {qualified(config, AzureBillingDetail.table)} FINAL WHERE {_OF_SNAPSHOT}",
            _parameters(snapshot),
        ).named_results()
    total = row["row_count"]
    return Quality(
        filled={
            column.name: 100 * row[f"filled {column.name}"] / total if total else None
            for column in sorted(columns, key=lambda column: IMPORTANT_COLUMNS.index(column.name))
        },
        identical_row_count=row["identical_row_count"],
        unmatched_extended_cost=row["unmatched_extended_cost"],
        unknown_match_row_count=row["unknown_match_row_count"],
    )


def read_changes(
    client: Client, config: ClickHouseConfig, before: Snapshot, after: Snapshot
) -> Sequence[ApplicationChange]:
    """Return what a month's snapshot changed against an earlier one, by application, the largest change of cost first.

    Raises:
        WarehouseError: The table can't be read.
    """
    by_application: dict[str | None, dict[str, Any]] = {}
    for snapshot, suffix in ((before, "_before"), (after, "")):
        with explained(config, "compare a month with its snapshot before"):
            rows = client.query(
                "SELECT resource_tracking, count(), ifNull(sumKahan(toFloat64(extended_cost)), 0) "
                f"FROM {qualified(config, AzureBillingDetail.table)} FINAL WHERE {_OF_SNAPSHOT} "
                "GROUP BY resource_tracking",
                _parameters(snapshot),
            ).result_rows
        for application, row_count, extended_cost in rows:
            facts = by_application.setdefault(application, dict.fromkeys(_COUNTS, 0))
            facts |= {f"row_count{suffix}": row_count, f"extended_cost{suffix}": extended_cost}
    changes = [ApplicationChange(resource_tracking=name, **facts) for name, facts in by_application.items()]
    return sorted(
        (change for change in changes if _is_changed(change)),
        key=lambda change: (-abs(change.extended_cost - change.extended_cost_before), change.resource_tracking or ""),
    )


_COUNTS = ("row_count_before", "row_count", "extended_cost_before", "extended_cost")


def _is_changed(change: ApplicationChange) -> bool:
    return change.row_count != change.row_count_before or not same_cost(
        change.extended_cost, change.extended_cost_before
    )


def _is_filled(column: Column) -> str:
    # A JSON column is empty where it has dropped nulls or refused the object; its text column shows what a row has.
    name = text_column(column.name) if column.clickhouse.type == "JSON" else column.name
    return f"notEmpty(trimBoth(ifNull({quote_identifier(name)}, '')))"


def _parameters(snapshot: Snapshot) -> dict[str, str]:
    return {
        "enrollment": snapshot.enrollment_number,
        "dataset": snapshot.dataset,
        "month": snapshot.billing_month.isoformat(),
        "snapshot": snapshot.snapshot_at.isoformat(timespec="milliseconds"),
    }
