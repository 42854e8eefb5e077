"""What a source of bills is: asked for a month, it returns batches of rows and their total, or why there are none.

A source knows how its bills are fetched and what their columns are called. Which months are read, snapshots, row
numbers, state and Singer messages belong to the tap, which knows a source by these protocols only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from tap_azure_ea_billing.sources.costs import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    import polars as pl

DATASETS = ("actual", "amortized")
"""What a bill may be asked for: charges as billed, or commitments spread over their use. Never to be added up."""

Clock: TypeAlias = "Callable[[], datetime]"
"""Tells the time, UTC."""


@dataclass(frozen=True)
class MonthQuery:
    """A month that the tap wants.

    Attributes:
        enrollment_number: Whose month.
        month: Its first day.
        dataset: Which of its bills, one of `DATASETS`.
        rows_before: Rows that the month had when it was last read whole. If there are any, a month without rows is an
            error.
        doubt_empty: Whether a month without rows is asked for once more before it is believed.
        in_turn: Whether nothing may be fetched before it is needed, since most of the month is left unread.
        in_columns: Whether the rows are wanted as frames, where the source can make some.
    """

    enrollment_number: str
    month: date
    dataset: str = "actual"
    rows_before: int = 0
    doubt_empty: bool = False
    in_turn: bool = False
    in_columns: bool = False


@dataclass(frozen=True)
class Absence:
    """Why a month has no rows.

    Attributes:
        reason: What the source has instead of them.
        unknown: What the source says of a month that it does not know at all, in words that "for every month" can
            follow; '' if it knows the month. A first run that finds no other month has a wrong setting.
        advice: What to do then, in words that follow a colon.
    """

    reason: str
    unknown: str = ""
    advice: str = ""


@dataclass
class MonthTotal:
    """What the batches of a month came to so far.

    Attributes:
        pages: Pages or files with rows.
        rows: Usage rows.
        cost: Exact decimal sum of the costs that are numbers, or text that is one; before tax.
        unreadable_costs: Rows whose cost counts nothing in the sum since it is missing or not a number.
        currencies: Currencies that the rows name.
    """

    pages: int = 0
    rows: int = 0
    cost: Decimal = Decimal(0)
    unreadable_costs: int = 0
    currencies: set[str] = field(default_factory=set)

    def add(self, rows: int, costs: Sequence[Decimal]) -> None:
        """Count a page.

        Args:
            rows: How many rows it has.
            costs: The costs of those whose cost can be read.
        """
        self.pages += bool(rows)
        self.add_rows(rows, costs, rows - len(costs))

    def add_rows(self, rows: int, costs: Iterable[Decimal], unreadable: int, currencies: Iterable[str] = ()) -> None:
        """Count rows whose costs were summed, or not, by whoever read them; pages are the caller's to count.

        Args:
            rows: How many they are.
            costs: Numbers that add up to their cost.
            unreadable: How many of them have no cost that can be read.
            currencies: The currencies that they name.
        """
        self.rows += rows
        self.unreadable_costs += unreadable
        self.cost = exact_sum(costs, self.cost)
        self.currencies.update(currencies)


class Batch(Protocol):
    """Usage rows that follow one another in a month, as many as fit into memory with ease."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def rows(self, most: int | None = None) -> Iterator[Sequence[Any]]:
        """Yield the values of each row, in the order of the source's `columns`, each of the type of its column.

        Args:
            most: Yield no more rows than this; all of them by default.
        """
        ...

    def frame(self) -> pl.DataFrame | None:
        """Return the rows as texts in the source's `columns`, numbers as they are written; None if there is no way.

        A record of `rows` and a row of the frame say the same.
        """
        ...


class MonthReading(Protocol):
    """A month that is being read.

    Attributes:
        total: What the batches so far came to; the month's own when the last one was taken.
        absence: Why the month has no rows, None if it has some.
        run_id: The run of the export or report that is read; None if there is none. This and the next two are final
            when the last batch was taken.
        blob_count: Files that it has; None if there are none.
        byte_count: Their size in bytes, as stored.
    """

    total: MonthTotal
    absence: Absence | None
    run_id: str | None
    blob_count: int | None
    byte_count: int | None

    def batches(self) -> Iterator[Batch]:
        """Yield the batches once, in the order received, counting each before it is used.

        The last one is the end of the month. Whatever keeps the month from being read to its end is an error.

        Raises:
            OperatorError: The month can't be read to its end.
        """
        ...


class Source(Protocol):
    """A place that bills are read from, made from settings, clock and logger, without asking anybody anything.

    Attributes:
        columns: Columns of `usage_details` that a row has, in order, besides the key.
    """

    columns: ClassVar[tuple[str, ...]]

    def runs(self, enrollment_number: str, dataset: str) -> Mapping[date, str] | None:
        """Return the id of the run that holds each month now; None if this source can't tell without reading.

        A month whose id is the one that was last read is not read again, and one without a run can't be.

        Raises:
            OperatorError: They can't be listed.
        """
        ...

    def read(self, query: MonthQuery) -> MonthReading:
        """Begin to read a month; return when it is known whether it has rows.

        Raises:
            OperatorError: The month can't be read.
        """
        ...
