"""How fast the tap is, next to the floor: `requests`, msgspec decode and msgspec encode alone, against the same server.

Run: `.venv/bin/python benchmarks/tap_speed.py [ROWS]`. The server is the simulated API with pages of 1,000 rows, warm
(its pages are rendered before). Tap and floor write to a pipe whose other end throws everything away. Rows/s are the
month's, as the tap's log has them; the whole run has the start of the program too. CPU is the tap's and the floor's own
user and system time, which other work on the machine disturbs less. Memory is the peak resident size of the tap.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import requests

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


def tap_pass(api: Api, sink: int, rows: int, folder: Path, **settings: object) -> Measure:
    """Run the tap's program over the month."""
    config = {
        "enrollment_number": ENROLLMENT,
        "api_key": api.key(ENROLLMENT),
        "api_url": api.url,
        "start_date": MONTH,
        "end_date": MONTH,
        **settings,
    }
    path, log = folder / "config.json", folder / "log"
    path.write_text(json.dumps(config))
    started = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen([PROGRAM, "--config", path], stdout=sink, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    text = log.read_text()
    rate = re.search(r": read \d+ pages, \d+ rows, (\d+) rows/s", text)
    if status or rate is None:
        raise SystemExit(text)
    cpu = (usage.ru_utime + usage.ru_stime) / rows * 1e6
    return Measure(seconds, float(rate[1]), cpu, usage.ru_maxrss / KILOBYTES)


def measure(rows: int, folder: Path) -> float:
    """Print floor and tap for a month of so many rows; return the tap's peak memory in MB."""
    drain = subprocess.Popen(["/bin/sh", "-c", "cat >/dev/null"], stdin=subprocess.PIPE)
    if drain.stdin is None:
        raise SystemExit(1)
    sink = drain.stdin.fileno()
    with running_api(folder / f"pages-{rows}", first=MONTH, last=MONTH, rows=rows, page_size=PAGE_ROWS) as api:
        api.served(ENROLLMENT)
        print(f"{rows} rows, pages of {PAGE_ROWS}")
        print("round  floor rows/s  tap rows/s  ratio  in turn rows/s  floor us CPU  tap us CPU  run s   MB")
        peak = 0.0
        for number in range(1, ROUNDS + 1):
            floor = floor_pass(api, sink, rows)
            tap = tap_pass(api, sink, rows, folder)
            in_turn = tap_pass(api, sink, rows, folder, prefetch_pages=0)
            peak = max(peak, tap.memory)
            print(
                f"{number:>5} {floor.rate:>13,.0f} {tap.rate:>11,.0f} {tap.rate / floor.rate:>6.2f}"
                f" {in_turn.rate:>15,.0f}"
                f" {floor.cpu:>13.1f} {tap.cpu:>11.1f} {tap.seconds:>6.1f} {tap.memory:>4.0f}",
                flush=True,
            )
    drain.stdin.close()
    drain.wait()
    return peak


def main() -> None:
    """Measure a small month and a large one."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = measure(10_000, folder), measure(rows, folder)
    print(f"peak memory: {small:.0f} MB for 10000 rows, {large:.0f} MB for {rows} rows")


if __name__ == "__main__":
    main()
