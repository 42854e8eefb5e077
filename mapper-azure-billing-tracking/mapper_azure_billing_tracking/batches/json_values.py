"""The original text of a JSON value."""

from __future__ import annotations

import msgspec

_string = msgspec.json.Decoder(str)


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
