"""The answers of the simulated API, good and bad, as bytes; no sockets here."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import responses
from typing import TYPE_CHECKING, Any

from sandbox.bill.recorded import empty_month_body

if TYPE_CHECKING:
    from collections.abc import Sequence

_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"


@dataclass
class Answer:
    """What is sent.

    Attributes:
        status: HTTP status.
        content_type: The header's value.
        body: The body's parts in order.
        headers: Further headers.
    """

    status: int
    content_type: str
    body: list[bytes]
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(value: object, status: int = 200) -> Answer:
    """Return a JSON answer without a byte order mark."""
    return Answer(status, _JSON, [json.dumps(value, ensure_ascii=False).encode()])


def page_answer(
    rows_json: bytes, next_link: str | None, month: str, *, bom: bool = True, link_name: str = "nextLink"
) -> Answer:
    """Return a page of usage rows; the last page's nextLink is missing, null or '', in turn by month."""
    if next_link is None:
        tail = (b"", b',"nextLink":null', b',"nextLink":""')[int(month[-2:]) % 3]
    else:
        tail = f",{json.dumps(link_name)}:{json.dumps(next_link)}".encode()
    return Answer(200, _JSON, [BOM_UTF8 if bom else b"", b'{"content":', rows_json, tail, b"}"])


def empty_month_answer() -> Answer:
    """Return the CSV text for a month without usage (recorded)."""
    return Answer(200, "text/csv", [empty_month_body()])


def csv_rows_answer(records: Sequence[dict[str, Any]]) -> Answer:
    """Return CSV text as for an empty month, but with usage rows below the heading."""
    text = io.StringIO()
    csv.writer(text).writerows(record.values() for record in records)
    return Answer(200, "text/csv", [empty_month_body().rstrip().rstrip(b","), b"\r\n", text.getvalue().encode()])


def html_answer(status: int = 200) -> Answer:
    """Return an HTML page where JSON was asked for."""
    title = responses.get(status, "Error")
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, _HTML, [page.encode()])


def no_content_answer() -> Answer:
    """Return a JSON object without `content`, as a gateway in front of the API might."""
    return json_answer({"message": "The report is being prepared.", "errorCode": None})


def nothing_answer() -> Answer:
    """Return a page without rows or nextLink, as for a month that is empty in JSON."""
    return json_answer({"content": []})


def throttled_answer() -> Answer:
    """Return an error with status 200, beside a `content` without rows."""
    return json_answer({"content": [], "error": {"code": "Throttled", "message": "Try again later."}})


def error_answer(status: int, message: str = "", number: int = 0, retry_after: str = "") -> Answer:
    """Return an error in one of the forms that the API's errors have.

    Args:
        status: HTTP status.
        message: What happened, by default the status's phrase.
        number: Decides the form: {error: {code, message}}, {message, errorCode}, HTML or plain text.
        retry_after: See `retry_headers`.
    """
    message = message or responses.get(status, "Error")
    answer = (
        json_answer({"error": {"code": str(status), "message": message}}, status),
        json_answer({"message": message, "errorCode": status}, status),
        html_answer(status),
        Answer(status, "text/plain", [message.encode()]),
    )[number % 4]
    answer.headers |= retry_headers(retry_after)
    return answer


def retry_headers(retry_after: str) -> dict[str, str]:
    """Return the header that says when to try again.

    Args:
        retry_after: Seconds, `date:SECONDS` for an HTTP date that many seconds ahead, HEADER:SECONDS for another header
            than Retry-After, '' for none.
    """
    header, _, seconds = retry_after.rpartition(":")
    if header == "date":
        moment = datetime.now(UTC) + timedelta(seconds=float(seconds))
        return {"Retry-After": format_datetime(moment, usegmt=True)}
    return {header or "Retry-After": seconds} if retry_after else {}
