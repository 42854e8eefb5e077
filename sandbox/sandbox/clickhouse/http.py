"""Parses HTTP requests to ClickHouse into what the engine needs: body, credentials, parameters; runs nothing."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import gzip
import sys
import zlib
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import lz4.frame  # type: ignore[import-untyped]

from sandbox.clickhouse.engine import Request
from sandbox.clickhouse.errors import ClickHouseError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from email.message import Message
    from io import BufferedIOBase

# Names in the URL that are meant for the server; all others are settings (as in ClickHouse's HTTPHandler).
_NOT_SETTINGS = frozenset(
    {
        "add_http_cors_header",
        "buffer_size",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)


def read_body(stream: BufferedIOBase, headers: Message) -> bytes:
    """Return the whole body as the client sent it, still compressed.

    Raises:
        ConnectionError: If the client went away before its end; a partial INSERT must never be loaded.
    """
    if "chunked" not in headers.get("Transfer-Encoding", "").lower():
        return _read_exactly(stream, int(headers.get("Content-Length") or 0))
    chunks = []
    while size := _chunk_size(stream):
        chunks.append(_read_exactly(stream, size))
        _read_exactly(stream, 2)
    while stream.readline().strip():  # trailers, up to the empty line
        pass
    return b"".join(chunks)


def _chunk_size(stream: BufferedIOBase) -> int:
    try:
        return int(stream.readline().split(b";")[0], 16)
    except ValueError:
        raise ConnectionError("the client went away within a chunked body") from None


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    content = stream.read(size) if size else b""
    if len(content) < size:
        raise ConnectionError(f"the client went away after {len(content)} of {size} bytes")
    return content


def decompress(content: bytes, encoding: str) -> bytes:
    """Return the body decoded from its Content-Encoding, every frame of it: clients send one for each block.

    Raises:
        ClickHouseError: For an unknown encoding, or a frame that is broken or cut short.
    """
    try:
        match encoding.strip().lower():
            case "" | "identity":
                return content
            case "gzip":
                return gzip.decompress(content)
            case "deflate":
                return zlib.decompress(content)
            case "zstd":
                return zstd.decompress(content)
            case "lz4":
                return _lz4_frames(content)
    except (EOFError, RuntimeError, OSError, zlib.error, zstd.ZstdError) as error:
        raise ClickHouseError(271, "CANNOT_DECOMPRESS", f"Cannot decompress the {encoding} body: {error}") from error
    raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not known to the sandbox")


def _lz4_frames(content: bytes) -> bytes:
    plain = []
    while content:
        frame = lz4.frame.LZ4FrameDecompressor()
        plain.append(frame.decompress(content))
        if not frame.eof:
            raise EOFError("the last frame is cut short")
        content = frame.unused_data or b""
    return b"".join(plain)


def credentials(url: str, headers: Message) -> tuple[str, str]:
    """Return user and password from X-ClickHouse headers, Basic authorization or the URL, in this order.

    Without any of them, the user is `default` and the password ''.
    """
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    named = _url_parameters(url)
    return named.get("user", "default"), named.get("password", "")


def request_from(method: str, url: str, headers: Message, body: bytes) -> Request:
    """Return the engine's request for one HTTP request.

    Raises:
        ClickHouseError: For what the sandbox does not do (ClickHouse's own block compression, external tables).
    """
    named = _url_parameters(url)
    if named.get("decompress", "0") != "0" or named.get("compress", "0") != "0":
        raise ClickHouseError(48, "NOT_IMPLEMENTED", "The sandbox does not know ClickHouse's own block compression")
    plain = decompress(body, headers.get("Content-Encoding", ""))
    if headers.get_content_type() == "multipart/form-data":
        named |= _form_fields(headers["Content-Type"], plain)
        plain = b""
    text = b"\n".join(part for part in (named.get("query", "").encode(), plain) if part)
    return Request(
        text=text,
        database=named.get("database") or headers.get("X-ClickHouse-Database") or "",
        default_format=named.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        settings={k: v for k, v in named.items() if k not in _NOT_SETTINGS and not k.startswith("param_")},
        parameters={k.removeprefix("param_"): v for k, v in named.items() if k.startswith("param_")},
        session_id=named.get("session_id", ""),
        session_timeout=float(named.get("session_timeout", 60)),
        read_only=method == "GET",
    )


def _url_parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    form = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    fields = {}
    for part in form.iter_parts():
        if part.get_filename():
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "The sandbox does not know external tables")
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(part, EmailMessage) and isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode()
    return fields
