"""What a row costs in the literal command, by process: `meltano run tap-azure-ea-billing mapper target-clickhouse`.

Run: `.venv/bin/python benchmarks/pipeline_speed.py [--against CHECKOUT] [--bills 'NAME;...'] [--times N] [ROWS ...]`;
without sizes every bill of 100,000 rows five times, and 1,000,000 of the EA API and of Parquet once. CHECKOUT is
another version's folder, set up by its script/setup; it loads EA bills in turn.

The bill is one month: of the simulated EA API, whose pages are made before, and of an export in a folder. Each
run begins with an empty database and no state. Rows/s are of the whole command, start-up included. CPU is user and
system time in microseconds a row, read from the processes every 50 ms, so that each may lack its last 50 ms.
`stock` is the same tap and mapper with RECORDs, piped into target-clickhouse from PyPI without Meltano.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
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
    from collections.abc import Sequence

    from sandbox.launch import Api, ClickHouse

ENROLLMENT = "88888888"
MONTH = "2026-08"
ROOT = Path(__file__).parents[1]
PIPELINE = ("run", "tap-azure-ea-billing", "mapper", "target-clickhouse")
LOOK_AGAIN = 0.05
NAMES = {
    "tap-azure-ea-billing": "tap",
    "mapper-azure-billing-tracking": "mapper",
    "target-clickhouse-arrow": "loader",
    "target-clickhouse": "loader",
    "meltano": "Meltano",
}
BATCH_SIZES = (5_000, 100_000)
EA, PARQUET, CSV, STOCK, OTHER = "ea", "exports, Parquet", "exports, CSV", "ea, stock", "ea, the other version"
ALL = (EA, *(f"ea, batches of {size:,}" for size in BATCH_SIZES), PARQUET, CSV, STOCK, OTHER)
REPEATED, ONCE = (100_000, 5, ALL), (1_000_000, 1, (EA, PARQUET, OTHER))


@dataclass
class Bill:
    """What a run loads, and by which command.

    Attributes:
        root: Checkout whose programs run.
        tap: Environment variables with the tap's settings.
        stock: True for the pipe into target-clickhouse from PyPI.
    """

    root: Path
    tap: dict[str, str]
    stock: bool = False


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


def stock_command(root: Path, environment: dict[str, str], folder: Path) -> list[str]:
    """Return the pipe of tap, mapper and target-clickhouse from PyPI; its configuration goes to files in the folder."""
    server = {
        "host": environment["CLICKHOUSE_HOST"],
        "port": int(environment["CLICKHOUSE_PORT"]),
        "username": environment["CLICKHOUSE_USER"],
        "password": environment["CLICKHOUSE_PASSWORD"],
        "database": environment["CLICKHOUSE_DATABASE"],
    }
    (folder / "mapper.json").write_text(json.dumps({"output": "records", "clickhouse": server}))
    (folder / "target.json").write_text(json.dumps({**server, "driver": "http"}))
    programs = root / ".venv" / "bin"
    loader = root / ".meltano" / "loaders" / "target-clickhouse" / "venv" / "bin" / "target-clickhouse"
    stages = [
        [programs / "tap-azure-ea-billing", "--config", "ENV"],
        [programs / "mapper-azure-billing-tracking", "--config", folder / "mapper.json"],
        [loader, "--config", folder / "target.json"],
    ]
    pipe = " | ".join(shlex.join(map(str, stage)) for stage in stages)
    return ["bash", "-o", "pipefail", "-c", pipe]


def watched(
    command: list[str], root: Path, environment: dict[str, str], server: psutil.Process
) -> tuple[float, dict[str, float]]:
    """Run a command in a checkout; return its seconds, and the CPU time of each program in it and of the server."""
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


def measure(bill: Bill, clickhouse: ClickHouse, database: str, folder: Path) -> Measured:
    """Load a bill into an empty database."""
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
        **bill.tap,
    }
    patterns = folder / "patterns.csv"
    patterns.write_text(
        "\n".join(["id,resource_tracking", *(f"{number},{text}" for number, text in example_patterns())])
    )
    warehouse = bill.root / ".venv" / "bin" / "azure-billing-warehouse"
    for arguments in (["create"], ["patterns", "import", str(patterns)]):
        subprocess.run([warehouse, *arguments], env=environment, check=True, capture_output=True)
    (server,) = (child for child in psutil.Process().children() if program(child) == "ClickHouse")
    meltano = [str(bill.root / ".venv" / "bin" / "meltano"), *PIPELINE]
    command = stock_command(bill.root, environment, folder) if bill.stock else meltano
    seconds, cpu = watched(command, bill.root, environment, server)
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


def bills(folder: Path, rows: int, api: Api, other: Path | None, names: Sequence[str]) -> dict[str, Bill]:
    """Return the bills of these names; exports of this many rows are written to the folder if they are among them."""
    ea = {"TAP_AZURE_EA_BILLING_API_URL": api.url, "TAP_AZURE_EA_BILLING_API_KEY": api.key(ENROLLMENT)}
    found = {EA: Bill(ROOT, ea), STOCK: Bill(ROOT, ea, stock=True)}
    for size in BATCH_SIZES:
        batches = {"TAP_AZURE_EA_BILLING_BATCH_CONFIG__BATCH_SIZE": str(size)}
        found[f"ea, batches of {size:,}"] = Bill(ROOT, {**ea, **batches})
    for name, form in ((PARQUET, "parquet"), (CSV, "csv")):
        if name not in names:
            continue
        exports = folder / f"{form}-{rows}"
        month = ["--from", MONTH, "--to", MONTH, "--dataset", "actual", "--rows", str(rows), "--format", form]
        command = [sys.executable, "-m", "sandbox", "exports", str(exports), "--account", ENROLLMENT, *month]
        subprocess.run(command, check=True, capture_output=True)
        tap = {"TAP_AZURE_EA_BILLING_SOURCE": "exports", "TAP_AZURE_EA_BILLING_EXPORTS_URL": str(exports)}
        found[name] = Bill(ROOT, tap)
    if other:
        found[OTHER] = Bill(other.absolute(), ea)
    return {name: bill for name, bill in found.items() if name in names}


def main() -> None:
    """Measure every bill with every size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("--bills", type=lambda names: names.split(";"), default=ALL)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("sizes", type=int, nargs="*")
    given = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("meltano", "singer-sdk", "polars", "chdb"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {packages}")
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        clickhouse = servers.enter_context(running_clickhouse(folder / "clickhouse"))
        for rows, times, names in [(size, given.times, given.bills) for size in given.sizes] or [REPEATED, ONCE]:
            pages = folder / f"pages-{rows}"
            with running_api(pages, first=MONTH, last=MONTH, rows=rows, page_size=1000) as api:
                api.served(ENROLLMENT)
                wanted = bills(folder, rows, api, given.against, names)
                runs: dict[str, list[Measured]] = defaultdict(list)
                for number in range(times):
                    for position, (bill, what) in enumerate(wanted.items()):
                        database = f"bill_{position}_{rows}_{number}"
                        runs[bill].append(measure(what, clickhouse, database, folder))
                        clickhouse.execute(f"DROP DATABASE {database}")
                for bill, measured in runs.items():
                    report(bill, measured)


if __name__ == "__main__":
    main()
