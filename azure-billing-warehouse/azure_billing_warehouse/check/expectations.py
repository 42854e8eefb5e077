"""What the warehouse should hold: which months, how new, how much of what was there; `ledger` reads what is there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FALL: float = 50
"""Percentage of a month's rows or cost that may be lost from one extraction to a later one."""
_A_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Expectations:
    """What is expected of the warehouse, besides that each month adds up.

    Attributes:
        first_month: First month of every enrollment and dataset; if None, the first one that the warehouse has of it.
        last_month: Last month of every enrollment; the current one if None.
        max_age: How old the newest complete load of an enrollment's dataset may be; any age if None.
        max_fall: Percentage of its rows or cost that a month may lose from one extraction to a later one.
        accept_fall: Months that may lose more.
        enrollments: The enrollments that are checked, and must be there; all that are there if empty.
        max_unallocated: Percentage of a month's cost that no pattern may match; any if None.
        max_rejected: Percentage of a month's rows that may be rejected; any if None.
        max_change: Percentage by which a closed month's cost may differ from the month before; any if None.
    """

    first_month: dt.date | None = None
    last_month: dt.date | None = None
    max_age: dt.timedelta | None = None
    max_fall: float = MAX_FALL
    accept_fall: frozenset[dt.date] = frozenset()
    enrollments: frozenset[str] = frozenset()
    max_unallocated: float | None = None
    max_rejected: float | None = None
    max_change: float | None = None


@dataclass(frozen=True)
class Known:
    """What it has of an enrollment's dataset: first month, and newest complete load that isn't in the future."""

    first_month: dt.date | None = None
    newest_load_at: dt.datetime | None = None


def months_between(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """List every month from the first to the last, both included."""
    month = first
    while month <= last:
        yield month
        month = (month.replace(day=28) + 4 * _A_DAY).replace(day=1)


def say_age(age: dt.timedelta) -> str:
    """Write a length of time for people, in minutes, hours or days."""
    minutes = age.total_seconds() / 60
    for size, unit in ((2 * 24 * 60, "days"), (2 * 60, "hours")):
        if minutes >= size:
            return f"{minutes * 2 / size:,.1f} {unit}"
    return counted(round(minutes), "minute", ",")
