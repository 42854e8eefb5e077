"""What R16 would track a migrated row to, and the cost that this moves against the old table's resource_tracking.

The rule itself is the mapper's `ResourceTrackingEngine`, on which this package can't depend; a test compares the two.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.patterns.automaton import Automaton

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azure_billing_warehouse.patterns.pattern import Pattern


class Resource(NamedTuple):
    """A resource of a month, as the old table tracks it."""

    instance_id: str
    resource_group: str | None
    subscription_guid: str | None
    application: str | None
    row_count: int
    extended_cost: Decimal


class Move(NamedTuple):
    """Rows that the old table tracks to one application and R16 to another."""

    old: str | None
    new: str
    row_count: int
    extended_cost: Decimal


class Tracker:
    """Finds the application of a resource: the match of the first level that has one, and of several the lowest id.

    Args:
        patterns: The patterns; blank ones are skipped, and of those that differ only in case the lowest id is taken.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._ranks: dict[str, int] = {}
        self._applications: list[str] = []
        for pattern in sorted(patterns, key=lambda pattern: pattern.id):
            text = pattern.resource_tracking.strip()
            if text and text.lower() not in self._ranks:
                self._ranks[text.lower()] = len(self._applications)
                self._applications.append(text.upper())
        self._automaton = Automaton(self._ranks)
        self._matches: dict[str, str | None] = {}

    def application(self, instance_id: str, resource_group: str | None, subscription_guid: str | None) -> str:
        """Return `resource_tracking` as the mapper fills it (R12, R16)."""
        last_segment = instance_id.rstrip("/").rpartition("/")[2]
        for level in (last_segment, resource_group, subscription_guid):
            if level is not None and (match := self._match(level)) is not None:
                return match
        return last_segment.upper()

    def _match(self, value: str) -> str | None:
        if value not in self._matches:
            ranks = [self._ranks[text] for text in self._automaton.all_within(value.lower())]
            self._matches[value] = self._applications[min(ranks)] if ranks else None
        return self._matches[value]


def find_moves(resources: Iterable[Resource], tracker: Tracker) -> list[Move]:
    """Return what the old table tracks to another application than R16 does, the largest cost first."""
    rows: dict[tuple[str | None, str], int] = defaultdict(int)
    costs: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    for resource in resources:
        new = tracker.application(resource.instance_id, resource.resource_group, resource.subscription_guid)
        if new != resource.application:
            rows[resource.application, new] += resource.row_count
            costs[resource.application, new] += resource.extended_cost
    moves = [Move(*key, rows[key], costs[key]) for key in rows]
    return sorted(moves, key=lambda move: (-abs(move.extended_cost), move.old or "", move.new))
