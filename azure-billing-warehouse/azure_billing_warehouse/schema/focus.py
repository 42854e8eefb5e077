"""The published months in the columns of FOCUS 1.2: one expression for each column, and the look-up tables behind some.

What the record of the bill doesn't say is NULL, never guessed; `docs/focus.md` says of each such column why.

A row is a row of one dataset. Where a month is there in both, each gives the cost that only it knows and 0 for the
other, so that the sums are the datasets' own, to the digit, whichever run of Azure's each was taken from.
"""
# ruff: noqa: S608 - names and literals are our own, or quoted

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.schema.ddl import is_in, literal, on_cluster, qualified
from azure_billing_warehouse.schema.views import APPLICATION, IS_CONFLICT, MONTHS, View, consistency, fingerprint
from azure_billing_warehouse.tables import ACTUAL, AzureBillingDetail

if TYPE_CHECKING:
    from azure_billing_warehouse.config import ClickHouseConfig

VIEW = "focus_cost_and_usage"
_LINK = re.compile(r"\s*\[[^]]*\]\([^)]*\)")


@dataclass(frozen=True)
class LookUp:
    """A table of constants from a CSV file of this package (source and licence: `focus_lookups/README.md`).

    Attributes:
        table: Name of the table in ClickHouse.
        file: Name of the file.
        columns: Header in the file -> column of the table; all are String.
        key: Columns by which it is joined; they are in lower case, without surrounding white space.
    """

    table: str
    file: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the file, only the first of those with the same key."""
        with (files("azure_billing_warehouse.schema") / "focus_lookups" / self.file).open(encoding="utf-8") as file:
            found: dict[tuple[str, ...], tuple[str, ...]] = {}
            for row in csv.DictReader(file):
                named = {column: row[header] for header, column in self.columns.items()}
                named |= {column: named[column].strip().lower() for column in self.key}
                found.setdefault(tuple(named[column] for column in self.key), tuple(named.values()))
        return list(found.values())


@dataclass(frozen=True)
class FocusColumn:
    """A column of FOCUS.

    Attributes:
        expression: What fills it, in SQL.
        source: Where its values come from, or why it is NULL, in Markdown, for `docs/focus.md`.
        is_known: Whether the record has what it asks for.
    """

    expression: str
    source: str
    is_known: bool = True

    @property
    def description(self) -> str:
        """The source, as the comment of the view's column."""
        source = _LINK.sub("", self.source.replace("`", "")).rstrip(".")
        return f"{source}." if self.is_known else f"NULL: {source}."


LOOK_UPS = (
    LookUp(
        "focus_region",
        "regions.csv",
        {"OriginalValue": "original_value", "RegionId": "region_id", "RegionName": "region_name"},
        ("original_value",),
    ),
    LookUp(
        "focus_service",
        "services.csv",
        {
            "ConsumedService": "consumed_service",
            "ResourceType": "resource_type",
            "ServiceName": "service_name",
            "ServiceCategory": "service_category",
            "ServiceSubcategory": "service_subcategory",
            "PublisherName": "publisher_name",
        },
        ("consumed_service", "resource_type"),
    ),
    LookUp(
        "focus_pricing_unit",
        "pricing_units.csv",
        {"UnitOfMeasure": "unit_of_measure", "PricingBlockSize": "block_size", "DistinctUnits": "distinct_units"},
        ("unit_of_measure",),
    ),
)

