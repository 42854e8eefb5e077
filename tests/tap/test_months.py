"""Which months a run reads, and what the bookmark remembers; the clock and the state are the test's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_azure_ea_billing.months import (
    Bookmark,
    Instants,
    closes_at,
    completed,
    current_month,
    instant_text,
    label,
    months_between,
    months_to_extract,
    months_with_news,
    next_month,
    parse_month,
)

MONTH = date(2026, 11, 1)
DAYS = 10


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def planned(bookmark: Bookmark | None, first: str, last: str, now: str, days: int = DAYS) -> list[str]:
    months = months_to_extract(bookmark, parse_month(first), parse_month(last), at(now), days)
    return [label(month) for month in months]


def read(month: str, **snapshots: str) -> Bookmark:
    """Return a bookmark; snapshots as `m2026_10="2026-11-05"`."""
    instants = {parse_month(m[1:].replace("_", "-")): at(s) for m, s in snapshots.items()}
    return Bookmark(parse_month(month), instants, max(instants.values(), default=None))


@pytest.mark.parametrize("text", ["2026-08", "2026-08-01", "2026-08-31", "2026-08-15T10:00:00Z", "2026-08-15 10:00:00"])
def test_a_month_is_read_from_a_month_date_or_date_time(text: str) -> None:
    assert parse_month(text) == date(2026, 8, 1)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-02-30", "08/2026", "20260801", "2026-W31-1", "2026-8-1", "x"]
)
def test_other_text_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_month(text)


def test_the_months_of_a_year_follow_each_other() -> None:
    assert [label(month) for month in months_between(date(2026, 11, 1), date(2027, 2, 1))] == [
        *("2026-11", "2026-12", "2027-01", "2027-02")
    ]
    assert next_month(date(2024, 1, 1)) == date(2024, 2, 1)


def test_a_month_begins_at_midnight_utc() -> None:
    china = timezone(timedelta(hours=8))
    assert current_month(datetime(2026, 12, 1, 7, 59, 59, tzinfo=china)) == date(2026, 11, 1)
    assert current_month(datetime(2026, 12, 1, 8, tzinfo=china)) == date(2026, 12, 1)
    assert current_month(datetime(2027, 1, 1, tzinfo=UTC)) == date(2027, 1, 1)


def test_a_month_stays_open_for_the_restatement_days_after_its_end() -> None:
    assert closes_at(date(2026, 10, 1), 10) == at("2026-11-11")
    assert closes_at(date(2026, 12, 1), 0) == at("2027-01-01")


def test_without_state_a_run_reads_from_the_start_to_the_current_month() -> None:
    assert planned(None, "2026-11", "2027-01", "2027-01-05") == ["2026-11", "2026-12", "2027-01"]


def test_a_run_reads_the_bookmarks_month_again_while_it_is_open() -> None:
    assert planned(read("2026-11", m2026_11="2026-11-20"), "2026-08", "2026-11", "2026-11-23") == ["2026-11"]


def test_a_bookmark_without_snapshots_is_read_from_its_month_on() -> None:
    assert planned(read("2026-09"), "2026-08", "2026-11", "2026-11-23") == ["2026-09", "2026-10", "2026-11"]


def test_an_earlier_month_is_read_again_until_it_closes() -> None:
    bookmark = read("2026-11", m2026_10="2026-11-03", m2026_11="2026-11-03")
    assert planned(bookmark, "2026-08", "2026-11", "2026-11-10T23:59:59") == ["2026-10", "2026-11"]
    assert planned(read("2026-11"), "2026-08", "2026-11", "2026-11-10T23:59:59") == ["2026-10", "2026-11"]
    assert planned(read("2026-11"), "2026-08", "2026-11", "2026-11-11") == ["2026-11"]


def test_a_month_that_was_open_when_it_was_read_is_read_once_more_after_it_closed() -> None:
    bookmark = read("2026-11", m2026_10="2026-11-03", m2026_11="2026-11-03")
    assert planned(bookmark, "2026-08", "2026-12", "2026-12-20") == ["2026-10", "2026-11", "2026-12"]


def test_a_closed_month_is_not_read_again_so_a_killed_run_goes_on_where_it_was() -> None:
    bookmark = read("2026-09", m2026_09="2026-11-23")
    assert planned(bookmark, "2026-08", "2026-11", "2026-11-23") == ["2026-10", "2026-11"]


def test_more_restatement_days_open_a_month_again() -> None:
    bookmark = read("2026-11", m2026_11="2026-11-23")
    assert planned(bookmark, "2026-08", "2026-11", "2026-11-23", days=30) == ["2026-10", "2026-11"]


def test_no_month_before_the_start_or_after_the_end_is_read() -> None:
    bookmark = read("2026-11", m2026_10="2026-11-03", m2026_11="2026-11-03")
    assert planned(bookmark, "2026-11", "2026-11", "2026-11-05") == ["2026-11"]
    assert planned(bookmark, "2026-08", "2026-10", "2026-11-05") == ["2026-10"]
    assert planned(read("2026-11", m2026_11="2026-12-12"), "2026-08", "2026-10", "2026-12-12") == []


def test_the_newest_month_of_a_bookmark_never_goes_back() -> None:
    bookmark = completed(read("2026-11", m2026_11="2026-11-03"), date(2026, 10, 1), at("2026-11-04"), DAYS, 7)
    assert bookmark.month == date(2026, 11, 1)
    assert set(bookmark.snapshots) == {date(2026, 10, 1), date(2026, 11, 1)}


def test_a_bookmark_forgets_months_that_are_final() -> None:
    bookmark = completed(read("2026-09", m2026_09="2026-11-23"), date(2026, 10, 1), at("2026-11-23"), DAYS, 7)
    assert (bookmark.month, bookmark.snapshots) == (date(2026, 10, 1), {date(2026, 10, 1): at("2026-11-23")})


def test_a_bookmark_keeps_the_newest_instant_and_every_months_rows_for_good() -> None:
    bookmark = completed(None, date(2026, 8, 1), at("2026-11-23"), DAYS, 7)
    bookmark = completed(bookmark, date(2026, 9, 1), at("2026-11-22"), DAYS, 8)
    again = Bookmark.from_state(bookmark.to_state())
    assert again is not None
    assert again.newest == at("2026-11-23")
    assert again.row_counts == {date(2026, 8, 1): 7, date(2026, 9, 1): 8}
    assert set(again.snapshots) == {date(2026, 9, 1)}


def test_a_state_of_an_older_version_has_the_newest_instant_of_its_snapshots() -> None:
    state = {"replication_key_value": "2026-11-01", "snapshots": {"2026-11-01": "2026-11-23T06:00:00+00:00"}}
    assert Bookmark.from_state(state) == read("2026-11", m2026_11="2026-11-23T06:00:00")


def test_a_later_snapshot_is_later_even_if_the_clock_went_back() -> None:
    newest = at("2026-11-23T06:00:00.250")
    assert Instants(newest).take(MONTH, at("2026-11-23T07:00:00.123456")) == at("2026-11-23T07:00:00.123")
    assert Instants(newest).take(MONTH, at("2026-11-23T05:00:00")) == at("2026-11-23T06:00:01.250")
    assert Instants(newest).take(MONTH, at("2026-11-23T06:00:00.250")) == at("2026-11-23T06:00:01.250")
    assert Instants(None).take(MONTH, at("2026-11-23T05:00:00")) == at("2026-11-23T05:00:00")


def test_each_extraction_of_a_run_has_an_instant_of_its_own() -> None:
    instants = Instants(None)
    fractions = ("0009", "001", "001", "000", "9")
    taken = [
        instants.take(month, at(f"2026-11-23T05:00:00.{fraction}"))
        for month, fraction in zip(months_between(date(2026, 1, 1), date(2026, 5, 1)), fractions, strict=True)
    ]
    assert [instant_text(instant)[17:23] for instant in taken] == ["00.000", "00.001", "00.002", "00.003", "00.900"]


def test_two_extractions_of_a_month_lie_a_second_apart_and_the_months_between_them_cost_no_time() -> None:
    instants, now = Instants(None), at("2026-11-23T05:00:00")
    in_order = [date(2026, month, 1) for month in (1, 2, 3, 1, 2, 3)]
    taken = [instant_text(instants.take(month, now))[17:23] for month in in_order]
    assert taken == ["00.000", "00.001", "00.002", "01.000", "01.001", "01.002"]


def test_a_month_is_read_whose_run_is_another_one_than_was_last_read() -> None:
    august, september, october = (date(2026, month, 1) for month in (8, 9, 10))
    bookmark = completed(None, august, at("2026-09-20"), DAYS, 1, run_id="a")
    bookmark = completed(bookmark, september, at("2026-10-20"), DAYS, 1)
    assert Bookmark.from_state(bookmark.to_state()) == bookmark
    runs = {august: "a", september: "b", october: "c"}
    assert months_with_news(bookmark, august, october, runs) == [september, october]
    assert months_with_news(bookmark, august, september, {**runs, august: "d"}) == [august, september]
    assert months_with_news(None, august, september, runs) == [august, september]
    assert months_with_news(bookmark, august, october, {}) == []


def test_state_without_a_bookmark_is_none() -> None:
    assert Bookmark.from_state({"context": {"enrollment_number": "1"}, "starting_replication_value": "2026-08"}) is None


@pytest.mark.parametrize(
    "state", [{"replication_key_value": "x"}, {"replication_key_value": "2026-08", "snapshots": {"x": "y"}}]
)
def test_unreadable_state_is_an_error(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Bookmark.from_state(state)


instants = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: at("2025-01-01") + timedelta(minutes=minutes))
months = st.dates(date(2025, 1, 1), date(2027, 12, 31)).map(lambda day: day.replace(day=1))


@given(month=months, snapshots=st.dictionaries(months, instants, max_size=4))
def test_a_bookmark_comes_back_from_its_state(month: date, snapshots: dict[date, datetime]) -> None:
    again = Bookmark.from_state(Bookmark(month, snapshots).to_state())
    assert again is not None
    assert again.month == month
    assert {m: instant_text(s) for m, s in again.snapshots.items()} == {
        m: instant_text(s) for m, s in snapshots.items()
    }


@given(
    runs=st.lists(st.tuples(instants, st.integers(0, 12)), min_size=1, max_size=6),
    days=st.integers(0, 40),
)
def test_any_runs_read_each_month_again_until_it_was_read_after_its_close(
    runs: list[tuple[datetime, int]], days: int
) -> None:
    """Runs at any times, each stopped after some months: what a last whole run leaves is as fresh as it must be."""
    first = date(2024, 11, 1)
    read_at: dict[date, datetime] = {}
    bookmark: Bookmark | None = None
    runs.sort()
    last = runs[-1][0]
    for now, stop in [*runs, (last, 99)]:
        plan = months_to_extract(bookmark, first, current_month(now), now, days)
        assert plan == sorted(set(plan))
        instants = Instants(bookmark.newest if bookmark else None)
        for month in plan[:stop]:
            snapshot_at = instants.take(month, now)
            assert month not in read_at or snapshot_at > read_at[month]
            read_at[month] = snapshot_at
            bookmark = completed(bookmark, month, snapshot_at, days, 1)
            bookmark = Bookmark.from_state(bookmark.to_state())
    assert sorted(read_at) == list(months_between(first, current_month(last)))
    for month, moment in read_at.items():
        assert moment >= min(closes_at(month, days), last - timedelta(seconds=1))
