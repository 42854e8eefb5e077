"""The command azure-billing-warehouse: its options, output and exit codes; the work is in the other modules.

Exit codes: 0 done; 1 `check` found a month that doesn't add up; 2 the command couldn't do its work, as stderr says.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from azure_billing_warehouse.check.notify import post_verdict
from azure_billing_warehouse.check.table import render
from azure_billing_warehouse.check.verdict import check as check_months
from azure_billing_warehouse.check.verdict import merge
from azure_billing_warehouse.cli_options import expectations, month_option, tag_names
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.config import ClickHouseConfig, clickhouse_variable
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.migrate.command import migrate as migrate_table
from azure_billing_warehouse.migrate.migrate import Request
from azure_billing_warehouse.passwords import PasswordError, encrypt
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.patterns.files import pattern_csv, read_patterns
from azure_billing_warehouse.patterns.oddities import describe, find_oddities
from azure_billing_warehouse.prune import prune as prune_snapshots
from azure_billing_warehouse.report.page import write_report
from azure_billing_warehouse.schema.compatible_view import create_compatible_view
from azure_billing_warehouse.schema.create import ensure_tables, statements
from azure_billing_warehouse.setting_sentences import sentences
from azure_billing_warehouse.tables import with_dataset
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    import datetime as dt

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.prune import Kind

_DEFAULTS = {name: field.default for name, field in ClickHouseConfig.model_fields.items()}


class _ExtendedGroup(click.Group):
    """A group to which packages that build on this one, as the mapper does, add commands by entry points."""

    added = "azure_billing_warehouse.commands"

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *entry_points(group=self.added).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (command := super().get_command(ctx, cmd_name)) is not None:
            return command
        for entry in entry_points(group=self.added, name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None


class _Commands(_ExtendedGroup):
    """A group whose commands end with exit code 2 and a sentence when ClickHouse is in the way."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Commands, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option(
    "--host", envvar="CLICKHOUSE_HOST", default=_DEFAULTS["host"], show_envvar=True, help="Host of the HTTP interface."
)
@click.option("--port", envvar="CLICKHOUSE_PORT", default=_DEFAULTS["port"], show_envvar=True, help="Its port.")
@click.option("--user", envvar="CLICKHOUSE_USER", default=_DEFAULTS["username"], show_envvar=True, help="User.")
@click.option(
    "--password-file",
    envvar="CLICKHOUSE_PASSWORD_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="File with the password; without it the environment variable CLICKHOUSE_PASSWORD is used.",
)
@click.option(
    "--fernet-key-file",
    envvar="CLICKHOUSE_FERNET_KEY_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="File with the key of an encrypted password; without it the variable CLICKHOUSE_FERNET_KEY is used.",
)
@click.option(
    "--database", envvar="CLICKHOUSE_DATABASE", default=_DEFAULTS["database"], show_envvar=True, help="Database."
)
@click.option(
    "--secure/--no-secure", envvar="CLICKHOUSE_SECURE", default=False, show_envvar=True, help="Connect by HTTPS."
)
@click.option(
    "--verify/--no-verify", envvar="CLICKHOUSE_VERIFY", default=True, show_envvar=True, help="Verify its certificate."
)
@click.option(
    "--ca-cert",
    envvar="CLICKHOUSE_CA_CERT",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="File with the certificates (PEM) of the authorities to trust, instead of the system's.",
)
@click.option(
    "--json-type",
    envvar="CLICKHOUSE_JSON_TYPE",
    default=_DEFAULTS["json_type"],
    show_envvar=True,
    type=click.Choice(["JSON", "String"]),
    help="Type of the columns tags and additional_info.",
)
@click.option("--cluster", envvar="CLICKHOUSE_CLUSTER", show_envvar=True, help="Cluster on which the tables are.")
@click.option(
    "--keeper-path",
    envvar="CLICKHOUSE_KEEPER_PATH",
    default=_DEFAULTS["keeper_path"],
    show_envvar=True,
    help="Path in Keeper below which a cluster's replicated tables are.",
)
@click.version_option(package_name="azure-billing-warehouse")
@click.pass_context
def main(ctx: click.Context, /, user: str, **connection: Any) -> None:  # noqa: ANN401 - options
    """Create, check, prune, migrate to and report on the ClickHouse tables of the Azure bill."""
    secrets = {name: os.environ.get(f"CLICKHOUSE_{name.upper()}", "") for name in ("password", "fernet_key")}
    settings = {"username": user, **secrets, **connection}
    try:
        ctx.obj = ClickHouseConfig.model_validate(settings)
    except ValidationError as error:
        raise click.UsageError(" ".join(sentences(error, ClickHouseConfig, clickhouse_variable, settings))) from error


