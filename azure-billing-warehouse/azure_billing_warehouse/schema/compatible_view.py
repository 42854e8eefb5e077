"""The view that gives the published rows the columns of the table that this warehouse succeeds; nothing is run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.schema.create import taken_names
from azure_billing_warehouse.schema.ddl import column_type, literal, on_cluster, qualified
from azure_billing_warehouse.schema.views import DETAIL
from azure_billing_warehouse.tables import OWN_COLUMNS, AzureBillingDetail

if TYPE_CHECKING:
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import Column

_DICTIONARY = "LowCardinality(Nullable(String))"
_ABOUT = "The published rows of azure_billing_detail in the columns of the table that it succeeds."


def create_compatible_view(config: ClickHouseConfig, name: str) -> str:
    """Return the statement for a view with the old names, order and types, on the rows of azure_billing_detail.

    Args:
        config: The connection's configuration.
        name: The view's name, or `database.view`.

    Raises:
        WarehouseError: The warehouse has a table or view of that name.
    """
    database, _, view = name.replace("`", "").rpartition(".")
    place = config.model_copy(update={"database": database or config.database})
    if place.database == config.database and view in taken_names(config):
        raise WarehouseError(
            f"{config.database}.{view} is one of the warehouse's own: give the view another name, or put it into "
            f"another database (--print-compatible-view reports.{view})."
        )
    columns = ",\n    ".join(
        _selected(column, config) for column in AzureBillingDetail.columns() if column.name not in OWN_COLUMNS
    )
    return (
        f"CREATE OR REPLACE VIEW {qualified(place, view)}{on_cluster(config)} AS\nSELECT\n    {columns}\n"
        f"FROM {qualified(config, DETAIL)} AS detail\nCOMMENT {literal(_ABOUT)}"
    )


def _selected(column: Column, config: ClickHouseConfig) -> str:
    name = quote_identifier(column.name)
    kind = column_type(column, config)
    kind = "Nullable(String)" if kind == _DICTIONARY else kind
    return f"CAST(detail.{name}, {literal(kind)}) AS {name}"
