"""What the report reads from ClickHouse, against a plain reading of the same rows; the page's tests are elsewhere."""
# ruff: noqa: S608 - the statements' values are the test's own

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from warehouse.loading import AUGUST as LOADED
from warehouse.report_bill import (
    APRIL,
    AUGUST,
    ENROLLMENTS,
    JULY,
    JUNE,
    MARCH,
    MAY,
    THROUGH,
    VALUES,
    application,
    at,
    load_bill,
    resource,
    summed,
    text,
)

from azure_billing_warehouse import cli
from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.report import allocation, content, cuts, fitting
from azure_billing_warehouse.report.content import read_report
from azure_billing_warehouse.report.data import Matched
from azure_billing_warehouse.report.findings import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warehouse.loading import Warehouse
    from warehouse.report_bill import Sum

    from azure_billing_warehouse.report.data import Cell, Cut, ReportData, Value

TAGS = ("app", "other")
MOST_VALUES, MOST_RESOURCES = 5, 60
EXPECTED = Expectations(last_month=AUGUST)


class Placed:
    """The rows of a bill with the place of their month: those of the comparison are there once more."""

    def __init__(self, data: ReportData, published: Sequence[dict[str, Any]]) -> None:
        self.data = data
        places = {month.month: place for place, month in enumerate(data.months) if not month.is_comparison}
        (compared,) = (place for place, month in enumerate(data.months) if month.is_comparison)
        last = THROUGH.replace(month=7)
        again = [row for row in published if row["billing_month"] == JULY and row["date"] and row["date"] <= last]
        self.rows = [row | {"place": places[row["billing_month"]]} for row in published]
        self.all = self.rows + [row | {"place": compared} for row in again]

    def cells(self, rows: Iterable[dict[str, Any]]) -> dict[tuple[int, str], Sum]:
        """The sums of rows by month and currency."""
        return summed(rows, lambda row: row["place"], lambda row: row["billing_currency"] or "")

    def assert_equal(self, cells: Sequence[Cell], rows: Iterable[dict[str, Any]]) -> None:
        """The cells are the sums of these rows."""
        found = {(cell.month, self.data.currencies[cell.currency]): cell[2:] for cell in cells}
        assert len(found) == len(cells)
        expected = self.cells(rows)
        assert found.keys() == expected.keys()
        for key, (cost, taxed, *counts) in found.items():
            assert (cost, taxed) == pytest.approx(expected[key][:2], rel=1e-12, abs=1e-9)
            assert counts == list(expected[key][2:])


def value_key(cut: Cut, value: Value) -> str:
    """What `VALUES` calls a value."""
    name = value.detail if cut.key == "subscription" and value.detail else value.name or ""
    return name.lower() if cut.key in {"subscription", "resource_group", "region"} else name


