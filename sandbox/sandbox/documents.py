"""The parts of the documents that are generated from the code: settings tables, Meltano Hub files, FOCUS columns.

A part is between `<!-- NAME -->` and `<!-- end of NAME -->`, where NAME is `settings of PLUGIN`, `focus columns` or
`focus gaps`. Hub files are generated whole. `script/docs` writes all of them, and a test compares them with the code.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from azure_billing_warehouse.schema.focus import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
_MARKED = re.compile(
    r"(?P<begin><!-- (?P<name>settings of [a-z-]+|focus \w+) -->\n).*?(?P<end><!-- end of (?P=name) -->)", re.DOTALL
)
_OF_THE_SDK = re.compile(r"stream_map|flattening_|faker_")
_PLUGINS: dict[str, dict[str, Any]] = {
    "tap-azure-ea-billing": {
        "label": "Azure billing",
        "settings_group_validation": [
            ["start_date", "enrollment_number", "api_key"],
            ["start_date", "enrollment_number", "api_key_file"],
            ["start_date", "enrollments"],
            ["start_date", "enrollment_number", "source", "exports_url"],
            ["start_date", "enrollment_number", "source", "auth"],
        ],
    },
    "mapper-azure-billing-tracking": {
        "label": "Azure billing tracking",
        "packages": ["azure-billing-warehouse", "mapper-azure-billing-tracking"],
        "settings_group_validation": [],
    },
    "target-clickhouse-arrow": {
        "label": "ClickHouse, with Arrow files",
        "secrets": {"password"},
        "settings_group_validation": [],
    },
}
"""What a Hub file says beyond `--about`: `packages` are the folders to install, if not only the plugin's own; `secrets`
are settings that target-clickhouse doesn't mark as secret."""
_LOADER_PROGRAMS = ROOT / ".meltano" / "loaders" / "target-clickhouse" / "venv" / "bin"
# Meltano can't write a setting of kind `decimal` to a plugin's configuration if it comes from the environment.
_KINDS = {"number": "string"}
_UNKNOWN_TO_MELTANO = {"target-schema", "validate-records"}
"""Capabilities of target-clickhouse that Meltano's schema of a project refuses."""


def main() -> None:
    """Rewrite every part."""
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")


def made() -> dict[Path, str]:
    """Return each document that has parts of this kind, with its text as it should be."""
    pages = [ROOT / "README.md", *sorted(ROOT.glob("[a-z]*/README.md")), *sorted(ROOT.glob("docs/*.md"))]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    documents = {page: _MARKED.sub(_part, text) for page, text in texts.items() if _MARKED.search(text)}
    return documents | {hub_file(plugin): _hub_definition(plugin) for plugin in _PLUGINS}


def hub_file(plugin: str) -> Path:
    """Return where a plugin's definition for Meltano Hub is."""
    return ROOT / "docs" / "hub" / f"{plugin}.yml"


@cache
def about(plugin: str) -> dict[str, Any]:
    """Return what a plugin says about itself."""
    programs = _LOADER_PROGRAMS if plugin.startswith("target-") else Path(sys.executable).parent
    command: list[str | Path] = [programs / plugin, "--about", "--format", "json"]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own plugins, named in our own pages
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def own_settings(plugin: str) -> dict[str, Mapping[str, Any]]:
    """Return a plugin's settings by name, those in a group as `group.name`, without those that every SDK plugin has."""
    return dict(_flat(about(plugin)["settings"]["properties"]))


def _part(found: re.Match[str]) -> str:
    name = found["name"]
    if name == "focus columns":
        lines = _focus_table("From", is_known=True)
    elif name == "focus gaps":
        lines = _focus_table("Why", is_known=False)
    else:
        lines = _settings_table(name.removeprefix("settings of "))
    return "\n".join([found["begin"], *lines, "", found["end"]])


def _settings_table(plugin: str) -> Iterator[str]:
    required = about(plugin)["settings"].get("required", [])
    yield from ("| Setting | Default | What it is |", "|---|---|---|")
    for name, setting in own_settings(plugin).items():
        default = setting.get("default", "")
        shown = "" if default in ("", {}) else f"`{json.dumps(default).strip(chr(34))}`"
        secret = " Secret." if setting.get("secret") else ""
        yield f"| `{name}` | {'required' if name in required else shown} | {setting['description']}{secret} |"


def _focus_table(heading: str, *, is_known: bool) -> Iterator[str]:
    """Yield the rows of a table of columns: consecutive ones with the same source are one row."""
    sources: dict[str, list[str]] = {}
    for name, column in COLUMNS.items():
        if column.is_known == is_known:
            sources.setdefault(column.source, []).append(name)
    yield from (f"| FOCUS | {heading} |", "|---|---|")
    for source, names in sources.items():
        yield f"| {', '.join(names)} | {source} |"


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, setting in properties.items():
        if _OF_THE_SDK.match(name):
            continue
        if "properties" in setting:
            yield from _flat(setting["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, setting


def _hub_definition(plugin: str) -> str:
    said = about(plugin)
    definition = {
        "name": plugin,
        "namespace": plugin.replace("-", "_"),
        "label": _PLUGINS[plugin]["label"],
        "description": said["description"],
        "pip_url": " ".join(
            f"git+$AZURE_BILLING_REPOSITORY#subdirectory={folder}"
            for folder in _PLUGINS[plugin].get("packages", [plugin])
        ),
        "executable": plugin,
        "capabilities": sorted({*said["capabilities"]} - _UNKNOWN_TO_MELTANO),
        "supported_python_versions": said["supported_python_versions"],
        "keywords": ["meltano_sdk"],
        "settings": list(_hub_settings(plugin, _hub_properties(said["settings"]["properties"]))),
        "settings_group_validation": _PLUGINS[plugin]["settings_group_validation"],
    }
    comment = (
        f"# Made from `{plugin} --about`, for `meltano add --from-ref`. AZURE_BILLING_REPOSITORY is the address of\n"
        "# this repository, in the environment or in the project's .env. In Meltano Hub repo and variant are added.\n"
    )
    return comment + yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=120)


def _hub_properties(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every setting, the SDK's included; groups are split into their parts unless they are the SDK's."""
    for name, setting in properties.items():
        if "properties" in setting and not _OF_THE_SDK.match(name):
            yield from _hub_properties(setting["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, setting


def _hub_settings(plugin: str, properties: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for name, setting in properties:
        kind = setting["type"] if isinstance(setting["type"], str) else setting["type"][0]
        entry: dict[str, Any] = {
            "name": name,
            "label": setting.get("title", name.replace("_", " ").capitalize()),
            "description": setting.get("description", ""),
            "kind": _KINDS.get(kind, kind),
        }
        if "default" in setting:
            entry["value"] = setting["default"]
        if setting.get("secret") or name in _PLUGINS[plugin].get("secrets", ()):
            entry["sensitive"] = True
        yield entry


if __name__ == "__main__":
    main()
