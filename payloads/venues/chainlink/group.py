"""High availability: one subscription over every origin of the service.

The origins are asked for first, by `HEAD /` on the websocket's host. Then there is one session for
each, over one `Stream`: what one of them has delivered, the others do not deliver again. The same
content under other signatures is delivered, too, because the first may be damaged, and only a
verification can tell.

A refusal that may pass is asked again after 1 s, and again after 2 s, or later if the service says
so, but not after more than 10 s. Without origins there is one plain session, as in the vendor's Go
SDK, and a `Degraded` event that says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from payloads.errors import Refused
from payloads.venues.chainlink.auth import LITERAL, MAINNET, ChainlinkCredentials, Endpoint
from payloads.venues.chainlink.dedupe import Deduplicator
from payloads.venues.chainlink.rest import Rest
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.chainlink.stream import Stream, StreamStats
from payloads.venues.common.session import SECOND, Event, Reply
from payloads.venues.common.session_group import Degraded, SessionGroup
from payloads.venues.common.timers import RetryTimer

# How often the origins are asked for.
_ATTEMPTS = 3
# A service that asks for a longer wait is not waited for.
_LONGEST_WAIT = 10 * SECOND


class HighAvailability(SessionGroup):
    """The sessions of one subscription, one for each origin. See the module's first lines.

    The options are those of `ChainlinkSession`. A session whose origin is down goes on being
    retried while the others deliver; the subscription is down only when no session is `alive`.
    """

    venue = "chainlink"
    sessions: tuple[ChainlinkSession, ...]

    def __init__(
        self,
        credentials: ChainlinkCredentials,
        feeds: Iterable[str],
        *,
        endpoint: Endpoint | str = MAINNET,
        comma: str = LITERAL,
        deduplicator: Deduplicator | None = None,
        backfill: bool = True,
        overlap: int = 1,
        silence: int | None = None,
    ) -> None:
        super().__init__()
        self.stream = Stream(feeds, deduplicator)
        self.rest = Rest(credentials, endpoint, comma=comma)
        self._session = partial(
            ChainlinkSession, credentials, self.stream, endpoint=self.rest.endpoint, comma=comma,
            backfill=backfill, overlap=overlap, silence=silence,
        )  # fmt: skip
        self._again = RetryTimer(SECOND, attempts=_ATTEMPTS)
        self._asked_at = 0

    def __repr__(self) -> str:
        return f"HighAvailability({self.rest.endpoint.ws!r}, {len(self.sessions)} sessions)"

    def tick(self, now: int) -> list[Event]:
        """Ask for the origins, if it is time to."""
        if self.deadline is not None and now >= self.deadline:
            self.deadline, self._asked_at = None, now
            self._requests.append(self.rest.origins(now))
        return []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        """Make the sessions, or ask again later."""
        if self.sessions:
            return []
        try:
            origins, self.retry = self.rest.read_origins(reply), None
        except Refused:
            about = "which origins there are"
            rejected, self.retry = self.rest.refusal(reply, signed_at=self._asked_at, about=about)
            return [rejected, *self._ask_again(now)]
        self.sessions = tuple(self._session(origin=origin) for origin in origins or ("",))
        if len(origins) > 1:
            return []
        return [_degraded(f"names {'one origin' if origins else 'no origins'}")]

    def _ask_again(self, now: int) -> list[Event]:
        retry = self.retry
        if retry is not None and retry.again and retry.at_least <= _LONGEST_WAIT:
            again = self._again.failed(now, retry.at_least)
            self.deadline = self._again.deadline
            if again:
                return []
        self.sessions = (self._session(),)
        return [_degraded("does not say which origins there are")]

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of the sessions; "" for the plain one."""
        return tuple(session.origin for session in self.sessions)

    @property
    def stats(self) -> StreamStats:
        """Accepted and duplicate reports, connections open, reconnects partial and full."""
        return self.stream.stats

    @property
    def alive(self) -> bool:
        """Whether any connection is open."""
        return self.stats.open_connections > 0


def _degraded(why: str) -> Degraded:
    return Degraded(f"the service {why}: one connection only")
