"""The text of the views on the tables of the bill: which snapshots are complete, and their rows; nothing is run here.

An extraction is whole when its month row is there and the API's rows all reached the mapper, which staged or rejected
each. A snapshot is complete when it is whole and each staged row is in the table, counted once however often it was
delivered. The latest complete snapshot of each dataset and month is published. These are defined only here.

The count of a snapshot is kept in its month row by `counting`; the views count only those that have none yet.
"""

# ruff: noqa: S608 - identifiers come from the models or are quoted, values are sent as parameters

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, comment_on, is_in, literal, on_cluster, qualified
from azure_billing_warehouse.tables import (
    ACTUAL,
    AMORTIZED,
    DATASETS,
    AzureBillingDetail,
    BillingIssue,
    BillingMonth,
    TaggingAudit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
"""How a fingerprint begins, which is in the comment on everything that a new version recreates."""

_KEY = ", ".join(SNAPSHOT_KEY)


_OF_SNAPSHOTS = {
    "partition_id": "ClickHouse's id of the partition of its rows in stg_azure_billing_detail.",
    "distinct_row_count": "Rows in stg_azure_billing_detail, each counted once.",
    "complete": "Whether all rows of the extraction were judged, and all that were staged are in the table.",
    "published": "Whether it is the one that the views show: the latest complete one of its dataset and month.",
}
"""The columns of azure_billing_snapshot and azure_billing_month that no table has."""


APPLICATION = "if({row}match_level IN ('last_segment', 'resource_group', 'subscription'), {row}resource_tracking, NULL)"
IS_CONFLICT = "{row}match_count > 1"
"""Whose cost a usage row is, and whether that could be disputed, in SQL; `row` is '' or the row's name and a dot."""
_ALLOCATION = {
    "application": (APPLICATION, "The pattern that was selected, in upper case; null: none matched (R16)."),
    "is_conflict": (IS_CONFLICT, "Whether more than one pattern matched; azure_tagging_audit names them."),
}
"""The columns of azure_billing_detail and azure_billing_amortized that no table has: SQL, description."""


@dataclass(frozen=True)
class View:
    """A view and what it says of itself.

    Attributes:
        name: Its name.
        query: Its SELECT.
        about: What it shows, as a sentence for the analyst.
        columns: What each of its columns is.
    """

    name: str
    query: str
    about: str
    columns: Mapping[str, str]

    @property
    def comment(self) -> str:
        """Its comment in ClickHouse; the fingerprint at its end differs between versions."""
        return f"{self.about} ({fingerprint(repr((self.query, self.about, dict(self.columns))))})"

    def statements(self, config: ClickHouseConfig) -> list[str]:
        """Return the statements that make or replace it: it has its fingerprint only once it has all comments.

        The comments follow in an ALTER, for which no column's type has to be known.
        """
        head = f"CREATE OR REPLACE VIEW {qualified(config, self.name)}{on_cluster(config)} AS"
        return [f"{head}\n{self.query}", comment_on(self.name, config, self.comment, self.columns)]


def views(config: ClickHouseConfig, partition_by: Sequence[str] = SNAPSHOT_KEY) -> list[View]:
    """Return the views, in the order in which they can be made.

    Args:
        config: The connection's configuration.
        partition_by: The columns by which stg_azure_billing_detail is partitioned; a table of a version without
            datasets has other ones.
    """
    # A snapshot is a partition: filtering by its id skips the others' parts at no cost per row (filtering by the key
    # columns doubled the time of a query over 12 months).
    of_dataset: dict[Dataset, str] = {
        dataset: f"_partition_id {is_in(config)} {_published_partitions(config, partition_by, dataset)}"
        for dataset in DATASETS
    }
    of_key = f"({_KEY}) {is_in(config)} (SELECT {_KEY} FROM {qualified(config, MONTHS)})"
    of_snapshots = _descriptions(BillingMonth) | _OF_SNAPSHOTS
    of_details = _descriptions(AzureBillingDetail) | {name: about for name, (_, about) in _ALLOCATION.items()}
    allocation = {name: expression.format(row="") for name, (expression, _) in _ALLOCATION.items()}
    return [
        View(
            SNAPSHOTS,
            _snapshots(config, partition_by),
            "Every extraction of a month that came to its end, and whether it is complete and published.",
            of_snapshots,
        ),
        View(
            MONTHS,
            _published_months(config),
            "The published extraction of each month: where its rows came from, how many, at what cost.",
            of_snapshots,
        ),
        View(
            DETAIL,
            _published_rows(AzureBillingDetail, of_dataset[ACTUAL], config, allocation),
            "The bill, for reports: each usage row once, of the latest complete extraction of its month, at actual "
            "cost.",
            of_details,
        ),
        View(
            AMORTIZED_DETAIL,
            _published_rows(AzureBillingDetail, of_dataset[AMORTIZED], config, allocation),
            "The bill at amortized cost, the price of a commitment spread over its use: never add it to "
            "azure_billing_detail.",
            of_details,
        ),
        View(
            ISSUES,
            _published_rows(BillingIssue, of_key, config),
            "What was found on the rows of the published months; rejected rows are here and not in the bill.",
            _descriptions(BillingIssue),
        ),
        View(
            AUDIT,
            _published_rows(TaggingAudit, of_key, config),
            "Resources of the published months that more than one tracking pattern or level matched.",
            _descriptions(TaggingAudit),
        ),
    ]


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


def fingerprint(text: str) -> str:
    """Return what distinguishes this version's view from others (ClickHouse keeps its text, but rewritten)."""
    return f"{OURS}{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _descriptions(model: type[BillTable]) -> dict[str, str]:
    return {column.name: column.description for column in model.columns()}


def _snapshots(config: ClickHouseConfig, partition_by: Sequence[str]) -> str:
    months = ",\n    ".join(quote_identifier(column.name) for column in BillingMonth.columns())
    return f"""WITH {_counted_now(config, partition_by)} AS counted_now
SELECT
    {months},
    {_partition_id(partition_by)} AS partition_id,
    ifNull(counted_row_count, counted_now[partition_id]) AS distinct_row_count,
    distinct_row_count = staged_row_count AND {whole()} AS complete,
    complete AND snapshot_at = maxIf(snapshot_at, complete)
        OVER (PARTITION BY enrollment_number, dataset, billing_month) AS published
FROM {qualified(config, BillingMonth.table)} FINAL{_consistent(config)}"""


def _published_partitions(config: ClickHouseConfig, partition_by: Sequence[str], dataset: Dataset) -> str:
    # What azure_billing_snapshot calls published, with nothing else: each step more is a millisecond of every query.
    return f"""(
    WITH {_counted_now(config, partition_by)} AS counted_now
    SELECT argMax({_partition_id(partition_by)}, snapshot_at)
    FROM {qualified(config, BillingMonth.table)} FINAL
    WHERE dataset = {literal(dataset)} AND {whole()}
        AND ifNull(counted_row_count, counted_now[{_partition_id(partition_by)}]) = staged_row_count
    GROUP BY enrollment_number, billing_month
)"""


def _counted_now(config: ClickHouseConfig, partition_by: Sequence[str]) -> str:
    """Return the subquery for the rows of the snapshots that aren't counted yet: a map of partition id to count.

    FINAL counts a row delivered twice only once. Where all are counted, no part is read.
    """
    return f"""(
    SELECT CAST((groupArray(partition_id), groupArray(row_count)), 'Map(String, UInt64)')
    FROM
    (
        SELECT _partition_id AS partition_id, count() AS row_count
        FROM {qualified(config, AzureBillingDetail.table)} FINAL
        WHERE _partition_id {is_in(config)} (
            SELECT {_of_partition(partition_by)} FROM {qualified(config, BillingMonth.table)} FINAL
            WHERE {whole()} AND counted_row_count IS NULL
        )
        GROUP BY _partition_id
    )
)"""


def _partition_id(partition_by: Sequence[str]) -> str:
    return f"ifNull(counted_partition_id, {_of_partition(partition_by)})"


def _of_partition(partition_by: Sequence[str]) -> str:
    return f"partitionId({', '.join(partition_by)})"


def _published_months(config: ClickHouseConfig) -> str:
    return f"SELECT * FROM {qualified(config, SNAPSHOTS)} WHERE published"


def _published_rows(
    model: type[BillTable], chosen: str, config: ClickHouseConfig, computed: Mapping[str, str] | None = None
) -> str:
    columns = [quote_identifier(column.name) for column in model.columns()]
    columns += [f"{expression} AS {quote_identifier(name)}" for name, expression in (computed or {}).items()]
    return f"""SELECT {", ".join(columns)}
FROM {qualified(config, model.table)} FINAL
WHERE {chosen}{_consistent(config)}"""
