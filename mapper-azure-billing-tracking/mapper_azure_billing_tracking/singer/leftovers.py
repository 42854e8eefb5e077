"""What killed runs have left: BATCH files, and Meltano's configuration files with secrets.

Nothing of a live run is removed. What can't be removed is reported in the log, and stops nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from mapper_azure_billing_tracking.singer.processes import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

logger = logging.getLogger(__name__)

RUN_FOLDER = "run-"
"""How the name of a run's folder begins."""
OWNER = "owner.json"
"""The file in it that says whose it is."""
_DAY = 24 * 60 * 60
_OUR_FILES, _OUR_SUFFIXES = ("stg_", "dq_"), frozenset({".arrow", ".jsonl", ".part"})
_CONFIG_FILES = "*/*.config.json"


def remove_dead_runs(directory: Path) -> None:
    """Remove the folders of dead runs, and what older versions left directly in the folder.

    A run is dead when both the mapper and its parent are: the target may still be reading when the mapper has ended. A
    folder whose owner is unknown, or whose mapper has ended, is removed once it has not been touched for a day.

    Args:
        directory: The folder of the runs' folders.
    """
    removed = 0
    for folder in directory.glob(f"{RUN_FOLDER}*"):
        if folder.is_symlink() or not folder.is_dir() or not _is_left(folder):
            continue
        removed += 1
        shutil.rmtree(folder, onerror=lambda _, path, error: _complain(Path(path), error[1]))
    for path in directory.glob("*"):
        if _is_ours(path) and _is_old(path) and path.name != OWNER:
            removed += 1
            _remove(path)
    if removed:
        logger.info("Removed %d left-overs of runs that are gone from %s.", removed, directory)


def _is_left(folder: Path) -> bool:
    try:
        owner = Owner.read(json.loads((folder / OWNER).read_bytes()))
    except (OSError, ValueError):
        owner = None
    if owner is None:  # killed before writing it, or not ours at all
        return _is_old(folder) and _has_only_ours(folder)
    state = owner.state()
    return state == "gone" or (state != "mapping" and _is_old(folder))


def _has_only_ours(folder: Path) -> bool:
    try:
        return all(_is_ours(path) for path in folder.iterdir())
    except OSError:
        return False


def _is_ours(path: Path) -> bool:
    return path.name == OWNER or (path.suffix in _OUR_SUFFIXES and path.name.startswith(_OUR_FILES) and path.is_file())


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _DAY
    except OSError:  # gone meanwhile
        return False


def tidy_meltano(arguments: Sequence[str]) -> None:
    """Make the configuration files in Meltano's run folder private, and remove those of dead runs.

    Meltano writes each plugin's settings, secrets included, to a file that anyone can read, and leaves it there
    when it is killed. The folder is recognized by the file that this process was started with.

    Args:
        arguments: The command line of this process.
    """
    folder = _run_folder(arguments)
    if folder is None:
        return
    files = list(folder.glob(_CONFIG_FILES))
    for path in files:
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            path.chmod(0o600)
    for path in _abandoned(files, folder.parent):
        logger.info("Removed %s, which a run that is gone has left.", path)
        _remove(path)


def _run_folder(arguments: Iterable[str]) -> Path | None:
    """Return the folder `run` of Meltano's system folder, if Meltano started this process."""
    system_folder = os.environ.get("MELTANO_SYS_DIR_ROOT")
    for argument in arguments:
        path = Path(argument).absolute()
        if path.match(f"run/{_CONFIG_FILES}") and (
            path.parents[2].name == ".meltano" or (system_folder and path.parents[2] == Path(system_folder).absolute())
        ):
            return path.parents[1]
    return None


def _abandoned(files: Iterable[Path], system_folder: Path) -> Iterator[Path]:
    """Yield the files that no process names, older than this process's run and than every live Meltano here.

    A file is written some time before its process starts, so a Meltano alive at that time may need it.
    """
    named: set[str] = set()
    started = [_parent_started()]
    for process in psutil.process_iter(["cmdline", "create_time"]):
        command_line: list[str] = process.info["cmdline"] or []
        named.update(Path(argument).name for argument in command_line)
        if any(Path(argument).name == "meltano" for argument in command_line) and _may_use(process, system_folder):
            started.append(process.info["create_time"])
    for path in files:
        with contextlib.suppress(OSError):
            if path.name not in named and path.stat().st_mtime < min(started):
                yield path


def _may_use(process: psutil.Process, system_folder: Path) -> bool:
    """Return whether a Meltano may belong to this project, or to another that shares its system folder."""
    try:
        environment = process.environ()
        named = (environment.get(name) for name in ("MELTANO_PROJECT_ROOT", "MELTANO_SYS_DIR_ROOT"))
        places = [process.cwd(), *filter(None, named)]
    except psutil.Error:
        return True
    return any(Path(place).is_relative_to(system_folder.parent) for place in places)


def _parent_started() -> float:
    parent = psutil.Process().parent()
    return parent.create_time() if parent else 0.0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _complain(path, error)


def _complain(path: Path, error: BaseException) -> None:
    if not isinstance(error, FileNotFoundError):
        logger.warning("What a run that is gone has left can't be removed: %s: %s.", path, error)
