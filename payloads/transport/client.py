"""Drives any session over a real websocket: dials, pings, ticks, reconnects, records.

    async with connect(session) as connection:
        async for moment in connection:
            for event in moment.events: ...

    for moment in stream(session):     # the same without asyncio
        ...

What it promises:

* Every dial asks the session anew, and sends its URL byte for byte. HTTP requests that the session
  wants made while there is no websocket are made before it is dialled.
* TLS is verified. Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY and their like).
* A lost connection is dialled again after a jittered wait that doubles up to a ceiling, and starts
  small again once a connection has lasted. A `Retry` that says no is the end: the reader gets the
  events, then `Refused`. So does a certificate that is not trusted.
* A server that neither answers pings nor sends anything is given up and dialled again; so is one
  that the session calls `Stalled`. A session that answers with `Closed` has its websocket closed.
* The queue is bounded. When the reader is slow it blocks or drops as `when_full` says (see
  `inbox`), never silently. A recorder gets every frame before the queue does.
* What the session's own methods ask for meanwhile (`session.subscribe(…)`) leaves at once. They may
  be called from any thread, also in the body of a loop over `stream`.
* Cancelling, `close()` and leaving the `async with` close the websocket with a closing handshake.

`Refused` and `Misuse` are what may be raised, and whatever a recorder raises. A session that raises
for what a server sent has a bug, and its exception comes out too.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from payloads.errors import Misuse, Refused
from payloads.fields import Record
from payloads.transport import redact
from payloads.transport.frames import Frame, Happening, Moment, Opcode, Retrying, Unreachable
from payloads.transport.handing import Driver
from payloads.transport.http import perform
from payloads.transport.inbox import Inbox, WhenFull
from payloads.venues.session import (
    MAX_MESSAGE_BYTES,
    Closed,
    Dial,
    Event,
    Message,
    Reply,
    Request,
    Retry,
    Secret,
    Session,
    Stalled,
)

if TYPE_CHECKING:
    from payloads.transport.websocket import WebSocket

__all__ = ["Backoff", "Connection", "Recorder", "Stats", "connect", "merged", "stream"]

T = TypeVar("T")
SECOND = 10**9
# A session that asks for more requests than this before it dials is going in circles.
_ROUNDS = 8
_ENDINGS = (Stalled, Closed)


class Recorder(Protocol):
    """Who keeps what went over the wire. `CaptureWriter` is one."""

    def connection(self) -> int: ...

    def learn(self, secret: Secret | str) -> None: ...

    def frame(self, frame: Frame) -> None: ...

    def happening(self, happening: Happening) -> None: ...


class Backoff(Record, frozen=True):
    """How long to wait before dialling again, in seconds.

    The wait doubles from `first` to `most`; a random half of it is taken off, so that many clients
    do not come back at once. A connection that lasted `lasted` starts it anew.
    """

    first: float = 1.0
    most: float = 30.0
    lasted: float = 10.0
    # After how many dials in a row without success to give up; None for never.
    attempts: int | None = None

    def wait(self, attempt: int, chance: float) -> int:
        """Nanoseconds before the `attempt`th dial after a failure; `chance` is in [0, 1)."""
        longest = min(self.most, self.first * 2.0 ** min(attempt - 1, 32))
        return int(longest * (1 - chance / 2) * SECOND)


class Stats:
    """What one connection has seen; numbers only ever grow."""

    def __init__(self) -> None:
        self.dials = self.opened = self.lost = self.refused = self.unreachable = self.stalled = 0
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self.latency = 0.0

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Connection:
    """One session being driven. See the module's first lines."""

    def __init__(
        self,
        session: Session,
        *,
        recorder: Recorder | None = None,
        inbox: Inbox | None = None,
        queue: int = 4096,
        when_full: WhenFull = "block",
        backoff: Backoff = Backoff(),  # noqa: B008 (immutable)
        open_timeout: float = 10,
        close_timeout: float = 3,
        ping_interval: float | None = 20,
        ping_timeout: float = 20,
        http_timeout: float = 10,
        max_bytes: int = MAX_MESSAGE_BYTES,
        tls: ssl.SSLContext | None = None,
        proxy: str | bool = True,
        clock: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.session = session
        self.stats = Stats()
        self.inbox = inbox if inbox is not None else Inbox(queue, when_full)
        self._recorder, self._backoff = recorder, backoff
        self._open_timeout, self._close_timeout = open_timeout, close_timeout
        self._ping_interval, self._ping_timeout = ping_interval, ping_timeout
        self._http_timeout, self._max_bytes = http_timeout, max_bytes
        self._tls, self._proxy = tls, proxy
        self._clock, self._chance = clock, chance
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._number = 0
        self._was_open = False
        self._live: _Live | None = None

    # --- the reader's side ---

    def start(self) -> None:
        """Begin; `async with` does this."""
        if self._task is not None:
            raise Misuse("a connection is started once")
        if self.session.driver is not None:
            raise Misuse("the session has another connection already")
        self.inbox.join()
        self.session.driver = driver = Driver(self._see_to_it)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="payloads connection")
        self._task.add_done_callback(lambda _: self._let_go(driver))

    def _let_go(self, driver: Driver) -> None:
        self.session.driver = None
        driver.end()

    def _see_to_it(self) -> None:
        """The session's owner has asked it for something."""
        if self._live is not None:
            self._live.see_to_it()

    async def close(self) -> None:
        """Close the websocket and stop; what was received before can still be read."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.inbox.abandon()
        try:
            await self.close()
        finally:
            if self._task is not None:  # cancelled a second time: at once, then
                self._task.cancel()

    def __aiter__(self) -> AsyncIterator[Moment]:
        return self

    def __anext__(self) -> Awaitable[Moment]:
        return self.inbox.__anext__()

    async def events(self) -> AsyncIterator[Event]:
        """Only the events."""
        async for moment in self:
            for event in moment.events:
                yield event

    # --- dialling, again and again ---

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self._keep_dialling()
        except asyncio.CancelledError:
            pass
        except BaseException as raised:
            error = raised
        finally:
            self.inbox.leave(error)

    async def _keep_dialling(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            began, self._was_open = time.monotonic(), False
            retry = await self._before_dialling() or await self._dialled()
            if self._closing.is_set():
                return
            if time.monotonic() - began >= self._backoff.lasted and self._was_open:
                attempt = 0
            attempt += 1
            self._check(retry, attempt)
            wait = max(self._backoff.wait(attempt, self._chance()), retry.at_least)
            self._happened("retrying", {"attempt": attempt, "wait_ns": wait, "why": retry.why})
            self._emit((Retrying(attempt, wait, retry.why),))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait / SECOND):
                    await self._closing.wait()

    def _check(self, retry: Retry, attempt: int) -> None:
        """Whether to go on; `Refused` if not."""
        if not retry.again:
            self._happened("gave up", {"why": retry.why})
            raise Refused(retry.why, field=self.session.venue)
        if self._backoff.attempts is not None and attempt >= self._backoff.attempts:
            self._happened("gave up", {"why": retry.why, "attempts": attempt})
            found = f"{attempt} attempts without success"
            raise Refused(retry.why, field=self.session.venue, found=found)

    async def _before_dialling(self) -> Retry | None:
        """Make the requests that the session wants made first; a `Retry` where it wants no dial."""
        self._number = 0
        for _ in range(_ROUNDS):
            requests = self.session.take_requests()
            if not requests or self._closing.is_set():
                return None
            for request in requests:
                reply = await self._performed(request)
                if reply is None:
                    return Retry(False, "closed")
                events = self.session.replied(reply, self._clock())
                self._emit(tuple(events))
                if (closed := _last_word(events)) is not None:
                    return closed.retry
        return Retry(True, "the session keeps asking for requests before it dials")

    async def _performed(self, request: Request) -> Reply | None:
        """The reply, or None if this connection is being closed meanwhile."""
        self._learn(request)
        self._happened("request", redact.request_detail(request))
        reply = await self._unless_closing(
            perform(request, timeout=self._http_timeout, proxy=self._proxy, tls=self._tls)
        )
        if reply is not None and self._recorder is not None:
            secret, learn = request.secret_reply, self._recorder.learn
            self._happened("reply", redact.reply_detail(reply, learn, secret=secret))
        return reply

    async def _dialled(self) -> Retry:
        """One dial and, if it succeeds, the whole life of a websocket."""
        from payloads.transport import websocket

        self.stats.dials += 1
        self._number = self._recorder.connection() if self._recorder else self.stats.dials
        dial = self.session.dial(self._clock())
        self._learn(dial)
        self._happened("dialling", redact.dial_detail(dial))
        self._live = live = _Live(self)
        options = websocket.Options(
            self._open_timeout, self._close_timeout, self._max_bytes, self._tls, self._proxy
        )
        try:
            socket = await self._unless_closing(
                websocket.open_websocket(dial, live, options, self._clock)
            )
        except websocket.Refusal as refusal:
            return self._refused(refusal)
        except websocket.Failed as failed:
            return self._failed(live, failed)
        if socket is None:
            return Retry(False, "closed")
        return await live.run(socket)

    async def _unless_closing(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What it gives; None, and it is cancelled, if this connection is closed meanwhile."""
        working = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        both: list[asyncio.Future[Any]] = [working, closing]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for future in both:
                future.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    def _refused(self, refusal: Any) -> Retry:
        self.stats.refused += 1
        event, retry = self.session.rejected(refusal.status, refusal.headers, refusal.body)
        body = refusal.body.decode("utf-8", "replace")
        self._happened("refused", {"status": refusal.status, "body": body[:4096]})
        self._emit((event,))
        return retry

    def _failed(self, live: _Live, failed: Any) -> Retry:
        self.stats.unreachable += 1
        self._happened("unreachable", {"why": failed.why})
        self._emit((Unreachable(failed.why),))
        if live.is_open:  # the server said yes, and was gone before anything else
            live.lost(1006, failed.why)
        return Retry(failed.again, failed.why)

    # --- what all of this tells the reader and the recorder ---

    def _emit(self, events: tuple[Event, ...]) -> bool:
        if not events:
            return True
        return self.inbox.put(Moment(self._clock(), self._number, None, events))

    def _happened(self, what: str, detail: dict[str, Any]) -> None:
        if self._recorder is not None:
            venue, now = self.session.venue, self._clock()
            self._recorder.happening(Happening(venue, self._number, now, what, detail))

    def _learn(self, asking: Dial | Request) -> None:
        if self._recorder is not None:
            for secret in redact.secrets_in(self.session):
                self._recorder.learn(secret)
            for value in redact.secrets_of(asking):
                self._recorder.learn(value)


