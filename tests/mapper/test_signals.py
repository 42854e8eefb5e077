"""A mapper that is told to stop before the end of its input says so by its exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from mapper.runs import USAGE_SCHEMA, Output, state_line, usage_line

if TYPE_CHECKING:
    from mapper.runs import MapperRuns


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("output", ["records", "arrow"])
def test_a_signal_in_mid_input_is_no_success(mapper: MapperRuns, number: int, code: int, output: str) -> None:
    with mapper.start(output=output) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(USAGE_SCHEMA + usage_line(1) + state_line({"first": 1}) + usage_line(2))
        process.stdin.flush()
        written = b""
        while b"STATE" not in written:
            written += process.stdout.readline()
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert b"Stopped by SIG" in said
    assert (written + rest).endswith(b"\n"), "no line is cut"
    assert Output(rest).kinds == []
