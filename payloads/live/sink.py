"""Where everything goes that a connection sees and does: to its reader, and to its recorder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from payloads.capture import redaction
from payloads.capture.frames import Delivery, Frame, Incident
from payloads.live.inbox import Inbox
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import Dial, Event, Request, Session
from payloads.venues.common.session_group import SessionGroup


class Recorder(Protocol):
    """Who keeps what went over the wire. `CaptureWriter` is one."""

    def connection(self) -> int: ...

    def learn(self, secret: Secret | str) -> None: ...

    def frame(self, frame: Frame) -> None: ...

    def incident(self, incident: Incident) -> None: ...


class Stats:
    """What one connection has seen; numbers only ever grow."""

    def __init__(self) -> None:
        self.dials = self.opened = self.lost = self.refused = self.unreachable = self.stalled = 0
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self.latency = 0.0

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Sink:
    """The reader's inbox and the recorder of one connection; `number` is its current websocket."""

    def __init__(
        self,
        session: Session | SessionGroup,
        recorder: Recorder | None,
        inbox: Inbox,
        clock: Callable[[], int],
    ) -> None:
        self.session, self.recorder, self.inbox, self.clock = session, recorder, inbox, clock
        self.stats = Stats()
        self.number = 0

    def emit(self, events: tuple[Event, ...]) -> bool:
        """Hand events to the reader; False means that a socket should not be read now."""
        if not events:
            return True
        return self.inbox.put(Delivery(self.clock(), self.number, None, events))

    def happened(self, what: str, detail: dict[str, Any]) -> None:
        """Have the recorder keep what happened."""
        if self.recorder is not None:
            venue, now = self.session.venue, self.clock()
            self.recorder.incident(Incident(venue, self.number, now, what, detail))

    def learn(self, asking: Dial | Request) -> None:
        """Tell the recorder what must not be kept of a dial or request that is about to be made."""
        if self.recorder is not None:
            for secret in redaction.secrets_in(self.session):
                self.recorder.learn(secret)
            for value in redaction.secrets_of(asking):
                self.recorder.learn(value)
