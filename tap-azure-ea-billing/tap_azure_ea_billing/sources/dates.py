"""The dates of usage rows, by rule R1's own grammar: a date goes out as an ISO date, anything else as it came."""

from __future__ import annotations

import re
from datetime import date

_ISO_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_SLASH_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_FIRST_DATE = date(1970, 1, 1)
_LAST_DATE = date(2149, 6, 6)


def iso_date_of_text(text: str) -> str | None:
    """Return a date as an ISO date, None if the text is no date.

    A date is what rule R1 (docs/rules.md) takes for one, in white space or not:

    * `YYYY-MM-DD`;
    * `YYYY-MM-DD`, `T` or one space, `HH:MM` or `HH:MM:SS` or `HH:MM:SS` with a fraction, and a zone (`Z`, `+HH:MM` or
      `+HHMM`, with either sign) or none: the date as written, whatever the zone;
    * month/day/year, month and day with one digit or two, the year with four;

    a day of the calendar, from 1970-01-01 to 2149-06-06. R1 gets any other text unchanged, so that its finding shows
    what the source gave.
    """
    text = text.strip()
    if match := _ISO_DATE.fullmatch(text):
        year, month, day = map(int, match[1].split("-"))
    elif match := _SLASH_DATE.fullmatch(text):
        month, day, year = map(int, match.groups())
    else:
        return None
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found.isoformat() if _FIRST_DATE <= found <= _LAST_DATE else None
