"""The statements that make and change the tables, from the models, as text; views are in `views`.

On a cluster each table is a replicated one on every shard (`..._local`) and a Distributed one with the plain name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, BillingMonth, TaggingAudit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import BillTable, Column

SNAPSHOT_KEY = BillingMonth.order_by
"""The columns that say which extraction of which dataset and month a row belongs to."""

PARTITIONED: tuple[type[BillTable], ...] = (AzureBillingDetail, TaggingAudit, BillingIssue)
"""Tables in which a snapshot is a partition, so that dropping one is a change of metadata."""

_EMPTY_OBJECT = "'{}'"

# A batch becomes a part, which as a rule has a file or two for each of its columns, and for each path of a JSON column;
# below this size all of them are in one, which takes a fourth of an insert's CPU (on 26.9) and half of a merge's away.
_COMPACT = "min_bytes_for_wide_part = 134217728"


def literal(text: str) -> str:
    """Return a text as a string in SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def qualified(config: ClickHouseConfig, table: str) -> str:
    """Write a table's name with its database, as SQL has it."""
    return f"{quote_identifier(config.database)}.{quote_identifier(table)}"


def on_cluster(config: ClickHouseConfig) -> str:
    """Return the clause that runs a statement on every host of the cluster; '' without a cluster."""
    return f" ON CLUSTER {quote_identifier(config.cluster)}" if config.cluster else ""


def is_in(config: ClickHouseConfig) -> str:
    """Return the operator for a subquery on another table: on a cluster its result is sent to every shard."""
    return "GLOBAL IN" if config.cluster else "IN"


def local_name(config: ClickHouseConfig, table: str) -> str:
    """Return the name of the table that holds the rows: on a cluster the Distributed table has the plain name."""
    return f"{table}_local" if config.cluster else table


def replicated_engine(config: ClickHouseConfig, table: str) -> str:
    """Return the engine of a table that each replica of a shard has.

    Names are written out in its path: a table whose path has the macros {database} or {table} can't be renamed, and one
    with {uuid} that is recreated on one host is no replica of the others.
    """
    path = f"{config.keeper_path}/{config.database}/{table}"
    return f"ReplicatedReplacingMergeTree({literal(path)}, '{{replica}}')"


def engine_everywhere(config: ClickHouseConfig, table: str, path_end: str) -> str:
    """Return the engine of a table that each host of the cluster holds in full: all are replicas of each other.

    Args:
        config: The connection's configuration.
        table: The table's name.
        path_end: Distinguishes this table's path in Keeper from those of the tables that it replaces.
    """
    path = f"{config.keeper_path.replace('{shard}', 'all')}/{config.database}/{table}/{path_end}"
    return f"ReplicatedReplacingMergeTree({literal(path)}, '{{shard}}_{{replica}}')"


def column_type(column: Column, config: ClickHouseConfig) -> str:
    """Return a column's ClickHouse type; a JSON column is a String where the configuration says so."""
    return "String" if _is_text_object(column, config) else column.clickhouse.type


def partition_key(model: type[BillTable]) -> tuple[str, ...]:
    """Return the columns by which a table is partitioned."""
    return SNAPSHOT_KEY if model in PARTITIONED else ()


def create_database(config: ClickHouseConfig) -> str:
    """Return the statement that makes the database."""
    return f"CREATE DATABASE IF NOT EXISTS {quote_identifier(config.database)}{on_cluster(config)}"


def create_tables(model: type[BillTable], config: ClickHouseConfig) -> dict[str, str]:
    """Return the statement for each table of a model, by name: one, or on a cluster the local and Distributed ones."""
    columns = [_definition(column, config) for column in model.columns()]
    table, local = model.table, local_name(config, model.table)
    engine = replicated_engine(config, local) if config.cluster else "ReplacingMergeTree"
    partition_by = partition_key(model)
    partitioned = f"\nPARTITION BY ({_names(partition_by)})" if partition_by else ""
    settings = f"\nSETTINGS {_COMPACT}" if partition_by else ""
    about = f"\nCOMMENT {literal(model.about)}"
    kept = f"{engine}{partitioned}\nORDER BY ({_names(model.order_by)}){settings}{about}"
    statements = {local: _create(local, columns, kept, config)}
    if config.cluster:
        # A row delivered again must reach the shard it is on, so the key has only columns of the sorting key.
        shard_by = [name for name in model.order_by if name in SNAPSHOT_KEY]
        engine = (
            f"Distributed({literal(config.cluster)}, {literal(config.database)}, {literal(local)}, "
            f"cityHash64({_names(shard_by)}))"
        )
        statements[table] = _create(table, columns, f"{engine}{about}", config)
    return statements


