"""The command `azure-billing-warehouse retrack`: its options and what it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from azure_billing_warehouse.cli_options import month_option
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.patterns import table as application_tags
from mapper_azure_billing_tracking.retrack.months import retrack as retrack_months

if TYPE_CHECKING:
    import datetime as dt

    from azure_billing_warehouse.config import ClickHouseConfig
    from mapper_azure_billing_tracking.retrack.months import RetrackedMonth
    from mapper_azure_billing_tracking.retrack.resources import Move

_NONE = "(no pattern)"


@click.command()
@month_option("--since", help="First month; all without it.")
@month_option("--until", help="Last month.")
@click.option("--dry-run", is_flag=True, help="Only show the rows and costs that would change their application.")
@click.pass_obj
def retrack(config: ClickHouseConfig, since: dt.date | None, until: dt.date | None, *, dry_run: bool) -> None:
    """Track the months that are loaded by today's patterns, without asking Azure again.

    Each month that changes gets a new complete snapshot, with its audit; its costs, findings and counts stay as they
    were. The views show the snapshot before until the new one is complete.
    """
    patterns = application_tags.read_table(config)
    if not patterns:
        raise WarehouseError(
            f"There are no patterns in {config.database}.{application_tags.TABLE}: make them with "
            "`azure-billing-warehouse patterns import FILE.csv`."
        )
    done = False
    for month in retrack_months(config, patterns, since=since, until=until, dry_run=dry_run):
        done = True
        click.echo(_line(month, dry_run=dry_run))
        for move in month.moves:
            click.echo(_move(move))
    if not done:
        raise WarehouseError("There is no month to track: none was loaded yet, or none of those asked for.")


def _line(month: RetrackedMonth, *, dry_run: bool) -> str:
    if not month.is_changed:
        outcome = "unchanged"
    else:
        moved = sum(move.row_count for move in month.moves)
        outcome = f"{moved:,} of {month.row_count:,} rows {'would change' if dry_run else 'changed'} their application"
    return f"{month.snapshot.name}: {outcome}"


def _move(move: Move) -> str:
    before, after = move.before or _NONE, move.after or _NONE
    return f"  {before} -> {after}: {move.row_count:,} rows, cost {move.extended_cost:,.2f}"
