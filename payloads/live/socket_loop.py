"""One websocket from its opening to its end: frames in and out, pings, the session's deadlines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from secrets import token_bytes
from typing import TYPE_CHECKING

from payloads.abi.fields import Record
from payloads.capture import redaction
from payloads.capture.frames import Delivery, Frame, Opcode
from payloads.live.request_tasks import RequestTasks
from payloads.live.sink import Sink
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Closed, Event, Retry, Session, Stalled

if TYPE_CHECKING:
    from payloads.live.websocket import WebSocket

SECOND = 10**9
_ENDINGS = (Stalled, Closed)
# A server that takes so few of our messages reads none; they are answers to its own, for the most.
_MOST_UNSENT = 4096


class KeepAlive(Record, frozen=True):
    """How a websocket is kept alive and closed, in seconds."""

    ping_interval: float | None
    ping_timeout: float
    close_timeout: float


class Live:
    """One open websocket: what runs beside each other while it is open."""

    def __init__(
        self,
        session: Session,
        sink: Sink,
        request_tasks: RequestTasks,
        keep_alive: KeepAlive,
        closing: asyncio.Event,
    ) -> None:
        self.sink, self.session, self.stats = sink, session, sink.stats
        self.recorder, self.clock = sink.recorder, sink.clock
        self.venue, self.number = self.session.venue, sink.number
        self.is_open = self.was_open = False
        # Set once this websocket is to be closed, or is closed.
        self.over = asyncio.Event()
        self.failure: BaseException | None = None
        self._request_tasks, self._keep_alive, self._closing = request_tasks, keep_alive, closing
        self._verdict: Closed | None = None
        self._socket: WebSocket | None = None
        self._outgoing: deque[Message] = deque()
        self._something_to_send = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: int | None = None
        self._held = False
        self._why_lost = ""

    @property
    def usable(self) -> bool:
        """Whether the session can be told something, and what it wants be sent."""
        return self.is_open and not self.over.is_set()

    # --- what the websocket calls ---

    def on_open(self, at: int) -> None:
        self.is_open = self.was_open = True
        self.stats.opened += 1
        self.sink.happened("opened", {})
        self.ask(lambda: self.session.opened(at))

    def on_frame(self, opcode: Opcode, data: bytes, at: int) -> None:
        if self.failure is not None:
            return
        message: Message = data
        if opcode == "text":
            try:
                message = data.decode()
            except UnicodeDecodeError:
                # Against RFC 6455, but evidence: it goes on as the bytes it was.
                message = data
        frame = Frame(self.venue, self.number, "in", opcode, at, message)
        try:
            if self.recorder is not None:
                self.recorder.frame(frame)
                if opcode == "ping":  # the library answers by itself, with the same bytes
                    self.recorder.frame(Frame(self.venue, self.number, "out", "pong", at, data))
            if opcode == "text" or opcode == "binary":
                self.stats.frames_in += 1
                self.stats.bytes_in += len(data)
                self._after(self.session.received(message, at), frame)
        except Exception as error:
            self.fail(error)

    # --- between the session and everything else ---

    def ask(self, call: Callable[[], list[Event]]) -> None:
        """Tell the session something; see to what it says and wants then."""
        try:
            self._after(call(), None)
        except Exception as error:
            self.fail(error)

    def _after(self, events: list[Event], frame: Frame | None) -> None:
        """Whatever the session said or wants, after any call."""
        session = self.session
        if frame is None:
            room = self.sink.emit(tuple(events))
        else:
            room = self.sink.inbox.put(Delivery(frame.at, self.number, frame, tuple(events)))
        if not room:
            self._hold()
        if to_send := session.take():
            self._to_send(to_send)
        if requests := session.take_requests():
            self._request_tasks.begin(requests)
        if session.deadline != self._timer_for:
            self._arm()
        for event in events:
            if isinstance(event, _ENDINGS):
                self._ending(event)

    def _to_send(self, messages: list[Message]) -> None:
        self._outgoing += messages
        self._something_to_send.set()
        if len(self._outgoing) > _MOST_UNSENT:
            self._give_up("the server does not read what is sent to it")

    def _ending(self, event: Stalled | Closed) -> None:
        """The session gives this connection up, or closes it."""
        if isinstance(event, Stalled):
            self._give_up(f"silent for {event.silent_for / SECOND:.1f} s")
        else:
            self._verdict = event
            self.over.set()

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.over.set()

    def _give_up(self, why: str) -> None:
        """The server is there no more, or might as well not be."""
        self.stats.stalled += 1
        self._why_lost = why
        self.sink.happened("stalled", {"why": why})
        if self._socket is not None:
            self._socket.abort()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_for = None, self.session.deadline
        if self._timer_for is not None:
            wait = max(0, self._timer_for - self.clock()) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        now = self.clock()
        due = self._timer_for
        self._timer = self._timer_for = None
        if due is not None and now < due:  # timers may fire a little early
            self._arm()
            return
        self.ask(lambda: self.session.tick(now))
        if self.session.deadline is not None and self.session.deadline <= now:
            # A deadline that the tick did not move would be due for ever; once a second is enough.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(1, self._tick)

    def _hold(self) -> None:
        """The reader is slow, and wants the socket left alone meanwhile."""
        if self._held or self._socket is None:
            # Before the dial has returned, what came with the handshake is all there is.
            return
        self._held = True
        self._socket.pause()
        self.sink.inbox.hold(self._resume)

    def _resume(self) -> None:
        self._held = False
        if self._socket is not None:
            self._socket.heard = time.monotonic()
            self._socket.resume()

    # --- the tasks of an open websocket ---

    async def run(self, socket: WebSocket) -> Retry:
        """Until the websocket is closed by either side."""
        self._socket = socket
        if self.sink.inbox.full:
            self._hold()
        tasks = [asyncio.ensure_future(task) for task in (self._send(), self._ping())]
        ends = [
            asyncio.ensure_future(task)
            for task in (socket.wait_closed(), self.over.wait(), self._closing.wait())
        ]
        try:
            await asyncio.wait([*ends, *tasks[:1]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when cancelled: the closing handshake is still made, within its own timeout.
            self.over.set()
            if tasks[0].done() and (error := tasks[0].exception()) is not None:
                self.fail(error)
            for task in (*tasks, *ends):
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            await self._shut(socket)
        if self.failure is not None:
            raise self.failure
        return self.lost(*socket.ending)

    async def _shut(self, socket: WebSocket) -> None:
        # The server's half of the closing handshake stands behind what was not read yet.
        self._held = True
        socket.resume()
        try:
            async with asyncio.timeout(self._keep_alive.close_timeout + 1):
                await socket.close()
        except (TimeoutError, asyncio.CancelledError):
            socket.abort()
            raise
        finally:
            self._held = False

    def lost(self, code: int, reason: str) -> Retry:
        """The websocket is gone: what the session says to that."""
        self.is_open = False
        reason = self._why_lost or reason
        self.stats.lost += 1
        self.sink.happened("closed", {"code": code, "reason": reason})
        if self._verdict is not None:  # its own words, and already told
            return self._verdict.retry
        events = self.session.closed(code, reason, self.clock())
        self.sink.emit(tuple(events))
        closed = last_word(events)
        return closed.retry if closed is not None else Retry(True, reason or f"code {code}")

    async def _send(self) -> None:
        assert self._socket is not None
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while self._outgoing:
                message = self._outgoing.popleft()
                if not await self._socket.deliver(message):
                    return
                self._sent(message)

    def _sent(self, message: Message) -> None:
        self.stats.frames_out += 1
        self.stats.bytes_out += len(message)
        if self.recorder is None:
            return
        clean = self.session.redact(message)
        for secret in redaction.removed(message, clean):
            self.recorder.learn(secret)
        opcode: Opcode = "text" if isinstance(message, str) else "binary"
        self._record_sent(opcode, clean, redacted=clean != message)

    def _record_sent(self, opcode: Opcode, data: Message, redacted: bool = False) -> None:
        if self.recorder is None:
            return
        frame = Frame(self.venue, self.number, "out", opcode, self.clock(), data, redacted)
        try:
            self.recorder.frame(frame)
        except Exception as error:
            self.fail(error)

    async def _ping(self) -> None:
        """Ping, and give up a server from which nothing comes at all within the timeout."""
        keep_alive, socket = self._keep_alive, self._socket
        assert socket is not None
        if keep_alive.ping_interval is None:
            return
        while True:
            await asyncio.sleep(keep_alive.ping_interval)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(keep_alive.ping_timeout):
                    content = token_bytes(4)
                    answered = await socket.ping(content)
                    self._record_sent("ping", content)
                    self.stats.latency = await answered
            except TimeoutError:
                # While the reader holds us up nothing is read, so nothing can be missing.
                if not self._held and socket.heard < asked:
                    self._give_up(f"no answer to a ping within {keep_alive.ping_timeout:g} s")
                    return
            except Exception:  # closed meanwhile: `run` has seen that too
                return


def last_word(events: list[Event]) -> Closed | None:
    """The session's decision to close, if these events hold one."""
    return next((event for event in reversed(events) if isinstance(event, Closed)), None)
