"""Parquet files as text frames: decimals and times as their exact text, nested values as JSON text.

Slices of the file, each collected by itself, keep memory at that of a slice (0.35 GB and 1 to 3 us a row, whatever the
size of the row groups); `collect_batches` reads ahead (1.2 to 1.5 GB for a million rows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tap_azure_ea_billing.sources.files.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS_OF_A_FRAME = 25_000


class ParquetFile:
    """A Parquet file that is being read.

    Args:
        path: Where it is.
        name: What it is called in errors.

    Attributes:
        header: Its columns.
        rows: Rows so far.

    Raises:
        FileError: It is no Parquet file, or was cut short.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._file = pl.scan_parquet(path, glob=False)
        self._name = name
        self.rows = 0
        try:
            schema = self._file.collect_schema()
            self._height = int(self._file.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError):
            raise FileError(f"{name}: the file is no Parquet file, or was cut short.") from None
        self.header = schema.names()
        self._texts = [_text(pl.col(column), dtype) for column, dtype in schema.items()]

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows once, as frames of text columns in the order of the header.

        Raises:
            FileError: Its pages are damaged, or hold text that is no UTF-8.
        """
        for first in range(0, self._height, ROWS_OF_A_FRAME):
            try:
                frame = self._file.slice(first, ROWS_OF_A_FRAME).select(self._texts).collect()
            except (pl.exceptions.PolarsError, OSError):
                raise FileError(f"{self._name}: from row {first + 1} on, the file is damaged.") from None
            self.rows += frame.height
            yield frame


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column's values as text."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if dtype.time_zone else ""))
    if dtype.is_nested():
        # An object with the value as its only member, without what stands around the value.
        member = pl.struct(column.alias("v")).struct.json_encode().str.slice(len('{"v":')).str.head(-1)
        return pl.when(column.is_not_null()).then(member).alias(column.meta.output_name())
    return column.cast(pl.String)
