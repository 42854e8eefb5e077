"""Environments of their own for programs that can't be in this one, below `.cache`, created on demand and once."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CACHE = Path(__file__).parents[2] / ".cache"


def made_once(folder: Path, inputs: Sequence[Path], make: Callable[[], None]) -> None:
    """Make a folder unless it was made from the same files by the same Python; one process does, others wait.

    Args:
        folder: What is made; what is left of another one is removed before.
        inputs: The files from which it is made.
        make: Makes it.
    """
    content = b"".join(path.read_bytes() for path in inputs)
    made_from = hashlib.sha256(content + sys.version.encode()).hexdigest()
    stamp = folder / "made-from"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.wait").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != made_from:
            shutil.rmtree(folder, ignore_errors=True)
            make()
            stamp.write_text(made_from)


def install(folder: Path, lock: Path) -> None:
    """Make a Python environment of what a lock names, from the package index.

    Raises:
        RuntimeError: It can't be installed.
    """
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    python = ["--python", str(folder)]
    run([uv, "pip", "install", "--quiet", *python, "--no-deps", "--require-hashes", "--requirement", str(lock)])


def run(command: Sequence[str], folder: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        folder: Where it runs, by default here.
        variables: Its environment, by default ours.

    Raises:
        RuntimeError: With what it said, if it fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=variables)  # noqa: S603 - uv and npm
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
