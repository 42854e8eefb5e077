"""The published months in the columns of FOCUS 1.2: one expression for each column, and the look-up tables behind some.

What the record of the bill doesn't say is NULL, never guessed; `docs/focus.md` says of each such column why.
"""
# ruff: noqa: S608 - names and literals are our own, or quoted

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.schema.ddl import literal, on_cluster, qualified
from azure_billing_warehouse.schema.views import DETAIL, fingerprint

if TYPE_CHECKING:
    from azure_billing_warehouse.config import ClickHouseConfig

VIEW = "focus_cost_and_usage"


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
_CATEGORY = (
    "multiIf(lower(detail.charge_type) IN ('purchase', 'refund'), 'Purchase', "
    "lower(detail.charge_type) = 'tax', 'Tax', "
    "lower(detail.charge_type) = 'roundingadjustment', 'Adjustment', 'Usage')"
)
_UNIT = (
    "multiIf(unit.distinct_units = '', detail.unit_of_measure, unit.block_size = '1', unit.distinct_units, "
    "unit.block_size || ' ' || unit.distinct_units)"
)

_COST = "`extended_cost`: before tax, in BillingCurrency"
_NO_INVOICE = (
    "not in the record. FOCUS wants InvoiceIssuerName in each row; in Azure China it is the operator, 21Vianet"
)
_MONTH = "`billing_month` and the first day of the next one, midnight UTC"
_NO_COMMITMENT = (
    "the record does not say what was paid by a reservation. EffectiveCost is therefore the billed cost: the purchase "
    "of a reservation is not spread over its use"
)
_DAY = "`date` and the day after, midnight UTC"
_CONSUMED = "`consumed_quantity` and the unit, where a pricing block is one unit; else NULL, see below"
_NO_LIST_PRICE = "the record has the price that is paid, not the list price. FOCUS wants ListCost in each row"
_ONE_CURRENCY = "only one currency is known, the billing one"
_REGION = "`resource_location` by look-up: `CN East 2`, `chinaeast2` and `sha` are `chinaeast2`, `China East 2`"
_SERVICE = "by look-up of `consumed_service` and ResourceType; else `meter_category`, `Other`, `Other (Other)`"
_NO_SKU = "the record has the meter, not the id of the product or of the price"

