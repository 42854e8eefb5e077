"""FOCUS 1.0 rows of the same charges: billed cost from the actual dataset, effective cost from the amortized one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from sandbox.bill.columns import DATES, NUMBERS, TEXTS, focus_columns
from sandbox.bill.forms import DECIMAL, EXACT_COST, Form
from sandbox.bill.wire import EXACT

if TYPE_CHECKING:
    from sandbox.bill.charges import Charges, Month

FIELDS = (*TEXTS, *NUMBERS, *DATES)

_BILLED = "BilledCost"
_EFFECTIVE = "EffectiveCost"
_COST = "costInBillingCurrency"
_CATEGORIES = {"Purchase": "Purchase", "Refund": "Purchase", "RoundingAdjustment": "Adjustment"}
_FREQUENCIES = {"UsageBased": "Usage-Based", "OneTime": "One-Time"}
_SAME = {
    "BillingAccountName": "billingAccountName", "BillingCurrency": "billingCurrency",
    "BillingPeriodStart": "billingPeriodStartDate", "ChargeDescription": "productName", "ChargePeriodStart": "date",
    "CommitmentDiscountId": "benefitId", "CommitmentDiscountName": "benefitName", "ConsumedQuantity": "quantity",
    "ConsumedUnit": "unitOfMeasure", "ContractedUnitPrice": "unitPrice", "ListUnitPrice": "payGPrice",
    "PricingQuantity": "quantity", "PricingUnit": "unitOfMeasure", "PublisherName": "publisherName",
    "RegionName": "location", "ResourceName": "resourceName", "ServiceName": "meterCategory", "SkuId": "productId",
    "SubAccountName": "subscriptionName", "Tags": "tags", "x_AccountId": "accountId", "x_AccountName": "accountName",
    "x_AccountOwnerId": "accountOwnerId", "x_BilledUnitPrice": "effectivePrice",
    "x_BillingAccountId": "billingAccountId", "x_BillingAccountName": "billingAccountName",
    "x_BillingExchangeRate": "exchangeRatePricingToBilling", "x_BillingExchangeRateDate": "exchangeRateDate",
    "x_BillingProfileId": "billingProfileId", "x_BillingProfileName": "billingProfileName",
    "x_CostCenter": "costCenter", "x_EffectiveUnitPrice": "effectivePrice", "x_InvoiceSectionId": "invoiceSectionId",
    "x_InvoiceSectionName": "invoiceSectionName", "x_PricingCurrency": "pricingCurrency",
    "x_PricingUnitDescription": "unitOfMeasure", "x_PublisherCategory": "publisherType",
    "x_ResourceGroupName": "resourceGroup", "x_ResourceType": "resourceType",
    "x_ServicePeriodEnd": "servicePeriodEndDate", "x_ServicePeriodStart": "servicePeriodStartDate",
    "x_SkuDescription": "productName", "x_SkuDetails": "additionalInfo",
    "x_SkuIsCreditEligible": "isAzureCreditEligible", "x_SkuMeterCategory": "meterCategory",
    "x_SkuMeterId": "meterId", "x_SkuMeterName": "meterName", "x_SkuMeterSubcategory": "meterSubCategory",
    "x_SkuOfferId": "offerId", "x_SkuOrderId": "productOrderId", "x_SkuOrderName": "productOrderName",
    "x_SkuPartNumber": "partNumber", "x_SkuRegion": "meterRegion", "x_SkuServiceFamily": "serviceFamily",
    "x_SkuTerm": "term",
}  # fmt: skip


def focus_usage(charges: Charges, month: Month, numbers: pl.Series, form: Form) -> pl.DataFrame:
    """Return rows of usage with both costs beside the fields."""
    actual = charges.usage(month, "actual", numbers, FIELDS, form)
    amortized = charges.usage(month, "amortized", numbers, (_COST,), form)
    return actual.with_columns(actual[_COST].alias(_BILLED), amortized[_COST].alias(_EFFECTIVE))


def focus_others(charges: Charges, month: Month, form: Form) -> pl.DataFrame:
    """Return the other charges of both datasets: a commitment's are in one of them, all others in both."""
    commitment = pl.col("pricingModel").is_in(["Reservation", "SavingsPlan"])
    nothing = pl.lit("0") if not form.decimals else pl.lit(0, dtype=DECIMAL)
    bought = charges.others(month, "actual", FIELDS, form).filter(commitment)
    amortized = charges.others(month, "amortized", FIELDS, form)
    paid = commitment.fill_null(value=False)
    billed = pl.when(paid).then(nothing).otherwise(_COST)
    exact = pl.when(paid).then(pl.lit(0, dtype=DECIMAL)).otherwise(EXACT_COST)
    return pl.concat([
        amortized.with_columns(billed.alias(_BILLED), pl.col(_COST).alias(_EFFECTIVE), exact.alias(EXACT_COST)),
        bought.with_columns(pl.col(_COST).alias(_BILLED), nothing.alias(_EFFECTIVE)),
    ])  # fmt: skip


