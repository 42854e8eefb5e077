"""One bill through the real programs into a ClickHouse, and what it then answers; no test is here."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from loader.conftest import loader_folder
from pipeline.project import ENROLLMENT, PROGRAMS, Project
from pipeline.test_loaders import tap_output

from azure_billing_warehouse.tables import TABLES
from sandbox.bill.generator import example_patterns
from sandbox.launch import running_api

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.launch import ClickHouse

MONTH = "2026-08"
ROWS = 300
"""Of the month as it is first served, one in twenty with a trap."""
VIEWS = ("azure_billing_detail", "focus_cost_and_usage")
_INSTANT = re.compile(rb'"snapshot_at": ?"([^"]+)"')
_OWN_CLOCK = re.compile(
    r'"(checked_at|delivered_at|newest_load_age_seconds|at)": ?[^,\n]+|\d\d \w+ \d{4} \d\d:\d\d UTC\. Costs|'
    r"127\.0\.0\.1:\d+"
)
"""What a command says of the ClickHouse that is asked and of the moment."""


class Load(NamedTuple):
    """A way for the bill to come into tables of its own."""

    json_type: Literal["JSON", "String"]
    output: Literal["arrow", "records"]

    @property
    def database(self) -> str:
        """Where the tables are."""
        return f"bill_{self.json_type}_{self.output}".lower()


LOADS = (Load("JSON", "arrow"), Load("JSON", "records"), Load("String", "arrow"))
"""The first one's tables are also those that the commands are asked about."""


@dataclass
class Answers:
    """What one ClickHouse answers.

    Attributes:
        rows: by load and table or view: its rows as text, sorted.
        said: by command: its exit code, and what it printed or wrote.
    """

    rows: dict[tuple[Load, str], list[str]] = field(default_factory=dict)
    said: dict[str, tuple[int, str]] = field(default_factory=dict)


def write_bill(clickhouse: ClickHouse, folder: Path) -> Path:
    """What the tap writes of a month and, a day later, of the same month restated."""
    with running_api(folder / "pages", first=MONTH, last=MONTH, rows=ROWS, page_size=ROWS) as api:
        project = Project(api, clickhouse, folder, settings={"TAP_AZURE_EA_BILLING_START_DATE": f"{MONTH}-01"})
        first = tap_output(project, folder).read_bytes()
        api.set_revision(ENROLLMENT, MONTH, 1)
        second = tap_output(project, folder).read_bytes()
    bill = folder / "bill.jsonl"
    bill.write_bytes(_a_day_earlier(first) + second)
    return bill


def ask(server: ClickHouse, bill: Path, folder: Path) -> Answers:
    """Load the bill in each way, and ask tables, views and every command.

    Args:
        server: a ClickHouse without these databases.
        bill: from `write_bill`.
        folder: for files; made here.
    """
    folder.mkdir()
    patterns, page = folder / "patterns.csv", folder / "bill.html"
    with patterns.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "resource_tracking"), *example_patterns()])
    answers = Answers()

    def command(*arguments: str | Path, name: str) -> None:
        answers.said[name] = _command(server, LOADS[0], *arguments)

    server.execute(f"CREATE DATABASE {LOADS[0].database}")
    command("patterns", "import", patterns, name="patterns import")
    command("patterns", "list", name="patterns list")
    for load in LOADS:
        # The table that was imported, or its file: then the mapper makes all that the load needs.
        source = {} if load == LOADS[0] else {"patterns": {"source": "csv", "path": str(patterns)}}
        _load(server, load, bill, folder, source)
        for table in TABLES:
            answers.rows[load, table.table] = _rows(server, load, f"{table.table} FINAL")
        for view in VIEWS:
            answers.rows[load, view] = _rows(server, load, view)
    expected = ("--first-month", MONTH, "--last-month", MONTH)
    command("check", "--format", "json", *expected, name="check")
    command("report", page, *expected, name="report")
    answers.said["page"] = 0, page.read_text(encoding="utf-8")
    command("prune", "--keep", "1", name="prune")
    answers.rows[LOADS[0], "pruned"] = _rows(server, LOADS[0], "stg_azure_billing_detail FINAL")
    answers.said = {
        name: (code, _OWN_CLOCK.sub("", said.replace(str(folder), ""))) for name, (code, said) in answers.said.items()
    }
    return answers


def _a_day_earlier(lines: bytes) -> bytes:
    """The lines as if extracted the day before: times of RECORDs have no fraction, by which two runs might be told."""
    found = _INSTANT.search(lines)
    assert found
    earlier = dt.datetime.fromisoformat(found[1].decode()) - dt.timedelta(days=1)
    return lines.replace(found[1], earlier.isoformat(timespec="milliseconds").encode())


def _command(server: ClickHouse, load: Load, *arguments: str | Path) -> tuple[int, str]:
    """The command azure-billing-warehouse on the tables of a load: exit code and output."""
    own = {
        "CLICKHOUSE_HOST": server.host,
        "CLICKHOUSE_PORT": str(server.port),
        "CLICKHOUSE_PASSWORD": server.password,
        "CLICKHOUSE_DATABASE": load.database,
        "CLICKHOUSE_JSON_TYPE": load.json_type,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CLICKHOUSE_", "AZURE_"))}
    program = PROGRAMS / "azure-billing-warehouse"
    ended = subprocess.run(
        [program, *arguments], env=inherited | own, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode in {0, 1}, ended.stderr
    return ended.returncode, ended.stdout


def _load(server: ClickHouse, load: Load, bill: Path, folder: Path, source: Mapping[str, Any]) -> None:
    """The bill through mapper and loader; `source` says where the mapper's patterns are."""
    address = {"host": server.host, "port": server.port, "password": server.password, "database": load.database}
    batches = {"batch_directory": str(folder / "batches")}
    clickhouse = {**address, "json_type": load.json_type}
    settings = {
        PROGRAMS / "mapper-azure-billing-tracking": {
            "output": load.output,
            "clickhouse": clickhouse,
            **batches,
            **source,
        },
        loader_folder() / "target-clickhouse-arrow": {**address, **batches},
    }
    lines = bill.read_bytes()
    for program, config in settings.items():
        path = folder / f"{program.name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        ended = subprocess.run([program, "--config", path], input=lines, capture_output=True, timeout=300, check=False)
        assert not ended.returncode, ended.stderr.decode()
        lines = ended.stdout


def _rows(server: ClickHouse, load: Load, source: str) -> list[str]:
    columns = "* EXCEPT('^(create_at|audit_timestamp)$')"  # when each ClickHouse, and mapper, had them
    return sorted(server.execute(f"SELECT {columns} FROM {load.database}.{source}").splitlines())  # noqa: S608
