"""Letting the mapper stop first when the loader has failed; the mapper has the same code, in another environment."""

from __future__ import annotations

import os
import select
import time

QUIET_SECONDS = 1.0
MOST_SECONDS = 60.0


def drain(descriptor: int, quiet: float = QUIET_SECONDS, most: float = MOST_SECONDS) -> int:
    """Read and discard what still comes, until its writer has ended or pauses.

    Meltano, if it writes to a program that has gone, ends with two tracebacks of its own; if it finds out about the
    end while nothing is being written, it stops the others in order.

    Args:
        descriptor: File descriptor of the input.
        quiet: Seconds without input that are a pause.
        most: Seconds after which the end is not waited for any longer.

    Returns:
        The number of bytes discarded.
    """
    discarded, until = 0, time.monotonic() + most
    while time.monotonic() < until and select.select([descriptor], [], [], quiet)[0]:
        read = len(os.read(descriptor, 2**16))
        if not read:
            break
        discarded += read
    return discarded
