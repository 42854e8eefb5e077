"""Lines in the log that say how far a long month is, and what it came to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_azure_ea_billing.rows import Tally

EVERY_SECONDS = 5.0


class Progress:
    """Reports on one month.

    Args:
        logger: where to.
        context: enrollment_number and billing_month.
        currency: of the cost.
        every: seconds between two lines.
    """

    def __init__(
        self, logger: logging.Logger, context: Mapping[str, str], currency: str, every: float = EVERY_SECONDS
    ) -> None:
        """Start the clock."""
        self._logger = logger
        self._where = f"Enrollment {context['enrollment_number']}, month {context['billing_month'][:7]}"
        self._currency = currency
        self._every = every
        self._started = self._reported = time.monotonic()

    def report(self, tally: Tally) -> None:
        """Write a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._reported >= self._every:
            self._reported = now
            self._line("so far", tally, now)

    def summary(self, tally: Tally) -> None:
        """Write the month's last line."""
        self._line("read", tally, time.monotonic())

    def _line(self, what: str, tally: Tally, now: float) -> None:
        rate = tally.rows / max(now - self._started, 1e-6)
        self._logger.info(
            "%s: %s %d pages, %d rows, %.0f rows/s, cost %s %s.",
            self._where,
            what,
            tally.pages,
            tally.rows,
            rate,
            f"{tally.cost:.2f}",
            self._currency,
        )
