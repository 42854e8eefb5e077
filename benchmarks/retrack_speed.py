"""What it costs to track a loaded month again: CPU of the command and of ClickHouse, for 1,000,000 rows.

`python benchmarks/retrack_speed.py [ROWS]`. The month is of the simulated EA bill, 20,000 rows of the mapper copied
with other row numbers; every application changes. The sandbox's HTTP server counts as ClickHouse.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.tables import AzureBillingDetail
from sandbox.bill.generator import example_patterns
from sandbox.launch import running_api, running_clickhouse

SAMPLE = 20_000
MONTH, ENROLLMENT = "2026-08", "88888888"
PROGRAMS = Path(sys.executable).parent


def load_sample(config: ClickHouseConfig, folder: Path) -> None:
    """Load the sample by tap, mapper and the Arrow files that it writes."""
    patterns = folder / "patterns.csv"
    patterns.write_text("\n".join(["id,resource_tracking", *(f"{n},{text}" for n, text in example_patterns())]))
    with running_api(folder / "api", first=MONTH, last=MONTH, rows=SAMPLE, page_size=1000) as api:
        environment = {
            **os.environ,
            "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ENROLLMENT,
            "TAP_AZURE_EA_BILLING_START_DATE": MONTH,
            "TAP_AZURE_EA_BILLING_END_DATE": MONTH,
            "TAP_AZURE_EA_BILLING_API_URL": api.url,
            "TAP_AZURE_EA_BILLING_API_KEY": api.key(ENROLLMENT),
        }
        settings = folder / "mapper.json"
        settings.write_text(
            f'{{"output": "arrow", "batch_directory": "{folder / "batches"}", '
            f'"patterns": {{"source": "csv", "path": "{patterns}"}}}}'
        )
        tap = [str(PROGRAMS / "tap-azure-ea-billing"), "--config=ENV"]
        lines = subprocess.run(tap, env=environment, check=True, capture_output=True).stdout
        mapper = [str(PROGRAMS / "mapper-azure-billing-tracking"), f"--config={settings}"]
        subprocess.run(mapper, input=lines, check=True, capture_output=True)
    with connect(config) as client:
        for path in sorted((folder / "batches").glob("*/*.arrow")):
            client.raw_insert(path.name.rpartition("-")[0], insert_block=path.read_bytes(), fmt="Arrow")


def multiply(config: ClickHouseConfig, rows: int) -> None:
    """Copy the sample's rows until there are this many, and correct the counts of its month row."""
    columns = [column.name for column in AzureBillingDetail.sent_columns() if column.name != "row_number"]
    names = ", ".join(f"`{name}`" for name in columns)
    with connect(config) as client:
        for copy in range(1, rows // SAMPLE):
            client.command(
                f"INSERT INTO {AzureBillingDetail.table} ({names}, row_number) SELECT {names}, "  # noqa: S608
                f"row_number + {copy * SAMPLE} FROM {AzureBillingDetail.table} WHERE row_number <= {SAMPLE}"
            )
        counts = ("staged_row_count", "row_count", "received_row_count")
        staged = client.command(f"SELECT count() FROM {AzureBillingDetail.table}")  # noqa: S608
        changed = ", ".join(f"{name} = {staged}" for name in counts)
        client.command(
            f"ALTER TABLE stg_azure_billing_month UPDATE {changed}, rejected_row_count = 0 WHERE 1",
            settings={"mutations_sync": 2},
        )


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def main() -> None:
    """Measure a dry run, the run, and one that finds nothing to change."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_clickhouse(folder / "clickhouse") as server:
            config = ClickHouseConfig(host=server.host, port=server.port, username=server.user, database="bill")
            ensure_tables(config)
            load_sample(config, folder)
            multiply(config, rows)
            ensure_tables(config)  # counts and merges the month, as the mapper, `create` and `check` do after a load
            todays = [Pattern(number, text) for number, text in example_patterns()][1::2]
            application_tags.import_patterns(config, [*todays, Pattern(-1, "vm")])
            (clickhouse,) = psutil.Process().children()
            environment = {
                **os.environ,
                "CLICKHOUSE_HOST": server.host,
                "CLICKHOUSE_PORT": str(server.port),
                "CLICKHOUSE_DATABASE": "bill",
            }
            for title, options in (("dry run", ["--dry-run"]), ("retrack", []), ("nothing to change", [])):
                before, ours, started = cpu(clickhouse), cpu(psutil.Process()), time.perf_counter()
                command = [str(PROGRAMS / "azure-billing-warehouse"), "retrack", *options]
                said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                print(
                    f"{title:<20} {rows:>9,} rows  {time.perf_counter() - started:6.1f} s; CPU: command "
                    f"{cpu(psutil.Process()) - ours:5.1f} s, ClickHouse {cpu(clickhouse) - before:5.1f} s; "
                    f"{said.splitlines()[0]}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