def create_everywhere(
    table: str, columns: Sequence[str], order_by: Sequence[str], path_end: str, config: ClickHouseConfig
) -> str:
    """Return the statement that makes a small table, held in full by each host of a cluster: `engine_everywhere`."""
    engine = engine_everywhere(config, table, path_end) if config.cluster else "ReplacingMergeTree"
    return _create(table, columns, f"{engine}\nORDER BY ({_names(order_by)})", config)


def add_columns(table: str, columns: Sequence[Column], config: ClickHouseConfig) -> str:
    """Return the statement that adds columns to a table of an older version, all of them or none."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {_definition(column, config)}" for column in columns)
    return f"ALTER TABLE {qualified(config, table)}{on_cluster(config)} {added}"


def modify_column(table: str, column: Column, config: ClickHouseConfig) -> str:
    """Return the statement that changes a column to a type that holds what is written to it."""
    kind = column_type(column, config)
    name = quote_identifier(column.name)
    return f"ALTER TABLE {qualified(config, table)}{on_cluster(config)} MODIFY COLUMN {name} {kind}"


def comment_on(table: str, config: ClickHouseConfig, about: str, columns: Mapping[str, str] | None = None) -> str:
    """Return the statement that gives a table or view its comment, and its columns theirs, all at once."""
    described = [f"COMMENT COLUMN {quote_identifier(name)} {literal(text)}" for name, text in (columns or {}).items()]
    changes = ", ".join([*described, f"MODIFY COMMENT {literal(about)}"])
    return f"ALTER TABLE {qualified(config, table)}{on_cluster(config)} {changes}"


def rename_table(table: str, config: ClickHouseConfig, name: str) -> str:
    """Return the statement that moves a table out of the way, to another name."""
    aside = qualified(config, name)
    return f"RENAME TABLE {qualified(config, table)} TO {aside}{on_cluster(config)}"


def drop_partition(table: str, partition_id: str, config: ClickHouseConfig) -> str:
    """Return the statement that drops a snapshot of a table, by ClickHouse's id of its partition."""
    local = qualified(config, local_name(config, table))
    return f"ALTER TABLE {local}{on_cluster(config)} DROP PARTITION ID {literal(partition_id)}"


def merge(table: str, config: ClickHouseConfig, partition_id: str = "") -> str:
    """Return the statement that merges a table, or a snapshot of it, into one part, if it isn't one already."""
    partition = f" PARTITION ID {literal(partition_id)}" if partition_id else ""
    merged = f"OPTIMIZE TABLE {qualified(config, table)}{partition} FINAL"
    return f"{merged} SETTINGS optimize_skip_merged_partitions = 1"


def delete_rows(table: str, condition: str, config: ClickHouseConfig) -> str:
    """Return the statement that deletes rows of a table not partitioned by snapshot, and ends when they are gone."""
    local = qualified(config, local_name(config, table))
    return f"ALTER TABLE {local}{on_cluster(config)} DELETE WHERE {condition} SETTINGS mutations_sync = 2"


def _create(table: str, columns: Sequence[str], engine: str, config: ClickHouseConfig) -> str:
    body = ",\n    ".join(columns)
    head = f"CREATE TABLE IF NOT EXISTS {qualified(config, table)}{on_cluster(config)}"
    return f"{head}\n(\n    {body}\n)\nENGINE = {engine}"


def _definition(column: Column, config: ClickHouseConfig) -> str:
    expression = column.clickhouse.default or column.clickhouse.fallback
    default = _EMPTY_OBJECT if _is_text_object(column, config) else expression
    filled = f" DEFAULT {default}" if default else ""
    about = f" COMMENT {literal(column.description)}"
    return f"{quote_identifier(column.name)} {column_type(column, config)}{filled}{about}"


def _is_text_object(column: Column, config: ClickHouseConfig) -> bool:
    return column.clickhouse.type == "JSON" and config.json_type == "String"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quote_identifier(name) for name in columns)
