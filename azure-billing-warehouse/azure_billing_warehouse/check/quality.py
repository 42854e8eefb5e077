"""Reads what a snapshot's rows are like: how complete, identical, well matched, changed; judges nothing."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.binding import quote_identifier
from pydantic import BaseModel

from azure_billing_warehouse.clickhouse import explained
from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.counting import SnapshotId, attempt, key_literal
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, is_in, literal, qualified
from azure_billing_warehouse.tables import AzureBillingDetail, SnapshotQuality, text_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import Column

_KEY = ", ".join(SNAPSHOT_KEY)
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
_OF_SNAPSHOT = "_partition_id = {partition:String}"
_MOSTLY_DISTINCT = ("instance_id", "date", "meter_id", "consumed_quantity", "resource_rate", "extended_cost")
"""Columns in which few rows are equal that are not identical."""


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
    """Look at each row of a snapshot, unless that was done already and none has changed since.

    Args:
        client: Connection to the database.
        config: The configuration of the connection.
        snapshot: The extraction of a month that is looked at.

    Raises:
        WarehouseError: The table can't be read.
    """
    table = qualified(config, SnapshotQuality.table)
    state = f"{snapshot.state} {_fingerprint(config)}"
    key = key_literal(SnapshotId(*snapshot.key))
    with explained(config, "read the usage rows"):
        kept = client.query(
            f"SELECT quality FROM {table} FINAL WHERE ({_KEY}) = {key} AND state = {{state:String}}", {"state": state}
        ).result_rows
        if kept:
            return Quality.model_validate_json(kept[0][0])
        quality = _look(client, config, snapshot)
        values = f"{literal(state)}, {literal(quality.model_dump_json())}"
        attempt(
            client,
            f"INSERT INTO {table} ({_KEY}, state, quality) SELECT ({key} AS key).1, key.2, key.3, key.4, {values}",
        )
    return quality


def _fingerprint(config: ClickHouseConfig) -> str:
    """Return what distinguishes this version's way of looking from others."""
    return hashlib.sha256(" ".join(_queries(config)).encode()).hexdigest()[:16]


def _look(client: Client, config: ClickHouseConfig, snapshot: Snapshot) -> Quality:
    facts, identical = _queries(config)
    (row,) = client.query(facts, _parameters(snapshot)).named_results()
    total = row["row_count"]
    columns = [name.removeprefix("filled ") for name in row if name.startswith("filled ")]
    return Quality(
        filled={
            name: 100 * row[f"filled {name}"] / total if total else None
            for name in sorted(columns, key=IMPORTANT_COLUMNS.index)
        },
        identical_row_count=client.query(identical, _parameters(snapshot)).result_rows[0][0]
        if row["alike_row_count"]
        else 0,
        unmatched_extended_cost=row["unmatched_extended_cost"],
        unknown_match_row_count=row["unknown_match_row_count"],
    )


def _queries(config: ClickHouseConfig) -> tuple[str, str]:
    """Return the queries for a snapshot's facts, with the number of rows that may be identical, and for those that are.

    A hash over all columns of all rows took nine tenths of the time: rows whose few mostly distinct columns are alike
    come first, and all columns are compared in those rows only.
    """
    rows = f"FROM {qualified(config, AzureBillingDetail.table)} FINAL WHERE {_OF_SNAPSHOT}"
    filled = ", ".join(
        f"countIf({_is_filled(column)}) AS {quote_identifier(f'filled {column.name}')}"
        for column in AzureBillingDetail.columns()
        if column.name in IMPORTANT_COLUMNS
    )
    compared = ", ".join(
        quote_identifier(column.name)
        for column in AzureBillingDetail.sent_columns()
        if column.name not in AzureBillingDetail.order_by and column.clickhouse.type != "JSON"
    )
    few = f"cityHash64(({', '.join(_MOSTLY_DISTINCT)}))"
    alike = f"SELECT {few} AS few {rows} GROUP BY few HAVING count() > 1"
    numbers = f"SELECT row_number {rows} AND {few} {is_in(config)} ({alike})"
    facts = (
        f"SELECT count() AS row_count, {filled}, "
        f"ifNull(sumKahanIf(toFloat64(extended_cost), {UNMATCHED}), 0) AS unmatched_extended_cost, "
        f"countIf({UNKNOWN}) AS unknown_match_row_count, count() - uniqExact({few}) AS alike_row_count {rows}"
    )
    identical = (
        f"SELECT count() - uniqExact(sipHash128(({compared}))) {rows} AND row_number {is_in(config)} ({numbers})"
    )
    return facts, identical


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
    text = f"ifNull({quote_identifier(name)}, '')"
    # Trimming each text takes twice as long.
    return f"if(startsWith({text}, ' '), notEmpty(trimBoth({text})), notEmpty({text}))"


def _parameters(snapshot: Snapshot) -> dict[str, str]:
    return {"partition": snapshot.partition_id}
