"""Creates the missing database, tables and views, and refuses tables that can't hold the bill; drops nothing."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.clickhouse import (
    Connection,
    MissingDatabaseError,
    WarehouseError,
    connect_server,
    explained,
)
from azure_billing_warehouse.cluster import find_incomplete_hosts
from azure_billing_warehouse.counting import count_snapshots, merge_published
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.schema import ddl, focus
from azure_billing_warehouse.schema.column_types import holds
from azure_billing_warehouse.schema.views import OURS, create_view, fingerprint, view_queries
from azure_billing_warehouse.tables import WAREHOUSE_TABLES, AzureBillingDetail, without_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import BillTable, Column


class _About(NamedTuple):
    """What system.tables says of a table."""

    engine: str
    sorting_key: str
    partition_key: str
    comment: str


@dataclass(frozen=True)
class _Present:
    """What is in the database.

    Attributes:
        tables: What is said of each table and view.
        columns: The type of each column of the tables that the models name.
    """

    tables: dict[str, _About]
    columns: dict[str, dict[str, str]]


def statements(config: ClickHouseConfig) -> list[str]:
    """Return every statement that an empty ClickHouse needs, in order."""
    tables = [statement for model in WAREHOUSE_TABLES for statement in ddl.create_tables(model, config).values()]
    look_ups = [focus.create_look_up(look_up, config) for look_up in focus.LOOK_UPS]
    views = [create_view(name, query, config) for name, query in _queries(config).items()]
    return [ddl.create_database(config), *tables, *look_ups, *views]


def ensure_tables(config: ClickHouseConfig, connection: Connection | None = None) -> None:
    """Create what is missing of database, tables, views and columns; count the snapshots, merge the published ones.

    Everything is inspected before anything is changed.

    Args:
        config: Where ClickHouse is.
        connection: A connection to that database; one of its own by default.

    Raises:
        WarehouseError: ClickHouse can't be used, a table can't hold the bill (with the statements to run), or a host of
            the cluster lacks a table.
    """
    connection = connection or Connection(config)
    _ensure_database(connection, config)
    with connection.use("create the tables and views") as client:
        if config.cluster:
            _refuse_incomplete_hosts(client, config, config.cluster)
        present = _look(client, config)
        needed = [statement for model in WAREHOUSE_TABLES for statement in _table_statements(present, model, config)]
        for statement in [*needed, *_derived_statements(present, config)]:
            client.command(statement)
        count_snapshots(client, config)
        merge_published(client, config)


def _ensure_database(connection: Connection, config: ClickHouseConfig) -> None:
    purpose = "create the database"
    with suppress(MissingDatabaseError), connection.use(purpose) as client:
        _create_database(client, config)
        return
    with connect_server(config) as server, explained(config, purpose):
        _create_database(server, config)


def _create_database(client: Client, config: ClickHouseConfig) -> None:
    found = client.query(
        "SELECT engine, (SELECT value FROM system.settings WHERE name = 'cloud_mode') "
        "FROM system.databases WHERE name = {name:String}",
        {"name": config.database},
    ).result_rows
    if not found:
        client.command(ddl.create_database(config))
    else:
        engine, cloud_mode = found[0]
        _refuse_replicated_database(engine, cloud_mode, config)


def _refuse_replicated_database(engine: str, cloud_mode: str, config: ClickHouseConfig) -> None:
    """Refuse a database that runs each statement on all hosts: ON CLUSTER and CREATE TABLE AS SELECT fail there.

    ClickHouse Cloud has its own kind, where every table is on all hosts.
    """
    if engine == "Replicated" and cloud_mode != "1":
        raise WarehouseError(
            f"The database {config.database} on {config.host}:{config.port} has the engine Replicated, which takes "
            "neither ON CLUSTER nor the tables of the bill: set another database (CLICKHOUSE_DATABASE), which is then "
            "made with the engine Atomic, and CLICKHOUSE_CLUSTER for its tables to be on every host."
        )


def _refuse_incomplete_hosts(client: Client, config: ClickHouseConfig, cluster: str) -> None:
    models = [table for model in WAREHOUSE_TABLES for table in ddl.create_tables(model, config)]
    derived = [*(look_up.table for look_up in focus.LOOK_UPS), *_queries(config)]
    incomplete = find_incomplete_hosts(client, cluster, config.database, [*models, *derived, application_tags.TABLE])
    for host, tables in incomplete.items():
        raise WarehouseError(
            f"The host {host} of cluster {cluster} lacks tables of {config.database} that others have: "
            f"{', '.join(tables)}; make them there as SHOW CREATE TABLE has them on one of the others, so that their "
            "paths in Keeper are the same, and start again."
        )


def _look(client: Client, config: ClickHouseConfig) -> _Present:
    tables = client.query(
        "SELECT name, engine, sorting_key, partition_key, comment FROM system.tables "
        "WHERE database = {database:String}",
        {"database": config.database},
    ).result_rows
    columns = client.query(
        "SELECT table, name, type FROM system.columns "
        "WHERE database = {database:String} AND table IN {tables:Array(String)}",
        {
            "database": config.database,
            "tables": [table for model in WAREHOUSE_TABLES for table in ddl.create_tables(model, config)],
        },
    ).result_rows
    types: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, kind in columns:
        types[table][column] = kind
    return _Present({name: _About(*about) for name, *about in tables}, types)


def _table_statements(present: _Present, model: type[BillTable], config: ClickHouseConfig) -> list[str]:
    """Return the statements that bring a model's tables up to this version.

    Raises:
        WarehouseError: What is there can't hold the model's rows.
    """
    needed = []
    for table, create in ddl.create_tables(model, config).items():
        if table not in present.tables:
            needed.append(create)
            continue
        _refuse_other_engine(table, model, present.tables[table], config)
        needed += _column_statements(table, model, present.columns[table], config)
    return needed


def _refuse_other_engine(table: str, model: type[BillTable], about: _About, config: ClickHouseConfig) -> None:
    """Refuse a table that keeps a batch delivered twice, or merges distinct rows: its sums would be wrong.

    The keys of a version without datasets are accepted.
    """
    order_by, partition_by = model.order_by, ddl.partition_key(model)
    if _listed(about.sorting_key) == without_dataset(order_by):
        order_by, partition_by = without_dataset(order_by), without_dataset(partition_by)
    if config.cluster and table == model.table:
        fault = "" if about.engine == "Distributed" else f"its engine is {about.engine}, not Distributed"
    elif not about.engine.endswith("ReplacingMergeTree"):
        fault = f"its engine is {about.engine}, which keeps a row twice that is delivered twice"
    elif _listed(about.sorting_key) != order_by:
        fault = f"it is ordered by {about.sorting_key}, not by {', '.join(model.order_by)}"
    elif _listed(about.partition_key) != partition_by:
        fault = f"it is not partitioned by snapshot ({', '.join(partition_by)})"
    else:
        return
    if fault:
        raise _refusal(table, fault, [ddl.rename_table(table, config)], config)


def _listed(key: str) -> tuple[str, ...]:
    return tuple(name.strip(" `") for name in key.strip("()").split(",") if name)


def _refusal(table: str, fault: str, cure: Sequence[str], config: ClickHouseConfig) -> WarehouseError:
    place = f"ClickHouse's table {config.database}.{table} can't hold the bill"
    is_renamed = any(statement.startswith("RENAME") for statement in cure)
    # A renamed table keeps its path in Keeper, where the new one would collide with it.
    elsewhere = " with another keeper_path" if is_renamed and table.endswith("_local") and config.cluster else ""
    return WarehouseError(f"{place}: {fault}; run this and start again{elsewhere}: {'; '.join(cure)}")


def _column_statements(
    table: str, model: type[BillTable], present: dict[str, str], config: ClickHouseConfig
) -> list[str]:
    missing = [column for column in model.columns() if column.name not in present]
    unfit = [
        column
        for column in model.columns()
        if column.name in present and not holds(present[column.name], ddl.column_type(column, config))
    ]
    if unfit:
        _refuse_columns(table, model, unfit, present, config)
    return [ddl.add_columns(table, missing, config)] if missing else []


def _refuse_columns(
    table: str, model: type[BillTable], unfit: list[Column], present: dict[str, str], config: ClickHouseConfig
) -> None:
    faults = ", ".join(
        f"{column.name} is {present[column.name]} where {ddl.column_type(column, config)} is needed" for column in unfit
    )
    if any(column.name in model.order_by for column in unfit):  # ClickHouse can't change the type of such a column
        raise _refusal(table, faults, [ddl.rename_table(table, config)], config)
    raise _refusal(table, faults, [ddl.modify_column(table, column, config) for column in unfit], config)


def _queries(config: ClickHouseConfig, partition_by: Sequence[str] = ddl.SNAPSHOT_KEY) -> dict[str, str]:
    """Return the SELECT of each view, by name, in the order in which they can be made."""
    return {**view_queries(config, partition_by), focus.VIEW: focus.focus_query(config)}


def _derived_statements(present: _Present, config: ClickHouseConfig) -> list[str]:
    """Return the statements for what can be recreated at any time, where it is missing or of another version."""
    needed = []
    for look_up in focus.LOOK_UPS:
        comment = present.tables[look_up.table].comment if look_up.table in present.tables else ""
        if look_up.table in present.tables and not comment.startswith(OURS):
            raise _refusal(look_up.table, "it is not ours", [ddl.rename_table(look_up.table, config)], config)
        if comment != focus.look_up_fingerprint(look_up):
            needed.append(focus.create_look_up(look_up, config))
    details = present.tables.get(ddl.local_name(config, AzureBillingDetail.table))
    partition_by = _listed(details.partition_key) if details else ddl.SNAPSHOT_KEY
    for name, query in _queries(config, partition_by).items():
        view = present.tables.get(name)
        if view and view.engine != "View":
            raise _refusal(name, "it has the name of a view", [ddl.rename_table(name, config)], config)
        if view is None or view.comment != fingerprint(query):
            needed.append(create_view(name, query, config))
    return needed
