"""The daily cost of the largest applications."""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.report.data import Day
from azure_billing_warehouse.report.fitting import Bounded
from azure_billing_warehouse.report.rows import KNOWN_COST

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from azure_billing_warehouse.report.cuts import Listing
    from azure_billing_warehouse.report.rows import Bill

MOST_APPLICATIONS = 8
"""Applications with a line of their own: as many colours can be told apart."""


class DailyCost(NamedTuple):
    """A day's cost of one application, or of all that have no line of their own.

    Attributes:
        date: The day of usage.
        currency: Its place.
        number: The application's number in its listing; None for the others.
        cost: Sum of the costs that are known.
        unknown: Rows whose cost is unknown.
    """

    date: dt.date
    currency: int
    number: int | None
    cost: float
    unknown: int


def read_days(bill: Bill, applications: Listing) -> list[DailyCost]:
    """Read the daily cost of the largest applications, of none, and of all others."""
    named = [value for value in applications.values if value.name is not None][:MOST_APPLICATIONS]
    kept = [value for value in applications.values if value.name is None or value in named]
    listing = replace(applications, values=kept)
    rows = bill.rows({"used": "date", "line": listing.place()}, "date IS NOT NULL")
    found = bill.query(
        f"SELECT assumeNotNull(used), currency, line, {KNOWN_COST}, countIf(NOT isFinite(cost)) FROM {rows} "
        "GROUP BY used, currency, line ORDER BY used, currency, line"
    )
    return [
        DailyCost(date, bill.currency(currency), kept[line - 1].number if line else None, cost, unknown)
        for date, currency, line, cost, unknown in found
    ]


def bound_days(found: Sequence[DailyCost], left_out: list[str]) -> list[DailyCost]:
    """Return the newest days, as many as may be shown, and say so if it isn't all; no day is cut in two."""
    bounded = Bounded()
    kept = bounded.take("days", found, lambda day: -day.date.toordinal())
    left_out += bounded.left_out
    return kept if len(kept) == len(found) else [day for day in kept if day.date > kept[0].date]


def days(found: Iterable[DailyCost], applications: Listing) -> list[Day]:
    """Return the daily costs by the places of applications; those that are not listed count to the others."""
    places = {value.number: place for place, value in enumerate(applications.values)}
    merged: dict[tuple[dt.date, int, int], Day] = {}
    for day in found:
        key = (day.date, day.currency, -1 if day.number is None else places.get(day.number, -1))
        before = merged.get(key, Day(*key, 0.0, 0))
        merged[key] = before._replace(cost=before.cost + day.cost, unknown=before.unknown + day.unknown)
    return [merged[key] for key in sorted(merged)]
