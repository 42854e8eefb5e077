"""Where the patterns come from, and the sentence when they don't; what a pattern matches is in the tests of R16."""

# ruff: noqa: S608 - the names of tables and columns are this file's own

from __future__ import annotations

import json
import logging
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver.binding import quote_identifier
from mapper.runs import DETAIL, USAGE_SCHEMA, usage_line

from azure_billing_warehouse.config import ClickHouseConfig
from mapper_azure_billing_tracking.config import PatternsConfig
from mapper_azure_billing_tracking.pattern_source import PatternSource, PatternsUnavailableError
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mapper.runs import MapperRuns

    from sandbox.launch import ClickHouse

PASSWORD = "p@ss:word/%1"  # noqa: S105 - of a server that lives for these tests


def csv_source(folder: Path, content: bytes, **settings: Any) -> PatternSource:
    path = folder / "applications.csv"
    path.write_bytes(content)
    return PatternSource(PatternsConfig(source="csv", path=path, **settings), None)


@pytest.mark.parametrize(
    "content",
    [
        b"id,resource_tracking\n1,crm\n7,\xe6\x94\xaf\xe4\xbb\x98\n",
        b"\xef\xbb\xbfid,resource_tracking\r\n1,crm\r\n7,\xe6\x94\xaf\xe4\xbb\x98\r\n",
        b'resource_tracking,owner,id\n"crm",x,1\n\xe6\x94\xaf\xe4\xbb\x98,"a,b", 7 \n\n',
        b"\xef\xbb\xbfid;owner;resource_tracking\r\n1;a,b;crm\r\n7;;\xe6\x94\xaf\xe4\xbb\x98\r\n",
        b"resource_tracking \t id\ncrm\t1\n\xe6\x94\xaf\xe4\xbb\x98\t7\n",
        b'"id","resource_tracking"\n1,"crm"\n7,\xe6\x94\xaf\xe4\xbb\x98',
    ],
)
def test_a_csv_file_is_read_however_it_was_saved(tmp_path: Path, content: bytes) -> None:
    assert csv_source(tmp_path, content).read() == [(1, "crm"), (7, "\u652f\u4ed8")]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"id,resource_tracking\n1,crm\nx,web\n", ("Row 2", "id", "whole number")),
        (b"id,resource_tracking\n1.5,crm\n", ("Row 1", "id")),
        (b"id,resource_tracking\n,crm\n", ("Row 1", "id")),
        (b"id,pattern\n1,crm\n", ("resource_tracking",)),
        (b"number,resource_tracking\n1,crm\n", (" id",)),
        (b"id|resource_tracking\n1|crm\n", ("id", "its first line names 'id|resource_tracking'")),
        (
            b"ID;pattern;x\n",
            ("no column id and no column resource_tracking", "its first line names 'ID', 'pattern', 'x'"),
        ),
        (b"", ("id", "resource_tracking", "its first line names no column")),
        (b"id,resource_tracking\n", ("no tracking patterns", "write them into the file", "patterns.required")),
        (b"id,resource_tracking\n1, \n", ("no tracking patterns",)),
        (b"id,resource_tracking\n1,caf\xe9\n", ("utf-8",)),
    ],
)
def test_a_csv_file_that_is_wrong_is_a_sentence_with_its_place(
    tmp_path: Path, content: bytes, parts: tuple[str, ...]
) -> None:
    with pytest.raises(PatternsUnavailableError) as refused:
        csv_source(tmp_path, content).read()
    for part in (str(tmp_path / "applications.csv"), *parts):
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_blank_pattern_and_a_row_that_is_too_short_or_too_long_are_read(tmp_path: Path) -> None:
    rows = csv_source(tmp_path, b"id,resource_tracking\n1,\n2\n3,crm,more\n").read()
    assert rows == [(1, ""), (2, ""), (3, "crm")]


def test_a_csv_file_that_is_missing_is_a_sentence_that_the_process_ends_with(mapper: MapperRuns) -> None:
    path = mapper.folder / "gone.csv"
    ended = mapper.finish([USAGE_SCHEMA, usage_line(1)], patterns={"source": "csv", "path": str(path)})
    assert str(path) in ended.sentence()
    assert ended.output.lines == []


def test_a_csv_source_without_a_path_names_the_setting() -> None:
    with pytest.raises(PatternsUnavailableError, match=r"patterns\.path"):
        PatternSource(PatternsConfig(source="csv"), None).read()


