"""How fast files become rows of ClickHouse: Parquet, CSV and gzip CSV, by RECORD and by Arrow, beside the floor.

Run: `.venv/bin/python benchmarks/source_speed.py [ROWS]`. A simulated month of actual costs (57 columns) is read.

* tap | mapper: both programs as a pipeline; the mapper writes Arrow files. `us` is CPU time a row, with start-up.
* to ClickHouse: the literal command's three programs without Meltano, into the embedded ClickHouse.
* floor: Polars reads the file and writes Arrow; ClickHouse inserts the Parquet file itself into a table of texts.

Memory is each process's peak resident size. Rates are ratios of one run on one machine; other work disturbs them.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.bill.generator import example_patterns
from sandbox.launch import ClickHouse, running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Sequence

ENROLLMENT = "88888888"
MONTH = "2026-08"
KILOBYTES = 1024
PROGRAMS = Path(sys.executable).parent
LOADER = Path(__file__).parents[1] / ".meltano/loaders/target-clickhouse/venv/bin/target-clickhouse-arrow"


@dataclass
class Process:
    """What a program took.

    Attributes:
        cpu: Seconds of user and system time.
        memory: Peak resident size in MB.
    """

    cpu: float
    memory: float


@dataclass
class Pass:
    """What a pass over the month took.

    Attributes:
        seconds: From start to end.
        processes: Each program's part.
    """

    seconds: float
    processes: list[Process]

    def line(self, name: str, rows: int) -> str:
        """Return it as a line of the table."""
        cpu = " + ".join(f"{process.cpu / rows * 1e6:4.1f}" for process in self.processes)
        memory = ", ".join(f"{process.memory:.0f}" for process in self.processes)
        return f"{name:<34} {rows / self.seconds:>9,.0f} rows/s   {cpu:<20} us   {memory} MB"


def pipeline(commands: Sequence[Sequence[str | Path]], folder: Path) -> Pass:
    """Run programs, the output of each being the input of the next."""
    started = time.perf_counter()
    running: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        for position, command in enumerate(commands):
            given = running[-1].stdout if running else subprocess.DEVNULL
            last = position == len(commands) - 1
            out = subprocess.DEVNULL if last else subprocess.PIPE
            running.append(subprocess.Popen(command, stdin=given, stdout=out, stderr=log))
            if position:
                before = running[-2].stdout
                if before is not None:
                    before.close()  # the program before learns when the next one has ended
    processes = []
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit((folder / "log").read_text())
        processes.append(Process(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KILOBYTES))
    return Pass(time.perf_counter() - started, processes)


def settings_file(folder: Path, name: str, settings: dict[str, Any]) -> Path:
    """Write a plugin's settings."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(settings))
    return path


def mapper_settings(folder: Path) -> dict[str, Any]:
    """Return the mapper's settings."""
    patterns = folder / "patterns.csv"
    with patterns.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "resource_tracking"), *example_patterns()])
    return {
        "output": "arrow",
        "batch_directory": str(folder / "batches"),
        "patterns": {"source": "csv", "path": str(patterns)},
    }


def commands(
    exports: Path, folder: Path, *, columns: bool, clickhouse: ClickHouse | None = None
) -> list[list[str | Path]]:
    """Return tap and mapper, and the loader if there is a ClickHouse."""
    batches = folder / "batches"
    tap: dict[str, Any] = {
        "source": "exports",
        "enrollment_number": ENROLLMENT,
        "exports_url": str(exports),
        "start_date": MONTH,
        "end_date": MONTH,
    }
    if columns:
        tap["batch_config"] = {"encoding": {"format": "arrow"}, "storage": {"root": str(batches)}}
    mapper = settings_file(folder, "mapper", mapper_settings(folder))
    programs: list[list[str | Path]] = [
        [PROGRAMS / "tap-azure-ea-billing", "--config", settings_file(folder, "tap", tap)],
        [PROGRAMS / "mapper-azure-billing-tracking", "--config", mapper],
    ]
    if clickhouse is not None:
        access = {"host": clickhouse.host, "port": clickhouse.port, "username": clickhouse.user}
        loader = {**access, "password": clickhouse.password, "batch_directory": str(batches)}
        programs.append([LOADER, "--config", settings_file(folder, "loader", loader)])
    return programs