_TEXT = "CAST(NULL, 'Nullable(String)')"
_NUMBER = "CAST(NULL, 'Nullable(Float64)')"
_PURCHASE = "ifNull(lower({of}charge_type) IN ('purchase', 'refund'), false)"
_IS_PURCHASE = _PURCHASE.format(of="detail.")
_CATEGORY = (
    f"multiIf({_IS_PURCHASE}, 'Purchase', lower(detail.charge_type) = 'tax', 'Tax', "
    "lower(detail.charge_type) = 'credit', 'Credit', "
    "lower(detail.charge_type) = 'roundingadjustment', 'Adjustment', 'Usage')"
)
_IS_UNUSED = "ifNull(lower(detail.charge_type) IN ('unusedreservation', 'unusedsavingsplan'), false)"
_IS_ACTUAL = f"detail.dataset = '{ACTUAL}'"
_COST_OF_CONTRACT = "if(detail.commitment IS NULL AND NOT detail.is_counterpart, detail.extended_cost, NULL)"
_OTHER_CURRENCY = "ifNull(detail.pricing_currency != detail.billing_currency, false)"
_IS_CONSUMED = f"unit.block_size = '1' AND NOT detail.is_counterpart AND {_CATEGORY} = 'Usage' AND NOT {_IS_UNUSED}"
_CONTRACTED_PRICE = "ifNull(nullIf(detail.unit_price, 0), if(detail.commitment IS NULL, detail.resource_rate, NULL))"
_UNIT = (
    "multiIf(unit.distinct_units = '', detail.unit_of_measure, unit.block_size = '1', unit.distinct_units, "
    "unit.block_size || ' ' || unit.distinct_units)"
)

_NO_ISSUER = "not in the record. FOCUS wants InvoiceIssuerName in each row; in Azure China it is the operator, 21Vianet"
_MONTH = "`billing_month` and the first day of the next one, midnight UTC"
_NO_CAPACITY = "the record does not say what was used of a commitment in its own unit, nor of reserved capacity"
_COMMITMENT_OF = (
    "from `pricing_model`, `charge_type`, `benefit_id` and `reservation_id`: {} for a reservation, {} for a savings "
    "plan; NULL for other charges, and where the source says nothing of commitments"
)
_DAY = "`date` and the day after, midnight UTC"
_CONSUMED = "`consumed_quantity` and the unit of usage, where a pricing block is one unit; else NULL"
_NO_LIST_COST = "no cost is computed from a list price. FOCUS wants ListCost in each row"
_NO_OTHER_COST = "the record has the cost in the billing currency"
_REGION = "`resource_location` by look-up: `CN East 2`, `chinaeast2` and `sha` are `chinaeast2`, `China East 2`"
_SERVICE = "by look-up of `consumed_service` and ResourceType; else `meter_category`, `Other`, `Other (Other)`"
_NO_SKU = "the record has the meter, not the id of the product or of the price"

