"""Older engines by name: a wrong one is told with the right ones; one that can't be installed is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sandbox.cli import main
from sandbox.clickhouse import versions as clickhouse_versions
from sandbox.launch import running_clickhouse

if TYPE_CHECKING:
    from pathlib import Path


def test_help_names_the_engines_and_so_does_the_error_for_another(tmp_path: Path) -> None:
    assert "--engine [25.5|25.8]" in CliRunner().invoke(main, ["clickhouse", "--help"]).output
    refused = CliRunner().invoke(main, ["clickhouse", f"--data={tmp_path}", "--engine=24.8"])
    assert refused.exit_code == 2
    assert refused.output.endswith("Invalid value for '--engine': '24.8' is not one of '25.5', '25.8'.\n")


def test_an_engine_that_cannot_be_installed_is_an_error_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "engines" / "25.5.lock"
    lock.parent.mkdir()
    lock.write_text(f"chdb @ {(tmp_path / 'chdb-0-py3-none-any.whl').as_uri()} --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(clickhouse_versions, "_PACKAGE", tmp_path)
    monkeypatch.setattr(clickhouse_versions, "_CACHE", tmp_path / "cache")
    for _ in range(2):
        with (
            pytest.raises(RuntimeError, match=r"uv pip install .* ended with \d"),
            running_clickhouse(tmp_path / "databases", engine="25.5"),
        ):
            pass
    failed = CliRunner().invoke(main, ["clickhouse", f"--data={tmp_path}", "--engine=25.5"])
    assert failed.exit_code == 1
    assert failed.output.startswith("Error: ")
