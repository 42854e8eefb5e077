"""Rendered pages, kept as files so that serving them again is fast; what is in them is the bill's.

Kept pages are served as fast as a file can be read, which benchmarks of the tap need: rendering is slower.
"""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sandbox.bill.wire import EXACT, PageContent

if TYPE_CHECKING:
    from sandbox.bill.wire import PagedBill

_BILL = Path(__file__).parents[1] / "bill"
_SOURCES = ("wire.py", "catalogue.py", "estate.py", "traps.py", "generator.py", "recorded.py", "recorded_rows.json")


class PageStore:
    """The pages of bills in a folder; a page that isn't there yet is made and kept.

    A file holds one line with row count and exact cost, then the JSON array of rows. Its folder names the bill and a
    hash of the sources that make it, so an older generator's pages are never served.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made when the first page is kept."""
        digest = blake2b(digest_size=6)
        for name in _SOURCES:
            digest.update((_BILL / name).read_bytes())
        self._folder = folder
        self._fingerprint = digest.hexdigest()

    def page(self, bill: PagedBill, month: str, index: int, revision: int) -> PageContent:
        """Return a page, from its file if it was made before."""
        path = self._path(bill, month, index, revision)
        try:
            with path.open("rb") as file:
                row_count, extended_cost = _heading(file)
                return PageContent(file.read(), row_count, extended_cost)
        except FileNotFoundError:
            return self._make(bill, month, index, revision)

    def extended_cost(self, bill: PagedBill, month: str, revision: int) -> Decimal:
        """Return the exact cost of a month as served; render the pages that are missing."""
        total = Decimal(0)
        for index in range(bill.page_count(month, revision)):
            path = self._path(bill, month, index, revision)
            if path.exists():
                with path.open("rb") as file:
                    cost = _heading(file)[1]
            else:
                cost = self._make(bill, month, index, revision).extended_cost
            total = EXACT.add(total, cost)
        return total

    def _make(self, bill: PagedBill, month: str, index: int, revision: int) -> PageContent:
        content = bill.page_content(month, index, revision)
        path = self._path(bill, month, index, revision)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: two requests may render the same page at once, and a killed server leaves no half page.
        part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        part.write_bytes(b"%d %s\n%b" % (content.row_count, str(content.extended_cost).encode(), content.rows_json))
        part.replace(path)
        return content

    def _path(self, bill: PagedBill, month: str, index: int, revision: int) -> Path:
        return (
            self._folder
            / "pages"
            / f"{bill.label}-{self._fingerprint}"
            / f"{month}-revision{revision}"
            / f"{index}.page"
        )


def _heading(file: BinaryIO) -> tuple[int, Decimal]:
    row_count, extended_cost = file.readline().split()
    return int(row_count), Decimal(extended_cost.decode())
