"""What `check` fails by where thresholds are set, the command that it names, and the webhook that hears of it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, ENROLLMENT, SECOND, SEPTEMBER
from warehouse.test_expectations import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.loading import Warehouse

SECRET = "a-secret-path"  # noqa: S105 - the test's own


@pytest.fixture
def bill(warehouse: Warehouse) -> Warehouse:
    """August: 100, of which 20 without an application, and one of 11 rows rejected; September: 130."""
    costs = [10.0] * 10
    warehouse.stage(costs, match_level=["last_segment"] * 8 + [None] * 2)
    warehouse.reject([1.0], first_row=11)
    warehouse.finish(costs, rejected=[1.0])
    warehouse.load([13.0] * 10, month=SEPTEMBER, snapshot=SECOND)
    return warehouse


@pytest.mark.parametrize(
    ("option", "month", "check", "said"),
    [
        ("--max-unallocated=19.9%", AUGUST, "C17", ("20.0 %, 19.9 % are allowed", "retrack --since 2026-08")),
        ("--max-rejected=9", AUGUST, "C18", ("1 of 11 rows were rejected: 9.1 %", "report --since 2026-08")),
        ("--max-change=29%", SEPTEMBER, "C19", ("130.00 is 30.0 % more than the 100.00", "report --since 2026-09")),
    ],
)
def test_a_month_beyond_a_threshold_fails_with_the_command_to_go_on_with(
    bill: Warehouse, option: str, month: Any, check: str, said: tuple[str, str]
) -> None:
    ended = run(bill, "check", option, "--format=json", last_month="2026-09")
    assert ended.exit_code == 1
    failing = [found for found in json.loads(ended.stdout)["months"] if found["status"] == "fails"]
    assert [found["billing_month"] for found in failing] == [month.isoformat()]
    (problem,) = failing[0]["problems"]
    assert problem["check"] == check
    text, cure = said
    assert text in problem["text"]
    assert problem["cure"] == f"azure-billing-warehouse {cure}"
    assert f"  to mend it: {problem['cure']}\n" in run(bill, "check", option, last_month="2026-09").stdout


def test_months_within_the_thresholds_pass_and_a_month_under_way_is_not_compared(bill: Warehouse) -> None:
    options = ["--max-unallocated=20%", "--max-rejected=9.1", "--max-change=30%"]
    assert run(bill, "check", *options, last_month="2026-09").exit_code == 0
    now = bill.scalar("SELECT now64(3, 'UTC')")
    this, before = now.date().replace(day=1), (now.date().replace(day=1) - (SEPTEMBER - AUGUST) / 2).replace(day=1)
    bill.load([1.0], month=before, snapshot=now)
    bill.load([100.0], month=this, snapshot=now)
    assert "C19" not in run(bill, "check", "--max-change=30%", f"--since={before:%Y-%m}").stdout


def test_a_month_of_which_matches_are_not_known_passes_no_threshold_on_them(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0], match_level=["unknown", "last_segment"])
    assert run(warehouse, "check").exit_code == 0
    ended = run(warehouse, "check", "--max-unallocated=50")
    assert ended.exit_code == 1
    assert "whether a pattern matched is not known of 1 row" in ended.stdout
    assert "to mend it: azure-billing-warehouse retrack --since 2026-08\n" in ended.stdout


def test_a_month_without_rows_names_the_load_that_brings_it(bill: Warehouse) -> None:
    told = run(bill, "check", "--first-month=2026-07", last_month="2026-09").stdout
    assert (
        "to mend it: TAP_AZURE_EA_BILLING_START_DATE=2026-07 TAP_AZURE_EA_BILLING_END_DATE=2026-07 meltano run "
        "--full-refresh --state-id-suffix=2026-07 tap-azure-ea-billing mapper target-clickhouse\n"
    ) in told


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[bytes]]]:
    """A webhook that answers with a status, and what it has received."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}", received
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_verdict_and_nothing_secret(bill: Warehouse) -> None:
    with receiver(204) as (url, received):
        ended = run(bill, "check", "--notify", url, "--format=json", "--max-rejected=1", last_month="2026-09")
    assert ended.exit_code == 1
    (body,) = received
    assert json.loads(body) == json.loads(ended.stdout)
    assert json.loads(body)["enrollments"][0]["enrollment_number"] == ENROLLMENT
    assert bill.config.password.get_secret_value().encode() not in body


def test_a_webhook_that_fails_is_told_and_changes_no_verdict(bill: Warehouse) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/{SECRET}"
        with receiver(500) as (url, _):
            for address, said in ((url, "status 500"), (dead, "NewConnectionError"), (f"ftp://x/{SECRET}", "no http")):
                ended = run(bill, "check", "--notify", address, last_month="2026-09")
                assert ended.exit_code == 0
                assert said in ended.stderr
                assert SECRET not in ended.output
