"""The words the transport shares: frames, happenings, and moments. No socket and no file here.

A `Frame` is one websocket message as it was received or sent, live or out of a capture; the type is
the same. An `Incident` is anything else that a capture remembers: a connection opened, lost or
refused, an HTTP request. A `Delivery` is what a driver hands to its reader: a frame, and what the
session made of it. Times are nanoseconds since 1970, taken when the bytes came from the socket.
"""

from __future__ import annotations

from typing import Any, Literal

from payloads.abi.fields import Record
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Event, Reply

Direction = Literal["in", "out"]
Opcode = Literal["text", "binary", "ping", "pong", "close"]

# The time of a frame from a source that kept none.
UNKNOWN_TIME = 0


class Frame(Record, frozen=True):
    """One websocket message: `data` is text exactly when the message was text in valid UTF-8.

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
        """The payload of the message as bytes."""
        return (
            self.data.encode("utf-8", "surrogatepass") if isinstance(self.data, str) else self.data
        )

    @property
    def size(self) -> int:
        """How many bytes the payload of the message has."""
        data = self.data
        return len(data) if isinstance(data, bytes) or data.isascii() else len(self.raw)

    @property
    def is_message(self) -> bool:
        """Whether a session is given it: not so for pings, pongs and close frames."""
        return self.opcode in ("text", "binary")


class Incident(Record, frozen=True):
    """Something that happened to a connection: `what` is one word, `detail` is JSON.

    The words are in docs/captures.md. `redacted` is as in a `Frame`, of what is in `detail`.
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
    """No websocket came about, and no server said why: no route, no answer, a bad certificate."""

    why: str


class Retrying(Event, frozen=True):
    """The driver will dial again in `wait` nanoseconds; this is the `attempt`th time in a row."""

    attempt: int
    wait: int
    why: str


class Dropped(Event, frozen=True):
    """So many moments were dropped here, because the reader was slow and asked for that."""

    count: int
