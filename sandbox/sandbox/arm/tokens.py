"""Bearer tokens for the simulated Resource Manager: made like Microsoft Entra's, signed like the sandbox's keys."""

from __future__ import annotations

import time

from sandbox.api.keys import claims_of, signed

AUDIENCE = "https://management.azure.com"


def make_token(seconds: float = 3600, audience: str = AUDIENCE) -> str:
    """Return a token; negative seconds make one that has expired."""
    now = int(time.time())
    return signed({"aud": audience, "iat": now, "nbf": now, "exp": now + int(seconds)})


def refusal(header: str) -> tuple[str, str] | None:
    """Return code and message of the error that an Authorization header meets, None if it is good."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
    claims = claims_of(token)
    if claims is None:
        return "InvalidAuthenticationToken", "The access token is invalid."
    if claims.get("aud", "").rstrip("/") != AUDIENCE:
        return "InvalidAuthenticationTokenAudience", "The access token has been obtained for the wrong audience."
    if claims["exp"] <= time.time():
        return "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than the current UTC time."
    return None
