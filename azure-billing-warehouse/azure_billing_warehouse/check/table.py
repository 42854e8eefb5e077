"""Writes the verdict of `check` as text for people: a table of the months, then the details of each."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING

from azure_billing_warehouse.check.expectations import say_age
from azure_billing_warehouse.tables import ACTUAL, with_dataset
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from azure_billing_warehouse.check.checks import Problem
    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.verdict import CheckResult, EnrollmentCheck, MonthCheck, Restatement

_HEADINGS = (
    "enrollment",
    "dataset",
    "month",
    "",
    "API rows",
    "staged",
    "rejected",
    "missing",
    "API cost",
    "staged",
    "rejected",
)
_PART_HEADINGS = (
    "enrollment",
    "dataset",
    "month",
    "unmatched",
    "%",
    "conflict",
    "%",
    "rejected",
    "%",
    "identical",
    "delivered twice",
)
_DATASET = 1
"""The column that is left out where only actual cost is there."""
_LEFT, _PARTS_LEFT = 4, 3
"""Columns that are aligned to the left."""
_CHANGES_SHOWN = 10
_MONTHS_SHOWN = 12
"""Months whose completeness is shown; the JSON has all of them."""


def render(result: CheckResult) -> str:
    """Return the verdict as lines of text: rows, cost before tax, completeness in percent of the rows."""
    months = result.months
    sums = [_HEADINGS, *(_sums(month) for month in months)]
    shares = [_PART_HEADINGS, *(_parts(month) for month in months)]
    left, parts_left = _LEFT, _PARTS_LEFT
    if all(month.dataset == ACTUAL for month in months):
        sums, shares = ([row[:_DATASET] + row[_DATASET + 1 :] for row in rows] for rows in (sums, shares))
        left, parts_left = left - 1, parts_left - 1
    parts = (
        "Cost without an application, in conflict between patterns, rejected; "
        "equal rows (kept), rows delivered twice (counted once)"
    )
    blocks = [
        "Each month's newest snapshot: rows, and cost before tax",
        _table(sums, left),
        f"\n{parts}",
        _table(shares, parts_left),
        "\nNewest complete load",
        *(_newest_load(enrollment) for enrollment in result.enrollments),
    ]
    for (enrollment, dataset), group in itertools.groupby(
        months, key=lambda month: (month.enrollment_number, month.dataset)
    ):
        present = [month for month in group if month.quality]
        if present:
            name = f"\nRows of {with_dataset(enrollment, dataset)} that have a value, in percent"
            blocks += [name, _completeness(present[-_MONTHS_SHOWN:])]
    for month in months:
        blocks += list(_remarks(month))
    failing = [month for month in months if month.status == "fails"]
    verdict = "All of them add up."
    if failing:
        verdict = f"{len(failing)} of {len(months)} {'does' if len(failing) == 1 else 'do'} not add up."
    verdict += "".join(
        f" Enrollment {with_dataset(enrollment.enrollment_number, enrollment.dataset)}: {problem.text}."
        for enrollment in result.enrollments
        for problem in enrollment.problems
    )
    return "\n".join([*blocks, f"\n{counted(len(months), 'month')}: {verdict}"])


def _newest_load(enrollment: EnrollmentCheck) -> str:
    at, age = enrollment.newest_load_at, enrollment.newest_load_age_seconds
    said = "none"
    if at is not None and age is not None:
        said = f"{at:%Y-%m-%d %H:%M:%S} UTC, {say_age(dt.timedelta(seconds=age))} ago"
    name = with_dataset(enrollment.enrollment_number, enrollment.dataset)
    return "\n".join([f"{name}  {said}", *map(_failure, enrollment.problems)])


def _sums(month: MonthCheck) -> tuple[str, ...]:
    verdict = "ok" if month.status == "ok" else "FAILS"
    snapshot = month.snapshot
    if snapshot is None:
        return (*_name(month), verdict, "never loaded", *("-",) * (len(_HEADINGS) - 5))
    row = snapshot.month_row
    rejected = (f"{snapshot.rejected_row_count:,}", f"{month.missing_row_count:,}")
    if row is None:
        return (*_name(month), verdict, "?", f"{snapshot.distinct_row_count:,}", *rejected, "?", *_costs(snapshot))
    counts = (f"{row.row_count:,}", f"{snapshot.distinct_row_count:,}", *rejected)
    given = "?" if row.extended_cost is None else f"{row.extended_cost:,.6f}"
    return (*_name(month), verdict, *counts, given, *_costs(snapshot))


def _costs(snapshot: Snapshot) -> tuple[str, str]:
    return f"{snapshot.extended_cost:,.6f}", f"{snapshot.rejected_extended_cost:,.6f}"


def _parts(month: MonthCheck) -> tuple[str, ...]:
    snapshot = month.snapshot
    if snapshot is None or month.quality is None:
        return (*_name(month), *("-",) * (len(_PART_HEADINGS) - _PARTS_LEFT))
    whole = snapshot.extended_cost + snapshot.rejected_extended_cost
    costs = (month.quality.unmatched_extended_cost, snapshot.conflict_extended_cost, snapshot.rejected_extended_cost)
    shares = [text for cost in costs for text in (f"{cost:,.2f}", f"{100 * cost / whole:.1f}" if whole else "-")]
    return (*_name(month), *shares, f"{month.quality.identical_row_count:,}", f"{month.redelivered_row_count:,}")


def _completeness(months: Sequence[MonthCheck]) -> str:
    headings = ("", *(f"{month.billing_month:%Y-%m}" for month in months))
    filled = [month.quality.filled for month in months if month.quality]
    rows = [(column, *(_percent(percents[column]) for percents in filled)) for column in filled[0]]
    return _table([headings, *rows], left=1)


def _percent(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f}"


def _name(month: MonthCheck) -> tuple[str, str, str]:
    return month.enrollment_number, month.dataset, f"{month.billing_month:%Y-%m}"


def _remarks(month: MonthCheck) -> Iterator[str]:
    cures = dict.fromkeys(problem.cure for problem in month.problems)
    lines = [
        *map(_failure, month.problems),
        *(f"  to mend it: {cure}" for cure in cures),
        *(f"  note: {note}" for note in month.notes),
    ]
    if month.restatement:
        lines += list(_restated(month.restatement))
    if lines:
        yield f"\n{with_dataset(f'{month.enrollment_number} {month.billing_month:%Y-%m}', month.dataset)}"
        yield from lines


def _failure(problem: Problem) -> str:
    return f"  fails {problem.check}: {problem.text}"


def _restated(restatement: Restatement) -> Iterator[str]:
    before = f"{restatement.snapshot_at:%Y-%m-%d %H:%M:%S} UTC"
    rows = restatement.row_count - restatement.row_count_before
    cost = restatement.extended_cost - restatement.extended_cost_before
    if not restatement.applications:
        yield f"  restated: nothing changed since the snapshot of {before}"
        return
    yield f"  restated: {counted(rows, 'row', '+,')}, cost {cost:+,.6f} since the snapshot of {before}"
    for change in restatement.applications[:_CHANGES_SHOWN]:
        rows = change.row_count - change.row_count_before
        cost = change.extended_cost - change.extended_cost_before
        yield f"    {change.resource_tracking or '(none)'}: {counted(rows, 'row', '+,')}, cost {cost:+,.6f}"
    if (more := len(restatement.applications) - _CHANGES_SHOWN) > 0:
        yield f"    and {counted(more, 'more application')}"


def _table(rows: Sequence[Sequence[str]], left: int) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
