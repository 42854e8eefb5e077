"""Working ahead: order, bounds, errors and an early end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tap_azure_ea_billing.sources.prefetch import prefetched

if TYPE_CHECKING:
    from collections.abc import Generator

DEADLINE = 20


class Pages:
    """Numbers that say how far they were made."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        """Set up `count` numbers; making number `fails_at` fails."""
        self.made = 0
        self.grew = threading.Condition()
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self._count, self._fails_at = count, fails_at

    def make(self) -> Generator[int, None, None]:
        """Yield the numbers."""
        try:
            for number in range(self._count):
                if number == self._fails_at:
                    raise OSError(number)
                with self.grew:
                    self.made += 1
                    self.thread = threading.current_thread()
                    self.grew.notify_all()
                yield number
        finally:
            self.ended.set()

    def wait_for(self, made: int) -> bool:
        """Return whether so many numbers get made."""
        with self.grew:
            return self.grew.wait_for(lambda: self.made >= made, DEADLINE)


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_all_items_come_in_order(depth: int) -> None:
    assert list(prefetched(Pages(50).make(), depth)) == list(range(50))


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_is_made_ahead_than_was_asked_for(depth: int) -> None:
    pages = Pages(50)
    items = prefetched(pages.make(), depth)
    for taken in range(1, 20):
        next(items)
        assert pages.wait_for(taken + depth)
        # One is in the consumer's hands, `depth` wait, and one more is made that waits for a place.
        assert pages.made <= taken + depth + 1
    items.close()


def test_nothing_is_made_ahead_with_a_depth_of_0() -> None:
    pages = Pages(50)
    items = prefetched(pages.make(), 0)
    assert [next(items), next(items)] == [0, 1]
    assert pages.made == 2
    assert pages.thread is threading.current_thread()


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_an_error_comes_after_the_items_before_it(depth: int) -> None:
    items = prefetched(Pages(9, fails_at=4).make(), depth)
    assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(OSError, match="4"):
        next(items)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_consumer_that_ends_early_ends_the_making(depth: int) -> None:
    pages = Pages(1000)
    items = prefetched(pages.make(), depth)
    next(items)
    items.close()
    assert pages.ended.wait(DEADLINE)
    assert pages.made < 1000
