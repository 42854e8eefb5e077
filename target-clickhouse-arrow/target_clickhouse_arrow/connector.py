"""How RECORDs reach ClickHouse: target-clickhouse's connector, with TLS, password and cluster as configured."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from target_clickhouse.connectors import ClickhouseConnector

from target_clickhouse_arrow.loading import Warehouse, clear_password, http_access, uses_http

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class ClickhouseArrowConnector(ClickhouseConnector):  # type: ignore[misc] # target-clickhouse has no types
    """target-clickhouse's connector with a URL that can hold any password, `verify` and `ca_cert`.

    Over HTTP, statements have the settings of `Warehouse.settings`.

    target-clickhouse writes a password into the URL unquoted, requires one to be set, and passes `verify` on as the
    text True, which is read as the path of a CA file.
    """

    @cached_property
    def warehouse(self) -> Warehouse:
        """The ClickHouse of the settings, with one connection for the files of all streams.

        Raises:
            LoadError: If the settings name a driver other than `http`.
        """
        return Warehouse(self.config)

    def create_engine(self) -> Engine:
        """Return the SQLAlchemy engine.

        Raises:
            LoadError: If a cluster is set and ClickHouse can't be used over HTTP, or doesn't know the cluster.
        """
        if not (self.config.get("cluster") or uses_http(self.config)):
            return super().create_engine()  # type: ignore[no-any-return]
        settings = self.warehouse.settings()
        return create_engine(self.get_sqlalchemy_url(self.config), connect_args={"ch_settings": settings})

    def get_sqlalchemy_url(self, config: dict[str, Any]) -> str:
        """Return the URL for SQLAlchemy; for drivers other than `http` it is target-clickhouse's."""
        if config.get("sqlalchemy_url") or config["driver"] != "http":
            url: str = super().get_sqlalchemy_url({**config, "password": clear_password(config)})
            return url
        access = http_access(config)
        query = {"protocol": access["interface"]}
        if access["ca_cert"]:
            query["verify"] = access["ca_cert"]
        elif not access["verify"]:
            query["verify"] = "False"
        return URL.create(
            "clickhouse+http",
            access["username"],
            access["password"],
            access["host"],
            access["port"],
            access["database"],
            query,
        ).render_as_string(hide_password=False)
