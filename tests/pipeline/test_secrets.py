"""Where key and password lie while the literal command runs, after it was killed, and once another run has ended."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from pipeline.project import ENROLLMENT, ROOT

from azure_billing_warehouse.passwords import encrypt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.project import Project

PASSWORD = "correct horse"  # noqa: S105 - of the tests' ClickHouse
KEY = "TAP_AZURE_EA_BILLING_API_KEY"


def settings_files() -> dict[Path, str]:
    """The settings files that are in Meltano's run folder now, and what is in them."""
    found = {}
    for path in (ROOT / ".meltano" / "run").glob("*/*.config.json"):
        found[path] = path.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("from_file", [False, True], ids=["in variables", "in files"])
def test_settings_files_are_for_this_user_only_have_no_secret_of_a_file_and_go_with_the_next_run(
    new_project: Callable[..., Project], *, from_file: bool
) -> None:
    project = new_project(rows=300, page_size=100)
    key = project.settings[KEY] = project.api.key(ENROLLMENT)  # another one each time that it is asked for
    if from_file:
        path = project.folder / "key"
        path.write_text(key, encoding="utf-8")
        path.chmod(0o600)
        project.settings |= {KEY: "", f"{KEY}_FILE": str(path), "CLICKHOUSE_PASSWORD": ""}
        fernet_key = Fernet.generate_key().decode()
        for name, text in (("FERNET_KEY", fernet_key), ("PASSWORD", encrypt(PASSWORD, {"fernet_key": fernet_key}))):
            path = project.folder / name
            path.write_text(f"{text}\n", encoding="utf-8")
            project.settings[f"CLICKHOUSE_{name}_FILE"] = str(path)
    before = settings_files().keys()
    process = project.start_and_hold()
    try:
        running = {path: text for path, text in settings_files().items() if path not in before}
        assert {path.name.split(".")[0] for path in running} == {"tap", "mapper", "target"}
        assert {oct(path.stat().st_mode & 0o777) for path in running} == {"0o600"}
        assert any(key in text for text in running.values()) == (not from_file)
        with_password = {path.name.split(".")[0] for path, text in running.items() if PASSWORD in text}
        assert with_password == (set() if from_file else {"mapper", "target"})
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert running.keys() <= settings_files().keys(), "Meltano leaves them when it is killed"
    project.api.set_faults([])
    ended = project.pipeline_after_a_kill()
    assert ended.returncode == 0, ended.stdout
    assert not running.keys() & settings_files().keys()
