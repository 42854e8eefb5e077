"""A real ClickHouse for the warehouse's tests, with a database for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from warehouse.loading import Warehouse

from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.tables import WAREHOUSE_TABLES
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import ClickHouse


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse"), password="correct horse") as server:  # noqa: S106
        yield server


def _config(clickhouse: ClickHouse) -> ClickHouseConfig:
    return ClickHouseConfig(
        host=clickhouse.host,
        port=clickhouse.port,
        username=clickhouse.user,
        password=clickhouse.password,
        database=f"bill_{uuid4().hex}",
    )


@pytest.fixture
def config(clickhouse: ClickHouse) -> Iterator[ClickHouseConfig]:
    """A database of the test's own, not made yet; dropped after it."""
    config = _config(clickhouse)
    yield config
    clickhouse.execute(f"DROP DATABASE IF EXISTS {config.database} SYNC")


@pytest.fixture
def new_warehouse(config: ClickHouseConfig) -> Iterator[Warehouse]:
    """Tables of the test's own, which it may change."""
    ensure_tables(config)
    with connect(config) as client:
        yield Warehouse(config, client)


@pytest.fixture(scope="session")
def _shared_warehouse(clickhouse: ClickHouse) -> Iterator[Warehouse]:
    config = _config(clickhouse)
    ensure_tables(config)
    with connect(config) as client:
        yield Warehouse(config, client)


@pytest.fixture
def warehouse(_shared_warehouse: Warehouse) -> Warehouse:
    """Empty tables, whose columns no test may change: making them anew for each test takes ten times as long."""
    for model in WAREHOUSE_TABLES:
        _shared_warehouse.client.command(f"TRUNCATE TABLE {model.table}")
    _shared_warehouse.client.command("DROP TABLE IF EXISTS d_application_tag")
    return _shared_warehouse
