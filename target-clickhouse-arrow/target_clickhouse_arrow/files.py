"""Arrow files of a BATCH manifest: from URL to bytes and nulls; knows nothing of ClickHouse."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from target_clickhouse_arrow.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


def local_path(url: str) -> Path:
    """Return the path of `file:///abs/part-0001.arrow`.

    Raises:
        LoadError: If it is anything but an absolute path on this machine.
    """
    parts = urlsplit(url)
    path = Path(url2pathname(parts.path))
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not path.is_absolute():
        raise LoadError(f"The Arrow file {url!r} can't be loaded: only file:///absolute/path is understood.")
    return path


def require_local_files(urls: Sequence[str]) -> None:
    """Refuse files of other formats that are named as local files and don't exist.

    Raises:
        LoadError: If one is missing.
    """
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme in {"", "file"} and not Path(url2pathname(parts.path)).is_file():
            raise LoadError(f"The batch file {url!r} can't be loaded: there is no such file.")


def require_inside(path: Path, folder: Path) -> Path:
    """Return the file to load and delete, which must lie below the folder, whatever links lead to it.

    Raises:
        LoadError: If it doesn't, or isn't a file.
    """
    try:
        found, inside = path.resolve(strict=True), folder.resolve()
    except OSError as error:
        raise LoadError(f"The Arrow file {path} can't be read: {error.strerror}") from error
    if not found.is_relative_to(inside):
        raise LoadError(
            f"The Arrow file {path} is not below {folder}: it is neither loaded nor deleted. If it is right, set "
            "batch_directory to the folder in which Arrow files are handed over."
        )
    if not found.is_file():
        raise LoadError(f"The Arrow file {path} can't be read: it is no file")
    return found


@dataclass(frozen=True)
class ArrowFile:
    """The content of an Arrow IPC file, which has its rows in one record batch, so that ClickHouse gets one block.

    Attributes:
        path: Where it was read.
        content: Its bytes, as they are sent.
        names: Its columns, in order.
    """

    path: Path
    content: pa.Buffer
    names: Sequence[str]

    def count_nulls(self, names: Collection[str]) -> tuple[int, dict[str, int]]:
        """Return the number of rows, and the number of nulls in each of some columns; no other column is decompressed.

        Raises:
            LoadError: If these columns can't be read.
        """
        wanted = [position for position, name in enumerate(self.names) if name in names]
        options = pa.ipc.IpcReadOptions(included_fields=wanted or [0])
        with _readable(self.path), pa.ipc.open_file(self.content, options=options) as reader:
            if not self.names or not reader.num_record_batches:
                return 0, {}
            batch = reader.get_batch(0)
            return batch.num_rows, {batch.schema.field(i).name: batch.column(i).null_count for i in range(len(wanted))}


def read_file(path: Path) -> ArrowFile:
    """Return the file's content as it is, or written anew if its rows are in several record batches.

    Raises:
        LoadError: If there is no such file, or it is not a complete Arrow IPC file.
    """
    with _readable(path):
        content = pa.py_buffer(path.read_bytes())
        with pa.ipc.open_file(content) as reader:
            names = reader.schema.names
            if reader.num_record_batches > 1:
                content = _in_one_batch(reader.read_all())
    return ArrowFile(path, content, names)


def _in_one_batch(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"The Arrow file {path} can't be read: {' '.join(str(error).split())}") from error
