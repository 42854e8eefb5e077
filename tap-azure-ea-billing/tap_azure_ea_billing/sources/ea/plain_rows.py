"""The rows of a page, decoded straight to texts and numbers where their values have the documented types; pure.

A number is its text, digit for digit. A row with anything else (a field that is not documented, an object where a text
should be, a text or no 64-bit number where a number should be) is left apart, as the JSON of each of its values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.sources.ea.names import API_NAMES, INTEGERS, NUMBERS, RARE_API_NAMES
from tap_azure_ea_billing.sources.misfits import is_integer, is_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import polars as pl

    from tap_azure_ea_billing.sources.ea.answers import RawRow

PLAIN_COLUMNS = (*API_NAMES, *RARE_API_NAMES)

_NULL = msgspec.Raw(b"null")
_PlainRow = msgspec.defstruct(
    "_PlainRow",
    [(name, msgspec.Raw, _NULL) if name in NUMBERS else (name, str | None, None) for name in PLAIN_COLUMNS],
    rename=API_NAMES | RARE_API_NAMES,
    forbid_unknown_fields=True,
    gc=False,
)
_read_plain = msgspec.json.Decoder(_PlainRow).decode
_read_apart = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NUMBER_PLACES = tuple(map(PLAIN_COLUMNS.index, NUMBERS))
_COST = PLAIN_COLUMNS.index("extended_cost")
_PLAIN_INTEGER = re.compile("[-0-9nul]*")
_LONGEST_PLAIN_INTEGER = 18
_PLAIN_NUMBER = re.compile("[-.0-9nul]*")
_LONGEST_PLAIN_NUMBER = 300
_ROWS_OF_A_PART = 250
"""Rows whose values stay in the processor's cache from decoding to their column."""


class PageRows:
    """The rows of a page.

    Args:
        content: The JSON of each row.
        in_columns: Whether they are wanted in columns.

    Attributes:
        frame: The plain rows, in the columns `PLAIN_COLUMNS`, all of them texts; None if they are not wanted so.
        apart: The rows that are not plain, by their position in the page, in order.
        costs: The costs of the plain rows that have one.

    Raises:
        msgspec.ValidationError: A row is not a JSON object.
        msgspec.DecodeError: A row can't be read.
        UnicodeDecodeError: A text is not UTF-8.
    """

    def __init__(self, content: Sequence[msgspec.Raw], *, in_columns: bool = False) -> None:
        self._content = content
        self._parts: list[list[Sequence[Any]]] = []
        self.apart: dict[int, RawRow] = {}
        self.costs: list[str] = []
        self.frame: pl.DataFrame | None = None
        starts = range(0, len(content) or 1, _ROWS_OF_A_PART)
        if in_columns:
            import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

            self.frame = pl.concat([_frame(*self._plain_columns(first)) for first in starts], rechunk=True)
        else:
            self._parts = [self._plain_columns(first)[0] for first in starts]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._content)

    def plain_rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the values of each plain row that was not wanted in columns: texts, and numbers as their JSON."""
        for columns in self._parts:
            yield from zip(*columns, strict=True)

    def _plain_columns(self, first: int) -> tuple[list[Sequence[Any]], dict[int, list[str]]]:
        """Return the columns of the plain ones of some rows, and the texts of the numbers; put the other rows apart."""
        plain: dict[int, msgspec.Struct] = {}
        apart: dict[int, RawRow] = {}
        for position, row in enumerate(self._content[first : first + _ROWS_OF_A_PART], first):
            try:
                plain[position] = _read_plain(row)
            except (msgspec.DecodeError, UnicodeDecodeError):
                apart[position] = _row_apart(row)
        columns = _columns(plain.values())
        numbers = {place: _texts(columns[place]) for place in _NUMBER_PLACES}
        misfits = {found for place, texts in numbers.items() for found in _misfits(PLAIN_COLUMNS[place], texts)}
        if misfits:
            positions = list(plain)
            for position in (positions[place] for place in misfits):
                del plain[position]
                apart[position] = _row_apart(self._content[position])
            columns = _columns(plain.values())
            numbers = {place: _texts(columns[place]) for place in _NUMBER_PLACES}
        self.costs += [text for text in numbers[_COST] if text != "null"]
        self.apart |= sorted(apart.items())
        return columns, numbers


def _row_apart(row: msgspec.Raw) -> RawRow:
    bytes(row).decode()  # the decoder takes a row apart without looking at its texts
    return _read_apart(row)


def _columns(rows: Collection[msgspec.Struct]) -> list[Sequence[Any]]:
    """Return the values of each column."""
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True)) if rows else [()] * len(PLAIN_COLUMNS)


def _texts(column: Sequence[msgspec.Raw]) -> list[str]:
    """Return values of JSON as texts, none of which has a line break (`answers`)."""
    return b"\n".join(column).decode().split("\n") if column else []


def _misfits(name: str, texts: Sequence[str]) -> list[int]:
    """Return the places of the values that are neither null nor a number that fits this column."""
    if name in INTEGERS:
        fits, plain, longest = is_integer, _PLAIN_INTEGER, _LONGEST_PLAIN_INTEGER
    else:
        fits, plain, longest = is_number, _PLAIN_NUMBER, _LONGEST_PLAIN_NUMBER
    if plain.fullmatch("".join(texts)) and max(map(len, texts), default=0) <= longest:
        return []
    return [
        place
        for place, text in enumerate(texts)
        if not (plain.fullmatch(text) and len(text) <= longest) and not fits(text)
    ]


def _frame(columns: Sequence[Sequence[Any]], numbers: Mapping[int, Sequence[str]]) -> pl.DataFrame:
    """Return columns of texts."""
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

    series = []
    for place, name in enumerate(PLAIN_COLUMNS):
        values = columns[place]
        if place in numbers:
            texts = numbers[place]
            values = [None if text == "null" else text for text in texts] if "null" in texts else texts
        series.append(pl.Series(name, values, pl.String))
    return pl.DataFrame(series)
