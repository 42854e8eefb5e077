"""Arrow files of a BATCH manifest: from URL to table; knows nothing of ClickHouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from target_clickhouse_arrow.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def read_table(path: Path) -> pa.Table:
    """Return the file's rows in one record batch, so that ClickHouse gets one block.

    Raises:
        LoadError: If there is no such file, or it is not a complete Arrow IPC file.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            return reader.read_all().combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"The Arrow file {path} can't be read: {' '.join(str(error).split())}") from error
