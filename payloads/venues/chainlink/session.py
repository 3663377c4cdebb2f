"""A connection to Chainlink Data Streams: a websocket of signed reports.

`ChainlinkSession` is one connection. Its feeds stand in the URL, so nothing is ever sent on it, and
changing them means dialling again. There is no acknowledgement either: an accepted upgrade means
that the credentials are good and every feed is permitted, since one that is not gets a 401. Reports
come as `Data` whose content is a `StreamReport` and whose payload is the `fullReport`; one that was
delivered before, signatures and all, comes as `Duplicate` instead. The URL must be dialled byte for
byte as it is given, because it is signed.

After a time without any connection the session asks `/reports/page` for what was missed (requests
in `take_requests`, answers to `replied`; status 0 for an answer that never came) and delivers it
flagged `backfilled`, with a `Backfilled` event at the end of each feed's gap.

The service publishes neither heartbeat nor close codes: ping it (the vendor's SDKs do so every 2 to
30 s), and offer permessage-deflate (the Go SDK does). What statuses mean is in `CODES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from payloads.errors import Malformed, Misuse
from payloads.venues.chainlink.auth import (
    LITERAL,
    MAINNET,
    ORIGIN,
    PAUSE,
    SECRET_HEADERS,
    WS_PATH,
    Credentials,
    Endpoint,
    refusal,
    signed_headers,
)
from payloads.venues.chainlink.gaps import (
    Backfill,
    Stream,
)
from payloads.venues.chainlink.rest import (
    Rest,
    StreamReport,
    parse_origins,
    read_frame,
)
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.http_words import closing
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    Authenticated,
    Broken,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Reply,
    Retry,
    Session,
    Subscribed,
    Unknown,
)
from payloads.venues.common.timers import Watchdog, earliest


class ChainlinkSession(Session):
    """One connection to Data Streams. See the module's first lines.

    `comma` is how feed IDs are separated in the URL: `LITERAL` (as the Rust and TypeScript SDKs) or
    `ENCODED` (as Go's). `overlap` is how many seconds before the first missing one a backfill
    starts: with 1, a report is not lost that shares its second with the last one delivered, and
    what had been delivered is dropped as duplicate; 0 is what the documentation describes.
    `silence` (nanoseconds) makes a `Stalled` of a stream that stops; off by default, because feeds
    of markets that close do stop.
    """

    venue: ClassVar[str] = "chainlink"

    def __init__(
        self,
        credentials: Credentials,
        feeds: Iterable[str] | Stream,
        *,
        endpoint: Endpoint = MAINNET,
        comma: str = LITERAL,
        origin: str = "",
        backfill: bool = True,
        overlap: int = 1,
        silence: int | None = None,
    ) -> None:
        super().__init__()
        self.stream = feeds if isinstance(feeds, Stream) else Stream(feeds)
        self.rest = Rest(credentials, endpoint, comma=comma)
        if origin and parse_origins(origin) != (origin,):
            raise Misuse("not an origin", field="origin", expected="one of the service's own")
        if overlap < 0:
            raise Misuse("no such time", field="overlap", expected="seconds from 0")
        self.origin = origin
        self._credentials, self._fills, self._overlap = credentials, backfill, overlap
        self._backfill = Backfill(self.rest)
        self._watchdog = Watchdog(silence)
        self._dialled_at: int | None = None
        self.heard = 0
        self.told: int | None = None
        self._open = False

    def __repr__(self) -> str:
        where = self.rest.endpoint.ws + (f" ({self.origin})" if self.origin else "")
        return f"ChainlinkSession({where!r}, {len(self.stream.feeds)} feeds)"

    @property
    def feeds(self) -> tuple[str, ...]:
        return self.stream.feeds

    @property
    def path(self) -> str:
        """What follows the host, as it is signed and sent."""
        return f"{WS_PATH}?feedIDs={self.rest.comma.join(self.feeds)}"

    def dial(self, now: int) -> Dial:
        self._dialled_at = now
        headers = signed_headers(self._credentials, "GET", self.path, now)
        if self.origin:  # not part of what is signed
            headers += ((ORIGIN, self.origin),)
        return Dial(self.rest.endpoint.ws + self.path, headers, SECRET_HEADERS)

    def opened(self, now: int) -> list[Event]:
        gap = self.stream.opened(self, now)
        self.heard, self.told, self._open = now, None, True
        if self._fills:
            for feed, start in gap.items():
                self._backfill.begin(feed, max(0, start - self._overlap))
        subscribed = [Subscribed(feed) for feed in self.feeds]
        accepted = Authenticated("the upgrade was accepted")
        return [Opened(), accepted, *subscribed, *self._settle(now)]

    def received(self, data: Message, now: int) -> list[Event]:
        self.heard = now
        try:
            report = read_frame(data, self.origin)
        except Malformed:
            report = None
        # Whatever is no plain report may repeat a credential: it is read again without.
        if report is None or report.extra:
            data = self.redact(data)
            try:
                report = read_frame(data, self.origin)
                if report is None:
                    return [Unknown(parse_json(data), data)]
            except Malformed as error:
                return [Broken(error, data)]
        self.told = report.observations_timestamp
        events = [self._delivered(report, now)]
        if self._backfill.gaps or self._watchdog.limit is not None:
            self._watchdog.touch(now)
            self._backfill.live(report.feed_id, report.observations_timestamp)
            events += self._settle(now)
        return events

    def _delivered(self, report: StreamReport, now: int) -> Event:
        if self.stream.accept(report, now):
            return Data(report.feed_id, report, report.full_report)
        return Duplicate(report.feed_id, report)

    def tick(self, now: int) -> list[Event]:
        return [*self._watchdog.expired(now), *self._settle(now)]

    def replied(self, reply: Reply, now: int) -> list[Event]:
        reports, events = self._backfill.replied(reply, now)
        delivered = [self._delivered(report, now) for report in reports]
        return [*delivered, *events, *self._settle(now)]

    def _settle(self, now: int) -> list[Event]:
        """Make the requests whose turn it is, and say when the next one's is."""
        if not self._open:
            # A request is good for seconds: what is missing is asked for on the next connection.
            self.deadline = None
            return []
        requests, events = self._backfill.due(now)
        self._requests += requests
        self.deadline = earliest(self._backfill.deadline, self._watchdog.deadline)
        return events

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        at = self._dialled_at
        return refusal(status, headers, body, redactor=self.rest.redactor, signed_at=at)

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        self.stream.closed(self)
        self._watchdog.stop()
        # Those on their way are answered all the same; nobody has taken these.
        for request in self._requests:
            self._backfill.withdraw(request.purpose)
        self._requests, self.deadline, self._open = [], None, False
        return [closing(code, reason, PAUSE, self.rest.redactor)]

    def redact(self, data: Message) -> Message:
        return self.rest.redactor.clean(data)
