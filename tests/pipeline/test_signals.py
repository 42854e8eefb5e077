"""The literal command whose processes are told to end in mid-month: it fails, and no part of the month is shown."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from chaos.faults import find_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.project import Project


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project(rows=300, page_size=100)


@pytest.mark.parametrize("role", ["tap", "mapper", "loader", "meltano"])
def test_a_process_that_is_terminated_in_mid_month_fails_the_run(project: Project, role: str) -> None:
    process = project.start_and_hold()
    try:
        struck = find_process(process.pid, role)
        assert struck is not None
        struck.terminate()
        said, _ = process.communicate(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0, said
    assert project.published() == {}
