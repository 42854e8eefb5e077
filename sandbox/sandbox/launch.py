"""Starts the sandbox's servers as separate processes and always ends them, for tests and the demo.

Talks to them over HTTP only; no part of the servers runs in the caller's process.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from sandbox.api.keys import make_key
from sandbox.clickhouse.versions import environment
from sandbox.storage.azurite import installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 20
ANSWER_SECONDS = 900


@dataclass(frozen=True)
class Api:
    """A running simulated API.

    Attributes:
        url: The value for the tap's setting `api_url`.
    """

    url: str

    def key(self, enrollment: str, days: float = 180) -> str:
        """Return a bearer key for an enrollment, an expired one for negative days."""
        return make_key(enrollment, days)

    def set_faults(self, specs: Sequence[str]) -> None:
        """Replace all faults (see `sandbox.api.faults.KINDS`), and reset the count of requests."""
        _ask(self.url, "POST", "/sandbox/faults", list(specs))

    def set_revision(self, enrollment: str, month: str, revision: int) -> None:
        """Re-rate a month (`YYYY-MM`): some costs differ, some rows are added, some are gone."""
        _ask(self.url, "POST", "/sandbox/revision", {"enrollment": enrollment, "month": month, "revision": revision})

    def served(self, enrollment: str) -> dict[str, dict[str, Any]]:
        """Return row_count, page_count, extended_cost (exact decimal text) and revision by month; renders all pages."""
        return cast("dict[str, dict[str, Any]]", _ask(self.url, "GET", f"/sandbox/served?enrollment={enrollment}"))

    def requests(self) -> list[dict[str, Any]]:
        """Return the usage requests so far: enrollment, month, page, status, fault, authorized, user_agent, host."""
        return cast("list[dict[str, Any]]", _ask(self.url, "GET", "/sandbox/requests"))

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        _ask(self.url, "DELETE", "/sandbox/requests")


@dataclass(frozen=True)
class ClickHouse:
    """A running ClickHouse, with what a client needs to reach it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def execute(self, sql: str) -> str:
        """Run a statement and return the server's answer.

        Raises:
            RuntimeError: With ClickHouse's message, if it refuses.
        """
        connection = HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        headers = {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password}
        try:
            connection.request("POST", "/?database=default", body=sql.encode(), headers=headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:  # noqa: PLR2004 - the status OK
            raise RuntimeError(f"ClickHouse answered {response.status}: {text.strip()}")
        return text

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return a query's rows as dicts; the query names no FORMAT."""
        text = self.execute(f"{sql.rstrip().rstrip(';')}\nFORMAT JSONEachRow")
        return [json.loads(line) for line in text.splitlines() if line]


@contextmanager
def running_api(
    data_dir: Path,
    *,
    enrollments: Sequence[str] = ("88888888",),
    seed: int = 1,
    first: str = "2026-08",
    last: str = "2026-11",
    rows: int = 1000,
    page_size: int = 500,
    faults: Sequence[str] = (),
) -> Iterator[Api]:
    """Run `sandbox api` on a free port.

    Args:
        data_dir: Folder for rendered pages; the same folder serves them faster the next time.
        enrollments: Enrollments besides 100, the recorded one.
        seed: Another seed makes another bill.
        first: First month with usage, `YYYY-MM`.
        last: Last month with usage.
        rows: Rows of each month.
        page_size: Rows of each page.
        faults: See `sandbox.api.faults.KINDS`.
    """
    arguments = ["api", "--data", str(data_dir), "--seed", str(seed), "--from", first, "--to", last]
    arguments += ["--rows", str(rows), "--page-size", str(page_size)]
    for enrollment in enrollments:
        arguments += ["--enrollment", enrollment]
    for fault in faults:
        arguments += ["--fault", fault]
    with _process(arguments, {}) as url:
        yield Api(url)


@contextmanager
def running_clickhouse(
    data_dir: Path, *, user: str = "default", password: str = "", engine: str | None = None
) -> Iterator[ClickHouse]:
    """Run `sandbox clickhouse` on a free port, with its tables in `data_dir`.

    Args:
        data_dir: Folder of the databases, of one engine only.
        user: The only user.
        password: The user's password, '' for none.
        engine: None for the installed one, or one of `clickhouse.versions.OLDER`.

    Raises:
        RuntimeError: The engine can't be installed, or does not get ready.
    """
    arguments = ["clickhouse", "--data", str(data_dir), "--user", user]
    if engine:
        environment(engine)  # here, since fetching it may take longer than a start is allowed to
        arguments += ["--engine", engine]
    with _process(arguments, {"SANDBOX_CLICKHOUSE_PASSWORD": password}) as url:
        address = urlsplit(url)
        yield ClickHouse(cast("str", address.hostname), cast("int", address.port), user, password)


@dataclass(frozen=True)
class Storage:
    """A running Azurite with a container.

    Attributes:
        url: The container's URL, without a SAS.
        account: The storage account's name.
        container: The container's name.
        key: The account's key.
        sas: A SAS of the container that reads and lists for a day.
    """

    url: str
    account: str
    container: str
    key: str = field(repr=False)
    sas: str = field(repr=False)

    def container_sas(self, permission: str = "rl", hours: float = 24, container: str = "") -> str:
        """Return a SAS of this container or another one, an expired one for negative hours."""
        # Imported here: the library of Azure Storage takes a second, which most tests do without.
        from sandbox.storage.service import container_sas  # noqa: PLC0415

        return container_sas(self.key, container or self.container, permission, hours)


@contextmanager
def running_storage(
    data_dir: Path, *, container: str = "costs", certificate: tuple[Path, Path] | None = None
) -> Iterator[Storage]:
    """Run `sandbox storage` on a free port.

    Args:
        data_dir: Folder of the blobs.
        container: A container to make.
        certificate: PEM files of a certificate for 127.0.0.1 and of its key, for HTTPS and bearer tokens.

    Raises:
        RuntimeError: Azurite can't be installed, or does not get ready.
    """
    installed()  # here, since fetching it may take longer than a start is allowed to
    arguments = ["storage", "--data", str(data_dir), "--container", container]
    if certificate is not None:
        arguments += ["--cert", str(certificate[0]), "--cert-key", str(certificate[1])]
    with _process(arguments, {}):
        yield Storage(**json.loads((data_dir / "connection.json").read_text()))


class RestartableClickHouse:
    """A ClickHouse that can be killed at work and restarted on the same folder, at another port."""

    def __init__(self, data_dir: Path, *, user: str = "default", password: str = "") -> None:
        """Start it."""
        self._arguments = ["clickhouse", "--data", str(data_dir), "--user", user]
        self._credentials = user, password
        self._process: subprocess.Popen[bytes] | None = None
        self.clickhouse = self.start()

    def start(self) -> ClickHouse:
        """Start the server and return where it is.

        Raises:
            RuntimeError: If it does not get ready.
        """
        user, password = self._credentials
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "sandbox", *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SANDBOX_CLICKHOUSE_PASSWORD": password},
        )
        line = _first_line(self._process)
        if not line.startswith("ready "):
            raise RuntimeError("sandbox clickhouse did not get ready again.")
        address = urlsplit(line.removeprefix("ready ").strip())
        self.clickhouse = ClickHouse(cast("str", address.hostname), cast("int", address.port), user, password)
        return self.clickhouse

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self.stop()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            _end(self._process)
            self._process = None


