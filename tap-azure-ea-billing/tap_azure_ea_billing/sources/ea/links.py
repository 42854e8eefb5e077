"""The link to a month's next page: which member of an answer it is, and whether it may be followed with the key; pure.

A link that is overlooked ends a month too early, one that is followed blindly takes the key or another month's rows
along. So whatever looks like a link is one that can be read, or an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.kinds import AnswerError
from tap_azure_ea_billing.sources.http.addresses import address

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINK_SHOWN = 100
_NOT_IN_A_PLAIN_NAME = re.compile(r"[\W_]+")
_LINK_NAMES = {"nextlink", "odatanextlink"}
_LINK_LIKE = re.compile("next|link|continu|skiptoken|cursor|pagetoken|hasmore|morepages")
_MONTH_PARAMETER = "month"


def plain_name(name: str) -> str:
    """Return a member's name without case and without what is neither letter nor digit."""
    return _NOT_IN_A_PLAIN_NAME.sub("", name).casefold()


def next_link(members: Mapping[str, msgspec.Raw]) -> str | None:
    """Return the link to the next page, None if no member is one.

    Args:
        members: An answer's members beside `content` that are neither null nor empty.

    Raises:
        AnswerError: A link is not text, two differ, or a member looks like a link and has another name or place.
    """
    links = set()
    for name, value in members.items():
        if plain_name(name) in _LINK_NAMES:
            links.add(_text(value))
        elif (found := _link_within(name, value)) is not None:
            raise AnswerError(kinds.UNKNOWN_LINK, f"`{found[:_LINK_SHOWN]}`")
    if len(links) > 1:
        raise AnswerError(kinds.LINKS_DIFFER)
    return links.pop() if links else None


def check_next_link(link: str, first_url: str, month: str, followed: set[str]) -> None:
    """Check that a link may be followed with the key.

    Args:
        link: The link, unchanged.
        first_url: Address of the month's first page.
        month: `YYYY-MM`.
        followed: URLs that were asked for before.

    Raises:
        AnswerError: It leads elsewhere or to another month, or was followed before.
    """
    if link in followed:
        raise AnswerError(kinds.LINK_REPEATED)
    shown = f"it is {link[:_LINK_SHOWN]!r}"
    found, first = address(link), address(first_url)
    if found is None or first is None or found[:3] != first[:3]:
        raise AnswerError(kinds.LINK_ELSEWHERE, shown)
    if found.path != first.path:
        raise AnswerError(kinds.LINK_OTHER_PATH, shown)
    query = parse_qsl(urlsplit(link).query, keep_blank_values=True)
    if [value for name, value in query if name.casefold() == _MONTH_PARAMETER] != [month]:
        raise AnswerError(kinds.LINK_OTHER_MONTH, shown)


def _link_within(name: str, value: msgspec.Raw) -> str | None:
    """Return the path to what looks like a link and is neither empty nor false; None without one."""
    try:
        return _link_like({name: msgspec.json.decode(value)})
    except (msgspec.DecodeError, RecursionError) as error:
        raise AnswerError(kinds.MALFORMED, str(error)) from None


def _link_like(value: Any) -> str | None:  # noqa: ANN401 - whatever is beside the rows
    if isinstance(value, list):
        return next((found for entry in value if (found := _link_like(entry)) is not None), None)
    if not isinstance(value, dict):
        return None
    for name, entry in value.items():
        if entry in (None, "", [], {}) or entry is False:
            continue
        if _LINK_LIKE.search(plain_name(name)):
            return str(name)
        if (found := _link_like(entry)) is not None:
            return f"{name}.{found}"
    return None


def _text(value: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.ValidationError as error:
        raise AnswerError(kinds.BAD_LINK, str(error)) from None
