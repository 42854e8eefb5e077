"""What each kind of answer of the API means: one table, and the function that reads an answer by it; pure, no network.

A client before this one took every status but 200 and 503, and broken JSON, for the end of the month; a bill was cut
short and nobody saw it. So an answer is one of the kinds named here, and none but those named is the end.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

_BOM = b"\xef\xbb\xbf"
_CSV_TITLE = "Usage Data Extract"
_CSV_OPENING = f'"{_CSV_TITLE}"'.encode()
_CSV_HEADER_FIELD = "AccountOwnerId"
_LINK_SHOWN = 100
_PORTS = {"http": 80, "https": 443}


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
        when: how the answer looks.
        handling: what happens.
        advice: what to do when the run stops, in words that follow a colon.
    """

    when: str
    handling: Handling
    advice: str = ""


_ASK = "run again later, and ask Microsoft's support if it stays so"
_NUMBER_AND_URL = "check `enrollment_number` and `api_url`"
_SAME_HOST = "check `api_url`, and that nobody stands between you and the API"

ROWS = Kind("200, a JSON object with rows in `content`, with or without BOM", Handling.ROWS)
EMPTY_PAGE = Kind("200, `content` is empty, there is a `nextLink`", Handling.ROWS)
EMPTY_MONTH = Kind("200, `content` of the first page is empty, no `nextLink`", Handling.EMPTY)
EMPTY_CSV = Kind("200, CSV text without data rows instead of the first page", Handling.EMPTY)
NOT_FOUND = Kind("404 on the first page", Handling.EMPTY)
UNAUTHORIZED = Kind("401", Handling.STOP)
FORBIDDEN = Kind("403", Handling.STOP)
NOT_FOUND_LATER = Kind("404 on a later page", Handling.STOP, _ASK)
CSV_LATER = Kind("200, CSV text instead of a later page", Handling.STOP, _ASK)
CSV_ROWS = Kind("200, CSV text with data rows", Handling.STOP, _ASK)
OTHER_STATUS = Kind("any other status below 500 (redirects are not followed)", Handling.STOP, _NUMBER_AND_URL)
NOT_AN_OBJECT = Kind("200, a row in `content` is not a JSON object", Handling.STOP, _ASK)
BAD_LINK = Kind("200, `nextLink` is not text", Handling.STOP, _ASK)
LINK_ELSEWHERE = Kind("`nextLink` has another scheme, host or port than `api_url`", Handling.STOP, _SAME_HOST)
LINK_REPEATED = Kind("`nextLink` was followed before in the month", Handling.STOP, _ASK)
TOO_MANY = Kind("429 (Retry-After in seconds or as a date is obeyed up to `max_backoff`)", Handling.RETRY, _ASK)
SERVER_ERROR = Kind("500 and above (Retry-After likewise)", Handling.RETRY, _ASK)
NO_ANSWER = Kind(
    "timeout, refused or reset connection, body shorter than announced",
    Handling.RETRY,
    "check the network and `api_url`",
)
MALFORMED = Kind("200, malformed JSON (cut, HTML, not UTF-8, NaN)", Handling.RETRY, _ASK)
NO_CONTENT = Kind("200, JSON without a list in `content`", Handling.RETRY, _ASK)

TABLE = (
    ROWS,
    EMPTY_PAGE,
    EMPTY_MONTH,
    EMPTY_CSV,
    NOT_FOUND,
    TOO_MANY,
    SERVER_ERROR,
    NO_ANSWER,
    MALFORMED,
    NO_CONTENT,
    UNAUTHORIZED,
    FORBIDDEN,
    OTHER_STATUS,
    NOT_FOUND_LATER,
    CSV_LATER,
    CSV_ROWS,
    NOT_AN_OBJECT,
    BAD_LINK,
    LINK_ELSEWHERE,
    LINK_REPEATED,
)
"""Every kind of answer; `docs/api-answers.md` shows this table."""