def test_a_table_without_settings_of_clickhouse_names_the_settings() -> None:
    with pytest.raises(PatternsUnavailableError, match=r"clickhouse"):
        PatternSource(PatternsConfig(), None).read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse"), password=PASSWORD) as clickhouse:
        yield clickhouse


def connection(server: ClickHouse, **changed: Any) -> ClickHouseConfig:
    settings = {"host": server.host, "port": server.port, "username": server.user, "password": server.password}
    return ClickHouseConfig.model_validate(settings | changed)


@pytest.fixture
def table(server: ClickHouse) -> Iterator[str]:
    name = f"patterns_{uuid.uuid4().hex}"
    yield name
    server.execute(f"DROP TABLE IF EXISTS {name}")


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ("id Int64, resource_tracking String", "crm"),
        ("id UInt64, resource_tracking Nullable(String)", "crm"),
        ("id Nullable(UInt32), owner String, resource_tracking LowCardinality(String)", "crm"),
        ("resource_tracking FixedString(8), id Int8", "crm"),
        ("id String, resource_tracking String", "crm"),
    ],
)
def test_a_table_is_read_whatever_the_types_of_its_columns(
    server: ClickHouse, table: str, columns: str, text: str
) -> None:
    server.execute(f"CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    server.execute(f"INSERT INTO {table} (id, resource_tracking) VALUES (7, '{text}')")
    found = PatternSource(PatternsConfig(table=table), connection(server)).read()
    assert [(row.id, row.resource_tracking.strip()) for row in found] == [(7, text)]


def test_a_null_pattern_is_blank_and_a_null_id_is_a_sentence(server: ClickHouse, table: str) -> None:
    server.execute(f"CREATE TABLE {table} (id Nullable(Int64), resource_tracking Nullable(String)) ENGINE = Memory")
    server.execute(f"INSERT INTO {table} VALUES (1, NULL), (2, 'web')")
    source = PatternSource(PatternsConfig(table=table), connection(server))
    assert source.read() == [(1, ""), (2, "web")]
    server.execute(f"INSERT INTO {table} VALUES (NULL, 'crm')")
    with pytest.raises(PatternsUnavailableError, match=rf"{table}.* id: "):
        source.read()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


FAILURES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the table is missing": ({}, ("patterns import", "no table")),
    "the server is gone": ({"port": closed_port()}, ("nothing answers",)),
    "the host is unknown": ({"host": "clickhouse.invalid"}, ("host name is not known",)),
    "the password is wrong": ({"password": "s3cret-guess"}, ("password is wrong",)),
    "the user is wrong": ({"username": "nobody"}, ("password is wrong", "nobody")),
    "the database is missing": ({"database": "nowhere"}, ("nowhere", "azure-billing-warehouse create")),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_patterns_that_cannot_be_had_are_one_sentence_with_place_cause_and_cure(
    server: ClickHouse, table: str, failure: str
) -> None:
    changed, parts = FAILURES[failure]
    config = connection(server, **changed)
    with pytest.raises(PatternsUnavailableError) as refused:
        PatternSource(PatternsConfig(table=table), config).read()
    sentence = str(refused.value)
    for part in (config.host, str(config.port), table, *parts):
        assert part in sentence
    assert "\n" not in sentence
    assert PASSWORD not in sentence
    assert "s3cret-guess" not in sentence


def test_a_column_that_is_missing_in_the_table_is_a_sentence(server: ClickHouse, table: str) -> None:
    server.execute(f"CREATE TABLE {table} (id Int64, pattern String) ENGINE = Memory")
    with pytest.raises(PatternsUnavailableError, match=r"resource_tracking") as refused:
        PatternSource(PatternsConfig(table=table), connection(server)).read()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("failure", ["the server is gone", "the password is wrong", "the table is missing"])
def test_the_process_ends_with_that_sentence_and_never_shows_the_password(
    mapper: MapperRuns, server: ClickHouse, table: str, failure: str
) -> None:
    changed, parts = FAILURES[failure]
    clickhouse = {
        "host": server.host,
        "port": server.port,
        "username": server.user,
        "password": server.password,
    } | changed
    ended = mapper.finish(
        [USAGE_SCHEMA, usage_line(1)], patterns={"table": table}, clickhouse=clickhouse, create_tables=False
    )
    for part in parts:
        assert part in ended.sentence()
    assert ended.output.lines == []
    for secret in (PASSWORD, "s3cret-guess"):
        assert secret not in ended.said


def test_patterns_of_a_table_track_the_rows_of_a_run(mapper: MapperRuns, server: ClickHouse, table: str) -> None:
    server.execute(f"CREATE TABLE {table} (id Int64, resource_tracking String) ENGINE = Memory")
    server.execute(f"INSERT INTO {table} VALUES (2, 'web'), (1, 'web-1')")
    clickhouse = connection(server).model_dump() | {"password": PASSWORD}
    written = mapper.run(
        [USAGE_SCHEMA, usage_line(1)], patterns={"table": table}, clickhouse=clickhouse, create_tables=False
    )
    assert [row["resource_tracking"] for row in written.records(DETAIL)] == ["WEB-1"]


class Clock:
    """Seconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The seconds now."""
        return self.now


def test_patterns_are_due_at_the_start_and_after_the_refresh_time(tmp_path: Path) -> None:
    path, clock = tmp_path / "p.csv", Clock()
    path.write_text("id,resource_tracking\n1,crm\n", encoding="utf-8")
    source = PatternSource(PatternsConfig(source="csv", path=path, refresh_seconds=60), None, clock)
    assert source.is_due()
    source.read()
    assert not source.is_due()
    clock.now += 59.5
    assert not source.is_due()
    clock.now += 0.5
    assert source.is_due()
    path.write_text("id,resource_tracking\n1,erp\n", encoding="utf-8")
    assert source.read() == [(1, "erp")]
    assert not source.is_due()


def test_a_run_takes_patterns_that_change_under_way(mapper: MapperRuns) -> None:
    path = mapper.folder / "patterns.csv"
    path.write_text("id,resource_tracking\n1,crm\n", encoding="utf-8")
    settings = {"source": "csv", "path": str(path), "refresh_seconds": 1e-6}
    with mapper.start(patterns=settings) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(USAGE_SCHEMA + usage_line(1) + b'{"type":"STATE","value":{}}\n')
        process.stdin.flush()
        before = [json.loads(process.stdout.readline()) for _ in range(5)]
        path.write_text("id,resource_tracking\n1,web\n", encoding="utf-8")
        after, _ = process.communicate(usage_line(2), timeout=60)
    tracked = [message["record"]["resource_tracking"] for message in before if message["type"] == "RECORD"]
    assert tracked == ["WEB-1"]
    assert json.loads(after)["record"]["resource_tracking"] == "WEB"


def cached(server: ClickHouse, table: str, cache: Path, **changed: Any) -> PatternSource:
    config = PatternsConfig(table=table, cache_path=cache, on_unavailable="cache")
    return PatternSource(config, connection(server, **changed))


@pytest.fixture
def cache(server: ClickHouse, table: str, tmp_path: Path) -> Path:
    """The cache file that a successful read left in a folder that it made."""
    path = tmp_path / "made" / "on demand" / "patterns.json"
    server.execute(f"CREATE TABLE {table} (id Int64, resource_tracking String) ENGINE = Memory")
    server.execute(f"INSERT INTO {table} VALUES (9223372036854775807, '\u652f\u4ed8 \"x\"')")
    assert len(cached(server, table, path).read()) == 1
    return path


def test_without_clickhouse_the_cached_patterns_go_on_with_a_warning_that_says_how_old_they_are(
    server: ClickHouse, table: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = json.loads(cache.read_text(encoding="utf-8"))
    cache.write_text(json.dumps(content | {"read_at": "2020-01-01T00:00:00Z"}), encoding="utf-8")
    assert cached(server, table, cache, port=closed_port()).read() == [(2**63 - 1, '\u652f\u4ed8 "x"')]
    ours = [
        entry
        for entry in caplog.records
        if entry.name.startswith(("mapper_azure_billing_tracking", "azure_billing_warehouse"))
    ]
    (warning,) = (entry.getMessage() for entry in ours if entry.levelno == logging.WARNING)
    hours = float(warning.rsplit(" hours", 1)[0].rsplit(" ", 1)[1])
    assert hours > 24 * 365 * 5
    for part in (str(cache), server.host, "nothing answers"):
        assert part in warning
    assert PASSWORD not in warning


def test_by_default_a_cache_does_not_hide_that_clickhouse_is_gone(server: ClickHouse, table: str, cache: Path) -> None:
    config = PatternsConfig(table=table, cache_path=cache)
    with pytest.raises(PatternsUnavailableError):
        PatternSource(config, connection(server, port=closed_port())).read()


def test_a_missing_cache_is_told_beside_the_cause(server: ClickHouse, table: str, tmp_path: Path) -> None:
    source = cached(server, table, tmp_path / "none.json", port=closed_port())
    with pytest.raises(PatternsUnavailableError, match=r"nothing answers.*no cache"):
        source.read()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"patterns":[]}', b'{"read_at":"x","patterns":[]}', b"\xff", b"null",
                b'{"read_at":"2026-01-01T00:00:00Z","patterns":[{"id":"x","resource_tracking":"crm"}]}'],
)  # fmt: skip
def test_a_corrupt_cache_is_a_sentence_that_names_the_file(
    server: ClickHouse, table: str, cache: Path, content: bytes
) -> None:
    cache.write_bytes(content)
    with pytest.raises(PatternsUnavailableError, match="delete") as refused:
        cached(server, table, cache, port=closed_port()).read()
    assert str(cache) in str(refused.value)


