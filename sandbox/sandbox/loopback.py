"""HTTP servers on loopback as the simulated APIs are: a thread for each connection, and answers that can break off."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.api.answers import Answer

BREAKS = frozenset({"reset", "truncated", "malformed"})
"""Ways of an answer to break off: see `sandbox.api.faults.KINDS`."""


class LoopbackServer(ThreadingHTTPServer):
    """A thread for each connection; reports nothing about clients that go away."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, handler: type[LoopbackHandler]) -> None:
        """Bind to loopback; port 0 takes a free one."""
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", port), handler)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds on a machine without a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Print the traceback, unless a client went away, which tests do on purpose."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LoopbackHandler(BaseHTTPRequestHandler):
    """Sends answers, whole or broken off."""

    protocol_version = "HTTP/1.1"
    server_version = "AzureBillingSandbox/1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing: `/sandbox/requests` says more."""

    def send(self, answer: Answer, broken: str = "") -> None:
        """Send an answer.

        Args:
            answer: What is sent.
            broken: How it breaks off, one of `BREAKS`, or '' for a whole one.
        """
        body = answer.body
        if broken in BREAKS:
            whole = b"".join(body)
            body = [whole[: len(whole) // 2]]
        length = len(whole) if broken in {"reset", "truncated"} else sum(map(len, body))
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in body:
            self.wfile.write(part)
        if broken == "reset":
            # A linger time of 0 makes close send RST; detached, as the reader's file object would keep the socket open.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        self.close_connection = self.close_connection or broken in {"reset", "truncated"}


def serve_until_signalled(servers: Sequence[LoopbackServer], ready: str) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        servers: What serves.
        ready: The line that says so.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print(ready, flush=True)  # noqa: T201 - what a caller waits for
    ended.wait()
    for server in servers:
        server.ended.set()
        server.shutdown()
