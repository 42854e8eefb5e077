"""The columns of both streams: the API's field names, ours, types and units; how a value is rendered is in `rows`.

Source of the 31 fields: recorded answers of the EA reporting API (blue-yonder/azure-cost-mon, MIT). All are nullable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JsonSchema = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A column of a stream.

    Attributes:
        name: our name, snake case.
        type: JSON Schema type.
        description: meaning and unit, in one phrase.
        api_name: the API's name, '' for a column that the tap adds.
        format: JSON Schema format, '' for none.
        nullable: whether the value can be null.
    """

    name: str
    type: str
    description: str
    api_name: str = ""
    format: str = ""
    nullable: bool = True

    def schema(self) -> JsonSchema:
        """Return the column's JSON Schema."""
        source = f" Source field: {self.api_name}." if self.api_name else " Added by the tap."
        schema: JsonSchema = {
            "type": [self.type, "null"] if self.nullable else [self.type],
            "title": self.name.replace("_", " ").capitalize(),
            "description": f"{self.description}.{source}",
        }
        if self.format:
            schema["format"] = self.format
        return schema


USAGE_FIELDS = (
    Field("account_owner_id", "string", "Sign-in name of the account's owner", "AccountOwnerId"),
    Field("account_name", "string", "Name of the account", "AccountName"),
    Field("service_administrator_id", "string", "Sign-in name of the service administrator", "ServiceAdministratorId"),
    Field("subscription_id", "integer", "Number of the subscription, 11 or 12 digits, not its GUID", "SubscriptionId"),
    Field("subscription_guid", "string", "GUID of the subscription", "SubscriptionGuid"),
    Field("subscription_name", "string", "Name of the subscription", "SubscriptionName"),
    Field("date", "string", "Day of the usage as an ISO date; an unreadable one as it came", "Date", "date"),
    Field("month", "integer", "Month of the usage, 1 to 12", "Month"),
    Field("day", "integer", "Day of the month of the usage, 1 to 31", "Day"),
    Field("year", "integer", "Year of the usage", "Year"),
    Field("product", "string", "Product as it is named on the bill", "Product"),
    Field("meter_id", "string", "GUID of the meter", "MeterId"),
    Field("meter_category", "string", "Category of the meter, such as Virtual Machines", "MeterCategory"),
    Field("meter_sub_category", "string", "Sub-category of the meter", "MeterSubCategory"),
    Field("meter_region", "string", "Region of the meter", "MeterRegion"),
    Field("meter_name", "string", "Name of the meter", "MeterName"),
    Field("consumed_quantity", "number", "Quantity consumed, in units of unit_of_measure", "ConsumedQuantity"),
    Field("resource_rate", "number", "Price of one unit, in billing_currency, before tax", "ResourceRate"),
    Field("extended_cost", "number", "Cost in billing_currency, before tax, unrounded", "ExtendedCost"),
    Field("resource_location", "string", "Region in which the resource runs", "ResourceLocation"),
    Field("consumed_service", "string", "Resource provider, such as Microsoft.Compute", "ConsumedService"),
    Field("instance_id", "string", "Resource id, or a bare name, as it came", "InstanceId"),
    Field("service_info1", "string", "Service information", "ServiceInfo1"),
    Field("service_info2", "string", "Service information", "ServiceInfo2"),
    Field("additional_info", "string", "Additional information, JSON text", "AdditionalInfo"),
    Field("tags", "string", "Tags of the resource, JSON text", "Tags"),
    Field("store_service_identifier", "string", "Service identifier of a marketplace offer", "StoreServiceIdentifier"),
    Field("department_name", "string", "Department of the account", "DepartmentName"),
    Field("cost_center", "string", "Cost centre of the department", "CostCenter"),
    Field("unit_of_measure", "string", "Unit of consumed_quantity", "UnitOfMeasure"),
    Field("resource_group", "string", "Resource group", "ResourceGroup"),
)

_ENROLLMENT = Field("enrollment_number", "string", "Number of the Enterprise Agreement enrollment", nullable=False)
_MONTH = Field("billing_month", "string", "First day of the month that was asked for", format="date", nullable=False)
_SNAPSHOT = Field(
    "snapshot_at",
    "string",
    "Start of this extraction of the month, UTC: the same for all of its rows, later for a later extraction",
    format="date-time",
    nullable=False,
)

USAGE_KEY_FIELDS = (
    _ENROLLMENT,
    _MONTH,
    _SNAPSHOT,
    Field("row_number", "integer", "Position in the month, from 1, in the order received", nullable=False),
)
USAGE_ADDED_FIELDS = (
    Field("billing_currency", "string", "Currency of the costs, ISO 4217, from the setting `currency`"),
    Field("charge_type", "string", "Kind of charge, such as Usage; null where the API does not say", "ChargeType"),
    Field("extra", "string", "JSON text of the fields that this schema does not know; null if there are none"),
)

MONTH_FIELDS = (
    _ENROLLMENT,
    _MONTH,
    _SNAPSHOT,
    Field("source", "string", "API that the month was read from", nullable=False),
    Field("page_count", "integer", "Pages with rows", nullable=False),
    Field("row_count", "integer", "Usage rows of the month", nullable=False),
    Field("extended_cost", "number", "Exact decimal sum of the rows' costs, before tax", nullable=False),
    Field("started_at", "string", "When the first page was asked for, UTC", format="date-time", nullable=False),
    Field(
        "completed_at",
        "string",
        "When the last page was read, UTC; null where `--test` cut the month short",
        format="date-time",
    ),
)


def _object_schema(*fields: Field) -> JsonSchema:
    return {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "required": [field.name for field in fields if not field.nullable],
    }


USAGE_SCHEMA = _object_schema(*USAGE_KEY_FIELDS, *USAGE_FIELDS, *USAGE_ADDED_FIELDS)
MONTH_SCHEMA = _object_schema(*MONTH_FIELDS)