@main.command()
@click.option("--print", "only_print", is_flag=True, help="Print the statements for an empty ClickHouse and run none.")
@click.option(
    "--print-compatible-view",
    "compatible_view",
    metavar="NAME",
    help="Print the statement for a view of that name (or DATABASE.NAME) with the columns of the table that this "
    "warehouse succeeds, and the published rows; run none.",
)
@click.pass_obj
def create(config: ClickHouseConfig, *, only_print: bool, compatible_view: str | None) -> None:
    """Create the missing database, tables and views, and add columns; drop nothing."""
    if compatible_view:
        click.echo(f"{create_compatible_view(config, compatible_view)};")
        return
    if only_print:
        click.echo("\n\n".join(f"{statement};" for statement in statements(config)))
        return
    ensure_tables(config)
    click.echo(f"The tables and views are in {config.database} on {config.host}:{config.port}.")


@main.command()
@click.option(
    "--format", "output", type=click.Choice(["table", "json"]), default="table", help="For people or machines."
)
@month_option("--since", help="First month to check; all without it.")
@click.option(
    "--notify",
    metavar="URL",
    envvar="AZURE_BILLING_NOTIFY_URL",
    show_envvar=True,
    help="Address to which the verdict is sent as JSON by POST; whether it arrives doesn't change the exit code.",
)
@expectations
@click.pass_context
def check(ctx: click.Context, output: str, since: dt.date | None, notify: str | None, expected: Expectations) -> None:
    """Check for each month whether what Azure billed is in the tables, to the row and the cost.

    Every month from the first to the current one is expected of each enrollment and dataset. A month that lost most of
    its rows or cost against an earlier load fails, and so does a snapshot that lies in the future.

    Exit code 0: every month is there and adds up; 1: one isn't or doesn't, or the newest load is too old; 2: nothing
    could be checked (no connection, no tables, no month).
    """
    result = check_months(ctx.obj, since=since, expected=expected)
    if result is None:
        raise WarehouseError("There is no month to check: nothing was loaded yet, or not since the month asked for.")
    click.echo(result.model_dump_json(indent=2) if output == "json" else render(result))
    sys.stdout.flush()
    if notify and (fault := post_verdict(notify, result)):
        click.echo(f"Warning: {fault}", err=True)
    merge(ctx.obj)
    ctx.exit(0 if result.status == "ok" else 1)


@main.command()
@click.option("--keep", type=click.IntRange(min=1), default=2, help="Newest complete snapshots of a month that stay.")
@click.option(
    "--future",
    is_flag=True,
    help="Drop instead the snapshots later than ClickHouse's clock, also those that the views show.",
)
@click.option(
    "--broken-off",
    is_flag=True,
    help="Drop instead what broken-off loads left: newer than the newest complete snapshot, no row for an hour.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be dropped.")
@click.pass_obj
def prune(config: ClickHouseConfig, *, keep: int, future: bool, broken_off: bool, dry_run: bool) -> None:
    """Drop superseded snapshots; what the views show always stays, except with --future."""
    chosen: dict[Kind, bool] = {"superseded": not (future or broken_off), "future": future, "broken off": broken_off}
    kinds = frozenset(kind for kind, is_chosen in chosen.items() if is_chosen)
    pruned = prune_snapshots(config, keep=keep, dry_run=dry_run, kinds=kinds)
    for snapshot in pruned:
        kind = "complete" if snapshot.complete else "incomplete"
        month = with_dataset(f"{snapshot.enrollment_number}  {snapshot.billing_month:%Y-%m}", snapshot.dataset)
        click.echo(f"{month}  {snapshot.snapshot_at:%Y-%m-%d %H:%M:%S} UTC  {kind:10}  {snapshot.row_count:>12,} rows")
    names: dict[Kind, str] = {
        "superseded": "Superseded snapshots",
        "future": "Snapshots in the future",
        "broken off": "Snapshots of broken-off loads",
    }
    for kind, name in names.items():
        if kind in kinds:
            count = sum(snapshot.kind == kind for snapshot in pruned)
            click.echo(f"{name} that {'would be' if dry_run else 'were'} dropped: {count}")
    if not dry_run and any(snapshot.kind == "future" for snapshot in pruned):
        click.echo("Load their months again, without the state of that load: meltano run --full-refresh ...")


