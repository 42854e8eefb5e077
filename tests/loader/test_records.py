"""What is not an Arrow file goes target-clickhouse's way: both programs leave the same tables."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loader.conftest import PASSWORD

from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from pathlib import Path

    from loader.conftest import Loader

    from sandbox.launch import ClickHouse

TYPED: dict[str, Any] = {
    "billing_month": {"type": "string", "format": "date"},
    "snapshot_at": {"type": "string", "format": "date-time"},
    "row_number": {"type": "integer"},
    "cost": {"type": "number"},
    "price": {"type": ["number", "null"]},
    "text": {"type": ["string", "null"]},
    "tags": {"type": ["object", "null"]},
}
ROW: dict[str, Any] = {
    "billing_month": "2026-08-01",
    "snapshot_at": "2026-09-01T08:51:12Z",
    "row_number": 1,
    "cost": 12.5,
    "price": 7.29e-9,
    "text": "it's \\ %s :x\n{b:String} ä",
    "tags": {"app": "x"},
}


def messages(stream: str, lines: Path) -> list[dict[str, Any]]:
    lines.write_text(json.dumps({**ROW, "row_number": 2, "text": None}) + "\n")
    return [
        {"type": "SCHEMA", "stream": stream, "schema": {"properties": TYPED}, "key_properties": ["row_number"]},
        {"type": "RECORD", "stream": stream, "record": ROW},
        {"type": "BATCH", "stream": stream, "encoding": {"format": "jsonl"}, "manifest": [lines.as_uri()]},
        {"type": "STATE", "value": {"month": 8}},
    ]


def test_records_and_json_lines_leave_what_target_clickhouse_leaves(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    url = f"clickhouse+http://{clickhouse.user}:{quote(PASSWORD, '')}@{clickhouse.host}:{clickhouse.port}/default"
    asked = ["SHOW CREATE TABLE bill", "SHOW CREATE TABLE absent"]
    asked += ["SELECT * FROM bill ORDER BY row_number", "SELECT * FROM absent ORDER BY row_number"]
    left = []
    for program in ("target-clickhouse", "target-clickhouse-arrow"):
        clickhouse.execute("TRUNCATE TABLE bill")
        clickhouse.execute("DROP TABLE IF EXISTS absent")
        both = messages("bill", tmp_path / "bill.jsonl") + messages("absent", tmp_path / "absent.jsonl")
        named = dataclasses.replace(loader, executable=loader.executable.with_name(program))
        ended = named.run(both, sqlalchemy_url=url)
        assert (ended.returncode, ended.stdout) == (0, '{"month": 8}\n'), ended.stderr
        left.append([clickhouse.execute(sql) for sql in asked])
    assert left[0] == left[1]
    assert left[1][2].count("\n") == 2


def test_records_go_with_any_password_and_with_none(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    sent = messages("absent", tmp_path / "absent.jsonl")
    ended = loader.run(sent, password=PASSWORD)
    assert ended.returncode == 0, ended.stderr
    assert clickhouse.query("SELECT count() AS n FROM absent") == [{"n": 2}]
    with running_clickhouse(tmp_path / "databases") as open_to_all:
        without = {name: value for name, value in loader.settings.items() if name != "password"}
        ended = dataclasses.replace(loader, settings=without).run(sent, port=open_to_all.port)
        assert ended.returncode == 0, ended.stderr
        assert open_to_all.query("SELECT count() AS n FROM absent") == [{"n": 2}]
