"""The columns of the tables, each named once, here, with its type; `schema.ddl` creates the tables."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class ClickHouse:
    """A column's ClickHouse type, as the annotation of its field."""

    type: str
    default: str | None = None
    """The expression that fills the column in the table; the mapper then doesn't send it."""
    fallback: str | None = None
    """The expression for rows that came without the column, such as those of an older version; the mapper sends it."""
    is_of_some_sources: bool = False
    """Whether only some sources have the column: the mapper doesn't send it in a frame where every row lacks it."""


@dataclass(frozen=True)
class Column:
    """A column of a table of the bill."""

    name: str
    clickhouse: ClickHouse
    description: str


Text = Annotated[str | None, ClickHouse("Nullable(String)")]
RepeatedText = Annotated[str | None, ClickHouse("LowCardinality(Nullable(String))")]
"""A text of which few values are in many rows: a dictionary takes a third of its disk, and no more CPU."""
RequiredText = Annotated[str, ClickHouse("String")]
Integer = Annotated[int | None, ClickHouse("Nullable(Int64)")]
Count = Annotated[int, ClickHouse("UInt64")]
Number = Annotated[float | None, ClickHouse("Nullable(Float64)")]
SourceText = Annotated[str | None, ClickHouse("LowCardinality(Nullable(String))", is_of_some_sources=True)]
SourceNumber = Annotated[float | None, ClickHouse("Nullable(Float64)", is_of_some_sources=True)]
Cost = Annotated[float, ClickHouse("Float64")]
ExactCost = Annotated[decimal.Decimal | None, ClickHouse("Nullable(Decimal(76, 38))")]
JsonText = Annotated[str | None, ClickHouse("JSON")]
Date = Annotated[dt.date, ClickHouse("Date")]
OptionalDate = Annotated[dt.date | None, ClickHouse("Nullable(Date)")]
Instant = Annotated[dt.datetime, ClickHouse("DateTime64(3, 'UTC')")]

Dataset = Literal["actual", "amortized"]
"""Whether a commitment's price is a charge of the day it was bought (actual) or is spread over its use (amortized)."""
MIGRATED = "migrated"
"""The source of a month that `migrate` took over from another table."""
ACTUAL: Dataset = "actual"
"""The dataset of rows that came without one, such as those that a version without datasets loaded."""
AMORTIZED: Dataset = "amortized"
DATASETS: tuple[Dataset, ...] = (ACTUAL, AMORTIZED)
DatasetText = Annotated[str, ClickHouse("String", fallback=f"'{ACTUAL}'")]


class BillTable(BaseModel):
    """A table that the mapper fills: what its rows are, and what identifies them."""

    # No row is validated by these models, which name the columns: a validator is built for whoever asks for one.
    model_config = ConfigDict(extra="forbid", defer_build=True)

    table: ClassVar[str]
    """Name of the table and of the Singer stream."""
    about: ClassVar[str]
    """What is in it, as a sentence for whoever finds it in ClickHouse."""
    order_by: ClassVar[tuple[str, ...]]
    """Sorting key in ClickHouse: rows equal in it are one row that was delivered more than once."""
    key_properties: ClassVar[tuple[str, ...]]
    """The stream's keys in Singer."""

    @classmethod
    @cache
    def columns(cls) -> tuple[Column, ...]:
        """Return every column of the table, in order."""
        found = []
        for name, field in cls.model_fields.items():
            (clickhouse,) = (entry for entry in field.metadata if isinstance(entry, ClickHouse))
            found.append(Column(name, clickhouse, field.description or ""))
        return tuple(found)

    @classmethod
    @cache
    def sent_columns(cls) -> tuple[Column, ...]:
        """Return the columns that the mapper sends: all but those that the table itself fills."""
        return tuple(column for column in cls.columns() if column.clickhouse.default is None)


_SNAPSHOT_KEY = ("enrollment_number", "dataset", "billing_month", "snapshot_at")
_ENROLLMENT = "The billing account: number of the Enterprise Agreement enrollment, or id of another account or scope."
_DATASET = "actual, or amortized: the price of a reservation or savings plan spread over its use. Never add both up."


class SnapshotRow(BillTable):
    """What every row says of the extraction it belongs to."""

    enrollment_number: RequiredText = Field(description=_ENROLLMENT)
    dataset: DatasetText = Field(description=_DATASET)
    billing_month: Date = Field(description="First day of the month that was billed.")
    snapshot_at: Instant = Field(description="Start of the extraction (UTC), the same for all rows of a snapshot.")


