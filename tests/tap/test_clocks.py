"""A wrong clock: found by the API's `Date` and by the state, before anything is written; and instants of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from tap.scripted import scripted_api, scripted_settings
from tap.tap_runs import ENROLLMENT, NOW, partition, program, run, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tap.scripted import Answer

    from sandbox.launch import Api

ROWS = b'{"content":[{"ExtendedCost":1}]}'
MINUTES: dict[str, Any] = {"max_clock_skew": 300}


def dated(**ahead: float) -> Answer:
    """Return a page of an API whose clock is so far ahead of the test's."""
    return 200, ROWS, {"Date": format_datetime(NOW + timedelta(**ahead), usegmt=True)}


def state(number: str = ENROLLMENT, **remembered: Any) -> Mapping[str, Any]:
    """Return a state with one enrollment."""
    bookmark = {"replication_key": "billing_month", "replication_key_value": "2026-10-01", **remembered}
    partitions = [{"context": {"enrollment_number": number}, **bookmark}]
    return {"bookmarks": {"billing_months": {"partitions": partitions}}}


@pytest.mark.parametrize("ahead", [{"seconds": 302}, {"hours": -1}, {"days": 400}])
def test_a_clock_that_is_far_from_the_apis_stops_the_run_before_anything_is_written(ahead: dict[str, float]) -> None:
    with scripted_api([dated(**ahead)]) as api:
        output = run(scripted_settings(api, **MINUTES))
    assert output.error.startswith(
        "Enrollment 1, month 2026-08, page 1: this machine's clock (2026-11-23T06:00:00.000+00:00) and the API's ("
    )
    assert output.error.endswith(
        "s apart, more than `max_clock_skew` (300), and nothing of the month was written: "
        "correct this machine's clock, or raise `max_clock_skew` if it is the API's that is wrong."
    )
    assert output.outline() == ["SCHEMA billing_months"]


@pytest.mark.parametrize("ahead", [{"seconds": 299}, {"seconds": -299}, {"hours": 0}])
def test_a_clock_that_is_near_enough_is_taken(ahead: dict[str, float]) -> None:
    with scripted_api([dated(**ahead)]) as api:
        assert run(scripted_settings(api, **MINUTES)).error == ""


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 06:00:00 GMT"])
def test_a_date_that_is_missing_or_unreadable_is_not_compared(date: str) -> None:
    with scripted_api([(200, ROWS, {"Date": date})]) as api:
        assert run(scripted_settings(api, **MINUTES)).error == ""


def test_the_clock_is_compared_anew_with_each_month() -> None:
    with scripted_api([dated(), dated(hours=1)]) as api:
        output = run(scripted_settings(api, **MINUTES, end_date="2026-09"))
    assert "Enrollment 1, month 2026-09, page 1: this machine's clock" in output.error
    assert output.months() == output.months("usage_details") == ["2026-08"]


def test_the_real_program_and_the_simulated_api_agree_on_the_time(api: Api, tmp_path: Path) -> None:
    output = program(settings(api, start_date="2026-10", end_date="2026-10", max_clock_skew=60), tmp_path)
    assert output.exit_code == 0


AHEAD = [
    {"newest_snapshot_at": "2027-01-01T00:00:00.000+00:00"},
    {"newest_snapshot_at": "2026-11-23T06:05:01+00:00"},
    {"snapshots": {"2026-10-01": "2026-11-23T07:00:00+00:00"}},
    {"replication_key_value": "2026-12-01"},
    {"row_counts": {"2027-03-01": 0}},
    {"replication_key_value": "9999-12-01"},
]


@pytest.mark.parametrize("remembered", AHEAD)
def test_a_state_that_is_ahead_of_the_clock_stops_the_run_before_the_first_request(
    api: Api, remembered: dict[str, Any]
) -> None:
    output = run(settings(api, **MINUTES), state=state(**remembered))
    assert output.error.startswith(f"The state of enrollment {ENROLLMENT} knows ")
    assert output.error.endswith(
        "and by this machine's clock it is 2026-11-23T06:00:00.000+00:00: correct the clock; or, if a run with a "
        "wrong clock wrote the state, run `azure-billing-warehouse prune --future` and then "
        "`meltano run --full-refresh ...`, or correct the state with `meltano state`."
    )
    assert api.requests() == []
    assert output.records("usage_details") == []


def test_the_state_of_every_enrollment_is_looked_at_before_the_first_request(api: Api) -> None:
    keys = [{"enrollment_number": number, "api_key": api.key(number)} for number in ("77777777", ENROLLMENT)]
    config = settings(api, enrollment_number=None, api_key=None, enrollments=keys, **MINUTES)
    output = run(config, state=state(newest_snapshot_at="2027-01-01T00:00:00+00:00"))
    assert output.error.startswith(f"The state of enrollment {ENROLLMENT} knows an extraction of 2027-01-01")
    assert api.requests() == []


def test_a_state_that_is_a_little_ahead_of_the_clock_is_followed_by_a_later_instant() -> None:
    with scripted_api([dated()]) as api:
        begun = state("1", replication_key_value="2026-07-01", newest_snapshot_at="2026-11-23T06:04:59.500+00:00")
        output = run(scripted_settings(api, **MINUTES), state=begun)
    (row,) = output.records("billing_months")
    assert row["snapshot_at"] == "2026-11-23T06:05:00.500+00:00"
    assert partition(output, "1")["newest_snapshot_at"] == row["snapshot_at"]


def test_a_clock_that_went_back_makes_no_snapshot_older_than_any_before(api: Api) -> None:
    first = run(settings(api))
    second = run(settings(api), state=first.state, now=NOW - timedelta(hours=1))
    newest = max(row["snapshot_at"] for row in first.records("billing_months"))
    assert all(row["snapshot_at"] > newest for row in second.records("billing_months"))
    assert partition(second)["newest_snapshot_at"] == second.records("billing_months")[-1]["snapshot_at"]


def test_the_newest_instant_stays_in_the_state_for_good(api: Api) -> None:
    first = run(settings(api, end_date="2026-10"))
    newest = partition(first)["newest_snapshot_at"]
    assert newest == first.records("billing_months")[-1]["snapshot_at"]
    later = datetime(2026, 12, 24, tzinfo=UTC)
    second = run(settings(api, end_date="2026-10"), state=first.state, now=later)
    assert second.records("billing_months") == []
    assert partition(second)["newest_snapshot_at"] == newest


def test_each_extraction_of_a_run_has_an_instant_of_its_own(api: Api) -> None:
    rows = run(settings(api)).records("billing_months")
    assert [row["snapshot_at"][17:] for row in rows] == ["00.000+00:00", "00.001+00:00", "00.002+00:00"]
