"""Runs any session over a real websocket: dials, pings, ticks, reconnects, records.

Its promises:

* Every dial asks the session anew, and sends its URL byte for byte. HTTP requests that the session
  wants before its first websocket are made before it is dialled. Each request is answered, also if
  the websocket is lost meanwhile: the result of a login or a backfill is not thrown away.
* TLS is verified. Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY and their like).
* A lost connection is dialled again after a jittered wait. The wait doubles up to a ceiling, and
  starts small again once a connection has lasted. A `Retry` that says no is the end: the reader
  gets the events, then `Refused`. A certificate that is not trusted is the end, too.
* A server that neither answers pings nor sends anything is given up and dialled again, and so is a
  server that the session calls `Stalled`. When a session returns `Closed`, the websocket is closed.
* The queue is bounded, in deliveries and in bytes. When the reader is slow it blocks or drops as
  `when_full` says (see `inbox`), never silently. A recorder gets every frame before the queue does.
* The session's own methods (`session.subscribe(…)`) take effect at once. They may be called from
  any thread, also in the body of a loop over `stream`.
* Cancelling, `close()` and leaving the `async with` close the websocket with a closing handshake.

It raises `Refused` and `Misuse`, and any error of a recorder. A session that raises for a server's
message has a bug, and that exception comes out too.

The network stands behind two functions, which a test can replace (see `seams`):

* `dial(dial, listener)` opens a websocket. It returns an object with `send`, `ping`, `pause`,
  `resume`, `abort`, `close`, `wait_closed`, `ending` and `heard`, and calls the listener's
  `on_open` and `on_frame`. It raises `UpgradeRefused` or `DialFailed`.
* `http(request)` makes one request and returns the `Reply`.

All waiting goes by the event loop's clock, and `clock` gives the time of day in nanoseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Self

from payloads.abi.fields import Record
from payloads.backing_off import pause_after
from payloads.capture import redaction
from payloads.capture.frames import Retrying, Unreachable
from payloads.errors import Misuse, Refused
from payloads.live.http import perform
from payloads.live.inbox import MAX_QUEUE_BYTES, Inbox, Readable, WhenFull
from payloads.live.request_tasks import RequestTasks, unless
from payloads.live.seams import (
    DialFailed,
    DialWebSocket,
    Listener,
    OpenSocket,
    PerformRequest,
    UpgradeRefused,
)
from payloads.live.session_runner import KeepAlive, SessionRunner, last_closed
from payloads.live.sink import Recorder, Sink
from payloads.live.thread_bridge import LoopCaller
from payloads.venues.common.session import Dial, Reply, Retry, Session

SECOND = 10**9
# The vendors' own clients take 1 MiB in one message. What is larger closes the connection (1009).
MAX_FRAME_BYTES = 4 * 2**20
# A session that asks for more requests than this before it dials is going in circles.
_ROUNDS = 8


class Backoff(Record, frozen=True):
    """How long to wait before dialling again, in seconds.

    The wait doubles from `first` to `most`; a random half of it is taken off, so that many clients
    do not come back at once. A longer wait that the venue or the session asks for becomes longer by
    up to half of `first`, for the same reason. A connection that lasted `lasted` starts anew.
    """

    first: float = 1.0
    most: float = 30.0
    lasted: float = 10.0
    # Give up after so many dials in a row that neither brought a message nor lasted; None: never.
    attempts: int | None = None

    def wait(self, attempt: int, chance: float, at_least: int = 0) -> int:
        """Nanoseconds before the `attempt`th dial after a failure; `chance` is in [0, 1)."""
        own = int(pause_after(attempt, self.first, self.most) * (1 - chance / 2) * SECOND)
        return max(own, at_least + int(self.first * chance / 2 * SECOND)) if at_least else own


class Connection(Readable):
    """One session and its connection. See the module's first lines."""

    def __init__(
        self,
        session: Session,
        *,
        recorder: Recorder | None = None,
        inbox: Inbox | None = None,
        queue: int = 4096,
        queue_bytes: int = MAX_QUEUE_BYTES,
        when_full: WhenFull = "block",
        backoff: Backoff = Backoff(),  # noqa: B008 (immutable)
        open_timeout: float = 10,
        close_timeout: float = 3,
        ping_interval: float | None = 20,
        ping_timeout: float = 20,
        http_timeout: float = 10,
        max_bytes: int = MAX_FRAME_BYTES,
        tls: ssl.SSLContext | None = None,
        proxy: str | bool = True,
        dial: DialWebSocket | None = None,
        http: PerformRequest | None = None,
        clock: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.session = session
        self.inbox = inbox if inbox is not None else Inbox(queue, when_full, queue_bytes)
        self._sink = Sink(session, recorder, self.inbox, clock)
        self.stats = self._sink.stats
        self._backoff, self._chance, self._clock = backoff, chance, clock
        self._keep_alive = KeepAlive(ping_interval, ping_timeout, close_timeout)
        bounds = open_timeout, close_timeout, max_bytes
        self._open_socket = dial or partial(_open_websocket, bounds, tls, proxy, clock)
        self._closing = asyncio.Event()
        self._request_tasks = RequestTasks(
            self._sink, http or partial(perform, timeout=http_timeout, proxy=proxy, tls=tls),
            self._closing, self._on_reply, self._on_error,
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None
        # The session on its current or last websocket.
        self._runner: SessionRunner | None = None
        # Replies that came while a websocket was being closed.
        self._late_replies: list[Reply] = []
        # How requests ended while there was no websocket: by the session's decision to close, or an
        # error of our own.
        self._closed_by_session: Retry | None = None
        self._error: BaseException | None = None
        # The error that ended this connection. The reader gets it, if it was the first.
        self.ended_by: BaseException | None = None

    # --- the reader's side ---

    def start(self) -> None:
        """Begin; `async with` does this."""
        if self._task is not None:
            raise Misuse("a connection is started once")
        if self.session.driver is not None:
            raise Misuse("the session has another connection already")
        self.inbox.join()
        self.session.driver = caller = LoopCaller(self._after_calls)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="payloads connection")
        self._task.add_done_callback(lambda _: self._release_session(caller))

    def _release_session(self, caller: LoopCaller) -> None:
        self.session.driver = None
        caller.end()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connection itself. With a session group there are several."""
        return (self,)

    async def ready(self) -> None:
        """Returns when the sessions are known: at once, where a session is given."""

    def _after_calls(self) -> None:
        """The session's own methods were called: do what it wants now."""
        if self._runner is not None and self._runner.usable:
            self._runner.call_session(list)

    async def close(self) -> None:
        """Close the websocket and stop. Deliveries that came before can still be read."""
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
            if self._task is not None:  # cancelled a second time: stop at once
                self._task.cancel()

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
            self._sink.sum_up()
            self.inbox.leave(self.ended_by)

    async def _keep_dialling(self) -> None:
        attempt = failures = 0
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            began, before = loop.time(), self.stats.frames_in
            retry = await self._before_dialling() or await self._dial()
            retry, self._closed_by_session = self._closed_by_session or retry, None
            if self._closing.is_set():
                return
            was_open = self._runner is not None and self._runner.was_open
            lasted = was_open and loop.time() - began >= self._backoff.lasted
            attempt = 1 if lasted else attempt + 1
            failures = 0 if lasted or self.stats.frames_in > before else failures + 1
            self._check_again(retry, failures)
            await self._pause(attempt, retry)

    async def _pause(self, attempt: int, retry: Retry) -> None:
        wait = self._backoff.wait(attempt, self._chance(), retry.at_least)
        self._sink.happened("retrying", {"attempt": attempt, "wait_ns": wait, "why": retry.why})
        self._sink.emit((Retrying(attempt, wait, retry.why),))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait / SECOND):
                await self._closing.wait()

    def _check_again(self, retry: Retry, failures: int) -> None:
        """Raise `Refused` if there is to be no other dial."""
        if not retry.again:
            self._sink.happened("gave up", {"why": retry.why})
            raise Refused(retry.why, field=self.session.venue)
        if self._backoff.attempts is not None and failures >= self._backoff.attempts:
            self._sink.happened("gave up", {"why": retry.why, "attempts": failures})
            found = f"{failures} attempt{'s' * (failures > 1)} without success"
            raise Refused(retry.why, field=self.session.venue, found=found)

    async def _before_dialling(self) -> Retry | None:
        """Make the requests that the session wants first; a `Retry` if there is to be no dial."""
        self._runner, self._sink.number = None, 0
        for _ in range(_ROUNDS):
            requests = self.session.take_requests()
            self._request_tasks.begin(requests)
            if requests or not self.session.ready(self._clock()):
                await self._request_tasks.finish()
            if self._error is not None:
                raise self._error
            if self._closed_by_session is not None or self._closing.is_set():
                return self._closed_by_session or Retry(False, "closed")
            if not requests:
                return None
        return Retry(True, "the session keeps asking for requests before it dials")

    async def _dial(self) -> Retry:
        """One dial and, if it succeeds, the whole life of a websocket."""
        sink = self._sink
        self.stats.dials += 1
        sink.number = sink.recorder.connection() if sink.recorder else self.inbox.dialled()
        dial = self.session.dial(self._clock())
        sink.learn_from(dial)
        sink.happened("dialling", redaction.dial_detail(dial))
        runner = SessionRunner(
            self.session, sink, self._request_tasks, self._keep_alive, self._closing
        )
        self._runner = runner
        try:
            socket = await unless(self._closing, self._open_socket(dial, runner))
        except UpgradeRefused as refused:
            return self._on_refused(refused)
        except DialFailed as failed:
            return self._on_failed(runner, failed)
        if socket is None:
            return Retry(False, "closed")
        retry = await runner.run(socket)
        replies, self._late_replies = self._late_replies, []
        for reply in replies:
            self._on_reply(reply)
        return retry

    # --- the results of requests ---

    def _on_reply(self, reply: Reply) -> None:
        """A reply came; there may be a websocket or none."""
        runner = self._runner
        if runner is not None and runner.usable:
            answer = partial(self.session.replied, reply, self._clock())
            runner.call_session(answer, len(reply.body))
        elif runner is not None and runner.is_open:
            self._late_replies.append(reply)
        else:
            events = self.session.replied(reply, self._clock())
            self._sink.count_refusals(events)
            self._sink.emit(tuple(events), len(reply.body))
            if (closed := last_closed(events)) is not None:
                self._closed_by_session = closed.retry

    def _on_error(self, error: BaseException) -> None:
        """A request could not be made at all, or the session raised for its reply."""
        self._error = self._error or error
        if self._runner is not None:
            self._runner.fail(error)

    # --- the results of a dial ---

    def _on_refused(self, refused: UpgradeRefused) -> Retry:
        self.stats.refused += 1
        event, retry = self.session.rejected(refused.status, refused.headers, refused.body)
        # The whole body: a part of a credential at a cut would not be recognised.
        body = refused.body.decode("utf-8", "replace")
        self._sink.happened("refused", {"status": refused.status, "body": body})
        self._sink.emit((event,))
        return retry

    def _on_failed(self, runner: SessionRunner, failed: DialFailed) -> Retry:
        self.stats.unreachable += 1
        self._sink.happened("unreachable", {"why": failed.why})
        self._sink.emit((Unreachable(failed.why),))
        if runner.is_open:  # the server said yes, and was gone before anything else
            runner.lost(1006, failed.why)
        return Retry(failed.again, failed.why)


async def _open_websocket(
    bounds: tuple[float, float, int],
    tls: ssl.SSLContext | None,
    proxy: str | bool,
    clock: Callable[[], int],
    dial: Dial,
    listener: Listener,
) -> OpenSocket:
    """The real `dial`; only here is the websockets library imported."""
    from payloads.live.websocket import Options, open_websocket

    return await open_websocket(dial, listener, Options(*bounds, tls, proxy), clock)


@contextlib.asynccontextmanager
async def merged(*connections: Connection) -> AsyncIterator[Inbox]:
    """Several connections that share a reader. They must have been made with the same `inbox`."""
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
