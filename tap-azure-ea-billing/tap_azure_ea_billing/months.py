"""Billing months, which of them a run extracts, and the bookmark that remembers; pure, without clock, files or network.

A billing month is the date of its first day. It begins and ends at midnight UTC. A snapshot's instant decides which
extraction of a month counts, so a clock that was wrong once would do harm for good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ].*)?)?")
_STEP_BETWEEN_RUNS = timedelta(seconds=1)
"""Some targets drop what is finer than a second."""
_STEP_IN_A_RUN = timedelta(milliseconds=1)
_CURE = (
    "correct the clock; or, if a run with a wrong clock wrote the state, run `azure-billing-warehouse prune --future` "
    "and then `meltano run --full-refresh ...`, or correct the state with `meltano state`"
)


def parse_month(text: str) -> date:
    """Return the billing month of `2026-08`, `2026-08-15` or an ISO date-time.

    Raises:
        ValueError: The text is none of these.
    """
    if not _DATE.fullmatch(text):
        message = f"'{text}' is not a month or date like 2026-08 or 2026-08-01"
        raise ValueError(message)
    if len(text) == len("2026-08"):
        return date.fromisoformat(f"{text}-01")
    return datetime.fromisoformat(text).date().replace(day=1)


def next_month(month: date) -> date:
    """Return the month after this one."""
    return (month + timedelta(days=31)).replace(day=1)


def current_month(now: datetime) -> date:
    """Return the month of a moment, in UTC."""
    return now.astimezone(UTC).date().replace(day=1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield the months from `first` to `last`, both included; none if `last` is before `first`."""
    month = first
    while month <= last:
        yield month
        month = next_month(month)


def label(month: date) -> str:
    """Return the month as the API writes it, `2026-08`."""
    return month.isoformat()[:7]


def instant_text(moment: datetime) -> str:
    """Return a moment as ISO text in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def closes_at(month: date, restatement_days: int) -> datetime:
    """Return when the month is final: so many days after its end."""
    end = next_month(month)
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=restatement_days)


@dataclass
class Bookmark:
    """What an enrollment's state remembers.

    Attributes:
        month: Newest month that was completed.
        snapshots: `snapshot_at` of the newest month, and of the earlier ones that were still open when they were read.
        newest: The latest `snapshot_at` of any month, kept for good; None if no run has noted one yet.
        row_counts: Rows of the last complete extraction of each month, kept for good.
        runs: The run of the export that each month was last read from, where there is one; kept for good.
    """

    month: date
    snapshots: dict[date, datetime] = field(default_factory=dict)
    newest: datetime | None = None
    row_counts: dict[date, int] = field(default_factory=dict)
    runs: dict[date, str] = field(default_factory=dict)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Bookmark | None:
        """Read the state of an enrollment's partition; None if it holds no bookmark.

        Raises:
            ValueError: A month, snapshot or count in it is unreadable.
        """
        value = state.get("replication_key_value")
        if value is None:
            return None
        snapshots = {parse_month(month): _instant(text) for month, text in state.get("snapshots", {}).items()}
        noted = state.get("newest_snapshot_at")
        return cls(
            parse_month(str(value)),
            snapshots,
            max([*snapshots.values(), *([_instant(noted)] if noted is not None else [])], default=None),
            {parse_month(month): int(rows) for month, rows in state.get("row_counts", {}).items()},
            {parse_month(month): str(run) for month, run in state.get("runs", {}).items()},
        )

    def to_state(self) -> dict[str, Any]:
        """Return the keys that the bookmark has in the partition's state."""
        state: dict[str, Any] = {
            "replication_key": "billing_month",
            "replication_key_value": self.month.isoformat(),
            "snapshots": {month.isoformat(): instant_text(moment) for month, moment in sorted(self.snapshots.items())},
            "row_counts": {month.isoformat(): rows for month, rows in sorted(self.row_counts.items())},
        }
        if self.runs:
            state["runs"] = {month.isoformat(): run for month, run in sorted(self.runs.items())}
        if self.newest is not None:
            state["newest_snapshot_at"] = instant_text(self.newest)
        return state

    def all_months(self) -> set[date]:
        """Return every month that it names."""
        return {self.month, *self.snapshots, *self.row_counts}


