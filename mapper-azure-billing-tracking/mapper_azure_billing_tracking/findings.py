"""What the rules found, as rows of ``dq_billing_issue``; the rules themselves stand in ``rules``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.records import POSITION, original_text
from mapper_azure_billing_tracking.staging import BillingIssue, SnapshotRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_azure_billing_tracking.config import ProcessingConfig
    from mapper_azure_billing_tracking.rules import Finding, Rule

REJECTED = "_rejected"


def _flagged(rules: Sequence[Rule]) -> Iterator[tuple[str, str, Finding]]:
    """Name of the flag, number of the rule, and the finding, for each finding of the rules."""
    for rule in rules:
        for finding in rule.findings:
            yield f"_{rule.number}.{finding.column}", rule.number, finding


def flags(rules: Sequence[Rule]) -> list[pl.Expr]:
    """Boolean columns that say which rows have which finding, and which are rejected."""
    flagged = {name: finding.when.fill_null(value=False) for name, _, finding in _flagged(rules)}
    rejects = [flagged[name] for name, _, finding in _flagged(rules) if finding.severity == "reject"]
    return [*(when.alias(name) for name, when in flagged.items()), pl.any_horizontal(rejects).alias(REJECTED)]


def issues(
    rows: pl.DataFrame, rules: Sequence[Rule], records: Sequence[bytes], config: ProcessingConfig
) -> pl.DataFrame:
    """The findings on a frame's rows.

    Args:
        rows: The frame after all rules, with their flags and the position of each row's record.
        rules: The rules that ran on it.
        records: The JSON of the records as they came.
        config: The mapper's settings: names of the input's columns.

    Returns:
        The columns of ``dq_billing_issue``, by rule, then by row.
    """
    flagged = list(_flagged(rules))
    names = [flag for flag, _, _ in flagged]
    found = (
        rows.lazy()
        .filter(pl.any_horizontal(names))
        .select(*SnapshotRow.polars_schema(), "row_number", "extended_cost", POSITION, *names)
        .collect()
        .to_dicts()
    )
    issued = [
        {
            **row,
            "rule": number,
            "severity": finding.severity,
            "column": finding.column,
            "value": original_text(records[row[POSITION]], config.columns.get(finding.column, finding.column)),
            "record": records[row[POSITION]].decode() if finding.severity == "reject" else None,
        }
        for flag, number, finding in flagged
        for row in found
        if row[flag]
    ]
    return pl.from_dicts(issued, schema=BillingIssue.polars_schema())
