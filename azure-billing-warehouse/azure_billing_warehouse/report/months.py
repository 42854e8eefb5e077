"""The months of the report: whole, failing, missing or still billed, and what an open one is compared with."""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

import calendar
import datetime as dt
from typing import TYPE_CHECKING, Literal

from azure_billing_warehouse.check.expectations import months_between
from azure_billing_warehouse.report.data import Month
from azure_billing_warehouse.report.rows import Bill
from azure_billing_warehouse.schema.ddl import literal, qualified
from azure_billing_warehouse.schema.views import MONTHS
from azure_billing_warehouse.tables import ACTUAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.verdict import MonthCheck
    from azure_billing_warehouse.config import ClickHouseConfig

MOST_MONTHS = 60
"""Months that are shown, the newest: each is a cell of every value and resource, which else leave no room."""


def first_shown(checks: Sequence[MonthCheck]) -> dt.date:
    """Return the first month of the report: of the verdicts' or, if they are too many, of the newest."""
    first, last = (bound(check.billing_month for check in checks) for bound in (min, max))
    return [*months_between(first, last)][-MOST_MONTHS:][0]


def read_months(
    client: Client, config: ClickHouseConfig, checks: Sequence[MonthCheck], enrollments: Sequence[str]
) -> list[Month]:
    """Read the months from the first to the last that there is a verdict on, with their comparisons.

    A month is open if the published extraction of any enrollment began before its end. It is compared with the month
    before up to the last day of its usage, or to the end of that month if it is shorter.
    """
    bill = Bill(client, config, [], enrollments)
    published = (
        f"SELECT billing_month, min(snapshot_at) FROM {qualified(config, MONTHS)} "
        f"WHERE dataset = {literal(ACTUAL)} AND {bill.of_enrollments()} GROUP BY billing_month"
    )
    began: dict[dt.date, dt.datetime] = dict(bill.query(published))
    first, last = first_shown(checks), max(check.billing_month for check in checks)
    failing = {check.billing_month for check in checks if check.status == "fails"}

    def state(month: dt.date) -> Literal["whole", "failing", "missing"]:
        if month not in began:
            return "missing"
        return "failing" if month in failing else "whole"

    shown = [*months_between(first, last)]
    last_days = _read_last_days(bill, [month for month in shown if month in began and _is_open(month, began[month])])
    months = []
    for month in shown:
        through = last_days.get(month)
        months.append(Month(month=month, state=state(month), through=through))
        if through:
            before = (month - dt.timedelta(days=1)).replace(day=1)
            day = min(through.day, calendar.monthrange(before.year, before.month)[1])
            months.append(Month(month=before, state=state(before), through=before.replace(day=day), is_comparison=True))
    return months


def _is_open(month: dt.date, began: dt.datetime) -> bool:
    return (began.year, began.month) <= (month.year, month.month)


def _read_last_days(bill: Bill, months: Sequence[dt.date]) -> dict[dt.date, dt.date]:
    """Read the last day of usage of months; one without a day within it is missing."""
    if not months:
        return {}
    bill.months = [Month(month=month, state="whole", through=None) for month in months]
    rows = bill.rows({"billed": "billing_month", "used": "date"}, "toStartOfMonth(date) = billing_month")
    found: dict[dt.date, dt.date] = dict(bill.query(f"SELECT billed, max(used) FROM {rows} GROUP BY billed"))
    return found
