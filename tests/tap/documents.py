"""Writes what is made from `--about`: the settings in the tap's README.md, and the Meltano Hub definition.

Run it after a setting changed: `.venv/bin/python tests/tap/documents.py`. A test holds both against the tap.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
README = ROOT / "tap-azure-ea-billing" / "README.md"
HUB = ROOT / "docs" / "hub" / "tap-azure-ea-billing.yml"
BEGIN, END = "<!-- settings: made from --about -->\n", "<!-- end of settings -->\n"

# Meltano can't write a setting of its kind `decimal` into a tap's configuration if it comes from the environment.
_KINDS = {"string": "string", "integer": "integer", "number": "string", "array": "array", "object": "object"}
_SDK_SETTINGS = "stream_map", "flattening_", "faker_"
_HUB_COMMENT = (
    "# Made from `tap-azure-ea-billing --about`. Repository and variant are added when it is submitted to the hub.\n"
)


def about() -> dict[str, Any]:
    """Return what the tap says of itself."""
    program = Path(sys.executable).with_name("tap-azure-ea-billing")
    done = subprocess.run([program, "--about", "--format=json"], capture_output=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def own_settings(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings that are the tap's own, not those that every tap made with singer-sdk has."""
    settings = said["settings"]["properties"]
    return {name: setting for name, setting in settings.items() if not name.startswith(_SDK_SETTINGS)}


def settings_table(said: dict[str, Any]) -> str:
    """Return the settings as a Markdown table."""
    required = said["settings"]["required"]
    lines = ["| Setting | Default | What it is |", "|---|---|---|"]
    for name, setting in own_settings(said).items():
        default = f"`{setting['default']}`" if "default" in setting else "required" if name in required else ""
        lines.append(f"| `{name}` | {default} | {setting['description']} |")
    return "\n".join(lines) + "\n"


def readme(said: dict[str, Any], text: str) -> str:
    """Return the README with its table of settings."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{settings_table(said)}\n{END}{after}"


def hub_definition(said: dict[str, Any]) -> str:
    """Return the Meltano Hub definition as YAML."""
    settings = []
    for name, setting in said["settings"]["properties"].items():
        kind = setting["type"] if isinstance(setting["type"], str) else setting["type"][0]
        entry = {
            "name": name,
            "label": setting.get("title", name.replace("_", " ").capitalize()),
            "description": setting.get("description", ""),
            "kind": _KINDS.get(kind, kind),
        }
        if "default" in setting:
            entry["value"] = setting["default"]
        if setting.get("secret"):
            entry["sensitive"] = True
        settings.append(entry)
    definition = {
        "name": said["name"],
        "namespace": said["name"].replace("-", "_"),
        "label": "Azure EA billing",
        "description": said["description"],
        "pip_url": said["name"],
        "executable": said["name"],
        "capabilities": sorted(said["capabilities"]),
        "supported_python_versions": said["supported_python_versions"],
        "keywords": ["meltano_sdk"],
        "settings": settings,
        "settings_group_validation": [
            ["start_date", "enrollment_number", "api_key"],
            ["start_date", "enrollment_number", "api_key_file"],
            ["start_date", "enrollments"],
        ],
    }
    return _HUB_COMMENT + yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    """Write both."""
    said = about()
    README.write_text(readme(said, README.read_text(encoding="utf-8")), encoding="utf-8")
    HUB.write_text(hub_definition(said), encoding="utf-8")


if __name__ == "__main__":
    main()
