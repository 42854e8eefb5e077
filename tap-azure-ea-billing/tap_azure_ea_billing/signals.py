"""Ending at SIGTERM and SIGINT: at once, with an exit code that says so, so that no cut run passes for a whole one.

singer-sdk's own handler ends a tap with exit code 0, which Meltano takes for success.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_EXIT_CODE_BASE = 128


class SignalExit(SystemExit):
    """A signal ends the run; the exit code is 143 for SIGTERM, 130 for SIGINT.

    Attributes:
        sentence: What happened, and to which enrollment and month.
    """

    def __init__(self, signum: int, under_way: str) -> None:
        """Say which signal it was."""
        super().__init__(_EXIT_CODE_BASE + signum)
        where = f"while {under_way} was being read, which is not complete" if under_way else "between two months"
        self.sentence = f"{signal.Signals(signum).name} ended the run {where}: run again, it goes on from its state."


def exit_at_signals(under_way: Callable[[], str]) -> None:
    """Take the place of singer-sdk's handlers, in the main thread, where alone there are any.

    Args:
        under_way: Returns enrollment and month that is being read, '' if there is none.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(signum, signal.SIG_DFL)  # a second one ends even a run that hangs at its end
        raise SignalExit(signum, under_way())

    if threading.current_thread() is threading.main_thread():
        for signum in _SIGNALS:
            signal.signal(signum, end)
