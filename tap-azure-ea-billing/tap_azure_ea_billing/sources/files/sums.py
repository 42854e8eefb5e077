"""The exact sum of a column of costs, with every digit, at a third of what summing Decimals one by one takes.

Plain decimals (`-12.340`) are summed as 128-bit integers, for each number of decimals apart. Whatever else a cost can
be (an exponent, white space, more than 28 digits) is read as `costs.cost_of_text` reads it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from tap_azure_ea_billing.sources.costs import cost_of_text, exact_sum

if TYPE_CHECKING:
    from tap_azure_ea_billing.sources.source import MonthTotal

_PLAIN = r"^-?[0-9]+(\.[0-9]+)?$"
_MOST_CHARACTERS = 30
"""28 digits, a sign and a point: 10 to the power of 10 rows of them fit into 128 bits."""


def sum_of_costs(costs: pl.Series) -> tuple[Decimal, int]:
    """Return the sum of the costs that are finite numbers, and how many these are."""
    text = pl.col("cost")
    plain = text.str.contains(_PLAIN) & (text.str.len_bytes() <= _MOST_CHARACTERS)
    point = text.str.find(".", literal=True)
    frame = costs.to_frame("cost").with_columns(plain=plain)
    sums = (
        frame.lazy()
        .filter("plain")
        .select(
            digits=text.str.replace(".", "", literal=True).cast(pl.Int128),
            decimals=(text.str.len_bytes() - 1 - point).fill_null(0).cast(pl.Int64),
        )
        .group_by("decimals")
        .agg(pl.col("digits").sum(), rows=pl.len())
        .collect()
    )
    readable = int(sums["rows"].sum())
    parts = [_shifted(digits, decimals) for decimals, digits in sums.select("decimals", "digits").iter_rows()]
    if readable + costs.null_count() < len(costs):
        odd = [cost for value in frame.filter(~pl.col("plain"))["cost"] if (cost := cost_of_text(value)) is not None]
        readable += len(odd)
        parts += odd
    return exact_sum(parts, Decimal(0)), readable


def count_rows(total: MonthTotal, frame: pl.DataFrame) -> None:
    """Count a frame of usage rows into the total of its month; the pages are its source's to count."""
    cost, readable = sum_of_costs(frame["extended_cost"])
    currencies = frame["billing_currency"].unique().drop_nulls()
    total.add_rows(frame.height, (cost,), frame.height - readable, currencies)


def _shifted(digits: int, decimals: int) -> Decimal:
    """Return digits with the point before the last `decimals` of them; by text, since arithmetic rounds to 28."""
    return Decimal(f"{digits}e-{decimals}")
