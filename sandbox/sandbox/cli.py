"""The command `sandbox`: starts the simulated services, writes simulated exports, and prints keys."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox.api import keys
from sandbox.api.faults import FaultPlan
from sandbox.api.server import ApiServer, Ledger
from sandbox.api.store import PageStore
from sandbox.arm import tokens
from sandbox.bill import columns
from sandbox.bill.generator import Bill
from sandbox.bill.recorded import ENROLLMENT as RECORDED_ENROLLMENT
from sandbox.bill.recorded import MONTH as RECORDED_MONTH
from sandbox.bill.recorded import RecordedBill
from sandbox.clickhouse import versions as clickhouse_versions
from sandbox.loopback import serve_until_signalled

if TYPE_CHECKING:
    from sandbox.bill.wire import PagedBill


def _month(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        raise click.BadParameter(f"{value!r} is not a month of the form YYYY-MM.")
    return value


def _enrollments(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for enrollment in value:
        if not re.fullmatch(r"\d+", enrollment):
            raise click.BadParameter(f"{enrollment!r} is not an enrollment number.")
    return value


def months_between(first: str, last: str) -> list[str]:
    """Return the months (`YYYY-MM`) from first to last, both included."""
    start, end = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(start, end + 1)]


def _usable(_context: click.Context, _parameter: click.Parameter, port: int) -> int:
    if port:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                reason = error.strerror if isinstance(error, OSError) else "there is no such port"
                raise click.BadParameter(
                    f"{port} can't be used ({reason}): name another, or 0 for a free one."
                ) from None
    return port


_port = click.option(
    "--port", default=0, show_default=True, callback=_usable, help="Port on 127.0.0.1; 0 takes a free one."
)
_folder = click.option(
    "--data", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for what is kept."
)


@click.group()
def main() -> None:
    """Simulated sources of Azure bills and an embedded ClickHouse, all on loopback."""


@main.command()
@_port
@_folder
@click.option(
    "--enrollment", "enrollments", multiple=True, default=["88888888"], show_default=True, callback=_enrollments
)
@click.option("--seed", default=1, show_default=True, help="Another seed is another bill.")
@click.option("--from", "first", default="2026-08", show_default=True, callback=_month, help="First month with usage.")
@click.option("--to", "last", default="2026-11", show_default=True, callback=_month, help="Last month with usage.")
@click.option("--rows", default=1000, show_default=True, type=click.IntRange(min=0), help="Rows of each month.")
@click.option("--page-size", default=500, show_default=True, type=click.IntRange(min=1), help="Rows of each page.")
@click.option("--fault", "faults", multiple=True, help="KIND[=ARG] and @N, @N-M, %P or /YYYY-MM: 503@2, csv/2026-09.")
def api(
    *,
    port: int,
    folder: Path,
    enrollments: tuple[str, ...],
    seed: int,
    first: str,
    last: str,
    rows: int,
    page_size: int,
    faults: tuple[str, ...],
) -> None:
    """Serve months of simulated enrollments, and the recorded rows as enrollment 100, until SIGTERM or SIGINT."""
    bills: dict[str, PagedBill] = {number: Bill(number, seed, rows, page_size) for number in enrollments}
    bills[RECORDED_ENROLLMENT] = RecordedBill(page_size)
    try:
        plan = FaultPlan(faults, seed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    months = dict.fromkeys(enrollments, months_between(first, last)) | {RECORDED_ENROLLMENT: [RECORDED_MONTH]}
    ledger = Ledger(bills, months, PageStore(folder), plan, seed)
    with ApiServer(port, ledger) as server, ApiServer(0, ledger) as decoy:
        ledger.decoy_port = decoy.server_port
        serve_until_signalled([server, decoy], f"ready http://127.0.0.1:{server.server_port}/rest")


@main.command()
@_port
@_folder
@click.option("--user", default="default", show_default=True)
@click.option("--password", default="", envvar="SANDBOX_CLICKHOUSE_PASSWORD", help="'' lets everybody in.")
@click.option(
    "--engine",
    type=click.Choice(clickhouse_versions.OLDER),
    help="An older ClickHouse, which the first time comes from the package index.  [default: the installed one]",
)
def clickhouse(*, port: int, folder: Path, user: str, password: str, engine: str | None) -> None:
    """Serve ClickHouse's HTTP interface from an engine in this process, until SIGTERM or SIGINT."""
    if engine:
        try:
            clickhouse_versions.run_in_place(engine, port, folder, user, password)
        except RuntimeError as error:
            raise click.ClickException(str(error)) from error
    # Imported here: loading the engine takes a second and 500 MB, which the API does without.
    from sandbox.clickhouse.server import serve  # noqa: PLC0415

    serve(port, folder, user, password)


@main.command()
@click.option("--enrollment", required=True, help="Enrollment that the key opens.")
@click.option("--days", default=180.0, show_default=True, help="Validity; a negative number prints an expired key.")
def key(enrollment: str, days: float) -> None:
    """Print a bearer key for a simulated enrollment."""
    click.echo(keys.make_key(enrollment, days))


