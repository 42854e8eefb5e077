"""Which tests run beside each other: those of a file one after another, and those of two folders.

Two Meltano processes in one project write the same files in its run folder. The older engines are three servers of
400 MB each, which one worker starts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer


_TOGETHER = ("tests/pipeline", "tests/engines")


class FilesAndFolders(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """A worker for each file; one for all of a folder that stays together."""

    def _split_scope(self, nodeid: str) -> str:  # what pytest-xdist documents for schedulers of one's own
        file = nodeid.split("::", 1)[0]
        return next((folder for folder in _TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndFolders:
    """Take the place of pytest-xdist's own scheduler."""
    return FilesAndFolders(config, log)
