"""Months tracked again by other patterns: equal to a fresh load with them, and never shown by halves."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.httpclient import HttpClient
from mapper.runs import MONTH_SCHEMA, USAGE_SCHEMA, MapperRuns, month_line
from mapper.test_bill_differential import usage_lines
from mapper.traps import ENROLLMENT_NUMBER
from warehouse.loading import Warehouse

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.patterns import table as application_tags
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.schema.ddl import literal
from mapper_azure_billing_tracking.allocation import retrack as months
from mapper_azure_billing_tracking.allocation.retrack import RetrackedMonth, retrack
from mapper_azure_billing_tracking.load_guard import LoadRefusedError
from sandbox.bill.generator import Bill, example_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from azure_billing_warehouse.config import ClickHouseConfig

MONTH, ROWS = "2026-10", 1_500
OCTOBER = dt.date(2026, 10, 1)
YESTERDAYS = [Pattern(number, text) for number, text in example_patterns()]
TODAYS = [*YESTERDAYS[1::2], Pattern(-1, "vm"), Pattern(-2, "RG-"), Pattern(7_000, "a")]
ROWS_OF_A_LOAD = "SELECT * EXCEPT (create_at, snapshot_at) FROM azure_billing_detail ORDER BY row_number"
ISSUES = "SELECT * EXCEPT snapshot_at FROM azure_billing_issue ORDER BY ALL"
AUDIT = "SELECT * EXCEPT (snapshot_at, audit_timestamp, extended_cost) FROM azure_tagging_audit ORDER BY ALL"
AUDITED_COSTS = "SELECT extended_cost FROM azure_tagging_audit ORDER BY first_row_number"
MONTHS = "SELECT * EXCEPT (snapshot_at, counted_at, partition_id, counted_partition_id) FROM azure_billing_month"


def load(warehouse: Warehouse, folder: Path, patterns: list[Pattern], month: str = MONTH) -> None:
    """Load a month as the mapper and the loader do."""
    folder.mkdir()
    runs = MapperRuns(folder)
    with (folder / "patterns.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "resource_tracking"), *patterns])
    usage = [line + b"\n" for line in usage_lines(Bill(ENROLLMENT_NUMBER, 1, ROWS), month)]
    closing = month_line(len(usage), billing_month=f"{month}-01")
    output = runs.run([USAGE_SCHEMA, MONTH_SCHEMA, *usage, closing], output="arrow")
    for message in output.messages:
        if message["type"] == "BATCH":
            for path in output.files(message["stream"]):
                if path.exists():
                    warehouse.client.raw_insert(message["stream"], insert_block=path.read_bytes(), fmt="Arrow")
                    path.unlink()


@pytest.fixture
def loaded(new_warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """The month, tracked by yesterday's patterns; today's are in d_application_tag."""
    load(new_warehouse, tmp_path / "yesterday", YESTERDAYS)
    application_tags.import_patterns(new_warehouse.config, TODAYS)
    ensure_tables(new_warehouse.config)  # counts the snapshot, as tracking it again does
    return new_warehouse


@pytest.fixture
def fresh(config: ClickHouseConfig, tmp_path: Path) -> Iterator[Warehouse]:
    """The same month in another database, loaded with today's patterns."""
    other = config.model_copy(update={"database": f"{config.database}_fresh"})
    ensure_tables(other)
    with ExitStack() as stack:
        client = stack.enter_context(connect(other))
        stack.callback(lambda: client.command(f"DROP DATABASE {other.database} SYNC"))
        warehouse = Warehouse(other, client)
        load(warehouse, tmp_path / "fresh", TODAYS)
        yield warehouse


def shown(warehouse: Warehouse) -> list[list[bytes]]:
    """What the views show, as JSON lines: the driver can't read every object of a JSON column."""
    queries = (ROWS_OF_A_LOAD, ISSUES, AUDIT, MONTHS)
    return [warehouse.client.raw_query(query, fmt="JSONEachRow").splitlines() for query in queries]


def tracked_again(warehouse: Warehouse, **options: Any) -> RetrackedMonth:
    (month,) = retrack(warehouse.config, TODAYS, **options)
    return month


def problems_of(warehouse: Warehouse) -> list[str]:
    verdict = check(warehouse.config, expected=Expectations(last_month=OCTOBER))
    assert verdict is not None
    return [f"{problem.check} {problem.text}" for problem in verdict.months[0].problems]


def test_a_month_tracked_again_equals_a_fresh_load_of_it(loaded: Warehouse, fresh: Warehouse) -> None:
    before, problems = shown(loaded), problems_of(loaded)
    ensure_tables(fresh.config)
    month = tracked_again(loaded)
    assert month.is_changed
    assert shown(loaded) == shown(fresh) != before
    costs, expected = ([row["extended_cost"] for row in w.query(AUDITED_COSTS)] for w in (loaded, fresh))
    assert costs == pytest.approx(expected)
    assert problems_of(loaded) == problems
    parts = (
        "SELECT count(), min(level) FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table = 'stg_azure_billing_detail' AND partition_id = "
    )
    partition = literal(loaded.scalar("SELECT partition_id FROM azure_billing_month"))
    ((count, level),) = loaded.client.query(parts + partition).result_rows
    assert (count, level > 0) == (1, True)  # merged, so that the views look for no equal rows


