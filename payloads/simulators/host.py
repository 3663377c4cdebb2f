"""A server on loopback for venues: it takes dials and requests, and holds the websockets.

`Host` knows no venue's protocol: a subclass answers dials (`admit`), requests (`answer_http`) and
messages (`received`). It may be stopped and restarted at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar, Self

from payloads.errors import Malformed, Misuse
from payloads.simulators.http import Request, Response, answer, read_request
from payloads.simulators.options import Counters
from payloads.simulators.peer import Peer
from payloads.simulators.ports import MAX_CLIENTS, Listener
from payloads.venues.common.redactor import Message

_HEAD_TIMEOUT = 10.0
# How long clients have for their half of the closing handshake when all connections are closed.
_GOODBYE = 0.5
# How often `connected` looks, in seconds.
_LOOKING = 0.005


class Host(ABC):
    """Ports, connections, and tasks in the background."""

    venue: ClassVar[str]
    # The venue's hosts, each with a port of its own: the first is `port`, the next is `port + 1`.
    doors: ClassVar[tuple[str, ...]] = ("",)

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = time.time_ns,
        compress: bool = False,
        tls: ssl.SSLContext | None = None,
        ping_every: float = 20.0,
    ) -> None:
        last = 2**16 - len(self.doors)
        if not 0 <= port <= last:
            raise Misuse("no such port", field="port", expected=f"0 to {last}", found=str(port))
        self.host, self.clock = host, clock
        self.counters = Counters()
        self.ports = {door: port + index if port else 0 for index, door in enumerate(self.doors)}
        self._compress, self._tls, self._ping_every = compress, tls, ping_every
        self._listener = Listener(self._serve, host, tls)
        self._peers: dict[int, Peer] = {}
        self._refusals: dict[str, list[Response]] = {"dial": [], "request": []}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._coming_back: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    # --- where it is ---

    @property
    def port(self) -> int:
        return self.ports[self.doors[0]]

    @property
    def base(self) -> str:
        """The websocket endpoint: scheme, host and port."""
        return self.base_of(self.doors[0])

    def base_of(self, door: str) -> str:
        """The websocket endpoint of a host of the venue."""
        return f"{'wss' if self._tls else 'ws'}://{self._authority(door)}"

    @property
    def http_url(self) -> str:
        """The URL of the same host for requests."""
        return f"{'https' if self._tls else 'http'}://{self._authority(self.doors[0])}"

    def _authority(self, door: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.ports[door]}"

    def now(self) -> int:
        """The venue's clock, in nanoseconds."""
        return self.clock()

    # --- what a venue implements ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        """Refuse a dial with a response, or admit it and keep in `memory` what it says."""
        return None

    async def answer_http(self, request: Request) -> Response:
        """Answer a request that asks for no websocket."""
        return answer(404, {"error": "not found"})

    def joined(self, peer: Peer) -> None:  # noqa: B027 (most venues send nothing then)
        """A websocket is open."""

    @abstractmethod
    def received(self, peer: Peer, message: Message) -> None:
        """A message came in."""

    def left(self, peer: Peer) -> None:  # noqa: B027
        """A websocket is gone."""

    # --- starting and stopping ---

    @property
    def listening(self) -> bool:
        """Whether clients can connect: not before it runs, and not while it restarts."""
        return self._listener.open

    async def __aenter__(self) -> Self:
        await self._listener.listen(self.ports)
        self._loop = asyncio.get_running_loop()
        self._spawn(self._keep_alive())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for timer in self._timers:
            timer.cancel()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._hang_up(1001, "the simulator stops")
        self._loop = None

    async def _hang_up(self, code: int, reason: str) -> None:
        """Close every connection, and wait until they are gone."""
        for peer in self.peers:
            peer.close(code, reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                while self._peers:
                    await asyncio.sleep(_LOOKING)
        await self._listener.shut()

    def _restart(self, seconds: float) -> None:
        """Close the ports and every connection, and open the ports again after so long."""
        self._listener.close()
        if self._coming_back is not None:
            self._coming_back.cancel()
        self._coming_back = self._spawn(self._come_back(seconds))

    async def _come_back(self, seconds: float) -> None:
        await self._hang_up(1012, "service restart")
        await asyncio.sleep(seconds)
        await self._listener.listen(self.ports)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        assert self._loop is not None

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = self._loop.call_later(seconds, act)
        self._timers.add(timer)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._ping_every)
            for peer in self.peers:
                peer.ping()

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Call this in the server's thread, and wait until it is done."""
        if self._loop is None:
            raise Misuse("the simulator is not running", field=self.venue)
        if _running_loop() is self._loop:
            action()
        else:
            asyncio.run_coroutine_threadsafe(_doing(action), self._loop).result(10)

    # --- connections ---

    async def _serve(
        self, door: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT):
                request = await read_request(reader)
        except Malformed as error:
            writer.write(answer(400, {"error": str(error)}).encode(self.now()))
            return
        if request is None or not self.listening:
            return
        if self._listener.full:
            words = f"the simulator has {MAX_CLIENTS} clients, and takes no more"
            self.counters.refused["503"] += 1
            writer.write(answer(503, {"error": words}).encode(self.now()))
            return
        request = replace(request, door=door)
        if request.upgrades:
            await self._dialled(request, reader, writer)
        else:
            response = await self._requested(request)
            writer.write(response.encode(self.now(), bodiless=request.method == "HEAD"))
            await writer.drain()

    async def _requested(self, request: Request) -> Response:
        self.counters.requests += 1
        response = self._refusal("request") or await self.answer_http(request)
        if response.status >= 400:
            self.counters.refused[str(response.status)] += 1
        return response

    async def _dialled(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.counters.dials += 1
        memory: dict[str, Any] = {}
        refusal = self._refusal("dial") or self.admit(request, memory)
        if refusal is not None:
            self.counters.refused[str(refusal.status)] += 1
            writer.write(refusal.encode(self.now()))
            await writer.drain()
            return
        self.counters.connections += 1
        peer = Peer(self.counters.connections, request, reader, writer, self._compress)
        peer.memory = memory
        if peer.accept():
            await self._attend(peer)

    async def _attend(self, peer: Peer) -> None:
        self._peers[peer.number] = peer
        try:
            self.joined(peer)
            await peer.run(lambda message: self._received(peer, message))
        finally:
            del self._peers[peer.number]
            self.counters.too_slow += peer.too_slow
            self._forget(peer)
            self.left(peer)

    def _received(self, peer: Peer, message: Message) -> None:
        self.counters.received += 1
        self.received(peer, message)

    def _forget(self, peer: Peer) -> None:  # noqa: B027
        """A client is gone: stop what was done for it."""

    def _refusal(self, what: str) -> Response | None:
        waiting = self._refusals[what]
        return waiting.pop(0) if waiting else None

    @property
    def peers(self) -> list[Peer]:
        """The clients that are connected. A dial takes a moment; `connected` waits for it."""
        return [*self._peers.values()]

    async def connected(self, count: int = 1, *, seconds: float = 10) -> list[Peer]:
        """Wait until so many clients are connected, at least; `TimeoutError` after so long."""
        async with asyncio.timeout(seconds):
            while len(self._peers) < count:
                await asyncio.sleep(_LOOKING)
        return self.peers

    def wait_connected(self, count: int = 1, *, seconds: float = 10) -> None:
        """The same for a test without asyncio, while the simulator runs in its own thread."""
        if self._loop is None:
            raise Misuse("the simulator is not running", field=self.venue)
        if _running_loop() is self._loop:
            raise Misuse("would wait for itself", expected="await venue.connected()")
        asyncio.run_coroutine_threadsafe(
            self.connected(count, seconds=seconds), self._loop
        ).result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _doing(action: Callable[[], None]) -> None:
    action()
