"""Whose costs are asked for: the scope, and the agreement, which decides how a month is named."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from tap_azure_ea_billing import months
from tap_azure_ea_billing.sources.azure.settings import CloudSettings
from tap_azure_ea_billing.sources.forms import SCOPE
from tap_azure_ea_billing.sources.settings import BillSettings, RequestSettings

if TYPE_CHECKING:
    from datetime import date

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ACCOUNTS = "providers/Microsoft.Billing/billingAccounts"

Agreement = Literal["ea", "mca"]


class ArmSettings(CloudSettings, RequestSettings, BillSettings):
    """What every source looks at that asks Azure Resource Manager for costs."""

    scope: str | None = Field(
        default=None,
        title="Scope",
        description=(
            "What the costs are of, where it is not the whole billing account `enrollment_number`: such as "
            "providers/Microsoft.Billing/billingAccounts/1234567/departments/89, a billing profile, or "
            "subscriptions/ID. Of several enrollments each can have its scope as `enrollment_number`."
        ),
        pattern=SCOPE,
    )
    agreement: Agreement | None = Field(
        default=None,
        title="Agreement",
        description=(
            "`ea` (Enterprise Agreement) or `mca` (Microsoft Customer Agreement). By default a billing account whose "
            "id has a colon is `mca`, everything else `ea`."
        ),
    )

    @model_validator(mode="after")
    def _scope_is_of_one(self) -> Self:
        if self.scope and len(self.enrollments) > 1:
            message = (
                "setting `scope` is for one enrollment, and `enrollments` names several: leave it out, and give each "
                "its scope as `enrollment_number`"
            )
            raise ValueError(message)
        if ".." in (self.scope or ""):
            message = "setting `scope` is no scope: correct it"
            raise ValueError(message)
        return self

    def scope_of(self, enrollment_number: str) -> str:
        """Return the scope of an enrollment, without a slash at either end."""
        scope = (self.scope or enrollment_number).strip("/")
        if "/" in scope:
            return scope
        return f"subscriptions/{scope}" if _GUID.fullmatch(scope) else f"{_ACCOUNTS}/{scope}"

    def agreement_of(self, enrollment_number: str) -> Agreement:
        """Return the agreement of an enrollment."""
        return self.agreement or ("mca" if ":" in self.scope_of(enrollment_number) else "ea")


def month_span(month: date) -> tuple[str, str]:
    """Return the first and the last day of a month, as ISO dates."""
    return month.isoformat(), (months.next_month(month) - timedelta(days=1)).isoformat()
