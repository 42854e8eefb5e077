"""What keeps memory in bounds: frames that shrink and grow, results that are remembered and forgotten."""

from __future__ import annotations

import gc
import json
import logging
import random
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from mapper.runs import COMMAND, DETAIL, USAGE_SCHEMA, usage_line
from mapper.test_rules_differential import outcome

from azure_billing_warehouse.patterns.pattern import Pattern
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.memory import SMALLEST_BATCH, MemoryGuard
from mapper_azure_billing_tracking.rules.distinct import Remembered
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.transform import Transform

if TYPE_CHECKING:
    from mapper.runs import MapperRuns

MB = 2**20


class Memory:
    """A process whose memory the test sets."""

    def __init__(self, wanted: int = 20_000, threshold_mb: int = 400) -> None:
        self.resident = 0
        self.given_back = 0
        self.guard = MemoryGuard(wanted, threshold_mb, self._give_back, lambda: self.resident)

    def _give_back(self) -> None:
        self.given_back += 1

    def sizes(self, resident_mb: int, times: int = 1) -> list[int]:
        """The sizes of some frames, one after another, at this much memory."""
        self.resident = resident_mb * MB
        return [self.guard.batch_size_rows() for _ in range(times)]


def test_up_to_the_threshold_frames_are_as_wanted() -> None:
    memory = Memory()
    assert memory.sizes(0) + memory.sizes(200) + memory.sizes(400) == [20_000] * 3
    assert memory.given_back == 0


def test_above_the_threshold_frames_halve_down_to_the_smallest_and_memory_is_given_back_each_time() -> None:
    memory = Memory()
    assert memory.sizes(401, 8) == [10_000, 5_000, 2_500, 1_250, 625, SMALLEST_BATCH, SMALLEST_BATCH, SMALLEST_BATCH]
    assert memory.given_back == 8


def test_each_smaller_size_is_a_warning_with_figures_and_no_size_is_one_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Memory().sizes(450, 10)
    warnings = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert len(warnings) == 6
    for part in ("450 MB", "400 MB", "20000", "10000"):
        assert part in warnings[0]


def test_frames_grow_again_only_below_half_of_the_threshold_and_never_beyond_what_is_wanted() -> None:
    memory = Memory(5_000)
    memory.sizes(500, 3)
    assert memory.sizes(300, 3) == memory.sizes(200, 1) * 3 == [625] * 3
    assert memory.sizes(199, 5) == [1_250, 2_500, 5_000, 5_000, 5_000]


def test_a_wanted_size_below_the_smallest_is_kept() -> None:
    assert Memory(7).sizes(500, 3) == [7, 7, 7]


def test_a_run_that_is_always_above_the_threshold_loses_no_row(mapper: MapperRuns) -> None:
    lines = [usage_line(number) for number in range(1, 2_001)]
    written = mapper.run([USAGE_SCHEMA, *lines], memory_threshold_mb=1, batch_size_rows=1000)
    assert [row["row_number"] for row in written.records(DETAIL)] == list(range(1, 2_001))


