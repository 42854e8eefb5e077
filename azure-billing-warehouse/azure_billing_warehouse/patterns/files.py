"""Reads and writes tracking patterns as a CSV file, whose cells no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.patterns.pattern import COLUMNS, MalformedPatternError, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from azure_billing_warehouse.patterns.pattern import Pattern

_SEPARATORS = (",", ";", "\t")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


class PatternFileError(OperatorError):
    """A file has no patterns; the message names the file and what is wrong."""


class MalformedLineError(PatternFileError):
    """A line of a file isn't a pattern.

    Args:
        path: The file.
        line: Number of the line, from 1, where the row ends.
        pattern: What is wrong with its row.
    """

    def __init__(self, path: Path, line: int, pattern: MalformedPatternError) -> None:
        super().__init__(f"{path}, line {line}: {pattern.column} is {pattern.value!r}: {pattern.fault}.")
        self.pattern = pattern


def read_patterns(path: Path) -> list[Pattern]:
    """Read a CSV file with the columns id and resource_tracking, in its order; other columns are ignored.

    Cells are separated by commas, semicolons or tabs, whichever finds these columns in the first line.

    Raises:
        MalformedLineError: A line isn't a pattern.
        PatternFileError: The file can't be read, or lacks a column.
    """
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _separator(path, file.readline())
            file.seek(0)
            reader = csv.DictReader(file, strict=True, delimiter=separator)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            for row in reader:
                number, text = (_unguarded(row[name] or "") for name in COLUMNS)
                rows.append((number, text))
                lines.append(reader.line_num)
        return read_rows(rows)
    except MalformedPatternError as malformed:
        raise MalformedLineError(path, lines[malformed.row - 1], malformed) from malformed
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PatternFileError(f"{path} can't be read as CSV: {error}.") from error


def _separator(path: Path, header: str) -> str:
    """Return what separates the cells of a file with this first line.

    Raises:
        PatternFileError: With none of the separators it has the columns.
    """
    found = {separator: _cells(header, separator) for separator in _SEPARATORS}
    for separator, columns in found.items():
        if set(COLUMNS) <= set(columns):
            return separator
    columns = max(found.values(), key=len)
    missing = " and no column ".join(name for name in COLUMNS if name not in columns)
    raise PatternFileError(
        f"{path} has no column {missing}: its first line names "
        f"{', '.join(map(repr, columns)) if any(columns) else 'no column'}. It must name {' and '.join(COLUMNS)}."
    )


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for row in csv.reader([line], delimiter=separator) for cell in row]


def _guarded(cell: str) -> str:
    """Return the cell with an apostrophe before what a spreadsheet would run (and before such apostrophes)."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    """Return the original of a `_guarded` cell."""
    return cell[1:] if _GUARDED.match(cell) else cell


def pattern_csv(rows: Iterable[tuple[str, str]]) -> str:
    """Write patterns as CSV.

    Args:
        rows: Id and text of each.
    """
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(COLUMNS)
    for number, pattern in rows:
        # Readers take a carriage return for the end of a row, but it isn't quoted where rows end with a line feed.
        writer = quoted if "\r" in f"{number}{pattern}" else plain
        writer.writerow((_guarded(number), _guarded(pattern)))
    return text.getvalue()
