"""Every setting of every plugin in meltano.yml comes through Meltano's environment; the lists are meltano.yml's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pipeline.project import PROGRAMS, ROOT

from azure_billing_warehouse.config import ClickHouseConfig, clickhouse_variable
from mapper_azure_billing_tracking.config import PatternsConfig, variable
from tap_azure_ea_billing.about import settings_schema
from tap_azure_ea_billing.config import AzureApiConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLUGINS: dict[str, list[dict[str, Any]]] = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
MAPPINGS = [(plugin, mapping) for plugin in PLUGINS["mappers"] for mapping in plugin["mappings"]]
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
MELTANOS_OWN = {"MELTANO_PROJECT_ROOT": str(ROOT)}
BY_KIND: dict[str | None, tuple[str, Any]] = {
    "integer": ("7", 7),
    "boolean": ("true", True),
    "array": ('[{"a":1}]', [{"a": 1}]),
    "object": ('{"a":1}', {"a": 1}),
}
"""What stands in the environment for a kind, and what the plugin gets; text for all others."""


@pytest.fixture
def meltano_database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'meltano.db'}"


def invoke(database: str, variables: Mapping[str, str], *arguments: str) -> str:
    """Return what `meltano invoke` prints, with nothing of the caller's own pipeline in the environment."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "MAPPER_", "CLICKHOUSE_", "MELTANO_", "AZURE_BILLING_"))
    }
    done = subprocess.run(
        [PROGRAMS / "meltano", "--log-level", "warning", "invoke", *arguments],
        cwd=ROOT,
        env={**inherited, "MELTANO_DATABASE_URI": database, "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prefix(plugin: Mapping[str, Any]) -> str:
    """Return what Meltano puts before a setting's name."""
    return str(plugin["name"]).replace("-", "_").upper() + "_"


def kinds(plugin: Mapping[str, Any]) -> dict[str, str | None]:
    return {setting["name"]: setting.get("kind") for setting in plugin.get("settings", [])}


def example(name: str, kind: str | None) -> tuple[str, Any]:
    return BY_KIND.get(kind, (f"value of {name}", f"value of {name}"))


def leaves(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values of a nested configuration with their paths."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from leaves(value, (*path, name))
    else:
        yield path, config


def variables_in(config: Any) -> set[str]:
    """Return the variables that a configuration or an `env` names, without Meltano's own."""
    return {name for _, value in leaves(config) for name in VARIABLE.findall(str(value))} - MELTANOS_OWN.keys()


def filled_in(template: Any, variables: Mapping[str, str]) -> Any:
    """Return a configured value as the plugin gets it."""
    known = {**variables, **MELTANOS_OWN}
    return VARIABLE.sub(lambda match: known[match[1]], template) if isinstance(template, str) else template


@pytest.mark.parametrize("plugin", [*PLUGINS["extractors"], *PLUGINS["loaders"]], ids=lambda plugin: plugin["name"])
def test_every_setting_comes_from_its_variable(plugin: dict[str, Any], meltano_database: str) -> None:
    examples = {name: example(name, kind) for name, kind in kinds(plugin).items()}
    assert examples
    variables = {prefix(plugin) + name.upper().replace(".", "_"): text for name, (text, _) in examples.items()}
    arrived = json.loads(invoke(meltano_database, variables, "--dump=config", plugin["name"]))
    nested = {tuple(name.split(".")): value for name, (_, value) in examples.items()}
    assert arrived.keys() == {path[0] for path in nested}
    for path, value in nested.items():
        found = arrived
        for name in path:
            found = found[name]
        assert found == value


@pytest.mark.parametrize("plugin", PLUGINS["loaders"], ids=lambda plugin: plugin["name"])
def test_a_loaders_settings_come_from_the_variables_of_its_configuration(
    plugin: dict[str, Any], meltano_database: str
) -> None:
    config, kind = plugin["config"], kinds(plugin)
    assert config.keys() <= kind.keys()
    by_variable = {variable: kind[name] for name, value in config.items() for variable in variables_in(value)}
    variables = {variable: example(variable, of_kind)[0] for variable, of_kind in by_variable.items()}
    arrived = json.loads(invoke(meltano_database, variables, "--dump=config", plugin["name"]))
    for name, value in config.items():
        text = filled_in(value, variables)
        assert arrived[name] == next((read for written, read in BY_KIND.values() if written == text), text)


@pytest.mark.parametrize(("plugin", "mapping"), MAPPINGS, ids=[mapping["name"] for _, mapping in MAPPINGS])
def test_a_mappings_settings_come_from_the_variables_of_its_configuration(
    plugin: dict[str, Any], mapping: dict[str, Any], meltano_database: str
) -> None:
    variables = {variable: f"value of {variable}" for variable in variables_in(mapping["config"])}
    own = {name: example(name, kind) for name, kind in kinds(plugin).items() if name not in mapping["config"]}
    of_its_own = {prefix(plugin) + name.upper(): text for name, (text, _) in own.items()}
    arrived = json.loads(invoke(meltano_database, variables | of_its_own, "--dump=config", mapping["name"]))
    expected = {path: filled_in(value, variables) for path, value in leaves(mapping["config"])}
    assert variables
    assert dict(leaves(arrived)) == expected | {(name,): value for name, (_, value) in own.items()}


def test_the_mappers_sentences_name_the_variables_that_meltano_yml_reads() -> None:
    ((_, mapping),) = MAPPINGS
    named = {path: variables_in(value) for path, value in leaves(mapping["config"])}
    assert {path: {variable(".".join(path))} for path, names in named.items() if names} == {
        path: names for path, names in named.items() if names
    }
    from_variables = {name for names in named.values() for name in names}
    assert from_variables >= {clickhouse_variable(name) for name in ClickHouseConfig.model_fields}
    assert from_variables >= {variable(f"patterns.{name}") for name in PatternsConfig.model_fields} - {
        variable("patterns.cache_path")
    }
    example_file = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert {name for name in from_variables if f"\n{name}=" not in example_file} == {
        "CLICKHOUSE_KEEPER_PATH", "TAP_AZURE_EA_BILLING_ACCEPT_EMPTY_MONTHS"
    }  # fmt: skip


@pytest.mark.parametrize("plugin", PLUGINS["utilities"], ids=lambda plugin: plugin["name"])
@pytest.mark.parametrize("own", [False, True], ids=["by the variables of its configuration", "by its own variables"])
def test_a_utilitys_settings_reach_it_as_the_variables_that_it_reads(
    plugin: dict[str, Any], meltano_database: str, *, own: bool
) -> None:
    config, read = plugin["config"], {setting["name"]: setting["env"] for setting in plugin["settings"]}
    assert config.keys() == read.keys()
    named = read.values() if own else variables_in(config)
    variables = {variable: f"2026-0{number}" for number, variable in enumerate(sorted(named), 1)}
    asked = [argument for variable in read.values() for argument in ("--print-var", variable)]
    printed = invoke(meltano_database, variables, *asked, plugin["name"], "--help").splitlines()
    for name, value in config.items():
        assert f"{read[name]}={variables[read[name]] if own else filled_in(value, variables)}" in printed


def test_the_tap_takes_every_default_as_meltano_hands_it_on(meltano_database: str) -> None:
    """Numbers and booleans come as Meltano's kinds make them, and mean what they mean to the tap."""
    (extractor,) = PLUGINS["extractors"]
    properties = settings_schema()["properties"]
    defaults = {name: str(setting["default"]) for name, setting in properties.items() if "default" in setting}
    required = {"enrollment_number": "1", "start_date": "2026-08"}
    variables = {prefix(extractor) + name.upper(): text for name, text in {**defaults, **required}.items()}
    arrived = json.loads(invoke(meltano_database, variables, "--dump=config", extractor["name"]))
    batches = arrived.pop("batch_config")
    assert batches["encoding"] == {"format": "arrow"}
    assert Path(batches["storage"]["root"]).is_absolute()
    assert arrived.keys() == {*defaults, *required}
    assert AzureApiConfig.model_validate(arrived) == AzureApiConfig.model_validate(required)
