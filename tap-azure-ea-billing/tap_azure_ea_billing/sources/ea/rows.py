"""Usage rows: from the API's fields to the columns of `usage_details`, and their costs; pure, page by page.

A value stays the JSON text that the API gave (`msgspec.Raw`) and is never parsed and written again, so that `7.29E-9`
and a number of 20 digits reach standard output byte for byte. Of a field that is repeated in a row the last one counts.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.sources.costs import cost_of_number, cost_of_text
from tap_azure_ea_billing.sources.dates import iso_date_of_text
from tap_azure_ea_billing.sources.ea.names import API_NAMES, NUMBERS, RARE_API_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    import polars as pl

    from tap_azure_ea_billing.sources.ea.answers import RawRow
    from tap_azure_ea_billing.sources.ea.plain_rows import PageRows
    from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

_KNOWN = frozenset(API_NAMES.values())
_known_values = itemgetter(*API_NAMES.values())
_CHARGE_TYPE = RARE_API_NAMES["charge_type"]
"""Most records have no such field, so it is not among those that are taken in one step."""
_COST = API_NAMES["extended_cost"]

COLUMNS = (*API_NAMES, "billing_currency", "charge_type", "extra")
"""Columns of `usage_details` that the values of a row belong to."""
_DATE, _ADDITIONAL_INFO, _TAGS = map(COLUMNS.index, ("date", "additional_info", "tags"))

_NULL = msgspec.Raw(b"null")
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
        self._dates: dict[bytes, msgspec.Raw | str] = {}
        self._date_texts: dict[str | None, str | None] = {}

    def values(self, rows: Iterable[RawRow]) -> Iterator[list[Any]]:
        """Yield the values of each row, in the order of `COLUMNS`; those that the API gave are `msgspec.Raw`.

        One row at a time: a list that is kept costs the garbage collector as much as making it.
        """
        currency, read_date = self._currency, self._date
        unknown_names: set[str] = set()
        for row in rows:
            charge_type: msgspec.Raw | None = None
            extra = None
            try:
                known = _known_values(row)
                unknown = len(row) > len(known)
            except KeyError:
                known = tuple(map(row.get, API_NAMES.values()))
                unknown = not row.keys() <= _KNOWN
            if unknown:
                others = {name: value for name, value in row.items() if name not in _KNOWN}
                charge_type = others.pop(_CHARGE_TYPE, None)
                unknown_names |= others.keys()
                extra = _encode(others).decode() if others else None
            values = [*known, currency, json_text(charge_type), extra]
            values[_DATE] = read_date(values[_DATE])
            values[_ADDITIONAL_INFO] = json_text(values[_ADDITIONAL_INFO])
            values[_TAGS] = json_text(values[_TAGS])
            yield values
        self._unknown_fields.name(unknown_names)

    def columns(self, rows: PageRows) -> tuple[pl.DataFrame, dict[int, Sequence[Any]]]:
        """Return the rows as columns of texts, and the values of those that texts can't say, by their position."""
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second that runs without frames save

        frame = rows.frame.with_columns(
            pl.Series("date", self._date_column(rows.frame["date"].to_list()), pl.String),
            pl.lit(self._currency).alias("billing_currency"),
            pl.lit(None, pl.String).alias("extra"),
        ).select(COLUMNS)
        odd: dict[int, Sequence[Any]] = {}
        texts: dict[int, list[str | None]] = {}
        for position, values in zip(rows.apart, self.values(rows.apart.values()), strict=True):
            found = _texts(values)
            if found is None:
                odd[position] = values
            else:
                texts[position] = found
        if texts:
            columns = zip(COLUMNS, zip(*texts.values(), strict=True), strict=True)
            others = pl.DataFrame([pl.Series(name, values, pl.String) for name, values in columns])
            positions = [*(position for position in range(len(rows)) if position not in rows.apart), *texts]
            frame = pl.concat([frame, others])[sorted(range(len(positions)), key=positions.__getitem__)]
        return frame, odd

    def _date_column(self, dates: list[str | None]) -> list[str | None]:
        known = self._date_texts
        if len(known) >= _DATES_REMEMBERED:
            known.clear()
        known.update((text, text and (iso_date_of_text(text) or text)) for text in set(dates) - known.keys())
        return [known[text] for text in dates]

    def _date(self, value: msgspec.Raw | None) -> msgspec.Raw | str | None:
        if value is None:
            return None
        text = bytes(value)
        if text not in self._dates:
            if len(self._dates) >= _DATES_REMEMBERED:
                self._dates.clear()
            self._dates[text] = iso_date(text) or msgspec.Raw(text)
        return self._dates[text]


def _texts(values: Sequence[Any]) -> list[str | None] | None:
    """Return the values of a row as columns have them, None if one is of another type than its column."""
    texts: list[str | None] = []
    for name, value in zip(COLUMNS, values, strict=True):
        if not isinstance(value, msgspec.Raw):
            texts.append(value)
            continue
        encoded = bytes(value)
        if encoded == b"null":
            texts.append(None)
        elif name in NUMBERS and encoded[0] in b"-0123456789":
            texts.append(encoded.decode())
        elif name not in NUMBERS and encoded[:1] == b'"':
            texts.append(_decode(encoded))
        else:
            return None
    return texts


def readable_costs(rows: Iterable[RawRow]) -> list[Decimal]:
    """Return the costs of the rows whose cost can be read."""
    return [cost for row in rows if (cost := cost_of(row.get(_COST, _NULL))) is not None]


def cost_of(value: msgspec.Raw) -> Decimal | None:
    """Return a cost exactly, None if it is missing or not a finite number (or text that is one)."""
    text = bytes(value).decode()
    if text[0] == '"':
        return cost_of_text(_decode(value))
    return cost_of_number(text) if text[0] in "-0123456789" else None


def iso_date(value: bytes) -> str | None:
    """Return JSON text of a date as an ISO date, None if it is no text or no date."""
    return iso_date_of_text(_decode(value)) if value.startswith(b'"') else None


def json_text(value: msgspec.Raw | None) -> msgspec.Raw | str | None:
    """Return text and null unchanged, and anything else (an object) as its JSON text."""
    if value is None:
        return None
    text = bytes(value)
    return value if text[:1] in b'"n' else text.decode()