def test_a_corrupt_cache_is_replaced_by_the_next_read(server: ClickHouse, table: str, cache: Path) -> None:
    whole = cache.read_bytes()
    cache.write_bytes(whole[:10])
    assert cached(server, table, cache).read() == [(2**63 - 1, '\u652f\u4ed8 "x"')]
    assert json.loads(cache.read_bytes())["patterns"] == json.loads(whole)["patterns"]
    assert list(cache.parent.iterdir()) == [cache]


def test_a_cache_that_cannot_be_written_is_a_warning(mapper: MapperRuns, caplog: pytest.LogCaptureFixture) -> None:
    blocked = mapper.folder / "file"
    blocked.write_text("", encoding="utf-8")
    path = blocked / "patterns.json"
    written = mapper.run(
        [USAGE_SCHEMA, usage_line(1)], patterns=mapper.settings()["patterns"] | {"cache_path": str(path)}
    )
    assert len(written.records(DETAIL)) == 1
    (warning,) = (entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING)
    assert warning == f"The tracking patterns can't be kept in {path} (patterns.cache_path): File exists."


def test_mappers_that_write_the_cache_at_a_time_leave_a_whole_one_and_nothing_else(mapper: MapperRuns) -> None:
    cache = mapper.folder / "cache" / "patterns.json"
    config = PatternsConfig(source="csv", path=mapper.settings()["patterns"]["path"], cache_path=cache)
    with ThreadPoolExecutor(8) as mappers:
        reads = [mappers.submit(PatternSource(config, None).read) for _ in range(200)]
        assert {len(read.result()) for read in reads} == {3}
    assert len(json.loads(cache.read_bytes())["patterns"]) == 3
    assert list(cache.parent.iterdir()) == [cache]


