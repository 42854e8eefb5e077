"""The tap by itself into targets of other people, as real processes: nothing in it is made for one target."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tap.tap_runs import PROGRAM, settings

from sandbox.bill.generator import Bill as SimulatedBill
from sandbox.exports.destination import Folder
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import running_api, running_arm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import Api

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
EA_ROWS = 3000
RECORDED_COSTS = [Decimal("0.4992223324254236"), Decimal("0.5000001112312431")]


@pytest.fixture(scope="session")
def targets() -> Path:
    """Return the folder of the programs of target-csv and target-duckdb."""
    return _environment("targets.txt")


@pytest.fixture(scope="session")
def target_jsonl() -> Path:
    """Return the program target-jsonl."""
    return _environment("target-jsonl.txt") / "target-jsonl"


def _environment(requirements_file: str) -> Path:
    """Return the programs of an environment, which is made once for each version of its requirements."""
    requirements = Path(__file__).with_name(requirements_file)
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = ROOT / ".cache" / f"tap-{requirements.stem}-{digest}"
    python = environment / "bin" / "python"
    installed = environment / "installed"
    environment.parent.mkdir(exist_ok=True)
    with environment.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if not installed.exists():
            _install(environment, python, requirements)
            installed.touch()
    return python.parent


def _install(environment: Path, python: Path, requirements: Path) -> None:
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    install: list[str | Path] = [UV, "pip", "install", "--quiet", "--require-hashes", "--python", python]
    subprocess.run([*install, "-r", requirements], check=True)


def load_all(config: dict[str, Any], target: Path, target_config: dict[str, str], folder: Path) -> dict[str, Any]:
    """Run tap and target as a pipeline; return the state."""
    tap_file, target_file = folder / "tap.json", folder / "target.json"
    tap_file.write_text(json.dumps(config))
    target_file.write_text(json.dumps(target_config))
    with subprocess.Popen([PROGRAM, "--config", tap_file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        done = subprocess.run(
            [target, "--config", target_file],
            stdin=tap.stdout,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=os.environ | {"TZ": "UTC"},
            timeout=120,
        )
    assert (tap.returncode, done.returncode) == (0, 0), done.stderr
    state: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return state


def load(api: Api, target: Path, config: dict[str, str], folder: Path) -> None:
    """Load the recorded month of the EA API."""
    state = load_all(settings(api, "100", start_date="2017-03", end_date="2017-04"), target, config, folder)
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


@dataclass
class Bill:
    """A source of one month, and what is in it: rows and exact cost."""

    config: dict[str, Any]
    rows: int
    cost: Decimal


@pytest.fixture(scope="module", params=["ea", "exports", "arm", "cost_details"])
def bill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bill]:
    """Each of the sources, with every trap of a simulated bill."""
    if request.param == "ea":
        texts = list(SimulatedBill("88888888", 1, EA_ROWS).row_texts("2026-08", 0))
        costs = [json.loads(text, parse_float=Decimal).get("ExtendedCost") for text in texts]
        with running_api(tmp_path_factory.mktemp("api"), rows=EA_ROWS) as api:
            config = settings(api, start_date="2026-08", end_date="2026-08")
            yield Bill(config, len(texts), sum(filter(None, map(decimal, costs)), Decimal(0)))
        return
    month = {"source": request.param, "enrollment_number": "88888888", "start_date": "2026-08", "end_date": "2026-08"}
    if request.param == "exports":
        folder = tmp_path_factory.mktemp("exports")
        truth = write_exports(ExportOptions(months=("2026-08",), rows=100), Folder(folder))["actual"]["2026-08"]
        yield Bill({**month, "exports_url": str(folder)}, truth.rows, truth.cost)
        return
    with running_arm(rows=100) as arm:
        served = arm.served()["actual"]["2026-08"]
        access = {"arm_url": arm.url, "auth": "token", "access_token": arm.token()}
        yield Bill({**month, **access}, served["rows"], Decimal(served["cost"]))


def decimal(cost: object) -> Decimal | None:
    """The number that a cost is, or that its text is; None for anything else."""
    return Decimal(str(cost)) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", str(cost)) else None


def test_every_source_into_csv_files(bill: Bill, targets: Path, tmp_path: Path) -> None:
    load_all(bill.config, targets / "target-csv", {"output_path": str(tmp_path)}, tmp_path)
    with (tmp_path / "usage_details.csv").open(encoding="utf-8", newline="") as lines:
        costs = [row["extended_cost"] for row in csv.DictReader(lines)]
    assert len(costs) == bill.rows
    assert sum(Decimal(cost) for cost in costs if cost) == bill.cost


def test_every_source_into_duckdb(bill: Bill, targets: Path, tmp_path: Path) -> None:
    database = str(tmp_path / "bill.duckdb")
    load_all(bill.config, targets / "target-duckdb", {"path": database, "default_target_schema": "main"}, tmp_path)
    query = (
        "import duckdb, json, sys; c = duckdb.connect(sys.argv[1]); print(json.dumps(["
        "c.execute('select count(*), sum(extended_cost) from usage_details').fetchone(), "
        "c.execute('select row_count, extended_cost from billing_months').fetchone()], default=str))"
    )
    done = subprocess.run([targets / "python", "-c", query, database], capture_output=True, text=True, check=True)
    for rows, cost in json.loads(done.stdout):
        assert rows == bill.rows
        assert abs(Decimal(cost) - bill.cost) < Decimal("1e-6")


def test_every_source_into_json_lines(bill: Bill, target_jsonl: Path, tmp_path: Path) -> None:
    load_all(bill.config, target_jsonl, {"destination_path": str(tmp_path)}, tmp_path)
    (path,) = tmp_path.glob("usage_details*.jsonl")
    rows = [json.loads(line, parse_float=Decimal) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == bill.rows
    assert sum(Decimal(row["extended_cost"]) for row in rows if row["extended_cost"] is not None) == bill.cost
