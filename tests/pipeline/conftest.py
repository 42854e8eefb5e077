"""A ClickHouse for the pipeline's tests, with a database for each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pipeline.project import ENROLLMENT, Project

from sandbox.bill.generator import example_patterns
from sandbox.launch import running_api, running_clickhouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.launch import ClickHouse


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse"), password="correct horse") as server:  # noqa: S106
        yield server


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory, clickhouse: ClickHouse) -> Iterator[Callable[..., Project]]:
    """Makes projects: a bill of the given size, from 2026-08 to 2026-10, with patterns; nothing is loaded yet."""
    with ExitStack() as servers:

        def make(*, rows: int, page_size: int, **api: Any) -> Project:
            folder = tmp_path_factory.mktemp("project")
            bill = {"enrollments": (ENROLLMENT,), "first": "2026-08", "last": "2026-10", **api}
            server = servers.enter_context(running_api(folder / "pages", rows=rows, page_size=page_size, **bill))
            settings = {
                "TAP_AZURE_EA_BILLING_START_DATE": "2026-08-01",
                "TAP_AZURE_EA_BILLING_END_DATE": "2026-10-31",
            }
            project = Project(server, clickhouse, folder, f"bill_{uuid4().hex}", settings)
            assert project.warehouse("create").returncode == 0
            project.import_patterns(example_patterns())
            return project

        yield make
