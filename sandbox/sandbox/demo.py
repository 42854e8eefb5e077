"""The demo: a simulated bill through the real pipeline into an embedded ClickHouse, and what a user wants to see of it.

Run by `script/demo` from the project's folder, which has the plugins installed.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azure_billing_warehouse.wording import counted
from sandbox.bill.generator import example_patterns
from sandbox.exports.destination import Folder
from sandbox.exports.plan import ExportOptions
from sandbox.exports.write import write_exports
from sandbox.launch import running_api, running_clickhouse

if TYPE_CHECKING:
    from sandbox.launch import ClickHouse

ENROLLMENT = "88888888"
MONTHS = 4
PIPELINE = ("tap-azure-ea-billing", "mapper", "target-clickhouse")

QUERIES = {
    "Cost by month and application (before tax, the ten largest)": """
        SELECT billing_month, ifNull(application, '(none)') AS of_application, count() AS rows,
               round(sum(extended_cost), 2) AS cost
        FROM azure_billing_detail
        GROUP BY billing_month, of_application ORDER BY billing_month, cost DESC LIMIT 10 BY billing_month""",
    "Unallocated: rows that no pattern matches are tracked to their own resource (the ten largest)": """
        SELECT resource_tracking AS resource, count() AS rows, round(sum(extended_cost), 2) AS cost
        FROM azure_billing_detail
        WHERE application IS NULL
        GROUP BY resource ORDER BY cost DESC LIMIT 10""",
    "Conflicts: resources that more than one pattern matches (the ten largest)": """
        SELECT last_segment AS resource, resource_group, selected_match, match_count, sum(row_count) AS rows,
               round(sum(extended_cost), 2) AS cost
        FROM azure_tagging_audit WHERE conflict
        GROUP BY ALL ORDER BY cost DESC LIMIT 10""",
    "Findings by rule": """
        SELECT rule, severity, column, count() AS findings, round(sum(extended_cost), 2) AS cost, any(value) AS example
        FROM azure_billing_issue
        GROUP BY ALL ORDER BY rule, severity, column""",
}

GO_ON = """\
To load your own bill:
  cp .env.example .env                                             # fill in whose bill it is, and ClickHouse
  .venv/bin/meltano invoke warehouse patterns import FILE.csv      # columns id, resource_tracking
  .venv/bin/meltano run tap-azure-ea-billing mapper target-clickhouse
  .venv/bin/meltano invoke warehouse check
README.md goes through it step by step.
"""


@click.command(help="Load a simulated Azure bill into an embedded ClickHouse and show it.")
@click.option(
    "--source",
    type=click.Choice(["ea", "exports"]),
    default="ea",
    show_default=True,
    help="Where the bill comes from: the simulated EA API, or Cost Management exports in a folder.",
)
@click.option("--rows", default=5_000, show_default=True, help="Usage rows of each month.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the demo keeps its ClickHouse tables and Meltano's state; a second run goes on from there."
    "  [default: .sandbox/demo-SOURCE]",
)
def main(source: str, rows: int, folder: Path | None) -> None:
    """Run the demo."""
    folder = folder or Path(f".sandbox/demo-{source}")
    signal.signal(signal.SIGTERM, _interrupted)
    os.umask(0o077)  # Meltano writes keys and passwords to files, and so do the servers
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    today = dt.datetime.now(dt.UTC).date()
    try:
        with ExitStack() as servers:
            clickhouse = servers.enter_context(running_clickhouse(folder / "clickhouse"))
            if source == "exports":
                tap = _exports(folder.resolve() / "exports", today, rows)
            else:
                tap = _api(servers, folder, today, rows)
            _load_and_show(tap, clickhouse, folder.resolve(), _month(today, MONTHS - 1))
    except KeyboardInterrupt:
        click.echo("Interrupted; both servers have ended.", err=True)
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        click.echo(f"`{' '.join(map(str, error.cmd))}` failed with exit code {error.returncode}.", err=True)
        sys.exit(1)


def _interrupted(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _month(today: dt.date, back: int) -> str:
    year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
    return f"{year}-{month + 1:02}"


def _api(servers: ExitStack, folder: Path, today: dt.date, rows: int) -> dict[str, str]:
    """Start the simulated EA API; return the settings of a tap that reads it."""
    api = servers.enter_context(
        running_api(
            folder / "pages",
            enrollments=(ENROLLMENT,),
            first=_month(today, MONTHS - 1),
            last=_month(today, 0),
            rows=rows,
            page_size=1000,
        )
    )
    return {"API_URL": api.url, "API_KEY": api.key(ENROLLMENT)}


def _exports(folder: Path, today: dt.date, rows: int) -> dict[str, str]:
    """Write simulated exports, as a daily export of today leaves them; return the settings of a tap that reads them."""
    click.echo(f"Simulated exports of actual and amortized costs: {folder}")
    closed = [_month(today, back) for back in range(MONTHS - 1, 0, -1)]
    for months, run in ((closed, "+5"), ([_month(today, 0)], str(today.day))):
        plan = ExportOptions(account=ENROLLMENT, months=months, runs=(run,), rows=rows, file_format="parquet")
        write_exports(plan, Folder(folder))
    return {"SOURCE": "exports", "EXPORTS_URL": str(folder), "DATASETS": "actual,amortized"}


def _load_and_show(tap: dict[str, str], clickhouse: ClickHouse, folder: Path, first_month: str) -> None:
    environment = {
        **os.environ,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_USER": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_DATABASE": "default",
        "CLICKHOUSE_SECURE": "false",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.db'}",
        "MELTANO_ENVIRONMENT": "demo",
        **{f"TAP_AZURE_EA_BILLING_{name}": value for name, value in tap.items()},
        "TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER": ENROLLMENT,
        "TAP_AZURE_EA_BILLING_START_DATE": f"{first_month}-01",
    }
    programs = Path(sys.executable).parent

    def run(*command: str | Path) -> None:
        click.secho(f"\n$ {shlex.join([Path(command[0]).name, *map(str, command[1:])])}", bold=True)
        sys.stdout.flush()
        subprocess.run([*command], check=True, env=environment)  # noqa: S603 - our own programs

    patterns = folder / "d_application_tag.csv"
    with patterns.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "resource_tracking"), *example_patterns()])
    run(programs / "azure-billing-warehouse", "patterns", "import", patterns)

    started = time.monotonic()
    run(programs / "meltano", "run", *PIPELINE)
    seconds = time.monotonic() - started
    run(programs / "azure-billing-warehouse", "check")
    report = folder / "report.html"
    run(programs / "azure-billing-warehouse", "report", report)

    for title, query in QUERIES.items():
        click.secho(f"\n{title}", bold=True)
        click.echo(_table(clickhouse, query))
    (loaded,) = clickhouse.query("SELECT toUInt32(count()) AS rows FROM azure_billing_detail")
    rows = counted(loaded["rows"], "row")
    click.echo(f"{rows} published; the pipeline took {seconds:.1f} s. The report: {report}\n")
    click.echo(GO_ON)


def _table(clickhouse: ClickHouse, query: str) -> str:
    settings: dict[str, Any] = {"output_format_pretty_color": 0, "output_format_pretty_row_numbers": 0}
    listed = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return clickhouse.execute(f"{query} SETTINGS {listed} FORMAT PrettyCompactMonoBlock")


if __name__ == "__main__":
    main()
