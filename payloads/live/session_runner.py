"""Runs a session over one websocket, from its opening to its end.

Frames go in and out, pings are sent, and the session's deadlines are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from secrets import token_bytes

from payloads.abi.fields import Record
from payloads.capture import redaction
from payloads.capture.frames import Delivery, Frame, Opcode
from payloads.live.request_tasks import RequestTasks
from payloads.live.seams import OpenSocket
from payloads.live.sink import Sink
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    Broken,
    Closed,
    Event,
    Rejected,
    Retry,
    Session,
    Stalled,
)

SECOND = 10**9
_ENDINGS = (Stalled, Closed)
# A server that has so many of our messages to read reads none; most are answers to its own.
MAX_UNSENT_MESSAGES = 4096
# What a server may still send when this end has asked to close: what was on its way.
MAX_GOODBYE_BYTES = 8 * 2**20
MAX_UNSENT_MESSAGE_BYTES = 64 * 2**20


class KeepAlive(Record, frozen=True):
    """How a websocket is kept alive and closed, in seconds."""

    ping_interval: float | None
    ping_timeout: float
    close_timeout: float


class SessionRunner:
    """A session on one websocket. It is the `Listener` of that websocket."""

    def __init__(
        self,
        session: Session,
        sink: Sink,
        request_tasks: RequestTasks,
        keep_alive: KeepAlive,
        closing: asyncio.Event,
    ) -> None:
        self.sink, self.session, self.stats = sink, session, sink.stats
        self.recorder, self.clock, self._inbox = sink.recorder, sink.clock, sink.inbox
        self.venue, self.number = self.session.venue, sink.number
        self.is_open = self.was_open = False
        # Set once this websocket is to be closed, or is closed.
        self.over = asyncio.Event()
        self.failure: BaseException | None = None
        self._request_tasks, self._keep_alive, self._closing = request_tasks, keep_alive, closing
        self._loop = asyncio.get_running_loop()
        # The session's own decision to close.
        self._closed_by_session: Closed | None = None
        self._socket: OpenSocket | None = None
        self._outgoing: deque[Message] = deque()
        self._outgoing_size = 0
        self._something_to_send = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: int | None = None
        self._paused = self._saying_goodbye = False
        self._heard_out = 0
        self._why_lost = ""
        # The content of the last ping, and when it was answered.
        self._ping_content = b""
        self._answered_at: asyncio.Future[float] | None = None

    @property
    def usable(self) -> bool:
        """Whether the session can be called, and what it then wants to send can be sent."""
        return self.is_open and not self.over.is_set()

    # --- what the websocket calls ---

    def on_open(self, at: int) -> None:
        """See `Listener`."""
        self.is_open = self.was_open = True
        self.stats.opened += 1
        self.sink.happened("opened", {})
        self.call_session(lambda: self.session.opened(at))

    def on_frame(self, opcode: Opcode, data: bytes, at: int) -> None:
        """See `Listener`."""
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
            if opcode == "text" or opcode == "binary":
                size, stats = len(data), self.stats
                stats.frames_in += 1
                stats.bytes_in += size
                if self._saying_goodbye:
                    self._hear_out(size)
                self._follow_up(self.session.received(message, at), frame, size)
            else:
                self._on_control(opcode, data, at)
        except Exception as error:
            self.fail(error)

    def _on_control(self, opcode: Opcode, data: bytes, at: int) -> None:
        if opcode == "ping" and self.recorder is not None:
            # The websocket answers by itself, with the same bytes.
            self.recorder.frame(Frame(self.venue, self.number, "out", "pong", at, data))
        elif opcode == "pong" and data == self._ping_content and self._answered_at is not None:
            if not self._answered_at.done():
                self._answered_at.set_result(self._loop.time())

    # --- between the session and everything else ---

    def call_session(self, call: Callable[[], list[Event]], size: int = 0) -> None:
        """Make a call to the session, and do what follows from it; `size` is that of a reply."""
        try:
            self._follow_up(call(), None, size)
        except Exception as error:
            self.fail(error)

    def _follow_up(self, events: list[Event], frame: Frame | None, size: int) -> None:
        """Pass on the events of a call, and do what the session wants after it."""
        session = self.session
        if frame is None:
            has_room = self.sink.emit(tuple(events), size)
        else:
            delivery = Delivery(frame.at, self.number, frame, tuple(events))
            has_room = self._inbox.put(delivery, size)
        if not has_room:
            self._pause()
        if messages := session.take():
            self._queue(messages)
        if requests := session.take_requests():
            self._request_tasks.begin(requests)
        deadline = session.deadline
        if deadline is not None and (self._timer_for is None or deadline < self._timer_for):
            self._set_timer(deadline)
        for event in events:
            if event.for_driver:
                self._act_on(event)

    def _act_on(self, event: Event) -> None:
        if isinstance(event, _ENDINGS):
            self._end_by(event)
        elif isinstance(event, Broken):
            self.sink.broken(event)
        elif isinstance(event, Rejected):
            self.stats.rejected += 1

    def _queue(self, messages: list[Message]) -> None:
        self._outgoing += messages
        self._outgoing_size += sum(map(len, messages))
        self._something_to_send.set()
        if (
            len(self._outgoing) > MAX_UNSENT_MESSAGES
            or self._outgoing_size > MAX_UNSENT_MESSAGE_BYTES
        ):
            self._give_up("the server does not read what is sent to it")

    def _end_by(self, event: Stalled | Closed) -> None:
        """The session gives this connection up, or closes it."""
        if isinstance(event, Stalled):
            self._give_up(f"silent for {event.silent_for / SECOND:.1f} s")
        else:
            self._closed_by_session = event
            self.over.set()

    def fail(self, error: BaseException) -> None:
        """End this websocket because of an error; `run` raises it."""
        self.failure = self.failure or error
        self.over.set()

    def _give_up(self, why: str) -> None:
        """Drop the connection to a server that does not answer or does not read."""
        if self._why_lost:
            return
        self.stats.stalled += 1
        self._why_lost = why
        self.sink.happened("stalled", {"why": why})
        if self._socket is not None:
            self._socket.abort()

    # --- the session's deadline ---

    def _set_timer(self, deadline: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_for = deadline
        self._timer = self._loop.call_later(max(0, deadline - self.clock()) / SECOND, self._tick)

    def _tick(self) -> None:
        now, deadline = self.clock(), self.session.deadline
        self._timer = self._timer_for = None
        if deadline is None:
            return
        # Each message may move the deadline; it costs less to see that here than to set the timer
        # anew each time. Timers may also fire a little early.
        if now < deadline:
            self._set_timer(deadline)
            return
        self.call_session(lambda: self.session.tick(now))
        if self.session.deadline is not None and self.session.deadline <= now:
            # A deadline that the tick did not move would be due for ever; once a second is enough.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(1, self._tick)

    # --- a slow reader ---

    def _pause(self) -> None:
        """The reader is slow: leave the socket unread until it has caught up."""
        if self._paused or self._socket is None:
            # Before the dial has returned, no frame comes; `run` looks at the queue.
            return
        if self._saying_goodbye:
            # The server's half of the closing handshake is not worth more memory.
            self._socket.abort()
            return
        self._paused = True
        self._socket.pause()
        self._inbox.hold(self._resume)

    def _hear_out(self, size: int) -> None:
        """A message came after this end has asked for the end: a few are read, not a stream."""
        self._heard_out += size
        if self._heard_out > MAX_GOODBYE_BYTES and self._socket is not None:
            self._socket.abort()

    def _resume(self) -> None:
        if self._inbox.abandoned:  # the end follows, which reads what it wants to
            return
        self._paused = False
        if self._socket is not None:
            self._socket.heard = self._loop.time()
            self._socket.resume()

    # --- the tasks of an open websocket ---

    async def run(self, socket: OpenSocket) -> Retry:
        """Run until either side closes the websocket."""
        self._socket = socket
        # The events of the dial may have filled the queue, or ended all this already.
        if self._why_lost:
            socket.abort()
        elif self._inbox.full:
            self._pause()
        else:
            socket.resume()
        tasks = [asyncio.ensure_future(task) for task in (self._send(), self._ping())]
        ends = [
            asyncio.ensure_future(task)
            for task in (socket.wait_closed(), self.over.wait(), self._closing.wait())
        ]
        try:
            await asyncio.wait([*ends, *tasks[:1]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when cancelled: the closing handshake is still made, within its own time-out.
            self.over.set()
            if tasks[0].done() and (error := tasks[0].exception()) is not None:
                self.fail(error)
            for task in (*tasks, *ends):
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            await self._close(socket)
        if self.failure is not None:
            raise self.failure
        return self.lost(*socket.ending)

    async def _close(self, socket: OpenSocket) -> None:
        # The server's half of the closing handshake comes behind what was not read yet.
        self._saying_goodbye = True
        self._paused = False
        socket.resume()
        try:
            async with asyncio.timeout(self._keep_alive.close_timeout + 1):
                await socket.close()
        except TimeoutError:
            socket.abort()
        except asyncio.CancelledError:
            socket.abort()
            raise

    def lost(self, code: int, reason: str) -> Retry:
        """The websocket is gone: tell the session, and return whether to dial again."""
        self.is_open = False
        reason = self._why_lost or reason
        self.stats.lost += 1
        self.sink.happened("closed", {"code": code, "reason": reason})
        if self._closed_by_session is not None:  # the reader has this event already
            return self._closed_by_session.retry
        events = self.session.closed(code, reason, self.clock())
        self.sink.emit(tuple(events))
        closed = last_closed(events)
        return closed.retry if closed is not None else Retry(True, reason or f"code {code}")

    async def _send(self) -> None:
        assert self._socket is not None
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while self._outgoing:
                message = self._outgoing.popleft()
                self._outgoing_size -= len(message)
                if not await self._socket.send(message):
                    return
                self._sent(message)

    def _sent(self, message: Message) -> None:
        self.stats.frames_out += 1
        self.stats.bytes_out += len(message)
        clean = self.session.redact(message)
        for secret in redaction.removed(message, clean):
            self.sink.learn(secret)
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
        """Ping, and give up a server from which nothing comes at all within the time-out."""
        keep_alive, socket = self._keep_alive, self._socket
        assert socket is not None
        if keep_alive.ping_interval is None:
            return
        while True:
            await asyncio.sleep(keep_alive.ping_interval)
            asked = self._loop.time()
            self._ping_content = token_bytes(4)
            self._answered_at = self._loop.create_future()
            socket.ping(self._ping_content)
            self._record_sent("ping", self._ping_content)
            try:
                async with asyncio.timeout(keep_alive.ping_timeout):
                    self.stats.latency = await self._answered_at - asked
            except TimeoutError:
                # Nothing is read while the reader is behind, so nothing can be missing.
                if not self._paused and socket.heard < asked:
                    self._give_up(f"no answer to a ping within {keep_alive.ping_timeout:g} s")
                    return


def last_closed(events: list[Event]) -> Closed | None:
    """The session's decision to close, if these events hold one."""
    return next((event for event in reversed(events) if isinstance(event, Closed)), None)
