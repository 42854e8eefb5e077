"""The resources of a published month, and what today's patterns make of each; nothing is written here."""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from azure_billing_warehouse.schema.ddl import literal, qualified
from azure_billing_warehouse.tables import AzureBillingDetail
from mapper_azure_billing_tracking.rules.resources import last_segment
from mapper_azure_billing_tracking.rules.tracking import LEVELS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine

RESOURCE = ("instance_id", "resource_group", "subscription_guid")
"""The columns that decide what a row is tracked to."""
TRACKED = ("resource_tracking", "match_level", "match_count")
"""The columns of a usage row that tracking fills."""
_NEW = "new."
SUMS = "count() AS row_count, ifNull(sumKahan(toFloat64(detail.extended_cost)), 0) AS extended_cost"
"""Rows and cost of a group of usage rows, in SQL; whatever type a table holds costs in."""
ARROW_SETTINGS = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_compression_method": "none",
}
"""What makes ClickHouse write Arrow that Polars reads as texts and numbers."""


class Move(NamedTuple):
    """Rows that change their application.

    Attributes:
        before: The application; None if no pattern matched.
        after: The same by today's patterns.
        row_count: How many rows.
        extended_cost: Their cost before tax.
    """

    before: str | None
    after: str | None
    row_count: int
    extended_cost: float


def new_name(column: str) -> str:
    """Return the frame's name for what today's patterns make of a column of `TRACKED`."""
    return f"{_NEW}{column}"


def read_resources(client: Client, config: ClickHouseConfig, partition_id: str) -> pl.DataFrame:
    """Read the resources of a snapshot; call it within `explained`.

    Returns:
        A row for each combination of `RESOURCE`, `meter_category` and `TRACKED`, with `row_count`, `extended_cost` and
        `first_row_number`.
    """
    names = ", ".join((*RESOURCE, "meter_category", *TRACKED))
    answer = client.raw_query(
        f"SELECT {names}, {SUMS}, min(row_number) AS first_row_number "
        f"FROM {qualified(config, AzureBillingDetail.table)} AS detail FINAL "
        f"WHERE _partition_id = {literal(partition_id)} GROUP BY {names} ORDER BY first_row_number",
        fmt="ArrowStream",
        settings=ARROW_SETTINGS,
    )
    return pl.read_ipc_stream(answer)


def track(resources: pl.DataFrame, engine: ResourceTrackingEngine) -> pl.DataFrame:
    """Track resources by an engine's patterns.

    Args:
        resources: As `read_resources` returns them.
        engine: Today's patterns.

    Returns:
        The same rows with `new_name` of each of `TRACKED`, the last segment, and what the audit needs.
    """
    named = with_levels(resources)
    found = engine.track(named.select(*LEVELS.values())).rename({name: new_name(name) for name in TRACKED})
    return named.join(found, on=list(LEVELS.values()), how="left", nulls_equal=True, maintain_order="left")


def with_levels(resources: pl.DataFrame) -> pl.DataFrame:
    """Return resources with the columns that patterns are compared with: those of `LEVELS`."""
    _, *others = LEVELS.values()
    return resources.with_columns(
        last_segment(), *(pl.col(name).alias(column) for name, column in zip(RESOURCE[1:], others, strict=True))
    )


def is_tracked_anew(tracked: pl.DataFrame) -> bool:
    """Return whether today's patterns change anything of these rows."""
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(new_name(name))) for name in TRACKED)
    return not tracked.filter(changed).is_empty()


def moves(tracked: pl.DataFrame) -> list[Move]:
    """Return the rows that change their application, the largest cost first."""
    before, after = (
        pl.when(pl.col(level).is_not_null()).then(pl.col(application))
        for level, application in (
            ("match_level", "resource_tracking"),
            (new_name("match_level"), new_name("resource_tracking")),
        )
    )
    return [
        Move(*row)
        for row in tracked.select(before.alias("before"), after.alias("after"), "row_count", "extended_cost")
        .filter(pl.col("before").ne_missing(pl.col("after")))
        .group_by("before", "after")
        .agg(pl.col("row_count").sum(), pl.col("extended_cost").sum())
        .sort(pl.col("extended_cost").abs(), "before", "after", descending=[True, False, False])
        .rows()
    ]
