"""Each row of `docs/api-answers.md` as the simulated API's faults bring it about: what is written, what stops."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap.tap_runs import ENROLLMENT, run, settings

if TYPE_CHECKING:
    from tap.tap_runs import Output

    from sandbox.launch import Api

ROWS = 120
PAGES = 3
MONTHS = ["2026-10", "2026-11"]

CARRIED_ON = [
    *("503@2", "500@1", "502@3", "504@2-3", "429@2", "429=0@2", "429=date:0@1", "429=3600@2"),
    *("reset@1", "reset@2", "truncated@1", "truncated@3", "malformed@1", "malformed@2", "html@1", "html@3"),
    *("nocontent@1", "nocontent@2", "empty@1", "empty@2", "empty@3", "nobom@1-9", "503%0.2"),
]
STOPPED = {
    "401@1": "page 1: the API refused the key with status 401",
    "401@2": "page 2: the API refused the key with status 401",
    "403@2": "page 2: the API refused the key with status 403",
    "400@2": "page 2: unexpected answer with status 400",
    "405@1": "page 1: unexpected answer with status 405",
    "404@2": "page 2: unexpected answer with status 404",
    "csv@2": "page 2: unexpected answer with status 200 (CSV text instead of a later page)",
    "csvrows@1": "page 1: unexpected answer with status 200 (CSV text with data rows)",
    "csvrows@3": "page 3: unexpected answer with status 200 (CSV text instead of a later page)",
    "nextlink=scheme@1": "page 1: unexpected answer with status 200 (`nextLink` has another scheme, host or port",
    "nextlink=host@2": "page 2: unexpected answer with status 200 (`nextLink` has another scheme, host or port",
    "nextlink=port@1": "page 1: unexpected answer with status 200 (`nextLink` has another scheme, host or port",
    "nextlink=repeat@1": "page 1: unexpected answer with status 200 (`nextLink` was followed before",
    "nextlink=repeat@2": "page 2: unexpected answer with status 200 (`nextLink` was followed before",
}
GAVE_UP = {
    "503@2-9": "page 2: unexpected answer with status 503",
    "429@1-9": "page 1: unexpected answer with status 429",
    "truncated@2-9": "page 2: the answer broke off",
    "reset@1-9": "page 1: the answer broke off",
    "malformed@2-9": "page 2: unexpected answer with status 200 (malformed JSON",
    "html@3-9": "page 3: unexpected answer with status 200 (malformed JSON",
    "nocontent@2-9": "page 2: unexpected answer with status 200 (JSON without a list in `content`",
}


def with_fault(api: Api, fault: str, **other: Any) -> Output:
    api.set_faults([fault])
    return run(settings(api, start_date=MONTHS[0], **other))


def assert_whole(api: Api, output: Output, months: list[str]) -> None:
    """Hold the month rows and the usage rows against what the API says that it served."""
    assert output.error == ""
    served = api.served(ENROLLMENT)
    for month in months:
        (row,) = [record for record in output.records("billing_months") if record["billing_month"] == f"{month}-01"]
        assert (row["row_count"], row["page_count"]) == (ROWS, PAGES)
        assert Decimal(str(row["extended_cost"])) == pytest.approx(
            Decimal(served[month]["extended_cost"]), abs=Decimal("1e-9")
        )
        numbers = [r["row_number"] for r in output.records("usage_details") if r["billing_month"] == f"{month}-01"]
        assert numbers == list(range(1, ROWS + 1))


@pytest.mark.parametrize("fault", CARRIED_ON)
def test_a_passing_fault_costs_no_row(api: Api, fault: str) -> None:
    assert_whole(api, with_fault(api, fault, max_retries=9), MONTHS)


@pytest.mark.parametrize("fault", STOPPED)
def test_an_answer_that_nobody_can_read_stops_the_run_at_once(api: Api, fault: str) -> None:
    output = with_fault(api, fault)
    number = int(fault[-1])
    assert output.error.startswith(f"Enrollment {ENROLLMENT}, month 2026-10, {STOPPED[fault]}")
    assert len(api.requests()) == number
    assert_nothing_is_complete(api, output, number - 1)


@pytest.mark.parametrize("fault", GAVE_UP)
def test_a_lasting_fault_stops_the_run_after_the_retries(api: Api, fault: str) -> None:
    output = with_fault(api, fault)
    number = int(fault.split("@")[1][0])
    where = f"Enrollment {ENROLLMENT}, month 2026-10"
    assert output.error.startswith(f"Gave up after 3 attempts: {where}, {GAVE_UP[fault]}")
    assert len(api.requests()) == number + 2
    assert_nothing_is_complete(api, output, number - 1)


def assert_nothing_is_complete(api: Api, output: Output, good_pages: int) -> None:
    """Hold that only whole pages were written, no month row and no STATE, and that no other host got the key."""
    assert len(output.records("usage_details")) == min(good_pages * 50, ROWS)
    assert output.records("billing_months") == []
    assert output.state == {}
    assert api.key(ENROLLMENT) not in output.error
    assert {request["host"] for request in api.requests()} == {api.url.split("/")[2]}


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(api: Api) -> None:
    assert_whole(api, with_fault(api, "timeout=1.5@2", request_timeout=1), MONTHS)


def test_an_api_that_never_answers_in_time_stops_the_run(api: Api) -> None:
    output = with_fault(api, "timeout=1.5@2-9", request_timeout=1, max_retries=1)
    assert output.error == (
        f"Gave up after 2 attempts: Enrollment {ENROLLMENT}, month 2026-10, page 2: no answer in time: "
        "check the network and `api_url`."
    )


def test_an_api_that_is_not_there_stops_the_run(api: Api) -> None:
    output = run(settings(api, api_url="http://127.0.0.1:1/rest"))
    assert output.error.startswith(
        f"Gave up after 3 attempts: Enrollment {ENROLLMENT}, month 2026-09, page 1: the connection"
    )


@pytest.mark.parametrize("fault", ["404@1-2", "csv@1-2"])
def test_a_past_month_without_usage_has_no_rows_and_a_warning(
    api: Api, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    output = with_fault(api, fault)
    assert_whole(api, output, MONTHS[1:])
    assert output.records("billing_months")[0]["row_count"] == 0
    assert output.records("billing_months")[0]["page_count"] == 0
    assert output.records("billing_months")[0]["extended_cost"] == 0
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "no usage" in r.getMessage()]
    assert len(warnings) == 1
    assert f"Enrollment {ENROLLMENT}, month 2026-10" in warnings[0]


@pytest.mark.parametrize("fault", ["404@1", "csv@1"])
def test_one_empty_answer_for_a_past_month_is_not_believed(api: Api, fault: str) -> None:
    assert_whole(api, with_fault(api, fault), MONTHS)


def test_the_current_month_may_be_empty_without_a_warning(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    output = with_fault(api, "csv@4")
    assert_whole(api, output, MONTHS[:1])
    assert output.records("billing_months")[1]["row_count"] == 0
    assert "no usage" not in caplog.text


def test_retry_after_is_waited_for_and_its_cap_is_kept(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert_whole(api, with_fault(api, "429=1@2", max_backoff=20), MONTHS)
    (line,) = [r.getMessage() for r in caplog.records if "Try 1 failed" in r.getMessage()]
    assert 1.0 <= float(line.split("next in ")[1].split(" s")[0]) <= 1.5  # the first wait would be 2 s
    caplog.clear()
    assert_whole(api, with_fault(api, "503=3600@2", max_backoff=0.02), MONTHS)
    assert "next in 0.0 s" in caplog.text


def test_a_refused_key_is_explained_by_what_it_says_of_itself(api: Api) -> None:
    output = run(settings(api, api_key="not-a-key"))
    assert "it is not a key from the EA portal, or not a whole one" in output.error
    assert "TAP_AZURE_EA_BILLING_API_KEY" in output.error
    assert "not-a-key" not in output.error


def test_the_key_is_not_shown_even_if_the_api_repeats_it(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    config = settings(api, api_key="Unauthorized")  # a word of the error bodies
    api.set_faults(["401@1"])
    output = run(config)
    assert "(key)" in output.error
    assert "Unauthorized" not in output.error + caplog.text
