"""Which patterns lie within others: an Aho-Corasick automaton over all of them, linear in their text."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

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
    automaton = _Automaton(compared)
    within: dict[str, list[str]] = defaultdict(list)
    for text in compared:
        for other in automaton.within(text):
            if len(within[other]) < _FEW:
                within[other].append(text)
    return dict(within), len(ordered) - len(compared)


class _Automaton:
    """States are the beginnings of the texts, by number; 0 is the empty one."""

    def __init__(self, texts: list[str]) -> None:
        self._next: dict[tuple[int, str], int] = {}
        self._text: list[str | None] = [None]  # of each state, the text that it is
        for text in texts:
            state = 0
            for character in text:
                following = self._next.setdefault((state, character), len(self._text))
                if following == len(self._text):
                    self._text.append(None)
                state = following
            self._text[state] = text
        # Of each state: the longest other state that it ends with, and the longest text that it ends with.
        self._shorter = [0] * len(self._text)
        self._longest: list[str | None] = [None] * len(self._text)
        self._link(max(map(len, texts), default=0))

    def _link(self, longest: int) -> None:
        level = [(state, character, to) for (state, character), to in self._next.items() if state == 0]
        following: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
        for (state, character), to in self._next.items():
            following[state].append((state, character, to))
        for _ in range(longest):
            for state, character, to in level:
                self._shorter[to] = self._step(self._shorter[state], character) if state else 0
                self._longest[to] = self._text[to] or self._longest[self._shorter[to]]
            level = [edge for _, _, to in level for edge in following[to]]

    def _step(self, state: int, character: str) -> int:
        while state and (state, character) not in self._next:
            state = self._shorter[state]
        return self._next.get((state, character), 0)

    def within(self, text: str) -> dict[str, None]:
        """Return other texts that this one contains, only the longest of those that end at the same place.

        That one contains the others, so every text within another is found in at least one.
        """
        found: dict[str, None] = {}
        state = 0
        for character in text:
            state = self._step(state, character)
            longest = self._longest[state]
            if longest == text:
                longest = self._longest[self._shorter[state]]
            if longest is not None:
                found[longest] = None
        return found
