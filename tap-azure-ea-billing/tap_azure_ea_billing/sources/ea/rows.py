"""Usage rows: from the API's fields to the columns of `usage_details`, and their costs; pure, page by page.

A number stays the JSON that the API gave (`msgspec.Raw`) and is never parsed and written again, so that `7.29E-9` and a
number of 20 digits reach standard output byte for byte. A value that doesn't fit the type of its column is null there,
and stands in `unreadable` as it came. Of a field that is repeated in a row the last one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.sources.costs import cost_of_number, cost_of_text
from tap_azure_ea_billing.sources.dates import iso_date_of_text
from tap_azure_ea_billing.sources.ea.names import API_NAMES, INTEGERS, NUMBERS, RARE_API_NAMES
from tap_azure_ea_billing.sources.misfits import UNREADABLE, is_integer, is_number, unreadable_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    import polars as pl

    from tap_azure_ea_billing.sources.ea.answers import RawRow
    from tap_azure_ea_billing.sources.ea.plain_rows import PageRows
    from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

_KNOWN = dict.fromkeys(API_NAMES.values())
_CHARGE_TYPE = RARE_API_NAMES["charge_type"]
_COST = API_NAMES["extended_cost"]

COLUMNS = (*API_NAMES, "billing_currency", "charge_type", "extra", UNREADABLE)
"""Columns of `usage_details` that the values of a row belong to."""
_DATE, _ADDITIONAL_INFO, _TAGS, _UNREADABLE = map(COLUMNS.index, ("date", "additional_info", "tags", UNREADABLE))

_NULL = b"null"
_DATES_REMEMBERED = 10_000

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class RowReader:
    """Reads the rows of one extraction of one month.

    Args:
        currency: Value of `billing_currency`.
        unknown_fields: Where fields that have no column are named.
    """

    def __init__(self, currency: str, unknown_fields: UnknownFields) -> None:
        self._currency = currency
        self._unknown_fields = unknown_fields
        self._dates: dict[str | None, str | None] = {}

    def values(self, page: PageRows) -> Iterator[list[Any]]:
        """Yield the values of each row, in the order of `COLUMNS`: texts, and numbers as their JSON.

        One row at a time: a list that is kept costs the garbage collector as much as making it.
        """
        currency, read_date = self._currency, self._date
        plain, apart = page.plain_rows(), dict(zip(page.apart, self._values_apart(page.apart.values()), strict=True))
        for position in range(len(page)):
            if position in apart:
                yield apart[position]
                continue
            *known, charge_type = next(plain)
            values: list[Any] = [*known, currency, charge_type, None, None]
            given = values[_DATE]
            values[_DATE] = date = read_date(given)
            if date is None and given is not None:
                values[_UNREADABLE] = unreadable_text({"date": given})
            yield values

    def columns(self, page: PageRows) -> pl.DataFrame | None:
        """Return the rows as columns of texts, None if they were not wanted so."""
        if page.frame is None:
            return None
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        given = page.frame["date"].to_list()
        iso_dates = {text: self._date(text) for text in set(given)}
        misfits = {
            text: unreadable_text({"date": text})
            for text, date in iso_dates.items()
            if text is not None and date is None
        }
        frame = page.frame.with_columns(
            pl.Series("date", [iso_dates[text] for text in given], pl.String),
            pl.lit(self._currency).alias("billing_currency"),
            pl.lit(None, pl.String).alias("extra"),
            pl.Series(UNREADABLE, list(map(misfits.get, given)), pl.String),
        ).select(COLUMNS)
        if not page.apart:
            return frame
        texts = [list(map(_text, values)) for values in self._values_apart(page.apart.values())]
        columns = zip(COLUMNS, zip(*texts, strict=True), strict=True)
        others = pl.DataFrame([pl.Series(name, values, pl.String) for name, values in columns])
        positions = [*(position for position in range(len(page)) if position not in page.apart), *page.apart]
        return pl.concat([frame, others])[sorted(range(len(positions)), key=positions.__getitem__)]

    def _values_apart(self, rows: Iterable[RawRow]) -> Iterator[list[Any]]:
        """Yield the values of each row that is not plain; those that the API gave are `msgspec.Raw`."""
        unknown_names: set[str] = set()
        for row in rows:
            others = {name: value for name, value in row.items() if name not in _KNOWN}
            charge_type = others.pop(_CHARGE_TYPE, None)
            unknown_names |= others.keys()
            extra = _encode(others).decode() if others else None
            values: list[Any] = [*map(row.get, _KNOWN), self._currency, json_text(charge_type), extra, None]
            values[_ADDITIONAL_INFO] = json_text(values[_ADDITIONAL_INFO])
            values[_TAGS] = json_text(values[_TAGS])
            misfits: dict[str, msgspec.Raw | str] = {}
            for place, value in enumerate(values):
                if isinstance(value, msgspec.Raw):
                    values[place] = fitting = self._fitting(COLUMNS[place], bytes(value))
                    if fitting is None and bytes(value) != _NULL:
                        misfits[COLUMNS[place]] = value
            values[_UNREADABLE] = unreadable_text(misfits)
            yield values
        self._unknown_fields.name(unknown_names)

    def _fitting(self, name: str, value: bytes) -> msgspec.Raw | str | None:
        """Return a value as its column has it; None if it is null or doesn't fit.

        Text that is a JSON number becomes that number, digit for digit.

        Args:
            name: The column.
            value: Its JSON.
        """
        is_text = value[:1] == b'"'
        if name in NUMBERS:
            number = (value[1:-1] if is_text else value).decode()
            fits = is_integer if name in INTEGERS else is_number
            return msgspec.Raw(number.encode()) if fits(number) else None
        if not is_text:
            return None
        return self._date(_decode(value)) if name == "date" else msgspec.Raw(value)

    def _date(self, text: str | None) -> str | None:
        """Return an ISO date; None for a text that is no date."""
        if text not in self._dates:
            if len(self._dates) >= _DATES_REMEMBERED:
                self._dates.clear()
            self._dates[text] = None if text is None else iso_date_of_text(text)
        return self._dates[text]


def _text(value: msgspec.Raw | str | None) -> str | None:
    """Return a value as a column of texts has it."""
    if not isinstance(value, msgspec.Raw):
        return value
    encoded = bytes(value)
    return _decode(encoded) if encoded[:1] == b'"' else encoded.decode()


def readable_costs(rows: Iterable[RawRow]) -> list[Decimal]:
    """Return the costs of the rows whose cost can be read."""
    return [cost for row in rows if _COST in row and (cost := cost_of(row[_COST])) is not None]


def cost_of(value: msgspec.Raw) -> Decimal | None:
    """Return a cost exactly, None if it is missing or not a finite number (or text that is one)."""
    text = bytes(value).decode()
    if text[0] == '"':
        return cost_of_text(_decode(value))
    return cost_of_number(text) if text[0] in "-0123456789" else None


def json_text(value: msgspec.Raw | None) -> msgspec.Raw | str | None:
    """Return text and null unchanged, and anything else (an object) as its JSON text."""
    if value is None:
        return None
    text = bytes(value)
    return value if text[:1] in b'"n' else text.decode()
