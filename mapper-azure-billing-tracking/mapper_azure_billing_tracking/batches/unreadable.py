"""Values that the tap found unreadable: from its column `unreadable` back to their own columns, where it left nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mapper_azure_billing_tracking.batches.columns import UNREADABLE
from mapper_azure_billing_tracking.batches.json_values import members

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = f'"{UNREADABLE}"'.encode()
"""What the JSON of a record with the column has in it."""

_NULL = b"null"
_text = msgspec.json.Decoder(str | None)


def unreadable_values(text: str, names: Mapping[str, str]) -> dict[str, msgspec.Raw]:
    """Return the values in `unreadable`, by the input's name of their column.

    Args:
        text: What the column has.
        names: Our name of a column -> its name in the input.

    Raises:
        msgspec.DecodeError: It is no JSON object.
        UnicodeDecodeError: It is no text.
    """
    return {names.get(name, name): value for name, value in members(text.encode()).items()}


def restored(record: bytes, names: Mapping[str, str]) -> bytes:
    """Return a record without `unreadable`, and with the values from there where their columns are null.

    Args:
        record: Its JSON.
        names: Our name of a column -> its name in the record.

    Raises:
        msgspec.DecodeError: The record is no JSON object, or `unreadable` is neither null nor the text of one.
        UnicodeDecodeError: A text is not UTF-8.
    """
    values = members(record)
    text = _text.decode(values.pop(UNREADABLE, msgspec.Raw(_NULL)))
    if text is not None:
        for name, value in unreadable_values(text, names).items():
            if name not in values or bytes(values[name]) == _NULL:
                values[name] = value
    return msgspec.json.encode(values)
