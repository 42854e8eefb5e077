"""What the warehouse should hold: which months, how new, how much of what was there; reading is in `ledger`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from azure_billing_warehouse.config import MAX_CLOCK_SKEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from azure_billing_warehouse.check.ledger import MonthRow, Snapshot

MAX_FALL: float = 50
"""Percent of a month's rows or cost that may go from one extraction to a later one."""
_CLOCK_SKEW = dt.timedelta(seconds=MAX_CLOCK_SKEW)
_A_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Expectations:
    """What is expected of the warehouse, beside that each month adds up.

    Attributes:
        first_month: First month of every enrollment; the first one that the warehouse knows of it if None.
        last_month: Last month of every enrollment; the current one if None.
        max_age: How old the newest complete load of an enrollment may be; of any age if None.
        max_fall: Percent of its rows or cost that a month may lose from one extraction to a later one.
        accept_fall: Months that may lose more.
        enrollments: The enrollments that are looked at, and must be there; all that are there if empty.
    """

    first_month: dt.date | None = None
    last_month: dt.date | None = None
    max_age: dt.timedelta | None = None
    max_fall: float = MAX_FALL
    accept_fall: frozenset[dt.date] = frozenset()
    enrollments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Known:
    """What the warehouse knows of an enrollment: first month, and newest complete load that isn't in the future."""

    first_month: dt.date | None = None
    newest_load_at: dt.datetime | None = None


class EnrollmentCheck(BaseModel):
    """The verdict on an enrollment as a whole: which months are expected, and how old its newest load is."""

    enrollment_number: str
    status: Literal["ok", "fails"]
    problems: list[str]
    first_month: dt.date
    last_month: dt.date
    """The months that are expected; others that are there are checked too."""
    newest_load_at: dt.datetime | None
    """Start of the newest complete load, of whichever month; None if there is none."""
    newest_load_age_seconds: float | None


def judge_enrollment(number: str, known: Known, expected: Expectations, now: dt.datetime) -> EnrollmentCheck:
    """The months that are expected of an enrollment, and whether its newest load is new enough.

    Args:
        number: The enrollment.
        known: What the warehouse knows of it.
        expected: What is expected.
        now: The time of ClickHouse's clock.
    """
    current = now.date().replace(day=1)
    last = min(expected.last_month or current, current)
    age = max(dt.timedelta(0), now - known.newest_load_at) if known.newest_load_at else None
    problems = []
    if expected.max_age is not None and age is None:
        problems.append("no load of it is complete")
    if expected.max_age is not None and age is not None and age > expected.max_age:
        problems.append(f"its newest complete load is {say_age(age)} old, {say_age(expected.max_age)} are allowed")
    return EnrollmentCheck(
        enrollment_number=number,
        status="fails" if problems else "ok",
        problems=problems,
        first_month=expected.first_month or known.first_month or last,
        last_month=last,
        newest_load_at=known.newest_load_at,
        newest_load_age_seconds=age.total_seconds() if age is not None else None,
    )


def months_between(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Every month from the first to the last one, both among them."""
    month = first
    while month <= last:
        yield month
        month = (month.replace(day=28) + 4 * _A_DAY).replace(day=1)


def find_fall(published: Snapshot, snapshots: Sequence[Snapshot], expected: Expectations) -> Iterator[str]:
    """Whether a month lost most of its rows or cost, against its largest extraction in the load history, as sentences.

    Args:
        published: The snapshot that the views show.
        snapshots: All of the month; of those that were pruned the month rows are left, and count too.
        expected: How much it may lose.
    """
    row = published.month_row
    before = [
        snapshot.month_row
        for snapshot in snapshots
        if snapshot.month_row and snapshot.snapshot_at < published.snapshot_at and _is_whole(snapshot.month_row)
    ]
    if row is None or not before or published.billing_month in expected.accept_fall:
        return
    option = f"if that is right, accept it by --accept-fall {published.billing_month:%Y-%m}"
    most_rows = max(before, key=lambda month: month.row_count)
    if (percent := _fall(most_rows.row_count, row.row_count)) > expected.max_fall:
        yield (
            f"the views show {row.row_count:,} rows where the load of {most_rows.started_at:%Y-%m-%d %H:%M} UTC had "
            f"{most_rows.row_count:,}: {percent:.1f} % less; {option}"
        )
    most_cost = max(before, key=_given_cost)
    if (percent := _fall(_given_cost(most_cost), _given_cost(row))) > expected.max_fall:
        yield (
            f"the views show a cost of {_given_cost(row):,.2f} where the load of {most_cost.started_at:%Y-%m-%d %H:%M} "
            f"UTC had {_given_cost(most_cost):,.2f}: {percent:.1f} % less; {option}"
        )


def find_future(snapshot: Snapshot, now: dt.datetime) -> Iterator[str]:
    """Whether a snapshot or its month is later than ClickHouse's clock allows, as a sentence with its cure."""
    cure = "`azure-billing-warehouse prune --future` drops it, then load the month again"
    if snapshot.snapshot_at > now + _CLOCK_SKEW:
        yield (
            f"its newest snapshot is of {snapshot.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, later than ClickHouse's clock: "
            f"it was loaded with a wrong clock and hides later loads; {cure}"
        )
    elif snapshot.billing_month > (now + _CLOCK_SKEW).date():
        yield f"the month has not begun by ClickHouse's clock: it was loaded with a wrong clock; {cure}"


def say_age(age: dt.timedelta) -> str:
    """A length of time for people: in minutes, hours or days."""
    minutes = age.total_seconds() / 60
    for size, unit in ((2 * 24 * 60, "days"), (2 * 60, "hours")):
        if minutes >= size:
            return f"{minutes * 2 / size:,.1f} {unit}"
    return f"{minutes:,.0f} minutes"


def _is_whole(row: MonthRow) -> bool:
    """Whether an extraction reached the mapper whole, and all of its rows were judged."""
    return row.row_count == row.received_row_count == row.staged_row_count + row.rejected_row_count


def _given_cost(row: MonthRow) -> Decimal:
    return row.extended_cost if row.extended_cost is not None else Decimal(0)


def _fall(before: Decimal | int, after: Decimal | int) -> float:
    """Percent by which a number is less than one before it; 0 where it was not positive."""
    return float(100 * (before - after) / before) if before > 0 else 0.0
