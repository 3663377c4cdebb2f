"""Chainlink's session, HA mode, REST and the simulator's checks: all pure, all on invented time."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from payloads import chainlink
from payloads.chainlink.schemas import schema_named
from payloads.errors import Malformed, Misuse, PayloadError, Refused
from payloads.testing import InsecureTestNetwork
from payloads.venues.chainlink import server
from payloads.venues.chainlink.auth import (
    CODES,
    ENCODED,
    ENDPOINTS,
    MAINNET,
    TESTNET,
    Credentials,
    Endpoint,
    feed_ids,
    refusal,
    sign,
    signed_headers,
    string_to_sign,
)
from payloads.venues.chainlink.gaps import Backfilled, ExactDeduplicator, SdkDeduplicator, Stream
from payloads.venues.chainlink.group import HighAvailability
from payloads.venues.chainlink.rest import (
    Rest,
    StreamReport,
    parse_origins,
    read_frame,
    read_report,
)
from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Redactor, Secret
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
    Session,
    Stalled,
    Subscribed,
    Unknown,
)
from payloads.venues.common.session_group import Degraded
from tests.checks import outcome
from tests.strategies import FRAMES, JSON

KEY, SECRET = "00000000-1111-2222-3333-444444444444", "example-secret"
T_MS = 1716211845123
NOW = T_MS * 10**6
F1 = "0x000359843a543ee2fe414dc14c7e7920ef10f4372990b79d6361cdc0dd1ba782"
F2 = "0x00037da06d56d083fe599397a4769a042d63aa73dc4ef57709d31e9971a5b439"
CREDENTIALS = Credentials.of(KEY, SECRET)
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


def session(**options: Any) -> ChainlinkSession:
    return ChainlinkSession(CREDENTIALS, [F1, F2], endpoint=HERE, **options)


def report(feed: str = F1, time: int = 1000, price: int = 1, by: Any = None) -> dict[str, Any]:
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
    return json.dumps({"report": report(feed, time, price)}).encode()


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def read(message: dict[str, Any], **options: Any) -> StreamReport:
    raw = bytes.fromhex(message["fullReport"][2:])
    times = message["observationsTimestamp"], message["validFromTimestamp"]
    return StreamReport(message["feedID"], raw, *times, **options)


def duplicate(price: int = 1, **options: Any) -> Duplicate:
    return Duplicate(F1, read(report(F1, 1000, price), **options))


# --- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "timestamp", "secret", "signature"),
    [
        (
            "GET", "/api/v1/feeds", b"", "clientId", 1718885772, "userSecret",
            "e9b2aa1deb13b2abd078353a5e335b2f50307159ad28b433157d2c74dbab2072",
        ),
        (
            "POST", "/api/v1/feeds", b"", "clientId1", 12000, "secret1",
            "31b48ebdb13802b58978cd89eca0c3c68ddccf85392e703b55942544e7203d3d",
        ),
        (
            "POST", "/api/v1/reports/bulk", b'{"attr1": "value1","attr2": [1,2,3]}', "clientId2",
            1718885772, "secret2",
            "37190febe20b6f3662f6abbfa3a7085ad705ac64e88bde8c1a01a635859e6cf7",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1}", b"", KEY, T_MS, SECRET,
            "a8ef3a3752dc9920821430513adbb9935a9f2e1bb4ef0dcb7e491ebcc1b5e478",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1},{F2}", b"", KEY, T_MS, SECRET,
            "e7e2de439c89d9780669c5e83929313ff4892e68d2c0d8611da330977e768e43",
        ),
        (
            "GET", f"/api/v1/ws?feedIDs={F1}%2C{F2}", b"", KEY, T_MS, SECRET,
            "e0a7e2965198b91320b23888fc589257816ee28a6985679dd0c1cb57ab83f972",
        ),
        (
            "HEAD", "/", b"", KEY, T_MS, SECRET,
            "e350344f2b02f1acf06f095d3ddc33cef857aa5d014d86aca9dc71cfa5e79a7f",
        ),
    ],
)  # fmt: skip
def test_signature_vectors(
    method: str, path: str, body: bytes, key: str, timestamp: int, secret: str, signature: str
) -> None:
    assert sign(Credentials.of(key, secret), method, path, timestamp, body) == signature


def test_the_string_to_sign() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path = f"/api/v1/ws?feedIDs={F1}"
    assert string_to_sign("GET", path, KEY, T_MS) == f"GET {path} {empty} {KEY} {T_MS}"
    body = b'{"attr1": "value1","attr2": [1,2,3]}'
    hashed = string_to_sign("POST", "/", KEY, 1, body).split()[2]
    assert hashed.startswith("9ddd4b43")
    assert hashed.endswith("ce7fcfe")


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
    dial = session(**options).dial(NOW)
    assert dial.url == f"ws://127.0.0.1:4100/api/v1/ws?feedIDs={F1}{comma}{F2}"
    assert dial.headers == (
        ("Authorization", KEY),
        ("X-Authorization-Timestamp", str(T_MS)),
        ("X-Authorization-Signature-SHA256", signature),
    )
    assert set(dial.secret_headers) == {"Authorization", "X-Authorization-Signature-SHA256"}


def test_every_dial_is_signed_afresh() -> None:
    one = session()
    first, second = one.dial(NOW), one.dial(NOW + SECOND)
    assert dict(first.headers)["X-Authorization-Timestamp"] == str(T_MS)
    assert dict(second.headers)["X-Authorization-Timestamp"] == str(T_MS + 1000)
    assert first.headers[2] != second.headers[2]


def test_endpoints() -> None:
    assert MAINNET.ws == "wss://ws.dataengine.chain.link"
    assert MAINNET.rest == "https://api.dataengine.chain.link"
    assert TESTNET.ws == "wss://ws.testnet-dataengine.chain.link"
    assert TESTNET.rest == "https://api.testnet-dataengine.chain.link"
    assert ENDPOINTS == {"mainnet": MAINNET, "testnet": TESTNET}
    assert MAINNET.ws_over_http == "https://ws.dataengine.chain.link"
    assert HERE.ws_over_http == "http://127.0.0.1:4100"
    assert Endpoint("ws://localhost:1/", "http://localhost:2/").ws == "ws://localhost:1"
    for ws in (
        "http://a",
        "ws://",
        "ws://a/path",
        "ws://a?b=c",
        "ws://u@a",
        "ws://a:x",
        "ws://a\n",
    ):
        with pytest.raises(Misuse):
            Endpoint(ws, "http://a")


def test_feed_ids() -> None:
    assert feed_ids([F1.upper().replace("0X", "0x"), F2, F1]) == (F1, F2)
    assert feed_ids(F1) == (F1,)
    for bad in (
        [],
        ["0x12"],
        [F1[2:]],
        [F1 + "0"],
        [F1[:-1] + "g"],
        [1],
        [F1 + "\n"],
        f"{F1},{F2}",
    ):
        with pytest.raises(Misuse):
            feed_ids(bad)  # type: ignore[arg-type]


def test_misuse_is_told() -> None:
    with pytest.raises(Misuse):
        session(comma=";")
    with pytest.raises(Misuse):
        session(origin="a,b")
    with pytest.raises(Misuse):
        session(overlap=-1)
    with pytest.raises(Misuse):
        session(silence=0)
    for key, secret in (("", "x"), ("a b", "x"), ("a\r\nX: y", "x"), ("a", "s p")):
        with pytest.raises(Misuse) as caught:
            Credentials.of(key, secret)
        assert "a\r\nX" not in str(caught.value)


# --- frames ---------------------------------------------------------------------------------------


def opened(one: Session, at: int = NOW) -> list[Event]:
    one.dial(at)
    return one.opened(at)


def test_opening_says_what_is_in_force() -> None:
    one = session()
    expected = [Opened(), Authenticated("the upgrade was accepted"), Subscribed(F1), Subscribed(F2)]
    assert opened(one) == expected
    assert one.take() == []
    assert one.take_requests() == []
    assert one.deadline is None


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
    one = session(origin="one")
    opened(one)
    (event,) = one.received(text.encode() if binary else text, NOW)
    assert isinstance(event, Data)
    assert event.channel == F1
    assert event.payload == bytes.fromhex(PUBLISHED[2:])
    assert hashlib.sha256(event.payload).hexdigest() == (
        "971d2ebd20d27002a961b5e7b16b4e7e275ac06d59df89629bedd188c87df8c2"
    )
    assert event.content == StreamReport(F1, event.payload, 1722458067, 1722458067, "one")


SECONDS = st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1, None, "7", True, 1.0, []])
NAMES = st.sampled_from(
    ["feedID", "fullReport", "observationsTimestamp", "validFromTimestamp", "x"]
)
REPORTS = st.fixed_dictionaries(
    {
        "feedID": st.sampled_from([F1, F1.upper().replace("0X", "0x"), "0x12", 7, None]),
        "fullReport": st.sampled_from([PUBLISHED, PUBLISHED[2:], "0x1", "0x", "é", 5, None]),
        "observationsTimestamp": SECONDS,
        "validFromTimestamp": SECONDS,
    },
    optional={"x": st.just({"y": [1]})},
)


@given(REPORTS, st.sets(NAMES, max_size=2), st.booleans(), st.booleans())
@example(report() | {"validFromTimestamp": 2**64}, set(), False, True)
def test_one_pass_reads_what_the_long_way_reads(
    found: dict[str, Any], without: set[str], more: bool, binary: bool
) -> None:
    message: dict[str, Any] = {"report": {k: v for k, v in found.items() if k not in without}}
    if more:
        message["more"] = 1
    text = json.dumps(message, ensure_ascii=False)

    def tried(read_it: Any) -> Any:
        try:
            return read_it()
        except Malformed as error:
            return str(error)

    expected = tried(lambda: read_report(parse_json(text)["report"], origin="o"))
    assert tried(lambda: read_frame(text.encode() if binary else text, "o")) == expected


def test_what_else_a_report_has_is_kept() -> None:
    one = read_frame(json.dumps({"report": report(F1, 7, 1) | {"more": [1]}}))
    assert one is not None
    assert one.extra == {"more": [1]}
    assert read_frame('{"other": 1}') is None


def test_published_report_decodes_to_what_the_page_prints() -> None:
    payload = chainlink.decode(PUBLISHED)
    offsets = [payload.offset_of(path) for path in ("report_blob", "rs.length", "ss.length")]
    assert offsets == [224 + 32, 544, 640]
    assert (len(payload.raw), len(payload.report_blob), len(payload.rs)) == (736, 288, 2)
    one: Any = payload.report
    assert (one.valid_from_timestamp, one.observations_timestamp) == (1722458067, 1722458067)
    assert (one.native_fee, one.link_fee) == (30940102293200, 7776444105849300)
    assert one.expires_at == 1722544467
    assert one.benchmark_price == 3232051369848762000000
    assert (one.bid, one.ask) == (3232019831592780500000, 3232082908104743600000)


def test_timestamps_come_from_the_report_where_the_wrapping_has_none() -> None:
    one = session()
    opened(one)
    text = json.dumps({"report": {"feedID": F1, "fullReport": PUBLISHED}})
    (event,) = one.received(text, NOW)
    assert isinstance(event, Data)
    assert event.content.observations_timestamp == 1722458067
    assert event.content.valid_from_timestamp == 1722458067
    # What cannot be read is delivered all the same: saying what is wrong is for the decoder.
    text = json.dumps({"report": {"feedID": F1, "fullReport": "0x1234"}})
    (event,) = one.received(text, NOW)
    assert isinstance(event, Data)
    assert event.payload == b"\x12\x34"
    assert event.content.observations_timestamp is None


@pytest.mark.parametrize("more", ['"feedID":"0x"', '"validFromTimestamp":7', '"fullReport":null'])
def test_of_two_members_of_one_name_the_last_counts(more: str) -> None:
    one = json.dumps(report())[1:-1]
    for text in (f'{{"report":{{{one},{more}}}}}', f'{{"report":{{{more},{one}}}}}'):
        expected = outcome(read_report, parse_json(text)["report"])
        assert repr(outcome(read_frame, text)) == repr(expected)


def test_feed_ids_of_any_case_are_one_channel() -> None:
    one = session()
    opened(one)
    message = {"report": report() | {"feedID": "0x" + F1[2:].upper()}}
    (event,) = one.received(json.dumps(message), NOW)
    assert isinstance(event, Data)
    assert event.channel == F1


@pytest.mark.parametrize(
    "text",
    ['{"hello":1}', "[]", "1", "null", '"x"', '{"error":"nope"}', '{"type":"subscribe"}'],
)
def test_other_messages_pass_through(text: str) -> None:
    (event,) = session().received(text, NOW)
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
    text = json.dumps({"report": report() | change})
    (event,) = session().received(text, NOW)
    assert isinstance(event, Broken)
    assert event.raw == text
    assert event.error.field
    assert event.error.field.startswith("report.")


@pytest.mark.parametrize(
    "data", ['{"report":null}', '{"report":[]}', "{", b"\xff", "", '{"a":NaN}']
)
def test_broken_messages(data: str | bytes) -> None:
    assert kinds(session().received(data, NOW)) == [Broken]


MESSAGES = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    JSON.map(json.dumps),
    FRAMES.map(json.dumps),
    st.dictionaries(
        st.sampled_from([*report(), "other"]),
        JSON | st.sampled_from([F1, F2, PUBLISHED, "0x", 1000, 2**63, 2**70]),
    ).map(lambda inner: json.dumps({"report": inner})),
)


@given(st.lists(MESSAGES, max_size=6))
@example(['{"report":{"feedID":' + "9" * 5000 + "}}", "[" * 100_000, '{"a":1e' + "9" * 30 + "}"])
def test_nothing_a_server_sends_raises(messages: list[str | bytes]) -> None:
    one = session(silence=SECOND)
    opened(one)
    for index, message in enumerate(messages):
        events = one.received(message, NOW + index)
        assert events
        repr(events)
        assert all(isinstance(e, Data | Unknown | Broken | Duplicate) for e in events)
        for event in events:
            if isinstance(event, Unknown | Broken):
                assert event.raw == message
            if isinstance(event, Broken):
                assert isinstance(event.error, Malformed)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 301, 200, 204])
def test_refused_for_good(status: int) -> None:
    one = session()
    one.dial(NOW)
    rejected, retry = one.rejected(status, [("Retry-After", "3")], b'{"error":"no"}')
    assert rejected.code == f"HTTP {status}"
    assert rejected.message == "no"
    assert rejected.meaning
    assert not retry.again
    assert str(status) in retry.why


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599, 0])
def test_refused_for_now(status: int) -> None:
    one = session()
    one.dial(NOW)
    rejected, retry = one.rejected(status, [], b"")
    assert rejected.meaning
    assert retry.again
    assert retry.at_least == SECOND
    _, retry = one.rejected(status, [("retry-AFTER", "7")], b"")
    assert retry.at_least == 7 * SECOND


def test_every_documented_status_has_words() -> None:
    assert {"206", "400", "401", "403", "429", "500", "502", "503"} <= set(CODES)


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
    one = session()
    one.dial(NOW)  # Mon, 20 May 2024 13:30:45 GMT
    assert one.rejected(503, headers, b"")[1].at_least == seconds * SECOND


def test_a_clock_that_is_off_is_told() -> None:
    one = session()
    one.dial(NOW)
    date = [("Date", "Mon, 20 May 2024 13:31:25 GMT")]
    assert "the server's clock is 40 s ahead" in one.rejected(401, date, b"")[0].meaning
    date = [("Date", "Mon, 20 May 2024 13:30:00 GMT")]
    assert "45 s behind" in one.rejected(401, date, b"")[0].meaning
    date = [("Date", "Mon, 20 May 2024 13:30:47 GMT")]
    assert one.rejected(401, date, b"")[0].meaning == CODES["401"]


@given(st.integers(-1000, 1000), st.lists(st.tuples(st.text(), st.text())), st.binary())
def test_no_refusal_raises(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    named = [(name, text) for (name, _), (_, text) in zip(headers, headers, strict=True)]
    extra = [(name, text) for _, text in headers for name in ("Date", "Retry-After")]
    rejected, retry = refusal(
        status, [*named, *extra], body, redactor=Redactor(SECRET), signed_at=NOW
    )
    assert rejected.meaning
    assert len(rejected.message.splitlines()) <= 1
    assert retry.at_least >= 0


def test_closing_is_put_in_words() -> None:
    one = session()
    opened(one)
    (event,) = one.closed(1012, "deploy", NOW)
    assert event == Closed(1012, "deploy", event.retry)  # type: ignore[attr-defined]
    assert event.retry.again
    assert event.retry.why == "1012: the server restarts (deploy)"
    assert event.retry.at_least == SECOND
    for code in (1000, 1006, 4001, 2, 70000):
        (event,) = one.closed(code, "", NOW)
        assert isinstance(event, Closed)
        assert event.retry.again


def test_silence() -> None:
    one = session(silence=5 * SECOND)
    opened(one)
    assert one.deadline is None, "nothing has come yet, so nothing has stopped"
    one.received(frame(), NOW)
    assert one.deadline == NOW + 5 * SECOND
    assert one.tick(NOW + 4 * SECOND) == []
    assert one.tick(NOW + 6 * SECOND) == [Stalled(6 * SECOND)]
    assert one.tick(NOW + 7 * SECOND) == []
    one.received(frame(time=1001), NOW + 8 * SECOND)
    one.closed(1006, "", NOW + 9 * SECOND)
    assert one.deadline is None


# --- duplicates -----------------------------------------------------------------------------------


def test_exact_rule_keeps_what_the_sdk_drops() -> None:
    reports = [read(report(time=1000, price=1)), read(report(time=1000, price=2))]
    reports += [read(report(time=1001)), read(report(time=999))]
    exact, sdk = ExactDeduplicator(), SdkDeduplicator()
    assert [exact.accept(one) for one in reports] == [True, True, True, True]
    assert [sdk.accept(one) for one in reports] == [True, False, True, False]
    assert [exact.accept(one) for one in reports] == [False] * 4
    assert (exact.accepted, exact.duplicates) == (4, 4)
    assert (sdk.accepted, sdk.duplicates) == (2, 2)


def test_the_same_content_under_other_signatures_is_delivered_too() -> None:
    """Nobody has verified the first, so it must not hide the second; each comes once."""
    reports = [read(report(by=signers)) for signers in ([0, 1], [2, 3], [1, 0])]
    exact = ExactDeduplicator()
    assert [exact.accept(one) for one in reports] == [True, True, True]
    assert [exact.accept(one) for one in reports] == [False, False, False]


def test_a_damaged_report_hides_no_good_one() -> None:
    """Whichever byte was changed on the way: the origin that is not damaged is heard."""
    good = read(report())
    one = ha(server.origins_headers(["a", "b"]))
    first, second = one.sessions
    opened(first)
    opened(second)
    for at, byte in enumerate(good.full_report):
        raw = good.full_report[:at] + bytes([byte ^ 1]) + good.full_report[at + 1 :]
        bad = report() | {"fullReport": f"0x{raw.hex()}"}
        exact = ExactDeduplicator()
        assert exact.accept(read(bad))
        assert exact.accept(good)
    first.received(json.dumps({"report": bad}), NOW)
    assert kinds(second.received(frame(), NOW)) == [Data]
    assert kinds(first.received(frame(), NOW)) == [Duplicate]


def test_unreadable_payloads_are_told_apart_by_their_bytes() -> None:
    exact = ExactDeduplicator()
    made = [StreamReport(F1, raw, None, None) for raw in (b"\x01", b"\x02", b"\x01")]
    assert [exact.accept(one) for one in made] == [True, True, False]
    sdk = SdkDeduplicator()
    assert [sdk.accept(one) for one in made] == [True, True, True]


def test_memory_is_bounded() -> None:
    exact = ExactDeduplicator(remember=2)
    reports = [read(report(time=time)) for time in (1, 2, 3, 4)]
    for one in reports:
        assert exact.accept(one)
    assert not exact.accept(reports[2])
    assert not exact.accept(reports[3])
    assert exact.accept(reports[0]), "forgotten, so it counts as new"
    with pytest.raises(Misuse):
        ExactDeduplicator(remember=0)


POOL = [read(report(feed, time, price)) for feed in (F1, F2) for time in (1, 2) for price in (1, 2)]


@given(st.lists(st.sampled_from(POOL)))
def test_exact_rule_loses_and_doubles_nothing(stream: list[StreamReport]) -> None:
    exact = ExactDeduplicator()
    delivered = [one for one in stream if exact.accept(one)]
    assert delivered == list({one.full_report: one for one in stream}.values())
    assert exact.accepted + exact.duplicates == len(stream)


@given(st.lists(st.sampled_from(POOL)))
def test_sdk_rule_is_the_sdks(stream: list[StreamReport]) -> None:
    sdk, marks, expected = SdkDeduplicator(), dict.fromkeys((F1, F2), 0), []
    for one in stream:
        assert one.observations_timestamp
        if one.observations_timestamp > marks[one.feed_id]:
            marks[one.feed_id] = one.observations_timestamp
            expected.append(one)
    assert [one for one in stream if sdk.accept(one)] == expected


def test_duplicates_are_events_of_their_own() -> None:
    one = session(origin="b")
    opened(one)
    assert kinds(one.received(frame(), NOW)) == [Data]
    assert one.received(frame(), NOW) == [duplicate(origin="b")]
    assert one.stream.stats.accepted == one.stream.stats.duplicates == 1


# --- high availability ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("{001,002}", ("001", "002")),
        ("001,002", ("001", "002")),
        (" { 001 , 002 } ", ("001", "002")),
        ("{one}", ("one",)),
        ("", ()),
        ("{}", ()),
        (",,a,,a", ("a",)),
        ("a\r\nX-Evil: 1,b", ("b",)),
        ("https://a.example/x", ("https://a.example/x",)),
        (",".join(map(str, range(500))), tuple(map(str, range(20)))),
    ],
)
def test_parse_origins(value: str, origins: tuple[str, ...]) -> None:
    assert parse_origins(value) == origins


@given(st.text())
def test_any_origins_can_be_dialled(value: str) -> None:
    for origin in parse_origins(value):
        headers = dict(session(origin=origin).dial(NOW).headers)
        assert headers["X-Cll-Origin"] == origin
        assert origin.isprintable()


def ha(headers: tuple[tuple[str, str], ...] = (), status: int = 200) -> HighAvailability:
    one = HighAvailability(CREDENTIALS, [F1, F2], endpoint=HERE)
    assert one.deadline == 0
    assert one.tick(NOW) == []
    (request,) = one.take_requests()
    assert (request.method, request.url) == ("HEAD", "http://127.0.0.1:4100/")
    assert server.check_request("HEAD", "/", request.headers, NOW, ACCOUNTS) is None
    reply, events = Reply("origins", status, b"", headers), []
    while not one.sessions:
        assert one.deadline is None
        events += one.replied(reply, NOW)
        if one.deadline is not None:
            one.tick(one.deadline)
            assert one.take_requests()
    refusals = {200: 0, 401: 1}.get(status, 3)
    assert kinds(events) == [Rejected] * refusals + [Degraded] * (len(one.sessions) == 1)
    return one


def test_the_request_for_origins_is_the_vector() -> None:
    group = HighAvailability(CREDENTIALS, [F1])
    group.tick(NOW)
    (request,) = group.take_requests()
    assert request.url == "https://ws.dataengine.chain.link/"
    assert dict(request.headers)["X-Authorization-Signature-SHA256"] == (
        "e350344f2b02f1acf06f095d3ddc33cef857aa5d014d86aca9dc71cfa5e79a7f"
    )


def test_one_session_for_each_origin() -> None:
    one = ha(server.origins_headers(["001", "002"]))
    assert one.origins == ("001", "002")
    first, second = one.sessions
    plain = ChainlinkSession(CREDENTIALS, [F1, F2], endpoint=HERE).dial(NOW)
    for connection, origin in ((first, "001"), (second, "002")):
        dial = connection.dial(NOW)
        assert dial.headers[:3] == plain.headers, "the origin is not part of what is signed"
        assert dial.headers[3] == ("X-Cll-Origin", origin)
        path = dial.url.removeprefix(HERE.ws)
        assert server.check_upgrade(
            path, dial.headers, NOW, ACCOUNTS, origins=one.origins
        ) is None  # fmt: skip
        opened(connection)
    assert one.alive
    assert kinds(first.received(frame(), NOW)) == [Data]
    assert second.received(frame(), NOW) == [duplicate(origin="002")]
    assert kinds(second.received(frame(price=2), NOW)) == [Data], "distinct, in the same second"
    assert first.received(frame(price=2), NOW) == [duplicate(price=2, origin="001")]
    assert (one.stats.accepted, one.stats.duplicates, one.stats.open_connections) == (2, 2, 2)


@pytest.mark.parametrize("status", [200, 401, 500, 0])
def test_without_origins_there_is_one_plain_session(status: int) -> None:
    one = ha(status=status)
    assert one.origins == ("",)
    assert "X-Cll-Origin" not in dict(one.sessions[0].dial(NOW).headers)


def test_a_connection_lost_while_another_is_open_leaves_no_gap() -> None:
    one = ha(server.origins_headers(["a", "b"], braces=False))
    first, second = one.sessions
    opened(first)
    opened(second)
    later = NOW + 10 * SECOND
    first.received(frame(time=later // SECOND), later)
    first.closed(1006, "", later)
    assert one.alive
    second.received(frame(time=later // SECOND + 1), later + SECOND)
    opened(first, later + 2 * SECOND)
    assert first.take_requests() == []
    assert one.stats.partial_reconnects == 1
    for connection in (first, second):
        connection.closed(1006, "", later + 2 * SECOND)
    assert not one.alive
    opened(second, later + 3 * SECOND)
    assert second.take_requests(), "no connection was open for a while"
    assert one.stats.full_reconnects == 1


def test_a_connection_that_is_open_but_deaf_hides_no_gap() -> None:
    """When a network goes, one connection breaks at once, and another hangs for a while."""
    one = ha(server.origins_headers(["a", "b"]))
    first, second = one.sessions
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
    assert [one.url.partition("startTimestamp=")[2] for one in requests] == [f"{time - 5}"]
    second.closed(1006, "", later + 10 * SECOND)
    first.received(frame(time=time + 9), later + 10 * SECOND)
    opened(second, later + 11 * SECOND)
    assert second.take_requests() == [], "the other has been there meanwhile"
    assert (one.stats.partial_reconnects, one.stats.full_reconnects) == (2, 0)


# --- REST -----------------------------------------------------------------------------------------

REST = Rest(CREDENTIALS, HERE)
ARCHIVE = {
    F1: [report(F1, time) for time in range(1000, 1025)],
    F2: [report(F2, time) for time in range(1010, 1012)],
}


def ask(request: Request, now: int = NOW, **options: Any) -> Reply:
    """What the service answers: checked and answered by the simulator's own functions."""
    path = request.url.removeprefix(HERE.rest)
    refused = server.check_request(
        request.method, path, request.headers, now, ACCOUNTS, body=request.body, **options
    )
    if refused is not None:
        return Reply(request.purpose, int(refused.code), server.body_of(refused))
    return Reply(request.purpose, *server.answer(server.read_query(path), ARCHIVE))


