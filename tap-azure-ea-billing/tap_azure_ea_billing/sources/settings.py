"""The settings that sources share: whose bills and which months, and how requests are sent.

A source's own settings are in its folder; `config` joins them all into one model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from tap_azure_ea_billing.months import parse_month
from tap_azure_ea_billing.sources.forms import ACCOUNT, CURRENCY, USER_AGENT
from tap_azure_ea_billing.sources.source import DATASETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

ENVIRONMENT_PREFIX = "TAP_AZURE_EA_BILLING_"
SECRET: dict[str, Any] = {"secret": True}
LONGEST_SECONDS = 1e9
"""Thirty years: what is longer no clock or timer takes."""
_LONGEST_DAYS = 100_000
_APART = re.compile(r"[,\s]+")


class SettingsGroup(BaseModel):
    """Settings that belong together; blank text counts as not set."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        defer_build=True,  # only the model that joins the groups validates: building each takes a start's time
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever was configured
        """Meltano passes settings that have no value as empty text."""
        return without_blanks(settings) if isinstance(settings, dict) else settings


class Enrollment(SettingsGroup):
    """One enrollment and where its key is."""

    enrollment_number: str = Field(
        title="Enrollment number",
        description="Billing account, as in the setting `enrollment_number`.",
        pattern=ACCOUNT,
    )
    api_key: SecretStr | None = Field(
        default=None,
        title="API key",
        description="API access key from the EA portal (a JWT), or `fernet:` and the encrypted key.",
        json_schema_extra=SECRET,
    )
    api_key_file: str | None = Field(
        default=None,
        title="API key file",
        description="File that holds the API key instead of `api_key`.",
    )
    currency: str | None = Field(
        default=None,
        title="Currency",
        description="Currency of the enrollment's costs (ISO 4217), where it is not that of the setting `currency`.",
        pattern=CURRENCY,
    )


class BillSettings(SettingsGroup):
    """Whose bills are read, of which months, from which source."""

    enrollment_number: str | None = Field(
        default=None,
        title="Enrollment number",
        description=(
            "Billing account: the number of an Enterprise Agreement enrollment, the id of a Customer Agreement's "
            "account or billing profile, or a whole scope. Required unless `enrollments` is set."
        ),
        pattern=ACCOUNT,
    )
    enrollments: tuple[Enrollment, ...] = Field(
        default=(),
        title="Enrollments",
        description=(
            "Several enrollments in one run, instead of `enrollment_number`: a list of objects with "
            "`enrollment_number`, `api_key` or `api_key_file`, and `currency` if it differs. Each has its own state."
        ),
        json_schema_extra=SECRET,
    )
    source: str = Field(
        default="ea",
        title="Source",
        description=(
            "Where the bills are read: `ea` (the EA reporting API), `exports` (Cost Management exports), "
            "`cost_details` (Cost Details reports) or `arm` (usage details from Azure Resource Manager)."
        ),
    )
    datasets: str = Field(
        default="actual",
        title="Datasets",
        description=(
            "Bills to read: `actual` (charges as billed), `amortized` (commitments spread over their use), or both, "
            "separated by a comma. They are kept apart, never added up."
        ),
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
    currency: str | None = Field(
        default=None,
        title="Currency",
        description=(
            "Currency of the costs (ISO 4217) where the source does not name it, as the EA API, which has CNY if this "
            "is not set, and files of 2019."
        ),
        pattern=CURRENCY,
    )
    restatement_days: int = Field(
        default=10,
        ge=0,
        le=_LONGEST_DAYS,
        title="Restatement days",
        description="Days after its end in which a month may change; it is extracted again until then.",
    )
    accept_empty_months: str | None = Field(
        default=None,
        title="Accept empty months",
        description=(
            "Months (`YYYY-MM`, separated by commas or blanks) that had rows and really became empty. For any other "
            "the run stops where the API gives no rows any more."
        ),
    )
    max_clock_skew: float = Field(
        default=300,
        ge=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        title="Largest clock skew",
        description=(
            "Seconds by which this machine's clock may differ from the API's, and the state's newest extraction lie "
            "ahead of it; the run stops at more."
        ),
    )

    @field_validator("start_date", "end_date")
    @classmethod
    def _month_is_readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_month(text)
        return text

    @field_validator("datasets")
    @classmethod
    def _datasets_are_known(cls, text: str) -> str:
        if not _names_in(text) or not set(_names_in(text)) <= set(DATASETS):
            message = f"'{text}' names no datasets: write {' or '.join(DATASETS)}, or both with a comma"
            raise ValueError(message)
        return text

    @field_validator("accept_empty_months")
    @classmethod
    def _empty_months_are_readable(cls, text: str | None) -> str | None:
        _months_in(text)
        return text

    @model_validator(mode="after")
    def _enrollments_are_named_once(self) -> Self:
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

    def currency_of(self, enrollment_number: str) -> str | None:
        """Return the currency that is set for an enrollment's costs, None if none is."""
        return next(
            (
                each.currency
                for each in self.enrollments
                if each.enrollment_number == enrollment_number and each.currency
            ),
            self.currency,
        )

    def accepted_empty(self) -> frozenset[date]:
        """Return the months that had rows and may be empty now."""
        return _months_in(self.accept_empty_months)

    def chosen_datasets(self) -> tuple[str, ...]:
        """Return the datasets to read, `actual` first."""
        return tuple(name for name in DATASETS if name in _names_in(self.datasets))

    def enrollment_numbers(self) -> tuple[str, ...]:
        """Return the enrollments to read, in the order in which they are named."""
        return tuple(each.enrollment_number for each in self.enrollments) or (self.enrollment_number or "",)


class RequestSettings(SettingsGroup):
    """How requests are sent, and what may be answered, for sources that send any."""

    request_timeout: float = Field(
        default=800,
        gt=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        title="Request timeout",
        description="Seconds to wait for the API to go on with an answer.",
    )
    request_deadline: float = Field(
        default=3600,
        gt=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        title="Request deadline",
        description="Seconds that one request may take in all, however steadily its answer trickles in.",
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
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        title="Longest wait",
        description="Longest wait between two tries in seconds, also where the API's Retry-After asks for more.",
    )
    user_agent: str = Field(
        default="tap-azure-ea-billing",
        title="User agent",
        description="User-Agent header of the requests.",
        pattern=USER_AGENT,
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


class SecretSettings(SettingsGroup):
    """What decrypts the secrets among the settings, for sources that have any."""

    fernet_key: SecretStr | None = Field(
        default=None,
        title="Fernet key",
        description="Key that decrypts a secret of the form `fernet:...`.",
        json_schema_extra=SECRET,
    )
    fernet_key_file: str | None = Field(
        default=None,
        title="Fernet key file",
        description="File that holds the Fernet key instead of `fernet_key`.",
    )


def without_blanks(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those whose value is blank text or null."""
    return {name: value for name, value in settings.items() if value is not None and str(value).strip()}


def _months_in(text: str | None) -> frozenset[date]:
    return frozenset(map(parse_month, _names_in(text)))


def _names_in(text: str | None) -> list[str]:
    return [name for name in _APART.split(text or "") if name]
