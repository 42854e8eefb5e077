"""Whole runs against the simulated API: order of messages, state, changing months, several enrollments, selection."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tap.tap_runs import ENROLLMENT, NOW, Output, catalog, run, settings

from tap_azure_ea_billing.months import closes_at, current_month, label, months_between, parse_month
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from sandbox.launch import Api

OTHER = "77777777"


def bookmarks(output: Output) -> dict[str, str]:
    partitions = output.state.get("bookmarks", {}).get("billing_months", {}).get("partitions", [])
    return {p["context"]["enrollment_number"]: p["replication_key_value"] for p in partitions}


def asked(api: Api) -> list[str]:
    return list(dict.fromkeys(request["month"] for request in api.requests()))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_rows_month_row_and_state_follow_each_other_month_by_month(api: Api) -> None:
    output = run(settings(api, start_date="2026-10"))
    month = ["SCHEMA usage_details", "RECORD usage_details", "RECORD billing_months", "STATE"]
    assert output.outline() == ["SCHEMA billing_months", *month, *month]
    assert sum(message["type"] == "STATE" for message in output.messages) == 2


def test_the_month_row_says_what_the_api_served(api: Api) -> None:
    output = run(settings(api))
    served = api.served(ENROLLMENT)
    assert output.months() == ["2026-09", "2026-10", "2026-11"]
    for row in output.records("billing_months"):
        month = served[row["billing_month"][:7]]
        assert (row["row_count"], row["page_count"]) == (month["row_count"], month["page_count"])
        assert row["extended_cost"] == Decimal(month["extended_cost"])
        assert (row["enrollment_number"], row["source"]) == (ENROLLMENT, "ea")
        assert row["started_at"] <= row["completed_at"]


def test_the_rows_of_a_snapshot_are_numbered_in_order_and_bear_one_time_stamp(api: Api) -> None:
    output = run(settings(api, start_date="2026-11"))
    rows = output.records("usage_details")
    assert [row["row_number"] for row in rows] == list(range(1, 121))
    assert {row["snapshot_at"] for row in rows} == {output.records("billing_months")[0]["snapshot_at"]}
    assert {row["billing_month"] for row in rows} == {"2026-11-01"}


def test_a_second_run_reads_only_what_may_have_changed(api: Api) -> None:
    first = run(settings(api))
    assert bookmarks(first) == {ENROLLMENT: "2026-11-01"}
    api.clear_requests()
    second = run(settings(api), state=first.state, now=NOW + timedelta(hours=1))
    assert asked(api) == second.months() == ["2026-11"]
    assert second.records("billing_months")[0]["snapshot_at"] > first.records("billing_months")[2]["snapshot_at"]


def test_a_month_that_is_still_open_is_read_again(api: Api) -> None:
    first = run(settings(api), now=at("2026-11-05"))
    api.set_revision(ENROLLMENT, "2026-10", 1)
    second = run(settings(api), now=at("2026-11-06"), state=first.state)
    assert second.months() == ["2026-10", "2026-11"]
    assert second.records("billing_months")[0]["extended_cost"] == Decimal(
        api.served(ENROLLMENT)["2026-10"]["extended_cost"]
    )
    assert bookmarks(second) == {ENROLLMENT: "2026-11-01"}


@pytest.mark.parametrize(("request_number", "month"), [(7, "2026-10"), (9, "2026-10"), (4, "2026-09"), (1, "2026-08")])
def test_a_run_that_broke_off_goes_on_with_the_month_it_was_in(api: Api, request_number: int, month: str) -> None:
    config = settings(api, start_date="2026-08")
    api.set_faults([f"400@{request_number}"])
    broken = run(config)
    assert broken.error
    api.set_faults([])
    api.clear_requests()
    resumed = run(config, state=broken.state)
    assert asked(api)[0] == month
    assert broken.months() + resumed.months() == ["2026-08", "2026-09", "2026-10", "2026-11"]


def test_state_of_a_newer_month_than_the_end_reads_nothing_that_is_closed(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    state = run(settings(api)).state
    api.clear_requests()
    output = run(settings(api, end_date="2026-10"), state=state)
    assert (output.error, output.months(), api.requests()) == ("", [], [])
    assert bookmarks(output) == {ENROLLMENT: "2026-11-01"}
    assert "no month to read up to 2026-10" in caplog.text


def test_an_end_in_the_past_ends_the_run_there(api: Api) -> None:
    assert run(settings(api, end_date="2026-10-05")).months() == ["2026-09", "2026-10"]


@pytest.mark.parametrize(("now", "last"), [("2026-10-31T23:59:59", "2026-10"), ("2026-11-01", "2026-11")])
def test_a_month_is_read_from_its_first_moment_on(api: Api, now: str, last: str) -> None:
    assert run(settings(api), now=at(now)).months()[-1] == last


def test_the_year_turns(api: Api) -> None:
    state = run(settings(api), now=at("2026-12-31T23:59:59")).state
    api.clear_requests()
    output = run(settings(api), now=at("2027-01-01"), state=state)
    assert output.months() == ["2026-12", "2027-01"]
    assert bookmarks(output) == {ENROLLMENT: "2027-01-01"}


def test_a_start_date_before_the_state_is_a_warning_with_the_command_that_reads_the_gap(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    state = run(settings(api, start_date="2026-09")).state
    later = run(settings(api, start_date="2026-08"), state=state)
    assert "2026-08-01" not in later.months()
    assert (
        f"The state of enrollment {ENROLLMENT} begins with 2026-09, later than start_date, and a run goes on from its "
        "end: 2026-08 is not read. If that is still to be loaded, run this, which has a state of its own: "
        "TAP_AZURE_EA_BILLING_START_DATE=2026-08 TAP_AZURE_EA_BILLING_END_DATE=2026-08 "
        "meltano run --state-id-suffix=from-2026-08 tap-azure-ea-billing mapper target-clickhouse"
    ) in caplog.messages
    caplog.clear()
    run(settings(api, start_date="2026-10"), state=state)
    run(settings(api, start_date="2026-08"))
    assert "begins with" not in caplog.text


def test_each_enrollment_has_its_own_state(api: Api) -> None:
    keys = [{"enrollment_number": number, "api_key": api.key(number)} for number in (ENROLLMENT, OTHER)]
    config = settings(api, enrollment_number=None, api_key=None, enrollments=keys)
    only_one = run(settings(api))
    both = run(config, state=only_one.state)
    read = [(row["enrollment_number"], row["billing_month"][:7]) for row in both.records("billing_months")]
    assert read == [(ENROLLMENT, "2026-11"), (OTHER, "2026-09"), (OTHER, "2026-10"), (OTHER, "2026-11")]
    assert bookmarks(both) == {ENROLLMENT: "2026-11-01", OTHER: "2026-11-01"}


def test_each_enrollment_has_its_own_currency(api: Api) -> None:
    keys = [{"enrollment_number": number, "api_key": api.key(number)} for number in (ENROLLMENT, OTHER)]
    keys[1]["currency"] = "USD"
    output = run(
        settings(api, enrollment_number=None, api_key=None, enrollments=keys, start_date="2026-11", currency="EUR")
    )
    found = {(row["enrollment_number"], row["billing_currency"]) for row in output.records("usage_details")}
    assert found == {(ENROLLMENT, "EUR"), (OTHER, "USD")}


def test_a_failure_in_the_second_enrollment_keeps_the_firsts_state(api: Api) -> None:
    keys = [{"enrollment_number": number, "api_key": api.key(number)} for number in (ENROLLMENT, OTHER)]
    api.set_faults(["400@5"])
    config = settings(api, enrollment_number=None, api_key=None, enrollments=keys, start_date="2026-11")
    output = run(config)
    assert output.error.startswith(f"Enrollment {OTHER}, month 2026-11, page 2")
    assert bookmarks(output) == {ENROLLMENT: "2026-11-01"}


def test_a_first_run_of_nothing_but_404_asks_for_the_enrollment_number(api: Api) -> None:
    output = run(settings(api, enrollment="123"))
    assert output.error == (
        "Enrollment 123: the API answers 404 for every month from 2026-09 to 2026-11: "
        "check `enrollment_number` and `api_url`."
    )
    assert (output.records("billing_months"), output.state) == ([], {})


def test_months_of_404_before_the_first_usage_are_empty_months(api: Api) -> None:
    api.set_faults(["404@1-4"])
    output = run(settings(api))
    assert [(row["billing_month"][:7], row["row_count"]) for row in output.records("billing_months")] == [
        *(("2026-09", 0), ("2026-10", 0), ("2026-11", 120))
    ]
    assert output.outline().count("STATE") == 3


def test_a_404_in_a_later_run_is_an_empty_month_if_the_month_had_no_rows_before(api: Api) -> None:
    api.set_faults(["404@7"])
    state = run(settings(api)).state
    api.set_faults(["404@1"])
    output = run(settings(api), state=state)
    assert [(row["billing_month"][:7], row["row_count"]) for row in output.records("billing_months")] == [
        ("2026-11", 0)
    ]


def test_unreadable_state_is_one_sentence(api: Api) -> None:
    state = run(settings(api)).state
    state["bookmarks"]["billing_months"]["partitions"][0]["replication_key_value"] = "soon"
    output = run(settings(api), state=state)
    assert output.error.startswith(f"The state of enrollment {ENROLLMENT} is unreadable")


def test_usage_details_alone_keeps_state_and_is_warned_of(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    output = run(settings(api), catalog=catalog("usage_details"))
    assert set(output.outline()) == {"SCHEMA usage_details", "RECORD usage_details", "STATE"}
    assert bookmarks(output) == {ENROLLMENT: "2026-11-01"}
    assert len(output.records("usage_details")) == 360
    assert "billing_months is not selected: no month will ever be complete" in caplog.text
    api.clear_requests()
    run(settings(api), catalog=catalog("usage_details"), state=output.state)
    assert asked(api) == ["2026-11"]


def test_billing_months_alone_are_those_of_a_whole_run(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    alone = run(settings(api), catalog=catalog("billing_months"))
    assert set(alone.outline()) == {"SCHEMA billing_months", "RECORD billing_months", "STATE"}
    assert alone.records("billing_months") == run(settings(api)).records("billing_months")
    assert "is not selected" not in caplog.text


def test_fields_that_are_not_selected_are_not_written(api: Api) -> None:
    chosen = catalog("usage_details", "billing_months", deselected_fields=("tags", "additional_info", "extra", "date"))
    rows = run(settings(api, start_date="2026-11"), catalog=chosen).records("usage_details")
    assert len(rows) == 120
    assert not {"tags", "additional_info", "extra", "date"} & rows[0].keys()
    assert len(rows[0]) == 40 - 4


def test_stream_maps_see_the_values_of_a_row(api: Api) -> None:
    maps = {
        "usage_details": {
            "instance_id": "instance_id.lower()",
            "doubled": "float(resource_rate or 0) * 2",
            "__filter__": "row_number <= 60",
            "__alias__": "bill",
        },
        "billing_months": {"__filter__": "row_count > 1000"},
    }
    plain = run(settings(api, start_date="2026-11")).records("usage_details")[:60]
    output = run(settings(api, start_date="2026-11", stream_maps=maps))
    assert output.error == ""
    mapped = output.records("bill")
    assert [row["instance_id"] for row in mapped] == [(row["instance_id"] or "").lower() for row in plain]
    rates = [(row["doubled"], rate["resource_rate"]) for row, rate in zip(mapped, plain, strict=True)]
    numbers = [(doubled, rate) for doubled, rate in rates if isinstance(rate, Decimal)]
    assert len(numbers) > 50
    assert all(float(doubled) == float(rate) * 2 for doubled, rate in numbers)
    assert [row["extended_cost"] for row in mapped] == [row["extended_cost"] for row in plain]
    assert output.records("billing_months") == []
    assert bookmarks(output) == {ENROLLMENT: "2026-11-01"}


def test_a_stream_map_that_drops_billing_months_does_not_drop_the_rows(api: Api) -> None:
    output = run(settings(api, start_date="2026-11", stream_maps={"billing_months": None}))
    assert len(output.records("usage_details")) == 120
    assert output.records("billing_months") == []


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_fetching_ahead_changes_nothing(api: Api, depth: int) -> None:
    ahead, plain = run(settings(api, prefetch_pages=depth)), run(settings(api))
    assert ahead.records("usage_details") == plain.records("usage_details")
    assert ahead.records("billing_months") == plain.records("billing_months")
    assert ahead.outline() == plain.outline()


def test_a_dry_run_reads_no_more_than_it_must_and_calls_no_month_complete(
    api: Api, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert TapAzureEABilling(config=settings(api), clock=lambda: NOW).run_connection_test()
    lines = capfdbinary.readouterr().out.splitlines()
    assert sum(b'"stream":"usage_details","record"' in line for line in lines) == 1
    assert sum(b'"completed_at":null' in line for line in lines) == 1
    assert not any(b"replication_key_value" in line for line in lines)
    assert len(api.requests()) <= 2


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_full_table_replication_takes_no_notice_of_the_bookmark(api: Api, method: str) -> None:
    state = run(settings(api)).state
    chosen = dict(catalog("usage_details", "billing_months"))
    for stream in chosen["streams"]:
        stream["replication_method"] = method
    output = run(settings(api), catalog=chosen, state=state)
    assert output.months() == (["2026-11"] if method == "INCREMENTAL" else ["2026-09", "2026-10", "2026-11"])


steps = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 16), st.booleans()), min_size=1, max_size=5)


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_runs_leave_each_month_as_it_is_in_its_last_complete_snapshot(
    api: Api, steps: list[tuple[int, int, bool]]
) -> None:
    """Days pass, open months are re-rated, runs break off; what counts is what a warehouse would show."""
    revisions: dict[str, int] = defaultdict(int)
    for text in ("2026-08", "2026-09", "2026-10", "2026-11"):
        api.set_revision(ENROLLMENT, text, 0)
    config = settings(api, start_date="2026-08")
    now = at("2026-08-20")
    state: dict[str, Any] = {}
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    month_rows: dict[tuple[str, str], dict[str, Any]] = {}
    for number, (days, broken_at, breaks) in enumerate([*steps, (0, 1, False)]):
        now = min(now + timedelta(days=days, seconds=1), NOW + timedelta(seconds=number))
        for month in months_between(parse_month("2026-08"), current_month(now)):
            if now < closes_at(month, 10):
                revisions[label(month)] += 1
                api.set_revision(ENROLLMENT, label(month), revisions[label(month)])
        api.set_faults([f"400@{broken_at}"] if breaks else [])
        output = run(config, now=now, state=state)
        state = output.state or state
        for row in output.records("usage_details"):
            rows[row["billing_month"], row["snapshot_at"]].append(row["row_number"])
        for row in output.records("billing_months"):
            assert (row["billing_month"], row["snapshot_at"]) not in month_rows
            month_rows[row["billing_month"], row["snapshot_at"]] = row
    served = api.served(ENROLLMENT)
    for month in months_between(parse_month("2026-08"), current_month(now)):
        key = max(key for key in month_rows if key[0] == month.isoformat())
        assert key[1] == max(snapshot for billing_month, snapshot in rows if billing_month == key[0])
        assert rows[key] == list(range(1, served[label(month)]["row_count"] + 1))
        assert month_rows[key]["extended_cost"] == Decimal(served[label(month)]["extended_cost"])
