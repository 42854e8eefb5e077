"""The members of JSON objects, and the original text of a JSON value."""

from __future__ import annotations

import re

import msgspec

_string = msgspec.json.Decoder(str)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def members(text: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object, of a repeated one the last.

    Args:
        text: The object's JSON.

    Raises:
        msgspec.DecodeError: It is no JSON object.
        UnicodeDecodeError: It is no UTF-8.
    """
    try:
        return _members.decode(text)
    except msgspec.DecodeError:
        # Half of a surrogate pair is valid JSON but not text: U+FFFD replaces it, as in every lenient decoder.
        return _members.decode(_ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], text))


def original_text(raw: msgspec.Raw) -> str | None:
    """Return the text of a value: a string unchanged, null as None, anything else as compact JSON, digits untouched.

    Args:
        raw: The value's JSON.

    Raises:
        msgspec.DecodeError: The value is not JSON.
    """
    encoded = bytes(raw)
    match encoded[:1]:
        case b'"':
            return _string.decode(encoded)
        case b"n":
            return None
        case b"{" | b"[":
            return msgspec.json.format(encoded, indent=-1).decode()
        case _:
            return encoded.decode()
