"""What a tracking pattern is, and how its two cells are read; `files` and `table` know where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.setting_sentences import fault

if TYPE_CHECKING:
    from collections.abc import Sequence


class Pattern(NamedTuple):
    """A row of d_application_tag."""

    id: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    """The rank: of several patterns that match a usage row, the lowest wins (R16)."""
    resource_tracking: str
    """Text that names an application, compared ignoring case; a blank one is skipped."""


COLUMNS = Pattern._fields
"""The columns of a file or table of patterns."""

_PATTERNS = TypeAdapter(list[Pattern])


class MalformedPatternError(OperatorError):
    """A row isn't a pattern.

    Args:
        row: Number of the row, from 1.
        column: The column that is wrong.
        value: What is in it.
        fault: What is wrong with it.
    """

    def __init__(self, row: int, column: str, value: object, fault: str) -> None:
        super().__init__(f"Row {row} is not a tracking pattern: {column} is {value!r}: {fault}.")
        self.row = row
        self.column = column
        self.value = value
        self.fault = fault


def read_rows(rows: Sequence[tuple[str | None, str | None]]) -> list[Pattern]:
    """Read each row, id and text, as a pattern; a missing text is blank.

    Raises:
        MalformedPatternError: A row isn't a pattern.
    """
    try:
        return _PATTERNS.validate_python([(number, text or "") for number, text in rows])
    except ValidationError as error:
        first = error.errors()[0]
        row, column = first["loc"][:2]
        name = COLUMNS[column] if isinstance(column, int) else column
        raise MalformedPatternError(int(row) + 1, name, first["input"], fault(first, {}, is_secret=True)) from error