def focus_table(frame: pl.DataFrame, form: Form) -> pl.DataFrame:
    """Return the file's columns of charges with both costs."""
    made = _made(form)
    types = {"Decimal": DECIMAL if form.decimals else pl.String(), "DateTime": form.date_type}
    return frame.select(
        made[name].alias(name)
        if name in made
        else pl.col(_SAME[name]).alias(name)
        if name in _SAME
        else pl.lit(None, dtype=types.get(kind, pl.String())).alias(name)
        for name, kind in focus_columns().items()
    )


def effective_cost(table: pl.DataFrame) -> Decimal:
    """Return the exact sum of the effective costs of a file's rows."""
    total = Decimal(0)
    for value in table[_EFFECTIVE]:
        total = EXACT.add(total, Decimal(value))
    return total


def _made(form: Form) -> dict[str, pl.Expr]:
    kind = pl.col("chargeType")
    unused = kind.str.starts_with("Unused")
    committed = pl.col("benefitId").is_not_null()
    return {
        _BILLED: pl.col(_BILLED),
        _EFFECTIVE: pl.col(_EFFECTIVE),
        "BillingAccountId": "/providers/Microsoft.Billing/billingAccounts/" + pl.col("billingAccountId"),
        "BillingAccountType": pl.lit("Billing Account"),
        "BillingPeriodEnd": _end(form, pl.col("billingPeriodEndDate")),
        "ChargeCategory": kind.replace_strict(_CATEGORIES, default="Usage"),
        "ChargeClass": pl.when(kind == "Refund").then(pl.lit("Correction")),
        "ChargeFrequency": pl.col("frequency").replace(_FREQUENCIES),
        "ChargePeriodEnd": _end(form, pl.col("date")),
        "CommitmentDiscountCategory": pl.when(pl.col("reservationId").is_not_null())
        .then(pl.lit("Usage"))
        .when(committed)
        .then(pl.lit("Spend")),
        "CommitmentDiscountStatus": pl.when(unused)
        .then(pl.lit("Unused"))
        .when(committed & (kind == "Usage"))
        .then(pl.lit("Used")),
        "CommitmentDiscountType": pl.when(committed).then("pricingModel"),
        "InvoiceIssuerName": pl.lit("Microsoft"),
        "PricingCategory": pl.col("pricingModel").replace(
            {"OnDemand": "Standard", "Reservation": "Committed", "SavingsPlan": "Committed", "Spot": "Dynamic"}
        ),
        "ProviderName": pl.lit("Microsoft"),
        "RegionId": pl.col("resourceLocation").str.to_lowercase(),
        "ResourceId": pl.col("resourceId").str.to_lowercase(),
        "SubAccountId": "/subscriptions/" + pl.col("subscriptionId"),
        "SubAccountType": pl.when(pl.col("subscriptionId").is_not_null()).then(pl.lit("Subscription")),
    }


def _end(form: Form, last_day: pl.Expr) -> pl.Expr:
    """Return the first instant after a day."""
    if not form.date_format:
        return last_day.dt.offset_by("1d")
    return last_day.str.to_date(form.date_format).dt.offset_by("1d").dt.strftime(form.date_format)
