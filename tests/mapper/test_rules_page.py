"""docs/rules.md holds: its list of rules is the chain's, each of its examples comes out of the mapper as it says."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from mapper.runs import written_line
from mapper.test_rules_differential import transformed
from mapper.traps import PLAIN_RECORD

from mapper_azure_billing_tracking.batches.columns import COLUMNS, NUMBERS, TEXTS, given_name, given_text_name
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.rules.chain import RULES, rules_for
from mapper_azure_billing_tracking.rules.distinct import Memory
from mapper_azure_billing_tracking.rules.rule import RuleContext
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (R[0-9]+) [^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PATTERNS = [
    (int(number), json.loads(text))
    for number, text in re.findall(r"^\| `([0-9]+)` \| `(\".*?\")` \|$", PAGE, re.MULTILINE)
]
IGNORED = {"year", "month", "day"}
"""Columns that a record may have and the mapper doesn't read."""


class Example(NamedTuple):
    """A line of a table: columns and settings in, columns out, findings."""

    given: dict[str, str]
    expected: dict[str, str]
    findings: list[str]
    audited: bool


def assignments(cell: str) -> dict[str, str]:
    """Names and JSON texts of `name = value` spans."""
    spans = re.findall(r"`([^`]*)`", cell)
    assert ", ".join(f"`{span}`" for span in spans) == cell
    return dict(span.split(" = ", 1) for span in spans)


def examples(section: str) -> list[Example]:
    """All lines of the tables with examples."""
    found, audited = [], None
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" |")]
        if cells[0] == "In":
            audited = cells[1] == "Audit"
        elif not line.startswith("|"):
            audited = None
        elif audited is not None and not line.startswith("|---"):
            given, expected, findings = cells
            found.append(Example(assignments(given), assignments(expected), re.findall("`([^`]*)`", findings), audited))
    return found


EXAMPLES = [(rule, example) for rule, section in SECTIONS.items() for example in examples(section)]


CONTEXT = RuleContext(
    ProcessingConfig(),
    pl.Schema({given_name(name): pl.String for name in TEXTS} | {given_text_name(name): pl.String for name in NUMBERS}),
    Memory(),
    ResourceTrackingEngine([]),
)


def test_the_page_has_each_rule_of_the_chain_once_in_its_order() -> None:
    rules = [rule.number for rule in rules_for(CONTEXT)]
    assert re.findall(r"^## (R[0-9]+) ", PAGE, re.MULTILINE) == rules
    assert [rule.__name__.split("_")[0].upper() for rule in RULES] == rules


@pytest.mark.parametrize("rule", SECTIONS)
def test_each_rule_has_examples_of_what_it_finds(rule: str) -> None:
    found = {finding.split()[0] for example in examples(SECTIONS[rule]) for finding in example.findings}
    assert len(examples(SECTIONS[rule])) >= 1
    assert (rule in found) == any(entry.number == rule and entry.conditions for entry in rules_for(CONTEXT))


def test_the_tables_are_read_whole() -> None:
    """A line that the test passed over would be an example that nobody runs."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(lines) == len(EXAMPLES) + len(PATTERNS)
    assert len(PATTERNS) == 6


@pytest.mark.parametrize(
    ("rule", "example"), EXAMPLES, ids=[f"{rule}-{number}" for number, (rule, _) in enumerate(EXAMPLES)]
)
def test_an_example_comes_out_as_the_page_says(rule: str, example: Example) -> None:
    settings = {name: json.loads(text) for name, text in example.given.items() if name in ProcessingConfig.model_fields}
    columns = {name: text for name, text in example.given.items() if name not in settings}
    assert columns.keys() <= {*COLUMNS, *IGNORED}
    line = written_line(*(f'"{name}":{text}' for name, text in columns.items()))
    outcome = transformed([line], PATTERNS if rule == "R16" else [], **settings)

    assert [
        f"{issue['rule']} {issue['severity']} {issue['column']}" for issue in outcome.issues.iter_rows(named=True)
    ] == example.findings
    rejected = any(" reject " in finding for finding in example.findings)
    assert outcome.staged.height == (0 if rejected else 1)
    assert rejected == (not example.expected)
    (row,) = (outcome.audit if example.audited else outcome.staged).to_dicts() or ({},)
    assert {name: plain(row[name]) for name in example.expected} == {
        name: json.loads(text) for name, text in example.expected.items()
    }


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def test_the_row_that_the_page_starts_from_is_the_one_that_the_examples_change() -> None:
    named = dict(re.findall(r"`(\w+) = ([^`]*)`", PAGE[: PAGE.index("## R1 ")]))
    keys = {"enrollment_number", "snapshot_at", "row_number"}
    assert {name: json.loads(text) for name, text in named.items()} == {
        name: value if isinstance(value, str) else json.loads(str(getattr(value, "text", value)))
        for name, value in PLAIN_RECORD.items()
        if name not in keys
    }
    assert transformed([written_line()], []).issues.height == 0
