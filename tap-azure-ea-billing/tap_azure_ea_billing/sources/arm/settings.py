"""The settings of usage details from Azure Resource Manager."""

from __future__ import annotations

from pydantic import Field

from tap_azure_ea_billing.sources.azure.scopes import ArmSettings
from tap_azure_ea_billing.sources.forms import API_VERSION


class UsageDetailsSettings(ArmSettings):
    """Every setting that the source `arm` looks at."""

    usage_details_api_version: str = Field(
        default="2024-08-01",
        title="API version of usage details",
        description="Version of Microsoft.Consumption/usageDetails, for a cloud that does not have the newest.",
        pattern=API_VERSION,
    )
