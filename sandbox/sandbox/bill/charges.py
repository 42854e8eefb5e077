"""The charges of a billing account in today's terms, column-wise: any stretch of any month of either dataset.

They come from the same estate as the key API's rows of the same account and seed. What a resource's charges share is
made once and gathered by row number, so a million rows take seconds.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from sandbox.bill.commitments import date_after, other_charges
from sandbox.bill.forms import EXACT_COST, Form, dates_of, frame_of
from sandbox.bill.rented import LEVELS, VARIANTS, rented

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.bill.charged import Account

DATASETS = ("actual", "amortized")

_DROP_EVERY = 97
_RE_RATE_EVERY = 16
_REPEAT_EVERY = 100


@dataclass(frozen=True)
class Month:
    """A month's charges as one run of an export sees them.

    Attributes:
        first: The month's first day.
        through: The last day with charges in it.
        revision: 0 for a month still open; each later one reprices one row in 16, leaves out one in 97 and adds late
            ones, one in 50 for each revision.
    """

    first: date
    through: date
    revision: int = 0

    @property
    def length(self) -> int:
        """The days of the whole month."""
        return calendar.monthrange(self.first.year, self.first.month)[1]

    @property
    def last(self) -> date:
        """The month's last day."""
        return self.first.replace(day=self.length)

    @property
    def days(self) -> list[date]:
        """The days that have charges."""
        return [date_after(self.first, number) for number in range(self.through.day)]


def whole_month(name: str, revision: int = 0) -> Month:
    """Return all days of a month `YYYY-MM`."""
    first = date.fromisoformat(f"{name}-01")
    return Month(first, Month(first, first).last, revision)


class Charges:
    """The charges of one billing account.

    Args:
        account: Whose they are.
        seed: Another seed makes another estate.
        rows: Rows of usage in a whole month of revision 0.
    """

    def __init__(self, account: Account, seed: int = 1, rows: int = 1000) -> None:
        """Draw the estate."""
        self.account = account
        self.seed = seed
        self._rows = rows
        self._rented = rented(account, seed)

    def usage_numbers(self, month: Month) -> pl.Series:
        """Return the numbers of a month's rows of usage, in file order."""
        before = -(-self._rows * month.through.day // month.length)
        numbers = pl.int_range(before, eager=True, dtype=pl.Int64)
        if month.revision:
            late = month.revision * max(1, self._rows // 50) if self._rows else 0
            numbers = numbers.filter(numbers % _DROP_EVERY != month.revision * 41 % _DROP_EVERY)
            numbers = numbers.append(pl.int_range(self._rows, self._rows + late, eager=True, dtype=pl.Int64))
        return numbers

    def usage(self, month: Month, dataset: str, numbers: pl.Series, fields: Iterable[str], form: Form) -> pl.DataFrame:
        """Return rows of usage: the fields asked for, and `EXACT_COST`.

        Args:
            month: The month as a run sees it.
            dataset: `actual` or `amortized`.
            numbers: Of the rows, from `usage_numbers`.
            fields: Names from `sandbox.bill.columns`, each once.
            form: How values are written.
        """
        repeated = numbers - (numbers % _REPEAT_EVERY == _REPEAT_EVERY - 1)
        draws = _mixed(repeated, hash_seed=f"{self.seed}/{self.account.number}/{month.first}")
        share = (draws // 2**32).cast(pl.Float64) / 2**32
        resource = (share * share * len(self._rented.used)).cast(pl.Int64)
        level = (draws % LEVELS).cast(pl.Int64)
        if month.revision:
            level = (level + (draws // 256 % _RE_RATE_EVERY == month.revision % _RE_RATE_EVERY)) % LEVELS
        variant = (draws // 2**16 % 32).cast(pl.Int64)
        variant = pl.select(pl.when(variant < VARIANTS).then(variant).otherwise(0)).to_series()
        day = pl.select(
            pl.when(repeated < self._rows)
            .then(repeated * month.length // max(1, self._rows))
            .otherwise(repeated % month.length)
        ).to_series()
        columns = [*fields, EXACT_COST]
        gathered = [
            (self._rented.texts(form), resource * VARIANTS + variant),
            (self._rented.numbers(dataset, form, columns), resource * LEVELS + level),
            (self._day_table(month, form), day),
        ]
        frames = []
        for table, places in gathered:
            if names := [name for name in columns if name in table.columns]:
                frames.append(table.select(names)[places])
        return pl.concat(frames, how="horizontal").select(columns)

    def others(self, month: Month, dataset: str, fields: Iterable[str], form: Form) -> pl.DataFrame:
        """Return the charges that are no usage, as `usage` does."""
        charges = other_charges(self.account, self._rented.estate, dataset, month.days, month.revision)
        charges = [
            {"billingPeriodStartDate": month.first, "billingPeriodEndDate": month.last, **charge} for charge in charges
        ]
        return frame_of(charges, form).select(*fields, EXACT_COST)

    def _day_table(self, month: Month, form: Form) -> pl.DataFrame:
        """Return the dates of each day's charges."""
        mca = self.account.agreement == "mca"
        rows = []
        for number in range(month.length):
            day = date_after(month.first, number)
            of_mca = day if mca else None
            rows.append({
                "date": day,
                "billingPeriodStartDate": month.first,
                "billingPeriodEndDate": month.last,
                "servicePeriodStartDate": of_mca,
                "servicePeriodEndDate": of_mca,
                "exchangeRateDate": month.first if mca else None,
            })  # fmt: skip
        return dates_of(rows, form)


def _mixed(numbers: pl.Series, *, hash_seed: str) -> pl.Series:
    """Return 64 bits for each number, which look random and are the same on every machine (splitmix64)."""
    salt = int.from_bytes(hash_seed.encode(), "big") % (2**63 - 25)
    mixed = (numbers.cast(pl.UInt64) + 1) * 0x9E3779B97F4A7C15 + pl.Series([salt], dtype=pl.UInt64)
    mixed = (mixed ^ (mixed // 2**30)) * 0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed // 2**27)) * 0x94D049BB133111EB
    return mixed ^ (mixed // 2**31)
