"""The checks C1, C2, ... of `check`: each is a function that yields a sentence for every problem it finds.

A check gets all that was read about a month or enrollment (`MonthFacts`, `EnrollmentFacts`) and reads nothing itself.
Its number is its id in JSON and in the table, for alerts, and never changes; `docs/operations.md` says what to do.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import BaseModel

from azure_billing_warehouse.check.expectations import say_age
from azure_billing_warehouse.config import MAX_CLOCK_SKEW
from azure_billing_warehouse.costs import same_cost
from azure_billing_warehouse.tables import MIGRATED
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.check.ledger import MonthRow, Snapshot

PIPELINE = "meltano run tap-azure-ea-billing mapper target-clickhouse"
_CURES = {
    "C2": "azure-billing-warehouse prune --future",
    "C14": "azure-billing-warehouse check --accept-fall {month:%Y-%m}",
    "C15": "azure-billing-warehouse check --accept-fall {month:%Y-%m}",
    "C17": "azure-billing-warehouse retrack --since {month:%Y-%m}",
    "C18": "azure-billing-warehouse report --since {month:%Y-%m}",
    "C19": "azure-billing-warehouse report --since {month:%Y-%m}",
}
"""Check -> the command that mends what it found; all other checks of a month: load it again."""
_CLOCK_SKEW = dt.timedelta(seconds=MAX_CLOCK_SKEW)


class Problem(BaseModel):
    """What a check found."""

    check: str
    """Id of the check: C1, C2, ..."""
    text: str
    cure: str
    """The command that mends it, or shows what to mend."""


@dataclass(frozen=True)
class MonthFacts:
    """What was read about a month of an enrollment's dataset.

    Attributes:
        billing_month: Its first day.
        snapshots: Every extraction of it, oldest first.
        newest: The one that is judged; None if there is none.
        published: The one that the views show, if any.
        expected: What is expected of the warehouse.
        now: The time of ClickHouse's clock.
        unallocated_cost: Cost of the newest snapshot's rows that no pattern matched.
        unknown_match_row_count: Its rows of which it isn't known whether one did.
        month_before: The published snapshot of the month before, if any.
    """

    billing_month: dt.date
    snapshots: Sequence[Snapshot]
    newest: Snapshot | None
    published: Snapshot | None
    expected: Expectations
    now: dt.datetime
    unallocated_cost: float = 0.0
    unknown_match_row_count: int = 0
    month_before: Snapshot | None = None


@dataclass(frozen=True)
class EnrollmentFacts:
    """What was read about an enrollment's dataset.

    Attributes:
        newest_load_age: Age of its newest complete load; None if there is none.
        max_age: How old that load may be; any age if None.
    """

    newest_load_age: dt.timedelta | None
    max_age: dt.timedelta | None


def find_problems(facts: MonthFacts | EnrollmentFacts) -> list[Problem]:
    """Run every check of a month, or of an enrollment, in order."""
    if isinstance(facts, MonthFacts):
        found = [(check_id(check), text) for check in MONTH_CHECKS for text in check(facts)]
        return [Problem(check=check, text=text, cure=_cure(check, facts.billing_month)) for check, text in found]
    return [
        Problem(check=check_id(check), text=text, cure=PIPELINE) for check in ENROLLMENT_CHECKS for text in check(facts)
    ]


def _cure(check: str, month: dt.date) -> str:
    """Return the command that mends what a check of a month found."""
    if check in _CURES:
        return _CURES[check].format(month=month)
    name = f"{month:%Y-%m}"
    variables = f"TAP_AZURE_EA_BILLING_START_DATE={name} TAP_AZURE_EA_BILLING_END_DATE={name}"
    return f"{variables} {PIPELINE.replace('run', f'run --full-refresh --state-id-suffix={name}', 1)}"


def check_id(check: Callable[..., object]) -> str:
    """Return a check's id: C7 for `c7_rejected_rows_are_there`."""
    return check.__name__.partition("_")[0].upper()


