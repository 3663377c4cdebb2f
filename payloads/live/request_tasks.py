"""The HTTP requests of a driven session, made beside its websocket and outliving it.

A request that was taken from a session is answered, whatever becomes of the websocket meanwhile:
a venue that has changed a token or sent a page has done so, and will not do it again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from payloads.abi.fields import Record
from payloads.capture import redaction
from payloads.live.http import perform
from payloads.live.sink import Sink
from payloads.venues.common.session import Reply, Request

T = TypeVar("T")


class HttpOptions(Record, frozen=True):
    """How requests are made."""

    timeout: float
    proxy: str | bool
    tls: ssl.SSLContext | None


class RequestTasks:
    """Makes requests, and hands each reply (or what went wrong here) back in the event loop.

    Once `closing` is set, nothing is waited for any more.
    """

    def __init__(
        self,
        sink: Sink,
        asking: HttpOptions,
        closing: asyncio.Event,
        answered: Callable[[Reply], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._sink, self._asking, self._closing = sink, asking, closing
        self._answered, self._failed = answered, failed
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, requests: Iterable[Request]) -> None:
        """Make requests."""
        for request in requests:
            task = asyncio.get_running_loop().create_task(self._errand(request))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait for those that are under way."""
        if self._under_way:
            await asyncio.wait([*self._under_way])

    async def stop(self) -> None:
        """Wait for none of them."""
        for task in self._under_way:
            task.cancel()
        await self.finish()

    async def _errand(self, request: Request) -> None:
        try:
            reply = await self._performed(request)
            if reply is not None:
                self._answered(reply)
        except Exception as error:
            self._failed(error)

    async def _performed(self, request: Request) -> Reply | None:
        asking, sink = self._asking, self._sink
        sink.learn(request)
        sink.happened("request", redaction.request_detail(request))
        work = perform(request, timeout=asking.timeout, proxy=asking.proxy, tls=asking.tls)
        reply = await unless(self._closing, work)
        if reply is not None and sink.recorder is not None:
            sink.happened("reply", redaction.reply_detail(request, reply, sink.recorder.learn))
        return reply


async def unless(over: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What it gives; None, and it is cancelled, if it is over meanwhile."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(over.wait())
    both: list[asyncio.Future[Any]] = [working, waiting]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for future in both:
            future.cancel()
        await asyncio.gather(*both, return_exceptions=True)
