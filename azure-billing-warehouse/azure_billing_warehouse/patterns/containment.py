"""Which patterns lie within others: an Aho-Corasick automaton over all of them, linear in their text."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from azure_billing_warehouse.patterns.automaton import Automaton

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_TEXT = 500_000
"""Characters; the automaton needs about 400 bytes for each that no other pattern begins with."""
_FEW = 3


def contained(texts: Iterable[str], most_text: int = _MOST_TEXT) -> tuple[dict[str, list[str]], int]:
    """Find the texts that others contain.

    Args:
        texts: Distinct texts, none empty.
        most_text: Characters of all texts that are compared; the longest texts beyond it are not.

    Returns:
        Each contained text -> up to three that contain it, the shortest first; and how many texts were not compared.
    """
    compared: list[str] = []
    room = most_text
    ordered = sorted(texts, key=len)
    for text in ordered:
        room -= len(text)
        if room < 0:
            break
        compared.append(text)
    automaton = Automaton(compared)
    within: dict[str, list[str]] = defaultdict(list)
    for text in compared:
        for other in automaton.within(text):
            if len(within[other]) < _FEW:
                within[other].append(text)
    return dict(within), len(ordered) - len(compared)
