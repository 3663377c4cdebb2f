"""What came twice: noticed by a mark that no two messages share.

Where messages hold a time or a number of their own, the message itself is such a mark.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

from payloads.venues.common.session import Event


class Duplicate(Event, frozen=True):
    """Data that was delivered before: dropped here; a capture has the frame all the same.

    `content` is what `Data` would have had, where the session reads what it drops. `time` is the
    message's own, in nanoseconds since 1970, and `sequence` its number: both None where the venue
    puts none into it.
    """

    channel: str
    content: Any = None
    time: int | None = None
    sequence: int | None = None


class Repeats:
    """Remembers the `latest` marks of each stream, as hashes, because messages may be long."""

    # More streams than any venue has; beyond that nothing is remembered.
    STREAMS = 4096

    def __init__(self, latest: int = 256) -> None:
        self.count = 0
        self._latest = latest
        # The marks of each stream, and the order in which they came.
        self._known: dict[str, tuple[set[int], deque[int]]] = {}

    def again(self, mark: Hashable, stream: str = "") -> bool:
        """Whether the mark came before; it is remembered from now on."""
        known = self._known.get(stream)
        if known is None:
            if len(self._known) >= self.STREAMS:
                return False
            known = self._known[stream] = set(), deque()
        marks, order = known
        key = hash(mark)
        if key in marks:
            self.count += 1
            return True
        marks.add(key)
        order.append(key)
        if len(order) > self._latest:
            marks.remove(order.popleft())
        return False

    def forget(self, *streams: str) -> None:
        """What comes now may be the same as before, on these streams or on all; `count` goes on."""
        for stream in streams or [*self._known]:
            self._known.pop(stream, None)
