"""A session whose messages are JSON: what happens at every call of a driver, once for all venues.

A venue's session fills in the hooks, in the order in which they are called:

    opened    _begin(now)                  what is sent first; `Opened` is told already
    received  _read(content, raw, now)     the events of a message
    tick      _check_timers(now)           the events of the timers that have expired
    replied   _read_reply(reply, now)      the events of an answer to an HTTP request
    closed    _give_up(), _closed(…)       the events for what is lost with the connection

After each of them but the last, and after a call of the session's owner, `_proceed` does what can
be done now, and the deadline becomes the earliest of the timers'. Before the first and after the
last `_reset` stops the timers, drops what was to be sent and calls `_forget`, which is for the
venue's own state.

A message is redacted before it is read, so that no event can hold a credential.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from payloads.errors import Malformed
from payloads.venues.common.http_words import Headers, closing, refused
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Message, Redactor, Secret
from payloads.venues.common.session import (
    Broken,
    Closed,
    Event,
    Opened,
    Rejected,
    Reply,
    Retry,
    Session,
)
from payloads.venues.common.timers import Timers


class JsonSession(Session):
    """The part of a session that all venues share. See the module's first lines."""

    # The shortest pause before the next dial, in nanoseconds.
    redial_after: ClassVar[int] = 0
    # The close codes after which there is no next dial, in words.
    final_closes: ClassVar[Mapping[int, str]] = {}

    def __init__(self, redactor: Redactor | Secret | None = None) -> None:
        super().__init__()
        self._redactor = redactor if isinstance(redactor, Redactor) else Redactor(redactor)
        self._open = False
        self._timers = Timers()

    # --- what a driver calls ----------------------------------------------------------------------

    def opened(self, now: int) -> list[Event]:
        self._reset()
        self._open = True
        return self._done([Opened(), *self._begin(now)], now)

    def received(self, data: Message, now: int) -> list[Event]:
        data = self._redactor.clean(data)
        try:
            events = self._read(parse_json(data), data, now)
        except Malformed as error:
            events = [Broken(error, data)]
        return self._done(events, now)

    def tick(self, now: int) -> list[Event]:
        if self.deadline == 0:
            self._timers.start(now)
        return self._done(self._check_timers(now), now)

    def replied(self, reply: Reply, now: int) -> list[Event]:
        return self._done(self._read_reply(reply, now), now)

    def rejected(self, status: int, headers: Headers, body: bytes) -> tuple[Rejected, Retry]:
        return refused(status, headers, body, self._redactor, about="upgrade")

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        events = [*self._give_up(), self._closed(code, reason, now)]
        self._reset()
        self._plan(now)
        return events

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)

    # --- hooks ------------------------------------------------------------------------------------

    def _begin(self, now: int) -> list[Event]:
        return []

    @abstractmethod
    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        """The events of a message; `Malformed` for what the protocol does not allow."""

    def _check_timers(self, now: int) -> list[Event]:
        return []

    def _read_reply(self, reply: Reply, now: int) -> list[Event]:
        return []

    def _give_up(self) -> list[Event]:
        return []

    def _forget(self) -> None:
        """Drop the state that belonged to a connection."""

    def _proceed(self, now: int | None) -> list[Event]:
        """Whatever can be done now. An owner's call does not tell the time, and takes no events."""
        return []

    def _closed(self, code: int, reason: str, now: int) -> Closed:
        return closing(code, reason, self.redial_after, self._redactor, self.final_closes)

    # --- the same for all -------------------------------------------------------------------------

    def _reset(self) -> None:
        self._open = False
        self._outgoing, self._requests = [], []
        self._timers.stop()
        self._forget()

    def _done(self, events: list[Event], now: int) -> list[Event]:
        events += self._proceed(now)
        self._plan(now)
        return events

    def _plan(self, now: int) -> None:
        deadline = self._timers.deadline
        if deadline == 0:
            self._timers.start(now)
            deadline = self._timers.deadline
        self.deadline = deadline

    def _called(self) -> None:
        self._proceed(None)
        self.deadline = self._timers.deadline
