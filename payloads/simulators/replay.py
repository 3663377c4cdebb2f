"""A capture served on a websocket of this machine, for clients of any kind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from payloads.capture.format import CaptureRecord
from payloads.capture.frames import Frame
from payloads.capture.replay import due_times
from payloads.errors import Misuse, not_installed
from payloads.loopback import is_loopback

Played = Callable[[], Iterable[CaptureRecord]]


@contextlib.asynccontextmanager
async def serve(
    played: Played,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    log: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[str]:
    """A websocket server that sends the received messages of a capture to every client.

    `played` is called for each client, which gets them from the start. Messages of clients are
    ignored. Only this machine can connect: `host` must be a loopback address. Yields the URL.
    """
    try:
        from websockets.asyncio.server import serve as listen
        from websockets.exceptions import ConnectionClosed
    except ImportError as error:
        raise not_installed("the websocket server", "live") from error
    if not is_loopback(host):
        raise Misuse("not a loopback address", field="host", expected="127.0.0.1", found=host)

    async def play(client: Any) -> None:
        log("a client connected")
        reading = asyncio.ensure_future(_ignore(client))
        began, count = time.monotonic(), 0
        try:
            for record, due in due_times(played(), speed):
                if not (isinstance(record, Frame) and record.direction == "in"):
                    continue
                if not record.is_message:
                    continue
                if (wait := began + due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                await client.send(record.raw, text=record.opcode == "text")
                count += 1
            await client.close(1000, "the end of the capture")
        except ConnectionClosed:
            pass
        finally:
            reading.cancel()
            log(f"a client got {count:,} frames")

    async with listen(play, host, port) as server:
        where = next(iter(server.sockets)).getsockname()
        yield f"ws://{host if ':' not in host else f'[{host}]'}:{where[1]}/"


async def _ignore(client: Any) -> None:
    with contextlib.suppress(Exception):
        async for _ in client:
            pass