def test_rest_urls() -> None:
    base = "http://127.0.0.1:4101/api/v1"
    assert REST.feeds(NOW).url == f"{base}/feeds"
    assert REST.latest(F1, NOW).url == f"{base}/reports/latest?feedID={F1}"
    assert REST.at(F1, 7, NOW).url == f"{base}/reports?feedID={F1}&timestamp=7"
    assert REST.bulk([F1, F2], 7, NOW).url == f"{base}/reports/bulk?feedIDs={F1},{F2}&timestamp=7"
    encoded = Rest(CREDENTIALS, HERE, comma=ENCODED).bulk([F1, F2], 7, NOW)
    assert encoded.url == f"{base}/reports/bulk?feedIDs={F1}%2C{F2}&timestamp=7"
    assert server.read_query(encoded.url.removeprefix(HERE.rest)).feeds == (F1, F2)
    assert REST.page(F1, 7, NOW).url == f"{base}/reports/page?feedID={F1}&startTimestamp=7"
    assert REST.page(F1, 7, NOW, 5).url.endswith("&limit=5")
    for bad in (-1, True, 1.0, "7", 2**63):
        with pytest.raises(Misuse):
            REST.at(F1, bad, NOW)  # type: ignore[arg-type]
    assert dict(REST.feeds(1718885772 * 10**6).headers)["X-Authorization-Timestamp"] == "1718885772"


