"""Which processes are alive, determined so that neither a reused process id nor a clock change misleads."""

from __future__ import annotations

import platform
from typing import Any, Literal, NamedTuple

import psutil

_SAME_START = 0.05
"""Seconds by which two readings of one start may differ."""


class Process(NamedTuple):
    """A process of this machine.

    Attributes:
        pid: Its id, which another process may get once it is gone.
        started: Seconds from the machine's start to its own: setting the clock doesn't change this.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, process: psutil.Process) -> Process:
        """Describe a live process.

        Raises:
            psutil.NoSuchProcess: There is no such process.
        """
        return cls(process.pid, round(process.create_time() - psutil.boot_time(), 2))

    def lives(self) -> bool:
        """Return whether the process is alive; one that can't be inspected counts as alive."""
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
    """Who created a folder: the mapper, and its parent, which also started the target that reads the mapper's output.

    Attributes:
        host: The machine, or the container, in which the two process ids are valid.
        mapper: The mapper.
        parent: The process that started it.
    """

    host: str
    mapper: Process
    parent: Process

    @classmethod
    def here(cls) -> Owner:
        """Return this process and its parent."""
        mine = psutil.Process()
        parent = mine.parent()
        return cls(platform.node(), Process.of(mine), Process.of(parent or mine))

    @classmethod
    def read(cls, content: Any) -> Owner | None:  # noqa: ANN401 - what a file holds
        """Read an owner from JSON; return None if it isn't one."""
        try:
            host, mapper, parent = (content[name] for name in cls._fields)
            return cls(str(host), _process(mapper), _process(parent))
        except (KeyError, TypeError, ValueError):
            return None

    def as_json(self) -> dict[str, Any]:
        """Return the owner as a JSON object."""
        return {"host": self.host, "mapper": self.mapper._asdict(), "parent": self.parent._asdict()}

    def state(self) -> Literal["mapping", "reading", "gone", "unknown"]:
        """Return whether the mapper is alive, or else whether a process of its parent may still read its files."""
        if self.host != platform.node():
            return "unknown"
        if self.mapper.lives():
            return "mapping"
        return "reading" if self.parent.lives() else "gone"


def _process(content: Any) -> Process:  # noqa: ANN401 - what a file holds
    return Process(int(content["pid"]), float(content["started"]))
