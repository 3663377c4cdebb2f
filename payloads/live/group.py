"""Drives a session group: asks the venue which sessions there are, then drives them all.

The group's requests go the way of every session's: through `RequestTasks`, proxies and TLS
included, recorded and redacted. All connections share one inbox, so there is one reader; it also
gets the events of the time before there was a session, with connection number 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from payloads.capture.frames import Retrying
from payloads.errors import Misuse, Refused
from payloads.live.connection import Connection
from payloads.live.http import perform
from payloads.live.inbox import MAX_QUEUE_BYTES, Inbox, Readable, WhenFull
from payloads.live.request_tasks import RequestTasks
from payloads.live.seams import PerformRequest
from payloads.live.sink import Recorder, Sink
from payloads.venues.common.session import SECOND, Reply
from payloads.venues.common.session_group import SessionGroup


class GroupConnection(Readable):
    """A session group being driven. It is used like a `Connection` and takes the same options."""

    def __init__(
        self,
        group: SessionGroup,
        *,
        recorder: Recorder | None = None,
        inbox: Inbox | None = None,
        queue: int = 4096,
        queue_bytes: int = MAX_QUEUE_BYTES,
        when_full: WhenFull = "block",
        http_timeout: float = 10,
        tls: ssl.SSLContext | None = None,
        proxy: str | bool = True,
        http: PerformRequest | None = None,
        clock: Callable[[], int] = time.time_ns,
        **options: Any,
    ) -> None:
        self.group = group
        self.inbox = inbox if inbox is not None else Inbox(queue, when_full, queue_bytes)
        # One for each session; empty until the sessions are known.
        self.connections: tuple[Connection, ...] = ()
        perform_request = http or partial(perform, timeout=http_timeout, proxy=proxy, tls=tls)
        self._options = {
            "recorder": recorder, "inbox": self.inbox, "http": perform_request,
            "tls": tls, "proxy": proxy, "clock": clock, **options,
        }  # fmt: skip
        # The connections are made later, but a wrong option is the caller's mistake now.
        inspect.signature(Connection).bind(group, **self._options)
        self._clock = clock
        self._sink = Sink(group, recorder, self.inbox, clock)
        self._closing, self._known = asyncio.Event(), asyncio.Event()
        self._request_tasks = RequestTasks(
            self._sink, perform_request, self._closing, self._answered, self._failed
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    # --- the reader's side ---

    def start(self) -> None:
        """Begin; `async with` does this."""
        if self._task is not None:
            raise Misuse("a connection is started once")
        self.inbox.join()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="payloads group")

    async def ready(self) -> None:
        """Returns when the sessions are known and driven, or never will be."""
        await self._known.wait()

    async def close(self) -> None:
        """Close all websockets and stop; what was received before can still be read."""
        self._closing.set()
        await asyncio.gather(self._ended(), *(each.close() for each in self.connections))

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.inbox.abandon()
        self._closing.set()
        await asyncio.gather(self._ended(), *(each.__aexit__() for each in self.connections))

    async def _ended(self) -> None:
        if self._task is not None:
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()

    # --- finding the sessions ---

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self._find_sessions()
            if not self._closing.is_set():
                self._drive_sessions()
        except asyncio.CancelledError:
            pass
        except BaseException as raised:
            error = raised
        finally:
            await self._request_tasks.stop()
            self._known.set()
            self.inbox.leave(error)

    async def _find_sessions(self) -> None:
        attempt = 0
        while not self.group.sessions and not self._closing.is_set():
            await self._wait(attempt)
            attempt += 1
            self._sink.emit(tuple(self.group.tick(self._clock())))
            self._request_tasks.begin(self.group.take_requests())
            await self._request_tasks.finish()
            if self._error is not None:
                raise self._error

    async def _wait(self, attempt: int) -> None:
        """Wait until the group wants to ask, the first time or again."""
        why = "" if self.group.retry is None else self.group.retry.why
        if self.group.deadline is None:
            raise Refused(why or "there is no session", field=self.group.venue)
        wait = self.group.deadline - self._clock()
        if wait <= 0:
            return
        self._sink.happened("retrying", {"attempt": attempt, "wait_ns": wait, "why": why})
        self._sink.emit((Retrying(attempt, wait, why),))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait / SECOND):
                await self._closing.wait()

    def _drive_sessions(self) -> None:
        self.connections = tuple(
            Connection(session, **self._options) for session in self.group.sessions
        )
        for connection in self.connections:
            connection.start()

    def _answered(self, reply: Reply) -> None:
        self._sink.emit(tuple(self.group.replied(reply, self._clock())))

    def _failed(self, error: BaseException) -> None:
        self._error = self._error or error
