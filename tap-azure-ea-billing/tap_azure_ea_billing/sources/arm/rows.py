"""From usage records to a text frame with the records' own names, which `sources/files` turns into our columns; pure.

A number is the text that Azure wrote, digit for digit; an object is its JSON text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tap_azure_ea_billing.sources.azure.answers import AnswerError
from tap_azure_ea_billing.sources.files.names import COST_NAMES, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TAGS = "tags"
_METER_DETAILS = "meterdetails"
_NULL = b"null"

_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_text = msgspec.json.Decoder(str).decode


def _renamed() -> dict[str, tuple[str, ...]]:
    """Return for each accepted name all of its column's, the one that counts first; none for another column's too."""
    columns_of: dict[str, set[str]] = {}
    for column, accepted in COST_NAMES.columns.items():
        for name in map(plain_name, accepted):
            columns_of.setdefault(name, set()).add(column)
    renamed: dict[str, tuple[str, ...]] = {}
    for accepted in COST_NAMES.columns.values():
        names = tuple(map(plain_name, accepted))
        renamed |= {name: names for name in names if columns_of[name] == columns_of[names[0]]}
    return renamed


_ACCEPTED = _renamed()


class Entry(msgspec.Struct):
    """A usage record as received, its values JSON text byte for byte.

    Attributes:
        properties: Values by name.
        id: Address of the record, which no other has.
        tags: An object or null; it stands beside the properties.
    """

    properties: dict[str, msgspec.Raw]
    id: str | None = None
    tags: msgspec.Raw = msgspec.Raw(b"null")


class RecordReader:
    """Reads the records of one extraction, whose names may differ from record to record in case, and in kind.

    A legacy record has `cost` where a modern one has `costInBillingCurrency`. In a frame a column has one name, so each
    record's names are those that `COST_NAMES` puts first.
    """

    def __init__(self) -> None:
        self._headers: dict[tuple[str, ...], list[str]] = {}

    def frame(self, entries: Sequence[Entry]) -> pl.DataFrame:
        """Return the records as text columns; a value that a record does not have is null.

        Raises:
            AnswerError: A value can't be read.
        """
        columns: dict[str, list[str | None]] = {}
        for number, entry in enumerate(entries):
            try:
                members = list(_members(entry))
                header = self._header(tuple(name for name, _ in members))
                for name, (_, value) in zip(header, members, strict=True):
                    if name not in columns:
                        columns[name] = [None] * len(entries)
                    columns[name][number] = _text(value)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise AnswerError(f"record {number + 1} can't be read ({error})", again=True) from None
        if entries and not columns:
            raise AnswerError("the records have no properties", again=True)
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))

    def _header(self, names: tuple[str, ...]) -> list[str]:
        """Return the frame's names of a record's members."""
        if names not in self._headers:
            self._headers[names] = _header(names)
        return self._headers[names]


def _members(entry: Entry) -> Iterator[tuple[str, bytes]]:
    """Yield names and values of what a record has and is not null: tags, properties, and the details of its meter."""
    if (tags := bytes(entry.tags)) != _NULL:
        yield _TAGS, tags
    details: dict[str, msgspec.Raw] = {}
    for name, raw in entry.properties.items():
        value = bytes(raw)
        if value == _NULL:
            continue
        if value[:1] == b"{" and plain_name(name) == _METER_DETAILS:
            details |= _read_members(value)
        else:
            yield name, value
    yield from ((name, value) for name, raw in details.items() if (value := bytes(raw)) != _NULL)


def _header(names: tuple[str, ...]) -> list[str]:
    plain = [plain_name(name) for name in names]
    header: list[str] = []
    for at, name in enumerate(plain):
        if name in plain[:at]:
            header.append(f"{names[at]} ({plain[:at].count(name) + 1})")  # no column's name, so `extra` has it
            continue
        accepted = _ACCEPTED.get(name, ())
        first = next((each for each in accepted if each in plain), None)
        header.append(accepted[0] if name == first else names[at])
    return header


def _text(value: bytes) -> str:
    return _read_text(value) if value[:1] == b'"' else value.decode()
