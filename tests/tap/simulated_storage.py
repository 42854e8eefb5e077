"""A container of Azure Blob Storage, as far as reading needs it: listing, ranges, ETags, and errors by their code."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tap.tap_runs import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIGNATURE = "sv=2024-11-04&sig=aVeryS3cretS1gnature"
_WRITTEN = format_datetime(NOW.replace(tzinfo=NOW.tzinfo), usegmt=True)


@dataclass
class Container:
    """A running container.

    Attributes:
        url: Its address.
        blobs: Content of each blob.
        asked: Requests so far: kind (`list` or `get`), blob, its range and its If-Match.
        refused: Status and code that every request gets; None for none.
        before: Called before each request for a blob with its name and how many there were.
    """

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    refused: tuple[int, str] | None = None
    before: Callable[[str, int], Any] = lambda name, count: None  # noqa: ARG005 - names for readers

    def put_folder(self, root: Path, prefix: str) -> None:
        """Put a folder's files below a prefix."""
        for path in sorted(root.rglob("*")):
            if path.is_file():
                self.blobs[f"{prefix}{path.relative_to(root).as_posix()}"] = path.read_bytes()

    def etag(self, name: str) -> str:
        """Return a blob's ETag."""
        return f'"0x{hash(self.blobs[name]) & 0xFFFFFFFF:X}"'


class _Handler(BaseHTTPRequestHandler):
    """Answers as the storage service does."""

    container: Container
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        container = self.container
        parts = urlsplit(self.path)
        name = unquote(parts.path).removeprefix("/account/exports").lstrip("/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        kind = "list" if query.get("comp") == "list" else "get"
        wanted, condition = self.headers.get("x-ms-range"), self.headers.get("If-Match")
        container.asked.append((kind, name, wanted, condition))
        if kind == "get":
            container.before(name, len(container.asked))
        if container.refused:
            self._refuse(*container.refused)
        elif query.get("sig") != "aVeryS3cretS1gnature":
            self._refuse(403, "AuthenticationFailed")
        elif kind == "list":
            self._answer(200, self._listing(query.get("prefix", "")), {"Content-Type": "application/xml"})
        elif name not in container.blobs:
            self._refuse(404, "BlobNotFound")
        elif condition not in {None, container.etag(name)}:
            self._refuse(412, "ConditionNotMet")
        else:
            self._give(name, wanted)

    def _listing(self, prefix: str) -> bytes:
        container = self.container
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(container.blobs[name])}"
            f"</Content-Length><Etag>{escape(container.etag(name))}</Etag><Last-Modified>{_WRITTEN}</Last-Modified>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name in sorted(container.blobs)
            if name.startswith(prefix)
        )
        return f'<?xml version="1.0"?><EnumerationResults><Blobs>{blobs}</Blobs></EnumerationResults>'.encode()

    def _give(self, name: str, wanted: str | None) -> None:
        container = self.container
        content = container.blobs[name]
        first, last = (int(end) for end in (wanted or "bytes=0-9999999999").removeprefix("bytes=").split("-"))
        part = content[first : last + 1]
        if wanted and not part:
            self._refuse(416, "InvalidRange")
            return
        span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        self._answer(206 if wanted else 200, part, {"ETag": container.etag(name), "Content-Range": span})

    def _refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code} {self.path}</Message></Error>'
        self._answer(status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for header, value in (headers | {"Last-Modified": _WRITTEN, "x-ms-blob-type": "BlockBlob"}).items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write nothing."""


@contextmanager
def running_container() -> Iterator[Container]:
    """Serve a container as Azurite does, with the account in the path."""
    container = Container()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"container": container})) as server:
        container.url = f"http://127.0.0.1:{server.server_port}/account/exports"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield container
        finally:
            server.shutdown()
            thread.join()
