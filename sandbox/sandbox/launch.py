"""Starts the sandbox's servers as separate processes and always ends them, for tests and the demo.

Talks to them over HTTP only; no part of the servers runs in the caller's process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from sandbox.api.keys import make_key
from sandbox.arm.tokens import make_token
from sandbox.clickhouse.versions import environment
from sandbox.processes import ANSWER_SECONDS, ask, end, first_line, running_sandbox
from sandbox.storage.azurite import installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


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
        ask(self.url, "POST", "/sandbox/faults", list(specs))

    def set_revision(self, enrollment: str, month: str, revision: int) -> None:
        """Re-rate a month (`YYYY-MM`): some costs differ, some rows are added, some are gone."""
        ask(self.url, "POST", "/sandbox/revision", {"enrollment": enrollment, "month": month, "revision": revision})

    def served(self, enrollment: str) -> dict[str, dict[str, Any]]:
        """Return row_count, page_count, extended_cost (exact decimal text) and revision by month; renders all pages."""
        return cast("dict[str, dict[str, Any]]", ask(self.url, "GET", f"/sandbox/served?enrollment={enrollment}"))

    def requests(self) -> list[dict[str, Any]]:
        """Return the usage requests so far: enrollment, month, page, status, fault, authorized, user_agent, host."""
        return cast("list[dict[str, Any]]", ask(self.url, "GET", "/sandbox/requests"))

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        ask(self.url, "DELETE", "/sandbox/requests")


@dataclass(frozen=True)
class Arm:
    """A running simulated Resource Manager.

    Attributes:
        url: The value for the setting `arm_url`.
    """

    url: str

    def token(self, seconds: float = 3600) -> str:
        """Return a bearer token, an expired one for negative seconds."""
        return make_token(seconds)

    def set_faults(self, specs: Sequence[str]) -> None:
        """Replace all faults (see `sandbox.arm.faults`), and reset the counts of requests."""
        ask(self.url, "POST", "/sandbox/faults", list(specs))

    def set_revision(self, month: str, revision: int) -> None:
        """Answer with another revision of a month (`YYYY-MM`); the exports' run `+N` has revision N."""
        ask(self.url, "POST", "/sandbox/revision", {"month": month, "revision": revision})

    def served(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return rows and cost (exact decimal text) by dataset (`actual`, `amortized`) and month."""
        return cast("dict[str, dict[str, dict[str, Any]]]", ask(self.url, "GET", "/sandbox/served"))

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests so far: stage, path, month, status, bearer, authorized, fault, host, user_agent."""
        return cast("list[dict[str, Any]]", ask(self.url, "GET", "/sandbox/requests"))

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        ask(self.url, "DELETE", "/sandbox/requests")


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
    with running_sandbox(arguments, {}) as url:
        yield Api(url)


@contextmanager
def running_arm(
    *,
    account: str = "88888888",
    agreement: str = "ea",
    seed: int = 1,
    first: str = "2026-08",
    last: str = "2026-11",
    rows: int = 1000,
    page_size: int = 1000,
    polls: int = 1,
    retry_after: int = 0,
    faults: Sequence[str] = (),
) -> Iterator[Arm]:
    """Run `sandbox arm` on a free port.

    Args:
        account: The billing account.
        agreement: `ea` or `mca`.
        seed: Another seed makes another bill.
        first: First month with usage, `YYYY-MM`.
        last: Last month with usage.
        rows: Usage rows of each month.
        page_size: Records of each page.
        polls: How often the state of a report is asked in vain.
        retry_after: Seconds that a client is asked to wait for a report.
        faults: See `sandbox.arm.faults`.
    """
    arguments = ["arm", "--account", account, "--agreement", agreement, "--seed", str(seed), "--from", first]
    arguments += ["--to", last, "--rows", str(rows), "--page-size", str(page_size), "--polls", str(polls)]
    arguments += ["--retry-after", str(retry_after)]
    for fault in faults:
        arguments += ["--fault", fault]
    with running_sandbox(arguments, {}) as url:
        yield Arm(url)


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
    with running_sandbox(arguments, {"SANDBOX_CLICKHOUSE_PASSWORD": password}) as url:
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
    with running_sandbox(arguments, {}):
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
        line = first_line(self._process)
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
            end(self._process)
            self._process = None
