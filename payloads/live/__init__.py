"""One open connection to a venue: dialled, kept alive, dialled again, read and recorded.

    from payloads.live import stream

    for delivery in stream(session):
        for event in delivery.events: ...

`connect` is the same for asyncio. Both take a session or a session group, and the options of
`Connection`. Each name is loaded when it is first used, so importing this package costs nothing.
"""

from typing import TYPE_CHECKING

from payloads._late import late

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

__getattr__, __dir__ = late(__name__, _LATER)
