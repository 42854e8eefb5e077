"""Assembles the verdict on each month and enrollment; `checks` says what can be wrong, `ledger` reads."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from azure_billing_warehouse.check.checks import EnrollmentFacts, MonthFacts, Problem, find_problems
from azure_billing_warehouse.check.expectations import Expectations, Known, months_between
from azure_billing_warehouse.check.ledger import Snapshot, read_enrollments, read_snapshots
from azure_billing_warehouse.check.quality import ApplicationChange, Quality, read_changes, read_quality
from azure_billing_warehouse.clickhouse import connect, explained, read_clock
from azure_billing_warehouse.config import MAX_CLOCK_SKEW
from azure_billing_warehouse.counting import SnapshotId, count_snapshots, merge_published, withdraw_counts
from azure_billing_warehouse.tables import ACTUAL, MIGRATED
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig

FALLEN_PERCENT = 5.0
"""Points by which a column may be less filled than in the previous month without being mentioned."""


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
    """The verdict on a dataset's month, by its newest snapshot; an expected month that is missing has none."""

    enrollment_number: str
    dataset: str
    billing_month: dt.date
    status: Literal["ok", "fails"]
    problems: list[Problem]
    notes: list[str]
    snapshot: Snapshot | None
    published_snapshot_at: dt.datetime | None
    """The snapshot that the dataset's view shows; None if it shows nothing of this month."""
    missing_row_count: int
    redelivered_row_count: int
    quality: Quality | None
    restatement: Restatement | None


class EnrollmentCheck(BaseModel):
    """The verdict on a dataset of an enrollment as a whole: which months are expected, how old its newest load is."""

    enrollment_number: str
    dataset: str
    status: Literal["ok", "fails"]
    problems: list[Problem]
    first_month: dt.date
    last_month: dt.date
    """The expected months; others that are there are checked too."""
    newest_load_at: dt.datetime | None
    """Start of the newest complete load, of whichever month; None if there is none."""
    newest_load_age_seconds: float | None


