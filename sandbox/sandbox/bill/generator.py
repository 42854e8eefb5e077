"""The bill of a simulated enrollment: any row of any month and revision from its number alone; no files, no network.

A row's draws are a hash of seed, enrollment, month and row number, so neither the page size nor earlier page
requests change it.
"""

from __future__ import annotations

import calendar
import struct
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING

from sandbox.bill.estate import Estate, Resource, example_patterns
from sandbox.bill.traps import CYCLE, IDENTICAL, TRAPS, Trap
from sandbox.bill.wire import PagedBill, Row, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Bill", "example_patterns"]

_DRAWS = struct.Struct("<8I")
_SPAN = 2**32
_STRIDE = 389  # coprime with CYCLE: spreads the traps over it
_DROP_EVERY = 97
_RE_RATE_EVERY = 16


class Bill(PagedBill):
    """The bill of one enrollment: realistic rows with the traps of `sandbox.bill.traps`.

    Revision 0 is a month as first served. Each later one leaves out one row in 97, adds one in 50 for each
    revision at the end, and reprices one in 16; all else stays unchanged.

    Args:
        enrollment: Enrollment number.
        seed: Another seed makes another bill.
        rows: Rows of each month in revision 0.
        page_size: Rows on each page but the last.
    """

    def __init__(self, enrollment: str, seed: int = 1, rows: int = 1000, page_size: int = 500) -> None:
        """Draw the estate; rows are generated on request."""
        super().__init__(enrollment, page_size)
        self.seed = seed
        self._rows = rows
        self._estate = Estate(enrollment, seed)

    @property
    def label(self) -> str:
        """Everything that determines the rows and pages."""
        return f"{self.enrollment}-seed{self.seed}-{self._rows}-{self.page_size}"

    def row_count(self, month: str, revision: int = 0) -> int:  # noqa: ARG002 - every month has the same number
        """Return the number of rows of a month (`YYYY-MM`) in a revision."""
        if not revision or not self._rows:
            return self._rows
        kept, _ = self._kept(revision)
        return kept + self._added(revision)

    def trap(self, month: str, number: int) -> Trap | None:
        """Return what is odd about the row with this number (its position in revision 0), None for a plain row."""
        slot = (number * _STRIDE + self._offset(month)) % CYCLE
        return TRAPS[slot] if slot < len(TRAPS) and (number or TRAPS[slot].name != IDENTICAL) else None

    def row_number(self, position: int, revision: int = 0) -> int:
        """Return the number of the row at a position of a revision; numbers stay, positions shift."""
        if not revision:
            return position
        kept, dropped = self._kept(revision)
        if position >= kept:
            return self._rows + position - kept
        stride = self._stride()
        block, rest = divmod(position, stride - 1)
        return block * stride + rest + (rest >= dropped)

    def encoded_rows(self, month: str, revision: int, positions: range) -> Iterator[Row]:
        """Yield the rows at these positions of a month (`YYYY-MM`) in a revision."""
        first = date.fromisoformat(f"{month}-01")
        day_count = calendar.monthrange(first.year, first.month)[1]
        key = blake2b(f"{self.seed}/{self.enrollment}/{month}".encode()).digest()
        for position in positions:
            number = self.row_number(position, revision)
            trap = self.trap(month, number)
            if trap is not None and trap.name == IDENTICAL:
                number -= 1
                trap = self.trap(month, number)
            draws = _DRAWS.unpack(blake2b(number.to_bytes(8, "little"), key=key, digest_size=32).digest())
            day = first.replace(day=1 + (number * day_count // max(self._rows, 1)) % day_count)
            row = self._plain_row(draws, trap, day, revision)
            if trap is not None:
                trap.change(row, day)
            yield row

    def _plain_row(self, draws: tuple[int, ...], trap: Trap | None, day: date, revision: int) -> Row:
        skew, kind_draw, amount, odd, digits, case, rated, _ = draws
        resource = self._resource(skew, trap, kind_draw)
        row = dict(resource.fields)
        row["Date"] = f'"{day.month:02d}/{day.day:02d}/{day.year}"'
        row["Month"], row["Day"], row["Year"] = str(day.month), str(day.day), str(day.year)
        quantity = resource.quantity * (1.0 if amount % 3 else amount / _SPAN)
        rate = resource.rate
        if revision and rated % _RE_RATE_EVERY == revision % _RE_RATE_EVERY:
            rate *= 1 + 0.01 * (revision % 7 + 1)
        if odd % 16 == 0:
            rate = 0.0  # free tiers and reserved hours: a cost of 0 is common
        row["ConsumedQuantity"] = number_text(quantity)
        row["ResourceRate"] = number_text(rate)
        # .NET writes doubles with 15 digits or with all 17; both are seen.
        row["ExtendedCost"] = number_text(quantity * rate) if digits % 4 or not rate else f"{quantity * rate:.17G}"
        if case % 32 == 0:
            row["InstanceId"] = row["InstanceId"].lower()
        elif case % 32 == 1:
            row["ResourceGroup"] = row["ResourceGroup"].upper()
        return row

    def _resource(self, skew: int, trap: Trap | None, kind_draw: int) -> Resource:
        if trap is not None and trap.kind:
            candidates = self._estate.by_kind[trap.kind]
            return candidates[kind_draw % len(candidates)]
        return self._estate.resources[int((skew / _SPAN) ** 2 * len(self._estate.resources))]

    def _offset(self, month: str) -> int:
        return int(month.replace("-", "")) * 7 + self.seed * 13 + len(self.enrollment)

    def _stride(self) -> int:
        return max(2, min(_DROP_EVERY, self._rows))

    def _kept(self, revision: int) -> tuple[int, int]:
        """Return how many rows of revision 0 stay, and the place of the dropped one in each stride."""
        stride = self._stride()
        dropped = revision * 41 % stride
        blocks, rest = divmod(self._rows, stride)
        return self._rows - blocks - (rest > dropped), dropped

    def _added(self, revision: int) -> int:
        return revision * max(1, self._rows // 50)
