"""The JSON text of usage rows, their pages and their exact cost; the rows' content is decided elsewhere.

A row is kept as field name -> JSON text, so a number is served, summed and compared exactly as it is written
(`7.29E-9`, 17 digits), which no float could guarantee.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, str]
"""One usage row: field name to the JSON text of its value."""

EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])
"""Sums that would have to be rounded raise `decimal.Inexact`."""

_READABLE_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class PageContent(NamedTuple):
    """The rows of one page.

    Attributes:
        rows_json: UTF-8 text of the JSON array in `content`.
        row_count: Number of rows in it.
        extended_cost: Exact sum of their costs, in the enrollment's currency, before tax.
    """

    rows_json: bytes
    row_count: int
    extended_cost: Decimal


def encode(value: object) -> str:
    """Return the compact JSON text of a value, a `Decimal` as its number literal."""
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number_text(value: float) -> str:
    """Return the shortest literal of a float in the form of the API (`7.29E-9` rather than `7.29e-09`)."""
    text = repr(value)
    mantissa, exponent_mark, exponent = text.partition("e")
    return f"{mantissa}E{int(exponent)}" if exponent_mark else text


def render(row: Row) -> str:
    """Return a row's JSON text."""
    return "{" + ",".join([f'"{field}":{text}' for field, text in row.items()]) + "}"


def cost_of(row: Row) -> Decimal:
    """Return a row's cost: its number as written, or text that is a number; 0 if it is missing or unreadable."""
    text = row.get("ExtendedCost", "null")
    if text.startswith('"'):
        text = json.loads(text)
        return Decimal(text) if _READABLE_NUMBER.fullmatch(text) else Decimal(0)
    return Decimal(0) if text == "null" else Decimal(text)


class PagedBill(ABC):
    """The bill of one enrollment, in pages; any page can be made without those before it.

    Args:
        enrollment: Enrollment number, which keys must name too.
        page_size: Rows on each page but the last.
    """

    def __init__(self, enrollment: str, page_size: int) -> None:
        """Keep what every page needs."""
        self.enrollment = enrollment
        self.page_size = page_size

    @property
    @abstractmethod
    def label(self) -> str:
        """A part of a file name that differs for every bill with other rows or pages."""

    @abstractmethod
    def row_count(self, month: str, revision: int = 0) -> int:
        """Return the number of rows of a month (`YYYY-MM`), 0 for a month without usage."""

    @abstractmethod
    def encoded_rows(self, month: str, revision: int, positions: range) -> Iterator[Row]:
        """Yield the rows at these positions (from 0) of the order served."""

    def page_count(self, month: str, revision: int = 0) -> int:
        """Return the number of pages with rows."""
        return -(-self.row_count(month, revision) // self.page_size)

    def page_content(self, month: str, index: int, revision: int = 0) -> PageContent:
        """Return the page with this index (from 0) as it is served; a page beyond the last has no rows."""
        texts = []
        total = Decimal(0)
        for row in self.encoded_rows(month, revision, self._positions(month, index, revision)):
            texts.append(render(row))
            total = EXACT.add(total, cost_of(row))
        return PageContent(f"[{','.join(texts)}]".encode(), len(texts), total)

    def page(self, month: str, index: int, revision: int = 0) -> list[dict[str, Any]]:
        """Return the records of a page as `json.loads` reads them (numbers with a fraction are floats)."""
        return [json.loads(text) for text in self.row_texts(month, revision, self._positions(month, index, revision))]

    def rows(self, month: str, revision: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the records of a month in the order served, as `json.loads` reads them."""
        return map(json.loads, self.row_texts(month, revision))

    def row_texts(self, month: str, revision: int = 0, positions: range | None = None) -> Iterator[str]:
        """Yield the JSON text of each record, with every number as it is served."""
        if positions is None:
            positions = range(self.row_count(month, revision))
        return map(render, self.encoded_rows(month, revision, positions))

    def extended_cost(self, month: str, revision: int = 0) -> Decimal:
        """Return the exact sum of a month's costs, of the numbers as they are written."""
        total = Decimal(0)
        for row in self.encoded_rows(month, revision, range(self.row_count(month, revision))):
            total = EXACT.add(total, cost_of(row))
        return total

    def _positions(self, month: str, index: int, revision: int) -> range:
        start = index * self.page_size
        return range(start, min(start + self.page_size, self.row_count(month, revision)))
