"""A STATE never passes rows that were read before it: shown on processes that are killed at random points."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING

import pyarrow.ipc
import pytest
from mapper.runs import (
    DETAIL,
    ISSUE,
    MONTH_SCHEMA,
    USAGE_SCHEMA,
    Output,
    month_line,
    record_line,
    state_line,
    usage_line,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from mapper.runs import MapperRuns

ROWS = 20_000
REJECTED_EVERY = 9
KILLS = 6
KILLED_AFTER = {"records": (80_000, 800_000), "arrow": (20_000, 60_000)}
"""Bytes that came out: past the first STATE, long before the end."""


def long_input(choices: random.Random) -> bytes:
    """Rows, a tenth of them rejected, and after some of them a STATE that says how many there were."""
    lines = [USAGE_SCHEMA, MONTH_SCHEMA]
    for number in range(1, ROWS + 1):
        lines.append(usage_line(number, date=None if number % REJECTED_EVERY == 0 else "2026-10-05"))
        chance = choices.random()
        if chance < 0.02:
            lines.append(state_line({"rows": number}))
        elif chance < 0.03:
            lines.append(record_line("prices", {"a": "b"}))
        elif chance < 0.035:
            lines.append(month_line(number))
    return b"".join(lines)


def feed(process: subprocess.Popen[bytes], written: bytes, choices: random.Random) -> None:
    """Write the input bit by bit, cut anywhere, until the process is gone."""
    assert process.stdin is not None
    place = 0
    with contextlib.suppress(BrokenPipeError):
        while place < len(written):
            size = choices.choice((1, 100, 3_000, 20_000))
            process.stdin.write(written[place : place + size])
            process.stdin.flush()
            place += size
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def killed_output(mapper: MapperRuns, output: str, seed: int) -> Output:
    """What came out of a mapper that was killed when it had written some bytes."""
    choices = random.Random(seed)  # noqa: S311 - points to kill at, which must be the same each time
    written = long_input(choices)
    process = mapper.start(output=output, batch_size_rows=choices.choice((7, 40, 200)))
    assert process.stdout is not None
    assert process.stderr is not None
    feeder = threading.Thread(target=feed, args=(process, written, choices))
    feeder.start()
    try:
        out = process.stdout.read(choices.randrange(*KILLED_AFTER[output]))
        process.kill()
        out += process.stdout.read()
        process.wait()
    finally:
        process.kill()
        feeder.join()
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == -9, "the mapper ended before it was killed"
    return Output(out)


def rows_in(path: Path) -> list[int]:
    return list(pyarrow.ipc.open_file(path).read_all().column("row_number").to_pylist())


@pytest.mark.parametrize("seed", range(KILLS))
@pytest.mark.parametrize("output", ["records", "arrow"])
def test_all_rows_before_the_last_state_of_a_killed_mapper_are_out(mapper: MapperRuns, output: str, seed: int) -> None:
    out = killed_output(mapper, output, seed)
    states = [place for place, kind in enumerate(out.kinds) if kind == "STATE"]
    assert states, "killed before the first STATE, which shows nothing: begin to kill later"
    before = Output(b"".join(out.lines[: states[-1]]))
    expected = set(range(1, out.messages[states[-1]]["value"]["rows"] + 1))
    if output == "records":
        staged = [row["row_number"] for row in before.records(DETAIL)]
        rejected = [row["row_number"] for row in before.records(ISSUE)]
    else:
        staged = [number for path in before.files(DETAIL) for number in rows_in(path)]
        rejected = [number for path in before.files(ISSUE) for number in rows_in(path)]
    assert len(staged) == len(set(staged))
    assert set(staged) == {number for number in expected if number % REJECTED_EVERY}
    assert set(rejected) == {number for number in expected if number % REJECTED_EVERY == 0}


def test_a_state_is_passed_on_while_the_tap_is_silent(mapper: MapperRuns) -> None:
    """The target may store it at once; a STATE that waited for the next batch would repeat a month for nothing."""
    with mapper.start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(USAGE_SCHEMA + usage_line(1) + state_line({"rows": 1}))
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(6)]
        assert Output(b"".join(lines)).kinds[-1] == "STATE"
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_mapper_that_is_terminated_writes_no_state_that_it_has_not_read(mapper: MapperRuns) -> None:
    with mapper.start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(USAGE_SCHEMA + usage_line(1) + state_line({"rows": 1}) + usage_line(2))
        process.stdin.flush()
        out = b"".join(process.stdout.readline() for _ in range(6))
        process.terminate()
        out += process.stdout.read()
    assert [message["value"] for message in Output(out).messages if message["type"] == "STATE"] == [{"rows": 1}]
