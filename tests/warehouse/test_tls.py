"""Mapper and command against a ClickHouse that speaks HTTPS, with the certificates of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tls.faults import FAULTS, TRUSTED, UNTRUSTED, Doors, Fault, doors

from azure_billing_warehouse.clickhouse import WarehouseError, connect_server
from azure_billing_warehouse.config import ClickHouseConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.launch import ClickHouse

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def opened(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(clickhouse, tmp_path_factory.mktemp("certificates")) as opened:
        yield opened


def changed(config: ClickHouseConfig, settings: Mapping[str, Any]) -> ClickHouseConfig:
    return ClickHouseConfig.model_validate({**config.model_dump(), **settings})


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # which the driver turns off for itself
@pytest.mark.parametrize(("door", "file", "settings"), TRUSTED)
def test_a_certificate_is_taken_that_is_trusted_or_not_looked_at(
    config: ClickHouseConfig, opened: Doors, door: str, file: str, settings: dict[str, Any]
) -> None:
    with connect_server(changed(config, opened.settings(door, file, **settings))) as client:
        assert client.query("SELECT 1").result_rows == [(1,)]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_is_wrong_with_tls_is_told_in_one_sentence(config: ClickHouseConfig, opened: Doors, fault: Fault) -> None:
    wrong = changed(config, opened.settings(fault.door, fault.file, **fault.settings))
    with pytest.raises(WarehouseError) as failed:
        connect_server(wrong)
    place = f"ClickHouse at 127.0.0.1:{opened.ports[fault.door]}, database {config.database}"
    assert str(failed.value) == f"{place}: can't connect: {fault.told(opened)}."


def run(
    program: str, config: ClickHouseConfig, *arguments: str, text: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """A program with the connection from the environment, and nothing of the caller's own."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLICKHOUSE_", "MAPPER_", "AZURE_"))
    }
    address = {
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PASSWORD": config.password.get_secret_value(),
        "CLICKHOUSE_DATABASE": config.database,
    }
    return subprocess.run(
        [PROGRAMS / program, *arguments],
        env={**inherited, **address, **variables},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_takes_verify_and_the_ca_file_from_the_environment(config: ClickHouseConfig, opened: Doors) -> None:
    https = {"CLICKHOUSE_PORT": str(opened.ports["issued"]), "CLICKHOUSE_SECURE": "true"}
    trusting = {**https, "CLICKHOUSE_CA_CERT": opened.files["authority"], "CLICKHOUSE_VERIFY": ""}
    made = run("azure-billing-warehouse", config, "create", **trusting)
    assert made.returncode == 0, made.stderr
    unset = run("azure-billing-warehouse", config, "create", **https, CLICKHOUSE_CA_CERT="", CLICKHOUSE_VERIFY="")
    place = f"ClickHouse at 127.0.0.1:{opened.ports['issued']}, database {config.database}"
    assert (unset.returncode, unset.stdout) == (2, "")
    assert unset.stderr == f"Error: {place}: can't connect: {UNTRUSTED.sentence}.\n"
    unverified = run("azure-billing-warehouse", config, "create", **https, CLICKHOUSE_VERIFY="false")
    assert unverified.returncode == 0, unverified.stderr


def test_the_mapper_makes_its_tables_by_https_or_says_why_it_can_not(
    clickhouse: ClickHouse, config: ClickHouseConfig, opened: Doors, tmp_path: Path
) -> None:
    schema = {"type": "SCHEMA", "stream": "usage_details", "schema": {"properties": {}}, "key_properties": []}
    tags = tmp_path / "tags.csv"
    tags.write_text("id,resource_tracking\n1,payroll\n")

    def mapped(**settings: str) -> subprocess.CompletedProcess[str]:
        address = {"host": config.host, "port": str(opened.ports["issued"]), "database": config.database}
        access = {"password": config.password.get_secret_value(), "secure": "true", **settings}
        path = tmp_path / "mapper.json"
        patterns = {"source": "csv", "path": str(tags)}
        path.write_text(json.dumps({"patterns": patterns, "clickhouse": address | access}))
        arguments = ("--config", str(path))
        return run("mapper-azure-billing-tracking", config, *arguments, text=f"{json.dumps(schema)}\n")

    refused = mapped(verify="", ca_cert="")
    assert refused.returncode == 1
    assert refused.stderr.count(UNTRUSTED.sentence) == 1
    assert "Traceback" not in refused.stderr
    made = mapped(ca_cert=opened.files["authority"])
    assert made.returncode == 0, made.stderr
    assert clickhouse.query(f"EXISTS TABLE {config.database}.stg_azure_billing_detail") == [{"result": 1}]


def test_mapper_and_loader_say_the_same_of_tls() -> None:
    mapper = ROOT / "azure-billing-warehouse" / "azure_billing_warehouse" / "tls.py"
    loader = ROOT / "target-clickhouse-arrow" / "target_clickhouse_arrow" / "tls.py"
    assert mapper.read_text() == loader.read_text()
