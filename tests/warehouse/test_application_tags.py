"""Importing and listing the tracking patterns, in a real ClickHouse."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from azure_billing_warehouse.cli import main
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.patterns.containment import contained
from azure_billing_warehouse.patterns.files import PatternFileError, read_patterns
from azure_billing_warehouse.patterns.oddities import describe, find_oddities
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.patterns.table import TABLE, import_patterns, list_patterns

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.loading import Warehouse


def tags(*patterns: tuple[int, str]) -> list[Pattern]:
    return [Pattern(number, pattern) for number, pattern in patterns]


def test_an_import_makes_the_table_and_the_next_replaces_its_content(warehouse: Warehouse) -> None:
    import_patterns(warehouse.config, tags((2, 'Payroll, "old"'), (1, "shop\\2")))
    assert list_patterns(warehouse.config) == [("1", "shop\\2"), ("2", 'Payroll, "old"')]
    import_patterns(warehouse.config, tags((3, "Büro")))
    assert list_patterns(warehouse.config) == [("3", "Büro")]
    present = warehouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'd\\_%'")
    assert present == [{"name": "d_application_tag"}]


def test_an_import_that_the_user_s_table_cannot_hold_leaves_the_old_patterns(warehouse: Warehouse) -> None:
    warehouse.client.command(
        f"CREATE TABLE {TABLE} (id UInt8, resource_tracking String) ENGINE = MergeTree ORDER BY id"
    )
    import_patterns(warehouse.config, tags((1, "payroll")))
    with pytest.raises(WarehouseError, match="can't hold the patterns as they are: the old ones are kept"):
        import_patterns(warehouse.config, tags((2, "shop"), (300, "crm")))
    assert list_patterns(warehouse.config) == [("1", "payroll")]


def test_no_pattern_at_all_is_not_imported(warehouse: Warehouse) -> None:
    import_patterns(warehouse.config, tags((1, "payroll")))
    with pytest.raises(WarehouseError, match="no pattern to import"):
        import_patterns(warehouse.config, tags((1, " ")))
    assert list_patterns(warehouse.config) == [("1", "payroll")]


def test_a_table_of_the_user_s_own_types_is_listed_and_keeps_them(warehouse: Warehouse) -> None:
    warehouse.client.command(
        "CREATE TABLE d_application_tag (id String, resource_tracking Nullable(String)) ENGINE = MergeTree ORDER BY id"
    )
    warehouse.client.command("INSERT INTO d_application_tag VALUES ('A-7', 'payroll'), ('A-8', NULL)")
    assert list_patterns(warehouse.config) == [("A-7", "payroll"), ("A-8", "")]
    import_patterns(warehouse.config, tags((7, "shop")))
    assert list_patterns(warehouse.config) == [("7", "shop")]
    assert (
        warehouse.scalar("SELECT type FROM system.columns WHERE table = 'd_application_tag' AND name = 'id'")
        == "String"
    )


def test_a_table_with_other_columns_is_not_emptied(warehouse: Warehouse) -> None:
    warehouse.client.command(
        f"CREATE TABLE {TABLE} (id UInt64, resource_tracking String, owner String) ENGINE = MergeTree ORDER BY id"
    )
    with pytest.raises(WarehouseError, match=r"columns of its own \(owner\)"):
        import_patterns(warehouse.config, tags((1, "payroll")))


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
    with pytest.raises(PatternFileError) as refused:
        read_patterns(path)
    assert fault in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_with_a_byte_order_mark_and_more_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "patterns.csv"
    path.write_text("\ufeffresource_tracking,id,owner\r\npayroll,1,me\r\n", encoding="utf-8")
    assert read_patterns(path) == tags((1, "payroll"))


def test_duplicates_blanks_and_contained_patterns_are_reported() -> None:
    found = find_oddities(tags((1, "payroll"), (2, "PAY"), (2, "shop"), (3, " "), (4, "pay"), (5, "roll")))
    assert found.duplicate_ids == {2: ["PAY", "shop"]}
    assert found.blank_ids == [3]
    assert found.same_text == {"PAY": [2, 4]}
    assert found.contained == {"PAY": ["PAYROLL"], "ROLL": ["PAYROLL"]}
    assert len(list(describe(found))) == 4


def test_a_clean_set_has_nothing_to_report() -> None:
    found = find_oddities(tags((1, "payroll"), (2, "shop")))
    assert list(describe(found)) == []


def test_patterns_nested_in_each_other_are_told_in_little_memory_and_few_words() -> None:
    """The first 300 took 1.1 GB; as many characters as there may be are to stay as cheap."""
    measured = (
        "from azure_billing_warehouse.patterns.oddities import describe, find_oddities\n"
        "from azure_billing_warehouse.patterns.pattern import Pattern\n"
        # Of this process alone, where resource.getrusage begins with the memory of the one that started it.
        "def peak(): return next(int(line.split()[1]) for line in open('/proc/self/status') if 'VmHWM' in line)\n"
        "before = peak()\n"
        "tags = [Pattern(n, 'a' * n) for n in range(1, 901)]\n"
        "print('\\n'.join(describe(find_oddities(tags))))\n"
        "print((peak() - before) / 1024)"
    )
    ended = subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, timeout=120, check=True)
    told, megabytes = ended.stdout.splitlines()
    assert float(megabytes) < 200
    assert told.startswith(
        "patterns that others contain, so that both match: A in AA, AAA, AAAA, AA in AAA, AAAA, AAAAA,"
    )
    assert told.endswith(" and 889 more.")
    assert len(told) < 1000


@pytest.mark.parametrize("seed", range(5))
def test_exactly_the_patterns_that_others_contain_are_found(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(200):
        texts = {"".join(draw.choices("AB\u00c9", k=draw.randint(1, 6))) for _ in range(draw.randint(1, 15))}
        found, not_compared = contained(texts)
        assert set(found) == {text for text in texts for other in texts - {text} if text in other}
        assert all(text != other and text in other for text, others in found.items() for other in others)
        assert not_compared == 0


def test_more_text_than_may_be_compared_is_told() -> None:
    assert contained(["AAAA", "A", "AA"], most_text=3) == ({"A": ["AA"]}, 1)
    found = find_oddities(tags(*((number, f"{number:04}" * 250) for number in range(600))))
    assert "patterns too long to be looked for in each other: 100." in list(describe(found))


def test_what_is_told_of_a_set_is_short_however_odd_it_is() -> None:
    found = find_oddities(
        tags(*((1, f"{number}{'x' * 900}") for number in range(300)), *((n, "y") for n in range(300)))
    )
    assert all(len(line) < 3000 for line in describe(found))


CELLS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''=1", "'plain", "plain", "a=b", "'", "", '"=1"']


def test_an_export_has_no_cell_that_a_spreadsheet_runs_and_comes_back_unchanged(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    given = tags(*((number - 3, text) for number, text in enumerate(CELLS)))
    import_patterns(warehouse.config, given)
    before = list_patterns(warehouse.config)
    connection = {
        "CLICKHOUSE_HOST": warehouse.config.host,
        "CLICKHOUSE_PORT": str(warehouse.config.port),
        "CLICKHOUSE_DATABASE": warehouse.config.database,
        "CLICKHOUSE_PASSWORD": warehouse.config.password.get_secret_value(),
    }
    listed = CliRunner(env=connection).invoke(main, ["patterns", "list"])
    assert listed.exit_code == 0
    rows = list(csv.reader(io.StringIO(listed.stdout, newline="")))
    assert len(rows) == len(CELLS) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    path = tmp_path / "export.csv"
    path.write_bytes(listed.stdout_bytes)
    assert sorted(read_patterns(path), key=lambda tag: tag.id) == given
    assert CliRunner(env=connection).invoke(main, ["patterns", "import", str(path)]).exit_code == 0
    assert list_patterns(warehouse.config) == before


def test_contained_patterns_are_found_among_ten_thousand() -> None:
    found = find_oddities(
        tags(*((number, f"application-{number:05}x") for number in range(10_000)), (10_000, "n-00042"))
    )
    assert found.contained == {"N-00042": ["APPLICATION-00042X"]}
