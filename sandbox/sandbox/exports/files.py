"""The files of a run: frames of charges as CSV, gzip CSV or Parquet, and what can be odd about them."""

from __future__ import annotations

import gzip
import itertools
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import polars as pl

from sandbox.bill import columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_IN_TEXT = frozenset({"second-bom", "short-row", "cut-last-line", "cut-file"})
_RENAMED = {
    "CostInBillingCurrency": "Cost",
    "BillingCurrencyCode": "BillingCurrency",
    "ProductName": "Product",
    "InvoiceSectionName": "InvoiceSection",
    "SubscriptionId": "SubscriptionGuid",
    "UsageDateTime": "Date",
}


def with_columns_of(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return a frame of fields as a file's columns."""
    fields = [(name, columns.field_of(name)) for name in names]
    return frame.select(pl.col(field).alias(name) for name, field in fields if field)


def parts_of(frame_rows: int, parts: int) -> list[slice]:
    """Return the stretches of rows of each part, of about the same length."""
    bounds = [frame_rows * number // parts for number in range(parts + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(bounds)]


def renamed(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table under other names for the same columns, in another order, with one that is new."""
    names = {}
    for place, name in enumerate(table.columns):
        other = _RENAMED.get(name, name)
        names[name] = (other.upper(), other.lower(), _snake(other), _snake(other).replace("_", " "))[place % 4]
    return table.rename(names).select(*reversed(names.values()), pl.lit("new").alias("carbonEstimate"))


def localised(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose columns have a local name before their own."""
    return table.rename({name: f"Spalte {place} ({name})" for place, name in enumerate(table.columns, 1)})


def write_table(
    table: pl.DataFrame, path: Path, file_format: str, traps: AbstractSet[str], *, first: bool, last: bool
) -> int:
    """Write one part.

    Args:
        table: The file's columns and rows.
        path: The file.
        file_format: `csv`, `csv.gz` or `parquet`.
        traps: What is odd about the run's files.
        first: Whether it is the run's first part.
        last: Whether it is the run's last part.

    Returns:
        The bytes that it has or, with the trap `cut-file`, would have if it were whole.
    """
    if file_format == "parquet":
        table.write_parquet(path, compression="snappy", row_group_size=100_000)
        return path.stat().st_size
    line_end = "\r\n" if "crlf" in traps else "\n"
    bom = "no-bom" not in traps
    odd = {trap for trap in traps & _IN_TEXT if (trap == "second-bom" or (first if trap == "short-row" else last))}
    if not odd:
        table.write_csv(
            path,
            include_bom=bom,
            line_terminator=line_end,
            compression="gzip" if file_format == "csv.gz" else "uncompressed",
            compression_level=1,
            check_extension=False,
        )
        return path.stat().st_size
    text = table.write_csv(line_terminator=line_end).encode()
    whole = (BOM_UTF8 if bom else b"") + _odd_text(text, odd - {"cut-last-line", "cut-file"}, line_end.encode())
    cut = whole[: -(len(whole) - whole.rstrip().rfind(b"\n")) // 2] if odd & {"cut-last-line", "cut-file"} else whole
    if file_format == "csv.gz":
        whole, cut = gzip.compress(whole, 1, mtime=0), gzip.compress(cut, 1, mtime=0)
    path.write_bytes(cut)
    return len(whole) if "cut-file" in traps and last else len(cut)


def _odd_text(text: bytes, odd: AbstractSet[str], line_end: bytes) -> bytes:
    header, end, rows = text.partition(line_end)
    if "second-bom" in odd:
        rows = BOM_UTF8 + rows
    if "short-row" in odd:
        rows = rows.removesuffix(line_end).rsplit(b",", 2)[0] + line_end
    return header + end + rows


def _snake(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() and place else letter for place, letter in enumerate(name))
