"""Of a URL, what decides who gets a request, and whether anybody on the way can read it; pure."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Scheme, host, port and path; host and path without case."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own."""
        return is_loopback(self.host)


def address(url: str) -> Address | None:
    """Return the address that a URL names, None for text that is not an absolute URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    # requests and urllib.parse disagree on where a host ends after a backslash or white space.
    if not parts.hostname or "@" in parts.netloc or "\\" in url or any(character.isspace() for character in url):
        return None
    return Address(parts.scheme, parts.hostname, port, unquote(parts.path).casefold())


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sends_in_the_clear(url: str) -> bool:
    """Return whether requests to a URL leave this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
