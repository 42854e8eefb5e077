"""`migrate` on each ClickHouse: the same rows, costs and findings, whatever the old columns hold."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from warehouse.loading import AUGUST, ENROLLMENT, Warehouse
from warehouse.test_migrate import make_old, row, run

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.schema.compatible_view import create_compatible_view
from azure_billing_warehouse.schema.create import ensure_tables

if TYPE_CHECKING:
    from sandbox.launch import ClickHouse

TEXTS = [
    '{"app":"crm","a/b":"2026-08-01","n":1.5}',
    '"app": "crm"',
    "",
    "[]",
    '{"n":12345678901234567890123}',
    '{"app":"x","app":"y"}',
]
TAGS_TEXTS = [TEXTS[0], '{"app": "crm"}', "none", "none", "", TEXTS[5]]


@pytest.mark.parametrize("objects", ["JSON", "String"])
def test_what_is_migrated_is_the_same(engine: ClickHouse, objects: str) -> None:
    config = ClickHouseConfig(
        host=engine.host, port=engine.port, password=engine.password, database=f"migrated_{objects.lower()}"
    )
    ensure_tables(config)
    texts = TEXTS if objects == "String" else [TEXTS[0], *["{}"] * 5]
    costs = [0.1, 7.29e-9, -2.5, 1e15, 123456.789, 0.25]
    with connect(config) as client:
        warehouse = Warehouse(config, client)
        rows = [row(cost, tags=text, instance_id=f"vm-{cost}") for cost, text in zip(costs, texts, strict=True)]
        make_old(warehouse, [*rows, row(1.5, instance_id=" ")], {"tags": objects})
        run(warehouse)
        client.command(create_compatible_view(config, "old_name"))
        month = warehouse.query("SELECT * FROM azure_billing_month")[0]
        exact = sum(Decimal(repr(cost)) for cost in [*costs, 1.5])
        assert month["extended_cost"] == exact
        shown = warehouse.query("SELECT extended_cost, tags_text FROM azure_billing_detail ORDER BY extended_cost")
        assert [found["extended_cost"] for found in shown] == sorted(costs)
        kept = {found["extended_cost"]: found["tags_text"] for found in shown}
        if objects == "String":
            del kept[costs[4]]  # older engines don't even read the number, and only the finding has the text
            assert [found or "none" for found in kept.values()] == [
                found for _, found in sorted(zip(costs, TAGS_TEXTS, strict=True)) if found
            ]
            findings = warehouse.query("SELECT value FROM azure_billing_issue WHERE rule = 'R8' ORDER BY value")
            assert [found["value"] for found in findings] == sorted(TEXTS[4:])
        else:
            assert set(kept.values()) == {'{"a/b":"2026-08-01","app":"crm","n":1.5}', None}
        assert warehouse.scalar("SELECT count() FROM old_name WHERE toString(tags.app) LIKE '%crm%'") == (
            2 if objects == "String" else 1
        )
    verdict = check(config, expected=Expectations(first_month=AUGUST, last_month=AUGUST))
    assert verdict is not None
    assert (verdict.status, verdict.months[0].enrollment_number) == ("ok", ENROLLMENT)
    engine.execute(f"DROP DATABASE {config.database} SYNC")
