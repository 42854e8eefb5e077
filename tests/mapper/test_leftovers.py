"""What runs that are gone have left: removed at the next start, while nothing of a run that goes on is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mapper.runs import COMMAND, USAGE_SCHEMA, state_line, usage_line

from mapper_azure_billing_tracking.singer.leftovers import remove_dead_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper.runs import MapperRuns

ROOT = Path("/")
DAYS_AGO = 3 * 24 * 60 * 60


def age(path: Path, seconds: float = DAYS_AGO) -> Path:
    """Let a file or folder, made if it is missing, be last touched so long ago."""
    if not path.exists():
        path.touch()
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def folders(mapper: MapperRuns) -> set[Path]:
    return set((mapper.folder / "batches").glob("run-*"))


def write_a_file(process: subprocess.Popen[bytes]) -> None:
    """Let a mapper write a file; it goes on."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(USAGE_SCHEMA + usage_line(1) + state_line({}))
    process.stdin.flush()
    while b"STATE" not in process.stdout.readline():
        assert process.poll() is None


def test_a_killed_run_s_files_are_removed_at_the_next_start_and_a_living_run_s_never(mapper: MapperRuns) -> None:
    settings = mapper.folder / "killed.json"
    settings.write_text(json.dumps(mapper.settings(output="arrow")), encoding="utf-8")
    # What starts it, as Meltano would, is killed with it.
    command = ["/bin/sh", "-c", f"'{COMMAND}' --config '{settings}'; exit"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as shell:
        write_a_file(shell)
        os.killpg(shell.pid, signal.SIGKILL)
    (killed,) = folders(mapper)
    assert list(killed.glob("*.arrow"))
    with mapper.start(output="arrow") as living:
        write_a_file(living)
        assert not killed.exists(), "removed at the start of the next run"
        (lives,) = folders(mapper)
        files = set(age(lives).iterdir())
        assert mapper.finish([USAGE_SCHEMA, usage_line(1)], output="arrow").code == 0
        assert set(lives.iterdir()) == files
        living.communicate(timeout=60)


def ended_run(mapper: MapperRuns, owner: dict[str, object]) -> Path:
    """The folder of a mapper that has ended, with a file that nobody has read; its owner is as given, else as it was.

    What started it is this process.
    """
    assert mapper.finish([USAGE_SCHEMA, usage_line(1)], output="arrow").code == 0
    (folder,) = folders(mapper)
    path = folder / "owner.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | owner))
    return folder


def test_whose_process_number_is_used_again_is_gone(mapper: MapperRuns) -> None:
    another = {"pid": os.getpid(), "started": 1.0}
    folder = ended_run(mapper, {"mapper": another, "parent": another})
    remove_dead_runs(folder.parent)
    assert not folder.exists()


def test_files_stay_while_what_started_the_mapper_goes_on_up_to_a_day(mapper: MapperRuns) -> None:
    folder = ended_run(mapper, {})
    remove_dead_runs(folder.parent)
    assert folder.exists()
    remove_dead_runs(age(folder).parent)
    assert not folder.exists()


@pytest.mark.parametrize("owner", [{"host": "elsewhere"}, {"mapper": None}, {"parent": {"pid": "x"}}])
def test_what_cannot_be_told_stays_up_to_a_day(mapper: MapperRuns, owner: dict[str, object]) -> None:
    folder = ended_run(mapper, owner)
    remove_dead_runs(folder.parent)
    assert folder.exists()
    remove_dead_runs(age(folder).parent)
    assert not folder.exists()


def test_what_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "run-theirs"
    theirs.mkdir()
    (theirs / "stg_of_another.csv").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "stg_a.arrow").touch()
    link = tmp_path / "run-link"
    link.symlink_to(elsewhere)
    file = tmp_path / "stg_notes.txt"
    file.touch()
    for path in (theirs, elsewhere, file):
        age(path)
    remove_dead_runs(tmp_path)
    assert {theirs, elsewhere, link, file} == set(tmp_path.iterdir())
    assert (elsewhere / "stg_a.arrow").exists()


def test_old_loose_files_of_earlier_versions_are_removed_and_new_ones_stay(tmp_path: Path) -> None:
    for name in ("stg_azure_billing_detail-1.arrow", "dq_billing_issue-2.jsonl", "stg_azure_billing_detail-3.part"):
        age(tmp_path / name)
    new = tmp_path / "stg_azure_billing_detail-4.arrow"
    new.touch()
    remove_dead_runs(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


@contextmanager
def a_process(*arguments: str | Path, folder: Path | None = None) -> Iterator[None]:
    """A process that goes on in a folder, with these arguments."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


@pytest.mark.parametrize("system_folder", [".meltano", "system"])
def test_meltano_s_left_over_settings_are_removed_and_those_of_this_run_closed_to_others(
    mapper: MapperRuns, system_folder: str
) -> None:
    run = mapper.folder / system_folder / "run"
    names = ["tap/tap.dead", "tap/tap.of-another-run", "tap/tap.new", "mapper/mapper.mine", "mapper/other"]
    paths = {name: run / f"{name}.config.json" for name in names}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        path.chmod(0o644)
    not_meltano_s = age(run / "tap" / "notes.json")
    for name in ("tap/tap.dead", "tap/tap.of-another-run", "mapper/mapper.mine"):
        age(paths[name])
    environment = {"MELTANO_SYS_DIR_ROOT": str(mapper.folder / system_folder)}
    with a_process("--config", paths["tap/tap.of-another-run"]):
        with mapper.start(config=paths["mapper/mapper.mine"], environment=environment) as process:
            age(paths["mapper/mapper.mine"])
            process.communicate(USAGE_SCHEMA, timeout=60)
        assert process.returncode == 0
    assert {name for name, path in paths.items() if not path.exists()} == {"tap/tap.dead"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths.values() if path.exists()} == {"0o600"}
    assert not_meltano_s.exists()


@pytest.mark.parametrize("here", [True, False], ids=["of this project", "of another project"])
def test_a_settings_file_stays_that_a_meltano_of_this_project_may_need(mapper: MapperRuns, *, here: bool) -> None:
    run = mapper.folder / ".meltano" / "run" / "mapper"
    run.mkdir(parents=True)
    mine = run / "mapper.mine.config.json"
    with a_process("meltano", folder=mapper.folder if here else ROOT):
        # It wrote it after its own start, for a tap that it has not started yet, and what follows began later.
        waiting = age(run / "tap.waiting.config.json", 0)
        script = f"'{COMMAND}' --config '{mine}'; exit"
        mine.write_text(json.dumps(mapper.settings()), encoding="utf-8")
        time.sleep(1.1)  # what follows began later by any clock: a process's start is told to the second
        subprocess.run(["/bin/sh", "-c", script], input=USAGE_SCHEMA, capture_output=True, timeout=60, check=True)
    assert waiting.exists() == here


def test_settings_outside_of_meltano_s_run_folder_are_left_alone(mapper: MapperRuns) -> None:
    folder = mapper.folder / "run" / "mine"
    folder.mkdir(parents=True)
    other, mine = age(folder / "other.config.json"), folder / "mapper.config.json"
    with mapper.start(config=mine) as process:
        process.communicate(USAGE_SCHEMA, timeout=60)
    assert other.exists()
