"""The simulated Resource Manager as a client meets it: both APIs, their truth, tokens, and each fault."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner

from sandbox.bill import columns
from sandbox.cli import main
from sandbox.exports.destination import Folder
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import Arm, running_arm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MONTH = "2026-08"
EA = "providers/Microsoft.Billing/billingAccounts/88888888"
MCA_ACCOUNT = "7c05a543-80ff-571e-9f98-1063b3b53cf2:99ad03ad-2d1b-4889-a452-090ad407d25f_2019-05-31"
MCA = f"providers/Microsoft.Billing/billingAccounts/{MCA_ACCOUNT}"
PERIOD = "providers/Microsoft.Billing/billingPeriods/202608"
DATES = {"startDate": "2026-08-01", "endDate": "2026-08-31"}
EXPAND = {"$expand": "properties/meterDetails,properties/additionalInfo"}


@pytest.fixture(scope="module")
def ea_server() -> Iterator[Arm]:
    with running_arm(first=MONTH, last="2026-09", rows=250, page_size=100) as running:
        yield running


@pytest.fixture
def ea(ea_server: Arm) -> Arm:
    ea_server.set_faults([])
    ea_server.clear_requests()
    return ea_server


@pytest.fixture(scope="module")
def mca() -> Iterator[Arm]:
    with running_arm(account=MCA_ACCOUNT, agreement="mca", first=MONTH, last=MONTH, rows=250, page_size=100) as running:
        yield running


def headers(arm: Arm, token: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {token or arm.token()}"}


def usage(arm: Arm, scope: str = f"{EA}/{PERIOD}", *, token: str = "", **query: str) -> requests.Response:
    wanted = {"api-version": "2024-08-01", "metric": "actualcost"} | query
    url = f"{arm.url}/{scope}/providers/Microsoft.Consumption/usageDetails"
    return requests.get(url, params=wanted, headers=headers(arm, token), timeout=30)


def followed(arm: Arm, scope: str = f"{EA}/{PERIOD}", **query: str) -> list[dict[str, Any]]:
    found = []
    response = usage(arm, scope, **query)
    while True:
        body = json.loads(response.text, parse_float=Decimal, parse_int=Decimal)
        found += body["value"]
        if "nextLink" not in body:
            return found
        response = requests.get(body["nextLink"], headers=headers(arm), timeout=30)


def asked(arm: Arm, scope: str = EA, **body: Any) -> requests.Response:
    url = f"{arm.url}/{scope}/providers/Microsoft.CostManagement/generateCostDetailsReport?api-version=2025-03-01"
    return requests.post(url, json=body, headers=headers(arm), timeout=30)


def polled(arm: Arm, response: requests.Response) -> requests.Response:
    while response.status_code == 202:
        assert response.headers["Retry-After"] == "0"
        response = requests.get(response.headers["Location"], headers=headers(arm), timeout=30)
    return response


def reported(arm: Arm, scope: str = EA, **body: Any) -> list[dict[str, str]]:
    result = polled(arm, asked(arm, scope, **body)).json()
    assert result["status"] == "Completed"
    rows = []
    for blob in result["manifest"]["blobs"]:
        content = requests.get(blob["blobLink"], timeout=30).content
        assert len(content) == blob["byteCount"]
        assert content.startswith(BOM_UTF8)
        rows += list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return rows


def test_usage_details_reports_and_exports_are_the_same_bill(ea: Arm, mca: Arm, tmp_path: Path) -> None:
    for arm, agreement, account, scope, dates in (
        (ea, "ea", "88888888", f"{EA}/{PERIOD}", {}),
        (mca, "mca", MCA_ACCOUNT, MCA, DATES),
    ):
        options = ExportOptions(account=account, agreement=agreement, months=(MONTH,), rows=250)
        truths = write_exports(options, Folder(tmp_path / agreement))
        name, wish = columns.columns(agreement, columns.NEWEST[agreement]), {"start": "2026-08-01", "end": "2026-08-31"}
        for metric, dataset in (("ActualCost", "actual"), ("AmortizedCost", "amortized")):
            truth = truths[dataset][MONTH]
            expected = (truth.rows, truth.cost)
            served = arm.served()[dataset][MONTH]
            assert (served["rows"], Decimal(served["cost"])) == expected
            records = followed(arm, scope, metric=metric.lower(), **dates)
            cost = "cost" if agreement == "ea" else "costInBillingCurrency"
            assert (len(records), sum(record["properties"][cost] for record in records)) == expected
            rows = reported(arm, scope.removesuffix(f"/{PERIOD}"), metric=metric, timePeriod=wish)
            column = next(column for column in name if columns.field_of(column) == "costInBillingCurrency")
            assert (len(rows), sum(Decimal(row[column]) for row in rows)) == expected
            assert tuple(rows[0]) == name


def test_records_have_the_properties_of_their_kind(ea: Arm, mca: Arm) -> None:
    plain, expanded = (usage(ea, **query).json()["value"] for query in ({}, EXPAND))
    assert plain[0]["kind"] == "legacy"
    assert list(plain[0]["properties"]) == list(columns.record_properties("legacy"))
    assert {record["properties"]["meterDetails"] for record in plain} == {None}
    assert list(expanded[0]["properties"]["meterDetails"]) == list(columns.record_properties("legacy.meterDetails"))
    assert expanded[0]["properties"]["date"] == "2026-08-01T00:00:00.0000000Z"
    assert isinstance(next(record["tags"] for record in plain if record["tags"]), dict)
    assert "PayGPrice" in plain[1]["properties"]
    modern = usage(mca, MCA, **DATES).json()["value"]
    assert modern[0]["kind"] == "modern"
    assert list(modern[0]["properties"]) == list(columns.record_properties("modern"))
    assert isinstance(modern[0]["properties"]["exchangeRate"], str)
    assert "effectivePrice" not in modern[1]["properties"]


def test_months_are_named_as_the_agreement_has_it(ea: Arm, mca: Arm) -> None:
    by_period = followed(ea)
    dates = "properties/usageStart ge '2026-08-01' and properties/usageEnd le '2026-08-31'"
    assert followed(ea, EA, **{"$filter": dates}) == [
        record | {"id": record["id"].replace(f"/{PERIOD}", "")} for record in by_period
    ]
    half = followed(ea, EA, startDate="2026-08-16", endDate="2026-09-02")
    days = {record["properties"]["date"][:10] for record in half}
    assert (min(days), max(days)) == ("2026-08-16", "2026-09-02")
    assert usage(mca, f"{MCA}/{PERIOD}").status_code == 400
    assert usage(mca, MCA, **{"$filter": dates}).status_code == 400
    guid = next(
        record["properties"]["subscriptionId"] for record in by_period if record["properties"]["subscriptionId"]
    )
    own = followed(ea, f"subscriptions/{guid}/{PERIOD}")
    assert 0 < len(own) < len(by_period)
    assert {record["properties"]["subscriptionId"] for record in own} == {guid}
    assert usage(ea, f"{EA[:-1]}9/{PERIOD}").status_code == 404
    assert usage(ea, f"{EA}/{PERIOD.replace('202608', '202601')}").status_code == 204


def test_a_report_is_for_one_month_named_in_one_way(ea: Arm) -> None:
    assert len(reported(ea, billingPeriod="202608")) == ea.served()["actual"][MONTH]["rows"]
    assert len(reported(ea)) == ea.served()["actual"]["2026-09"]["rows"]
    long = {"start": "2026-08-01", "end": "2026-09-02"}
    for body, words in (
        ({"billingPeriod": "202608", "timePeriod": long}, "only have either"),
        ({"timePeriod": long}, "maximum allowed date range"),
        ({"timePeriod": {"start": "2026-08-02", "end": "2026-08-01"}}, "Start date must be"),
        ({"metric": "Usage"}, "metric"),
    ):
        refused = asked(ea, **body)
        assert refused.status_code == 400
        assert words in refused.json()["error"]["message"]
    assert asked(ea, billingPeriod="202602").status_code == 204
    assert polled(ea, asked(ea, billingPeriod="202601")).json()["status"] == "NoDataFound"


def test_a_revised_month_is_another_bill(ea: Arm) -> None:
    before = ea.served()["actual"][MONTH]
    ea.set_revision(MONTH, 1)
    assert ea.served()["actual"][MONTH] != before
    ea.set_revision(MONTH, 5)
    assert ea.served()["actual"][MONTH] == before


def test_tokens_are_for_the_manager_and_not_for_blobs(ea: Arm) -> None:
    for token, code in ((ea.token(-1), "ExpiredAuthenticationToken"), ("nonsense", "InvalidAuthenticationToken")):
        refused = usage(ea, token=token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, code)
    link = polled(ea, asked(ea)).json()["manifest"]["blobs"][0]["blobLink"]
    assert urlsplit(link).port != urlsplit(ea.url).port
    assert requests.get(link, headers=headers(ea), timeout=30).status_code == 403
    assert requests.get(link.replace("sig=", "sig=0"), timeout=30).status_code == 403
    assert requests.get(link, timeout=30).status_code == 200
    blobs = [request for request in ea.requests() if request["stage"] == "blob"]
    assert [(request["bearer"], request["status"]) for request in blobs] == [(True, 403), (False, 403), (False, 200)]
    assert "sig" not in json.dumps(ea.requests())


@pytest.mark.parametrize(
    ("argument", "header", "value"),
    [
        ("2", "Retry-After", "2"),
        ("date:5", "Retry-After", "GMT"),
        *(
            (f"{name}:3", name, "3")
            for name in (
                "x-ms-ratelimit-microsoft.consumption-retry-after",
                "x-ms-ratelimit-microsoft.consumption-tenant-retry-after",
                "x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after",
            )
        ),
    ],
)
def test_throttling_names_the_wait_in_each_header(ea: Arm, argument: str, header: str, value: str) -> None:
    ea.set_faults([f"usage:429={argument}@2"])
    assert usage(ea).status_code == 200
    throttled = usage(ea)
    assert throttled.status_code == 429
    assert throttled.headers[header].endswith(value)
    assert usage(ea).status_code == 200


def test_faults_of_pages(ea: Arm) -> None:
    links = {}
    for change in ("repeat", "scheme", "host", "port", "path"):
        ea.set_faults([f"nextlink={change}@1"])
        answer = usage(ea)
        links[change] = answer.json()["nextLink"]
        assert (links[change] == answer.url) is (change == "repeat")
    assert urlsplit(links["scheme"]).scheme == "https"
    assert urlsplit(links["host"]).hostname == "localhost"
    assert urlsplit(links["port"]).port != urlsplit(ea.url).port
    assert urlsplit(links["path"]).path.startswith("/other/")
    ea.set_faults(["usage:truncated@1", "usage:malformed@2", "usage:503@3", "usage:html@4", "usage:nothing@5"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        usage(ea)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        usage(ea).json()
    assert [usage(ea).status_code for _ in range(3)] == [503, 200, 204]


def test_faults_of_reports(ea: Arm) -> None:
    def result(*faults: str) -> Any:
        ea.set_faults(faults)
        response = asked(ea, billingPeriod="202608")
        return requests.get(response.headers["Location"], headers=headers(ea), timeout=30)

    assert result("poll:failed@1").json()["error"]["message"] == "The report could not be made."
    assert result("poll:nodata@1").json()["status"] == "NoDataFound"
    assert result("poll:nothing@1").status_code == 204
    assert result("poll:401@1").status_code == 401
    again = result("poll:again@1")
    assert (again.status_code, "Location" in again.headers) == (202, False)
    assert result("poll:noblobs@1").json()["manifest"]["blobs"] == []
    for kind, field in (("bytecount", "byteCount"), ("blobcount", "blobCount")):
        manifest = result(f"poll:{kind}@1").json()["manifest"]
        contents = [requests.get(blob["blobLink"], timeout=30).content for blob in manifest["blobs"]]
        right = {"byteCount": sum(map(len, contents)), "blobCount": len(contents)}
        assert {name: manifest[name] - right[name] for name in right} == {n: int(n == field) for n in right}
    expired = result("poll:expired@1").json()["manifest"]["blobs"][0]["blobLink"]
    assert "AuthenticationFailed" in requests.get(expired, timeout=30).text
    blob = result("blob:malformed@1", "blob:503@2", "blob:redirect@3", "poll:timeout=0@1").json()["manifest"]["blobs"][
        0
    ]
    assert len(requests.get(blob["blobLink"], timeout=30).content) < blob["byteCount"]
    assert requests.get(blob["blobLink"], timeout=30).status_code == 503
    away = requests.get(blob["blobLink"], timeout=30, allow_redirects=False)
    assert (away.status_code, urlsplit(away.headers["Location"]).hostname) == (302, "localhost")


def test_the_command_refuses_an_unknown_fault_and_prints_tokens(ea: Arm) -> None:
    refused = CliRunner().invoke(main, ["arm", "--fault=blob:csv@1"])
    assert refused.exit_code == 2
    assert "no known kind" in refused.output
    assert usage(ea, token=CliRunner().invoke(main, ["token"]).output.strip()).status_code == 200
