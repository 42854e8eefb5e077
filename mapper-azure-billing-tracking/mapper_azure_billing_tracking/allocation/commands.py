"""Commands of `azure-billing-warehouse` that need the tracking engine: their options and what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from azure_billing_warehouse.cli_options import month_option
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.allocation.pattern_trials import read_published_resources, suggest, trial, unused
from mapper_azure_billing_tracking.allocation.retrack import retrack as retrack_months
from mapper_azure_billing_tracking.allocation.todays import todays_patterns

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import polars as pl

    from azure_billing_warehouse.config import ClickHouseConfig
    from mapper_azure_billing_tracking.allocation.resources import Move
    from mapper_azure_billing_tracking.allocation.retrack import RetrackedMonth

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
    show_moves(config, todays_patterns(config), since=since, until=until, dry_run=dry_run)


def show_moves(
    config: ClickHouseConfig,
    patterns: Sequence[Pattern],
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    dry_run: bool = True,
) -> None:
    """Print for each month what these patterns change, and change it unless it is a dry run."""
    done = False
    for month in retrack_months(config, patterns, since=since, until=until, dry_run=dry_run):
        done = True
        click.echo(_line(month, dry_run=dry_run))
        for move in month.moves:
            click.echo(_move(move))
    if not done:
        raise WarehouseError("There is no month to track: none was loaded yet, or none of those asked for.")


@click.command("test")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option("--id", "number", type=int, help="Id of the text as a pattern; after all others without.")
@month_option("--since", help="First month to look at; all without it.")
@click.pass_obj
def test_patterns(config: ClickHouseConfig, texts: tuple[str, ...], number: int | None, since: dt.date | None) -> None:
    """Show what each TEXT would match as a pattern, and what it would take from whom; nothing is changed."""
    patterns = todays_patterns(config, required=False)
    resources = _published(config, since)
    last = max((pattern.id for pattern in patterns), default=0) + 1
    for text in texts:
        if not text.strip():
            raise click.BadParameter("a pattern is not blank", param_hint="TEXT")
        match = trial(resources, patterns, Pattern(last if number is None else number, text))
        click.echo(
            f"{match.text}: {counted(match.resource_count, 'resource', ',')}, {counted(match.row_count, 'row', ',')}, "
            f"cost {sum(match.months.values()):,.2f}"
        )
        for month, cost in match.months.items():
            click.echo(f"  {month:%Y-%m}  {cost:>18,.2f}")
        for title, others in (("contained in", match.containing), ("contains", match.contained)):
            if others:
                click.echo(f"  {title} the patterns {_few(others)}")
        for instance_id, cost in match.largest:
            click.echo(f"  matches {instance_id}: cost {cost:,.2f}")
        for move in match.taken:
            click.echo(f"  would take{_move(move)}")


@click.command("unused")
@month_option("--since", help="First month to look at; all without it.")
@click.pass_obj
def unused_patterns(config: ClickHouseConfig, since: dt.date | None) -> None:
    """List the patterns that decide for no row: without a match, or always beaten by others."""
    patterns = todays_patterns(config)
    found = unused(_published(config, since), patterns)
    for pattern in found:
        why = f"matches {counted(pattern.row_count, 'row', ',')}, which go to {_few(pattern.beaten_by)}"
        click.echo(f"{pattern.pattern}: {why if pattern.row_count else 'matches nothing'}")
    click.echo(f"{len(found)} of {counted(len(patterns), 'pattern')} decide for no row.")


@click.command("suggest")
@click.option("--most", type=click.IntRange(min=1), default=20, help="How many words to suggest.")
@month_option("--since", help="First month to look at; all without it.")
@click.pass_obj
def suggest_patterns(config: ClickHouseConfig, most: int, since: dt.date | None) -> None:
    """Suggest patterns for resources without an application: words of their names, groups and tags, by cost."""
    patterns = todays_patterns(config, required=False)
    suggestions = list(suggest(_published(config, since, with_tags=True), patterns, most))
    for suggestion in suggestions:
        resources = counted(suggestion.resource_count, "resource", ",")
        click.echo(
            f"{suggestion.word}: cost {suggestion.extended_cost:,.2f}, {resources} "
            f"(in {', '.join(suggestion.found_in)}), such as {', '.join(suggestion.examples)}"
        )
    if not suggestions:
        click.echo("There is nothing to suggest: no word would match a resource without an application.")


def _published(config: ClickHouseConfig, since: dt.date | None, *, with_tags: bool = False) -> pl.DataFrame:
    resources = read_published_resources(config, since, with_tags=with_tags)
    if resources.is_empty():
        raise WarehouseError("There is no month to look at: none was loaded yet, or none of those asked for.")
    return resources


def _few(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(name or _NONE for name in names[:limit]) + more


def _line(month: RetrackedMonth, *, dry_run: bool) -> str:
    if not month.is_changed:
        outcome = "unchanged"
    else:
        moved = sum(move.row_count for move in month.moves)
        change = "would change application" if dry_run else "changed application"
        outcome = f"{moved:,} of {counted(month.row_count, 'row', ',')} {change}"
    return f"{month.snapshot.name}: {outcome}"


def _move(move: Move) -> str:
    before, after = move.before or _NONE, move.after or _NONE
    return f"  {before} -> {after}: {counted(move.row_count, 'row', ',')}, cost {move.extended_cost:,.2f}"
