"""What the tests of every venue share: what a session sends, is told, and says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from payloads.venues.common.session import Event, Session

Kind = TypeVar("Kind", bound=Event)


def only(events: Sequence[Event], kind: type[Kind]) -> Kind:
    """The one event there is, and it is of this kind."""
    (event,) = events
    assert isinstance(event, kind), event
    return event


def sent(session: Session) -> list[Any]:
    """What the session sends, parsed; pings and pongs in words as they are."""
    return [m if m in ("ping", "pong") else json.loads(m) for m in session.take()]


def say(session: Session, message: Any, now: int) -> list[Event]:
    """The events of a message that the venue sends."""
    return session.received(json.dumps(message), now)
