"""What became of the rows of each snapshot, as counts and sums of cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from azure_billing_warehouse.tables import with_dataset
from mapper_azure_billing_tracking.rules.findings import REJECTED
from mapper_azure_billing_tracking.rules.tracking import MATCH_COUNT

if TYPE_CHECKING:
    import datetime as dt


class SnapshotKey(NamedTuple):
    """One extraction of a dataset's month."""

    enrollment_number: str
    dataset: str
    billing_month: dt.date
    snapshot_at: dt.datetime

    @property
    def name(self) -> str:
        """What the snapshot is of, as the start of a sentence."""
        return with_dataset(f"Enrollment {self.enrollment_number}, month {self.billing_month:%Y-%m}", self.dataset)


@dataclass
class Tally:
    """What became of rows: counts, and costs before tax in the billing currency."""

    received: int = 0
    staged: int = 0
    rejected: int = 0
    staged_cost: float = 0.0
    rejected_cost: float = 0.0
    issues: int = 0
    audits: int = 0
    conflicts: int = 0
    conflict_cost: float = 0.0
    unmatched_cost: float = 0.0
    findings: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add what became of further rows."""
        for name, value in vars(other).items():
            if name == "findings":
                for rule, count in other.findings.items():
                    self.findings[rule] = self.findings.get(rule, 0) + count
            else:
                setattr(self, name, getattr(self, name) + value)


def counts(rows: pl.DataFrame, found: pl.DataFrame, audited: pl.LazyFrame) -> list[pl.LazyFrame]:
    """Return, by snapshot, what `tallies` needs: of the rows, of the findings and of the audit rows.

    Args:
        rows: All rows of a batch after all rules.
        found: The findings on them.
        audited: Their audit.
    """
    rejected, matches, cost = pl.col(REJECTED), pl.col(MATCH_COUNT), pl.col("extended_cost")
    conflicts = ~rejected & (matches > 1)
    key = SnapshotKey._fields
    return [
        rows.lazy()
        .group_by(key)
        .agg(
            received=pl.len(),
            rejected=rejected.sum(),
            conflicts=conflicts.sum(),
            staged_costs=cost.filter(~rejected),
            rejected_costs=cost.filter(rejected & cost.is_not_null()),
            conflict_costs=cost.filter(conflicts),
            unmatched_costs=cost.filter(~rejected & pl.col("match_level").is_null()),
        ),
        found.lazy().group_by(*key, "rule").len(),
        audited.group_by(key).len(),
    ]


def tallies(rows: pl.DataFrame, found: pl.DataFrame, audited: pl.DataFrame) -> dict[SnapshotKey, Tally]:
    """Return what became of each snapshot's rows; sums are exact (fsum) except for the last rounding.

    Args:
        rows: The first collected frame of `counts`.
        found: The second.
        audited: The third.
    """
    by_snapshot = {
        SnapshotKey(*(row[name] for name in SnapshotKey._fields)): Tally(
            received=row["received"],
            staged=row["received"] - row["rejected"],
            rejected=row["rejected"],
            staged_cost=_sum(row["staged_costs"]),
            rejected_cost=_sum(row["rejected_costs"]),
            conflicts=row["conflicts"],
            conflict_cost=_sum(row["conflict_costs"]),
            unmatched_cost=_sum(row["unmatched_costs"]),
        )
        for row in rows.iter_rows(named=True)
    }
    for *snapshot, rule, count in found.iter_rows():
        tally = by_snapshot[SnapshotKey(*snapshot)]
        tally.findings[rule] = count
        tally.issues += count
    for *snapshot, count in audited.iter_rows():
        by_snapshot[SnapshotKey(*snapshot)].audits = count
    return by_snapshot


def _sum(costs: list[float]) -> float:
    try:
        return math.fsum(costs)
    except OverflowError:  # beyond a 64-bit float: the month then doesn't add up, and `check` says so
        return math.inf
