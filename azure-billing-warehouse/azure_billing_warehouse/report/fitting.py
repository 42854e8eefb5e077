"""How large the report's data may become, and what is left out of lists that would make them larger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_BYTES = 2_200_000
"""Of `ReportData` as JSON: with the library that draws it, the page stays below 3 MB."""
MOST_BYTES_WITHOUT_RESOURCES = MOST_BYTES * 3 // 4
"""Cuts with more than this lose values, so that some resources always have room."""
_Entry = TypeVar("_Entry")


class Bound(NamedTuple):
    """What a list holds at most; all lists together leave the cuts a fifth of the whole.

    Attributes:
        entries: How many.
        size: Their bytes as JSON.
        shown: What is shown of those that don't all fit, as the end of a sentence.
    """

    entries: int
    size: int
    shown: str


BOUNDS = {
    "problems": Bound(100, 20_000, "problems of enrollments are shown"),
    "reconciliations": Bound(2_000, 300_000, "verdicts are shown: those that fail, then those on the newest months"),
    "days": Bound(12_000, 400_000, "daily costs are shown: those of the newest days"),
    "conflicts": Bound(200, 200_000, "resources in conflict are shown: those with the largest cost"),
    "restatements": Bound(500, 100_000, "restatements are shown: those of the newest months"),
    "findings": Bound(1_000, 150_000, "kinds of findings are shown: those of the newest months"),
    "loads": Bound(400, 60_000, "loads are shown: the newest"),
}
"""List of `ReportData` -> its bound."""


def size_of(entry: object) -> int:
    """Return the bytes of models, tuples and lists as JSON."""
    return len(to_json(entry))


def fitting(entries: Sequence[_Entry], most: int, size: int) -> list[_Entry]:
    """Return the first entries, as many as are allowed and fit."""
    left = size
    for place, entry in enumerate(entries[:most]):
        left -= size_of(entry) + 1
        if left < 0:
            return list(entries[:place])
    return list(entries[:most])


class Bounded:
    """Applies the bounds, and says what was left out.

    Attributes:
        left_out: A sentence for each list that is not whole.
    """

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def take(
        self, name: str, entries: Sequence[_Entry], rank: Callable[[_Entry], object] | None = None
    ) -> list[_Entry]:
        """Return what a list of `ReportData` may hold, in the order in which it came.

        Args:
            name: The list's name.
            entries: All there is.
            rank: What comes first if not all fits: the entries with the lowest; the first entries without.
        """
        bound = BOUNDS[name]
        order = list(range(len(entries)))
        if rank is not None:
            order.sort(key=lambda place: rank(entries[place]))  # type: ignore[arg-type, return-value] # it can be compared
        kept = fitting([entries[place] for place in order], bound.entries, bound.size)
        if len(kept) == len(entries):
            return kept
        self.left_out.append(f"{len(kept):,} of {len(entries):,} {bound.shown}.")
        return [entries[place] for place in sorted(order[: len(kept)])]
