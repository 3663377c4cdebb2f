"""A venue in memory, and time that passes only when nothing else is left to do.

`in_virtual_time` runs a coroutine in an event loop whose clock jumps to the next timer as soon as
nothing is ready. So waits of hours take no time, and they are exact however busy the machine is.
`MemoryVenue.dial` is a connection's `dial`: a websocket whose other end is a `MemoryPeer`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from payloads.capture.frames import Opcode
from payloads.live.connection import Connection
from payloads.live.seams import Listener
from payloads.strategies.machines.virtual_time import VirtualLoop
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Dial, Session

T = TypeVar("T")
URL = "ws://venue.example/numbers"
# As many frames as lie between two ends, unread, before the sender has to wait.
WINDOW = 16
# How long a pong takes, in seconds.
ROUND_TRIP = 0.01


# --- time -----------------------------------------------------------------------------------------


def in_virtual_time(work: Coroutine[Any, Any, T], within: float = 10_000) -> T:
    """The result of a coroutine; `within` bounds its seconds of virtual time."""

    async def bounded() -> T:
        async with asyncio.timeout(within):
            return await work

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())


def now() -> int:
    """The time of day, in nanoseconds, as the loop's clock has it."""
    return int(asyncio.get_running_loop().time() * 10**9)


# --- websockets -----------------------------------------------------------------------------------


class PeerGone(ConnectionError):
    """The client has closed the websocket, or dropped the connection."""


class MemorySocket:
    """The client's end: an `OpenSocket`."""

    def __init__(self, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()
        self.ending = (1006, "")
        self.lost = asyncio.Event()
        self.peer = MemoryPeer(self)
        self.pauses = 0
        self._listener = listener
        self._reading = True
        # What the server has sent and the client not read: frames, or the end.
        self.unread: deque[Callable[[], None]] = deque()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def send(self, message: Message) -> bool:
        if self.lost.is_set():
            return False
        await self.peer.takes.wait()
        self.peer.came.put_nowait(message)
        return True

    def ping(self, content: bytes) -> None:
        self.peer.pings.append(content)
        if self.peer.answers:
            self._loop.call_later(ROUND_TRIP, self.bring, "pong", content)

    def pause(self) -> None:
        self.pauses += 1
        self._reading = False

    def resume(self) -> None:
        self._reading = True
        self._loop.call_soon(self._read)

    def abort(self) -> None:
        self.end(1006, "")

    async def close(self) -> None:
        self.peer.closed_with = 1000
        if self.peer.answers:
            self.bring_end(1000, "")
        await self.lost.wait()

    async def wait_closed(self) -> None:
        await self.lost.wait()

    # --- for the peer ---

    def bring(self, opcode: Opcode, data: bytes) -> None:
        """A frame from the server."""
        self.unread.append(lambda: self._listener.on_frame(opcode, data, now()))
        self._loop.call_soon(self._read)

    def bring_end(self, code: int, reason: str) -> None:
        """The end of the connection, behind what was sent."""
        self.unread.append(lambda: self.end(code, reason))
        self._loop.call_soon(self._read)

    def end(self, code: int, reason: str) -> None:
        """The connection is gone."""
        if not self.lost.is_set():
            self.ending = code, reason
            self.lost.set()
            self._has_room.set()
            self.peer.came.put_nowait(None)

    async def room(self) -> None:
        """Wait until there are fewer unread frames than the window."""
        await self._has_room.wait()

    def _read(self) -> None:
        while self._reading and self.unread and not self.lost.is_set():
            self.heard = self._loop.time()
            self.unread.popleft()()
        if len(self.unread) < WINDOW:
            self._has_room.set()
        elif not self.lost.is_set():
            self._has_room.clear()


class MemoryPeer:
    """The server's end: it has the few methods that the `websockets` library's has."""

    def __init__(self, client: MemorySocket) -> None:
        self.client = client
        # A peer that does not answer is there, and silent.
        self.answers = True
        # Cleared: what the client sends stays on its way.
        self.takes = asyncio.Event()
        self.takes.set()
        self.pings: list[bytes] = []
        self.closed_with: int | None = None
        self.came: asyncio.Queue[Message | None] = asyncio.Queue()

    async def recv(self) -> Message:
        message = await self.came.get()
        if message is None:
            raise PeerGone
        return message

    async def send(self, message: Message) -> None:
        if self.client.lost.is_set():
            raise PeerGone
        raw = message.encode() if isinstance(message, str) else message
        self.client.bring("text" if isinstance(message, str) else "binary", raw)
        await asyncio.sleep(0)
        await self.client.room()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.client.bring_end(code, reason)
        await self.wait_closed()

    def abort(self) -> None:
        self.client.bring_end(1006, "")

    async def wait_closed(self) -> None:
        await self.client.lost.wait()


class MemoryVenue:
    """Serves each dial with `handler`, unless `refuse` (called with the number of it) raises."""

    def __init__(
        self,
        handler: Callable[[MemoryPeer], Awaitable[None]],
        refuse: Callable[[int], None] | None = None,
    ) -> None:
        self._handler, self._refuse = handler, refuse
        self.dials: list[Dial] = []
        self.peers: list[MemoryPeer] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def dial(self, dial: Dial, listener: Listener) -> MemorySocket:
        """See `payloads.live.seams`."""
        self.dials.append(dial)
        if self._refuse is not None:
            self._refuse(len(self.dials))
        socket = MemorySocket(listener)
        self.peers.append(socket.peer)
        listener.on_open(now())
        self._tasks.append(asyncio.ensure_future(self._serve(socket.peer)))
        return socket

    async def _serve(self, peer: MemoryPeer) -> None:
        try:
            await self._handler(peer)
        except PeerGone:
            return
        # As a server does whose handler returns.
        peer.client.bring_end(1000, "")

    def connect(self, session: Session, **options: Any) -> Connection:
        """A connection to this venue, by this loop's clock."""
        return Connection(session, **{"dial": self.dial, "clock": now} | options)
