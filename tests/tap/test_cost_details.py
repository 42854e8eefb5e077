"""Cost Details reports: asked for, waited for, proved whole before a row is written, and none of their links shown."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap.scripted import TOKEN, azure_settings, scripted_api
from tap.tap_runs import NOW, errors, program, run

from tap_azure_ea_billing.sources.azure.answers import AnswerError
from tap_azure_ea_billing.sources.cost_details.reports import check_blob_link
from tap_azure_ea_billing.sources.http.addresses import Address, address

if TYPE_CHECKING:
    from pathlib import Path

    from tap.scripted import Answer, Scripted
    from tap.tap_runs import Output

HEADER = "\ufeffSubscriptionId,Date,ResourceId,Tags,Quantity,CostInBillingCurrency,BillingCurrencyCode,OfferId\r\n"
FIRST = HEADER + 'g,08/31/2026,/vm/1,"""a"": ""1""",1,0.000000000000000000001,EUR,MS-1\r\n'
SECOND = HEADER + "g,2026-08-01,/vm/2,,2.50,12345678901234567890.10,EUR,\r\ng,nie,,,,x,USD,\r\n"
SIGNED = "?sv=2020-05-31&sig=hush%2Bhush"
LINKS = ["{url}/1.csv" + SIGNED, "{url}/2.csv" + SIGNED]
PENDING: Answer = (202, b"", {"Location": "{url}/operations/7?api-version=1", "Retry-After": "0"})
NO_DATA: Answer = (204, b"", {})
REFUSED: Answer = (403, b"<Error>sig=hush</Error>", {"x-ms-error-code": "AuthorizationFailure"})
SCOPE = "/providers/Microsoft.Billing/billingAccounts"


def file(text: str) -> Answer:
    return 200, text.encode(), {}


def report(*texts: str, status: str = "Completed", links: list[str] = LINKS, **manifest: Any) -> Answer:
    """Return a finished report with these files."""
    sizes = [len(text.encode()) for text in texts]
    blobs = [{"blobLink": link, "byteCount": size} for link, size in zip(links, sizes, strict=False)]
    counts = {"blobCount": len(blobs), "byteCount": sum(sizes), "dataFormat": "Csv", "blobs": blobs, **manifest}
    return 200, json.dumps({"name": "report-7", "status": status, "manifest": counts}).encode(), {}


def read(api: Scripted, **other: Any) -> Output:
    return run(azure_settings(api, source="cost_details", **other))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_report_is_asked_for_waited_for_and_read_whole(folder: Path) -> None:
    again: Answer = (202, b"", {"Retry-After": "0"})
    answers = [PENDING, again, report(FIRST, SECOND), file(FIRST), (503, b"", {}), file(SECOND)]
    with scripted_api(answers) as api:
        output = read(api)
    assert output.error == ""
    post, poll, poll_again, *blobs = api.asked
    assert (post.method, post.path) == (
        "POST",
        f"{SCOPE}/1/providers/Microsoft.CostManagement/generateCostDetailsReport?api-version=2025-03-01",
    )
    assert json.loads(post.body) == {"metric": "ActualCost", "billingPeriod": "202608"}
    assert [poll.path, poll_again.path] == ["/rest/operations/7?api-version=1"] * 2
    assert {asked.headers["authorization"] for asked in (post, poll, poll_again)} == {f"Bearer {TOKEN}"}
    assert [asked.path for asked in blobs] == ["/rest/1.csv" + SIGNED, *["/rest/2.csv" + SIGNED] * 2]
    assert not {"authorization", "cookie"} & {name for asked in blobs for name in asked.headers}
    names = ("subscription_guid", "date", "instance_id", "tags", "billing_currency", "run_id")
    rows = output.records("usage_details")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("g", "2026-08-31", "/vm/1", '"a": "1"', "EUR", "report-7"),
        ("g", "2026-08-01", "/vm/2", None, "EUR", "report-7"),
        ("g", None, None, None, "USD", "report-7"),
    ]
    assert [str(row["extended_cost"]) for row in rows] == ["1E-21", "12345678901234567890.10", "None"]
    assert json.loads(rows[2]["unreadable"]) == {"date": "nie", "extended_cost": "x"}
    assert (rows[0]["extra"], rows[1]["extra"]) == ('{"OfferId":"MS-1"}', None)
    (month,) = output.records("billing_months")
    assert month["extended_cost"] == Decimal("12345678901234567890.100000000000000000001")
    size = len((FIRST + SECOND).encode())
    counted = ("source", "row_count", "page_count", "blob_count", "byte_count", "run_id")
    assert [month[name] for name in counted] == ["cost_details", 3, 2, 2, size, "report-7"]
    assert list(folder.iterdir()) == []


def test_both_datasets_of_a_customer_agreement_are_asked_for_by_days() -> None:
    with scripted_api([report(FIRST), file(FIRST)] * 2) as api:
        output = read(api, enrollment_number="a:b_2019-05-31", datasets="actual,amortized")
    assert (output.error, len(output.records("usage_details"))) == ("", 2)
    assert [month["dataset"] for month in output.records("billing_months")] == ["actual", "amortized"]
    days = {"start": "2026-08-01", "end": "2026-08-31"}
    assert [json.loads(asked.body) for asked in api.asked if asked.method == "POST"] == [
        {"metric": "ActualCost", "timePeriod": days},
        {"metric": "AmortizedCost", "timePeriod": days},
    ]
    assert api.paths[0].startswith(f"{SCOPE}/a:b_2019-05-31/providers/Microsoft.CostManagement/")


EMPTY: dict[str, list[Answer]] = {
    "204": [NO_DATA],
    "NoDataFound": [report(status="NoDataFound")],
    "no blobs": [report()],
    "no manifest": [(200, b'{"status": "completed"}', {})],
    "a header alone": [report(HEADER), file(HEADER)],
}


@pytest.mark.parametrize("case", EMPTY)
def test_a_report_without_rows_is_an_empty_month_if_the_next_one_has_none_either(case: str, folder: Path) -> None:
    with scripted_api(EMPTY[case] * 2) as api:
        output = read(api)
    assert (output.error, len(api.paths)) == ("", 2 * len(EMPTY[case]))
    (month,) = output.records("billing_months")
    assert (month["row_count"], month["extended_cost"]) == (0, 0)
    assert list(folder.iterdir()) == []
    with scripted_api([*EMPTY[case], report(FIRST), file(FIRST)]) as api:
        assert len(read(api).records("usage_details")) == 1


def test_a_link_that_is_not_good_any_more_has_the_report_asked_for_once_more() -> None:
    answers = [report(FIRST, SECOND), file(FIRST), REFUSED, report(FIRST), file(FIRST)]
    with scripted_api(answers) as api:
        output = read(api)
    assert (output.error, len(output.records("usage_details"))) == ("", 1)
    assert [asked.method for asked in api.asked].count("POST") == 2


WHERE = "Enrollment 1, month 2026-08,"
FILE = f"{WHERE} file 1 of the report:"
CUT = FIRST.removesuffix("\r\n")
FAILED = b'{"status": "Failed", "error": {"code": "Internal", "message": "no luck\\n today"}}'
ELSEWHERE = "https://elsewhere.example/1.csv" + SIGNED
ENDS: dict[str, tuple[list[Answer], str]] = {
    "failed": ([PENDING, (200, FAILED, {})], f"{WHERE} report: the report failed (Internal: no luck today): run again"),
    "another status": ([report(status="Odd")], f"{WHERE} report: the report has the status 'Odd': run again"),
    "no JSON": ([(200, b"<html>", {})], f"{WHERE} report: the answer is no report (JSON is malformed"),
    "a missing file": ([report(FIRST, blobCount=2)], "the report names 1 file and says that it has 2"),
    "no file of one": ([report(blobCount=1)], "the report names 0 files and says that it has 1"),
    "another size in all": ([report(FIRST, byteCount=7)], f"have {len(FIRST.encode())} bytes in all, and"),
    "a shorter file": (
        [report(FIRST), file(HEADER)],
        f"Gave up after 2 attempts: {FILE} the file has {len(HEADER) + 2}",
    ),
    "a longer file": ([report(HEADER), file(FIRST)], f"{FILE} the file has more than the {len(HEADER) + 2} bytes"),
    "a cut last line": ([report(CUT), file(CUT)], f"{FILE} the file ends within a row: it was cut short."),
    "a short row": ([report(HEADER + "g,1\n"), file(HEADER + "g,1\n")], f"{FILE} row 1 has 2 fields, the header has 8"),
    "no cost": ([report("Date\n1\n"), file("Date\n1\n")], f"{FILE} the header has no cost column"),
    "links refused": (
        [report(FIRST), REFUSED, report(FIRST), REFUSED],
        "two reports (status 403 (AuthorizationFailure",
    ),
    "a throttled file": ([report(FIRST), (429, b"", {})], f"Gave up after 2 attempts: {FILE} the storage answers with"),
    "a redirected file": (
        [report(FIRST), (302, b"", {"Location": ELSEWHERE})],
        f"{FILE} the storage answers with status 302: run again",
    ),
    "a link elsewhere": (
        [report(FIRST, links=[ELSEWHERE])],
        f"{FILE} a link to a file leads to the host 'elsewhere.example' (https), which is no blob host of the cloud",
    ),
    "no location": ([(202, b"", {})], f"{WHERE} report: Azure does not say where the report will be: run again"),
    "a location elsewhere": (
        [(202, b"", {"Location": ELSEWHERE, "Retry-After": "0"})],
        f"{WHERE} report: a link leads to another host than `arm_url`, 'https://elsewhere.example/1.csv': check",
    ),
    "a refused token": ([(401, b"", {})], f"{WHERE} report: Azure refused the token with status 401: put a new token"),
    "never ready": (
        [(202, b"", {"Location": "{url}/7", "Retry-After": "60"})],
        f"{WHERE} report: the report is not ready after `report_deadline` (30 s): run again later, or raise",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_is_no_whole_report_ends_the_run_with_one_sentence_and_without_a_month(case: str, folder: Path) -> None:
    answers, sentence = ENDS[case]
    with scripted_api(answers) as api:
        output = read(api, report_deadline=30)
    assert sentence in output.error
    assert output.records("billing_months") == []
    assert list(folder.iterdir()) == []
    for secret in (TOKEN, "hush", "sig="):
        assert secret not in output.error


def test_a_month_that_had_rows_is_not_believed_to_be_empty() -> None:
    with scripted_api([report(FIRST), file(FIRST)]) as api:
        state = run(azure_settings(api, source="cost_details", start_date="2026-11", end_date="2026-11")).state
    with scripted_api([NO_DATA]) as api:
        config = azure_settings(api, source="cost_details", start_date="2026-11", end_date="2026-11")
        output = run(config, state=state, now=NOW.replace(day=24))
        assert "the month has no rows, and had 1 when it was read before: run again later" in output.error
        assert run({**config, "accept_empty_months": "2026-11"}, state=state, now=NOW.replace(day=24)).error == ""


@pytest.mark.parametrize(
    ("link", "good"),
    [
        ("https://a.blob.core.windows.net/c/1.csv?sig=hush", True),
        ("https://A.BLOB.CORE.WINDOWS.NET:443/c", True),
        ("http://a.blob.core.windows.net/c", False),
        ("https://a.blob.core.windows.net:8443/c", False),
        ("https://a.blob.core.windows.net.elsewhere.example/c", False),
        ("https://blob.core.windows.net/c", False),
        ("https://ablob.core.windows.net/c", False),
        ("https://elsewhere.example\\@a.blob.core.windows.net/c", False),
        ("https://user@a.blob.core.windows.net/c", False),
        ("https://127.0.0.1/c", False),
        ("/c/1.csv", False),
    ],
)
def test_a_file_is_fetched_from_a_blob_host_of_the_cloud_only(link: str, *, good: bool) -> None:
    arm = address("https://management.azure.com")
    assert isinstance(arm, Address)
    if good:
        check_blob_link(link, "core.windows.net", arm)
        return
    with pytest.raises(AnswerError, match="which is no blob host of the cloud") as raised:
        check_blob_link(link, "core.windows.net", arm)
    assert "hush" not in str(raised.value)


def test_no_byte_of_the_programs_output_shows_a_token_or_a_signature(tmp_path: Path) -> None:
    said = f"{TOKEN} https://a.blob.core.windows.net/x{SIGNED} sig=hush"
    told: Answer = (503, json.dumps({"error": {"code": "C", "message": said}}).encode(), {"Retry-After": "0"})
    odd = {"X-Odd": "1\r\nno header at all"}  # urllib3 warns of such headers, with the address
    answers = [told, PENDING, report(FIRST), (503, said.encode(), odd), file(FIRST), told]
    with scripted_api(answers) as api:
        config = azure_settings(api, source="cost_details", end_date="2026-09")
        output = program(config, tmp_path, environment={"TAP_AZURE_EA_BILLING_LOGLEVEL": "DEBUG"})
    assert "| DEBUG " in output.log
    assert len(output.records("usage_details")) == 1
    (error,) = errors(output)
    assert error.startswith(
        "Gave up after 2 attempts: Enrollment 1, month 2026-09, report: Azure answers with status 503"
    )
    for secret in (TOKEN, "hush", "Bearer", "sv=2020"):
        assert secret not in output.log + json.dumps(output.messages, default=str)