def floor(exports: Path, folder: Path, file_format: str) -> Pass:
    """Let Polars read the files and write Arrow, in a process of its own."""
    read = "pl.scan_parquet(p)" if file_format == "parquet" else "pl.scan_csv(p, infer_schema=False)"
    code = (
        "import sys, polars as pl\n"
        "for number, p in enumerate(sys.argv[2:]):\n"
        f"    {read}.sink_ipc(f'{{sys.argv[1]}}/{{number}}.floor', compression='lz4')"
    )
    files = [path for path in exports.rglob("part*") if path.is_file()]
    return pipeline([[sys.executable, "-c", code, folder, *files]], folder)


def clickhouse_floor(exports: Path, clickhouse: ClickHouse) -> tuple[int, float]:
    """Let ClickHouse insert the Parquet files itself; return rows and seconds."""
    files = sorted(path for path in exports.rglob("part*") if path.is_file())
    described = clickhouse.query(f"DESCRIBE file('{files[0]}', Parquet)")
    columns = ", ".join(f"`{column['name']}` Nullable(String)" for column in described)
    clickhouse.execute(f"CREATE TABLE floor ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    started = time.perf_counter()
    for path in files:
        clickhouse.execute(f"INSERT INTO floor SELECT * FROM file('{path}', Parquet)")  # noqa: S608 - our file
    seconds = time.perf_counter() - started
    (counted,) = clickhouse.query("SELECT toUInt32(count()) AS rows FROM floor")
    return counted["rows"], seconds


def main() -> None:
    """Measure every kind of file both ways."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{rows:,} rows of usage; CPU us a row of tap + mapper (+ loader); peak memory of each")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file_format in ("parquet", "csv", "csv.gz"):
            exports = folder / file_format
            written = write_exports(exports, file_format, rows)
            by_arrow = pipeline(commands(exports, folder, columns=True), folder)
            by_record = pipeline(commands(exports, folder, columns=False), folder)
            alone = floor(exports, folder, file_format)
            print(by_arrow.line(f"{file_format}, tap | mapper, Arrow", written))
            print(by_record.line(f"{file_format}, tap | mapper, RECORD", written))
            print(alone.line(f"{file_format}, Polars reads, writes Arrow", written))
            print(f"{file_format + ', Arrow to RECORD':<34} {by_record.seconds / by_arrow.seconds:>9.2f}", flush=True)
            with running_clickhouse(folder / f"clickhouse-{file_format}") as clickhouse:
                create(clickhouse)
                loaded = pipeline(commands(exports, folder, columns=True, clickhouse=clickhouse), folder)
                print(loaded.line(f"{file_format}, to ClickHouse, Arrow", written), flush=True)
                if file_format == "parquet":
                    inserted, seconds = clickhouse_floor(exports, clickhouse)
                    print(f"{'parquet, ClickHouse inserts itself':<34} {inserted / seconds:>9,.0f} rows/s", flush=True)


def write_exports(exports: Path, file_format: str, rows: int) -> int:
    """Write a month in a process of its own, whose memory no child of this one begins with; return its rows."""
    options = ["--from", MONTH, "--to", MONTH, "--dataset", "actual", "--rows", str(rows), "--format", file_format]
    command = [sys.executable, "-m", "sandbox", "exports", str(exports), "--account", ENROLLMENT, *options]
    done = subprocess.run(command, check=True, capture_output=True)
    return int(json.loads(done.stdout)["actual"][MONTH]["rows"])


def create(clickhouse: ClickHouse) -> None:
    """Make the tables."""
    environment = {
        **os.environ,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_USER": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_DATABASE": "default",
        "CLICKHOUSE_SECURE": "false",
    }
    command = (PROGRAMS / "azure-billing-warehouse", "create")
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
