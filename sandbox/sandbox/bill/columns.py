"""The columns of today's cost files and records by agreement and dataset version, and the field of a charge in each.

A charge's fields (`charges`) have the names of the MCA dataset 2023-12-01-preview, and of EA's where MCA has none.
Other versions say the same under other names.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, cast

_COLUMNS = cast(
    "dict[str, dict[str, Any]]", json.loads(files("sandbox.bill").joinpath("columns.json").read_text("utf-8"))
)

AGREEMENTS = ("ea", "mca")
NEWEST = {"ea": "2024-08-01", "mca": "2023-12-01-preview"}
PORTAL = "portal-download"
FOCUS = "1.0"

_OTHER_NAMES = {
    "billingcurrencycode": "billingCurrency",
    "cost": "costInBillingCurrency",
    "departmentname": "invoiceSectionName",
    "exchangerate": "exchangeRatePricingToBilling",
    "instanceid": "resourceId",
    "instancename": "resourceId",
    "invoicesection": "invoiceSectionName",
    "marketprice": "payGPrice",
    "pretaxcost": "costInBillingCurrency",
    "pricingcurrencycode": "pricingCurrency",
    "product": "productName",
    "productidentifier": "productId",
    "resourcegroupname": "resourceGroup",
    "resourcerate": "effectivePrice",
    "subscriptionguid": "subscriptionId",
    "usagedatetime": "date",
    "usagequantity": "quantity",
}

NUMBERS = (
    "quantity", "effectivePrice", "costInBillingCurrency", "unitPrice", "payGPrice", "costInPricingCurrency",
    "costInUsd", "paygCostInBillingCurrency", "paygCostInUsd", "exchangeRatePricingToBilling",
)  # fmt: skip
DATES = (
    "date", "billingPeriodStartDate", "billingPeriodEndDate", "servicePeriodStartDate", "servicePeriodEndDate",
    "exchangeRateDate",
)  # fmt: skip
TEXTS = (
    "accountId", "accountName", "accountOwnerId", "additionalInfo", "availabilityZone", "benefitId", "benefitName",
    "billingAccountId", "billingAccountName", "billingCurrency", "billingProfileId", "billingProfileName", "chargeType",
    "consumedService", "costAllocationRuleName", "costCenter", "frequency", "invoiceId", "invoiceSectionId",
    "invoiceSectionName", "isAzureCreditEligible", "location", "meterCategory", "meterId", "meterName", "meterRegion",
    "meterSubCategory", "offerId", "partNumber", "planName", "previousInvoiceId", "pricingCurrency", "pricingModel",
    "productId", "productName", "productOrderId", "productOrderName", "provider", "publisherId", "publisherName",
    "publisherType", "resellerMpnId", "resellerName", "reservationId", "reservationName", "resourceGroup",
    "resourceId", "resourceLocation", "resourceLocationNormalized", "resourceName", "resourceType", "serviceFamily",
    "serviceInfo1", "serviceInfo2", "subscriptionId", "subscriptionName", "tags", "term", "unitOfMeasure",
)  # fmt: skip

_FIELDS = {field.lower(): field for field in (*NUMBERS, *DATES, *TEXTS)}


def versions(agreement: str) -> tuple[str, ...]:
    """Return the dataset versions of an agreement, the newest first; EA's last is the portal's download."""
    return tuple(_COLUMNS[agreement])


def columns(agreement: str, version: str) -> tuple[str, ...]:
    """Return a dataset version's columns in file order."""
    return tuple(_COLUMNS[agreement][version])


def focus_columns() -> dict[str, str]:
    """Return the columns of FOCUS 1.0 in file order, each with its type (Decimal, DateTime, Boolean, JSON, ...)."""
    return dict(_COLUMNS["focus"][FOCUS])


def record_properties(kind: str) -> tuple[str, ...]:
    """Return the properties of a usageDetails record: `legacy`, `modern` or `legacy.meterDetails`."""
    return tuple(_COLUMNS["arm"][kind])


def field_of(column: str) -> str | None:
    """Return the field of a charge that a column shows, None for one that a simulated charge lacks."""
    name = column.replace("_", "").replace(" ", "").lower()
    return _FIELDS.get(_OTHER_NAMES.get(name, name).lower())
