"""What a batch of usage rows is, whatever form the rows arrived in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class UsageBatch(ABC):
    """Usage rows before any rule. Row n of the frame is row n, from 0, in the methods.

    Attributes:
        frame: Texts, named by `given_name`. Numbers too (Float64 or Int64), and in a column named by
            `given_text_name` those that came in another form; a frame lacks either of these columns if it doesn't need
            it. The key: `enrollment_number`, `dataset`, `billing_month` (Date), `snapshot_at` (UTC), `row_number`.
        place: Where the first row came from, as the start of a sentence: "Line 7 of the input".
    """

    frame: pl.DataFrame
    place: str

    @abstractmethod
    def original(self, row: int, column: str) -> str | None:
        """Return the original text of a value: a string unchanged, None for null, anything else as compact JSON.

        Args:
            row: The row.
            column: The column, by our name.
        """

    @abstractmethod
    def record(self, row: int) -> str:
        """Return the whole row as a JSON object, including the columns that are not read."""
