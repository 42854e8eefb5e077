"""What the loader does when ClickHouse goes away: it tries again only while nothing was sent, and keeps the file."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import CompletedProcess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from loader.conftest import Loader, arrow_file, batch, failure, schema

from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.launch import ClickHouse


class Between(ThreadingHTTPServer):
    """Passes everything on to ClickHouse, but hangs up on an INSERT if told to.

    Attributes:
        inserts: the INSERTs that came.
        hangs_up: whether they are dropped after they were read.
    """

    daemon_threads = True

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Takes a port, on which connections are refused until `serving`."""
        super().__init__(("127.0.0.1", 0), _Passing, bind_and_activate=False)
        self.server_bind()
        self.clickhouse = clickhouse
        self.inserts: list[str] = []
        self.hangs_up = False

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Listens in a thread."""
        self.server_activate()
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Passing(BaseHTTPRequestHandler):
    server: Between

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
        if query.startswith("INSERT"):
            self.server.inserts.append(query)
            if self.server.hangs_up:
                return
        line = http.client.HTTPConnection(self.server.clickhouse.host, self.server.clickhouse.port)
        line.request("POST", self.path, body, dict(self.headers))
        with line.getresponse() as answer:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        line.close()

    def log_message(self, *_: object) -> None:
        pass


def test_an_insert_whose_answer_is_lost_is_not_sent_again(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    between = Between(clickhouse)
    between.hangs_up = True
    with between.serving():
        ended = loader.run([schema(), batch(path)], port=between.server_port)
    assert failure(ended).startswith(f"{path} was not loaded into table bill of ClickHouse at 127.0.0.1:")
    assert len(between.inserts) == 1
    assert path.exists()


def test_a_refused_connection_is_tried_again(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    between = Between(clickhouse)
    process = loader.start(port=between.server_port)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(f"{json.dumps(schema())}\n{json.dumps(batch(path))}\n")
    process.stdin.flush()
    assert any("refuses connections" in line for line in process.stderr)
    with between.serving():
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 3}]
    assert not path.exists()


def test_a_server_that_is_gone_is_an_error_and_the_file_stays(loader: Loader, tmp_path: Path) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    with running_clickhouse(tmp_path / "databases") as gone:
        gone.execute("CREATE TABLE bill (id UInt64) ORDER BY id")
        process = loader.start(port=gone.port)
        assert process.stdin is not None
        process.stdin.write(f"{json.dumps(schema())}\n")
        process.stdin.flush()
    out, err = process.communicate(f"{json.dumps(batch(path))}\n", timeout=60)
    sentence = failure(CompletedProcess(process.args, process.returncode, out, err))
    assert sentence == f"ClickHouse at 127.0.0.1:{gone.port} can't be used: Connection refused"
    assert out == "", "no state for what was not loaded"
    assert path.exists()
