"""The statements that read a month of the old table and write it as a snapshot, as text; nothing is run here.

Rows are judged as a load judges them (R1, R4, R5, R7, R8). They are numbered in an order that only equal rows share, so
that every statement gives a row the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.counting import key_literal
from azure_billing_warehouse.schema.ddl import SNAPSHOT_KEY, literal, qualified
from azure_billing_warehouse.tables import AzureBillingDetail, BillingIssue, BillingMonth, SnapshotClaim

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.counting import SnapshotId
    from azure_billing_warehouse.migrate.old_table import OldTable

SETTINGS: dict[str, str | int] = {
    # Rows are numbered in one thread, as they come from the sort.
    "max_threads": 1,
    "max_insert_threads": 1,
    "query_plan_remove_redundant_sorting": 0,
    # Objects pass as they are: no text becomes a time, no slash gets a backslash, no number becomes a text.
    "input_format_try_infer_datetimes": 0,
    "input_format_try_infer_dates": 0,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_quote_64bit_integers": 0,
}
"""Settings of every statement that writes."""

REJECTING = {"R1": "no date", "R4": "no cost that is a number", "R7": "no instance id"}
"""The rules that reject a row, and what it lacks."""

_KEY = ", ".join(SNAPSHOT_KEY)


def insert_rows(old: OldTable, snapshot: SnapshotId, config: ClickHouseConfig) -> str:
    """Return the statement that writes the usage rows of a month that no rule rejects."""
    names = [*old.columns(), "row_number"]
    columns = ", ".join(quote_identifier(name) for name in names)
    return (
        f"INSERT INTO {qualified(config, AzureBillingDetail.table)} ({_KEY}, {columns})\n"
        f"SELECT {_unpacked(snapshot)}, {columns}\nFROM ({_numbered(old, snapshot)})\nWHERE NOT is_rejected"
    )


def insert_findings(old: OldTable, snapshot: SnapshotId, config: ClickHouseConfig) -> str:
    """Return the statement that writes what was found on the rows of a month, and the rejected rows whole."""
    cost = "if(ifNull(isFinite(extended_cost), false), extended_cost, NULL)"
    return (
        f"INSERT INTO {qualified(config, BillingIssue.table)} "
        f"({_KEY}, row_number, rule, severity, `column`, value, extended_cost, record)\n"
        f"SELECT {_unpacked(snapshot)}, row_number, finding.2, finding.3, finding.4, finding.5, {cost}, "
        f"if(finding.3 = 'reject', record, NULL)\nFROM ({_numbered(old, snapshot)})\nARRAY JOIN findings AS finding"
    )


def insert_month(old: OldTable, snapshot: SnapshotId, facts: Mapping[str, str], config: ClickHouseConfig) -> str:
    """Return the statement that writes the month row: with it the snapshot is complete.

    Args:
        old: The table that it was read from.
        snapshot: The snapshot.
        facts: Further columns of the row, as SQL.
        config: The connection's configuration.
    """
    row = {"run_id": literal(old.shown), "page_count": "0", "audit_count": "0", **facts}
    return (
        f"INSERT INTO {qualified(config, BillingMonth.table)} ({_KEY}, {', '.join(row)})\n"
        f"SELECT {_unpacked(snapshot)}, {', '.join(row.values())}"
    )


def insert_claim(snapshot: SnapshotId, load_id: str, config: ClickHouseConfig) -> str:
    """Return the statement by which a run says that it writes a snapshot."""
    return (
        f"INSERT INTO {qualified(config, SnapshotClaim.table)} ({_KEY}, load_id) "
        f"SELECT {_unpacked(snapshot)}, {literal(load_id)}"
    )


def of_snapshot(snapshot: SnapshotId) -> str:
    """Return the condition for the rows of a snapshot in any of our tables."""
    return f"({_KEY}) = {key_literal(snapshot)}"


def select_facts(old: OldTable) -> str:
    """Return the query for what the old table has of each month, in the order of `migrate.Facts`."""
    finite = "ifNull(isFinite(extended_cost), false)"
    by_rule = ", ".join(
        f"countIf(reason = '{rule}'), ifNull(sumIf(exact_cost, reason = '{rule}'), 0)" for rule in REJECTING
    )
    return (
        "SELECT old_enrollment, old_month, count(), countIf(is_rejected), sum(length(findings)), "
        "ifNull(sum(exact_cost), 0), "
        f"ifNull(sumKahanIf(extended_cost, NOT is_rejected), 0), "
        f"ifNull(sumKahanIf(extended_cost, is_rejected AND {finite}), 0), "
        f"sumIf(abs(extended_cost), {finite}), {by_rule}\n"
        f"FROM ({_judged(old, old.condition)})\nGROUP BY old_enrollment, old_month ORDER BY old_enrollment, old_month"
    )


def select_applications(old: OldTable, enrollment: str, month: dt.date) -> str:
    """Return the query for the resources of a month: what tracks them, the old application, rows and exact cost."""
    names = "instance_id, resource_group, subscription_guid, resource_tracking"
    return (
        f"SELECT {names}, count(), ifNull(sum(exact_cost), 0)\n"
        f"FROM ({_judged(old, _of_month(old, enrollment, month))})\nWHERE NOT is_rejected GROUP BY {names}"
    )


def _unpacked(snapshot: SnapshotId) -> str:
    return ", ".join(
        f"tupleElement({key_literal(snapshot)}, {number}) AS {name}" for number, name in enumerate(SNAPSHOT_KEY, 1)
    )


def _of_month(old: OldTable, enrollment: str, month: dt.date) -> str:
    return f"{old.enrollment_expression} = {literal(enrollment)} AND {old.month} = toDate({literal(month.isoformat())})"


def _numbered(old: OldTable, snapshot: SnapshotId) -> str:
    """Return the query for the judged rows of a month, each with its number and its old columns as JSON."""
    chosen = _of_month(old, snapshot.enrollment_number, snapshot.billing_month)
    return (
        "SELECT *, rowNumberInAllBlocks() + 1 AS row_number\n"
        f"FROM ({_judged(old, chosen, is_whole=True)}\nORDER BY date, instance_id, fingerprint)"
    )


def _judged(old: OldTable, condition: str, *, is_whole: bool = False) -> str:
    """Return the query for the old rows in our columns, with what was found on each.

    Args:
        old: The table.
        condition: What chooses the rows.
        is_whole: Whether it has `record` and `fingerprint` too, which are of all columns of the old table.
    """
    read = old.columns() | {
        "old_enrollment": old.enrollment_expression,
        "old_month": old.month,
        "exact_cost": old.exact_cost,
        "is_no_tags": old.is_no_object("tags"),
        "given_tags": old.text_of("tags"),
        "is_no_additional_info": old.is_no_object("additional_info"),
        "given_additional_info": old.text_of("additional_info"),
    }
    if is_whole:
        texts = {
            name: f"CAST(toString(old.{quote_identifier(name)}), 'Nullable(String)')" for name in sorted(old.types)
        }
        pairs = ", ".join(f"{literal(name)}, {text}" for name, text in texts.items())
        read |= {
            "record": f"toJSONString(map({pairs}))",
            "fingerprint": f"sipHash128(tuple({', '.join(texts.values())}))",
        }
    columns = ",\n    ".join(f"{expression} AS {quote_identifier(name)}" for name, expression in read.items())
    rows = f"SELECT\n    {columns}\nFROM {old.quoted} AS old\nWHERE {condition}"
    return (
        f"SELECT *,\n    arrayFilter(finding -> finding.1, [{_findings(old)}]) AS findings,\n"
        "    arrayFirst(finding -> finding.3 = 'reject', findings).2 AS reason,\n"
        f"    reason != '' AS is_rejected\nFROM ({rows})"
    )


def _findings(old: OldTable) -> str:
    """Return what can be found on a row: whether it was, rule, severity, column, value."""
    no_usage = "NOT (trimBoth(ifNull(charge_type, '')) = '' OR lower(trimBoth(charge_type)) = 'usage')"
    no_instance = "instance_id = ''"
    refused = f"{no_instance} AND NOT ({no_usage})" if old.missing_instance_id == "quarantine" else "false"
    found = [
        ("R1", "reject", "date", "isNull(date)", "NULL"),
        ("R4", "reject", "extended_cost", "isNull(extended_cost) OR NOT isFinite(extended_cost)", "extended_cost"),
        ("R4", "null", "consumed_quantity", "NOT isFinite(consumed_quantity)", "consumed_quantity"),
        ("R4", "null", "resource_rate", "NOT isFinite(resource_rate)", "resource_rate"),
        ("R5", "warn", "extended_cost", "isFinite(extended_cost) AND extended_cost < 0", "extended_cost"),
        ("R7", "reject", "instance_id", refused, "NULL"),
        ("R7", "warn", "instance_id", f"{no_instance} AND NOT ({refused})", "NULL"),
        ("R8", "null", "tags", "is_no_tags", "given_tags"),
        ("R8", "null", "additional_info", "is_no_additional_info", "given_additional_info"),
    ]
    return ", ".join(
        f"(ifNull({condition}, false), '{rule}', '{severity}', '{column}', CAST(toString({value}), 'Nullable(String)'))"
        for rule, severity, column, condition, value in found
    )