@main.command()
@click.argument("place", metavar="DESTINATION")
@click.option("--credential", envvar="SANDBOX_STORAGE_CREDENTIAL", help="Account key or SAS, where the URL has none.")
@click.option("--account", default="88888888", show_default=True, help="EA enrollment, or id of an MCA account.")
@click.option("--agreement", type=click.Choice(columns.AGREEMENTS), default="ea", show_default=True)
@click.option("--version", default="", help="Dataset version, or portal-download.  [default: the newest]")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(["actual", "amortized", "focus"]),
    default=["actual", "amortized"],
    show_default=True,
)
@click.option("--from", "first", default="2026-08", show_default=True, callback=_month, help="First month.")
@click.option("--to", "last", default="2026-11", show_default=True, callback=_month, help="Last month.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    default=["+5"],
    show_default=True,
    help="Day of the month, +1 to +5 of the next one, or daily; several restate it.",
)
@click.option("--rows", default=1000, show_default=True, type=click.IntRange(min=0), help="Usage rows of each month.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another bill.")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "csv.gz", "parquet"]), default="csv", show_default=True
)
@click.option("--parts", default=2, show_default=True, type=click.IntRange(min=1), help="Files of each run.")
@click.option(
    "--manifest", type=click.Choice(["2024-04-01", "2021-01-01", "none"]), default="2024-04-01", show_default=True
)
@click.option("--overwrite", is_flag=True, help="A run takes the place of the one before it.")
@click.option("--directory", default="costs", show_default=True, help="The exports' folder in the destination.")
@click.option("--trap", "traps", multiple=True, help="NAME or NAME/YYYY-MM; a wrong one is told with the right ones.")
def exports(*, place: str, credential: str | None, first: str, last: str, **options: Any) -> None:  # noqa: ANN401 - the options have types of their own
    """Write Cost Management exports to a folder or a container's URL, and print their rows and exact cost as JSON."""
    # Imported here: Polars takes a tenth of a second, which the other commands do without.
    from sandbox.exports.destination import destination  # noqa: PLC0415
    from sandbox.exports.plan import ExportOptions  # noqa: PLC0415
    from sandbox.exports.write import write_exports  # noqa: PLC0415

    try:
        plan = ExportOptions(months=months_between(first, last), **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    truths = write_exports(plan, destination(place, credential))
    click.echo(json.dumps({d: {m: t.as_json() for m, t in of.items()} for d, of in truths.items()}, indent=2))


@main.command()
@_port
@_folder
@click.option("--container", default="costs", show_default=True, help="A container that is made if it is absent.")
@click.option("--cert", type=click.Path(dir_okay=False, path_type=Path), help="Certificate (PEM): HTTPS, and tokens.")
@click.option("--cert-key", type=click.Path(dir_okay=False, path_type=Path), help="The certificate's key (PEM).")
def storage(*, port: int, folder: Path, container: str, cert: Path | None, cert_key: Path | None) -> None:
    """Serve Azure Blob Storage by Azurite, which at first comes from the package indexes, until SIGTERM or SIGINT."""
    # Imported here: the library of Azure Storage takes a second, which the other commands do without.
    from sandbox.storage.service import serve  # noqa: PLC0415

    if (cert is None) != (cert_key is None):
        raise click.UsageError("--cert and --cert-key need each other.")
    try:
        serve(port, folder, container, (cert, cert_key) if cert and cert_key else None)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_port
@click.option("--account", default="88888888", show_default=True, help="EA enrollment, or id of an MCA account.")
@click.option("--agreement", type=click.Choice(columns.AGREEMENTS), default="ea", show_default=True)
@click.option("--from", "first", default="2026-08", show_default=True, callback=_month, help="First month with usage.")
@click.option("--to", "last", default="2026-11", show_default=True, callback=_month, help="Last month with usage.")
@click.option("--rows", default=1000, show_default=True, type=click.IntRange(min=0), help="Usage rows of each month.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another bill.")
@click.option("--page-size", default=1000, show_default=True, type=click.IntRange(min=1), help="Records of each page.")
@click.option(
    "--polls", default=1, show_default=True, type=click.IntRange(min=0), help="202s before a report is ready."
)
@click.option("--retry-after", default=1, show_default=True, help="Seconds to wait for a report, as it is told.")
@click.option("--parts", default=2, show_default=True, type=click.IntRange(min=1), help="Files of each report.")
@click.option("--fault", "faults", multiple=True, help="[STAGE:]KIND[=ARG] and @N, @N-M, %P or /YYYY-MM: blob:403@1.")
def arm(
    *,
    port: int,
    account: str,
    agreement: str,
    first: str,
    last: str,
    rows: int,
    seed: int,
    page_size: int,
    polls: int,
    retry_after: int,
    parts: int,
    faults: tuple[str, ...],
) -> None:
    """Serve usageDetails and Cost Details reports as Azure Resource Manager does, until SIGTERM or SIGINT."""
    # Imported here: Polars takes a tenth of a second, which the other commands do without.
    from sandbox.arm.bill import ScopedBill  # noqa: PLC0415
    from sandbox.arm.faults import StagedFaults  # noqa: PLC0415
    from sandbox.arm.reports import Reports  # noqa: PLC0415
    from sandbox.arm.server import ArmServer, Desk  # noqa: PLC0415
    from sandbox.bill.charged import Account  # noqa: PLC0415

    try:
        plan = StagedFaults(faults, seed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    bill = ScopedBill(Account(account, agreement), seed, rows, months_between(first, last))
    desk = Desk(bill, Reports(bill, polls, parts), plan, seed, page_size, retry_after)
    with ArmServer(port, desk) as server, ArmServer(0, desk) as blobs:
        desk.blobs_port = blobs.server_port
        serve_until_signalled([server, blobs], f"ready http://127.0.0.1:{server.server_port}")


@main.command()
@click.option("--seconds", default=3600.0, show_default=True, help="Validity; a negative number prints an expired one.")
def token(seconds: float) -> None:
    """Print a bearer token for the simulated Resource Manager."""
    click.echo(tokens.make_token(seconds))
