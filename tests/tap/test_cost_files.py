"""CSV and Parquet files: read to the last row and digit, or an error that says which file and what is wrong with it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap.cost_files import FILES, frame, plain_rows, plain_sum, whole

from tap_azure_ea_billing.sources.files.csv_reader import CsvFile
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.opened import opened
from tap_azure_ea_billing.sources.files.sums import count_rows
from tap_azure_ea_billing.sources.source import MonthTotal

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"


def rows_of(content: bytes, **options: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a CSV file, empty fields as null."""
    file = CsvFile(io.BytesIO(content), "part.csv", **options)
    return [row for rows in file.frames() for row in rows.rows()]


def fault_of(content: bytes, **options: Any) -> str:
    """Return what is wrong with a CSV file."""
    with pytest.raises(FileError) as raised:
        rows_of(content, **options)
    return str(raised.value)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_the_sum_of_a_sample_is_that_of_csv_and_decimal_to_the_last_digit(path: Path) -> None:
    content = whole(path)
    rows = plain_rows(content)
    total = MonthTotal()
    if rows:
        count_rows(total, frame(content))
    assert (total.rows, total.cost) == (len(rows), plain_sum(content))


field = st.text(st.sampled_from('ab,"\n\r\x1e ;\u4e2d'), max_size=6)


@given(
    st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(field, min_size=width, max_size=width), max_size=8)),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.integers(1, 40),
)
def test_rows_are_those_of_the_csv_module_wherever_a_chunk_ends(
    rows: list[list[str]], end: str, quoting: Literal[0, 1], chunk: int
) -> None:
    if quoting == csv.QUOTE_MINIMAL:  # which leaves a line break of another kind bare
        rows = [[value.replace("\r", "") for value in row] for row in rows]
    written = io.StringIO(newline="")
    width = len(rows[0]) if rows else 2
    csv.writer(written, lineterminator=end, quoting=quoting).writerows([["h"] * width, *rows])
    content = written.getvalue().encode()
    found = [[value or "" for value in row] for row in rows_of(content, chunk_bytes=chunk)]
    assert found == rows


def test_byte_order_marks_before_header_and_first_row_are_no_text() -> None:
    for chunk in (1, 9, 1000):
        assert rows_of(BOM + b"a,b\n" + BOM + b'"1",2\n3,4\n', chunk_bytes=chunk) == [("1", "2"), ("3", "4")]


def test_line_ends_may_be_mixed_and_lines_blank() -> None:
    assert rows_of(b'a,b\r\n1,"x\ny"\n3,4\r\n\r\n5,6\n\n') == [("1", "x\ny"), ("3", "4"), ("5", "6")]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file has no header"),
        (b"a,b,c\n1,2,3\n4,5\n", "row 2 has 2 fields, the header has 3"),
        (b"a,b,c\n1,2\n", "row 1 has 2 fields, the header has 3"),
        (b"a,b,c\n1,2,\n,,\n4,5,6,7\n", "row 3 has 4 fields, the header has 3"),
        (b'a,b,c\n1,"x,2,3\n', "the file ends within a row"),
        (b"a,b,c\n1,2,3\n4,5,6", "the file ends within a row"),
        (b"a,b,c\n1,2,3\n4,5", "the file ends within a row"),
        (b"a,b\n1,2\n3,\xff\n", "about row 2 there are bytes that are not UTF-8"),
        (b'a,b\n1,"x"y\n', "from row 1 on, the file is not well-formed CSV: a quote is out of place"),
        (b"\xff,b\n", "the header is no CSV in UTF-8"),
    ],
)
def test_a_damaged_file_says_what_is_wrong_with_it(content: bytes, fault: str) -> None:
    assert fault_of(content).startswith(f"part.csv: {fault}")


def test_a_cut_last_row_is_an_error_even_where_counts_would_tell_if_it_lacks_fields() -> None:
    assert rows_of(b"a,b\n1,2\n3,4", cut_is_known=True) == [("1", "2"), ("3", "4")]
    assert "row 2 has 1 field," in fault_of(b"a,b\n1,2\n3", cut_is_known=True)
    assert "ends within a row" in fault_of(b'a,b\n1,2\n3,"4', cut_is_known=True)


def read(path: Path) -> list[tuple[Any, ...]]:
    """Return the rows of a file of any kind."""
    with opened(path, path.name) as file:
        return [row for rows in file.frames() for row in rows.rows()]


def test_gzip_is_known_by_its_bytes_and_may_have_several_members(tmp_path: Path) -> None:
    path = tmp_path / "part.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    assert read(path) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("damage", ["cut", "changed", "trailing"])
def test_a_damaged_gzip_file_is_an_error(damage: str, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(5000))))
    if damage == "changed":
        packed[-6] ^= 1
    path = tmp_path / "part.csv.gz"
    path.write_bytes(packed[: len(packed) // 2] if damage == "cut" else packed + b"x" * (damage == "trailing"))
    with pytest.raises(FileError, match=r"part\.csv\.gz: the gzip file is damaged"):
        read(path)


def test_parquet_values_become_their_exact_text(tmp_path: Path) -> None:
    path = tmp_path / "part"
    pl.DataFrame(
        {
            "cost": pl.Series([Decimal("-1.230000000000000007"), None], dtype=pl.Decimal(38, 18)),
            "date": [dt.datetime(2026, 10, 5), dt.datetime(2026, 10, 5, 1, 2, 3, 4)],  # noqa: DTZ001 - as in files
            "tags": [{"a": 'q"'}, None],
            "list": [[1, 2], None],
            "flag": [True, None],
            "bytes": ["\u4e2d".encode(), None],
        }
    ).write_parquet(path, compression="snappy")
    assert read(path) == [
        ("-1.230000000000000007", "2026-10-05T00:00:00", '{"a":"q\\""}', "[1,2]", "true", "\u4e2d"),
        (None, "2026-10-05T01:02:03.000004", None, None, None, None),
    ]


def test_a_cut_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pl.DataFrame({"a": ["x"] * 1000}).write_parquet(path, compression="uncompressed")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match="no Parquet file, or was cut short"):
        read(path)
