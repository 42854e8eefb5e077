"""The table of tracking patterns, d_application_tag: its import from a CSV file, its list; R16 is the mapper's."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import csv
import io
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from azure_billing_warehouse.clickhouse import WarehouseError, connect, explained
from azure_billing_warehouse.cluster import find_incomplete_hosts
from azure_billing_warehouse.patterns.files import unguarded
from azure_billing_warehouse.patterns.oddities import contained
from azure_billing_warehouse.schema.ddl import create_everywhere, engine_everywhere, literal, on_cluster, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig

TABLE = "d_application_tag"
_COLUMNS = ("`id` Int64", "`resource_tracking` String")
_ORDER_BY = ("id", "resource_tracking")


class ApplicationTag(BaseModel):
    """A pattern: text that names an application, and the rank by which it wins over others (the lowest)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    resource_tracking: Annotated[str, StringConstraints(max_length=1000)]


class TagFindings(BaseModel):
    """What is odd about a set of patterns; nothing of it keeps the set from being used."""

    duplicate_ids: dict[int, list[str]]
    """Id -> the patterns that have it: the first one read wins."""
    blank_ids: list[int]
    """Ids of patterns that are blank: they are skipped."""
    same_text: dict[str, list[int]]
    """Pattern in upper case -> the ids it has: it is one pattern, with the lowest id."""
    contained: dict[str, list[str]]
    """Pattern in upper case -> a few of those that contain it: where they match, it matches too."""
    not_compared: int
    """The longest patterns, of which that isn't known: all of them together have too much text."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.duplicate_ids or self.blank_ids or self.same_text or self.contained or self.not_compared)


_TAGS = TypeAdapter(list[ApplicationTag])


def read_tags(path: Path) -> list[ApplicationTag]:
    """The patterns of a CSV file with the columns id and resource_tracking, in its order.

    Raises:
        WarehouseError: the file can't be read, or a row isn't a pattern; with the row's line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if missing := {"id", "resource_tracking"} - set(reader.fieldnames or ()):
                raise WarehouseError(f"{path} has no column {' and no column '.join(sorted(missing))}.")
            rows, lines = [], []
            for row in reader:
                rows.append({name: unguarded(row[name] or "") for name in ("id", "resource_tracking")})
                lines.append(reader.line_num)
        return _TAGS.validate_python(rows)
    except ValidationError as error:
        first = error.errors()[0]
        index, column = first["loc"][:2]
        place = f"{path}, line {lines[int(index)]}"
        raise WarehouseError(f"{place}: {column} is {first['input']!r}: {first['msg']}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WarehouseError(f"{path} can't be read as CSV: {error}.") from error


def find_oddities(tags: Sequence[ApplicationTag]) -> TagFindings:
    """Duplicates, blanks and patterns within others; time and memory grow with the text, not with the pairs."""
    by_id: dict[int, list[str]] = defaultdict(list)
    by_text: dict[str, list[int]] = defaultdict(list)
    for tag in tags:
        by_id[tag.id].append(tag.resource_tracking)
        by_text[tag.resource_tracking.upper()].append(tag.id)
    within, not_compared = contained([text for text in by_text if text.strip()])
    return TagFindings(
        duplicate_ids={number: patterns for number, patterns in by_id.items() if len(patterns) > 1},
        blank_ids=[tag.id for tag in tags if not tag.resource_tracking.strip()],
        same_text={text: ids for text, ids in by_text.items() if text.strip() and len(ids) > 1},
        contained=within,
        not_compared=not_compared,
    )


def describe(findings: TagFindings) -> Iterator[str]:
    """A sentence for each kind of oddity, with a few examples, shortened."""
    if findings.duplicate_ids:
        examples = [f"{number} ({_few(map(_short, texts), 3)})" for number, texts in findings.duplicate_ids.items()]
        yield f"ids that stand at several patterns, so that it isn't said which wins: {_few(examples)}."
    if findings.blank_ids:
        yield f"blank patterns, which are skipped: ids {_few(map(str, findings.blank_ids))}."
    if findings.same_text:
        examples = [f"{_short(text)} ({_few(map(str, ids), 3)})" for text, ids in findings.same_text.items()]
        yield f"patterns that stand at several ids, of which the lowest counts: {_few(examples)}."
    if findings.contained:
        examples = [
            f"{_short(text)} in {', '.join(map(_short, others))}" for text, others in findings.contained.items()
        ]
        yield f"patterns that others contain, so that both match: {_few(examples)}."
    if findings.not_compared:
        yield f"patterns too long to be looked for in each other: {findings.not_compared}."


def _few(examples: Iterable[str], limit: int = 10) -> str:
    listed = list(examples)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def import_tags(config: ClickHouseConfig, tags: Sequence[ApplicationTag]) -> None:
    """Replace the content of d_application_tag; a reader sees the old patterns or the new ones, never none.

    The table is made if it is missing. The new content goes into a table of its own, which then takes the name; on a
    cluster each host has the whole table, and takes the new one once all of them have its rows.

    Raises:
        WarehouseError: there is no pattern in `tags`, ClickHouse can't be reached or refuses, or a host of the cluster
            lacks the table.
    """
    if not any(tag.resource_tracking.strip() for tag in tags):
        raise WarehouseError("There is no pattern to import, and the ones in ClickHouse are kept.")
    with connect(config) as client, explained(config, f"replace the patterns in {TABLE}"):
        _replace(client, config, tags)


def list_tags(config: ClickHouseConfig, table: str = TABLE) -> list[tuple[str, str]]:
    """Id and pattern of every row, as text, whatever the types of the table's columns.

    Raises:
        WarehouseError: the table can't be read.
    """
    with connect(config) as client, explained(config, f"read the patterns in {table}"):
        rows = client.query(
            "SELECT ifNull(toString(id), ''), ifNull(toString(resource_tracking), '') "
            f"FROM {qualified(config, table)} ORDER BY id, resource_tracking"
        ).result_rows
    return [(number, pattern) for number, pattern in rows]


def _replace(client: Client, config: ClickHouseConfig, tags: Sequence[ApplicationTag]) -> None:
    if config.cluster:
        _refuse_incomplete_hosts(client, config, config.cluster)
    # The table of each import has a path of its own in Keeper: the one before keeps its own until it is dropped.
    path_end = uuid.uuid4().hex
    client.command(create_everywhere(TABLE, _COLUMNS, _ORDER_BY, f"{path_end}-first", config))
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
    csv.writer(lines, quoting=csv.QUOTE_ALL).writerows((tag.id, tag.resource_tracking) for tag in tags)
    client.raw_insert(incoming, ("id", "resource_tracking"), lines.getvalue(), fmt="CSV")
    arrived = client.query(f"SELECT toString(id), toString(resource_tracking) FROM {incoming}").result_rows
    if {tuple(row) for row in arrived} != {(str(tag.id), tag.resource_tracking) for tag in tags}:
        # ClickHouse takes 300 for a UInt8 and makes 44 of it, without a word.
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
    if others := sorted(set(columns) - {"id", "resource_tracking"}):
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
