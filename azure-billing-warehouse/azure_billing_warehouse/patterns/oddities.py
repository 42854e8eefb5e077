"""Finds and reports what is odd about a set of tracking patterns; `containment` finds patterns within others."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pydantic import BaseModel

from azure_billing_warehouse.patterns.containment import contained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from azure_billing_warehouse.patterns.pattern import Pattern


class PatternOddities(BaseModel):
    """What is odd about a set of patterns; none of it keeps the set from being used."""

    duplicate_ids: dict[int, list[str]]
    """Id -> the patterns that have it: the first one read wins."""
    blank_ids: list[int]
    """Ids of patterns that are blank: they are skipped."""
    same_text: dict[str, list[int]]
    """Pattern in upper case -> its ids: it is one pattern, with the lowest id."""
    contained: dict[str, list[str]]
    """Pattern in upper case -> a few of those that contain it: where they match, it matches too."""
    not_compared: int
    """The longest patterns, for which this isn't known: there is too much text to compare all of them."""


def find_oddities(patterns: Sequence[Pattern]) -> PatternOddities:
    """Find duplicates, blanks and patterns within others; time and memory grow with the text, not with the pairs."""
    by_id: dict[int, list[str]] = defaultdict(list)
    by_text: dict[str, list[int]] = defaultdict(list)
    for pattern in patterns:
        by_id[pattern.id].append(pattern.resource_tracking)
        by_text[pattern.resource_tracking.upper()].append(pattern.id)
    within, not_compared = contained([text for text in by_text if text.strip()])
    return PatternOddities(
        duplicate_ids={number: texts for number, texts in by_id.items() if len(texts) > 1},
        blank_ids=[pattern.id for pattern in patterns if not pattern.resource_tracking.strip()],
        same_text={text: ids for text, ids in by_text.items() if text.strip() and len(ids) > 1},
        contained=within,
        not_compared=not_compared,
    )


def describe(oddities: PatternOddities) -> Iterator[str]:
    """Write a sentence for each kind of oddity, with a few examples, shortened."""
    if oddities.duplicate_ids:
        examples = [f"{number} ({_few(map(_short, texts), 3)})" for number, texts in oddities.duplicate_ids.items()]
        yield f"ids that stand at several patterns, so that it isn't said which wins: {_few(examples)}."
    if oddities.blank_ids:
        yield f"blank patterns, which are skipped: ids {_few(map(str, oddities.blank_ids))}."
    if oddities.same_text:
        examples = [f"{_short(text)} ({_few(map(str, ids), 3)})" for text, ids in oddities.same_text.items()]
        yield f"patterns that stand at several ids, of which the lowest counts: {_few(examples)}."
    if oddities.contained:
        examples = [
            f"{_short(text)} in {', '.join(map(_short, others))}" for text, others in oddities.contained.items()
        ]
        yield f"patterns that others contain, so that both match: {_few(examples)}."
    if oddities.not_compared:
        yield f"patterns too long to be looked for in each other: {oddities.not_compared}."


def _few(examples: Iterable[str], limit: int = 10) -> str:
    listed = list(examples)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
