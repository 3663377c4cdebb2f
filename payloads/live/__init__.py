"""One open connection to a venue: dialled, kept alive, dialled again, read and recorded.

    from payloads.live import stream

    for delivery in stream(session):
        for event in delivery.events: ...

`connect` is the same for asyncio. Both take a session or a session group, and the options of
`Connection`. Each name is loaded when it is first used, so importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payloads.capture.frames import (
        Delivery,
        Dropped,
        Frame,
        Incident,
        Retrying,
        Unreachable,
    )
    from payloads.live.connection import Backoff, Connection, merged
    from payloads.live.group import GroupConnection
    from payloads.live.inbox import Inbox
    from payloads.live.sink import Recorder, Stats
    from payloads.live.streaming import connect, stream
    from payloads.venues.common.redactor import Secret

# By name: the module that has it.
_LATER = {
    "Backoff": "payloads.live.connection",
    "Connection": "payloads.live.connection",
    "Delivery": "payloads.capture.frames",
    "Dropped": "payloads.capture.frames",
    "Frame": "payloads.capture.frames",
    "GroupConnection": "payloads.live.group",
    "Inbox": "payloads.live.inbox",
    "Incident": "payloads.capture.frames",
    "Recorder": "payloads.live.sink",
    "Retrying": "payloads.capture.frames",
    "Secret": "payloads.venues.common.redactor",
    "Stats": "payloads.live.sink",
    "Unreachable": "payloads.capture.frames",
    "connect": "payloads.live.streaming",
    "merged": "payloads.live.connection",
    "stream": "payloads.live.streaming",
}

__all__ = [
    "Backoff", "Connection", "Delivery", "Dropped", "Frame", "GroupConnection", "Inbox",
    "Incident", "Recorder", "Retrying", "Secret", "Stats", "Unreachable",
    "connect", "merged", "stream",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
