"""Usage details from Azure Resource Manager: what is written, when a month is at its end, what stops a run."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from tap.scripted import NO_DATA, TOKEN, azure_settings, scripted_api
from tap.tap_runs import errors, program, run

from tap_azure_ea_billing.sources.azure import tokens

if TYPE_CHECKING:
    from pathlib import Path

    from tap.scripted import Answer, Scripted
    from tap.tap_runs import Output

LEGACY = b"""{"id": "/1", "name": "1", "type": "Microsoft.Consumption/usageDetails", "kind": "legacy",
 "tags": {"app" : "shop", "n": 1.10}, "properties": {"accountName": "A", "subscriptionId": "guid", "date":
 "2026-08-30T00:00:00.0000000Z", "Product": "P", "meterDetails": {"meterName": "D2", "meterCategory": "VM",
 "meterSubCategory": null, "unitOfMeasure": "1 Hour", "serviceFamily": "Compute"}, "quantity": 0.82340,
 "effectivePrice": 7.29E-9, "cost": 0.000342194841184000000001, "billingCurrency": "CNY", "resourceId": "/vm/1",
 "additionalInfo": "{\\"a\\": 1}", "isAzureCreditEligible": false, "OfferId": "MS-1", "payGPrice": 2,
 "new": {"b": 1}}}"""
MODERN = b"""{"id": "/2", "kind": "modern", "tags": null, "properties": {"subscriptionGuid": "guid", "date":
 "2026-08-31", "product": "Q", "meterName": "D4", "quantity": 1, "costInBillingCurrency": 12345678901234567890.12,
 "instanceName": "/vm/2", "billingCurrencyCode": "EUR", "exchangeRate": "1.50",
 "partnerEarnedCreditApplied": "0", "offerid": "MS-2"}}"""
UNAVAILABLE: Answer = (503, b"", {})
ELSEWHERE = b"https://elsewhere.example/usageDetails?x=1"
LINK = b"{url}/next?$skiptoken=A%2BB%3D&sig=hush"


def page(*records: bytes, link: bytes = b"", beside: bytes = b"") -> Answer:
    """Return a page, with a link to the next one if there is any."""
    after = b', "nextLink": "%s"' % link if link else b""
    return 200, b'{"value": [' + b",".join(records) + b"]" + after + beside + b"}", {}


def failed(status: int, code: str = "Code", **headers: str) -> Answer:
    return status, json.dumps({"error": {"code": code, "message": f"said {TOKEN}"}}).encode(), headers


def read(api: Scripted, **other: Any) -> Output:
    return run(azure_settings(api, source="arm", **other))


def test_records_of_both_kinds_and_any_case_come_digit_for_digit() -> None:
    with scripted_api([page(LEGACY, MODERN)]) as api:
        output = read(api)
    first, second = output.records("usage_details")
    assert output.error == ""
    wanted = {
        "account_name": "A",
        "subscription_guid": "guid",
        "date": "2026-08-30",
        "product": "P",
        "meter_name": "D2",
        "meter_category": "VM",
        "meter_sub_category": None,
        "unit_of_measure": "1 Hour",
        "service_family": "Compute",
        "instance_id": "/vm/1",
        "tags": '{"app" : "shop", "n": 1.10}',
        "additional_info": '{"a": 1}',
        "billing_currency": "CNY",
        "payg_price": 2,
    }
    assert {name: first[name] for name in wanted} == wanted
    numbers = ("consumed_quantity", "resource_rate", "extended_cost")
    assert [str(first[name]) for name in numbers] == ["0.82340", "7.29E-9", "0.000342194841184000000001"]
    assert json.loads(first["extra"]) == {"isAzureCreditEligible": "false", "OfferId": "MS-1", "new": '{"b": 1}'}
    wanted = {"product": "Q", "meter_name": "D4", "instance_id": "/vm/2", "billing_currency": "EUR", "tags": None}
    assert {name: second[name] for name in wanted} == wanted
    assert (str(second["extended_cost"]), str(second["exchange_rate"])) == ("12345678901234567890.12", "1.50")
    assert json.loads(second["extra"]) == {"partnerEarnedCreditApplied": "0", "offerid": "MS-2"}
    (month,) = output.records("billing_months")
    assert (month["row_count"], month["page_count"], month["source"]) == (2, 1, "arm")
    assert month["extended_cost"] == Decimal("12345678901234567890.120342194841184000000001")


@pytest.mark.parametrize(
    ("other", "path", "parameters"),
    [
        ({}, "/providers/Microsoft.Billing/billingAccounts/1/providers/Microsoft.Billing/billingPeriods/202608", {}),
        (
            {"enrollment_number": "a-b:c_2019-05-31", "datasets": "amortized"},
            "/providers/Microsoft.Billing/billingAccounts/a-b:c_2019-05-31",
            {"startDate": ["2026-08-01"], "endDate": ["2026-08-31"], "metric": ["amortizedcost"]},
        ),
        (
            {"scope": "/subscriptions/s/", "agreement": "mca", "usage_details_api_version": "2021-10-01"},
            "/subscriptions/s",
            {"startDate": ["2026-08-01"], "endDate": ["2026-08-31"], "api-version": ["2021-10-01"]},
        ),
    ],
)
def test_a_month_is_asked_for_as_the_agreement_names_it(other: Any, path: str, parameters: Any) -> None:
    with scripted_api([page(LEGACY)]) as api:
        assert read(api, **other).error == ""
    (asked,) = api.asked
    found = urlsplit(asked.path)
    assert found.path == f"{path}/providers/Microsoft.Consumption/usageDetails"
    expand = ["properties/meterDetails,properties/additionalInfo"]
    usual = {"api-version": ["2024-08-01"], "metric": ["actualcost"], "$top": ["1000"], "$expand": expand}
    assert parse_qs(found.query) == {**usual, **parameters}
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_the_link_to_the_next_page_is_followed_as_it_is_to_the_last_page() -> None:
    with scripted_api([page(LEGACY, link=LINK), page(link=LINK + b"2"), page(MODERN)]) as api:
        output = read(api)
    assert (output.error, len(output.records("usage_details"))) == ("", 2)
    assert api.paths[1:] == ["/rest/next?$skiptoken=A%2BB%3D&sig=hush", "/rest/next?$skiptoken=A%2BB%3D&sig=hush2"]
    assert output.records("billing_months")[0]["page_count"] == 2


def test_an_empty_month_is_believed_when_it_is_empty_twice() -> None:
    with scripted_api([NO_DATA]) as api:
        output = read(api)
    assert (output.error, len(api.paths)) == ("", 2)
    (month,) = output.records("billing_months")
    assert (month["row_count"], month["extended_cost"]) == (0, 0)
    with scripted_api([NO_DATA, page(LEGACY)]) as api:
        assert len(read(api).records("usage_details")) == 1


def test_a_month_that_had_rows_is_not_believed_to_be_empty() -> None:
    with scripted_api([page(LEGACY)]) as api:
        state = read(api).state
    state["bookmarks"]["billing_months"]["partitions"][0]["row_counts"]["2026-08-01"] = 1
    state["bookmarks"]["billing_months"]["partitions"][0]["snapshots"] = {"2026-08-01": "2026-08-20T00:00:00.000+00:00"}
    with scripted_api([NO_DATA]) as api:
        output = run(azure_settings(api, source="arm"), state=state)
    assert "the month has no rows, and had 1 when it was read before: run again later" in output.error
    assert output.records("billing_months") == []


WHERE = "Enrollment 1, month 2026-08, page"
ENDS: dict[str, tuple[list[Answer], str]] = {
    "a link that was followed": (
        [page(LEGACY, link=LINK), page(MODERN, link=LINK)],
        f"{WHERE} 2: `nextLink` was followed before in the month",
    ),
    "a link to another host": (
        [page(LEGACY, link=ELSEWHERE)],
        f"{WHERE} 2: a link leads to another host than `arm_url`, 'https://elsewhere.example/usageDetails': check",
    ),
    "records that were there": (
        [page(LEGACY, link=LINK), page(LEGACY, link=LINK + b"2")],
        f"{WHERE} 2: the page has the same records as one before it: run again",
    ),
    "no data behind a link": ([page(LEGACY, link=LINK), NO_DATA], f"{WHERE} 2: Azure answers with status 204 where"),
    "a redirect": (
        [(302, b"", {"Location": "https://elsewhere.example/"})],
        f"{WHERE} 1: Azure answers with status 302",
    ),
    "a refused token": (
        [failed(401)],
        f"{WHERE} 1: Azure refused the token with status 401 (Code: said (key)): put a new token into `access_token`",
    ),
    "no access": ([failed(403)], f"{WHERE} 1: Azure refused access with status 403 (Code: said (key)): give the iden"),
    "another status": (
        [failed(404)],
        f"{WHERE} 1: Azure answers with status 404 (Code: said (key)): check `enrollment",
    ),
    "throttling": ([failed(429)], f"Gave up after 2 attempts: {WHERE} 1: Azure answers with status 429 (Code: said"),
    "an answer without data": ([(202, b"", {})], f"{WHERE} 1: Azure answers with status 202, which has no data"),
    "no JSON": ([(200, b"<html>", {})], f"{WHERE} 1: the answer is not a page of usage details (JSON is malformed"),
    "no list": ([(200, b'{"properties": {}}', {})], f"{WHERE} 1: the answer has no list of records: run again later"),
    "an error in a good answer": (
        [page(LEGACY, beside=b',"error":{"code":"C","message":"M"}')],
        f"{WHERE} 1: the answer has an error beside its records (C: M)",
    ),
    "a link under another name": (
        [page(LEGACY, beside=b',"continuationToken":"x"')],
        f"{WHERE} 1: `continuationToken` looks like a link to the next page under another name",
    ),
    "two links": ([page(LEGACY, link=LINK, beside=b',"@odata.nextLink":"{url}/b"')], "two links to the next page"),
    "a link that is no text": ([page(LEGACY, beside=b',"nextLink":[1]')], "`nextLink` is not text"),
    "records without properties": ([page(b'{"id":"/1","properties":{}}')], "the records have no properties"),
    "records without a cost": ([page(b'{"properties":{"date":"2026-08-01"}}')], f"{WHERE} 1: the header has no cost"),
    "more pages than may be": ([page(LEGACY, link=LINK), page(MODERN, link=LINK + b"2"), page()], "`max_pages` (2)"),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_is_no_month_ends_the_run_with_one_sentence_and_without_a_month(case: str) -> None:
    answers, sentence = ENDS[case]
    with scripted_api(answers) as api:
        output = read(api, max_pages=2, prefetch_pages=0)
    assert sentence in output.error
    assert output.error.count("\n") == 0
    assert output.records("billing_months") == []
    for secret in (TOKEN, "hush"):
        assert secret not in output.error


def test_passing_failures_are_ridden_out_and_the_longest_wait_is_named(caplog: pytest.LogCaptureFixture) -> None:
    waits = {"Retry-After": "1", "x-ms-ratelimit-microsoft.consumption-tenant-retry-after": "7"}
    with scripted_api([(429, b"", waits), page(LEGACY, link=LINK), UNAVAILABLE, page(MODERN)]) as api:
        output = read(api, max_backoff=0)
    assert (output.error, len(output.records("usage_details"))) == ("", 2)
    assert caplog.text.count("Try 1 failed") == 2


def test_nothing_of_a_month_is_written_if_the_clocks_differ() -> None:
    with scripted_api([(*page(LEGACY)[:2], {"Date": "Mon, 23 Nov 2026 06:05:02 GMT"})]) as api:
        assert read(api, max_clock_skew=302).error == ""
        output = read(api, max_clock_skew=300, datasets="amortized")
    assert output.error.startswith(
        "Enrollment 1 (amortized), month 2026-08, page 1: this machine's clock (2026-11-23T06"
    )
    assert output.records("usage_details") == []


class Signing:
    """A credential that gives each of some tokens in turn; one that is an error is raised."""

    def __init__(self, *given: str | Exception) -> None:
        self.given = list(given)

    def get_token(self, scope: str) -> AccessToken:
        """Return the token."""
        assert scope == "https://management.azure.com/.default"
        token = self.given[0]
        if isinstance(token, Exception):
            raise token
        return AccessToken(token, 0)


def test_a_token_that_is_refused_is_asked_for_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signing = iter([Signing("first"), Signing("second")])
    monkeypatch.setattr(tokens, "credential", lambda *_: next(signing))
    with scripted_api([failed(401), page(LEGACY, link=LINK), page(MODERN)]) as api:
        output = read(api)
    assert (output.error, len(output.records("usage_details"))) == ("", 2)
    assert [asked.headers["authorization"].split()[1] for asked in api.asked] == ["first", "second", "second"]


def test_no_token_is_one_sentence_that_names_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ClientAuthenticationError("AADSTS7000215: wrong secret hush-hush-hush\nTrace ID: 1")
    monkeypatch.setattr(tokens, "credential", lambda *_: Signing(refused))
    with scripted_api([page(LEGACY)]) as api:
        output = read(api, auth="client_secret", client_secret="hush-hush-hush")  # noqa: S106 - of no account
    assert (api.paths, output.records("billing_months")) == ([], [])
    assert output.error == (
        "No token for Azure Resource Manager by `auth` client_secret (login.microsoftonline.com): AADSTS7000215: wrong "
        "secret (key) Trace ID: 1: check `tenant_id`, `client_id`, `client_secret` and `cloud`."
    )


def test_no_byte_of_the_programs_output_shows_a_token_or_a_signature(tmp_path: Path) -> None:
    answers = [failed(429, **{"Retry-After": "0"}), page(LEGACY, link=LINK), failed(403, f"C {LINK.decode()}")]
    with scripted_api(answers) as api:
        config = azure_settings(api, source="arm")
        output = program(config, tmp_path, environment={"TAP_AZURE_EA_BILLING_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    assert output.exit_code == 1
    assert "| DEBUG " in output.log
    (error,) = errors(output)
    assert error.startswith("Enrollment 1, month 2026-08, page 2: Azure refused access with status 403")
    assert len(output.records("usage_details")) == 1
    for secret in (TOKEN, "hush", "Bearer"):
        assert secret not in output.log + json.dumps(output.messages, default=str)
