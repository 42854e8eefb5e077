"""What patterns would match, take, never win: against a plain reading of R16, on resources as ClickHouse gives them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from azure_billing_warehouse.cli import main
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.patterns.pattern import Pattern
from mapper_azure_billing_tracking.allocation.pattern_trials import suggest, trial, unused
from mapper_azure_billing_tracking.allocation.resources import with_levels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from warehouse.loading import Warehouse

AUGUST, SEPTEMBER = dt.date(2026, 8, 1), dt.date(2026, 9, 1)
NAMES = st.sampled_from(["vm-pay-1", "db-shop", "x", "PAY", "web/pay/", "", "crm-pay"])
OTHERS = st.sampled_from([None, "", "rg-pay", "RG-SHOP", "crm"])
RESOURCES = st.lists(st.tuples(NAMES, OTHERS, OTHERS, st.sampled_from([AUGUST, SEPTEMBER])), min_size=1, max_size=8)
PATTERNS = st.lists(st.sampled_from(["pay", "shop", "SHOP", "rg-", "crm", "crm-pay", " ", "nothing"]), max_size=5)


def frame(rows: Sequence[tuple[str, str | None, str | None, dt.date]], tags: str | None = None) -> pl.DataFrame:
    """Resources as they are read, each with its place in the list as cost and rows."""
    made = pl.DataFrame(
        [(*row, None, None, None, place, float(place), tags) for place, row in enumerate(rows, 1)],
        schema={
            **dict.fromkeys(("instance_id", "resource_group", "subscription_guid"), pl.String),
            "billing_month": pl.Date,
            "resource_tracking": pl.String,
            "match_level": pl.String,
            "match_count": pl.Int64,
            "row_count": pl.Int64,
            "extended_cost": pl.Float64,
            "tags_text": pl.String,
        },
        orient="row",
    )
    return with_levels(made)


def levels(row: tuple[str, str | None, str | None, dt.date]) -> list[str]:
    return [row[0].rstrip("/").rpartition("/")[2], row[1] or "", row[2] or ""]


def winner(patterns: list[Pattern], row: tuple[str, str | None, str | None, dt.date]) -> str | None:
    """R16 as it reads, for patterns in the order of their ids."""
    for value in levels(row):
        for pattern in sorted(patterns):
            if (text := pattern.resource_tracking.strip()) and text.lower() in value.lower():
                return text.upper()
    return None


def numbered(texts: list[str]) -> list[Pattern]:
    return [Pattern(number, text) for number, text in enumerate(texts)]


@given(RESOURCES, PATTERNS, st.sampled_from(["pay", "shop", "zzz"]), st.sampled_from([-1, 99]))
def test_a_trial_is_what_the_rule_says_with_and_without_the_pattern(
    rows: list[tuple[str, str | None, str | None, dt.date]], texts: list[str], text: str, number: int
) -> None:
    patterns, new = numbered(texts), Pattern(number, text)
    found = trial(frame(rows), patterns, new)
    matched = [place for place, row in enumerate(rows, 1) if any(text in value.lower() for value in levels(row))]
    assert found.row_count == sum(matched)
    assert sum(found.months.values()) == sum(matched)
    assert set(found.months) == {rows[place - 1][3] for place in matched}
    moved: dict[tuple[str | None, str | None], float] = {}
    for place, row in enumerate(rows, 1):
        before, after = winner(patterns, row), winner([*patterns, new], row)
        if before != after:
            moved[before, after] = moved.get((before, after), 0.0) + place
    assert {(move.before, move.after): move.extended_cost for move in found.taken} == moved


@given(RESOURCES, PATTERNS)
def test_unused_patterns_are_those_that_win_no_row(
    rows: list[tuple[str, str | None, str | None, dt.date]], texts: list[str]
) -> None:
    patterns = numbered(texts)
    winners = {winner(patterns, row) for row in rows}
    wanted = {text.strip().upper() for text in texts if text.strip()} - winners
    found = {pattern.pattern: pattern for pattern in unused(frame(rows), patterns)}
    assert set(found) == wanted
    for text, pattern in found.items():
        beaten = [place for place, row in enumerate(rows, 1) if any(text in value.upper() for value in levels(row))]
        assert pattern.row_count == sum(beaten)
        assert set(pattern.beaten_by) == {winner(patterns, rows[place - 1]) for place in beaten}


def test_suggestions_are_words_of_the_unallocated_by_the_cost_they_match() -> None:
    rows = [
        ("/x/vm-ledger-7", "rg-archive", "s", AUGUST),
        ("/x/db-ledger", None, "s", AUGUST),
        ("/x/pay-ledger", None, "s", SEPTEMBER),
        ("/x/0badc0ffee42", None, "s", AUGUST),
    ]
    found = list(suggest(frame(rows, '{"app":"ledger"}'), [Pattern(1, "pay")], most=9))
    assert [(word.word, word.extended_cost, word.resource_count) for word in found] == [
        ("ledger", 3.0, 2),
        ("archive", 1.0, 1),
    ]
    assert found[0].found_in == ["names", "tags"]
    assert found[0].examples == ["/x/db-ledger", "/x/vm-ledger-7"]
    assert len(list(suggest(frame(rows), [], most=1))) == 1


def test_a_word_that_stands_rather_in_allocated_names_is_no_suggestion() -> None:
    rows = [("/x/prd-ledger", None, "s", AUGUST), ("/x/pay-prd", None, "s", AUGUST)]
    assert [found.word for found in suggest(frame(rows), [Pattern(1, "pay")], most=9)] == ["ledger"]
    assert [found.word for found in suggest(frame(rows), [Pattern(1, "nobody")], most=9)] == ["prd", "pay", "ledger"]


@pytest.fixture
def command(warehouse: Warehouse) -> list[str]:
    config = warehouse.config
    return [f"--host={config.host}", f"--port={config.port}", f"--database={config.database}"]


def test_the_commands_show_what_a_pattern_would_do(warehouse: Warehouse, command: list[str], tmp_path: Path) -> None:
    warehouse.client.command(  # a table may hold costs in decimals
        "ALTER TABLE stg_azure_billing_detail MODIFY COLUMN extended_cost Nullable(Decimal(76, 38))"
    )
    run = CliRunner(env={"CLICKHOUSE_PASSWORD": warehouse.config.password.get_secret_value()})
    warehouse.load(
        [10.0, 5.0, 2.5],
        instance_id=["/x/vm-payroll", "/x/vm-ledger", "/x/vm-ledger-2"],
        resource_tracking=["PAYROLL", "VM-LEDGER", "VM-LEDGER-2"],
        match_level=["last_segment", None, None],
        resource_group="rg",
        match_count=[1, 0, 0],
    )
    application_tags.import_patterns(
        warehouse.config, [Pattern(1, "payroll"), Pattern(2, "nobody"), Pattern(3, "roll")]
    )

    def said(*arguments: str) -> str:
        ended = run.invoke(main, [*command, "patterns", *arguments])
        assert ended.exit_code == 0, ended.output
        return ended.output

    tried = said("test", "ledger")
    assert "LEDGER: 2 resources, 2 rows, cost 7.50" in tried
    assert "2026-08                7.50" in tried
    assert "would take  (no pattern) -> LEDGER: 2 rows, cost 7.50" in tried
    assert said("unused").splitlines() == [
        "NOBODY: matches nothing",
        "ROLL: matches 1 row, which go to PAYROLL",
        "2 of 3 patterns decide for no row.",
    ]
    assert said("suggest").startswith("ledger: cost 7.50, 2 resources (in names), such as /x/vm-ledger")
    exported = tmp_path / "patterns.csv"
    said("export", str(exported))
    assert exported.read_text(encoding="utf-8") == said("list")
    exported.write_text("id,resource_tracking\n9,ledger\n", encoding="utf-8")
    before = said("list")
    tried = said("import", "--dry-run", str(exported))
    assert "(no pattern) -> LEDGER: 2 rows, cost 7.50" in tried
    assert "PAYROLL -> (no pattern): 1 row, cost 10.00" in tried
    assert said("list") == before
