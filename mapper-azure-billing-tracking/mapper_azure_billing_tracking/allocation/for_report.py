"""What the warehouse's report asks of the tracking engine, by entry points; the page is not made here."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.clickhouse import connect, explained
from azure_billing_warehouse.schema.ddl import qualified
from azure_billing_warehouse.schema.views import DETAIL
from mapper_azure_billing_tracking.allocation.pattern_trials import Suggestion, suggest
from mapper_azure_billing_tracking.allocation.resources import ARROW_SETTINGS, RESOURCE, with_levels
from mapper_azure_billing_tracking.allocation.todays import todays_patterns
from mapper_azure_billing_tracking.pattern_source import NoPatternsError
from mapper_azure_billing_tracking.rules.tracking import LEVELS, ResourceTrackingEngine

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.patterns.pattern import Pattern

_MOST_RESOURCES = 20_000
"""Resources with, and resources without an application that suggestions are made from, those of the largest cost."""
_TEXTS, _CHARACTERS = 4, 1_000  # of the tags of a resource


def match(config: ClickHouseConfig, resources: Sequence[tuple[str, str, str]]) -> list[dict[str, list[str]]]:
    """Find all of today's patterns that match each resource.

    Args:
        config: Where ClickHouse is.
        resources: Instance id, resource group and GUID of the subscription of each.

    Returns:
        For each of them: level -> the patterns that match there, in upper case, the one with the lowest id first.

    Raises:
        OperatorError: The patterns can't be read.
    """
    patterns = sorted(todays_patterns(config), key=lambda pattern: pattern.id)
    ranks = {pattern.resource_tracking.strip().upper(): rank for rank, pattern in reversed([*enumerate(patterns)])}
    engine = ResourceTrackingEngine(patterns)
    named = with_levels(pl.DataFrame(resources, schema=dict.fromkeys(RESOURCE, pl.String), orient="row"))
    found: list[dict[str, list[str]]] = [{} for _ in resources]
    for level, column in LEVELS.items():
        others = [pl.lit(None, pl.String).alias(other) for other in LEVELS.values() if other != column]
        alone = named.select(pl.col(column), *others).select(*LEVELS.values())
        matched = dict(engine.matches(alone).select(column, "matches").iter_rows())
        for place, value in enumerate(named[column]):
            if value in matched:
                found[place][level] = sorted(matched[value], key=lambda text: ranks.get(text, 0))
    return found


def suggest_patterns(config: ClickHouseConfig, since: dt.date, most: int) -> list[Suggestion]:
    """Suggest patterns as `suggest` does, from the costliest resources.

    Args:
        config: Where the tables are.
        since: First month to look at.
        most: How many words.

    Raises:
        OperatorError: The patterns or the resources can't be read, or there are no patterns and yet applications.
    """
    resources = _read_costliest(config, since)
    patterns: Sequence[Pattern] = []
    try:
        patterns = todays_patterns(config)
    except NoPatternsError:  # as before the first import, when words are all the more welcome
        if resources["has_application"].any():
            raise
    return list(suggest(with_levels(resources), patterns, most))


def _read_costliest(config: ClickHouseConfig, since: dt.date) -> pl.DataFrame:
    """Read the resources with the largest cost, each once whatever the case of its names."""
    given = ("given_id", "given_group", "given_subscription")
    same = [f"lowerUTF8(ifNull({name}, ''))" for name in given]
    rows = (
        f"SELECT {', '.join(f'{name} AS {alias}' for name, alias in zip(RESOURCE, given, strict=True))}, "
        "application IS NOT NULL AS has_application, "
        f"substringUTF8(ifNull(tags_text, ''), 1, {_CHARACTERS}) AS given_tags, "
        f"ifNull(toFloat64(extended_cost), nan) AS cost FROM {qualified(config, DETAIL)} "
        "WHERE billing_month >= {since:Date}"
    )
    with connect(config) as client, explained(config, "read the resources"):
        answer = client.raw_query(
            f"SELECT {', '.join(f'min({alias}) AS {name}' for name, alias in zip(RESOURCE, given, strict=True))}, "
            f"has_application, arrayStringConcat(groupUniqArray({_TEXTS})(given_tags), ' ') AS tags_text, "
            f"sumKahanIf(cost, isFinite(cost)) AS extended_cost FROM ({rows}) "
            f"GROUP BY {', '.join(same)}, has_application "
            f"ORDER BY extended_cost DESC, instance_id LIMIT {_MOST_RESOURCES} BY has_application",
            {"since": since},
            fmt="ArrowStream",
            settings=ARROW_SETTINGS,
        )
    return pl.read_ipc_stream(answer).with_columns(pl.col("has_application").cast(pl.Boolean))
