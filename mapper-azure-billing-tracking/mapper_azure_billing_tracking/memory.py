"""Keeps the process's memory within bounds: frames shrink above a threshold and grow again below half of it."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

SMALLEST_BATCH = 500
"""Rows; below this a frame's fixed cost outweighs what it frees."""
_MB = 2**20


def resident_bytes() -> int:
    """Return the process's current resident memory (RSS)."""
    return int(psutil.Process().memory_info().rss)


class MemoryGuard:
    """Decides how many rows a frame may have.

    Args:
        batch_size_rows: The desired size.
        threshold_mb: Resident memory in MB above which frames are halved.
        give_back: Frees what can be recomputed.
        resident: Measures the resident memory in bytes.
    """

    def __init__(
        self,
        batch_size_rows: int,
        threshold_mb: int,
        give_back: Callable[[], None],
        resident: Callable[[], int] = resident_bytes,
    ) -> None:
        self._wanted = batch_size_rows
        self._current = batch_size_rows
        self._threshold = threshold_mb * _MB
        self._give_back = give_back
        self._resident = resident

    def most_rows(self) -> int | None:
        """Return how many rows the next frame may have that comes as a file; None for any number."""
        size = self.batch_size_rows()
        return size if size < self._wanted else None

    def batch_size_rows(self) -> int:
        """Return how many rows the next frame may have, by the memory in use now."""
        resident = self._resident()
        if resident > self._threshold:
            self._give_back()
            gc.collect()
            smaller = max(min(SMALLEST_BATCH, self._wanted), self._current // 2)
            if smaller < self._current:
                logger.warning(
                    "Memory is at %d MB, above the threshold of %d MB: frames shrink from %d to %d rows.",
                    resident // _MB,
                    self._threshold // _MB,
                    self._current,
                    smaller,
                )
            self._current = smaller
        elif resident < self._threshold / 2 and self._current < self._wanted:
            self._current = min(self._wanted, self._current * 2)
        return self._current
