"""What the documents and meltano.yml say of the plugins is what the plugins say of themselves."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # has no types of its own
import pytest
import yaml
from pipeline.project import ROOT

from azure_billing_warehouse.schema.focus import COLUMNS
from sandbox.documents import about, hub_file, made, own_settings

if TYPE_CHECKING:
    from pathlib import Path

TAP, MAPPER = "tap-azure-ea-billing", "mapper-azure-billing-tracking"


@pytest.mark.parametrize("path", sorted(made()), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_made_from_the_code_is_what_the_code_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == made()[path], "run script/docs"


def test_every_setting_and_every_column_of_focus_is_told() -> None:
    for plugin in (TAP, MAPPER):
        page = (ROOT / plugin / "README.md").read_text(encoding="utf-8")
        told = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
        assert told >= own_settings(plugin).keys()
    page = (ROOT / "docs" / "focus.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    told = {name.strip() for cell in cells for name in cell.split(",")}
    assert told >= COLUMNS.keys()


@pytest.mark.parametrize(
    ("plugin", "kind", "secret"),
    [
        (TAP, "extractors", {"api_key", "enrollments", "fernet_key", "client_secret", "access_token", "sas_token"}),
        (MAPPER, "mappers", {"clickhouse.password", "clickhouse.fernet_key"}),
    ],
)
def test_a_hub_definition_is_one_that_meltano_reads(plugin: str, kind: str, secret: set[str]) -> None:
    schema = json.loads(files("meltano.schemas").joinpath("meltano.schema.json").read_text(encoding="utf-8"))
    definition = yaml.safe_load(hub_file(plugin).read_text(encoding="utf-8"))
    in_the_hub_only = {"keywords", "supported_python_versions"}
    entry = {name: value for name, value in definition.items() if name not in in_the_hub_only}
    jsonschema.Draft202012Validator(schema).validate({"version": 1, "plugins": {kind: [entry]}})
    named = {setting["name"] for setting in definition["settings"]}
    assert named >= own_settings(plugin).keys()
    assert {setting["name"] for setting in definition["settings"] if setting.get("sensitive")} == secret
    assert definition["executable"] == plugin
    for group in definition["settings_group_validation"]:
        assert set(group) <= named


def test_meltano_knows_every_setting_of_the_tap() -> None:
    (extractor,) = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["extractors"]
    declared = {setting["name"]: setting for setting in extractor["settings"]}
    assert declared.keys() == own_settings(TAP).keys()
    secrets = {name for name, setting in own_settings(TAP).items() if setting.get("secret")}
    assert secrets <= {name for name, setting in declared.items() if setting.get("sensitive")}
    assert about(TAP)["name"] == extractor["executable"]