# xxHash64(instance_id || toString(date)) where there is a date. Without ifNull one row without a date makes ClickHouse
# refuse its whole batch (code 349): the hash of NULL is NULL, which a UInt64 can't hold.
_ID = "xxHash64(instance_id || ifNull(toString(date), ''))"


def text_column(name: str) -> str:
    """Name the column with the original object, beside a JSON column that nests its keys and drops nulls."""
    return f"{name}_text"


def _object_text(name: str) -> ClickHouse:
    # This expression reads rows without the column, even in a table to which the column was added later: nothing is
    # rewritten, and rows that have it cost nothing more (in a view the expression would read the JSON column of each).
    return ClickHouse("Nullable(String)", fallback=f"nullIf(toString({name}), '{{}}')")


class AzureBillingDetail(BillTable):
    """One usage row, typed, with its tags and its application: `stg_azure_billing_detail`."""

    table: ClassVar[str] = "stg_azure_billing_detail"
    about: ClassVar[str] = (
        "Usage rows of every extraction, also of superseded and unfinished ones, so that a month is here more than "
        "once: query the view azure_billing_detail instead, or azure_billing_amortized for amortized cost."
    )
    order_by: ClassVar[tuple[str, ...]] = (*_SNAPSHOT_KEY, "row_number")
    key_properties: ClassVar[tuple[str, ...]] = order_by

    id: Annotated[int | None, ClickHouse("UInt64", default=_ID)] = Field(
        default=None, description="Hash of instance id and date; not unique, see row_number."
    )
    account_owner_id: RepeatedText = Field(description="Owner of the account (API: AccountOwnerId).")
    account_name: RepeatedText = Field(description="Name of the account (AccountName).")
    service_administrator_id: RepeatedText = Field(description="Service administrator (ServiceAdministratorId).")
    subscription_id: Integer = Field(description="Number of the subscription, 11-12 digits (SubscriptionId).")
    subscription_guid: RepeatedText = Field(description="GUID of the subscription (SubscriptionGuid).")
    subscription_name: RepeatedText = Field(description="Name of the subscription (SubscriptionName).")
    date: OptionalDate = Field(description="Day of the usage (Date, R1).")
    month: Integer = Field(description="Month of date, 1-12 (R2).")
    day: Integer = Field(description="Day of the month of date, 1-31 (R2).")
    year: Integer = Field(description="Year of date (R2).")
    product: RepeatedText = Field(description="Name of the product (Product).")
    meter_id: RepeatedText = Field(description="Id of the meter (MeterId).")
    meter_category: RepeatedText = Field(description="Category of the meter, such as Virtual Machines (MeterCategory).")
    meter_sub_category: RepeatedText = Field(description="Sub-category of the meter (MeterSubCategory).")
    meter_region: RepeatedText = Field(description="Region of the meter (MeterRegion).")
    meter_name: RepeatedText = Field(description="Name of the meter (MeterName).")
    consumed_quantity: Number = Field(description="Quantity in unit_of_measure (ConsumedQuantity, R4).")
    resource_rate: Number = Field(description="Price of one unit before tax, in the currency (ResourceRate, R4).")
    extended_cost: Number = Field(description="Cost before tax, in the billing currency (ExtendedCost, R4).")
    resource_location: RepeatedText = Field(description="Region of the resource (ResourceLocation).")
    consumed_service: RepeatedText = Field(description="Resource provider (ConsumedService).")
    instance_id: RequiredText = Field(description="Resource id, or a bare name, unchanged (InstanceId, R7).")
    service_info1: Text = Field(description="Service-specific text (ServiceInfo1, R15).")
    service_info2: Text = Field(description="Service-specific text (ServiceInfo2, R15).")
    additional_info: JsonText = Field(description="Service-specific object, such as a VM's size (AdditionalInfo, R8).")
    tags: JsonText = Field(description="Tags of the resource, an object (Tags, R8).")
    store_service_identifier: RepeatedText = Field(description="Marketplace identifier (StoreServiceIdentifier).")
    department_name: RepeatedText = Field(description="Department of the enrollment (DepartmentName).")
    cost_center: RepeatedText = Field(description="Cost center of the enrollment (CostCenter).")
    unit_of_measure: RepeatedText = Field(description="Unit of consumed_quantity (UnitOfMeasure).")
    resource_group: RepeatedText = Field(description="Resource group, unchanged (ResourceGroup).")
    extended_cost_tax: Number = Field(description="Cost with tax, in the billing currency (R6).")
    resource_tracking: RepeatedText = Field(description="The application that pays, in upper case (R16).")
    resource_name: Text = Field(description="Name of the resource (R13).")
    vm_name: Text = Field(description="Name of the virtual machine (R14).")
    latest_resource_type: RepeatedText = Field(description="Operating system and meter of a virtual machine (R11).")
    month_date: Date = Field(description="First day of the month of date (R2).")
    newmonth: RepeatedText = Field(description="Month of date in English, such as Oct 2026 (R2).")
    sku: RepeatedText = Field(description="Windows, Linux or SQL (R10).")
    cmdb_mapped_application_service: RepeatedText = Field(description="Tag app (R9).")
    ppm_billing_item: RepeatedText = Field(description="Tag ppm_billing_item (R9).")
    ppm_id_owner: RepeatedText = Field(description="Tag ppm_billing_owner (R9).")
    ppm_io_cc: RepeatedText = Field(description="Tag ppm_io_cc (R9).")
    create_at: Annotated[dt.datetime | None, ClickHouse("DateTime", default="now()")] = Field(
        default=None, description="When ClickHouse took the row."
    )
    enrollment_number: RequiredText = Field(description=_ENROLLMENT)
    billing_month: Date = Field(description="First day of the month that was billed.")
    snapshot_at: Instant = Field(description="Start of the extraction (UTC), the same for all rows of a snapshot.")
    row_number: Count = Field(description="Position of the row in the month's extraction, from 1.")
    billing_currency: RepeatedText = Field(description="Currency of the costs.")
    charge_type: RepeatedText = Field(
        description="Kind of the charge, such as Usage or Purchase (ChargeType); null where the API does not say."
    )
    extra: Text = Field(description="Fields of the API that the schema doesn't know, as a JSON object.")
    tags_text: Annotated[str | None, _object_text("tags")] = Field(
        description="Tags as they were: compact JSON with every key, null and dot (Tags, R8)."
    )
    additional_info_text: Annotated[str | None, _object_text("additional_info")] = Field(
        description="Additional info as it was: compact JSON with every key, null and dot (AdditionalInfo, R8)."
    )
    match_level: Annotated[str | None, ClickHouse("LowCardinality(Nullable(String))", fallback="'unknown'")] = Field(
        description="Level that a pattern matched: last_segment, resource_group or subscription; null: none did (R16). "
        "unknown: the row was migrated, or loaded by a version without this column."
    )
    match_count: Integer = Field(
        description="Distinct patterns that matched, over all levels; more than one is a conflict. "
        "Null: the row was loaded by a version without this column."
    )
    dataset: DatasetText = Field(description=_DATASET)
    pricing_model: SourceText = Field(description="OnDemand, Reservation, SavingsPlan or Spot (PricingModel).")
    frequency: SourceText = Field(description="UsageBased, OneTime or Recurring (Frequency).")
    publisher_type: SourceText = Field(description="Kind of the seller, such as Azure or Marketplace (PublisherType).")
    publisher_name: SourceText = Field(description="Name of the seller (PublisherName).")
    reservation_id: SourceText = Field(description="Reservation that was bought or covers the usage (ReservationId).")
    reservation_name: SourceText = Field(description="Its name (ReservationName).")
    benefit_id: SourceText = Field(description="Reservation or savings plan, as a resource id (benefitId).")
    benefit_name: SourceText = Field(description="Its name (benefitName).")
    term: SourceText = Field(description="Length of the commitment, such as 12 or 36 months (Term).")
    unit_price: SourceNumber = Field(description="Negotiated price of one unit, without commitments (UnitPrice, R4).")
    payg_price: SourceNumber = Field(description="List price of one unit (PayGPrice, R4).")
    part_number: SourceText = Field(description="Part number in the price sheet (PartNumber).")
    service_family: SourceText = Field(description="Family of the service, such as Compute (ServiceFamily).")
    product_order_id: SourceText = Field(description="Id of the product's order (ProductOrderId).")
    product_order_name: SourceText = Field(description="Its name (ProductOrderName).")
    billing_profile_id: SourceText = Field(description="Id of the billing profile (BillingProfileId).")
    billing_profile_name: SourceText = Field(description="Its name (BillingProfileName).")
    invoice_section_id: SourceText = Field(description="Id of the invoice section or department (InvoiceSectionId).")
    invoice_section_name: SourceText = Field(description="Its name (InvoiceSectionName).")
    invoice_id: SourceText = Field(description="Number of the invoice; blank in an open month (invoiceId).")
    exchange_rate: SourceNumber = Field(
        description="Units of the billing currency for one of the pricing currency (exchangeRatePricingToBilling, R4)."
    )
    cost_in_usd: SourceNumber = Field(description="The same cost in US dollars (costInUsd, R4).")
    pricing_currency: SourceText = Field(description="Currency of unit_price and payg_price (pricingCurrency).")
    availability_zone: SourceText = Field(description="Availability zone of the resource (AvailabilityZone).")
    provider: SourceText = Field(description="Cloud provider that the charge comes from, such as Azure (provider).")
    run_id: SourceText = Field(description="The export's run or the report that the row came in.")