def test_rest_answers() -> None:
    assert REST.read_feeds(ask(REST.feeds(NOW))) == (F1, F2)
    assert REST.read_one(ask(REST.latest(F1, NOW))).observations_timestamp == 1024
    assert REST.read_one(ask(REST.at(F1, 1003, NOW))).observations_timestamp == 1003
    bulk = REST.read_bulk(ask(REST.bulk([F1, F2], 1010, NOW)), [F1, F2])
    assert ({one.feed_id for one in bulk.reports}, bulk.missing) == ({F1, F2}, ())
    page = REST.read_page(ask(REST.page(F1, 1001, NOW, 3)))
    assert [one.observations_timestamp for one in page.reports] == [1001, 1002, 1003]
    assert page.next_timestamp == 1004
    assert REST.read_page(ask(REST.page(F1, 5000, NOW))).next_timestamp is None


def test_bulk_says_which_are_missing() -> None:
    reply = ask(REST.bulk([F2, F1], 1000, NOW))
    assert reply.status == 206
    bulk = REST.read_bulk(reply, [F2, F1])
    assert [one.feed_id for one in bulk.reports] == [F1]
    assert bulk.missing == (F2,)


def test_refused_requests_say_why() -> None:
    request = REST.latest(F1, NOW)
    with pytest.raises(Refused, match="401") as caught:
        REST.read_one(ask(request, NOW + 6 * SECOND))
    assert "the timestamp is -6000 ms off" in str(caught.value)
    rejected, retry = REST.refusal(Reply("x", 429, b"", (("Retry-After", "2"),)))
    assert (rejected.code, retry.again, retry.at_least) == ("HTTP 429", True, 2 * SECOND)
    assert not REST.refusal(Reply("x", 401, b""))[1].again
    with pytest.raises(Refused):
        REST.read_page(Reply("x", 206, b'{"reports":[]}'))