class CheckResult(BaseModel):
    """The verdict on all enrollments, datasets and months."""

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
        config: Where the tables are.
        since: First month that is checked; all months if None.
        expected: What the warehouse should hold; see `Expectations` for what it is by default.

    Returns:
        The verdict, None if there is no month to judge.

    Raises:
        WarehouseError: ClickHouse or its tables can't be read.
    """
    expected = expected or Expectations()
    with connect(config) as client:
        with explained(config, "read its clock"):
            now = read_clock(client)
        with explained(config, "count the snapshots"):
            count_snapshots(client, config)  # first: what is read next would count them, each for itself
        known = read_enrollments(client, config, now + dt.timedelta(seconds=MAX_CLOCK_SKEW))
        snapshots = _current_snapshots(client, config, since)
        present = {*known, *(snapshot.month_key[:2] for snapshot in snapshots)}
        numbers = expected.enrollments or {number for number, _ in present}
        absent = {(number, ACTUAL) for number in numbers - {number for number, _ in present}}
        chosen = sorted({found for found in present if found[0] in numbers} | absent)
        enrollments = [_check_enrollment(*found, known.get(found, Known()), expected, now) for found in chosen]
        published = {snapshot.month_key: snapshot for snapshot in snapshots if snapshot.published}
        months = [
            _check_month(client, config, list(group), published=published, expected=expected, now=now)
            for key, group in itertools.groupby(snapshots, key=lambda snapshot: snapshot.month_key)
            if key[0] in numbers
        ]
    months += _missing_months(enrollments, months, since, expected, now)
    months.sort(key=lambda month: (month.enrollment_number, month.dataset, month.billing_month))
    for before, month in itertools.pairwise(month for month in months if month.quality):
        if (before.enrollment_number, before.dataset) == (month.enrollment_number, month.dataset):
            month.notes.extend(_fallen(before, month))
    if not months:
        return None
    failed = any(month.status == "fails" for month in months) or any(found.status == "fails" for found in enrollments)
    return CheckResult(status="fails" if failed else "ok", checked_at=now, enrollments=enrollments, months=months)


def merge(config: ClickHouseConfig) -> None:
    """Merge the parts of the published snapshots, as `check` found them: not before its verdict, which can do without.

    Raises:
        WarehouseError: ClickHouse can't be reached, or breaks off.
    """
    with connect(config) as client, explained(config, "merge the parts of the published months"):
        merge_published(client, config)


def _current_snapshots(client: Client, config: ClickHouseConfig, since: dt.date | None) -> list[Snapshot]:
    """Read the snapshots, and withdraw the kept counts of those whose rows have changed since."""
    snapshots = read_snapshots(client, config, since)
    changed = [
        SnapshotId(*snapshot.key)
        for snapshot in snapshots
        if snapshot.month_row and snapshot.month_row.counted_row_count not in {None, snapshot.distinct_row_count}
    ]
    with explained(config, "withdraw the counts of changed snapshots"):
        is_withdrawn = changed and withdraw_counts(client, config, changed)
    return read_snapshots(client, config, since) if is_withdrawn else snapshots


def _check_enrollment(
    number: str, dataset: str, known: Known, expected: Expectations, now: dt.datetime
) -> EnrollmentCheck:
    current = now.date().replace(day=1)
    last = min(expected.last_month or current, current)
    age = max(dt.timedelta(0), now - known.newest_load_at) if known.newest_load_at else None
    problems = find_problems(EnrollmentFacts(age, expected.max_age))
    return EnrollmentCheck(
        enrollment_number=number,
        dataset=dataset,
        status="fails" if problems else "ok",
        problems=problems,
        first_month=expected.first_month or known.first_month or last,
        last_month=last,
        newest_load_at=known.newest_load_at,
        newest_load_age_seconds=age.total_seconds() if age is not None else None,
    )


def _missing_months(
    enrollments: Sequence[EnrollmentCheck],
    months: Sequence[MonthCheck],
    since: dt.date | None,
    expected: Expectations,
    now: dt.datetime,
) -> list[MonthCheck]:
    """Return a verdict for each expected month that has nothing."""
    present = {(month.enrollment_number, month.dataset, month.billing_month) for month in months}
    return [
        MonthCheck(
            enrollment_number=enrollment.enrollment_number,
            dataset=enrollment.dataset,
            billing_month=month,
            status="fails",
            problems=find_problems(MonthFacts(month, [], None, None, expected, now)),
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
        if (enrollment.enrollment_number, enrollment.dataset, month) not in present
    ]


def _check_month(
    client: Client,
    config: ClickHouseConfig,
    snapshots: Sequence[Snapshot],
    *,
    published: Mapping[tuple[str, str, dt.date], Snapshot],
    expected: Expectations,
    now: dt.datetime,
) -> MonthCheck:
    number, dataset, billed = snapshots[0].month_key
    shown = published.get((number, dataset, billed))
    newest = shown if shown and _is_overtaken(snapshots[-1], shown) else snapshots[-1]
    quality = read_quality(client, config, newest)
    month_before = published.get((number, dataset, (billed - dt.timedelta(days=1)).replace(day=1)))
    problems = find_problems(
        MonthFacts(
            billed,
            snapshots,
            newest,
            shown,
            expected,
            now,
            quality.unmatched_extended_cost,
            quality.unknown_match_row_count,
            month_before,
        )
    )
    notes = []
    if shown is None:
        notes.append("no snapshot is complete: the view shows nothing of this month")
    else:
        if shown is not newest:
            notes.append(f"the view shows the snapshot of {shown.snapshot_at:%Y-%m-%d %H:%M:%S} UTC instead")
            notes += _broken_off(newest, now)
        if newest is not snapshots[-1]:
            notes.append(
                f"a load that broke off has left rows of {snapshots[-1].snapshot_at:%Y-%m-%d %H:%M:%S} UTC; the clock "
                "it went by was ahead: the month was loaded whole after it. `azure-billing-warehouse prune "
                "--broken-off` drops them once they are an hour old"
            )
    complete = [snapshot for snapshot in snapshots if snapshot.complete]
    notes += _migrated(newest, quality) or _unknown_matches(quality)
    before = complete[-2] if len(complete) > 1 else None
    staged = newest.month_row.staged_row_count if newest.month_row else newest.distinct_row_count
    return MonthCheck(
        enrollment_number=newest.enrollment_number,
        dataset=newest.dataset,
        billing_month=newest.billing_month,
        status="fails" if problems else "ok",
        problems=problems,
        notes=notes,
        snapshot=newest,
        published_snapshot_at=shown.snapshot_at if shown else None,
        missing_row_count=max(0, staged - newest.distinct_row_count),
        redelivered_row_count=newest.delivered_row_count - newest.distinct_row_count,
        quality=quality,
        restatement=_restatement(client, config, before, shown) if before and shown else None,
    )


def _is_overtaken(newest: Snapshot, published: Snapshot) -> bool:
    """Return whether a snapshot without a month row is newest only by its instant: a whole one was delivered later."""
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


def _migrated(newest: Snapshot, quality: Quality) -> list[str]:
    row = newest.month_row
    if row is None or row.source != MIGRATED:
        return []
    note = f"migrated from {row.run_id} and reconciled with what that had, not with the API"
    if quality.unknown_match_row_count:
        note += (
            "; its applications are those of that table, and no cost counts as unmatched before "
            "`azure-billing-warehouse retrack`"
        )
    return [note]


def _unknown_matches(quality: Quality) -> list[str]:
    if not quality.unknown_match_row_count:
        return []
    note = (
        f"an older version loaded {counted(quality.unknown_match_row_count, 'row')} and did not say whether a pattern "
        "matched them, so that their cost is not counted as unmatched; `azure-billing-warehouse retrack` finds out"
    )
    return [note]


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
