"""What the documents and meltano.yml say of the plugins is what the plugins say of themselves."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # has no types of its own
import pytest
import yaml
from pipeline.project import ROOT

from azure_billing_warehouse.schema.focus import COLUMNS
from sandbox.demo import main as demo
from sandbox.documents import about, hub_file, made, own_settings

if TYPE_CHECKING:
    from pathlib import Path

TAP, MAPPER, LOADER = "tap-azure-ea-billing", "mapper-azure-billing-tracking", "target-clickhouse-arrow"


@pytest.mark.parametrize("path", sorted(made()), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_made_from_the_code_is_what_the_code_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == made()[path], "run script/docs"


def test_every_setting_and_every_column_of_focus_is_told() -> None:
    for plugin in (TAP, MAPPER):
        for place in (ROOT / plugin / "README.md", ROOT / "docs" / "settings.md"):
            lines = place.read_text(encoding="utf-8").splitlines()
            assert {line.split("`")[1] for line in lines if line.startswith("| `")} >= own_settings(plugin).keys()
    page = (ROOT / "docs" / "focus.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    told = {name.strip() for cell in cells for name in cell.split(",")}
    assert told >= COLUMNS.keys()


@pytest.mark.parametrize(
    ("plugin", "kind", "secret"),
    [
        (TAP, "extractors", {"api_key", "enrollments", "fernet_key", "client_secret", "access_token", "sas_token"}),
        (MAPPER, "mappers", {"clickhouse.password", "clickhouse.fernet_key"}),
        (LOADER, "loaders", {"password", "fernet_key", "sqlalchemy_url"}),
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


def test_meltano_installs_from_a_folder_whose_path_has_a_space() -> None:
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
    for plugin in itertools.chain.from_iterable(plugins.values()):
        arguments = shlex.split(plugin["pip_url"].replace("$MELTANO_PROJECT_ROOT", "/a folder"))
        assert set(arguments[::2]) == {"-c", "-e"}
        assert all((ROOT / path.removeprefix("/a folder/")).exists() for path in arguments[1::2])


def test_the_demo_names_its_options_before_anything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    shutil.copy(ROOT / "script" / "demo", tmp_path / "script")
    told = subprocess.run([tmp_path / "script" / "demo", "--help"], capture_output=True, text=True, check=True).stdout
    for parameter in demo.params:
        assert parameter.opts[0] in told
        if isinstance(parameter.default, str | int):
            assert f"Default: {parameter.default}\n" in told
    assert [path.name for path in tmp_path.iterdir()] == ["script"]


def test_without_python_311_set_up_says_how_to_get_it(tmp_path: Path) -> None:
    for file in ("script/setup", ".python-version", "requirements.lock", "meltano.yml", f"{LOADER}/pyproject.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    shutil.copy(ROOT / LOADER / "requirements.lock", tmp_path / LOADER)
    (tmp_path / "programs").mkdir()
    for program in ("dirname", "sha256sum", "cat", "uv"):
        if found := shutil.which(program):
            (tmp_path / "programs" / program).symlink_to(found)
    ended = subprocess.run(
        ["/bin/bash", tmp_path / "script" / "setup"],
        env={"PATH": str(tmp_path / "programs"), "UV_PYTHON_INSTALL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "`uv python install 3.11`" in ended.stderr.splitlines()[-1]
    assert not (tmp_path / ".venv").exists()


def test_every_link_to_a_file_leads_to_one() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/README.md"), *ROOT.glob("docs/*.md")]
    for page in pages:
        for link in re.findall(r"\]\((?!https?://)([^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert not link or (page.parent / link).exists(), f"{page}: {link}"
