"""The tables of settings in Markdown pages, made from the plugins' `--about`; run by script/settings-tables.

A table stands between `<!-- settings of PLUGIN -->` and `<!-- end of settings -->`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARKED = re.compile(r"(<!-- settings of (?P<plugin>[a-z-]+) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
_OF_THE_SDK = re.compile(r"stream_map|flattening_|faker_|batch_config")


def with_tables(page: str) -> str:
    """The page with its tables made anew.

    Args:
        page: Markdown text.
    """
    return _MARKED.sub(lambda match: f"{match[1]}\n{_table(match['plugin'])}\n\n{match[3]}", page)


def _table(plugin: str) -> str:
    about = subprocess.run(  # noqa: S603 - our own plugins, named in our own pages
        [Path(sys.executable).with_name(plugin), "--about", "--format", "json"], capture_output=True, check=True
    )
    lines = ["| Setting | Default | What it is |", "|---|---|---|"]
    for name, setting in _settings(json.loads(about.stdout)["settings"]["properties"]):
        secret = " Secret." if setting.get("secret") else ""
        default = setting.get("default", "")
        shown = "" if default in ("", {}) else f"`{json.dumps(default).strip(chr(34))}`"
        lines.append(f"| `{name}` | {shown} | {setting['description']}{secret} |")
    return "\n".join(lines)


def _settings(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, setting in properties.items():
        if _OF_THE_SDK.match(name):
            continue
        if "properties" in setting:
            yield from _settings(setting["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, setting


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