@contextmanager
def _process(arguments: Sequence[str], environment: dict[str, str]) -> Iterator[str]:
    """Start a server, yield the URL of its ready line, end it; errors include its stderr."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "sandbox", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | environment,
        )
        try:
            line = _first_line(process)
            if not line.startswith("ready "):
                raise RuntimeError(f"sandbox {arguments[0]} did not get ready:\n{_text(stderr)}")
            try:
                yield line.removeprefix("ready ").strip()
            except BaseException as error:
                if process.poll() is not None:
                    error.add_note(f"sandbox {arguments[0]} ended by itself with exit code {process.returncode}.")
                if said := _text(stderr):
                    error.add_note(f"sandbox {arguments[0]} said:\n{said}")
                raise
        finally:
            _end(process)


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """Return the first line that a process prints, '' if it ends or prints nothing for too long."""
    stdout = cast("Any", process.stdout)
    deadline = time.monotonic() + START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while b"\n" not in line and selector.select(max(0.0, deadline - time.monotonic())):
            read = os.read(stdout.fileno(), 4096)
            if not read:
                return ""
            line += read
    return line.decode().partition("\n")[0] if b"\n" in line else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _text(stderr: Any) -> str:  # noqa: ANN401 - a temporary file's type is private
    stderr.seek(0)
    return cast("bytes", stderr.read()).decode(errors="replace")


def _ask(url: str, method: str, path: str, body: object = None) -> object:
    """Send a control request and return its JSON answer."""
    address = urlsplit(url)
    connection = HTTPConnection(cast("str", address.hostname), address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:  # noqa: PLR2004 - the status OK
        raise RuntimeError(f"The sandbox answered {response.status} to {method} {path}: {text}")
    return cast("object", json.loads(text))
