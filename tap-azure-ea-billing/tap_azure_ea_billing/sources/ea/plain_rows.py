"""The rows of a page, decoded straight to columns of texts where their values have the documented types; pure.

A number is its text, digit for digit. A row with anything else (a field that is not documented, an object where a text
should be, a text where a number should be) is left apart, as the JSON of each of its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.sources.ea.names import API_NAMES, NUMBERS, RARE_API_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_FIRST_OF_NUMBERS = frozenset("-0123456789")


class PageRows:
    """The rows of a page.

    Args:
        content: The JSON of each row.

    Attributes:
        columns: The values of the plain rows, a list for each of `PLAIN_COLUMNS`.
        apart: The rows that are not plain, by their position in the page, in order.

    Raises:
        msgspec.ValidationError: A row is not a JSON object.
        msgspec.DecodeError: A row can't be read.
        UnicodeDecodeError: A text is not UTF-8.
    """

    def __init__(self, content: Sequence[msgspec.Raw]) -> None:
        self._content = content
        self.apart: dict[int, RawRow] = {}
        plain: list[msgspec.Struct] = []
        for position, row in enumerate(content):
            try:
                plain.append(_read_plain(row))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.apart[position] = _row_apart(row)
        self.columns = _columns(plain)
        if strange := _not_numbers(self.columns):
            positions = [position for position in range(len(content)) if position not in self.apart]
            self.apart |= {positions[place]: _row_apart(content[positions[place]]) for place in strange}
            self.apart = dict(sorted(self.apart.items()))
            for column in self.columns:
                for place in sorted(strange, reverse=True):
                    del column[place]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._content)

    def raw_rows(self, most: int | None = None) -> list[RawRow]:
        """Return the rows, or no more than `most`, as received."""
        return [_read_apart(row) for row in self._content[:most]]


def _row_apart(row: msgspec.Raw) -> RawRow:
    bytes(row).decode()  # the decoder takes a row apart without looking at its texts
    return _read_apart(row)


def _columns(rows: Sequence[msgspec.Struct]) -> list[list[str | None]]:
    """Return the values of each column; a number, or whatever stands in its place, is its JSON text."""
    if not rows:
        return [[] for _ in PLAIN_COLUMNS]
    columns: list[list[Any]] = list(map(list, zip(*map(msgspec.structs.astuple, rows), strict=True)))
    for place in _NUMBER_PLACES:
        texts = b"\n".join(columns[place]).decode().split("\n")
        columns[place] = [None if text == "null" else text for text in texts] if "null" in texts else texts
    return columns


def _not_numbers(columns: Sequence[list[str | None]]) -> set[int]:
    """Return the places of the rows that have something else where a number or null should be."""
    return {
        place
        for column in (columns[place] for place in _NUMBER_PLACES)
        for place, text in enumerate(column)
        if text is not None and text[0] not in _FIRST_OF_NUMBERS
    }
