"""Creates the missing database, tables and views, and refuses tables that can't hold the bill; drops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.clickhouse import WarehouseError, connect, connect_server, explained
from azure_billing_warehouse.cluster import find_incomplete_hosts
from azure_billing_warehouse.counting import count_snapshots
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


def statements(config: ClickHouseConfig) -> list[str]:
    """Return every statement that an empty ClickHouse needs, in order."""
    tables = [statement for model in WAREHOUSE_TABLES for statement in ddl.create_tables(model, config).values()]
    look_ups = [focus.create_look_up(look_up, config) for look_up in focus.LOOK_UPS]
    views = [create_view(name, query, config) for name, query in _queries(config).items()]
    return [ddl.create_database(config), *tables, *look_ups, *views]


def ensure_tables(config: ClickHouseConfig) -> None:
    """Create the database, tables and views that are missing; add columns that this version needs; count snapshots.

    Everything is inspected before anything is changed.

    Raises:
        WarehouseError: ClickHouse can't be used, a table can't hold the bill (with the statements to run), or a host of
            the cluster lacks a table.
    """
    with connect_server(config) as server, explained(config, "create the database"):
        found = server.query(
            "SELECT engine, (SELECT value FROM system.settings WHERE name = 'cloud_mode') "
            "FROM system.databases WHERE name = {name:String}",
            {"name": config.database},
        ).result_rows
        if not found:
            server.command(ddl.create_database(config))
        else:
            engine, cloud_mode = found[0]
            _refuse_replicated_database(engine, cloud_mode, config)
    with connect(config) as client, explained(config, "create the tables and views"):
        if config.cluster:
            _refuse_incomplete_hosts(client, config, config.cluster)
        needed = [statement for model in WAREHOUSE_TABLES for statement in _table_statements(client, model, config)]
        for statement in [*needed, *_derived_statements(client, config)]:
            client.command(statement)
        count_snapshots(client, config)


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


def _table_statements(client: Client, model: type[BillTable], config: ClickHouseConfig) -> list[str]:
    """Return the statements that bring a model's tables up to this version.

    Raises:
        WarehouseError: What is there can't hold the model's rows.
    """
    needed = []
    for table, create in ddl.create_tables(model, config).items():
        found = client.query(
            "SELECT engine, sorting_key, partition_key FROM system.tables "
            "WHERE database = {database:String} AND name = {table:String}",
            {"database": config.database, "table": table},
        ).result_rows
        if not found:
            needed.append(create)
            continue
        _refuse_other_engine(table, model, _About(*found[0]), config)
        columns = client.query(
            "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
            {"database": config.database, "table": table},
        ).result_rows
        needed += _column_statements(table, model, {str(name): str(kind) for name, kind in columns}, config)
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


def _partition_by(client: Client, config: ClickHouseConfig) -> tuple[str, ...]:
    """Return the columns by which the usage rows are partitioned: those of the table, if there is one."""
    found = client.query(
        "SELECT partition_key FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": config.database, "table": ddl.local_name(config, AzureBillingDetail.table)},
    ).result_rows
    return _listed(found[0][0]) if found else ddl.SNAPSHOT_KEY


def _derived_statements(client: Client, config: ClickHouseConfig) -> list[str]:
    """Return the statements for what can be recreated at any time, where it is missing or of another version."""
    present = {
        name: (engine, comment)
        for name, engine, comment in client.query(
            "SELECT name, engine, comment FROM system.tables WHERE database = {database:String}",
            {"database": config.database},
        ).result_rows
    }
    needed = []
    for look_up in focus.LOOK_UPS:
        _, comment = present.get(look_up.table, ("", ""))
        if look_up.table in present and not comment.startswith(OURS):
            raise _refusal(look_up.table, "it is not ours", [ddl.rename_table(look_up.table, config)], config)
        if comment != focus.look_up_fingerprint(look_up):
            needed.append(focus.create_look_up(look_up, config))
    for name, query in _queries(config, _partition_by(client, config)).items():
        engine, comment = present.get(name, ("View", ""))
        if engine != "View":
            raise _refusal(name, "it has the name of a view", [ddl.rename_table(name, config)], config)
        if comment != fingerprint(query):
            needed.append(create_view(name, query, config))
    return needed
