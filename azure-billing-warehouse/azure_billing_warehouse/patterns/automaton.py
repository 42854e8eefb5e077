"""An Aho-Corasick automaton over texts: which of them another text contains, in one pass over it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Automaton:
    """States are the beginnings of the texts, by number; 0 is the empty one.

    Args:
        texts: Distinct texts, none empty.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._next: dict[tuple[int, str], int] = {}
        self._text: list[str | None] = [None]  # of each state, the text that it is
        self._state: dict[str, int] = {}  # of each text, the state that it is
        longest = 0
        for text in texts:
            longest = max(longest, len(text))
            state = 0
            for character in text:
                following = self._next.setdefault((state, character), len(self._text))
                if following == len(self._text):
                    self._text.append(None)
                state = following
            self._text[state] = text
            self._state[text] = state
        # Of each state: the longest other state that it ends with, and the longest text that it ends with.
        self._shorter = [0] * len(self._text)
        self._longest: list[str | None] = [None] * len(self._text)
        self._link(longest)

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

    def all_within(self, text: str) -> Iterator[str]:
        """Yield every text that this one contains or is, as often as it does."""
        state = 0
        for character in text:
            state = self._step(state, character)
            found = self._longest[state]
            while found is not None:
                yield found
                found = self._longest[self._shorter[self._state[found]]]
