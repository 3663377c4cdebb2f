"""A state machine in which a venue fails in any order, and a client has to live with it.

The client is this library's `Connection` with the venue's session, or a subclass's own. The venue
is its simulator, in memory: there is no socket, and the event loop's clock jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from payloads.capture import redaction
from payloads.capture.frames import Delivery, Frame, Retrying, Unreachable
from payloads.capture.reader import read_frames
from payloads.capture.writer import CaptureWriter
from payloads.errors import Refused, elide
from payloads.live.connection import Connection
from payloads.simulators.in_memory import InMemory, Socket
from payloads.strategies.machines.virtual_time import VirtualLoop
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Closed, Data, Event, Opened, Session

CHECKS: dict[str, str] = {
    "frames": "no frame is lost, and none is doubled, on the way to the handler and the capture",
    "events": "a message of a stream is a single `Data`, or a single `Duplicate` if it came before",
    "secrets": "no credential is in the log, an error, a repr or the capture",
    "alive": "it is connected, or will dial again, or has stopped with a reason",
}
# The time of day when a machine begins, in nanoseconds.
_BEGINNING = 1_700_000_000 * 10**9
CODES = (1000, 1001, 1008, 1011, 1012, 1013, 4000, 4001)
_STATUSES = (503, 500, 502, 429, 404, 403, 401, 400)
_WAITS = (1, 0.01, 5, 30, 60, 600)
# Longer than every pause that a client makes before it dials again.
PATIENCE = 900
# As many deliveries as wait for the reader, so that a slow reader stops the socket soon.
_QUEUE = 4
# So long that all is done that is to be done at once.
_MOMENT = 0.001
# Names of credentials that are no secrets.
_PUBLIC = ("key", "public_key")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_STATES = {Opened: "opened", Closed: "closed", Unreachable: "unreachable", Retrying: "retrying"}


class KeptRecorder:
    """A connection's recorder: a capture, and what is to be compared with it."""

    def __init__(self, writer: CaptureWriter) -> None:
        self._writer = writer
        self.heard: list[tuple[str, bytes]] = []
        self.connection, self.learn, self.incident = (
            writer.connection, writer.learn, writer.incident
        )  # fmt: skip

    def frame(self, frame: Frame) -> None:
        if frame.direction == "in" and frame.is_message:
            self.heard.append((frame.opcode, frame.raw))
        self._writer.frame(frame)


