"""What scripts and demo make is for this user only, whatever the umask says; a port that is taken is told."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sandbox.cli import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "script").iterdir()))
def test_a_script_sets_its_umask_before_it_does_anything(script: str) -> None:
    lines = (ROOT / "script" / script).read_text(encoding="utf-8").splitlines()
    done = [line for line in lines if line and not line.startswith("#")]
    assert done[:2] == ["set -euo pipefail", "umask 077"]


def test_the_demo_s_folder_is_closed_to_others_also_where_it_was_there_before(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir(0o755)
    command = [sys.executable, "-m", "sandbox.demo", "--rows=10", f"--folder={folder}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, umask=0) as demo:
        assert demo.stdout is not None
        assert any("patterns import" in line for line in demo.stdout)  # the patterns' file is there, and both servers
        made = [folder, *folder.rglob("*")]
        modes = {oct(path.stat().st_mode & 0o077) for path in made if path.exists()}
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
    assert folder / "d_application_tag.csv" in made
    assert folder / "clickhouse" in made
    assert modes == {"0o0"}


@pytest.mark.parametrize("service", ["api", "clickhouse", "storage", "arm"])
def test_a_port_that_is_taken_is_one_sentence(service: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        folder = [] if service == "arm" else [f"--data={tmp_path}"]
        refused = CliRunner().invoke(main, [service, f"--port={port}", *folder])
    assert refused.exit_code == 2
    assert f"{port} can't be used (Address already in use): name another, or 0 for a free one." in refused.stderr