@given(st.integers(0, 600), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_answers_raise_the_family_only(status: int, body: bytes) -> None:
    for status_ in (status, 200, 206):
        reply = Reply("x", status_, body)
        for read_ in (
            REST.read_feeds, REST.read_one, REST.read_page, REST.read_origins,
            lambda it: REST.read_bulk(it, [F1]),
        ):  # fmt: skip
            found = outcome(read_, reply)
            assert not isinstance(found, Misuse)


# --- backfill -------------------------------------------------------------------------------------


class Service:
    """The service behind a session, on invented time: archive, requests, and what was delivered."""

    def __init__(self, one: ChainlinkSession, limit: int = 10) -> None:
        self.session, self.now, self.limit = one, NOW, limit
        self.archive: dict[str, list[dict[str, Any]]] = {F1: [], F2: []}
        self.events: list[Event] = []
        self.requests: list[Request] = []
        self.failures: list[int] = []

    @property
    def second(self) -> int:
        return self.now // SECOND

    def publish(self, feed: str, price: int, *, live: bool) -> None:
        message = report(feed, self.second, price)
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
        found = [one for one in self.events if isinstance(one, Data) and one.channel == feed]
        return [int.from_bytes(one.content.full_report[448:480], "big") for one in found]

    @property
    def ends(self) -> list[Backfilled]:
        return [one for one in self.events if isinstance(one, Backfilled)]


def outage(service: Service, seconds: int, per_second: int = 1) -> int:
    """Five seconds of stream, an outage in mid-second, five more; answers how many were sent."""
    sent = 0
    opened(service.session, service.now)
    for second in range(10 + seconds):
        for _ in range(per_second):
            sent += 1
            if second == 5 and sent % per_second == per_second // 2:
                service.session.closed(1006, "", service.now)
            live = not 5 <= second < 5 + seconds or bool(
                second == 5 and (sent - 1) % per_second < per_second // 2 - 1
            )
            service.publish(F1, sent, live=live)
            if second % 2:
                service.publish(F2, sent, live=live)
        service.wait(service.now + SECOND)
        if second == 4 + seconds:
            service.events += opened(service.session, service.now)
    service.wait(service.now + 60 * SECOND)
    return sent


@pytest.mark.parametrize("per_second", [1, 4])
@pytest.mark.parametrize("seconds", [1, 3, 60])
def test_an_outage_loses_and_doubles_nothing(seconds: int, per_second: int) -> None:
    service = Service(session())
    sent = outage(service, seconds, per_second)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))
    assert len(set(service.delivered(F2))) == len(service.delivered(F2))
    data = [one for one in service.events if isinstance(one, Data)]
    assert any(one.content.backfilled for one in data)
    assert not data[0].content.backfilled
    assert {end.channel for end in service.ends} == {F1, F2}
    assert all(end.complete for end in service.ends)
    assert service.session.deadline is None


