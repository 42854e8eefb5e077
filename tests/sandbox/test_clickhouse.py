"""The sandbox's ClickHouse as its clients meet it, over HTTP from a process of its own; chdb's SQL is not tested."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import lz4.frame  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from backports import zstd
from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

PASSWORD = "p@ss:word/1"  # noqa: S105 - of a server that lives for one test
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}


@dataclass(frozen=True)
class Server:
    """A running sandbox: its process and port, and what a plain HTTP client gets from it."""

    process: subprocess.Popen[str]
    port: int

    def post(self, body: bytes, headers: dict[str, str] | None = None, **url: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of the answer."""
        named = (
            url if headers and "Content-Encoding" not in headers else {"user": "loader", "password": PASSWORD, **url}
        )
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/?{urllib.parse.urlencode(named)}", body, headers or {}, method="POST"
        )
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def connect(self, **settings: Any) -> Client:
        """A clickhouse-connect client."""
        named = {"username": "loader", "password": PASSWORD, **settings}
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **named)


@contextmanager
def running(folder: Path, password: str = PASSWORD) -> Iterator[Server]:
    with (folder.parent / "stderr.txt").open("w") as log:
        command = [sys.executable, "-m", "sandbox", "clickhouse", "--data", str(folder), "--user", "loader"]
        environment = {**os.environ, "SANDBOX_CLICKHOUSE_PASSWORD": password}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready http://127.0.0.1:"), (folder.parent / "stderr.txt").read_text()
        yield Server(process, int(ready.rsplit(":", 1)[1]))
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("clickhouse") / "databases") as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as connected:
        connected.command("CREATE OR REPLACE TABLE bill (id UInt64, text Nullable(String), tags JSON) ORDER BY id")
        yield connected


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd"])
def test_clickhouse_connect_loads_rows_and_arrow(server: Server, client: Client, compress: Any) -> None:
    table = pa.table({"id": pa.array(range(1000, 3000), pa.uint64()), "tags": ['{"app":"x"}'] * 2000})
    with server.connect(compress=compress) as writer:
        rows = [[i, f"it's\n{i}", {"app": i}] for i in range(1000)]
        written = writer.insert("bill", rows, column_names=["id", "text", "tags"]).written_rows
        assert (written, writer.insert_arrow("bill", table).written_rows) == (1000, 2000)
    assert client.query("SELECT count(), sum(id), countIf(text IS NULL) FROM bill").result_rows == [
        (3000, 4498500, 2000)
    ]
    assert client.query("SELECT * FROM bill WHERE id = 7").result_rows == [(7, "it's\n7", {"app": 7})]


@pytest.mark.parametrize("encoding", COMPRESS)
def test_every_compressed_frame_of_a_body_is_loaded(server: Server, client: Client, encoding: str) -> None:
    frames = b"".join(COMPRESS[encoding](json.dumps({"id": i}).encode() + b"\n") for i in range(50))
    status, text, headers = server.post(
        frames, {"Content-Encoding": encoding}, query="INSERT INTO bill FORMAT JSONEachRow"
    )
    assert (status, text) == (200, "")
    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "50"
    assert client.command("SELECT count() FROM bill") == 50


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_frame_cut_short_loads_nothing(server: Server, client: Client, encoding: str) -> None:
    frames = COMPRESS[encoding](b'{"id": 1}\n') + COMPRESS[encoding](b'{"id": 2}\n')[:-6]
    status, text, _ = server.post(frames, {"Content-Encoding": encoding}, query="INSERT INTO bill FORMAT JSONEachRow")
    assert (status, text.split(" DB::")[0]) == (500, "Code: 271.")
    assert client.command("SELECT count() FROM bill") == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_goes_away_within_its_body_loads_nothing(
    server: Server, client: Client, *, chunked: bool
) -> None:
    rows = b'{"id": 1}\n{"id": 2}\n'
    query = urllib.parse.quote("INSERT INTO bill FORMAT JSONEachRow")
    length = b"Transfer-Encoding: chunked\r\n\r\n14\r\n" if chunked else b"Content-Length: 999\r\n\r\n"
    head = f"POST /?query={query} HTTP/1.1\r\nX-ClickHouse-User: loader\r\nX-ClickHouse-Key: {PASSWORD}\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(head + length + rows)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1000) == b""
    assert client.command("SELECT count() FROM bill") == 0


def test_chunked_bodies_and_kept_connections_work(server: Server, client: Client) -> None:
    line = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"X-ClickHouse-User": "loader", "X-ClickHouse-Key": PASSWORD}
    for i in range(3):
        chunks = [b"INSERT INTO bill (id, text) ", b"VALUES ", f"({i}, 'a;b -- c')".encode(), b",(9,'FORMAT')"]
        line.request("POST", "/", iter(chunks), headers, encode_chunked=True)
        with line.getresponse() as answer:
            assert (answer.status, answer.read()) == (200, b"")
    line.close()
    assert client.query("SELECT id, text FROM bill WHERE id < 9 ORDER BY id").result_columns[1] == ["a;b -- c"] * 3
    assert client.command("SELECT count() FROM bill") == 6


