"""Which processes live, told so that neither a number that is used again nor a clock that jumps misleads."""

from __future__ import annotations

import platform
from typing import Any, Literal, NamedTuple

import psutil

_SAME_START = 0.05
"""Seconds by which two readings of one start may differ."""


class Process(NamedTuple):
    """A process of this machine.

    Attributes:
        pid: Its number, which another process may get once it is gone.
        started: Seconds between the start of the machine and its own: a clock that is set changes nothing about it.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, process: psutil.Process) -> Process:
        """Describe a process that lives.

        Raises:
            psutil.NoSuchProcess: It doesn't.
        """
        return cls(process.pid, round(process.create_time() - psutil.boot_time(), 2))

    def lives(self) -> bool:
        """Whether the process goes on; one that can't be looked at does."""
        try:
            found = psutil.Process(self.pid)
            if found.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(Process.of(found).started - self.started) <= _SAME_START
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


class Owner(NamedTuple):
    """Who made a folder: the mapper, and what started it and the target that reads what the mapper writes.

    Attributes:
        host: The machine, or the container, in which the two processes have their numbers.
        mapper: The mapper.
        parent: What started it.
    """

    host: str
    mapper: Process
    parent: Process

    @classmethod
    def here(cls) -> Owner:
        """This process and its parent."""
        mine = psutil.Process()
        parent = mine.parent()
        return cls(platform.node(), Process.of(mine), Process.of(parent or mine))

    @classmethod
    def read(cls, content: Any) -> Owner | None:  # noqa: ANN401 - what a file holds
        """Take an owner from JSON; None where it is none."""
        try:
            host, mapper, parent = (content[name] for name in cls._fields)
            return cls(str(host), _process(mapper), _process(parent))
        except (KeyError, TypeError, ValueError):
            return None

    def as_json(self) -> dict[str, Any]:
        """The owner as JSON has it."""
        return {"host": self.host, "mapper": self.mapper._asdict(), "parent": self.parent._asdict()}

    def state(self) -> Literal["mapping", "reading", "gone", "unknown"]:
        """Whether the mapper goes on; else whether its files may still be read, by what its parent started."""
        if self.host != platform.node():
            return "unknown"
        if self.mapper.lives():
            return "mapping"
        return "reading" if self.parent.lives() else "gone"


def _process(content: Any) -> Process:  # noqa: ANN401 - what a file holds
    return Process(int(content["pid"]), float(content["started"]))
