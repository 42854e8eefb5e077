"""The plain table that the warehouse succeeds, migrated into a real ClickHouse: every row and cost, at every moment."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies
from mapper.oracle_json import Number
from mapper.runs import MONTH_SCHEMA, USAGE_SCHEMA, MapperRuns, month_line, usage_line
from mapper.traps import EXOTIC_WORDS, WORDS
from warehouse.loading import AUGUST, ENROLLMENT, SEPTEMBER, Warehouse
from warehouse.test_cli import options
from warehouse.test_load_guard import deliver

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.clickhouse import WarehouseError, connect
from azure_billing_warehouse.migrate.command import migrate
from azure_billing_warehouse.migrate.migrate import Migration, Request
from azure_billing_warehouse.migrate.statements import SETTINGS
from azure_billing_warehouse.migrate.tracking import Tracker
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.patterns.table import import_patterns
from azure_billing_warehouse.prune import prune
from azure_billing_warehouse.tables import OWN_COLUMNS, AzureBillingDetail
from mapper_azure_billing_tracking.rules.tracking import LEVELS, ResourceTrackingEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from sandbox.launch import ClickHouse

OLD_TYPES = {
    column.name: column.clickhouse.type.replace("LowCardinality(Nullable(String))", "Nullable(String)")
    for column in AzureBillingDetail.columns()
    if column.name not in OWN_COLUMNS
}
OLD = "old_bill"
USAGE: dict[str, Any] = {
    "account_name": "Ops",
    "subscription_id": 271561335349,
    "subscription_guid": "s-1",
    "resource_group": "rg-payroll",
    "instance_id": "/subscriptions/s-1/resourceGroups/rg-payroll/providers/Microsoft.Compute/virtualMachines/vm-1",
    "meter_category": "Virtual Machines",
    "consumed_quantity": 2.5,
    "resource_rate": 7.29e-9,
    "resource_tracking": "PAYROLL",
    "tags": '{"app":"crm","cost/center":"a/b","at":"2026-08-01"}',
    "additional_info": "{}",
}


def make_old(
    warehouse: Warehouse, rows: Sequence[dict[str, Any]], types: Mapping[str, str | None] | None = None, name: str = OLD
) -> None:
    """The old table; a type of None leaves a column out."""
    columns = {column: kind for column, kind in (OLD_TYPES | dict(types or {})).items() if kind is not None}
    defaults = {"id": " DEFAULT xxHash64(instance_id)", "create_at": " DEFAULT now()"}
    defined = ", ".join(f"`{column}` {kind}{defaults.get(column, '')}" for column, kind in columns.items())
    warehouse.client.command(f"DROP TABLE IF EXISTS {name}")
    warehouse.client.command(f"CREATE TABLE {name} ({defined}) ENGINE = MergeTree ORDER BY tuple()")
    filled = [column for column in columns if column not in defaults]
    lines = io.StringIO()
    for changed in rows:
        cells = [(USAGE | changed).get(column) for column in filled]
        csv.writer(lines).writerow("\\N" if cell is None else cell for cell in cells)
    settings = {"input_format_try_infer_dates": 0, "input_format_try_infer_datetimes": 0}
    warehouse.client.raw_insert(name, filled, lines.getvalue(), fmt="CSV", settings=settings)


def row(cost: float | str | None, day: str | None = "2026-08-03", **columns: Any) -> dict[str, Any]:
    date = {} if day is None else {"date": day, "month_date": f"{day[:7]}-01", "month": int(day[5:7])}
    return {"extended_cost": cost, **date, **columns}


def run(warehouse: Warehouse, **request: Any) -> list[str]:
    return list(migrate(warehouse.config, Request(**{"table": OLD, "enrollment": ENROLLMENT, **request})))


def shown(warehouse: Warehouse) -> list[tuple[str, float]]:
    rows = warehouse.query("SELECT billing_month, extended_cost FROM azure_billing_detail ORDER BY ALL")
    return [(f"{found['billing_month']:%Y-%m}", found["extended_cost"]) for found in rows]


def of_old(warehouse: Warehouse, name: str = OLD) -> str:
    """All that is in the old table."""
    return warehouse.client.raw_query(f"SELECT * FROM {name} ORDER BY toString(tuple(*))").decode()


BILL = [
    *(row(cost) for cost in (0.1, 0.2, 0.2, -3.75)),
    *(row(7.29e-9 * number, "2026-09-30", instance_id=f"vm-{number}") for number in range(1, 30)),
]


def test_every_month_is_reconciled_by_check_and_the_old_table_is_as_it_was(warehouse: Warehouse) -> None:
    make_old(warehouse, BILL)
    before = of_old(warehouse)
    said = run(warehouse)
    assert shown(warehouse) == sorted((found["date"][:7], found["extended_cost"]) for found in BILL)
    verdict = check(warehouse.config, expected=Expectations(last_month=SEPTEMBER))
    assert verdict is not None
    assert [month.status for month in verdict.months] == ["ok", "ok"]
    assert all(f"migrated from {warehouse.config.database}.{OLD}" in month.notes[0] for month in verdict.months)
    exact = sum(Decimal(str(found["extended_cost"])) for found in BILL if found["date"] == "2026-09-30")
    september = warehouse.query("SELECT * FROM azure_billing_month WHERE billing_month = '2026-09-01'")[0]
    assert september["extended_cost"] == exact
    assert (september["source"], september["page_count"], september["row_count"]) == ("migrated", 0, 29)
    assert of_old(warehouse) == before
    assert [line for line in said if "2026-0" in line] == [
        f"{ENROLLMENT}  2026-08  4 rows  cost -3.250000  migrated",
        f"{ENROLLMENT}  2026-09  29 rows  cost 0.000003  migrated",
    ]
    assert "skipped: it was migrated already" in "".join(run(warehouse))


@pytest.mark.parametrize("objects", ["JSON", "String"])
def test_a_migrated_month_equals_a_fresh_load_of_the_same_rows(
    warehouse: Warehouse, tmp_path: Path, objects: str
) -> None:
    """The loaded rows are copied into a table of the old columns, with those that were rejected, and migrated."""
    machine = {
        "meter_category": "Virtual Machines",
        "product": "D2 Windows",
        "meter_name": "D2",
        "unit_of_measure": "1 Hour",
    }
    tagged: dict[str, Any] = {
        "tags": '{"app":"crm","cost/center":"a/b","at":"2026-08-01"}',
        "additional_info": '{"VMName":"aks-1"}',
    }
    costs = ["0.1", "7.29E-9", "1234567.125", "-2.5", "0", "3"]
    lines = [
        *(
            usage_line(
                number, extended_cost=Number(cost), instance_id=f"/s/{number}/aks-web-{number}", **machine, **tagged
            )
            for number, cost in enumerate(costs, 1)
        ),
        usage_line(7, instance_id=" ", extended_cost=Number("4.5"), **machine),
        usage_line(8, instance_id="vm", extended_cost=None, **machine),
    ]
    exact = sum(map(Decimal, [*costs, "4.5"]))
    lines += [month_line(8, extended_cost=Number(str(exact)))]
    deliver(warehouse, MapperRuns(tmp_path).run([USAGE_SCHEMA, MONTH_SCHEMA, *lines], output="arrow"))
    names = [name for name in OLD_TYPES if name not in {"id", "create_at", "tags", "additional_info"}]
    make_old(warehouse, [], {"tags": objects, "additional_info": objects})
    columns = ", ".join(f"`{name}`" for name in names)
    warehouse.client.command(
        f"INSERT INTO {OLD} ({columns}, tags, additional_info) "
        f"SELECT {columns}, ifNull(tags_text, ''), ifNull(additional_info_text, '') FROM azure_billing_detail"
    )
    warehouse.client.command(
        f"INSERT INTO {OLD} (date, month_date, instance_id, extended_cost) "
        "VALUES ('2026-10-05', '2026-10-01', ' ', 4.5), ('2026-10-05', '2026-10-01', 'vm', NULL)"
    )
    run(warehouse, enrollment="migrated")
    # A JSON column has lost the order of the keys, so that the text of the object has other ones.
    texts = ", tags_text, additional_info_text" if objects == "JSON" else ""
    key = "enrollment_number, snapshot_at"
    apart = {
        "azure_billing_detail": f"{key}, row_number, create_at, match_level, match_count, application, is_conflict, "
        f"billing_currency{texts}",
        "azure_billing_issue": f"{key}, row_number, record, value",
        "azure_billing_month": f"{key}, source, page_count, started_at, completed_at, audit_count, run_id, "
        "counted_row_count, counted_partition_id, counted_at, partition_id",
        "focus_cost_and_usage": "BillingAccountId, BillingCurrency, x_Application, x_MatchLevel, x_MatchCount, "
        f"x_IsConflict{', Tags' if texts else ''}",
    }
    for view, without in apart.items():
        account = "BillingAccountId" if view.startswith("focus") else "enrollment_number"
        both = [
            warehouse.client.raw_query(
                f"SELECT * EXCEPT({without}) FROM {view} WHERE {account} {sign} 'migrated' ORDER BY ALL",
                fmt="JSONEachRow",
            )
            .decode()
            .splitlines()
            for sign in ("!=", "=")
        ]
        assert both[1] == both[0], view
        assert len(both[0]) == {"azure_billing_month": 1, "azure_billing_issue": 3}.get(view, 6)


class KilledError(Exception):
    """Takes the place of a signal."""


@pytest.mark.parametrize("inserts", range(5))
def test_a_run_killed_at_any_step_shows_nothing_of_its_month_and_the_next_one_does_it_whole(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, inserts: int
) -> None:
    bill = [row(1.0, instance_id="vm-1"), row(2.0, instance_id="vm-2"), row(-4.0, instance_id=" ")]
    make_old(warehouse, bill)
    before = of_old(warehouse)
    insert, done = Migration._insert, 0  # noqa: SLF001 - each step ends in it

    def killed(self: Migration, client: Client, statement: str) -> None:
        nonlocal done
        done += 1
        if done > inserts:
            if statement.endswith("WHERE NOT is_rejected"):  # some of the rows have arrived
                client.command(f"{statement} AND instance_id = 'vm-1'", settings=SETTINGS)
            raise KilledError
        insert(self, client, statement)

    with monkeypatch.context() as patched:
        patched.setattr(Migration, "_insert", killed)
        if inserts < 4:
            with pytest.raises(KilledError):
                run(warehouse)
        else:
            run(warehouse)
    assert done == min(inserts + 1, 4), "claim, rows, findings, month row"
    whole = [("2026-08", 1.0), ("2026-08", 2.0)]
    assert shown(warehouse) == (whole if inserts == 4 else [])
    run(warehouse)
    assert shown(warehouse) == whole
    assert warehouse.scalar("SELECT sum(extended_cost) FROM azure_billing_issue WHERE severity = 'reject'") == -4.0
    verdict = check(warehouse.config, expected=Expectations(last_month=AUGUST))
    assert verdict is not None
    assert verdict.status == "ok"
    prune(warehouse.config, keep=2, dry_run=False)
    assert warehouse.scalar("SELECT count() FROM stg_azure_billing_detail") == 2, "what the kill left can be dropped"
    assert shown(warehouse) == whole
    assert of_old(warehouse) == before


def test_a_loaded_month_is_left_alone_and_any_load_replaces_a_migrated_one(warehouse: Warehouse) -> None:
    warehouse.load([9.0])
    make_old(warehouse, [row(1.0), row(2.0, "2026-09-01")])
    assert "skipped: it was loaded" in "".join(run(warehouse, dry_run=True))
    run(warehouse)
    assert shown(warehouse) == [("2026-08", 9.0), ("2026-09", 2.0)]
    earliest = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
    warehouse.load([3.0], month=SEPTEMBER, snapshot=earliest)
    assert shown(warehouse) == [("2026-08", 9.0), ("2026-09", 3.0)]
    run(warehouse, replace_loaded=True, until=AUGUST)
    assert shown(warehouse) == [("2026-08", 1.0), ("2026-09", 3.0)]
    warehouse.load([10.0], snapshot=dt.datetime.now(dt.UTC))
    assert shown(warehouse) == [("2026-08", 10.0), ("2026-09", 3.0)]


def test_again_takes_what_the_old_table_has_since_and_the_months_that_are_asked_for(warehouse: Warehouse) -> None:
    make_old(warehouse, [row(1.0), row(2.0, "2026-09-01"), row(3.0, "2026-10-01")])
    run(warehouse, since=SEPTEMBER, until=SEPTEMBER)
    assert shown(warehouse) == [("2026-09", 2.0)]
    make_old(warehouse, [row(5.0, "2026-09-01")])
    run(warehouse)
    assert shown(warehouse) == [("2026-09", 2.0)]
    run(warehouse, again=True)
    assert shown(warehouse) == [("2026-09", 5.0)]


def test_a_dry_run_needs_no_tables_writes_nothing_and_says_what_a_run_says(
    config: ClickHouseConfig, clickhouse: ClickHouse
) -> None:
    clickhouse.execute(f"CREATE DATABASE {config.database}")
    with connect(config) as client:
        warehouse = Warehouse(config, client)
        make_old(warehouse, [row(1.0), row(2.0, instance_id="")], name=AzureBillingDetail.table)
        told = run(warehouse, table=AzureBillingDetail.table, dry_run=True)
        assert warehouse.query("SHOW TABLES") == [{"name": AzureBillingDetail.table}]
        with pytest.raises(WarehouseError, match=r"migrate .*stg_azure_billing_detail_before --enr") as refused:
            run(warehouse, table=AzureBillingDetail.table)
        client.command(str(refused.value).split("start again: ")[1])
        done = run(warehouse, table=f"{config.database}.{AzureBillingDetail.table}_before")
        assert shown(warehouse) == [("2026-08", 1.0)]
    aside = "stg_azure_billing_detail_before"
    told = [line.replace("would be migrated", "migrated").replace(aside[:-7], aside) for line in told]
    assert told == done[:-1]
    assert any("R7 rejects 1 row at a cost of 2.000000 (no instance id)" in line for line in done)


def test_rows_without_a_month_are_named_with_their_cost_and_where_they_are(warehouse: Warehouse) -> None:
    make_old(warehouse, [row(1.0), row(8.5, None), row(4.0, None, month_date="2026-08-01"), row(None)])
    said = "\n".join(run(warehouse))
    assert "1 row at a cost of 8.500000, without a date" in said
    query = said[said.index("SELECT * FROM") :].splitlines()[0]
    assert [found["extended_cost"] for found in warehouse.query(query)] == [8.5]
    assert "R1 rejects 1 row at a cost of 4.000000 (no date)" in said
    assert "R4 rejects 1 row at a cost of 0.000000 (no cost that is a number)" in said
    rejected = warehouse.query("SELECT * FROM azure_billing_issue WHERE rule = 'R1'")
    assert json.loads(rejected[0]["record"])["extended_cost"] == "4"
    assert shown(warehouse) == [("2026-08", 1.0)]


@pytest.mark.parametrize(
    ("types", "cost"),
    [
        ({"extended_cost": "Decimal(38, 20)"}, "0.12345678901234567890"),
        ({"extended_cost": "Nullable(Float32)"}, "0.1"),
        (
            {"tags": "Nullable(String)", "additional_info": "String", "date": "Date", "month_date": "Nullable(Date32)"},
            "0.1",
        ),
        ({"date": "DateTime('UTC')", "month_date": None, "subscription_id": "UInt32", "product": "String"}, "0.1"),
        ({"subscription_guid": "LowCardinality(String)", "resource_tracking": None, "tags": None, "sku": None}, "0.1"),
    ],
    ids=str,
)
def test_other_types_and_lacking_columns_are_read_without_loss(
    warehouse: Warehouse, types: dict[str, str | None], cost: str
) -> None:
    rows = [row(cost, subscription_id=271561335, product="VM"), row(cost, subscription_id=1, product="")]
    make_old(warehouse, rows, types)
    said = "\n".join(run(warehouse))
    month = warehouse.query("SELECT * FROM azure_billing_month")[0]
    assert month["extended_cost"] == 2 * Decimal(cost)
    assert shown(warehouse) == [("2026-08", float(cost))] * 2
    verdict = check(warehouse.config, expected=Expectations(last_month=AUGUST))
    assert verdict is not None
    assert verdict.status == "ok"
    assert ("may be off by up to" in said) == ("Float32" in str(types))
    lacking = [name for name in OLD_TYPES if name != "month_date" and name in types and types[name] is None]
    assert f"doesn't have {', '.join([*lacking, 'billing_currency'])}: empty in migrated rows" in said


@pytest.mark.parametrize(
    ("types", "request_", "sentence"),
    [
        ({}, {"enrollment": None}, "doesn't say of which enrollment its rows are: add --enrollment"),
        ({}, {"table": "nowhere.bill"}, "There is no table nowhere.bill"),
        ({"extended_cost": "Nullable(String)"}, {}, "extended_cost is Nullable(String) where Float64 is needed"),
        ({"subscription_id": "UInt64", "tags": "Map(String, String)"}, {}, "where JSON or String is needed"),
        ({"date": None}, {}, "has no column date"),
        ({}, {"table": "stg_azure_billing_detail"}, "has snapshots already"),
    ],
)
def test_a_table_that_cannot_be_migrated_is_refused_in_one_sentence(
    warehouse: Warehouse, types: dict[str, str | None], request_: dict[str, Any], sentence: str
) -> None:
    make_old(warehouse, [], types)
    with pytest.raises(WarehouseError, match=re.escape(sentence)):
        run(warehouse, **request_)


def test_enrollments_of_a_table_that_names_them_are_migrated_each_for_itself(warehouse: Warehouse) -> None:
    make_old(
        warehouse,
        [row(1.0, enrollment_number="a"), row(2.0, enrollment_number="b"), row(3.0, enrollment_number="b", team="x")],
        {"enrollment_number": "String", "team": "Nullable(String)"},
    )
    assert f"no team: what they hold stays in {warehouse.config.database}.{OLD}" in "\n".join(
        run(warehouse, enrollment="a")
    )
    assert shown(warehouse) == [("2026-08", 1.0)]
    run(warehouse, enrollment=None)
    by_enrollment = warehouse.query(
        "SELECT enrollment_number AS e, sum(extended_cost) AS c FROM azure_billing_detail GROUP BY e ORDER BY e"
    )
    assert by_enrollment == [{"e": "a", "c": 1.0}, {"e": "b", "c": 5.0}]


def test_the_cost_that_moves_to_another_application_is_told_by_application(warehouse: Warehouse) -> None:
    """The script took the lowest id over all levels, the mapper the first level that matches."""
    import_patterns(warehouse.config, [Pattern(1, "payroll"), Pattern(2, "vm-1")])
    make_old(
        warehouse,
        [
            row(5.0, instance_id="/x/vm-1", resource_tracking="PAYROLL"),
            row(2.5, instance_id="/x/db", resource_tracking="PAYROLL"),
            row(0.5, instance_id="/x/other", resource_group=None, resource_tracking=None),
        ],
    )
    said = run(warehouse)
    first = next(number for number, line in enumerate(said) if "to another application" in line)
    assert [line.strip() for line in said[first : first + 3]] == [
        "a load would track 2 rows to another application, with a cost of 5.500000:",
        "PAYROLL -> VM-1: 1 row, cost 5.000000",
        "(none) -> OTHER: 1 row, cost 0.500000",
    ]
    kept = warehouse.query("SELECT resource_tracking AS a FROM azure_billing_detail ORDER BY extended_cost")
    assert [found["a"] for found in kept] == [None, "PAYROLL", "PAYROLL"]


@settings(max_examples=60, deadline=None)
@given(strategies.data())
def test_the_tracker_is_the_mapper_s_engine(data: strategies.DataObject) -> None:
    words = strategies.sampled_from([*WORDS, *EXOTIC_WORDS, "", " ", "/", "-"])
    texts = strategies.lists(words, max_size=4).map("".join)
    patterns = data.draw(strategies.lists(strategies.builds(Pattern, strategies.integers(0, 3), texts), max_size=8))
    resources = data.draw(
        strategies.lists(strategies.tuples(texts, texts | strategies.none(), texts | strategies.none()))
    )
    columns = list(LEVELS.values())
    segments = [(instance_id.rstrip("/").rpartition("/")[2], group, guid) for instance_id, group, guid in resources]
    frame = pl.DataFrame(segments, schema=dict.fromkeys(columns, pl.String), orient="row")
    tracked = ResourceTrackingEngine(patterns).track(frame)
    expected = dict(zip(tracked.select(columns).iter_rows(), tracked["resource_tracking"], strict=True))
    tracker = Tracker(patterns)
    assert [tracker.application(*resource) for resource in resources] == [expected[segment] for segment in segments]


def test_a_table_that_changes_while_it_is_read_is_not_shown(warehouse: Warehouse) -> None:
    make_old(warehouse, [row(1.0)])
    migration = Migration(warehouse.config, Request(OLD, ENROLLMENT))
    warehouse.client.command(f"INSERT INTO {OLD} SELECT * FROM {OLD}")
    with pytest.raises(WarehouseError, match="the table was changed in between"):
        list(migration)
    assert shown(warehouse) == []


def test_two_runs_at_once_do_not_write_into_one_snapshot(warehouse: Warehouse) -> None:
    make_old(warehouse, [row(1.0)])
    both = [Migration(warehouse.config, Request(OLD, ENROLLMENT)) for _ in range(2)]
    list(both[0])
    with pytest.raises(WarehouseError, match="Another `migrate` is at work on month 2026-08"):
        list(both[1])
    assert shown(warehouse) == [("2026-08", 1.0)]


def test_the_command_and_the_view_with_the_old_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    make_old(warehouse, BILL)
    connection = options(warehouse.config, tmp_path)
    ended = CliRunner().invoke(main, [*connection, "migrate", OLD, "--enrollment", ENROLLMENT, "--currency", "CNY"])
    assert ended.exit_code == 0, ended.output
    assert ended.output.endswith("`azure-billing-warehouse check` reconciles them with what the table had.\n")
    assert warehouse.scalar("SELECT DISTINCT billing_currency FROM azure_billing_detail") == "CNY"
    printed = CliRunner().invoke(main, [*connection, "create", "--print-compatible-view", "old_name"])
    warehouse.client.command(printed.output.rstrip(";\n"))
    described = {found["name"]: found["type"] for found in warehouse.query("DESCRIBE TABLE old_name")}
    assert list(described.items()) == list(OLD_TYPES.items())
    of_both = [
        warehouse.client.raw_query(
            f"SELECT * EXCEPT('^(id|create_at|day|year|newmonth|month)$') FROM {name} ORDER BY ALL"
        )
        for name in ("old_name", OLD)
    ]
    assert of_both[0] == of_both[1]
    warehouse.client.command("DROP VIEW old_name")
    taken = CliRunner().invoke(main, [*connection, "create", "--print-compatible-view", "stg_azure_billing_detail"])
    assert taken.exit_code == 2
    assert "--print-compatible-view reports.stg_azure_billing_detail" in taken.output
