"""The columns of both streams: names, types, meaning and units; what a source calls them is in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JsonSchema = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A column of a stream.

    Attributes:
        name: Snake case.
        type: JSON Schema type.
        description: Meaning and unit, in one phrase.
        format: JSON Schema format, '' for none.
        nullable: Whether the value can be null.
    """

    name: str
    type: str
    description: str
    format: str = ""
    nullable: bool = True

    def schema(self) -> JsonSchema:
        """Return the column's JSON Schema."""
        schema: JsonSchema = {
            "type": [self.type, "null"] if self.nullable else [self.type],
            "title": self.name.replace("_", " ").capitalize(),
            "description": f"{self.description}.",
        }
        if self.format:
            schema["format"] = self.format
        return schema


USAGE_FIELDS = (
    Field("account_owner_id", "string", "Sign-in name of the account's owner"),
    Field("account_name", "string", "Name of the account"),
    Field("service_administrator_id", "string", "Sign-in name of the service administrator"),
    Field("subscription_id", "integer", "Number of the subscription, 11 or 12 digits, not its GUID"),
    Field("subscription_guid", "string", "GUID of the subscription"),
    Field("subscription_name", "string", "Name of the subscription"),
    Field("date", "string", "Day of the usage", format="date"),
    Field("month", "integer", "Month of the usage, 1 to 12"),
    Field("day", "integer", "Day of the month of the usage, 1 to 31"),
    Field("year", "integer", "Year of the usage"),
    Field("product", "string", "Product as it is named on the bill"),
    Field("meter_id", "string", "GUID of the meter"),
    Field("meter_category", "string", "Category of the meter, such as Virtual Machines"),
    Field("meter_sub_category", "string", "Sub-category of the meter"),
    Field("meter_region", "string", "Region of the meter"),
    Field("meter_name", "string", "Name of the meter"),
    Field("consumed_quantity", "number", "Quantity consumed, in units of unit_of_measure"),
    Field("resource_rate", "number", "Price of one unit, in billing_currency, before tax"),
    Field("extended_cost", "number", "Cost in billing_currency, before tax, unrounded"),
    Field("resource_location", "string", "Region in which the resource runs"),
    Field("consumed_service", "string", "Resource provider, such as Microsoft.Compute"),
    Field("instance_id", "string", "Resource id, or a bare name, unchanged"),
    Field("service_info1", "string", "Service information"),
    Field("service_info2", "string", "Service information"),
    Field("additional_info", "string", "Additional information, JSON text"),
    Field("tags", "string", "Tags of the resource, JSON text"),
    Field("store_service_identifier", "string", "Service identifier of a marketplace offer"),
    Field("department_name", "string", "Department of the account"),
    Field("cost_center", "string", "Cost centre of the department"),
    Field("unit_of_measure", "string", "Unit of consumed_quantity"),
    Field("resource_group", "string", "Resource group"),
)

_ENROLLMENT = Field(
    "enrollment_number",
    "string",
    "Billing account: the number of an Enterprise Agreement enrollment, the id of a Customer Agreement's account or "
    "profile, or another scope, as in the settings",
    nullable=False,
)
_DATASET = Field(
    "dataset",
    "string",
    "`actual` (charges as billed) or `amortized` (commitments spread over their use); never to be added up",
    nullable=False,
)
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
    _DATASET,
    _MONTH,
    _SNAPSHOT,
    Field("row_number", "integer", "Position in the month, from 1, in the order received", nullable=False),
)
USAGE_ADDED_FIELDS = (
    Field("billing_currency", "string", "Currency of the costs, ISO 4217"),
    Field("charge_type", "string", "Kind of charge, such as Usage or Purchase; null where the source does not say"),
    Field("extra", "string", "JSON text of the fields that have no column of their own; null if there are none"),
    Field(
        "unreadable",
        "string",
        "JSON text of the values that do not fit the type of their column, which is null instead: an object from the "
        "column's name to the value as it came; null if there are none",
    ),
    Field("pricing_model", "string", "How the charge is priced, such as OnDemand, Reservation, SavingsPlan or Spot"),
    Field("frequency", "string", "How often the charge occurs: UsageBased, OneTime or Recurring"),
    Field("publisher_type", "string", "Kind of publisher, such as Azure or Marketplace"),
    Field("publisher_name", "string", "Publisher of a marketplace product"),
    Field("reservation_id", "string", "Id of the reservation that was bought or covers the usage"),
    Field("reservation_name", "string", "Its name"),
    Field("benefit_id", "string", "Resource id of the reservation or savings plan"),
    Field("benefit_name", "string", "Its name"),
    Field("term", "string", "Term of what was bought, such as 12 or 36 (months)"),
    Field("unit_price", "number", "Negotiated price of one unit, commitments ignored"),
    Field("payg_price", "number", "List price of one unit"),
    Field("part_number", "string", "Part number of the meter in the price sheet"),
    Field("service_family", "string", "Family of the service, such as Compute"),
    Field("product_order_id", "string", "Id of the product order"),
    Field("product_order_name", "string", "Its name"),
    Field("billing_profile_id", "string", "Id of the billing profile, or the enrollment"),
    Field("billing_profile_name", "string", "Its name"),
    Field("invoice_section_id", "string", "Id of the invoice section, or the department"),
    Field("invoice_section_name", "string", "Its name"),
    Field("invoice_id", "string", "Id of the invoice; blank in an open month"),
    Field("exchange_rate", "number", "Rate from the pricing to the billing currency"),
    Field("cost_in_usd", "number", "The same charge in US dollars, before tax"),
    Field("pricing_currency", "string", "Currency of the price, ISO 4217"),
    Field("availability_zone", "string", "Availability zone of the resource"),
    Field("provider", "string", "Cloud that the charge is from, such as Azure"),
    Field("run_id", "string", "Run of the export or report that the row is from"),
)

MONTH_FIELDS = (
    _ENROLLMENT,
    _DATASET,
    _MONTH,
    _SNAPSHOT,
    Field("source", "string", "Source that the month was read from", nullable=False),
    Field("page_count", "integer", "Pages or files with rows", nullable=False),
    Field("row_count", "integer", "Usage rows of the month", nullable=False),
    Field("extended_cost", "number", "Exact decimal sum of the rows' costs, before tax", nullable=False),
    Field("started_at", "string", "When the first page was asked for, UTC", format="date-time", nullable=False),
    Field(
        "completed_at",
        "string",
        "When the last page was read, UTC; null where `--test` cut the month short",
        format="date-time",
    ),
    Field("run_id", "string", "Run of the export or report that was read; null where there is none"),
    Field("blob_count", "integer", "Files that the run has; null where there are none"),
    Field("byte_count", "integer", "Their size in bytes, as stored; null where there are none"),
)


def _object_schema(*fields: Field) -> JsonSchema:
    return {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "required": [field.name for field in fields if not field.nullable],
    }


USAGE_SCHEMA = _object_schema(*USAGE_KEY_FIELDS, *USAGE_FIELDS, *USAGE_ADDED_FIELDS)
MONTH_SCHEMA = _object_schema(*MONTH_FIELDS)
