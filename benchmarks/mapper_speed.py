"""How fast the mapper is beside its floor, beside another mapper, and beside the rules row by row, in one run.

Every contestant but the last reads the same lines from standard input as a process of its own. Rows per second are net
of what the same process takes for a hundred rows. Prints a table, ratios, and the peak memory of each.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from mapper.oracle import read_record, read_row  # noqa: E402 - from the folder named above
from mapper.oracle_tracking import Patterns, track  # noqa: E402

from mapper_azure_billing_tracking.batches.columns import FLOATS, INTEGERS  # noqa: E402
from sandbox.bill.generator import example_patterns  # noqa: E402
from sandbox.launch import running_api  # noqa: E402

PROGRAMS = Path(sys.executable).parent
ENROLLMENT = "88888888"
ROWS, FEW, REPEATS = 200_000, 100, 2
SLOW_ROWS, ORACLE_ROWS = 20_000, 5_000
GENERATED, PAGE, MONTH = 203_000, 5_000, "2026-10"
OTHER_MAPPER = "meltano-map-transform==0.12.3"

FLOOR = """
import io, sys
import polars as pl
from mapper_azure_billing_tracking.batches import columns as usage
numbers = {name: pl.Float64 for name in (*usage.FLOATS, *usage.INTEGERS, usage.ROW_NUMBER)}
record = pl.Struct({**{name: pl.String for name in usage.COLUMNS}, **numbers})
schema = {"type": pl.String, "stream": pl.String, "record": record}
lines = []
def flush():
    frame = pl.read_ndjson(io.BytesIO(b"".join(lines)), schema=schema, ignore_errors=True)
    frame.write_ndjson(sys.stdout.buffer)
    lines.clear()
for line in sys.stdin.buffer:
    lines.append(line)
    if len(lines) == 20_000:
        flush()
if lines:
    flush()
"""
FOUR_COLUMNS = {
    "stream_maps": {
        "usage_details": {
            "cost": "str(extended_cost)",
            "last_segment": "instance_id.split('/')[-1] if instance_id else None",
            "vm_name": "instance_id if meter_category == 'Virtual Machines' else None",
            "group": "resource_group.upper() if resource_group else None",
        }
    }
}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as temporary:
        folder = Path(temporary)
        odd_lines = tap_lines(folder)
        lines = [odd_lines[0], *filter(is_as_the_schema_says, odd_lines[1:])]
        size = sum(map(len, lines)) / len(lines)
        print(f"{ROWS:,} rows of {size:,.0f} bytes a line, best of {REPEATS}; net of start-up")
        inputs = {name: write(folder / f"{name}.jsonl", lines, rows) for name, rows in SIZES.items()}
        odd = {**inputs, "all": write(folder / "odd.jsonl", odd_lines, ROWS)}
        patterns = {count: write_patterns(folder, count) for count in (10, 1_000, 10_000)}
        config = {
            f"{output} {count}": write_json(
                folder / f"{output}-{count}.json",
                {
                    "output": output,
                    "batch_directory": str(folder / "batches"),
                    "patterns": {"source": "csv", "path": str(path)},
                },
            )
            for output, count, path in [
                *(("arrow", count, path) for count, path in patterns.items()),
                ("records", 1_000, patterns[1_000]),
            ]
        }
        mapper = [str(PROGRAMS / "mapper-azure-billing-tracking"), "--config"]
        speeds = {
            "Polars reads and writes the lines, no rule": speed([sys.executable, "-c", FLOOR], inputs, "all"),
            **{f"mapper, {name} patterns": speed([*mapper, str(path)], inputs, "all") for name, path in config.items()},
        }
        other = other_mapper()
        speeds["mapper, arrow, with odd rows in every frame"] = speed([*mapper, str(config["arrow 1000"])], odd, "all")
        four = write_json(folder / "four.json", FOUR_COLUMNS)
        speeds["meltano-map-transform, four columns"] = speed([str(other), "--config", str(four)], inputs, "slow")
        speeds["row by row in Python"] = oracle_speed(lines)
        for name, (rows_per_second, megabytes) in speeds.items():
            print(f"{name:46} {rows_per_second:10,.0f} rows/s   peak {megabytes:5,.0f} MB")
        arrow, records = speeds["mapper, arrow 1000 patterns"][0], speeds["mapper, records 1000 patterns"][0]
        for name, ratio in {
            "arrow to the floor": arrow / speeds["Polars reads and writes the lines, no rule"][0],
            "records to the floor": records / speeds["Polars reads and writes the lines, no rule"][0],
            "arrow to meltano-map-transform": arrow / speeds["meltano-map-transform, four columns"][0],
            "arrow to row by row": arrow / speeds["row by row in Python"][0],
            "time with 10,000 patterns to time with 10": speeds["mapper, arrow 10 patterns"][0]
            / speeds["mapper, arrow 10000 patterns"][0],
        }.items():
            print(f"{name:46} {ratio:10,.2f}")


SIZES = {"few": FEW, "slow": SLOW_ROWS, "all": ROWS}


def tap_lines(folder: Path) -> list[bytes]:
    """What the tap writes of one generated month, without the month's end."""
    config = folder / "tap.json"
    with running_api(folder / "pages", rows=GENERATED, page_size=PAGE, first=MONTH, last=MONTH) as api:
        settings = {
            "enrollment_number": ENROLLMENT,
            "api_key": api.key(ENROLLMENT),
            "api_url": api.url,
            "start_date": MONTH,
            "end_date": MONTH,
        }
        write_json(config, settings)
        tap = subprocess.run(
            [PROGRAMS / "tap-azure-ea-billing", "--config", config], stdout=subprocess.PIPE, check=True
        )
    schema, record = b'{"type":"SCHEMA","stream":"usage_details"', b'{"type":"RECORD","stream":"usage_details"'
    return [line for line in tap.stdout.splitlines(keepends=True) if line.startswith((schema, record))]


