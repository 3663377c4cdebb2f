"""What a session waits for, and until when.

A caller may ask for something between two calls that tell a session the time. It is waited for from
the second of these calls on, which is also when its message goes out; until then `deadline` is 0,
so that a driver makes that call at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from payloads.venues.common.timers import Timer

K = TypeVar("K", bound=Hashable)


class Timeouts(Timer, Generic[K]):
    """Pending requests, by key: each may take `length` nanoseconds. The oldest comes first."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length
        self._until: dict[K, int] = {}
        # Added, but the time was not told since.
        self._undated: dict[K, None] = {}

    def __iter__(self) -> Iterator[K]:
        return iter([*self._until, *self._undated])

    def __len__(self) -> int:
        return len(self._until) + len(self._undated)

    def __contains__(self, key: object) -> bool:
        return key in self._until or key in self._undated

    def add(self, key: K) -> None:
        """Wait for an answer, from the next `start` on."""
        self.discard(key)
        self._undated[key] = None
        self.deadline = 0

    def discard(self, key: K) -> bool:
        """The answer has come, or is not wanted any more; whether it was waited for."""
        known = key in self
        if known:
            self._until.pop(key, None)
            self._undated.pop(key, None)
            self._plan()
        return known

    def stop(self) -> None:
        self._until.clear()
        self._undated.clear()
        self.deadline = None

    def start(self, now: int) -> None:
        """What was added since the last `start` is waited for from now on."""
        if self._undated:
            self._until |= dict.fromkeys(self._undated, now + self._length)
            self._undated.clear()
            self._plan()

    def expired(self, now: int) -> list[K]:
        """What was not answered in time, and is waited for no longer."""
        late = [key for key, until in self._until.items() if now >= until]
        for key in late:
            del self._until[key]
        self._plan()
        return late

    def lost(self) -> list[K]:
        """Everything that is still pending; the connection is gone, and no answer will come."""
        lost = list(self)
        self.stop()
        return lost

    def _plan(self) -> None:
        # Whatever is added later ends later.
        self.deadline = 0 if self._undated else next(iter(self._until.values()), None)
