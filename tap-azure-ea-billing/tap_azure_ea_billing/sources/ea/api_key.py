"""API keys: where each comes from and what its claims say; nothing here asks the API.

A key is a JWT. Its claims are read without verifying the signature (only the API can), to say in time that it expires.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tap_azure_ea_billing.sources.secrets.found import (
    CredentialError,
    decrypt,
    find_fernet_key,
    find_secret,
    own_secret,
    where,
)
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_azure_ea_billing.sources.ea.settings import EASettings
    from tap_azure_ea_billing.sources.settings import Enrollment

WARN_BEFORE = timedelta(days=14)


@dataclass(frozen=True, repr=False)
class ApiKey:
    """A key in the clear, and what it says of itself.

    Attributes:
        token: The key; never shown by `repr`.
        setting: Where it came from, as a person would look for it.
        enrollment: Claim `EnrollmentNumber`, None if the key does not say.
        expires_at: Claim `exp`, UTC, None if the key does not say.
    """

    token: str
    setting: str
    enrollment: str | None = None
    expires_at: datetime | None = None

    @classmethod
    def read(cls, token: str, setting: str) -> ApiKey:
        """Read the claims of a key.

        Raises:
            CredentialError: It has characters that no key has.
        """
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            message = f"The key in {setting} is empty or no key at all: copy it from the EA portal again."
            raise CredentialError(message)
        claims = _claims(token)
        enrollment, expiry = claims.get("EnrollmentNumber"), claims.get("exp")
        return cls(
            token,
            setting,
            str(enrollment) if isinstance(enrollment, str | int) else None,
            _instant(expiry) if isinstance(expiry, int | float) else None,
        )

    def __repr__(self) -> str:
        """Show where the key came from, never the key."""
        return f"ApiKey(setting={self.setting!r}, enrollment={self.enrollment!r}, expires_at={self.expires_at!r})"

    def days_left(self, now: datetime) -> int | None:
        """Return the whole days until the key expires, negative after it, None if the key does not say."""
        return None if self.expires_at is None else (self.expires_at - now).days

    def check(self, enrollment_number: str, now: datetime) -> str | None:
        """Return a warning about the key, if there is one.

        Raises:
            CredentialError: It has expired or is for another enrollment.
        """
        renew = f"create a new key in the EA portal and put it into {self.setting}"
        if self.enrollment is not None and self.enrollment != enrollment_number:
            message = (
                f"The key in {self.setting} is for enrollment {self.enrollment}, not for {enrollment_number}: "
                "correct the enrollment number or the key."
            )
            raise CredentialError(message)
        if self.expires_at is None:
            return f"The key of enrollment {enrollment_number} in {self.setting} does not say when it expires."
        if self.expires_at <= now:
            message = f"The key of enrollment {enrollment_number} expired on {self.expires_at:%Y-%m-%d}: {renew}."
            raise CredentialError(message)
        left = self.expires_at - now
        if left < WARN_BEFORE:
            return (
                f"The key of enrollment {enrollment_number} expires on {self.expires_at:%Y-%m-%d}, "
                f"in {counted(left.days, 'day')}: {renew}."
            )
        return None

    def refusal(self, now: datetime) -> str:
        """Return what to do when the API refused the key, in words that follow a colon."""
        if self.expires_at is not None and self.expires_at <= now:
            why = f"it expired on {self.expires_at:%Y-%m-%d}"
        elif self.enrollment is None:
            why = "it is not a key from the EA portal, or not a whole one"
        else:
            why = "it was revoked, or may not read this enrollment's usage"
        return f"{why}; create a new key in the EA portal and put it into {self.setting}"


def load_keys(settings: EASettings) -> dict[str, ApiKey]:
    """Return the key of each enrollment.

    Raises:
        CredentialError: One is missing or can't be read.
    """
    fernet_key = find_fernet_key(settings)
    keys = {}
    for enrollment in settings.all_enrollments():
        text, setting = _key_text(enrollment, alone=not settings.enrollments)
        keys[enrollment.enrollment_number] = ApiKey.read(decrypt(text, fernet_key, setting), setting)
    return keys


def check_keys(keys: Mapping[str, ApiKey], now: datetime, logger: logging.Logger) -> None:
    """Warn of keys that expire soon.

    Raises:
        CredentialError: Keys have expired or are for other enrollments.
    """
    errors = []
    for number, key in keys.items():
        try:
            warning = key.check(number, now)
        except CredentialError as error:
            errors.append(str(error))
        else:
            if warning:
                logger.warning("%s", warning)
    if errors:
        raise CredentialError(*errors)


def _key_text(enrollment: Enrollment, *, alone: bool) -> tuple[str, str]:
    """Return an enrollment's key as it was configured, and where; only a single one may lie in the environment."""
    number = enrollment.enrollment_number
    if alone:
        text = find_secret("api_key", enrollment.api_key, enrollment.api_key_file)
        setting = where("api_key")
    else:
        text = own_secret("api_key", enrollment.api_key, enrollment.api_key_file)
        setting = f"`enrollments`, `api_key` of {number}"
    if enrollment.api_key_file and not enrollment.api_key:
        setting = f"the file {enrollment.api_key_file}"
    if text is None:
        message = f"Enrollment {number} has no key: set {setting} or `api_key_file`."
        raise CredentialError(message)
    return text, setting


def _claims(token: str) -> Mapping[str, object]:
    """Return the claims of a JWT, none if it is not one."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature (RFC 7519)
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _instant(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
