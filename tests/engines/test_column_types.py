"""Tables whose repeated texts are plain ones, as an older version made them, and new ones: the same answers."""

from __future__ import annotations

import datetime as dt
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, FIRST, SECOND, Warehouse

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check, merge
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.report.content import read_report
from azure_billing_warehouse.schema.create import ensure_tables, statements
from azure_billing_warehouse.tables import ACTUAL, AMORTIZED, AzureBillingDetail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import ClickHouse

DICTIONARY, PLAIN = "LowCardinality(Nullable(String))", "Nullable(String)"
REPEATED = [column.name for column in AzureBillingDetail.columns() if column.clickhouse.type == DICTIONARY]
VIEWS = (
    *("azure_billing_snapshot", "azure_billing_month", "azure_billing_detail", "azure_billing_amortized"),
    *("azure_billing_issue", "azure_tagging_audit", "focus_cost_and_usage"),
)
OF_THE_MOMENT = "* EXCEPT('^(create_at|counted_at)$')"
MEANT: dict[str, list[str | None]] = {
    "charge_type": ["Usage", "Purchase", "Refund", "Tax", "UnusedReservation", None],
    "pricing_model": ["OnDemand", "Reservation", "SavingsPlan", None],
    "frequency": ["UsageBased", "Recurring", "", None],
    "benefit_id": ["/providers/Microsoft.Capacity/r-1", "/providers/Microsoft.BillingBenefits/s-1", "", None],
    "resource_location": ["CN East 2", "chinanorth3", "nowhere", None],
    "consumed_service": ["Microsoft.Compute", "microsoft.sql", "", None],
    "unit_of_measure": ["1 Hour", "10K", "100 Hours", None],
    "billing_currency": ["CNY"],
    "match_level": ["last_segment", "subscription", "unknown", None],
}
"""Texts that views and checks go by; every other column has a few, an empty one, one of blanks and none."""


@pytest.fixture
def both(engine: ClickHouse) -> Iterator[list[Warehouse]]:
    """Tables that were there before, with plain texts, and new ones."""
    with ExitStack() as connections:
        warehouses = []
        for name in ("plain", "dictionaries"):
            config = ClickHouseConfig(
                host=engine.host, port=engine.port, password=engine.password, database=f"types_{name}"
            )
            if name == "plain":
                for statement in statements(config):
                    if statement.startswith(("CREATE DATABASE", "CREATE TABLE")):
                        engine.execute(statement.replace(DICTIONARY, PLAIN))
            ensure_tables(config)
            warehouses.append(Warehouse(config, connections.enter_context(connect(config))))
        yield warehouses
        for warehouse in warehouses:
            engine.execute(f"DROP DATABASE {warehouse.config.database} SYNC")


def load(warehouse: Warehouse) -> None:
    """A month of both datasets, restated, with a batch delivered twice, a finding and an audit row."""
    costs = [number / 8 for number in range(40)]
    texts = {name: MEANT.get(name, [f"{name} 1", f"{name} 2", "", "  ", None]) for name in REPEATED}
    columns: dict[str, Any] = {
        name: list(itertools.islice(itertools.cycle(values), len(costs))) for name, values in texts.items()
    }
    for number, (dataset, snapshot) in enumerate(itertools.product((ACTUAL, AMORTIZED), (FIRST, SECOND))):
        at = snapshot + dt.timedelta(seconds=number)
        warehouse.load(costs[number:], snapshot=at, dataset=dataset, **{k: v[number:] for k, v in columns.items()})
    again = {name: values[number:] for name, values in columns.items()}
    warehouse.stage(costs[number:], snapshot=at, dataset=dataset, **again)
    warehouse.reject([1.0], first_row=99, snapshot=at, dataset=dataset)
    warehouse.audit(1.0, conflict=True, snapshot=at, dataset=dataset)


def types(warehouse: Warehouse) -> set[str]:
    found = warehouse.query("DESCRIBE TABLE stg_azure_billing_detail")
    return {row["type"] for row in found if row["name"] in REPEATED}


def test_every_view_and_command_answers_the_same(both: list[Warehouse]) -> None:
    assert [types(warehouse) for warehouse in both] == [{PLAIN}, {DICTIONARY}]
    expected = Expectations(first_month=AUGUST, last_month=AUGUST)
    answers: list[dict[tuple[str, str], object]] = []
    for warehouse in both:
        load(warehouse)
        found: dict[tuple[str, str], object] = {}
        answers.append(found)
        for state in ("loaded", "checked", "merged"):
            for view in VIEWS:
                query = f"SELECT {OF_THE_MOMENT} FROM {view} ORDER BY ALL"  # noqa: S608 - names of our own
                found[view, state] = warehouse.client.raw_query(query)
            if state == "loaded":
                verdict = check(warehouse.config, expected=expected)
                assert verdict is not None
                apart = {"checked_at", "enrollments", "months"}
                month = {"snapshot": {"delivered_at", "month_row"}}
                found["check", ""] = [
                    verdict.model_dump(exclude=apart),
                    *(month_of.model_dump(exclude=month) for month_of in verdict.months),
                ]
                report = read_report(warehouse.config, expected=expected, tags=("app",))
                found["report", ""] = report.model_dump(exclude={"at", "database", "suggestions_missing"})
            elif state == "checked":
                merge(warehouse.config)
        ensure_tables(warehouse.config)
    assert answers[0] == answers[1]
    assert all(answers[0][view, "loaded"] for view in VIEWS)
    assert [types(warehouse) for warehouse in both] == [{PLAIN}, {DICTIONARY}]