class TaggingAudit(SnapshotRow):
    """A resource that more than one pattern or level matched: `dq_tagging_audit`, one row a batch and outcome."""

    table: ClassVar[str] = "dq_tagging_audit"
    about: ClassVar[str] = (
        "Resources that more than one tracking pattern or level matched, in every extraction: "
        "query the view azure_tagging_audit instead."
    )
    order_by: ClassVar[tuple[str, ...]] = (*_SNAPSHOT_KEY, "first_row_number")
    key_properties: ClassVar[tuple[str, ...]] = order_by

    instance_id: RequiredText = Field(description="Resource id, unchanged.")
    last_segment: Text = Field(description="Last segment of the resource id (R12).")
    resource_group: Text = Field(description="Resource group, unchanged.")
    subscription_guid: Text = Field(description="GUID of the subscription, unchanged.")
    last_segment_match: Text = Field(description="Pattern that the last segment matched, in upper case.")
    resource_group_match: Text = Field(description="Pattern that the resource group matched, in upper case.")
    subscription_match: Text = Field(description="Pattern that the subscription matched, in upper case.")
    selected_match: Text = Field(description="The pattern that became resource_tracking.")
    meter_category: Text = Field(description="Category of the meter.")
    match_count: Count = Field(description="Distinct patterns that matched, over all three levels.")
    conflict: Annotated[bool, ClickHouse("Bool")] = Field(description="Whether more than one pattern matched.")
    row_count: Count = Field(description="Usage rows that this row stands for.")
    extended_cost: Cost = Field(description="Cost before tax of these rows, in the billing currency.")
    first_row_number: Count = Field(description="The first of these rows: a row belongs to one audit row at most.")
    audit_timestamp: Instant = Field(description="When the batch was tracked (UTC).")


