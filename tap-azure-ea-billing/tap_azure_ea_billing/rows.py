"""Usage rows: from the API's fields to ours, and the exact sum of their costs; pure, page by page.

A value stays the JSON text that came (`msgspec.Raw`) and is never parsed and written again, so that `7.29E-9` and a
number of 20 digits reach standard output byte for byte. Of a field that is repeated in a row the last one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal, localcontext
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.fields import USAGE_ADDED_FIELDS, USAGE_FIELDS, USAGE_KEY_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_azure_ea_billing.answers import RawRow

_KNOWN = {column.api_name: column.name for column in USAGE_FIELDS}
_known_values = itemgetter(*_KNOWN)
_CHARGE_TYPE = next(column.api_name for column in USAGE_ADDED_FIELDS if column.name == "charge_type")
"""Most records have no such field, so it is not among those of `_KNOWN`, which are taken in one step."""
_COLUMNS = tuple(column.name for column in (*USAGE_KEY_FIELDS, *USAGE_FIELDS, *USAGE_ADDED_FIELDS))
_DATE, _ADDITIONAL_INFO, _TAGS = map(_COLUMNS.index, ("date", "additional_info", "tags"))

UsageRecord = msgspec.defstruct("UsageRecord", [(name, Any) for name in _COLUMNS], gc=False)
"""Our columns; values from the API are `msgspec.Raw`, those that are not selected `msgspec.UNSET`.

A Struct takes a third of the time of a dict to make; `gc` may be off, since no value refers to a record.
"""

_NULL = msgspec.Raw(b"null")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LARGEST_EXPONENT = 308
"""Of a 64-bit float: what is larger is no finite number downstream. The smallest is held to the same bound."""
_LONGEST_COST = 1000
_EXACT = Context(prec=2000)
"""Room for every digit that costs of that length and that exponent can have."""

_SLASH_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_ISO_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].+)?")
_DATES_REMEMBERED = 10_000

_encoder = msgspec.json.Encoder(decimal_format="number")
encode, _encode_lines = _encoder.encode, _encoder.encode_lines
_decode = msgspec.json.decode
_plain_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass
class Tally:
    """What a month came to so far.

    Attributes:
        pages: pages with rows.
        rows: usage rows.
        cost: exact decimal sum of the costs that are numbers, or text that is one; before tax.
        unreadable_costs: rows whose cost counts nothing in the sum since it is missing or not a number.
    """

    pages: int = 0
    rows: int = 0
    cost: Decimal = Decimal(0)
    unreadable_costs: int = 0

    def add(self, rows: Sequence[RawRow]) -> None:
        """Count a page."""
        costs = [cost for row in rows if (cost := cost_of(row.get("ExtendedCost", _NULL))) is not None]
        self.pages += bool(rows)
        self.rows += len(rows)
        self.unreadable_costs += len(rows) - len(costs)
        with localcontext(_EXACT):
            self.cost = sum(costs, self.cost)


class RowRenderer:
    """Makes the records of one extraction of one month.

    Args:
        enrollment_number: the enrollment.
        billing_month: ISO date of the month's first day.
        snapshot_at: ISO date-time of the extraction.
        currency: value of `billing_currency`.
        deselected: columns that are left out.

    Attributes:
        unknown_fields: the API's fields that the schema does not know, of the rows so far.
    """

    def __init__(
        self,
        enrollment_number: str,
        billing_month: str,
        snapshot_at: str,
        currency: str,
        deselected: Iterable[str] = (),
    ) -> None:
        """Work out once what is the same for every row."""
        self.unknown_fields: set[str] = set()
        self._key = (enrollment_number, billing_month, snapshot_at)
        self._currency = currency
        self._deselected = [_COLUMNS.index(name) for name in deselected]
        self._dates: dict[bytes, msgspec.Raw | str] = {}

    def records(self, rows: Iterable[RawRow], first_number: int) -> list[msgspec.Struct]:
        """Return the records of a page; `first_number` is the row number of its first row."""
        key, currency, deselected, read_date = self._key, self._currency, self._deselected, self._date
        records = []
        for number, row in enumerate(rows, first_number):
            charge_type: msgspec.Raw | None = None
            extra = None
            try:
                values = _known_values(row)
                unknown = len(row) > len(values)
            except KeyError:
                values = tuple(map(row.get, _KNOWN))
                unknown = not row.keys() <= _KNOWN.keys()
            if unknown:
                others = {name: value for name, value in row.items() if name not in _KNOWN}
                charge_type = others.pop(_CHARGE_TYPE, None)
                self.unknown_fields |= others.keys()
                extra = encode(others).decode() if others else None
            columns = [*key, number, *values, currency, json_text(charge_type), extra]
            columns[_DATE] = read_date(columns[_DATE])
            columns[_ADDITIONAL_INFO] = json_text(columns[_ADDITIONAL_INFO])
            columns[_TAGS] = json_text(columns[_TAGS])
            for place in deselected:
                columns[place] = msgspec.UNSET
            records.append(UsageRecord(*columns))
        return records

    def _date(self, value: msgspec.Raw | None) -> msgspec.Raw | str | None:
        if value is None:
            return None
        text = bytes(value)
        if text not in self._dates:
            if len(self._dates) >= _DATES_REMEMBERED:
                self._dates.clear()
            self._dates[text] = iso_date(text) or msgspec.Raw(text)
        return self._dates[text]


def cost_of(value: msgspec.Raw) -> Decimal | None:
    """Return a cost exactly, None if it is missing or not a finite number (or text that is one)."""
    text = bytes(value).decode()
    if text[0] not in "-0123456789":
        if text[0] != '"':
            return None
        text = _decode(value).strip()
        if not _NUMBER.fullmatch(text):
            return None
    if len(text) > _LONGEST_COST:
        return None
    cost = Decimal(text)
    return cost if not cost or -_LARGEST_EXPONENT <= cost.adjusted() <= _LARGEST_EXPONENT else None


def iso_date(value: bytes) -> str | None:
    """Return JSON text of an ISO date, ISO date-time or month/day/year as an ISO date, None if it is no date."""
    if not value.startswith(b'"'):
        return None
    text = _decode(value).strip()
    if match := _SLASH_DATE.fullmatch(text):
        month, day, year = map(int, match.groups())
        try:
            return date(year, month, day).isoformat()
        except ValueError:
            return None
    if match := _ISO_DATE.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return None
        return match[1]
    return None


def json_text(value: msgspec.Raw | None) -> msgspec.Raw | str | None:
    """Return text and null as they came, and anything else (an object) as its JSON text."""
    if value is None:
        return None
    text = bytes(value)
    return value if text[:1] in b'"n' else text.decode()


def record_lines(stream: str, records: Iterable[msgspec.Struct | dict[str, Any]]) -> bytes:
    """Return a RECORD message for each record, each on one line."""
    return _encode_lines([{"type": "RECORD", "stream": stream, "record": record} for record in records])


def plain(record: msgspec.Struct) -> dict[str, Any]:
    """Return a record with Python values, numbers with a fraction as `Decimal`, for stream maps to calculate with."""
    values: dict[str, Any] = _plain_decoder.decode(encode(record))
    return values