_STATUS_KINDS = {401: UNAUTHORIZED, 403: FORBIDDEN, 429: TOO_MANY}
_OK, _NOT_FOUND, _SERVER_ERRORS = 200, 404, 500

RawRow = dict[str, msgspec.Raw]
"""A usage row: the API's field name to the JSON text of the value, exactly as it came."""


class Page(NamedTuple):
    """A page that was read.

    Attributes:
        kind: kind of answer.
        rows: usage rows in the order received.
        next_link: URL of the next page, None on the last.
    """

    kind: Kind
    rows: list[RawRow]
    next_link: str | None


class AnswerError(Exception):
    """An answer that has no rows and is not an empty month either."""

    def __init__(self, kind: Kind, reason: str = "") -> None:
        """Keep the kind; `reason` says more than the kind does."""
        super().__init__(reason or kind.when)
        self.kind = kind
        self.reason = reason


class _Body(msgspec.Struct):
    content: list[RawRow]
    nextLink: str | None = None  # noqa: N815 - the API's name


_read_body = msgspec.json.Decoder(_Body).decode


def read_answer(status: int, body: bytes, *, first: bool) -> Page:
    """Read an answer.

    Args:
        status: HTTP status.
        body: the whole body.
        first: whether a month's first page was asked for.

    Raises:
        AnswerError: if it is of a kind that is retried or stops the run.
    """
    if status == _NOT_FOUND:
        if first:
            return Page(NOT_FOUND, [], None)
        raise AnswerError(NOT_FOUND_LATER)
    if status != _OK:
        kind = SERVER_ERROR if status >= _SERVER_ERRORS else _STATUS_KINDS.get(status, OTHER_STATUS)
        raise AnswerError(kind)
    text = body.removeprefix(_BOM)
    if text.lstrip().startswith(_CSV_OPENING):
        return _read_csv(text, first=first)
    try:
        # The decoder takes rows apart without looking at their text, so bytes that are not UTF-8 would pass.
        text.decode()
        if b"\n" in text or b"\r" in text:
            text = msgspec.json.format(text, indent=-1)  # no value keeps a line break, which would end a Singer message
        content, link = (read := _read_body(text)).content, read.nextLink
    except (msgspec.ValidationError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise AnswerError(_what_is_wrong(text), str(error)) from None
    if content or link:
        return Page(ROWS if content else EMPTY_PAGE, content, link or None)
    return Page(EMPTY_MONTH if first else ROWS, [], None)


def check_next_link(link: str, api_url: str, followed: set[str]) -> None:
    """Check that a link may be followed with the key.

    Raises:
        AnswerError: if it leads elsewhere, or was followed before.
    """
    if link in followed:
        raise AnswerError(LINK_REPEATED)
    if _origin(link) is None or _origin(link) != _origin(api_url):
        raise AnswerError(LINK_ELSEWHERE, f"it is {link[:_LINK_SHOWN]!r}")


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None for text that is not an absolute URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    # requests and urllib.parse disagree on where a host ends after a backslash or white space.
    if not parts.hostname or "\\" in url or any(character.isspace() for character in url):
        return None
    return parts.scheme, parts.hostname, port


def _what_is_wrong(text: bytes) -> Kind:
    """Return the kind of a body that is not a page."""
    try:
        body: Any = msgspec.json.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return MALFORMED
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        return NO_CONTENT
    return BAD_LINK if all(isinstance(row, dict) for row in body["content"]) else NOT_AN_OBJECT


def _read_csv(text: bytes, *, first: bool) -> Page:
    """Read CSV text, which is an empty month if there is nothing below its header."""
    if not first:
        raise AnswerError(CSV_LATER)
    lines = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""), skipinitialspace=True)
    try:
        filled = [cells for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error:
        raise AnswerError(CSV_ROWS) from None
    below_title = filled[1:]
    if below_title and (len(below_title) > 1 or _CSV_HEADER_FIELD not in (cell.strip() for cell in below_title[0])):
        raise AnswerError(CSV_ROWS)
    return Page(EMPTY_CSV, [], None)
