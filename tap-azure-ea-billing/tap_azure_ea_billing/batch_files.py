"""Arrow files of usage rows for BATCH messages: where they are, what is in them, and when one may be written.

The reader of a file deletes it. What a killed run leaves is removed by a later one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import shutil
import stat
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import polars as pl

logger = logging.getLogger(__name__)

_RUN_FOLDER = "tap-"
_LARGEST_BACKLOG = 512 * 2**20
"""Bytes of files that the reader has not deleted, above which no more are written."""
_LOOK_AGAIN = 0.1
"""Seconds between two looks at what the reader has deleted."""
_TELL_AGAIN = 300
"""Seconds between two warnings that the reader deletes nothing."""
_HOUR = 3600


class BatchFileError(OperatorError):
    """A file can't be written, or nobody reads the files any more; the message says where and why."""


class BatchFiles:
    """The files of a run, in a folder of its own that only this user can enter.

    Args:
        root: The folder of the runs' folders, as a path or a `file://` URL.
        prefix: How the name of a file begins.
        most_rows: Rows of a file.
    """

    encoding = "arrow"

    def __init__(self, root: str, prefix: str, most_rows: int) -> None:
        self._root = Path(unquote(root.removeprefix("file://")) if root.startswith("file://") else root).absolute()
        self._prefix = prefix
        self._most_rows = most_rows
        self._folder: Path | None = None
        self._lock = -1
        self._backlog: dict[Path, int] = {}

    def gather(self, key: Mapping[str, str], deselected: Collection[str]) -> RowGatherer:
        """Return a gatherer of the rows of an extraction.

        Args:
            key: The columns of the key that all of them have in common.
            deselected: Columns that are left out.
        """
        return RowGatherer(self, self._most_rows, key, deselected)

    def write(self, frame: pl.DataFrame) -> Path:
        """Write rows to a file; return it when it is whole.

        Raises:
            BatchFileError: The file can't be written, or its reader is gone.
        """
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        self._wait_for_room()
        try:
            return self._written(frame)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise BatchFileError(
                f"A batch of {counted(frame.height, 'row')} can't be written to {self._root} "
                f"(setting `batch_config`): {error}."
            ) from error

    def _written(self, frame: pl.DataFrame) -> Path:
        if self._folder is None:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_dead_runs(self._root)
            self._folder = Path(tempfile.mkdtemp(prefix=_RUN_FOLDER, dir=self._root))
            self._lock = _locked(self._folder)
        path = self._folder / f"{self._prefix}{uuid.uuid4().hex}.arrow"
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            frame.write_ipc(file, compression="lz4")
        self._backlog[path] = part.stat().st_size
        part.rename(path)
        return path

    def _undeleted(self) -> int:
        if sum(self._backlog.values()) > _LARGEST_BACKLOG:
            self._backlog = {path: size for path, size in self._backlog.items() if path.exists()}
        return sum(self._backlog.values())

    def _wait_for_room(self) -> None:
        if self._undeleted() <= _LARGEST_BACKLOG or not _is_read_meanwhile():
            return
        reader = select.poll()
        reader.register(sys.stdout.fileno(), 0)  # it reports a pipe without a reader unasked
        told = time.monotonic()
        while self._undeleted() > _LARGEST_BACKLOG:
            if reader.poll(0):
                raise BatchFileError("The program that reads this tap's output has ended: see its log.")
            time.sleep(_LOOK_AGAIN)
            if time.monotonic() - told > _TELL_AGAIN:
                told = time.monotonic()
                logger.warning(
                    "The tap waits for its reader to delete files of %d MB in %s; one that deletes none needs RECORDs: "
                    "leave out the setting `batch_config`.",
                    self._undeleted() // 2**20,
                    self._root,
                )


class RowGatherer:
    """Gathers the frames of an extraction until they fill a file; what it holds at its end is of an unfinished month.

    Args:
        files: Where the files are.
        most_rows: Rows of a file.
        key: The columns of the key that all rows have in common.
        deselected: Columns that are left out.
    """

    def __init__(self, files: BatchFiles, most_rows: int, key: Mapping[str, str], deselected: Collection[str]) -> None:
        self._files = files
        self._most_rows = most_rows
        self._key = key
        self._deselected = deselected
        self._frames: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame, numbers: Sequence[int]) -> Iterator[Path]:
        """Take rows; yield the files that are full.

        Args:
            frame: The rows, without the columns of the key.
            numbers: Their row numbers.

        Raises:
            BatchFileError: A file can't be written, or its reader is gone.
        """
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        self._frames.append(frame.clone().insert_column(0, pl.Series("row_number", numbers, pl.Int64)))
        while sum(held.height for held in self._frames) >= self._most_rows:
            held = pl.concat(self._frames)
            self._frames = [held.slice(self._most_rows)]
            yield self._write(held.head(self._most_rows))

    def rest(self) -> Iterator[Path]:
        """Yield the file of the rows that filled none."""
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        if any(held.height for held in self._frames):
            yield self._write(pl.concat(self._frames))
        self._frames = []

    def _write(self, frame: pl.DataFrame) -> Path:
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        key = [pl.lit(value).alias(name) for name, value in self._key.items()]
        return self._files.write(frame.select(*key, pl.all()).drop(*self._deselected))


def _is_read_meanwhile() -> bool:
    """Return whether the messages go to a process, not to a file that is read later."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _locked(folder: Path) -> int:
    """Lock a folder for as long as this process lives; return the lock.

    Raises:
        OSError: Another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_dead_runs(root: Path) -> None:
    """Remove the folders of runs that are gone, if they are empty or nobody has touched them for an hour."""
    for folder in root.glob(f"{_RUN_FOLDER}*"):
        try:
            lock = _locked(folder)
            try:
                if not any(folder.iterdir()) or time.time() - folder.stat().st_mtime > _HOUR:
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
        except OSError as error:
            logger.debug("The folder %s stays: %s.", folder, error)
