"""The two calls that drive a session, or a session group, and deliver what comes of it.

    async with connect(session) as connection:
        async for delivery in connection:
            for event in delivery.events: ...

    for delivery in stream(session):     # the same without asyncio
        ...

What both promise is in the first lines of `connection`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, overload

from payloads.capture.frames import Delivery
from payloads.live.connection import Connection
from payloads.live.group import GroupConnection
from payloads.venues.common.session import Session
from payloads.venues.common.session_group import SessionGroup


@overload
def connect(session: Session, **options: Any) -> Connection: ...
@overload
def connect(session: SessionGroup, **options: Any) -> GroupConnection: ...
def connect(session: Session | SessionGroup, **options: Any) -> Connection | GroupConnection:
    """A connection for `async with`; the options are those of `Connection`.

    All sessions of a group are driven, and read as one.
    """
    if isinstance(session, SessionGroup):
        return GroupConnection(session, **options)
    return Connection(session, **options)


def stream(session: Session | SessionGroup, **options: Any) -> Iterator[Delivery]:
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
        while deliveries := there(connection.inbox.get_all()):
            yield from deliveries
    finally:
        if connection is not None:
            there(connection.__aexit__())
        there(_settled())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _started(
    session: Session | SessionGroup, options: dict[str, Any]
) -> Connection | GroupConnection:
    connection = connect(session, **options)
    connection.start()
    return connection


async def _settled() -> None:
    """Let everything that was cancelled end before its loop does."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
