"""The simulated API for the tap's tests: one process for all of them, without faults at the start of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tap.tap_runs import ENROLLMENT

from sandbox.launch import Api, running_api

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    with running_api(folder, enrollments=(ENROLLMENT, "77777777"), rows=120, page_size=50) as api:
        yield api


@pytest.fixture
def api(_running: Api) -> Api:
    _running.set_faults([])
    for enrollment in (ENROLLMENT, "77777777"):
        for month in ("2026-08", "2026-09", "2026-10", "2026-11"):
            _running.set_revision(enrollment, month, 0)
    _running.clear_requests()
    return _running
