"""The rules on the date of a usage row: R1 to R3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mapper_azure_billing_tracking.rules.rule import Condition, Rule, given, stripped

if TYPE_CHECKING:
    from mapper_azure_billing_tracking.rules.rule import RuleContext

_ISO_DATE = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
_US_DATE = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})$"


def r1_date(_: RuleContext) -> Rule:
    """R1: `date` is an ISO date, an ISO date-time, MM/DD/YYYY or M/D/YYYY; missing or unreadable: reject.

    A date that ClickHouse's Date can't hold (before 1970-01-01, after 2149-06-06) would be changed unseen: unreadable.
    """
    text = stripped(given("date"))
    iso = text.str.extract(_ISO_DATE, 1).str.to_date("%Y-%m-%d", strict=False)
    us = text.str.extract(f"({_US_DATE})", 1).str.replace(_US_DATE, "$3-$1-$2").str.to_date("%Y-%m-%d", strict=False)
    date = iso.fill_null(us)
    date = pl.when(date.is_between(pl.date(1970, 1, 1), pl.date(2149, 6, 6))).then(date)
    return Rule("R1", {"date": date}, (Condition("reject", "date", pl.col("date").is_null()),))


def r2_date_parts(_: RuleContext) -> Rule:
    """R2: `year`, `month`, `day`, `month_date` and `newmonth` (such as Oct 2026) come from `date`."""
    date = pl.col("date")
    return Rule(
        "R2",
        {
            "year": date.dt.year().cast(pl.Int64),
            "month": date.dt.month().cast(pl.Int64),
            "day": date.dt.day().cast(pl.Int64),
            "month_date": date.dt.month_start(),
            "newmonth": date.dt.strftime("%b %Y"),
        },
    )


def r3_date_in_month(_: RuleContext) -> Rule:
    """R3: `date` outside `billing_month`: warn, kept."""
    outside = pl.col("month_date") != pl.col("billing_month").dt.month_start()
    return Rule("R3", {}, (Condition("warn", "date", outside),))