def c1_month_was_loaded(month: MonthFacts) -> Iterator[str]:
    """An expected month has rows or a month row."""
    if month.newest is None:
        yield "the month was never loaded: nothing of it is in the warehouse; run the tap for it"


def c2_snapshot_is_not_in_the_future(month: MonthFacts) -> Iterator[str]:
    """Neither the newest snapshot nor its month is later than ClickHouse's clock."""
    if month.newest is None:
        return
    cure = "`azure-billing-warehouse prune --future` drops it, then load the month again"
    if month.newest.snapshot_at > month.now + _CLOCK_SKEW:
        yield (
            f"its newest snapshot is of {month.newest.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, later than ClickHouse's "
            f"clock: it was loaded with a wrong clock and hides later loads; {cure}"
        )
    elif month.newest.billing_month > (month.now + _CLOCK_SKEW).date():
        yield f"the month has not begun by ClickHouse's clock: it was loaded with a wrong clock; {cure}"


def c3_month_row_came(month: MonthFacts) -> Iterator[str]:
    """The newest snapshot has a month row; without one its load broke off, or is running."""
    if month.newest and month.newest.month_row is None:
        rows = month.newest.distinct_row_count
        yield f"{counted(rows, 'row')} staged, and no month row came: its load broke off, or is running"


def c4_mapper_received_the_rows(month: MonthFacts) -> Iterator[str]:
    """The mapper received as many rows as the API gave."""
    for row, _ in _with_month_row(month):
        if row.received_row_count != row.row_count:
            yield f"{_giver(row)} {counted(row.row_count, 'row')}, the mapper received {row.received_row_count}"


def c5_every_row_was_staged_or_rejected(month: MonthFacts) -> Iterator[str]:
    """The mapper staged or rejected as many rows as the API gave."""
    for row, _ in _with_month_row(month):
        if (judged := row.staged_row_count + row.rejected_row_count) != row.row_count:
            yield f"{_giver(row)} {counted(row.row_count, 'row')}, {judged} were staged or rejected"


def c6_staged_rows_are_there(month: MonthFacts) -> Iterator[str]:
    """Each staged row is in stg_azure_billing_detail, and no other one."""
    for row, newest in _with_month_row(month):
        yield from _miscounted("rows", "stg_azure_billing_detail", row.staged_row_count, newest.distinct_row_count)


def c7_rejected_rows_are_there(month: MonthFacts) -> Iterator[str]:
    """Each rejected row has a finding in dq_billing_issue that rejects it."""
    for row, newest in _with_month_row(month):
        yield from _miscounted("rejected rows", "dq_billing_issue", row.rejected_row_count, newest.rejected_row_count)


def c8_findings_are_there(month: MonthFacts) -> Iterator[str]:
    """Each finding is in dq_billing_issue."""
    for row, newest in _with_month_row(month):
        yield from _miscounted("findings", "dq_billing_issue", row.issue_count, newest.issue_count)


def c9_audit_rows_are_there(month: MonthFacts) -> Iterator[str]:
    """Each audit row is in dq_tagging_audit."""
    for row, newest in _with_month_row(month):
        yield from _miscounted("audit rows", "dq_tagging_audit", row.audit_count, newest.audit_count)


def c10_costs_are_numbers(month: MonthFacts) -> Iterator[str]:
    """No row in the tables has a cost that is NaN or infinite: no sum holds it."""
    for _, newest in _with_month_row(month):
        for table, count in (
            ("stg_azure_billing_detail", newest.no_number_row_count),
            ("dq_billing_issue", newest.no_number_rejected_count),
            ("dq_tagging_audit", newest.no_number_audit_count),
        ):
            if count:
                rows = counted(count, "row")
                yield f"{rows} in {table} with a cost that is not a finite number, so that no sum can be compared"


def c11_cost_of_the_api_was_staged_or_rejected(month: MonthFacts) -> Iterator[str]:
    """The API's exact sum is the cost of the staged and the rejected rows together."""
    for row, _ in _with_month_row(month):
        given, kept = row.extended_cost, row.staged_extended_cost + row.rejected_extended_cost
        if given is None:
            yield "the month row doesn't say what cost the API gave: it can't be compared"
        elif not same_cost(given, kept):
            yield f"{_giver(row)} a cost of {given:f}, staged and rejected are {kept!r}"


