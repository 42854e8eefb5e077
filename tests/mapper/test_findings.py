"""Findings of rules that no bill needs yet: several of one rule on one column, each with a severity of its own."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from unittest import mock

import polars as pl
from mapper.runs import usage_line
from mapper.test_rules_differential import transformed

from mapper_azure_billing_tracking.batches.records import JsonBatch
from mapper_azure_billing_tracking.rules import chain
from mapper_azure_billing_tracking.rules.findings import REJECTED, findings
from mapper_azure_billing_tracking.rules.rule import Condition, Rule

if TYPE_CHECKING:
    from mapper_azure_billing_tracking.rules.rule import RuleContext

RULE = Rule(
    "R99",
    {},
    (
        Condition("warn", "extended_cost", pl.col("extended_cost") > 5),
        Condition("reject", "extended_cost", pl.col("extended_cost") < 0),
        Condition("warn", "extended_cost", pl.col("extended_cost") < -5),
        Condition("warn", "date", pl.col("extended_cost") < -5),
    ),
)
COSTS = [1.0, -1.0, 6.0, -6.0, None]


def test_each_finding_of_a_rule_has_its_severity_and_the_gravest_on_a_column_is_told() -> None:
    frame = pl.DataFrame(
        {
            "enrollment_number": "1",
            "dataset": "actual",
            "billing_month": dt.date(2026, 10, 1),
            "snapshot_at": dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
            "row_number": range(1, 6),
            "extended_cost": COSTS,
        }
    )
    records = [b'{"extended_cost":%d}' % (cost or 0) for cost in COSTS]
    names = {name: name for name in ("date", "extended_cost")}
    rows = chain.run([RULE], frame)
    assert rows[REJECTED].to_list() == [False, True, False, True, False]
    found = findings(rows, [RULE], JsonBatch(frame, "Line 1 of the input", records, range(1, 6), names))
    told = found.select("row_number", "severity", "column", "value").sort("row_number", "column").rows()
    assert told == [
        (2, "reject", "extended_cost", "-1"),
        (3, "warn", "extended_cost", "6"),
        (4, "warn", "date", None),
        (4, "reject", "extended_cost", "-6"),
    ]
    assert found.filter(pl.col("record").is_not_null())["row_number"].to_list() == [2, 4]


def r17_unmatched(_: RuleContext) -> Rule:
    return Rule("R17", {}, (Condition("warn", "instance_id", pl.col("match_level").is_null()),))


def test_a_rule_may_follow_tracking() -> None:
    lines = [usage_line(1), usage_line(2, instance_id="/a/b//")]
    with mock.patch.object(chain, "RULES", (*chain.RULES, r17_unmatched)):
        outcome = transformed(lines, [(1, "web")])
    assert outcome.staged["match_level"].to_list() == ["last_segment", None]
    assert outcome.issues.select("row_number", "rule", "column", "value").rows() == [
        (2, "R17", "instance_id", "/a/b//")
    ]
