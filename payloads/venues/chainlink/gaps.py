"""What Chainlink's stream delivers once: duplicates dropped but counted, gaps filled from REST.

* `ExactDeduplicator` (the default) drops a report only if the very same bytes were delivered
  before, signatures included. Nothing is verified here, so of two reports that differ in their
  signatures alone nobody can tell yet which is good, and the first must not hide the second. Both
  may be: origins, or REST, may pass on signatures of other oracles. To have each content once,
  take the first that verifies for its `context` and `report_blob`.
* `SdkDeduplicator` is the vendor's Go SDK's rule: for each feed, what is not newer than the newest
  delivered is dropped. Two reports of one second collapse into one, late ones are lost, and a
  damaged report hides the good one of its second.
* `Stream` is what the connections of one subscription share: the deduplicator, the newest time of
  each feed, and which connections are open, which is how a gap is noticed.
* `Backfill` asks `/reports/page` for what a gap swallowed, page after page, at the service's pace.

All are plain objects without I/O; none raises for what a server sends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse
from payloads.venues.chainlink.auth import CLOCK_WINDOW, PAUSE, feed_ids
from payloads.venues.chainlink.rest import Rest, StreamReport, page_purpose, read_report
from payloads.venues.common.session import SECOND, Broken, Event, Reply, Request
from payloads.venues.common.timers import earliest


class Backfilled(Event, frozen=True):
    """A feed's gap is closed (or given up): what was asked for, and how many reports came.

    `start` is the first second asked for. `complete` says whether paging came to its end.
    """

    channel: str
    start: int
    reports: int
    complete: bool


# --- duplicates -----------------------------------------------------------------------------------


# Longer reports are remembered by their hash. Hashing what is shorter costs more than keeping it.
_LONG = 1024


class Deduplicator(ABC):
    """Decides which reports are new, and counts both kinds.

    It remembers the latest `remember` reports, and at most twice as many (in some 35 MB): half
    an hour of ten feeds, or 1.6 s at 10,000 a second. A duplicate that comes later counts as new.
    """

    def __init__(self, remember: int = 16_384) -> None:
        if remember < 1:
            raise Misuse("no such number", field="remember", expected="at least 1")
        self.accepted = self.duplicates = 0
        self._remember = remember
        # Two generations: when the newer one is full it becomes the older, which is forgotten.
        self._newer: dict[Hashable, int] = {}
        self._older: dict[Hashable, int] = {}

    def accept(self, report: StreamReport) -> bool:
        """Whether this report is new; it counts as delivered from now on."""
        if self._is_new(report):
            self.accepted += 1
            return True
        self.duplicates += 1
        return False

    @abstractmethod
    def _is_new(self, report: StreamReport) -> bool: ...

    def _keep(self, key: Hashable, value: int = 0) -> None:
        self._newer[key] = value
        if len(self._newer) >= self._remember:
            self._older, self._newer = self._newer, {}

    def _recall(self, key: Hashable) -> int | None:
        return self._newer.get(key, self._older.get(key))


class ExactDeduplicator(Deduplicator):
    """Drops the same bytes as were delivered before, and nothing that differs in anything."""

    def _is_new(self, report: StreamReport) -> bool:
        key = report.full_report
        if len(key) > _LONG:
            key = sha256(key).digest()
        if key in self._newer or key in self._older:
            return False
        self._keep(key)
        return True


class SdkDeduplicator(Deduplicator):
    """The vendor's rule: per feed, only what is newer than all that was delivered.

    Backfilled reports are older by nature. For them the rule is one report a feed and second.
    """

    def _is_new(self, report: StreamReport) -> bool:
        feed, time = report.feed_id, report.observations_timestamp
        if time is None:
            return True
        newest = self._recall(feed)
        behind = newest is not None and time <= newest
        if (behind and not report.backfilled) or self._recall((feed, time)) is not None:
            return False
        self._keep((feed, time))
        self._keep(feed, newest if behind and newest is not None else time)
        return True


# --- what connections share -----------------------------------------------------------------------


class StreamStats(Record, frozen=True):
    """Counts of one subscription over all its connections."""

    accepted: int
    duplicates: int
    open_connections: int
    # Connections that came back while another was open, and while none was.
    partial_reconnects: int
    full_reconnects: int


# A report from further ahead is no measure of how far a feed has come.
_AHEAD = 60


def _credible(report: StreamReport, now: int) -> int | None:
    """A report's time in seconds, unless it is too far in the future to be true."""
    time = report.observations_timestamp
    return None if time is None or time > now // SECOND + _AHEAD else time


class Connection(Protocol):
    """One of the connections of a subscription."""

    # When it last heard anything, or was opened, in nanoseconds.
    heard: int
    # The time that the last report it brought says of itself, in seconds; None since it was opened.
    told: int | None