class _Live:
    """One open websocket of a connection: what runs beside each other while it is open."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.session = connection, connection.session
        self.stats = connection.stats
        self.recorder, self.clock = connection._recorder, connection._clock
        self.venue, self.number = self.session.venue, connection._number
        self.is_open = False
        self.over = asyncio.Event()
        self.failure: BaseException | None = None
        self.verdict: Closed | None = None
        self.socket: WebSocket | None = None
        self._outgoing: deque[Message] = deque()
        self._something_to_send = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for: int | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._held = False
        self._why_lost = ""

    # --- what the websocket calls ---

    def on_open(self, at: int) -> None:
        self.is_open = self.connection._was_open = True
        self.stats.opened += 1
        self.connection._happened("opened", {})
        self._ask(lambda: self.session.opened(at))

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
            self._fail(error)

    # --- between the session and everything else ---

    def _ask(self, call: Callable[[], list[Event]]) -> None:
        try:
            self._after(call(), None)
        except Exception as error:
            self._fail(error)

    def see_to_it(self) -> None:
        """Whatever the session wants now, without anything having come."""
        if self.is_open and not self.over.is_set():
            self._ask(list)

    def _after(self, events: list[Event], frame: Frame | None) -> None:
        """Whatever the session said or wants, after any call."""
        session = self.session
        if frame is None:
            room = self.connection._emit(tuple(events))
        else:
            room = self.connection.inbox.put(Moment(frame.at, self.number, frame, tuple(events)))
        if not room:
            self._hold()
        if to_send := session.take():
            self._outgoing += to_send
            self._something_to_send.set()
        for request in session.take_requests():
            task = asyncio.get_running_loop().create_task(self._request(request))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)
        if session.deadline != self._timer_for:
            self._arm()
        for event in events:
            if isinstance(event, _ENDINGS):
                self._ending(event)

    def _ending(self, event: Stalled | Closed) -> None:
        """The session gives this connection up, or closes it."""
        if isinstance(event, Stalled):
            self._give_up(f"silent for {event.silent_for / SECOND:.1f} s")
        else:
            self.verdict = event
            self.over.set()

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.over.set()

    def _give_up(self, why: str) -> None:
        """The server is there no more, or might as well not be."""
        self.stats.stalled += 1
        self._why_lost = why
        self.connection._happened("stalled", {"why": why})
        if self.socket is not None:
            self.socket.abort()

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
        self._ask(lambda: self.session.tick(now))
        if self.session.deadline is not None and self.session.deadline <= now:
            # A deadline that the tick did not move would be due for ever; once a second is enough.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(1, self._tick)

    def _hold(self) -> None:
        """The reader is slow, and wants the socket left alone meanwhile."""
        if self._held or self.socket is None:
            # Before the dial has returned, what came with the handshake is all there is.
            return
        self._held = True
        self.socket.pause()
        self.connection.inbox.hold(self._resume)

    def _resume(self) -> None:
        self._held = False
        if self.socket is not None:
            self.socket.heard = time.monotonic()
            self.socket.resume()

    async def _request(self, request: Request) -> None:
        try:
            reply = await self.connection._performed(request)
        except Exception as error:
            return self._fail(error)
        if reply is not None and not self.over.is_set():
            self._ask(lambda: self.session.replied(reply, self.clock()))
        return None

    # --- the tasks of an open websocket ---

    async def run(self, socket: WebSocket) -> Retry:
        """Until the websocket is closed by either side."""
        self.socket = socket
        if self.connection.inbox.full:
            self._hold()
        tasks = [asyncio.ensure_future(task) for task in (self._send(), self._ping())]
        ends = [
            asyncio.ensure_future(task)
            for task in (socket.wait_closed(), self.over.wait(), self.connection._closing.wait())
        ]
        try:
            await asyncio.wait([*ends, *tasks[:1]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when cancelled: the closing handshake is still made, within its own timeout.
            self.over.set()
            if tasks[0].done() and (error := tasks[0].exception()) is not None:
                self._fail(error)
            for task in (*tasks, *ends, *self._requests):
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
            async with asyncio.timeout(self.connection._close_timeout + 1):
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
        self.connection._happened("closed", {"code": code, "reason": reason})
        if self.verdict is not None:  # its own words, and already told
            return self.verdict.retry
        events = self.session.closed(code, reason, self.clock())
        self.connection._emit(tuple(events))
        closed = _last_word(events)
        return closed.retry if closed is not None else Retry(True, reason or f"code {code}")

    async def _send(self) -> None:
        assert self.socket is not None
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while self._outgoing:
                message = self._outgoing.popleft()
                if not await self.socket.deliver(message):
                    return
                self._sent(message)

    def _sent(self, message: Message) -> None:
        self.stats.frames_out += 1
        self.stats.bytes_out += len(message)
        if self.recorder is None:
            return
        clean = self.session.redact(message)
        for secret in redact.removed(message, clean):
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
            self._fail(error)

    async def _ping(self) -> None:
        """Ping, and give up a server from which nothing comes at all within the timeout."""
        connection, socket = self.connection, self.socket
        assert socket is not None
        if connection._ping_interval is None:
            return
        while True:
            await asyncio.sleep(connection._ping_interval)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(connection._ping_timeout):
                    content = token_bytes(4)
                    answered = await socket.ping(content)
                    self._record_sent("ping", content)
                    self.stats.latency = await answered
            except TimeoutError:
                # While the reader holds us up nothing is read, so nothing can be missing.
                if not self._held and socket.heard < asked:
                    self._give_up(f"no answer to a ping within {connection._ping_timeout:g} s")
                    return
            except Exception:  # closed meanwhile: `run` has seen that too
                return


def _last_word(events: list[Event]) -> Closed | None:
    return next((event for event in reversed(events) if isinstance(event, Closed)), None)


def connect(session: Session, **options: Any) -> Connection:
    """A connection for `async with`; the options are those of `Connection`."""
    return Connection(session, **options)


@contextlib.asynccontextmanager
async def merged(*connections: Connection) -> AsyncIterator[Inbox]:
    """Several connections read as one; they must have been made with the same `inbox`."""
    inbox = connections[0].inbox
    if any(connection.inbox is not inbox for connection in connections):
        raise Misuse("connections to be merged share one inbox", field="inbox")
    try:
        for connection in connections:
            connection.start()
        yield inbox
    finally:
        inbox.abandon()
        await asyncio.gather(*(connection.close() for connection in connections))


# --- without asyncio ------------------------------------------------------------------------------


def stream(session: Session, **options: Any) -> Iterator[Moment]:
    """The moments of a connection, for a plain `for` loop. Leaving the loop closes it.

    The connection lives in a thread of its own, so pings are answered and frames get their times
    while the loop's body is busy.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="payloads stream", daemon=True)
    thread.start()

    def there(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    connection = None
    try:
        connection = there(_started(session, options))
        while moments := there(connection.inbox.get_all()):
            yield from moments
    finally:
        if connection is not None:
            there(connection.__aexit__())
        there(_settled())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _started(session: Session, options: dict[str, Any]) -> Connection:
    connection = Connection(session, **options)
    connection.start()
    return connection


async def _settled() -> None:
    """Let everything that was cancelled end before its loop does."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
