"""R16: which application a usage row is tracked to, and the audit of those that more than one pattern matched.

Where the patterns come from stands in `patterns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import TaggingAudit
from mapper_azure_billing_tracking.rules.distinct import VALUE, Remembered
from mapper_azure_billing_tracking.rules.rules import LAST_SEGMENT, given, given_name
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from azure_billing_warehouse.patterns.pattern import Pattern

_RANK, _RANKS = "rank", "ranks"
_MATCH_COUNT = "match_count"
_PATTERN, _TEXT = "pattern", "text"


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
        """From `value` to `value, text` (the best match in upper case) and `ranks` (all that matched)."""
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
        """Add `resource_tracking` and the columns that the audit needs.

        Args:
            frame: Usage rows with the columns as they came and the last segment of R12.

        Returns:
            The frame, with the match of each level, the selected one, and the count of distinct matches.
        """
        columns = [LAST_SEGMENT, given_name("resource_group"), given_name("subscription_guid")]
        # Each resource once: it has a row for each day and meter.
        resources = frame.lazy().select(columns).unique().collect()
        matches = self._matches.look_up(*resources).lazy()
        names = ("last_segment", "resource_group", "subscription")
        tracked = resources.lazy()
        for name, column in zip(names, columns, strict=True):
            level = matches.select(VALUE, pl.col(_TEXT).alias(f"{name}_match"), pl.col(_RANKS).alias(f"_{name}_ranks"))
            tracked = tracked.join(level, left_on=column, right_on=VALUE, how="left")
        ranks = [pl.col(f"_{name}_ranks").fill_null([]) for name in names]
        selected = pl.coalesce(*(f"{name}_match" for name in names))
        tracked = tracked.select(
            *columns,
            *(f"{name}_match" for name in names),
            selected.alias("selected_match"),
            selected.fill_null(pl.col(LAST_SEGMENT).str.to_uppercase()).alias("resource_tracking"),
            pl.sum_horizontal(rank.list.len() for rank in ranks).alias("_level_matches"),
            pl.concat_list(ranks).list.n_unique().alias(_MATCH_COUNT),
        )
        return frame.lazy().join(tracked, on=columns, how="left", maintain_order="left", nulls_equal=True).collect()


def audit(tracked: pl.LazyFrame, audit_timestamp: dt.datetime) -> pl.LazyFrame:
    """The audit of a batch: a row for each resource and outcome where more than one match was found.

    Args:
        tracked: Rows that were tracked and not rejected.
        audit_timestamp: When the batch was tracked (UTC).

    Returns:
        The columns of `dq_tagging_audit`.
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
        .select(pl.col(name).cast(dtype) for name, dtype in polars_schema(TaggingAudit).items())
    )