def distinct(rows: Iterable[dict[str, Any]]) -> int:
    return len({resource(row) for row in rows} - {""})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a small bill exceeds."""
    monkeypatch.setattr(cuts, "MOST_VALUES", MOST_VALUES)
    monkeypatch.setattr(cuts, "MOST_RESOURCES", MOST_RESOURCES)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("seed", range(2))
def test_every_figure_is_that_of_a_plain_reading(warehouse: Warehouse, seed: int) -> None:
    assert_true(warehouse, load_bill(warehouse, seed))


@pytest.mark.usefixtures("few")
def test_costs_may_be_decimals(new_warehouse: Warehouse) -> None:
    published = load_bill(new_warehouse, seed=2, has_nan=False)
    for table, column in (
        ("stg_azure_billing_detail", "extended_cost"),
        ("stg_azure_billing_detail", "extended_cost_tax"),
        ("dq_billing_issue", "extended_cost"),
    ):
        new_warehouse.client.command(f"ALTER TABLE {table} MODIFY COLUMN {column} Nullable(Decimal(76, 38))")
    assert_true(new_warehouse, published)


def assert_true(warehouse: Warehouse, published: Sequence[dict[str, Any]]) -> None:
    """All that the report says is true of these rows."""
    data = read_report(warehouse.config, expected=EXPECTED, tags=TAGS)
    placed = Placed(data, published)
    assert [(month.month, month.state, month.through, month.is_comparison) for month in data.months] == [
        (MARCH, "whole", None, False),
        (APRIL, "missing", None, False),
        (MAY, "failing", None, False),
        (JUNE, "whole", None, False),
        (JULY, "whole", None, False),
        (AUGUST, "failing", THROUGH, False),
        (JULY, "whole", THROUGH.replace(month=7), True),
    ]
    costs = summed(published, lambda row: row["billing_currency"] or "")
    assert data.currencies == sorted((name for (name,) in costs), key=lambda name: -costs[name,].cost)
    assert [cut.key for cut in data.cuts] == list(VALUES)
    listed = {cut.key: assert_cut(cut, placed) for cut in data.cuts}
    assert_resources(data, placed, listed)
    assert_days(data, placed, listed["application"])
    assert_allocated(data, placed)
    assert_reconciled(data, placed)


def assert_cut(cut: Cut, placed: Placed) -> list[str]:
    """Its values are the largest, and all rows are in them or in the others; return what `VALUES` calls them."""
    value_of = VALUES[cut.key]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in placed.all:
        groups[value_of(row)].append(row)
    own = {key: found.cost for (key,), found in summed(placed.rows, value_of).items()}
    listed = [value_key(cut, value) for value in cut.values]
    assert listed == sorted(listed, key=lambda key: -own[key])
    named = [key for key in sorted(own, key=lambda key: -own[key]) if key]
    assert set(listed) == {*named[: MOST_VALUES - ("" in own)], *({""} & own.keys())}
    for key, value in zip(listed, cut.values, strict=True):
        placed.assert_equal(value.cells, groups[key])
        assert value.resources == distinct(groups[key])
        assert (value.name is None) == (key == "")
    rest = [row for row in placed.all if value_of(row) not in listed]
    assert cut.other_count == len(own) - len(listed)
    assert (cut.others is None) == (not rest)
    if cut.others:
        placed.assert_equal(cut.others.cells, rest)
        assert cut.others.resources == distinct(rest)
    return listed


def assert_resources(data: ReportData, placed: Placed, listed: Mapping[str, list[str]]) -> None:
    """They are the largest within the listed values of all cuts."""

    def group_of(row: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
        values = ((VALUES[cut](row), keys) for cut, keys in listed.items())
        return resource(row), tuple(keys.index(value) if value in keys else -1 for value, keys in values)

    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in placed.all:
        groups[group_of(row)].append(row)
    own = summed(placed.rows, group_of)
    costs = []
    for found in data.resources:
        (key,) = (key for key in groups if list(key[1]) == found.values and is_spelling(found.id, key[0]))
        placed.assert_equal(found.cells, groups[key])
        costs.append(own[key,].cost)
    assert costs == pytest.approx(sorted((cost.cost for cost in own.values()), reverse=True)[:MOST_RESOURCES])
    assert data.resource_count == distinct(placed.rows)


def assert_days(data: ReportData, placed: Placed, applications: list[str]) -> None:
    """Each day has the cost of the eight largest applications, of none, and of all others."""
    largest = [key for key in applications if key][:8]

    def line_of(row: dict[str, Any]) -> int:
        key = application(row)
        return applications.index(key) if key in {*largest, *({""} & set(applications))} else -1

    dated = [row for row in placed.rows if row["date"]]
    daily = summed(dated, lambda row: row["date"], lambda row: row["billing_currency"] or "", line_of)
    found = {(day.date, data.currencies[day.currency], day.application): day[3:] for day in data.days}
    assert {key: unknown for key, (_, unknown) in found.items()} == {key: day.unknown for key, day in daily.items()}
    assert {key: cost for key, (cost, _) in found.items()} == pytest.approx(
        {key: day.cost for key, day in daily.items()}
    )
    placed.assert_equal(data.undated, [row for row in placed.all if row["date"] is None])


def assert_allocated(data: ReportData, placed: Placed) -> None:
    """What has no application is there by the reason, and what is in conflict once for each resource."""
    by_reason: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in placed.all:
        if not application(row):
            names = any(text(row, column) for column in ("instance_id", "resource_group", "subscription_guid"))
            by_reason["unknown" if row["match_level"] else "no_match" if names else "nothing_to_match"].append(row)
    assert {reason.reason for reason in data.unallocated} == by_reason.keys()
    for reason in data.unallocated:
        placed.assert_equal(reason.cells, by_reason[reason.reason])
    conflicts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in placed.all:
        if (row["match_count"] or 0) > 1:
            conflicts[resource(row)].append(row)
    placed.assert_equal(data.in_conflict, [row for rows in conflicts.values() for row in rows])
    assert len(data.conflicts) == len(conflicts)
    for conflict in data.conflicts:
        (key,) = (key for key in conflicts if is_spelling(conflict.id, key))
        placed.assert_equal(conflict.cells, conflicts[key])
        assert (conflict.selected, conflict.match_count, conflict.patterns) == ("SHOP", 2, [Matched("SHOP", [])])


def is_spelling(shown: str, of_resource: str) -> bool:
    """Whether an id on the page, which may be shortened, is one of a resource."""
    start, _, end = shown.lower().partition("…")
    return of_resource == start if not end else of_resource.startswith(start) and of_resource.endswith(end)


def assert_reconciled(data: ReportData, placed: Placed) -> None:
    """Verdicts, restatements, findings and loads are those of the bill."""
    verdicts = {(found.enrollment_number, data.months[found.month].month): found for found in data.reconciliations}
    assert len(verdicts) == len(data.reconciliations) == 2 * 6
    first, second = ENROLLMENTS
    for enrollment in ENROLLMENTS:
        june = verdicts[enrollment, JUNE]
        rows = [row for row in placed.rows if (row["enrollment_number"], row["billing_month"]) == (enrollment, JUNE)]
        (staged,) = summed(rows).values()
        assert june.status == "ok", june.problems
        assert (june.staged_rows, june.staged_unknown) == (staged.rows, staged.unknown)
        assert (june.staged_cost, june.staged_cost_with_tax) == pytest.approx((staged.cost, staged.cost_with_tax))
        assert (june.rejected_rows, june.rejected_cost, june.rejected_unknown) == (8, 13.0, 1)
        assert june.api_rows == staged.rows + 8
        assert june.api_cost is not None
        assert float(june.api_cost) == pytest.approx(staged.cost + 13.0)
        assert {data.currencies[place] for place in june.currencies} == {row["billing_currency"] or "" for row in rows}
        assert june.is_published
    may = verdicts[first, MAY]
    assert (may.status, may.is_published, may.staged_rows, may.api_rows) == ("fails", False, 9, None)
    assert (may.snapshot_at, may.published_snapshot_at) == (at(6, 20), at(6, 2))
    assert (verdicts[second, AUGUST].snapshot_at, verdicts[second, AUGUST].status) == (None, "fails")

    assert [(found.enrollment_number, data.months[found.month].month) for found in data.restatements] == [
        (enrollment, JUNE) for enrollment in ENROLLMENTS
    ]
    for restated in data.restatements:
        rows = [
            row
            for row in placed.rows
            if (row["enrollment_number"], row["billing_month"]) == (restated.enrollment_number, JUNE)
        ]
        after = summed(rows, application)
        assert restated.cost == pytest.approx(math.fsum(found.cost for found in after.values()))
        for change in restated.applications:
            assert change.cost == pytest.approx(after[change.application or "",].cost if change.cost else 0.0)
    (finding,) = data.findings
    assert (finding.rule, finding.severity, finding.column) == ("R1", "reject", "date")
    assert (finding.rows, finding.cost, finding.unknown) == (16, 26.0, 2)
    assert len(finding.examples) == 3
    assert {len(example or "") for example in finding.examples} == {80}
    states = [load.state for load in data.loads]
    assert (states.count("published"), states.count("superseded"), states.count("not complete")) == (9, 2, 1)
    assert [load.at for load in data.loads] == sorted((load.at for load in data.loads), reverse=True)


def test_an_open_month_is_compared_with_no_more_than_the_month_before_has(warehouse: Warehouse) -> None:
    days = [dt.date(2026, 7, 31), dt.date(2026, 7, 1)]
    warehouse.load([1.0, 2.0], JUNE, at(7, 2), date=[dt.date(2026, 6, 30), dt.date(2026, 6, 1)])
    warehouse.load([4.0, 8.0], JULY, at(7, 31), date=days)
    data = read_report(warehouse.config, since=JULY, expected=Expectations(last_month=JULY))
    shown = [(month.month, month.through, month.is_comparison) for month in data.months]
    assert shown == [(JULY, days[0], False), (JUNE, dt.date(2026, 6, 30), True)]
    assert [(cell.month, cell.cost) for cell in data.cuts[0].values[0].cells] == [(0, 12.0), (1, 3.0)]
    assert [day.cost for day in data.days] == [8.0, 4.0]


def test_only_the_enrollments_that_are_asked_for_are_in_the_figures(warehouse: Warehouse) -> None:
    tag = "o'\\\"{x:String}%(y)s;--"
    for number, cost in (("1", 1.0), ("2", 2.0)):
        warehouse.stage([cost], enrollment_number=number, tags="{}", tags_text=json.dumps({tag: "it's"}))
        warehouse.finish([cost], enrollment_number=number)
    expected = Expectations(last_month=LOADED, enrollments=frozenset({"2"}))
    data = read_report(warehouse.config, expected=expected, tags=[tag])
    assert data.enrollments == ["2"]
    assert (data.cuts[-1].key, data.cuts[-1].values[0].name) == (f"tag:{tag}", "it's")
    assert [cell.cost for cut in data.cuts for value in cut.values for cell in value.cells] == [2.0] * len(data.cuts)
    with pytest.raises(WarehouseError, match="There is no month to report on"):
        read_report(warehouse.config, since=dt.date(2027, 1, 1), expected=expected)


@pytest.fixture
def conflict(warehouse: Warehouse) -> Warehouse:
    """A resource with three patterns on two levels, and one without an application."""
    rows: dict[str, Any] = {
        "instance_id": ["/x/CRM-Online-7", "/x/crm-online-7", "/x/vm-ledger", "/x/db-ledger"],
        "resource_group": ["rg-Shop", "RG-SHOP", "rg", "rg"],
        "resource_tracking": ["CRM-ONLINE", "CRM-ONLINE", "VM-LEDGER", "DB-LEDGER"],
        "match_level": ["last_segment", "last_segment", None, None],
        "match_count": [3, 3, 0, 0],
    }
    warehouse.stage([10.0, 5.0, 4.0, 1.0], **rows)
    warehouse.audit(
        15.0,
        conflict=True,
        match_count=3,
        instance_id="/x/CRM-Online-7",
        selected_match="CRM-ONLINE",
        last_segment_match="CRM-ONLINE",
        resource_group_match="SHOP",
    )
    warehouse.finish([10.0, 5.0, 4.0, 1.0], audit_count=1)
    return warehouse


ALL = [Matched("CRM-ONLINE", ["last_segment"]), Matched("CRM", ["last_segment"]), Matched("SHOP", ["resource_group"])]
AUDITED = [ALL[0], ALL[2]]


@pytest.mark.parametrize(
    ("patterns", "named"),
    [
        (["crm-online", "crm", "shop"], ALL),
        (["crm-online", "crm", "shop", "online"], AUDITED),
        (["crm", "nobody"], AUDITED),
        ([], AUDITED),
    ],
    ids=["as when it was tracked", "one more", "others", "none"],
)
def test_a_conflict_names_all_patterns_that_surely_matched(
    conflict: Warehouse, patterns: list[str], named: list[Matched]
) -> None:
    if patterns:
        application_tags.import_patterns(
            conflict.config, [Pattern(number, name) for number, name in enumerate(patterns)]
        )
    data = read_report(conflict.config, expected=Expectations(last_month=LOADED))
    (found,) = data.conflicts
    assert found.id.lower() == "/x/crm-online-7"
    assert (found.selected, found.match_count) == ("CRM-ONLINE", 3)
    assert found.patterns == named
    assert [(cell.cost, cell.rows) for cell in found.cells] == [(15.0, 2)]
    if patterns:
        assert data.suggestions_missing == ""
        assert ("ledger", 5.0, 2) in [suggestion[:3] for suggestion in data.suggestions]
    else:
        assert data.suggestions == []
        assert "patterns import" in data.suggestions_missing


def test_without_the_mapper_or_its_patterns_the_report_says_what_it_lacks(
    conflict: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAPPER_AZURE_BILLING_TRACKING_PATTERNS_SOURCE", "csv")
    monkeypatch.setenv("MAPPER_AZURE_BILLING_TRACKING_PATTERNS_PATH", "/nowhere/patterns.csv")
    unread = read_report(conflict.config, expected=Expectations(last_month=LOADED))
    assert "/nowhere/patterns.csv" in unread.suggestions_missing
    monkeypatch.setattr(allocation, "entry_points", lambda **_: ())
    alone = read_report(conflict.config, expected=Expectations(last_month=LOADED))
    assert "install it beside this" in alone.suggestions_missing
    assert [data.conflicts[0].patterns for data in (unread, alone)] == [AUDITED, AUDITED]


def test_a_bill_of_many_long_names_fits_and_loses_no_cost(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 rows in each of three months, every one of its own application, group, tag and resource."""
    assert sum(bound.size for bound in fitting.BOUNDS.values()) < fitting.MOST_BYTES_WITHOUT_RESOURCES * 4 // 5
    monkeypatch.setattr(content, "MOST_BYTES", 600_000)
    monkeypatch.setattr(content, "MOST_BYTES_WITHOUT_RESOURCES", 450_000)
    months = [MAY, JUNE, JULY]
    for month in months:
        snapshot = dt.datetime.combine(month, dt.time(3), dt.UTC) + dt.timedelta(days=40)
        warehouse.client.command(
            "INSERT INTO stg_azure_billing_detail (enrollment_number, dataset, billing_month, snapshot_at, row_number, "
            "date, month_date, instance_id, extended_cost, extended_cost_tax, billing_currency, resource_group, "
            "cost_center, department_name, tags, tags_text, resource_tracking, match_level, match_count) "
            f"SELECT '88888888', 'actual', '{month}', '{snapshot:%Y-%m-%d %H:%M:%S}', number, "
            f"'{month}', '{month}', concat('/', repeat('名', 250), toString(number)), number / 7, number / 6, 'CNY', "
            "concat(repeat('组', 300), toString(number)), concat(toString(number), repeat('\"', 250)), "
            "concat(toString(number), repeat('<', 250)), '{}', "
            "concat('{\"app\":\"', toString(number), repeat('é', 250), '\"}'), "
            "concat(toString(number), repeat('A', 250)), 'last_segment', 2 FROM numbers(1, 500)"
        )
        warehouse.finish(
            [0.0] * 500,
            month,
            snapshot,
            extended_cost="17892.857142857142857",
            staged_extended_cost=sum(number / 7 for number in range(1, 501)),
        )
    data = read_report(warehouse.config, expected=Expectations(last_month=months[-1]))
    assert len(data.model_dump_json().encode()) < 600_000
    assert 100 < len(data.resources) < data.resource_count == 500
    assert [len(cut.values) for cut in data.cuts if cut.other_count] == [max(len(cut.values) for cut in data.cuts)] * 5
    assert any("resources in conflict are shown" in sentence for sentence in data.left_out)
    assert {month.state for month in data.months} == {"whole"}, data.reconciliations[0].problems
    for cut in data.cuts:
        assert len(cut.values) + cut.other_count in {1, 500}
        cells = [cell for value in [*cut.values, *filter(None, [cut.others])] for cell in value.cells]
        assert sum(cell.rows for cell in cells) == 3 * 500
        assert math.fsum(cell.cost for cell in cells) == pytest.approx(3 * 500 * 501 / 14)


def test_every_rule_of_the_docs_has_a_sentence() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert list(RULES) == re.findall(r"^## (R\d+) ", page, re.MULTILINE)
    assert all(sentence.endswith(".") for sentence in RULES.values())


@pytest.mark.parametrize(
    ("arguments", "variable", "tags"),
    [
        ([], "", ("app",)),
        ([], "owner,env team", ("owner", "env", "team")),
        (["--tag", "cost center", "--tag", "a.b"], "owner", ("cost center", "a.b")),
    ],
)
def test_tags_are_options_or_a_variable(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str, tags: tuple[str, ...]
) -> None:
    written: dict[str, Any] = {}
    monkeypatch.setattr(cli, "write_report", lambda *_, **options: written.update(options))
    ended = CliRunner(env={"AZURE_BILLING_REPORT_TAGS": variable}).invoke(cli.main, ["report", *arguments])
    assert ended.exit_code == 0, ended.output
    assert written["tags"] == tags
    refused = CliRunner().invoke(cli.main, ["report", *(f"--tag=tag {number}" for number in range(11))])
    assert (refused.exit_code, "at most 10" in refused.output) == (2, True)
