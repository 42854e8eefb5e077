"""Older engines, each in its own environment below `.cache/engines`, created on demand and run in our place.

Two versions of chdb can't be in one environment. What runs there is `sandbox.clickhouse.server` and what it imports,
which needs nothing beyond `engines/VERSION.lock`.
"""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.environments import CACHE, install, made_once

_PACKAGE = Path(__file__).parent
_CACHE = CACHE / "engines"

OLDER = tuple(sorted(lock.stem for lock in (_PACKAGE / "engines").glob("*.lock")))
"""ClickHouse versions besides the one in this environment."""


def environment(version: str) -> Path:
    """Return the Python of an engine's environment, which is created from the package index if it is absent.

    Args:
        version: One of `OLDER`.

    Raises:
        RuntimeError: The engine can't be installed.
    """
    lock = _PACKAGE / "engines" / f"{version}.lock"
    folder = _CACHE / version
    made_once(folder, [lock], lambda: install(folder, lock))
    return folder / "bin" / "python"


def run_in_place(version: str, port: int, folder: Path, user: str, password: str) -> None:
    """Continue as `sandbox.clickhouse.server.serve` with an older engine; never return."""
    python = str(environment(version))
    variables = os.environ | {"PYTHONPATH": str(_PACKAGE.parents[1]), "SANDBOX_CLICKHOUSE_PASSWORD": password}
    arguments = [python, "-m", "sandbox.clickhouse.server", str(port), str(folder), user]
    os.execve(python, arguments, variables)  # noqa: S606 - our own program, without a shell
