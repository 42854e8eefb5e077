"""Working ahead: the items of an iterator are made in another thread, a bounded number ahead of the consumer."""

from __future__ import annotations

from contextlib import closing
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")
_POLL_SECONDS = 0.2


def prefetched(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """Yield the items in order, making up to `depth` of them ahead; 0 makes them in turn, in this thread.

    An error of `items` is raised here after the items before it.
    """
    if not depth:
        yield from items
        return
    with closing(_Ahead(items, depth)) as ahead:
        while (made := ahead.take()) is not None:
            yield made.item


class _Item(Generic[T]):
    """An item on its way, or the error that came instead."""

    def __init__(self, item: T) -> None:
        self.item = item


class _Ahead(Generic[T]):
    """The thread and its queue."""

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._items = items
        self._made: Queue[_Item[T] | BaseException | None] = Queue(maxsize=depth)
        self._unwanted = Event()
        # A daemon: a run that ends early does not wait for an answer that may take minutes.
        Thread(target=self._make, name="prefetch", daemon=True).start()

    def take(self) -> _Item[T] | None:
        """Return the next item, None after the last."""
        made = self._made.get()
        if isinstance(made, BaseException):
            raise made
        return made

    def close(self) -> None:
        """Let the thread end after the item that it is making."""
        self._unwanted.set()

    def _make(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    self._put(_Item(item))
                    if self._unwanted.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - it is raised again by `take`, in the thread that wants the items
            self._put(error)
        else:
            self._put(None)

    def _put(self, made: _Item[T] | BaseException | None) -> None:
        while not self._unwanted.is_set():
            try:
                self._made.put(made, timeout=_POLL_SECONDS)
            except Full:
                continue
            return
