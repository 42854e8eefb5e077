"""The sandbox's bearer keys: JSON web tokens (HS256) with the claims of real keys; nothing about HTTP."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256

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
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_signature(signed)}"


def refusal(key: str, enrollment: str, now: float | None = None) -> str | None:
    """Return why a key does not open an enrollment, None if it does."""
    signed, _, signature = key.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed).encode()):
        return "The signature of the key is not valid."
    payload = signed.partition(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if claims["exp"] <= (time.time() if now is None else now):
        return "The key has expired."
    if claims["EnrollmentNumber"] != enrollment:
        return "The key is for another enrollment."
    return None


def _part(value: dict[str, object]) -> str:
    return _unpadded(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str) -> str:
    return _unpadded(hmac.digest(_SIGNING_PHRASE, signed.encode(), sha256))


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
