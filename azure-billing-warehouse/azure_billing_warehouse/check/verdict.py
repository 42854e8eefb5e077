"""Tells whether each month adds up: the API's rows and cost, those staged and those rejected; reading is in `ledger`.

Costs are the same when they differ by no more than 1e-6 and 1e-12 of the larger one, together: the tap's sum is exact,
the sums of Float64 columns are not.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from azure_billing_warehouse.check.expectations import (
    EnrollmentCheck,
    Expectations,
    Known,
    find_fall,
    find_future,
    judge_enrollment,
    months_between,
)
from azure_billing_warehouse.check.ledger import Snapshot, read_enrollments, read_snapshots
from azure_billing_warehouse.check.quality import ApplicationChange, Quality, read_changes, read_quality
from azure_billing_warehouse.clickhouse import connect, explained, read_clock
from azure_billing_warehouse.config import MAX_CLOCK_SKEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.check.ledger import MonthRow
    from azure_billing_warehouse.config import ClickHouseConfig

ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-12
FALLEN_PERCENT = 5.0
"""Points by which a column may be less filled than in the month before without being mentioned."""


class Restatement(BaseModel):
    """What the published snapshot of a month changed against the complete one before it."""

    snapshot_at: dt.datetime
    """The snapshot before."""
    row_count_before: int
    row_count: int
    extended_cost_before: float
    extended_cost: float
    applications: list[ApplicationChange]


class MonthCheck(BaseModel):
    """The verdict on a month, by its newest snapshot; one that is expected and isn't there has none."""

    enrollment_number: str
    billing_month: dt.date
    status: Literal["ok", "fails"]
    problems: list[str]
    notes: list[str]
    snapshot: Snapshot | None
    published_snapshot_at: dt.datetime | None
    """The snapshot that the view azure_billing_detail shows; None if it shows nothing of this month."""
    missing_row_count: int
    redelivered_row_count: int
    quality: Quality | None
    restatement: Restatement | None


class CheckResult(BaseModel):
    """The verdict on all enrollments and months."""

    status: Literal["ok", "fails"]
    checked_at: dt.datetime
    """When it was checked, by ClickHouse's clock."""
    enrollments: list[EnrollmentCheck]
    months: list[MonthCheck]


def check(
    config: ClickHouseConfig, *, since: dt.date | None = None, expected: Expectations | None = None
) -> CheckResult | None:
    """Check the newest snapshot of every month, and whether every month that is expected is there.

    Args:
        config: where the tables are.
        since: first month that is checked; all months if None.
        expected: what the warehouse should hold; see `Expectations` for what it is by default.

    Returns:
        The verdict, None if there is no month to judge.

    Raises:
        WarehouseError: it can't be told, since ClickHouse or its tables can't be read.
    """
    expected = expected or Expectations()
    with connect(config) as client:
        with explained(config, "read its clock"):
            now = read_clock(client)
        known = read_enrollments(client, config, now + dt.timedelta(seconds=MAX_CLOCK_SKEW))
        snapshots = read_snapshots(client, config, since)
        numbers = expected.enrollments or {*known, *(snapshot.enrollment_number for snapshot in snapshots)}
        enrollments = [
            judge_enrollment(number, known.get(number, Known()), expected, now) for number in sorted(numbers)
        ]
        months = [
            _check_month(client, config, list(group), expected=expected, now=now)
            for (number, _), group in itertools.groupby(snapshots, key=lambda snapshot: snapshot.key[:2])
            if number in numbers
        ]
    months += _missing_months(enrollments, months, since)
    months.sort(key=lambda month: (month.enrollment_number, month.billing_month))
    for before, month in itertools.pairwise(month for month in months if month.quality):
        if before.enrollment_number == month.enrollment_number:
            month.notes.extend(_fallen(before, month))
    if not months:
        return None
    failed = any(month.status == "fails" for month in months) or any(found.status == "fails" for found in enrollments)
    return CheckResult(status="fails" if failed else "ok", checked_at=now, enrollments=enrollments, months=months)


def _missing_months(
    enrollments: Sequence[EnrollmentCheck], months: Sequence[MonthCheck], since: dt.date | None
) -> list[MonthCheck]:
    """A verdict for each month that is expected and of which there is nothing."""
    present = {(month.enrollment_number, month.billing_month) for month in months}
    return [
        MonthCheck(
            enrollment_number=enrollment.enrollment_number,
            billing_month=month,
            status="fails",
            problems=["the month was never loaded: nothing of it is in the warehouse; run the tap for it"],
            notes=[],
            snapshot=None,
            published_snapshot_at=None,
            missing_row_count=0,
            redelivered_row_count=0,
            quality=None,
            restatement=None,
        )
        for enrollment in enrollments
        for month in months_between(max(enrollment.first_month, since or dt.date.min), enrollment.last_month)
        if (enrollment.enrollment_number, month) not in present
    ]


