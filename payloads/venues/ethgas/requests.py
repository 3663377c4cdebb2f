"""ETHGas' queries on a connection: which are open, and what becomes of each.

A query has no id: a reply is matched by its type, in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from payloads.errors import Misuse, elide
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.session import LOST, NO_ANSWER, SECOND, Event, Rejected
from payloads.venues.common.timers import check_length
from payloads.venues.ethgas.protocol import PRIVATE_QUERIES, Dialect

# Nobody states a time.
REPLY_WITHIN = 10 * SECOND


class Requests:
    """The queries of one connection; `send` takes what goes out. `within` is in nanoseconds."""

    def __init__(
        self, dialect: Dialect, send: Callable[[Mapping[str, Any]], None], within: int
    ) -> None:
        check_length("reply_within", within)
        self._dialect, self._send = dialect, send
        self._held: list[tuple[str, dict[str, Any]]] = []
        # All that are not answered in time, by a number of our own.
        self._open: dict[int, str] = {}
        self._last = 0
        self.waiting = Timeouts[int](within)

    @property
    def open(self) -> list[str]:
        """What is waited for, in words."""
        return [f"query {query_type}" for query_type in self._open.values()]

    def check(self, query_type: str, arguments: dict[str, Any]) -> None:
        """`Misuse` for a query that cannot be sent."""
        try:
            json.dumps(self._dialect.query(query_type, arguments), allow_nan=False)
        except Misuse:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise Misuse("not JSON", field=query_type, found=elide(str(error))) from None

    def ask(self, query_type: str, arguments: dict[str, Any]) -> None:
        """Keep a query until `release`."""
        self._held.append((query_type, arguments))

    def release(self, private: bool) -> bool:
        """Send what is held, if `private` all of it; whether that was anything."""
        if not self._held:
            return False
        ready = [one for one in self._held if private or one[0] not in PRIVATE_QUERIES]
        self._held = [one for one in self._held if one not in ready]
        for query_type, arguments in ready:
            self._send(self._dialect.query(query_type, arguments))
            self._last += 1
            self._open[self._last] = query_type
            self.waiting.add(self._last)
        return bool(ready)

    def answered(self, query_type: str) -> None:
        """A reply came, to the first of its type."""
        number = next((key for key, one in self._open.items() if one == query_type), None)
        if number is not None:
            self._over(number)

    def failed(self) -> None:
        """What is open was refused."""
        for number in [*self._open]:
            self._over(number)

    def late(self, now: int) -> list[Event]:
        """Those whose time is over."""
        return [self._told(NO_ANSWER, "no reply in time", one) for one in self.waiting.expired(now)]

    def lost(self) -> list[Event]:
        """The connection is gone, and no reply will come."""
        words = "no reply before the connection went"
        events = [self._told(LOST, words, number) for number in [*self._open]]
        events += [Rejected(LOST, "", words, f"query {held}") for held, _ in self._held]
        self._held = []
        return events

    def _told(self, code: str, words: str, number: int) -> Event:
        return Rejected(code, "", words, f"query {self._over(number)}")

    def _over(self, number: int) -> str:
        self.waiting.discard(number)
        return self._open.pop(number)
