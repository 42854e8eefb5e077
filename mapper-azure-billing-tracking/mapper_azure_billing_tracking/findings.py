"""What the rules found, as rows of ``dq_billing_issue``; the rules themselves stand in ``rules``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.records import original_text
from mapper_azure_billing_tracking.rules import given_name
from mapper_azure_billing_tracking.staging import BillingIssue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_azure_billing_tracking.config import ProcessingConfig
    from mapper_azure_billing_tracking.rules import Finding, Rule

REJECTED = "_rejected"
_ROW = "_row"


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
        rows: The frame after all rules, with their flags.
        rules: The rules that ran on it.
        records: The JSON of each row as it came.
        config: The mapper's settings: names of the input's columns.

    Returns:
        The columns of ``dq_billing_issue``, by rule, then by row.
    """
    found = [pl.DataFrame(schema=BillingIssue.polars_schema())]
    for flag, number, finding in _flagged(rules):
        if rows[flag].any():
            flagged = rows.with_row_index(_ROW).filter(pl.col(flag))
            found.append(_of_one(flagged, number, finding, [records[row] for row in flagged[_ROW]], config))
    return pl.concat(found)


def _of_one(
    rows: pl.DataFrame, rule: str, finding: Finding, records: Sequence[bytes], config: ProcessingConfig
) -> pl.DataFrame:
    if rows.schema[given_name(finding.column)] == pl.String:
        value = finding.value.alias("value")
    else:
        # Polars read a number: its digits, as they came, are in the record only.
        column = config.columns.get(finding.column, finding.column)
        texts = [original_text(record, column) for record in records]
        value = pl.lit(pl.Series("value", texts, dtype=pl.String))
    kept = [record.decode() if finding.severity == "reject" else None for record in records]
    return rows.with_columns(
        value,
        pl.Series("record", kept, dtype=pl.String),
        pl.lit(rule).alias("rule"),
        pl.lit(finding.severity).alias("severity"),
        pl.lit(finding.column).alias("column"),
    ).select(pl.col(name).cast(dtype) for name, dtype in BillingIssue.polars_schema().items())
