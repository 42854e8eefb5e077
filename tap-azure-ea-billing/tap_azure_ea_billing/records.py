"""Usage records: the values of a source's rows beside the columns that the tap adds, and their RECORD lines; pure."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.fields import USAGE_KEY_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KEY = tuple(field.name for field in USAGE_KEY_FIELDS)

_encoder = msgspec.json.Encoder(decimal_format="number")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class RecordMaker:
    """Makes the records of one extraction of one month.

    Args:
        enrollment_number: The enrollment.
        dataset: `actual` or `amortized`.
        billing_month: ISO date of the month's first day.
        snapshot_at: ISO date-time of the extraction.
        columns: Columns that the values of a row belong to, in order; a record has no others but the key.
        deselected: Columns that are left out.
    """

    def __init__(
        self,
        enrollment_number: str,
        dataset: str,
        billing_month: str,
        snapshot_at: str,
        *,
        columns: tuple[str, ...],
        deselected: Iterable[str] = (),
    ) -> None:
        self._key = (enrollment_number, dataset, billing_month, snapshot_at)
        self._type = _record_type(columns)
        self._deselected = tuple(deselected)

    def records(self, rows: Iterable[Sequence[Any]], first_number: int) -> list[msgspec.Struct]:
        """Return the record of each row; `first_number` is the row number of the first."""
        key, record_type = self._key, self._type
        records = [record_type(*key, number, *values) for number, values in enumerate(rows, first_number)]
        for name in self._deselected:
            for record in records:
                setattr(record, name, msgspec.UNSET)
        return records


def record_lines(stream: str, records: Iterable[msgspec.Struct | dict[str, Any]]) -> bytes:
    """Return a RECORD message for each record, each on one line."""
    return _encoder.encode_lines([{"type": "RECORD", "stream": stream, "record": record} for record in records])


def plain(record: msgspec.Struct) -> dict[str, Any]:
    """Return a record with Python values, numbers with a fraction as `Decimal`, for stream maps to calculate with."""
    values: dict[str, Any] = _decode(_encoder.encode(record))
    return values


@cache
def _record_type(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a type with the key columns and these.

    A Struct takes a third of the time of a dict to make; `gc` may be off, since no value refers to a record.
    """
    return msgspec.defstruct("UsageRecord", [(name, Any) for name in (*_KEY, *columns)], gc=False)
