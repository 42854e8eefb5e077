"""Arrow files of a BATCH manifest: from URL to table; nothing is known here of ClickHouse."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from target_clickhouse_arrow.errors import LoadError


def local_path(url: str) -> Path:
    """The path of `file:///abs/part-0001.arrow`.

    Raises:
        LoadError: if it is anything else than an absolute path on this machine.
    """
    parts = urlsplit(url)
    path = Path(url2pathname(parts.path))
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not path.is_absolute():
        raise LoadError(f"The Arrow file {url!r} can't be loaded: only file:///absolute/path is understood.")
    return path


def read_table(path: Path) -> pa.Table:
    """The file's rows in one record batch, so that ClickHouse gets one block.

    Raises:
        LoadError: if there is no such file, or it is not a whole Arrow IPC file.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            return reader.read_all().combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise LoadError(f"The Arrow file {path} can't be read: {' '.join(str(error).split())}") from error
