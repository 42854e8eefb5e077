"""Tracking patterns as cells of a CSV file, so that no spreadsheet takes one for a formula."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """The cell as it is written: an apostrophe before what a spreadsheet would run (and before such apostrophes)."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return cell[1:] if _GUARDED.match(cell) else cell