def test_a_csv_that_was_guarded_against_spreadsheets_is_read_as_it_was(mapper: MapperRuns) -> None:
    path = mapper.folder / "guarded.csv"
    path.write_text("id,resource_tracking\n'-1,'=web\n2,''@x\n3,'plain'\n", encoding="utf-8")
    patterns = PatternSource(PatternsConfig(source="csv", path=path), None).read()
    assert patterns == [(-1, "=web"), (2, "'@x"), (3, "'plain'")]


def test_no_patterns_are_a_warning_where_a_setting_allows_them(
    tmp_path: Path, server: ClickHouse, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    none = PatternsConfig(table=table, required=False)
    assert csv_source(tmp_path, b"id,resource_tracking\n", required=False).read() == []
    assert PatternSource(none, connection(server)).read() == []
    assert PatternSource(none, None).read() == []
    assert PatternSource(PatternsConfig(source="csv", required=False), None).read() == []
    told = [entry.getMessage() for entry in caplog.records if entry.levelno > logging.INFO]
    assert len(told) == 4
    assert all("which patterns.required allows: every row is tracked to its own resource" in each for each in told)


@pytest.mark.parametrize("database", ["dbo", "a.b", "x y"])
def test_a_table_in_another_database_is_named_with_it(server: ClickHouse, table: str, database: str) -> None:
    quoted = quote_identifier(database)
    server.execute(f"CREATE DATABASE {quoted}")
    try:
        server.execute(f"CREATE TABLE {quoted}.{table} (id Int64, resource_tracking String) ENGINE = Memory")
        server.execute(f"INSERT INTO {quoted}.{table} VALUES (7, 'crm')")
        place = f"`{database}`.{table}" if "." in database else f"{database}.{table}"
        assert PatternSource(PatternsConfig(table=place), connection(server)).read() == [(7, "crm")]
    finally:
        server.execute(f"DROP DATABASE {quoted}")
    with pytest.raises(PatternsUnavailableError, match=r"There is no table .*PATTERNS_TABLE"):
        PatternSource(PatternsConfig(table=place), connection(server)).read()
