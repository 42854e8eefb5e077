-- The tables as a version without datasets made them, in ClickHouse's default database.
CREATE TABLE stg_azure_billing_detail
(
    id UInt64 DEFAULT xxHash64(instance_id || ifNull(toString(date), '')),
    account_owner_id Nullable(String),
    account_name Nullable(String),
    service_administrator_id Nullable(String),
    subscription_id Nullable(Int64),
    subscription_guid Nullable(String),
    subscription_name Nullable(String),
    date Nullable(Date),
    month Nullable(Int64),
    day Nullable(Int64),
    year Nullable(Int64),
    product Nullable(String),
    meter_id Nullable(String),
    meter_category Nullable(String),
    meter_sub_category Nullable(String),
    meter_region Nullable(String),
    meter_name Nullable(String),
    consumed_quantity Nullable(Float64),
    resource_rate Nullable(Float64),
    extended_cost Nullable(Float64),
    resource_location Nullable(String),
    consumed_service Nullable(String),
    instance_id String,
    service_info1 Nullable(String),
    service_info2 Nullable(String),
    additional_info JSON,
    tags JSON,
    store_service_identifier Nullable(String),
    department_name Nullable(String),
    cost_center Nullable(String),
    unit_of_measure Nullable(String),
    resource_group Nullable(String),
    extended_cost_tax Nullable(Float64),
    resource_tracking Nullable(String),
    resource_name Nullable(String),
    vm_name Nullable(String),
    latest_resource_type Nullable(String),
    month_date Date,
    newmonth Nullable(String),
    sku Nullable(String),
    cmdb_mapped_application_service Nullable(String),
    ppm_billing_item Nullable(String),
    ppm_id_owner Nullable(String),
    ppm_io_cc Nullable(String),
    create_at DateTime DEFAULT now(),
    enrollment_number String,
    billing_month Date,
    snapshot_at DateTime64(3, 'UTC'),
    row_number UInt64,
    billing_currency Nullable(String),
    charge_type Nullable(String),
    extra Nullable(String),
    tags_text Nullable(String) DEFAULT nullIf(toString(tags), '{}'),
    additional_info_text Nullable(String) DEFAULT nullIf(toString(additional_info), '{}'),
    match_level Nullable(String) DEFAULT 'unknown'
)
ENGINE = ReplacingMergeTree
PARTITION BY (enrollment_number, billing_month, snapshot_at)
ORDER BY (enrollment_number, billing_month, snapshot_at, row_number);
CREATE TABLE dq_tagging_audit
(
    enrollment_number String,
    billing_month Date,
    snapshot_at DateTime64(3, 'UTC'),
    instance_id String,
    last_segment Nullable(String),
    resource_group Nullable(String),
    subscription_guid Nullable(String),
    last_segment_match Nullable(String),
    resource_group_match Nullable(String),
    subscription_match Nullable(String),
    selected_match Nullable(String),
    meter_category Nullable(String),
    match_count UInt64,
    conflict Bool,
    row_count UInt64,
    extended_cost Float64,
    first_row_number UInt64,
    audit_timestamp DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY (enrollment_number, billing_month, snapshot_at)
ORDER BY (enrollment_number, billing_month, snapshot_at, first_row_number);
CREATE TABLE dq_billing_issue
(
    enrollment_number String,
    billing_month Date,
    snapshot_at DateTime64(3, 'UTC'),
    row_number UInt64,
    rule String,
    severity String,
    column String,
    value Nullable(String),
    extended_cost Nullable(Float64),
    record Nullable(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY (enrollment_number, billing_month, snapshot_at)
ORDER BY (enrollment_number, billing_month, snapshot_at, row_number, rule, column);
CREATE TABLE stg_azure_billing_month
(
    enrollment_number String,
    billing_month Date,
    snapshot_at DateTime64(3, 'UTC'),
    source String,
    page_count UInt64,
    row_count UInt64,
    extended_cost Nullable(Decimal(76, 38)),
    started_at DateTime64(3, 'UTC'),
    completed_at DateTime64(3, 'UTC'),
    received_row_count UInt64,
    staged_row_count UInt64,
    rejected_row_count UInt64,
    staged_extended_cost Float64,
    rejected_extended_cost Float64,
    issue_count UInt64,
    audit_count UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (enrollment_number, billing_month, snapshot_at);
CREATE TABLE stg_azure_billing_load
(
    enrollment_number String,
    billing_month Date,
    snapshot_at DateTime64(3, 'UTC'),
    load_id String,
    claimed_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (enrollment_number, billing_month, snapshot_at, load_id)
