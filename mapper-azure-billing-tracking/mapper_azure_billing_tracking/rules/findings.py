"""What the rules found, as rows of `dq_billing_issue`; the rules themselves stand in `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import BillingIssue, SnapshotRow
from mapper_azure_billing_tracking.batches.records import POSITION, original_text
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_azure_billing_tracking.config import ProcessingConfig
    from mapper_azure_billing_tracking.rules.rules import Finding, Rule

REJECTED = "_rejected"


_GRAVITY = ("reject", "null", "warn")


def _flagged(rules: Sequence[Rule]) -> Iterator[tuple[str, str, Finding]]:
    """Name of the flag, number of the rule, and the finding, for each finding of the rules, a rule's gravest first."""
    for rule in rules:
        findings = sorted(rule.findings, key=lambda finding: _GRAVITY.index(finding.severity))
        for place, finding in enumerate(findings):
            yield f"_{rule.number}.{place}", rule.number, finding


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
        The columns of `dq_billing_issue`, by rule, then by row. Of a rule's findings on one column of a row the
        gravest is one: the table knows a finding by row, rule and column.
    """
    flagged = list(_flagged(rules))
    names = [flag for flag, _, _ in flagged]
    found = (
        rows.lazy()
        .filter(pl.any_horizontal(names))
        .select(*polars_schema(SnapshotRow), "row_number", "extended_cost", POSITION, *names)
        .collect()
        .to_dicts()
    )
    issued = {}
    for flag, number, finding in flagged:
        for row in found:
            known_by = (number, finding.column, row[POSITION])
            if not row[flag] or known_by in issued:
                continue
            record = records[row[POSITION]]
            issued[known_by] = {
                **row,
                "rule": number,
                "severity": finding.severity,
                "column": finding.column,
                "value": original_text(record, config.columns.get(finding.column, finding.column)),
                "record": record.decode() if finding.severity == "reject" else None,
            }
    return pl.from_dicts(list(issued.values()), schema=polars_schema(BillingIssue))
