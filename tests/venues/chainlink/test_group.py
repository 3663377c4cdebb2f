"""High availability: how the origins are asked for, and the sessions that come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from payloads.errors import PayloadError
from payloads.venues import SessionConfig, make
from payloads.venues.chainlink import server
from payloads.venues.chainlink.dedupe import ExactDeduplicator
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.rest import parse_origins
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Event, Rejected, Reply, Request
from payloads.venues.common.session_group import Degraded
from tests.venues.chainlink.kit import (
    ACCOUNTS,
    CREDENTIALS,
    F1,
    F2,
    HERE,
    KEY,
    NOW,
    SECRET,
    duplicate,
    found_group,
    frame,
    kinds,
    make_report,
    new_session,
    opened,
    read,
)

# --- the origins are asked for --------------------------------------------------------------------


@dataclass
class Found:
    """The origins that a group found, what it asked for them, how long it waited, what it said."""

    origins: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def find(*replies: Reply) -> Found:
    """Drive a group until it has sessions; there is no answer when there are no more replies."""
    credentials = {"key": Secret("the-key"), "secret": Secret("the-secret")}
    asked = SessionConfig(("0x" + "00" * 32,), options={"ha": "yes"}, credentials=credentials)
    group = make("chainlink", asked)
    assert isinstance(group, HighAvailability)
    found, now, left = Found(), NOW, [*replies]
    while not group.sessions:
        assert group.deadline is not None
        if group.deadline > now:
            assert group.retry is not None
            assert group.retry.again
            found.waits.append(group.deadline - now)
            now = group.deadline
        assert group.tick(now) == []
        (request,) = group.take_requests()
        found.requests.append(request)
        assert group.tick(now) == [], "a request is made once"
        assert group.take_requests() == []
        reply = left.pop(0) if left else Reply(request.purpose, 0, b"")
        found.events += group.replied(reply, now)
    assert group.deadline is None
    assert group.replied(named("late"), now) == []
    found.origins = group.origins
    return found


def named(value: str) -> Reply:
    return Reply("origins", 200, b"", (("X-Cll-Available-Origins", value),))


BUSY, NO = Reply("origins", 503, b"busy"), Reply("origins", 401, b"no")


def test_origins_are_asked_for_again_while_that_may_help() -> None:
    found = find(BUSY, Reply("origins", 0, b"no route"), named("{a,b}"))
    assert found.origins == ("a", "b")
    assert found.waits == [SECOND, 2 * SECOND]
    assert [event.code for event in found.events if isinstance(event, Rejected)] == [
        "HTTP 503",
        "no answer",
    ]
    assert len(found.events) == 2
    signed = [dict(request.headers)["X-Authorization-Timestamp"] for request in found.requests]
    assert signed == [str((NOW + wait * SECOND) // 10**6) for wait in (0, 1, 3)], "each anew"


@pytest.mark.parametrize(("asked", "wait"), [("2", 2), ("10", 10)])
def test_a_service_that_asks_for_a_longer_wait_gets_it(asked: str, wait: int) -> None:
    found = find(Reply("origins", 429, b"", (("Retry-After", asked),)), named("a,b"))
    assert (found.origins, found.waits) == (("a", "b"), [wait * SECOND])


@pytest.mark.parametrize(
    ("replies", "requests", "words"),
    [
        ([BUSY] * 3, 3, "does not say which origins there are"),
        ([NO], 1, "does not say which origins there are"),
        ([Reply("origins", 429, b"", (("Retry-After", "3600"),))], 1, "does not say"),
        ([named("")], 1, "names no origins"),
        ([named("a")], 1, "names one origin"),
        ([], 3, "does not say which origins there are"),
    ],
)
def test_one_connection_for_several_is_told(replies: Any, requests: int, words: str) -> None:
    found = find(*replies)
    assert len(found.origins) == 1
    assert len(found.requests) == requests
    *refusals, warning = found.events
    assert isinstance(warning, Degraded)
    assert f"the service {words}" in warning.message
    assert all(isinstance(event, Rejected) for event in refusals)
    assert len(refusals) == (requests if "say" in words else 0)


# --- the sessions ---------------------------------------------------------------------------------


def test_a_damaged_report_hides_no_good_one() -> None:
    """Whichever byte was changed on the way: the origin that is not damaged is heard."""
    good = read(make_report())
    group = found_group(server.origins_headers(["a", "b"]))
    first, second = group.sessions
    opened(first)
    opened(second)
    for at, byte in enumerate(good.full_report):
        raw = good.full_report[:at] + bytes([byte ^ 1]) + good.full_report[at + 1 :]
        bad = make_report() | {"fullReport": f"0x{raw.hex()}"}
        exact = ExactDeduplicator()
        assert exact.accept(read(bad))
        assert exact.accept(good)
    first.received(json.dumps({"report": bad}), NOW)
    assert kinds(second.received(frame(), NOW)) == [Data]
    assert kinds(first.received(frame(), NOW)) == [Duplicate]


@given(st.text())
def test_any_origins_can_be_dialled(value: str) -> None:
    for origin in parse_origins(value):
        headers = dict(new_session(origin=origin).dial(NOW).headers)
        assert headers["X-Cll-Origin"] == origin
        assert origin.isprintable()


def test_the_request_for_origins_is_the_vector() -> None:
    group = HighAvailability(CREDENTIALS, [F1])
    group.tick(NOW)
    (request,) = group.take_requests()
    assert request.url == "https://ws.dataengine.chain.link/"
    assert dict(request.headers)["X-Authorization-Signature-SHA256"] == (
        "e350344f2b02f1acf06f095d3ddc33cef857aa5d014d86aca9dc71cfa5e79a7f"
    )


def test_one_session_for_each_origin() -> None:
    group = found_group(server.origins_headers(["001", "002"]))
    assert group.origins == ("001", "002")
    first, second = group.sessions
    plain = ChainlinkSession(CREDENTIALS, [F1, F2], endpoint=HERE).dial(NOW)
    for connection, origin in ((first, "001"), (second, "002")):
        dial = connection.dial(NOW)
        assert dial.headers[:3] == plain.headers, "the origin is not part of what is signed"
        assert dial.headers[3] == ("X-Cll-Origin", origin)
        path = dial.url.removeprefix(HERE.ws)
        assert server.check_upgrade(
            path, dial.headers, NOW, ACCOUNTS, origins=group.origins
        ) is None  # fmt: skip
        opened(connection)
    assert group.alive
    assert kinds(first.received(frame(), NOW)) == [Data]
    assert second.received(frame(), NOW) == [duplicate(origin="002")]
    assert kinds(second.received(frame(price=2), NOW)) == [Data], "distinct, in the same second"
    assert first.received(frame(price=2), NOW) == [duplicate(price=2, origin="001")]
    assert (group.stats.accepted, group.stats.duplicates, group.stats.open_connections) == (2, 2, 2)


@pytest.mark.parametrize("status", [200, 401, 500, 0])
def test_without_origins_there_is_one_plain_session(status: int) -> None:
    group = found_group(status=status)
    assert group.origins == ("",)
    assert "X-Cll-Origin" not in dict(group.sessions[0].dial(NOW).headers)


def test_a_connection_lost_while_another_is_open_leaves_no_gap() -> None:
    group = found_group(server.origins_headers(["a", "b"], braces=False))
    first, second = group.sessions
    opened(first)
    opened(second)
    later = NOW + 10 * SECOND
    first.received(frame(time=later // SECOND), later)
    first.closed(1006, "", later)
    assert group.alive
    second.received(frame(time=later // SECOND + 1), later + SECOND)
    opened(first, later + 2 * SECOND)
    assert first.take_requests() == []
    assert group.stats.partial_reconnects == 1
    for connection in (first, second):
        connection.closed(1006, "", later + 2 * SECOND)
    assert not group.alive
    opened(second, later + 3 * SECOND)
    assert second.take_requests(), "no connection was open for a while"
    assert group.stats.full_reconnects == 1


def test_a_connection_that_is_open_but_deaf_hides_no_gap() -> None:
    """When a network goes, one connection breaks at once, and another hangs for a while."""
    group = found_group(server.origins_headers(["a", "b"]))
    first, second = group.sessions
    opened(first)
    opened(second)
    later = NOW + 10 * SECOND
    time = later // SECOND
    for connection in (first, second):
        connection.received(frame(time=time), later)
    first.closed(1006, "", later)
    opened(first, later + 9 * SECOND)
    requests = first.take_requests()
    # What was read at that time may have been sent a little earlier, by the service's clock.
    assert [request.url.partition("startTimestamp=")[2] for request in requests] == [f"{time - 5}"]
    second.closed(1006, "", later + 10 * SECOND)
    first.received(frame(time=time + 9), later + 10 * SECOND)
    opened(second, later + 11 * SECOND)
    assert second.take_requests() == [], "the other has been there meanwhile"
    assert (group.stats.partial_reconnects, group.stats.full_reconnects) == (2, 0)


class Origins:
    """A service of several origins behind HA mode: a report a second, and its archive.

    A connection may be cut, which its session is told at once, or go deaf, which it is not. One
    that lags has what came read to its session late: when it is cut, or told to catch up.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.ha = found_group(server.origins_headers(names))
        self.now, self.archive, self.events = NOW, list[dict[str, Any]](), list[Event]()
        self.hearing, self.up = set[int](), set[int]()
        self.unread: dict[int, list[str]] = {}

    def do(self, what: str, index: int) -> None:
        session = self.ha.sessions[index]
        if what == "open" and index not in self.up:
            self.events += opened(session, self.now)
            self.hearing.add(index)
            self.up.add(index)
        elif what == "lag" and index in self.hearing:
            self.unread.setdefault(index, [])
        elif what == "read":
            self.catch_up(index)
        elif what == "cut" and index in self.up:
            self.catch_up(index)
            self.events += session.closed(1006, "", self.now)
            self.up.discard(index)
        if what in ("cut", "deafen"):
            self.hearing.discard(index)

    def catch_up(self, index: int) -> None:
        for text in self.unread.pop(index, []):
            self.events += self.ha.sessions[index].received(text, self.now)

    def pass_a_second(self) -> None:
        message = make_report(F1, self.now // SECOND, len(self.archive))
        self.archive.append(message)
        text = json.dumps({"report": message})
        for index in sorted(self.hearing):
            if index in self.unread:
                self.unread[index].append(text)
            else:
                self.events += self.ha.sessions[index].received(text, self.now)
        self.now += SECOND
        for session in self.ha.sessions:
            while session.deadline is not None and session.deadline <= self.now:
                self.events += session.tick(self.now)
                for request in session.take_requests():
                    query = server.read_query(request.url.removeprefix(HERE.rest))
                    answer = server.answer(query, {F1: self.archive, F2: []})
                    self.events += session.replied(Reply(request.purpose, *answer), self.now)

    def delivered(self) -> list[str]:
        data = [event for event in self.events if isinstance(event, Data)]
        return [f"0x{event.content.full_report.hex()}" for event in data]


TROUBLE = st.tuples(
    st.sampled_from(["cut", "deafen", "open", "pass", "lag", "read"]), st.integers(0, 2)
)


@settings(max_examples=300)
@given(st.integers(1, 3), st.lists(TROUBLE, max_size=30))
@example(
    2,
    [("cut", 1), ("pass", 0), ("lag", 0), ("pass", 0), ("deafen", 0), ("open", 1), ("cut", 0),
     ("pass", 0), ("open", 0)],
)  # fmt: skip
def test_whatever_befalls_connections_nothing_is_lost_or_doubled(
    count: int, steps: list[tuple[str, int]]
) -> None:
    service = Origins(("a", "b", "c")[:count])
    for index in range(count):
        service.do("open", index)
    service.pass_a_second()
    for what, index in steps:
        service.do(what, index % count)
        service.pass_a_second()
    for index in range(count):
        service.do("read", index)
    for what in ("cut", "open"):
        for index in range(count):
            if index not in service.hearing:
                service.do(what, index)
        service.pass_a_second()
    for _ in range(15):
        service.pass_a_second()
    published = [report["fullReport"] for report in service.archive]
    assert sorted(service.delivered()) == sorted(published)


@given(st.binary(max_size=100), st.integers(0, 400), st.sampled_from([KEY, SECRET]))
def test_no_secret_in_what_is_said(padding: bytes, at: int, secret: str) -> None:
    found = found_group(server.origins_headers(["a"]))
    first = found.sessions[0]
    dial = first.dial(NOW)
    body = padding + b"x" * at + secret.encode() + padding
    rejected, retry = first.rejected(401, [], body)
    closed = first.closed(1008, body.decode("latin-1"), NOW)
    asking = HighAvailability(CREDENTIALS, [F1], endpoint=HERE)
    asking.tick(NOW)
    (request,) = asking.take_requests()
    refused = asking.replied(Reply("origins", 401, body), NOW)
    with pytest.raises(PayloadError) as caught:
        found.rest.read_one(Reply("x", 401, body))
    signature = dict(dial.headers)["X-Authorization-Signature-SHA256"]
    error = caught.value
    shown = (
        dial, rejected, retry, closed, request, refused, error, error.to_dict(), first, found,
        asking,
        found.rest, CREDENTIALS, first.stream, first.redact(secret), first.redact(secret.encode()),
        server.Account(Secret(SECRET)),
    )  # fmt: skip
    for thing in shown:
        for text in (repr(thing), str(thing)):
            for hidden in (KEY, SECRET, signature):
                assert hidden not in text
    for event in (rejected, *closed, *refused):
        for value in event.values:
            assert SECRET not in str(value)
