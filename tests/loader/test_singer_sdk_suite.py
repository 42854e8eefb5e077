"""singer-sdk's own tests for targets pass in the loader's environment, whose SDK is an older one than the tap's.

That environment has no pytest: it gets the one of these tests, by links to its packages, which are of Python alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from loader.conftest import loader_folder

if TYPE_CHECKING:
    from loader.conftest import Loader

    from sandbox.launch import ClickHouse

SUITE = Path(__file__).with_name("singer_sdk_suite.py")
TOOLS = ("pytest", "pluggy", "iniconfig", "pygments")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pytest and what it needs that the loader's environment lacks."""
    folder = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
            (folder / top).symlink_to(str(installed.locate_file(top)))
    return folder


def run_suite(loader: Loader, tools: Path, **settings: Any) -> tuple[int, dict[str, list[str]]]:
    """The exit code, and the tests by what became of them: `passed`, `failure`, `error`, `skipped`."""
    path, report = loader.folder / "settings.json", loader.folder / "report.xml"
    path.write_text(json.dumps({**loader.settings, **settings}))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "PYTEST_"))}
    ini = loader.folder / "pytest.ini"
    ini.write_text("[pytest]\n")  # not the settings of these tests, where a warning is an error
    options: list[str | Path] = ["-c", ini, "--noconftest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    ended = subprocess.run(
        [loader_folder() / "python", "-m", "pytest", *options, SUITE],
        env={**inherited, "PYTHONPATH": str(tools), "SUITE_SETTINGS": str(path)},
        timeout=300,
        check=False,
    )
    outcomes: dict[str, list[str]] = {}
    for test in ET.parse(report).iter("testcase"):  # noqa: S314 - what pytest has just written
        outcome = next((child.tag for child in test if child.tag in {"failure", "error", "skipped"}), "passed")
        outcomes.setdefault(outcome, []).append(test.attrib["name"])
    return ended.returncode, outcomes


def test_the_suite_passes(loader: Loader, clickhouse: ClickHouse, tools: Path) -> None:
    clickhouse.execute("CREATE DATABASE suite")
    code, outcomes = run_suite(loader, tools, database="suite")
    assert outcomes.keys() == {"passed"}, outcomes
    assert code == 0
    assert len(outcomes["passed"]) == 15, outcomes
    tables = clickhouse.query("SELECT count() AS n FROM system.tables WHERE database = 'suite' AND total_rows > 0")
    assert int(tables[0]["n"]) >= 10


def test_the_suite_fails_where_the_loader_can_not_load(loader: Loader, tools: Path) -> None:
    code, outcomes = run_suite(loader, tools, database="not_there")
    assert code == 1
    assert "test_target_array_data" in outcomes["failure"]
