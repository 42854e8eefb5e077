"""A port that speaks TLS before a server that does not, such as the embedded ClickHouse; it only passes bytes on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tls.certificates import Certificate

    from sandbox.launch import ClickHouse


@contextmanager
def tls_front(clickhouse: ClickHouse, certificate: Certificate) -> Iterator[int]:
    """Serve HTTPS in the name of the certificate; yields the port on 127.0.0.1."""
    with _Front(clickhouse, certificate) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()
            thread.join()


class _Front(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection must not hold up the end
    request_queue_size = 128

    def __init__(self, clickhouse: ClickHouse, certificate: Certificate) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.clickhouse = clickhouse
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate.path, certificate.key_path)

    def handle_error(self, *_: object) -> None:
        """Keep quiet: clients that give up are what the tests are about."""


class _Connection(BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers wait for acknowledgements
        behind = (self.server.clickhouse.host, self.server.clickhouse.port)
        with (
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(behind) as clickhouse,
        ):
            answers = threading.Thread(target=_pass_on, args=(clickhouse, client), daemon=True)
            answers.start()
            _pass_on(client, clickhouse)
            answers.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Everything, up to the end of the source; then the sink hears of the end."""
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            sink.sendall(received)
        sink.shutdown(socket.SHUT_WR)
