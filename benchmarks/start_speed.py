"""What the literal command costs before its first row, by process: a bill of 100 rows, so that nearly all is start-up.

Run: `.venv/bin/python benchmarks/start_speed.py [--against CHECKOUT] [--times N]`. CHECKOUT is another version's
folder, set up by its script/setup; both run in turn.

Each run begins without a state, without a cached catalog (so Meltano runs the tap's discovery first) and with tables
that are there. CPU is user and system time in seconds, read as `pipeline_speed` does.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from pipeline_speed import ENROLLMENT, MONTH, ROOT, Bill, Measured, measure

from sandbox.launch import running_api, running_clickhouse

ROWS = 100
CATALOG = Path(".meltano", "run", "tap-azure-ea-billing", "tap.properties.json")


def report(name: str, runs: list[Measured]) -> None:
    """Print the median of each process, and the least and most of all together."""
    totals = [sum(run.cpu.values()) for run in runs]
    parts = {
        program: statistics.median(run.cpu.get(program, 0.0) for run in runs)
        for program in sorted({program for run in runs for program in run.cpu})
    }
    listed = ", ".join(f"{program} {cpu:.2f}" for program, cpu in parts.items())
    print(
        f"{name:<18} {statistics.median(totals):.2f} s ({min(totals):.2f} to {max(totals):.2f}): {listed}", flush=True
    )


def main() -> None:
    """Measure each version."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("meltano", "singer-sdk", "polars", "chdb"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {packages}")
    roots = {"this version": ROOT}
    if given.against:
        roots["the other version"] = given.against.absolute()
    runs: dict[str, list[Measured]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_clickhouse(folder / "clickhouse") as clickhouse,
            running_api(folder / "pages", first=MONTH, last=MONTH, rows=ROWS, page_size=1000) as api,
        ):
            api.served(ENROLLMENT)
            tap = {"TAP_AZURE_EA_BILLING_API_URL": api.url, "TAP_AZURE_EA_BILLING_API_KEY": api.key(ENROLLMENT)}
            for number in range(given.times):
                for position, (version_name, root) in enumerate(roots.items()):
                    (root / CATALOG).unlink(missing_ok=True)
                    runs[version_name].append(measure(Bill(root, tap), clickhouse, f"bill_{position}_{number}", folder))
    for version_name, measured in runs.items():
        report(version_name, measured)


if __name__ == "__main__":
    main()
