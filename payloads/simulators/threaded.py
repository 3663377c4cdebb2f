"""A simulator in a thread of its own, for programs without asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TypeVar

from payloads.simulators.host import Host

H = TypeVar("H", bound=Host)


@contextlib.contextmanager
def threaded(simulator: H) -> Iterator[H]:
    """The simulator, served from a thread of its own until the block ends."""
    ready, done = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with simulator:
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.02)

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name=f"{simulator.venue} simulator", daemon=True)
    thread.start()
    ready.wait()
    try:
        if not failed:
            yield simulator
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]
