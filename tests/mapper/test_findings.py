"""Findings of rules that no bill needs yet: several of one rule on one column, each with a severity of its own."""

from __future__ import annotations

import datetime as dt

import polars as pl

from mapper_azure_billing_tracking.batches.records import POSITION
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.rules.findings import REJECTED, flags, issues
from mapper_azure_billing_tracking.rules.rules import Finding, Rule

RULE = Rule(
    "R99",
    {},
    (
        Finding("warn", "extended_cost", pl.col("extended_cost") > 5),
        Finding("reject", "extended_cost", pl.col("extended_cost") < 0),
        Finding("warn", "extended_cost", pl.col("extended_cost") < -5),
        Finding("warn", "date", pl.col("extended_cost") < -5),
    ),
)
COSTS = [1.0, -1.0, 6.0, -6.0, None]


def test_each_finding_of_a_rule_has_its_severity_and_the_gravest_on_a_column_is_told() -> None:
    frame = pl.DataFrame(
        {
            "enrollment_number": "1",
            "billing_month": dt.date(2026, 10, 1),
            "snapshot_at": dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
            "row_number": range(1, 6),
            "extended_cost": COSTS,
            POSITION: range(5),
        }
    )
    records = [b'{"extended_cost":%d}' % (cost or 0) for cost in COSTS]
    rows = frame.with_columns(flags([RULE]))
    assert rows[REJECTED].to_list() == [False, True, False, True, False]
    found = issues(rows, [RULE], records, ProcessingConfig())
    told = found.select("row_number", "severity", "column", "value").sort("row_number", "column").rows()
    assert told == [
        (2, "reject", "extended_cost", "-1"),
        (3, "warn", "extended_cost", "6"),
        (4, "warn", "date", None),
        (4, "reject", "extended_cost", "-6"),
    ]
    assert found.filter(pl.col("record").is_not_null())["row_number"].to_list() == [2, 4]
