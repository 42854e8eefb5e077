"""The settings of Cost Details reports."""

from __future__ import annotations

from pydantic import Field

from tap_azure_ea_billing.sources.azure.scopes import ArmSettings
from tap_azure_ea_billing.sources.forms import API_VERSION
from tap_azure_ea_billing.sources.settings import LONGEST_SECONDS


class CostDetailsSettings(ArmSettings):
    """Every setting that the source `cost_details` looks at."""

    cost_details_api_version: str = Field(
        default="2025-03-01",
        title="API version of Cost Details",
        description="Version of Microsoft.CostManagement/generateCostDetailsReport, from 2022-05-01 on.",
        pattern=API_VERSION,
    )
    report_deadline: float = Field(
        default=7200,
        gt=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        title="Report deadline",
        description="Seconds that Azure may take to make a month's report.",
    )
