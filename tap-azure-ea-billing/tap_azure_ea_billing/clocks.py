"""What answers and state say of the time, beside this machine's clock; pure.

A snapshot's instant decides which extraction of a month counts, so that a clock that was wrong once does harm for good.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tap_azure_ea_billing import months

if TYPE_CHECKING:
    from requests import Response

    from tap_azure_ea_billing.months import Bookmark

_CURE = (
    "correct the clock; or, if a run with a wrong clock wrote the state, run `azure-billing-warehouse prune --future` "
    "and then `meltano run --full-refresh ...`, or correct the state with `meltano state`"
)
_SECOND = timedelta(seconds=1)


def retry_after(response: Response | None, now: datetime) -> float | None:
    """Return the seconds that the API asks to wait, given as seconds or as a date; None if it does not."""
    value = response.headers.get("Retry-After", "").strip() if response is not None else ""
    if value.isdecimal():
        return float(value)
    moment = _http_date(value)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def clocks_apart(response: Response, sent: datetime, received: datetime, max_skew: float) -> str | None:
    """Return how far the API's clock is away from this machine's if that is too far.

    Args:
        response: answer whose header `Date` is the API's clock, in whole seconds, at some moment while it was made.
        sent: this machine's clock when the request was sent.
        received: likewise, when the answer was whole.
        max_skew: seconds that are not too far.
    """
    moment = _http_date(response.headers.get("Date", ""))
    if moment is None:
        return None
    apart = max(sent - moment - _SECOND, moment - received)
    if apart.total_seconds() <= max_skew:
        return None
    return (
        f"this machine's clock ({months.instant_text(received)}) and the API's ({months.instant_text(moment)}) are "
        f"{apart.total_seconds():.0f} s apart, more than `max_clock_skew` ({max_skew:g}), and nothing of the month was "
        "written"
    )


def state_ahead(number: str, bookmark: Bookmark, now: datetime, max_skew: float) -> str | None:
    """Return a sentence if an enrollment's state knows more of the time than this machine's clock."""
    latest = now + timedelta(seconds=max_skew)
    by_the_clock = f"by this machine's clock it is {months.instant_text(now)}"
    if bookmark.newest is not None and bookmark.newest > latest:
        what = f"knows an extraction of {months.instant_text(bookmark.newest)}"
    elif (newest_month := max(bookmark.all_months())) > months.current_month(latest):
        what = f"knows the month {months.label(newest_month)}"
    else:
        return None
    return f"The state of enrollment {number} {what}, and {by_the_clock}: {_CURE}."


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment  # without one: the zone `-0000`
