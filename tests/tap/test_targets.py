"""The tap by itself into targets of other people, as real processes: nothing in it is made for one target."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tap.tap_runs import PROGRAM, settings

if TYPE_CHECKING:
    from sandbox.launch import Api

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("targets.txt")
UV = Path(sys.executable).with_name("uv")
RECORDED_COSTS = [Decimal("0.4992223324254236"), Decimal("0.5000001112312431")]


@pytest.fixture(scope="session")
def targets() -> Path:
    """Return the folder of the targets' programs; the environment is made once for each version of the requirements."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = ROOT / ".cache" / f"tap-targets-{digest}"
    python = environment / "bin" / "python"
    installed = environment / "installed"
    environment.parent.mkdir(exist_ok=True)
    with environment.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if not installed.exists():
            _install(environment, python)
            installed.touch()
    return python.parent


def _install(environment: Path, python: Path) -> None:
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    install: list[str | Path] = [UV, "pip", "install", "--quiet", "--require-hashes", "--python", python]
    subprocess.run([*install, "-r", REQUIREMENTS], check=True)


def load(api: Api, target: Path, config: dict[str, str], folder: Path) -> None:
    """Run tap and target as a pipeline."""
    tap_config, target_config = folder / "tap.json", folder / "target.json"
    tap_config.write_text(json.dumps(settings(api, "100", start_date="2017-03", end_date="2017-04")))
    target_config.write_text(json.dumps(config))
    with subprocess.Popen([PROGRAM, "--config", tap_config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        done = subprocess.run(
            [target, "--config", target_config],
            stdin=tap.stdout,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=os.environ | {"TZ": "UTC"},
            timeout=120,
        )
    assert (tap.returncode, done.returncode) == (0, 0), done.stderr
    state = json.loads(done.stdout.splitlines()[-1])
    assert state["bookmarks"]["billing_months"]["partitions"][0]["replication_key_value"] == "2017-04-01"


def test_into_csv_files(api: Api, targets: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    load(api, targets / "target-csv", {"output_path": str(output)}, tmp_path)
    with (output / "usage_details.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [Decimal(row["extended_cost"]) for row in rows] == RECORDED_COSTS
    assert [row["row_number"] for row in rows] == ["1", "2"]
    assert {row["date"] for row in rows} == {"2017-03-01"}
    with (output / "billing_months.csv").open(encoding="utf-8", newline="") as lines:
        months = list(csv.DictReader(lines))
    assert [row["row_count"] for row in months] == ["2", "0"]
    assert Decimal(months[0]["extended_cost"]) == sum(RECORDED_COSTS)


def test_into_duckdb(api: Api, targets: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "bill.duckdb")
    load(api, targets / "target-duckdb", {"path": database, "default_target_schema": "main"}, tmp_path)
    query = (
        "import duckdb, json, sys; c = duckdb.connect(sys.argv[1]); print(json.dumps(["
        "c.sql('select row_number, extended_cost, instance_id from main.usage_details order by 1').fetchall(),"
        "c.sql('select row_count, page_count from main.billing_months order by billing_month').fetchall()]))"
    )
    done = subprocess.run([targets / "python", "-c", query, database], capture_output=True, text=True, check=True)
    rows, months = json.loads(done.stdout)
    assert [(number, cost) for number, cost, _ in rows] == [(1, 0.4992223324254236), (2, 0.5000001112312431)]
    assert rows[0][2] == "platform-vnet"
    assert months == [[2, 1], [0, 0]]
