"""What became of schedules: the losses, and a table of the faults that really struck."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.schedule import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.schedule import Schedule


@dataclass
class Outcome:
    """What became of one schedule.

    Attributes:
        schedule: the schedule.
        losses: a sentence for each thing that went wrong; none if all is well.
        drawn: kinds of the faults that were to strike, in the runs that took place.
        hits: kinds of those that struck.
        runs: runs that took place.
        restated: months that were served anew.
        cures: documented commands that the last run asked for.
        seconds: how long it took.
        notes: what a reader of a loss wants to see, such as the end of the run's output.
    """

    schedule: Schedule
    losses: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    runs: int = 0
    restated: int = 0
    cures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def report(self) -> str:
        """The losses of this schedule, and how to run it again."""
        lines = [f"LOSS in schedule {self.schedule}", *(f"  {loss}" for loss in self.losses)]
        lines += [f"  again: script/chaos --seed {self.schedule.seed} --only {self.schedule.number} --keep FOLDER"]
        return "\n".join([*lines, *(f"    {line}" for line in self.notes)])


def table(outcomes: Sequence[Outcome]) -> str:
    """The hits by kind, and what was found."""
    drawn = Counter(kind for outcome in outcomes for kind in outcome.drawn)
    hits = Counter(kind for outcome in outcomes for kind in outcome.hits)
    cures = Counter(cure for outcome in outcomes for cure in outcome.cures)
    width = max(map(len, KINDS))
    lines = [f"{'fault':{width}}  drawn   hits"]
    lines += [f"{kind:{width}}  {drawn[kind]:5}  {hits[kind]:5}" for kind in KINDS]
    lines += [f"{'restated month':{width}}  {'':5}  {sum(outcome.restated for outcome in outcomes):5}"]
    lines += [f"{f'cure: {cure}':{width}}  {'':5}  {count:5}" for cure, count in sorted(cures.items())]
    runs, seconds = sum(outcome.runs for outcome in outcomes), sum(outcome.seconds for outcome in outcomes)
    lost = sum(bool(outcome.losses) for outcome in outcomes)
    literal = sum(outcome.schedule.literal for outcome in outcomes)
    told = (
        f"{len(outcomes)} schedules ({literal} of the literal command), {runs} runs in {seconds:.0f} s of work; "
        f"{hits.total()} faults struck, of {drawn.total()} drawn; schedules with losses: {lost}."
    )
    return "\n".join([*lines, "", told])


def never_hit(outcomes: Sequence[Outcome]) -> list[str]:
    """The kinds that struck nowhere."""
    hits = {kind for outcome in outcomes for kind in outcome.hits}
    return [kind for kind in KINDS if kind not in hits]
