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
        key: Columns by which it is joined; they are in lower case and without space around.
    """

    table: str
    file: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """The rows of the file; of several that are equal in the key, the first."""
        with (files("azure_billing_warehouse.schema") / "focus_lookups" / self.file).open(encoding="utf-8") as file:
            found: dict[tuple[str, ...], tuple[str, ...]] = {}
            for row in csv.DictReader(file):
                named = {column: row[header] for header, column in self.columns.items()}
                named |= {column: named[column].strip().lower() for column in self.key}
                found.setdefault(tuple(named[column] for column in self.key), tuple(named.values()))
        return list(found.values())


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

COLUMNS: dict[str, str] = {
    "AvailabilityZone": _TEXT,
    "BilledCost": "detail.extended_cost",
    "BillingAccountId": "detail.enrollment_number",
    "BillingAccountName": _TEXT,
    "BillingAccountType": "'Billing Account'",
    "BillingCurrency": "detail.billing_currency",
    "BillingPeriodEnd": "toDateTime(addMonths(detail.billing_month, 1), 'UTC')",
    "BillingPeriodStart": "toDateTime(detail.billing_month, 'UTC')",
    "CapacityReservationId": _TEXT,
    "CapacityReservationStatus": _TEXT,
    "ChargeCategory": _CATEGORY,
    "ChargeClass": "if(lower(detail.charge_type) = 'refund', 'Correction', NULL)",
    "ChargeDescription": "detail.product",
    "ChargeFrequency": f"if({_CATEGORY} = 'Usage', 'Usage-Based', NULL)",
    "ChargePeriodEnd": "toDateTime(addDays(detail.date, 1), 'UTC')",
    "ChargePeriodStart": "toDateTime(detail.date, 'UTC')",
    "CommitmentDiscountCategory": _TEXT,
    "CommitmentDiscountId": _TEXT,
    "CommitmentDiscountName": _TEXT,
    "CommitmentDiscountQuantity": _NUMBER,
    "CommitmentDiscountStatus": _TEXT,
    "CommitmentDiscountType": _TEXT,
    "CommitmentDiscountUnit": _TEXT,
    # Whether a quantity counts blocks or single units is not documented: where a block is one unit, both are the same.
    "ConsumedQuantity": "if(unit.block_size = '1', detail.consumed_quantity, NULL)",
    "ConsumedUnit": "if(unit.block_size = '1', unit.distinct_units, NULL)",
    "ContractedCost": "detail.extended_cost",
    "ContractedUnitPrice": "detail.resource_rate",
    "EffectiveCost": "detail.extended_cost",
    "InvoiceId": _TEXT,
    "InvoiceIssuerName": _TEXT,
    "ListCost": _NUMBER,
    "ListUnitPrice": _NUMBER,
    "PricingCategory": _TEXT,
    "PricingCurrency": _TEXT,
    "PricingCurrencyContractedUnitPrice": _NUMBER,
    "PricingCurrencyEffectiveCost": _NUMBER,
    "PricingCurrencyListUnitPrice": _NUMBER,
    "PricingQuantity": "detail.consumed_quantity",
    "PricingUnit": _UNIT,
    "ProviderName": "'Microsoft'",
    "PublisherName": "nullIf(service.publisher_name, '')",
    "RegionId": "nullIf(region.region_id, '')",
    "RegionName": "nullIf(region.region_name, '')",
    "ResourceId": "nullIf(detail.instance_id, '')",
    "ResourceName": "detail.resource_name",
    "ResourceType": "nullIf(detail.resource_type, '')",
    "ServiceCategory": "if(service.service_category = '', 'Other', service.service_category)",
    "ServiceName": "if(service.service_name = '', detail.meter_category, service.service_name)",
    "ServiceSubcategory": "if(service.service_subcategory = '', 'Other (Other)', service.service_subcategory)",
    "SkuId": _TEXT,
    "SkuMeter": "detail.meter_name",
    "SkuPriceDetails": _TEXT,
    "SkuPriceId": _TEXT,
    "SubAccountId": "detail.subscription_guid",
    "SubAccountName": "detail.subscription_name",
    "SubAccountType": "'Subscription'",
    "Tags": "detail.tags_text",
    "x_AccountName": "detail.account_name",
    "x_CostCenter": "detail.cost_center",
    "x_DepartmentName": "detail.department_name",
    "x_ResourceGroupName": "detail.resource_group",
    "x_ResourceTracking": "detail.resource_tracking",
    "x_SkuMeterCategory": "detail.meter_category",
    "x_SkuMeterId": "detail.meter_id",
    "x_SkuMeterSubcategory": "detail.meter_sub_category",
}
"""FOCUS column -> the expression that fills it; those of ours begin with x_, as FOCUS wants it."""

# `/providers/Microsoft.Sql/servers/s1/databases/d1` is of type `microsoft.sql/servers/databases`: the provider, then
# every second segment; of a resource that extends another one, what follows the last `/providers/`.
_SEGMENTS = "splitByChar('/', regexpExtract(lower(instance_id), '^.*/providers/([^/]+/.*[^/])/?$', 1))"
_RESOURCE_TYPE = (
    "arrayStringConcat(arrayFilter((segment, position) -> position = 1 OR position % 2 = 0, "
    f"{_SEGMENTS} AS segments, arrayEnumerate(segments)), '/')"
)


def create_look_up(look_up: LookUp, config: ClickHouseConfig) -> str:
    """The statement that makes a look-up table with its rows, or replaces it; on a cluster each host has its own."""
    columns = list(look_up.columns.values())
    rows = ",\n    ".join(f"({', '.join(literal(value) for value in row)})" for row in look_up.rows())
    structure = literal(", ".join(f"{quote_identifier(column)} String" for column in columns))
    # Up to 25.8 a COMMENT stands behind the SELECT only; without the alias it would be the one of `values`.
    return (
        f"CREATE OR REPLACE TABLE {qualified(config, look_up.table)}{on_cluster(config)}\n"
        f"ENGINE = MergeTree\nORDER BY ({', '.join(quote_identifier(column) for column in look_up.key)})\n"
        f"AS SELECT * FROM values({structure},\n    {rows}) AS look_up\n"
        f"COMMENT {literal(look_up_fingerprint(look_up))}"
    )


def look_up_fingerprint(look_up: LookUp) -> str:
    """What tells a look-up table of this version from one of another; it is the table's comment."""
    return fingerprint(repr(look_up.rows()))


def focus_query(config: ClickHouseConfig) -> str:
    """The SELECT of the view focus_cost_and_usage."""
    selected = ",\n    ".join(f"{expression} AS {column}" for column, expression in COLUMNS.items())
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
