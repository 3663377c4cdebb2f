"""A plain client, that knows nothing of this library, for what a venue says to anybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar, overload

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from payloads.live import connect as drive
from payloads.live.connection import Backoff, Connection
from payloads.live.group import GroupConnection
from payloads.live.http import perform
from payloads.simulators import Simulator
from payloads.venues.common.session import Data, Dial, Event, Opened, Reply, Request, Session
from payloads.venues.common.session_group import SessionGroup

T = TypeVar("T")
Headers = Iterable[tuple[str, str]]
QUICK = Backoff(first=0.02, most=0.1, lasted=0.5)


def run(work: Awaitable[T], seconds: float = 120) -> T:
    """Run a test's coroutine; one that hangs fails."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


@contextlib.asynccontextmanager
async def dialled(
    url: str, headers: Headers = (), compression: str | None = "deflate"
) -> AsyncIterator[ClientConnection]:
    async with connect(
        url, additional_headers=[*headers], proxy=None, close_timeout=1, max_size=None,
        compression=compression,
    ) as socket:  # fmt: skip
        yield socket


async def refusal(url: str, headers: Headers = (), **options: Any) -> tuple[int, Any]:
    """The status of a refused upgrade, and its body's JSON."""
    try:
        async with dialled(url, headers, **options):
            pass
    except InvalidStatus as error:
        body = bytes(error.response.body or b"")
        return error.response.status_code, json.loads(body) if body else None
    raise AssertionError("the upgrade was accepted")


def dial_of(session: Session, venue: Simulator) -> Dial:
    return session.dial(venue.now())


async def received(socket: ClientConnection, seconds: float = 30) -> Any:
    """The JSON of the next message."""
    async with asyncio.timeout(seconds):
        return json.loads(await socket.recv())


async def ask(method: str, url: str, headers: Headers = (), body: bytes = b"") -> Reply:
    return await perform(Request(method, url, tuple(headers), body, "test"), proxy=False)


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@overload
def driven(session: Session, **options: Any) -> Connection: ...
@overload
def driven(session: SessionGroup, **options: Any) -> GroupConnection: ...
def driven(session: Any, **options: Any) -> Connection | GroupConnection:
    """This library's own client, in a hurry."""
    connection: Connection | GroupConnection
    connection = drive(session, **{"backoff": QUICK, "proxy": False, **options})
    return connection


async def keep(events: list[Event], connection: Connection | GroupConnection) -> None:
    """Add events to a list until the connection ends."""
    async for event in connection.events():
        events.append(event)


async def collect(
    connection: Connection | GroupConnection,
    enough: Callable[[list[Event]], bool],
    seconds: float = 60,
) -> list[Event]:
    """The events until there are enough."""
    events: list[Event] = []
    async with asyncio.timeout(seconds):
        async for event in connection.events():
            events.append(event)
            if enough(events):
                break
    return events


def by_connection(events: Iterable[Event], number: Callable[[Data], int]) -> list[list[int]]:
    """The numbers of the data, a list for each time that the connection was opened."""
    found: list[list[int]] = []
    for event in events:
        if isinstance(event, Opened):
            found.append([])
        elif isinstance(event, Data):
            found[-1].append(number(event))
    return found


def in_order(numbers: list[int]) -> bool:
    """Whether nothing is lost, doubled or out of its place: 1, 2, 3, and so on."""
    return numbers == [*range(1, len(numbers) + 1)]


def kinds(events: Iterable[Event]) -> Counter[str]:
    return Counter(type(event).__name__ for event in events)
