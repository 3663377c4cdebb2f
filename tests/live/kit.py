"""A tiny venue to test connections with: it sends numbered messages, from any number on.

The session knows the last number it saw and asks to go on behind it, as with a venue that can fill
gaps. So a test can count whether anything was lost or doubled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve

from payloads.capture.frames import Delivery, Frame, Incident
from payloads.live.connection import Backoff, Connection
from payloads.venues.common.redactor import Message, Redactor, Secret
from payloads.venues.common.session import (
    Closed,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Reply,
    Request,
    Retry,
    Session,
    Unknown,
)

SECRET = Secret("a-very-secret-token-of-the-test")
QUICK = Backoff(first=0.02, most=0.1, lasted=0.5)


class Numbered(Session):
    """Asks for numbered messages; everything that was called is in `calls`."""

    venue = "numbered"

    def __init__(self, url: str, *, every: float = 0, asks: list[Request] | None = None) -> None:
        super().__init__()
        self.url, self.every = url, int(every * 10**9)
        self.last = 0
        self.numbers: list[int] = []
        self.calls: list[str] = []
        self.replies: list[Reply] = []
        self.token = SECRET
        self._requests = list(asks or [])
        self._redactor = Redactor(SECRET)

    def dial(self, now: int) -> Dial:
        self.calls.append("dial")
        headers = (("X-Token", self.token.reveal()), ("X-Plain", "plain"))
        return Dial(self.url, headers, ("X-Token",), ("key",))

    def opened(self, now: int) -> list[Event]:
        self.calls.append("opened")
        self._send({"after": self.last, "token": self.token.reveal()})
        if self.every:
            self.deadline = now + self.every
        return [Opened()]

    def received(self, data: Message, now: int) -> list[Event]:
        try:
            message: Any = json.loads(data)
        except ValueError:
            return [Unknown(None, data)]
        if isinstance(message, dict) and "n" in message:
            self.last = message["n"]
            self.numbers.append(self.last)
            return [Data("numbers", self.last)]
        return [Unknown(message, data)]

    def tick(self, now: int) -> list[Event]:
        self.calls.append("tick")
        self._outgoing.append("tick")
        self.deadline = now + self.every
        return []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        self.calls.append("replied")
        self.replies.append(reply)
        return []

    def rejected(self, status: int, headers: Any, body: bytes) -> tuple[Rejected, Retry]:
        self.calls.append(f"rejected {status}")
        event = Rejected(str(status), body.decode("utf-8", "replace"))
        return event, Retry(status not in (400, 401, 403), f"HTTP {status}")

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        self.calls.append(f"closed {code}")
        self.deadline = None
        return [Closed(code, reason, Retry(code != 4001, f"{code} {reason}"))]

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)


Handler = Callable[[ServerConnection], Awaitable[None]]


class Peer(Protocol):
    """The server's end of a websocket, real or in memory."""

    async def recv(self) -> Any: ...

    async def send(self, message: Any) -> None: ...


async def count(socket: Peer, upto: int, pause: float = 0, kind: str = "text") -> None:
    """The venue: numbers from behind the number that it is asked for."""
    asked = json.loads(await socket.recv())
    for number in range(asked["after"] + 1, upto + 1):
        text = json.dumps({"n": number})
        await socket.send(text if kind == "text" else text.encode())
        if pause:
            await asyncio.sleep(pause)


@contextlib.asynccontextmanager
async def serving(handler: Handler, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """A server on loopback; gives its URL."""
    async with serve(handler, "127.0.0.1", port, **options) as server:
        yield url_of(server)


def url_of(server: Server) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}/numbers?a=1,2&b=%2C"


class Notes:
    """A recorder that keeps everything in a list."""

    def __init__(self) -> None:
        self.connections = 0
        self.kept: list[Frame | Incident] = []
        self.secrets: set[str] = set()

    def connection(self) -> int:
        self.connections += 1
        return self.connections

    def learn(self, secret: Secret | str) -> None:
        self.secrets.add(secret.reveal() if isinstance(secret, Secret) else secret)

    def frame(self, frame: Frame) -> None:
        self.kept.append(frame)

    def incident(self, incident: Incident) -> None:
        self.kept.append(incident)

    @property
    def frames(self) -> list[Frame]:
        return [kept for kept in self.kept if isinstance(kept, Frame)]

    @property
    def incidents(self) -> list[Incident]:
        return [kept for kept in self.kept if isinstance(kept, Incident)]

    @property
    def words(self) -> list[str]:
        return [incident.what for incident in self.incidents]


def run(work: Awaitable[Any], within: float = 120) -> Any:
    """Run a coroutine in real time, within so many seconds."""

    async def bounded() -> Any:
        async with asyncio.timeout(within):
            return await work

    return asyncio.run(bounded())


async def read_until(connection: Connection, last: int) -> list[Delivery]:
    """All deliveries until the numbered message came."""
    deliveries = []
    async for delivery in connection:
        deliveries.append(delivery)
        if any(isinstance(event, Data) and event.content == last for event in delivery.events):
            break
    return deliveries


def events_of(deliveries: list[Delivery]) -> list[Event]:
    return [event for delivery in deliveries for event in delivery.events]
