"""The wall between the tap and its sources: what a source is called, which columns it fills, who knows of requests."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import tap_azure_ea_billing
from tap_azure_ea_billing.fields import USAGE_ADDED_FIELDS, USAGE_FIELDS
from tap_azure_ea_billing.sources import SOURCES

PACKAGE = Path(tap_azure_ea_billing.__file__).parent
ABOVE = sorted({*PACKAGE.glob("*.py"), *PACKAGE.glob("sources/*.py")})
OF_A_SOURCE = {"requests", "urllib", "urllib3", "http", "backoff", "cryptography"}
JOINTS = {"sources/__init__.py", "config.py"}
"""Modules that name the sources."""


def imported(path: Path) -> set[str]:
    """Return the modules that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", ABOVE, ids=[str(path.relative_to(PACKAGE)) for path in ABOVE])
def test_nothing_above_the_sources_folders_knows_how_a_source_fetches(path: Path) -> None:
    modules = imported(path)
    assert not {module.split(".")[0] for module in modules - {"urllib.parse", "urllib.parse.unquote"}} & OF_A_SOURCE
    if str(path.relative_to(PACKAGE)) not in JOINTS:
        folders = {f"tap_azure_ea_billing.sources.{name}" for name in SOURCES}
        assert not {module for module in modules if module.startswith(tuple(folders))}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_fills_columns_of_the_record_each_once(name: str) -> None:
    source: Any = SOURCES[name]
    columns = source.columns
    assert len(columns) == len(set(columns))
    assert set(columns) <= {field.name for field in (*USAGE_FIELDS, *USAGE_ADDED_FIELDS)}
