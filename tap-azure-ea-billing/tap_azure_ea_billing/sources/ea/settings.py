"""The settings of the EA reporting API: its keys, its address, and the bounds on what it may answer."""

from __future__ import annotations

import ipaddress
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX, SECRET, BillSettings, Enrollment, RequestSettings


class EASettings(RequestSettings, BillSettings):
    """Every setting that the source `ea` looks at."""

    api_key: SecretStr | None = Field(
        default=None,
        title="API key",
        description=(
            "API access key from the EA portal (a JWT that is valid for six months), or `fernet:` and the encrypted "
            "key. Required unless `api_key_file` or `enrollments` is set."
        ),
        json_schema_extra=SECRET,
    )
    api_key_file: str | None = Field(
        default=None,
        title="API key file",
        description="File that holds the API key instead of `api_key`.",
    )
    fernet_key: SecretStr | None = Field(
        default=None,
        title="Fernet key",
        description="Key that decrypts an API key of the form `fernet:...`.",
        json_schema_extra=SECRET,
    )
    fernet_key_file: str | None = Field(
        default=None,
        title="Fernet key file",
        description="File that holds the Fernet key instead of `fernet_key`.",
    )
    api_url: str = Field(
        default="https://ea.azure.cn/rest",
        title="API URL",
        description="Address of the API. The key is sent to this scheme, host and port only.",
    )
    allow_http: bool = Field(
        default=False,
        title="Allow http://",
        description="Take an `api_url` with `http://` on another machine, where anybody on the way can read the key.",
    )
    max_body_mb: int = Field(
        default=1024,
        ge=1,
        title="Largest body",
        description="Megabytes (1,048,576 bytes) that the body of an answer may have, decompressed.",
    )
    max_pages: int = Field(
        default=100_000,
        ge=1,
        title="Most pages",
        description="Pages that a month may have.",
    )
    max_empty_pages: int = Field(
        default=100,
        ge=0,
        title="Most empty pages",
        description="Pages without rows that may follow one another in a month.",
    )
    prefetch_pages: int = Field(
        default=1,
        ge=0,
        le=16,
        title="Pages fetched ahead",
        description="Pages fetched while one is being written; 0 fetches and writes in turn.",
    )

    @field_validator("api_url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in url or "?" in url or "#" in url:
            message = "it must be an address like https://ea.azure.cn/rest"
            raise ValueError(message)
        return url.rstrip("/")

    @model_validator(mode="after")
    def _key_is_not_sent_in_the_clear(self) -> Self:
        if not self.allow_http and _sends_in_the_clear(self.api_url):
            message = (
                "setting `api_url` has http://, so that anybody on the way can read the key: use https://, or set "
                f"`allow_http` (environment variable {ENVIRONMENT_PREFIX}ALLOW_HTTP)"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _dataset_is_actual(self) -> Self:
        if self.source == "ea" and self.chosen_datasets() != ("actual",):
            message = "setting `datasets` asks for amortized costs, which the source `ea` does not have: leave it out"
            raise ValueError(message)
        return self

    def all_enrollments(self) -> tuple[Enrollment, ...]:
        """Return the enrollments to read and where their keys are, in the order in which they are named."""
        if self.enrollments:
            return self.enrollments
        return (
            Enrollment(
                enrollment_number=self.enrollment_number or "",
                api_key=self.api_key,
                api_key_file=self.api_key_file,
            ),
        )


def _sends_in_the_clear(url: str) -> bool:
    """Return whether requests to an address leave this machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
