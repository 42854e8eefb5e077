"""What a batch of usage rows is, in whatever form the rows came."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class UsageBatch(ABC):
    """Usage rows as they came. Row n of the frame is row n, from 0, of the methods.

    Attributes:
        frame: Texts as `given_name` calls them. Numbers also (Float64 or Int64), and in a column of `given_text_name`
            those that came in another form; a frame lacks the one of these columns, or the other, if it has no use for
            it. The key: `enrollment_number`, `billing_month` (Date), `snapshot_at` (UTC), `row_number`.
        place: Where the first row came from, as a sentence begins: "Line 7 of the input".
    """

    frame: pl.DataFrame
    place: str

    @abstractmethod
    def original(self, row: int, column: str) -> str | None:
        """Return the text of a value as it came: a text as it is, None for null, anything else as compact JSON.

        Args:
            row: The row.
            column: The column, by our name.
        """

    @abstractmethod
    def record(self, row: int) -> str:
        """Return the whole row as a JSON object, also with the columns that are not read."""
