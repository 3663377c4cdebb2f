"""Filling gaps from REST: `/reports/page`, page after page, at the service's pace.

A feed's gap begins at a second and ends where the stream goes on. Each page is asked for when its
turn comes and not before, because a signed request is good for 5 seconds only. The reports come out
flagged as backfilled; those that were streamed after all are found by the deduplicator.

A request that fails is made again while that may help, at most five times in a row. A gap ends with
a `Backfilled` event, which says whether it is filled or given up.
"""

from __future__ import annotations

from collections.abc import Sequence

from payloads.errors import Malformed
from payloads.venues.chainlink.codes import CLOCK_WINDOW, PAUSE
from payloads.venues.chainlink.reports import StreamReport, read_report
from payloads.venues.chainlink.rest import Rest, page_purpose
from payloads.venues.common.session import (
    GIVEN_UP,
    NO_ANSWER,
    SECOND,
    Broken,
    Event,
    Missing,
    Reply,
    Request,
)
from payloads.venues.common.timers import RetryTimer, Timeout, earliest

# The service allows 10 requests a second to an endpoint; this is 8.
_SPACING = SECOND // 8
_AT_ONCE = 4
_ATTEMPTS = 5
# When an answer is not expected any more. Longer than the patience of any HTTP client.
_PATIENCE = 60 * SECOND


class Backfilled(Event, frozen=True):
    """A feed's gap is filled, or given up: `complete` says which.

    `start` is the first second that was asked for, `end` the second of the first report that was
    streamed after the gap (None if there was none yet), and `reports` how many came. The service's
    reports have no sequence numbers.
    """

    channel: str
    start: int
    end: int | None
    reports: int
    complete: bool


class Pace:
    """When the next request may be made: shared by all connections of one account."""

    def __init__(self) -> None:
        self.next = 0


class _Gap:
    """A feed's gap: filled up to `cursor`; the stream goes on at `until`, once that is known."""

    def __init__(self, feed: str, start: int) -> None:
        self.feed, self.start, self.cursor = feed, start, start
        self.until: int | None = None
        # Where the gap goes on after the next page, at the latest: see `Backfill.begin`.
        self.again: int | None = None
        self.found = self.asked_at = 0
        # Runs while a request is under way, and while a failed one waits for its next try.
        self.answer = Timeout(_PATIENCE)
        self.retry = RetryTimer(PAUSE, attempts=_ATTEMPTS)

    @property
    def purpose(self) -> str:
        """The purpose of the request that is under way, or is the next to be made."""
        return page_purpose(self.feed, self.cursor)

    @property
    def asked(self) -> bool:
        """Whether a request is under way."""
        return self.answer.deadline is not None

    @property
    def not_before(self) -> int:
        """When the next request may be made."""
        return self.retry.deadline or 0


