"""One embedded ClickHouse (chdb) for many clients: its databases, settings and sessions; it knows nothing of HTTP.

chdb before 4.4 has one session per process and takes no rows apart from a statement: there all clients share the
session, each statement's settings are reset after it, and an INSERT's rows go through a file. None of these versions
finishes a `DROP ... SYNC`, which waits for a thread they don't start: it runs without SYNC. All calls come from one
thread.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from chdb import ChdbError
from chdb.session import Session

from sandbox.clickhouse.errors import ClickHouseError, from_engine
from sandbox.clickhouse.sql import Statement, quote, read_statement

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLUSTER = Path(__file__).with_name("cluster.xml")
_SEVERAL_SESSIONS = hasattr(Session, "send_insert")
_SYNC_AT_END = re.compile(rb"\s+SYNC\s*\Z", re.IGNORECASE)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Request:
    """A client's request.

    Attributes:
        text: The SQL, followed by the rows of an INSERT.
        database: The database of unqualified names, '' for the default one.
        default_format: The output format if the statement names none.
        settings: ClickHouse settings for this statement only.
        parameters: Values of `{name:Type}`, as ClickHouse escapes them.
        session_id: '' or the session whose temporary tables and SETs are seen.
        session_timeout: Seconds after which an unused session is forgotten.
        read_only: Whether only reading statements are allowed (HTTP GET).
    """

    text: bytes
    database: str = ""
    default_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    session_timeout: float = 60
    read_only: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        body: The result in `output_format`.
        output_format: None if the statement has no result.
        rows_read: Rows of the result.
        rows_written: Rows that went into tables.
    """

    body: bytes
    output_format: str | None
    rows_read: int = 0
    rows_written: int = 0


class _Handle(Protocol):
    """The part of chdb's untyped `Session` that is used here."""

    def query(self, sql: str | bytes, fmt: str = ...) -> Any: ...  # noqa: ANN401 - chdb's result has no type

    def send_insert(self, query: str | bytes, fmt: str) -> Any: ...  # noqa: ANN401 - nor has its insert

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *about: object) -> None: ...


class Engine:
    """The databases in one folder. Statements run one after another, whichever thread they come from.

    Args:
        folder: Where chdb keeps the databases, which persist across restarts.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder; raise chdb's error if another process has it open."""
        self._lock = threading.Lock()
        self._folder = str(folder)
        # chdb ends the engine with its last handle, so this one is held as long as the server runs.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._first: _Handle | None = self._thread.submit(self._open).result()
        self._sessions: dict[str, tuple[_Handle, float]] = {}
        about = self._thread.submit(self._first.query, "SELECT version(), timezone()", "TabSeparatedRaw").result()
        self.version, self.timezone = about.bytes().decode().strip().split("\t")

    def run(self, request: Request) -> Answer:
        """Run one statement.

        Raises:
            ClickHouseError: Whatever ClickHouse would answer.
        """
        statement = read_statement(request.text)
        if not statement.verb:
            raise ClickHouseError(62, "SYNTAX_ERROR", "Syntax error: Empty query")
        if request.read_only and not (statement.reads or statement.verb in {"SET", "USE"}):
            raise ClickHouseError(
                164,
                "READONLY",
                "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
                "You should use method POST for modifying queries.",
            )
        with self._lock:
            if self._first is None:
                raise ClickHouseError(210, "NETWORK_ERROR", "The server is shutting down.")
            try:
                return self._run(statement, request)
            except (RuntimeError, ChdbError) as error:  # chdb 4 raises RuntimeErrors
                raise from_engine(error) from error

    def close(self) -> None:
        """Wait for the running statement, and close every handle."""
        with self._lock:
            for handle, _ in self._sessions.values():
                handle.close()
            self._sessions.clear()
            if self._first is not None:
                self._thread.submit(self._first.close).result()
            self._first = None
            self._thread.shutdown()

    def _open(self) -> _Handle:
        return cast("_Handle", Session(f"{self._folder}?config-file={_CLUSTER}"))  # type: ignore[no-untyped-call]

    def _run(self, statement: Statement, request: Request) -> Answer:
        if not _SEVERAL_SESSIONS:
            return self._thread.submit(_run_shared, cast("_Handle", self._first), statement, request).result()
        self._forget_idle_sessions()
        if not request.session_id:
            # A separate handle costs 2 ms, and leaves behind nothing set for this statement.
            with self._open() as handle:
                _prepare(handle, request)
                return _execute(handle, statement, request.default_format)
        handle = self._session(request)
        before = _current_settings(handle, request.settings)
        try:
            _prepare(handle, request)
            return _execute(handle, statement, request.default_format)
        finally:
            for name, value in before.items():
                handle.query(f"SET {name} = {value}")

    def _session(self, request: Request) -> _Handle:
        known = self._sessions.get(request.session_id)
        handle = known[0] if known else self._open()
        self._sessions[request.session_id] = (handle, time.monotonic() + request.session_timeout)
        return handle

    def _forget_idle_sessions(self) -> None:
        now = time.monotonic()
        for session_id in [key for key, (_, expires) in self._sessions.items() if expires < now]:
            handle, _ = self._sessions.pop(session_id)
            handle.close()


def _run_shared(handle: _Handle, statement: Statement, request: Request) -> Answer:
    _prepare(handle, replace(request, database=request.database or "default"))
    try:
        if statement.verb == "DROP":
            statement = replace(statement, text=_SYNC_AT_END.sub(b"", statement.text))
        if statement.input_format is None:
            return _execute(handle, statement, request.default_format)
        with tempfile.NamedTemporaryFile() as rows:
            rows.write(statement.rows)
            rows.flush()
            infile = f" FROM INFILE {quote(rows.name)} FORMAT {statement.input_format}"
            return Answer(b"", None, rows_written=handle.query(statement.text + infile.encode()).rows_read())
    finally:
        if request.settings:
            handle.query("SET " + ", ".join(f"{name} = DEFAULT" for name in request.settings))


def _prepare(handle: _Handle, request: Request) -> None:
    if request.database:
        handle.query(f"USE `{request.database.replace('`', '``')}`")
    names = {**request.settings, **{f"param_{name}": value for name, value in request.parameters.items()}}
    for name in names:
        if not _SETTING_NAME.match(name):
            raise ClickHouseError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'.")
    if names:
        handle.query("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in names.items()))


def _current_settings(handle: _Handle, names: Mapping[str, str]) -> dict[str, str]:
    """Return for each named setting what `SET name =` resets it to (TabSeparated escapes as literals do)."""
    if not names:
        return {}
    rows = handle.query("SELECT name, value, changed FROM system.settings", "TabSeparated").bytes().decode()
    settings = {}
    for row in rows.splitlines():
        name, value, changed = row.split("\t")
        settings[name] = f"'{value}'" if changed == "1" else "DEFAULT"
    return {name: settings[name] for name in names if name in settings}


def _execute(handle: _Handle, statement: Statement, default_format: str) -> Answer:
    if statement.input_format is None:
        result = handle.query(statement.text, default_format)
        body = result.bytes() or b""
        output_format = (statement.output_format or default_format) if body or statement.reads else None
        return Answer(body, output_format, result.rows_read(), result.rows_written() if _SEVERAL_SESSIONS else 0)
    with handle.send_insert(statement.text, statement.input_format) as insert:
        insert.append(statement.rows)
        return Answer(b"", None, rows_written=insert.finish().rows_written)
