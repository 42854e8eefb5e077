"""The mapper for the tests of its runs; the oracle and the generated rows need nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mapper.runs import MapperRuns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mapper(tmp_path: Path) -> MapperRuns:
    return MapperRuns(tmp_path)
