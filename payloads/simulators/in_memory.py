"""A simulator without a socket: a connection's `dial` and `http` lead straight into it.

    venue = InMemory("stork")
    Connection(venue.simulator.session(), dial=venue.dial, http=venue.http)

The server's half is the simulator's own: it admits, answers and refuses as it does on loopback. But
nothing is sent by itself. `make` makes the next messages of the streams that clients have joined,
and the caller sends them, as they are or not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from payloads.capture.frames import Opcode
from payloads.live.seams import DialFailed, Listener, UpgradeRefused
from payloads.simulators import class_of
from payloads.simulators.base import Simulator
from payloads.simulators.faults import CORRUPTIONS
from payloads.simulators.http import Request, Response
from payloads.simulators.options import Made
from payloads.simulators.peer import Peer
from payloads.simulators.streams import Stream
from payloads.venues.common import session as asked
from payloads.venues.common.redactor import Message

# How long a pong takes, in seconds.
_ROUND_TRIP = 0.01
# How often the venue looks for clients that are idle, or whose token has ended, in seconds.
_LOOKS = 1.0


class Socket:
    """The client's end: an `OpenSocket` of `payloads.live.seams`."""

    def __init__(self, venue: InMemory, listener: Listener, number: int) -> None:
        self._venue, self._listener, self._loop = venue, listener, asyncio.get_running_loop()
        self.number, self.heard = number, self._loop.time()
        self.ending = (1006, "")
        self.lost = asyncio.Event()
        self._reading = False
        # What the venue has sent and the client not read.
        self._unread: deque[tuple[Opcode, bytes]] = deque()
        # What a stalled venue has not sent; None where it is not stalled.
        self._held: list[Callable[[], None]] | None = None
        self.peer: MemoryPeer | None = None

    # --- what a client calls ---

    async def send(self, message: Message) -> bool:
        if self.lost.is_set():
            return False
        self._loop.call_soon(self._venue.received, self, message)
        return True

    def ping(self, content: bytes) -> None:
        self._loop.call_later(_ROUND_TRIP, self.bring, "pong", content)

    def pause(self) -> None:
        self._reading = False

    def resume(self) -> None:
        self._reading = True
        self._loop.call_soon(self._read)

    def abort(self) -> None:
        self.end(1006, "")

    async def close(self) -> None:
        # A venue that has fallen silent does not answer.
        if self._held is None:
            self.end(1000, "")
        await self.lost.wait()

    async def wait_closed(self) -> None:
        await self.lost.wait()

    # --- what the venue does ---

    def bring(self, opcode: Opcode, data: bytes) -> None:
        """Send a frame, at once or when a stall is over."""
        if self._held is not None:
            self._held.append(lambda: self.bring(opcode, data))
            return
        self._unread.append((opcode, data))
        self._loop.call_soon(self._read)

    def bring_end(self, code: int, reason: str) -> None:
        """Close, behind what was sent."""
        if self._held is not None:
            self._held.append(lambda: self.bring_end(code, reason))
            return
        self._reading = True
        self._read()
        self.end(code, reason)

    def stall(self, seconds: float) -> None:
        """Send nothing for so long."""
        if self._held is None:
            self._held = []
            self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        held, self._held = self._held or [], None
        for bring in held:
            bring()

    def end(self, code: int, reason: str) -> None:
        """The connection is gone, with all that is unread."""
        if not self.lost.is_set():
            self.ending = code, reason
            self._unread.clear()
            self.lost.set()
            self._venue.left(self)

    def _read(self) -> None:
        while self._reading and self._unread and not self.lost.is_set():
            opcode, data = self._unread.popleft()
            self.heard = self._loop.time()
            if opcode == "text" or opcode == "binary":
                self._venue.handed.append((opcode, data))
            self._listener.on_frame(opcode, data, self._venue.simulator.now())


class MemoryPeer(Peer):
    """The venue's end of a `Socket`."""

    def __init__(self, number: int, request: Request, socket: Socket) -> None:
        self.number, self.request, self.socket = number, request, socket
        self.memory: dict[str, Any] = {}
        self.too_slow = False
        self._swapped: Message | None = None

    @property
    def heard(self) -> float:  # type: ignore[override]
        # A simulator looks here for clients that say nothing. This loop's time is not its time.
        return time.monotonic()

    @property
    def open(self) -> bool:
        return not self.socket.lost.is_set()

    def send(self, message: Message) -> None:
        if self.open:
            raw = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
            self.socket.bring("text" if isinstance(message, str) else "binary", raw)

    def send_corrupt(self, message: Message, how: str, dice: random.Random) -> None:
        raw = message.encode() if isinstance(message, str) else message
        damaged = CORRUPTIONS[how](raw, dice)
        if self.open:
            self.socket.bring("text" if isinstance(message, str) else "binary", damaged)

    def ping(self) -> None:
        if self.open:
            self.socket.bring("ping", b"")

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.open:
            self.socket.bring_end(code, reason)

    def abort(self) -> None:
        self.socket.end(1006, "")

    def stall(self, seconds: float) -> None:
        self.socket.stall(seconds)


