"""The proxy before ClickHouse: each fault as a client meets it, and what the server had of it."""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import pytest

from sandbox.clickhouse.proxy import Proxy, parse_proxy_fault
from sandbox.launch import RestartableClickHouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import ClickHouse

INSERT = "INSERT INTO counted VALUES (1)"


class World:
    """A ClickHouse behind a proxy, and what the proxy told."""

    def __init__(self, server: RestartableClickHouse) -> None:
        self.server = server
        self.struck: list[str] = []
        self.seen: list[tuple[int, int]] = []
        self.proxy = Proxy(
            server.clickhouse,
            on_request=lambda number, insert: self.seen.append((number, insert)),
            on_fault=self.struck.append,
            on_death=server.kill,
            revive=self.revive,
        )

    def revive(self) -> None:
        """Start the server again."""
        self.proxy.upstream = self.server.start()

    def ask(self, sql: str) -> tuple[int, str] | None:
        """Status and body, None where there was no whole answer."""
        connection = HTTPConnection("127.0.0.1", self.proxy.port, timeout=60)
        try:
            connection.request("POST", "/", body=sql.encode(), headers={"X-ClickHouse-Key": "secret"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def rows(self) -> int:
        """How many rows the server has."""
        return len(self.server.clickhouse.query("SELECT * FROM counted"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableClickHouse]:
    running = RestartableClickHouse(tmp_path_factory.mktemp("clickhouse"), password="secret")  # noqa: S106
    yield running
    running.stop()


@pytest.fixture
def world(server: RestartableClickHouse) -> Iterator[World]:
    clickhouse: ClickHouse = server.clickhouse
    clickhouse.execute("CREATE OR REPLACE TABLE counted (n UInt8) ENGINE = MergeTree ORDER BY ()")
    running = World(server)
    yield running
    running.proxy.close()


def test_requests_pass_and_are_counted(world: World) -> None:
    assert world.ask("SELECT 1") == (200, "1\n")
    assert world.ask(INSERT) == (200, "")
    assert world.ask("SELECT nonsense FROM nowhere") is not None
    assert world.seen == [(1, 0), (2, 1), (3, 0)]
    assert (world.rows(), world.struck) == (1, [])


@pytest.mark.parametrize(
    ("fault", "status", "rows"),
    [
        ("error=503@insert:2", 503, 0),
        ("late=500@insert:2", 500, 1),
        ("lost@insert:2", None, 1),
        ("cut@insert:2", None, 1),
        ("delay=0.01@insert:2", 200, 1),
        ("repeat@insert:2", 200, 2),
        ("die=before@insert:2", None, 0),
        ("die=after@insert:2", None, 1),
    ],
)
def test_a_fault_strikes_the_insert_that_it_names(world: World, fault: str, status: int | None, rows: int) -> None:
    world.proxy.set_faults([fault])
    assert world.ask(INSERT) == (200, "")
    answer = world.ask(INSERT)
    assert (answer and answer[0]) == status
    assert world.struck == [re.split("[=@]", fault)[0]]
    assert world.proxy.wait_until_open(60)
    assert world.rows() == 1 + rows
    assert world.ask(INSERT) == (200, "")


def test_an_insert_during_which_the_server_dies_is_whole_or_absent(world: World) -> None:
    world.proxy.set_faults(["die=during@1"])
    assert world.ask(INSERT) is None
    assert world.proxy.wait_until_open(60)
    assert world.rows() in {0, 1}


def test_half_of_an_answer_is_no_answer(world: World) -> None:
    world.proxy.set_faults(["cut@1"])
    assert world.ask("SELECT 1234") is None
    assert world.ask("SELECT 1234") == (200, "1234\n")


def test_refused_connections_are_taken_again_on_the_same_port(world: World) -> None:
    port = world.proxy.port
    world.proxy.set_faults(["refuse=0.2@1"])
    assert world.ask("SELECT 1") is None
    assert world.proxy.wait_until_open(60)
    assert world.proxy.port == port
    assert world.ask("SELECT 1") == (200, "1\n")


@pytest.mark.parametrize("spec", ["lost", "lost@0-", "burn@1", "error@1", "error=200@1", "die=soon@1", "refuse@1"])
def test_a_wrong_specification_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="The fault"):
        parse_proxy_fault(spec)
