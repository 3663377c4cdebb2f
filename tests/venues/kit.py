"""What the tests of every venue ask of a session's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from payloads.venues.common.session import Event

Kind = TypeVar("Kind", bound=Event)


def only(events: Sequence[Event], kind: type[Kind]) -> Kind:
    """The one event there is, and it is of this kind."""
    (event,) = events
    assert isinstance(event, kind), event
    return event
