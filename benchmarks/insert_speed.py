"""What ClickHouse's CPU for a row of the bill is spent on: Arrow files of the mapper, into variants of the usage table.

`python benchmarks/insert_speed.py FILE ...`: files with different rows of `stg_azure_billing_detail`, as the mapper
writes them to its `batch_directory` for the loader. The variants are measured in turn, on the oldest and the newest
engine; CPU is that of the server's process, in microseconds a row, with the HTTP server of the sandbox.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pyarrow as pa

from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.schema.ddl import create_tables
from azure_billing_warehouse.tables import AzureBillingDetail
from sandbox.clickhouse.versions import OLDER
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

REPEATS = 3
DATABASE = "bill"
TABLE = f"{DATABASE}.{AzureBillingDetail.table}"
JSON_COLUMNS = ("tags", "additional_info")
LOADER = {
    "async_insert": 0,
    "min_insert_block_size_rows": 0,
    "min_insert_block_size_bytes": 0,
    "input_format_try_infer_datetimes": 0,
    "input_format_try_infer_dates": 0,
    "input_format_null_as_default": 0,
}
"""The settings of an insert by target-clickhouse-arrow."""


class Variant(NamedTuple):
    """A table, what is inserted, and with which settings besides those of the loader."""

    create: str
    without: Sequence[str] = ()
    settings: dict[str, int] = {}  # noqa: RUF012 - never changed


def variants() -> dict[str, Variant]:
    """Return what is compared."""
    new = create_tables(AzureBillingDetail, ClickHouseConfig(database=DATABASE))[AzureBillingDetail.table]
    wide = new.partition("\nSETTINGS")[0]
    plain = wide.replace("LowCardinality(Nullable(String))", "Nullable(String)")
    as_text = re.sub(r"(`(?:tags|additional_info)` )JSON", r"\1String", new)
    nothing = f"{new.partition('ENGINE')[0]}ENGINE = Null"
    return {
        "a new table": Variant(new),
        "wide parts": Variant(wide),
        "wide parts, plain texts (before)": Variant(plain),
        "JSON columns as String": Variant(as_text),
        "without JSON columns": Variant(new, JSON_COLUMNS),
        "optimize_on_insert = 0": Variant(new, settings={"optimize_on_insert": 0}),
        "engine Null: read and converted": Variant(nothing),
        "engine Null, without JSON columns": Variant(nothing, JSON_COLUMNS),
    }


def without(table: pa.Table, names: Sequence[str]) -> tuple[list[str], bytes]:
    """Return the remaining columns' names and an Arrow file of them, in one record batch."""
    kept = table.drop_columns(list(names)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, kept.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(kept)
    return kept.schema.names, sink.getvalue().to_pybytes()


def cpu() -> float:
    """Return the CPU seconds of the servers that this process started."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children(recursive=True))


def compare(client: Client, tables: Sequence[pa.Table]) -> None:
    """Insert into each variant in turn, merge, and print the least of each."""
    rows = sum(table.num_rows for table in tables)
    insert: dict[str, list[float]] = {}
    merge: dict[str, list[float]] = {}
    disk: dict[str, float] = {}
    for _ in range(REPEATS):
        for name, variant in variants().items():
            files = [without(table, variant.without) for table in tables]
            client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            client.command(f"DROP TABLE IF EXISTS {TABLE}")
            client.command(variant.create)
            if "Null" not in name:
                client.command(f"SYSTEM STOP MERGES {TABLE}")
            begin = cpu()
            for names, content in files:
                client.raw_insert(TABLE, names, content, LOADER | variant.settings, "Arrow")
            insert.setdefault(name, []).append((cpu() - begin) / rows * 1e6)
            if "Null" in name:
                continue
            client.command(f"SYSTEM START MERGES {TABLE}")
            begin = cpu()
            client.command(f"OPTIMIZE TABLE {TABLE} FINAL")
            merge.setdefault(name, []).append((cpu() - begin) / rows * 1e6)
            size = client.command(
                "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {database:String}",
                {"database": DATABASE},
            )
            disk[name] = int(str(size)) / rows
    for name, taken in insert.items():
        merged = f"{min(merge[name]):9.1f} us{disk[name]:8.0f} B" if name in merge else ""
        print(f"{name:36}{min(taken):9.1f} us{statistics.median(taken):9.1f} us{merged}")


def main() -> None:
    """Measure on the oldest and the newest engine."""
    tables = [pa.ipc.open_file(path).read_all() for path in sys.argv[1:]]
    for engine in (OLDER[0], None):
        with tempfile.TemporaryDirectory() as folder, running_clickhouse(Path(folder), engine=engine) as server:
            client = connect(ClickHouseConfig(host=server.host, port=server.port))
            sizes = ", ".join(f"{table.num_rows:,}" for table in tables)
            print(f"\nClickHouse {client.command('SELECT version()')} (chdb), files of {sizes} rows; {REPEATS} runs")
            print(f"{'CPU for a row':36}{'insert, least':>12}{'median':>12}{'merge':>12}{'disk':>10}", flush=True)
            compare(client, tables)
            client.close()


if __name__ == "__main__":
    main()
