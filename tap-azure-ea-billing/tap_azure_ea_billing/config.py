"""The tap's settings: names, types, defaults and their errors in one model; keys are read in `credentials`.

`AzureApiConfig` is also the source of the settings that `--about` shows, so that there is one place for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema

from tap_azure_ea_billing.months import parse_month

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import ErrorDetails, core_schema

ENVIRONMENT_PREFIX = "TAP_AZURE_EA_BILLING_"
_SECRET: dict[str, Any] = {"secret": True}


class _Settings(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever was configured
        """Meltano hands on settings that have no value as empty text."""
        return without_blanks(settings) if isinstance(settings, dict) else settings


class Enrollment(_Settings):
    """One enrollment and where its key is."""

    enrollment_number: str = Field(
        title="Enrollment number",
        description="Number of the Enterprise Agreement enrollment.",
        pattern=r"^[A-Za-z0-9-]+$",
    )
    api_key: SecretStr | None = Field(
        default=None,
        title="API key",
        description="API access key from the EA portal (a JWT), or `fernet:` and the encrypted key.",
        json_schema_extra=_SECRET,
    )
    api_key_file: str | None = Field(
        default=None,
        title="API key file",
        description="File that holds the API key instead of `api_key`.",
    )


class AzureApiConfig(_Settings):
    """Every setting of the tap; an error names the setting and its environment variable."""

    enrollment_number: str | None = Field(
        default=None,
        title="Enrollment number",
        description="Number of the Enterprise Agreement enrollment. Required unless `enrollments` is set.",
        pattern=r"^[A-Za-z0-9-]+$",
    )
    api_key: SecretStr | None = Field(
        default=None,
        title="API key",
        description=(
            "API access key from the EA portal (a JWT that is valid for six months), or `fernet:` and the encrypted "
            "key. Required unless `api_key_file` or `enrollments` is set."
        ),
        json_schema_extra=_SECRET,
    )
    api_key_file: str | None = Field(
        default=None,
        title="API key file",
        description="File that holds the API key instead of `api_key`.",
    )
    enrollments: tuple[Enrollment, ...] = Field(
        default=(),
        title="Enrollments",
        description=(
            "Several enrollments in one run, instead of `enrollment_number`: a list of objects with "
            "`enrollment_number` and `api_key` or `api_key_file`. Each has its own state."
        ),
        json_schema_extra=_SECRET,
    )
    fernet_key: SecretStr | None = Field(
        default=None,
        title="Fernet key",
        description="Key that decrypts an API key of the form `fernet:...`.",
        json_schema_extra=_SECRET,
    )
    fernet_key_file: str | None = Field(
        default=None,
        title="Fernet key file",
        description="File that holds the Fernet key instead of `fernet_key`.",
    )
    source: Literal["ea"] = Field(
        default="ea",
        title="Source",
        description="API to read: `ea`, the EA reporting API.",
    )
    api_url: str = Field(
        default="https://ea.azure.cn/rest",
        title="API URL",
        description="Address of the API. The key is sent to this scheme, host and port only.",
    )
    start_date: str = Field(
        title="Start date",
        description="First month to extract when there is no state: a date or `YYYY-MM`. None before it is read.",
    )
    end_date: str | None = Field(
        default=None,
        title="End date",
        description="Last month to extract: a date or `YYYY-MM`. The current month (UTC) if it is not set.",
    )
    currency: str = Field(
        default="CNY",
        title="Currency",
        description="Currency of the costs (ISO 4217). The API does not name it.",
        pattern=r"^[A-Z]{3}$",
    )
    restatement_days: int = Field(
        default=10,
        ge=0,
        title="Restatement days",
        description="Days after its end in which a month may change; it is extracted again until then.",
    )
    request_timeout: float = Field(
        default=800,
        gt=0,
        title="Request timeout",
        description="Seconds to wait for the API to go on with an answer.",
    )
    max_retries: int = Field(
        default=5,
        ge=0,
        title="Retries",
        description="How often a request is sent again before the run stops.",
    )
    max_backoff: float = Field(
        default=300,
        ge=0,
        title="Longest wait",
        description="Longest wait between two tries in seconds, also where the API's Retry-After asks for more.",
    )
    prefetch_pages: int = Field(
        default=1,
        ge=0,
        le=16,
        title="Pages fetched ahead",
        description="Pages fetched while one is being written; 0 fetches and writes in turn.",
    )
    user_agent: str = Field(
        default="tap-azure-ea-billing",
        title="User agent",
        description="User-Agent header of the requests.",
        pattern=r"^[\x20-\x7e]+$",
    )

    @field_validator("start_date", "end_date")
    @classmethod
    def _month_is_readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_month(text)
        return text

    @field_validator("api_url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in url or "?" in url or "#" in url:
            message = "it must be an address like https://ea.azure.cn/rest"
            raise ValueError(message)
        return url.rstrip("/")

    @model_validator(mode="after")
    def _enrollments_are_named_once(self) -> AzureApiConfig:
        if not self.enrollment_number and not self.enrollments:
            variable = f"{ENVIRONMENT_PREFIX}ENROLLMENT_NUMBER"
            message = (
                f"setting `enrollment_number` is missing: set it (environment variable {variable}) or `enrollments`"
            )
            raise ValueError(message)
        if self.enrollment_number and self.enrollments:
            message = "settings `enrollment_number` and `enrollments` are both set: leave one of them out"
            raise ValueError(message)
        numbers = [enrollment.enrollment_number for enrollment in self.enrollments]
        if len(numbers) != len(set(numbers)):
            message = "setting `enrollments` names an enrollment twice: leave one of them out"
            raise ValueError(message)
        if self.end_date and parse_month(self.end_date) < self.first_month():
            message = f"setting `end_date` ({self.end_date}) lies before `start_date` ({self.start_date}): change one"
            raise ValueError(message)
        return self

    def first_month(self) -> date:
        """Return the month of `start_date`."""
        return parse_month(self.start_date)

    def all_enrollments(self) -> tuple[Enrollment, ...]:
        """Return the enrollments to read, in the order in which they are named."""
        if self.enrollments:
            return self.enrollments
        return (
            Enrollment(
                enrollment_number=self.enrollment_number or "",
                api_key=self.api_key,
                api_key_file=self.api_key_file,
            ),
        )


class _PlainSchema(GenerateJsonSchema):
    """JSON Schema as plugin settings have it: optional means absent, never null, and a secret is only marked so."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        plain = super().default_schema(schema)
        if plain.get("default", ...) in (None, [], ()):
            del plain["default"]
        return plain


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings, in the form that singer-sdk reads."""
    schema = AzureApiConfig.model_json_schema(schema_generator=_PlainSchema)
    definitions = schema.pop("$defs", {})
    enrollments = schema["properties"]["enrollments"]
    enrollments["items"] = definitions["Enrollment"]
    return {"type": "object", "properties": schema["properties"], "required": schema["required"]}


def without_blanks(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those whose value is blank text or null."""
    return {name: value for name, value in settings.items() if value is not None and str(value).strip()}


def setting_errors(error: ValidationError) -> list[str]:
    """Return a sentence for each setting that is wrong, never with its value if that could be a key."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [_sentence(details) for details in found]


def _sentence(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ")
    if not details["loc"]:
        return f"{message[0].upper()}{message[1:]}."
    setting = ".".join(str(part) for part in details["loc"])
    variable = f"environment variable {ENVIRONMENT_PREFIX}{str(details['loc'][0]).upper()}"
    if details["type"] == "missing":
        return f"Setting `{setting}` is missing: set it ({variable})."
    return f"Setting `{setting}` is wrong: {message[0].lower()}{message[1:]} ({variable})."
