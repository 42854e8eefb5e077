"""How fast the tap is by RECORD and by Arrow, alone and into the mapper, next to the floor against the same server.

Run: `.venv/bin/python benchmarks/tap_speed.py [ROWS]`. The server is the simulated API with pages of 1,000 rows, warm
(its pages are rendered before). The floor is `requests`, msgspec decode and msgspec encode alone. Tap and floor write
to a pipe whose other end throws everything away; Arrow files are deleted after each run. Rows/s are the month's, as
the tap's log has them; CPU is the program's own user and system time in microseconds a row, start-up included, which
other work on the machine disturbs less. Memory is the peak resident size in MB. In tap | mapper the mapper reads what
the tap writes, and writes Arrow files; its rates are those of the whole run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import requests
from source_speed import Pass, mapper_settings, pipeline, settings_file

from sandbox.launch import Api, running_api

ENROLLMENT = "88888888"
MONTH = "2026-08"
PAGE_ROWS = 1000
ROUNDS = 3
KILOBYTES = 1024
PROGRAM = Path(sys.executable).with_name("tap-azure-ea-billing")


class Measure(NamedTuple):
    """What a pass over a month took.

    Attributes:
        seconds: of the whole pass.
        rate: rows/s of the month.
        cpu: microseconds of processor time for each row.
        memory: peak resident size in MB, 0 for the floor.
    """

    seconds: float
    rate: float
    cpu: float
    memory: float

    def line(self, name: str) -> str:
        """Return it as a line of the table."""
        return (
            f"{name:<34} {self.rate:>9,.0f} rows/s   {self.cpu:<20.1f} us   {self.memory:.0f} MB, {self.seconds:.1f} s"
        )


def floor_pass(api: Api, sink: int, rows: int) -> Measure:
    """Fetch a month, decode each page and encode each row, and do nothing else."""
    started, cpu_before = time.perf_counter(), time.process_time()
    decode, encode_lines = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode_lines
    link: str | None = f"{api.url}/{ENROLLMENT}/usage-report/paginatedV3?month={MONTH}&pageindex=0&fmt=json"
    headers = {"Authorization": f"bearer {api.key(ENROLLMENT)}"}
    with requests.Session() as session, os.fdopen(os.dup(sink), "wb") as pipe:
        while link:
            page = decode(session.get(link, headers=headers, timeout=60).content.removeprefix(b"\xef\xbb\xbf"))
            pipe.write(encode_lines(page["content"]))
            link = page.get("nextLink")
    seconds = time.perf_counter() - started
    return Measure(seconds, rows / seconds, (time.process_time() - cpu_before) / rows * 1e6, 0)


def tap_settings(api: Api, **settings: object) -> dict[str, Any]:
    """Return the tap's settings."""
    return {
        "enrollment_number": ENROLLMENT,
        "api_key": api.key(ENROLLMENT),
        "api_url": api.url,
        "start_date": MONTH,
        "end_date": MONTH,
        **settings,
    }


def in_files(folder: Path) -> dict[str, Any]:
    """Return the setting by which rows go to Arrow files."""
    return {"batch_config": {"encoding": {"format": "arrow"}, "storage": {"root": str(folder / "batches")}}}


def tap_pass(api: Api, sink: int, rows: int, folder: Path, **settings: object) -> Measure:
    """Run the tap's program over the month."""
    path, log = settings_file(folder, "tap", tap_settings(api, **settings)), folder / "log"
    started = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen([PROGRAM, "--config", path], stdout=sink, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder / "batches", ignore_errors=True)
    text = log.read_text()
    rate = re.search(r": read \d+ pages, \d+ rows, (\d+) rows/s", text)
    if status or rate is None:
        raise SystemExit(text)
    cpu = (usage.ru_utime + usage.ru_stime) / rows * 1e6
    return Measure(seconds, float(rate[1]), cpu, usage.ru_maxrss / KILOBYTES)


def chain(api: Api, folder: Path, **settings: object) -> Pass:
    """Run tap and mapper as a pipeline."""
    mapper = settings_file(folder, "mapper", mapper_settings(folder))
    programs: list[list[str | Path]] = [
        [PROGRAM, "--config", settings_file(folder, "tap", tap_settings(api, **settings))],
        [PROGRAM.with_name("mapper-azure-billing-tracking"), "--config", mapper],
    ]
    passed = pipeline(programs, folder)
    shutil.rmtree(folder / "batches", ignore_errors=True)
    return passed


def measure(rows: int, folder: Path) -> tuple[float, float]:
    """Print floor and tap for a month of so many rows; return the tap's peak memory by RECORD and by Arrow."""
    drain = subprocess.Popen(["/bin/sh", "-c", "cat >/dev/null"], stdin=subprocess.PIPE)
    if drain.stdin is None:
        raise SystemExit(1)
    sink = drain.stdin.fileno()
    peak = [0.0, 0.0]
    with running_api(folder / f"pages-{rows}", first=MONTH, last=MONTH, rows=rows, page_size=PAGE_ROWS) as api:
        api.served(ENROLLMENT)
        print(f"{rows} rows, pages of {PAGE_ROWS}")
        for number in range(1, ROUNDS + 1):
            floor = floor_pass(api, sink, rows)
            record = tap_pass(api, sink, rows, folder)
            in_turn = tap_pass(api, sink, rows, folder, prefetch_pages=0)
            arrow = tap_pass(api, subprocess.DEVNULL, rows, folder, **in_files(folder))
            peak = [max(peak[0], record.memory), max(peak[1], arrow.memory)]
            for name, measured in (("floor", floor), ("RECORD", record), ("in turn", in_turn), ("Arrow", arrow)):
                print(number, measured.line(name))
            by_record, by_arrow = chain(api, folder), chain(api, folder, **in_files(folder))
            print(number, by_record.line("tap | mapper, RECORD", rows))
            print(number, by_arrow.line("tap | mapper, Arrow", rows))
            print(number, f"Arrow to RECORD: {by_record.seconds / by_arrow.seconds:.2f}", flush=True)
    drain.stdin.close()
    drain.wait()
    return peak[0], peak[1]


def main() -> None:
    """Measure a small month and a large one."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = measure(10_000, folder), measure(rows, folder)
    for name, few, many in zip(("RECORD", "Arrow"), small, large, strict=True):
        print(f"peak memory by {name}: {few:.0f} MB for 10000 rows, {many:.0f} MB for {rows} rows")


if __name__ == "__main__":
    main()
