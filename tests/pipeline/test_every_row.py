"""The literal command, and every row of staging, audit, issues and view against what the API served."""

# ruff: noqa: S608 - the queries are put together from this file's own names

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from mapper.oracle import ALL_TAG_COLUMNS, STRING_COLUMNS, Row, r1_date, read_row
from mapper.oracle_json import Json, JsonObject, Number, load_json, original_text, same_json
from mapper.oracle_tracking import Patterns, audit_rows, track
from pipeline.project import ENROLLMENT, Project

from sandbox.bill.generator import Bill, example_patterns
from tap_azure_ea_billing.sources.ea.names import API_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, PAGE_SIZE = 1000, 300
MONTHS = ("2026-08", "2026-09", "2026-10")
TEXT_COLUMNS = (
    *STRING_COLUMNS,
    *ALL_TAG_COLUMNS,
    "service_info1",
    "service_info2",
    "resource_tracking",
    "match_level",
    "sku",
)


@pytest.fixture(scope="module")
def loaded(new_project: Callable[..., Project]) -> Project:
    project = new_project(rows=ROWS, page_size=PAGE_SIZE)
    project.load()
    return project


def expected_rows(month: str) -> list[Row]:
    """The oracle's reading of a month as the API serves it, with the columns that the tap adds."""
    names = {api_name: column for column, api_name in API_NAMES.items()}
    rows: list[Row] = []
    for text in Bill(ENROLLMENT, seed=1, rows=ROWS, page_size=PAGE_SIZE).row_texts(month):
        served = load_json(text)
        assert isinstance(served, JsonObject)
        record: dict[str, Json] = {names[name]: value for name, value in served.pairs if name in names}
        day = r1_date(record.get("date"))
        if day is not None:
            record["date"] = day.isoformat()
        record |= {
            "enrollment_number": ENROLLMENT,
            "billing_month": f"{month}-01",
            "snapshot_at": "2026-11-01T00:00:00Z",
            "row_number": Number(str(len(rows) + 1)),
            "billing_currency": "CNY",
        }
        rows.append(read_row(record))
    return rows


@pytest.mark.parametrize("month", MONTHS)
def test_staging_holds_every_row_that_the_api_served_as_the_rules_say(loaded: Project, month: str) -> None:
    patterns = Patterns(example_patterns())
    rows = expected_rows(month)
    for row in rows:
        track(row, patterns)
    expected = {number: row.staged for number, row in enumerate(rows, 1) if row.staged is not None}
    staged = loaded.query(
        "SELECT * REPLACE (toUInt32(row_number) AS row_number, toString(subscription_id) AS subscription_id, "
        "toString(tags) AS tags, toString(additional_info) AS additional_info) "
        f"FROM {{db}}.azure_billing_detail WHERE billing_month = '{month}-01'"
    )
    assert sorted(row["row_number"] for row in staged) == sorted(expected)
    for got in staged:
        staged_row = expected[got["row_number"]]
        for column in (*TEXT_COLUMNS, "instance_id", "resource_name", "vm_name", "latest_resource_type", "newmonth"):
            if column != "extra":
                assert got[column] == staged_row[column], (month, got["row_number"], column)
        for column in ("date", "month_date"):
            assert date.fromisoformat(got[column]) == staged_row[column]
        assert got["subscription_id"] == (
            None if staged_row["subscription_id"] is None else str(staged_row["subscription_id"])
        )
        for column in ("year", "month", "day"):
            assert int(got[column]) == staged_row[column]
        for column in ("consumed_quantity", "resource_rate", "extended_cost", "extended_cost_tax"):
            assert got[column] == staged_row[column], (month, got["row_number"], column)
        for column in ("tags", "additional_info"):
            assert same_json(got[f"{column}_text"], staged_row[f"{column}_text"]), (month, got["row_number"], column)
            held = as_clickhouse_holds(load_json(staged_row[column] or "{}"))
            assert as_clickhouse_holds(load_json(got[column])) == held


def as_clickhouse_holds(value: Json, path: str = "") -> Any:
    """A value as ClickHouse's JSON type holds it: numbers by value, an object by its paths, without nulls."""
    match value:
        case Number():
            return float(value.text)
        case list():
            return [as_clickhouse_holds(entry) for entry in value]
        case JsonObject():
            held: dict[str, Any] = {}
            for key, member in value.pairs:
                if isinstance(member, JsonObject):
                    held |= as_clickhouse_holds(member, f"{path}{key}.")
                elif member is not None:
                    held[f"{path}{key}"] = as_clickhouse_holds(member)
            return held
    return value


