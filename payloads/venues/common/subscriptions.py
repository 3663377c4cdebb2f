"""The subscriptions of a session, and how far each has come.

           ask            answer
    HELD ───────> ASKED ─────────> IN_FORCE
     ^              │ no answer        │ the venue ends it
     │              v in time          v
     │           OVERDUE             ENDED

A subscription is HELD when it is wanted and was not asked for yet. From any state it returns to
HELD when the connection is gone, or when it is to be asked for again. An OVERDUE or ENDED
subscription is not asked for again on its connection, unless the caller asks; its answer may still
come, and then it is IN_FORCE. REFUSED is for good: only the caller can have it asked for again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from enum import StrEnum
from typing import Generic, TypeVar

from payloads.venues.common.pending import Timeouts
from payloads.venues.common.session import NO_ANSWER, NO_DATA, NOT_ASKED, Missing

K = TypeVar("K", bound=Hashable)


class State(StrEnum):
    """How far a subscription has come."""

    HELD = "held"
    ASKED = "asked"
    IN_FORCE = "in force"
    OVERDUE = "overdue"
    ENDED = "ended"
    REFUSED = "refused"


HELD, ASKED, IN_FORCE, OVERDUE, ENDED, REFUSED = State
# The states that each state can be followed by, besides itself and HELD.
TRANSITIONS: dict[State, frozenset[State]] = {
    HELD: frozenset({ASKED, IN_FORCE, ENDED, REFUSED}),
    ASKED: frozenset({IN_FORCE, OVERDUE, ENDED, REFUSED}),
    OVERDUE: frozenset({IN_FORCE, ENDED, REFUSED}),
    IN_FORCE: frozenset({ENDED, REFUSED}),
    ENDED: frozenset({IN_FORCE, REFUSED}),
    REFUSED: frozenset(),
}


class Subscriptions(Generic[K]):
    """The wanted subscriptions by key, in the order in which they were added.

    `timeouts` has those that are ASKED; it is for the session's list of timers. What the venue
    refused for good is in `refused`, with the reason, and not among the wanted subscriptions.
    """

    def __init__(self, answer_within: int, wanted: Iterable[K] = ()) -> None:
        self._states: dict[K, State] = {}
        # When each was asked for first, and what has come of each, over all connections.
        self._asked_at: dict[K, int] = {}
        self._came: set[K] = set()
        self.timeouts = Timeouts[K](answer_within, self._asked_at)
        self.refused: dict[K, str] = {}
        for key in wanted:
            self.add(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: object) -> bool:
        return key in self._states

    def state(self, key: K) -> State | None:
        """None for what is not wanted."""
        return REFUSED if key in self.refused else self._states.get(key)

    def in_state(self, *states: State) -> list[K]:
        """The subscriptions in one of these states."""
        return [key for key, state in self._states.items() if state in states]

    def any_in(self, state: State) -> bool:
        """Whether a subscription is in this state."""
        return state in self._states.values()

    @property
    def all_refused(self) -> bool:
        """Whether there were subscriptions, and the venue refused all of them."""
        return bool(self.refused) and not self._states

    @property
    def missing(self) -> dict[K, Missing]:
        """The wanted subscriptions that have never `come`."""
        waiting = [item for item in self._states.items() if item[0] not in self._came]
        return {key: self._missing(key, state) for key, state in waiting}

    def has_come(self, key: K) -> bool:
        """Whether anything has ever come of it."""
        return key in self._came

    def asked_at(self, key: K) -> int:
        """When it was asked for first; 0 if it was not."""
        return self._asked_at.get(key, 0)

    @property
    def all_have_come(self) -> bool:
        """Whether something has come of each that is wanted."""
        return len(self._came) == len(self._states)

    @property
    def any_waits(self) -> bool:
        """Whether an answer is waited for, or the first data."""
        return self.timeouts.deadline is not None or len(self._came) != len(self._states)

    def _missing(self, key: K, state: State) -> Missing:
        asked_at = self.asked_at(key)
        if state in (IN_FORCE, ENDED):
            return Missing(NO_DATA, asked_at)
        return Missing(NO_ANSWER if asked_at else NOT_ASKED, asked_at)

    # --- the caller's wishes ----------------------------------------------------------------------

    def add(self, key: K) -> None:
        """Want it; nothing changes if it is asked for or in force already."""
        self.refused.pop(key, None)
        if self._states.get(key, ENDED) in (OVERDUE, ENDED):
            self._states[key] = HELD

    def remove(self, key: K) -> State | None:
        """Want it no longer; the state it was in."""
        self.refused.pop(key, None)
        self.timeouts.discard(key)
        self._asked_at.pop(key, None)
        self._came.discard(key)
        return self._states.pop(key, None)

    # --- what becomes of them ---------------------------------------------------------------------

    def asked(self, key: K) -> None:
        """The message that asks for it goes out."""
        if self._move(key, ASKED):
            self.timeouts.add(key)

    def come(self, key: K) -> None:
        """Its first data has come, or an acknowledgement that is all there may be."""
        if key in self._states:
            self._came.add(key)

    def in_force(self, key: K) -> bool:
        """The venue says so; whether that is new."""
        return self._states.get(key) is not IN_FORCE and self._move(key, IN_FORCE)

    def hold(self, *keys: K) -> None:
        """Ask for them again, when the session does so next."""
        for key in keys:
            self._move(key, HELD)

    def end(self, key: K) -> None:
        """The venue has ended it."""
        self._move(key, ENDED)

    def refuse(self, key: K, why: str) -> None:
        """The venue has refused it for good."""
        if self._move(key, REFUSED):
            del self._states[key]
            self._came.discard(key)
            self.refused[key] = why

    def expired(self, now: int) -> list[K]:
        """The subscriptions without an answer in time."""
        return [key for key in self.timeouts.expired(now) if self._move(key, OVERDUE)]

    def reset(self) -> None:
        """The connection is gone: everything has to be asked for anew."""
        self.timeouts.stop()
        self._states = dict.fromkeys(self._states, HELD)

    def _move(self, key: K, state: State) -> bool:
        before = self._states.get(key)
        if before is None or (state is not HELD and state not in TRANSITIONS[before]):
            return False
        self.timeouts.discard(key)
        self._states[key] = state
        return True