def c12_staged_cost_is_there(month: MonthFacts) -> Iterator[str]:
    """The rows in stg_azure_billing_detail have the cost that was staged."""
    for row, newest in _with_month_row(month):
        if not same_cost(row.staged_extended_cost, newest.extended_cost):
            yield f"a cost of {row.staged_extended_cost!r} was staged, the table holds {newest.extended_cost!r}"


def c13_rejected_cost_is_there(month: MonthFacts) -> Iterator[str]:
    """The rejected rows in dq_billing_issue have the cost that was rejected."""
    for row, newest in _with_month_row(month):
        if not same_cost(row.rejected_extended_cost, newest.rejected_extended_cost):
            yield (
                f"a cost of {row.rejected_extended_cost!r} was rejected, "
                f"dq_billing_issue holds {newest.rejected_extended_cost!r}"
            )


def c14_rows_did_not_fall(month: MonthFacts) -> Iterator[str]:
    """The published snapshot has not lost more of its rows than allowed, against the largest load before it."""
    for billed, row, before in _with_loads_before(month):
        most = max(before, key=lambda load: load.row_count)
        if (percent := _fall(most.row_count, row.row_count)) > month.expected.max_fall:
            yield (
                f"the views show {counted(row.row_count, 'row', ',')} where the load of "
                f"{most.started_at:%Y-%m-%d %H:%M} UTC had {most.row_count:,}: {percent:.1f} % less; "
                f"{_acceptance(billed)}"
            )


def c15_cost_did_not_fall(month: MonthFacts) -> Iterator[str]:
    """The published snapshot has not lost more of its cost than allowed, against the largest load before it."""
    for billed, row, before in _with_loads_before(month):
        most = max(before, key=_given_cost)
        if (percent := _fall(_given_cost(most), _given_cost(row))) > month.expected.max_fall:
            yield (
                f"the views show a cost of {_given_cost(row):,.2f} where the load of "
                f"{most.started_at:%Y-%m-%d %H:%M} UTC had {_given_cost(most):,.2f}: {percent:.1f} % less; "
                f"{_acceptance(billed)}"
            )


def c17_cost_has_an_application(month: MonthFacts) -> Iterator[str]:
    """With `--max-unallocated`, no more of the month's cost is without an application."""
    most, newest = month.expected.max_unallocated, month.newest
    if most is None or newest is None:
        return
    if month.unknown_match_row_count:
        rows = counted(month.unknown_match_row_count, "row", ",")
        yield f"whether a pattern matched is not known of {rows}, so that the cost without an application isn't either"
        return
    percent = _share(month.unallocated_cost, newest.extended_cost)
    if percent > most:
        yield (
            f"a cost of {month.unallocated_cost:,.2f} has no application: {percent:.1f} %, {most:g} % are allowed; "
            "`azure-billing-warehouse patterns suggest` says which patterns would help"
        )


def c18_rows_were_not_rejected(month: MonthFacts) -> Iterator[str]:
    """With `--max-rejected`, no more of the month's rows were rejected."""
    most = month.expected.max_rejected
    for row, _ in _with_month_row(month):
        percent = _share(row.rejected_row_count, row.row_count)
        if most is not None and percent > most:
            yield (
                f"{row.rejected_row_count:,} of {row.row_count:,} rows were rejected: {percent:.1f} %, {most:g} % are "
                "allowed; the view azure_billing_issue has their findings (severity = 'reject')"
            )


