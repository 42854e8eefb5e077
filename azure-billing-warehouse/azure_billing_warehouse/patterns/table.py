"""Replaces and reads the rows of the table of tracking patterns, d_application_tag; judges none."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import csv
import io
import re
import uuid
from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.clickhouse import (
    Connection,
    MissingDatabaseError,
    WarehouseError,
    connect,
    connect_server,
    explained,
)
from azure_billing_warehouse.cluster import find_incomplete_hosts
from azure_billing_warehouse.patterns.pattern import COLUMNS, read_rows
from azure_billing_warehouse.schema.ddl import (
    create_database,
    create_everywhere,
    engine_everywhere,
    literal,
    on_cluster,
    qualified,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.patterns.pattern import Pattern

TABLE = "d_application_tag"
_DEFINITIONS = ("`id` Int64", "`resource_tracking` String")
_ORDER_BY = COLUMNS
_NAME = re.compile(r"(?:(`[^`]+`|[^`.]+)\.)?(`[^`]+`|[^`.]+)")


def import_patterns(config: ClickHouseConfig, patterns: Sequence[Pattern]) -> None:
    """Replace the content of d_application_tag; a reader sees the old patterns or the new ones, never none.

    Database and table are created if they are missing. The new content goes into a new table, which then takes the
    name; on a cluster each host has the whole table, and switches to the new one once all of them have its rows.

    Raises:
        WarehouseError: There is no pattern in `patterns`, ClickHouse can't be reached or refuses, or a host of the
            cluster lacks the table.
    """
    if not any(pattern.resource_tracking.strip() for pattern in patterns):
        raise WarehouseError("There is no pattern to import, and the ones in ClickHouse are kept.")
    _make_database(config)
    with connect(config) as client, explained(config, f"replace the patterns in {TABLE}"):
        _replace(client, config, patterns)


def _make_database(config: ClickHouseConfig) -> None:
    try:
        connect(config).close()
    except MissingDatabaseError:
        with connect_server(config) as server, explained(config, "create the database"):
            server.command(create_database(config))


def list_patterns(config: ClickHouseConfig, table: str = TABLE) -> list[tuple[str, str]]:
    """List id and text of every row; NULL is an empty text.

    Raises:
        WarehouseError: The table can't be read.
    """
    with connect(config) as client, explained(config, f"read the patterns in {table}"):
        rows = _cells(client, qualified(config, table))
    return [(number or "", text or "") for number, text in rows]


def read_name(text: str) -> tuple[str | None, str]:
    """Return the database, None if it isn't named, and the table of `table` or `database.table`.

    A name with a dot in it is written within backquotes, as in SQL.

    Raises:
        ValueError: The text is neither.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError("it must be a table, or a database and a table with a dot between them")
    database, table = (part and part.strip("`") for part in found.groups())
    return database, table


def read_table(
    config: ClickHouseConfig, table: str = TABLE, connection: Connection | None = None
) -> list[Pattern] | None:
    """Read every row as a pattern.

    Args:
        config: Where ClickHouse is.
        table: The table's name as `read_name` has it; one of the configuration's database if it names none.
        connection: A connection to that database; one of its own by default.

    Returns:
        The patterns; None if there is no such table.

    Raises:
        MalformedPatternError: A row isn't a pattern.
        WarehouseError: The table can't be read.
    """
    with (connection or Connection(config)).use("read the tracking patterns") as client:
        database, name = read_name(table)
        place = f"{quote_identifier(database or config.database)}.{quote_identifier(name)}"
        if not client.command(f"EXISTS TABLE {place}"):
            return None
        rows = _cells(client, place)
    return read_rows(rows)


def _cells(client: Client, table: str) -> list[tuple[str | None, str | None]]:
    """Return id and text of every row, in order, as text: the table may be the user's own, with other types."""
    rows = client.query(
        "SELECT toString(tag.id), toString(tag.resource_tracking) "
        f"FROM {table} AS tag ORDER BY tag.id, tag.resource_tracking"
    ).result_rows
    return [(number, text) for number, text in rows]


def _replace(client: Client, config: ClickHouseConfig, patterns: Sequence[Pattern]) -> None:
    if config.cluster:
        _refuse_incomplete_hosts(client, config, config.cluster)
    # Each import's table has its own path in Keeper: the previous one keeps its path until it is dropped.
    path_end = uuid.uuid4().hex
    client.command(create_everywhere(TABLE, _DEFINITIONS, _ORDER_BY, f"{path_end}-first", config))
    _refuse_other_table(client, config)
    table, incoming = (qualified(config, name) for name in (TABLE, f"{TABLE}_incoming"))
    cluster = on_cluster(config)
    client.command(f"DROP TABLE IF EXISTS {incoming}{cluster} SYNC")
    engine = (
        f" ENGINE = {engine_everywhere(config, TABLE, path_end)} ORDER BY ({', '.join(_ORDER_BY)})" if cluster else ""
    )
    client.command(f"CREATE TABLE {incoming}{cluster} AS {table}{engine}")
    # As text, since the table may be the user's own, with an id of another type.
    lines = io.StringIO()
    # Quoted, since ClickHouse trims what is not.
    csv.writer(lines, quoting=csv.QUOTE_ALL).writerows((pattern.id, pattern.resource_tracking) for pattern in patterns)
    client.raw_insert(incoming, COLUMNS, lines.getvalue(), fmt="CSV")
    arrived = client.query(f"SELECT toString(id), toString(resource_tracking) FROM {incoming}").result_rows
    if {tuple(row) for row in arrived} != {(str(pattern.id), pattern.resource_tracking) for pattern in patterns}:
        # ClickHouse silently turns 300 into 44 for a UInt8.
        raise WarehouseError(
            f"The columns of {config.database}.{TABLE} can't hold the patterns as they are: the old ones are kept."
        )
    if cluster:
        # Ends when every host has the rows, or with an error if one can't be reached: then all keep the old ones.
        client.command(f"SYSTEM SYNC REPLICA{cluster} {incoming}")
    client.command(f"EXCHANGE TABLES {incoming} AND {table}{cluster}")
    client.command(f"DROP TABLE {incoming}{cluster} SYNC")


def _refuse_incomplete_hosts(client: Client, config: ClickHouseConfig, cluster: str) -> None:
    for host in find_incomplete_hosts(client, cluster, config.database, [TABLE]):
        raise WarehouseError(
            f"The host {host} of cluster {cluster} lacks the table {config.database}.{TABLE}, which others have: make "
            "it there as SHOW CREATE TABLE has it on one of them, and import again; the old patterns are kept."
        )


def _refuse_other_table(client: Client, config: ClickHouseConfig) -> None:
    columns = client.query(
        "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        {"database": config.database, "table": TABLE},
    ).result_columns[0]
    if others := sorted(set(columns) - set(COLUMNS)):
        raise WarehouseError(
            f"The table {config.database}.{TABLE} has columns of its own ({', '.join(others)}) that an import would "
            "empty: change its rows where they are kept."
        )
    engine = client.command(
        f"SELECT engine FROM system.tables WHERE database = {literal(config.database)} AND name = {literal(TABLE)}"
    )
    if config.cluster and engine != "ReplicatedReplacingMergeTree":
        raise WarehouseError(
            f"The table {config.database}.{TABLE} was not made by `patterns import`: its engine is {engine}."
        )