def _reached(one: Connection) -> int:
    """Up to when a connection has missed nothing, in nanoseconds.

    A report may be read long after it was sent, and then the report's own time says more. The
    clocks may differ by what the service tolerates.
    """
    if one.told is None:
        return one.heard
    return min(one.heard, (one.told - CLOCK_WINDOW) * SECOND)


class Stream:
    """What the connections of one subscription share."""

    def __init__(self, feeds: Iterable[str], deduplicator: Deduplicator | None = None) -> None:
        self.feeds = feed_ids(feeds)
        self.deduplicator = deduplicator or ExactDeduplicator()
        # The newest observationsTimestamp of each feed that reported, in UNIX seconds.
        self.newest: dict[str, int] = {}
        self._wanted = frozenset(self.feeds)
        # Connections that are open, and since when they miss nothing; those that were lost, and how
        # far each feed had come when they last heard anything.
        self._open: dict[Connection, int] = {}
        self._lost: dict[Connection, dict[str, int]] = {}
        self._since: int | None = None
        self._partial = self._full = 0

    def accept(self, report: StreamReport, now: int) -> bool:
        """Whether a report is new; keeps track of how far its feed has come."""
        feed, time = report.feed_id, report.observations_timestamp
        # Most reports are no further than the last: what else is asked is not asked of them.
        if time is not None and time > self.newest.get(feed, -1) and feed in self._wanted:
            if _credible(report, now) is not None:
                self.newest[feed] = time
        return self.deduplicator.accept(report)

    def opened(self, connection: Connection, now: int) -> dict[str, int]:
        """A connection is open. Answers the gap behind it: from which second each feed is missing.

        A feed that has not reported yet is missing from when the first connection was opened.
        """
        again, alone = connection in self._lost, not self._open
        self._partial += again and not alone
        self._full += again and alone
        reached = self._lost.pop(connection, self.newest if alone else None)
        covered = again and self._covers(connection)
        # One that fills its gap is as good as open all the time.
        self._open[connection] = _reached(connection) if again and not covered else now
        if self._since is None:
            self._since = now // SECOND
            return {}
        if reached is None or covered:
            return {}
        return {feed: reached[feed] + 1 if feed in reached else self._since for feed in self.feeds}

    def _covers(self, lost: Connection) -> bool:
        """Whether a connection that was open when this one was lost has heard something since.

        It may be deaf by now and not know it yet, as connections are that a network has dropped.
        Then it will fill the rest itself, because what was opened later does not cover it.
        """
        reached = _reached(lost)
        return any(since <= reached and lost.heard < one.heard for one, since in self._open.items())

    def closed(self, connection: Connection) -> None:
        if self._open.pop(connection, None) is None:
            return
        newest, reached = dict(self.newest), _reached(connection)
        if any(one.heard > reached for one in (*self._open, *self._lost)):
            # Others may have come further since.
            newest = {feed: min(time, reached // SECOND) for feed, time in newest.items()}
        self._lost[connection] = newest

    @property
    def stats(self) -> StreamStats:
        one = self.deduplicator
        return StreamStats(one.accepted, one.duplicates, len(self._open), self._partial, self._full)


# --- gaps -----------------------------------------------------------------------------------------

# The service allows 10 requests a second to an endpoint; one more way to be refused is not needed.
_SPACING = SECOND // 8
_AT_ONCE = 4
_ATTEMPTS = 5
# When an answer is not thought to come any more. Longer than any HTTP client's own patience.
_PATIENCE = 60 * SECOND


@dataclass(slots=True)
class _Gap:
    """One feed's gap: asked up to `cursor`; live again from `until`, once that is known."""

    feed: str
    start: int
    cursor: int
    until: int | None = None
    found: int = 0
    attempts: int = 0
    not_before: int = 0
    # The request that is on its way, when it was made, and when it is given up.
    purpose: str = ""
    asked_at: int = 0
    lost_at: int = 0


class Backfill:
    """Fills gaps from `/reports/page`. `due` makes requests, `replied` reads their answers.

    Requests are made one by one when their turn comes, because each is good for 5 seconds only.
    """

    def __init__(self, rest: Rest, limit: int | None = None) -> None:
        self._rest, self._limit = rest, limit
        # Those that are being filled, by feed.
        self.gaps: dict[str, _Gap] = {}
        self._next = 0

    @property
    def deadline(self) -> int | None:
        """When `due` wants to be asked again."""
        asked = [gap.lost_at for gap in self.gaps.values() if gap.purpose]
        waiting = [gap.not_before for gap in self.gaps.values() if not gap.purpose]
        if not waiting or len(asked) >= _AT_ONCE:
            return earliest(*asked)
        return earliest(*asked, max(self._next, min(waiting)))

    def begin(self, feed: str, start: int) -> None:
        """A gap of a feed from a second on. One that is being filled goes on where it was."""
        if feed in self.gaps:
            self.gaps[feed].until = None
        else:
            self.gaps[feed] = _Gap(feed, start, start)

    def withdraw(self, purpose: str) -> None:
        """A request was never made; it is asked for again when its turn comes."""
        for gap in self.gaps.values():
            if gap.purpose == purpose:
                gap.purpose = ""

    def live(self, feed: str, time: int | None) -> None:
        """A report of this feed was streamed: from its time on, nothing is missing."""
        if (gap := self.gaps.get(feed)) and gap.until is None:
            gap.until = time

    def due(self, now: int) -> tuple[list[Request], list[Event]]:
        """The requests whose turn it is, and what became of those that were never answered."""
        events: list[Event] = []
        for gap in [one for one in self.gaps.values() if one.purpose and now >= one.lost_at]:
            events += self._failed(gap, Reply(gap.purpose, 0, b""), now)
        requests = []
        on_their_way = sum(bool(gap.purpose) for gap in self.gaps.values())
        for gap in self.gaps.values():
            if now < self._next or on_their_way >= _AT_ONCE:
                break
            if not gap.purpose and now >= gap.not_before:
                requests.append(self._ask(gap, now))
                on_their_way += 1
        return requests, events

    def _ask(self, gap: _Gap, now: int) -> Request:
        request = self._rest.page(gap.feed, gap.cursor, now, self._limit)
        gap.purpose, gap.asked_at, gap.lost_at = request.purpose, now, now + _PATIENCE
        self._next = now + _SPACING
        return request

    def replied(self, reply: Reply, now: int) -> tuple[Sequence[StreamReport], list[Event]]:
        """The reports of a page, and what else there is to say. Answers to nothing asked are not.

        The reports are all flagged as backfilled. A page that fits is taken early, too: when a
        capture is run again, the requests are not made at the same moments as they were then.
        """
        gap = next((one for one in self.gaps.values() if _fits(reply, one)), None)
        if gap is None:
            return (), []
        if not gap.purpose:
            gap.asked_at = now
        if reply.status != 200:
            return (), self._failed(gap, reply, now)
        gap.purpose, gap.attempts = "", 0
        try:
            items = self._rest.items(reply)
        except Malformed as error:
            raw = self._rest.redactor.clean(reply.body)
            return (), [Broken(error, raw), self._over(gap, complete=False)]
        return self._page(gap, items, now)

    def _page(
        self, gap: _Gap, items: list[object], now: int
    ) -> tuple[Sequence[StreamReport], list[Event]]:
        reports, events = _read_each(items)
        gap.found += len(reports)
        times = [_credible(report, now) for report in reports]
        last = max((time for time in times if time is not None), default=None)
        # A page that does not come further than the last one would be asked for for ever.
        if last is None or last < gap.cursor:
            events.append(self._over(gap, complete=not items))
        else:
            gap.cursor = last + 1
            # The service's clock may be ahead of ours by as much as it tolerates.
            here = now // SECOND + CLOCK_WINDOW
            if gap.cursor > (here if gap.until is None else min(gap.until, here)):
                events.append(self._over(gap, complete=True))
        return reports, events

    def _failed(self, gap: _Gap, reply: Reply, now: int) -> list[Event]:
        about = f"backfill of {gap.feed}"
        rejected, retry = self._rest.refusal(reply, signed_at=gap.asked_at, about=about)
        gap.purpose, gap.attempts = "", gap.attempts + 1
        if not retry.again or gap.attempts >= _ATTEMPTS:
            return [rejected, self._over(gap, complete=False)]
        gap.not_before = now + max(retry.at_least, PAUSE << (gap.attempts - 1))
        return [rejected]

    def _over(self, gap: _Gap, *, complete: bool) -> Backfilled:
        del self.gaps[gap.feed]
        return Backfilled(gap.feed, gap.start, gap.found, complete)


def _fits(reply: Reply, gap: _Gap) -> bool:
    """Whether this answers the gap's request, or the one that would be made next."""
    return reply.purpose == (gap.purpose or page_purpose(gap.feed, gap.cursor))


def _read_each(items: list[object]) -> tuple[list[StreamReport], list[Event]]:
    """The reports of a page that can be read, and what is wrong with the others."""
    reports: list[StreamReport] = []
    broken: list[Event] = []
    for item in items:
        try:
            reports.append(read_report(item, backfilled=True))
        except Malformed as error:
            broken.append(Broken(error, repr(item)))
    return reports, broken
