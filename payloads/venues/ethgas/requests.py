"""ETHGas' queries on a connection. A query has no id: a reply is matched by its type, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from payloads.errors import Misuse, elide
from payloads.venues.common.pending import RequestFailed, Requests
from payloads.venues.common.session import LOST, SECOND, Event
from payloads.venues.ethgas.protocol import PRIVATE_QUERIES, Dialect

# The venue states no time.
REPLY_WITHIN = 10 * SECOND
_ABOUT = "query {name}"


class Queries(Requests):
    """The queries of one connection; `send` takes what goes out. `within` is in nanoseconds."""

    def __init__(
        self, dialect: Dialect, send: Callable[[Mapping[str, Any]], None], within: int
    ) -> None:
        super().__init__(within, _ABOUT)
        self._dialect, self._send = dialect, send
        self._held: list[tuple[str, dict[str, Any]]] = []

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
        ready = [query for query in self._held if private or query[0] not in PRIVATE_QUERIES]
        self._held = [query for query in self._held if query not in ready]
        for query_type, arguments in ready:
            self._send(self._dialect.query(query_type, arguments))
            self.sent(query_type)
        return bool(ready)

    def refused(self) -> None:
        """The venue refused what is pending."""
        for number in [*self.pending]:
            self.answered(number)

    def lost(self) -> list[Event]:
        names = [_ABOUT.format(name=name) for name, _ in self._held]
        held = [RequestFailed(LOST, "", self.GONE, name) for name in names]
        self._held = []
        return [*super().lost(), *held]
