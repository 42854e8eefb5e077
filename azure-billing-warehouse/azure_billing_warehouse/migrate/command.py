"""The body of the command `migrate`: what it says of each month, for people."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from azure_billing_warehouse.migrate.migrate import Migration
from azure_billing_warehouse.migrate.statements import REJECTING
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.migrate.migrate import Facts, MonthOutcome, Request
    from azure_billing_warehouse.migrate.tracking import Move

_MOVES_SHOWN = 20


def migrate(config: ClickHouseConfig, request: Request) -> Iterator[str]:
    """Migrate the months of a table; yield what to say, line by line, as it happens.

    Raises:
        WarehouseError: The table or a month can't be migrated.
    """
    migration = Migration(config, request)
    for remark in migration.old.remarks():
        yield f"Note: {remark}."
    if migration.tracker is None:
        yield (
            "Note: applications are not compared: the table has no resource_tracking, or there are no patterns in "
            "d_application_tag (`azure-billing-warehouse patterns import FILE`)."
        )
    done, rows, cost = 0, 0, Decimal(0)
    for outcome in migration:
        yield from _month(outcome, migration.old.shown)
        if not outcome.fate.startswith("skipped"):
            done, rows, cost = done + 1, rows + outcome.facts.row_count, cost + outcome.facts.extended_cost
    would = "would be migrated" if request.dry_run else "migrated"
    total = f"{counted(rows, 'row', ',')} at a cost of {cost:,.6f}"
    yield f"Months {would}: {done}, with {total}. {migration.old.shown} is unchanged."
    yield from _without_month(migration.without_month, migration)
    if done and not request.dry_run:
        yield "`azure-billing-warehouse check` reconciles them with what the table had."


def _month(outcome: MonthOutcome, table: str) -> Iterator[str]:
    facts = outcome.facts
    name = f"{facts.enrollment_number}  {facts.billing_month:%Y-%m}"
    yield f"{name}  {counted(facts.row_count, 'row', ',')}  cost {facts.extended_cost:,.6f}  {outcome.fate}"
    if outcome.fate.startswith("skipped"):
        return
    for rule, (rows, cost) in facts.rejected.items():
        yield (
            f"  {rule} rejects {counted(rows, 'row', ',')} at a cost of {cost:,.6f} ({REJECTING[rule]}): they are in "
            "azure_billing_issue, whole, and not in azure_billing_detail"
        )
    if outcome.float32_error:
        yield (
            f"  extended_cost is Float32 in {table}, which keeps 7 digits: this cost may be off by up to "
            f"{outcome.float32_error:,.6f}; the bill's own digits come with a load of the month"
        )
    if outcome.moves is not None:
        yield from _applications(outcome.moves)


def _applications(moves: Sequence[Move]) -> Iterator[str]:
    if not moves:
        yield "  a load would track every row to the same application"
        return
    rows = sum(move.row_count for move in moves)
    cost = sum((abs(move.extended_cost) for move in moves), Decimal(0))
    yield f"  a load would track {counted(rows, 'row', ',')} to another application, with a cost of {cost:,.6f}:"
    for move in moves[:_MOVES_SHOWN]:
        moved = f"{counted(move.row_count, 'row', ',')}, cost {move.extended_cost:,.6f}"
        yield f"    {move.old or '(none)'} -> {move.new}: {moved}"
    if more := moves[_MOVES_SHOWN:]:
        rest = sum((abs(move.extended_cost) for move in more), Decimal(0))
        yield f"    and {len(more)} more, with a cost of {rest:,.6f}"


def _without_month(found: Sequence[Facts], migration: Migration) -> Iterator[str]:
    if rows := sum(facts.row_count for facts in found):
        cost = sum((facts.extended_cost for facts in found), Decimal(0))
        yield (
            f"{counted(rows, 'row', ',')} at a cost of {cost:,.6f}, without a date and thus of no month, left out: "
            f"{migration.old.rows_without_month}"
        )
