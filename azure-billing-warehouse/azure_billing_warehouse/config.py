"""Where ClickHouse is and what its tables are like, as a Pydantic model; nothing is read or connected here."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path  # noqa: TC003 - Pydantic reads the annotations at run time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

MAX_CLOCK_SKEW: float = 300
"""Seconds by which two clocks may differ, and a snapshot be later than ClickHouse's clock."""


_MONTH = re.compile(r"\d{4}-\d{2}")


class Settings(BaseModel):
    """Base of all settings: an unknown name is an error, an empty value counts as unset."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _unset_if_empty(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever the configuration holds
        """Unset empty values: Meltano passes an unset environment variable on as an empty string."""
        if isinstance(settings, dict):
            return {name: value for name, value in settings.items() if value != ""}
        return settings


class ClickHouseConfig(Settings):
    """Where ClickHouse is, and what its tables are like."""

    host: str = Field("localhost", title="Host", description="Host of ClickHouse's HTTP interface.")
    port: int = Field(8123, title="Port", description="Port of the HTTP interface.", ge=1, le=65535)
    username: str = Field("default", title="User", description="User who may create and read the tables.")
    password: SecretStr = Field(
        SecretStr(""),
        title="Password",
        description=(
            "Password of the user, or `fernet:` and the encrypted password; give it by the environment, not in a file "
            "that is committed."
        ),
    )
    password_file: Path | None = Field(
        None, title="Password file", description="File that holds the password instead of `password`."
    )
    fernet_key: SecretStr | None = Field(
        None, title="Fernet key", description="Key that decrypts a password of the form `fernet:...`."
    )
    fernet_key_file: Path | None = Field(
        None, title="Fernet key file", description="File that holds the Fernet key instead of `fernet_key`."
    )
    database: str = Field("default", title="Database", description="Database of the tables.", min_length=1)
    secure: bool = Field(default=False, title="TLS", description="Connect by HTTPS.")
    verify: bool = Field(default=True, title="Verify", description="Verify the server's certificate.")
    ca_cert: Path | None = Field(
        None,
        title="CA file",
        description=(
            "File with the certificates (PEM) of the authorities to trust instead of the system's: a "
            "private authority's, or a self-signed certificate itself."
        ),
    )
    json_type: Literal["JSON", "String"] = Field(
        "JSON", title="JSON type", description="Type of the columns tags and additional_info: `JSON` or `String`."
    )
    cluster: str | None = Field(
        None,
        title="Cluster",
        description="Cluster on which the tables are made.",
    )
    keeper_path: str = Field(
        "/clickhouse/tables/{shard}",
        title="Keeper path",
        description="Path in Keeper below which a cluster's replicated tables are.",
    )

    def secrets(self) -> dict[str, str | Path | None]:
        """Return the settings that say where the password is, as `passwords` takes them."""
        return {
            "password": self.password.get_secret_value(),
            "password_file": self.password_file,
            "fernet_key": self.fernet_key.get_secret_value() if self.fernet_key else None,
            "fernet_key_file": self.fernet_key_file,
        }

    @field_validator("database")
    @classmethod
    def _writable_name(cls, database: str) -> str:
        """Refuse names that need quoting: other programs write them unquoted into statements and addresses."""
        if not database.isprintable() or set(database) & set("'\"`\\"):
            raise ValueError("it has a quote, a backslash or a control character")
        return database

    @field_validator("keeper_path")
    @classmethod
    def _path_by_shard(cls, path: str) -> str:
        """Require a path for each shard: tables with the same path are replicas of each other."""
        if not path.startswith("/") or path.endswith("/") or "{shard}" not in path or "{uuid}" in path:
            raise ValueError("it must begin with /, not end with it, have {shard} and not have {uuid}")
        return path


def clickhouse_variable(setting: str) -> str:
    """Return the environment variable that a setting of ClickHouse comes from."""
    return "CLICKHOUSE_USER" if setting == "username" else f"CLICKHOUSE_{setting.upper()}"


def read_months(text: str) -> frozenset[dt.date]:
    """Return the first days of the months in a text such as `2026-08,2026-09`; they are separated by commas or blanks.

    Raises:
        ValueError: One of them isn't a month.
    """
    return frozenset(read_month(month) for month in text.replace(",", " ").split())


def read_month(text: str) -> dt.date:
    """Return the first day of the month of `2026-08`, `2026-08-15` or an ISO date-time, as in the tap's settings.

    Raises:
        ValueError: The text is none of these.
    """
    try:
        if _MONTH.fullmatch(text):
            return dt.date.fromisoformat(f"{text}-01")
        return dt.datetime.fromisoformat(text).date().replace(day=1)
    except ValueError:
        raise ValueError(f"{text} is not a month such as 2026-08") from None