def test_parameters_and_settings_reach_their_statement_only(server: Server, client: Client) -> None:
    asked = "SELECT {x:String} AS x, {y:Array(Int64)} AS y, getSetting('max_block_size') AS z"
    parameters = {"x": "tab\t'quote' \\ ünï", "y": [1, -2]}
    row = client.query(asked, parameters=parameters, settings={"max_block_size": 77}).first_row
    assert row == (parameters["x"], [1, -2], 77)
    assert client.query("SELECT getSetting('max_block_size')").first_row != (77,)
    assert client.query("SELECT length({x:String})", parameters={"x": "y" * 100_000}).first_row == (100_000,)
    assert server.post(b"SELECT 1", no_such_setting="1")[0] == 404


def test_a_session_keeps_what_was_set_and_others_do_not_see_it(server: Server, client: Client) -> None:
    client.command("CREATE TEMPORARY TABLE mine (n UInt8)")
    client.command("SET max_block_size = 99")
    client.insert("mine", [[1], [2]], column_names=["n"])
    assert client.query("SELECT sum(n), getSetting('max_block_size') FROM mine").first_row == (3, 99)
    client.query("SELECT 1", settings={"max_block_size": 77})
    assert client.query("SELECT getSetting('max_block_size')").first_row == (99,)
    with server.connect() as other, pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        other.query("SELECT * FROM mine")


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT * FROM absent", 404, 60, "UNKNOWN_TABLE"),
        ("INSERT INTO absent FORMAT JSONEachRow {}", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT 1 FROM", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("INSERT INTO bill (id, nope) VALUES (1, 2)", 500, 16, "NO_SUCH_COLUMN_IN_TABLE"),
        ('INSERT INTO bill FORMAT JSONEachRow {"id": "x"}', 400, 27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
    ],
)
@pytest.mark.usefixtures("client")
def test_errors_come_as_clickhouse_sends_them(server: Server, sql: str, status: int, code: int, name: str) -> None:
    got, text, headers = server.post(sql.encode())
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, str(code)), text
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version " in text


def test_get_reads_and_never_writes(server: Server, client: Client) -> None:
    base = f"http://127.0.0.1:{server.port}"
    named = urllib.parse.urlencode({"user": "loader", "password": PASSWORD})
    with urllib.request.urlopen(f"{base}/ping") as answer:  # noqa: S310 - loopback
        assert answer.read() == b"Ok.\n"
    with urllib.request.urlopen(f"{base}/?{named}&query=SELECT+1") as answer:  # noqa: S310 - loopback
        assert answer.read() == b"1\n"
    with pytest.raises(urllib.error.HTTPError, match="500") as refused:
        urllib.request.urlopen(f"{base}/?{named}&query=DROP+TABLE+bill")  # noqa: S310 - loopback
    refused.value.close()
    assert client.command("EXISTS TABLE bill") == 1


@pytest.mark.parametrize(
    ("user", "password", "status"),
    [("loader", PASSWORD, 200), ("loader", "x", 403), ("loader", "", 403), ("x", PASSWORD, 403)],
)
def test_user_and_password_are_checked_wherever_they_stand(
    server: Server, user: str, password: str, status: int
) -> None:
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    for answer in (
        server.post(b"SELECT 1", user=user, password=password),
        server.post(b"SELECT 1", {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}),
        server.post(b"SELECT 1", {"Authorization": f"Basic {basic}"}),
    ):
        assert answer[0] == status
        assert answer[2].get("X-ClickHouse-Exception-Code") == (None if status == 200 else "516")
    if status != 200:
        with pytest.raises(DatabaseError, match="516"):
            server.connect(username=user, password=password)


def test_many_clients_at_once_lose_nothing(server: Server, client: Client) -> None:
    def load(first: int) -> None:
        with server.connect() as writer:
            for start in range(first, first + 500, 100):
                writer.insert("bill", [[i] for i in range(start, start + 100)], column_names=["id"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(0, 4000, 500)))
    assert client.query("SELECT count(), uniqExact(id) FROM bill").first_row == (4000, 4000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_was_loaded_is_there_after_a_restart(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "databases") as server, server.connect() as client:
        client.command("CREATE TABLE kept (id UInt64) ORDER BY id")
        client.insert("kept", [[1], [2]], column_names=["id"])
        server.process.send_signal(number)
        ended = server.process.wait(timeout=30)
        assert ended == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    with running(tmp_path / "databases") as server, server.connect() as client:
        assert client.command("SELECT sum(id) FROM kept") == 3


def test_a_server_without_a_password_takes_any(tmp_path: Path) -> None:
    with running(tmp_path / "databases", password="") as server:
        assert server.post(b"SELECT 1", {"X-ClickHouse-User": "loader", "X-ClickHouse-Key": "any"})[:2] == (200, "1\n")
        assert server.post(b"SELECT 1", {"X-ClickHouse-User": "other"})[0] == 403
