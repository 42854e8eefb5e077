"""One frame of usage rows through all rules: the staging, audit and issue frames, and what they sum up to."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from azure_billing_warehouse.tables import AzureBillingDetail
from mapper_azure_billing_tracking.batches.columns import FLOATS, INTEGERS
from mapper_azure_billing_tracking.batches.records import POSITION, UsageRecords
from mapper_azure_billing_tracking.rules.distinct import VALUE, Remembered
from mapper_azure_billing_tracking.rules.documents import OBJECT, UNREADABLE, read_additional_info, read_tags
from mapper_azure_billing_tracking.rules.findings import REJECTED, flags, issues
from mapper_azure_billing_tracking.rules.rules import (
    INFO_OBJECT,
    INFO_UNREADABLE,
    INFO_VM,
    TAGS_OBJECT,
    TAGS_UNREADABLE,
    chain,
    given_name,
    tag_name,
)
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine, audit
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from mapper_azure_billing_tracking.config import ProcessingConfig


# As they came they are of another type in each part of a frame; only the rules need them.
_GIVEN_NUMBERS = [given_name(name) for name in (*FLOATS, *INTEGERS)]


class SnapshotKey(NamedTuple):
    """One extraction of one month."""

    enrollment_number: str
    billing_month: dt.date
    snapshot_at: dt.datetime


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


@dataclass(frozen=True)
class Outcome:
    """What a frame of usage rows became.

    Attributes:
        staged: Columns of `stg_azure_billing_detail`.
        audit: Columns of `dq_tagging_audit`.
        issues: Columns of `dq_billing_issue`.
        tallies: The counts of each snapshot that the frame has rows of.
    """

    staged: pl.DataFrame
    audit: pl.DataFrame
    issues: pl.DataFrame
    tallies: dict[SnapshotKey, Tally]


class Transform:
    """The chain of rules R1-R16.

    Args:
        config: The mapper's settings.
        clock: The time (UTC) for audit timestamps.
    """

    def __init__(
        self, config: ProcessingConfig, clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._config = config
        self._clock = clock
        self._engine = ResourceTrackingEngine([])
        self._tags = Remembered(read_tags({tag: tag_name(column) for tag, column in config.tag_columns.items()}))
        self._additional_infos = Remembered(read_additional_info)

    def track_with(self, engine: ResourceTrackingEngine) -> None:
        """Use these patterns from the next frame on."""
        self._engine = engine

    def forget(self) -> None:
        """Give remembered results back to the system; they are computed anew when they are needed."""
        self._tags.forget()
        self._additional_infos.forget()
        self._engine.forget()

    def __call__(self, usage: UsageRecords, frames: list[pl.DataFrame]) -> Outcome:
        """Transform usage rows.

        Args:
            usage: The records as they came.
            frames: What RecordsReader read from them.

        Returns:
            The frames; each record is in `staged` or, with its rejecting findings, in `issues`.
        """
        ruled: list[pl.DataFrame] = []
        found: list[pl.DataFrame] = []
        for frame in frames:
            rules = chain(self._config, frame.schema)
            lazy = self._with_documents(frame)
            for rule in rules:
                lazy = lazy.with_columns(**rule.columns)
            rows = lazy.with_columns(flags(rules)).collect()
            found.append(issues(rows, rules, usage.records, self._config))
            ruled.append(rows.drop(_GIVEN_NUMBERS))
        together = ruled[0] if len(ruled) == 1 else pl.concat(ruled).sort(POSITION)
        tracked = self._engine.track(together)
        issued = pl.concat(found)
        staged = tracked.lazy().filter(~pl.col(REJECTED))
        audited = audit(staged, self._clock())
        staged_rows, audit_rows, *counts = pl.collect_all(
            [_staging_columns(staged), audited, *_counts(tracked, issued, audited)]
        )
        return Outcome(staged_rows, audit_rows, issued, _tallies(*counts))

    def _with_documents(self, frame: pl.DataFrame) -> pl.LazyFrame:
        tags, additional_info = given_name("tags"), given_name("additional_info")
        tags_found = self._tags.look_up(frame[tags]).lazy().rename({OBJECT: TAGS_OBJECT, UNREADABLE: TAGS_UNREADABLE})
        infos_found = (
            self._additional_infos.look_up(frame[additional_info])
            .lazy()
            .rename({OBJECT: INFO_OBJECT, UNREADABLE: INFO_UNREADABLE, "vm": INFO_VM})
        )
        return (
            frame.lazy()
            .join(tags_found, left_on=tags, right_on=VALUE, how="left", maintain_order="left")
            .join(infos_found, left_on=additional_info, right_on=VALUE, how="left", maintain_order="left")
        )


def _staging_columns(rows: pl.LazyFrame) -> pl.LazyFrame:
    names = rows.collect_schema().names()
    return rows.select(
        pl.col(name if name in names else given_name(name)).cast(dtype).alias(name)
        for name, dtype in polars_schema(AzureBillingDetail).items()
    )


def _counts(tracked: pl.DataFrame, found: pl.DataFrame, audited: pl.LazyFrame) -> list[pl.LazyFrame]:
    """By snapshot: counts and costs of rows, counts of findings, counts of audit rows."""
    rejected, matches, cost = pl.col(REJECTED), pl.col("match_count"), pl.col("extended_cost")
    conflicts = ~rejected & (matches > 1)
    key = SnapshotKey._fields
    return [
        tracked.lazy()
        .group_by(key)
        .agg(
            received=pl.len(),
            rejected=rejected.sum(),
            conflicts=conflicts.sum(),
            staged_costs=cost.filter(~rejected),
            rejected_costs=cost.filter(rejected & cost.is_not_null()),
            conflict_costs=cost.filter(conflicts),
            unmatched_costs=cost.filter(~rejected & (matches == 0)),
        ),
        found.lazy().group_by(*key, "rule").len(),
        audited.group_by(key).len(),
    ]


def _tallies(rows: pl.DataFrame, findings: pl.DataFrame, audits: pl.DataFrame) -> dict[SnapshotKey, Tally]:
    """What became of each snapshot's rows; sums are exact (fsum) but for the last rounding."""
    tallies = {
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
    for *snapshot, rule, count in findings.iter_rows():
        tally = tallies[SnapshotKey(*snapshot)]
        tally.findings[rule] = count
        tally.issues += count
    for *snapshot, count in audits.iter_rows():
        tallies[SnapshotKey(*snapshot)].audits = count
    return tallies


def _sum(costs: list[float]) -> float:
    try:
        return math.fsum(costs)
    except OverflowError:  # beyond what a 64-bit float holds: the month then doesn't add up, and is told so
        return math.inf
