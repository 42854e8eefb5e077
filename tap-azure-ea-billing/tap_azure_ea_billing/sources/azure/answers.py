"""What is wrong with an answer of Azure, and what a person reads of it: never a token, a secret or a link's query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from tap_azure_ea_billing.sources.secrets.masking import KeyMask

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK = "run again later, and ask Microsoft's support if it stays so"

_SHOWN = 300
_LOOKED_AT = 4096
_BODY_SHOWN = 120
_QUERY = re.compile(r"(https?://[^\s?\"'<>\\]*)\?[^\s\"'<>]*", re.IGNORECASE)
_SIGNATURE = re.compile(r"sig(=|%3D)[^&\s\"'<>]*", re.IGNORECASE)


class AnswerError(Exception):
    """An answer is not what was asked for.

    Attributes:
        reason: What is wrong with it, in words that a colon can follow.
        advice: What to do, in words that follow a colon.
        again: Whether the same request may succeed.
        wait: Seconds that the answer asks to wait before it, None if it does not.
    """

    def __init__(self, reason: str, advice: str = ASK, *, again: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.again = again
        self.wait = wait


class AzureError(msgspec.Struct):
    """An error as Azure describes one; either part may be missing."""

    code: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        """Return both in one line."""
        return " ".join(": ".join(part for part in (self.code, self.message) if part).split())


class _Body(msgspec.Struct):
    error: AzureError | None = None
    code: str | None = None
    message: str | None = None


def describe(status: int, body: bytes, secrets: Iterable[str]) -> str:
    """Return an answer's status, and what its body says of the error."""
    try:
        read = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_Body)
        said = str(read.error or AzureError(read.code, read.message))
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = ""
    shown = shortened(hidden(said, secrets))
    if not said and body:
        beginning = " ".join(hidden(body[:_LOOKED_AT].decode("utf-8", "replace"), secrets).split())
        shown = f"body begins {beginning[:_BODY_SHOWN]!r}"
    return f"status {status} ({shown})" if shown else f"status {status}"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text for people: without secrets, without queries of links, and not too long."""
    text = _QUERY.sub(r"\1?(query)", text[:_LOOKED_AT])
    text = _SIGNATURE.sub(r"sig\1(signature)", text)
    for secret in secrets:
        text = KeyMask(secret).hide(text)
    return text


def shortened(text: str) -> str:
    """Return the beginning of what Azure says."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
