"""The folder of a run's BATCH files: who may read it, how much is under way in it, what a full disk leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from mapper.runs import USAGE_SCHEMA, Ended, Output, state_line, usage_line
from mapper.traps import PLAIN_FIELDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from mapper.runs import MapperRuns

ROWS = [USAGE_SCHEMA]
for first in range(1, 2_001, 100):  # what was read before a state is in a file before it: 20 of 100 rows
    ROWS += [*(usage_line(number, **PLAIN_FIELDS) for number in range(first, first + 100)), state_line({"to": first})]
SMALL: dict[str, Any] = {"output": "arrow", "batch_size_rows": 100}
MOST_MB = 0.05


def run_folder(mapper: MapperRuns) -> Path:
    (folder,) = (mapper.folder / "batches").glob("run-*")
    return folder


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def arrow_files(mapper: MapperRuns) -> list[Path]:
    return list((mapper.folder / "batches").glob("run-*/*.arrow"))


def test_what_is_written_is_for_this_user_only_whatever_the_umask_says(mapper: MapperRuns) -> None:
    cache = mapper.folder / "cache" / "patterns.json"
    patterns = mapper.settings()["patterns"] | {"cache_path": str(cache)}
    for output in ("arrow", "jsonl"):
        with mapper.start(umask=0, output=output, patterns=patterns) as process:
            process.communicate(USAGE_SCHEMA + usage_line(1), timeout=60)
        assert process.returncode == 0
    made = [mapper.folder / "batches", *(mapper.folder / "batches").rglob("*"), cache.parent, cache]
    assert {path.suffix for path in made} == {"", ".arrow", ".jsonl", ".json"}
    assert {(mode(path), path.is_dir()) for path in made} == {("0o700", True), ("0o600", False)}


def test_the_folder_says_whose_it_is(mapper: MapperRuns) -> None:
    with mapper.start(output="arrow") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(USAGE_SCHEMA + usage_line(1) + state_line({}))
        process.stdin.flush()
        while b"STATE" not in process.stdout.readline():
            pass
        owner = json.loads((run_folder(mapper) / "owner.json").read_text())
        assert owner["mapper"]["pid"] == process.pid
        assert owner["parent"]["pid"] == os.getpid()
        started = psutil.Process(process.pid).create_time() - psutil.boot_time()
        assert abs(owner["mapper"]["started"] - started) < 1
        process.communicate(timeout=60)


def delete_files(line: bytes) -> None:
    """Delete the files that a line names, as a target does that has loaded them."""
    message = json.loads(line)
    for address in message.get("manifest", ()):
        Path(address.removeprefix("file://")).unlink()


@contextmanager
def waiting(mapper: MapperRuns) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A mapper that waits for its target to delete files, and what it has said; nothing of its output is read yet."""
    source = mapper.folder / "lines.jsonl"
    source.write_bytes(b"".join(ROWS))
    settings: dict[str, Any] = {**SMALL, "batch_directory_mb": MOST_MB}
    with source.open("rb") as lines, mapper.start(stdin=lines, **settings) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line.decode())
            if b"waits for the target" in line:
                break
        else:
            pytest.fail("".join(said))
        yield process, said


def test_a_target_that_deletes_nothing_holds_the_mapper_until_it_does(mapper: MapperRuns) -> None:
    with waiting(mapper) as (process, said):
        sizes = [path.stat().st_size for path in arrow_files(mapper)]
        assert MOST_MB * 2**20 < sum(sizes) <= MOST_MB * 2**20 + max(sizes)
        assert process.stdout is not None
        assert process.stderr is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            delete_files(line)
        said.append(process.stderr.read().decode())
        assert process.wait(60) == 0, said
    written = Output(b"".join(lines))
    assert len(written.files("stg_azure_billing_detail")) == 20
    assert written.kinds[-1] == "STATE"
    assert arrow_files(mapper) == []


def test_a_target_that_goes_away_while_it_is_waited_for_ends_the_mapper_with_a_sentence(mapper: MapperRuns) -> None:
    with waiting(mapper) as (process, said):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said.append(process.stderr.read().decode())
        ended = Ended(process.wait(60), Output(b""), "".join(said))
    assert re.match(r"The target has gone before it loaded \d+ files? of \d+ MB: see its log", ended.sentence())


def test_a_signal_ends_a_mapper_that_waits_for_its_target(mapper: MapperRuns) -> None:
    with waiting(mapper) as (process, said):
        process.terminate()
        assert process.stderr is not None
        said.append(process.stderr.read().decode())
        assert process.wait(60) == 143
    assert "Traceback" not in "".join(said)


def test_output_into_a_file_is_never_waited_for(mapper: MapperRuns) -> None:
    settings: dict[str, Any] = {**SMALL, "batch_directory_mb": MOST_MB}
    with (mapper.folder / "out").open("wb") as out, mapper.start(stdout=out, **settings) as process:
        process.communicate(b"".join(ROWS), timeout=60)
    assert process.returncode == 0
    assert sum(path.stat().st_size for path in arrow_files(mapper)) > 2 * MOST_MB * 2**20


def test_a_full_disk_is_one_sentence_leaves_no_part_of_a_file_and_the_next_run_works(mapper: MapperRuns) -> None:
    for output in ("arrow", "jsonl"):
        with mapper.start(output=output) as process:
            # As a disk that has room for this much of a file: the system refuses what goes beyond.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
            written, said = process.communicate(b"".join(ROWS), timeout=60)
        ended = Ended(process.returncode, Output(written), said.decode())
        assert ended.sentence() == (
            f"A batch of 100 rows can't be written to {mapper.folder / 'batches'}: File too large."
        )
        assert "STATE" not in ended.output.kinds
        assert {path.name for path in run_folder(mapper).iterdir()} == {"owner.json"}
        again = mapper.finish(ROWS, output=output)
        assert again.code == 0, again.said
        assert again.output.kinds[-1] == "STATE"
        for folder in (mapper.folder / "batches").iterdir():
            shutil.rmtree(folder)
