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
from azure_billing_warehouse.schema.refusals import Refusal, migration_hint, refuse, rename
from azure_billing_warehouse.schema.views import OURS, View, views
from azure_billing_warehouse.tables import WAREHOUSE_TABLES, AzureBillingDetail, without_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import BillTable


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
    of_views = [statement for view in _views(config) for statement in view.statements(config)]
    return [ddl.create_database(config), *tables, *look_ups, *of_views]


def taken_names(config: ClickHouseConfig) -> set[str]:
    """Return the names of all tables and views of the warehouse."""
    tables = {table for model in WAREHOUSE_TABLES for table in ddl.create_tables(model, config)}
    return {
        *tables,
        *(look_up.table for look_up in focus.LOOK_UPS),
        *(view.name for view in _views(config)),
        application_tags.TABLE,
    }


def ensure_tables(config: ClickHouseConfig, connection: Connection | None = None) -> None:
    """Create what is missing of database, tables, views and columns; count the snapshots, merge the published ones.

    Everything is inspected before anything is changed.

    Args:
        config: Where ClickHouse is.
        connection: A connection to that database; one of its own by default.

    Raises:
        WarehouseError: ClickHouse can't be used, tables can't hold the bill (all of them, with the statements to run),
            or a host of the cluster lacks a table.
    """
    connection = connection or Connection(config)
    _ensure_database(connection, config)
    with connection.use("create the tables and views") as client:
        if config.cluster:
            _refuse_incomplete_hosts(client, config, config.cluster)
        present = _look(client, config)
        refusals: list[Refusal] = []
        needed = [
            statement for model in WAREHOUSE_TABLES for statement in _table_statements(present, model, config, refusals)
        ]
        needed += _derived_statements(present, config, refusals)
        refuse(refusals, config)
        for statement in needed:
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
    incomplete = find_incomplete_hosts(client, cluster, config.database, sorted(taken_names(config)))
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


def _table_statements(
    present: _Present, model: type[BillTable], config: ClickHouseConfig, refusals: list[Refusal]
) -> list[str]:
    """Return the statements that bring a model's tables up to this version; add what can't hold its rows."""
    needed = []
    for table, create in ddl.create_tables(model, config).items():
        if table not in present.tables:
            needed.append(create)
            continue
        about, columns = present.tables[table], present.columns[table]
        if fault := _other_engine(table, model, about, config):
            hint = migration_hint(columns, present.tables, config) if model is AzureBillingDetail else ""
            refusals.append(rename(table, fault, present.tables, config, hint))
            continue
        needed += _column_statements(table, model, present, config, refusals)
        # Not of every engine: a Distributed table takes no comment afterwards.
        if not about.comment and about.engine != "Distributed":
            needed.append(ddl.comment_on(table, config, model.about))
    return needed


def _other_engine(table: str, model: type[BillTable], about: _About, config: ClickHouseConfig) -> str:
    """Return why a table would keep a batch delivered twice, or merge distinct rows: its sums would be wrong.

    The keys of a version without datasets are accepted.
    """
    order_by, partition_by = model.order_by, ddl.partition_key(model)
    if _listed(about.sorting_key) == without_dataset(order_by):
        order_by, partition_by = without_dataset(order_by), without_dataset(partition_by)
    if config.cluster and table == model.table:
        return "" if about.engine == "Distributed" else f"its engine is {about.engine}, not Distributed"
    if not about.engine.endswith("ReplacingMergeTree"):
        return f"its engine is {about.engine}, which keeps a row twice that is delivered twice"
    if _listed(about.sorting_key) != order_by:
        return f"it is ordered by {about.sorting_key}, not by {', '.join(model.order_by)}"
    if _listed(about.partition_key) != partition_by:
        return f"it is not partitioned by snapshot ({', '.join(partition_by)})"
    return ""


def _listed(key: str) -> tuple[str, ...]:
    return tuple(name.strip(" `") for name in key.strip("()").split(",") if name)


def _column_statements(
    table: str, model: type[BillTable], present: _Present, config: ClickHouseConfig, refusals: list[Refusal]
) -> list[str]:
    types = present.columns[table]
    missing = [column for column in model.columns() if column.name not in types]
    unfit = [
        column
        for column in model.columns()
        if column.name in types and not holds(types[column.name], ddl.column_type(column, config))
    ]
    if unfit:
        faults = ", ".join(
            f"{column.name} is {types[column.name]} where {ddl.column_type(column, config)} is needed"
            for column in unfit
        )
        if any(column.name in model.order_by for column in unfit):  # ClickHouse can't change the type of such a column
            refusals.append(rename(table, faults, present.tables, config))
        else:
            refusals.append(Refusal(table, faults, [ddl.modify_column(table, column, config) for column in unfit]))
    return [ddl.add_columns(table, missing, config)] if missing else []


def _views(config: ClickHouseConfig, partition_by: Sequence[str] = ddl.SNAPSHOT_KEY) -> list[View]:
    """Return every view, in the order in which they can be made."""
    return [*views(config, partition_by), focus.focus_view(config)]


def _derived_statements(present: _Present, config: ClickHouseConfig, refusals: list[Refusal]) -> list[str]:
    """Return the statements for what can be recreated at any time, where it is missing or of another version."""
    needed = []
    for look_up in focus.LOOK_UPS:
        comment = present.tables[look_up.table].comment if look_up.table in present.tables else ""
        if look_up.table in present.tables and not comment.startswith(OURS):
            refusals.append(rename(look_up.table, "it is not ours", present.tables, config))
        elif comment != focus.look_up_fingerprint(look_up):
            needed.append(focus.create_look_up(look_up, config))
    details = present.tables.get(ddl.local_name(config, AzureBillingDetail.table))
    partition_by = _listed(details.partition_key) if details else ddl.SNAPSHOT_KEY
    for view in _views(config, partition_by):
        found = present.tables.get(view.name)
        if found and found.engine != "View":
            refusals.append(rename(view.name, "it has the name of a view", present.tables, config))
        elif found is None or found.comment != view.comment:
            needed += view.statements(config)
    return needed