def test_a_backfilled_report_is_told_from_a_streamed_one_and_is_the_same() -> None:
    service = Service(session())
    opened(service.session)
    service.publish(F1, 1, live=True)
    service.session.closed(1006, "", NOW)
    service.publish(F1, 2, live=False)
    service.events += opened(service.session)
    service.pump()
    streamed, filled = (one for one in service.events if isinstance(one, Data))
    assert [one.content.backfilled for one in (streamed, filled)] == [False, True]
    published = bytes.fromhex(service.archive[F1][1]["fullReport"][2:])
    assert filled.payload == filled.content.full_report == published
    (again,) = (one for one in service.events if isinstance(one, Duplicate))
    assert (again.content.full_report, again.content.backfilled) == (streamed.payload, True)


class Noted:
    """A session that notes what it is given."""

    def __init__(self, one: ChainlinkSession) -> None:
        self.one, self.given = one, list[tuple[str, tuple[Any, ...]]]()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.one, name)

        def noted(*args: Any) -> Any:
            self.given.append((name, args))
            return method(*args)

        return noted if name in ("opened", "received", "replied", "closed") else method


def test_given_again_what_it_was_given_a_session_says_the_same() -> None:
    """So a capture that has the answers to requests gives the back-filled reports again."""
    noted: Any = Noted(session())
    service = Service(noted)
    service.failures = [503]
    outage(service, 12, per_second=2)
    again, events = session(), list[Event]()
    for name, args in noted.given:
        if again.deadline is not None and again.deadline <= args[-1]:
            events += again.tick(args[-1])
        events += getattr(again, name)(*args)
        again.take_requests()
    told = (Data, Duplicate, Backfilled, Rejected)
    assert [one for one in events if isinstance(one, told)] == [
        one for one in service.events if isinstance(one, told)
    ]
    assert any(one.content.backfilled for one in events if isinstance(one, Data))


