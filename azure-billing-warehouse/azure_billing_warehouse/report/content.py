"""Reads what the report shows: cost, what is not allocated, findings, load history; `page` decides how it looks."""
# ruff: noqa: S608 - identifiers come from the models or are quoted

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure_billing_warehouse.check.ledger import read_snapshots
from azure_billing_warehouse.check.quality import UNMATCHED
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import WarehouseError, connect, explained
from azure_billing_warehouse.schema.ddl import qualified
from azure_billing_warehouse.schema.views import AUDIT, DETAIL, ISSUES
from azure_billing_warehouse.tables import ACTUAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.verdict import CheckResult
    from azure_billing_warehouse.config import ClickHouseConfig

APPLICATIONS_SHOWN = 8
# As a float, whatever the column's type: a table may hold costs as decimals, or have none.
_COST = "ifNull(sum(toFloat64(extended_cost)), 0)"
_OF_ACTUAL = f"dataset = '{ACTUAL}'"
_LISTED = 10


@dataclass(frozen=True)
class ApplicationCost:
    """Cost of a month in a currency: of one application, of all others (None), of rows without one ('')."""

    month: dt.date
    currency: str
    application: str | None
    cost: float


@dataclass(frozen=True)
class Resource:
    """A resource of the newest months whose cost can't be allocated, or not with certainty."""

    name: str
    currency: str
    matches: str
    cost: float


@dataclass(frozen=True)
class Finding:
    """Usage rows of a month on which a rule found something."""

    month: dt.date
    rule: str
    severity: str
    column: str
    rows: int
    cost: float


@dataclass(frozen=True)
class Content:
    """Everything on the report; costs are before tax, and actual ones.

    Attributes:
        verdict: On the months of all datasets.
        amortized_months: Published months that are there at amortized cost too.
    """

    database: str
    at: dt.datetime
    verdict: CheckResult
    amortized_months: int
    snapshots: Sequence[Snapshot]
    costs: Sequence[ApplicationCost]
    conflicts: Sequence[tuple[dt.date, float]]
    findings: Sequence[Finding]
    unmatched_resources: Sequence[Resource]
    conflict_resources: Sequence[Resource]


def read_content(
    config: ClickHouseConfig, *, since: dt.date | None = None, expected: Expectations | None = None
) -> Content:
    """Read the published months at actual cost.

    Args:
        config: Where the tables are.
        since: First month; all months if None.
        expected: See `check.check`.

    Raises:
        WarehouseError: ClickHouse or its tables can't be read, or there is no month.
    """
    verdict = check(config, since=since, expected=expected)
    if verdict is None or not any(month.snapshot and month.dataset == ACTUAL for month in verdict.months):
        raise WarehouseError(
            "There is no month to report on: nothing was loaded yet at actual cost, or not since the month asked for."
        )
    first = {"since": since or dt.date(1970, 1, 1)}
    with connect(config) as client:
        snapshots = [found for found in read_snapshots(client, config, since) if found.dataset == ACTUAL]
        with explained(config, "read the published months"):
            return Content(
                database=config.database,
                at=dt.datetime.now(dt.UTC),
                verdict=verdict,
                amortized_months=len(
                    {
                        month.billing_month
                        for month in verdict.months
                        if month.dataset != ACTUAL and month.published_snapshot_at
                    }
                ),
                snapshots=snapshots,
                costs=_read_costs(client, config, first),
                conflicts=_read_conflicts(client, config, first),
                findings=_read_findings(client, config, first),
                unmatched_resources=_read_unmatched_resources(client, config, first),
                conflict_resources=_read_conflict_resources(client, config, first),
            )


def _read_costs(client: Client, config: ClickHouseConfig, first: dict[str, dt.date]) -> list[ApplicationCost]:
    detail = qualified(config, DETAIL)
    application = f"if({UNMATCHED}, '', ifNull(resource_tracking, ''))"
    largest = (
        f"SELECT {application} AS application FROM {detail} "
        "WHERE billing_month >= {since:Date} AND application != '' "
        f"GROUP BY application ORDER BY {_COST} DESC, application LIMIT {APPLICATIONS_SHOWN}"
    )
    names = [name for (name,) in client.query(largest, first).result_rows]
    by_name = (
        f"SELECT billing_month, ifNull(billing_currency, '') AS currency, {application} AS application, "
        f"application = '' OR has({{names:Array(String)}}, application) AS is_shown, "
        f"if(is_shown, application, NULL) AS shown, {_COST} AS cost FROM {detail} "
        "WHERE billing_month >= {since:Date} GROUP BY billing_month, currency, application, is_shown"
    )
    summed = (
        f"SELECT billing_month, currency, shown, sum(cost) FROM ({by_name}) GROUP BY billing_month, currency, shown "
        "ORDER BY billing_month, currency, shown"
    )
    return [ApplicationCost(*row) for row in client.query(summed, {**first, "names": names}).result_rows]


def _read_conflicts(client: Client, config: ClickHouseConfig, first: dict[str, dt.date]) -> list[tuple[dt.date, float]]:
    rows = client.query(
        f"SELECT billing_month, {_COST} FROM {qualified(config, AUDIT)} "
        f"WHERE {_OF_ACTUAL} AND conflict AND billing_month >= {{since:Date}} "
        "GROUP BY billing_month ORDER BY billing_month",
        first,
    ).result_rows
    return [(month, cost) for month, cost in rows]


def _read_findings(client: Client, config: ClickHouseConfig, first: dict[str, dt.date]) -> list[Finding]:
    rows = client.query(
        "SELECT billing_month, rule, severity, column, uniqExact(row_number, enrollment_number), "
        f"{_COST} FROM {qualified(config, ISSUES)} "
        f"WHERE {_OF_ACTUAL} AND billing_month >= {{since:Date}} GROUP BY ALL ORDER BY ALL",
        first,
    ).result_rows
    return [Finding(*row) for row in rows]


def _read_unmatched_resources(client: Client, config: ClickHouseConfig, first: dict[str, dt.date]) -> list[Resource]:
    rows = client.query(
        f"SELECT instance_id, ifNull(billing_currency, '') AS currency, '', {_COST} AS cost "
        f"FROM {qualified(config, DETAIL)} WHERE billing_month >= {{since:Date}} AND {UNMATCHED} "
        f"GROUP BY instance_id, currency ORDER BY cost DESC, instance_id LIMIT {_LISTED}",
        first,
    ).result_rows
    return [Resource(*row) for row in rows]


def _read_conflict_resources(client: Client, config: ClickHouseConfig, first: dict[str, dt.date]) -> list[Resource]:
    levels = "[last_segment_match, resource_group_match, subscription_match]"
    rows = client.query(
        f"SELECT instance_id, '', arrayStringConcat(arrayDistinct(arrayFlatten([[selected_match], {levels}])), ', '), "
        f"{_COST} AS cost FROM {qualified(config, AUDIT)} "
        f"WHERE {_OF_ACTUAL} AND conflict AND billing_month >= {{since:Date}} "
        f"GROUP BY ALL ORDER BY cost DESC, instance_id LIMIT {_LISTED}",
        first,
    ).result_rows
    return [Resource(*row) for row in rows]
