"""Tags in the tables and views, in a JSON and in a String column, and how docs/operations.md groups by them."""
# ruff: noqa: S608 - the names of tables and columns are the test's own

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from warehouse.loading import AUGUST, SECOND, Warehouse

from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import connect
from azure_billing_warehouse.schema import ddl
from azure_billing_warehouse.schema.create import ensure_tables
from azure_billing_warehouse.tables import AzureBillingDetail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure_billing_warehouse.check.quality import Quality
    from azure_billing_warehouse.config import ClickHouseConfig

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Grouping by a tag")[1].split("\n## ")[0]
QUERIES = re.findall(r"```sql\n(.*?)```", SECTION, re.DOTALL)
DETAIL = AzureBillingDetail.table
KINDS = ("JSON", "String")
KUBERNETES = '{"app":"crm","app.kubernetes.io-name":"web"}'
TEXTS = [KUBERNETES, '{"app":"crm","owner":null}', '{"app":7," app":"shop"}', '{"app":"a","app":"b"}', None]
HELD = [KUBERNETES, '{"app":"crm","owner":null}', '{"app":7," app":"shop"}', "{}", "{}"]
COSTS = [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def loaded(config: ClickHouseConfig, kind: str) -> Iterator[Warehouse]:
    """Tables of the kind of column, with rows as the mapper sends them."""
    config = config.model_copy(update={"json_type": kind})
    ensure_tables(config)
    with connect(config) as client:
        warehouse = Warehouse(config, client)
        warehouse.load(COSTS, tags=HELD, tags_text=TEXTS)
        yield warehouse


def quality(warehouse: Warehouse) -> Quality:
    """What `check` says of the rows of the only month."""
    expected = Expectations(last_month=AUGUST)
    verdict = check(warehouse.config, expected=expected)
    assert verdict is not None
    (month,) = verdict.months
    assert month.quality is not None
    return month.quality


def test_every_view_gives_back_what_the_tags_were(loaded: Warehouse) -> None:
    shown = loaded.query("SELECT tags_text FROM azure_billing_detail ORDER BY row_number")
    assert [row["tags_text"] for row in shown] == TEXTS
    shown = loaded.query("SELECT Tags FROM focus_cost_and_usage ORDER BY BilledCost")
    assert [row["Tags"] for row in shown] == TEXTS


def test_what_has_tags_is_the_same_for_both_kinds_of_column(loaded: Warehouse) -> None:
    assert quality(loaded).filled["tags"] == 80.0


def test_rows_that_differ_in_how_a_tag_is_written_are_not_equal(loaded: Warehouse) -> None:
    texts = ['{"a.b":1}', '{"a":{"b":1}}', '{"a.b":1}', '{"c":null}', None]
    loaded.load([1.0] * 5, snapshot=SECOND, tags=[text or "{}" for text in texts], tags_text=texts)
    assert quality(loaded).identical_row_count == 1


def test_rows_of_a_table_without_the_text_columns_show_what_the_column_holds(loaded: Warehouse, kind: str) -> None:
    for column in ("tags_text", "additional_info_text"):
        loaded.client.command(f"ALTER TABLE {DETAIL} DROP COLUMN {column}")
    ensure_tables(loaded.config)
    loaded.stage([32.0], row_number=[6], tags=['{"app":"x"}'])
    nested = '{"app":"crm","app":{"kubernetes":{"io-name":"web"}}}' if kind == "JSON" else KUBERNETES
    for _ in range(2):
        shown = loaded.query(f"SELECT tags_text FROM {DETAIL} FINAL ORDER BY row_number")
        assert [row["tags_text"] for row in shown][::5] == [nested, '{"app":"x"}']
        assert [row["tags_text"] for row in shown][3:5] == [None, None]
        loaded.client.command(f"OPTIMIZE TABLE {DETAIL} FINAL")


def test_the_text_columns_are_added_on_every_host_of_a_cluster_to_both_tables(config: ClickHouseConfig) -> None:
    config = config.model_copy(update={"cluster": "bill_cluster", "database": "bill"})
    (column,) = (column for column in AzureBillingDetail.columns() if column.name == "tags_text")
    for table in ddl.create_tables(AzureBillingDetail, config):
        assert ddl.add_columns(table, [column], config).startswith(
            f"ALTER TABLE `bill`.`{table}` ON CLUSTER `bill_cluster` ADD COLUMN IF NOT EXISTS `tags_text` "
            "Nullable(String) DEFAULT nullIf(toString(tags), '{}') COMMENT "
        )


RESULTS: list[tuple[tuple[str, ...], list[list[Any]]]] = [
    (("JSON",), [["crm", 3.0], [None, 28.0]]),
    (KINDS, [["", 14.0], ["web", 1.0], [None, 16.0]]),
    (KINDS, [["7", 4.0], ["a", 8.0], ["crm", 3.0], [None, 16.0]]),
    (KINDS, [[" app", 1, 4.0], ["app", 4, 15.0], ["app.kubernetes.io-name", 1, 1.0], ["owner", 1, 2.0]]),
]
"""For each query of the page the kinds of column that it is for, and what it gives of the rows above."""


def test_each_query_of_the_page_groups_the_cost_by_the_tag(loaded: Warehouse, kind: str) -> None:
    assert len(QUERIES) == len(RESULTS)
    for query, (kinds, expected) in zip(QUERIES, RESULTS, strict=True):
        if kind in kinds:
            assert [list(row) for row in loaded.client.query(query).result_rows] == expected, query
