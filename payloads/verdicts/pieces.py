"""A stream cut into pieces: as many items as are there, up to a number, within a time.

Only with a time is there a thread, which reads the source: `next` on a quiet source would hold back
the items that came before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


def pieces(source: Iterable[T], most: int, max_wait: float | None = None) -> Iterator[list[T]]:
    """Lists of 1 to `most` items, in order. An item waits for others `max_wait` seconds at most.

    What the source raises is raised after the items before it.
    """
    if max_wait is None:
        items = iter(source)
        while piece := list(islice(items, most)):
            yield piece
        return
    reader = _Reader(source, most)
    try:
        while piece := reader.take(max_wait):
            yield piece
    finally:
        reader.stop()


class _Reader(Generic[T]):
    """A thread that reads the source, at most `most` items ahead."""

    def __init__(self, source: Iterable[T], most: int) -> None:
        self._source, self._most = source, most
        self._items: list[T] = []
        self._since = 0.0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="payloads-pieces", daemon=True).start()

    def take(self, max_wait: float) -> list[T]:
        """The items that came; an empty list after the last item."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            # From when the first of them came.
            left = self._since + max_wait - monotonic()
            if self._items and left > 0:
                self._changed.wait_for(self._full, left)
            piece, self._items = self._items, []
            self._changed.notify_all()
        if not piece and self._error is not None:
            raise self._error
        return piece

    def stop(self) -> None:
        """Let the thread end; it notices when the source gives it another item."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _full(self) -> bool:
        return self._ended or len(self._items) >= self._most

    def _read(self) -> None:
        try:
            for item in self._source:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        self.stop()

    def _put(self, item: T) -> bool:
        """Whether more is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._items) < self._most)
            if self._ended:
                return False
            if not self._items:
                self._since = monotonic()
                self._changed.notify_all()
            self._items.append(item)
            if len(self._items) == self._most:
                self._changed.notify_all()
            return True