COLUMNS: dict[str, FocusColumn] = {
    "AvailabilityZone": FocusColumn(_TEXT, "not in the record", is_known=False),
    "BilledCost": FocusColumn("detail.extended_cost", _COST),
    "BillingAccountId": FocusColumn("detail.enrollment_number", "`enrollment_number`"),
    "BillingAccountName": FocusColumn(_TEXT, _NO_INVOICE, is_known=False),
    "BillingAccountType": FocusColumn("'Billing Account'", "the constant `Billing Account`"),
    "BillingCurrency": FocusColumn("detail.billing_currency", "`billing_currency`"),
    "BillingPeriodEnd": FocusColumn("toDateTime(addMonths(detail.billing_month, 1), 'UTC')", _MONTH),
    "BillingPeriodStart": FocusColumn("toDateTime(detail.billing_month, 'UTC')", _MONTH),
    "CapacityReservationId": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CapacityReservationStatus": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "ChargeCategory": FocusColumn(
        _CATEGORY,
        "`Usage`; with a `charge_type`: Purchase and Refund are `Purchase`, Tax is `Tax`, RoundingAdjustment is "
        "`Adjustment`",
    ),
    "ChargeClass": FocusColumn(
        "if(lower(detail.charge_type) = 'refund', 'Correction', NULL)",
        "`Correction` for the `charge_type` Refund, else NULL, as FOCUS wants it",
    ),
    "ChargeDescription": FocusColumn("detail.product", "`product`"),
    "ChargeFrequency": FocusColumn(
        f"if({_CATEGORY} = 'Usage', 'Usage-Based', NULL)", "`Usage-Based` for usage, else NULL"
    ),
    "ChargePeriodEnd": FocusColumn("toDateTime(addDays(detail.date, 1), 'UTC')", _DAY),
    "ChargePeriodStart": FocusColumn("toDateTime(detail.date, 'UTC')", _DAY),
    "CommitmentDiscountCategory": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountId": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountName": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountQuantity": FocusColumn(_NUMBER, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountStatus": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountType": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "CommitmentDiscountUnit": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    # Whether a quantity counts blocks or single units is not documented: where a block is one unit, both are the same.
    "ConsumedQuantity": FocusColumn("if(unit.block_size = '1', detail.consumed_quantity, NULL)", _CONSUMED),
    "ConsumedUnit": FocusColumn("if(unit.block_size = '1', unit.distinct_units, NULL)", _CONSUMED),
    "ContractedCost": FocusColumn("detail.extended_cost", _COST),
    "ContractedUnitPrice": FocusColumn("detail.resource_rate", "`resource_rate`"),
    "EffectiveCost": FocusColumn("detail.extended_cost", _COST),
    "InvoiceId": FocusColumn(_TEXT, _NO_INVOICE, is_known=False),
    "InvoiceIssuerName": FocusColumn(_TEXT, _NO_INVOICE, is_known=False),
    "ListCost": FocusColumn(_NUMBER, _NO_LIST_PRICE, is_known=False),
    "ListUnitPrice": FocusColumn(_NUMBER, _NO_LIST_PRICE, is_known=False),
    "PricingCategory": FocusColumn(_TEXT, _NO_COMMITMENT, is_known=False),
    "PricingCurrency": FocusColumn(_TEXT, _ONE_CURRENCY, is_known=False),
    "PricingCurrencyContractedUnitPrice": FocusColumn(_NUMBER, _ONE_CURRENCY, is_known=False),
    "PricingCurrencyEffectiveCost": FocusColumn(_NUMBER, _ONE_CURRENCY, is_known=False),
    "PricingCurrencyListUnitPrice": FocusColumn(_NUMBER, _ONE_CURRENCY, is_known=False),
    "PricingQuantity": FocusColumn("detail.consumed_quantity", "`consumed_quantity`"),
    "PricingUnit": FocusColumn(
        _UNIT,
        "`unit_of_measure` by look-up: `1 Hour` is `Hours`, `10K` is `10000 Units`; unchanged where it is not known",
    ),
    "ProviderName": FocusColumn("'Microsoft'", "the constant `Microsoft`"),
    "PublisherName": FocusColumn("nullIf(service.publisher_name, '')", "by look-up, with the service"),
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
    "x_CostCenter": FocusColumn("detail.cost_center", "`cost_center`"),
    "x_DepartmentName": FocusColumn("detail.department_name", "`department_name`"),
    "x_ResourceGroupName": FocusColumn("detail.resource_group", "`resource_group`"),
    "x_ResourceTracking": FocusColumn("detail.resource_tracking", "`resource_tracking`, the application that pays"),
    "x_SkuMeterCategory": FocusColumn("detail.meter_category", "`meter_category`"),
    "x_SkuMeterId": FocusColumn("detail.meter_id", "`meter_id`"),
    "x_SkuMeterSubcategory": FocusColumn("detail.meter_sub_category", "`meter_sub_category`"),
}
"""The columns by their names in FOCUS; those of ours begin with x_, as FOCUS wants it."""

# `/providers/Microsoft.Sql/servers/s1/databases/d1` is of type `microsoft.sql/servers/databases`: the provider, then
# every second segment; of a resource that extends another one, what follows the last `/providers/`.
_SEGMENTS = "splitByChar('/', regexpExtract(lower(instance_id), '^.*/providers/([^/]+/.*[^/])/?$', 1))"
_RESOURCE_TYPE = (
    "arrayStringConcat(arrayFilter((segment, position) -> position = 1 OR position % 2 = 0, "
    f"{_SEGMENTS} AS segments, arrayEnumerate(segments)), '/')"
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


def focus_query(config: ClickHouseConfig) -> str:
    """Return the SELECT of the view focus_cost_and_usage."""
    selected = ",\n    ".join(f"{column.expression} AS {name}" for name, column in COLUMNS.items())
    region, service, unit = (qualified(config, look_up.table) for look_up in LOOK_UPS)
    return f"""SELECT
    {selected}
FROM (SELECT *, {_RESOURCE_TYPE} AS resource_type FROM {qualified(config, DETAIL)}) AS detail
LEFT ANY JOIN {region} AS region ON region.original_value = lower(trimBoth(ifNull(detail.resource_location, '')))
LEFT ANY JOIN {service} AS service
    ON service.consumed_service = lower(trimBoth(ifNull(detail.consumed_service, '')))
    AND service.resource_type = detail.resource_type
LEFT ANY JOIN {unit} AS unit ON unit.unit_of_measure = lower(trimBoth(ifNull(detail.unit_of_measure, '')))
SETTINGS join_use_nulls = 0"""
