"""Patience: what a session waits for, and until when.

A caller may ask for something between two calls that tell a session the time. It waits from the
second one on, which is also when its message goes out; until then `deadline` is 0, so that a driver
makes that call at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timeouts(Generic[K]):
    """Things that are each waited for equally long, the oldest first. Times are nanoseconds."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._until: dict[K, int] = {}
        self._undated: dict[K, None] = {}

    def __iter__(self) -> Iterator[K]:
        return iter([*self._until, *self._undated])

    def __len__(self) -> int:
        return len(self._until) + len(self._undated)

    def __contains__(self, key: object) -> bool:
        return key in self._until or key in self._undated

    def add(self, key: K) -> None:
        """Wait for it, from the next time on that is told."""
        self.discard(key)
        self._undated[key] = None

    def discard(self, key: K) -> bool:
        """It has come, or is not wanted any more; whether it was waited for."""
        there = key in self
        self._until.pop(key, None)
        self._undated.pop(key, None)
        return there

    def clear(self) -> None:
        self._until.clear()
        self._undated.clear()

    def told(self, now: int) -> None:
        """What was added since the last time waits from now on."""
        if self._undated:
            self._until |= dict.fromkeys(self._undated, now + self._patience)
            self._undated.clear()

    def ripe(self, now: int) -> list[K]:
        """Those whose time is over, which are waited for no longer."""
        ripe = [key for key, until in self._until.items() if now >= until]
        for key in ripe:
            del self._until[key]
        return ripe

    @property
    def deadline(self) -> int | None:
        """When the first one's time is over."""
        if self._undated:
            return 0
        # Whatever is added later ends later.
        return next(iter(self._until.values()), None)
