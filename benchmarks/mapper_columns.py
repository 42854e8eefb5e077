"""How fast the mapper is on Arrow files beside the same rows as RECORDs, and what bills and sizes of files change.

Run: `.venv/bin/python benchmarks/mapper_columns.py [ROWS]`. Every input is read by a process of its own that writes
Arrow files. CPU is its user and system time in microseconds a row, net of what a hundred rows take; memory its peak
resident size. Ratios are of CPU, which other work on the machine disturbs less than seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
from source_speed import PROGRAMS, mapper_settings, settings_file
from tap_speed import in_files, tap_settings

from sandbox.launch import running_api

FEW, FILE_ROWS, RESOURCES = 100, 25_000, 1_000_000
SIZES = (5_000, 25_000, 100_000)
MONTH = "2026-08"
MEASURED = (
    "import json, resource, subprocess, sys; "
    "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))"
)


class Measure(NamedTuple):
    """What a run of the mapper took.

    Attributes:
        cpu: Seconds of CPU time.
        memory: Peak resident size in MB.
    """

    cpu: float
    memory: float


def tap_output(folder: Path, rows: int) -> tuple[bytes, list[bytes], pl.DataFrame]:
    """Return the SCHEMA of usage rows, their RECORDs, and the same rows as a frame."""
    with running_api(folder / "pages", first=MONTH, last=MONTH, rows=rows, page_size=5_000) as api:
        written = [
            subprocess.run(
                [PROGRAMS / "tap-azure-ea-billing", "--config", settings_file(folder, "tap", settings)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            ).stdout.splitlines(keepends=True)
            for settings in (tap_settings(api), tap_settings(api) | in_files(folder))
        ]
    frame = pl.concat(pl.read_ipc(path) for path in sorted((folder / "batches").rglob("*.arrow"))).sort("row_number")
    shutil.rmtree(folder / "batches")
    schema = next(line for line in written[0] if line.startswith(b'{"type":"SCHEMA","stream":"usage_details"'))
    plain = set(frame["row_number"])
    records = [line for line in written[0] if line.startswith(b'{"type":"RECORD","stream":"usage_details"')]
    return schema, [line for line in records if json.loads(line)["record"]["row_number"] in plain], frame


def mapper(folder: Path, lines: list[bytes]) -> Measure:
    """Let the mapper read lines."""
    source = folder / "lines"
    source.write_bytes(b"".join(lines))
    program = PROGRAMS / "mapper-azure-billing-tracking"
    settings = settings_file(folder, "mapper", mapper_settings(folder))
    with source.open("rb") as given:
        output = subprocess.run(
            [sys.executable, "-c", MEASURED, program, "--config", settings],
            stdin=given,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    shutil.rmtree(folder / "batches", ignore_errors=True)
    return Measure(*json.loads(output))


def by_arrow(folder: Path, schema: bytes, frame: pl.DataFrame, file_rows: int = FILE_ROWS) -> Measure:
    """Let the mapper read a frame in files of so many rows."""
    batches = folder / "batches"
    batches.mkdir()
    lines = [schema]
    for number, part in enumerate(frame.iter_slices(file_rows)):
        path = batches / f"{number}.arrow"
        part.write_ipc(path, compression="lz4")
        batch = {
            "type": "BATCH",
            "stream": "usage_details",
            "encoding": {"format": "arrow"},
            "manifest": [path.as_uri()],
        }
        lines.append(msgspec.json.encode(batch) + b"\n")
    return mapper(folder, lines)


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        schema, records, frame = tap_output(folder, rows)
        start = by_arrow(folder, schema, frame.head(FEW)).cpu

        def show(what: str, measured: Measure, count: int) -> float:
            cpu = (measured.cpu - start) / count * 1e6
            print(f"{what:<52} {cpu:6.1f} us   peak {measured.memory:4.0f} MB", flush=True)
            return cpu

        print(f"{frame.height:,} rows; start-up {start:.1f} s")
        record = show("RECORDs", mapper(folder, [schema, *records]), frame.height)
        for size in SIZES:
            measured = by_arrow(folder, schema, frame, size)
            arrow = show(f"Arrow, files of {size:,} rows", measured, frame.height)
            print(f"{'  RECORDs to it':<52} {record / arrow:6.2f}")
        each = frame.with_columns(
            additional_info=pl.concat_str(
                pl.lit('{"ServiceType":"Standard_D8s_v3","vCores":8,"VMName":"vm-'), "row_number", pl.lit('"}')
            )
        )
        show("Arrow, each row has its own additional_info", by_arrow(folder, schema, each), frame.height)
        many = pl.concat([frame] * (RESOURCES // frame.height + 1)).head(RESOURCES)
        numbers = pl.int_range(1, RESOURCES + 1, dtype=pl.Int64)
        many = many.with_columns(row_number=numbers, instance_id=pl.concat_str("instance_id", pl.lit("-"), numbers))
        show(f"Arrow, {RESOURCES:,} rows, each of another resource", by_arrow(folder, schema, many), RESOURCES)


if __name__ == "__main__":
    main()
