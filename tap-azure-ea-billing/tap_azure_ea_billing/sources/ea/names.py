"""The API's names of the columns of `usage_details`.

Source: recorded answers of the EA reporting API (blue-yonder/azure-cost-mon, MIT).
"""

from __future__ import annotations

API_NAMES = {
    "account_owner_id": "AccountOwnerId",
    "account_name": "AccountName",
    "service_administrator_id": "ServiceAdministratorId",
    "subscription_id": "SubscriptionId",
    "subscription_guid": "SubscriptionGuid",
    "subscription_name": "SubscriptionName",
    "date": "Date",
    "month": "Month",
    "day": "Day",
    "year": "Year",
    "product": "Product",
    "meter_id": "MeterId",
    "meter_category": "MeterCategory",
    "meter_sub_category": "MeterSubCategory",
    "meter_region": "MeterRegion",
    "meter_name": "MeterName",
    "consumed_quantity": "ConsumedQuantity",
    "resource_rate": "ResourceRate",
    "extended_cost": "ExtendedCost",
    "resource_location": "ResourceLocation",
    "consumed_service": "ConsumedService",
    "instance_id": "InstanceId",
    "service_info1": "ServiceInfo1",
    "service_info2": "ServiceInfo2",
    "additional_info": "AdditionalInfo",
    "tags": "Tags",
    "store_service_identifier": "StoreServiceIdentifier",
    "department_name": "DepartmentName",
    "cost_center": "CostCenter",
    "unit_of_measure": "UnitOfMeasure",
    "resource_group": "ResourceGroup",
}
"""The 31 fields that every record has."""

RARE_API_NAMES = {"charge_type": "ChargeType"}
"""Fields that few records have."""

INTEGERS = ("subscription_id", "month", "day", "year")
NUMBERS = (*INTEGERS, "consumed_quantity", "resource_rate", "extended_cost")
"""Columns whose values are numbers."""
