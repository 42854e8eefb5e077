"""Each ClickHouse that the tests run on, as a process of its own; an engine that can't be installed is an error."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sandbox.clickhouse.versions import OLDER
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import ClickHouse

NEWEST = "newest"


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ClickHouse]]:
    """A running ClickHouse of each version, by its name."""
    folder = tmp_path_factory.mktemp("engines")
    with ExitStack() as servers:
        started = {}
        for name in (*OLDER, NEWEST):
            version = None if name == NEWEST else name
            server = running_clickhouse(folder / name, password="correct horse", engine=version)  # noqa: S106
            started[name] = servers.enter_context(server)
        yield started


@pytest.fixture(params=[*OLDER, NEWEST])
def engine(request: pytest.FixtureRequest, engines: dict[str, ClickHouse]) -> ClickHouse:
    """A running ClickHouse of each version in turn."""
    return engines[request.param]
