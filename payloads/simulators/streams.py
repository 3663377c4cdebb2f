"""A stream of messages at a pace, for the clients that have joined it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from payloads.simulators.options import Counters, Made
from payloads.simulators.peer import Peer

Deliver = Callable[[Peer, str, Made], None]

# A stream that is behind by more than this skips messages: the machine is too slow for the rate.
_PATIENCE = 1.0
# How many messages a stream makes before other tasks get a turn.
_BURST = 16


class Stream:
    """Messages made at a pace, for the clients that have joined.

    A stream that `lasts` goes on without clients, so that REST can answer for that time.
    """

    def __init__(
        self, name: str, period: float, make: Callable[[], Iterable[Made]], lasts: bool = False
    ) -> None:
        self.name, self.period, self.make, self.lasts = name, period, make, lasts
        self.peers: list[Peer] = []
        self.task: asyncio.Task[None] | None = None

    async def flow(self, deliver: Deliver, counters: Counters) -> None:
        """Make messages until the stream is ended, and deliver each to every client."""
        due, made = time.monotonic(), 0
        while self.task is not None:  # a delivery may end the stream
            wait = due - time.monotonic()
            if wait > 0 or made % _BURST == 0:
                await asyncio.sleep(max(0.0, wait))
            if wait < -_PATIENCE:
                missed = int(-wait / self.period)
                counters.late += missed
                due += missed * self.period
            due += self.period
            made += 1
            for message in self.make():
                for peer in [*self.peers]:
                    deliver(peer, self.name, message)
