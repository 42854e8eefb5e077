"""The text of the views on the tables of the bill: which snapshots are complete, and their rows; nothing is run here.

An extraction is whole when its month row is there and the API's rows all reached the mapper, which staged or rejected
each. A snapshot is complete when it is whole and each staged row is in the table, counted once however often it was
delivered. The latest complete snapshot of each dataset and month is published. These are defined only here.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, is_in, literal, on_cluster, qualified
from azure_billing_warehouse.tables import (
    ACTUAL,
    AMORTIZED,
    AzureBillingDetail,
    BillingIssue,
    BillingMonth,
    TaggingAudit,
    without_dataset,
)

if TYPE_CHECKING:
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import BillTable, Dataset

SNAPSHOTS = "azure_billing_snapshot"
"""Every month row, with the distinct rows in stg_azure_billing_detail and whether it is complete, published."""
MONTHS = "azure_billing_month"
"""The month rows of the published snapshots."""
DETAIL = "azure_billing_detail"
"""The usage rows of the published snapshots at actual cost."""
AMORTIZED_DETAIL = "azure_billing_amortized"
"""The usage rows of the published snapshots at amortized cost: apart, so that nobody adds both up."""
ISSUES = "azure_billing_issue"
"""The findings on the published snapshots of all datasets."""
AUDIT = "azure_tagging_audit"
"""The tagging audit of the published snapshots of all datasets."""

OURS = "azure-billing-warehouse "
"""How the comment begins on everything that a new version recreates."""

_KEY = ", ".join(SNAPSHOT_KEY)


def view_queries(config: ClickHouseConfig) -> dict[str, str]:
    """Return the SELECT of each view, by name, in the order in which they can be made."""
    return {
        SNAPSHOTS: _snapshots(config),
        MONTHS: _published_months(config),
        DETAIL: _published_rows(AzureBillingDetail, config, ACTUAL),
        AMORTIZED_DETAIL: _published_rows(AzureBillingDetail, config, AMORTIZED),
        ISSUES: _published_rows(BillingIssue, config),
        AUDIT: _published_rows(TaggingAudit, config),
    }


def whole(prefix: str = "") -> str:
    """Return the SQL condition for a month row of a whole extraction: the mapper received and judged all of its rows.

    Args:
        prefix: What goes before each column's name, such as `month.`.
    """
    return (
        f"{prefix}staged_row_count + {prefix}rejected_row_count = {prefix}row_count "
        f"AND {prefix}received_row_count = {prefix}row_count"
    )


def consistency(config: ClickHouseConfig) -> list[str]:
    """Return the settings of a query on these tables: on a cluster, a replica that lacks rows then refuses it."""
    return ["select_sequential_consistency = 1"] if config.cluster else []


def _consistent(config: ClickHouseConfig) -> str:
    return "".join(f"\nSETTINGS {setting}" for setting in consistency(config))


def create_view(name: str, query: str, config: ClickHouseConfig) -> str:
    """Return the statement that makes a view or replaces it; its comment is its `fingerprint`."""
    head = f"CREATE OR REPLACE VIEW {qualified(config, name)}{on_cluster(config)} AS"
    return f"{head}\n{query}\nCOMMENT {literal(fingerprint(query))}"


def fingerprint(query: str) -> str:
    """Return what distinguishes this version's view from others (ClickHouse keeps its text, but rewritten)."""
    return f"{OURS}{hashlib.sha256(query.encode()).hexdigest()[:16]}"


def _snapshots(config: ClickHouseConfig) -> str:
    # FINAL counts a row delivered twice only once. Counting by partition reads no key column; the parts' metadata
    # says which snapshot a partition is. A snapshot without rows has no partition, hence ifNull.
    months = ",\n    ".join(
        f"month.{quote_identifier(column.name)} AS {quote_identifier(column.name)}" for column in BillingMonth.columns()
    )
    detail = qualified(config, AzureBillingDetail.table)
    joined = " AND ".join(f"month.{name} = staged.{name}" for name in SNAPSHOT_KEY)
    # In a table of a version without datasets the parts' metadata doesn't say the dataset, the only column to be read.
    in_metadata = ", ".join(without_dataset(SNAPSHOT_KEY))
    partition_keys = ", ".join(f"partition.{name} AS {name}" for name in without_dataset(SNAPSHOT_KEY))
    return f"""SELECT
    {months},
    ifNull(staged.partition_id, '') AS partition_id,
    ifNull(staged.row_count, 0) AS distinct_row_count,
    distinct_row_count = month.staged_row_count
        AND {whole("month.")} AS complete,
    complete AND month.snapshot_at = maxIf(month.snapshot_at, complete)
        OVER (PARTITION BY month.enrollment_number, month.dataset, month.billing_month) AS published
FROM (SELECT * FROM {qualified(config, BillingMonth.table)} FINAL) AS month
LEFT JOIN
(
    SELECT {partition_keys}, loaded.dataset AS dataset, partition.partition_id AS partition_id,
        counted.row_count AS row_count
    FROM (SELECT _partition_id AS partition_id, count() AS row_count FROM {detail} FINAL GROUP BY partition_id)
        AS counted
    INNER JOIN (SELECT _partition_id AS partition_id, {in_metadata} FROM {detail} GROUP BY partition_id, {in_metadata})
        AS partition ON partition.partition_id = counted.partition_id
    INNER JOIN (SELECT _partition_id AS partition_id, min(dataset) AS dataset FROM {detail} GROUP BY partition_id)
        AS loaded ON loaded.partition_id = counted.partition_id
) AS staged
ON {joined}{_consistent(config)}"""


def _published_months(config: ClickHouseConfig) -> str:
    return f"SELECT * FROM {qualified(config, SNAPSHOTS)} WHERE published"


def _published_rows(model: type[BillTable], config: ClickHouseConfig, dataset: Dataset | None = None) -> str:
    columns = ", ".join(quote_identifier(column.name) for column in model.columns())
    # A snapshot is a partition: filtering by its id skips the others' parts at no cost per row (filtering by the key
    # columns doubled the time of a query over 12 months).
    key = "_partition_id" if model is AzureBillingDetail else f"({_KEY})"
    chosen = "partition_id" if model is AzureBillingDetail else _KEY
    of_dataset = f" WHERE dataset = {literal(dataset)}" if dataset else ""
    months = qualified(config, MONTHS)
    return f"""SELECT {columns}
FROM {qualified(config, model.table)} FINAL
WHERE {key} {is_in(config)} (SELECT {chosen} FROM {months}{of_dataset}){_consistent(config)}"""
