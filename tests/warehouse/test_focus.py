"""The published months in the columns of FOCUS, in a real ClickHouse."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, ENROLLMENT, SECOND

from azure_billing_warehouse.schema import focus

if TYPE_CHECKING:
    from warehouse.loading import Warehouse


def only_row(warehouse: Warehouse, **columns: Any) -> dict[str, Any]:
    warehouse.load([1.5], **columns)
    (row,) = warehouse.query("SELECT * FROM focus_cost_and_usage")
    return row


def test_the_view_has_the_columns_of_focus_and_ours_begin_with_x(warehouse: Warehouse) -> None:
    shown = [row["name"] for row in warehouse.query("DESCRIBE TABLE focus_cost_and_usage")]
    assert shown == list(focus.COLUMNS)
    assert len([name for name in shown if not name.startswith("x_")]) == 57


def test_cost_account_and_periods_are_those_of_the_row(warehouse: Warehouse) -> None:
    row = only_row(warehouse, date=dt.date(2026, 8, 31), cost_center="cc-1")
    assert (row["BilledCost"], row["EffectiveCost"], row["ContractedCost"]) == (1.5, 1.5, 1.5)
    assert (row["BillingAccountId"], row["BillingCurrency"]) == (ENROLLMENT, "CNY")
    assert (row["x_CostCenter"], row["x_ResourceTracking"]) == ("cc-1", "PAYROLL")
    assert [row[name].isoformat() for name in ("BillingPeriodStart", "BillingPeriodEnd")] == [
        "2026-08-01T00:00:00+00:00",
        "2026-09-01T00:00:00+00:00",
    ]
    assert [row[name].isoformat() for name in ("ChargePeriodStart", "ChargePeriodEnd")] == [
        "2026-08-31T00:00:00+00:00",
        "2026-09-01T00:00:00+00:00",
    ]


def test_what_the_record_does_not_say_is_null(warehouse: Warehouse) -> None:
    row = only_row(warehouse)
    for column in ("ListCost", "ListUnitPrice", "PricingCategory", "InvoiceIssuerName", "SkuId"):
        assert row[column] is None


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("CN East 2", ("chinaeast2", "China East 2")),
        ("chinanorth3 ", ("chinanorth3", "China North 3")),
        ("All", (None, None)),
    ],
)
def test_regions_are_looked_up_however_they_are_written(
    warehouse: Warehouse, location: str, region: tuple[str | None, str | None]
) -> None:
    row = only_row(warehouse, resource_location=location)
    assert (row["RegionId"], row["RegionName"]) == region


_SUBSCRIPTION = "/subscriptions/s/resourceGroups/rg/providers"


@pytest.mark.parametrize(
    ("instance_id", "consumed_service", "expected"),
    [
        (
            f"{_SUBSCRIPTION}/Microsoft.Compute/virtualMachines/vm-1",
            "Microsoft.Compute",
            ("microsoft.compute/virtualmachines", "Virtual Machines", "Compute", "Virtual Machines"),
        ),
        (
            f"{_SUBSCRIPTION}/microsoft.sql/servers/s1/databases/d1/",
            "microsoft.sql",
            ("microsoft.sql/servers/databases", "Azure SQL Database", "Databases", "Relational Databases"),
        ),
        (
            f"{_SUBSCRIPTION}/Microsoft.Compute/virtualMachines/vm-1/providers/Contoso.Own/things/t",
            "Contoso.Own",
            ("contoso.own/things", "Meters", "Other", "Other (Other)"),
        ),
        ("platform-vnet", "Virtual Network", (None, "Meters", "Other", "Other (Other)")),
        ("/", "", (None, "Meters", "Other", "Other (Other)")),
    ],
)
def test_services_are_looked_up_by_provider_and_resource_type(
    warehouse: Warehouse, instance_id: str, consumed_service: str, expected: tuple[str | None, ...]
) -> None:
    row = only_row(warehouse, instance_id=instance_id, consumed_service=consumed_service, meter_category="Meters")
    shown = (row["ResourceType"], row["ServiceName"], row["ServiceCategory"], row["ServiceSubcategory"])
    assert shown == expected


@pytest.mark.parametrize(
    ("unit", "pricing_unit", "consumed"),
    [
        ("1 Hour", "Hours", (24.0, "Hours")),
        ("10K", "10000 Units", (None, None)),
        ("100 Hours", "100 Hours", (None, None)),
        ("Moons", "Moons", (None, None)),
    ],
)
def test_a_quantity_is_consumed_units_only_where_a_block_is_one_unit(
    warehouse: Warehouse, unit: str, pricing_unit: str, consumed: tuple[float | None, str | None]
) -> None:
    row = only_row(warehouse, unit_of_measure=unit, consumed_quantity=24.0, resource_rate=0.0625)
    assert (row["PricingQuantity"], row["PricingUnit"], row["ContractedUnitPrice"]) == (24.0, pricing_unit, 0.0625)
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == consumed


@pytest.mark.parametrize(
    ("charge_type", "category"),
    [
        (None, ("Usage", None)),
        ("Usage", ("Usage", None)),
        ("Purchase", ("Purchase", None)),
        ("Refund", ("Purchase", "Correction")),
    ],
)
def test_a_charge_type_is_a_category_and_a_class(
    warehouse: Warehouse, charge_type: str | None, category: tuple[str, str | None]
) -> None:
    row = only_row(warehouse, charge_type=charge_type)
    assert (row["ChargeCategory"], row["ChargeClass"]) == category


def test_only_published_months_are_shown_and_every_row_once(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0, 2.0], AUGUST, unit_of_measure="1 Hour")
    warehouse.stage([9.0], snapshot=SECOND)
    assert warehouse.query("SELECT count() AS rows, sum(BilledCost) AS cost FROM focus_cost_and_usage") == [
        {"rows": 3, "cost": 5.0}
    ]


def test_look_up_keys_are_unique_and_in_lower_case() -> None:
    for look_up in focus.LOOK_UPS:
        places = [list(look_up.columns.values()).index(column) for column in look_up.key]
        keys = [tuple(row[place] for place in places) for row in look_up.rows()]
        assert len(set(keys)) == len(keys) > 300
        assert all(part == part.strip().lower() for key in keys for part in key)
