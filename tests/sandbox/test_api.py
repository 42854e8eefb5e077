"""The simulated API as a client meets it: real processes over HTTP, each fault, what tests ask of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.api.keys import make_key
from sandbox.bill.generator import Bill
from sandbox.launch import Api, running_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENROLLMENT = "88888888"
MONTH = "2026-09"
CSV_START = b'"Usage Data Extract",'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(
        tmp_path_factory.mktemp("api"), enrollments=(ENROLLMENT, "77777777"), rows=250, page_size=100
    ) as api:
        yield api


@pytest.fixture
def api(running: Api) -> Api:
    running.set_faults([])
    running.clear_requests()
    return running


def usage_url(api: Api, page: int = 0, month: str = MONTH, enrollment: str = ENROLLMENT) -> str:
    return f"{api.url}/{enrollment}/usage-report/paginatedV3?month={month}&pageindex={page}&fmt=json"


def get(api: Api, url: str, key: str | None = None) -> requests.Response:
    return requests.get(url, headers={"Authorization": f"bearer {key or api.key(ENROLLMENT)}"}, timeout=30)


def faulty(api: Api, spec: str, page: int = 0) -> requests.Response:
    api.set_faults([f"{spec}@1"])
    return get(api, usage_url(api, page))


def read(response: requests.Response) -> dict[str, Any]:
    assert response.status_code == 200
    assert response.content.startswith(BOM_UTF8)
    body: dict[str, Any] = json.loads(response.content.decode("utf-8-sig"))
    return body


def follow(api: Api, month: str, enrollment: str = ENROLLMENT) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    url: str | None = usage_url(api, 0, month, enrollment)
    while url:
        body = read(get(api, url, api.key(enrollment)))
        records += body["content"]
        url = body.get("nextLink")
    return records


def test_following_next_links_gives_the_rows_of_the_generator(api: Api) -> None:
    assert follow(api, MONTH) == list(Bill(ENROLLMENT, 1, 250, 100).rows(MONTH))
    assert follow(api, "2026-08", "77777777") == list(Bill("77777777", 1, 250, 100).rows("2026-08"))
    assert [request["page"] for request in api.requests()] == ["0", "1", "2"] * 2


def test_the_recorded_rows_are_enrollment_100(api: Api) -> None:
    assert [row["ExtendedCost"] for row in follow(api, "2017-03", "100")] == [0.4992223324254236, 0.5000001112312431]
    assert api.served("100") == {
        "2017-03": {"row_count": 2, "page_count": 1, "extended_cost": "0.9992224436566667", "revision": 0}
    }


def test_the_last_page_says_so_in_three_ways(api: Api) -> None:
    last = [read(get(api, usage_url(api, 2, month))) for month in ("2026-08", "2026-09", "2026-10")]
    assert [body.get("nextLink", "missing") for body in last] == ["", "missing", None]


def test_a_month_without_usage_is_csv_text(api: Api) -> None:
    for month in ("2026-07", "2026-12"):
        response = get(api, usage_url(api, month=month))
        assert (response.status_code, response.content.startswith(CSV_START)) == (200, True)


def test_a_page_beyond_the_last_and_an_unknown_enrollment_are_404_and_a_wrong_month_400(api: Api) -> None:
    assert get(api, usage_url(api, 3)).status_code == 404
    assert get(api, usage_url(api, enrollment="5"), api.key("5")).status_code == 404
    assert get(api, usage_url(api, month="2026-13")).status_code == 400


@pytest.mark.parametrize("key", ["nonsense", "a.b.c", make_key("100"), make_key(ENROLLMENT, days=-1)])
def test_a_key_that_does_not_fit_is_401(api: Api, key: str) -> None:
    response = get(api, usage_url(api), key)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "401"
    assert [request["authorized"] for request in api.requests()] == [False]


def test_a_changed_claim_breaks_the_signature(api: Api) -> None:
    own, other = make_key(ENROLLMENT).split("."), make_key("100").split(".")
    response = get(api, usage_url(api), ".".join([own[0], own[1], other[2]]))
    assert "signature" in response.json()["error"]["message"]


def test_requests_are_listed_with_what_a_test_wants_to_know(api: Api) -> None:
    faulty(api, "503", page=1)
    (request,) = api.requests()
    assert request.pop("user_agent").startswith("python-requests/")
    assert request.pop("host") == api.url.split("/")[2]
    assert request == {
        "enrollment": ENROLLMENT,
        "month": MONTH,
        "page": "1",
        "status": 503,
        "fault": "503",
        "authorized": True,
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503, 504, 418, 599])
def test_any_error_status_can_be_injected_once(api: Api, status: int) -> None:
    response = faulty(api, str(status))
    assert response.status_code == status
    assert response.content
    assert "Retry-After" not in response.headers
    read(get(api, usage_url(api)))


def test_error_bodies_vary_in_form(api: Api) -> None:
    api.set_faults(["503@1-4"])
    bodies = [get(api, usage_url(api)) for _ in range(4)]
    kinds = {body.headers["Content-Type"].partition(";")[0] for body in bodies}
    assert kinds == {"application/json", "text/html", "text/plain"}
    assert {tuple(body.json()) for body in bodies if "json" in body.headers["Content-Type"]} == {
        ("error",),
        ("message", "errorCode"),
    }


def test_retry_after_is_seconds_or_a_date(api: Api) -> None:
    assert faulty(api, "429=7").headers["Retry-After"] == "7"
    moment = parsedate_to_datetime(faulty(api, "503=date:3600").headers["Retry-After"])
    assert timedelta(minutes=50) < moment - datetime.now(UTC) < timedelta(minutes=70)


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_a_broken_connection_is_an_error_of_the_client_in_the_middle_of_the_body(api: Api, kind: str) -> None:
    cause = "ConnectionResetError" if kind == "reset" else "IncompleteRead"
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=cause):
        faulty(api, kind)
    read(get(api, usage_url(api)))


def test_a_timeout_waits_and_then_answers_as_usual(api: Api) -> None:
    api.set_faults(["timeout=0.3@1"])
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(usage_url(api), headers={"Authorization": f"bearer {api.key(ENROLLMENT)}"}, timeout=0.1)
    assert len(read(faulty(api, "timeout=0.01"))["content"]) == 100


def test_a_malformed_body_is_whole_for_http_and_cut_for_json(api: Api) -> None:
    response = faulty(api, "malformed")
    assert int(response.headers["Content-Length"]) == len(response.content)
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content.decode("utf-8-sig", errors="replace"))


def test_answers_that_are_no_page_have_status_200(api: Api) -> None:
    assert faulty(api, "html").content.startswith(b"<!DOCTYPE html>")
    assert "content" not in faulty(api, "nocontent").json()
    assert faulty(api, "csv").content.startswith(CSV_START)
    rows = faulty(api, "csvrows")
    assert rows.content.startswith(CSV_START)
    assert rows.text.count("Microsoft") > 0
    assert {request["status"] for request in api.requests()} == {200}


def test_an_empty_page_links_to_the_same_page_under_another_url(api: Api) -> None:
    url = usage_url(api, 1)
    body = read(faulty(api, "empty", page=1))
    assert body["content"] == []
    assert body["nextLink"] != url
    assert read(get(api, body["nextLink"])) == read(get(api, url))


@pytest.mark.parametrize("part", ["scheme", "host", "port"])
def test_a_next_link_elsewhere_differs_in_that_part_only(api: Api, part: str) -> None:
    link = urlsplit(read(faulty(api, f"nextlink={part}"))["nextLink"])
    usual = urlsplit(usage_url(api, 1))
    differing = {
        "scheme": link.scheme != usual.scheme,
        "host": link.hostname != usual.hostname,
        "port": link.port != usual.port,
    }
    assert [name for name, differs in differing.items() if differs] == [part]
    assert link.query == usual.query


def test_a_key_sent_to_the_other_host_or_port_is_seen(api: Api) -> None:
    for part in ("host", "port"):
        get(api, read(faulty(api, f"nextlink={part}"))["nextLink"])
    elsewhere = [request for request in api.requests() if request["host"] != api.url.split("/")[2]]
    assert [request["authorized"] for request in elsewhere] == [True, True]


def test_a_repeated_next_link_is_the_page_itself(api: Api) -> None:
    for page in (0, 1, 2):
        assert read(faulty(api, "nextlink=repeat", page))["nextLink"] == usage_url(api, page)


def test_a_page_without_byte_order_mark_is_the_same_otherwise(api: Api) -> None:
    assert BOM_UTF8 + faulty(api, "nobom").content == get(api, usage_url(api)).content


def test_faults_meet_the_requests_that_they_name(api: Api) -> None:
    api.set_faults(["503@2", "500@4-5"])
    assert [get(api, usage_url(api)).status_code for _ in range(6)] == [200, 503, 200, 500, 500, 200]
    api.set_faults(["503@1"])
    assert get(api, usage_url(api)).status_code == 503


def test_faults_with_a_probability_are_the_same_each_time(api: Api) -> None:
    runs = []
    for _ in range(2):
        api.set_faults(["503%0.4"])
        runs.append([get(api, usage_url(api)).status_code for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


@pytest.mark.parametrize("spec", ["nonsense@1", "503", "200@1", "nextlink@1", "timeout@1", "timeout=x@1", "503%2"])
def test_a_fault_that_cannot_be_read_is_refused(api: Api, spec: str) -> None:
    with pytest.raises(RuntimeError, match="The fault"):
        api.set_faults([spec])


def test_a_revision_changes_what_is_served_and_the_totals_follow(running: Api) -> None:
    before = running.served("77777777")
    running.set_revision("77777777", "2026-10", 2)
    bill = Bill("77777777", 1, 250, 100)
    assert follow(running, "2026-10", "77777777") == list(bill.rows("2026-10", 2))
    after = running.served("77777777")
    assert after["2026-10"] == {
        "row_count": bill.row_count("2026-10", 2),
        "page_count": bill.page_count("2026-10", 2),
        "extended_cost": f"{bill.extended_cost('2026-10', 2):f}",
        "revision": 2,
    }
    assert {month for month in before if before[month] != after[month]} == {"2026-10"}
    assert sorted(before) == ["2026-08", "2026-09", "2026-10", "2026-11"]


@pytest.mark.parametrize(("enrollment", "month"), [("100", "2017-03"), (ENROLLMENT, "2026-07"), ("5", MONTH)])
def test_a_month_that_is_not_simulated_has_no_revisions(api: Api, enrollment: str, month: str) -> None:
    with pytest.raises(RuntimeError, match="can be re-rated"):
        api.set_revision(enrollment, month, 1)


def test_pages_kept_in_the_folder_are_served_again_and_those_of_another_seed_are_not(tmp_path: Path) -> None:
    served = []
    for seed in (1, 1, 2):
        with running_api(tmp_path, seed=seed, first=MONTH, last=MONTH, rows=50, page_size=20) as api:
            assert follow(api, MONTH) == list(Bill(ENROLLMENT, seed, 50, 20).rows(MONTH))
            served.append(api.served(ENROLLMENT)[MONTH]["extended_cost"])
    assert served[0] == served[1] != served[2]
    assert len(list(tmp_path.rglob("*.page"))) == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_prints_one_line_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sandbox", "api", "--data", str(tmp_path), "--fault", "timeout=60@1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:")
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_server_that_cannot_start_shows_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"none of KIND"), running_api(tmp_path, faults=["503"]):
        pass


def test_the_command_prints_a_key_that_opens_the_enrollment(api: Api) -> None:
    command = [sys.executable, "-m", "sandbox", "key", "--enrollment", ENROLLMENT, "--days", "1"]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert get(api, usage_url(api), key).status_code == 200


@pytest.mark.parametrize("kind", ["404", "csv", "nothing", "throttled"])
def test_a_fault_of_a_month_strikes_its_first_page_each_time(api: Api, kind: str) -> None:
    usual = get(api, usage_url(api)).content
    api.set_faults([f"{kind}/{MONTH}"])
    for _ in range(2):
        assert get(api, usage_url(api)).content != usual
        assert [request["fault"] for request in api.requests()][-1] == kind
    assert follow(api, "2026-08")
    assert read(get(api, usage_url(api, page=1)))["content"]


def test_empty_content_comes_with_and_without_an_error(api: Api) -> None:
    assert faulty(api, "nothing").json() == {"content": []}
    assert faulty(api, "throttled").json()["error"]["code"] == "Throttled"


@pytest.mark.parametrize(
    ("argument", "name"), [("upper", "NextLink"), ("lower", "nextlink"), ("odata", "@odata.nextLink")]
)
def test_a_link_has_another_name(api: Api, argument: str, name: str) -> None:
    body = read(faulty(api, f"linkname={argument}"))
    assert set(body) == {"content", name}


def test_a_link_leads_to_another_path_or_month(api: Api) -> None:
    assert "/rest/other/88888888/" in read(faulty(api, "nextlink=path"))["nextLink"]
    assert "month=2026-10&" in read(faulty(api, "nextlink=month"))["nextLink"]


@pytest.mark.parametrize("spec", ["csv/2026", "linkname@1", "linkname=other@1", "nextlink=elsewhere@1"])
def test_a_fault_with_a_wrong_month_or_argument_is_refused(api: Api, spec: str) -> None:
    with pytest.raises(RuntimeError, match="The fault"):
        api.set_faults([spec])
