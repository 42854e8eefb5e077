"""Draws schedules: which faults strike at which points of which runs; the same seed and number give the same schedule.

Kinds of faults are dealt like cards: every deck has each of them once, so that a few dozen schedules meet them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from chaos.bill import MONTHS

ROLES = ("tap", "mapper", "loader", "meltano")
SIGNALS = ("KILL", "TERM", "STOP")
"""STOP is followed by KILL."""
CLOCKS = {
    "ahead a minute": 60,
    "ahead an hour": 3_600,
    "ahead a year": 400 * 86_400,
    "back a minute": -60,
    "back an hour": -3_600,
    "back a year": -400 * 86_400,
}
"""Seconds by which the pipeline's clock is wrong."""

_CLICKHOUSE = (
    *("refuse=1", "refuse=30", "error=503", "late=500", "lost", "cut", "delay=0.5", "repeat"),
    *("die=before", "die=during", "die=after"),
)
_API_PASSING = ("503", "429=0", "reset", "truncated", "malformed", "html", "nocontent", "empty")
_HARMLESS = (
    "clickhouse refuse=1",
    "clickhouse delay=0.5",
    "clickhouse repeat",
    "two runs",
    "clock ahead a minute",
    "clock back a minute",
)
_API_STOPPING = (
    *("401", "404", "csvrows", "nextlink=repeat", "nextlink=port", "nextlink=path", "nextlink=month"),
    *("linkname=upper", "linkname=lower", "linkname=odata"),
)
_EMPTY = ("404", "csv", "nothing", "throttled")

KINDS = (
    *(f"{role} {signal}" for role in ROLES for signal in SIGNALS),
    "all KILL",
    *(f"clickhouse {kind}" for kind in _CLICKHOUSE),
    *(f"api {kind}" for kind in (*_API_PASSING, "timeout=6", *_API_STOPPING)),
    *(f"month {kind}" for kind in _EMPTY),
    *(f"clock {kind}" for kind in CLOCKS),
    "two runs",
    *("disk mapper", "disk meltano"),
)
"""Every kind of fault: its family and what it is."""

CARDS = 7
"""Faults of a schedule."""
_PAGES, _INSERTS, _FILES, _QUERIES = 24, 15, 15, 50
"""What a clean run of the small bill has of each: a fault that waits for more never strikes."""
_POINTS = {"api": _PAGES, "insert": _INSERTS, "file": _FILES, "clickhouse": _QUERIES}
_POINTS_OF = {
    "tap": ("api",),
    "mapper": ("api", "file", "file", "clickhouse"),
    "loader": ("insert", "insert", "clickhouse", "api"),
    "meltano": ("api", "insert", "clickhouse", "file"),
    "all": ("api", "insert", "clickhouse", "file"),
}
"""Where a process is likely to be alive."""


@dataclass(frozen=True)
class Strike:
    """One fault of a run.

    Attributes:
        kind: one of `KINDS`.
        source: what is counted until it strikes: api, clickhouse, insert or file; '' if the kind says all.
        number: the count at which it strikes, or later as soon as there is a process to strike.
        spec: a specification for the simulated API or the proxy, else ''.
    """

    kind: str
    source: str = ""
    number: int = 0
    spec: str = ""

    @property
    def family(self) -> str:
        """The first word of the kind."""
        return self.kind.split(" ", maxsplit=1)[0]

    @property
    def what(self) -> str:
        """The kind without its family."""
        return self.kind.split(" ", maxsplit=1)[1]

    def __str__(self) -> str:
        """What strikes where."""
        where = f" at {self.source} {self.number}" if self.source else ""
        return f"{self.kind}{where}{f' ({self.spec})' if self.spec else ''}"


@dataclass(frozen=True)
class Step:
    """One run of the pipeline.

    Attributes:
        strikes: what goes wrong, nothing in a clean run.
        restated: the months that the API serves anew from before this run on.
    """

    strikes: tuple[Strike, ...] = ()
    restated: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The strikes, and what is restated before them."""
        told = ", ".join(map(str, self.strikes)) or "clean"
        return f"{told}; restated: {' '.join(self.restated)}" if self.restated else told


@dataclass(frozen=True)
class Schedule:
    """Several runs on one database.

    Attributes:
        seed: of all schedules.
        number: of this one.
        literal: whether the literal command is run, else the same programs in a pipe, without Meltano.
        steps: the runs; a clean one follows them.
    """

    seed: int
    number: int
    literal: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """How to run it again, and its runs."""
        how = "meltano" if self.literal else "pipe"
        return f"--seed {self.seed} --only {self.number} ({how}): " + " | ".join(map(str, self.steps))


def draw(seed: int, number: int) -> Schedule:
    """The schedule with this number."""
    cards = [_card(seed, number * CARDS + place) for place in range(CARDS)]
    random = Random(f"{seed}/{number}")  # noqa: S311 - no secret
    steps: list[Step] = []
    loaded = random.random() < 0.5
    if loaded:
        steps.append(Step())
    while cards:
        dealt = [cards.pop()]
        if cards and (_goes_on(dealt[0]) or _goes_on(cards[-1])):
            dealt.append(cards.pop())
        if any(kind.startswith("month ") for kind in dealt) and not loaded:
            steps.append(Step())  # a month can only vanish that is there
        loaded = True
        restated = tuple(month for month in MONTHS if random.random() < 0.4)
        steps.append(Step(tuple(_strike(random, kind) for kind in dealt), restated))
    needs_meltano = any("meltano" in strike.kind for step in steps for strike in step.strikes)
    return Schedule(seed, number, needs_meltano or random.random() < 0.3, tuple(steps))


def _goes_on(kind: str) -> bool:
    """Whether a run usually goes on to its end after a fault, so that another one can strike as well."""
    family, _, what = kind.partition(" ")
    return kind in _HARMLESS or (family == "api" and what in (*_API_PASSING, "timeout=6"))


def _card(seed: int, place: int) -> str:
    deck, position = divmod(place, len(KINDS))
    kinds = list(KINDS)
    Random(f"{seed}/deck {deck}").shuffle(kinds)  # noqa: S311 - no secret
    return kinds[position]


def _strike(random: Random, kind: str) -> Strike:
    family, _, what = kind.partition(" ")
    if family in {"clock", "two"}:
        return Strike(kind)
    if family == "month":
        return Strike(kind, spec=f"{what}/{random.choice(MONTHS)}")
    if family == "api":
        first = random.randint(1, _PAGES)
        lasting = what in _API_PASSING and what != "empty" and random.random() < 0.4
        return Strike(kind, spec=f"{what}@{first}{'-999' if lasting else ''}")
    if family == "clickhouse":
        point = f"insert:{random.randint(1, _INSERTS)}" if random.random() < 0.7 else random.randint(1, _QUERIES)
        return Strike(kind, spec=f"{what}@{point}")
    source = random.choice(_POINTS_OF[what if family == "disk" else family])
    return Strike(kind, source, random.randint(1, _POINTS[source]))
