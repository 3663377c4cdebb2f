"""What the five simulators share: a loopback server, streams of data, and ways to misbehave.

    async with ChainlinkSimulator() as venue:   # under asyncio
        venue.url, venue.credentials

    with start("chainlink") as venue:           # anywhere else: it runs in a thread of its own
        venue.url, venue.credentials

A venue answers dials (`admit`), requests (`answer_http`) and messages (`received`), and its data
flows in `Stream`s: each makes its messages at its own pace for whoever has joined it. A message of
a stream is what misbehaviour is done to; acknowledgements always come.

Every method that a user calls may be called from any thread. What is asked for wrongly is `Misuse`;
`OSError` is let through where a port cannot be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Self, TypedDict

from payloads.errors import Malformed, Misuse
from payloads.fields import Record
from payloads.simulators.http import MAX_HEAD, Request, Response, answer, read_request
from payloads.simulators.misbehaviour import KINDS, Plan, Rule
from payloads.simulators.peer import Peer
from payloads.transport.secrets import variable
from payloads.venues.session import SECOND, Message, Session

__all__ = ["Common", "Counters", "Made", "Sent", "Simulator", "Stream", "running"]

# Behind by more than this, a stream gives up catching up: the machine is too slow for the rate.
_PATIENCE = 1.0
# How many messages a stream makes at once before others get a turn.
_BURST = 16
_HEAD_TIMEOUT = 10.0
# How often whoever waits for something looks, in seconds.
_LOOKING = 0.005


class Common(TypedDict, total=False):
    """What every simulator can be started with.

    `rate` is in messages a second for each stream (None: the venue's own pace), `misbehave` is a
    plan as in `payloads.simulators.misbehaviour`, `clock` gives nanoseconds since 1970, and `keep`
    is how many of the latest messages `sent` remembers.
    """

    host: str
    port: int
    rate: float | None
    seed: int
    misbehave: str | Iterable[Rule]
    clock: Callable[[], int]
    keep: int
    compress: bool
    tls: ssl.SSLContext | None
    ping_every: float


@dataclass
class Counters:
    """What happened so far."""

    dials: int = 0
    connections: int = 0
    requests: int = 0
    received: int = 0
    frames: int = 0
    bytes: int = 0
    # Messages never made, because the machine could not keep up with the rate.
    late: int = 0
    # Clients cut off because they did not read.
    too_slow: int = 0
    # By the venue's own code or status; by kind.
    refused: Counter[str] = field(default_factory=Counter)
    misbehaved: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The counters as the command line prints them with `--json`."""
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }


class Made(Record, frozen=True):
    """A message of a stream; `bad` says how its payload was spoilt, if it was."""

    message: str | bytes
    bad: str = ""


class Sent(Record, frozen=True):
    """A message that was due to a client; `number` counts them all, `fate` is what became of it."""

    number: int
    peer: int
    stream: str
    message: str | bytes
    bad: str = ""
    fate: tuple[str, ...] = ()


class Stream:
    """Messages made at a pace, for the clients that have joined.

    One that `lasts` goes on without clients, as a market does that REST can be asked about.
    """

    def __init__(
        self, name: str, period: float, make: Callable[[], Iterable[Made]], lasts: bool = False
    ) -> None:
        self.name, self.period, self.make, self.lasts = name, period, make, lasts
        self.peers: list[Peer] = []
        self.task: asyncio.Task[None] | None = None


