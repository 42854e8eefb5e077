"""R16: the application that a usage row is tracked to; where the patterns come from is in `pattern_source`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.batches.columns import given_name
from mapper_azure_billing_tracking.rules.distinct import VALUE, Remembered
from mapper_azure_billing_tracking.rules.resources import LAST_SEGMENT
from mapper_azure_billing_tracking.rules.rule import LookUp, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azure_billing_warehouse.patterns.pattern import Pattern
    from mapper_azure_billing_tracking.rules.rule import RuleContext

LEVELS = {
    "last_segment": LAST_SEGMENT,
    "resource_group": given_name("resource_group"),
    "subscription": given_name("subscription_guid"),
}
"""The levels at which a row is tracked, as `match_level` names them, and the columns that are compared, in order."""
MATCH_COUNT, LEVEL_MATCHES, SELECTED_MATCH = "match_count", "_level_matches", "selected_match"
_RANK, _RANKS = "rank", "ranks"
_PATTERN, _TEXT = "pattern", "text"


def match_name(level: str) -> str:
    """Return the name of the column with the match of a level."""
    return f"{level}_match"


def r16_tracking(context: RuleContext) -> Rule:
    """R16: `resource_tracking` is the application that pays, `match_level` the level at which a pattern matched."""
    return Rule("R16", {}, look_ups=(LookUp(tuple(LEVELS.values()), context.engine.track),))


class ResourceTrackingEngine:
    """Matches patterns by Aho-Corasick over distinct values, each of which is matched once for the engine's life.

    Args:
        patterns: The patterns; blank ones are skipped, and of those that differ only in case the lowest id (the first
            among equal ids) is taken. White space around a pattern is ignored.
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
        """Return the number of distinct patterns."""
        return self._patterns.height

    def forget(self) -> None:
        """Free the memory of matched values."""
        self._matches.forget()

    def _match(self, values: pl.DataFrame) -> pl.DataFrame:
        """Find, for each `value`, `text` (the best match in upper case) and `ranks` (all that matched)."""
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

    def matches(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Find all patterns that match.

        Args:
            rows: The columns of `LEVELS`.

        Returns:
            These columns, each combination once that a pattern matches, and `matches`: those that match it at any
            level, in upper case.
        """
        resources = rows.unique()
        found = self._matches.look_up(*(resources[column] for column in LEVELS.values()))
        for level, column in LEVELS.items():
            ranks = found.select(VALUE, pl.col(_RANKS).alias(level))
            resources = resources.join(ranks, left_on=column, right_on=VALUE, how="left")
        every = pl.concat_list(pl.col(level).fill_null([]) for level in LEVELS).list.unique(maintain_order=True)
        texts = self._patterns.select(pl.col(_RANK), pl.col(_TEXT).alias("matches"))
        return (
            resources.select(*LEVELS.values(), every.alias(_RANK))
            .explode(_RANK)
            .join(texts, on=_RANK)
            .group_by(*LEVELS.values())
            .agg("matches")
        )

    def track(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Find `resource_tracking` and `match_level`, and what the audit needs.

        Args:
            rows: The columns of `LEVELS`.

        Returns:
            These columns, each combination once, with these two, the best match of each level, the selected one, the
            number of distinct patterns that matched, and the sum of their numbers over the levels.
        """
        # Each resource once: it has a row for each day and meter.
        resources = rows.lazy().unique().collect()
        matches = self._matches.look_up(*(resources[column] for column in LEVELS.values())).lazy()
        tracked = resources.lazy()
        for level, column in LEVELS.items():
            found = matches.select(
                VALUE, pl.col(_TEXT).alias(match_name(level)), pl.col(_RANKS).alias(f"_{level}_ranks")
            )
            tracked = tracked.join(found, left_on=column, right_on=VALUE, how="left")
        ranks = [pl.col(f"_{level}_ranks").fill_null([]) for level in LEVELS]
        selected = pl.coalesce(map(match_name, LEVELS))
        return tracked.select(
            *LEVELS.values(),
            *(match_name(level) for level in LEVELS),
            selected.alias(SELECTED_MATCH),
            selected.fill_null(pl.col(LAST_SEGMENT).str.to_uppercase()).alias("resource_tracking"),
            pl.coalesce(pl.when(pl.col(match_name(level)).is_not_null()).then(pl.lit(level)) for level in LEVELS).alias(
                "match_level"
            ),
            pl.sum_horizontal(rank.list.len() for rank in ranks).alias(LEVEL_MATCHES),
            pl.concat_list(ranks).list.n_unique().alias(MATCH_COUNT),
        ).collect()
