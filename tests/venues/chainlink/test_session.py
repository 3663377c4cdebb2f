"""The session: dialling, what it makes of messages, refusals, silence, and any life cycle."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payloads.errors import Malformed, Misuse, PayloadError
from payloads.venues.chainlink.auth import (
    ENCODED,
    ChainlinkCredentials,
)
from payloads.venues.chainlink.codes import CODES
from payloads.venues.chainlink.reports import StreamReport
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Event,
    Opened,
    Rejected,
    Reply,
    Request,
    Stalled,
    Subscribed,
    Unknown,
)
from tests.strategies import FRAMES, JSON
from tests.venues.chainlink.kit import (
    F1,
    F2,
    KEY,
    NOW,
    PUBLISHED,
    SECRET,
    T_MS,
    Service,
    duplicate,
    frame,
    kinds,
    make_report,
    new_session,
    opened,
)
from tests.venues.kit import only


@pytest.mark.parametrize(
    ("options", "comma", "signature"),
    [
        ({}, ",", "e7e2de439c89d9780669c5e83929313ff4892e68d2c0d8611da330977e768e43"),
        (
            {"comma": ENCODED},
            "%2C",
            "e0a7e2965198b91320b23888fc589257816ee28a6985679dd0c1cb57ab83f972",
        ),
    ],
)
def test_dial(options: dict[str, Any], comma: str, signature: str) -> None:
    dial = new_session(**options).dial(NOW)
    assert dial.url == f"ws://127.0.0.1:4100/api/v1/ws?feedIDs={F1}{comma}{F2}"
    assert dial.headers == (
        ("Authorization", KEY),
        ("X-Authorization-Timestamp", str(T_MS)),
        ("X-Authorization-Signature-SHA256", signature),
    )
    assert set(dial.secret_headers) == {"Authorization", "X-Authorization-Signature-SHA256"}


def test_every_dial_is_signed_afresh() -> None:
    session = new_session()
    first, second = session.dial(NOW), session.dial(NOW + SECOND)
    assert dict(first.headers)["X-Authorization-Timestamp"] == str(T_MS)
    assert dict(second.headers)["X-Authorization-Timestamp"] == str(T_MS + 1000)
    assert first.headers[2] != second.headers[2]


def test_misuse_is_told() -> None:
    with pytest.raises(Misuse):
        new_session(comma=";")
    with pytest.raises(Misuse):
        new_session(origin="a,b")
    with pytest.raises(Misuse):
        new_session(overlap=-1)
    with pytest.raises(Misuse):
        new_session(silence=0)
    for key, secret in (("", "x"), ("a b", "x"), ("a\r\nX: y", "x"), ("a", "s p")):
        with pytest.raises(Misuse) as caught:
            ChainlinkCredentials.of(key, secret)
        assert "a\r\nX" not in str(caught.value)


def test_opening_says_what_is_in_force() -> None:
    session = new_session()
    expected = [Opened(), Authenticated("the upgrade was accepted"), Subscribed(F1), Subscribed(F2)]
    assert opened(session) == expected
    assert session.take() == []
    assert session.take_requests() == []
    assert session.deadline is None


@pytest.mark.parametrize("binary", [False, True])
def test_published_report(binary: bool) -> None:
    message = {
        "report": {
            "feedID": F1,
            "fullReport": PUBLISHED,
            "validFromTimestamp": 1722458067,
            "observationsTimestamp": 1722458067,
        }
    }
    text = json.dumps(message)
    session = new_session(origin="one")
    opened(session)
    (event,) = session.received(text.encode() if binary else text, NOW)
    assert isinstance(event, Data)
    assert event.channel == F1
    assert event.payload == bytes.fromhex(PUBLISHED[2:])
    assert hashlib.sha256(event.payload).hexdigest() == (
        "971d2ebd20d27002a961b5e7b16b4e7e275ac06d59df89629bedd188c87df8c2"
    )
    assert event.content == StreamReport(F1, event.payload, 1722458067, 1722458067, "one")


def test_timestamps_come_from_the_report_where_the_wrapping_has_none() -> None:
    session = new_session()
    opened(session)
    text = json.dumps({"report": {"feedID": F1, "fullReport": PUBLISHED}})
    (event,) = session.received(text, NOW)
    assert isinstance(event, Data)
    assert event.content.observations_timestamp == 1722458067
    assert event.content.valid_from_timestamp == 1722458067
    # What cannot be read is delivered all the same: saying what is wrong is for the decoder.
    text = json.dumps({"report": {"feedID": F1, "fullReport": "0x1234"}})
    (event,) = session.received(text, NOW)
    assert isinstance(event, Data)
    assert event.payload == b"\x12\x34"
    assert event.content.observations_timestamp is None


def test_feed_ids_of_any_case_are_one_channel() -> None:
    session = new_session()
    opened(session)
    message = {"report": make_report() | {"feedID": "0x" + F1[2:].upper()}}
    (event,) = session.received(json.dumps(message), NOW)
    assert isinstance(event, Data)
    assert event.channel == F1


@pytest.mark.parametrize(
    "text",
    ['{"hello":1}', "[]", "1", "null", '"x"', '{"error":"nope"}', '{"type":"subscribe"}'],
)
def test_other_messages_pass_through(text: str) -> None:
    (event,) = new_session().received(text, NOW)
    assert isinstance(event, Unknown)
    assert event.raw == text


@pytest.mark.parametrize(
    "change",
    [
        {"feedID": None},
        {"feedID": "0x12"},
        {"feedID": 3},
        {"fullReport": None},
        {"fullReport": "0xzz"},
        {"fullReport": ""},
        {"fullReport": 12},
        {"observationsTimestamp": "1000"},
        {"observationsTimestamp": -1},
        {"observationsTimestamp": True},
        {"validFromTimestamp": 1.5},
        {"validFromTimestamp": 10**30},
    ],
)
def test_broken_reports(change: dict[str, Any]) -> None:
    text = json.dumps({"report": make_report() | change})
    (event,) = new_session().received(text, NOW)
    assert isinstance(event, Broken)
    assert event.raw == text
    assert event.error.field
    assert event.error.field.startswith("report.")


@pytest.mark.parametrize(
    "data", ['{"report":null}', '{"report":[]}', "{", b"\xff", "", '{"a":NaN}']
)
def test_broken_messages(data: str | bytes) -> None:
    assert kinds(new_session().received(data, NOW)) == [Broken]


MESSAGES = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    JSON.map(json.dumps),
    FRAMES.map(json.dumps),
    st.dictionaries(
        st.sampled_from([*make_report(), "other"]),
        JSON | st.sampled_from([F1, F2, PUBLISHED, "0x", 1000, 2**63, 2**70]),
    ).map(lambda inner: json.dumps({"report": inner})),
)


@given(st.lists(MESSAGES, max_size=6))
@example(['{"report":{"feedID":' + "9" * 5000 + "}}", "[" * 100_000, '{"a":1e' + "9" * 30 + "}"])
def test_nothing_a_server_sends_raises(messages: list[str | bytes]) -> None:
    session = new_session(silence=SECOND)
    opened(session)
    for index, message in enumerate(messages):
        events = session.received(message, NOW + index)
        assert events
        repr(events)
        assert all(isinstance(e, Data | Unknown | Broken | Duplicate) for e in events)
        for event in events:
            if isinstance(event, Unknown | Broken):
                assert event.raw == message
            if isinstance(event, Broken):
                assert isinstance(event.error, Malformed)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 301, 200, 204])
def test_refused_for_good(status: int) -> None:
    session = new_session()
    session.dial(NOW)
    rejected, retry = session.rejected(status, [("Retry-After", "3")], b'{"error":"no"}')
    assert rejected.code == f"HTTP {status}"
    assert rejected.message == "no"
    assert rejected.meaning
    assert not retry.again
    assert str(status) in retry.why


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599, 0])
def test_refused_for_now(status: int) -> None:
    session = new_session()
    session.dial(NOW)
    rejected, retry = session.rejected(status, [], b"")
    assert rejected.meaning
    assert retry.again
    assert retry.at_least == SECOND
    _, retry = session.rejected(status, [("retry-AFTER", "7")], b"")
    assert retry.at_least == 7 * SECOND


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Retry-After", "Mon, 20 May 2024 13:31:25 GMT")], 40),
        (
            [
                ("Date", "Mon, 20 May 2024 13:31:20 GMT"),
                ("Retry-After", "Mon, 20 May 2024 13:31:30 GMT"),
            ],
            10,
        ),
        ([("Retry-After", "Mon, 20 May 2024 00:00:00 GMT")], 1),
        ([("Retry-After", "Mon, 99 Foo 2024 00:00:00 GMT")], 1),
        ([("Retry-After", "Fri, 31 Feb 2024 00:00:00 GMT")], 1),
        ([("Retry-After", "soon")], 1),
        ([("Retry-After", "-5")], 1),
        ([("Retry-After", "999999999")], 86_400),
    ],
)
def test_retry_after(headers: list[tuple[str, str]], seconds: int) -> None:
    session = new_session()
    session.dial(NOW)  # Mon, 20 May 2024 13:30:45 GMT
    assert session.rejected(503, headers, b"")[1].at_least == seconds * SECOND


def test_a_clock_that_is_off_is_told() -> None:
    session = new_session()
    session.dial(NOW)
    date = [("Date", "Mon, 20 May 2024 13:31:25 GMT")]
    assert "the server's clock is 40 s ahead" in session.rejected(401, date, b"")[0].meaning
    date = [("Date", "Mon, 20 May 2024 13:30:00 GMT")]
    assert "45 s behind" in session.rejected(401, date, b"")[0].meaning
    date = [("Date", "Mon, 20 May 2024 13:30:47 GMT")]
    assert session.rejected(401, date, b"")[0].meaning == CODES["401"]


def test_closing_is_put_in_words() -> None:
    session = new_session()
    opened(session)
    closed = only(session.closed(1012, "deploy", NOW), Closed)
    assert closed == Closed(1012, "deploy", closed.retry)
    assert closed.retry.again
    assert closed.retry.why == "1012: the server restarts (deploy)"
    assert closed.retry.at_least == SECOND
    for code in (1000, 1006, 4001, 2, 70000):
        (event,) = session.closed(code, "", NOW)
        assert isinstance(event, Closed)
        assert event.retry.again


def test_silence() -> None:
    session = new_session(silence=5 * SECOND)
    opened(session)
    assert session.deadline is None, "nothing has come yet, so nothing has stopped"
    session.received(frame(), NOW)
    assert session.deadline == NOW + 5 * SECOND
    assert session.tick(NOW + 4 * SECOND) == []
    assert session.tick(NOW + 6 * SECOND) == [Stalled(6 * SECOND)]
    assert session.tick(NOW + 7 * SECOND) == []
    session.received(frame(time=1001), NOW + 8 * SECOND)
    session.closed(1006, "", NOW + 9 * SECOND)
    assert session.deadline is None


def test_duplicates_are_events_of_their_own() -> None:
    session = new_session(origin="b")
    opened(session)
    assert kinds(session.received(frame(), NOW)) == [Data]
    assert session.received(frame(), NOW) == [duplicate(origin="b")]
    assert session.stream.stats.accepted == session.stream.stats.duplicates == 1


STEPS = st.lists(
    st.sampled_from(["dial", "open", "frame", "reply", "tick", "close", "refuse", "late"]),
    max_size=40,
)


@given(STEPS, st.integers(0, 5 * SECOND))
def test_any_life_cycle(steps: list[str], pace: int) -> None:
    """Whatever is called when, nothing raises, nothing is doubled, and a tick is done with now."""
    service = Service(new_session(silence=3 * SECOND))
    session, sent = service.session, 0
    waiting: list[Request] = []
    for step in steps:
        service.now += pace
        now = service.now
        if step == "dial":
            session.dial(now)
        elif step == "open":
            service.events += session.opened(now)
        elif step in ("frame", "late"):
            sent += 1
            service.publish(F1, sent, live=step == "frame")
        elif step == "reply" and waiting:
            service.events += session.replied(service._answer(waiting.pop()), now)
        elif step == "tick":
            service.events += session.tick(now)
        elif step == "close":
            events = session.closed(1006, "", now)
            assert isinstance(events[-1], Closed)
        elif step == "refuse":
            session.rejected(503, [], b"")
        if step == "tick":
            assert session.deadline is None or session.deadline > now
        # A signature is good for five seconds, so a driver makes requests at once.
        waiting = session.take_requests()
    prices = service.delivered(F1)
    assert len(set(prices)) == len(prices)


@pytest.mark.parametrize("secret", [KEY, SECRET])
def test_no_secret_in_messages_that_repeat_it(secret: str) -> None:
    session = new_session()
    opened(session)
    whole = make_report()
    told: list[Event] = []
    for message in (
        {"error": secret}, {"report": {**whole, "feedID": secret}}, {"report": [secret]},
        {"report": {**whole, "fullReport": secret}}, {"report": {**whole, "note": secret}},
    ):  # fmt: skip
        told += session.received(json.dumps(message), NOW)
    told += session.received(f'{{"{secret}', NOW)
    assert kinds(told) == [Unknown, Broken, Broken, Broken, Data, Broken]
    session.closed(1006, "", NOW)
    for status, reports in (
        (200, [{"feedID": secret}, {**whole, "note": secret}]), (200, secret), (403, secret),
    ):  # fmt: skip
        session = new_session()
        opened(session)
        session.closed(1006, "", NOW)
        opened(session, NOW + SECOND)
        (request, *_) = session.take_requests()
        body = json.dumps({"reports": reports}).encode()
        told += session.replied(Reply(request.purpose, status, body), NOW + SECOND)
    assert {Rejected, Broken, Data} <= set(kinds(told[6:]))
    for event in told:
        assert secret not in str([getattr(value, "values", value) for value in event.values])
    with pytest.raises(PayloadError) as caught:
        session.rest.read_feeds(Reply("feeds", 200, json.dumps({"feeds": [secret]}).encode()))
    assert secret not in str(caught.value.to_dict())
