"""The literal command and its programs while faults strike: a fixed list of schedules, in which every family strikes.

`script/chaos --seed 990 --only N` runs one of them again, `script/chaos --schedules 1000 --seed S` many others.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from chaos.campaign import run_schedules
from chaos.faults import can_shift_clock, clock_environment
from chaos.schedule import CARDS, CLOCKS, KINDS, Step, Strike, draw
from chaos.summary import Outcome, never_hit, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED = 990
"""Of those seeds in whose first four schedules every family is drawn where its process is sure to run."""
DECK = [draw(SEED, number) for number in range(math.ceil(len(KINDS) / CARDS))]
SCHEDULES = DECK[:4]
RESERVE = [draw(SEED, number) for number in range(4, 4 * len(DECK))]
"""Where a family of faults came too late, on a slow or a fast machine, the next schedule that has it is run too."""


def test_a_schedule_is_the_same_each_time_and_a_deck_has_every_kind() -> None:
    assert [draw(SEED, number) for number in range(len(DECK))] == DECK
    assert draw(SEED, 3) != draw(SEED + 1, 3)
    drawn = Counter(strike.kind for schedule in DECK for step in schedule.steps for strike in step.strikes)
    assert set(drawn) == set(KINDS)


def test_the_table_tells_hits_from_draws() -> None:
    outcome = Outcome(SCHEDULES[0], drawn=["tap KILL", "tap TERM"], hits=["tap KILL"], runs=2)
    lines = {line[:20].strip(): line.split()[-2:] for line in table([outcome]).splitlines()}
    assert (lines["tap KILL"], lines["tap TERM"]) == (["1", "1"], ["1", "0"])
    assert set(never_hit([outcome])) == set(KINDS) - {"tap KILL"}


@pytest.mark.skipif(not can_shift_clock(), reason="no C compiler")
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_wrong_clock_is_wrong_for_the_time_of_day_only(tmp_path: Path, clock: str) -> None:
    script = "import time; a = time.monotonic(); time.sleep(0.01); print(time.time(), time.monotonic() - a)"
    environment = clock_environment(Step((Strike(f"clock {clock}"),)), tmp_path)
    before = time.time()
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    after = time.time()
    now, slept = map(float, told.stdout.split())
    assert before <= now - CLOCKS[clock] <= after
    assert slept >= 0.01


@pytest.mark.timeout(1800)
def test_no_row_is_lost_whatever_strikes() -> None:
    outcomes = list(run_schedules(SCHEDULES, jobs=2))
    print(table(outcomes))  # noqa: T201 - pytest shows it where the test fails
    assert [outcome.report() for outcome in outcomes if outcome.losses] == []
    left = {kind.split(" ", maxsplit=1)[0] for kind in KINDS} - (set() if can_shift_clock() else {"clock"})
    left -= families(outcomes)
    for schedule in RESERVE:
        if left & {strike.family for step in schedule.steps for strike in step.strikes}:
            (outcome,) = run_schedules([schedule], jobs=1)
            assert not outcome.losses, outcome.report()
            left -= families([outcome])
    assert left == set()


def families(outcomes: Sequence[Outcome]) -> set[str]:
    """The families of the faults that struck."""
    return {hit.split(" ", maxsplit=1)[0] for outcome in outcomes for hit in outcome.hits}
