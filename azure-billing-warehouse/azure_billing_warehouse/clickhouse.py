"""The connection to ClickHouse, and its errors as sentences; the queries are in the modules that use it."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from azure_billing_warehouse import cluster
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.passwords import PasswordError, find_password
from azure_billing_warehouse.tls import WANTS_TLS, authorities_fault, causes, tls_fault, wants_tls

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig

MINIMUM_VERSION = "25.5"
"""The oldest ClickHouse that the tests run on."""

_UNKNOWN_DATABASE = 81
_SERVER_CAUSES = {
    516: "user {username} or the password is wrong",  # AUTHENTICATION_FAILED
    _UNKNOWN_DATABASE: "the database doesn't exist; `azure-billing-warehouse create` makes it",
    60: "a table is missing; `azure-billing-warehouse create` makes them",  # UNKNOWN_TABLE
    289: "the replica that was asked has not copied all rows yet; run again when it has (system.replicas)",
}
_TRANSPORT_CAUSES = {
    "NameResolutionError": "the host name is not known",
    "ConnectionRefusedError": "nothing answers on this port",
    "ConnectTimeoutError": "it doesn't answer in time",
    "ReadTimeoutError": "it doesn't answer in time",
}
"""Name of an exception of urllib3 or Python beneath the driver's -> what it means."""


class WarehouseError(OperatorError):
    """What can't be done with ClickHouse, why, and what to do."""


class UnreachableError(WarehouseError):
    """No server answers there: nobody said no."""


class MissingDatabaseError(WarehouseError):
    """The database doesn't exist."""


def connect(config: ClickHouseConfig) -> Client:
    """Connect to the database of the configuration.

    Raises:
        WarehouseError: The server can't be reached, refuses the user, has no such database, or is too old.
    """
    return _open(config, config.database)


def connect_server(config: ClickHouseConfig) -> Client:
    """Connect without choosing a database, in order to create it; raise as `connect` does."""
    return _open(config, None)


class Connection:
    """A connection to the database that is made once, for all that a program does there.

    No socket stays open between two uses: the server or a proxy may give it up.

    Args:
        config: Where ClickHouse is; nothing is sent before the first use.
    """

    def __init__(self, config: ClickHouseConfig) -> None:
        self._config = config
        self._client: Client | None = None

    @contextmanager
    def use(self, purpose: str) -> Iterator[Client]:
        """Connect unless that is done; turn errors into sentences as `explained` does.

        Raises:
            WarehouseError: As for `connect` and `explained`.
        """
        if self._client is None:
            self._client = connect(self._config)
        try:
            with explained(self._config, purpose):
                yield self._client
        finally:
            self._client.close_connections()


def read_clock(client: Client) -> dt.datetime:
    """Return the time of ClickHouse's own clock, in UTC; call it within `explained`."""
    ((now,),) = client.query("SELECT now64(3, 'UTC')").result_rows
    instant: dt.datetime = now
    return instant


@contextmanager
def explained(config: ClickHouseConfig, purpose: str) -> Iterator[None]:
    """Turn the driver's errors into a WarehouseError that names host, port, database, purpose and cause.

    Args:
        config: The connection that is in use.
        purpose: What the statements inside do, as it follows "can't": "read the months".
    """
    try:
        yield
    except (ClickHouseError, cluster.ClusterError) as error:
        raise _kind(error)(f"{_place(config)}: can't {purpose}: {_cause(error, config)}.") from error


def _kind(error: Exception) -> type[WarehouseError]:
    if isinstance(error, DatabaseError) and error.code == _UNKNOWN_DATABASE:
        return MissingDatabaseError
    if any(type(link).__name__ in _TRANSPORT_CAUSES for link in causes(error)):
        return UnreachableError
    return WarehouseError


def _open(config: ClickHouseConfig, database: str | None) -> Client:
    # The driver and its transport log each error themselves; our sentence says it all.
    for name in ("clickhouse_connect", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    ca_cert = config.ca_cert.absolute() if config.secure and config.verify and config.ca_cert else None
    if ca_cert and (fault := authorities_fault(ca_cert)):
        raise WarehouseError(f"{_place(config)}: can't connect: {fault}.")
    password = _password(config)
    with explained(config, "connect"):
        client = clickhouse_connect.get_client(
            host=config.host,
            port=config.port,
            username=config.username,
            password=password,
            database=database,
            secure=config.secure,
            verify=config.verify,
            ca_cert=str(ca_cert) if ca_cert else None,
            interface="https" if config.secure else "http",  # else the driver takes port 8443 for TLS by itself
            connect_timeout=10,
            send_receive_timeout=900,
            autogenerate_session_id=False,  # nothing here needs a session, and a session allows one query at a time
            tz_mode="aware",
            show_clickhouse_errors="scrub",  # what the server says, without the address and the server's version
        )
        if not client.min_version(MINIMUM_VERSION):
            client.close()
            raise WarehouseError(
                f"ClickHouse at {config.host}:{config.port} is version {client.server_version}; "
                f"this needs {MINIMUM_VERSION} or later: upgrade it."
            )
        if config.cluster:
            for name, value in cluster.settings(client, config.cluster).items():
                client.set_client_setting(name, value)
        return client


def _password(config: ClickHouseConfig) -> str:
    try:
        return find_password(config.secrets())
    except PasswordError as error:
        raise WarehouseError(str(error)) from error


def _place(config: ClickHouseConfig) -> str:
    return f"ClickHouse at {config.host}:{config.port}, database {config.database}"


def _cause(error: Exception, config: ClickHouseConfig) -> str:
    code = error.code if isinstance(error, DatabaseError) else None
    if code in _SERVER_CAUSES:
        return _SERVER_CAUSES[code].format(username=config.username)
    if fault := tls_fault(error, config.host, config.ca_cert):
        return fault
    for link in causes(error):
        if sentence := _TRANSPORT_CAUSES.get(type(link).__name__):
            return sentence
    if message := _server_message(error):
        text = message
    elif isinstance(error, ClickHouseError) and not config.secure and wants_tls(config.host, config.port):
        return WANTS_TLS
    else:
        *_, first = causes(error)
        text = str(first) or type(first).__name__
    return " ".join(_masked(text, _password(config)).split()).rstrip(".")


def _server_message(error: Exception) -> str | None:
    """Return the server's message, which the driver, unlike code and name, has only within its own text."""
    _, _, message = str(error).partition("DB::Exception: ")
    name = error.name if isinstance(error, DatabaseError) else None
    return message.removesuffix(f" ({name})") or None


def _masked(text: str, password: str) -> str:
    """Return the text without the password; a short password that is part of a word is left."""
    return re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", "***", text) if password else text
