"""Lines in the log that say how far a long month is, and what it came to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    import logging

    from tap_azure_ea_billing.sources.source import MonthTotal

EVERY_SECONDS = 5.0


class Progress:
    """Reports on one month.

    Args:
        logger: Where the lines go.
        where: Whose month.
        every: Seconds between two lines.
    """

    def __init__(self, logger: logging.Logger, where: str, every: float = EVERY_SECONDS) -> None:
        self._logger = logger
        self._where = where
        self._every = every
        self._started = self._reported = time.monotonic()

    def report(self, total: MonthTotal) -> None:
        """Write a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._reported >= self._every:
            self._reported = now
            self._line("so far", total, now)

    def summary(self, total: MonthTotal) -> None:
        """Write the month's last line."""
        self._line("read", total, time.monotonic())

    def _line(self, what: str, total: MonthTotal, now: float) -> None:
        rate = total.rows / max(now - self._started, 1e-6)
        self._logger.info(
            "%s: %s %s, %s, %.0f rows/s, cost %s.",
            self._where,
            what,
            counted(total.pages, "page"),
            counted(total.rows, "row"),
            rate,
            " ".join([f"{total.cost:.2f}", *sorted(total.currencies)]),
        )
