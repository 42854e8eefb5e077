"""What cost files call the columns of `usage_details`, in every version of every dataset, and what they have besides.

Names are matched without case, `_` and blanks. A localised header has the English name in its last brackets:
`Abonnement-GUID (SubscriptionGuid)`. Sources: the dataset schemas of Microsoft's documentation for EA, MCA and partner
agreements, 2019-10-01 to 2024-08-01, for the portal's download and for usageDetails; the FOCUS schemas 1.0-preview to
1.2-preview; real headers of koku, OpenCost, focus_converters and finops-toolkit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tap_azure_ea_billing.sources.misfits import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

Field: TypeAlias = "Callable[..., pl.Expr]"
"""Returns the values of the first of some names that a file has, null if it has none of them."""
Rewrite: TypeAlias = "Callable[[Field], pl.Expr]"
"""Returns a column's values, made from fields of the file."""

_LAST_BRACKETS = re.compile(r"\(([^()]*)\)\s*$")
_IGNORED = re.compile(r"[\s_\ufeff]+")


@dataclass(frozen=True)
class NameTable:
    """The names of one family of files.

    Attributes:
        columns: Accepted names of each column of ours, the one that counts first where a file has several.
        others: Documented names that have no column of ours.
        dataset: What the family is called in errors.
        rewrites: Columns whose values are not those of one field as they came.
        kept: Names of fields that `extra` has as they came, although a column is made from them.
    """

    dataset: str
    columns: Mapping[str, tuple[str, ...]]
    others: frozenset[str]
    rewrites: Mapping[str, Rewrite] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def known(self) -> frozenset[str]:
        """Return every documented name, as `plain_name` writes it."""
        named = {name for names in self.columns.values() for name in names} | self.others
        return frozenset(map(plain_name, named))


def plain_name(name: str) -> str:
    """Return a name as names are compared: in lower case, without `_`, blanks and byte order marks."""
    return _IGNORED.sub("", name).lower()


def header_name(text: str, known: frozenset[str]) -> str:
    """Return the name that a field of a header is, as `plain_name` writes it; in brackets only where that is known."""
    in_brackets = _LAST_BRACKETS.search(text)
    if in_brackets and plain_name(in_brackets[1]) in known:
        return plain_name(in_brackets[1])
    return plain_name(text)


COST_NAMES = NameTable(
    "cost",
    {
        "account_owner_id": ("AccountOwnerId",),
        "account_name": ("AccountName",),
        "subscription_guid": ("SubscriptionGuid", "SubscriptionId"),
        "subscription_name": ("SubscriptionName",),
        "date": ("Date", "UsageDateTime"),
        "product": ("ProductName", "Product"),
        "meter_id": ("MeterId",),
        "meter_category": ("MeterCategory",),
        "meter_sub_category": ("MeterSubCategory",),
        "meter_region": ("MeterRegion",),
        "meter_name": ("MeterName",),
        "consumed_quantity": ("Quantity", "UsageQuantity"),
        "resource_rate": ("EffectivePrice", "ResourceRate"),
        "extended_cost": ("CostInBillingCurrency", "Cost", "PreTaxCost"),
        "resource_location": ("ResourceLocation", "Location"),
        "consumed_service": ("ConsumedService",),
        "instance_id": ("ResourceId", "InstanceId", "InstanceName"),
        "service_info1": ("ServiceInfo1",),
        "service_info2": ("ServiceInfo2",),
        "additional_info": ("AdditionalInfo",),
        "tags": ("Tags",),
        "department_name": ("InvoiceSectionName", "InvoiceSection", "DepartmentName"),
        "cost_center": ("CostCenter",),
        "unit_of_measure": ("UnitOfMeasure",),
        "resource_group": ("ResourceGroup", "ResourceGroupName"),
        "billing_currency": ("BillingCurrencyCode", "BillingCurrency", "Currency"),
        "charge_type": ("ChargeType",),
        "pricing_model": ("PricingModel",),
        "frequency": ("Frequency",),
        "publisher_type": ("PublisherType",),
        "publisher_name": ("PublisherName",),
        "reservation_id": ("ReservationId",),
        "reservation_name": ("ReservationName",),
        "benefit_id": ("BenefitId",),
        "benefit_name": ("BenefitName",),
        "term": ("Term",),
        "unit_price": ("UnitPrice",),
        "payg_price": ("PayGPrice", "MarketPrice"),
        "part_number": ("PartNumber",),
        "service_family": ("ServiceFamily",),
        "product_order_id": ("ProductOrderId",),
        "product_order_name": ("ProductOrderName",),
        "billing_profile_id": ("BillingProfileId",),
        "billing_profile_name": ("BillingProfileName",),
        "invoice_section_id": ("InvoiceSectionId",),
        "invoice_section_name": ("InvoiceSectionName", "InvoiceSection"),
        "invoice_id": ("InvoiceId",),
        "exchange_rate": ("ExchangeRatePricingToBilling", "ExchangeRate"),
        "cost_in_usd": ("CostInUsd",),
        "pricing_currency": ("PricingCurrency", "PricingCurrencyCode"),
        "availability_zone": ("AvailabilityZone",),
        "provider": ("Provider",),
    },
    frozenset(
        {
            "AccountId",
            "BillingAccountId",
            "BillingAccountName",
            "BillingPeriodEndDate",
            "BillingPeriodStartDate",
            "CostAllocationRuleName",
            "CostInPricingCurrency",
            "CustomerName",
            "CustomerTenantId",
            "ExchangeRateDate",
            "IsAzureCreditEligible",
            "OfferId",
            "PartnerEarnedCreditApplied",
            "PartnerEarnedCreditRate",
            "PartnerName",
            "PartnerTenantId",
            "PaygCostInBillingCurrency",
            "PaygCostInUsd",
            "PlanName",
            "PreviousInvoiceId",
            "ProductId",
            "ProductIdentifier",
            "PublisherId",
            "ResellerMpnId",
            "ResellerName",
            "ResourceLocationNormalized",
            "ResourceName",
            "ResourceType",
            "ServiceName",
            "ServicePeriodEndDate",
            "ServicePeriodStartDate",
            "ServiceTier",
        }
    ),
)
"""EA, MCA and partner files, pay-as-you-go files of 2019, the portal's download, usageDetails."""

NUMBERS = (
    *("consumed_quantity", "resource_rate", "extended_cost"),
    *("unit_price", "payg_price", "exchange_rate", "cost_in_usd"),
)
"""Columns whose values are numbers."""

COLUMNS = (*COST_NAMES.columns, "extra", "run_id")
"""Columns of `usage_details` that a cost file fills."""

RECORD_COLUMNS = (*COLUMNS, UNREADABLE)
"""Columns of a record."""
