"""The HTTP requests of a session, made beside its websocket and outliving it.

Each request that was taken from a session is answered, whatever becomes of the websocket meanwhile.
A venue that has changed a token or sent a page has done so, and will not do it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from payloads.capture import redaction
from payloads.live.seams import PerformRequest
from payloads.live.sink import Sink
from payloads.venues.common.session import Reply, Request

T = TypeVar("T")
# A session makes a handful; each answer may be large, and waits while the reader is slow.
MAX_REQUESTS_AT_ONCE = 4


class RequestTasks:
    """Makes requests, and passes each reply (or an error of our own) on in the event loop.

    Once `closing` is set, nothing is waited for.
    """

    def __init__(
        self,
        sink: Sink,
        perform: PerformRequest,
        closing: asyncio.Event,
        on_reply: Callable[[Reply], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._sink, self._perform, self._closing = sink, perform, closing
        self._on_reply, self._on_error = on_reply, on_error
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(MAX_REQUESTS_AT_ONCE)

    def begin(self, requests: Iterable[Request]) -> None:
        """Make requests."""
        for request in requests:
            task = asyncio.get_running_loop().create_task(self._handle(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until all requests are answered."""
        if self._tasks:
            await asyncio.wait([*self._tasks])

    async def stop(self) -> None:
        """Cancel all requests."""
        for task in self._tasks:
            task.cancel()
        await self.finish()

    async def _handle(self, request: Request) -> None:
        try:
            async with self._at_once:
                reply = await self._performed(request)
                if reply is not None and self._sink.inbox.full:
                    await unless(self._closing, self._sink.inbox.room())
            if reply is not None:
                self._on_reply(reply)
        except Exception as error:
            self._on_error(error)

    async def _performed(self, request: Request) -> Reply | None:
        sink = self._sink
        sink.learn_from(request)
        sink.happened("request", redaction.request_detail(request))
        reply = await unless(self._closing, self._perform(request))
        if reply is not None:
            sink.happened("reply", redaction.reply_detail(request, reply, sink.learn))
        return reply


async def unless(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """The result of `work`; None, and the work is cancelled, if `stop` is set first."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    both: list[asyncio.Future[Any]] = [working, stopping]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for future in both:
            future.cancel()
        await asyncio.gather(*both, return_exceptions=True)
