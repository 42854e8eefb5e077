"""Tracking patterns as cells of a CSV file, so that no spreadsheet takes one for a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """The cell as it is written: an apostrophe before what a spreadsheet would run (and before such apostrophes)."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return cell[1:] if _GUARDED.match(cell) else cell


def pattern_csv(rows: Iterable[tuple[str, str]]) -> str:
    """The CSV of patterns.

    Args:
        rows: Id and pattern of each.
    """
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(("id", "resource_tracking"))
    for number, pattern in rows:
        # A carriage return ends a row for those who read it, but isn't quoted where rows end with a line feed.
        writer = quoted if "\r" in f"{number}{pattern}" else plain
        writer.writerow((guarded(number), guarded(pattern)))
    return text.getvalue()
