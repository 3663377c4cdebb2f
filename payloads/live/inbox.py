"""The bounded queue between connections and their reader, with a stated policy for a slow one.

The queue is full when it holds so many deliveries, or so many bytes of messages.

* `block`: while the queue is full, the socket is not read. Nothing is lost here (the server may
  give up on a client so slow). `blocked` counts how often, `blocked_ns` how long.
* `drop-oldest`: the oldest frames make room for new frames. `dropped` counts them, and the reader
  finds a `Dropped` event in their place. Events of the connection itself (opened, closed, refused)
  are never dropped.

The queue may grow beyond its bounds by the last message of each connection. A reply to an HTTP
request waits until there is room; the events of a dial may pass the bound.

One reader at a time; several connections may feed one inbox. Not thread-safe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from payloads.capture.frames import Delivery, Dropped
from payloads.errors import Misuse
from payloads.venues.common.session import Data, Event

# Read as JSON, a message may take forty times as much memory; the reader and each connection have
# another message at hand.
MAX_QUEUE_BYTES = 3 * 2**20
WhenFull = Literal["block", "drop-oldest"]


class Inbox:
    """Deliveries that wait for a reader."""

    def __init__(
        self,
        limit: int = 4096,
        when_full: WhenFull = "block",
        max_bytes: int = MAX_QUEUE_BYTES,
    ) -> None:
        for name, bound in (("queue", limit), ("queue_bytes", max_bytes)):
            if bound < 1:
                raise Misuse("no such bound", field=name, expected="1 or more", found=str(bound))
        if when_full not in ("block", "drop-oldest"):
            expected = "block or drop-oldest"
            raise Misuse("no such policy", field="when_full", expected=expected, found=when_full)
        self.limit, self.when_full, self.max_bytes = limit, when_full, max_bytes
        # The bytes of the messages that wait, and of each delivery in `_waiting`.
        self.bytes = 0
        self._sizes: deque[int] = deque()
        self.dropped = self.blocked = self.blocked_ns = self.most = 0
        self._waiting: deque[Delivery] = deque()
        # Deliveries that must not be dropped, and marks of the dropped: all older than `_waiting`.
        self._kept: deque[Delivery] = deque()
        # Called when there is room again.
        self._resumes: list[Callable[[], None]] = []
        self._held_since = 0.0
        self._has_reader = False
        # What a waiting reader waits for.
        self._news: asyncio.Future[None] | None = None
        self._feeding = self._dials = 0
        self._error: BaseException | None = None
        self.abandoned = False

    # --- for connections ---

    def join(self) -> None:
        """One more connection feeds this inbox."""
        self._feeding += 1

    def dialled(self) -> int:
        """The number of another dial of the connections that feed this inbox, from 1."""
        self._dials += 1
        return self._dials

    def leave(self, error: BaseException | None = None) -> None:
        """One connection is done. The reader gets the first error when all are."""
        self._feeding -= 1
        self._error = self._error or error
        self._wake()

    def put(self, delivery: Delivery, size: int = 0) -> bool:
        """Add a delivery; `size` is that of the message in bytes.

        False means that the socket should not be read now.
        """
        if self.abandoned:
            return True
        self._waiting.append(delivery)
        self._sizes.append(size)
        self.bytes += size
        if self._news is not None:
            self._wake()
        count = len(self._waiting)
        if count > self.most:
            self.most = count
        if count < self.limit and self.bytes < self.max_bytes:
            return True
        if self.when_full == "block":
            return False
        # The newest is kept, whatever its size.
        while len(self._waiting) > 1 and (
            len(self._waiting) > self.limit or self.bytes > self.max_bytes
        ):
            self._drop()
        return True

    @property
    def full(self) -> bool:
        """Whether a socket should not be read now."""
        return self.when_full == "block" and (
            len(self._waiting) >= self.limit or self.bytes >= self.max_bytes
        )

    async def room(self) -> None:
        """Wait until the queue is not full."""
        while self.full:
            free = asyncio.get_running_loop().create_future()
            self.hold(lambda free=free: free.done() or free.set_result(None))  # type: ignore[misc]
            await free

    @property
    def waiting(self) -> int:
        """How many deliveries have not been read yet."""
        return len(self._kept) + len(self._waiting)

    def hold(self, resume: Callable[[], None]) -> None:
        """Call `resume` once there is room again."""
        if not self._resumes:
            self.blocked += 1
            self._held_since = asyncio.get_running_loop().time()
        self._resumes.append(resume)

    def _drop(self) -> None:
        oldest = self._waiting.popleft()
        self.bytes -= self._sizes.popleft()
        if oldest.frame is None and not any(isinstance(event, Data) for event in oldest.events):
            self._kept.append(oldest)
            return
        self.dropped += 1
        last = self._kept[-1].events[-1] if self._kept and self._kept[-1].events else None
        count = 1
        if isinstance(last, Dropped):
            count += last.count
            self._kept.pop()
        self._kept.append(Delivery(oldest.at, oldest.connection, None, (Dropped(count),)))

    def _forget(self) -> None:
        self._kept.clear()
        self._waiting.clear()
        self._sizes.clear()
        self.bytes = 0

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    # --- for the reader ---

    async def get_all(self) -> list[Delivery]:
        """All deliveries that wait, at least one; an empty list at the end."""
        if not self._waiting and not self._kept and not await self._more():
            return []
        deliveries = [*self._kept, *self._waiting]
        self._forget()
        if self._resumes:
            self._release()
        return deliveries

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        if not self._waiting and not self._kept and not await self._more():
            raise StopAsyncIteration
        if self._kept:
            delivery = self._kept.popleft()
        else:
            delivery = self._waiting.popleft()
            self.bytes -= self._sizes.popleft()
        if self._resumes and self._half_empty:
            self._release()
        return delivery

    @property
    def _half_empty(self) -> bool:
        return len(self._waiting) <= self.limit // 2 and self.bytes <= self.max_bytes // 2

    def abandon(self) -> None:
        """The reader will read no more."""
        self.abandoned = True
        self._forget()
        if self._resumes:
            self._release()

    async def _more(self) -> bool:
        if self._has_reader:
            raise Misuse("an inbox has one reader at a time")
        while not self._waiting and not self._kept:
            if not self._feeding:
                # Raised once: the next call is at the end.
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return False
            self._has_reader = True
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._has_reader, self._news = False, None
        return True

    def _release(self) -> None:
        self.blocked_ns += int((asyncio.get_running_loop().time() - self._held_since) * 1e9)
        resumes, self._resumes = self._resumes, []
        for resume in resumes:
            resume()


class Readable:
    """The reading half of everything that feeds an inbox."""

    inbox: Inbox

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self.inbox

    def __anext__(self) -> Awaitable[Delivery]:
        return self.inbox.__anext__()

    async def events(self) -> AsyncIterator[Event]:
        """Only the events."""
        async for delivery in self:
            for event in delivery.events:
                yield event
