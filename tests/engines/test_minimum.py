"""A ClickHouse older than the tests run on is refused by each program, with a sentence that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from loader.conftest import arrow_file, batch, loader_folder, schema
from mapper.runs import COMMAND, USAGE_SCHEMA

from azure_billing_warehouse import clickhouse
from azure_billing_warehouse.cli import main
from sandbox.clickhouse.proxy import Proxy
from sandbox.clickhouse.versions import OLDER
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.launch import ClickHouse

RECORD = {"type": "RECORD", "stream": "bill", "record": {"row_number": 7}}
COMMANDS = ("create", "check", "prune", "report {folder}/bill.html", "patterns list", "patterns import {folder}/p.csv")


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("newest")) as server:
        yield server


@pytest.fixture
def old(newest: ClickHouse) -> Iterator[Proxy]:
    """The newest ClickHouse, which says that it is an old one."""
    proxy = Proxy(newest, version="24.8.4.13")
    yield proxy
    proxy.close()


def sentence(port: int) -> str:
    return f"ClickHouse at 127.0.0.1:{port} is version 24.8.4.13; this needs 25.5 or later: upgrade it."


def fails(program: Path, arguments: list[str | Path], standard_input: bytes = b"") -> tuple[int, str]:
    """Exit code and last line of what a program said, which shows no trace."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLICKHOUSE_")}
    ended = subprocess.run(
        [program, *arguments], input=standard_input, capture_output=True, env=environment, timeout=120, check=False
    )
    said = ended.stderr.decode()
    assert "Traceback" not in said
    assert not ended.stdout
    return ended.returncode, said.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it(newest: ClickHouse, old: Proxy, tmp_path: Path, command: str) -> None:
    (tmp_path / "p.csv").write_text("id,resource_tracking\n1,crm\n", encoding="utf-8")
    arguments = ["--host=127.0.0.1", f"--port={old.port}", *command.format(folder=tmp_path).split()]
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, refused.output) == (2, f"Error: {sentence(old.port)}\n")
    assert newest.query("SHOW TABLES") == []


def test_the_program_says_it_too(old: Proxy) -> None:
    ended = fails(COMMAND.with_name("azure-billing-warehouse"), ["--host=127.0.0.1", f"--port={old.port}", "create"])
    assert ended == (2, f"Error: {sentence(old.port)}")


@pytest.mark.parametrize("create_tables", [True, False])
def test_the_mapper_refuses_it_before_the_loader_gets_a_line(
    old: Proxy, tmp_path: Path, *, create_tables: bool
) -> None:
    config: dict[str, Any] = {
        "create_tables": create_tables,
        "clickhouse": {"host": "127.0.0.1", "port": old.port},
    }
    path = tmp_path / "mapper.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    code, said = fails(COMMAND, ["--config", path], USAGE_SCHEMA)
    assert code == 1
    assert said.endswith(sentence(old.port))


@pytest.mark.parametrize("kind", ["BATCH", "RECORD"])
def test_the_loader_refuses_it_and_leaves_files_and_tables_alone(
    newest: ClickHouse, old: Proxy, tmp_path: Path, kind: str
) -> None:
    rows = arrow_file(tmp_path / "part.arrow")
    lines = [json.dumps(message) for message in (schema(), batch(rows) if kind == "BATCH" else RECORD)]
    path = tmp_path / "loader.json"
    path.write_text(json.dumps({"host": "127.0.0.1", "port": old.port}), encoding="utf-8")
    program = loader_folder() / "target-clickhouse-arrow"
    code, said = fails(program, ["--config", path], "\n".join(lines).encode())
    assert (code, said) == (1, f"Error: {sentence(old.port)}")
    assert rows.exists()
    assert newest.query("SHOW TABLES") == []


def test_the_minimum_is_the_oldest_that_is_tested() -> None:
    assert min(OLDER, key=lambda version: [*map(int, version.split("."))]) == clickhouse.MINIMUM_VERSION