@pytest.mark.parametrize("month", MONTHS)
def test_the_issues_are_the_findings_of_the_rules(loaded: Project, month: str) -> None:
    expected = {
        (number, finding.rule, finding.severity, finding.column): finding.value
        for number, row in enumerate(expected_rows(month), 1)
        for finding in row.findings
    }
    issues = loaded.query(
        "SELECT toUInt32(row_number) AS number, rule, severity, column, value, record "
        f"FROM {{db}}.azure_billing_issue WHERE billing_month = '{month}-01'"
    )
    got = {(row["number"], row["rule"], row["severity"], row["column"]): row["value"] for row in issues}
    assert len(issues) == len(got)
    assert got.keys() == expected.keys()
    assert {key: value for key, value in got.items() if value != expected[key]} == {}
    for row in issues:
        assert (row["record"] is not None) == (row["severity"] == "reject")
        if row["record"] is not None:
            assert json.loads(row["record"])["row_number"] == row["number"]


@pytest.mark.parametrize("month", MONTHS)
def test_the_audit_is_that_of_the_rules(loaded: Project, month: str) -> None:
    columns = ("instance_id", "resource_group", "subscription_guid", "meter_category", "selected_match", "match_count")
    audit = audit_rows(expected_rows(month), Patterns(example_patterns()))
    expected = {tuple(row[column] for column in columns): (row["row_count"], row["extended_cost"]) for row in audit}
    got = {
        tuple(row[column] for column in columns): (row["rows"], row["cost"])
        for row in loaded.query(
            f"SELECT {', '.join(columns)}, toUInt32(sum(row_count)) AS rows, sum(extended_cost) AS cost FROM "
            "(SELECT * REPLACE (toUInt32(match_count) AS match_count) FROM {db}.azure_tagging_audit "
            f"WHERE billing_month = '{month}-01') GROUP BY {', '.join(columns)}"
        )
    }
    assert got.keys() == expected.keys()
    for key, (rows, cost) in expected.items():
        assert got[key][0] == rows
        assert got[key][1] == pytest.approx(cost, abs=1e-9)


def test_the_view_and_the_rejected_rows_add_up_to_what_the_api_served(loaded: Project) -> None:
    served = loaded.api.served(ENROLLMENT)
    assert set(loaded.published()) == set(served) == set(MONTHS)
    for month, (rows, cost) in loaded.published().items():
        rejected = [row for row in expected_rows(month) if row.rejected]
        rejected_cost = math.fsum(row.extended_cost for row in rejected if row.extended_cost is not None)
        assert rows + len(rejected) == served[month]["row_count"]
        assert abs(Decimal(cost) + Decimal(rejected_cost) - Decimal(served[month]["extended_cost"])) < Decimal("1e-6")


def test_the_month_rows_hold_the_exact_sums_that_the_api_served(loaded: Project) -> None:
    sums = loaded.query(
        "SELECT formatDateTime(billing_month, '%Y-%m') AS month, toString(extended_cost) AS cost "
        "FROM {db}.stg_azure_billing_month FINAL"
    )
    served = loaded.api.served(ENROLLMENT)
    assert {row["month"]: Decimal(row["cost"]) for row in sums} == {
        month: Decimal(entry["extended_cost"]) for month, entry in served.items()
    }


def test_what_is_served_without_a_schema_is_kept_in_extra(loaded: Project) -> None:
    bill = Bill(ENROLLMENT, seed=1, rows=ROWS, page_size=PAGE_SIZE)
    known = set(API_NAMES.values())
    expected = {}
    for number, text in enumerate(bill.row_texts(MONTHS[0]), 1):
        served = load_json(text)
        assert isinstance(served, JsonObject)
        unknown = {name: original_text(value) for name, value in served.pairs if name not in known}
        if unknown:
            expected[number] = unknown
    got = {
        row["number"]: {name: original_text(value) for name, value in extra.pairs}
        for row in loaded.query(
            "SELECT toUInt32(row_number) AS number, extra FROM {db}.azure_billing_detail "
            f"WHERE billing_month = '{MONTHS[0]}-01' AND extra IS NOT NULL"
        )
        if isinstance(extra := load_json(row["extra"]), JsonObject)
    }
    assert expected
    assert got == expected
