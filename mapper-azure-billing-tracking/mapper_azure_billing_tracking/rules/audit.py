"""The tagging audit: the resources that more than one pattern or level matched, as rows of `dq_tagging_audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import SnapshotRow, TaggingAudit
from mapper_azure_billing_tracking.rules.resources import LAST_SEGMENT
from mapper_azure_billing_tracking.rules.rule import given
from mapper_azure_billing_tracking.rules.tracking import LEVEL_MATCHES, LEVELS, MATCH_COUNT, SELECTED_MATCH, match_name
from mapper_azure_billing_tracking.stream_types import polars_schema

if TYPE_CHECKING:
    import datetime as dt

_AS_THEY_CAME = ("resource_group", "subscription_guid", "meter_category")
_MATCHES = (*map(match_name, LEVELS), SELECTED_MATCH, MATCH_COUNT)


def audit(tracked: pl.LazyFrame, audit_timestamp: dt.datetime) -> pl.LazyFrame:
    """Return the audit of a batch: a row for each resource and outcome where more than one match was found.

    Args:
        tracked: Rows that were tracked and not rejected.
        audit_timestamp: When the batch was tracked (UTC).

    Returns:
        The columns of `dq_tagging_audit`.
    """
    group = [
        *(pl.col(name) for name in (*polars_schema(SnapshotRow), "instance_id")),
        pl.col(LAST_SEGMENT).alias("last_segment"),
        *(given(name).alias(name) for name in _AS_THEY_CAME),
        *(pl.col(name) for name in _MATCHES),
    ]
    return _audit_rows(
        tracked.filter(pl.col(LEVEL_MATCHES) > 1)
        .group_by(*group, maintain_order=True)
        .agg(
            pl.len().alias("row_count"),
            pl.col("extended_cost").sum(),
            pl.col("row_number").min().alias("first_row_number"),
        ),
        audit_timestamp,
    )


def audit_of_resources(tracked: pl.DataFrame, audit_timestamp: dt.datetime) -> pl.DataFrame:
    """Return the audit of a whole snapshot, of which each resource and outcome is one row already.

    Args:
        tracked: The resources that were tracked, with the key of the snapshot, `row_count`, `extended_cost` and
            `first_row_number`.
        audit_timestamp: When they were tracked (UTC).

    Returns:
        The columns of `dq_tagging_audit`.
    """
    rows = tracked.lazy().filter(pl.col(LEVEL_MATCHES) > 1).with_columns(pl.col(LAST_SEGMENT).alias("last_segment"))
    group = [*polars_schema(SnapshotRow), "instance_id", "last_segment", *_AS_THEY_CAME, *_MATCHES]
    grouped = rows.group_by(group, maintain_order=True).agg(
        pl.col("row_count").sum(), pl.col("extended_cost").sum(), pl.col("first_row_number").min()
    )
    return _audit_rows(grouped, audit_timestamp).collect()


def _audit_rows(grouped: pl.LazyFrame, audit_timestamp: dt.datetime) -> pl.LazyFrame:
    return grouped.with_columns(
        (pl.col(MATCH_COUNT) > 1).alias("conflict"), pl.lit(audit_timestamp).alias("audit_timestamp")
    ).select(pl.col(name).cast(dtype) for name, dtype in polars_schema(TaggingAudit).items())
