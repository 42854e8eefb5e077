"""The columns of the stream that the mapper reads, by our names; how they are read stands in `records`."""

from __future__ import annotations

TEXTS = (
    *("account_owner_id", "account_name", "service_administrator_id", "subscription_guid", "subscription_name", "date"),
    *("product", "meter_id", "meter_category", "meter_sub_category", "meter_region", "meter_name", "resource_location"),
    *("consumed_service", "instance_id", "service_info1", "service_info2", "additional_info", "tags"),
    *("store_service_identifier", "department_name", "cost_center", "unit_of_measure", "resource_group"),
    *("billing_currency", "charge_type", "extra"),
)
FLOATS = ("consumed_quantity", "resource_rate", "extended_cost")
INTEGERS = ("subscription_id",)
KEY_TEXTS = ("enrollment_number", "billing_month", "snapshot_at")
ROW_NUMBER = "row_number"

COLUMNS = (*TEXTS, *FLOATS, *INTEGERS, *KEY_TEXTS, ROW_NUMBER)
"""All columns that are read."""
NOT_READ = ("year", "month", "day")
"""Columns of the tap that say nothing that `date` doesn't (R2)."""
