"""Each plugin's install lines, run as they stand in its README, from a git repository that holds this working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from email.parser import HeaderParser
from pathlib import Path

import pytest
from pipeline.project import ROOT

PLUGINS = ("tap-azure-ea-billing", "mapper-azure-billing-tracking", "target-clickhouse-arrow")
GIT = shutil.which("git") or "git"
PACKAGES = (*PLUGINS, "azure-billing-warehouse")
PROJECT = """\
default_environment: test
project_id: install
send_anonymous_usage_stats: false
environments:
- name: test
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the packages and the Hub definitions, as a clone in the folder `azure-billing`."""
    clone = tmp_path_factory.mktemp("repository") / "azure-billing"
    listed = [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "docs/hub", *PACKAGES]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "all"]):
        subprocess.run([GIT, *command], cwd=clone, check=True)
    return clone


def lines(package: str, beginning: str) -> list[str]:
    """The lines of a README that begin so."""
    page = (ROOT / package / "README.md").read_text(encoding="utf-8")
    found = [line for line in page.splitlines() if line.startswith(beginning)]
    assert found
    return found


def run(line: str, folder: Path, repository: Path, **variables: str) -> None:
    """Run a line of a README in a shell."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables |= {"PATH": path, "AZURE_BILLING_REPOSITORY": repository.as_uri()}
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_pip_installs_the_package_with_its_licence_and_what_describes_it(
    package: str, repository: Path, tmp_path: Path
) -> None:
    for line in lines(package, "pip install "):
        run(f"{line} --no-deps", tmp_path, repository, PIP_TARGET=str(tmp_path / "site"))
    (described,) = (tmp_path / "site").glob(f"{package.replace('-', '_')}-*.dist-info")
    assert (described / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    metadata = HeaderParser().parsestr((described / "METADATA").read_text(encoding="utf-8"))
    for name in ("Author", "Project-URL", "Classifier", "Description-Content-Type", "License-Expression", "Keywords"):
        assert metadata[name], name
    assert (described / "entry_points.txt").exists()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_meltano_adds_the_plugin_from_its_definition(plugin: str, repository: Path) -> None:
    project = repository.parent / f"project-{plugin}"
    project.mkdir()
    (project / "meltano.yml").write_text(PROJECT)
    folder = ROOT / plugin
    lock = folder / "requirements.lock" if plugin.startswith("target-") else ROOT / "requirements.lock"
    for line in lines(plugin, "meltano add "):
        run(line, project, repository, UV_CONSTRAINT=str(lock), UV_COMPILE_BYTECODE="0")
    (program,) = project.glob(f".meltano/*/{plugin}/venv/bin/{plugin}")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert plugin.removesuffix("-arrow") in told