@main.command()
@click.argument("from_table")
@click.option("--enrollment", metavar="NUMBER", help="Enrollment of its rows; needed if the table doesn't say it.")
@click.option("--currency", metavar="CODE", help="Currency of its costs, if the table doesn't say it, such as CNY.")
@month_option("--since", help="First month to migrate; all without it.")
@month_option("--until", help="Last month to migrate.")
@click.option(
    "--missing-instance-id",
    type=click.Choice(["quarantine", "keep"]),
    default="quarantine",
    help="What becomes of usage without an instance id, as the mapper's setting says.",
)
@click.option("--again", is_flag=True, help="Also migrate months that were migrated already.")
@click.option(
    "--replace-loaded", is_flag=True, help="Also migrate months that were loaded, and show these rows instead."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be migrated.")
@click.pass_obj
def migrate(config: ClickHouseConfig, /, from_table: str, **options: Any) -> None:  # noqa: ANN401 - those of Request
    """Take over the months of FROM_TABLE (or DATABASE.FROM_TABLE), a table of usage rows without snapshots.

    It is only read. A month that was loaded is left alone, and a later load of a migrated month replaces it. Each
    month's rows and cost are told, and the cost that a load would track to another application.
    """
    for line in migrate_table(config, Request(from_table, **options)):
        click.echo(line)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path), default="azure-bill.html")
@month_option("--since", help="First month to show; all without it.")
@click.option(
    "--tag",
    "tags",
    metavar="NAME",
    multiple=True,
    default=("app",),
    envvar="AZURE_BILLING_REPORT_TAGS",
    show_envvar=True,
    callback=tag_names,
    help="Tag by which the bill is divided too, by its exact name. May be repeated, or be a list with commas.",
)
@expectations
@click.pass_obj
def report(
    config: ClickHouseConfig, file: Path, since: dt.date | None, tags: tuple[str, ...], expected: Expectations
) -> None:
    """Write FILE, a self-contained HTML page with charts of the published months."""
    write_report(config, file, since=since, expected=expected, tags=tags)
    click.echo(f"The report is in {file.resolve()}.")


@main.group()
def password() -> None:
    """Keep the password of ClickHouse encrypted."""


@password.command("new-key")
def new_key() -> None:
    """Print a new Fernet key, for CLICKHOUSE_FERNET_KEY or a file."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - takes time that the other commands save

    click.echo(Fernet.generate_key().decode())


@password.command("encrypt")
@click.pass_obj
def encrypt_password(config: ClickHouseConfig) -> None:
    """Read a password from standard input and print it encrypted, for CLICKHOUSE_PASSWORD or a file."""
    text = click.prompt("Password", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        click.echo(encrypt(text.rstrip("\r\n"), config.secrets()))
    except PasswordError as error:
        raise OperatorError(str(error)) from error


class _PatternCommands(_ExtendedGroup):
    added = "azure_billing_warehouse.patterns_commands"


@main.group(cls=_PatternCommands)
def patterns() -> None:
    """Import, export and try out the tracking patterns (table d_application_tag)."""


@patterns.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show the rows and costs that would change their application.")
@click.pass_obj
def import_patterns(config: ClickHouseConfig, file: Path, *, dry_run: bool) -> None:
    """Replace the patterns with those in FILE, a CSV with the columns id and resource_tracking.

    Cells are separated by commas, semicolons or tabs. Database and table are made if they are missing. Months that are
    loaded already keep their applications until `retrack`.
    """
    found = read_patterns(file)
    for line in describe(find_oddities(found)):
        click.echo(f"Note: {line}", err=True)
    if dry_run:
        for entry in entry_points(group="azure_billing_warehouse.tracking", name="show_moves"):
            entry.load()(config, found)
            return
        raise WarehouseError("--dry-run tracks the resources again: install mapper-azure-billing-tracking beside this.")
    application_tags.import_patterns(config, found)
    click.echo(f"{config.database}.{application_tags.TABLE} holds {counted(len(found), 'pattern')}.")


@patterns.command("list")
@click.pass_obj
def list_patterns(config: ClickHouseConfig) -> None:
    """Print id and pattern of every row, as CSV for `import` or a spreadsheet: no cell begins like a formula."""
    click.echo(pattern_csv(application_tags.list_patterns(config)), nl=False)


@patterns.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.pass_obj
def export_patterns(config: ClickHouseConfig, file: Path) -> None:
    """Write the patterns to FILE as `import` reads them."""
    rows = application_tags.list_patterns(config)
    try:
        file.write_text(pattern_csv(rows), encoding="utf-8", newline="")
    except OSError as error:
        raise WarehouseError(f"{file} can't be written: {error.strerror}.") from error
    click.echo(f"{len(rows)} patterns are in {file}.")
