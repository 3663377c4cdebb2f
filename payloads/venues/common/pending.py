"""What a session waits for, and until when.

A caller may ask for something between two calls that tell a session the time. It is waited for from
the second of these calls on, which is also when its message goes out; until then `deadline` is 0,
so that a driver makes that call at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from payloads.errors import elide
from payloads.venues.common.session import LOST, NO_ANSWER, Event, Missing, Rejected
from payloads.venues.common.timers import Timer, check_length

K = TypeVar("K", bound=Hashable)
_MOST_LOST = 100


class Timeouts(Timer, Generic[K]):
    """Pending requests, by key: each may take `length` nanoseconds. The oldest comes first.

    `asked_at`, if given, gets the time at which each key is waited for first.
    """

    def __init__(self, length: int, asked_at: dict[K, int] | None = None) -> None:
        super().__init__()
        self._length, self._asked_at = length, asked_at
        self._until: dict[K, int] = {}
        # Added since `start` was called last.
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
            if self._asked_at is not None:
                for key in self._undated:
                    self._asked_at.setdefault(key, now)
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


def latest_lost(lost: dict[str, Missing]) -> dict[str, Missing]:
    """The requests that went with a connection, as many as are remembered."""
    return dict([*lost.items()][-_MOST_LOST:])


class RequestFailed(Rejected, frozen=True):
    """A request that was refused, or whose reply did not come.

    `code` is then `no answer` (a reply that comes later is reported all the same), or `lost` if the
    connection went first.
    """

    request_id: int | None = None


class Requests:
    """The numbered requests of one connection. Each is answered, late or lost exactly once.

    `about` is how an event names a request, as a format of `name` and `number`.
    """

    def __init__(self, within: int, about: str) -> None:
        check_length("reply_within", within)
        self._asked_at: dict[int, int] = {}
        self.timeouts = Timeouts[int](within, self._asked_at)
        # With late requests, whose replies may still come.
        self._names: dict[int, str] = {}
        self._about, self._last = about, 0
        # The latest requests that went with a connection.
        self._lost: dict[str, Missing] = {}

    @property
    def next(self) -> int:
        """The number that the next request gets."""
        return self._last + 1

    @property
    def pending(self) -> dict[int, str]:
        """The requests that are waited for, in words."""
        return {number: self.about(number) for number in self.timeouts}

    @property
    def missing(self) -> dict[str, Missing]:
        """The requests without a reply, in words: pending, late and (the latest of them) lost."""
        asked = {number: self._asked_at.get(number, 0) for number in self._names}
        return self._lost | {self.about(each): Missing(NO_ANSWER, at) for each, at in asked.items()}

    def about(self, number: int) -> str:
        name = self._names.get(number, "request")
        return self._about.format(name=name, number=elide(str(number)))

    def sent(self, name: str) -> int:
        """A request goes out: its number."""
        self._last = self.next
        self._names[self._last] = name
        self.timeouts.add(self._last)
        return self._last

    def oldest(self, name: str) -> int | None:
        """The oldest request of a name that is pending, or else that is late."""
        numbers = (*self.timeouts, *self._names)
        return next((number for number in numbers if self._names[number] == name), None)

    def answered(self, number: int) -> str:
        """A reply came: the name of its request; "" for a request that is not known."""
        self.timeouts.discard(number)
        self._asked_at.pop(number, None)
        return self._names.pop(number, "")

    def expired(self, now: int) -> list[Event]:
        """The events of the requests without a reply in time."""
        words = "no reply in time: what became of it is not known"
        return [self._failed(NO_ANSWER, words, number) for number in self.timeouts.expired(now)]

    def lost(self) -> list[Event]:
        """The connection is gone, and no reply will come."""
        words = "no reply before the connection went"
        events = [self._failed(LOST, words, number) for number in self.timeouts.lost()]
        gone = {name: Missing(LOST, each.asked_at) for name, each in self.missing.items()}
        self._lost = latest_lost(self._lost | gone)
        self._asked_at.clear()
        self._names.clear()
        return events

    def _failed(self, code: str, words: str, number: int) -> Event:
        return RequestFailed(code, "", words, self.about(number), number)
