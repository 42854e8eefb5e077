"""The Polars and Singer types of the warehouse's columns, derived from their ClickHouse types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from azure_billing_warehouse.tables import BillTable, Column

_STRING = {"type": ["string", "null"]}
_INTEGER = {"type": ["integer", "null"]}
_NUMBER = {"type": ["number", "null"]}
_DATE = {"type": ["string", "null"], "format": "date"}

# ClickHouse type -> Polars type, Singer property. A JSON column travels as compact JSON text.
_TYPES: dict[str, tuple[pl.DataType | type[pl.DataType], dict[str, Any]]] = {
    "String": (pl.String, {"type": ["string"]}),
    "Nullable(String)": (pl.String, _STRING),
    "LowCardinality(Nullable(String))": (pl.String, _STRING),
    "JSON": (pl.String, _STRING),
    "UInt64": (pl.UInt64, {"type": ["integer"]}),
    "Nullable(Int64)": (pl.Int64, _INTEGER),
    "Float64": (pl.Float64, {"type": ["number"]}),
    "Nullable(Float64)": (pl.Float64, _NUMBER),
    # As text: targets read a number as a float. Nullable: other columns target-clickhouse would alter to String.
    "Nullable(Decimal(76, 38))": (pl.String, _STRING),
    "Bool": (pl.Boolean, {"type": ["boolean"]}),
    "Date": (pl.Date, {"type": ["string"], "format": "date"}),
    "Nullable(Date)": (pl.Date, _DATE),
    "DateTime": (pl.Datetime("ms", "UTC"), {"type": ["string"], "format": "date-time"}),
    "DateTime64(3, 'UTC')": (pl.Datetime("ms", "UTC"), {"type": ["string"], "format": "date-time"}),
}


def polars_type(column: Column) -> pl.DataType | type[pl.DataType]:
    """Return the type of a column in the mapper's frames."""
    return _TYPES[column.clickhouse.type][0]


def polars_schema(table: type[BillTable]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Return names and Polars types of the columns of a table that the mapper sends."""
    return {column.name: polars_type(column) for column in table.sent_columns()}


def singer_schema(table: type[BillTable]) -> dict[str, Any]:
    """Return the JSON schema of a table's stream, for its SCHEMA message."""
    properties = {
        column.name: {**_TYPES[column.clickhouse.type][1], "description": column.description}
        for column in table.sent_columns()
    }
    return {"type": "object", "properties": properties}


def without_empty_columns(table: type[BillTable], frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without the columns that only some sources have, where no row has a value: absent is null."""
    names = (column.name for column in table.sent_columns() if column.clickhouse.is_of_some_sources)
    return frame.drop(name for name in names if frame[name].null_count() == frame.height)
