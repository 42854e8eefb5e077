"""What `create` makes, adds and refuses, in a real ClickHouse; and its statements, by ClickHouse's own parser."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from warehouse.loading import AUGUST

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import WarehouseError, connect, explained
from azure_billing_warehouse.schema.column_types import holds
from azure_billing_warehouse.schema.create import ensure_tables, statements
from azure_billing_warehouse.tables import WAREHOUSE_TABLES, AzureBillingDetail

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.config import ClickHouseConfig
    from sandbox.launch import ClickHouse

DETAIL = AzureBillingDetail.table
KEY = "enrollment_number String, dataset String, billing_month Date, snapshot_at DateTime64(3, 'UTC')"
PARTITION = "enrollment_number, dataset, billing_month, snapshot_at"
ORDER = f"{PARTITION}, row_number"


def columns(warehouse: Warehouse, table: str) -> dict[str, str]:
    rows = warehouse.query(
        f"SELECT name, type FROM system.columns WHERE database = '{warehouse.config.database}' AND table = '{table}'"
    )
    return {row["name"]: row["type"] for row in rows}


def create_text(warehouse: Warehouse) -> list[str]:
    rows = warehouse.query(
        f"SELECT create_table_query FROM system.tables WHERE database = '{warehouse.config.database}' ORDER BY name"
    )
    return [row["create_table_query"] for row in rows]


@pytest.mark.parametrize("model", WAREHOUSE_TABLES, ids=lambda model: model.table)
def test_a_table_has_the_columns_and_types_of_its_model(warehouse: Warehouse, model: type[AzureBillingDetail]) -> None:
    assert columns(warehouse, model.table) == {column.name: column.clickhouse.type for column in model.columns()}


def test_creating_again_changes_nothing(new_warehouse: Warehouse) -> None:
    new_warehouse.load([1.0])
    before = create_text(new_warehouse)
    ensure_tables(new_warehouse.config)
    assert create_text(new_warehouse) == before
    assert new_warehouse.scalar("SELECT count() FROM azure_billing_detail") == 1


def test_id_is_the_hash_of_instance_id_and_date(warehouse: Warehouse) -> None:
    warehouse.load([1.0, 2.0], instance_id=["vm-1", ""])
    assert warehouse.query("SELECT id FROM azure_billing_detail ORDER BY row_number") == [
        {"id": warehouse.scalar("SELECT xxHash64('vm-12026-08-01')")},
        {"id": warehouse.scalar("SELECT xxHash64('2026-08-01')")},
    ]


def test_a_row_without_a_date_is_taken(warehouse: Warehouse) -> None:
    warehouse.stage([1.0], date=None, instance_id="vm-1")
    assert warehouse.scalar(f"SELECT id = xxHash64('vm-1') FROM {DETAIL}")


def test_a_column_of_a_newer_version_is_added_and_rows_stay(new_warehouse: Warehouse) -> None:
    new_warehouse.load([1.0])
    new_warehouse.client.command(f"ALTER TABLE {DETAIL} DROP COLUMN charge_type")
    ensure_tables(new_warehouse.config)
    assert columns(new_warehouse, DETAIL)["charge_type"] == "LowCardinality(Nullable(String))"
    assert new_warehouse.query("SELECT charge_type, extended_cost FROM azure_billing_detail") == [
        {"charge_type": None, "extended_cost": 1.0}
    ]


@pytest.mark.parametrize(
    ("column", "unfit", "fit"),
    [
        ("extended_cost", "Nullable(Float32)", "Nullable(Float64)"),
        ("extended_cost_tax", "Nullable(Decimal(18, 4))", "Nullable(Float64)"),
        ("product", "String DEFAULT ''", "LowCardinality(Nullable(String))"),
        ("subscription_id", "Nullable(Int32)", "Nullable(Int64)"),
        ("tags", "String", "JSON"),
    ],
)
def test_a_column_that_cannot_hold_ours_is_refused_with_the_statement_that_helps(
    new_warehouse: Warehouse, column: str, unfit: str, fit: str
) -> None:
    new_warehouse.client.command(f"ALTER TABLE {DETAIL} MODIFY COLUMN {column} {unfit}")
    with pytest.raises(WarehouseError, match=f"{column} is .* where .* is needed") as refused:
        ensure_tables(new_warehouse.config)
    cure = str(refused.value).split("start again: ")[1]
    assert cure == f"ALTER TABLE `{new_warehouse.config.database}`.`{DETAIL}` MODIFY COLUMN `{column}` {fit}"
    new_warehouse.client.command(cure)
    ensure_tables(new_warehouse.config)
    assert columns(new_warehouse, DETAIL)[column] == fit


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("(id UInt64, extended_cost Float64) ENGINE = MergeTree ORDER BY id", "its engine is MergeTree"),
        ("(id UInt64) ENGINE = ReplacingMergeTree ORDER BY id", "it is ordered by id"),
        (
            f"({KEY}, row_number UInt64) ENGINE = ReplacingMergeTree ORDER BY ({ORDER})",
            "it is not partitioned by snapshot",
        ),
        (
            f"({KEY}, row_number UInt16) ENGINE = ReplacingMergeTree PARTITION BY ({PARTITION}) ORDER BY ({ORDER})",
            "row_number is UInt16 where UInt64 is needed",
        ),
    ],
)
def test_a_table_that_would_give_wrong_sums_is_refused_and_can_be_moved_away(
    clickhouse: ClickHouse, config: ClickHouseConfig, table: str, fault: str
) -> None:
    clickhouse.execute(f"CREATE DATABASE {config.database}")
    clickhouse.execute(f"CREATE TABLE {config.database}.{DETAIL} {table}")
    with pytest.raises(WarehouseError) as refused:
        ensure_tables(config)
    assert fault in str(refused.value)
    present = clickhouse.query(f"SELECT name FROM system.tables WHERE database = '{config.database}'")
    assert present == [{"name": DETAIL}], "a refusal leaves everything as it was"
    clickhouse.execute(str(refused.value).split("start again: ")[1])
    ensure_tables(config)
    assert clickhouse.query(f"EXISTS TABLE {config.database}.{DETAIL}_before") == [{"result": 1}]


def test_a_table_with_the_name_of_a_view_is_refused(new_warehouse: Warehouse) -> None:
    new_warehouse.client.command("DROP VIEW azure_billing_detail")
    new_warehouse.client.command("CREATE TABLE azure_billing_detail (a UInt8) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(WarehouseError, match="azure_billing_detail can't hold the bill: it has the name of a view"):
        ensure_tables(new_warehouse.config)


def test_every_table_in_the_way_is_named_at_once_and_its_rows_come_back_by_migrate(
    clickhouse: ClickHouse, config: ClickHouseConfig
) -> None:
    clickhouse.execute(f"CREATE DATABASE {config.database}")
    old = "(instance_id String, date Nullable(Date), extended_cost Nullable(Float64))"
    for table, columns in {DETAIL: old, f"{DETAIL}_before": old, "azure_billing_detail": "(a UInt8)"}.items():
        clickhouse.execute(f"CREATE TABLE {config.database}.{table} {columns} ENGINE = MergeTree ORDER BY tuple()")
    ensure_tables(config.model_copy(update={"database": f"{config.database}_other"}))
    clickhouse.execute(f"RENAME TABLE {config.database}_other.dq_billing_issue TO {config.database}.dq_billing_issue")
    clickhouse.execute(f"DROP DATABASE {config.database}_other SYNC")
    clickhouse.execute(f"ALTER TABLE {config.database}.dq_billing_issue MODIFY COLUMN extended_cost Nullable(Float32)")
    with pytest.raises(WarehouseError) as refused:
        ensure_tables(config)
    said, cures = str(refused.value).split("; run this and start again: ")
    assert f"{config.database}.{DETAIL}: its engine is MergeTree" in said
    assert f"`azure-billing-warehouse migrate {config.database}.{DETAIL}_before_2 --enrollment NUMBER`" in said
    assert "azure_billing_detail: it has the name of a view" in said
    assert "extended_cost is Nullable(Float32) where Nullable(Float64) is needed" in said
    for statement in cures.split("; "):
        clickhouse.execute(statement)
    ensure_tables(config)
    assert clickhouse.query(f"EXISTS TABLE {config.database}.{DETAIL}_before_2") == [{"result": 1}]


def test_tables_views_and_every_column_of_a_view_say_what_they_are(warehouse: Warehouse) -> None:
    tables = warehouse.query("SELECT name, engine, comment FROM system.tables WHERE database = currentDatabase()")
    about = {table["name"]: table["comment"] for table in tables}
    assert "query the view azure_billing_detail instead" in about[DETAIL]
    assert re.fullmatch(
        r"The bill, for reports: .*\. \(azure-billing-warehouse \w{16}\)", about["azure_billing_detail"]
    )
    views = {table["name"] for table in tables if table["engine"] == "View"}
    assert len(views) == 7
    described = warehouse.query("SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()")
    of_views = {
        (column["table"], column["name"]): column["comment"] for column in described if column["table"] in views
    }
    assert [column for column, comment in of_views.items() if not comment.endswith(".")] == []
    assert of_views["azure_billing_detail", "extended_cost"].startswith("Cost before tax")
    assert of_views["focus_cost_and_usage", "ListCost"].startswith("NULL: no cost is computed from a list price")


def test_a_view_whose_comments_are_missing_is_made_again(new_warehouse: Warehouse) -> None:
    shown = create_text(new_warehouse)
    query = "CREATE OR REPLACE VIEW azure_billing_month AS SELECT * FROM azure_billing_snapshot WHERE published"
    new_warehouse.client.command(query)  # as one that is killed before the comments are there leaves it
    ensure_tables(new_warehouse.config)
    assert create_text(new_warehouse) == shown


def test_a_table_of_an_older_version_gets_its_comment_but_keeps_one_of_its_owner(new_warehouse: Warehouse) -> None:
    new_warehouse.client.command(f"ALTER TABLE {DETAIL} MODIFY COMMENT ''")
    new_warehouse.client.command("ALTER TABLE dq_billing_issue MODIFY COMMENT 'ours, ask finance'")
    ensure_tables(new_warehouse.config)
    texts = "\n".join(create_text(new_warehouse))
    assert "query the view azure_billing_detail instead" in texts
    assert "ours, ask finance" in texts


def test_a_view_of_another_version_is_replaced(new_warehouse: Warehouse) -> None:
    new_warehouse.load([1.0, 2.0])
    new_warehouse.client.command("CREATE OR REPLACE VIEW azure_billing_detail AS SELECT 1 AS one")
    ensure_tables(new_warehouse.config)
    assert new_warehouse.scalar("SELECT sum(extended_cost) FROM azure_billing_detail") == 3.0


def test_a_wide_decimal_holds_the_costs(new_warehouse: Warehouse) -> None:
    costs = [7.29e-9, 0.1, 12345678.123456789]
    new_warehouse.client.command(f"ALTER TABLE {DETAIL} MODIFY COLUMN extended_cost Nullable(Decimal(76, 38))")
    ensure_tables(new_warehouse.config)
    new_warehouse.load(costs)
    shown = new_warehouse.query("SELECT extended_cost FROM azure_billing_detail ORDER BY row_number")
    assert [float(row["extended_cost"]) for row in shown] == pytest.approx(costs, rel=1e-15)
    expected = Expectations(last_month=AUGUST)
    verdict = check(new_warehouse.config, expected=expected)
    assert verdict is not None
    assert verdict.status == "ok"


def test_json_type_string_makes_text_columns_with_the_same_content(config: ClickHouseConfig) -> None:
    texts = config.model_copy(update={"json_type": "String"})
    ensure_tables(texts)
    ensure_tables(texts)
    client = connect(texts)
    client.command(f"INSERT INTO {DETAIL} (enrollment_number, row_number, tags) VALUES ('1', 1, '{{\"a\":1}}')")
    assert client.query(f"SELECT tags, additional_info FROM {DETAIL}").result_rows == [('{"a":1}', "{}")]
    client.close()


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"port": 1}, "nothing answers on this port"),
        ({"host": "clickhouse.invalid"}, "the host name is not known"),
        ({"password": "battery staple"}, "user default or the password is wrong"),
        ({"username": "nobody"}, "user nobody or the password is wrong"),
    ],
)
def test_a_connection_error_says_host_port_database_and_cause_but_never_the_password(
    config: ClickHouseConfig, wrong: dict[str, object], cause: str
) -> None:
    unusable = type(config).model_validate(config.model_dump() | wrong)
    with pytest.raises(WarehouseError) as failed:
        ensure_tables(unusable)
    sentence = str(failed.value)
    assert f"ClickHouse at {unusable.host}:{unusable.port}, database {unusable.database}" in sentence
    assert cause in sentence
    assert unusable.password.get_secret_value() not in sentence


def test_what_the_server_says_is_told_without_its_version_and_the_address(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError) as failed, explained(warehouse.config, "read the numbers"):
        warehouse.client.query("SELECT no_such_column FROM numbers(1)")
    place = f"ClickHouse at {warehouse.config.host}:{warehouse.config.port}, database {warehouse.config.database}"
    sentence = str(failed.value)
    assert sentence.startswith(f"{place}: can't read the numbers: Unknown expression identifier `no_such_column`")
    assert not [part for part in ("version", "http", "DB::Exception", "UNKNOWN_IDENTIFIER") if part in sentence]


@pytest.mark.parametrize(
    ("password", "told"), [("x", "Syntax error"), ("Syntax", "*** error"), ("Syn", "Syntax error")]
)
def test_the_password_is_masked_but_not_in_words_that_it_is_a_part_of(
    warehouse: Warehouse, password: str, told: str
) -> None:
    config = warehouse.config.model_copy(update={"password": SecretStr(password)})
    with pytest.raises(WarehouseError, match=rf"can't read: {re.escape(told)}: "), explained(config, "read"):
        warehouse.client.query("SELECT x y z FROM numbers(1)")


def test_an_unknown_database_is_named_with_what_makes_it(config: ClickHouseConfig) -> None:
    with pytest.raises(WarehouseError, match=r"doesn't exist; `azure-billing-warehouse create` makes it"):
        connect(config)


@pytest.mark.parametrize("variant", [{}, {"json_type": "String"}, {"cluster": "bill-cluster", "database": "it's"}])
def test_every_statement_is_one_for_clickhouse_s_own_parser(warehouse: Warehouse, variant: dict[str, str]) -> None:
    printed = statements(warehouse.config.model_copy(update=variant))
    assert len(printed) >= 1 + len(WAREHOUSE_TABLES)
    for statement in printed:
        assert warehouse.client.query("SELECT formatQuery({text:String})", {"text": statement}).result_rows[0][0]


def test_on_a_cluster_a_snapshot_stays_on_one_shard_of_replicated_tables(warehouse: Warehouse) -> None:
    config = warehouse.config.model_copy(update={"cluster": "bill_cluster", "database": "bill"})
    made = {statement.split("\n")[0]: statement for statement in statements(config)}
    assert all("ON CLUSTER `bill_cluster`" in first_line for first_line in made)
    for model in WAREHOUSE_TABLES:
        local = made[f"CREATE TABLE IF NOT EXISTS `bill`.`{model.table}_local` ON CLUSTER `bill_cluster`"]
        assert "ENGINE = ReplicatedReplacingMergeTree" in local
        distributed = made[f"CREATE TABLE IF NOT EXISTS `bill`.`{model.table}` ON CLUSTER `bill_cluster`"]
        shard = "cityHash64(`enrollment_number`, `dataset`, `billing_month`, `snapshot_at`)"
        assert f"ENGINE = Distributed('bill_cluster', 'bill', '{model.table}_local', {shard})" in distributed


@pytest.mark.parametrize(
    ("present", "needed", "expected"),
    [
        ("LowCardinality(Nullable(String))", "Nullable(String)", True),
        ("Nullable(String)", "String", True),
        ("String", "Nullable(String)", False),
        ("FixedString(36)", "String", False),
        ("Float32", "Float64", False),
        ("Decimal(76, 38)", "Float64", True),
        ("Decimal(38, 10)", "Float64", False),
        ("Decimal(76, 30)", "Decimal(76, 38)", False),
        ("Int128", "UInt64", True),
        ("Int64", "UInt64", False),
        ("UInt64", "Nullable(Int64)", False),
        ("Nullable(Int128)", "Nullable(Int64)", True),
        ("UInt8", "Bool", True),
        ("Date32", "Date", True),
        ("DateTime", "Date", False),
        ("DateTime('Asia/Shanghai')", "DateTime", True),
        ("DateTime64(6, 'UTC')", "DateTime64(3, 'UTC')", True),
        ("DateTime64(3, 'Asia/Shanghai')", "DateTime64(3, 'UTC')", False),
        ("DateTime", "DateTime64(3, 'UTC')", False),
        ("JSON(max_dynamic_paths=64)", "JSON", True),
        ("String", "JSON", False),
    ],
)
def test_a_type_holds_another_if_no_value_is_lost(present: str, needed: str, *, expected: bool) -> None:
    assert holds(present, needed) is expected
