"""What the tests of Chainlink's venue share: signed reports, and a service on invented time."""

from __future__ import annotations

import json
from typing import Any

from payloads.chainlink.schemas import schema_named
from payloads.testing import InsecureTestNetwork
from payloads.venues.chainlink import server
from payloads.venues.chainlink.auth import (
    ChainlinkCredentials,
    Endpoint,
)
from payloads.venues.chainlink.backfill import Backfilled
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.reports import StreamReport
from payloads.venues.chainlink.rest import Rest
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Event, Rejected, Reply, Request, Session
from payloads.venues.common.session_group import Degraded

KEY, SECRET = "00000000-1111-2222-3333-444444444444", "example-secret"
T_MS = 1716211845123
NOW = T_MS * 10**6
F1 = "0x000359843a543ee2fe414dc14c7e7920ef10f4372990b79d6361cdc0dd1ba782"
F2 = "0x00037da06d56d083fe599397a4769a042d63aa73dc4ef57709d31e9971a5b439"
CREDENTIALS = ChainlinkCredentials.of(KEY, SECRET)
ACCOUNTS = {KEY: server.Account(Secret(SECRET))}
HERE = Endpoint("ws://127.0.0.1:4100", "http://127.0.0.1:4101")
NETWORK = InsecureTestNetwork("venues", size=4, f=1)
# The report that smartcontractkit/documentation prints in tutorials/go-sdk-stream.mdx.
PUBLISHED = (
    "0x"
    "0006f9b553e393ced311551efd30d1decedb63d76ad41737462e2cdbbdff1578"
    "0000000000000000000000000000000000000000000000000000000035252f11"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000e0"
    "0000000000000000000000000000000000000000000000000000000000000220"
    "0000000000000000000000000000000000000000000000000000000000000280"
    "0001000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000120"
    "000359843a543ee2fe414dc14c7e7920ef10f4372990b79d6361cdc0dd1ba782"
    "0000000000000000000000000000000000000000000000000000000066aa9fd3"
    "0000000000000000000000000000000000000000000000000000000066aa9fd3"
    "00000000000000000000000000000000000000000000000000001c23cdce76d0"
    "000000000000000000000000000000000000000000000000001ba0a27c8b79d4"
    "0000000000000000000000000000000000000000000000000000000066abf153"
    "0000000000000000000000000000000000000000000000af35b91cbc421fe280"
    "0000000000000000000000000000000000000000000000af354910dbd1830c20"
    "0000000000000000000000000000000000000000000000af3629289cb2be3f80"
    "0000000000000000000000000000000000000000000000000000000000000002"
    "e03c8b14707a80c59922eeb6b89c79dd8ac6b4b925203b3fe2f0903ba6765934"
    "aaf6c4170522c0e54abecb90e7ba7b26e27a83b12740e6a6fd5835c5ece9034c"
    "0000000000000000000000000000000000000000000000000000000000000002"
    "52088e89df570d7022fd2bfc71eb53bfe72423ccba1834a785d80c278b334fab"
    "65d4acced307504358554844c2007ab0322b7ab2b7bfa2bc39563bf823654a36"
)


def new_session(**options: Any) -> ChainlinkSession:
    return ChainlinkSession(CREDENTIALS, [F1, F2], endpoint=HERE, **options)


def make_report(feed: str = F1, time: int = 1000, price: int = 1, by: Any = None) -> dict[str, Any]:
    """A report object as the service wraps it, really signed."""
    v3 = schema_named(3)
    values: dict[str, Any] = dict.fromkeys((row.name for row in v3.table.fields), 0)
    values |= {"feed_id": bytes.fromhex(feed[2:]), "benchmark_price": price}
    values |= {"valid_from_timestamp": time, "observations_timestamp": time}
    full = NETWORK.sign(v3.record(**values), by=by).encode()
    return {
        "feedID": feed,
        "fullReport": "0x" + full.hex(),
        "validFromTimestamp": time,
        "observationsTimestamp": time,
    }


