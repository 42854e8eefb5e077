"""Hiding an API key in text for people: the key, its parts, and both in base64 or escaped as an API may repeat them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = "(key)"
_PART = 8
"""Characters: of what the key shares with a text, as many or more in a row are hidden."""
_LEAST = 4
"""Characters: a shorter form of a short key says nothing of it, and is found in any text."""
_GROUP = 3
"""Bytes that base64 writes in one go: what came before the key shifts its letters."""
# Any JWT or part of one, plain or in base64: all begin with `{"`, which is `eyJ`, which is `ZXlK`.
_KEY_LIKE = re.compile(r"eyJ[\w.-]{8,}|ZXlK(?:[\w+/=-]|%[0-9A-Fa-f]{2}){8,}")


class KeyMask:
    """Hides one key.

    Args:
        token: The key.
    """

    def __init__(self, token: str) -> None:
        """Write the key in each form in which it may come back."""
        forms = {form for form in _forms(token) if form == token or len(form) >= _LEAST}
        self._whole = sorted((form for form in forms if len(form) < _PART), key=len, reverse=True)
        self._parts = {form[at : at + _PART] for form in forms for at in range(len(form) - _PART + 1)}

    def hide(self, text: str) -> str:
        """Return the text without the key and without parts of it."""
        hidden = [False] * len(text)
        for at in range(len(text) - _PART + 1):
            if text[at : at + _PART] in self._parts:
                hidden[at : at + _PART] = [True] * _PART
        pieces = []
        for at, character in enumerate(text):
            if not hidden[at]:
                pieces.append(character)
            elif at == 0 or not hidden[at - 1]:
                pieces.append(_SHOWN)
        text = "".join(pieces)
        for form in self._whole:
            text = text.replace(form, _SHOWN)
        return _KEY_LIKE.sub(_SHOWN, text)


def _forms(token: str) -> Iterator[str]:
    """Yield the key plain, in base64 (standard and URL-safe) wherever it begins in what was encoded, and escaped."""
    key = token.encode()
    for plain in (token, *(_in_base64(key, before) for before in range(_GROUP))):
        for form in (plain, plain.replace("+", "-").replace("/", "_")):
            yield form
            yield (quoted := quote(form, safe=""))
            yield re.sub("%..", lambda match: match[0].lower(), quoted)
            yield form.replace("/", "\\/")
            yield form.replace("+", "\\u002B")
            yield form.replace("+", "\\u002b")


def _in_base64(key: bytes, before: int) -> str:
    """Return those letters that stand for the key alone, whatever the bytes before and after it are."""
    letters = base64.b64encode(bytes(before) + key).decode().rstrip("=")
    whole = len(letters) if not (before + len(key)) % _GROUP else len(letters) - 1
    return letters[-(-before * 8 // 6) : whole]
