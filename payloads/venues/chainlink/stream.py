"""What the connections of one subscription share, and how a gap is noticed.

A gap begins when the last open connection is lost, and ends when one is opened again. A connection
that is lost while another is open leaves no gap, unless the other turns out to have heard nothing
since: a network that drops packets leaves a connection open and deaf. So each connection says up to
when it has missed nothing, and only one that was open then, and has heard something since, covers
for a connection that was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from payloads.abi.fields import Record
from payloads.venues.chainlink.auth import feed_ids
from payloads.venues.chainlink.backfill import Pace
from payloads.venues.chainlink.codes import CLOCK_WINDOW
from payloads.venues.chainlink.dedupe import Deduplicator, ExactDeduplicator
from payloads.venues.chainlink.reports import StreamReport
from payloads.venues.common.session import SECOND


class StreamStats(Record, frozen=True):
    """Counts of one subscription over all its connections."""

    accepted: int
    duplicates: int
    open_connections: int
    # Connections that came back while another was open, and while none was.
    partial_reconnects: int
    full_reconnects: int


class Connection(Protocol):
    """A connection of a subscription: its session, which is only compared by identity."""

    # When the last message came, or the connection was opened, in nanoseconds.
    heard_at: int
    # The time of the last report it brought, in seconds; None if it brought none since it opened.
    reported_at: int | None


def _complete_until(connection: Connection) -> int:
    """The time up to which a connection has missed nothing, in nanoseconds.

    A report may be read long after it was sent; then the report's own time counts, less what the
    two clocks may differ by.
    """
    if connection.reported_at is None:
        return connection.heard_at
    return min(connection.heard_at, (connection.reported_at - CLOCK_WINDOW) * SECOND)


class Stream:
    """The feeds of one subscription, how far each has come, and which connections are open."""

    def __init__(self, feeds: Iterable[str], deduplicator: Deduplicator | None = None) -> None:
        self.feeds = feed_ids(feeds)
        self.deduplicator = deduplicator or ExactDeduplicator()
        # The service counts the requests of an account, over whichever connection they fill gaps.
        self.pace = Pace()
        # The newest time of observations of each feed that has reported, in UNIX seconds.
        self.newest: dict[str, int] = {}
        self._wanted = frozenset(self.feeds)
        # The open connections, and the time since when each misses nothing.
        self._open: dict[Connection, int] = {}
        # The lost connections, and how far each feed had come when they last heard anything.
        self._lost: dict[Connection, dict[str, int]] = {}
        # The feeds of which no report has come yet, and when they were asked for.
        self.silent = set(self.feeds)
        self.asked_at = 0
        # The second in which the first connection was opened.
        self._began: int | None = None
        self._partial = self._full = 0

    def accept(self, report: StreamReport, now: int) -> bool:
        """Whether a report is new; keeps track of how far its feed has come."""
        feed, time = report.feed_id, report.observations_timestamp
        if self.silent:
            self.silent.discard(feed)
        # Most reports are no newer than the last one, so the costlier questions come second.
        if time is not None and time > self.newest.get(feed, -1) and feed in self._wanted:
            if report.credible_time(now) is not None:
                self.newest[feed] = time
        return self.deduplicator.accept(report)

    def opened(self, connection: Connection, now: int) -> dict[str, int]:
        """A connection is open. Returns the gap before it: the first missing second of each feed.

        A feed that has not reported yet is missing from when the first connection was opened.
        """
        came_back, alone = connection in self._lost, not self._open
        self._partial += came_back and not alone
        self._full += came_back and alone
        known = self._lost.pop(connection, self.newest if alone else None)
        covered = came_back and self._is_covered(connection)
        # A connection that fills its gap counts as open all the time.
        since = _complete_until(connection) if came_back and not covered else now
        self._open[connection] = since
        if self._began is None:
            self._began, self.asked_at = now // SECOND, now
            return {}
        if known is None or covered:
            return {}
        return {feed: known[feed] + 1 if feed in known else self._began for feed in self.feeds}

    def _is_covered(self, lost: Connection) -> bool:
        """Whether a connection that was open when `lost` was has heard something since.

        The other may be deaf by now without knowing it. Then it will fill the rest of the gap
        itself, because no connection that was opened later covers it.
        """
        missing_from = _complete_until(lost)
        return any(
            since <= missing_from and lost.heard_at < connection.heard_at
            for connection, since in self._open.items()
        )

    def closed(self, connection: Connection) -> None:
        """A connection is gone; nothing happens if it was not open."""
        if self._open.pop(connection, None) is None:
            return
        newest, complete_until = dict(self.newest), _complete_until(connection)
        if any(other.heard_at > complete_until for other in (*self._open, *self._lost)):
            # The feeds may have come further on other connections since.
            newest = {feed: min(time, complete_until // SECOND) for feed, time in newest.items()}
        self._lost[connection] = newest

    @property
    def stats(self) -> StreamStats:
        counts = self.deduplicator
        return StreamStats(
            counts.accepted, counts.duplicates, len(self._open), self._partial, self._full
        )
