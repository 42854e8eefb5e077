"""Costs as exact decimal numbers, and their sum; what is no finite number downstream is no cost."""

from __future__ import annotations

import re
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LARGEST_EXPONENT = 308
"""Of a 64-bit float: what is larger is no finite number downstream. The smallest is held to the same bound."""
_LONGEST = 1000
"""Characters."""
_EXACT = Context(prec=2000)
"""Room for every digit that costs of that length and that exponent can have."""


def cost_of_text(text: str) -> Decimal | None:
    """Return the cost that a text is, in white space or not; None if it is not a finite number."""
    text = text.strip()
    return cost_of_number(text) if _NUMBER.fullmatch(text) else None


def cost_of_number(text: str) -> Decimal | None:
    """Return the cost that the text of a number is; None if it is longer, larger or smaller than any cost."""
    if len(text) > _LONGEST:
        return None
    cost = Decimal(text)
    return cost if not cost or -_LARGEST_EXPONENT <= cost.adjusted() <= _LARGEST_EXPONENT else None


def costs_of_numbers(texts: Sequence[str]) -> list[Decimal]:
    """Return the costs that the texts of numbers are, without those that are longer, larger or smaller than any."""
    if max(map(len, texts), default=0) < _LARGEST_EXPONENT and "e" not in "".join(texts).lower():
        return list(map(Decimal, texts))  # all of them are within the bounds
    return [cost for text in texts if (cost := cost_of_number(text)) is not None]


def exact_sum(costs: Iterable[Decimal], start: Decimal) -> Decimal:
    """Return the sum of costs, with every digit."""
    with localcontext(_EXACT):
        return sum(costs, start)