class BillingIssue(SnapshotRow):
    """A finding on a usage row: `dq_billing_issue`."""

    table: ClassVar[str] = "dq_billing_issue"
    about: ClassVar[str] = (
        "Findings on usage rows, and the rejected rows whole, in every extraction: "
        "query the view azure_billing_issue instead."
    )
    order_by: ClassVar[tuple[str, ...]] = (*_SNAPSHOT_KEY, "row_number", "rule", "column")
    key_properties: ClassVar[tuple[str, ...]] = order_by

    row_number: Count = Field(description="Position of the row in the month's extraction, from 1.")
    rule: RequiredText = Field(description="The rule that found it, such as R4.")
    severity: RequiredText = Field(description="reject (the row is not staged), null (the value is) or warn (kept).")
    column: RequiredText = Field(description="The column it was found in.")
    value: Text = Field(description="The original value.")
    extended_cost: Number = Field(description="Cost of the row before tax; null where it can't be read.")
    record: Text = Field(description="The whole record of a rejected row, as JSON.")


class BillingMonth(SnapshotRow):
    """What the tap sent of a month and what became of it: `stg_azure_billing_month`."""

    table: ClassVar[str] = "stg_azure_billing_month"
    about: ClassVar[str] = (
        "One row for every extraction of a month that came to its end: query the view azure_billing_month for the "
        "published ones, azure_billing_snapshot for all."
    )
    order_by: ClassVar[tuple[str, ...]] = _SNAPSHOT_KEY
    key_properties: ClassVar[tuple[str, ...]] = _SNAPSHOT_KEY

    source: RequiredText = Field(description="Where it came from: ea, exports, cost_details, arm or migrated.")
    page_count: Count = Field(description="Pages or files with rows that the source gave.")
    row_count: Count = Field(description="Rows that the tap counted.")
    extended_cost: ExactCost = Field(description="Exact sum of the cost that the API gave, before tax.")
    started_at: Instant = Field(description="Start of the month's extraction (UTC).")
    completed_at: Instant = Field(description="End of the month's extraction (UTC).")
    received_row_count: Count = Field(description="Rows that the mapper received.")
    staged_row_count: Count = Field(description="Rows that it sent to stg_azure_billing_detail.")
    rejected_row_count: Count = Field(description="Rows that it rejected: they are in dq_billing_issue.")
    staged_extended_cost: Cost = Field(description="Cost of the staged rows before tax.")
    rejected_extended_cost: Cost = Field(description="Readable cost of the rejected rows before tax.")
    issue_count: Count = Field(description="Findings in dq_billing_issue.")
    audit_count: Count = Field(description="Rows in dq_tagging_audit.")
    run_id: Text = Field(description="The export's run, report or migrated table that the month was read from.")
    blob_count: Integer = Field(description="Files that it consisted of.")
    byte_count: Integer = Field(description="Their size in bytes.")
    counted_row_count: Annotated[int | None, ClickHouse("Nullable(UInt64)", default="NULL")] = Field(
        default=None,
        description="Rows that `create` or `check` counted in stg_azure_billing_detail, each once; null: not yet.",
    )
    counted_partition_id: Annotated[str | None, ClickHouse("Nullable(String)", default="NULL")] = Field(
        default=None, description="ClickHouse's id of the partition that they are in; '' if there are none."
    )
    counted_at: Annotated[dt.datetime | None, ClickHouse("Nullable(DateTime64(3, 'UTC'))", default="NULL")] = Field(
        default=None, description="When they were counted, or the count was withdrawn."
    )


