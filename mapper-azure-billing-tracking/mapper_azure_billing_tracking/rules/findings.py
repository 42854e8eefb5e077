"""What the rules found, as rows of `dq_billing_issue`; when a rule finds something is in the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import BillingIssue, SnapshotRow
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_azure_billing_tracking.batches.batch import UsageBatch
    from mapper_azure_billing_tracking.rules.rule import Condition, Rule

REJECTED = "_rejected"
_ROW = "_row"
_GRAVITY = ("reject", "null", "warn")


def _flagged(rules: Sequence[Rule]) -> Iterator[tuple[str, str, Condition]]:
    """Yield name of the flag, number of the rule, and condition, for all rules, a rule's gravest first."""
    for rule in rules:
        conditions = sorted(rule.conditions, key=lambda condition: _GRAVITY.index(condition.severity))
        for place, condition in enumerate(conditions):
            yield f"_{rule.number}.{place}", rule.number, condition


def flags(rules: Sequence[Rule]) -> list[pl.Expr]:
    """Return boolean columns that say which rows have which finding, and which are rejected."""
    flagged = {name: condition.when.fill_null(value=False) for name, _, condition in _flagged(rules)}
    rejects = [flagged[name] for name, _, condition in _flagged(rules) if condition.severity == "reject"]
    return [*(when.alias(name) for name, when in flagged.items()), pl.any_horizontal(rejects).alias(REJECTED)]


def findings(rows: pl.DataFrame, rules: Sequence[Rule], batch: UsageBatch) -> pl.DataFrame:
    """Return the findings on a batch's rows.

    Args:
        rows: The rows of the batch after all rules, with their flags.
        rules: The rules that ran on it.
        batch: The original rows.

    Returns:
        The columns of `dq_billing_issue`, by rule, then by row. Of a rule's findings on one column of a row only the
        gravest is returned: the table identifies a finding by row, rule and column.
    """
    flagged = list(_flagged(rules))
    names = [flag for flag, _, _ in flagged]
    marked = (
        rows.lazy()
        .select(*polars_schema(SnapshotRow), "row_number", "extended_cost", *names)
        .with_row_index(_ROW)
        .filter(pl.any_horizontal(names))
        .collect()
        .to_dicts()
    )
    found = {}
    for flag, number, condition in flagged:
        for row in marked:
            known_by = (number, condition.column, row[_ROW])
            if not row[flag] or known_by in found:
                continue
            found[known_by] = {
                **row,
                "rule": number,
                "severity": condition.severity,
                "column": condition.column,
                "value": batch.original(row[_ROW], condition.column),
                "record": batch.record(row[_ROW]) if condition.severity == "reject" else None,
            }
    return pl.from_dicts(list(found.values()), schema=polars_schema(BillingIssue))
