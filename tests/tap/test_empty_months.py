"""A month that had rows is never replaced by one without: asked for again, then the run stops."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tap.scripted import scripted_api, scripted_settings
from tap.tap_runs import NOW, catalog, partition, run, settings

from sandbox.bill.recorded import empty_month_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap.scripted import Answer
    from tap.tap_runs import Output

    from sandbox.launch import Api

LATER = NOW + timedelta(hours=1)
ROWS = b'{"content":[{"ExtendedCost":1},{"ExtendedCost":2}]}'
EMPTY: dict[str, Answer] = {
    "404": (404, b"", {}),
    "CSV": (200, empty_month_body(), {}),
    "content": (200, b'{"content":[]}', {}),
    "throttled": (200, b'{"content":[],"error":{"code":"Throttled"}}', {}),
}
LINK = b'"{url}/1/usage-report/paginatedV3?month=2026-08&pageindex=1"'
EMPTY_WITH_A_LINK: Answer = (200, b'{"content":[],"nextLink":' + LINK + b"}", {})


def state_with_rows(rows: int = 2) -> Mapping[str, Any]:
    """Return the state after August 2026 was read, while it was open, with so many rows."""
    remembered = {
        "context": {"enrollment_number": "1"},
        "replication_key": "billing_month",
        "replication_key_value": "2026-08-01",
        "snapshots": {"2026-08-01": "2026-08-20T00:00:00+00:00"},
        "row_counts": {"2026-08-01": rows},
    }
    return {"bookmarks": {"billing_months": {"partitions": [remembered]}}}


def assert_nothing_was_completed(output: Output) -> None:
    """The only STATE is the one that the run began with."""
    assert output.records("billing_months") == []
    assert sum(message["type"] == "STATE" for message in output.messages) == 1


@pytest.mark.parametrize("answer", EMPTY)
def test_an_empty_answer_for_a_month_that_had_rows_stops_the_run_after_the_retries(answer: str) -> None:
    with scripted_api([EMPTY[answer]]) as api:
        output = run(scripted_settings(api), state=state_with_rows())
    assert len(api.paths) == 2
    what = f"unexpected answer with status {EMPTY[answer][0]} ("
    assert output.error.startswith(f"Gave up after 2 attempts: Enrollment 1, month 2026-08, page 1: {what}")
    if answer != "throttled":
        assert "an empty month that had rows when it was read before: 2 rows" in output.error
        assert "if the month really became empty, name it in `accept_empty_months`" in output.error
    assert_nothing_was_completed(output)


@pytest.mark.parametrize("answer", EMPTY)
def test_an_empty_answer_that_passes_costs_nothing(answer: str) -> None:
    with scripted_api([EMPTY[answer], (200, ROWS, {})]) as api:
        output = run(scripted_settings(api), state=state_with_rows())
    assert (output.error, output.records("billing_months")[0]["row_count"]) == ("", 2)


def test_a_month_that_ends_empty_on_a_later_page_is_empty_too() -> None:
    with scripted_api([EMPTY_WITH_A_LINK, EMPTY["content"]]) as api:
        output = run(scripted_settings(api), state=state_with_rows())
    assert "page 2: unexpected answer with status 200 (an empty month that had rows" in output.error
    assert_nothing_was_completed(output)


@pytest.mark.parametrize("accepted", ["2026-08", "2026-07, 2026-08", " 2026-08-01 2026-09"])
@pytest.mark.parametrize("answer", ["404", "CSV", "content"])
def test_a_month_that_really_became_empty_is_accepted(answer: str, accepted: str) -> None:
    with scripted_api([EMPTY[answer]]) as api:
        output = run(scripted_settings(api, accept_empty_months=accepted), state=state_with_rows())
    assert (output.error, output.records("billing_months")[0]["row_count"]) == ("", 0)
    assert partition(output, "1")["row_counts"] == {"2026-08-01": 0}
    with scripted_api([EMPTY[answer]]) as api:
        assert run(scripted_settings(api), state=output.state).error == ""


def test_another_month_that_is_accepted_does_not_help() -> None:
    with scripted_api([EMPTY["404"]]) as api:
        output = run(scripted_settings(api, accept_empty_months="2026-07"), state=state_with_rows())
    assert "an empty month that had rows" in output.error


def test_a_month_that_had_no_rows_may_stay_empty() -> None:
    with scripted_api([EMPTY["404"]]) as api:
        assert run(scripted_settings(api), state=state_with_rows(0)).error == ""


def test_the_state_keeps_the_rows_of_every_month_for_good(api: Api) -> None:
    first = run(settings(api))
    counts = {f"2026-{month}-01": 120 for month in ("09", "10", "11")}
    assert partition(first)["row_counts"] == counts
    second = run(settings(api), state=first.state, now=LATER)
    assert partition(second)["row_counts"] == counts
    assert set(partition(second)["snapshots"]) == {"2026-11-01"}


def test_a_full_table_run_still_knows_which_months_had_rows(api: Api) -> None:
    state = run(settings(api)).state
    api.set_faults(["404@1-9"])
    chosen = catalog("usage_details", "billing_months")
    for stream in chosen["streams"]:
        stream["replication_method"] = "FULL_TABLE"
    output = run(settings(api), state=state, catalog=chosen, now=LATER)
    assert "month 2026-09, page 1: unexpected answer with status 404 (an empty month that had rows" in output.error


@pytest.mark.parametrize("text", ["2026-13", "august", "2026-08;2026-09"])
def test_months_that_nobody_can_read_are_an_error_at_the_start(api: Api, text: str) -> None:
    output = run(settings(api, accept_empty_months=text))
    assert output.error.startswith("Setting `accept_empty_months` is wrong: ")
    assert api.requests() == []