class SnapshotClaim(SnapshotRow):
    """A load that has begun to send a snapshot's rows: `stg_azure_billing_load`; the mapper itself writes it."""

    table: ClassVar[str] = "stg_azure_billing_load"
    about: ClassVar[str] = "Which load began which extraction, so that no two write into one; of no use for reports."
    order_by: ClassVar[tuple[str, ...]] = (*_SNAPSHOT_KEY, "load_id")
    key_properties: ClassVar[tuple[str, ...]] = order_by

    load_id: RequiredText = Field(description="The mapper's process, a UUID: a snapshot has one.")
    claimed_at: Annotated[dt.datetime | None, ClickHouse("DateTime64(3, 'UTC')", default="now64(3)")] = Field(
        default=None, description="When ClickHouse took the claim."
    )


class SnapshotQuality(SnapshotRow):
    """What `check` found the usage rows of a snapshot to be like, so as to look again only once they have changed.

    Table `dq_billing_quality`; `check` itself writes it.
    """

    table: ClassVar[str] = "dq_billing_quality"
    about: ClassVar[str] = "What `check` found an extraction's rows to be like, kept for the next check."
    order_by: ClassVar[tuple[str, ...]] = _SNAPSHOT_KEY
    key_properties: ClassVar[tuple[str, ...]] = _SNAPSHOT_KEY

    state: RequiredText = Field(description="The state of the rows that were looked at, and the way of looking.")
    quality: RequiredText = Field(description="What was found, as a JSON object.")
    looked_at: Annotated[dt.datetime | None, ClickHouse("DateTime64(3, 'UTC')", default="now64(3)")] = Field(
        default=None, description="When it was found."
    )


OWN_COLUMNS = frozenset(
    column.name
    for column in itertools.dropwhile(lambda column: column.name != "enrollment_number", AzureBillingDetail.columns())
)
"""The columns of a usage row that the table this one succeeds doesn't have; those before them are its own."""

TABLES: tuple[type[BillTable], ...] = (AzureBillingDetail, TaggingAudit, BillingIssue, BillingMonth)
"""The tables that a loader fills with the mapper's streams."""

WAREHOUSE_TABLES: tuple[type[BillTable], ...] = (*TABLES, SnapshotClaim, SnapshotQuality)
"""All tables that the warehouse needs."""


def without_dataset(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return a key as it is in tables that a version without datasets made: ClickHouse can't change a key.

    It still identifies a row, since the load guard lets no two datasets of a month share an instant.
    """
    return tuple(name for name in key if name != "dataset")


def with_dataset(name: str, dataset: str) -> str:
    """Return the name of an enrollment or a month for people; the dataset is in it where it isn't the usual one."""
    return name if dataset == ACTUAL else f"{name}, {dataset}"