COLUMNS: dict[str, FocusColumn] = {
    "AvailabilityZone": FocusColumn("detail.availability_zone", "`availability_zone`"),
    "BilledCost": FocusColumn(
        f"multiIf({_IS_ACTUAL}, detail.extended_cost, detail.is_paired, 0, NULL)",
        "`extended_cost` of the actual dataset: before tax, in BillingCurrency. Rows of the amortized one: 0 where the "
        "month is there in both, else NULL",
    ),
    "BillingAccountId": FocusColumn("detail.enrollment_number", "`enrollment_number`"),
    "BillingAccountName": FocusColumn(_TEXT, _NO_ISSUER, is_known=False),
    "BillingAccountType": FocusColumn("'Billing Account'", "the constant `Billing Account`"),
    "BillingCurrency": FocusColumn("detail.billing_currency", "`billing_currency`"),
    "BillingPeriodEnd": FocusColumn("toDateTime(addMonths(detail.billing_month, 1), 'UTC')", _MONTH),
    "BillingPeriodStart": FocusColumn("toDateTime(detail.billing_month, 'UTC')", _MONTH),
    "CapacityReservationId": FocusColumn(_TEXT, _NO_CAPACITY, is_known=False),
    "CapacityReservationStatus": FocusColumn(_TEXT, _NO_CAPACITY, is_known=False),
    "ChargeCategory": FocusColumn(
        _CATEGORY,
        "`Usage`, also for unused commitments; with a `charge_type`: Purchase and Refund are `Purchase`, Tax is `Tax`, "
        "Credit is `Credit`, RoundingAdjustment is `Adjustment`",
    ),
    "ChargeClass": FocusColumn(
        "if(lower(detail.charge_type) = 'refund', 'Correction', NULL)",
        "`Correction` for the `charge_type` Refund, else NULL, as FOCUS wants it",
    ),
    "ChargeDescription": FocusColumn("detail.product", "`product`"),
    "ChargeFrequency": FocusColumn(
        "transform(lower(detail.frequency), ['usagebased', 'onetime', 'recurring'], "
        f"['Usage-Based', 'One-Time', 'Recurring'], if({_CATEGORY} = 'Usage', 'Usage-Based', NULL))",
        "`frequency`; without it `Usage-Based` for usage, else NULL",
    ),
    "ChargePeriodEnd": FocusColumn("toDateTime(addDays(detail.date, 1), 'UTC')", _DAY),
    "ChargePeriodStart": FocusColumn("toDateTime(detail.date, 'UTC')", _DAY),
    "CommitmentDiscountCategory": FocusColumn(
        "transform(detail.commitment, ['Reservation', 'Savings Plan'], ['Usage', 'Spend'], NULL)",
        _COMMITMENT_OF.format("`Usage`", "`Spend`"),
    ),
    "CommitmentDiscountId": FocusColumn(
        "if(detail.commitment IS NULL, NULL, ifNull(nullIf(detail.benefit_id, ''), nullIf(detail.reservation_id, '')))",
        "`benefit_id`, else `reservation_id`, where the charge has to do with a commitment",
    ),
    "CommitmentDiscountName": FocusColumn(
        "if(detail.commitment IS NULL, NULL, "
        "ifNull(nullIf(detail.benefit_name, ''), nullIf(detail.reservation_name, '')))",
        "`benefit_name`, else `reservation_name`, where the charge has to do with a commitment",
    ),
    "CommitmentDiscountQuantity": FocusColumn(_NUMBER, _NO_CAPACITY, is_known=False),
    "CommitmentDiscountStatus": FocusColumn(
        f"multiIf(detail.commitment IS NULL OR {_CATEGORY} != 'Usage', NULL, {_IS_UNUSED}, 'Unused', 'Used')",
        "`Unused` for the `charge_type` UnusedReservation and UnusedSavingsPlan, `Used` for usage that a commitment "
        "covers, else NULL",
    ),
    "CommitmentDiscountType": FocusColumn(
        "detail.commitment", _COMMITMENT_OF.format("`Reservation`", "`Savings Plan`")
    ),
    "CommitmentDiscountUnit": FocusColumn(_TEXT, _NO_CAPACITY, is_known=False),
    # Whether a quantity counts blocks or single units is not documented: where a block is one unit, both are the same.
    "ConsumedQuantity": FocusColumn(f"if({_IS_CONSUMED}, detail.consumed_quantity, NULL)", _CONSUMED),
    "ConsumedUnit": FocusColumn(f"if({_IS_CONSUMED}, unit.distinct_units, NULL)", _CONSUMED),
    "ContractedCost": FocusColumn(
        _COST_OF_CONTRACT,
        "`extended_cost` of a charge that has nothing to do with a commitment, else NULL; only once where the month is "
        "there in both datasets",
    ),
    "ContractedUnitPrice": FocusColumn(
        f"if({_OTHER_CURRENCY}, NULL, {_CONTRACTED_PRICE})",
        "`unit_price`; where it is blank or 0, `resource_rate`, if no commitment covers the charge. NULL where prices "
        "are in another currency",
    ),
    "EffectiveCost": FocusColumn(
        f"multiIf(NOT {_IS_ACTUAL}, detail.extended_cost, detail.is_paired, 0, detail.commitment IS NULL, "
        f"detail.extended_cost, {_IS_PURCHASE}, 0, NULL)",
        "`extended_cost` of the amortized dataset. Rows of the actual one: 0 where the month is there in both; else "
        "`extended_cost`, but 0 for the purchase of a commitment, and NULL for usage that one covers",
    ),
    "InvoiceId": FocusColumn("nullIf(detail.invoice_id, '')", "`invoice_id`"),
    "InvoiceIssuerName": FocusColumn(_TEXT, _NO_ISSUER, is_known=False),
    "ListCost": FocusColumn(_NUMBER, _NO_LIST_COST, is_known=False),
    "ListUnitPrice": FocusColumn(
        f"if({_OTHER_CURRENCY}, NULL, nullIf(detail.payg_price, 0))",
        "`payg_price`; NULL where it is 0, which Azure writes for unknown, or in another currency",
    ),
    "PricingCategory": FocusColumn(
        f"multiIf(detail.commitment IS NOT NULL, if({_IS_PURCHASE}, 'Standard', 'Committed'), "
        "lower(detail.pricing_model) = 'ondemand', 'Standard', lower(detail.pricing_model) = 'spot', 'Dynamic', NULL)",
        "`Committed` for what a commitment covers or leaves unused, `Standard` for its purchase; by `pricing_model` "
        "OnDemand is `Standard`, Spot is `Dynamic`; else NULL",
    ),
    "PricingCurrency": FocusColumn("detail.pricing_currency", "`pricing_currency`"),
    "PricingCurrencyContractedUnitPrice": FocusColumn(
        "if(detail.pricing_currency IS NULL, NULL, nullIf(detail.unit_price, 0))",
        "`unit_price` where `pricing_currency` is known; NULL where it is 0, which Azure writes for unknown",
    ),
    "PricingCurrencyEffectiveCost": FocusColumn(_NUMBER, _NO_OTHER_COST, is_known=False),
    "PricingCurrencyListUnitPrice": FocusColumn(
        "if(detail.pricing_currency IS NULL, NULL, nullIf(detail.payg_price, 0))",
        "`payg_price` where `pricing_currency` is known; NULL where it is 0, which Azure writes for unknown",
    ),
    "PricingQuantity": FocusColumn(
        "if(detail.is_counterpart, NULL, detail.consumed_quantity)",
        "`consumed_quantity`, once where the month is there in both datasets",
    ),
    "PricingUnit": FocusColumn(
        _UNIT,
        "`unit_of_measure` by look-up: `1 Hour` is `Hours`, `10K` is `10000 Units`; unchanged where it is not known",
    ),
    "ProviderName": FocusColumn("'Microsoft'", "the constant `Microsoft`"),
    "PublisherName": FocusColumn(
        "ifNull(nullIf(detail.publisher_name, ''), nullIf(service.publisher_name, ''))",
        "`publisher_name`; without it by look-up, with the service",
    ),
    "RegionId": FocusColumn("nullIf(region.region_id, '')", _REGION),
    "RegionName": FocusColumn("nullIf(region.region_name, '')", _REGION),
    "ResourceId": FocusColumn("nullIf(detail.instance_id, '')", "`instance_id`"),
    "ResourceName": FocusColumn("detail.resource_name", "`resource_name`"),
    "ResourceType": FocusColumn(
        "nullIf(detail.resource_type, '')",
        "from `instance_id`: provider and types, as in `microsoft.sql/servers/databases`",
    ),
    "ServiceCategory": FocusColumn("if(service.service_category = '', 'Other', service.service_category)", _SERVICE),
    "ServiceName": FocusColumn("if(service.service_name = '', detail.meter_category, service.service_name)", _SERVICE),
    "ServiceSubcategory": FocusColumn(
        "if(service.service_subcategory = '', 'Other (Other)', service.service_subcategory)", _SERVICE
    ),
    "SkuId": FocusColumn(_TEXT, _NO_SKU, is_known=False),
    "SkuMeter": FocusColumn("detail.meter_name", "`meter_name`"),
    "SkuPriceDetails": FocusColumn(_TEXT, _NO_SKU, is_known=False),
    "SkuPriceId": FocusColumn(_TEXT, _NO_SKU, is_known=False),
    "SubAccountId": FocusColumn("detail.subscription_guid", "`subscription_guid`"),
    "SubAccountName": FocusColumn("detail.subscription_name", "`subscription_name`"),
    "SubAccountType": FocusColumn("'Subscription'", "the constant `Subscription`"),
    "Tags": FocusColumn(
        "detail.tags_text",
        "`tags_text`: the object as it was, every key in one piece, as text; NULL where there is none. "
        "[Grouping by a tag](operations.md#grouping-by-a-tag)",
    ),
    "x_AccountName": FocusColumn("detail.account_name", "`account_name`"),
    "x_Application": FocusColumn(APPLICATION.format(row="detail."), "`application`, null where no pattern matched"),
    "x_BillingProfileId": FocusColumn("detail.billing_profile_id", "`billing_profile_id`"),
    "x_BillingProfileName": FocusColumn("detail.billing_profile_name", "`billing_profile_name`"),
    "x_CostCenter": FocusColumn("detail.cost_center", "`cost_center`"),
    "x_Dataset": FocusColumn("detail.dataset", "`dataset` that the row is from: `actual` or `amortized`"),
    "x_DepartmentName": FocusColumn("detail.department_name", "`department_name`"),
    "x_InvoiceSectionId": FocusColumn("detail.invoice_section_id", "`invoice_section_id`"),
    "x_InvoiceSectionName": FocusColumn("detail.invoice_section_name", "`invoice_section_name`"),
    "x_IsConflict": FocusColumn(IS_CONFLICT.format(row="detail."), "whether `match_count` is more than one"),
    "x_MatchCount": FocusColumn("detail.match_count", "`match_count`, the patterns that matched"),
    "x_MatchLevel": FocusColumn("detail.match_level", "`match_level`, where the application was found"),
    "x_PublisherCategory": FocusColumn("detail.publisher_type", "`publisher_type`"),
    "x_ResourceGroupName": FocusColumn("detail.resource_group", "`resource_group`"),
    "x_ResourceTracking": FocusColumn("detail.resource_tracking", "`resource_tracking`, the application that pays"),
    "x_SkuMeterCategory": FocusColumn("detail.meter_category", "`meter_category`"),
    "x_SkuMeterId": FocusColumn("detail.meter_id", "`meter_id`"),
    "x_SkuMeterSubcategory": FocusColumn("detail.meter_sub_category", "`meter_sub_category`"),
    "x_SkuOrderId": FocusColumn("detail.product_order_id", "`product_order_id`"),
    "x_SkuOrderName": FocusColumn("detail.product_order_name", "`product_order_name`"),
    "x_SkuPartNumber": FocusColumn("detail.part_number", "`part_number`"),
    "x_SkuServiceFamily": FocusColumn("detail.service_family", "`service_family`"),
    "x_SkuTerm": FocusColumn("detail.term", "`term`, the length of the commitment"),
}
"""The columns by their names in FOCUS; those of ours begin with x_, as FOCUS wants it."""

