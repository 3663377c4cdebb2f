"""What the simulators share: a loopback server, streams of data, and faults.

    async with ChainlinkSimulator() as venue:   # under asyncio
        venue.url, venue.credentials

    with start("chainlink") as venue:           # anywhere else: it runs in a thread of its own
        venue.url, venue.credentials

The server is a `Host`. Data flows in `Stream`s: each makes its messages at its own pace for the
clients that have joined it. Faults concern the messages of streams; acknowledgements always come.

Every public method may be called from any thread. Wrong use raises `Misuse`; a port that cannot be
had raises `OSError`.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Self, Unpack

from payloads.errors import Misuse
from payloads.simulators.faults import KINDS, Plan, Rule
from payloads.simulators.host import Host
from payloads.simulators.http import answer
from payloads.simulators.options import Endpoint, Made, Sent, Server
from payloads.simulators.peer import Peer
from payloads.simulators.streams import Stream
from payloads.simulators.text_options import COMMON, TextOption
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import SECOND, Session
from payloads.venues.common.venue import variable


class Simulator(Host):
    """A venue on loopback."""

    # The pace of its streams without a `rate`, in messages a second.
    pace: ClassVar[float] = 1.0
    # The path behind the host in `url`.
    ws_path: ClassVar[str] = ""
    # The kinds of bad payloads, where payloads are signed.
    BAD: ClassVar[tuple[str, ...]] = ()
    # What the fault `expire` does at this venue; "" where nothing ends.
    expires: ClassVar[str] = ""
    # The options that `payloads simulate --set` takes.
    text_options: ClassVar[Mapping[str, TextOption]] = COMMON

    def __init__(
        self,
        *,
        rate: float | None = None,
        seed: int = 0,
        misbehave: str | Iterable[Rule] = "",
        keep: int = 1000,
        **server: Unpack[Server],
    ) -> None:
        super().__init__(**server)
        if rate is not None and not 0 < rate <= 1e6:
            raise Misuse("no such rate", field="rate", expected="above 0 and at most 1,000,000",
                         found=str(rate))  # fmt: skip
        self.rate, self.seed = rate, seed
        self.sent: deque[Sent] = deque(maxlen=keep)
        self._plan, self._plan_since = self._planned(misbehave), 0.0
        self._dice = random.Random(f"{seed} damage")
        self._streams: dict[str, Stream] = {}

    # --- what to connect to ---

    @property
    def url(self) -> str:
        """Where to connect."""
        return self.base + self.ws_path

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its websockets; the first is `url`."""
        return (Endpoint(self.venue, "connect to", self.url, self.base, self.subscriptions[0]),)

    @property
    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """The test credentials that this simulator takes, by name. They are worth nothing."""

    @property
    def tokens(self) -> dict[str, str]:
        """What a client that logs in elsewhere would have got there: new tokens, by name."""
        return {}

    @property
    def environment(self) -> dict[str, str]:
        """The credentials as the command line reads them from the environment."""
        return {variable(self.venue, name): value for name, value in self.credentials.items()}

    @property
    @abstractmethod
    def subscriptions(self) -> tuple[str, ...]:
        """Everything to subscribe to, as arguments of `payloads capture`."""

    def capture(self, output: str) -> list[str]:
        """The arguments of a `payloads capture` of everything; it needs `environment`."""
        where = ["--endpoint", self.base, "-o", output]
        return ["capture", self.venue, *self.subscriptions, *where]

    @abstractmethod
    def session(self) -> Session:
        """A session of this library that is ready to talk to this simulator."""

    def replaces(self, message: bytes) -> bool:
        """Whether a message of a stream says all anew: it is data however often it comes."""
        return False

    def expire_tokens(self) -> None:
        """Take no longer what was given out so far; see `expires`."""

    def _check_tokens(self) -> None:
        if not self.expires:
            raise Misuse("this venue has no tokens that end", field="expire", found=self.venue)

    # --- starting and stopping ---

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.misbehave(self._plan)
        return self

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._streams.clear()

    def _forget(self, peer: Peer) -> None:
        for stream in [*self._streams.values()]:
            self.leave(peer, stream)

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
        """Start the stream, unless it runs."""
        if stream.task is None:
            stream.task = self._spawn(stream.flow(self.deliver, self.counters))

    def leave(self, peer: Peer, stream: Stream) -> None:
        """Send a client nothing more of a stream."""
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

    # --- sending, with faults ---

    def deliver(self, peer: Peer, stream: str, made: Made) -> None:
        """Send a client a message of a stream, with the faults that the plan has for it."""
        if not peer.open:
            return
        self.counters.frames += 1
        if made.bad:
            self.counters.bad[made.bad] += 1
        number, rules = self.counters.frames, self._plan.due(time.monotonic() - self._plan_since)
        for rule in rules:
            if KINDS[rule.kind].about != "message":
                self._act(rule, peer)
        fate = tuple(rule.kind for rule in rules) + (() if peer.open else ("unsent",))
        self.sent.append(Sent(number, peer.number, stream, made.message, made.bad, fate))
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
        """A fault of a connection (of all, if none is given) or of the venue."""
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
        for each in peers:
            if rule.kind == "stall":
                each.stall(float(rule.value))
            elif rule.kind == "cut":
                each.abort()
            else:
                each.close(int(rule.value), "as was asked for")

    # --- control, from any thread ---

    def misbehave(self, plan: str | Iterable[Rule] | Plan) -> None:
        """Follow this plan from now on, and no longer the plan before."""
        planned = self._planned(plan)
        self._in_loop(lambda: self._set_plan(planned))

    def _planned(self, plan: str | Iterable[Rule] | Plan) -> Plan:
        plan = plan if isinstance(plan, Plan) else Plan(plan, self.seed)
        if any(rule.kind == "expire" for rule in plan.rules):
            self._check_tokens()
        return plan

    def _set_plan(self, plan: Plan) -> None:
        self._plan, self._plan_since = plan, time.monotonic()
        for rule in plan.timers():
            assert rule.seconds is not None
            self._later(rule.seconds, lambda rule=rule: self._on_time(plan, rule))  # type: ignore[misc]

    def _on_time(self, plan: Plan, rule: Rule) -> None:
        if self._plan is plan:
            self._act(rule, None)

    def cut(self) -> None:
        """End every connection without a close frame."""
        self._in_loop(lambda: self._act(Rule("cut", number=1), None))

    def close(self, code: int = 1011) -> None:
        """Close every connection with this code."""
        rule = Rule("close", number=1, argument=str(code))
        self._in_loop(lambda: self._act(rule, None))

    def stall(self, seconds: float) -> None:
        """Send nothing on any connection for so long."""
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

        self._check_tokens()

        def act() -> None:
            self.expire_tokens()
            self.counters.misbehaved["expire"] += 1

        self._in_loop(act)

    def restart(self, seconds: float = 1.0) -> None:
        """Close every connection with 1012, take none for so long, and come back.

        It has begun when this returns. Streams that last go on meanwhile.
        """

        def act() -> None:
            self.counters.misbehaved["restart"] += 1
            self._restart(seconds)

        self._in_loop(act)


_TO_MESSAGES = {name for name, kind in KINDS.items() if kind.about == "message"}


def seconds_of(now: int) -> int:
    """Whole seconds of nanoseconds."""
    return now // SECOND
