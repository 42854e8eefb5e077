"""The options that say what `check` and `report` expect of the warehouse, and how their values are parsed."""

from __future__ import annotations

import datetime as dt
import math
import re
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from azure_billing_warehouse.check.expectations import MAX_FALL, Expectations
from azure_billing_warehouse.config import read_month, read_months

if TYPE_CHECKING:
    from collections.abc import Callable

_AGE = re.compile(r"(\d{1,6})\s*([mhdw])")
_MOST_TAGS = 10  # each adds 5 kB to queries that ClickHouse takes up to 256 kB of
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}


def month_option(name: str, **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:  # noqa: ANN401 - click's
    """Return an option whose value is a month, or a date in it; an empty one counts as unset."""
    return click.option(name, metavar="YYYY-MM", callback=_month, **settings)


def expectations(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Expectations`, and the argument `expected`."""

    @month_option(
        "--first-month",
        envvar="AZURE_BILLING_FIRST_MONTH",
        show_envvar=True,
        help="First month that must be there. Without it: the first month that has anything.",
    )
    @month_option(
        "--last-month",
        envvar="AZURE_BILLING_LAST_MONTH",
        show_envvar=True,
        help="Last month that must be there. Without it: the current one, by ClickHouse's clock.",
    )
    @click.option(
        "--max-age",
        metavar="AGE",
        envvar="AZURE_BILLING_MAX_AGE",
        show_envvar=True,
        callback=_age,
        help="How old an enrollment's newest complete load may be, such as 90m, 36h, 2d or 1w. Without it: any age.",
    )
    @click.option(
        "--max-fall",
        metavar="PERCENT",
        envvar="AZURE_BILLING_MAX_FALL",
        show_envvar=True,
        type=click.FloatRange(0, 100),
        callback=_number,
        default=MAX_FALL,
        help="Percentage of its rows or cost that a month may lose compared with an earlier load.",
    )
    @click.option(
        "--accept-fall",
        metavar="YYYY-MM",
        multiple=True,
        envvar="AZURE_BILLING_ACCEPT_FALL",
        show_envvar=True,
        callback=_months,
        help="Month that may lose more than that. May be repeated, or be a list with commas.",
    )
    @_percent("--max-unallocated", "AZURE_BILLING_MAX_UNALLOCATED", "Percent of a month's cost without an application.")
    @_percent("--max-rejected", "AZURE_BILLING_MAX_REJECTED", "Percent of a month's rows that may be rejected.")
    @_percent(
        "--max-change",
        "AZURE_BILLING_MAX_CHANGE",
        "Percent by which a closed month's cost may differ from that of the month before.",
    )
    @click.option(
        "--enrollment",
        "enrollments",
        metavar="NUMBER",
        multiple=True,
        help="Enrollment that must be there; no other is checked. May be repeated. Without it: all that are there.",
    )
    @wraps(command)
    def with_expectations(
        *arguments: Any,  # noqa: ANN401 - the command's own
        first_month: dt.date | None,
        last_month: dt.date | None,
        max_age: dt.timedelta | None,
        max_fall: float,
        accept_fall: frozenset[dt.date],
        enrollments: tuple[str, ...],
        max_unallocated: float | None,
        max_rejected: float | None,
        max_change: float | None,
        **options: Any,  # noqa: ANN401 - likewise
    ) -> None:
        expected = Expectations(
            first_month,
            last_month,
            max_age,
            max_fall,
            accept_fall,
            frozenset(enrollments),
            max_unallocated,
            max_rejected,
            max_change,
        )
        command(*arguments, expected=expected, **options)

    return with_expectations


def tag_names(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags in a repeated option; each of its values may be a list with commas."""
    found = (name.strip() for text in texts for name in text.split(","))
    names = tuple(dict.fromkeys(name for name in found if name))
    if len(names) > _MOST_TAGS:
        raise click.BadParameter(f"{len(names)} tags are too many: at most {_MOST_TAGS}", param=parameter)
    return names


def _percent(name: str, variable: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        name,
        metavar="PERCENT",
        envvar=variable,
        show_envvar=True,
        callback=_threshold,
        help=f"{help_text} Any without it.",
    )


def _threshold(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not percent >= 0 or math.isinf(percent):
        raise click.BadParameter(f"{text} is not a percentage such as 10%", param=parameter)
    return percent


def _month(_: click.Context, parameter: click.Parameter, text: str | None) -> dt.date | None:
    if text is None or not text.strip():
        return None
    try:
        return read_month(text.strip())
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _months(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> frozenset[dt.date]:
    try:
        return read_months(",".join(texts))
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _number(_: click.Context, parameter: click.Parameter, percent: float) -> float:
    if math.isnan(percent):  # NaN passes every range check
        raise click.BadParameter("this is not a number", param=parameter)
    return percent


def _age(_: click.Context, parameter: click.Parameter, text: str | None) -> dt.timedelta | None:
    if text is None or not text.strip():
        return None
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text} is not an age such as 36h or 2d", param=parameter)
    return dt.timedelta(minutes=int(found[1]) * _MINUTES[found[2]])
