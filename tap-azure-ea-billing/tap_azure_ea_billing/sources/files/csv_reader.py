"""CSV files as text frames, in chunks of whole rows: strict UTF-8, RFC 4180, every row as wide as the header.

Polars fills a row that is too short with nulls and says nothing, so a field is put at the end of each line before
Polars reads it: in a row with the right number of fields, and in no other, it lands in the last column. That costs 2 us
of the 8 us that a row of 1 kB takes; pyarrow, which counts fields itself, would be a dependency of 150 MB.
"""

from __future__ import annotations

import csv
import io
import re
from typing import IO, TYPE_CHECKING

import polars as pl

from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 16 << 20
_LONGEST_ROW = 64 << 20
_BOM = b"\xef\xbb\xbf"
_MARK = "\x1e"
_MARKED_BREAK = re.compile(rb"\r?\n")
_UNMARKED = f",{_MARK}(\r?\n)"


class CsvFile:
    """A CSV file that is being read.

    Args:
        stream: Its bytes, decompressed.
        name: What it is called in errors.
        cut_is_known: Whether a count of bytes or rows tells if the file was cut short. Then its last line may end
            without a line break; else that is an error.
        chunk_bytes: How much is read at a time.

    Attributes:
        header: Its header.
        rows: Rows so far.

    Raises:
        FileError: It has no header.
    """

    def __init__(
        self, stream: IO[bytes], name: str, *, cut_is_known: bool = False, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._name = name
        self._cut_is_known = cut_is_known
        self._records = self._whole_records(stream, chunk_bytes)
        first = next(self._records, b"").removeprefix(_BOM)
        end = _end_of_first_record(first)
        self.header = self._fields(first[:end])
        self._first = first[end:].removeprefix(_BOM)
        self._schema = dict.fromkeys([*map(str, range(len(self.header))), "end"], pl.String)
        self.rows = 0

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows once, as frames of text columns in the order of the header; an empty field is null.

        Raises:
            FileError: The file is no UTF-8, has a row of another width, or ends within a row.
        """
        if self._first:
            yield self._frame(self._first)
            self._first = b""
        at_the_start = not self.rows
        for records in self._records:
            yield self._frame(records.removeprefix(_BOM) if at_the_start else records)
            at_the_start = False

    def _whole_records(self, stream: IO[bytes], chunk_bytes: int) -> Iterator[bytes]:
        rest = b""
        while chunk := stream.read(chunk_bytes):
            rest += chunk
            if end := _end_of_last_record(rest):
                yield rest[:end]
                rest = rest[end:]
            elif len(rest) > _LONGEST_ROW:
                raise FileError(f"{self._name}: a row is longer than {_LONGEST_ROW >> 20} MB: a quote has no end.")
        if rest:
            if rest.count(b'"') % 2 or not self._cut_is_known:
                raise FileError(f"{self._name}: the file ends within a row: it was cut short.")
            yield rest + b"\n"

    def _fields(self, record: bytes) -> list[str]:
        try:
            fields = next(csv.reader(io.StringIO(record.decode(), newline=""), strict=True), [])
        except (UnicodeDecodeError, csv.Error):
            raise FileError(f"{self._name}: the header is no CSV in UTF-8.") from None
        if not fields:
            raise FileError(f"{self._name}: the file has no header.")
        return fields

    def _frame(self, records: bytes) -> pl.DataFrame:
        marked, marks = _marked(records)
        try:
            frame = pl.read_csv(marked, has_header=False, schema=self._schema, infer_schema=False)
        except pl.exceptions.PolarsError:
            raise FileError(self._fault(records)) from None
        if marks > frame.height:  # line breaks within fields
            frame = frame.with_columns(pl.all().str.replace_all(_UNMARKED, "$1"))
        if not (frame["end"] == _MARK).fill_null(value=False).all():
            blank = pl.col("0").is_null() & (frame.to_series(1) == _MARK).fill_null(value=False)
            frame = frame.filter(~blank) if len(self.header) > 1 else frame
            if not (frame["end"] == _MARK).fill_null(value=False).all():
                raise FileError(self._fault(records))
        self.rows += frame.height
        return frame.drop("end")

    def _fault(self, records: bytes) -> str:
        """Return a sentence on what is wrong with these rows."""
        try:
            rows = csv.reader(io.StringIO(records.decode(), newline=""), strict=True)
            for number, row in enumerate(rows, self.rows + 1):
                if row and len(row) != len(self.header):
                    fields = counted(len(row), "field")
                    return f"{self._name}: row {number} has {fields}, the header has {len(self.header)}."
        except UnicodeDecodeError as error:
            row_number = self.rows + 1 + records.count(b"\n", 0, error.start)
            return f"{self._name}: about row {row_number} there are bytes that are not UTF-8."
        except csv.Error:
            pass
        return f"{self._name}: from row {self.rows + 1} on, the file is not well-formed CSV: a quote is out of place."


def _marked(records: bytes) -> tuple[bytes, int]:
    """Return rows with the mark as one field more at the end of each line, and the number of marks."""
    breaks = records.count(b"\n")
    with_return = records.count(b"\r\n") if b"\r" in records else 0
    mark = f",{_MARK}".encode()
    if not with_return:
        return records.replace(b"\n", mark + b"\n"), breaks
    if with_return == breaks:
        return records.replace(b"\r\n", mark + b"\r\n"), breaks
    return _MARKED_BREAK.sub(lambda found: mark + found[0], records), breaks


def _end_of_last_record(text: bytes) -> int:
    """Return where the last line break outside quotes ends, 0 if there is none; `text` begins with a row."""
    quotes, end = text.count(b'"'), len(text)
    while (found := text.rfind(b"\n", 0, end)) >= 0:
        quotes -= text.count(b'"', found, end)
        if quotes % 2 == 0:
            return found + 1
        end = found
    return 0


def _end_of_first_record(text: bytes) -> int:
    """Return where the first line break outside quotes ends."""
    quotes, start = 0, 0
    while (found := text.find(b"\n", start)) >= 0:
        quotes += text.count(b'"', start, found)
        start = found + 1
        if quotes % 2 == 0:
            return start
    return len(text)