class Simulator(ABC):
    """A venue on loopback."""

    venue: ClassVar[str]
    # The pace of its streams where none is asked for, in messages a second.
    pace: ClassVar[float] = 1.0
    # The path that clients put behind the host.
    ws_path: ClassVar[str] = ""
    # The venue's hosts, each a port of its own here; the first is `port`, the next one above it.
    doors: ClassVar[tuple[str, ...]] = ("",)

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rate: float | None = None,
        seed: int = 0,
        misbehave: str | Iterable[Rule] = "",
        clock: Callable[[], int] = time.time_ns,
        keep: int = 1000,
        compress: bool = False,
        tls: ssl.SSLContext | None = None,
        ping_every: float = 20.0,
    ) -> None:
        if rate is not None and not 0 < rate <= 1e6:
            raise Misuse("no such rate", field="rate", expected="above 0 and at most 1,000,000",
                         found=str(rate))  # fmt: skip
        if not 0 <= port < 2**16:
            raise Misuse("no such port", field="port", expected="0 to 65535", found=str(port))
        self.host = host
        self.rate, self.seed, self.clock = rate, seed, clock
        self.counters = Counters()
        self.sent: deque[Sent] = deque(maxlen=keep)
        self._compress, self._tls, self._ping_every = compress, tls, ping_every
        self._plan, self._plan_since = Plan(misbehave, seed), 0.0
        self._dice = random.Random(f"{seed} damage")
        self._peers: dict[int, Peer] = {}
        self._streams: dict[str, Stream] = {}
        self._refusals: dict[str, list[Response]] = {"dial": [], "request": []}
        self.ports = {door: port + index if port else 0 for index, door in enumerate(self.doors)}
        self._servers: list[asyncio.Server] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    # --- what to connect to ---

    @property
    def port(self) -> int:
        return self.ports[self.doors[0]]

    @property
    def base(self) -> str:
        """The websocket endpoint: scheme, host and port."""
        return self.base_of(self.doors[0])

    def base_of(self, door: str) -> str:
        """The same for one of the venue's hosts."""
        return f"{'wss' if self._tls else 'ws'}://{self._authority(door)}"

    @property
    def http_url(self) -> str:
        """The same host for requests."""
        return f"{'https' if self._tls else 'http'}://{self._authority(self.doors[0])}"

    def _authority(self, door: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.ports[door]}"

    @property
    def url(self) -> str:
        """Where to connect."""
        return self.base + self.ws_path

    @property
    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """The test credentials that this simulator takes, by name. They are worth nothing."""

    @property
    def environment(self) -> dict[str, str]:
        """The same as the command line reads them from the environment."""
        return {variable(self.venue, name): value for name, value in self.credentials.items()}

    @property
    @abstractmethod
    def subscriptions(self) -> tuple[str, ...]:
        """What there is, as `payloads capture` is told what to subscribe to."""

    def capture(self, output: str) -> list[str]:
        """The arguments of a `payloads capture` of everything here; it wants `environment`."""
        where = ["--endpoint", self.base, "-o", output]
        return ["capture", self.venue, *self.subscriptions, *where]

    @abstractmethod
    def session(self) -> Session:
        """A session of this library that is ready to talk to this simulator."""

    def now(self) -> int:
        """The venue's clock, in nanoseconds."""
        return self.clock()

    # --- what a venue is ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        """Refuse a dial with a response, or admit it and note in `memory` who it is."""
        return None

    async def answer_http(self, request: Request) -> Response:
        """Answer a request that asks for no websocket."""
        return answer(404, {"error": "not found"})

    def joined(self, peer: Peer) -> None:  # noqa: B027 (most have nothing to say)
        """A websocket is open."""

    @abstractmethod
    def received(self, peer: Peer, message: Message) -> None:
        """A message came in."""

    def left(self, peer: Peer) -> None:  # noqa: B027
        """A websocket is gone."""

    def expire_tokens(self) -> None:
        """Take no token any more that was given out so far."""
        raise Misuse("this venue gives out no tokens", field="expire")

    # --- starting and stopping ---

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._listen()
        self._spawn(self._keep_alive())
        self.misbehave(self._plan)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up(1001, "the simulator stops")
        for timer in self._timers:
            timer.cancel()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._streams.clear()
        self._loop = None

    async def _listen(self) -> None:
        for door, port in self.ports.items():
            server = await asyncio.start_server(
                partial(self._connected, door), self.host, port, limit=MAX_HEAD, ssl=self._tls
            )
            self._servers.append(server)
            self.ports[door] = server.sockets[0].getsockname()[1]

    async def _hang_up(self, code: int, reason: str) -> None:
        """Listen no more, and close every connection."""
        while self._servers:
            self._servers.pop().close()
        for peer in [*self._peers.values()]:
            peer.close(code, reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while self._peers:
                    await asyncio.sleep(_LOOKING)
        for peer in [*self._peers.values()]:
            peer.abort()

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
            for peer in [*self._peers.values()]:
                peer.ping()

    # --- connections ---

    async def _connected(
        self, door: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(door, reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(
        self, door: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT):
                request = await read_request(reader)
        except Malformed as error:
            writer.write(answer(400, {"error": str(error)}).encode(self.now()))
            return
        if request is None:
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
            for stream in [*self._streams.values()]:
                self.leave(peer, stream)
            self.left(peer)

    def _received(self, peer: Peer, message: Message) -> None:
        self.counters.received += 1
        self.received(peer, message)

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

    # --- streams ---

    def stream(
        self,
        name: str,
        make: Callable[[], Iterable[Made]],
        *,
        pace: float | None = None,
        lasts: bool = False,
    ) -> Stream:
        """The stream of that name, made if it is new. `pace` is the venue's own, a second."""
        if name not in self._streams:
            period = 1 / (self.rate or pace or self.pace)
            self._streams[name] = Stream(name, period, make, lasts)
        return self._streams[name]

    def join(self, peer: Peer, stream: Stream) -> None:
        """Send a client what the stream makes from now on."""
        if peer not in stream.peers:
            stream.peers.append(peer)
        self.run(stream)

    def run(self, stream: Stream) -> None:
        """Have the stream going."""
        if stream.task is None:
            stream.task = self._spawn(self._flow(stream))

    def leave(self, peer: Peer, stream: Stream) -> None:
        """Send a client nothing more of it."""
        if peer in stream.peers:
            stream.peers.remove(peer)
        if not stream.peers and not stream.lasts:
            self.end(stream)

    def end(self, stream: Stream) -> None:
        """Stop a stream and forget it."""
        if stream.task is not None:
            stream.task.cancel()
            stream.task = None
        self._streams.pop(stream.name, None)

    async def _flow(self, stream: Stream) -> None:
        due, made = time.monotonic(), 0
        while True:
            wait = due - time.monotonic()
            if wait > 0 or made % _BURST == 0:
                await asyncio.sleep(max(0.0, wait))
            if wait < -_PATIENCE:
                missed = int(-wait / stream.period)
                self.counters.late += missed
                due += missed * stream.period
            due += stream.period
            made += 1
            for one in stream.make():
                for peer in [*stream.peers]:
                    self.deliver(peer, stream.name, one)

    # --- sending, right and wrong ---

    def deliver(self, peer: Peer, stream: str, made: Made) -> None:
        """Send a client a message of a stream, or do to it what the plan says."""
        if not peer.open:
            return
        self.counters.frames += 1
        if made.bad:
            self.counters.bad[made.bad] += 1
        rules = self._plan.due(time.monotonic() - self._plan_since)
        fate = tuple(rule.kind for rule in rules)
        self.sent.append(
            Sent(self.counters.frames, peer.number, stream, made.message, made.bad, fate)
        )
        for rule in rules:
            if KINDS[rule.kind].about != "message":
                self._act(rule, peer)
        self._send(peer, made.message, [rule for rule in rules if rule.kind in _TO_MESSAGES])

    def _send(self, peer: Peer, message: Message, rules: list[Rule]) -> None:
        kinds = [rule.kind for rule in rules]
        for kind in kinds:
            self.counters.misbehaved[kind] += 1
        if "drop" in kinds:
            return
        if "reorder" in kinds:
            peer.send_swapped(message)
            return
        damage = next((rule.value for rule in rules if rule.kind == "corrupt"), "")
        for _ in range(2 if "duplicate" in kinds else 1):
            self.counters.bytes += len(message)
            if damage:
                peer.send_corrupt(message, damage, self._dice)
            else:
                peer.send(message)
        peer.after_sending()

    def _act(self, rule: Rule, peer: Peer | None) -> None:
        """What is done to a connection (all of them, if none is named) or to the venue."""
        peers = self.peers if peer is None else [peer]
        match rule.kind:
            case "restart":
                self.restart(float(rule.value))
                return
            case "refuse":
                self.refuse(int(rule.value))
                return
            case "expire":
                self.expire()
                return
        self.counters.misbehaved[rule.kind] += 1
        for one in peers:
            if rule.kind == "stall":
                one.stall(float(rule.value))
            elif rule.kind == "cut":
                one.abort()
            else:
                one.close(int(rule.value), "as was asked for")

    # --- control, from any thread ---

    def misbehave(self, plan: str | Iterable[Rule] | Plan) -> None:
        """From now on misbehave as in this plan, and no longer as in the one before."""
        plan = plan if isinstance(plan, Plan) else Plan(plan, self.seed)
        self._in_loop(lambda: self._set_plan(plan))

    def _set_plan(self, plan: Plan) -> None:
        self._plan, self._plan_since = plan, time.monotonic()
        for rule in plan.timers():
            assert rule.seconds is not None
            self._later(rule.seconds, lambda rule=rule: self._on_time(plan, rule))  # type: ignore[misc]

    def _on_time(self, plan: Plan, rule: Rule) -> None:
        if self._plan is plan:
            self._act(rule, None)

    def cut(self) -> None:
        """Every connection is gone, without a close frame."""
        self._in_loop(lambda: self._act(Rule("cut", number=1), None))

    def close(self, code: int = 1011) -> None:
        """Every connection is closed with this code."""
        rule = Rule("close", number=1, argument=str(code))
        self._in_loop(lambda: self._act(rule, None))

    def stall(self, seconds: float) -> None:
        """Every connection falls silent for so long."""
        rule = Rule("stall", number=1, argument=f"{seconds:f}")
        self._in_loop(lambda: self._act(rule, None))

    def refuse(
        self,
        status: int = 503,
        *,
        times: int = 1,
        headers: tuple[tuple[str, str], ...] = (),
        requests: bool = False,
    ) -> None:
        """Answer the next dials (or, with `requests`, the next HTTP requests) with this status."""
        Rule("refuse", number=1, argument=str(status))
        response = answer(status, {"error": "refused, as was asked for"}, *headers)

        def act() -> None:
            self.counters.misbehaved["refuse"] += times
            self._refusals["request" if requests else "dial"] += [response] * times

        self._in_loop(act)

    def expire(self) -> None:
        """Take no token any more that was given out so far."""

        def act() -> None:
            self.expire_tokens()
            self.counters.misbehaved["expire"] += 1

        self._in_loop(act)

    def restart(self, seconds: float = 1.0) -> None:
        """Close every connection with 1012, let nobody in for so long, and come back.

        It has begun when this returns; streams that last go on meanwhile.
        """

        def act() -> None:
            self.counters.misbehaved["restart"] += 1
            self._spawn(self._restart(seconds))

        self._in_loop(act)

    async def _restart(self, seconds: float) -> None:
        await self._hang_up(1012, "service restart")
        await asyncio.sleep(seconds)
        await self._listen()

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Do something where the server runs, and wait until it is done."""
        if self._loop is None:
            raise Misuse("the simulator is not running", field=self.venue)
        if _running_loop() is self._loop:
            action()
        else:
            asyncio.run_coroutine_threadsafe(_doing(action), self._loop).result(10)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _doing(action: Callable[[], None]) -> None:
    action()


_TO_MESSAGES = {name for name, kind in KINDS.items() if kind.about == "message"}


@contextlib.contextmanager
def running(simulator: Simulator) -> Iterator[Simulator]:
    """The simulator, served from a thread of its own until the block ends."""
    ready, done = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with simulator:
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.02)

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name=f"{simulator.venue} simulator", daemon=True)
    thread.start()
    ready.wait()
    try:
        if not failed:
            yield simulator
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]


def seconds_of(now: int) -> int:
    """Whole seconds of nanoseconds."""
    return now // SECOND
