"""The rows that azure-cost-mon recorded from the real API, as their own enrollment; never changed here."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING

from sandbox.bill.wire import PagedBill, Row, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

ENROLLMENT = "100"
MONTH = "2017-03"


def empty_month_body() -> bytes:
    """Return the API's recorded CSV answer for a month without usage."""
    return files("sandbox.bill").joinpath("recorded_empty_month.csv").read_bytes()


class RecordedBill(PagedBill):
    """The recorded rows (source and licence: recorded_rows.md), the same in every revision."""

    def __init__(self, page_size: int = 500) -> None:
        """Read the recorded rows, with numbers exactly as written."""
        super().__init__(ENROLLMENT, page_size)
        text = files("sandbox.bill").joinpath("recorded_rows.json").read_text(encoding="utf-8-sig")
        records = json.loads(text, parse_float=Decimal)
        self._rows: list[Row] = [{field: encode(value) for field, value in record.items()} for record in records]

    @property
    def label(self) -> str:
        """The recorded rows are always the same, their pages are not."""
        return f"{ENROLLMENT}-recorded-{self.page_size}"

    def row_count(self, month: str, revision: int = 0) -> int:  # noqa: ARG002 - a recorded bill is never re-rated
        """Return the number of recorded rows, 0 for any month but March 2017."""
        return len(self._rows) if month == MONTH else 0

    def encoded_rows(self, month: str, revision: int, positions: range) -> Iterator[Row]:  # noqa: ARG002 - as above
        """Yield the recorded rows at these positions."""
        return (dict(self._rows[position]) for position in positions)