def state_ahead(whose: str, bookmark: Bookmark, now: datetime, max_skew: float) -> str | None:
    """Return a sentence if the state of a bill, named `whose`, knows more of the time than this machine's clock."""
    latest = now + timedelta(seconds=max_skew)
    by_the_clock = f"by this machine's clock it is {instant_text(now)}"
    if bookmark.newest is not None and bookmark.newest > latest:
        what = f"knows an extraction of {instant_text(bookmark.newest)}"
    elif (newest_month := max(bookmark.all_months())) > current_month(latest):
        what = f"knows the month {label(newest_month)}"
    else:
        return None
    return f"The state of {whose} {what}, and {by_the_clock}: {_CURE}."


def start_before_state(whose: str, bookmark: Bookmark | None, start: date, planned: Sequence[date]) -> str | None:
    """Return a sentence if the run passes over months from `start_date` on that lie before all that the state knows."""
    known = bookmark.row_counts if bookmark else {}
    missed = [month for month in months_between(start, min(known, default=start)) if month not in {*known, *planned}]
    if not known or not missed:
        return None
    first, last = label(missed[0]), label(missed[-1])
    skipped = f"{first} is" if first == last else f"{first} to {last} are"
    return (
        f"The state of {whose} begins with {label(min(known))}, later than start_date, and a run goes on from its end: "
        f"{skipped} not read. If that is still to be loaded, run this, which has a state of its own: "
        f"TAP_AZURE_EA_BILLING_START_DATE={first} TAP_AZURE_EA_BILLING_END_DATE={last} "
        f"meltano run --state-id-suffix=from-{first} tap-azure-ea-billing mapper target-clickhouse"
    )


def completed(
    bookmark: Bookmark | None,
    month: date,
    snapshot_at: datetime,
    restatement_days: int,
    rows: int,
    *,
    run_id: str | None = None,
) -> Bookmark:
    """Return the bookmark after a month was completed; neither the newest month nor the newest instant goes back."""
    runs = {**(bookmark.runs if bookmark else {}), month: run_id}
    newest_month = max(bookmark.month, month) if bookmark else month
    snapshots = {**(bookmark.snapshots if bookmark else {}), month: snapshot_at}
    kept = {m: s for m, s in snapshots.items() if m == newest_month or s < closes_at(m, restatement_days)}
    newest = max(snapshot_at, bookmark.newest) if bookmark and bookmark.newest else snapshot_at
    return Bookmark(
        newest_month,
        kept,
        newest,
        {**(bookmark.row_counts if bookmark else {}), month: rows},
        {month: run for month, run in runs.items() if run is not None},
    )


def months_to_extract(
    bookmark: Bookmark | None, first: date, last: date, now: datetime, restatement_days: int
) -> list[date]:
    """Return the months that a run reads, oldest first.

    Without a bookmark these are all from `first` to `last`. With one they are the months after it, and of the earlier
    ones each that may have changed since it was read: it was still open then, or is open now. A bookmark's month whose
    snapshot the state does not name is read again.
    """
    return [
        month
        for month in months_between(first, last)
        if bookmark is None or month > bookmark.month or _may_have_changed(bookmark, month, now, restatement_days)
    ]


def months_with_news(bookmark: Bookmark | None, first: date, last: date, runs: Mapping[date, str]) -> list[date]:
    """Return the months whose run is another one than was last read, oldest first.

    Args:
        bookmark: What was read; None if nothing was.
        first: No month before it is read.
        last: None after it.
        runs: The id of the run that holds each month now.
    """
    return [
        month
        for month in months_between(first, last)
        if month in runs and (bookmark is None or bookmark.runs.get(month) != runs[month])
    ]


class Instants:
    """Gives each extraction of a run an instant of its own, later than all those before it even if the clock went back.

    Two extractions of a month lie a whole second apart: they are of different datasets, and some targets drop what is
    finer.

    Args:
        newest: Latest instant of the runs before, None if there is none.
    """

    def __init__(self, newest: datetime | None) -> None:
        """Begin after the runs before."""
        self._earliest = newest + _STEP_BETWEEN_RUNS if newest else None
        self._earliest_of: dict[date, datetime] = {}

    def take(self, month: date, now: datetime) -> datetime:
        """Return the `snapshot_at` of a month's extraction that starts now, to the millisecond."""
        now = now.astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        taken = max(now, self._earliest or now, self._earliest_of.get(month, now))
        self._earliest = taken + _STEP_IN_A_RUN
        self._earliest_of[month] = taken + _STEP_BETWEEN_RUNS
        return taken


def _may_have_changed(bookmark: Bookmark, month: date, now: datetime, restatement_days: int) -> bool:
    closing = closes_at(month, restatement_days)
    snapshot_at = bookmark.snapshots.get(month)
    if snapshot_at is not None:
        return snapshot_at < closing
    return month == bookmark.month or now < closing


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
