"""Runs schedules and judges every run of them; as a program, many schedules side by side."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import re
import shutil
import signal
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from chaos.faults import can_shift_clock
from chaos.run import PASSWORD, Site, World, keep
from chaos.schedule import Schedule, Step, draw
from chaos.summary import Outcome, table
from chaos.verify import History, check_losses, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.run import Ended

_CURE = re.compile(r"azure-billing-warehouse (prune --(?:future|broken-off))")
_ALREADY_RUNNING = "already running"
_LAST_TRIES = 3
_LINES_SHOWN = 12
_CHECKED = ": check: "
_HEARTBEAT_KINDS = ("meltano ", "all ", "clock ", "disk meltano")


def run_schedule(world: World, schedule: Schedule, kept: Path | None = None) -> Outcome:
    """Run a schedule to its end, or to its first loss of rows.

    Args:
        world: the servers of this process.
        schedule: the schedule.
        kept: folder into which the files of a schedule with losses are copied.
    """
    outcome = Outcome(schedule)
    started = time.monotonic()
    name = f"chaos_{schedule.seed}_{schedule.number}"
    with closing(Site(world, name, literal=schedule.literal)) as site:
        for losses, ended in _judged_runs(site, schedule, outcome):
            outcome.losses += losses
            if losses:
                lines = ended.output.splitlines()
                outcome.notes += [f"exit codes {ended.codes}", *(line[:300] for line in lines[-_LINES_SHOWN:])]
            (site.folder / f"run-{outcome.runs}.log").write_text(ended.output)
            if any(_CHECKED not in loss for loss in losses):
                break  # what comes after lost rows is lost too; `check` alone does not change anything
        if outcome.losses and kept is not None:
            keep(site, kept / name)
        folder = site.folder
    shutil.rmtree(folder)
    outcome.seconds = time.monotonic() - started
    return outcome


def _judged_runs(site: Site, schedule: Schedule, outcome: Outcome) -> Iterator[tuple[list[str], Ended]]:
    history = History()
    force = False
    for step in schedule.steps:
        for month in step.restated:
            site.restate(month)
        outcome.restated += len(step.restated)
        ended = site.run(step, force=force)
        outcome.runs += 1
        outcome.drawn += [strike.kind for strike in step.strikes]
        outcome.hits += ended.hits
        # Meltano holds a run that it saw no end of for running for five minutes, whatever ran in between.
        force = force or any(kind.startswith(_HEARTBEAT_KINDS) for kind in ended.hits)
        losses = [f"{step}: {loss}" for loss in _losses(site, history, ended)]
        if not step.strikes and set(ended.codes) != {0}:
            losses.append("a clean run failed")
        yield losses, ended
    yield from _brought_up_to_date(site, history, outcome, force=force)


def _losses(site: Site, history: History, ended: Ended) -> Iterator[str]:
    if ended.hung:
        yield "the run did not end by itself"
    yield from history.losses(site, ended)
    yield from check_losses(site)
    yield from secrets_in(ended.output, site.key, PASSWORD)


def _brought_up_to_date(
    site: Site, history: History, outcome: Outcome, *, force: bool
) -> Iterator[tuple[list[str], Ended]]:
    """One clean run, again only after a cure that the program named; then all is published, and `check` is green."""
    for _ in range(_LAST_TRIES):
        ended = site.run(Step(), force=force)
        outcome.runs += 1
        code, said = site.warehouse("check")
        cure = next(iter(_cures(site, ended.output if ended.codes != [0] else said if code else "")), None)
        if cure is None:
            break
        outcome.cures.append(cure)
        force = force or cure == "--force"
    losses = [f"the last run: {loss}" for loss in _losses(site, history, ended)]
    if ended.codes != [0]:
        losses.append("the last run: nothing was wrong any more, and it failed")
    elif code != 0:
        losses.append(f"the last run: check is not green: {[line for line in said.splitlines() if 'fails' in line]}")
    yield losses, ended


def _cures(site: Site, said: str) -> Iterator[str]:
    """Do what a sentence of the program asks for, and tell what it was."""
    if _ALREADY_RUNNING in said:
        yield "--force"
    if found := _CURE.search(said):
        code, output = site.warehouse(*found[1].split())
        assert code == 0, output
        yield found[1]


class _Workers:
    """What each process of a campaign has."""

    world: World
    kept: Path | None = None

    @classmethod
    def begin(cls, folder: Path, kept: Path | None) -> None:
        """Start the servers of this process, which end with it however it ends."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        cls.world = World(Path(tempfile.mkdtemp(dir=folder)))
        cls.kept = kept
        multiprocessing.util.Finalize(cls, cls.world.close, exitpriority=10)

    @classmethod
    def work(cls, schedule: Schedule) -> Outcome:
        """Run a schedule."""
        return run_schedule(cls.world, schedule, cls.kept)


def run_schedules(
    schedules: list[Schedule], *, jobs: int, minutes: float = 0, kept: Path | None = None
) -> Iterator[Outcome]:
    """Run schedules side by side, and yield what became of each when it is done.

    Args:
        schedules: the schedules.
        jobs: processes.
        minutes: after which no other schedule begins; 0 for no end.
        kept: folder for the files of schedules with losses.
    """
    deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        context.Pool(jobs, _Workers.begin, (Path(folder), kept)) as pool,
    ):
        yield from pool.imap_unordered(_Workers.work, _until(schedules, deadline))
        pool.close()
        pool.join()


def _until(schedules: list[Schedule], deadline: float) -> Iterator[Schedule]:
    for schedule in schedules:
        if time.monotonic() < deadline:
            yield schedule


@click.command()
@click.option("--schedules", default=50, show_default=True, help="How many schedules.")
@click.option("--first", default=0, show_default=True, help="Number of the first one.")
@click.option("--seed", default=1, show_default=True, help="Another seed gives other schedules.")
@click.option("--only", type=int, help="Run the schedule with this number alone.")
@click.option("--minutes", default=0.0, help="Begin no schedule after so many minutes.")
@click.option("--jobs", default=2, show_default=True, help="Schedules side by side.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the files of schedules with losses.")
@click.option("--show", is_flag=True, help="Print the schedules and run none.")
def main(
    *, schedules: int, first: int, seed: int, only: int | None, minutes: float, jobs: int, keep: Path | None, show: bool
) -> None:
    """Break the pipeline at every point, and see that no row is lost; exit code 1 if one is."""
    numbers = range(first, first + schedules) if only is None else [only]
    drawn = [draw(seed, number) for number in numbers]
    if show:
        click.echo("\n".join(map(str, drawn)))
        return
    if not can_shift_clock():
        click.echo("There is no C compiler: no clock is shifted.")
    outcomes = []
    for outcome in run_schedules(drawn, jobs=min(jobs, len(drawn)), minutes=minutes, kept=keep):
        outcomes.append(outcome)
        click.echo(outcome.report() if outcome.losses else f"ok   {outcome.seconds:4.0f} s  {outcome.schedule}")
    click.echo(f"\n{table(outcomes)}")
    raise SystemExit(any(outcome.losses for outcome in outcomes))


if __name__ == "__main__":
    main()
