"""What a failed mapper still reads: until its writer ends, pauses, or it has taken too long."""

from __future__ import annotations

import os
import threading

from mapper_azure_billing_tracking.singer.drain import drain

LONG = 60.0


def test_it_reads_what_is_there_until_the_writer_ends() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        os.write(writing, b"x" * 1_000_000)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    assert drain(reading, LONG, LONG) == 1_000_000
    writer.join()


def test_it_ends_when_the_writer_pauses() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"line\n")
    assert drain(reading, 0.01, LONG) == 5
    os.close(writing)


def test_it_ends_though_the_writer_goes_on() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"line\n")
    assert drain(reading, LONG, 0.0) == 0
    os.close(writing)
