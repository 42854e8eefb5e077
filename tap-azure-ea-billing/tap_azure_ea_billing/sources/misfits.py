"""Values that don't fit the type of their column, and `unreadable`, the column that keeps them as they came; pure.

A number's column holds JSON numbers that a 64-bit float can hold, an integer's column 64-bit integers: what every
target and every warehouse takes. A date's column holds ISO dates.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE = "unreadable"

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_INTEGERS = range(-(2**63), 2**63)


def is_number(text: str) -> bool:
    """Return whether a text is a JSON number that a 64-bit float can hold."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def is_integer(text: str) -> bool:
    """Return whether a text is a JSON number without fraction and exponent, of 64 bits."""
    return _INTEGER.fullmatch(text) is not None and int(text) in _INTEGERS


def unreadable_text(values: Mapping[str, msgspec.Raw | str]) -> str | None:
    """Return what `unreadable` says of a row.

    Args:
        values: The values that don't fit, by their column: JSON, or text.
    """
    return msgspec.json.encode(values).decode() if values else None