class Lengths:
    """A function that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.calls = 0

    def __call__(self, values: pl.DataFrame) -> pl.DataFrame:
        """From `value` to `value, length`, in another order."""
        self.calls += values.height > 0
        self.asked.update(values["value"])
        return values.with_columns(pl.col("value").str.len_chars().alias("length")).reverse()


def lengths(found: pl.DataFrame) -> dict[str, int]:
    return dict(found.select("value", "length").rows())


def test_a_text_that_was_seen_is_never_computed_again() -> None:
    computed = Lengths()
    remembered = Remembered(computed)
    for start in range(0, 100, 10):
        texts = [f"{'x' * number}" for number in range(start, start + 30)]
        found = remembered.look_up(pl.Series([*texts, *texts]), pl.Series([None, texts[0]], dtype=pl.String))
        assert lengths(found) == {text: len(text) for text in texts}
    assert set(computed.asked.values()) == {1}
    remembered.look_up(pl.Series(["x", "xx"]))
    assert computed.calls == 10


def test_nulls_and_empty_columns_are_passed_over() -> None:
    computed = Lengths()
    remembered = Remembered(computed)
    empty = pl.Series([], dtype=pl.String)
    assert remembered.look_up(pl.Series([None], dtype=pl.String), empty).height == 0
    assert lengths(remembered.look_up(pl.Series(["", None, " "]))) == {"": 0, " ": 1}


def test_what_is_remembered_is_bounded_by_its_capacity_and_one_frame() -> None:
    computed, capacity = Lengths(), 50_000
    remembered = Remembered(computed, capacity)
    sizes = []
    for frame in range(60):
        texts = [f"{frame:04}-{number:04}-{'x' * 30}" for number in range(100)]
        assert len(lengths(remembered.look_up(pl.Series(texts)))) == 100
        sizes.append(
            sum(entry.estimated_size() for entry in vars(remembered).values() if isinstance(entry, pl.DataFrame))
        )
    assert max(sizes) < capacity + 3 * 100 * 60
    assert set(computed.asked.values()) == {1}


def test_what_is_remembered_never_exceeds_its_capacity_however_long_the_texts_are() -> None:
    capacity = 50_000
    remembered = Remembered(Lengths(), capacity)
    for size in (10, 20_000, 60_000, 10, 30_000):
        for frame in range(5):
            texts = [f"{frame}-{number}-{'x' * size}" for number in range(3)]
            assert len(lengths(remembered.look_up(pl.Series(texts)))) == 3
            (held,) = (entry.estimated_size() for entry in vars(remembered).values() if isinstance(entry, pl.DataFrame))
            assert held <= capacity


def test_a_frame_larger_than_the_capacity_is_still_looked_up_whole() -> None:
    remembered = Remembered(Lengths(), 10)
    texts = [str(number) * 5 for number in range(1000)]
    for _ in range(3):
        assert lengths(remembered.look_up(pl.Series(texts))) == {text: len(text) for text in texts}


def test_what_was_forgotten_is_computed_anew() -> None:
    computed = Lengths()
    remembered = Remembered(computed)
    for _ in range(2):
        assert lengths(remembered.look_up(pl.Series(["a", "bb"]))) == {"a": 1, "bb": 2}
        remembered.forget()
    assert computed.asked == {"a": 2, "bb": 2}


def test_forgetting_between_frames_changes_no_result() -> None:
    lines = [
        usage_line(number, tags=f'{{"app":"a{number % 7}"}}', instance_id=f"x/web-{number % 5}")
        for number in range(1, 60)
    ]
    transform = Transform(ProcessingConfig())
    transform.track_with(ResourceTrackingEngine([Pattern(1, "web-1"), Pattern(2, "web")]))
    first = outcome(transform, lines, ProcessingConfig()).staged
    transform.forget()
    gc.collect()
    assert outcome(transform, lines, ProcessingConfig()).staged.equals(first)


def test_other_patterns_are_used_from_the_next_frame_on() -> None:
    transform = Transform(ProcessingConfig())
    tracked = []
    for patterns in ([], [Pattern(1, "web")], [Pattern(1, "b-1")]):
        transform.track_with(ResourceTrackingEngine(patterns))
        tracked += outcome(transform, [usage_line(1)], ProcessingConfig()).staged["resource_tracking"].to_list()
    assert tracked == ["WEB-1", "WEB", "B-1"]


def peak_megabytes(mapper: MapperRuns, rows: int, row_bytes: int, **settings: Any) -> float:
    """The most resident memory of a mapper's process that reads rows, each with tags of its own of that size."""
    draw = random.Random(rows)  # noqa: S311 - no secret
    source = mapper.folder / "lines.jsonl"
    with source.open("wb") as file:
        file.write(USAGE_SCHEMA)
        for number in range(1, rows + 1):
            values = {f"k{key}": f"{draw.getrandbits(400):x}" for key in range(row_bytes // 110)}
            file.write(usage_line(number, tags=json.dumps(values)))
    config = mapper.folder / "settings.json"
    config.write_text(json.dumps(mapper.settings(**settings)), encoding="utf-8")
    measured = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    with source.open("rb") as lines:
        ended = subprocess.run(
            [sys.executable, "-c", measured, COMMAND, "--config", config],
            stdin=lines, stdout=subprocess.PIPE, timeout=300, check=True,
        )  # fmt: skip
    return float(ended.stdout)


@pytest.mark.parametrize(("rows", "row_bytes", "output"), [(8_000, 38_000, "arrow"), (300, 1_000_000, "records")])
def test_long_rows_take_bounded_memory(mapper: MapperRuns, rows: int, row_bytes: int, output: str) -> None:
    """About 300 MB of lines; groups by rows alone took 2 GB and more."""
    assert peak_megabytes(mapper, rows, row_bytes, output=output) < 800
