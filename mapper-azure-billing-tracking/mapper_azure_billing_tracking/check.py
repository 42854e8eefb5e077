"""Tells whether each month adds up: the API's rows and cost, those staged and those rejected; reading is in ``ledger``.

Costs are the same when they differ by no more than 1e-6 and 1e-12 of the larger one, together: the tap's sum is exact,
the sums of Float64 columns are not.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - Pydantic reads the annotations at run time
import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from mapper_azure_billing_tracking.client import connect
from mapper_azure_billing_tracking.ledger import Snapshot, read_snapshots
from mapper_azure_billing_tracking.quality import ApplicationChange, Quality, read_changes, read_quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from clickhouse_connect.driver.client import Client

    from mapper_azure_billing_tracking.config import ClickHouseConfig

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
    """The verdict on a month, by its newest snapshot."""

    enrollment_number: str
    billing_month: dt.date
    status: Literal["ok", "fails"]
    problems: list[str]
    notes: list[str]
    snapshot: Snapshot
    published_snapshot_at: dt.datetime | None
    """The snapshot that the view azure_billing_detail shows; None if it shows nothing of this month."""
    missing_row_count: int
    redelivered_row_count: int
    quality: Quality
    restatement: Restatement | None


class CheckResult(BaseModel):
    """The verdict on all months."""

    status: Literal["ok", "fails"]
    months: list[MonthCheck]


def check(config: ClickHouseConfig, *, patterns_table: str, since: dt.date | None = None) -> CheckResult | None:
    """Check the newest snapshot of every month.

    Args:
        config: where the tables are.
        patterns_table: see `read_quality`.
        since: first month that is checked; all months if None.

    Returns:
        The verdict, None if there is no month to judge.

    Raises:
        WarehouseError: it can't be told, since ClickHouse or its tables can't be read.
    """
    with connect(config) as client:
        snapshots = read_snapshots(client, config, since)
        months: list[MonthCheck] = []
        for _, group in itertools.groupby(snapshots, key=lambda snapshot: snapshot.key[:2]):
            months.append(_check_month(client, config, list(group), patterns_table))
    for before, month in itertools.pairwise(months):
        if before.enrollment_number == month.enrollment_number:
            month.notes.extend(_fallen(before, month))
    if not months:
        return None
    failed = any(month.status == "fails" for month in months)
    return CheckResult(status="fails" if failed else "ok", months=months)


def _check_month(
    client: Client, config: ClickHouseConfig, snapshots: Sequence[Snapshot], patterns_table: str
) -> MonthCheck:
    newest = snapshots[-1]
    complete = [snapshot for snapshot in snapshots if snapshot.complete]
    published = complete[-1] if complete else None
    problems = list(find_problems(newest))
    notes = []
    if published is None:
        notes.append("no snapshot is complete: the view shows nothing of this month")
    elif published is not newest:
        notes.append(f"the view shows the snapshot of {published.snapshot_at:%Y-%m-%d %H:%M:%S} UTC instead")
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
        quality=read_quality(client, config, newest, patterns_table),
        restatement=_restatement(client, config, before, published) if before and published else None,
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
    """Whether two sums of cost are the same within the tolerance; the difference is taken exactly."""
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
    if not (before.snapshot.distinct_row_count and month.snapshot.distinct_row_count):
        return
    for column, percent in month.quality.filled.items():
        was = before.quality.filled[column]
        if was - percent > FALLEN_PERCENT:
            yield f"{column} is filled in {percent:.1f} % of the rows, in {was:.1f} % of {before.billing_month:%Y-%m}"