def is_as_the_schema_says(line: bytes) -> bool:
    """Whether every number of a usage row came as a number."""
    record = json.loads(line)["record"]
    return not any(isinstance(record[name], str) for name in (*FLOATS, *INTEGERS))


def write(path: Path, lines: list[bytes], rows: int) -> Path:
    """The schema and the first rows."""
    path.write_bytes(b"".join(lines[: rows + 1]))
    return path


def write_json(path: Path, content: object) -> Path:
    """A settings file."""
    path.write_text(json.dumps(content))
    return path


def write_patterns(folder: Path, count: int) -> Path:
    """The example patterns, or some of them, and others that match nothing."""
    draw = random.Random(count)  # noqa: S311 - no secret
    texts = [text for _, text in example_patterns()][:count]
    texts += ["".join(draw.choices("bcdfghjklmnpqrstvwxz", k=12)) for _ in range(count - len(texts))]
    path = folder / f"patterns-{count}.csv"
    path.write_text("id,resource_tracking\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(texts, 1)))
    return path


def other_mapper() -> Path:
    """MeltanoLabs' mapper in an environment of its own."""
    folder = ROOT / ".cache" / "meltano-map-transform"
    program = folder / "bin" / "meltano-map-transform"
    if not program.exists():
        uv = str(PROGRAMS / "uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, OTHER_MAPPER], check=True)
    return program


def speed(command: list[str], inputs: dict[str, Path], size: str) -> tuple[float, float]:
    """Rows per second net of start-up, and the peak memory in MB."""
    rows = SIZES[size] - FEW
    seconds = min(run(command, inputs[size]) for _ in range(REPEATS)) - min(
        run(command, inputs["few"]) for _ in range(REPEATS)
    )
    return rows / seconds, peak_megabytes(command, inputs[size])


def run(command: list[str], lines: Path) -> float:
    """Seconds of one run; BATCH files are left for the next run to be written beside, and go with the folder."""
    started = time.perf_counter()
    with lines.open("rb") as source:
        subprocess.run(command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - started
    shutil.rmtree(lines.parent / "batches", ignore_errors=True)
    return seconds


def peak_megabytes(command: list[str], lines: Path) -> float:
    """The most resident memory that a run held."""
    measured = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with lines.open("rb") as source:
        output = subprocess.run(
            [sys.executable, "-c", measured, *command], stdin=source, stdout=subprocess.PIPE, check=True
        ).stdout
    return int(output) / 1024


def oracle_speed(lines: list[bytes]) -> tuple[float, float]:
    """Rows per second of the plain Python reading, patterns one after another, as the tests have it."""
    patterns = Patterns([(i, f"application-{i}") for i in range(1_000)])
    started = time.perf_counter()
    for line in lines[1 : ORACLE_ROWS + 1]:
        track(read_row(read_record(line)), patterns)
    seconds = time.perf_counter() - started
    return ORACLE_ROWS / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
