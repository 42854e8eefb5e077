"""The sandbox's bearer keys: JSON web tokens (HS256) with the claims of real keys; nothing about HTTP."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any, cast

_SIGNING_PHRASE = b"simulated enrollments only"


def make_key(enrollment: str, days: float = 180, now: float | None = None) -> str:
    """Return a key for an enrollment.

    Args:
        enrollment: Enrollment number, the claim `EnrollmentNumber`.
        days: Validity in days from now on; a negative number makes an expired key.
        now: Seconds since the epoch, by default the clock's.
    """
    issued_at = int(time.time() if now is None else now)
    claims = {"EnrollmentNumber": enrollment, "iat": issued_at, "exp": issued_at + int(days * 86400)}
    return signed(claims)


def refusal(key: str, enrollment: str, now: float | None = None) -> str | None:
    """Return why a key does not open an enrollment, None if it does."""
    claims = claims_of(key)
    if claims is None:
        return "The signature of the key is not valid."
    if claims["exp"] <= (time.time() if now is None else now):
        return "The key has expired."
    if claims["EnrollmentNumber"] != enrollment:
        return "The key is for another enrollment."
    return None


def signed(claims: dict[str, object]) -> str:
    """Return claims as a signed token."""
    content = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{content}.{_signature(content)}"


def claims_of(token: str) -> dict[str, Any] | None:
    """Return a token's claims, None if the signature is not ours."""
    content, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(content).encode()):
        return None
    payload = content.partition(".")[2]
    return cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _part(value: dict[str, object]) -> str:
    return _unpadded(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str) -> str:
    return _unpadded(hmac.digest(_SIGNING_PHRASE, signed.encode(), sha256))


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
