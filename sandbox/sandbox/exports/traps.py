"""What can be odd about exports, by name; `files`, `manifests` and `write` do it."""

from __future__ import annotations

import re

TRAPS = {
    "no-bom": "the CSV files begin without a byte order mark",
    "second-bom": "each CSV file has a second byte order mark, before its first row",
    "crlf": "the lines of CSV files end in CR LF",
    "tags-other-way": "tags with braces in EA's files, without them in MCA's",
    "renamed-columns": "the last part has its columns in another order, under other names and cases, and a new one",
    "localised-headers": "the columns' names stand in brackets behind local ones",
    "short-row": "the last row of the first part lacks its last fields",
    "cut-last-line": "the last part ends within its last line; the manifest has the size of what is there",
    "cut-file": "the last part ends within its last line; the manifest has the size of the whole",
    "missing-part": "the last part is not there",
    "wrong-row-count": "the manifest counts a row more in the last part and in all",
    "wrong-byte-count": "the manifest counts a byte more in the last part and in all",
    "wrong-blob-count": "the manifest counts a part more than it lists",
    "moved": "the manifest names the parts below another folder, as after a copy",
    "header-only": "the files have no rows",
    "price-sheet": "beside it there is an export of a price sheet",
    "one-week": "a later run has one week only",
    "unfinished": "a later run has its first part, and no manifest yet",
    "two-currencies": "each billing profile has its own of two currencies",
}

CSV_TRAPS = frozenset({"no-bom", "second-bom", "crlf", "short-row", "cut-last-line", "cut-file"})
"""Those that are in the text of files."""


def parse_trap(spec: str) -> tuple[str, str]:
    """Return a trap's name and its month, '' for all months, from NAME or NAME/YYYY-MM.

    Raises:
        ValueError: With a sentence about what is wrong.
    """
    name, slash, month = spec.partition("/")
    if name not in TRAPS:
        raise ValueError(f"The trap {spec!r} is none of {', '.join(TRAPS)}.")
    if slash and not re.fullmatch(r"\d{4}-\d\d", month):
        raise ValueError(f"The trap {spec!r} is none of NAME and NAME/YYYY-MM.")
    return name, month
