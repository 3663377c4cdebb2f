"""Frames, incidents and deliveries: the records that live connections and captures share.

A `Frame` is a websocket message as it was received or sent, live or out of a capture; the type is
the same. An `Incident` is anything else that a capture keeps: a connection opened, lost or refused,
an HTTP request. A `Delivery` is what a connection gives to its reader: a frame with the events of
the session. Times are nanoseconds since 1970, taken when the bytes came from the socket.
"""

from __future__ import annotations

from typing import Any, Literal

from payloads.abi.fields import Record
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Event, Reply

Direction = Literal["in", "out"]
Opcode = Literal["text", "binary", "ping", "pong", "close"]

# The time of a frame from a source without times.
UNKNOWN_TIME = 0


class Frame(Record, frozen=True, gc=False):
    """A websocket message: `data` is text exactly when the message was text in valid UTF-8.

    `connection` numbers the websockets of one capture from 1. `redacted` says that a credential
    was taken out, so that `data` is not every byte that was on the wire.
    """

    venue: str
    connection: int
    direction: Direction
    opcode: Opcode
    at: int
    data: Message
    redacted: bool = False

    @property
    def raw(self) -> bytes:
        """The content of the message as bytes."""
        return (
            self.data.encode("utf-8", "surrogatepass") if isinstance(self.data, str) else self.data
        )

    @property
    def size(self) -> int:
        """The length of the content in bytes."""
        data = self.data
        return len(data) if isinstance(data, bytes) or data.isascii() else len(self.raw)

    @property
    def is_message(self) -> bool:
        """Whether it is for a session: pings, pongs and close frames are not."""
        return self.opcode in ("text", "binary")


class Incident(Record, frozen=True):
    """Something that happened to a connection: `what` is its kind, `detail` is JSON.

    The kinds are in docs/captures.md. `redacted` is as in a `Frame`, for `detail`.
    """

    venue: str
    connection: int
    at: int
    what: str
    detail: dict[str, Any]
    redacted: bool = False

    @property
    def reply(self) -> Reply | None:
        """The answer to an HTTP request, where its body was kept."""
        purpose, status, body = map(self.detail.get, ("purpose", "status", "body"))
        if self.what != "reply" or type(status) is not int or not isinstance(body, str):
            return None
        return Reply(str(purpose), status, body.encode("utf-8", "surrogatepass"))


class Delivery(Record, frozen=True):
    """A frame with the events it led to; without a frame where time or the network led to them."""

    at: int
    connection: int
    frame: Frame | None
    events: tuple[Event, ...]


class Unreachable(Event, frozen=True):
    """No websocket could be opened, and not because a server refused it."""

    why: str


class Retrying(Event, frozen=True):
    """The connection dials again in `wait` nanoseconds, for the `attempt`th time in a row."""

    attempt: int
    wait: int
    why: str


class Dropped(Event, frozen=True):
    """`count` deliveries were dropped here: the reader was slow and allows that."""

    count: int
