"""The two calls that run a session, or a session group, and deliver its events.

    async with connect(session) as connection:
        async for delivery in connection:
            for event in delivery.events: ...

    for delivery in stream(session):     # the same without asyncio
        ...

The promises of both are in the first lines of `connection`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar, overload

from payloads.capture.frames import Delivery
from payloads.live.connection import Connection
from payloads.live.group import GroupConnection
from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup

T = TypeVar("T")


@overload
def connect(session: Session, **options: Any) -> Connection: ...
@overload
def connect(session: SessionGroup, **options: Any) -> GroupConnection: ...
def connect(session: Session | SessionGroup, **options: Any) -> Connection | GroupConnection:
    """A connection for `async with`; the options are those of `Connection`.

    All sessions of a group run at once, and have one reader.
    """
    if isinstance(session, SessionGroup):
        return GroupConnection(session, **options)
    return Connection(session, **options)


def stream(session: Session | SessionGroup, **options: Any) -> Generator[Delivery, None, None]:
    """The deliveries of a connection, for a plain `for` loop. Leaving the loop closes it.

    The connection lives in a thread of its own, so pings are answered and frames get their times
    while the loop's body is busy.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="payloads stream", daemon=True)
    thread.start()

    def in_thread(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    connection = None
    try:
        connection = in_thread(_started(session, options))
        while deliveries := in_thread(connection.inbox.get_all()):
            yield from deliveries
    finally:
        if connection is not None:
            in_thread(connection.__aexit__())
        in_thread(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _started(
    session: Session | SessionGroup, options: dict[str, Any]
) -> Connection | GroupConnection:
    connection = connect(session, **options)
    connection.start()
    return connection


async def _cancel_all() -> None:
    """Cancel all other tasks, and wait for their end, so that the loop can end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
