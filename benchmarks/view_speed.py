"""How fast the published view is beside a plain table with only the right rows: a year, three snapshots of each month.

`python benchmarks/view_speed.py [ROWS OF A MONTH]`, 1,000,000 by default: 48 million rows, a few minutes, 3 GB of disk.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from azure_billing_warehouse.check.verdict import check, merge
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.prune import prune
from azure_billing_warehouse.schema.create import ensure_tables
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MONTHS, SNAPSHOTS, BATCHES, REPEATS = 12, 3, 10, 9
DETAIL, PLAIN, VIEW = "stg_azure_billing_detail", "plain", "azure_billing_detail"
COLUMNS = (
    "enrollment_number, billing_month, snapshot_at, row_number, date, month_date, instance_id, subscription_guid, "
    "resource_group, meter_category, resource_tracking, extended_cost, billing_currency"
)
QUERIES = {
    "cost by month and application": "SELECT month_date, resource_tracking, sum(extended_cost) FROM {table} "
    "GROUP BY month_date, resource_tracking ORDER BY ALL",
    "cost by application of one month": "SELECT resource_tracking, sum(extended_cost) FROM {table} "
    "WHERE billing_month = '2026-05-01' GROUP BY resource_tracking ORDER BY ALL",
    "cost by resource of one application": "SELECT instance_id, sum(extended_cost) FROM {table} "
    "WHERE resource_tracking = 'APP-7' GROUP BY instance_id ORDER BY ALL",
}


def deliver(client: Client, table: str, snapshot_of: tuple[int, int], first: int, rows: int) -> None:
    """Insert a batch of usage rows of a month's snapshot (both are numbers), the same ones each time."""
    month, snapshot = snapshot_of
    day = f"2026-{month:02}-01"
    client.command(
        f"INSERT INTO {table} ({COLUMNS}) SELECT '88888888', '{day}', {instant(month, snapshot)}, number + 1, "  # noqa: S608
        f"toDate('{day}') + number % 28, '{day}', "
        "'/subscriptions/s/resourceGroups/rg-' || toString(number % 900) || '/providers/p/vm-' || "
        "toString(number % 40000), "
        "toString(number % 70), 'rg-' || toString(number % 900), 'Virtual Machines', "
        "'APP-' || toString(cityHash64(number % 40000) % 300), "
        f"(cityHash64(number) % 100000) / 997 + {snapshot}, 'CNY' FROM numbers({first}, {rows})"
    )


def instant(month: int, snapshot: int) -> str:
    """When a snapshot was taken, in SQL."""
    return f"toDateTime64('2026-{month:02}-{10 + snapshot} 03:00:00', 3, 'UTC')"


def fill(client: Client, rows: int) -> None:
    """Load each snapshot in batches into staging, and the newest ones into the plain table too."""
    client.command(
        f"CREATE TABLE {PLAIN} AS {DETAIL} ENGINE = MergeTree ORDER BY (enrollment_number, billing_month, row_number)"
    )
    batch = rows // BATCHES
    for month in range(1, MONTHS + 1):
        for snapshot in range(SNAPSHOTS):
            for first in range(0, rows, batch):
                deliver(client, DETAIL, (month, snapshot), first, batch)
                if snapshot == SNAPSHOTS - 1:
                    deliver(client, PLAIN, (month, snapshot), first, batch)
            counts = ", ".join([str(rows)] * 3)
            client.command(
                "INSERT INTO stg_azure_billing_month (enrollment_number, billing_month, snapshot_at, row_count, "
                f"received_row_count, staged_row_count) SELECT '88888888', '2026-{month:02}-01', "
                f"{instant(month, snapshot)}, {counts}"
            )


def compare(client: Client, state: str) -> None:
    """Time each query on both tables in turn, and print the medians and their ratio."""
    parts = client.command(f"SELECT count() FROM system.parts WHERE active AND table = '{DETAIL}'")  # noqa: S608
    print(f"\n{state} ({parts} parts)")
    print(f"{'':38}{'plain':>9}{'view':>9}{'ratio':>8}")
    for name, query in QUERIES.items():
        seconds: dict[str, list[float]] = {PLAIN: [], VIEW: []}
        results = {}
        for _ in range(REPEATS):
            for table, taken in seconds.items():
                begin = time.perf_counter()
                results[table] = client.query(query.format(table=table)).result_rows
                taken.append(time.perf_counter() - begin)
        same = len(results[PLAIN]) == len(results[VIEW]) and all(
            one[:-1] == other[:-1] and abs(one[-1] - other[-1]) <= 1e-9 * abs(one[-1])
            for one, other in zip(results[PLAIN], results[VIEW], strict=True)
        )
        if not same:
            raise SystemExit(f"{name}: the view gives other figures than the plain table")
        plain, view = (statistics.median(taken) for taken in seconds.values())
        print(f"{name:38}{plain:8.3f}s{view:8.3f}s{view / plain:8.2f}")


def main() -> None:
    """Load and compare; again once counted, with rows delivered twice, merged, and pruned."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder, running_clickhouse(Path(folder)) as server:
        config = ClickHouseConfig(host=server.host, port=server.port, database="bill")
        ensure_tables(config)
        client = connect(config)
        fill(client, rows)
        staged = MONTHS * SNAPSHOTS * rows
        version = client.command("SELECT version()")
        print(f"ClickHouse {version} (chdb), {os.cpu_count()} cores; median of {REPEATS} runs, plain and view in turn")
        print(f"{staged:,} staged rows: {MONTHS} months, {SNAPSHOTS} snapshots of {rows:,} rows; the plain table has")
        print(f"{MONTHS * rows:,}, those of the newest snapshots")
        compare(client, "as loaded, no month counted yet")
        begin = time.perf_counter()
        check(config)
        checked = time.perf_counter()
        check(config)
        again = time.perf_counter()
        compare(client, "counted by check, not merged by it yet")
        merging = time.perf_counter()
        merge(config)
        merged = time.perf_counter() - merging
        print(f"\ncheck: {checked - begin:.1f} s for {MONTHS} months, {again - checked:.1f} s again")
        print(f"merging the published months after it: {merged:.1f} s")
        compare(client, "merged after check")
        for month in range(1, MONTHS + 1):
            deliver(client, DETAIL, (month, SNAPSHOTS - 1), 0, rows // BATCHES)
        compare(client, "after a tenth of each newest snapshot was delivered again")
        client.command(f"OPTIMIZE TABLE {DETAIL} FINAL")
        compare(client, "merged")
        begin = time.perf_counter()
        prune(config, keep=1, dry_run=False)
        print(f"\nprune to one snapshot: {time.perf_counter() - begin:.1f} s")
        compare(client, "pruned")
        client.close()


if __name__ == "__main__":
    main()
