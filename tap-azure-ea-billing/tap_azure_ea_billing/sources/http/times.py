"""What the headers of an answer say of the time, compared with this machine's clock; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tap_azure_ea_billing import months

if TYPE_CHECKING:
    from requests import Response

_SECOND = timedelta(seconds=1)


def retry_after(response: Response, now: datetime) -> float | None:
    """Return the seconds that the API asks to wait, given as seconds or as a date; None if it does not.

    Azure's services each have a header of their own for each of their limits, such as
    `x-ms-ratelimit-microsoft.consumption-tenant-retry-after`; the longest wait counts.
    """
    waits = [
        wait
        for name, value in response.headers.items()
        if name.lower().endswith("retry-after") and (wait := _wait(value.strip(), now)) is not None
    ]
    return max(waits, default=None)


def clocks_apart(response: Response, received: datetime, max_skew: float) -> str | None:
    """Return how far the API's clock is away from this machine's if that is too far.

    Args:
        response: Answer whose header `Date` is the API's clock, in whole seconds, at some moment while it was made;
            `elapsed` is the time from the request to its last byte.
        received: This machine's clock when the answer was whole.
        max_skew: Seconds that are not too far.
    """
    moment = _http_date(response.headers.get("Date", ""))
    if moment is None:
        return None
    sent = received - response.elapsed
    apart = max(sent - moment - _SECOND, moment - received)
    if apart.total_seconds() <= max_skew:
        return None
    return (
        f"this machine's clock ({months.instant_text(received)}) and the API's ({months.instant_text(moment)}) are "
        f"{apart.total_seconds():.0f} s apart, more than `max_clock_skew` ({max_skew:g}), and nothing of the month was "
        "written"
    )


def _wait(value: str, now: datetime) -> float | None:
    if value.isdecimal():
        return float(value)
    moment = _http_date(value)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment  # without one: the zone `-0000`
