"""How a command that runs until somebody says stop is told: by Ctrl-C, or by SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any


@contextlib.asynccontextmanager
async def stoppable() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of interrupting whatever runs.

    Not `loop.add_signal_handler`: Windows has none.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(asked.set)

    before: dict[signal.Signals, Any] = {}
    try:
        with contextlib.suppress(ValueError):  # no main thread: signals are somebody else's
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, ask)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
