"""Where the password of ClickHouse is: in a setting or a file, and perhaps encrypted there with a Fernet key.

Command and mapper are installed without the loader: warehouse and loader each have this file, and a test keeps the two
identical.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.fernet import Fernet

ENCRYPTED_PREFIX = "fernet:"


class PasswordError(Exception):
    """The password can't be had; the message is a sentence, and holds no secret."""


def find_password(settings: Mapping[str, str | Path | None]) -> str:
    """Return the password in the clear; '' if there is none.

    Args:
        settings: `password`, or `password_file`, which comes first; `fernet_key` or `fernet_key_file`, which comes
            first too.

    Raises:
        PasswordError: A file can't be read, or an encrypted password not decrypted.
    """
    password = _text(settings, "password")
    if not password.startswith(ENCRYPTED_PREFIX):
        return password
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - takes time that runs with a plain password save

    try:
        return _fernet(settings).decrypt(password.removeprefix(ENCRYPTED_PREFIX)).decode()
    except InvalidToken:
        raise PasswordError(
            "The password of ClickHouse can't be decrypted with this Fernet key: set the right one, or encrypt the "
            "password again."
        ) from None


def _text(settings: Mapping[str, str | Path | None], name: str) -> str:
    path = settings.get(f"{name}_file")
    if not path:
        return str(settings.get(name) or "")
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise PasswordError(
            f"The file {path} of {name}_file (CLICKHOUSE_{name.upper()}_FILE) can't be read ({reason}): correct its "
            "path or permissions."
        ) from None


def encrypt(password: str, settings: Mapping[str, str | Path | None]) -> str:
    """Return a password as a setting can hold it encrypted.

    Args:
        password: The password in the clear.
        settings: `fernet_key` or `fernet_key_file`.

    Raises:
        PasswordError: There is no Fernet key, or it is malformed.
    """
    return ENCRYPTED_PREFIX + _fernet(settings).encrypt(password.encode()).decode()


def _fernet(settings: Mapping[str, str | Path | None]) -> Fernet:
    key = _text(settings, "fernet_key").strip()
    if not key:
        raise PasswordError(
            "There is no Fernet key for the password of ClickHouse: set fernet_key (CLICKHOUSE_FERNET_KEY) or "
            "fernet_key_file (CLICKHOUSE_FERNET_KEY_FILE)."
        )
    from cryptography.fernet import Fernet  # noqa: PLC0415 - takes time that runs with a plain password save

    try:
        return Fernet(key)
    except ValueError:
        raise PasswordError(
            "The Fernet key for the password of ClickHouse is malformed: `azure-billing-warehouse password new-key` "
            "makes one."
        ) from None
