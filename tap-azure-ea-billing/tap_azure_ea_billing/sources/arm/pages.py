"""Reading one page of usage details: its records and the link to the next page; pure, knows no other page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tap_azure_ea_billing.sources.arm.rows import Entry
from tap_azure_ea_billing.sources.azure.answers import AnswerError, AzureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tap_azure_ea_billing.sources.arm.rows import RecordReader

OK, _ACCEPTED, _NO_CONTENT = 200, 202, 204
_NOT_IN_A_PLAIN_NAME = re.compile(r"[\W_]+")
_LINK_NAMES = {"nextlink", "odatanextlink"}
_LINK_LIKE = re.compile("next|link|continu|skiptoken|cursor|pagetoken|hasmore|morepages")
_NOTHING = {b"null", b'""', b"[]", b"{}", b"false"}
_VALUE, _ERROR = "value", "error"


class Page(NamedTuple):
    """A page that was read.

    Attributes:
        rows: Its records in the order received, as text columns with the records' own names.
        ids: Address of each record, None where it has none.
        next_link: URL of the next page, None on the last.
        status: HTTP status.
    """

    rows: pl.DataFrame
    ids: tuple[str | None, ...]
    next_link: str | None
    status: int


_read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_entries = msgspec.json.Decoder(list[Entry]).decode


def read_page(status: int, body: bytes, reader: RecordReader) -> Page:
    """Read an answer with status 200, 202 or 204.

    Args:
        status: HTTP status.
        body: The whole body.
        reader: Reads the records.

    Raises:
        AnswerError: It is no page.
    """
    if status == _NO_CONTENT:
        return Page(reader.frame([]), (), None, status)
    if status == _ACCEPTED:
        raise AnswerError("Azure answers with status 202, which has no data", again=True)
    try:
        members = _read_members(body.removeprefix(b"\xef\xbb\xbf"))
        if _VALUE not in members:
            said = _error_in(members)
            raise AnswerError(f"the answer has no list of records{f' ({said})' if said else ''}", again=True)
        entries = _read_entries(members.pop(_VALUE))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnswerError(f"the answer is not a page of usage details ({error})", again=True) from None
    if said := _error_in(members):
        raise AnswerError(f"the answer has an error beside its records ({said})", again=True)
    return Page(reader.frame(entries), tuple(entry.id for entry in entries), _next_link(members), status)


def _error_in(members: Mapping[str, msgspec.Raw]) -> str:
    value = bytes(members.get(_ERROR, b"null"))
    if value in _NOTHING:
        return ""
    try:
        return str(msgspec.json.decode(value, type=AzureError)) or _ERROR
    except msgspec.DecodeError:
        return _ERROR


def _next_link(members: Mapping[str, msgspec.Raw]) -> str | None:
    """Return the link to the next page; whatever looks like one is one that can be read, or an error."""
    links = set()
    for name, value in members.items():
        plain = _NOT_IN_A_PLAIN_NAME.sub("", name).casefold()
        if bytes(value) in _NOTHING or not _LINK_LIKE.search(plain):
            continue
        try:
            links.add(msgspec.json.decode(value, type=str))
        except msgspec.ValidationError:
            raise AnswerError(f"`{name}` is not text, and may be the link to the next page") from None
        if plain not in _LINK_NAMES:
            raise AnswerError(f"`{name}` looks like a link to the next page under another name")
    if len(links) > 1:
        raise AnswerError("there are two links to the next page, and they differ")
    return links.pop() if links else None
