"""What is written about the tap is what the tap says of itself."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped] # has no types of its own
import pytest
import yaml
from tap.documents import BEGIN, END, HUB, README, about, hub_definition, own_settings, readme

from tap_azure_ea_billing.fields import MONTH_FIELDS, USAGE_ADDED_FIELDS, USAGE_KEY_FIELDS
from tap_azure_ea_billing.tap import TapAzureEABilling


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return about()


def test_the_readme_has_the_settings_of_the_tap(said: dict[str, Any]) -> None:
    text = README.read_text(encoding="utf-8")
    assert BEGIN in text
    assert END in text
    assert readme(said, text) == text


def test_the_readme_names_every_column_that_the_tap_adds() -> None:
    text = README.read_text(encoding="utf-8")
    for column in (*USAGE_KEY_FIELDS, *USAGE_ADDED_FIELDS, *MONTH_FIELDS):
        assert f"`{column.name}`" in text


def test_the_hub_definition_is_made_from_about(said: dict[str, Any]) -> None:
    assert HUB.read_text(encoding="utf-8") == hub_definition(said)


def test_the_hub_definition_is_one_that_meltano_reads(said: dict[str, Any]) -> None:
    schema = json.loads(files("meltano.schemas").joinpath("meltano.schema.json").read_text(encoding="utf-8"))
    definition = yaml.safe_load(HUB.read_text(encoding="utf-8"))
    in_the_hub_only = {"keywords", "supported_python_versions"}
    plugin = {name: value for name, value in definition.items() if name not in in_the_hub_only}
    project = {"version": 1, "plugins": {"extractors": [plugin]}}
    jsonschema.Draft202012Validator(schema).validate(project)
    assert {setting["name"] for setting in definition["settings"]} == said["settings"]["properties"].keys()
    sensitive = {setting["name"] for setting in definition["settings"] if setting.get("sensitive")}
    assert sensitive == {"api_key", "enrollments", "fernet_key"}
    for group in definition["settings_group_validation"]:
        assert set(group) <= own_settings(said).keys()


def test_the_name_of_the_program_is_the_name_of_the_plugin() -> None:
    assert yaml.safe_load(HUB.read_text(encoding="utf-8"))["executable"] == TapAzureEABilling.name