def frame(feed: str = F1, time: int = 1000, price: int = 1) -> bytes:
    return json.dumps({"report": make_report(feed, time, price)}).encode()


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def read(message: dict[str, Any], **options: Any) -> StreamReport:
    raw = bytes.fromhex(message["fullReport"][2:])
    times = message["observationsTimestamp"], message["validFromTimestamp"]
    return StreamReport(message["feedID"], raw, *times, **options)


def duplicate(price: int = 1, **options: Any) -> Duplicate:
    return Duplicate(F1, read(make_report(F1, 1000, price), **options), 1000 * 10**9)


def opened(session: Session, at: int = NOW) -> list[Event]:
    session.dial(at)
    return session.opened(at)


def after_a_gap(time: int = 1000, **options: Any) -> ChainlinkSession:
    """A session that has one report of this time, and was then closed and opened again."""
    session = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, **options)
    opened(session)
    session.received(frame(time=time), NOW)
    session.closed(1006, "", NOW)
    opened(session)
    return session


def found_group(headers: tuple[tuple[str, str], ...] = (), status: int = 200) -> HighAvailability:
    group = HighAvailability(CREDENTIALS, [F1, F2], endpoint=HERE)
    assert group.deadline == 0
    assert group.tick(NOW) == []
    (request,) = group.take_requests()
    assert (request.method, request.url) == ("HEAD", "http://127.0.0.1:4100/")
    assert server.check_request("HEAD", "/", request.headers, NOW, ACCOUNTS) is None
    reply = Reply("origins", status, b"", headers)
    events: list[Event] = []
    while not group.sessions:
        assert group.deadline is None
        events += group.replied(reply, NOW)
        if group.deadline is not None:
            group.tick(group.deadline)
            assert group.take_requests()
    refusals = {200: 0, 401: 1}.get(status, 3)
    assert kinds(events) == [Rejected] * refusals + [Degraded] * (len(group.sessions) == 1)
    return group


REST = Rest(CREDENTIALS, HERE)


class Service:
    """The service behind a session, on invented time: archive, requests, and what was delivered."""

    def __init__(self, session: ChainlinkSession, limit: int = 10) -> None:
        self.session, self.now, self.limit = session, NOW, limit
        self.archive: dict[str, list[dict[str, Any]]] = {F1: [], F2: []}
        self.events: list[Event] = []
        self.requests: list[Request] = []
        self.failures: list[int] = []

    @property
    def second(self) -> int:
        return self.now // SECOND

    def publish(self, feed: str, price: int, *, live: bool) -> None:
        message = make_report(feed, self.second, price)
        self.archive[feed].append(message)
        if live:
            self.events += self.session.received(json.dumps({"report": message}), self.now)

    def pump(self) -> None:
        """Answer every request at once, as a signature demands."""
        while requests := self.session.take_requests():
            self.requests += requests
            for request in requests:
                self.events += self.session.replied(self._answer(request), self.now)

    def wait(self, until: int) -> None:
        """Let time pass, ticking whenever the session wants it."""
        self.pump()
        while self.session.deadline is not None and self.session.deadline <= until:
            assert self.session.deadline > self.now, "it wants to be called again and again"
            self.now = self.session.deadline
            self.events += self.session.tick(self.now)
            self.pump()
        self.now = max(self.now, until)

    def _answer(self, request: Request) -> Reply:
        path = request.url.removeprefix(HERE.rest)
        assert server.check_request("GET", path, request.headers, self.now, ACCOUNTS) is None
        if self.failures:
            return Reply(request.purpose, self.failures.pop(0), b"")
        query = server.read_query(path + f"&limit={self.limit}")
        return Reply(request.purpose, *server.answer(query, self.archive))

    def delivered(self, feed: str) -> list[int]:
        """The prices delivered, which the tests use as sequence numbers."""
        data = [event for event in self.events if isinstance(event, Data)]
        reports = [event.content.full_report for event in data if event.channel == feed]
        return [int.from_bytes(report[448:480], "big") for report in reports]

    @property
    def ends(self) -> list[Backfilled]:
        return [event for event in self.events if isinstance(event, Backfilled)]
