"""Tags as people give them, end to end by Arrow files and by RECORDs: what every view gives back is what they were."""

# ruff: noqa: S608 - the queries are put together from this file's own names

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mapper.runs import MONTH_SCHEMA, USAGE_SCHEMA, month_line, usage_line
from pipeline.test_loaders import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.project import Project

TAGS = (
    '{"app":"crm","app.kubernetes.io-name":"x"}',
    '{"app.kubernetes.io/name":"crm","app.kubernetes.io/part-of":"sales","kubernetes.io/cluster/c-1":"owned"}',
    '{"aks-managed-cluster-name":"c-1","kubernetes.io-created-for-pvc-name":"data","k8s-azure-service":"default/web"}',
    '{"owner":null,"labels":{},"app":{}}',
    '{"":"empty","部门":"零售业务部 ☁"," app":"shop","a":{"b":1},"n":1.50,"l":[{},null]}',
    '{"created":"2026-10-05T08:00:00Z"}',
    '{"app":"a","app":"b"}',
    '{"a.b":1,"a":{"b":2}}',
    '{"app":"crm","n":1e400}',
    '{"deep":' + "[" * 100 + "]" * 100 + "}",
)
REFUSED = range(7, 11)
"""Rows whose object no JSON column holds: a key twice, a path twice, a number beyond floats, more than 100 levels."""


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project(rows=1, page_size=1)


@pytest.mark.parametrize("output", ["arrow", "records"])
def test_tags_and_additional_info_come_back_as_they_were(project: Project, tmp_path: Path, output: str) -> None:
    usage = [usage_line(number, tags=text, additional_info=text) for number, text in enumerate(TAGS, 1)]
    bare = [usage_line(number, tags=text) for number, text in enumerate(("", "{}", "app: x"), len(TAGS) + 1)]
    lines = tmp_path / "tap.jsonl"
    rows = len(usage) + len(bare)
    lines.write_bytes(b"".join([USAGE_SCHEMA, MONTH_SCHEMA, *usage, *bare, month_line(rows)]))
    database = f"{project.database}_{output}"
    load(project, database, lines, output, "target-clickhouse-arrow")

    shown = project.clickhouse.query(
        f"SELECT tags_text, additional_info_text FROM {database}.azure_billing_detail ORDER BY row_number"
    )
    assert [row["tags_text"] for row in shown] == [*TAGS, None, None, None]
    assert [row["additional_info_text"] for row in shown] == [*TAGS, None, None, None]
    focus = project.clickhouse.query(f"SELECT Tags AS tags FROM {database}.focus_cost_and_usage")
    assert sorted(row["tags"] or "" for row in focus) == sorted([*TAGS, "", "", ""])
    held = project.clickhouse.query(
        "SELECT toUInt32(row_number) AS number, toString(tags) AS tags, tags.app.:String AS app "
        f"FROM {database}.azure_billing_detail ORDER BY row_number"
    )
    assert held[0]["app"] == "crm"
    assert [json.loads(held[number - 1]["tags"]) for number in REFUSED] == [{}] * len(REFUSED)
    findings = project.clickhouse.query(
        f"SELECT DISTINCT toUInt32(row_number) AS number FROM {database}.azure_billing_issue "
        "WHERE rule = 'R8' AND column = 'tags' ORDER BY number"
    )
    assert [row["number"] for row in findings] == [*REFUSED, rows]
