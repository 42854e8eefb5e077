"""The columns that the mapper reads, by our names, and what a frame calls them; how they are read is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY
from azure_billing_warehouse.tables import ACTUAL, DATASETS, AzureBillingDetail, text_column

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE_BY_RULES = (
    *("year", "month", "day", "month_date", "newmonth", "extended_cost_tax"),
    *(text_column("tags"), text_column("additional_info")),
    *("cmdb_mapped_application_service", "ppm_billing_item", "ppm_id_owner", "ppm_io_cc"),
    *("sku", "latest_resource_type", "resource_name", "vm_name", "resource_tracking", "match_level"),
    "match_count",
)
"""Columns of the staging row that no input has; all others are read."""

_KINDS = {
    column.name: column.clickhouse.type
    for column in AzureBillingDetail.sent_columns()
    if column.name not in MADE_BY_RULES
}
KEY_TEXTS = SNAPSHOT_KEY
ROW_NUMBER = "row_number"
FLOATS = tuple(name for name, kind in _KINDS.items() if kind == "Nullable(Float64)")
INTEGERS = tuple(name for name, kind in _KINDS.items() if kind == "Nullable(Int64)")
NUMBERS = (*FLOATS, *INTEGERS)
TEXTS = tuple(name for name in _KINDS if name not in {*NUMBERS, *KEY_TEXTS, ROW_NUMBER})

COLUMNS = (*TEXTS, *NUMBERS, *KEY_TEXTS, ROW_NUMBER)
"""All columns that are read."""
NOT_READ = ("year", "month", "day")
"""Columns of the tap that add nothing to `date` (R2)."""
UNREADABLE = "unreadable"
"""The tap's column of values that don't fit their own columns, which are null there."""


def typed_key(names: Mapping[str, str]) -> list[pl.Expr]:
    """Return the columns of the key, typed, from their texts and the row's number; unreadable ones are null.

    A row that doesn't say its dataset is of the actual one.

    Args:
        names: Our name of a column -> its name in the frame.
    """
    dataset = pl.col(names["dataset"]).fill_null(ACTUAL)
    return [
        pl.col(names["enrollment_number"]).alias("enrollment_number"),
        pl.when(dataset.is_in(DATASETS)).then(dataset).alias("dataset"),
        pl.col(names["billing_month"]).str.to_date("%Y-%m-%d", strict=False).alias("billing_month"),
        pl.col(names["snapshot_at"])
        .str.to_datetime(time_unit="ms", time_zone="UTC", strict=False, format="%+")
        .alias("snapshot_at"),
        pl.col(names[ROW_NUMBER]).cast(pl.UInt64, strict=False).alias(ROW_NUMBER),
    ]


def given_name(name: str) -> str:
    """Return a frame's name for an original column: texts, or numbers where they came as numbers."""
    return f"given.{name}"


def given_text_name(name: str) -> str:
    """Return a frame's name for the texts in a number's column: values that may not be numbers."""
    return f"given.{name}.text"
