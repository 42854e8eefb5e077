"""The way of RECORDs to a cluster: target-clickhouse's connector with the settings that its inserts need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from target_clickhouse.connectors import ClickhouseConnector

from target_clickhouse_arrow.loading import Warehouse

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class ClickhouseClusterConnector(ClickhouseConnector):  # type: ignore[misc] # target-clickhouse has no types
    """target-clickhouse's connector, whose statements have the settings of a cluster where one is set."""

    def create_engine(self) -> Engine:
        """The engine of SQLAlchemy.

        Raises:
            LoadError: If a cluster is set and ClickHouse can't be used over HTTP, or doesn't know the cluster.
        """
        if not self.config.get("cluster"):
            return super().create_engine()  # type: ignore[no-any-return]
        settings = Warehouse(self.config).settings()
        return create_engine(self.get_sqlalchemy_url(self.config), connect_args={"ch_settings": settings})