def _check_month(
    client: Client,
    config: ClickHouseConfig,
    snapshots: Sequence[Snapshot],
    *,
    expected: Expectations,
    now: dt.datetime,
) -> MonthCheck:
    complete = [snapshot for snapshot in snapshots if snapshot.complete]
    published = complete[-1] if complete else None
    newest = published if published and _is_overtaken(snapshots[-1], published) else snapshots[-1]
    problems = [*find_future(newest, now), *find_problems(newest)]
    notes = []
    if published is None:
        notes.append("no snapshot is complete: the view shows nothing of this month")
    else:
        problems += find_fall(published, snapshots, expected)
        if published is not newest:
            notes.append(f"the view shows the snapshot of {published.snapshot_at:%Y-%m-%d %H:%M:%S} UTC instead")
            notes += _broken_off(newest, now)
        if newest is not snapshots[-1]:
            notes.append(
                f"a load that broke off has left rows of {snapshots[-1].snapshot_at:%Y-%m-%d %H:%M:%S} UTC; the clock "
                "it went by was ahead: the month was loaded whole after it. `azure-billing-warehouse prune "
                "--broken-off` drops them once they are an hour old"
            )
    quality = read_quality(client, config, newest)
    notes += _unknown_matches(quality)
    before = complete[-2] if len(complete) > 1 else None
    staged = newest.month_row.staged_row_count if newest.month_row else newest.distinct_row_count
    return MonthCheck(
        enrollment_number=newest.enrollment_number,
        billing_month=newest.billing_month,
        status="fails" if problems else "ok",
        problems=problems,
        notes=notes,
        snapshot=newest,
        published_snapshot_at=published.snapshot_at if published else None,
        missing_row_count=max(0, staged - newest.distinct_row_count),
        redelivered_row_count=newest.delivered_row_count - newest.distinct_row_count,
        quality=quality,
        restatement=_restatement(client, config, before, published) if before and published else None,
    )


def _is_overtaken(newest: Snapshot, published: Snapshot) -> bool:
    """Whether a snapshot without a month row is the newest by its instant only: a whole one was delivered after it."""
    return (
        newest.month_row is None
        and newest.delivered_at is not None
        and published.delivered_at is not None
        and published.delivered_at > newest.delivered_at
    )


def _broken_off(newest: Snapshot, now: dt.datetime) -> Iterator[str]:
    if newest.is_broken_off(now):
        yield (
            f"nothing was delivered to the snapshot of {newest.snapshot_at:%Y-%m-%d %H:%M:%S} UTC for an hour or more: "
            "its load broke off; run the load again, and if the month isn't extracted any more, "
            "`azure-billing-warehouse prune --broken-off` drops what is left of it"
        )


def _unknown_matches(quality: Quality) -> Iterator[str]:
    if quality.unknown_match_row_count:
        yield (
            f"an older version loaded {quality.unknown_match_row_count} rows and did not say whether a pattern matched "
            "them, so that their cost is not counted as unmatched; load the month again"
        )


def find_problems(snapshot: Snapshot) -> Iterator[str]:
    """Every way in which a snapshot doesn't add up, as a sentence."""
    month = snapshot.month_row
    if month is None:
        yield f"{snapshot.distinct_row_count} rows are staged and no month row came: its load broke off, or is running"
        return
    if month.received_row_count != month.row_count:
        yield f"the API gave {month.row_count} rows, the mapper received {month.received_row_count}"
    if (judged := month.staged_row_count + month.rejected_row_count) != month.row_count:
        yield f"the API gave {month.row_count} rows, {judged} were staged or rejected"
    counts = (
        ("rows", "stg_azure_billing_detail", month.staged_row_count, snapshot.distinct_row_count),
        ("rejected rows", "dq_billing_issue", month.rejected_row_count, snapshot.rejected_row_count),
        ("findings", "dq_billing_issue", month.issue_count, snapshot.issue_count),
        ("audit rows", "dq_tagging_audit", month.audit_count, snapshot.audit_count),
    )
    for what, table, sent, present in counts:
        if present != sent:
            kind = f"{sent - present} missing" if present < sent else f"{present - sent} too many"
            yield f"{sent} {what} were sent to {table}, {present} are there: {kind}"
    yield from _find_cost_problems(month, snapshot)


def _find_cost_problems(month: MonthRow, snapshot: Snapshot) -> Iterator[str]:
    for table, count in (
        ("stg_azure_billing_detail", snapshot.no_number_row_count),
        ("dq_billing_issue", snapshot.no_number_rejected_count),
        ("dq_tagging_audit", snapshot.no_number_audit_count),
    ):
        if count:
            yield f"{count} rows in {table} have a cost that is no finite number, so that no sum can be compared"
    given, kept = month.extended_cost, month.staged_extended_cost + month.rejected_extended_cost
    if given is None:
        yield "the month row doesn't say what cost the API gave: it can't be compared"
    elif not same_cost(given, kept):
        yield f"the API gave a cost of {given:f}, staged and rejected are {kept!r}"
    if not same_cost(month.staged_extended_cost, snapshot.extended_cost):
        yield f"a cost of {month.staged_extended_cost!r} was staged, the table holds {snapshot.extended_cost!r}"
    if not same_cost(month.rejected_extended_cost, snapshot.rejected_extended_cost):
        yield (
            f"a cost of {month.rejected_extended_cost!r} was rejected, "
            f"dq_billing_issue holds {snapshot.rejected_extended_cost!r}"
        )


def same_cost(one: float | Decimal, other: float | Decimal) -> bool:
    """Whether two sums of cost are finite and the same within the tolerance; the difference is taken exactly."""
    if not (math.isfinite(one) and math.isfinite(other)):
        return False
    first, second = Fraction(one), Fraction(other)
    return abs(first - second) <= ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * max(abs(first), abs(second))


def _restatement(client: Client, config: ClickHouseConfig, before: Snapshot, after: Snapshot) -> Restatement:
    return Restatement(
        snapshot_at=before.snapshot_at,
        row_count_before=before.distinct_row_count,
        row_count=after.distinct_row_count,
        extended_cost_before=before.extended_cost,
        extended_cost=after.extended_cost,
        applications=list(read_changes(client, config, before, after)),
    )


def _fallen(before: MonthCheck, month: MonthCheck) -> Iterator[str]:
    if not (before.quality and month.quality):
        return
    for column, percent in month.quality.filled.items():
        was = before.quality.filled[column]
        if percent is not None and was is not None and was - percent > FALLEN_PERCENT:
            yield f"{column} is filled in {percent:.1f} % of the rows, in {was:.1f} % of {before.billing_month:%Y-%m}"
