"""`create` on each ClickHouse: every table and view is made, and made once."""
# ruff: noqa: S608 - names are our own

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.schema.create import ensure_tables

if TYPE_CHECKING:
    from sandbox.launch import ClickHouse


@pytest.mark.parametrize("json_type", ["JSON", "String"])
def test_what_is_created_is_whole_and_not_made_again(engine: ClickHouse, json_type: Literal["JSON", "String"]) -> None:
    config = ClickHouseConfig(
        host=engine.host,
        port=engine.port,
        username=engine.user,
        password=engine.password,
        database=f"bill_{json_type.lower()}",
        json_type=json_type,
    )
    tables = f"SELECT name, uuid, comment FROM system.tables WHERE database = '{config.database}' ORDER BY name"
    of_views = (
        f"SELECT table, name, comment FROM system.columns WHERE database = '{config.database}' "
        "AND match(table, '^(azure_|focus_cost)') ORDER BY table, name"
    )
    ensure_tables(config)
    made = engine.query(tables)
    assert len(made) == 16
    described = engine.query(of_views)
    assert len(described) > 300
    assert [column for column in described if not str(column["comment"]).endswith(".")] == []
    assert engine.query(f"SELECT count() AS rows FROM {config.database}.focus_region")[0]["rows"] not in {0, "0"}
    assert engine.query(f"SELECT * FROM {config.database}.focus_cost_and_usage") == []
    ensure_tables(config)
    assert engine.query(tables) == made
    assert engine.query(of_views) == described
