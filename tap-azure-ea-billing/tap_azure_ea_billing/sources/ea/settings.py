"""The settings of the EA reporting API: its keys and its address."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from tap_azure_ea_billing.sources.http.addresses import sends_in_the_clear
from tap_azure_ea_billing.sources.settings import (
    ENVIRONMENT_PREFIX,
    SECRET,
    BillSettings,
    Enrollment,
    RequestSettings,
    SecretSettings,
)


class EASettings(SecretSettings, RequestSettings, BillSettings):
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
        if not self.allow_http and sends_in_the_clear(self.api_url):
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
