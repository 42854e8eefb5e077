"""Where a secret is: in its setting, in a file, in the environment, and perhaps encrypted there with a Fernet key."""

from __future__ import annotations

import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tap_azure_ea_billing.errors import SettingsError
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from cryptography.fernet import Fernet
    from pydantic import SecretStr

    from tap_azure_ea_billing.sources.settings import SecretSettings

ENCRYPTED_PREFIX = "fernet:"


class CredentialError(SettingsError):
    """A secret is missing, unreadable or wrong. No sentence holds it."""


def find_secret(name: str, value: SecretStr | None, path: str | None) -> str | None:
    """Return a secret from its setting, its file or, so that no file need hold it, its environment variable."""
    return own_secret(name, value, path) or os.environ.get(ENVIRONMENT_PREFIX + name.upper(), "").strip() or None


def own_secret(name: str, value: SecretStr | None, path: str | None) -> str | None:
    """Return a secret from its setting or its file."""
    if value is not None:
        return value.get_secret_value().strip()
    return read_secret_file(path, f"{name}_file") if path else None


def find_clear_secret(settings: SecretSettings, name: str) -> str | None:
    """Return the secret of the setting `name`, or of the file that `name` with `_file` names, decrypted if need be.

    Raises:
        CredentialError: It can't be read.
    """
    text = find_secret(name, getattr(settings, name), getattr(settings, f"{name}_file"))
    if text is None or not text.startswith(ENCRYPTED_PREFIX):
        return text
    return decrypt(text, find_fernet_key(settings), where(name))


def find_fernet_key(settings: SecretSettings) -> str | None:
    """Return the key that decrypts secrets, None if there is none."""
    return find_secret("fernet_key", settings.fernet_key, settings.fernet_key_file)


def where(name: str) -> str:
    """Return a setting and its environment variable, as a person would look for them."""
    return f"`{name}` (environment variable {ENVIRONMENT_PREFIX}{name.upper()})"


def read_secret_file(path: str, setting: str) -> str:
    """Return the text of a file that holds a secret.

    Raises:
        CredentialError: It can't be read.
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"The file {path} of setting `{setting}` can't be read ({reason}): correct path or permissions."
        raise CredentialError(message) from None


def encrypt(secret: str, fernet_key: str) -> str:
    """Return a secret as a setting can hold it encrypted.

    Raises:
        CredentialError: The Fernet key is malformed.
    """
    return ENCRYPTED_PREFIX + _fernet(fernet_key).encrypt(secret.strip().encode()).decode()


def decrypt(text: str, fernet_key: str | None, setting: str) -> str:
    """Return a secret in the clear; one that is not encrypted as it is.

    Raises:
        CredentialError: There is no Fernet key, or it is not the one that the secret was encrypted with.
    """
    if not text.startswith(ENCRYPTED_PREFIX):
        return text
    if fernet_key is None:
        message = f"The key in {setting} is encrypted: set {where('fernet_key')} or `fernet_key_file`."
        raise CredentialError(message)
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - takes time that runs with a plain key save

    try:
        return _fernet(fernet_key).decrypt(text.removeprefix(ENCRYPTED_PREFIX)).decode()
    except InvalidToken:
        message = f"The key in {setting} can't be decrypted with this Fernet key: set the right one or encrypt again."
        raise CredentialError(message) from None


def _fernet(fernet_key: str) -> Fernet:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - takes time that runs with a plain key save

    try:
        return Fernet(fernet_key)
    except (ValueError, binascii.Error):
        message = "The Fernet key is malformed: make one with `azure-ea-billing-key generate`."
        raise CredentialError(message) from None
