"""Which tests run beside each other: those of a file one after another, and of those that run Meltano one at a time.

Two Meltano processes in one project write the same files in its run folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer


class OneMeltano(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """A worker for each file; one for all of tests/pipeline."""

    def _split_scope(self, nodeid: str) -> str:  # what pytest-xdist documents for schedulers of one's own
        file = nodeid.split("::", 1)[0]
        return "tests/pipeline" if file.startswith("tests/pipeline/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneMeltano:
    """Take the place of pytest-xdist's own scheduler."""
    return OneMeltano(config, log)
