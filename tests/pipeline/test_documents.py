"""What the documents and meltano.yml say of the plugins is what the plugins say of themselves."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from pipeline.project import PROGRAMS, ROOT

from sandbox.settings_tables import with_tables

PAGES = ["README.md", *sorted(f"{path.parent.name}/README.md" for path in ROOT.glob("[a-z]*/README.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_tables_are_those_of_about(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert with_tables(text) == text, "run script/settings-tables"


def test_meltano_knows_every_setting_of_the_tap() -> None:
    about = subprocess.run(
        [PROGRAMS / "tap-azure-ea-billing", "--about", "--format", "json"], capture_output=True, check=True
    )
    settings = json.loads(about.stdout)["settings"]["properties"]
    built_in = ("stream_map", "flattening_", "faker_")
    (extractor,) = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["extractors"]
    declared = {setting["name"]: setting for setting in extractor["settings"]}
    assert set(declared) == {name for name in settings if not name.startswith(built_in)}
    secrets = {name for name, setting in settings.items() if setting.get("secret")}
    assert secrets <= {name for name, setting in declared.items() if setting.get("sensitive")}