def c19_cost_is_like_the_month_before(month: MonthFacts) -> Iterator[str]:
    """With `--max-change`, a closed month's cost differs from that of the month before by no more."""
    most, published, before = month.expected.max_change, month.published, month.month_before
    if most is None or published is None or before is None:
        return
    if published.billing_month >= month.now.date().replace(day=1):
        return
    percent = _share(abs(published.extended_cost - before.extended_cost), before.extended_cost)
    if percent > most:
        more_or_less = "more" if published.extended_cost > before.extended_cost else "less"
        yield (
            f"its cost of {published.extended_cost:,.2f} is {percent:.1f} % {more_or_less} than the "
            f"{before.extended_cost:,.2f} of {before.billing_month:%Y-%m}, {most:g} % are allowed"
        )


def c16_newest_load_is_new_enough(enrollment: EnrollmentFacts) -> Iterator[str]:
    """With `--max-age`, the enrollment's dataset has a complete load that is no older."""
    age, max_age = enrollment.newest_load_age, enrollment.max_age
    if max_age is not None and age is None:
        yield "no load of it is complete"
    if max_age is not None and age is not None and age > max_age:
        yield f"its newest complete load is {say_age(age)} old; at most {say_age(max_age)} is allowed"


MONTH_CHECKS: tuple[Callable[[MonthFacts], Iterator[str]], ...] = (
    c1_month_was_loaded,
    c2_snapshot_is_not_in_the_future,
    c3_month_row_came,
    c4_mapper_received_the_rows,
    c5_every_row_was_staged_or_rejected,
    c6_staged_rows_are_there,
    c7_rejected_rows_are_there,
    c8_findings_are_there,
    c9_audit_rows_are_there,
    c10_costs_are_numbers,
    c11_cost_of_the_api_was_staged_or_rejected,
    c12_staged_cost_is_there,
    c13_rejected_cost_is_there,
    c14_rows_did_not_fall,
    c15_cost_did_not_fall,
    c17_cost_has_an_application,
    c18_rows_were_not_rejected,
    c19_cost_is_like_the_month_before,
)
ENROLLMENT_CHECKS: tuple[Callable[[EnrollmentFacts], Iterator[str]], ...] = (c16_newest_load_is_new_enough,)
CHECKS: tuple[Callable[..., Iterator[str]], ...] = (*MONTH_CHECKS, *ENROLLMENT_CHECKS)
"""Every check: of months, then of enrollments."""


def _with_month_row(month: MonthFacts) -> Iterator[tuple[MonthRow, Snapshot]]:
    """Yield the newest snapshot and its month row, if it has one."""
    if month.newest and month.newest.month_row:
        yield month.newest.month_row, month.newest


def _giver(row: MonthRow) -> str:
    return f"the migrated table {row.run_id} had" if row.source == MIGRATED else "the API gave"


def _with_loads_before(month: MonthFacts) -> Iterator[tuple[dt.date, MonthRow, list[MonthRow]]]:
    """Yield the month, its published row and those of earlier whole loads, pruned or not, unless a fall is accepted."""
    published = month.published
    if published is None or published.month_row is None or published.billing_month in month.expected.accept_fall:
        return
    before = [
        snapshot.month_row
        for snapshot in month.snapshots
        if snapshot.month_row and snapshot.month_row.whole and snapshot.snapshot_at < published.snapshot_at
    ]
    if before:
        yield published.billing_month, published.month_row, before


def _miscounted(what: str, table: str, sent: int, present: int) -> Iterator[str]:
    if present != sent:
        kind = f"{sent - present} missing" if present < sent else f"{present - sent} too many"
        yield f"{sent} {what} were sent to {table}, {present} are there: {kind}"


def _acceptance(billed: dt.date) -> str:
    return f"if that is right, accept it by --accept-fall {billed:%Y-%m}"


def _given_cost(row: MonthRow) -> Decimal:
    return row.extended_cost if row.extended_cost is not None else Decimal(0)


def _share(part: float, whole: float) -> float:
    """Return a part in percent of the whole; of nothing, or less, any part is infinitely much."""
    if part <= 0:
        return 0.0
    return 100 * part / whole if whole > 0 else math.inf


def _fall(before: Decimal | int, after: Decimal | int) -> float:
    """Return by what percentage a number is less than an earlier one; 0 if that was not positive."""
    return float(100 * (before - after) / before) if before > 0 else 0.0
