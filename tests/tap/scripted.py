"""An API whose answers the test writes down byte for byte, where the simulated API has none of the kind."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from tap.tap_runs import NO_CLOCKS_COMPARED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


Answer = tuple[int, bytes, dict[str, str]]
"""Status, body and headers."""


class Asked(NamedTuple):
    """A request, its headers' names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted(NamedTuple):
    """A running API.

    Attributes:
        url: what goes into the setting `api_url`.
        paths: paths that were asked for, in order.
        asked: requests, in order.
    """

    url: str
    paths: list[str]
    asked: list[Asked]


@contextmanager
def scripted_api(answers: Sequence[Answer]) -> Iterator[Scripted]:
    """Serve these answers (status, body, headers) in turn, the last one from then on; `{url}` in them is replaced.

    The header `Date` is the real time unless an answer has one; with an empty one it is left out.
    """
    paths: list[str] = []
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body, headers = answers[min(len(paths), len(answers) - 1)]
            paths.append(self.path)
            headers_sent = {name.lower(): value for name, value in self.headers.items()}
            sent = self.rfile.read(int(headers_sent.get("content-length", 0)))
            asked.append(Asked(self.command, self.path, headers_sent, sent))
            body = body.replace(b"{url}", url.encode())
            self.send_response_only(status)
            for name, value in ({"Date": self.date_time_string()} | headers).items():
                if value:
                    self.send_header(name, value.replace("{url}", url))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/rest"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Scripted(url, paths, asked)
        finally:
            server.shutdown()
            thread.join()


def scripted_settings(scripted: Scripted, **other: Any) -> dict[str, Any]:
    """Return settings for a scripted API and one month, August 2026."""
    return {
        "enrollment_number": "1",
        "api_key": "key",
        "api_url": scripted.url,
        "start_date": "2026-08",
        "end_date": "2026-08",
        "max_backoff": 0.01,
        "max_retries": 1,
        "max_clock_skew": NO_CLOCKS_COMPARED,
        **other,
    }


NO_DATA: Answer = (204, b"", {})
TOKEN = "the-token-of-this-test"  # noqa: S105 - of no account


def azure_settings(scripted: Scripted, **other: Any) -> dict[str, Any]:
    """Return settings for a scripted Azure Resource Manager and one month, August 2026."""
    settings = scripted_settings(scripted, **other)
    del settings["api_key"], settings["api_url"]
    address = {"arm_url": scripted.url.removesuffix("/rest"), "auth": "token", "access_token": TOKEN}
    return {**address, **settings}
