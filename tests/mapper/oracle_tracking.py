"""Rule R16 and the tagging audit read row by row in plain Python; the other rules are in `oracle`.

Where the text leaves room, this is how it is read:

* White space around a pattern is left out: a blank that was pasted with it must not keep it from ever matching.
* A value contains a pattern if `pattern.lower() in value.lower()`; upper case is `str.upper`.
* Patterns are the same if they are equal by `str.lower`. The one with the lowest id is kept, with its own place in the
  order of reading.
* A level's value is the one staged. A null and a blank have no match.
* The audit takes a kept blank `instance_id` as '', which is what the table shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapper.oracle import r12_last_segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mapper.oracle import Row


LEVELS = ("last_segment", "resource_group", "subscription")


class Patterns:
    """The patterns, in order of their ids, the first read first among equals."""

    def __init__(self, entries: Iterable[tuple[int, str]]) -> None:
        """Take (id, text) in the order they were read."""
        self._texts: dict[str, str] = {}
        for _, entry in sorted(entries, key=lambda entry: entry[0]):
            text = entry.strip()
            if text:
                self._texts.setdefault(text.lower(), text)

    def best(self, value: str | None) -> str | None:
        """The first pattern that the value contains, in upper case."""
        for lowered, text in self._texts.items():
            if value is not None and lowered in value.lower():
                return text.upper()
        return None

    def all(self, value: str | None) -> set[str]:
        """All patterns that the value contains, in lower case, which is what tells them apart."""
        return {lowered for lowered in self._texts if value is not None and lowered in value.lower()}


@dataclass(frozen=True)
class Tracking:
    """What R16 finds on one row; matches are in upper case."""

    last_segment: str
    last_segment_match: str | None
    resource_group_match: str | None
    subscription_match: str | None
    selected_match: str | None
    resource_tracking: str
    match_count: int
    """Distinct patterns over all levels."""
    audited: bool
    """More than one level matched, or one level matched more than one pattern."""


def track(row: Row, patterns: Patterns) -> Tracking | None:
    """R16: which application pays. Fills the three columns of the staged row; None for a rejected one."""
    if row.staged is None:
        return None
    last_segment = r12_last_segment(row.staged["instance_id"])
    levels = (last_segment, row.staged["resource_group"], row.staged["subscription_guid"])
    matches = [patterns.best(value) for value in levels]
    found = [patterns.all(value) for value in levels]

    selected = next((match for match in matches if match is not None), None)
    tracking = last_segment.upper() if selected is None else selected
    row.staged["resource_tracking"] = tracking
    row.staged["match_level"] = next((level for level, match in zip(LEVELS, matches, strict=True) if match), None)
    row.staged["match_count"] = len(found[0] | found[1] | found[2])
    return Tracking(
        last_segment=last_segment,
        last_segment_match=matches[0],
        resource_group_match=matches[1],
        subscription_match=matches[2],
        selected_match=selected,
        resource_tracking=tracking,
        match_count=row.staged["match_count"],
        audited=sum(bool(level) for level in found) > 1 or any(len(level) > 1 for level in found),
    )


GROUP_COLUMNS = (
    "enrollment_number",
    "dataset",
    "billing_month",
    "snapshot_at",
    "instance_id",
    "resource_group",
    "subscription_guid",
    "meter_category",
)
OUTCOME_COLUMNS = (
    "last_segment",
    "last_segment_match",
    "resource_group_match",
    "subscription_match",
    "selected_match",
    "match_count",
)


def audit_rows(rows: Iterable[Row], patterns: Patterns) -> list[dict[str, Any]]:
    """The dq_tagging_audit rows of one batch but for `audit_timestamp`, in the order in which resources first came."""
    costs: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        tracking = track(row, patterns)
        if row.staged is None or tracking is None or not tracking.audited:
            continue
        group = tuple(row.staged[column] for column in GROUP_COLUMNS)
        outcome = tuple(getattr(tracking, column) for column in OUTCOME_COLUMNS)
        costs.setdefault(group + outcome, []).append(row.staged["extended_cost"])

    audit = []
    for key, group_costs in costs.items():
        columns: dict[str, Any] = dict(zip(GROUP_COLUMNS + OUTCOME_COLUMNS, key, strict=True))
        columns["conflict"] = columns["match_count"] > 1
        columns["row_count"] = len(group_costs)
        columns["extended_cost"] = math.fsum(group_costs)
        audit.append(columns)
    return audit
