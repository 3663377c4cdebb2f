"""What a session waits for, and until when.

A caller may ask for something between two calls that tell a session the time. It is waited for from
the second of these calls on, which is also when its message goes out; until then `deadline` is 0,
so that a driver makes that call at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from payloads.abi.fields import Record
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
                    self._asked_at[key] = self._asked_at.get(key) or now
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


class RequestFailed(Rejected, frozen=True):
    """A request that was refused, or whose reply did not come.

    `code` is then `no answer` (a reply that comes later is reported all the same), or `lost` if the
    connection went first.
    """

    request_id: int | None = None


class Waiting(ABC, Generic[K]):
    """The requests of a connection. Each is answered, late or lost exactly once.

    `within` is how long a reply may take, in nanoseconds. A subclass finds the request of a reply.
    """

    NO_REPLY = "no reply in time: what became of it is not known"
    GONE = "no reply before the connection went"

    def __init__(self, within: int) -> None:
        check_length("reply_within", within)
        # When each was made, 0 until the time is told. Late requests are here, too: their replies
        # may still come.
        self._asked_at: dict[K, int] = {}
        self.timeouts = Timeouts[K](within, self._asked_at)
        # The latest requests that went with a connection.
        self._lost: dict[str, Missing] = {}

    @abstractmethod
    def about(self, key: K) -> str:
        """The request in the words of an event."""

    @property
    def missing(self) -> dict[str, Missing]:
        """The requests without a reply, in words: pending, late and (the latest of them) lost."""
        return self._lost | self._missing(self._asked_at, NO_ANSWER)

    def _missing(self, keys: Iterable[K], code: str) -> dict[str, Missing]:
        return {self.about(key): Missing(code, self._asked_at[key]) for key in keys}

    def _begin(self, key: K) -> None:
        """A request goes out."""
        self._asked_at[key] = 0
        self.timeouts.add(key)

    def _end(self, key: K) -> None:
        """The reply of a request came."""
        self.timeouts.discard(key)
        self._asked_at.pop(key, None)

    def expired(self, now: int) -> list[Event]:
        """The events of the requests without a reply in time."""
        return [self._failed(NO_ANSWER, self.NO_REPLY, key) for key in self.timeouts.expired(now)]

    def lost(self) -> list[Event]:
        """The connection is gone, and no reply will come."""
        lost = [key for key in self.timeouts.lost() if not self._made_again(key)]
        events = [self._failed(LOST, self.GONE, key) for key in lost]
        gone = [key for key in self._asked_at if not self._made_again(key)]
        self._lost |= self._missing(gone, LOST)
        self._lost = dict([*self._lost.items()][-_MOST_LOST:])
        self._asked_at.clear()
        return events

    def _made_again(self, key: K) -> bool:
        """Whether the session makes the request on every connection: then it is never lost."""
        return False

    def _failed(self, code: str, words: str, key: K) -> Event:
        return Rejected(code, "", words, self.about(key))


class Requests(Waiting[int]):
    """The numbered requests of a connection.

    `about` is how an event names a request, as a format of `name` and `number`.
    """

    def __init__(self, within: int, about: str) -> None:
        super().__init__(within)
        self._names: dict[int, str] = {}
        self._about, self._last = about, 0

    @property
    def next(self) -> int:
        """The number that the next request gets."""
        return self._last + 1

    @property
    def pending(self) -> dict[int, str]:
        """The requests that are waited for, in words."""
        return {number: self.about(number) for number in self.timeouts}

    def about(self, key: int) -> str:
        name = self._names.get(key, "request")
        return self._about.format(name=name, number=elide(str(key)))

    def sent(self, name: str) -> int:
        """A request goes out: its number."""
        self._last = self.next
        self._names[self._last] = name
        self._begin(self._last)
        return self._last

    def oldest(self, name: str) -> int | None:
        """The oldest request of a name that is pending, or else that is late."""
        numbers = (*self.timeouts, *self._names)
        return next((number for number in numbers if self._names[number] == name), None)

    def answered(self, number: int) -> str:
        """A reply came: the name of its request; "" for a request that is not known."""
        self._end(number)
        return self._names.pop(number, "")

    def lost(self) -> list[Event]:
        events = super().lost()
        self._names.clear()
        return events

    def _failed(self, code: str, words: str, key: int) -> Event:
        return RequestFailed(code, "", words, self.about(key), key)


class Sent(Record, frozen=True, eq=False):  # two requests that say the same are two
    """A request without a number: its name, the key of its answer, and the ids in it."""

    name: str
    answer: str
    ids: tuple[str, ...]
    made_again: bool = False

    def agrees(self, ids: Collection[str]) -> bool:
        """Whether an answer with these ids can be this request's."""
        return not ids or not self.ids or not set(ids).isdisjoint(self.ids)


class UnnumberedRequests(Waiting[Sent]):
    """The requests of a connection whose replies have no number: ids and keys must do."""

    def about(self, key: Sent) -> str:
        return " ".join((key.name, *key.ids[:1]))

    def sent(self, request: Sent) -> None:
        """A request goes out."""
        self._begin(request)

    def answered(
        self, name: str, ids: Collection[str], answer: str = "", *, every: bool = False
    ) -> None:
        """A reply or an error came: it belongs to the oldest request that it fits, or to `every`.

        "" fits every name and every answer: an error may name no message, and a reply names none.
        Late requests come after the pending requests.
        """
        fitting = [
            sent
            for sent in dict.fromkeys((*self.timeouts, *self._asked_at))
            if name in ("", sent.name) and answer in ("", sent.answer) and sent.agrees(ids)
        ]
        for sent in fitting if every else fitting[:1]:
            self._end(sent)

    def _made_again(self, key: Sent) -> bool:
        return key.made_again
