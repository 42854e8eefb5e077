"""One frame of usage rows through all rules: the staging, audit and issue frames, and what they sum up to."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mapper_azure_billing_tracking.distinct import VALUE, Remembered
from mapper_azure_billing_tracking.documents import OBJECT, UNREADABLE, read_additional_info, read_tags
from mapper_azure_billing_tracking.findings import REJECTED, flags, issues
from mapper_azure_billing_tracking.records import RecordsReader, UsageRecords
from mapper_azure_billing_tracking.rules import (
    INFO_OBJECT,
    INFO_UNREADABLE,
    INFO_VM,
    TAGS_OBJECT,
    TAGS_UNREADABLE,
    chain,
    given_name,
    tag_name,
)
from mapper_azure_billing_tracking.staging import AzureBillingDetail
from mapper_azure_billing_tracking.tracking import ResourceTrackingEngine, audit
from mapper_azure_billing_tracking.usage import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mapper_azure_billing_tracking.config import ProcessingConfig


_POSITION = "_position"
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
        staged: Columns of ``stg_azure_billing_detail``.
        audit: Columns of ``dq_tagging_audit``.
        issues: Columns of ``dq_billing_issue``.
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
        self._reader = RecordsReader(config)
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

    def __call__(self, usage: UsageRecords) -> Outcome:
        """Transform usage rows.

        Args:
            usage: The records as they came.

        Returns:
            The frames; each record is in ``staged`` or, with its rejecting findings, in ``issues``.
        """
        ruled: list[pl.DataFrame] = []
        found: list[pl.DataFrame] = []
        for part in self._reader.read(usage):
            given = self._with_documents(part.frame).with_columns(pl.Series(_POSITION, part.positions, dtype=pl.Int64))
            rules = chain(self._config, given.schema)
            lazy = given.lazy()
            for rule in rules:
                lazy = lazy.with_columns(**rule.columns)
            rows = lazy.with_columns(flags(rules)).collect()
            found.append(issues(rows, rules, part.records, self._config))
            ruled.append(rows.drop(_GIVEN_NUMBERS))
        together = ruled[0] if len(ruled) == 1 else pl.concat(ruled).sort(_POSITION)
        tracked = self._engine.track(together)
        issued = pl.concat(found)
        staged = tracked.filter(~pl.col(REJECTED)) if tracked[REJECTED].any() else tracked
        audited = audit(staged, self._clock())
        return Outcome(
            staged=staged.select(
                pl.col(name if name in staged.columns else given_name(name)).cast(dtype).alias(name)
                for name, dtype in AzureBillingDetail.polars_schema().items()
            ),
            audit=audited,
            issues=issued,
            tallies=_tallies(tracked, issued, audited),
        )

    def _with_documents(self, given: pl.DataFrame) -> pl.DataFrame:
        for name, remembered, renamed in (
            ("tags", self._tags, {OBJECT: TAGS_OBJECT, UNREADABLE: TAGS_UNREADABLE}),
            (
                "additional_info",
                self._additional_infos,
                {OBJECT: INFO_OBJECT, UNREADABLE: INFO_UNREADABLE, "vm": INFO_VM},
            ),
        ):
            column = given_name(name)
            documents = remembered.look_up(given[column]).rename(renamed)
            given = given.join(documents, left_on=column, right_on=VALUE, how="left", maintain_order="left")
        return given


def _tallies(tracked: pl.DataFrame, found: pl.DataFrame, audited: pl.DataFrame) -> dict[SnapshotKey, Tally]:
    """Counts and costs by snapshot; sums are exact (fsum) but for the last rounding."""
    key = list(SnapshotKey._fields)
    tallies: dict[SnapshotKey, Tally] = {}
    snapshots = tracked.select(key).unique(maintain_order=True).rows()
    # Nearly every frame holds rows of one snapshot: then there is nothing to part.
    parts = {snapshots[0]: tracked} if len(snapshots) == 1 else tracked.partition_by(key, as_dict=True)
    for values, rows in parts.items():
        snapshot = SnapshotKey(*values)
        rejected = rows.filter(pl.col(REJECTED))
        staged = rows.filter(~pl.col(REJECTED))
        conflicts = staged.filter(pl.col("match_count") > 1)
        findings = found.filter(pl.col(name).eq_missing(value) for name, value in snapshot._asdict().items())
        tallies[snapshot] = Tally(
            received=rows.height,
            staged=staged.height,
            rejected=rejected.height,
            staged_cost=_sum(staged),
            rejected_cost=_sum(rejected),
            issues=findings.height,
            audits=audited.filter(pl.col(name) == value for name, value in snapshot._asdict().items()).height,
            conflicts=conflicts.height,
            conflict_cost=_sum(conflicts),
            unmatched_cost=_sum(staged.filter(pl.col("match_count") == 0)),
            findings=dict(findings.group_by("rule").len().rows()),
        )
    return tallies


def _sum(rows: pl.DataFrame) -> float:
    try:
        return math.fsum(rows["extended_cost"].drop_nulls().to_list())
    except OverflowError:  # beyond what a 64-bit float holds: the month then doesn't add up, and is told so
        return math.inf
