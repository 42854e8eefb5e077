"""What a run of the mapper refuses for the sake of the months that are there: real processes, a real ClickHouse."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import clickhouse_connect
import polars as pl
import pytest
from mapper.oracle_json import Number
from mapper.runs import (
    DETAIL,
    MONTH,
    MONTH_SCHEMA,
    USAGE_SCHEMA,
    MapperRuns,
    Output,
    month_line,
    state_line,
    usage_line,
)
from mapper.traps import BILLING_MONTH, ENROLLMENT_NUMBER, SNAPSHOT_AT
from warehouse.loading import ENROLLMENT

from azure_billing_warehouse.clickhouse import Connection, WarehouseError, connect
from azure_billing_warehouse.patterns.table import read_table
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.tables import TABLES
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.load_guard import LoadGuard, LoadRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.config import ClickHouseConfig

OCTOBER = dt.date.fromisoformat(BILLING_MONTH)
LOADED = dt.datetime.fromisoformat(SNAPSHOT_AT)
LATER = "2026-11-04T03:00:00.417+00:00"
HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class GuardedRuns(MapperRuns):
    """Runs of the mapper that know the warehouse."""

    config: ClickHouseConfig

    def settings(self, **changed: Any) -> dict[str, Any]:
        """The settings of a run, with those of the warehouse."""
        clickhouse = self.config.model_dump(exclude={"password", "cluster"})
        clickhouse["password"] = self.config.password.get_secret_value()
        return super().settings(**{"output": "arrow", "clickhouse": clickhouse, **changed})


@pytest.fixture
def mapper(warehouse: Warehouse, tmp_path: Path) -> GuardedRuns:
    return GuardedRuns(tmp_path, warehouse.config)


def load_october(warehouse: Warehouse) -> None:
    assert ENROLLMENT_NUMBER == ENROLLMENT, "the two kinds of test lines are of one bill"
    warehouse.load([4.0, 5.0], month=OCTOBER, snapshot=LOADED)


def deliver(warehouse: Warehouse, output: Output) -> None:
    """Load what a run wrote, as the loader does."""
    for model in TABLES:
        for file in output.files(model.table):
            arrow = pl.read_ipc(file).to_arrow(compat_level=pl.CompatLevel.oldest())
            warehouse.client.insert_arrow(model.table, arrow)


def extraction(*costs: int) -> list[bytes]:
    """One extraction of October: the same snapshot each time."""
    rows = [usage_line(number, extended_cost=Number(str(cost))) for number, cost in enumerate(costs, 1)]
    return [USAGE_SCHEMA, MONTH_SCHEMA, *rows, month_line(len(costs), extended_cost=Number(str(sum(costs))))]


def published(warehouse: Warehouse) -> list[tuple[int, float]]:
    rows = warehouse.query("SELECT row_number, extended_cost FROM azure_billing_detail ORDER BY row_number")
    return [(row["row_number"], row["extended_cost"]) for row in rows]


EMPTY = [USAGE_SCHEMA, MONTH_SCHEMA, month_line(0, snapshot_at=LATER, extended_cost=Number("0"))]


def test_an_empty_answer_for_a_month_that_has_rows_stops_the_run(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    load_october(warehouse)
    ended = mapper.finish(EMPTY)
    sentence = ended.sentence()
    assert "month 2026-10: the tap counted no rows, and the warehouse has 2 rows of this month" in sentence
    assert "TAP_AZURE_EA_BILLING_ACCEPT_EMPTY_MONTHS=2026-10" in sentence
    assert ended.output.files(MONTH) == []
    deliver(warehouse, ended.output)
    assert published(warehouse) == [(1, 4.0), (2, 5.0)]


def test_a_month_whose_rows_were_all_rejected_had_rows_too(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    warehouse.finish([], rejected=[3.0], month=OCTOBER, snapshot=LOADED)
    assert "the tap counted no rows, and the warehouse has 1 row of" in mapper.finish(EMPTY).sentence()


def test_a_month_that_really_became_empty_is_accepted_by_a_setting(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    load_october(warehouse)
    ended = mapper.finish(EMPTY, accept_empty_months="2026-08, 2026-10")
    assert ended.code == 0, ended.said
    deliver(warehouse, ended.output)
    assert published(warehouse) == []
    again = mapper.finish([USAGE_SCHEMA, MONTH_SCHEMA, month_line(0, snapshot_at="2026-11-05T00:00:00+00:00")])
    assert again.code == 0, "once it is empty it may stay so without the setting"


def test_a_month_that_this_run_filled_is_not_emptied_by_it(mapper: GuardedRuns) -> None:
    ended = mapper.finish([*extraction(1), month_line(0, snapshot_at=LATER)])
    assert "the warehouse has 1 row of this month" in ended.sentence()


def test_a_month_that_was_always_empty_is_taken(mapper: GuardedRuns) -> None:
    assert mapper.finish(EMPTY).code == 0


def test_a_snapshot_that_is_claimed_already_is_not_sent_again(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    """The first run has sent one row, the second one comes with its rows in another order, the first goes on."""
    lines = extraction(1, 2, 3)
    with mapper.start(batch_size_rows=1) as first:
        stdin, stdout = pipe(first.stdin), pipe(first.stdout)
        stdin.write(b"".join([*lines[:5], state_line({})]))  # before a STATE the rows before it are on their way
        stdin.flush()
        written = []
        while DETAIL.encode() not in (line := stdout.readline()) or b'"BATCH"' not in line:
            assert line
            written.append(line)
        written.append(line)
        second = mapper.finish(extraction(3, 1, 2), batch_size_rows=1)
        stdin.write(b"".join(lines[5:]))
        stdin.close()
        rest = stdout.read()  # not by communicate, which passes over what readline has read ahead
        said = pipe(first.stderr).read()
    assert first.returncode == 0, said.decode()
    assert "another load has begun the snapshot of 2026-11-0" in second.sentence()
    assert second.output.files(DETAIL) == []
    for output in (Output(b"".join(written) + rest), second.output):
        deliver(warehouse, output)
    assert published(warehouse) == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_of_two_runs_at_once_with_one_snapshot_at_most_one_sends_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    bills = ((1, 2, 3), (3, 1, 2))
    ended: list[tuple[int, Output]] = []

    def run(number: int, costs: tuple[int, ...]) -> None:
        runs = GuardedRuns(tmp_path / str(number), warehouse.config)
        runs.folder.mkdir()
        one = runs.finish(extraction(*costs))
        ended.append((one.code, one.output))

    threads = [threading.Thread(target=run, args=(number, costs)) for number, costs in enumerate(bills)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [output for _, output in ended if output.files(DETAIL) or output.files(MONTH)]
    assert len(sent) == sum(code == 0 for code, _ in ended) <= 1
    for _, output in ended:
        deliver(warehouse, output)
    rows = published(warehouse)
    assert [cost for _, cost in rows] in ([], [1.0, 2.0, 3.0], [3.0, 1.0, 2.0])
    assert bool(rows) == bool(sent)


@pytest.mark.parametrize("output", ["arrow", "records"])
def test_snapshots_a_millisecond_apart_are_two_unless_they_are_written_in_seconds(
    mapper: GuardedRuns, output: str
) -> None:
    lines = [
        [USAGE_SCHEMA, MONTH_SCHEMA, month_line(0, snapshot_at=f"2026-11-04T03:00:00.{fraction}+00:00")]
        for fraction in ("417", "418")
    ]
    assert [mapper.finish(run, output=output).code for run in lines] == [0, 1 if output == "records" else 0]


def test_a_snapshot_later_than_clickhouse_s_clock_is_not_sent(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    ahead = (dt.datetime.now(dt.UTC) + HOUR).isoformat()
    ended = mapper.finish([USAGE_SCHEMA, MONTH_SCHEMA, usage_line(1, snapshot_at=ahead)])
    assert "it would hide later ones. Set the clock of the machine that runs the tap" in ended.sentence()
    assert ended.output.files(DETAIL) == []
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_load") == 0


def test_a_month_that_has_not_begun_is_not_sent(mapper: GuardedRuns) -> None:
    next_month = (dt.datetime.now(dt.UTC).date().replace(day=28) + dt.timedelta(days=5)).replace(day=1)
    ended = mapper.finish([USAGE_SCHEMA, MONTH_SCHEMA, month_line(0, billing_month=next_month.isoformat())])
    assert "this month has not begun by ClickHouse's clock" in ended.sentence()


@pytest.mark.parametrize("what", ["a month row", "usage rows", "findings"])
def test_a_run_does_not_begin_where_the_warehouse_has_a_later_snapshot(
    warehouse: Warehouse, mapper: GuardedRuns, what: str
) -> None:
    ahead = dt.datetime.now(dt.UTC) + HOUR
    if what == "a month row":
        warehouse.finish([], snapshot=ahead)
    elif what == "usage rows":
        warehouse.stage([1.0], snapshot=ahead)
    else:
        warehouse.reject([1.0], first_row=1, snapshot=ahead)
    ended = mapper.finish(extraction(1))
    assert f"month 2026-08: the warehouse has a snapshot of {ahead:%Y-%m-%d %H:%M}" in ended.sentence()
    assert "`azure-billing-warehouse prune --future` drops it" in ended.sentence()
    assert ended.output.lines == []
    assert mapper.finish(extraction(1), max_clock_skew=7200).code == 0, "within the setting it is none"


@pytest.mark.parametrize(("off", "sign"), [(HOUR, "seconds ahead of"), (-HOUR, "seconds behind")])
def test_a_clock_that_differs_from_clickhouse_s_stops_the_run(
    warehouse: Warehouse, off: dt.timedelta, sign: str
) -> None:
    settings = ProcessingConfig(max_clock_skew=300)
    with pytest.raises(LoadRefusedError, match=sign):
        LoadGuard(warehouse.config, settings, now=lambda: dt.datetime.now(dt.UTC) + off).start()
    LoadGuard(warehouse.config, settings, now=lambda: dt.datetime.now(dt.UTC) + off / 60).start()


def test_tables_that_are_not_made_by_the_mapper_are_guarded_but_for_claims(
    warehouse: Warehouse, mapper: GuardedRuns
) -> None:
    load_october(warehouse)
    assert "the tap counted no rows" in mapper.finish(EMPTY, create_tables=False).sentence()
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_load") == 0


def test_without_tables_there_is_nothing_to_guard(config: ClickHouseConfig, tmp_path: Path) -> None:
    with connect(config.model_copy(update={"database": "default"})) as client:
        client.command(f"CREATE DATABASE {config.database}")
    mapper = GuardedRuns(tmp_path, config)
    assert mapper.finish(extraction(1), create_tables=False).code == 0


def test_a_mapper_that_may_go_on_without_clickhouse_goes_on(mapper: GuardedRuns) -> None:
    settings = mapper.settings()
    settings["clickhouse"]["port"] = 1
    settings["patterns"]["on_unavailable"] = "cache"
    ended = mapper.finish(extraction(1), **settings, create_tables=False)
    assert ended.code == 0, ended.said
    assert "Going on without comparing clocks and months with it" in ended.said


def test_a_server_that_answers_late_is_guarded_from_then_on(
    config: ClickHouseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with connect(config.model_copy(update={"database": "default"})) as client:
        client.command(f"CREATE DATABASE {config.database}")
        client.command(
            f"CREATE TABLE {config.database}.d_application_tag (id Int64, resource_tracking String) "
            "ENGINE = MergeTree ORDER BY id AS SELECT 1, 'crm'"
        )
        mapper, cache = GuardedRuns(tmp_path, config), tmp_path / "patterns.json"
        patterns = {"cache_path": str(cache), "on_unavailable": "cache"}
        mapper.run(extraction(1), patterns=patterns)
        tables = "SELECT name FROM system.tables WHERE database = {database:String} AND name != 'd_application_tag'"
        made = client.query(tables, {"database": config.database}).result_rows
        client.command(f"DROP DATABASE {config.database} SYNC")
        client.command(f"CREATE DATABASE {config.database}")
        get_client, refusals = clickhouse_connect.get_client, iter(range(3))

        def refuse_at_first(**options: Any) -> Client:
            return get_client(**options | ({"port": 1} if next(refusals, None) is not None else {}))

        monkeypatch.setattr(clickhouse_connect, "get_client", refuse_at_first)
        caplog.clear()
        written = mapper.run(extraction(1), patterns=patterns)
        warnings = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
        assert len(written.files(DETAIL)) == 1
        assert "Going on without making and checking the tables, comparing clocks and claiming months" in warnings[0]
        assert "Going on with the 1 pattern cached" in warnings[1]
        assert len(warnings) == 2
        assert "can be reached: clocks and months are compared from here on" in caplog.text
        assert client.query(tables, {"database": config.database}).result_rows == made
        assert client.command(f"EXISTS {config.database}.stg_azure_billing_load") == 1


def test_a_server_that_says_no_is_an_error_whatever_is_cached(mapper: GuardedRuns) -> None:
    settings = mapper.settings()
    settings["clickhouse"] |= {"password": "mistyped"}
    settings["patterns"]["on_unavailable"] = "cache"
    with pytest.raises(WarehouseError, match="password is wrong"):
        mapper.run(extraction(1), **settings)


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


@pytest.mark.parametrize("text", ["2026-13", "August", "2026-08;2026-09"])
def test_a_month_to_accept_that_is_none_is_an_error_of_its_setting(mapper: GuardedRuns, text: str) -> None:
    ended = mapper.finish(EMPTY, accept_empty_months=text)
    assert ended.code == 1
    assert "Setting `accept_empty_months` is wrong: " in ended.said


def test_a_snapshot_that_a_later_whole_one_would_hide_is_refused(warehouse: Warehouse, mapper: GuardedRuns) -> None:
    warehouse.load([4.0, 5.0], month=OCTOBER, snapshot=LOADED + dt.timedelta(seconds=40))
    ended = mapper.finish(extraction(7))
    assert "which is later than this one" in ended.sentence()
    assert ended.output.files(DETAIL) == []


def test_tables_patterns_and_months_are_looked_at_over_one_connection(
    new_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str | None] = []
    get_client = clickhouse_connect.get_client

    def count(**options: Any) -> Client:
        opened.append(options["database"])
        return get_client(**options)

    monkeypatch.setattr(clickhouse_connect, "get_client", count)
    config, connection = new_warehouse.config, Connection(new_warehouse.config)
    ensure_tables(config, connection)
    assert read_table(config, connection=connection) is None
    LoadGuard(config, ProcessingConfig(output="arrow"), connection=connection).start()
    assert opened == [config.database]
