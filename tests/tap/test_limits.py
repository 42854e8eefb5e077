"""Bounds on what an API can make a run do: bytes, seconds, pages; each ends the run with a sentence."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tap.scripted import Scripted, scripted_api, scripted_settings
from tap.tap_runs import PROGRAM, run, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap.scripted import Answer

    from sandbox.launch import Api

MEGABYTE = 1 << 20
KILOBYTE = 1 << 10
GZIP = {"Content-Encoding": "gzip"}
LAST: Answer = (200, b'{"content":[{"ExtendedCost":1}]}', {})


def link(page: int) -> bytes:
    return b'"{url}/1/usage-report/paginatedV3?month=2026-08&pageindex=%d"' % page


def page(number: int, rows: bytes = b"{}") -> Answer:
    """Return a page with a link to the next one."""
    return 200, b'{"content":[' + rows + b'],"nextLink":' + link(number) + b"}", {}


def body(size: int) -> bytes:
    """Return a page of so many bytes."""
    around = b'{"content":[{"Tags":"%s"}]}'
    return around % (b"x" * (size - len(around) + 2))


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    with scripted_api([(200, body(MEGABYTE), {})]) as api:
        assert run(scripted_settings(api, max_body_mb=1)).error == ""
    with scripted_api([(200, body(MEGABYTE + 1), {})]) as api:
        output = run(scripted_settings(api, max_body_mb=1))
    assert len(api.paths) == 1
    assert output.error == (
        "Enrollment 1, month 2026-08, page 1: the body has more than 1 MB: "
        "raise `max_body_mb` if a page can be as large."
    )


@pytest.mark.parametrize("encodings", [1, 2])
def test_a_compressed_body_is_measured_as_it_is_decompressed(encodings: int) -> None:
    packed = body(3 * MEGABYTE)
    for _ in range(encodings):
        packed = gzip.compress(packed)
    headers = {"Content-Encoding": ", ".join(["gzip"] * encodings)}
    with scripted_api([(200, packed, headers)]) as api:
        assert "the body has more than 2 MB" in run(scripted_settings(api, max_body_mb=2)).error
    with scripted_api([(200, packed, headers)]) as api:
        output = run(scripted_settings(api, max_body_mb=3))
    assert (output.error, len(output.records("usage_details"))) == ("", 1)


def test_a_gzip_bomb_never_gets_into_memory(tmp_path: Path) -> None:
    """1,500 MB packed into 1.5 MB: the run reads 50 MB of it, and needs about as much as without it."""
    bomb = gzip.compress(b'{"content":["') + gzip.compress(bytes(10 * MEGABYTE)) * 150
    assert len(bomb) < 2 * MEGABYTE
    measured = (  # by a process that is small itself: a child's peak begins with the memory of its parent
        "import resource, subprocess, sys; "
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with scripted_api([(200, bomb, GZIP)]) as api:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(scripted_settings(api, max_body_mb=50)))
        command: list[str | Path] = [sys.executable, "-c", measured, PROGRAM, "--config", config]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    code, peak = map(int, ended.stdout.split())
    assert code == 1
    assert "the body has more than 50 MB" in ended.stderr
    assert peak * KILOBYTE < 400 * MEGABYTE


@contextmanager
def trickling_api(head: bytes) -> Iterator[Scripted]:
    """Send `head`, then one byte every hundredth of a second for ever."""
    ended = threading.Event()
    paths: list[str] = []

    def answer(connection: socket.socket) -> None:
        with connection:
            paths.append(connection.recv(4 * KILOBYTE).split()[1].decode())
            connection.sendall(head)
            try:
                while not ended.wait(0.01):
                    connection.sendall(b"x")
            except OSError:
                return

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=answer, args=(connection,))
            thread.start()
            threads.append(thread)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        threads = [threading.Thread(target=serve)]
        threads[0].start()
        try:
            yield Scripted(f"http://127.0.0.1:{listening.getsockname()[1]}/rest", paths, [])
        finally:
            ended.set()
            for thread in threads:
                thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"
TRICKLES = {
    "headers": HEAD + b"X-Waiting: ",
    "a body of known length": HEAD + b"Content-Length: 1000000\r\n\r\n",
    "a body of unknown length": HEAD + b"\r\n",
}


@pytest.mark.parametrize("head", TRICKLES)
@pytest.mark.parametrize("ahead", [0, 1])
def test_an_answer_that_trickles_in_is_ended_by_the_deadline(head: str, ahead: int) -> None:
    with trickling_api(TRICKLES[head]) as api:
        bounds: dict[str, Any] = {"request_timeout": 60, "request_deadline": 0.3, "prefetch_pages": ahead}
        output = run(scripted_settings(api, **bounds))
    assert len(api.paths) == 2
    assert output.error == (
        "Gave up after 2 attempts: Enrollment 1, month 2026-08, page 1: the answer was not whole after 0.3 s: "
        "check the network, or raise `request_deadline`."
    )


def test_the_deadline_is_each_requests_own(api: Api) -> None:
    api.set_faults(["timeout=0.4@1-9"])
    output = run(settings(api, request_deadline=3))
    assert (output.error, len(api.requests())) == ("", 9)
    assert len(output.records("billing_months")) == 3


def test_a_month_may_have_as_many_pages_as_the_limit_and_no_more() -> None:
    pages = [page(1), page(2), LAST]
    with scripted_api(pages) as api:
        assert run(scripted_settings(api, max_pages=3)).error == ""
    with scripted_api(pages) as api:
        output = run(scripted_settings(api, max_pages=2))
    assert len(api.paths) == 2
    assert "month 2026-08, page 2: unexpected answer with status 200 (a `nextLink` on page `max_pages`" in output.error
    assert "`max_pages` is 2" in output.error
    assert output.records("billing_months") == []


def test_pages_without_rows_may_follow_one_another_up_to_the_limit_and_no_further() -> None:
    empty = [page(number, b"") for number in range(1, 4)]
    with scripted_api([*empty[:2], page(5), *empty[2:], page(6, b""), LAST]) as api:
        output = run(scripted_settings(api, max_empty_pages=2))
    assert (output.error, len(output.records("usage_details"))) == ("", 2)
    with scripted_api([*empty, LAST]) as api:
        output = run(scripted_settings(api, max_empty_pages=2))
    assert len(api.paths) == 3
    assert (
        "page 3: unexpected answer with status 200 (a `nextLink` on more than `max_empty_pages` pages" in output.error
    )
    assert output.records("billing_months") == []


def test_what_is_retried_counts_once() -> None:
    broken: Answer = (503, b"", {})
    with scripted_api([page(1, b""), broken, page(2, b""), broken, LAST]) as api:
        assert run(scripted_settings(api, max_empty_pages=2, max_pages=3)).error == ""