class InMemory:
    """A simulator, and the clients that were connected to it without sockets.

    It is made, and everything is called, in a running event loop.
    """

    def __init__(self, venue: str, **options: Any) -> None:
        kind = class_of(venue)
        self.simulator: Simulator = type(kind.__name__, (_Still, kind), {})(**options)
        self.simulator._loop = asyncio.get_running_loop()
        # A port for each host of the venue, by which a dial finds it.
        self.simulator.ports = {door: 1 + at for at, door in enumerate(kind.doors)}
        self.sockets: list[Socket] = []
        # Every message that a client has read: its kind and its bytes.
        self.handed: list[tuple[Opcode, bytes]] = []
        self.dials: list[asked.Dial] = []
        self.requests: list[tuple[asked.Request, asked.Reply]] = []
        # Every message that a stream has made, for however many clients.
        self.made: list[Message] = []
        # So many dials and requests find nothing that answers.
        self.unreachable = 0

    # --- the seams ---

    async def dial(self, dial: asked.Dial, listener: Listener) -> Socket:
        """See `payloads.live.seams`."""
        self.dials.append(dial)
        await asyncio.sleep(0)
        if self._is_away():
            raise DialFailed("nothing answers there")
        target = urlsplit(dial.url)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        headers = (*dial.headers, ("Sec-WebSocket-Extensions", "permessage-deflate"))
        request = Request("GET", path, headers, door=self._door(dial.url))
        simulator, memory = self.simulator, dict[str, Any]()
        simulator.counters.dials += 1
        refusal = simulator._refusal("dial") or simulator.admit(request, memory)
        if refusal is not None:
            simulator.counters.refused[str(refusal.status)] += 1
            raise UpgradeRefused(refusal.status, self._headers(refusal), refusal.body)
        return self._join(request, memory, listener)

    def _join(self, request: Request, memory: dict[str, Any], listener: Listener) -> Socket:
        simulator = self.simulator
        simulator.counters.connections += 1
        number = simulator.counters.connections
        socket = Socket(self, listener, number)
        socket.peer = peer = MemoryPeer(number, request, socket)
        peer.memory = memory
        simulator._peers[number] = peer
        self.sockets.append(socket)
        listener.on_open(simulator.now())
        simulator.joined(peer)
        return socket

    async def http(self, request: asked.Request) -> asked.Reply:
        """See `payloads.live.seams`."""
        await asyncio.sleep(0)
        if self._is_away():
            return asked.Reply(request.purpose, 0, b"nothing answers there")
        target = urlsplit(request.url)
        path = target.path + (f"?{target.query}" if target.query else "")
        given = Request(
            request.method, path, request.headers, request.body, door=self._door(request.url)
        )
        answer = await self.simulator._requested(given)
        body = b"" if request.method == "HEAD" else answer.body
        reply = asked.Reply(request.purpose, answer.status, body, tuple(self._headers(answer)))
        self.requests.append((request, reply))
        return reply

    def _is_away(self) -> bool:
        self.unreachable -= 1
        return self.unreachable >= 0

    def _door(self, url: str) -> str:
        port = urlsplit(url).port
        return next(door for door, own in self.simulator.ports.items() if own == port)

    def _headers(self, answer: Response) -> list[tuple[str, str]]:
        head = answer.encode(self.simulator.now(), bodiless=True).decode("latin-1")
        lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
        return [(name, value) for name, _, value in lines]

    # --- what comes and goes ---

    def received(self, socket: Socket, message: Message) -> None:
        """A client's message reaches the venue."""
        if socket.peer is not None and socket.peer.open:
            self.simulator._received(socket.peer, message)

    def left(self, socket: Socket) -> None:
        """A client is gone."""
        if socket.peer is not None and socket.number in self.simulator._peers:
            del self.simulator._peers[socket.number]
            self.simulator._forget(socket.peer)
            self.simulator.left(socket.peer)

    @property
    def open(self) -> list[Socket]:
        """The sockets that are open."""
        return [socket for socket in self.sockets if not socket.lost.is_set()]

    def heal(self) -> None:
        """Refuse nothing more, and answer again."""
        self.unreachable = 0
        for waiting in self.simulator._refusals.values():
            waiting.clear()

    # --- what is sent ---

    def make(self) -> list[tuple[MemoryPeer, Made]]:
        """The next messages of all streams, each with the client that it is for."""
        found: list[tuple[Any, Made]] = []
        for stream in [*self.simulator._streams.values()]:
            if stream.peers or stream.lasts:
                made = list(stream.make())
                self.made += [one.message for one in made]
                found += [(peer, one) for one in made for peer in stream.peers]
        return found


class _Still(Simulator):
    """A simulator whose streams do not run by themselves."""

    def run(self, stream: Stream) -> None:
        return

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        # Simulators look often, because a test's clock may be faster than the loop's. Here the two
        # are one, and virtual time would pass in very small steps.
        super()._later(max(seconds, _LOOKS), action)
