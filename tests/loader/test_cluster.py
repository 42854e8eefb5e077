"""On a cluster the loader's statements have settings by which nobody misses a row; the engine is one of one host."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

from loader.conftest import PASSWORD, arrow_file, batch, failure, loader_folder, schema

from azure_billing_warehouse import cluster

if TYPE_CHECKING:
    from pathlib import Path

    from loader.conftest import Loader

    from sandbox.launch import ClickHouse

_SENT = "sent String DEFAULT getSetting('load_balancing')"


def test_an_arrow_file_is_inserted_with_the_settings_of_a_cluster(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    clickhouse.execute(f"ALTER TABLE bill ADD COLUMN {_SENT}")
    file = arrow_file(tmp_path / "part.arrow")
    ended = loader.run([schema(), batch(file)], cluster="sandbox", batch_directory=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert clickhouse.query("SELECT DISTINCT sent FROM bill") == [{"sent": "in_order"}]


def test_records_are_inserted_with_the_settings_of_a_cluster(loader: Loader, clickhouse: ClickHouse) -> None:
    clickhouse.execute(f"CREATE OR REPLACE TABLE names (name String, {_SENT}) ENGINE = MergeTree ORDER BY name")
    described = {"type": "SCHEMA", "stream": "names", "schema": {"properties": {"name": {"type": "string"}}}}
    messages = [{**described, "key_properties": []}, {"type": "RECORD", "stream": "names", "record": {"name": "x"}}]
    url = f"clickhouse+http://{clickhouse.user}:{quote(PASSWORD, safe='')}@{clickhouse.host}:{clickhouse.port}/default"
    ended = loader.run(messages, cluster="sandbox", sqlalchemy_url=url, add_record_metadata=False)
    assert ended.returncode == 0, ended.stderr
    assert clickhouse.query("SELECT name, sent FROM names") == [{"name": "x", "sent": "in_order"}]


def test_a_cluster_that_clickhouse_does_not_know_is_named(loader: Loader, tmp_path: Path) -> None:
    file = arrow_file(tmp_path / "part.arrow")
    ended = loader.run([schema(), batch(file)], cluster="elsewhere", batch_directory=str(tmp_path))
    assert failure(ended) == "Setting cluster: ClickHouse knows no cluster elsewhere; system.clusters has the names."
    assert file.exists()


def test_loader_and_mapper_send_the_same_settings() -> None:
    code = "import json; from target_clickhouse_arrow.cluster import *; print(json.dumps([SETTINGS, REPLICA_SETTINGS]))"
    python = loader_folder() / "python"
    ended = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == [cluster.SETTINGS, cluster.REPLICA_SETTINGS]
