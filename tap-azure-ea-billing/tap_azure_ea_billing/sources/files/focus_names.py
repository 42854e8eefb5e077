"""What FOCUS files call the columns of `usage_details`: 1.0-preview, 1.0, 1.0r2 and 1.2-preview in one table a dataset.

One FOCUS row holds both costs: `BilledCost` is the actual one and `EffectiveCost` the amortized one. The mapping is the
reverse of finops-toolkit's (`focus/convert.md`); docs/sources.md says what it loses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tap_azure_ea_billing.sources.files.names import NameTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_azure_ea_billing.sources.files.names import Field

_COLUMNS = {
    "account_owner_id": ("x_AccountOwnerId",),
    "account_name": ("x_AccountName",),
    "subscription_guid": ("SubAccountId",),
    "subscription_name": ("SubAccountName",),
    "date": ("ChargePeriodStart",),
    "product": ("ChargeDescription", "x_SkuDescription"),
    "meter_id": ("x_SkuMeterId",),
    "meter_category": ("x_SkuMeterCategory",),
    "meter_sub_category": ("x_SkuMeterSubcategory",),
    "meter_region": ("x_SkuRegion",),
    "meter_name": ("SkuMeter", "x_SkuMeterName"),
    "consumed_quantity": ("ConsumedQuantity", "UsageQuantity"),
    "resource_location": ("RegionId", "Region"),
    "instance_id": ("ResourceId",),
    "additional_info": ("x_SkuDetails", "SkuPriceDetails"),
    "tags": ("Tags",),
    "department_name": ("x_InvoiceSectionName",),
    "cost_center": ("x_CostCenter",),
    "unit_of_measure": ("x_PricingUnitDescription",),
    "resource_group": ("x_ResourceGroupName",),
    "billing_currency": ("BillingCurrency",),
    "charge_type": ("ChargeCategory",),
    "pricing_model": ("PricingCategory",),
    "frequency": ("ChargeFrequency",),
    "publisher_name": ("PublisherName",),
    "benefit_id": ("CommitmentDiscountId",),
    "benefit_name": ("CommitmentDiscountName",),
    "term": ("x_SkuTerm",),
    "unit_price": ("ContractedUnitPrice", "x_OnDemandUnitPrice"),
    "payg_price": ("ListUnitPrice",),
    "part_number": ("x_SkuPartNumber",),
    "service_family": ("x_SkuServiceFamily",),
    "product_order_id": ("x_SkuOrderId",),
    "product_order_name": ("x_SkuOrderName",),
    "billing_profile_id": ("x_BillingProfileId",),
    "billing_profile_name": ("x_BillingProfileName",),
    "invoice_section_id": ("x_InvoiceSectionId",),
    "invoice_section_name": ("x_InvoiceSectionName",),
    "invoice_id": ("InvoiceId", "x_InvoiceId"),
    "exchange_rate": ("x_BillingExchangeRate",),
    "pricing_currency": ("PricingCurrency", "x_PricingCurrency"),
    "availability_zone": ("AvailabilityZone",),
}

_OF_A_DATASET: Mapping[str, dict[str, tuple[str, ...]]] = {
    "actual": {
        "resource_rate": ("x_BilledUnitPrice",),
        "extended_cost": ("BilledCost",),
        "cost_in_usd": ("x_BilledCostInUsd",),
    },
    "amortized": {
        "resource_rate": ("x_EffectiveUnitPrice",),
        "extended_cost": ("EffectiveCost",),
        "cost_in_usd": ("x_EffectiveCostInUsd",),
    },
}

_KEPT = ("SubAccountId", "ChargeCategory", "PricingCategory", "ChargeFrequency")
_OTHERS = frozenset(
    {
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingAccountType",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "CapacityReservationId",
        "CapacityReservationStatus",
        "ChargeClass",
        "ChargePeriodEnd",
        "ChargeSubcategory",
        "CommitmentDiscountCategory",
        "CommitmentDiscountQuantity",
        "CommitmentDiscountStatus",
        "CommitmentDiscountType",
        "CommitmentDiscountUnit",
        "ConsumedUnit",
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "RegionName",
        "ResourceName",
        "ResourceType",
        "ServiceCategory",
        "ServiceName",
        "ServiceSubcategory",
        "SkuId",
        "SkuPriceId",
        "SubAccountType",
        "UsageUnit",
        "x_AccountId",
        "x_AmortizationClass",
        "x_BilledCostInUsd",
        "x_BilledUnitPrice",
        "x_BillingAccountId",
        "x_BillingAccountName",
        "x_BillingExchangeRateDate",
        "x_ChargeId",
        "x_ContractedCostInUsd",
        "x_CostAllocationRuleName",
        "x_CustomerId",
        "x_CustomerName",
        "x_EffectiveCostInUsd",
        "x_EffectiveUnitPrice",
        "x_InvoiceIssuerId",
        "x_ListCostInUsd",
        "x_OnDemandCost",
        "x_OnDemandCostInUsd",
        "x_PartnerCreditApplied",
        "x_PartnerCreditRate",
        "x_PricingBlockSize",
        "x_PricingSubcategory",
        "x_PublisherCategory",
        "x_PublisherId",
        "x_ResellerId",
        "x_ResellerName",
        "x_ResourceType",
        "x_ServiceModel",
        "x_ServicePeriodEnd",
        "x_ServicePeriodStart",
        "x_SkuIsCreditEligible",
        "x_SkuOfferId",
        "x_SkuPlanName",
        "x_SkuTier",
    }
)

_PRICING_MODELS = {"Standard": "OnDemand", "On-Demand": "OnDemand", "Dynamic": "Spot"}
_COMMITTED = ("Committed", "Commitment-Based")


def _subscription_guid(field: Field) -> pl.Expr:
    """Return the last segment of `/subscriptions/{guid}`."""
    return field("SubAccountId").str.extract(r"([^/]+)/*$", 1)


def _consumed_quantity(field: Field) -> pl.Expr:
    """Return the quantity consumed, for purchases the quantity priced."""
    return pl.coalesce(field("ConsumedQuantity", "UsageQuantity"), field("PricingQuantity"))


def _charge_type(field: Field) -> pl.Expr:
    """Return the charge types of the cost datasets, other categories as they came."""
    unused = (field("CommitmentDiscountStatus") == "Unused") | (field("ChargeSubcategory") == "Unused Commitment")
    refund = (field("ChargeClass") == "Correction") | (field("ChargeSubcategory") == "Refund")
    return (
        pl.when(unused & _savings_plan(field))
        .then(pl.lit("UnusedSavingsPlan"))
        .when(unused)
        .then(pl.lit("UnusedReservation"))
        .when(refund)
        .then(pl.lit("Refund"))
        .otherwise(field("ChargeCategory"))
    )


def _pricing_model(field: Field) -> pl.Expr:
    """Return the pricing models of the cost datasets, other categories as they came."""
    category = field("PricingCategory")
    committed = category.is_in(_COMMITTED)
    return (
        pl.when(committed & _savings_plan(field))
        .then(pl.lit("SavingsPlan"))
        .when(committed)
        .then(pl.lit("Reservation"))
        .otherwise(category.replace(_PRICING_MODELS))
    )


def _frequency(field: Field) -> pl.Expr:
    """Return the frequencies of the cost datasets: `UsageBased` for `Usage-Based`."""
    return field("ChargeFrequency").str.replace_all("-", "", literal=True)


def _savings_plan(field: Field) -> pl.Expr:
    return field("CommitmentDiscountType").str.to_lowercase().str.starts_with("saving").fill_null(value=False)


_REWRITES = {
    "subscription_guid": _subscription_guid,
    "consumed_quantity": _consumed_quantity,
    "charge_type": _charge_type,
    "pricing_model": _pricing_model,
    "frequency": _frequency,
}

FOCUS_NAMES = {
    dataset: NameTable("FOCUS", {**_COLUMNS, **columns}, _OTHERS, _REWRITES, _KEPT)
    for dataset, columns in _OF_A_DATASET.items()
}
"""The table of each dataset."""
