"""Loads Arrow files into existing ClickHouse tables; reading files, messages and table creation are elsewhere."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlalchemy.engine import make_url

from target_clickhouse_arrow import cluster
from target_clickhouse_arrow.errors import LoadError
from target_clickhouse_arrow.passwords import PasswordError, find_password
from target_clickhouse_arrow.tls import WANTS_TLS, authorities_fault, tls_fault, wants_tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from target_clickhouse_arrow.files import ArrowFile

logger = logging.getLogger(__name__)
# The driver logs a warning with a traceback before it raises; the sentence made of it here says the same.
logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)

MINIMUM_VERSION = "25.5"
"""The oldest ClickHouse that the tests run on."""

# Seconds between attempts to connect while the server refuses connections: it may be starting again.
WAITS = (1.0, 2.0, 4.0)

# Text in an object stays text in a JSON column: some versions turn what looks like a DateTime into one.
TEXT_STAYS_TEXT: dict[str, str | int] = {"input_format_try_infer_datetimes": 0, "input_format_try_infer_dates": 0}

# A file is one block, so a failed insert leaves nothing of it in a partition: without async_insert (the default from
# ClickHouse 26) no other client's rows join it, and with minimum sizes of 0 the server does not regroup it.
ONE_BLOCK = {"async_insert": 0, "min_insert_block_size_rows": 0, "min_insert_block_size_bytes": 0}
# The server, too, refuses a null where the table, altered meanwhile, can't hold one: it would store the default.
_INSERT = ONE_BLOCK | TEXT_STAYS_TEXT | {"input_format_null_as_default": 0}

IDLE = 3.0
"""Seconds without a statement after which a connection is made anew: the server or a proxy may have given it up."""

_HOLDS_NULL = re.compile(r"(LowCardinality\()?Nullable\(|Variant\(|Dynamic")
_FROM_CLICKHOUSE = re.compile(r"Code: \d+\. DB::Exception: .*", re.DOTALL)


class Warehouse:
    """The ClickHouse that target-clickhouse's settings name, over HTTP.

    Args:
        config: The target's settings: `sqlalchemy_url`, or `host`, `port`, `username`, `password`, `database`,
            `secure`, `verify` and `ca_cert`; and `cluster`.

    Attributes:
        name: Host and port, for messages.
    """

    _client: Client | None = None

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Read the settings; nothing is sent yet.

        Raises:
            LoadError: If the settings name a driver other than `http`.
        """
        self._access = http_access(config)
        self._cluster = config.get("cluster") or None
        self.name = f"{self._access['host']}:{self._access['port']}"
        self._used_at = 0.0
        self._columns: dict[str, dict[str, str]] = {}

    def connect(self, waits: Sequence[float] = WAITS) -> Client:
        """Return a client that has reached the server.

        Only a refused connection is retried, since nothing was sent; an insert never is.

        Args:
            waits: Seconds between the attempts.

        Raises:
            LoadError: If the server can't be reached, is too old, or doesn't know this user or the cluster.
        """
        ca_cert = self._access["ca_cert"]
        if ca_cert and (fault := authorities_fault(ca_cert)):
            raise LoadError(f"ClickHouse at {self.name} can't be used: {fault}.")
        try:
            client = clickhouse_connect.get_client(
                **self._access, autogenerate_session_id=False, show_clickhouse_errors="scrub"
            )
            if not client.min_version(MINIMUM_VERSION):
                client.close()
                raise LoadError(
                    f"ClickHouse at {self.name} is version {client.server_version}; "
                    f"this needs {MINIMUM_VERSION} or later: upgrade it."
                )
            for name, value in self._settings(client).items():
                client.set_client_setting(name, value)
        except ClickHouseError as error:
            if not waits or not _was_refused(error):
                raise LoadError(f"ClickHouse at {self.name} can't be used: {self._cause(error)}") from error
        else:
            return client
        logger.warning("ClickHouse at %s refuses connections; next attempt in %.0f s.", self.name, waits[0])
        time.sleep(waits[0])
        return self.connect(waits[1:])

    def settings(self) -> dict[str, str | int]:
        """Return the settings for each RECORD statement; the server is queried only if a cluster is set.

        Raises:
            LoadError: As for `connect`.
        """
        if not self._cluster:
            return TEXT_STAYS_TEXT
        with self.connect() as client:
            return TEXT_STAYS_TEXT | self._settings(client)

    def _settings(self, client: Client) -> dict[str, str | int]:
        return cluster.settings(client, self._cluster) if self._cluster else {}

    def insert(self, table: str, file: ArrowFile) -> int:
        """Insert a file's rows into a table by column name; columns missing from the file get their defaults.

        The connection stays open, and the table's columns are asked for once.

        Args:
            table: Its name in SQL, with or without a database.
            file: The file; its columns are checked even if it has no rows.

        Returns:
            The number of rows.

        Raises:
            LoadError: If the server can't be used, the table is missing or lacks a column, a null meets a column that
                can't hold it (ClickHouse would store the default, so a cost would become 0), or ClickHouse refuses the
                rows.
        """
        try:
            rows = self._checked(table, file)
            if rows:
                cluster.in_turn(lambda: self._send(table, file))
        except (ClickHouseError, ValueError) as error:
            reason = f"{file.path} was not loaded into table {table} of ClickHouse at {self.name}: {self._cause(error)}"
            raise LoadError(reason) from error
        return rows

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> Client:
        if self._client is None or time.monotonic() - self._used_at > IDLE:
            self.close()
            self._client = self.connect()
        self._used_at = time.monotonic()
        return self._client

    def _send(self, table: str, file: ArrowFile) -> None:
        # The driver sends bytes again if the server hangs up, and a buffer never.
        try:
            self._connected().raw_insert(table, file.names, file.content, _INSERT, "Arrow")
        except ClickHouseError as error:
            if not _was_refused(error):
                raise
            self.close()  # nothing was sent: connecting anew waits for a server that is starting again
            self._connected().raw_insert(table, file.names, file.content, _INSERT, "Arrow")
        self._used_at = time.monotonic()

    def _checked(self, table: str, file: ArrowFile) -> int:
        """Return the number of rows, once the file fits the table's columns, which may have changed meanwhile."""
        if table in self._columns:
            with contextlib.suppress(ValueError):
                return _check(file, self._columns[table])
        described = self._connected().query(f"DESCRIBE TABLE {table}").named_results()
        self._columns[table] = {row["name"]: row["type"] for row in described}
        return _check(file, self._columns[table])

    def _cause(self, error: BaseException) -> str:
        """Return the fault with TLS if there is one, else ClickHouse's message, the system's or the error's."""
        if fault := tls_fault(error, self._access["host"], self._access["ca_cert"]):
            return f"{fault}."
        said = _FROM_CLICKHOUSE.search(str(error))
        if said is None and isinstance(error, ClickHouseError) and not _was_refused(error) and self._wants_tls():
            return f"{WANTS_TLS}."
        system = [link.strerror for link in _chain(error) if isinstance(link, OSError) and link.strerror]
        text = said.group() if said else (system[-1] if system else str(error))
        return " ".join(text.split())

    def _wants_tls(self) -> bool:
        return self._access["interface"] == "http" and wants_tls(self._access["host"], self._access["port"])