def test_why_backfill_starts_in_the_second_it_knows() -> None:
    """From the next second on, as documented, it misses the rest of the one it was cut off in."""
    service = Service(session(overlap=0))
    sent = outage(service, 3, per_second=4)
    assert sorted(service.delivered(F1)) == [
        one for one in range(1, sent + 1) if one not in (22, 23, 24)
    ]


def test_backfill_starts_where_it_is_told() -> None:
    for overlap, start in ((0, 1001), (1, 1000), (5, 996)):
        one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, overlap=overlap)
        opened(one)
        one.received(frame(time=1000), NOW)
        one.closed(1006, "", NOW)
        opened(one)
        (request,) = one.take_requests()
        assert request.url.endswith(f"startTimestamp={start}")
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, backfill=False)
    opened(one)
    one.received(frame(), NOW)
    one.closed(1006, "", NOW)
    opened(one)
    assert one.take_requests() == []


def test_a_feed_that_never_reported_is_missing_from_the_first_opening() -> None:
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, overlap=0)
    one.closed(1006, "never opened", NOW - SECOND)
    opened(one)
    one.closed(1006, "", NOW)
    opened(one, NOW + 9 * SECOND)
    (request,) = one.take_requests()
    assert request.url.endswith(f"startTimestamp={NOW // SECOND}")


def test_a_report_from_the_future_does_not_hide_a_gap() -> None:
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE, overlap=0)
    opened(one)
    one.received(frame(time=1000), NOW)
    one.received(frame(time=2**32 - 1), NOW)
    one.closed(1006, "", NOW)
    opened(one)
    (request,) = one.take_requests()
    assert request.url.endswith("startTimestamp=1001")


def test_backfill_survives_transient_failures() -> None:
    service = Service(session())
    service.failures = [500, 429, 503, 0]
    sent = outage(service, 3)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))
    assert sum(isinstance(one, Rejected) for one in service.events) == 4


def test_backfill_gives_up_on_a_refusal() -> None:
    service = Service(session())
    service.failures = [401, 401]
    outage(service, 3)
    assert [end.complete for end in service.ends] == [False, False]
    rejected = [one for one in service.events if isinstance(one, Rejected)]
    assert [one.code for one in rejected] == ["HTTP 401", "HTTP 401"]
    assert rejected[0].about == f"backfill of {F1}"


def test_backfill_gives_up_after_five_failures() -> None:
    service = Service(ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE))
    service.failures = [500] * 5
    outage(service, 3)
    assert [end.complete for end in service.ends] == [False]
    times = [int(dict(one.headers)["X-Authorization-Timestamp"]) for one in service.requests]
    waits = [b - a for a, b in pairwise(times)]
    assert waits == [1000, 2000, 4000, 8000]


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
    opened(one)
    one.received(frame(), NOW)
    one.closed(1006, "", NOW)
    opened(one)
    (first,) = one.take_requests()
    assert one.deadline
    later = one.deadline
    assert later == NOW + 60 * SECOND
    (event,) = one.tick(later)
    assert isinstance(event, Rejected)
    assert event.meaning == "no answer came"
    assert one.deadline == later + SECOND
    one.tick(later + SECOND)
    (second,) = one.take_requests()
    assert second.url == first.url
    assert second.headers != first.headers


