"""Lets the faults of one run strike when their point is reached, and notes those that really did."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from chaos.schedule import CLOCKS

from sandbox.api.faults import Fault, FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chaos.schedule import Step, Strike

PROGRAMS = {
    "tap": "tap-azure-ea-billing",
    "mapper": "mapper-azure-billing-tracking",
    "loader": "target-clickhouse-arrow",
    "meltano": "meltano",
}
STOPPED_SECONDS = 0.4
"""How long a stopped process stays so before it is killed: the others go on until they wait for it."""
FULL_DISK_BYTES = 4096
"""The longest file that a process can still write once its disk is full."""
_LOOK_SECONDS = 0.002
_COMPILER = shutil.which("cc")


def can_shift_clock() -> bool:
    """Whether there is a C compiler for the library that shifts a process's clock."""
    return _COMPILER is not None


@cache
def clock_library(folder: Path) -> Path:
    """Compile the library that shifts a process's clock into a folder."""
    assert _COMPILER is not None
    library = folder / "wrong_clock.so"
    source = Path(__file__).with_name("wrong_clock.c")
    subprocess.run([_COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def clock_environment(step: Step, folder: Path) -> dict[str, str]:
    """The variables that give the pipeline's processes, and no server, the clock of a run."""
    shift = next((CLOCKS[strike.what] for strike in step.strikes if strike.family == "clock"), None)
    if shift is None or not can_shift_clock():
        return {}
    return {"LD_PRELOAD": str(clock_library(folder)), "CHAOS_CLOCK_SHIFT": str(shift)}


class HookedPlan(FaultPlan):
    """The simulated API's faults, told to the test before each is served."""

    def __init__(self, specs: list[str], on_request: Callable[[int], None], on_fault: Callable[[Fault], None]) -> None:
        super().__init__(specs, seed=0)
        self._on_request, self._on_fault = on_request, on_fault

    def take(self, month: str = "", page: str = "") -> tuple[int, Fault | None]:
        """Count a request, as the base class does."""
        number, fault = super().take(month, page)
        self._on_request(number)
        if fault is not None:
            self._on_fault(fault)
        return number, fault


class Strikes:
    """The faults of one run.

    Args:
        step: the run.

    Attributes:
        group: the process group of the pipeline, 0 before it runs.
        hits: kinds of the faults that struck, each once.
    """

    def __init__(self, step: Step) -> None:
        """Nothing strikes yet."""
        self.group = 0
        self.hits: list[str] = []
        self._pending = [strike for strike in step.strikes if strike.source]
        self._specified = [strike for strike in step.strikes if strike.spec]
        self._lock = threading.Lock()

    def specs(self, *families: str) -> list[str]:
        """The specifications of these families, for the simulated API or the proxy."""
        return [strike.spec for strike in self._specified if strike.family in families]

    def note(self, kind: str) -> None:
        """Keep that a fault struck."""
        with self._lock:
            if kind not in self.hits:
                self.hits.append(kind)

    def note_spec(self, kind: str, families: Iterable[str]) -> None:
        """Keep that a specified fault struck, by what stands before its point."""
        for strike in self._specified:
            if strike.family in families and strike.what.split("=")[0] == kind:
                self.note(strike.kind)

    def reached(self, source: str, number: int) -> None:
        """Let the faults strike whose point this is, or was while there was nothing alive to strike."""
        with self._lock:
            due = [strike for strike in self._pending if strike.source == source and strike.number <= number]
            self._pending = [strike for strike in self._pending if strike not in due]
        for strike in due:
            if self._strike(strike):
                self.note(strike.kind)
            else:
                with self._lock:
                    self._pending.append(strike)

    def watch_files(self, folder: Path, ended: threading.Event) -> None:
        """Count the Arrow files that appear below a folder, until the run has ended, if any fault waits for one."""
        if any(strike.source == "file" for strike in self._pending):
            threading.Thread(target=self._count_files, args=(folder, ended), daemon=True).start()

    def _count_files(self, folder: Path, ended: threading.Event) -> None:
        seen: set[str] = set()
        while not ended.wait(_LOOK_SECONDS):
            for path in sorted(folder.rglob("*.arrow")):
                if path.name not in seen:
                    seen.add(path.name)
                    self.reached("file", len(seen))

    def _strike(self, strike: Strike) -> bool:
        """Whether there was anything alive to strike."""
        if strike.family == "all":
            with suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGKILL)
                return True
            return False
        process = find_process(self.group, strike.what if strike.family == "disk" else strike.family)
        if process is None:
            return False
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if strike.family == "disk":
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL_DISK_BYTES, FULL_DISK_BYTES))
            elif strike.what == "STOP":
                process.send_signal(signal.SIGSTOP)
                threading.Timer(STOPPED_SECONDS, _kill, (process,)).start()
            else:
                process.send_signal(signal.Signals[f"SIG{strike.what}"])
            return True
        return False


def find_process(group: int, role: str) -> psutil.Process | None:
    """The living process of a process group that runs one of `PROGRAMS`."""
    for process in members(group):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            arguments = process.cmdline()
            if "--discover" not in arguments and PROGRAMS[role] in {Path(each).name for each in arguments[:2]}:
                return process
    return None


def members(group: int) -> list[psutil.Process]:
    """The living processes of a process group."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, psutil.NoSuchProcess, PermissionError):
            process = psutil.Process(pid)
            if os.getpgid(pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
