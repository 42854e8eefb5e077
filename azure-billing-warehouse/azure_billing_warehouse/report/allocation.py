"""Whose cost it is and why: cost without an application, conflicts, and patterns that would help.

Patterns are matched by the mapper, on which this package can't depend: it is called by its entry points.
"""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.report.data import Conflict, Matched, Suggestion, Unallocated
from azure_billing_warehouse.report.rows import MOST_OF_A_NAME, RESOURCE, SUMS, is_any, shown_id
from azure_billing_warehouse.schema.ddl import is_in, literal, qualified
from azure_billing_warehouse.schema.views import AUDIT
from azure_billing_warehouse.tables import ACTUAL

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.report.rows import Bill

MOST_CONFLICTS = 200
MOST_SUGGESTIONS = 10
_MOST_PATTERNS = 20
_MOST_VARIANTS = 3
_LEVELS = ("last_segment", "resource_group", "subscription")
_UNKNOWN = f"ifNull(match_level NOT IN {is_any(_LEVELS)}, 0)"
_BLANK = " AND ".join(
    f"trimBoth(ifNull({name}, '')) = ''" for name in ("instance_id", "resource_group", "subscription_guid")
)
_NO_MAPPER = "Patterns are matched by mapper-azure-billing-tracking: install it beside this to see what would help."

Reason = Literal["nothing_to_match", "no_match", "unknown"]
Names = dict[str, list[str]]
"""Level -> the patterns that match there."""


class _Audited(NamedTuple):
    """What the audit says of a resource that went to a pattern."""

    names: Names
    match_count: int


def read_unallocated(bill: Bill) -> list[Unallocated]:
    """Read the cost without an application by the reason, in one pass."""
    reason = f"multiIf({_UNKNOWN}, 'unknown', {_BLANK}, 'nothing_to_match', 'no_match')"
    by_reason: dict[Reason, list[Sequence[Any]]] = {"nothing_to_match": [], "no_match": [], "unknown": []}
    for found, *cell in bill.query(
        f"SELECT reason, place, currency, {SUMS} FROM {bill.placed_rows({'reason': reason}, 'application IS NULL')} "
        "GROUP BY reason, place, currency"
    ):
        by_reason[found].append(cell)
    return [Unallocated(name, bill.cells(cells)) for name, cells in by_reason.items() if cells]


def is_in_conflict(bill: Bill) -> str:
    """Return the condition for rows that more than one pattern matched; the audit says so where the row doesn't."""
    return (
        f"ifNull(match_count > 1, (billing_month, {RESOURCE}) {is_in(bill.config)} "
        f"(SELECT billing_month, {RESOURCE} {_of_conflicts(bill)}))"
    )


def read_conflicts(bill: Bill) -> list[Conflict]:
    """Read the costliest resources that more than one pattern matched, with all patterns that can be named."""
    group = "sipHash64(resource, selected)"
    found = bill.read_largest(
        {
            "resource": RESOURCE,
            "selected": "ifNull(ifNull(application, resource_tracking), '')",
            "spelling": shown_id("instance_id"),
            "counted": "ifNull(match_count, 0)",
            "variant": "(resource, lowerUTF8(ifNull(resource_group, '')), lowerUTF8(ifNull(subscription_guid, '')))",
        },
        group,
        {
            "spelling": ("min", "min"),
            "selected": ("any", "any"),
            "counted": ("max", "max"),
            "variant": (f"groupUniqArray({_MOST_VARIANTS})", "groupUniqArrayArray"),
        },
        MOST_CONFLICTS,
        is_in_conflict(bill),
    )
    audited = _read_audit(bill, group, [number for number, *_ in found])
    todays = _todays_matches(bill.config, [sorted(variants)[:_MOST_VARIANTS] for _, (*_, variants), _ in found])
    return [
        _conflict(facts, audited.get(number, _Audited({}, 0)), names, cells)
        for (number, (*facts, _), cells), names in zip(found, todays, strict=True)
    ]


