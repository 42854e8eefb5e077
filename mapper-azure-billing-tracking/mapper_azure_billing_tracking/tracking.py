"""R16: which application a usage row is tracked to, and the audit of those that more than one pattern matched.

Where the patterns come from stands in ``patterns``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from mapper_azure_billing_tracking.distinct import VALUE, Remembered
from mapper_azure_billing_tracking.rules import LAST_SEGMENT, given
from mapper_azure_billing_tracking.staging import TaggingAudit

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

_RANK, _RANKS = "rank", "ranks"
_MATCH_COUNT = "match_count"
_PATTERN, _TEXT = "pattern", "text"


class Pattern(NamedTuple):
    """A row of d_application_tag: a text that tracks what contains it, compared without case."""

    id: int
    resource_tracking: str


class ResourceTrackingEngine:
    """Tracks usage rows to applications by Aho-Corasick over distinct values, each matched once for the engine's life.

    Args:
        patterns: The patterns; blank ones are skipped, of those equal but for case the lowest id (the first among
            equal ids) is taken. White space around a pattern is not part of it.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        ranked = sorted(patterns, key=lambda pattern: pattern.id)
        texts = pl.DataFrame(
            {_TEXT: [pattern.resource_tracking.strip() for pattern in ranked]}, schema={_TEXT: pl.String}
        )
        self._patterns = (
            texts.filter(pl.col(_TEXT) != "")
            .with_columns(pl.col(_TEXT).str.to_lowercase().alias(_PATTERN))
            .unique(_PATTERN, keep="first", maintain_order=True)
            .with_columns(pl.col(_TEXT).str.to_uppercase())
            .with_row_index(_RANK)
        )
        self._search = self._patterns[_PATTERN].implode()
        self._matches = Remembered(self._match)

    def __len__(self) -> int:
        """The number of distinct patterns."""
        return self._patterns.height

    def forget(self) -> None:
        """Give the memory of matched values back."""
        self._matches.forget()

    def _match(self, values: pl.DataFrame) -> pl.DataFrame:
        """From ``value`` to ``value, text`` (the best match in upper case) and ``ranks`` (all that matched)."""
        found = (
            values.with_columns(
                pl.col(VALUE)
                .str.to_lowercase()
                .str.extract_many(pl.lit(self._search), overlapping=True)
                .alias(_PATTERN)
            )
            .explode(_PATTERN)
            .join(self._patterns, on=_PATTERN, how="inner")
            .group_by(VALUE)
            .agg(pl.col(_TEXT).sort_by(_RANK).first(), pl.col(_RANK).unique().alias(_RANKS))
        )
        return values.join(found, on=VALUE, how="left")

    def track(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add ``resource_tracking`` and the columns that the audit needs.

        Args:
            frame: Usage rows with the columns as they came and the last segment of R12.

        Returns:
            The frame, with the match of each level, the selected one, and the count of distinct matches.
        """
        levels = {
            "last_segment": LAST_SEGMENT,
            "resource_group": given("resource_group").meta.output_name(),
            "subscription": given("subscription_guid").meta.output_name(),
        }
        matches = self._matches.look_up(*(frame[column] for column in levels.values()))
        for level, column in levels.items():
            frame = frame.join(
                matches.rename({_TEXT: f"{level}_match", _RANKS: f"_{level}_ranks"}),
                left_on=column,
                right_on=VALUE,
                how="left",
                maintain_order="left",
            )
        ranks = [pl.col(f"_{level}_ranks").fill_null([]) for level in levels]
        selected = pl.coalesce(*(f"{level}_match" for level in levels))
        return frame.with_columns(
            selected.alias("selected_match"),
            selected.fill_null(pl.col(LAST_SEGMENT).str.to_uppercase()).alias("resource_tracking"),
            pl.sum_horizontal(rank.list.len() for rank in ranks).alias("_level_matches"),
        ).with_columns(
            pl.when(pl.col("_level_matches") > 1)
            .then(pl.concat_list(ranks).list.n_unique())
            .otherwise(pl.col("_level_matches"))
            .alias(_MATCH_COUNT)
        )


def audit(tracked: pl.DataFrame, audit_timestamp: dt.datetime) -> pl.DataFrame:
    """The audit of a batch: a row for each resource and outcome where more than one match was found.

    Args:
        tracked: Rows that were tracked and not rejected.
        audit_timestamp: When the batch was tracked (UTC).

    Returns:
        The columns of ``dq_tagging_audit``.
    """
    names = ("resource_group", "subscription_guid", "meter_category")
    group = [
        *(pl.col(name) for name in ("enrollment_number", "billing_month", "snapshot_at", "instance_id")),
        pl.col(LAST_SEGMENT).alias("last_segment"),
        *(given(name).alias(name) for name in names),
        *(pl.col(f"{level}_match") for level in ("last_segment", "resource_group", "subscription")),
        pl.col("selected_match"),
        pl.col(_MATCH_COUNT),
    ]
    return (
        tracked.filter(pl.col("_level_matches") > 1)
        .group_by(*group, maintain_order=True)
        .agg(
            pl.len().alias("row_count"),
            pl.col("extended_cost").sum(),
            pl.col("row_number").min().alias("first_row_number"),
        )
        .with_columns((pl.col(_MATCH_COUNT) > 1).alias("conflict"), pl.lit(audit_timestamp).alias("audit_timestamp"))
        .select(pl.col(name).cast(dtype) for name, dtype in TaggingAudit.polars_schema().items())
    )