def test_the_moves_are_those_between_the_two_loads(loaded: Warehouse, fresh: Warehouse) -> None:
    month = tracked_again(loaded, dry_run=True)
    application = "if(match_level IS NULL, NULL, resource_tracking)"
    query = (
        f"SELECT row_number, {application} AS application, extended_cost FROM azure_billing_detail ORDER BY row_number"
    )
    expected: dict[tuple[Any, Any], tuple[int, float]] = {}
    for old, new in zip(loaded.query(query), fresh.query(query), strict=True):
        if old["application"] != new["application"]:
            rows, cost = expected.get((old["application"], new["application"]), (0, 0.0))
            expected[old["application"], new["application"]] = rows + 1, cost + old["extended_cost"]
    assert len(expected) > 3
    assert {(move.before, move.after): move.row_count for move in month.moves} == {
        key: rows for key, (rows, _) in expected.items()
    }
    for move in month.moves:
        assert move.extended_cost == pytest.approx(expected[move.before, move.after][1])


def test_a_dry_run_writes_nothing_and_a_second_run_changes_nothing(loaded: Warehouse) -> None:
    before = shown(loaded)
    assert tracked_again(loaded, dry_run=True).is_changed
    assert shown(loaded) == before
    tracked_again(loaded)
    after = shown(loaded)
    month = tracked_again(loaded)
    assert (month.is_changed, list(month.moves)) == (False, [])
    assert shown(loaded) == after


class Killed(BaseException):
    """The end of the process."""


def end_after(statements: int, patched: pytest.MonkeyPatch) -> None:
    """End the process before the statement that follows this many."""
    left = itertools.count(statements, -1)

    def ending(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            if next(left) <= 0:
                raise Killed
            return original(*given, **named)

        return counted

    for name in ("command", "raw_insert"):
        patched.setattr(HttpClient, name, ending(getattr(HttpClient, name)))


def test_wherever_it_is_killed_the_view_shows_the_snapshot_before(
    loaded: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(loaded)
    kills = 0
    while shown(loaded) == before:
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            end_after(kills, patched)
            tracked_again(loaded)
        kills += 1
    assert kills > 8
    assert not tracked_again(loaded).is_changed


def test_a_snapshot_that_another_load_has_begun_is_refused(loaded: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = (
        "INSERT INTO stg_azure_billing_load (enrollment_number, dataset, billing_month, snapshot_at, load_id) "
        "SELECT enrollment_number, dataset, billing_month, snapshot_at + INTERVAL 1 MILLISECOND, 'another' "
        "FROM azure_billing_month"
    )
    before = shown(loaded)
    next_instant = months._next_instant  # noqa: SLF001 - the moment between the choice of an instant and its claim

    def claimed_meanwhile(client: Any, config: Any, old: Any) -> Any:
        found = next_instant(client, config, old)
        loaded.client.command(claim)
        return found

    monkeypatch.setattr(months, "_next_instant", claimed_meanwhile)
    with pytest.raises(LoadRefusedError, match="another load has begun"):
        tracked_again(loaded)
    assert shown(loaded) == before


def test_the_command_says_what_moves(loaded: Warehouse, tmp_path: Path) -> None:
    config = loaded.config
    environment = {
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_PASSWORD": config.password.get_secret_value(),
        "CLICKHOUSE_DATABASE": config.database,
    }
    ended = CliRunner(env=environment).invoke(main, ["retrack", "--dry-run"])
    assert ended.exit_code == 0, ended.output
    first, *moved = ended.output.splitlines()
    assert f"month {MONTH}" in first
    assert "would change application" in first
    assert any("-> VM:" in line for line in moved)
    patterns = tmp_path / "patterns.csv"
    patterns.write_text("id,resource_tracking\n1,prd\n", encoding="utf-8")
    prefix = "MAPPER_AZURE_BILLING_TRACKING_PATTERNS"
    from_file = environment | {f"{prefix}_SOURCE": "csv", f"{prefix}_PATH": str(patterns)}
    assert "-> PRD:" in CliRunner(env=from_file).invoke(main, ["retrack", "--dry-run"]).output
    refused = CliRunner(env=environment | {f"{prefix}_SOURCE": "excel"}).invoke(main, ["retrack", "--dry-run"])
    assert refused.exit_code == 2
    assert f"{prefix}_SOURCE" in refused.output
    nothing = CliRunner(env=environment).invoke(main, ["retrack", "--since", "2027-01"])
    assert nothing.exit_code == 2
    assert "no month to track" in nothing.output