def read_suggestions(config: ClickHouseConfig, since: dt.date) -> tuple[list[Suggestion], str]:
    """Let the mapper suggest patterns for resources without an application.

    Returns:
        What it suggests, and why there is nothing, as a sentence; '' if it could suggest something.
    """
    suggest = _tracking("suggest")
    if suggest is None:
        return [], _NO_MAPPER
    try:
        found = suggest(config, since, MOST_SUGGESTIONS)
    except OperatorError as error:
        return [], str(error)
    return [
        Suggestion(
            word[:MOST_OF_A_NAME], cost, resources, found_in, [example[-MOST_OF_A_NAME:] for example in examples]
        )
        for word, cost, resources, found_in, examples in found
    ], ""


def _tracking(name: str) -> Callable[..., Any] | None:
    for entry in entry_points(group="azure_billing_warehouse.tracking", name=name):
        loaded: Callable[..., Any] = entry.load()
        return loaded
    return None


def _todays_matches(config: ClickHouseConfig, resources: Sequence[Sequence[tuple[str, str, str]]]) -> list[Names]:
    """Return the patterns that match each resource today; none if they can't be read or there is no mapper."""
    match = _tracking("match")
    if match is None or not resources:
        return [{} for _ in resources]
    try:
        matched: list[Names] = match(config, [variant for variants in resources for variant in variants])
    except OperatorError:
        return [{} for _ in resources]
    each = iter(matched)
    return [_united([next(each) for _ in variants]) for variants in resources]


def _conflict(facts: Sequence[Any], audited: _Audited, today: Names, cells: list[Any]) -> Conflict:
    spelling, selected, counted = facts
    count = counted or audited.match_count
    united = _united([audited.names, today])
    # Where the patterns have changed since, today's say nothing of why this one was selected.
    is_confirmed = _distinct(audited.names) | {selected} <= _distinct(today) and len(_distinct(united)) <= count
    named = united if is_confirmed else audited.names
    levels: dict[str, list[str]] = {selected: []} if selected else {}
    for level in _LEVELS:
        for pattern in named.get(level, []):
            levels.setdefault(pattern, []).append(level)
    patterns = [Matched(pattern[:MOST_OF_A_NAME], found) for pattern, found in list(levels.items())[:_MOST_PATTERNS]]
    return Conflict(spelling, selected[:MOST_OF_A_NAME] or None, count, patterns, cells)


def _distinct(names: Names) -> set[str]:
    return {pattern for patterns in names.values() for pattern in patterns}


def _united(found: Iterable[Names]) -> Names:
    """Return the patterns of several at each level, each once, in order."""
    united: dict[str, dict[str, None]] = {}
    for names in found:
        for level, patterns in names.items():
            united.setdefault(level, {}).update(dict.fromkeys(patterns))
    return {level: list(patterns) for level, patterns in united.items()}


def _read_audit(bill: Bill, group: str, numbers: Sequence[int]) -> dict[int, _Audited]:
    """Read the patterns that the audit names, one for each level, of the resources with these numbers."""
    if not numbers:
        return {}
    rows = (
        f"SELECT {RESOURCE} AS resource, ifNull(selected_match, '') AS selected, match_count AS counted, "
        f"{', '.join(f'{level}_match AS at_{level}' for level in _LEVELS)} {_of_conflicts(bill)}"
    )
    found = bill.query(
        f"SELECT {group} AS number, max(counted), "
        f"{', '.join(f'arraySort(groupUniqArray({_MOST_PATTERNS})(at_{level}))' for level in _LEVELS)} "
        f"FROM ({rows}) WHERE number IN {is_any(numbers)} GROUP BY number"
    )
    return {
        number: _Audited(dict(zip(_LEVELS, (list(names) for names in names_of), strict=True)), count)
        for number, count, *names_of in found
    }


def _of_conflicts(bill: Bill) -> str:
    return (
        f"FROM {qualified(bill.config, AUDIT)} "
        f"WHERE dataset = {literal(ACTUAL)} AND conflict AND {bill.of_interest(comparisons=True)}"
    )
