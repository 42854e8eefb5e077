"""Which tests run beside each other: those of a file one after another, and of those that run Meltano one at a time.

Two Meltano processes in one project write the same files in its run folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into the group of its file, or of the pipeline."""
    for item in items:
        folder, *_ = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group("pipeline" if folder == "pipeline" else str(item.path)))
