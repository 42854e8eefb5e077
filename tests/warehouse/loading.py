"""Snapshots in a real ClickHouse, delivered batch by batch as the mapper and the loader do; no test is here."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, BillingMonth, TaggingAudit
from mapper_azure_billing_tracking.stream_types import polars_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import BillTable

ENROLLMENT = "88888888"
AUGUST = dt.date(2026, 8, 1)
SEPTEMBER = dt.date(2026, 9, 1)
FIRST = dt.datetime(2026, 9, 2, 3, 0, tzinfo=dt.UTC)
SECOND = dt.datetime(2026, 9, 5, 3, 0, 0, 123000, tzinfo=dt.UTC)


class Warehouse:
    """A database with our tables, and ways to put snapshots into it as the mapper and the loader do."""

    def __init__(self, config: ClickHouseConfig, client: Client) -> None:
        self.config = config
        self.client = client

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        return list(self.client.query(sql).named_results())

    def scalar(self, sql: str) -> Any:
        """The only value of a query."""
        ((value,),) = self.client.query(sql).result_rows
        return value

    def stage(
        self,
        costs: Sequence[float],
        month: dt.date = AUGUST,
        snapshot: dt.datetime = FIRST,
        row_number: Sequence[int] | None = None,
        **columns: Any,
    ) -> None:
        """Deliver a batch of usage rows with these costs; a column's value may be a list, one for each row."""
        numbers = row_number or list(range(1, len(costs) + 1))
        rows = [
            {
                **_USAGE,
                "enrollment_number": ENROLLMENT,
                "billing_month": month,
                "snapshot_at": snapshot,
                "date": month,
                "month_date": month,
                "row_number": number,
                "extended_cost": cost,
                **{name: value[index] if isinstance(value, list) else value for name, value in columns.items()},
            }
            for index, (number, cost) in enumerate(zip(numbers, costs, strict=True))
        ]
        self.insert(AzureBillingDetail, rows)

    def reject(
        self, costs: Sequence[float | None], first_row: int, snapshot: dt.datetime = FIRST, **columns: Any
    ) -> None:
        """Deliver two findings for each rejected row: one that rejects it and a warning."""
        key = {"enrollment_number": ENROLLMENT, "billing_month": AUGUST, "snapshot_at": snapshot, **columns}
        rows = [
            {**key, "row_number": number, "extended_cost": cost, "column": "date", **finding}
            for number, cost in zip(itertools.count(first_row), costs, strict=False)
            for finding in ({"rule": "R1", "severity": "reject", "record": "{}"}, {"rule": "R5", "severity": "warn"})
        ]
        self.insert(BillingIssue, rows)

    def finish(
        self,
        staged: Sequence[float],
        month: dt.date = AUGUST,
        snapshot: dt.datetime = FIRST,
        rejected: Sequence[float | None] = (),
        **counts: Any,
    ) -> None:
        """Deliver the month row of a snapshot whose staged rows have these costs."""
        row_count = len(staged) + len(rejected)
        row = {
            "enrollment_number": ENROLLMENT,
            "billing_month": month,
            "snapshot_at": snapshot,
            "source": "ea",
            "page_count": 1,
            "row_count": row_count,
            "extended_cost": format(sum(Decimal(str(cost)) for cost in [*staged, *filter(None, rejected)]), "f"),
            "started_at": snapshot,
            "completed_at": snapshot + dt.timedelta(minutes=3),
            "received_row_count": row_count,
            "staged_row_count": len(staged),
            "rejected_row_count": len(rejected),
            "staged_extended_cost": float(sum(staged)),
            "rejected_extended_cost": float(sum(filter(None, rejected))),
            "issue_count": 2 * len(rejected),
            "audit_count": 0,
            **counts,
        }
        self.insert(BillingMonth, [row])

    def load(
        self,
        costs: Sequence[float],
        month: dt.date = AUGUST,
        snapshot: dt.datetime = FIRST,
        **columns: Any,
    ) -> None:
        """Deliver a whole snapshot; the month row has its dataset, if one is given."""
        self.stage(costs, month, snapshot, **columns)
        self.finish(costs, month, snapshot, **{name: columns[name] for name in columns.keys() & {"dataset"}})

    def audit(
        self,
        cost: float,
        *,
        conflict: bool,
        snapshot: dt.datetime = FIRST,
        first_row_number: int = 1,
        **columns: Any,
    ) -> None:
        """Deliver one row of the tagging audit."""
        row = {
            "enrollment_number": ENROLLMENT,
            "billing_month": AUGUST,
            "snapshot_at": snapshot,
            "instance_id": "vm-1",
            "selected_match": "PAYROLL",
            "match_count": 2 if conflict else 1,
            "conflict": conflict,
            "row_count": 1,
            "extended_cost": cost,
            "first_row_number": first_row_number,
            "audit_timestamp": snapshot,
            **columns,
        }
        self.insert(TaggingAudit, [row])

    def insert(self, model: type[BillTable], rows: Sequence[dict[str, Any]]) -> None:
        """Deliver a batch in Arrow, as the loader does; nothing is sent of no rows."""
        if not rows:
            return
        named = {name for row in rows for name in row}
        schema = {column.name: polars_type(column) for column in model.columns() if column.name in named}
        frame = pl.DataFrame(list(rows), schema=schema)
        self.client.insert_arrow(model.table, frame.to_arrow(compat_level=pl.CompatLevel.oldest()))


_USAGE = {
    "instance_id": "/subscriptions/s-1/resourceGroups/rg-payroll/providers/Microsoft.Compute/virtualMachines/vm-1",
    "subscription_guid": "s-1",
    "resource_group": "rg-payroll",
    "resource_tracking": "PAYROLL",
    "match_level": "resource_group",
    "meter_category": "Virtual Machines",
    "tags": '{"app":"payroll"}',
    "additional_info": "{}",
    "billing_currency": "CNY",
}
