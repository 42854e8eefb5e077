"""Older engines, each in its own environment below `.cache/engines`, created on demand and run in our place.

Two versions of chdb can't be in one environment. What runs there is `sandbox.clickhouse.server` and what it imports,
which needs nothing beyond `engines/VERSION.lock`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parent
_CACHE = _PACKAGE.parents[2] / ".cache" / "engines"

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
    made_from = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    folder = _CACHE / version
    stamp = folder / "made-from"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{version}.wait").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != made_from:
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "--quiet", "--python", sys.executable, str(folder))
            python = ["--python", str(folder)]
            _uv("pip", "install", "--quiet", *python, "--no-deps", "--require-hashes", "--requirement", str(lock))
            stamp.write_text(made_from)
    return folder / "bin" / "python"


def run_in_place(version: str, port: int, folder: Path, user: str, password: str) -> None:
    """Continue as `sandbox.clickhouse.server.serve` with an older engine; never return."""
    python = str(environment(version))
    variables = os.environ | {"PYTHONPATH": str(_PACKAGE.parents[1]), "SANDBOX_CLICKHOUSE_PASSWORD": password}
    arguments = [python, "-m", "sandbox.clickhouse.server", str(port), str(folder), user]
    os.execve(python, arguments, variables)  # noqa: S606 - our own program, without a shell


def _uv(*arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own uv
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
