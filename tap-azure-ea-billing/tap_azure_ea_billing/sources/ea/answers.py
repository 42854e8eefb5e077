"""Reading one answer of the API by the table in `kinds`; pure, no network, nothing of the answers before it."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.kinds import AnswerError, Kind
from tap_azure_ea_billing.sources.ea.links import next_link, plain_name
from tap_azure_ea_billing.sources.ea.plain_rows import PageRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BOM = b"\xef\xbb\xbf"
_CSV_TITLE = "Usage Data Extract"
_CSV_OPENING = f'"{_CSV_TITLE}"'.encode()
_CSV_HEADER_FIELD = "AccountOwnerId"

_STATUS_KINDS = {401: kinds.UNAUTHORIZED, 403: kinds.FORBIDDEN, 429: kinds.TOO_MANY}
_OK, _NOT_FOUND, _SERVER_ERRORS = 200, 404, 500

_NULL = msgspec.Raw(b"null")
_NOTHING = {b"null", b'""', b"[]", b"{}"}
_CONTENT = "content"
_ERROR_PART = re.compile("error|exception")
_ERROR_NAMES = {"message", "messages", "code", "fault"}
_NAME_SHOWN = 40

RawRow = dict[str, msgspec.Raw]
"""A usage row: the API's field name to the JSON text of the value, byte for byte."""


class _UsualPage(msgspec.Struct, forbid_unknown_fields=True, rename={"next_link": "nextLink"}):
    """A page without members that need a closer look."""

    content: list[msgspec.Raw]
    next_link: str | None = None


_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_row_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_usual_page = msgspec.json.Decoder(_UsualPage).decode


class Page(NamedTuple):
    """A page that was read.

    Attributes:
        kind: Kind of answer.
        rows: Usage rows in the order received.
        next_link: URL of the next page, None on the last.
    """

    kind: Kind
    rows: PageRows
    next_link: str | None


def read_answer(status: int, body: bytes, *, first: bool, in_columns: bool = False) -> Page:
    """Read an answer.

    Args:
        status: HTTP status.
        body: The whole body.
        first: Whether a month's first page was asked for.
        in_columns: Whether the rows are wanted in columns.

    Raises:
        AnswerError: It is of a kind that is retried or stops the run.
    """
    if status == _NOT_FOUND:
        if first:
            return Page(kinds.NOT_FOUND, PageRows(()), None)
        raise AnswerError(kinds.NOT_FOUND_LATER)
    if status != _OK:
        kind = kinds.SERVER_ERROR if status >= _SERVER_ERRORS else _STATUS_KINDS.get(status, kinds.OTHER_STATUS)
        raise AnswerError(kind)
    text = body.removeprefix(_BOM)
    if text.lstrip().startswith(_CSV_OPENING):
        return _read_csv(text, first=first)
    rows, others = _read_json(text, in_columns=in_columns)
    _check_errors(others)
    link = next_link(others)
    if rows or link:
        return Page(kinds.ROWS if rows else kinds.EMPTY_PAGE, rows, link)
    if others:
        raise AnswerError(kinds.SAYS_MORE, _named(others))
    return Page(kinds.EMPTY_MONTH if first else kinds.ROWS, PageRows(()), None)


def _read_json(text: bytes, *, in_columns: bool) -> tuple[PageRows, dict[str, msgspec.Raw]]:
    """Return the rows, and the members beside `content` that are neither null nor empty."""
    kind = kinds.NO_CONTENT
    try:
        if (page := _usual_page(text)) is not None:
            kind = kinds.NOT_AN_OBJECT
            link = {"nextLink": msgspec.Raw(msgspec.json.encode(page.next_link))} if page.next_link else {}
            return PageRows(page.content, in_columns=in_columns), link
        # The decoder takes rows apart without looking at their text, so bytes that are not UTF-8 would pass.
        text.decode()
        if b"\n" in text or b"\r" in text:
            text = msgspec.json.format(text, indent=-1)  # no value keeps a line break, which would end a Singer message
        members = _read_members(text)
        content = members.pop(_CONTENT, _NULL)
        if bytes(memoryview(content)[:1]) == b"[":
            kind = kinds.NOT_AN_OBJECT
        rows = PageRows(_read_row_list(content), in_columns=in_columns)
    except msgspec.ValidationError as error:
        raise AnswerError(kind, str(error)) from None
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise AnswerError(kinds.MALFORMED, str(error)) from None
    return rows, {
        name: value for name, value in members.items() if bytes(value).translate(None, b" \t") not in _NOTHING
    }


def _usual_page(text: bytes) -> _UsualPage | None:
    """Return a page on one line whose members are those of the documentation, None for any other answer."""
    if b"\n" in text or b"\r" in text:
        return None
    try:
        return _read_usual_page(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _check_errors(members: Mapping[str, msgspec.Raw]) -> None:
    """Refuse a page that says that something went wrong: it may hold a part of its rows only."""
    named = [name for name in members if (plain := plain_name(name)) in _ERROR_NAMES or _ERROR_PART.search(plain)]
    if named:
        raise AnswerError(kinds.SAYS_ERROR, _named(named))


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name[:_NAME_SHOWN]}`" for name in names)


def _read_csv(text: bytes, *, first: bool) -> Page:
    """Read CSV text, which is an empty month if there is nothing below its header."""
    if not first:
        raise AnswerError(kinds.CSV_LATER)
    lines = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""), skipinitialspace=True)
    try:
        filled = [cells for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error:
        raise AnswerError(kinds.CSV_ROWS) from None
    below_title = filled[1:]
    if below_title and (len(below_title) > 1 or _CSV_HEADER_FIELD not in (cell.strip() for cell in below_title[0])):
        raise AnswerError(kinds.CSV_ROWS)
    return Page(kinds.EMPTY_CSV, PageRows(()), None)
