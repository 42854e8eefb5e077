"""The command's options and output, with a real ClickHouse; what the commands do is in the other tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from warehouse.loading import SECOND

from azure_billing_warehouse import passwords
from azure_billing_warehouse.cli import main
from azure_billing_warehouse.schema.create import statements

if TYPE_CHECKING:
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.config import ClickHouseConfig


def options(config: ClickHouseConfig, folder: Path) -> list[str]:
    """The connection by options; the password by a file."""
    password = folder / "password"
    password.write_text(f"{config.password.get_secret_value()}\n", encoding="utf-8")
    address = [f"--host={config.host}", f"--port={config.port}", f"--database={config.database}"]
    return [*address, f"--password-file={password}"]


def test_print_shows_the_statements_and_connects_to_nothing() -> None:
    printed = CliRunner().invoke(main, ["--port=1", "--database=bill", "create", "--print"])
    assert printed.exit_code == 0
    assert printed.output.startswith("CREATE DATABASE IF NOT EXISTS `bill`;\n")
    assert printed.output.count(";\n") >= 13


def test_the_printed_statements_make_what_create_makes(new_warehouse: Warehouse) -> None:
    before = new_warehouse.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY 1"
    )
    new_warehouse.client.command(f"DROP DATABASE {new_warehouse.config.database} SYNC")
    for statement in statements(new_warehouse.config):
        new_warehouse.client.command(statement, use_database=False)
    after = new_warehouse.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY 1"
    )
    assert after == before


def test_the_commands_work_with_options_and_a_password_file(warehouse: Warehouse, tmp_path: Path) -> None:
    run, connection = CliRunner(), options(warehouse.config, tmp_path)
    patterns = tmp_path / "patterns.csv"
    patterns.write_text("id,resource_tracking\n1,payroll\n2,pay\n", encoding="utf-8")
    imported = run.invoke(main, [*connection, "patterns", "import", str(patterns)])
    assert (imported.exit_code, imported.stderr) == (
        0,
        "Note: patterns that others contain, so that both match: PAY in PAYROLL.\n",
    )
    assert run.invoke(main, [*connection, "patterns", "list"]).output == "id,resource_tracking\n1,payroll\n2,pay\n"
    assert run.invoke(main, [*connection, "create"]).exit_code == 0
    warehouse.load([1.0])
    warehouse.load([2.0], snapshot=SECOND)
    told = run.invoke(main, [*connection, "prune", "--keep", "1", "--dry-run"]).output
    assert "2026-09-02 03:00:00 UTC  complete               1 row" in told
    assert told.endswith("Superseded snapshots that would be dropped: 1\n")
    page = tmp_path / "bill.html"
    assert run.invoke(main, [*connection, "report", str(page)]).output == f"The report is in {page}.\n"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_option_that_is_no_month_or_no_port_is_refused() -> None:
    wrong_month = CliRunner().invoke(main, ["check", "--since", "August"])
    assert (wrong_month.exit_code, "August is not a month such as 2026-08" in wrong_month.output) == (2, True)
    wrong_port = CliRunner().invoke(main, ["--port=0", "check"])
    sentence = "Setting `port` is wrong: 0 is too small; the least is 1 (environment variable CLICKHOUSE_PORT)."
    assert (wrong_port.exit_code, sentence in " ".join(wrong_port.output.split())) == (2, True)


def test_a_wrong_password_is_never_shown(warehouse: Warehouse, tmp_path: Path) -> None:
    connection = options(warehouse.config, tmp_path)
    (tmp_path / "password").write_text("battery staple", encoding="utf-8")
    refused = CliRunner().invoke(main, [*connection, "create"])
    assert refused.exit_code == 2
    assert "user default or the password is wrong" in refused.stderr
    assert "battery staple" not in refused.output


@pytest.mark.parametrize("database", ["bill'", 'bill"', "bill`", "bill\\", "bill\n"])
@pytest.mark.parametrize("command", [["create"], ["check"], ["patterns", "list"]])
def test_a_database_whose_name_no_program_can_write_is_refused(database: str, command: list[str]) -> None:
    refused = CliRunner().invoke(main, ["--port=1", f"--database={database}", *command])
    assert refused.exit_code == 2
    assert "a quote, a backslash or a control character" in refused.output
    assert "Setting `database` is wrong: " in refused.output


def test_a_file_of_the_password_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    refused = CliRunner().invoke(main, [f"--password-file={tmp_path / 'gone'}", "check"])
    assert refused.exit_code == 2
    assert refused.stderr == (
        f"Error: The file {tmp_path / 'gone'} of password_file (CLICKHOUSE_PASSWORD_FILE) can't be read "
        "(No such file or directory): correct its path or permissions.\n"
    )


def test_an_encrypted_password_opens_the_warehouse_and_no_other_key_does(warehouse: Warehouse, tmp_path: Path) -> None:
    run, key, other = CliRunner(), tmp_path / "key", tmp_path / "other"
    for path in (key, other):
        path.write_text(run.invoke(main, ["password", "new-key"]).output, encoding="utf-8")
    by_key = f"--fernet-key-file={key}"
    password = warehouse.config.password.get_secret_value()
    encrypted = run.invoke(main, [by_key, "password", "encrypt"], input=f"{password}\n").output
    assert encrypted.startswith("fernet:")
    assert password not in encrypted
    connection = options(warehouse.config, tmp_path)
    (tmp_path / "password").write_text(encrypted, encoding="utf-8")
    assert run.invoke(main, [*connection, by_key, "create"]).exit_code == 0
    in_variables = {"CLICKHOUSE_PASSWORD": encrypted.strip(), "CLICKHOUSE_FERNET_KEY": key.read_text(encoding="utf-8")}
    assert run.invoke(main, [*connection[:3], "create"], env=in_variables).exit_code == 0
    for wrong, reason in ((f"--fernet-key-file={other}", "can't be decrypted"), ("--verify", "There is no Fernet key")):
        refused = run.invoke(main, [*connection, wrong, "create"])
        assert (refused.exit_code, reason in refused.stderr) == (2, True)
    other.write_text("short", encoding="utf-8")
    assert "Fernet key for the password of ClickHouse is malformed" in (
        run.invoke(main, [*connection, f"--fernet-key-file={other}", "create"]).stderr
    )


def test_warehouse_and_loader_find_the_password_alike() -> None:
    loaders = Path(__file__).parents[2] / "target-clickhouse-arrow/target_clickhouse_arrow/passwords.py"
    assert Path(passwords.__file__).read_text(encoding="utf-8") == loaders.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_one_sentence(warehouse: Warehouse, tmp_path: Path) -> None:
    connection = options(warehouse.config, tmp_path)
    absent = CliRunner().invoke(main, [*connection, "report", str(tmp_path / "gone" / "bill.html")])
    assert (absent.exit_code, absent.stderr) == (
        2,
        f"Error: There is no folder {tmp_path / 'gone'} for the report: make it, or name another file.\n",
    )


def test_an_import_makes_the_database(config: ClickHouseConfig, tmp_path: Path) -> None:
    path = tmp_path / "patterns.csv"
    path.write_text("id;resource_tracking\n1;payroll\n", encoding="utf-8-sig")
    connection = options(config, tmp_path)
    imported = CliRunner().invoke(main, [*connection, "patterns", "import", str(path)])
    assert (imported.exit_code, imported.output) == (0, f"{config.database}.d_application_tag holds 1 pattern.\n")
    path.write_text("nr;name\n1;payroll\n", encoding="utf-8")
    refused = CliRunner().invoke(main, [*connection, "patterns", "import", str(path)])
    assert refused.exit_code == 2
    assert refused.stderr == (
        f"Error: {path} has no column id and no column resource_tracking: its first line names 'nr', 'name'. "
        "It must name id and resource_tracking.\n"
    )
