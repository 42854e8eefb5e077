"""Requests with bounds: a deadline for all of an exchange, a limit for a decompressed body.

What requests has is a time-out for silence: an answer of one byte a second never meets it.
"""

from __future__ import annotations

import time
from datetime import timedelta
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

import requests
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse

_PIECE_BYTES = 1 << 16
MEGABYTE = 1 << 20


class OverdueError(requests.Timeout):
    """An answer was not whole when its time was up."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the answer was not whole after {seconds:g} s")


class BodyTooLargeError(requests.RequestException):
    """A body is larger than it may be."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the body has more than {max_bytes // MEGABYTE} MB")


class BoundedSession(requests.Session):
    """A session whose answers are whole, with their bodies, or an error.

    An answer's `elapsed` is the time from sending the request to the last byte.

    Args:
        deadline: Seconds from sending a request to the last byte of its answer.
        max_body: Bytes of a decompressed body.
    """

    def __init__(self, deadline: float, max_body: int) -> None:
        super().__init__()
        self._deadline = deadline
        self._max_body = max_body

    @override
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request and read its answer.

        Raises:
            OverdueError: The answer takes too long.
            BodyTooLargeError: Its body is too large.
        """
        done: Queue[requests.Response | BaseException] = Queue(maxsize=1)
        started = time.monotonic()
        # In a thread that can be left behind: nothing of requests' ends a wait for headers that trickle in.
        Thread(target=self._exchange, args=(done, started, request, options), name="exchange", daemon=True).start()
        try:
            answer = done.get(timeout=self._deadline)
        except Empty:
            raise OverdueError(self._deadline) from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def take(self, response: requests.Response) -> None:
        """Read the body of an answer, in the thread of its exchange."""
        len(response.content)  # requests reads it here, and keeps it

    def _exchange(
        self,
        done: Queue[requests.Response | BaseException],
        started: float,
        request: requests.PreparedRequest,
        options: dict[str, Any],
    ) -> None:
        try:
            response = super().send(request, **{**options, "stream": True})
            with response:  # its connection goes back to the pool, or is closed if the body was not read to its end
                response.raw = _BoundedBody(response.raw, self._max_body, started, self._deadline)
                self.take(response)
                response.elapsed = timedelta(seconds=time.monotonic() - started)
        except BaseException as error:  # noqa: BLE001 - it is raised again by `send`, in the thread that wants the answer
            done.put(error)
        else:
            done.put(response)


class _BoundedBody:
    """urllib3's response as requests reads it, ended where it grows too large or nobody waits for it any more."""

    def __init__(self, raw: BaseHTTPResponse, max_bytes: int, started: float, deadline: float) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._started = started
        self._deadline = deadline

    def stream(self, amt: int, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - as in urllib3
        """Yield the decompressed body in pieces."""
        size = 0
        for piece in self._raw.stream(max(amt, _PIECE_BYTES), decode_content):
            size += len(piece)
            if size > self._max_bytes:
                raise BodyTooLargeError(self._max_bytes)
            if time.monotonic() - self._started > self._deadline:
                raise OverdueError(self._deadline)
            yield piece

    def release_conn(self) -> None:
        """Return the connection to the pool."""
        self._raw.release_conn()

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()