class Backfill:
    """The gaps of one connection. `due` makes requests, `replied` reads their answers.

    While it is stopped it makes no requests; answers that come then are read all the same.
    """

    def __init__(self, rest: Rest, limit: int | None = None, pace: Pace | None = None) -> None:
        self._rest, self._limit = rest, limit
        # The gaps that are being filled, by feed.
        self.gaps: dict[str, _Gap] = {}
        # The gaps that were given up, by feed: their first second, and when they were asked for.
        self._given_up: dict[str, tuple[int, int]] = {}
        self._pace = pace or Pace()
        self._stopped = True

    # --- as a timer of the session ---

    @property
    def deadline(self) -> int | None:
        """When `due` wants to be called."""
        if self._stopped:
            return None
        answers = [gap.answer.deadline for gap in self.gaps.values() if gap.asked]
        waiting = [gap.not_before for gap in self.gaps.values() if not gap.asked]
        if not waiting or len(answers) >= _AT_ONCE:
            return earliest(*answers)
        return earliest(*answers, max(self._pace.next, min(waiting)))

    def start(self, now: int) -> None:
        self._stopped = False

    def stop(self) -> None:
        """The connection is gone."""
        self._stopped = True

    # --- gaps ---

    @property
    def missing(self) -> dict[str, Missing]:
        """The gaps that were asked for, and are not filled: those given up included."""
        gone = {_about(feed): Missing(GIVEN_UP, at) for feed, (_, at) in self._given_up.items()}
        asked = [gap for gap in self.gaps.values() if gap.asked_at]
        return gone | {_about(gap.feed): Missing(NO_ANSWER, gap.asked_at) for gap in asked}

    def begin(self, feed: str, start: int) -> None:
        """A gap of a feed from a second on.

        A gap that is being filled goes on where it was. What its pages had before the connection
        was lost again ended with the moment of the answer, in the middle of a second: that second
        is asked for again.
        """
        if (gap := self.gaps.get(feed)) is None:
            self.gaps[feed] = _Gap(feed, start)
            return
        gap.until, gap.start = None, min(gap.start, start)
        if gap.asked or start < gap.cursor:
            gap.again = start if gap.again is None else min(gap.again, start)

    def live(self, feed: str, time: int | None) -> None:
        """A report of this feed was streamed: from its time on, nothing is missing."""
        if (gap := self.gaps.get(feed)) and gap.until is None:
            gap.until = time

    def withdraw(self, request: Request) -> None:
        """A request was never made; it is made when its turn comes again."""
        for gap in self.gaps.values():
            if gap.purpose == request.purpose:
                gap.answer.stop()

    # --- requests ---

    def due(self, now: int) -> tuple[list[Request], list[Event]]:
        """The requests whose turn it is, and the events for those that were never answered."""
        if self._stopped:
            return [], []
        events: list[Event] = []
        for gap in [*self.gaps.values()]:
            if gap.answer.expired(now):
                events += self._failed(gap, Reply(gap.purpose, 0, b""), now)
        return self._requests(now), events

    def _requests(self, now: int) -> list[Request]:
        requests: list[Request] = []
        under_way = sum(gap.asked for gap in self.gaps.values())
        for gap in self.gaps.values():
            if now < self._pace.next or under_way + len(requests) >= _AT_ONCE:
                break
            if not gap.asked and now >= gap.not_before:
                requests.append(self._request(gap, now))
        return requests

    def _request(self, gap: _Gap, now: int) -> Request:
        gap.asked_at = now
        gap.answer.start(now)
        self._pace.next = now + _SPACING
        return self._rest.page(gap.feed, gap.cursor, now, self._limit)

    # --- answers ---

    def replied(self, reply: Reply, now: int) -> tuple[Sequence[StreamReport], list[Event]]:
        """The reports of a page, and what else there is to say; nothing for an answer to nothing.

        A page that is still to be asked for is taken, too: when a capture is run again, the
        requests are not made at the same moments as they were then.
        """
        gap = next((gap for gap in self.gaps.values() if gap.purpose == reply.purpose), None)
        if gap is None:
            return (), []
        if not gap.asked:
            gap.asked_at = now
        gap.answer.stop()
        if reply.status != 200:
            return (), self._failed(gap, reply, now)
        gap.retry.reset()
        try:
            items = self._rest.items(reply)
        except Malformed as error:
            raw = self._rest.redactor.clean(reply.body)
            return (), [Broken(error, raw), self._end(gap, complete=False)]
        return self._page(gap, items, now)

    def _page(
        self, gap: _Gap, items: list[object], now: int
    ) -> tuple[Sequence[StreamReport], list[Event]]:
        reports, events = _read_each(items)
        gap.found += len(reports)
        times = [report.credible_time(now) for report in reports]
        last = max((time for time in times if time is not None), default=-1)
        if gap.again is not None:
            gap.cursor, gap.again = min(max(gap.cursor, last + 1), gap.again), None
            return reports, events
        if last < gap.cursor:
            # A page that comes no further than the last one would be asked for for ever.
            return reports, [*events, self._end(gap, complete=not items)]
        gap.cursor = last + 1
        # The service's clock may be ahead of this one by as much as it tolerates.
        present = now // SECOND + CLOCK_WINDOW
        if gap.cursor > (present if gap.until is None else min(gap.until, present)):
            events.append(self._end(gap, complete=True))
        return reports, events

    def _failed(self, gap: _Gap, reply: Reply, now: int) -> list[Event]:
        rejected, retry = self._rest.refusal(reply, signed_at=gap.asked_at, about=_about(gap.feed))
        if retry.again and gap.retry.failed(now, retry.at_least):
            return [rejected]
        return [rejected, self._end(gap, complete=False)]

    def _end(self, gap: _Gap, *, complete: bool) -> Backfilled:
        del self.gaps[gap.feed]
        start, _ = self._given_up.get(gap.feed, (gap.start, 0))
        if not complete:
            self._given_up[gap.feed] = min(start, gap.start), gap.asked_at
        elif gap.start <= start:  # what was given up before is filled now
            self._given_up.pop(gap.feed, None)
        return Backfilled(gap.feed, gap.start, gap.until, gap.found, complete)


def _about(feed: str) -> str:
    return f"backfill of {feed}"


def _read_each(items: list[object]) -> tuple[list[StreamReport], list[Event]]:
    """The reports of a page that can be read, and an event for each that cannot."""
    reports: list[StreamReport] = []
    broken: list[Event] = []
    for item in items:
        try:
            reports.append(read_report(item, backfilled=True))
        except Malformed as error:
            broken.append(Broken(error, repr(item)))
    return reports, broken
