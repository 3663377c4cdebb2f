"""Drives any session over a real websocket: dials, pings, ticks, reconnects, records.

What it promises:

* Every dial asks the session anew, and sends its URL byte for byte. HTTP requests that the session
  wants made while there is no websocket are made before it is dialled. Each is answered, also if
  the websocket is lost meanwhile: what a login or a backfill brought is not thrown away.
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
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

from payloads.abi.fields import Record
from payloads.capture import redaction
from payloads.capture.frames import Delivery, Retrying, Unreachable
from payloads.errors import Misuse, Refused
from payloads.live.inbox import Inbox, WhenFull
from payloads.live.request_tasks import HttpOptions, RequestTasks, unless
from payloads.live.sink import Recorder, Sink
from payloads.live.socket_loop import KeepAlive, Live, last_word
from payloads.live.thread_bridge import Driver
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES
from payloads.venues.common.session import Event, Reply, Retry, Session

SECOND = 10**9
# A session that asks for more requests than this before it dials is going in circles.
_ROUNDS = 8


class Backoff(Record, frozen=True):
    """How long to wait before dialling again, in seconds.

    The wait doubles from `first` to `most`; a random half of it is taken off, so that many clients
    do not come back at once. A connection that lasted `lasted` starts it anew.
    """

    first: float = 1.0
    most: float = 30.0
    lasted: float = 10.0
    # After how many dials in a row to give up that neither brought a message nor lasted; None for
    # never.
    attempts: int | None = None

    def wait(self, attempt: int, chance: float) -> int:
        """Nanoseconds before the `attempt`th dial after a failure; `chance` is in [0, 1)."""
        longest = min(self.most, self.first * 2.0 ** min(attempt - 1, 32))
        return int(longest * (1 - chance / 2) * SECOND)


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
        self.inbox = inbox if inbox is not None else Inbox(queue, when_full)
        self._sink = Sink(session, recorder, self.inbox, clock)
        self.stats = self._sink.stats
        self._backoff, self._chance, self._clock = backoff, chance, clock
        self._keep_alive = KeepAlive(ping_interval, ping_timeout, close_timeout)
        self._dialling = open_timeout, close_timeout, max_bytes, tls, proxy
        self._closing = asyncio.Event()
        self._request_tasks = RequestTasks(
            self._sink, HttpOptions(http_timeout, proxy, tls), self._closing,
            self._answered, self._failed,
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None
        self._live: Live | None = None
        # Replies that came while a websocket was being closed.
        self._late: list[Reply] = []
        # What came of requests while there was no websocket: the end of this, or an error here.
        self._said: Retry | None = None
        self._error: BaseException | None = None
        # Why this is over, where nobody closed it; what the reader is told, if it was the first.
        self.ended_by: BaseException | None = None

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

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connection itself. With a session group there are several."""
        return (self,)

    async def ready(self) -> None:
        """Returns when the sessions are known: at once, where there is one."""

    def _see_to_it(self) -> None:
        """The session's owner has asked it for something."""
        if self._live is not None and self._live.usable:
            self._live.ask(list)

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

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    def __anext__(self) -> Awaitable[Delivery]:
        return self.inbox.__anext__()

    async def events(self) -> AsyncIterator[Event]:
        """Only the events."""
        async for delivery in self:
            for event in delivery.events:
                yield event

    # --- dialling, again and again ---

    async def _run(self) -> None:
        try:
            await self._keep_dialling()
        except asyncio.CancelledError:
            pass
        except BaseException as raised:
            self.ended_by = raised
        finally:
            await self._request_tasks.stop()
            self.inbox.leave(self.ended_by)

    async def _keep_dialling(self) -> None:
        attempt = failures = 0
        while not self._closing.is_set():
            began, before = time.monotonic(), self.stats.frames_in
            retry = await self._before_dialling() or await self._dialled()
            retry, self._said = self._said or retry, None
            if self._closing.is_set():
                return
            was_open = self._live is not None and self._live.was_open
            lasted = was_open and time.monotonic() - began >= self._backoff.lasted
            attempt = 1 if lasted else attempt + 1
            failures = 0 if lasted or self.stats.frames_in > before else failures + 1
            self._check(retry, failures)
            await self._pause(attempt, retry)

    async def _pause(self, attempt: int, retry: Retry) -> None:
        wait = max(self._backoff.wait(attempt, self._chance()), retry.at_least)
        self._sink.happened("retrying", {"attempt": attempt, "wait_ns": wait, "why": retry.why})
        self._sink.emit((Retrying(attempt, wait, retry.why),))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait / SECOND):
                await self._closing.wait()

    def _check(self, retry: Retry, failures: int) -> None:
        """Whether to go on; `Refused` if not."""
        if not retry.again:
            self._sink.happened("gave up", {"why": retry.why})
            raise Refused(retry.why, field=self.session.venue)
        if self._backoff.attempts is not None and failures >= self._backoff.attempts:
            self._sink.happened("gave up", {"why": retry.why, "attempts": failures})
            found = f"{failures} attempt{'s' * (failures > 1)} without success"
            raise Refused(retry.why, field=self.session.venue, found=found)

    async def _before_dialling(self) -> Retry | None:
        """Make the requests that the session wants made first; a `Retry` where it wants no dial."""
        self._live, self._sink.number = None, 0
        for _ in range(_ROUNDS):
            requests = self.session.take_requests()
            self._request_tasks.begin(requests)
            if requests or not self.session.ready(self._clock()):
                await self._request_tasks.finish()
            if self._error is not None:
                raise self._error
            if self._said is not None or self._closing.is_set():
                return self._said or Retry(False, "closed")
            if not requests:
                return None
        return Retry(True, "the session keeps asking for requests before it dials")

    async def _dialled(self) -> Retry:
        """One dial and, if it succeeds, the whole life of a websocket."""
        from payloads.live import websocket

        sink = self._sink
        self.stats.dials += 1
        sink.number = sink.recorder.connection() if sink.recorder else self.inbox.dialled()
        dial = self.session.dial(self._clock())
        sink.learn(dial)
        sink.happened("dialling", redaction.dial_detail(dial))
        self._live = live = Live(
            self.session, sink, self._request_tasks, self._keep_alive, self._closing
        )
        options = websocket.Options(*self._dialling)
        try:
            opening = websocket.open_websocket(dial, live, options, self._clock)
            socket = await unless(self._closing, opening)
        except websocket.Refusal as refusal:
            return self._refused(refusal)
        except websocket.Failed as failed:
            return self._unreached(live, failed)
        if socket is None:
            return Retry(False, "closed")
        retry = await live.run(socket)
        late, self._late = self._late, []
        for reply in late:
            self._answered(reply)
        return retry

    # --- what requests lead to ---

    def _answered(self, reply: Reply) -> None:
        """A reply came, with or without a websocket to tell of it."""
        live = self._live
        if live is not None and live.usable:
            live.ask(lambda: self.session.replied(reply, self._clock()))
        elif live is not None and live.is_open:
            self._late.append(reply)
        else:
            events = self.session.replied(reply, self._clock())
            self._sink.emit(tuple(events))
            if (closed := last_word(events)) is not None:
                self._said = closed.retry

    def _failed(self, error: BaseException) -> None:
        """A request could not be made at all, or a reply not be dealt with."""
        self._error = self._error or error
        if self._live is not None:
            self._live.fail(error)

    # --- what came of a dial ---

    def _refused(self, refusal: Any) -> Retry:
        self.stats.refused += 1
        event, retry = self.session.rejected(refusal.status, refusal.headers, refusal.body)
        # Whole: a part of a credential at a cut would not be recognised.
        body = refusal.body.decode("utf-8", "replace")
        self._sink.happened("refused", {"status": refusal.status, "body": body})
        self._sink.emit((event,))
        return retry

    def _unreached(self, live: Live, failed: Any) -> Retry:
        self.stats.unreachable += 1
        self._sink.happened("unreachable", {"why": failed.why})
        self._sink.emit((Unreachable(failed.why),))
        if live.is_open:  # the server said yes, and was gone before anything else
            live.lost(1006, failed.why)
        return Retry(failed.again, failed.why)


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
