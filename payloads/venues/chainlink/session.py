"""A connection to Chainlink Data Streams: a websocket of signed reports.

The feeds stand in the URL, so the session never sends anything, and changing the feeds means
dialling again. The service acknowledges nothing: an accepted upgrade means that the credentials are
good and every feed is permitted, since a feed that is not gets a 401. The URL must be dialled byte
for byte as it is given, because it is signed.

A report comes as `Data`: its content is a `StreamReport`, its payload the `fullReport`. A report
that was delivered before, signatures and all, comes as `Duplicate` instead.

After a time without any connection the session asks `/reports/page` for what was missed (see
`backfill`), and delivers it flagged `backfilled`. A feed's gap ends with a `Backfilled` event.

The service publishes neither a heartbeat nor close codes: ping it (the vendor's SDKs do so every 2
to 30 s), and offer permessage-deflate (the Go SDK does). `codes` says what its statuses mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from payloads.errors import Misuse
from payloads.venues.chainlink.auth import (
    LITERAL,
    MAINNET,
    ORIGIN,
    SECRET_HEADERS,
    WS_PATH,
    ChainlinkCredentials,
    Endpoint,
    signed_headers,
)
from payloads.venues.chainlink.backfill import Backfill
from payloads.venues.chainlink.codes import PAUSE, refusal
from payloads.venues.chainlink.reports import StreamReport, read_plain_frame, read_report
from payloads.venues.chainlink.rest import Rest, parse_origins
from payloads.venues.chainlink.stream import Stream
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    NO_DATA,
    NOT_ASKED,
    Authenticated,
    Data,
    Dial,
    Event,
    Missing,
    Rejected,
    Reply,
    Retry,
    Subscribed,
    Unknown,
)
from payloads.venues.common.timers import Watchdog


class ChainlinkSession(JsonSession):
    """One connection to Data Streams. See the module's first lines.

    `comma` is what separates the feed IDs in the URL: `LITERAL` (as the Rust and TypeScript SDKs)
    or `ENCODED` (as the Go SDK). `origin` is one of the service's own, with high availability;
    connections that share a `Stream` deliver each report once. `overlap` is how many seconds before
    the gap backfilling begins: by default the second in which the gap began is asked for again,
    because there may be several reports in a second. `silence` is how many nanoseconds may pass
    without a report before the connection is `Stalled`; None by default, because the feeds of
    markets that close do stop.
    """

    venue: ClassVar[str] = "chainlink"
    redial_after = PAUSE

    def __init__(
        self,
        credentials: ChainlinkCredentials,
        feeds: Iterable[str] | Stream,
        *,
        endpoint: Endpoint | str = MAINNET,
        comma: str = LITERAL,
        origin: str = "",
        backfill: bool = True,
        overlap: int = 1,
        silence: int | None = None,
    ) -> None:
        self.rest = Rest(credentials, endpoint, comma=comma)
        super().__init__(self.rest.redactor)
        self.stream = feeds if isinstance(feeds, Stream) else Stream(feeds)
        if origin and parse_origins(origin) != (origin,):
            raise Misuse("not an origin", field="origin", expected="one of the service's own")
        if overlap < 0:
            raise Misuse("no such time", field="overlap", expected="seconds from 0")
        self.origin = origin
        self._credentials, self._fills, self._overlap = credentials, backfill, overlap
        self._backfill = self._timers.add(Backfill(self.rest, pace=self.stream.pace))
        self._watchdog = self._timers.add(Watchdog(silence))
        self._dialled_at: int | None = None
        # What `Stream` asks of a connection.
        self.heard_at = 0
        self.reported_at: int | None = None

    def __repr__(self) -> str:
        where = self.rest.endpoint.ws + (f" ({self.origin})" if self.origin else "")
        return f"ChainlinkSession({where!r}, {len(self.stream.feeds)} feeds)"

    @property
    def feeds(self) -> tuple[str, ...]:
        return self.stream.feeds

    @property
    def missing(self) -> dict[str, Missing]:
        asked_at, silent = self.stream.asked_at, self.stream.silent
        code = NO_DATA if asked_at else NOT_ASKED
        found = {feed: Missing(code, asked_at) for feed in self.feeds if feed in silent}
        return found | self._backfill.missing

    @property
    def path(self) -> str:
        """The URL after the host, as it is signed and sent."""
        return f"{WS_PATH}?feedIDs={self.rest.comma.join(self.feeds)}"

    def dial(self, now: int) -> Dial:
        self._dialled_at = now
        headers = signed_headers(self._credentials, "GET", self.path, now)
        if self.origin:  # not part of what is signed
            headers += ((ORIGIN, self.origin),)
        return Dial(self.rest.endpoint.ws + self.path, headers, SECRET_HEADERS)

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        at = self._dialled_at
        return refusal(status, headers, body, redactor=self.rest.redactor, signed_at=at)

    def received(self, data: Message, now: int) -> list[Event]:
        self.heard_at = now
        report = read_plain_frame(data, self.origin)
        if report is None:
            # Another message may repeat a credential, so it is redacted before it is read.
            return super().received(data, now)
        if self._backfill.gaps or self._watchdog.limit is not None:
            return self._done(self._reported(report, now), now)
        # No timer runs, which is so for nearly every report.
        self.reported_at = report.observations_timestamp
        return [self._delivered(report, now)]

    def _begin(self, now: int) -> list[Event]:
        gap = self.stream.opened(self, now)
        self.heard_at, self.reported_at = now, None
        self._backfill.start(now)
        if self._fills:
            for feed, start in gap.items():
                self._backfill.begin(feed, max(0, start - self._overlap))
        return [Authenticated("the upgrade was accepted"), *map(Subscribed, self.feeds)]

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        if not isinstance(content, dict) or "report" not in content:
            return [Unknown(content, raw)]
        return self._reported(read_report(content["report"], origin=self.origin), now)

    def _reported(self, report: StreamReport, now: int) -> list[Event]:
        """A report was streamed."""
        self.reported_at = report.observations_timestamp
        self._watchdog.touch(now)
        self._backfill.live(report.feed_id, report.observations_timestamp)
        return [self._delivered(report, now)]

    def _delivered(self, report: StreamReport, now: int) -> Event:
        if self.stream.accept(report, now):
            return Data(report.feed_id, report, report.full_report)
        seconds = report.observations_timestamp
        return Duplicate(report.feed_id, report, None if seconds is None else seconds * 10**9)

    def _check_timers(self, now: int) -> list[Event]:
        return list(self._watchdog.expired(now))

    def _read_reply(self, reply: Reply, now: int) -> list[Event]:
        reports, events = self._backfill.replied(reply, now)
        return [*(self._delivered(report, now) for report in reports), *events]

    def _proceed(self, now: int | None) -> list[Event]:
        """Make the requests whose turn it is."""
        if now is None:
            return []
        requests, events = self._backfill.due(now)
        self._requests += requests
        return events

    def _give_up(self) -> list[Event]:
        self.stream.closed(self)
        # These requests were never made. Those that were are answered all the same.
        for request in self._requests:
            self._backfill.withdraw(request)
        return []
