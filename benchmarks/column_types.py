"""What the types of tags and of repeated texts cost in ClickHouse: insert, disk, a query by one tag, and exactness.

`python benchmarks/column_types.py [ROWS] [ENGINE ...]`, 200,000 rows and the newest engine by default; 25.5 is the
oldest.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TICKS = os.sysconf("SC_CLK_TCK")
REPEATS = 3
OBJECT_TYPES = {
    "JSON": "{column}.app.:String",
    "JSON(max_dynamic_paths = 16)": "{column}.app.:String",
    "String": "JSONExtractString({column}, 'app')",
    "Map(LowCardinality(String), String)": "{column}['app']",
}
"""Type -> the expression for the tag `app`."""
TEXT_TYPES = ("Nullable(String)", "LowCardinality(Nullable(String))")
TEXT_COLUMNS = 12
ODD_OBJECTS = (
    '{"app":"a","env":"prod"}',
    '{"app.kubernetes.io/name":"web"}',
    '{"app":null,"env":"x"}',
    '{"app":{"name":"web"}}',
    '{"count":12,"ratio":1.50}',
    '{"app":""}',
    '{"when":"2026-05-01 10:00:00"}',
)
"""Objects of which each type keeps some exactly."""


def server_cpu() -> float:
    """Seconds of CPU that our child processes, the server, have used."""
    pid = os.getpid()
    used = 0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def cpu_of(client: Client, *statements: str) -> float:
    """The least CPU that the server took for the last of the statements, each time after the others."""
    taken = []
    for _ in range(REPEATS):
        for statement in statements[:-1]:
            client.command(statement)
        begin = server_cpu()
        client.query(statements[-1])
        taken.append(server_cpu() - begin)
    return min(taken)


def disk(client: Client, table: str) -> int:
    """Bytes of a table on disk, once merged."""
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    return int(
        client.query(
            "SELECT sum(bytes_on_disk) FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = {t:String}",
            {"t": table},
        ).result_rows[0][0]
    )


def fill(client: Client, rows: int) -> None:
    """Make the rows that every type is given, in memory: tags of 300 applications, and texts with 50 values."""
    texts = ", ".join(
        f"concat('a text of column {n}, value ', toString(cityHash64(number, {n}) % 50)) AS c{n}"
        for n in range(TEXT_COLUMNS)
    )
    values = ", ".join(
        f"'{before}', toString(cityHash64(number, {n}) % {distinct}), '\"'"
        for n, (before, distinct) in enumerate(
            (('{"env":"prod","app":"app-', 300), (',"cost_center":"', 90), (',"owner":"', 2000))
        )
    )
    client.command(
        f"CREATE TABLE given ENGINE = Memory AS SELECT number AS n, concat({values}, '}}') AS tags, {texts} "  # noqa: S608 - our own numbers
        f"FROM numbers({rows})"
    )


def measure_objects(client: Client, rows: int) -> None:
    """Print a line for each type of tags."""
    print(f"\n{'tags as':38}{'insert':>10}{'disk':>10}{'by app':>10}  kept exactly, of {len(ODD_OBJECTS)}")
    for kind, app in OBJECT_TYPES.items():
        client.command("DROP TABLE IF EXISTS t")
        client.command(f"CREATE TABLE t (n UInt64, tags {kind}) ENGINE = MergeTree ORDER BY n")
        value = "tags" if "Map" not in kind else "CAST(JSONExtractKeysAndValues(tags, 'String'), 'Map(String, String)')"
        insert = cpu_of(client, "TRUNCATE TABLE t", f"INSERT INTO t SELECT n, {value} FROM given")  # noqa: S608 - likewise
        size = disk(client, "t")
        query = cpu_of(client, f"SELECT {app.format(column='tags')} AS app, count() FROM t GROUP BY app")  # noqa: S608 - likewise
        figures = f"{insert / rows * 1e6:7.2f} µs{size / rows:8.1f} B{query / rows * 1e6:7.2f} µs"
        print(f"{kind:38}{figures}  {kept(client)}")


def kept(client: Client) -> str:
    """Say how many odd objects come back as they were, sent as text as a loader does."""
    exact, lost = 0, []
    for text in ODD_OBJECTS:
        client.command("TRUNCATE TABLE t")
        try:
            client.raw_insert("t", ["n", "tags"], f"1\t{text}\n".encode(), fmt="TabSeparatedRaw")
        except DatabaseError as error:
            lost.append(f"{text} refused (code {error.code})")
            continue
        back = client.query("SELECT toString(tags) FROM t").result_rows[0][0]
        try:
            same = json.loads(back) == json.loads(text)
        except json.JSONDecodeError:
            same = False
        exact += same
        if not same:
            lost.append(f"{text} as {back}")
    return f"{exact}; " + ", ".join(lost)


def measure_texts(client: Client, rows: int) -> None:
    """Print a line for each type of repeated texts."""
    names = [f"c{number}" for number in range(TEXT_COLUMNS)]
    print(f"\n{f'{TEXT_COLUMNS} texts with 50 values each as':38}{'insert':>10}{'disk':>10}{'by one':>10}")
    for kind in TEXT_TYPES:
        client.command("DROP TABLE IF EXISTS t")
        columns = ", ".join(f"{name} {kind}" for name in names)
        client.command(f"CREATE TABLE t (n UInt64, {columns}) ENGINE = MergeTree ORDER BY n")
        insert = cpu_of(client, "TRUNCATE TABLE t", f"INSERT INTO t SELECT n, {', '.join(names)} FROM given")  # noqa: S608 - likewise
        size = disk(client, "t")
        query = cpu_of(client, "SELECT c0, count() FROM t GROUP BY c0")
        print(f"{kind:38}{insert / rows * 1e6:7.2f} µs{size / rows:8.1f} B{query / rows * 1e6:7.2f} µs")


def main() -> None:
    """Measure each type on each engine."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    for engine in sys.argv[2:] or ["newest"]:
        chosen = None if engine == "newest" else engine
        with (
            tempfile.TemporaryDirectory() as folder,
            running_clickhouse(Path(folder), engine=chosen) as server,
            connect(ClickHouseConfig(host=server.host, port=server.port)) as client,
        ):
            print(f"\nClickHouse {client.command('SELECT version()')} (chdb), {os.cpu_count()} cores, {rows:,} rows;")
            print(f"CPU of the server for each row, the least of {REPEATS}; disk for each row, merged")
            fill(client, rows)
            measure_objects(client, rows)
            measure_texts(client, rows)


if __name__ == "__main__":
    main()
