"""Importing and listing the tracking patterns, in a real ClickHouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mapper_azure_billing_tracking.application_tags import (
    TABLE,
    ApplicationTag,
    describe,
    find_oddities,
    import_tags,
    list_tags,
    read_tags,
)
from mapper_azure_billing_tracking.client import WarehouseError

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.loading import Warehouse


def tags(*patterns: tuple[int, str]) -> list[ApplicationTag]:
    return [ApplicationTag(id=number, resource_tracking=pattern) for number, pattern in patterns]


def test_an_import_makes_the_table_and_the_next_replaces_its_content(warehouse: Warehouse) -> None:
    import_tags(warehouse.config, tags((2, 'Payroll, "old"'), (1, "shop\\2")))
    assert list_tags(warehouse.config) == [("1", "shop\\2"), ("2", 'Payroll, "old"')]
    import_tags(warehouse.config, tags((3, "Büro")))
    assert list_tags(warehouse.config) == [("3", "Büro")]
    present = warehouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'd\\_%'")
    assert present == [{"name": "d_application_tag"}]


def test_an_import_that_the_user_s_table_cannot_hold_leaves_the_old_patterns(warehouse: Warehouse) -> None:
    warehouse.client.command(
        f"CREATE TABLE {TABLE} (id UInt8, resource_tracking String) ENGINE = MergeTree ORDER BY id"
    )
    import_tags(warehouse.config, tags((1, "payroll")))
    with pytest.raises(WarehouseError, match="can't hold the patterns as they are: the old ones are kept"):
        import_tags(warehouse.config, tags((2, "shop"), (300, "crm")))
    assert list_tags(warehouse.config) == [("1", "payroll")]


def test_no_pattern_at_all_is_not_imported(warehouse: Warehouse) -> None:
    import_tags(warehouse.config, tags((1, "payroll")))
    with pytest.raises(WarehouseError, match="no pattern to import"):
        import_tags(warehouse.config, tags((1, " ")))
    assert list_tags(warehouse.config) == [("1", "payroll")]


def test_a_table_of_the_user_s_own_types_is_listed_and_keeps_them(warehouse: Warehouse) -> None:
    warehouse.client.command(
        "CREATE TABLE d_application_tag (id String, resource_tracking Nullable(String)) ENGINE = MergeTree ORDER BY id"
    )
    warehouse.client.command("INSERT INTO d_application_tag VALUES ('A-7', 'payroll'), ('A-8', NULL)")
    assert list_tags(warehouse.config) == [("A-7", "payroll"), ("A-8", "")]
    import_tags(warehouse.config, tags((7, "shop")))
    assert list_tags(warehouse.config) == [("7", "shop")]
    assert (
        warehouse.scalar("SELECT type FROM system.columns WHERE table = 'd_application_tag' AND name = 'id'")
        == "String"
    )


def test_a_table_with_other_columns_is_not_emptied(warehouse: Warehouse) -> None:
    warehouse.client.command(
        f"CREATE TABLE {TABLE} (id UInt64, resource_tracking String, owner String) ENGINE = MergeTree ORDER BY id"
    )
    with pytest.raises(WarehouseError, match=r"columns of its own \(owner\)"):
        import_tags(warehouse.config, tags((1, "payroll")))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("id,resource_tracking\n1,a\nx,b\n", "line 3: id is 'x'"),
        ("id,resource_tracking\n,b\n", "line 2: id is ''"),
        ("id,resource_tracking\n9223372036854775808,b\n", "line 2: id is '9223372036854775808'"),
        ("id,pattern\n1,a\n", "has no column resource_tracking"),
        ("", "has no column id and no column resource_tracking"),
        ('id,resource_tracking\n1,"a', "can't be read as CSV"),
    ],
    ids=["not a number", "no id", "too large", "other column", "empty file", "open quote"],
)
def test_a_file_that_is_not_a_list_of_patterns_is_refused_with_its_line(
    tmp_path: Path, content: str, fault: str
) -> None:
    path = tmp_path / "patterns.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(WarehouseError) as refused:
        read_tags(path)
    assert fault in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_with_a_byte_order_mark_and_more_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "patterns.csv"
    path.write_text("\ufeffresource_tracking,id,owner\r\npayroll,1,me\r\n", encoding="utf-8")
    assert read_tags(path) == tags((1, "payroll"))


def test_duplicates_blanks_and_contained_patterns_are_reported() -> None:
    found = find_oddities(tags((1, "payroll"), (2, "PAY"), (2, "shop"), (3, " "), (4, "pay"), (5, "roll")))
    assert found.duplicate_ids == {2: ["PAY", "shop"]}
    assert found.blank_ids == [3]
    assert found.same_text == {"PAY": [2, 4]}
    assert found.contained == {"PAY": ["PAYROLL"], "ROLL": ["PAYROLL"]}
    assert len(list(describe(found))) == 4


def test_a_clean_set_has_nothing_to_report() -> None:
    found = find_oddities(tags((1, "payroll"), (2, "shop")))
    assert found.is_clean
    assert list(describe(found)) == []


def test_contained_patterns_are_found_among_ten_thousand() -> None:
    found = find_oddities(
        tags(*((number, f"application-{number:05}x") for number in range(10_000)), (10_000, "n-00042"))
    )
    assert found.contained == {"N-00042": ["APPLICATION-00042X"]}
