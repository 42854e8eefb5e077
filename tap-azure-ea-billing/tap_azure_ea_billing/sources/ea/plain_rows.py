"""The rows of a page, decoded straight to columns of texts where their values have the documented types; pure.

A number is its text, digit for digit. A row with anything else (a field that is not documented, an object where a text
should be, a text where a number should be) is left apart, as the JSON of each of its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.sources.ea.names import API_NAMES, NUMBERS, RARE_API_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
_OF_NUMBERS_AND_NULL = b"0123456789-+.eE" + b"nul" + b"\n"
_FIRST_OF_NUMBERS_AND_NULL = frozenset(b"-0123456789n")
_ROWS_OF_A_PART = 250
"""Rows whose values stay in the processor's cache from decoding to their column."""


class PageRows:
    """The rows of a page.

    Args:
        content: The JSON of each row.

    Attributes:
        frame: The plain rows, in the columns `PLAIN_COLUMNS`, all of them texts.
        apart: The rows that are not plain, by their position in the page, in order.

    Raises:
        msgspec.ValidationError: A row is not a JSON object.
        msgspec.DecodeError: A row can't be read.
        UnicodeDecodeError: A text is not UTF-8.
    """

    def __init__(self, content: Sequence[msgspec.Raw]) -> None:
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        self._content = content
        self.apart: dict[int, RawRow] = {}
        parts = [self._part(first) for first in range(0, len(content) or 1, _ROWS_OF_A_PART)]
        self.frame = pl.concat(parts, rechunk=True)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._content)

    def raw_rows(self, most: int | None = None) -> list[RawRow]:
        """Return the rows, or no more than `most`, as received."""
        return [_read_apart(row) for row in self._content[:most]]

    def _part(self, first: int) -> pl.DataFrame:
        """Return the plain ones of some rows, and put the others apart."""
        import polars as pl  # noqa: PLC0415 - as above

        plain: dict[int, msgspec.Struct] = {}
        apart: dict[int, RawRow] = {}
        for position, row in enumerate(self._content[first : first + _ROWS_OF_A_PART], first):
            try:
                plain[position] = _read_plain(row)
            except (msgspec.DecodeError, UnicodeDecodeError):
                apart[position] = _row_apart(row)
        columns = _columns(plain.values())
        if strange := _not_numbers(columns):
            positions = list(plain)
            for position in (positions[place] for place in strange):
                del plain[position]
                apart[position] = _row_apart(self._content[position])
            columns = _columns(plain.values())
        self.apart |= sorted(apart.items())
        for place in _NUMBER_PLACES:
            columns[place] = _number_texts(columns[place])
        return pl.DataFrame(
            [pl.Series(name, values, pl.String) for name, values in zip(PLAIN_COLUMNS, columns, strict=True)]
        )


def _row_apart(row: msgspec.Raw) -> RawRow:
    bytes(row).decode()  # the decoder takes a row apart without looking at its texts
    return _read_apart(row)


def _columns(rows: Collection[msgspec.Struct]) -> list[Sequence[Any]]:
    """Return the values of each column."""
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True)) if rows else [()] * len(PLAIN_COLUMNS)


def _not_numbers(columns: Sequence[Sequence[Any]]) -> set[int]:
    """Return the places of the rows that have something else where a number or null should be."""
    return {
        place
        for column in (columns[place] for place in _NUMBER_PLACES)
        if b"\n".join(column).translate(None, _OF_NUMBERS_AND_NULL)
        for place, number in enumerate(column)
        if bytes(number)[0] not in _FIRST_OF_NUMBERS_AND_NULL
    }


def _number_texts(column: Sequence[msgspec.Raw]) -> list[str | None]:
    """Return the JSON of numbers and nulls as texts."""
    texts: list[str | None] = list(b"\n".join(column).decode().split("\n")) if column else []
    return [None if text == "null" else text for text in texts] if "null" in texts else texts