# `/providers/Microsoft.Sql/servers/s1/databases/d1` is of type `microsoft.sql/servers/databases`: the provider, then
# every second segment; of a resource that extends another one, what follows the last `/providers/`.
_SEGMENTS = "splitByChar('/', regexpExtract(lower(instance_id), '^.*/providers/([^/]+/.*[^/])/?$', 1))"
_RESOURCE_TYPE = (
    "arrayStringConcat(arrayFilter((segment, position) -> position = 1 OR position % 2 = 0, "
    f"{_SEGMENTS} AS segments, arrayEnumerate(segments)), '/')"
)

_COMMITMENT = (
    "multiIf(lower(pricing_model) = 'reservation' OR lower(charge_type) = 'unusedreservation', 'Reservation', "
    "lower(pricing_model) = 'savingsplan' OR lower(charge_type) = 'unusedsavingsplan', 'Savings Plan', "
    "positionCaseInsensitive(benefit_id, '/microsoft.capacity/') > 0, 'Reservation', "
    "positionCaseInsensitive(benefit_id, '/microsoft.billingbenefits/') > 0, 'Savings Plan', "
    "notEmpty(reservation_id), 'Reservation', NULL)"
)


def create_look_up(look_up: LookUp, config: ClickHouseConfig) -> str:
    """Return the statement that makes or replaces a look-up table with its rows; on a cluster each host has its own."""
    columns = list(look_up.columns.values())
    rows = ",\n    ".join(f"({', '.join(literal(value) for value in row)})" for row in look_up.rows())
    structure = literal(", ".join(f"{quote_identifier(column)} String" for column in columns))
    # Up to 25.8 a COMMENT may only follow the SELECT; without the alias it would belong to `values`.
    return (
        f"CREATE OR REPLACE TABLE {qualified(config, look_up.table)}{on_cluster(config)}\n"
        f"ENGINE = MergeTree\nORDER BY ({', '.join(quote_identifier(column) for column in look_up.key)})\n"
        f"AS SELECT * FROM values({structure},\n    {rows}) AS look_up\n"
        f"COMMENT {literal(look_up_fingerprint(look_up))}"
    )