class _Log(logging.Handler):
    """Keeps every line of the log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage() + str(record.exc_info or ""))


class ConnectionMachine(RuleBasedStateMachine):
    """See `connection_machine`, which makes classes of this for a venue.

    A subclass may override `make_session`, `make_connection` and `handle`, and add rules and
    invariants. It finds the `simulator`, the `session`, and the `deliveries` so far.
    """

    CHECKS: ClassVar[dict[str, str]] = CHECKS
    venue: str
    options: Mapping[str, Any]
    checks: frozenset[str]

    # --- what a subclass decides ------------------------------------------------------------------

    def make_session(self, simulator: Any) -> Session:
        """The session that is driven."""
        found: Session = simulator.session()
        return found

    def make_connection(self, session: Session, **options: Any) -> Connection:
        """The connection that drives it: entered with `async with`, and read with `async for`.

        The options are those of `Connection`: `dial`, `http`, `clock`, `recorder`, `queue`,
        `chance`.
        """
        return Connection(session, **options)

    def handle(self, delivery: Delivery) -> Iterable[Message]:
        """What the handler has taken of a delivery: its message, each once."""
        frame = delivery.frame
        return [] if frame is None or not frame.is_message else [frame.data]

    # --- the beginning and the end ----------------------------------------------------------------

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: list[Delivery] = []
        # The error that ended the connection, and whether anything did.
        self.ended: BaseException | None = None
        self.is_over = False
        self._loop = VirtualLoop()
        self._began = self._loop.time()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed at the end of the run)
        self._log = _Log()
        self._logger = logging.getLogger("payloads")
        self._logger_was = self._logger.level, self._logger.propagate
        # The messages of streams, and what was said of each that came; what the handler has taken.
        self._streamed: set[bytes] = set()
        self._told: list[tuple[bytes, tuple[Event, ...]]] = []
        self._last_raw = b""
        self._known: set[bytes] = set()
        self._answered: set[bytes] = set()
        self._handled: list[bytes] = []
        self._state = "new"
        # The credentials so far, and how much was looked through for them.
        self._secrets: set[str] = set()
        self._looked_at = self._dials = self._requests = self._read_to = 0
        self._failed = False

    @initialize()
    def connect(self) -> None:
        """The client connects."""
        self._logger.addHandler(self._log)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        self._do(self._start)

    def _start(self) -> None:
        self.reading = asyncio.Event()
        self.reading.set()
        self.world = InMemory(self.venue, clock=self._now, **self.options)
        self.simulator = self.world.simulator
        self.session = self.make_session(self.simulator)
        writer = CaptureWriter(self._file.fileno(), flush_every=0, clock=self._now)
        self._recorder = KeptRecorder(writer)
        self.connection = self.make_connection(
            self.session, dial=self.world.dial, http=self.world.http, clock=self._now,
            recorder=self._recorder, queue=_QUEUE, chance=lambda: 0.5,
        )  # fmt: skip
        self._reader = self._loop.create_task(self._read())

    def _now(self) -> int:
        return _BEGINNING + int((self._loop.time() - self._began) * 10**9)

    async def _read(self) -> None:
        try:
            async with self.connection:
                async for delivery in self.connection:
                    await self.reading.wait()
                    self._take(delivery)
        except Exception as error:
            self.ended = error
        self.is_over = True

    def teardown(self) -> None:
        """Recover at last, and stop."""
        try:
            if not self._failed and hasattr(self, "connection"):
                self.recover()
                self._check_capture()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._logger.removeHandler(self._log)
        level, self._logger.propagate = self._logger_was
        self._logger.setLevel(level)
        if hasattr(self, "_reader"):
            self._reader.cancel()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.close()
        self._file.close()

    # --- what the venue does ----------------------------------------------------------------------

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        """The next messages of every stream."""

        def work() -> None:
            for _ in range(count):
                self._send(1)

        self._do(work)

    @rule()
    def duplicate(self) -> None:
        """The next messages, each of them twice."""
        self._do(lambda: self._send(2))

    @rule()
    def reorder(self) -> None:
        """The next messages, those that are made later before the others."""

        def work() -> None:
            first, second = self.world.make(), self.world.make()
            for peer, made in (*second, *first):
                self._send_one(peer, made.message)

        self._do(work)

    @rule(how=st.sampled_from(("truncate", "utf8")), seed=st.integers(0, 2**16))
    def damage(self, how: str, seed: int) -> None:
        """The next messages, damaged."""
        dice = random.Random(seed)

        def work() -> None:
            for peer, made in self.world.make():
                peer.send_corrupt(made.message, how, dice)

        self._do(work)

    @rule()
    def cut(self) -> None:
        """The connection is gone without a close frame."""
        self._on_each(lambda socket: socket.end(1006, ""))

    @rule(code=st.sampled_from(CODES))
    def close(self, code: int) -> None:
        """The venue closes the connection."""
        self._on_each(lambda socket: socket.bring_end(code, "as it is"))

    @rule(seconds=st.sampled_from((1, 15, 45, 600)))
    def stall(self, seconds: float) -> None:
        """Silence, pongs included; what is sent comes late."""
        self._on_each(lambda socket: socket.stall(seconds))

    def _on_each(self, act: Callable[[Socket], None]) -> None:
        """Do something to each open socket."""

        def work() -> None:
            for socket in self.world.open:
                act(socket)

        self._do(work)

    @precondition(lambda self: self.simulator.expires)
    @rule()
    def expire(self) -> None:
        """Tokens end, or the credential is withdrawn."""
        self._do(self.simulator.expire_tokens)

    @rule(status=st.sampled_from(_STATUSES), times=st.integers(1, 3), requests=st.booleans())
    def refuse(self, status: int, times: int, requests: bool) -> None:
        """The next dials, or the next requests, are answered with a status."""
        self._do(lambda: self.simulator.refuse(status, times=times, requests=requests))

    @rule(times=st.integers(1, 3))
    def vanish(self, times: int) -> None:
        """The next dials and requests find nothing that answers."""
        self.world.unreachable = times

    @rule(seconds=st.sampled_from(_WAITS))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._do(lambda: None, seconds)

    @rule(reads=st.booleans())
    def read(self, reads: bool) -> None:
        """The handler stops to read, or goes on."""
        self._do(self.reading.set if reads else self.reading.clear)

    @rule()
    def recover(self) -> None:
        """Nothing is wrong any more: in the end the client is connected, or has stopped."""
        self.world.heal()
        self._do(self.reading.set)
        self._do(lambda: None, PATIENCE)
        if not self.is_over:
            self._check_recovered()

    def _check_recovered(self) -> None:
        """Nothing has been wrong for a long time."""
        if not self.world.open:
            self._fails("alive", f"it was not connected again within {PATIENCE} s")
        before = len(self._handled)
        self._do(lambda: self._send(1))
        if len(self._handled) == before and not self._refused():
            self._fails("alive", "it is connected, and gets nothing")

    def _refused(self) -> bool:
        """Whether the venue refused a subscription, so that nothing need come."""
        return bool(self.session.refused)

    def _send(self, times: int) -> None:
        for peer, made in self.world.make():
            for _ in range(times):
                self._send_one(peer, made.message)

    def _send_one(self, peer: Any, message: Message) -> None:
        self._streamed.add(raw_of(message))
        peer.send(message)

    # --- the checks -------------------------------------------------------------------------------

    def _do(self, action: Callable[[], object], seconds: float = _MOMENT) -> None:
        """Do something in the loop, let time pass until nothing is left to do, and look."""

        async def work() -> None:
            action()
            await asyncio.sleep(seconds)

        self._loop.run_until_complete(work())
        try:
            self._check()
        except BaseException:
            self._failed = True
            raise

    def _take(self, delivery: Delivery) -> None:
        """The handler gets a delivery."""
        self.deliveries.append(delivery)
        for event in delivery.events:
            self._state = _STATES.get(type(event), self._state)
        self._handled += map(raw_of, self.handle(delivery))
        frame = delivery.frame
        if frame is None:
            payloads = (getattr(event, "payload", None) for event in delivery.events)
            self._answered |= {payload.hex().encode() for payload in payloads if payload}
        elif frame.raw in self._streamed:
            self._told.append((frame.raw, delivery.events))

    def _check(self) -> None:
        if self.ended is not None and not isinstance(self.ended, Refused):
            raise self.ended
        self._check_frames()
        self._check_events()
        self._check_secrets()
        self._check_alive()

    def _check_frames(self) -> None:
        handed = [data for _, data in self.world.handed]
        if self._recorder.heard != self.world.handed:
            self._fails("frames", "the recorder was not told " + _difference(
                [data for _, data in self._recorder.heard], handed
            ))  # fmt: skip
        reads = self.reading.is_set() or self.is_over
        if self._handled != (handed if reads else handed[: len(self._handled)]):
            self._fails("frames", "the handler did not get " + _difference(self._handled, handed))

    def _check_capture(self) -> None:
        self._file.seek(0)
        frames = [frame for frame in read_frames(self._file) if frame.direction == "in"]
        kept = [b"" if frame.redacted else frame.raw for frame in frames if frame.is_message]
        # Credentials were taken out of the others.
        pairs = itertools.zip_longest(kept, self.world.handed, fillvalue=None)
        if any(one is None or two is None or one not in (b"", two[1]) for one, two in pairs):
            handed = [data for _, data in self.world.handed]
            self._fails("frames", "the capture does not have " + _difference(kept, handed))

    def _check_events(self) -> None:
        for raw, events in self._told:
            found = [event for event in events if isinstance(event, Data | Duplicate)]
            if len(found) != 1:
                said = ", ".join(type(event).__name__ for event in events) or "no event"
                self._fails("events", f"{said} for {elide(str(raw))}")
            elif isinstance(found[0], Data):
                if raw == self._last_raw and not self.simulator.replaces(raw):
                    self._fails("events", f"Data twice for {elide(str(raw))}")
            elif raw not in self._known and not self._was_asked_for(raw):
                self._fails("events", f"Duplicate, and it came first: {elide(str(raw))}")
            self._last_raw = raw
            self._known.add(raw)
        self._told.clear()

    def _was_asked_for(self, raw: bytes) -> bool:
        """Whether the payload of a message was in an answer to a request before."""
        return any(payload in raw for payload in self._answered)

    def _check_secrets(self) -> None:
        self._learn()
        texts = [*self._log.lines, self._captured(), *map(repr, self.deliveries[self._looked_at :])]
        texts += map(repr, (self.connection, self.session, self.ended, *self.world.dials[-1:]))
        texts.append(str(self.ended))
        self._log.lines.clear()
        self._looked_at = len(self.deliveries)
        for text in texts:
            for secret in self._secrets:
                if secret in text:
                    at = text.index(secret)
                    around = text[max(0, at - 60) : at]
                    self._fails("secrets", f"a credential of {len(secret)} bytes after {around!r}")

    def _learn(self) -> None:
        """The credentials that the client has held so far."""
        if not self._secrets:
            own = self.simulator.credentials.items()
            self._secrets |= {value for name, value in own if name not in _PUBLIC}
        for dial in self.world.dials[self._dials :]:
            self._secrets |= _long(redaction.secrets_of(dial))
        for request, reply in self.world.requests[self._requests :]:
            self._secrets |= _long(redaction.secrets_of(request))
            self._secrets |= set(_TOKEN.findall(reply.body.decode("latin-1")))
        self._dials, self._requests = len(self.world.dials), len(self.world.requests)

    def _captured(self) -> str:
        """What the capture has grown by."""
        self._file.seek(self._read_to)
        text = self._file.read()
        self._read_to += len(text)
        self._file.seek(self._read_to)
        return text.decode("utf-8", "replace")

    def _check_alive(self) -> None:
        if self.is_over:
            if self.ended is None:
                self._fails("alive", "it has stopped, and no error says why")
            return
        sockets = len(self.world.open)
        if sockets > 1:
            self._fails("alive", f"{sockets} sockets are open at once")
        if not sockets and self.reading.is_set() and self._state != "retrying":
            self._fails("alive", f"it is not connected, and its last word is {self._state!r}")

    def _fails(self, check: str, words: str) -> None:
        """Fail, unless the check is not made."""
        if check in self.checks:
            self._failed = True
            raise AssertionError(f"{check}: {words}; a good client: {CHECKS[check]}")


def raw_of(message: Message) -> bytes:
    """A message as bytes."""
    return message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message


def _long(values: Iterable[str]) -> set[str]:
    return {value for value in values if len(value) >= redaction.SHORTEST}


def _difference(found: list[bytes], wanted: list[bytes]) -> str:
    """The first place where two lists of messages differ, in words."""
    pairs = enumerate(zip(found, wanted, strict=False))
    at = next((at for at, (one, two) in pairs if one != two), min(len(found), len(wanted)))
    want, got = (elide(str(each[at])) if at < len(each) else "nothing" for each in (wanted, found))
    return f"message {at + 1} as it came: {want}, but {got}"
