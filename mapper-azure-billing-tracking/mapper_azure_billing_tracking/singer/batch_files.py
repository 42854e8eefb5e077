"""BATCH files: a folder for each run, bounded in size; how rows get into a file, and when one may be written.

`leftovers` removes what dead runs have left.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import stat
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.sdk import BatchMessage
from mapper_azure_billing_tracking.singer.leftovers import OWNER, RUN_FOLDER, remove_dead_runs
from mapper_azure_billing_tracking.singer.processes import Owner
from mapper_azure_billing_tracking.singer.writer import OutputError

if TYPE_CHECKING:
    from typing import BinaryIO

    from azure_billing_warehouse.tables import BillTable

logger = logging.getLogger(__name__)

_MB = 2**20
_SAMPLE = 1000
"""Rows, or up to twice as many, by which a column of texts is judged."""
_REPEATED = 2
"""Times that its texts must be there on average to be written as a dictionary."""
_OS_ERROR = re.compile(r" \(os error \d+\)")
_LOOK_AGAIN = 0.2
"""Seconds between two looks at what the target has deleted."""
_TELL_AGAIN = 300
"""Seconds between two warnings that the target deletes nothing."""


class BatchFileError(OperatorError):
    """A BATCH file can't be written; the message says where and why."""


class BatchFolder:
    """The files of a run, in a folder of its own that only this user can enter.

    Args:
        directory: The folder of the runs' folders; the system's temporary one by default.
        most_mb: Size in MB of Arrow files not yet deleted by the target, above which no more are written. Targets
            don't delete JSON lines, so the mapper never waits for those.
    """

    def __init__(self, directory: Path | None, most_mb: float) -> None:
        self._directory = (directory or Path(tempfile.gettempdir())).absolute()
        self._most = most_mb * _MB
        self._folder: Path | None = None
        self._under_way: dict[Path, int] = {}
        self._stopped = threading.Event()

    def remove_leftovers(self) -> None:
        """Remove what dead runs have left."""
        remove_dead_runs(self._directory)

    def require_inside(self, path: Path) -> None:
        """Refuse a file of the tap's that does not lie below the folder, whatever links lead to it.

        Raises:
            BatchFileError: It doesn't; it is neither read nor deleted.
        """
        if not path.resolve().is_relative_to(self._directory.resolve()):
            raise BatchFileError(
                f"The tap's file {path} is not below {self._directory}, and is neither read nor deleted: set "
                "batch_directory to the folder that the tap has in batch_config (storage.root), or to one above it."
            )

    def stop(self) -> None:
        """Stop waiting for the target: the run is ending."""
        self._stopped.set()

    def write(
        self, table: type[BillTable], frame: pl.DataFrame, file_format: Literal["jsonl", "arrow"]
    ) -> BatchMessage:
        """Write a frame to its own file. The reader of an Arrow file deletes it.

        Args:
            table: The table that the rows are for.
            frame: The rows.
            file_format: JSON lines, or an Arrow IPC file.

        Returns:
            The message that names the file.

        Raises:
            BatchFileError: The file can't be written; nothing is left of it.
            OutputError: The target went away while the mapper waited for it to delete files.
        """
        if file_format == "arrow":
            self._wait_for_room()
        try:
            path = self._made() / f"{table.table}-{uuid.uuid4().hex}.{file_format}"
            part = path.with_suffix(".part")
            try:
                with _new_file(part) as file:
                    encoding = _write(table, frame, file_format, file)
                self._under_way[path] = part.stat().st_size
                part.rename(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        except (OSError, pl.exceptions.PolarsError) as error:
            raise BatchFileError(
                f"A batch of {counted(frame.height, 'row')} can't be written to {self._directory}: {_reason(error)}."
            ) from error
        return BatchMessage(stream=table.table, encoding=encoding, manifest=[path.as_uri()])

    def _made(self) -> Path:
        """Return the run's folder, which is created for its first file."""
        if self._folder is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=RUN_FOLDER, dir=self._directory))
            with _new_file(folder / OWNER) as file:
                file.write(json.dumps(Owner.here().as_json()).encode())
            self._folder = folder
        return self._folder

    def _undeleted(self) -> int:
        """Return the size in bytes of the files that are still there."""
        if sum(self._under_way.values()) > self._most:
            self._under_way = {path: size for path, size in self._under_way.items() if path.exists()}
        return sum(self._under_way.values())

    def _wait_for_room(self) -> None:
        """Wait until the target has deleted enough, or has gone.

        Raises:
            OutputError: It has gone, or the run is ending.
        """
        if self._undeleted() <= self._most or not _is_read_meanwhile():
            return
        target = select.poll()
        target.register(sys.stdout.fileno(), 0)  # it reports a pipe without a reader unasked
        told = time.monotonic()
        logger.info(
            "The mapper waits for the target, which has %s of %.0f MB to load.",
            counted(len(self._under_way), "file"),
            self._undeleted() / _MB,
        )
        while (undeleted := self._undeleted()) > self._most:
            if target.poll(0):
                raise OutputError(
                    f"The target has gone before it loaded {counted(len(self._under_way), 'file')} of "
                    f"{undeleted / _MB:.0f} MB: see its log, and run again."
                )
            if self._stopped.wait(_LOOK_AGAIN):
                raise OutputError("The run was stopped while the mapper waited for the target.")
            if time.monotonic() - told > _TELL_AGAIN:
                told = time.monotonic()
                logger.warning(
                    "The mapper still waits for the target to load and delete Arrow files of %.0f MB; a target that "
                    "deletes none needs a higher batch_directory_mb, or output jsonl.",
                    undeleted / _MB,
                )


def _new_file(path: Path) -> BinaryIO:
    """Return a file that only this user can read, whatever the umask says."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _is_read_meanwhile() -> bool:
    """Return whether the messages go to a process, not to a file that feeds a target later."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _write(
    table: type[BillTable], frame: pl.DataFrame, file_format: Literal["jsonl", "arrow"], file: BinaryIO
) -> dict[str, str]:
    if file_format == "jsonl":
        frame.write_ndjson(file)
        return {"format": "jsonl", "compression": "none"}
    # A column of type JSON has no null in ClickHouse: {} is what it holds in its place.
    json_columns = [column.name for column in table.sent_columns() if column.clickhouse.type == "JSON"]
    frame = _with_dictionaries(frame.with_columns(pl.col(json_columns).fill_null("{}")))
    frame.write_ipc(file, compat_level=pl.CompatLevel.oldest(), compression="lz4")
    return {"format": "arrow"}


def _with_dictionaries(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose texts that repeat are dictionaries: half the time to write, a fifth of the file.

    Each column has categories of its own, which go with the frame; global ones would grow with the run.
    """
    sample = frame.gather_every(frame.height // _SAMPLE or 1)
    repeated = [
        column.name
        for column in sample.iter_columns()
        if column.dtype == pl.String and column.n_unique() * _REPEATED <= sample.height
    ]
    return frame.with_columns(pl.col(name).cast(pl.Categorical(pl.Categories.random())) for name in repeated)


def _reason(error: Exception) -> str:
    """Return the system's message without the number that Polars adds to it."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(_OS_ERROR.sub("", said).split()).rstrip(".")
