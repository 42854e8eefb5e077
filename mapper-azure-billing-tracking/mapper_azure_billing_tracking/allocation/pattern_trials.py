"""What a pattern matches, takes from others, or never wins, on the published resources; nothing is written here."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.clickhouse import connect, explained
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.schema.ddl import qualified
from azure_billing_warehouse.schema.views import DETAIL
from mapper_azure_billing_tracking.allocation.resources import (
    ARROW_SETTINGS,
    RESOURCE,
    SUMS,
    TRACKED,
    Move,
    moves,
    new_name,
    with_levels,
)
from mapper_azure_billing_tracking.rules.tracking import LEVELS, SELECTED_MATCH, ResourceTrackingEngine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from azure_billing_warehouse.config import ClickHouseConfig

_WORD = r"[\p{L}][\p{L}\p{N}]{2,}"
_HEX = re.compile(r"[0-9a-f]{8,}")
_MOST_WORDS = 2_000
"""Words, the costliest, for which it is found out what a pattern would match."""
_EXAMPLES = 3


class Match(NamedTuple):
    """What a text would do as a pattern.

    Attributes:
        text: The text.
        resource_count: Resources that it matches at any level.
        row_count: Their usage rows.
        months: First day of a month -> cost before tax of what it matches.
        largest: The matched resources with the largest cost: instance id and cost.
        taken: What it would take from other applications (None: from none) if it were a pattern with this id.
        containing: Patterns that contain it: where they match, it matches too.
        contained: Patterns that it contains.
    """

    text: str
    resource_count: int
    row_count: int
    months: dict[dt.date, float]
    largest: list[tuple[str, float]]
    taken: list[Move]
    containing: list[str]
    contained: list[str]


class Unused(NamedTuple):
    """A pattern that decides for no row.

    Attributes:
        pattern: Its text, in upper case.
        row_count: Rows that it matches all the same.
        beaten_by: The applications that these rows go to, those with the most rows first.
    """

    pattern: str
    row_count: int
    beaten_by: list[str]


class Suggestion(NamedTuple):
    """A word that would be a pattern for resources without an application.

    Attributes:
        word: The word, in lower case.
        extended_cost: Cost before tax of the resources without an application that it matches.
        resource_count: How many they are.
        found_in: Where the word stands: names, groups, tags.
        examples: A few of their ids, the costliest first.
    """

    word: str
    extended_cost: float
    resource_count: int
    found_in: list[str]
    examples: list[str]


def read_published_resources(
    config: ClickHouseConfig, since: dt.date | None, *, with_tags: bool = False
) -> pl.DataFrame:
    """Read the resources of all published months, at actual cost.

    Args:
        config: Where the tables are.
        since: First month; all without it.
        with_tags: Whether their tags are wanted, as text.

    Returns:
        A row for each combination of `RESOURCE`, `TRACKED`, `billing_month` (and `tags_text`), with `row_count`,
        `extended_cost`, and the columns of `LEVELS`.

    Raises:
        WarehouseError: ClickHouse can't be reached, or refuses.
    """
    columns = [*RESOURCE, *TRACKED, "billing_month", *(["tags_text"] if with_tags else [])]
    names = ", ".join(map(quote_identifier, columns))
    with connect(config) as client, explained(config, "read the resources"):
        answer = client.raw_query(
            f"SELECT {names}, {SUMS} FROM {qualified(config, DETAIL)} AS detail "
            f"WHERE billing_month >= {{since:Date}} GROUP BY {names} ORDER BY ALL",
            {"since": since or dt.date(1970, 1, 1)},
            fmt="ArrowStream",
            settings=ARROW_SETTINGS,
        )
    frame = pl.read_ipc_stream(answer)
    if frame.schema["billing_month"] != pl.Date:  # older ClickHouse writes a Date as its number of days
        frame = frame.with_columns(pl.col("billing_month").cast(pl.Int32).cast(pl.Date))
    return with_levels(frame)


def trial(resources: pl.DataFrame, patterns: Sequence[Pattern], new: Pattern) -> Match:
    """Find what a text would do as a pattern beside others.

    Args:
        resources: As `read_published_resources` returns them.
        patterns: Today's patterns.
        new: The text, with the id that it would have.
    """
    alone = ResourceTrackingEngine([new]).track(resources.select(*LEVELS.values()))
    matched = _joined(resources, alone).filter(pl.col(SELECTED_MATCH).is_not_null())
    by_resource = matched.group_by(RESOURCE).agg(pl.col("extended_cost").sum())
    text = new.resource_tracking.strip().upper()
    others = {pattern.resource_tracking.strip().upper() for pattern in patterns} - {"", text}
    return Match(
        text,
        by_resource.height,
        int(matched["row_count"].sum()),
        dict(matched.group_by("billing_month").agg(pl.col("extended_cost").sum()).sort("billing_month").iter_rows()),
        by_resource.sort("extended_cost", "instance_id", descending=[True, False])
        .select("instance_id", "extended_cost")
        .head(10)
        .rows(),
        _moves(resources, patterns, [*patterns, new]),
        sorted(other for other in others if text in other),
        sorted(other for other in others if other in text),
    )


def _moves(resources: pl.DataFrame, before: Sequence[Pattern], after: Sequence[Pattern]) -> list[Move]:
    levels = resources.select(*LEVELS.values())
    old, new = (ResourceTrackingEngine(patterns).track(levels) for patterns in (before, after))
    tracked = _joined(resources.drop(TRACKED), old.select(*LEVELS.values(), *TRACKED))
    renamed = new.select(*LEVELS.values(), *(pl.col(name).alias(new_name(name)) for name in TRACKED))
    return moves(_joined(tracked, renamed))


def _joined(resources: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    keys = list(LEVELS.values())
    others = [name for name in found.columns if name in keys or name not in resources.columns]
    return resources.join(found.select(others), on=keys, how="left", nulls_equal=True, maintain_order="left")


def unused(resources: pl.DataFrame, patterns: Sequence[Pattern]) -> list[Unused]:
    """Find the patterns that decide for no row: those without a match, then those that others always beat.

    Args:
        resources: As `read_published_resources` returns them.
        patterns: Today's patterns.
    """
    engine = ResourceTrackingEngine(patterns)
    levels = resources.select(*LEVELS.values())
    tracked = _joined(resources, engine.track(levels))
    winners = set(tracked[SELECTED_MATCH].drop_nulls())
    matched = (
        _joined(tracked, engine.matches(levels))
        .explode("matches")
        .filter(pl.col("matches").is_not_null() & ~pl.col("matches").is_in(winners))
        .group_by("matches", SELECTED_MATCH)
        .agg(pl.col("row_count").sum())
        .sort("row_count", SELECTED_MATCH, descending=[True, False])
    )
    beaten: dict[str, list[tuple[str, int]]] = {}
    for pattern, winner, rows in matched.iter_rows():
        beaten.setdefault(pattern, []).append((winner, rows))
    texts = dict.fromkeys(pattern.resource_tracking.strip().upper() for pattern in patterns)
    found = [
        Unused(text, sum(rows for _, rows in beaten.get(text, [])), [winner for winner, _ in beaten.get(text, [])])
        for text in texts
        if text and text not in winners
    ]
    return sorted(found, key=lambda pattern: (pattern.row_count, pattern.pattern))


def suggest(resources: pl.DataFrame, patterns: Sequence[Pattern], most: int) -> Iterator[Suggestion]:
    """Yield words that would be patterns for resources without an application, the costliest first.

    Of words that match the same resources only the first is named; numbers and hexadecimal ids are no words. A word
    that matches more cost of resources with an application, such as `prd`, says little of whose a resource is: it is
    left out.

    Args:
        resources: As `read_published_resources` returns them, with tags.
        patterns: Today's patterns.
        most: How many words to yield.
    """
    levels = resources.select(*LEVELS.values())
    tracked = _joined(resources, ResourceTrackingEngine(patterns).track(levels))
    left = tracked.filter(pl.col(SELECTED_MATCH).is_null())
    places = {"names": LEVELS["last_segment"], "groups": LEVELS["resource_group"], "tags": "tags_text"}
    words = pl.concat(
        left.select(
            pl.col(column).str.to_lowercase().str.extract_all(_WORD).list.unique().alias("word"),
            pl.lit(place).alias("place"),
            "extended_cost",
        ).explode("word")
        for place, column in places.items()
    ).drop_nulls("word")
    ranked = (
        words.group_by("word")
        .agg(pl.col("extended_cost").sum(), pl.col("place").unique())
        .sort("extended_cost", "word", descending=[True, False])
        .head(_MOST_WORDS)
    )
    is_left = pl.col(SELECTED_MATCH).is_null()
    by_resource = tracked.group_by(*LEVELS.values(), "instance_id", SELECTED_MATCH).agg(pl.col("extended_cost").sum())
    by_resource = by_resource.sort("extended_cost", "instance_id", descending=[True, False])
    candidates = [
        (word, [place for place in places if place in found_in])
        for word, _, found_in in ranked.iter_rows()
        if not _HEX.fullmatch(word)
    ]
    engine = ResourceTrackingEngine([Pattern(number, word) for number, (word, _) in enumerate(candidates)])
    matched = _joined(by_resource, engine.matches(by_resource.select(*LEVELS.values()))).explode("matches")
    found = (
        matched.drop_nulls("matches")
        .group_by("matches")
        .agg(
            pl.col("extended_cost").filter(is_left).sum(),
            pl.col("extended_cost").filter(~is_left).sum().alias("allocated_cost"),
            pl.col("instance_id").filter(is_left),
        )
        .filter(pl.col("allocated_cost") <= pl.col("extended_cost"))
        .select(pl.col("matches").str.to_lowercase(), "extended_cost", "instance_id")
    )
    costs = {word: (cost, ids) for word, cost, ids in found.iter_rows()}
    seen: set[tuple[str, ...]] = set()
    order = sorted(candidates, key=lambda entry: -costs.get(entry[0], (0.0, []))[0])
    for word, found_in in order:
        cost, ids = costs.get(word, (0.0, []))
        if cost > 0 and (key := tuple(ids)) not in seen:
            seen.add(key)
            yield Suggestion(word, cost, len(ids), found_in, ids[:_EXAMPLES])
            if len(seen) == most:
                return
