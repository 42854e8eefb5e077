"""What is wrong with a TLS connection, as the end of a sentence; knows nothing of ClickHouse or its drivers.

Mapper and loader are installed separately and share no code: each has this file, and a test keeps the two identical.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# OpenSSL's codes, from x509_vfy.h.
_SELF_SIGNED = 18
_UNKNOWN_ISSUER = frozenset({2, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
_WRONG_TIME = {9: "is not valid yet", 10: "has expired"}
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
_REMEDY = "set ca_cert to a file that holds {}, or verify to false to take any certificate"
_PROBE_SECONDS = 5


def authorities_fault(path: object) -> str | None:
    """Return why the file of `ca_cert` can't be used, or None if it can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(str(path))
    except ssl.SSLError:
        return f"the file of ca_cert, {path}, holds no certificate in PEM form"
    except OSError as error:
        return f"the file of ca_cert, {path}, can't be read: {error.strerror}"
    return None


def tls_fault(error: BaseException, host: str, ca_cert: object) -> str | None:
    """Return what an error of an HTTPS connection says about TLS, or None if it is about something else.

    Args:
        error: As the driver raises it; its causes are considered too.
        host: The name that the server was called by.
        ca_cert: The file of the trusted authorities, or None for the system's.
    """
    for link in causes(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return _certificate_fault(link, host, ca_cert)
        if type(link).__name__ == "CertificateError":  # urllib3 1.26 compares the names itself
            return _other_name(host)
        if isinstance(link, ssl.SSLError):
            reason = link.reason or "unknown reason"
            if reason in _NO_TLS:
                return "this port doesn't speak TLS: set port to the one for HTTPS, or secure to false"
            return f"TLS failed ({reason.replace('_', ' ').lower()})"
    return None


def wants_tls(host: str, port: int) -> bool:
    """Return whether that port speaks TLS: asked after a plain request got no proper answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent but the handshake
    try:
        with (
            socket.create_connection((host, port), _PROBE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False


WANTS_TLS = "this port wants HTTPS: set secure to true"
"""The fault if `wants_tls`."""


def _certificate_fault(error: ssl.SSLCertVerificationError, host: str, ca_cert: object) -> str:
    code = error.verify_code
    if code in _OTHER_NAME:
        return _other_name(host)
    if code == _SELF_SIGNED:
        known = f"not in the file of ca_cert, {ca_cert}" if ca_cert else f"not trusted: {_REMEDY.format('it')}"
        return f"its certificate is self-signed and {known}"
    if code in _UNKNOWN_ISSUER:
        known = f"not in the file of ca_cert, {ca_cert}" if ca_cert else f"not trusted: {_REMEDY.format('that one')}"
        return f"its certificate is from an authority whose own is {known}"
    if code in _WRONG_TIME:
        return f"its certificate {_WRONG_TIME[code]}, by this machine's clock: the server needs another one"
    return f"its certificate is refused: {error.verify_message}"


def _other_name(host: str) -> str:
    return f"its certificate is not for {host}: set host to a name that the certificate has"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
