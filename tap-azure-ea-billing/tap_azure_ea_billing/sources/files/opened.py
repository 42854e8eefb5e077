"""Opening a cost file by what it is: CSV, gzip CSV or Parquet."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, cast

from tap_azure_ea_billing.sources.files.csv_reader import CsvFile
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.parquet_reader import ParquetFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


class CostFile(Protocol):
    """A cost file that is being read.

    Attributes:
        header: Its header.
        rows: Rows so far.
    """

    header: list[str]
    rows: int

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows once, as frames of text columns in the order of the header."""
        ...


@contextmanager
def opened(path: Path, name: str, *, cut_is_known: bool = False) -> Iterator[CostFile]:
    """Open a file by its first bytes, which a copy keeps when its name is changed.

    Args:
        path: Where it is.
        name: What it is called in errors.
        cut_is_known: Whether a count of bytes or rows tells if the file was cut short (`csv_reader`).

    Raises:
        FileError: It has no header, is damaged or was cut short.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        if start == _PARQUET:
            yield ParquetFile(path, name)
            return
        if not start.startswith(_GZIP):
            yield CsvFile(stream, name, cut_is_known=cut_is_known)
            return
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield CsvFile(cast("IO[bytes]", unpacked), name, cut_is_known=cut_is_known)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise FileError(f"{name}: the gzip file is damaged, or was cut short.") from None
