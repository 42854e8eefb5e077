"""What a row costs in the literal command, by process: `meltano run tap-azure-ea-billing mapper target-clickhouse`.

Run: `.venv/bin/python benchmarks/pipeline_speed.py [--against CHECKOUT] [ROWS ...]`; without sizes 100,000 rows five
times and 1,000,000 once. CHECKOUT is another version's folder, set up by its script/setup; it loads EA bills in turn.

The bill is one month: of the simulated EA API, whose pages are made before, and of a Parquet export in a folder. Each
run begins with an empty database and no state. Rows/s are of the whole command, start-up included. CPU is user and
system time in microseconds a row, read from the processes every 50 ms, so that each may lack its last 50 ms.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sandbox.bill.generator import example_patterns
from sandbox.launch import running_api, running_clickhouse

if TYPE_CHECKING:
    from sandbox.launch import ClickHouse

ENROLLMENT = "88888888"
MONTH = "2026-08"
ROOT = Path(__file__).parents[1]
PIPELINE = ("run", "tap-azure-ea-billing", "mapper", "target-clickhouse")
LOOK_AGAIN = 0.05
NAMES = {
    "tap-azure-ea-billing": "tap",
    "mapper-azure-billing-tracking": "mapper",
    "target-clickhouse-arrow": "loader",
    "meltano": "Meltano",
}
REPEATED, ONCE = (100_000, 5), (1_000_000, 1)


@dataclass
class Measured:
    """A run of the command.

    Attributes:
        seconds: From start to end.
        cpu: Seconds of CPU time of each program.
        rows: Rows that the view has.
    """

    seconds: float
    cpu: dict[str, float]
    rows: int


def program(process: psutil.Process) -> str:
    """Return which of the programs a process is."""
    words = process.cmdline()
    if "--discover" in words:
        return "discovery"
    if "clickhouse" in words and "sandbox" in words:
        return "ClickHouse"
    return next((NAMES[Path(word).name] for word in words[:2] if Path(word).name in NAMES), "other")


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def watched(root: Path, environment: dict[str, str], server: psutil.Process) -> tuple[float, dict[str, float]]:
    """Run the command in a checkout; return its seconds, and the CPU time of each program in it and of the server."""
    command: list[str | Path] = [root / ".venv" / "bin" / "meltano", *PIPELINE]
    before, started = cpu_seconds(server), time.perf_counter()
    known: dict[int, tuple[str, float]] = {}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        first = psutil.Process(run.pid)
        while run.poll() is None:
            for process in [first, *first.children(recursive=True)]:
                try:
                    name, seconds = program(process), cpu_seconds(process)
                    if name == "other" and process.pid in known:
                        name, _ = known[process.pid]  # it has ended, and nobody has asked for its exit code yet
                    known[process.pid] = name, seconds
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue
            time.sleep(LOOK_AGAIN)
        if run.returncode:
            raise SystemExit(f"{command} failed")
    cpu: dict[str, float] = defaultdict(float)
    for name, seconds in known.values():
        cpu[name] += seconds
    cpu["ClickHouse"] = cpu_seconds(server) - before
    return time.perf_counter() - started, dict(cpu)


def measure(root: Path, clickhouse: ClickHouse, database: str, tap: dict[str, str], folder: Path) -> Measured:
    """Run a checkout's command into an empty database."""
    environment = {
        **os.environ,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_USER": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_DATABASE": database,
        "CLICKHOUSE_SECURE": "false",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder / database}.db",
        "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ENROLLMENT,
        "TAP_AZURE_EA_BILLING_START_DATE": MONTH,
        "TAP_AZURE_EA_BILLING_END_DATE": MONTH,
        **tap,
    }
    patterns = folder / "patterns.csv"
    patterns.write_text(
        "\n".join(["id,resource_tracking", *(f"{number},{text}" for number, text in example_patterns())])
    )
    warehouse = root / ".venv" / "bin" / "azure-billing-warehouse"
    for arguments in (["create"], ["patterns", "import", str(patterns)]):
        subprocess.run([warehouse, *arguments], env=environment, check=True, capture_output=True)
    (server,) = (child for child in psutil.Process().children() if program(child) == "ClickHouse")
    seconds, cpu = watched(root, environment, server)
    (counted,) = clickhouse.query(f"SELECT toUInt32(count()) AS rows FROM {database}.azure_billing_detail")  # noqa: S608
    return Measured(seconds, cpu, counted["rows"])


def report(name: str, runs: list[Measured]) -> None:
    """Print the runs of one size: the median, and the spread of all."""
    rates = [run.rows / run.seconds for run in runs]
    middle = sorted(runs, key=lambda run: run.rows / run.seconds)[len(runs) // 2]
    parts = {program: seconds / middle.rows * 1e6 for program, seconds in sorted(middle.cpu.items())}
    listed = ", ".join(f"{program} {cpu:.1f}" for program, cpu in parts.items())
    spread = f" ({min(rates):,.0f} to {max(rates):,.0f})" if len(runs) > 1 else ""
    print(
        f"{name:<28} {middle.rows:>9,} rows  {statistics.median(rates):>7,.0f} rows/s{spread}; "
        f"{sum(parts.values()):.0f} us: {listed}",
        flush=True,
    )


def main() -> None:
    """Measure every source with every size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("sizes", type=int, nargs="*")
    given = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("meltano", "singer-sdk", "polars", "chdb"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {packages}")
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        clickhouse = servers.enter_context(running_clickhouse(folder / "clickhouse"))
        for rows, times in [(size, 1) for size in given.sizes] or [REPEATED, ONCE]:
            api = servers.enter_context(
                running_api(folder / f"pages-{rows}", first=MONTH, last=MONTH, rows=rows, page_size=1000)
            )
            api.served(ENROLLMENT)
            exports = folder / f"exports-{rows}"
            options = [
                "--from",
                MONTH,
                "--to",
                MONTH,
                "--dataset",
                "actual",
                "--rows",
                str(rows),
                "--format",
                "parquet",
            ]
            command = [sys.executable, "-m", "sandbox", "exports", str(exports), "--account", ENROLLMENT, *options]
            subprocess.run(command, check=True, capture_output=True)
            ea = {"TAP_AZURE_EA_BILLING_API_URL": api.url, "TAP_AZURE_EA_BILLING_API_KEY": api.key(ENROLLMENT)}
            parquet = {"TAP_AZURE_EA_BILLING_SOURCE": "exports", "TAP_AZURE_EA_BILLING_EXPORTS_URL": str(exports)}
            bills = {"ea": (ROOT, ea), "exports, Parquet": (ROOT, parquet)}
            if given.against:
                bills["ea, the other version"] = given.against.absolute(), ea
            runs: dict[str, list[Measured]] = defaultdict(list)
            for number in range(times):
                for position, (bill, (root, tap)) in enumerate(bills.items()):
                    database = f"bill_{position}_{rows}_{number}"
                    runs[bill].append(measure(root, clickhouse, database, tap, folder))
            for bill, measured in runs.items():
                report(bill, measured)


if __name__ == "__main__":
    main()
