"""ClickHouse's HTTP interface on loopback, served from an embedded engine; only the serving, chdb runs the SQL.

Good enough for clickhouse-connect, target-clickhouse and curl. Missing: TLS, more than one user, compressed answers
(clients ask for them, none insists), progress headers, external tables.
"""

from __future__ import annotations

import hmac
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sandbox.clickhouse.engine import Engine
from sandbox.clickhouse.errors import ClickHouseError
from sandbox.clickhouse.http import credentials, read_body, request_from


def serve(port: int, folder: Path, user: str, password: str) -> None:
    """Serve the databases in `folder` until SIGTERM or SIGINT; print `ready http://127.0.0.1:PORT` once listening.

    Args:
        port: TCP port on 127.0.0.1, 0 for a free one.
        folder: The engine's folder, created if it is absent; one process at a time.
        user: The only user.
        password: The user's password; '' for none, then any is accepted, as in ClickHouse.
    """
    folder.mkdir(parents=True, exist_ok=True)
    engine = Engine(folder)
    ending = threading.Event()
    try:
        with _Server(port, engine, user, password) as server:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ending.set())
            listening = threading.Thread(target=server.serve_forever, daemon=True)
            listening.start()
            sys.stdout.write(f"ready http://127.0.0.1:{server.server_port}\n")
            sys.stdout.flush()
            ending.wait()
            server.shutdown()
            listening.join()
    finally:
        engine.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # an idle kept-alive connection must not hold up the end
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.engine = engine
        self._user = user.encode()
        self._password = password.encode()

    def check(self, user: str, password: str) -> None:
        """Raise ClickHouse's error 516 for a wrong user or password."""
        right_user = hmac.compare_digest(user.encode(), self._user)
        right_password = not self._password or hmac.compare_digest(password.encode(), self._password)
        if not (right_user and right_password):
            reason = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
            raise ClickHouseError(516, "AUTHENTICATION_FAILED", reason)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print one line for a client that went away, the traceback for everything else."""
        if isinstance(error := sys.exception(), ConnectionError):
            sys.stderr.write(f"clickhouse sandbox: {client_address}: {error}\n")
        else:
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse-sandbox"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement of its headers
    wbufsize = -1

    def do_GET(self) -> None:
        """Serve /ping and reading statements."""
        path = urlsplit(self.path)
        if path.path in {"/ping", "/replicas_status"} or (path.path == "/" and "query" not in parse_qs(path.query)):
            self._answer(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        else:
            self._statement()

    def do_POST(self) -> None:
        """Serve any statement."""
        self._statement()

    def _statement(self) -> None:
        body = read_body(self.rfile, self.headers)
        try:
            self.server.check(*credentials(self.path, self.headers))
            asked = request_from(self.command, self.path, self.headers, body)
            answer = self.server.engine.run(asked)
        except ClickHouseError as error:
            text = f"{error} (version {self.server.engine.version} (sandbox))\n"
            sys.stderr.write(f"clickhouse sandbox: {text}")
            headers = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(error.code)}
            self._answer(error.status, text.encode(), headers)
            return
        summary = {"read_rows": str(answer.rows_read), "written_rows": str(answer.rows_written)}
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Timezone": self.server.engine.timezone,
            "X-ClickHouse-Summary": json.dumps(summary),
        }
        if answer.output_format:
            headers["X-ClickHouse-Format"] = answer.output_format
        self._answer(200, answer.body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        query_id = parse_qs(urlsplit(self.path).query).get("query_id", [""])[0]
        named = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Server-Display-Name": "sandbox"}
        for name, value in {**headers, **named, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: only errors are logged."""


if __name__ == "__main__":  # how an older engine's environment runs it (`versions`)
    serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], os.environ["SANDBOX_CLICKHOUSE_PASSWORD"])