def http_access(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return clickhouse-connect's arguments for the ClickHouse in the target's settings.

    Raises:
        LoadError: If the settings name a driver other than `http`.
    """
    config = _with_url(config)
    if config["driver"] != "http":
        raise LoadError(
            "Arrow files go over ClickHouse's HTTP interface: set driver to http, and port to its HTTP port."
        )
    ca_cert = config.get("ca_cert") if config["secure"] and config["verify"] else None
    return {
        "host": config["host"] or "localhost",
        "port": config["port"] or 8123,
        "username": config["username"] or "default",
        "password": clear_password(config),
        "database": config["database"] or "default",
        "interface": "https" if config["secure"] else "http",
        "verify": config["verify"],
        "ca_cert": str(Path(ca_cert).absolute()) if ca_cert else None,
    }


def clear_password(config: Mapping[str, Any]) -> str:
    """Return the password in the target's settings, read from its file and decrypted if need be; '' if there is none.

    Raises:
        LoadError: If it can't be had.
    """
    try:
        return find_password(config)
    except PasswordError as error:
        raise LoadError(str(error)) from error


def uses_http(config: Mapping[str, Any]) -> bool:
    """Return whether the settings name the driver `http`."""
    return bool(_with_url(config)["driver"] == "http")


def _with_url(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings, with those in `sqlalchemy_url` taken from it."""
    if not config.get("sqlalchemy_url"):
        return config
    url = make_url(config["sqlalchemy_url"])
    verify = str(url.query.get("verify", "true"))
    return {
        **config,
        "driver": url.get_driver_name() or "http",
        "host": url.host,
        "port": url.port,
        "username": url.username,
        "password": url.password,
        "password_file": None,
        "database": url.database,
        "secure": url.query.get("protocol") == "https",
        # As clickhouse-sqlalchemy reads it: false, or the path of a CA file.
        "verify": verify.lower() not in {"false", "0"},
        "ca_cert": None if verify.lower() in {"true", "false", "0", "1"} else verify,
    }


def _check(file: ArrowFile, columns: Mapping[str, str]) -> int:
    """Return the number of rows.

    Raises:
        ValueError: If the table lacks a column, or a null meets a column that can't hold it.
    """
    unknown = [name for name in file.names if name not in columns]
    if unknown:
        raise ValueError(f"the table has no column {', '.join(unknown)}.")
    rows, nulls = file.count_nulls([name for name in file.names if not _HOLDS_NULL.match(columns[name])])
    for name, count in nulls.items():
        if count:
            hint = " (an empty JSON object is written {})" if columns[name].startswith("JSON") else ""
            raise ValueError(f"{count} of {rows} rows have a null in {name}, which is {columns[name]}{hint}.")
    return rows


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _was_refused(error: BaseException) -> bool:
    return any(isinstance(link, ConnectionRefusedError) for link in _chain(error))
