"""Records through target-clickhouse as it comes from PyPI, and Arrow files through ours: the same tables."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loader.conftest import loader_folder
from pipeline.project import PROGRAMS, Project

from azure_billing_warehouse.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


INSTANTS = {"snapshot_at", "started_at", "completed_at"}
UTC_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z")


def tap_output(project: Project, folder: Path) -> Path:
    """What the tap writes for one month."""
    environment = project.environment(TAP_AZURE_EA_BILLING_END_DATE="2026-08-31")
    path = folder / "tap.jsonl"
    with path.open("wb") as output:
        subprocess.run(
            [PROGRAMS / "tap-azure-ea-billing", "--config", "ENV"], env=environment, stdout=output, check=True
        )
    return path


def load(project: Project, database: str, lines: Path, output: str, loader: str) -> None:
    """The lines through the mapper and a loader, into a database of their own."""
    server = project.clickhouse
    tags = f"{project.database}.d_application_tag"
    server.execute(f"CREATE DATABASE {database}")
    server.execute(f"CREATE TABLE {database}.d_application_tag ENGINE = Memory AS SELECT * FROM {tags}")  # noqa: S608
    address = {"host": server.host, "port": server.port, "username": server.user, "database": database}
    mapper_config = {"output": output, "clickhouse": {**address, "password": server.password}}
    # target-clickhouse puts the password into a URL unquoted; our loader doesn't.
    password = quote(server.password) if loader == "target-clickhouse" else server.password
    arguments: dict[str, Path] = {}
    configs: dict[str, dict[str, Any]] = {"mapper": mapper_config, "loader": {**address, "password": password}}
    for name, config in configs.items():
        arguments[name] = lines.with_name(f"{name}-{output}.json")
        arguments[name].write_text(json.dumps(config))
    with lines.open("rb") as tap:
        mapped = subprocess.run(
            [PROGRAMS / "mapper-azure-billing-tracking", "--config", arguments["mapper"]],
            stdin=tap,
            stdout=subprocess.PIPE,
            check=True,
        )
    subprocess.run([loader_folder() / loader, "--config", arguments["loader"]], input=mapped.stdout, check=True)


def test_records_through_the_stock_target_and_arrow_files_through_ours_leave_the_same_rows(
    new_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = new_project(rows=1000, page_size=400)
    lines = tap_output(project, tmp_path)
    databases = {"records": f"{project.database}_records", "arrow": f"{project.database}_arrow"}
    load(project, databases["records"], lines, "records", "target-clickhouse")
    load(project, databases["arrow"], lines, "arrow", "target-clickhouse-arrow")
    for table in TABLES:
        apart = {"create_at", "audit_timestamp"}
        names = [column.name for column in table.columns() if column.name not in apart]
        # target-clickhouse drops the fraction of a second that a RECORD's time has; an Arrow file keeps it.
        columns = ", ".join(f"toDateTime(`{name}`)" if name in INSTANTS else f"`{name}`" for name in names)
        key = ", ".join(f"`{name}`" for name in table.order_by)
        rows = [
            project.clickhouse.execute(f"SELECT {columns} FROM {database}.{table.table} FINAL ORDER BY {key}")  # noqa: S608
            for database in databases.values()
        ]
        assert rows[0]
        # Of a tag that looks like a time ClickHouse makes a DateTime when it reads it from a RECORD's INSERT, shown by
        # another spelling; from Arrow it stays the text that it was.
        stock, arrow = (UTC_TIME.sub(r"\1 \2", found) for found in rows)
        assert stock == arrow, table.table
    published = [
        project.clickhouse.execute(f"SELECT count(), sum(extended_cost) FROM {database}.azure_billing_detail")  # noqa: S608
        for database in databases.values()
    ]
    assert published[0] == published[1]
    assert not published[0].startswith("0")