def test_a_page_that_comes_after_another_loss_is_taken() -> None:
    """Nothing is asked for while nothing is open, since signatures do not keep; nor twice."""
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
    opened(one)
    one.received(frame(), NOW)
    one.closed(1006, "", NOW)
    opened(one)
    (first,) = one.take_requests()
    one.received(frame(time=2000), NOW)
    one.closed(1006, "", NOW)
    body = json.dumps({"reports": [report(time=1500)]}).encode()
    late, *_ = one.replied(Reply(first.purpose, 200, body), NOW + SECOND)
    assert isinstance(late, Data)
    assert late.content.backfilled
    assert (one.take_requests(), one.deadline) == ([], None)
    later = NOW + 30 * SECOND
    opened(one, later)
    (second,) = one.take_requests()
    assert second.url.endswith("startTimestamp=1501"), "on from where it was"
    assert dict(second.headers)["X-Authorization-Timestamp"] == str(later // 10**6)
    (over,) = one.replied(Reply(second.purpose, 200, b'{"reports":[]}'), later)
    assert isinstance(over, Backfilled)
    assert over.complete


def test_a_page_that_nobody_fetched_is_asked_for_again() -> None:
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
    opened(one)
    one.closed(1006, "", NOW)
    one.opened(NOW)
    one.closed(1006, "", NOW)
    one.opened(NOW + SECOND)
    assert len(one.take_requests()) == 1


def test_requests_keep_the_services_pace() -> None:
    feeds = ["0x0003" + f"{index:060x}" for index in range(30)]
    one = ChainlinkSession(CREDENTIALS, feeds, endpoint=HERE)
    opened(one)
    one.closed(1006, "", NOW)
    now, made = NOW + SECOND, []
    waiting: list[Request] = []
    opened(one, now)
    while one.deadline is not None:
        requests = one.take_requests()
        made += [now for _ in requests]
        waiting += requests
        assert len(waiting) <= 4
        if len(waiting) == 4 or len(made) == 30:
            one.replied(Reply(waiting.pop(0).purpose, 200, b'{"reports":[]}'), now)
        else:
            assert one.deadline > now
            now = one.deadline
            one.tick(now)
    assert len(made) == 30
    assert all(sum(at - SECOND < other <= at for other in made) <= 10 for at in made)


def test_backfilled_answers_that_are_no_pages() -> None:
    for body, kinds_ in (
        (b"{}", [Broken, Backfilled]),
        (b"nonsense", [Broken, Backfilled]),
        (b'{"reports":[{}]}', [Broken, Backfilled]),
        (b'{"reports":[]}', [Backfilled]),
    ):
        one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
        opened(one)
        one.received(frame(), NOW)
        one.closed(1006, "", NOW)
        opened(one)
        (request,) = one.take_requests()
        assert kinds(one.replied(Reply(request.purpose, 200, body), NOW)) == kinds_
        assert one.take_requests() == []
        assert one.replied(Reply(request.purpose, 200, body), NOW) == [], "asked for no more"


def test_pages_that_do_not_advance_end_the_backfill() -> None:
    one = ChainlinkSession(CREDENTIALS, [F1], endpoint=HERE)
    opened(one)
    one.received(frame(time=2000), NOW)
    one.closed(1006, "", NOW)
    opened(one)
    (request,) = one.take_requests()
    body = json.dumps({"reports": [report(time=1)]}).encode()
    *_, end = one.replied(Reply(request.purpose, 200, body), NOW)
    assert end == Backfilled(F1, 2000, 1, complete=False)


def test_backfill_under_the_sdks_rule() -> None:
    service = Service(
        ChainlinkSession(
            CREDENTIALS, Stream([F1, F2], SdkDeduplicator()), endpoint=HERE
        )
    )  # fmt: skip
    sent = outage(service, 20)
    assert sorted(service.delivered(F1)) == list(range(1, sent + 1))


class Origins:
    """A service of several origins behind HA mode: a report a second, and its archive.

    A connection may be cut, which its session is told at once, or go deaf, which it is not. One
    that lags has what came read to its session late: when it is cut, or told to catch up.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.ha = ha(server.origins_headers(names))
        self.now, self.archive, self.events = NOW, list[dict[str, Any]](), list[Event]()
        self.hearing, self.up = set[int](), set[int]()
        self.unread: dict[int, list[str]] = {}

    def do(self, what: str, index: int) -> None:
        one = self.ha.sessions[index]
        if what == "open" and index not in self.up:
            self.events += opened(one, self.now)
            self.hearing.add(index)
            self.up.add(index)
        elif what == "lag" and index in self.hearing:
            self.unread.setdefault(index, [])
        elif what == "read":
            self.catch_up(index)
        elif what == "cut" and index in self.up:
            self.catch_up(index)
            self.events += one.closed(1006, "", self.now)
            self.up.discard(index)
        if what in ("cut", "deafen"):
            self.hearing.discard(index)

    def catch_up(self, index: int) -> None:
        for text in self.unread.pop(index, []):
            self.events += self.ha.sessions[index].received(text, self.now)

    def pass_a_second(self) -> None:
        message = report(F1, self.now // SECOND, len(self.archive))
        self.archive.append(message)
        text = json.dumps({"report": message})
        for index in sorted(self.hearing):
            if index in self.unread:
                self.unread[index].append(text)
            else:
                self.events += self.ha.sessions[index].received(text, self.now)
        self.now += SECOND
        for one in self.ha.sessions:
            while one.deadline is not None and one.deadline <= self.now:
                self.events += one.tick(self.now)
                for request in one.take_requests():
                    query = server.read_query(request.url.removeprefix(HERE.rest))
                    answer = server.answer(query, {F1: self.archive, F2: []})
                    self.events += one.replied(Reply(request.purpose, *answer), self.now)

    def delivered(self) -> list[str]:
        data = [one for one in self.events if isinstance(one, Data)]
        return [f"0x{one.content.full_report.hex()}" for one in data]


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
    published = [one["fullReport"] for one in service.archive]
    assert sorted(service.delivered()) == sorted(published)


# --- life cycles ----------------------------------------------------------------------------------

STEPS = st.lists(
    st.sampled_from(["dial", "open", "frame", "reply", "tick", "close", "refuse", "late"]),
    max_size=40,
)


@given(STEPS, st.integers(0, 5 * SECOND))
def test_any_life_cycle(steps: list[str], pace: int) -> None:
    """Whatever is called when, nothing raises, nothing is doubled, and a tick is done with now."""
    service = Service(session(silence=3 * SECOND))
    one, sent = service.session, 0
    waiting: list[Request] = []
    for step in steps:
        service.now += pace
        now = service.now
        if step == "dial":
            one.dial(now)
        elif step == "open":
            service.events += one.opened(now)
        elif step in ("frame", "late"):
            sent += 1
            service.publish(F1, sent, live=step == "frame")
        elif step == "reply" and waiting:
            service.events += one.replied(service._answer(waiting.pop()), now)
        elif step == "tick":
            service.events += one.tick(now)
        elif step == "close":
            events = one.closed(1006, "", now)
            assert isinstance(events[-1], Closed)
        elif step == "refuse":
            one.rejected(503, [], b"")
        if step == "tick":
            assert one.deadline is None or one.deadline > now
        # A signature is good for five seconds, so a driver makes requests at once.
        waiting = one.take_requests()
    prices = service.delivered(F1)
    assert len(set(prices)) == len(prices)


# --- secrets --------------------------------------------------------------------------------------


@given(st.binary(max_size=100), st.integers(0, 400), st.sampled_from([KEY, SECRET]))
def test_no_secret_in_what_is_said(padding: bytes, at: int, secret: str) -> None:
    one = ha(server.origins_headers(["a"]))
    first = one.sessions[0]
    dial = first.dial(NOW)
    body = padding + b"x" * at + secret.encode() + padding
    rejected, retry = first.rejected(401, [], body)
    closed = first.closed(1008, body.decode("latin-1"), NOW)
    group = HighAvailability(CREDENTIALS, [F1], endpoint=HERE)
    group.tick(NOW)
    (request,) = group.take_requests()
    refused = group.replied(Reply("origins", 401, body), NOW)
    with pytest.raises(PayloadError) as caught:
        one.rest.read_one(Reply("x", 401, body))
    signature = dict(dial.headers)["X-Authorization-Signature-SHA256"]
    error = caught.value
    shown = (
        dial, rejected, retry, closed, request, refused, error, error.to_dict(), first, one, group,
        one.rest, CREDENTIALS, first.stream, first.redact(secret), first.redact(secret.encode()),
        server.Account(Secret(SECRET)),
    )  # fmt: skip
    for thing in shown:
        for text in (repr(thing), str(thing)):
            for hidden in (KEY, SECRET, signature):
                assert hidden not in text
    for event in (rejected, *closed, *refused):
        for value in event.values:
            assert SECRET not in str(value)


@pytest.mark.parametrize("secret", [KEY, SECRET])
def test_no_secret_in_messages_that_repeat_it(secret: str) -> None:
    one = session()
    opened(one)
    whole = report()
    told: list[Event] = []
    for message in (
        {"error": secret}, {"report": {**whole, "feedID": secret}}, {"report": [secret]},
        {"report": {**whole, "fullReport": secret}}, {"report": {**whole, "note": secret}},
    ):  # fmt: skip
        told += one.received(json.dumps(message), NOW)
    told += one.received(f'{{"{secret}', NOW)
    assert kinds(told) == [Unknown, Broken, Broken, Broken, Data, Broken]
    one.closed(1006, "", NOW)
    for status, reports in (
        (200, [{"feedID": secret}, {**whole, "note": secret}]), (200, secret), (403, secret),
    ):  # fmt: skip
        one = session()
        opened(one)
        one.closed(1006, "", NOW)
        opened(one, NOW + SECOND)
        (request, *_) = one.take_requests()
        body = json.dumps({"reports": reports}).encode()
        told += one.replied(Reply(request.purpose, status, body), NOW + SECOND)
    assert {Rejected, Broken, Data} <= set(kinds(told[6:]))
    for event in told:
        assert secret not in str([getattr(value, "values", value) for value in event.values])
    with pytest.raises(PayloadError) as caught:
        one.rest.read_feeds(Reply("feeds", 200, json.dumps({"feeds": [secret]}).encode()))
    assert secret not in str(caught.value.to_dict())


# --- the simulator's checks -----------------------------------------------------------------------


def upgrade(one: ChainlinkSession, at: int = NOW) -> tuple[str, tuple[tuple[str, str], ...]]:
    dial = one.dial(at)
    return dial.url.removeprefix(HERE.ws), dial.headers


def without(headers: tuple[tuple[str, str], ...], name: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in headers if key != name)


@given(
    st.lists(st.sampled_from([F1, F2]), min_size=1),
    st.sampled_from([",", "%2C"]),
    st.integers(-5000, 5000),
    st.sampled_from(["", "a"]),
)
def test_the_sessions_upgrade_is_accepted(
    feeds: list[str], comma: str, off: int, origin: str
) -> None:
    one = ChainlinkSession(CREDENTIALS, feeds, endpoint=HERE, comma=comma, origin=origin)
    path, headers = upgrade(one)
    now = NOW + off * 10**6
    assert server.check_upgrade(path, headers, now, ACCOUNTS, origins=["a"]) is None
    lower = [(name.lower(), value) for name, value in headers]
    assert server.check_upgrade(path, lower, now, ACCOUNTS, origins=["a"]) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Authorization", "400"),
        ("X-Authorization-Timestamp", "400"),
        ("X-Authorization-Signature-SHA256", "400"),
    ],
)
def test_missing_headers(name: str, code: str) -> None:
    path, headers = upgrade(session())
    refused = server.check_upgrade(path, without(headers, name), NOW, ACCOUNTS)
    assert refused
    assert (refused.code, refused.about) == (code, name)
    assert name in refused.message


def refused_with(code: str, path: str, headers: Any, now: int = NOW, **options: Any) -> str:
    refused = server.check_upgrade(path, headers, now, options.pop("accounts", ACCOUNTS), **options)
    assert refused is not None
    assert refused.code == code
    assert refused.meaning == CODES.get(code, "")
    assert json.loads(server.body_of(refused))["message"] == refused.message
    return refused.message


def test_each_way_of_being_wrong() -> None:
    path, headers = upgrade(session())
    others = {KEY: server.Account(Secret("another-secret"))}
    assert "signature" in refused_with("401", path, headers, accounts=others)
    assert "key" in refused_with("401", path, headers, accounts={})
    for off in (5001, -5001, 60_000):
        assert "off" in refused_with("401", path, headers, NOW + off * 10**6)
    assert "feed" in refused_with("401", path, headers, feeds=[F1])
    permitted = {KEY: server.Account(Secret(SECRET), (F2,))}
    assert "feed" in refused_with("401", path, headers, accounts=permitted)
    assert "connections" in refused_with("429", path, headers, open_connections=20)
    assert "origin" in refused_with("400", path, (*headers, ("X-Cll-Origin", "z")))
    stamped = (*without(headers, "X-Authorization-Timestamp"), ("X-Authorization-Timestamp", "now"))
    assert "milliseconds" in refused_with("400", path, stamped)
    # What is signed must be what is sent: the other comma, another order, another case.
    assert "signature" in refused_with("401", path.replace(",", "%2C"), headers)
    swapped = f"/api/v1/ws?feedIDs={F2},{F1}"
    assert "signature" in refused_with("401", swapped, headers)
    assert "signature" in refused_with("401", path + "&x=1", headers)
    for bad in ("/api/v1/ws", "/api/v1/ws?feedIDs=", "/api/v1/ws?feedIDs=0x12", "/api/v1/ws?a=b"):
        assert "feed" in refused_with("400", bad, headers)
    refused_with("404", "/api/v2/ws", headers)
    refused_with("404", "/api/v1/feeds", headers)
    too_many = "/api/v1/ws?" + "&".join(f"a{i}=1" for i in range(200))
    refused_with("400", too_many, headers)


def test_each_way_of_being_wrong_over_rest() -> None:
    def code(method: str, path: str, headers: Any, **options: Any) -> str:
        refused = server.check_request(method, path, headers, NOW, ACCOUNTS, **options)
        return refused.code if refused else ""

    request = REST.latest(F1, NOW)
    path = request.url.removeprefix(HERE.rest)
    assert code("GET", path, request.headers) == ""
    assert code("POST", path, request.headers) == "405"
    assert code("GET", path, ()) == "400"
    assert code("GET", path, request.headers, body=b"x") == "401", "the body is signed too"
    assert code("GET", path, request.headers, feeds=[F2]) == "401"
    assert code("GET", path, request.headers, recent=[NOW] * 9) == ""
    assert code("GET", path, request.headers, recent=[NOW] * 10) == "429"
    assert code("GET", path, request.headers, recent=[NOW - 2 * SECOND] * 10) == ""
    for bad in ("/api/v1/reports?feedID=" + F1, "/api/v1/reports/latest", path + "," + F2):
        assert code("GET", bad, signed_headers(CREDENTIALS, "GET", bad, NOW)) == "400"
    for bad in ("timestamp=x", "timestamp=-1", "timestamp="):
        wrong = f"/api/v1/reports?feedID={F1}&{bad}"
        assert code("GET", wrong, signed_headers(CREDENTIALS, "GET", wrong, NOW)) == "400"
    assert code("GET", "/nowhere", ()) == "404"


@given(st.text(max_size=80), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=40))))
@example("/api/v1/ws?feedIDs=" + F1, [("Authorization", KEY), ("X-Authorization-Timestamp", "²")])
def test_no_request_raises(path: str, headers: list[tuple[str, str]]) -> None:
    _, good = upgrade(session())
    for given_ in (
        headers,
        [*headers, *good],
        [*good[:2], ("X-Authorization-Signature-SHA256", path)],
    ):
        for where in (path, "/api/v1/ws?" + path, f"/api/v1/ws?feedIDs={F1}"):
            server.check_upgrade(where, given_, NOW, ACCOUNTS)
            server.check_request("GET", where, given_, NOW, ACCOUNTS)


def test_a_page_ends_with_a_second() -> None:
    archive = {F1: [report(F1, time, price) for time in (1, 2, 3) for price in (1, 2, 3)]}
    status, body = server.answer(server.Query("page", (F1,), 1, 4), archive)
    assert status == 200
    assert [one["observationsTimestamp"] for one in json.loads(body)["reports"]] == [1] * 3 + [
        2
    ] * 3
    assert server.answer(server.Query("latest", (F2,)), archive)[0] == 404
