"""What SIGTERM and SIGINT do: they end the process with the exit code that says so."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable


def end_on_signals(logger: logging.Logger, let_go: Callable[[], None]) -> None:
    """End with 128 plus the signal's number, as shells report it; the SDK would end with 0, as if all were done.

    What is being written is finished, so no line is cut; a second signal ends the process at once.

    Args:
        logger: Where the end is logged.
        let_go: Ends whatever the process is waiting for.
    """
    came: list[int] = []

    def end(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            os._exit(128 + number)
        let_go()
        logger.error("Stopped by %s before the end of the input: run again.", signal.Signals(number).name)
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
