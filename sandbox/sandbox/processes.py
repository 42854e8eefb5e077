"""The sandbox's servers as processes: started, waited for, asked over HTTP, and always ended."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START_SECONDS = 60
STOP_SECONDS = 20
ANSWER_SECONDS = 900


@contextmanager
def running_sandbox(arguments: Sequence[str], environment: dict[str, str]) -> Iterator[str]:
    """Start a server, yield the URL of its ready line, end it; errors include its stderr."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "sandbox", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | environment,
        )
        try:
            line = first_line(process)
            if not line.startswith("ready "):
                raise RuntimeError(f"sandbox {arguments[0]} did not get ready:\n{_text(stderr)}")
            try:
                yield line.removeprefix("ready ").strip()
            except BaseException as error:
                if process.poll() is not None:
                    error.add_note(f"sandbox {arguments[0]} ended by itself with exit code {process.returncode}.")
                if said := _text(stderr):
                    error.add_note(f"sandbox {arguments[0]} said:\n{said}")
                raise
        finally:
            end(process)


def first_line(process: subprocess.Popen[bytes]) -> str:
    """Return the first line that a process prints, '' if it ends or prints nothing for too long."""
    stdout = cast("Any", process.stdout)
    deadline = time.monotonic() + START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while b"\n" not in line and selector.select(max(0.0, deadline - time.monotonic())):
            read = os.read(stdout.fileno(), 4096)
            if not read:
                return ""
            line += read
    return line.decode().partition("\n")[0] if b"\n" in line else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, by SIGKILL if it doesn't end by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _text(stderr: Any) -> str:  # noqa: ANN401 - a temporary file's type is private
    stderr.seek(0)
    return cast("bytes", stderr.read()).decode(errors="replace")


def ask(url: str, method: str, path: str, body: object = None) -> object:
    """Send a control request and return its JSON answer."""
    address = urlsplit(url)
    connection = HTTPConnection(cast("str", address.hostname), address.port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:  # noqa: PLR2004 - the status OK
        raise RuntimeError(f"The sandbox answered {response.status} to {method} {path}: {text}")
    return cast("object", json.loads(text))
