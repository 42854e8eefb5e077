"""What each kind of answer of the API means: one table; the functions that tell them apart are in `answers` and `walk`.

A client before this one took every status but 200 and 503, and broken JSON, for the end of the month; a bill was cut
short and nobody saw it. So an answer is one of the kinds named here, and none but those named is the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Handling(StrEnum):
    """What happens after an answer of a kind."""

    ROWS = "rows are written, the next page follows"
    EMPTY = "month with 0 rows; a warning if it lies in the past"
    RETRY = "the request is sent again after a wait, then the run stops"
    STOP = "the run stops"


@dataclass(frozen=True)
class Kind:
    """A kind of answer.

    Attributes:
        when: How the answer looks.
        handling: What happens.
        advice: What to do when the run stops, in words that follow a colon.
    """

    when: str
    handling: Handling
    advice: str = ""


class AnswerError(Exception):
    """An answer that has no rows and is not an empty month either."""

    def __init__(self, kind: Kind, reason: str = "") -> None:
        """Keep the kind; `reason` says more than the kind does."""
        super().__init__(reason or kind.when)
        self.kind = kind
        self.reason = reason


_ASK = "run again later, and ask Microsoft's support if it stays so"
_NUMBER_AND_URL = "check `enrollment_number` and `api_url`"
_SAME_HOST = "check `api_url`, and that nobody stands between you and the API"

ROWS = Kind("200, a JSON object with rows in `content`, with or without BOM", Handling.ROWS)
EMPTY_PAGE = Kind("200, `content` is empty, there is a `nextLink`", Handling.ROWS)
EMPTY_MONTH = Kind("200, `content` of the first page is empty, no `nextLink`", Handling.EMPTY)
EMPTY_CSV = Kind("200, CSV text without data rows instead of the first page", Handling.EMPTY)
NOT_FOUND = Kind("404 on the first page", Handling.EMPTY)
EMPTY_AT_FIRST = Kind("a month that is over and answers empty for the first time in a run", Handling.RETRY, _ASK)
HAD_ROWS = Kind(
    "an empty month that had rows when it was read before",
    Handling.RETRY,
    f"{_ASK}; if the month really became empty, name it in `accept_empty_months`",
)
UNAUTHORIZED = Kind("401", Handling.STOP)
FORBIDDEN = Kind("403", Handling.STOP)
NOT_FOUND_LATER = Kind("404 on a later page", Handling.STOP, _ASK)
CSV_LATER = Kind("200, CSV text instead of a later page", Handling.STOP, _ASK)
CSV_ROWS = Kind("200, CSV text with data rows", Handling.STOP, _ASK)
OTHER_STATUS = Kind("any other status below 500 (redirects are not followed)", Handling.STOP, _NUMBER_AND_URL)
NOT_AN_OBJECT = Kind("200, a row in `content` is not a JSON object", Handling.STOP, _ASK)
BAD_LINK = Kind("200, `nextLink` is not text", Handling.STOP, _ASK)
LINKS_DIFFER = Kind("200, two links to the next page that differ", Handling.STOP, _ASK)
UNKNOWN_LINK = Kind(
    "200, a member with another name or place that looks like a link or continuation", Handling.STOP, _ASK
)
LINK_ELSEWHERE = Kind("`nextLink` has another scheme, host or port than `api_url`", Handling.STOP, _SAME_HOST)
LINK_OTHER_PATH = Kind("`nextLink` has another path than the month's first request", Handling.STOP, _SAME_HOST)
LINK_OTHER_MONTH = Kind("`nextLink` does not name the month, once, in its parameter `month`", Handling.STOP, _ASK)
LINK_REPEATED = Kind("`nextLink` was followed before in the month", Handling.STOP, _ASK)
TOO_MANY_PAGES = Kind(
    "a `nextLink` on page `max_pages` of a month", Handling.STOP, "raise `max_pages` if a month can be as long"
)
TOO_MANY_EMPTY = Kind(
    "a `nextLink` on more than `max_empty_pages` pages without rows one after another", Handling.STOP, _ASK
)
TOO_LARGE = Kind(
    "a body of more than `max_body_mb`, decompressed", Handling.STOP, "raise `max_body_mb` if a page can be as large"
)
CLOCKS_DIFFER = Kind(
    "the first page's `Date` is more than `max_clock_skew` away from this machine's clock",
    Handling.STOP,
    "correct this machine's clock, or raise `max_clock_skew` if it is the API's that is wrong",
)
TOO_MANY = Kind("429 (Retry-After in seconds or as a date is obeyed up to `max_backoff`)", Handling.RETRY, _ASK)
SERVER_ERROR = Kind("500 and above (Retry-After likewise)", Handling.RETRY, _ASK)
NO_ANSWER = Kind(
    "timeout, refused or reset connection, body shorter than announced",
    Handling.RETRY,
    "check the network and `api_url`",
)
OVERDUE = Kind(
    "an answer that is not whole after `request_deadline` seconds, though it goes on",
    Handling.RETRY,
    "check the network, or raise `request_deadline`",
)
MALFORMED = Kind("200, malformed JSON (cut, HTML, not UTF-8, NaN)", Handling.RETRY, _ASK)
NO_CONTENT = Kind("200, JSON without a list in `content`", Handling.RETRY, _ASK)
SAYS_ERROR = Kind(
    "200, `content` beside a member named like an error (`error`, `errorCode`, `message`, `code`)",
    Handling.RETRY,
    _ASK,
)
SAYS_MORE = Kind("200, empty `content`, no `nextLink`, but another member that is not empty", Handling.RETRY, _ASK)

TABLE = (
    ROWS,
    EMPTY_PAGE,
    EMPTY_MONTH,
    EMPTY_CSV,
    NOT_FOUND,
    EMPTY_AT_FIRST,
    HAD_ROWS,
    TOO_MANY,
    SERVER_ERROR,
    NO_ANSWER,
    OVERDUE,
    MALFORMED,
    NO_CONTENT,
    SAYS_ERROR,
    SAYS_MORE,
    UNAUTHORIZED,
    FORBIDDEN,
    OTHER_STATUS,
    NOT_FOUND_LATER,
    CSV_LATER,
    CSV_ROWS,
    NOT_AN_OBJECT,
    BAD_LINK,
    LINKS_DIFFER,
    UNKNOWN_LINK,
    LINK_ELSEWHERE,
    LINK_OTHER_PATH,
    LINK_OTHER_MONTH,
    LINK_REPEATED,
    TOO_MANY_PAGES,
    TOO_MANY_EMPTY,
    TOO_LARGE,
    CLOCKS_DIFFER,
)
"""Every kind of answer; `docs/api-answers.md` shows this table."""
