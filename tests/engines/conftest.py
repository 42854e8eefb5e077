"""Each ClickHouse that the tests run on, as a process of its own; an engine that can't be installed is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.clickhouse_versions import OLDER
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.launch import ClickHouse


@pytest.fixture(scope="session", params=[*OLDER, None], ids=lambda version: version or "newest")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A running ClickHouse of each version."""
    folder = tmp_path_factory.mktemp("engine")
    with running_clickhouse(folder, password="correct horse", engine=request.param) as server:  # noqa: S106
        yield server
