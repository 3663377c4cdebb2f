"""Where everything goes that a connection sees and does: to its reader, its recorder and the log.

The log is the logger `payloads.live.<venue>`. It gets what a capture calls incidents (dialling,
opened, refused, closed, requests and so on), never frames, with credentials already taken out. Of
broken messages it gets the first three of a kind, and at the end the number of all. The
level is WARNING for what is wrong with a connection, INFO for what changes it, DEBUG for the rest.
Nothing is shown unless the application sets logging up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from payloads.capture import redaction
from payloads.capture.frames import Delivery, Frame, Incident
from payloads.errors import elide
from payloads.live.inbox import Inbox
from payloads.venues.common.kinds import FirstOfKind
from payloads.venues.common.redactor import Redactor, Secret
from payloads.venues.common.session import Broken, Dial, Event, Rejected, Request, Session
from payloads.venues.common.session_group import SessionGroup

# Silent by default: without a handler, Python would show warnings by itself.
logging.getLogger("payloads").addHandler(logging.NullHandler())

_LEVELS = {
    "opened": logging.INFO, "closed": logging.INFO, "retrying": logging.INFO,
    "refused": logging.WARNING, "unreachable": logging.WARNING, "stalled": logging.WARNING,
    "gave up": logging.WARNING,
}  # fmt: skip
# A refusal's body may be a whole page; the capture has all of it.
_LONGEST = 500


class Recorder(Protocol):
    """Keeps what went over the wire, as `CaptureWriter` does."""

    def connection(self) -> int:
        """The number of the next websocket."""

    def learn(self, secret: Secret | str) -> None:
        """A credential that must not be kept from now on."""

    def frame(self, frame: Frame) -> None:
        """A frame came in or went out."""

    def incident(self, incident: Incident) -> None:
        """Something else happened."""


class Stats:
    """Counters of one connection; numbers only ever grow. `latency` is that of the last ping.

    `refused` counts upgrades that the venue refused, `rejected` everything else that it refused:
    logins, subscriptions, requests.
    """

    def __init__(self) -> None:
        self.dials = self.opened = self.lost = self.refused = self.unreachable = self.stalled = 0
        self.rejected = 0
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self.latency = 0.0

    def __repr__(self) -> str:
        return f"Stats({', '.join(f'{name}={value}' for name, value in vars(self).items())})"

    def to_dict(self) -> dict[str, Any]:
        """The counters by name."""
        return dict(vars(self))


class Sink:
    """The reader's inbox, the recorder and the log of one connection.

    `number` is that of the current websocket.
    """

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
        self._log = logging.getLogger(f"payloads.live.{session.venue}")
        self._redactor = Redactor()
        self._broken = FirstOfKind()

    def emit(self, events: tuple[Event, ...], size: int = 0) -> bool:
        """Hand events to the reader, of a reply of so many bytes where they come from one.

        False means that the socket should not be read now.
        """
        if not events:
            return True
        return self.inbox.put(Delivery(self.clock(), self.number, None, events), size)

    def count_refusals(self, events: Iterable[Event]) -> None:
        """Count the refusals among events that came while no websocket was open."""
        self.stats.rejected += sum(isinstance(event, Rejected) for event in events)

    def happened(self, what: str, detail: dict[str, Any]) -> None:
        """Record and log an incident."""
        incident = Incident(self.session.venue, self.number, self.clock(), what, detail)
        if self.recorder is not None:
            self.recorder.incident(incident)
        level = _LEVELS.get(what, logging.DEBUG)
        if self._log.isEnabledFor(level):
            for secret in redaction.secrets_in(self.session):
                self._redactor.add(secret)
            clean = redaction.clean_incident(incident, self._redactor)
            self._log.log(level, "%s", _line(clean), extra={"incident": clean})

    def broken(self, event: Broken) -> None:
        """Log a broken message, as long as it is one of the first of its kind."""
        if self._broken.shows(event.error.reason):
            more = "; more of these are counted" * self._broken.last_shown(event.error.reason)
            error = elide(str(event.error), _LONGEST)
            self._log.warning("websocket %s: broken message: %s%s", self.number, error, more)

    def sum_up(self) -> None:
        """Log how many broken messages there were in all; the connection has ended."""
        for kind, count in self._broken.counted():
            self._log.warning("%s broken messages in all: %s", count, kind)

    def learn(self, secret: Secret | str) -> None:
        """A credential that must not be recorded or logged from now on."""
        self._redactor.add(secret)
        if self.recorder is not None:
            self.recorder.learn(secret)

    def learn_from(self, asking: Dial | Request) -> None:
        """Learn the credentials of the session, and those of a dial or request to be made."""
        for secret in redaction.secrets_in(self.session):
            self.learn(secret)
        for value in redaction.secrets_of(asking):
            self.learn(value)


def _line(incident: Incident) -> str:
    """An incident in one line of the log."""
    detail = "".join(
        f" {name}={elide(repr(value), _LONGEST)}" for name, value in incident.detail.items()
    )
    return f"websocket {incident.connection}: {incident.what}{detail}"
