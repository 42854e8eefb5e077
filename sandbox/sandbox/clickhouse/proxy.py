"""Sits between a client and ClickHouse's HTTP interface, and spoils what specifications such as `lost@insert:3` name.

All it knows of SQL is which requests are inserts, and which ask for the version. The caller kills the server,
through a hook.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sandbox.clickhouse.http import read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.launch import ClickHouse

KINDS = {
    "refuse": "connections are reset, and new ones refused, for ARG seconds",
    "error": "status ARG with ClickHouse's words for it; the server never sees the request",
    "late": "status ARG likewise, after the server did what was asked",
    "lost": "the server does what was asked, the connection is reset without an answer",
    "cut": "half of the answer, then the connection is reset",
    "delay": "the request waits for ARG seconds",
    "repeat": "the server gets the request twice; the second answer counts",
    "die": "the server is killed and started again; ARG: before, during or after it handles the request",
}

_SPEC = re.compile(r"(?P<kind>[a-z]+)(?:=(?P<argument>[\w.]+))?@(?P<inserts>insert:)?(?P<first>\d+)(?:-(?P<last>\d+))?")
_ARGUMENTS = {
    "refuse": r"\d+(\.\d+)?",
    "delay": r"\d+(\.\d+)?",
    "error": r"[45]\d\d",
    "late": r"[45]\d\d",
    "die": "before|during|after",
}
_CODES = {
    500: (241, "MEMORY_LIMIT_EXCEEDED"),
    503: (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    504: (159, "TIMEOUT_EXCEEDED"),
}
_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
_ANSWER_SECONDS = 120


@dataclass(frozen=True)
class ProxyFault:
    """One fault and the requests that meet it.

    Attributes:
        kind: One of `KINDS`.
        argument: What follows `=`, else ''.
        inserts: Whether only inserts are counted.
        first: The first request that meets it, from 1.
        last: The last one.
    """

    kind: str
    argument: str
    inserts: bool
    first: int
    last: int


def parse_proxy_fault(spec: str) -> ProxyFault:
    """Return the fault that KIND[=ARG]@[insert:]N or KIND[=ARG]@[insert:]N-M describes.

    Raises:
        ValueError: With a sentence about what is wrong.
    """
    match = _SPEC.fullmatch(spec)
    if match is None or match["kind"] not in KINDS:
        raise ValueError(f"The fault {spec!r} is not KIND[=ARG]@[insert:]N[-M] with one of {', '.join(KINDS)}.")
    kind, argument = match["kind"], match["argument"] or ""
    if not re.fullmatch(_ARGUMENTS.get(kind, ""), argument):
        raise ValueError(f"The fault {spec!r} does not have the argument that it needs: {KINDS[kind]}.")
    first = int(match["first"])
    return ProxyFault(kind, argument, match["inserts"] is not None, first, int(match["last"] or first))


class Proxy:
    """A proxy on its own port, which it keeps while it refuses connections.

    Args:
        upstream: The ClickHouse to which requests go; may be replaced.
        on_request: Called with the request's number and its number among the inserts (0: none), before forwarding it.
        on_fault: Called with the kind of a fault when it strikes.
        on_death: Kills the server; returns when it is dead. `revive` starts it again and may set `upstream`.
        revive: See `on_death`.
        version: The answer to `SELECT version()` in place of the server's; None leaves that unchanged.
    """

    def __init__(
        self,
        upstream: ClickHouse,
        *,
        on_request: Callable[[int, int], None] = lambda _number, _insert: None,
        on_fault: Callable[[str], None] = lambda _kind: None,
        on_death: Callable[[], None] = lambda: None,
        revive: Callable[[], None] = lambda: None,
        version: str | None = None,
    ) -> None:
        """Take a free port and serve."""
        self.upstream, self.version = upstream, version
        self.on_request, self.on_fault = on_request, on_fault
        self.on_death, self.revive = on_death, revive
        self._faults: list[ProxyFault] = []
        self._lock = threading.Lock()
        self._numbers = [0, 0]
        self._door = threading.RLock()
        self._closings = 0
        self._server: _Server | None = _Server(0, self)
        self.port = int(self._server.server_address[1])
        self._serve(self._server)

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None

    def set_faults(self, specs: Sequence[str]) -> None:
        """Replace all faults (see `KINDS`), and reset the counts."""
        faults = [parse_proxy_fault(spec) for spec in specs]
        with self._lock:
            self._faults, self._numbers = faults, [0, 0]

    def counts(self) -> tuple[int, int]:
        """Return the requests and the inserts among them since `set_faults`."""
        with self._lock:
            return self._numbers[0], self._numbers[1]

    def take(self, *, insert: bool) -> tuple[int, int, ProxyFault | None]:
        """Count a request; return its number, its number among the inserts (0: none), and its fault."""
        with self._lock:
            self._numbers[0] += 1
            self._numbers[1] += insert
            number, inserts = self._numbers[0], self._numbers[1] if insert else 0
            fault = next(
                (each for each in self._faults if each.first <= (inserts if each.inserts else number) <= each.last),
                None,
            )
        return number, inserts, fault

    def shut(self) -> None:
        """Refuse connections until `reopen` has been called as often."""
        with self._door:
            self._closings += 1
            if self._server is not None:
                self._server.shutdown()
                self._server.server_close()
                self._server = None

    def reopen(self) -> None:
        """Take connections again, on the same port."""
        with self._door:
            self._closings -= 1
            if self._closings == 0 and self._server is None:
                self._server = _Server(self.port, self)
                self._serve(self._server)

    def shut_for(self, seconds: float) -> None:
        """Refuse connections for a while; return at once."""
        self.shut()
        timer = threading.Timer(seconds, self.reopen)
        timer.daemon = True
        timer.start()

    def restart_server(self) -> None:
        """Kill the server, and restart it in the background; refuse connections meanwhile."""
        self.shut()
        self.on_death()

        def start() -> None:
            self.revive()
            self.reopen()

        threading.Thread(target=start, daemon=True).start()

    def wait_until_open(self, seconds: float) -> bool:
        """Wait until connections are accepted, up to a time limit; return whether they are."""
        deadline = time.monotonic() + seconds
        while not self.is_open and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.is_open

    def close(self) -> None:
        """Stop serving for good."""
        self.shut()

    @staticmethod
    def _serve(server: _Server) -> None:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, as the simulated API does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Report nothing about clients that went away, which is what the proxy is for."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_insert(self) -> bool:
        return self._begins_with("INSERT")

    @property
    def asks_for_version(self) -> bool:
        return self._begins_with("SELECT VERSION()")

    def _begins_with(self, words: str) -> bool:
        query = parse_qs(urlsplit(self.path).query).get("query", [""])[0] or self.body[:20].decode("latin-1")
        return query.lstrip().upper().startswith(words)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Hand a request on."""
        self._pass_on()

    def do_POST(self) -> None:
        """Hand a request on."""
        self._pass_on()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet."""

    def _pass_on(self) -> None:
        proxy = self.server.proxy
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        request = _Request(self.command, self.path, kept, read_body(self.rfile, self.headers))
        number, insert, fault = proxy.take(insert=request.is_insert)
        proxy.on_request(number, insert)
        if not proxy.is_open:  # a kept-alive connection
            self._reset()
            return
        try:
            answer = self._answer_to(request, fault)
        except (OSError, HTTPException):  # the server is gone
            answer = None
        if answer is None:
            self._reset()
        else:
            self._send(answer, cut=fault is not None and fault.kind == "cut")

    def _answer_to(self, request: _Request, fault: ProxyFault | None) -> _Answer | None:
        """Return what the client gets, None for a reset."""
        if fault is None:
            return self._ask(request)
        proxy = self.server.proxy
        proxy.on_fault(fault.kind)
        if fault.kind == "refuse":
            proxy.shut_for(float(fault.argument))
        elif fault.kind == "die":
            self._die(request, fault.argument)
        elif fault.kind == "delay":
            time.sleep(float(fault.argument))
        elif fault.kind in {"late", "lost", "repeat"}:
            self._ask(request)
        if fault.kind in {"error", "late"}:
            return _error(int(fault.argument))
        return None if fault.kind in {"refuse", "die", "lost"} else self._ask(request)

    def _die(self, request: _Request, moment: str) -> None:
        if moment == "after":
            self._ask(request)
        elif moment == "during":
            connection = self._begin(request)
            self.server.proxy.restart_server()
            connection.close()
            return
        self.server.proxy.restart_server()

    def _begin(self, request: _Request) -> HTTPConnection:
        upstream = self.server.proxy.upstream
        connection = HTTPConnection(upstream.host, upstream.port, timeout=_ANSWER_SECONDS)
        connection.request(request.method, request.path, body=request.body or None, headers=request.headers)
        return connection

    def _ask(self, request: _Request) -> _Answer:
        connection = self._begin(request)
        try:
            response = connection.getresponse()
            headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
            body = response.read()
        finally:
            connection.close()
        version = self.server.proxy.version
        if version is not None and request.asks_for_version:
            body = re.sub(rb"\A[\w.]+", version.encode(), body)
        return _Answer(response.status, headers, body)

    def _send(self, answer: _Answer, *, cut: bool) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        # An insert's answer has no body: one byte is announced that never comes.
        self.send_header("Content-Length", str(len(answer.body) or int(cut)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        if cut:
            self._reset()

    def _reset(self) -> None:
        # A linger time of 0 makes close send RST; detached, as the reader's file object would keep the socket open.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True


def _error(status: int) -> _Answer:
    code, name = _CODES.get(status, (1000, "POCO_EXCEPTION"))
    text = f"Code: {code}. DB::Exception: The sandbox was told to fail. ({name}) (version 0 (sandbox))\n"
    return _Answer(
        status,
        [("Content-Type", "text/plain; charset=UTF-8"), ("X-ClickHouse-Exception-Code", str(code))],
        text.encode(),
    )