def look_up_fingerprint(look_up: LookUp) -> str:
    """Return the table comment that distinguishes this version's look-up table from others."""
    return fingerprint(repr(look_up.rows()))


def focus_view(config: ClickHouseConfig) -> View:
    """Return the view focus_cost_and_usage."""
    return View(
        VIEW,
        _focus_query(config),
        "The published months of both datasets in the columns of FOCUS 1.2: add up BilledCost for what was billed, "
        "EffectiveCost for what was used.",
        {name: column.description for name, column in COLUMNS.items()},
    )


def _focus_query(config: ClickHouseConfig) -> str:
    selected = ",\n    ".join(f"{column.expression} AS {name}" for name, column in COLUMNS.items())
    region, service, unit = (qualified(config, look_up.table) for look_up in LOOK_UPS)
    return f"""SELECT
    {selected}
FROM (
{_published_rows(config)}
) AS detail
LEFT ANY JOIN {region} AS region ON region.original_value = lower(trimBoth(ifNull(detail.resource_location, '')))
LEFT ANY JOIN {service} AS service
    ON service.consumed_service = lower(trimBoth(ifNull(detail.consumed_service, '')))
    AND service.resource_type = detail.resource_type
LEFT ANY JOIN {unit} AS unit ON unit.unit_of_measure = lower(trimBoth(ifNull(detail.unit_of_measure, '')))
SETTINGS {", ".join(["join_use_nulls = 0", *consistency(config)])}"""


def _published_rows(config: ClickHouseConfig) -> str:
    """Return the published rows of both datasets, with what the expressions need beside them.

    Where a month is there in both datasets, an actual row of a cost of 0 says nothing that the amortized rows don't,
    unless it is the purchase of a commitment, which they leave out.
    """
    months = qualified(config, MONTHS)
    paired = (
        f"SELECT partition_id FROM {months} WHERE (enrollment_number, billing_month) {is_in(config)} "
        f"(SELECT enrollment_number, billing_month FROM {months} GROUP BY enrollment_number, billing_month "
        "HAVING uniqExact(dataset) > 1)"
    )
    return f"""    SELECT *, {_RESOURCE_TYPE} AS resource_type, {_COMMITMENT} AS commitment,
        _partition_id {is_in(config)} ({paired}) AS is_paired,
        is_paired AND dataset = {literal(ACTUAL)} AND (commitment IS NULL OR NOT {_PURCHASE.format(of="")})
            AS is_counterpart
    FROM {qualified(config, AzureBillingDetail.table)} FINAL
    WHERE _partition_id {is_in(config)} (SELECT partition_id FROM {months})
        AND NOT (is_counterpart AND extended_cost = 0)"""
