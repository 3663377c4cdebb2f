"""Stork's session, taxonomy and the simulator's checks: all pure, all on invented time."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payloads import stork as payload
from payloads.errors import Malformed, Misuse, PayloadError, Refused
from payloads.stork.update import Asset, UnsignedUpdate
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.redactor import Message, Redactor, Secret
from payloads.venues.common.session import (
    SECOND,
    Broken,
    Closed,
    Data,
    Event,
    Opened,
    Rejected,
    Reply,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
)
from payloads.venues.stork import server
from payloads.venues.stork.codes import CODES, refusal
from payloads.venues.stork.rest import (
    DEV,
    MAIN,
    Taxonomy,
    instance,
    read_taxonomy,
    taxonomy_request,
)
from payloads.venues.stork.session import CHANNELS, MESSAGE_TYPES, Assumed, StorkSession
from payloads.venues.stork.taxonomy import TaxonomyRead
from tests.checks import outcome
from tests.strategies import FRAMES, JSON
from tests.venues.stork.kit import (
    HERE,
    NOW,
    TOKEN,
    kinds,
    sent,
    session,
    signed,
    taxonomy,
    unsigned,
)

DOCUMENTED = {
    "type": "unsigned",
    "tax": 1,
    "ts": 1764608698685038908,
    "a": [
        {"id": 1, "v": "999875000000000069"},
        {"id": 2, "v": "999825006250000036"},
        {"id": 10, "v": "12693413125000001073"},
        {"id": 34, "v": "2739391501743055414408"},
    ],
}
SEED = (
    "0x435766eac9298f4dcbfe8bdfe46361161d6eeca88f783e3cd215db90c0581cd1511382180840e70bfd43e5382"
    "aa4e4c2910aca251ee2c3a5e27d5343fb105556010001187d265fe630404b000100000000000000000de029bae7"
    "734fef000200000000000000000ddffc432d25cd5c000a0000000000000000b02db33d2f95811c0022000000000"
    "000009480fc8e62b51ff1ac"
)
FIRST = (
    "690a1cce3cf72e889b699ef800fb80ba47c123ce7422517bfcd2ce0c701423a12938fb6fcf4424c21e39688cd41"
    "dd8919b149642b590328ada7532c88b5f0d6b010001187f4dcc627041f8000100000000000000056bc75e2d6310"
    "0000"
)
SECOND_ONE = (
    "e2c0c8ed493d2a7ced7092010bf670c59c33a54d374416a612ebc4064faac878430e96f68a1d2a7f530b5177034"
    "0e56edca3d587646ee23aef36a3c09321da0e000001187f506ddec854e00007ffffffffffffffda0d8c6cc24a90"
    "0000"
)
VERSIONED = (
    "0xc8a24321a3f048143b54784ce120006b188cd2c6ff10100a24e655253bb870b3398a898330b3a8e25e222c230"
    "0660e77b6e66065878893d7af2f8ff92822c99e01ff0200030001187d26431cafa13c0001000000000000000"
    "00de04503d2cb3045ff2ee1000000000000000000173c1868d4c00001"
)
PUBLISHED_SIGNER = "0xc4a02e7d370402f4afc36032076b05e74ff81786"


# --- dialling -------------------------------------------------------------------------------------


def test_dial() -> None:
    dial = StorkSession(TOKEN).dial(NOW)
    assert dial.url == (
        "wss://fast.jp.stork-oracle.network/ws?channel=real_time&message_type=signed_ecdsa"
    )
    assert dial.headers == (("Authorization", "Basic gmork123"),)
    assert dial.secret_headers == ("Authorization",)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("message_type", MESSAGE_TYPES)
@pytest.mark.parametrize("market_status", [False, True])
def test_every_channel_and_type(channel: str, message_type: str, market_status: bool) -> None:
    one = session(channel=channel, message_type=message_type, market_status=market_status)
    path = one.dial(NOW).url.removeprefix(HERE)
    assert ("addtl_attrs=ms" in path) == market_status
    assert server.read_upgrade(path) == server.Upgrade(channel, message_type, market_status)


def test_channels() -> None:
    assert list(CHANNELS) == ["10ms", "20ms", "50ms", "100ms", "500ms", "1s", "real_time"]
    assert CHANNELS["1s"] == SECOND
    assert CHANNELS["10ms"] == 10_000_000
    assert CHANNELS["real_time"] is None


def test_endpoints() -> None:
    assert MAIN == "wss://fast.jp.stork-oracle.network"
    assert DEV == "wss://fast.dev.stork-oracle.network"
    assert instance("abc-1") == "wss://abc-1.fast.jp.stork-oracle.network"
    for bad in ("", "a.b", "a/b", "é", "a b", "-"):
        with pytest.raises(Misuse):
            instance(bad)


def test_misuse_is_told() -> None:
    for options in (
        {"channel": "2s"},
        {"message_type": "signed"},
        {"endpoint": "https://a"},
        {"endpoint": "wss://a/ws"},
        {"silence": 0},
        {"assets": [65536]},
        {"assets": [-1]},
        {"assets": [True]},
        {"assets": [1.0]},
        {"assets": [""]},
    ):
        with pytest.raises(Misuse):
            StorkSession(TOKEN, **options)
    for token in ("Basic gmork123", "a\r\nb", "tök"):
        with pytest.raises(Misuse) as caught:
            StorkSession(Secret(token))
        assert token not in str(caught.value)


# --- subscriptions --------------------------------------------------------------------------------


def test_subscriptions_are_sent_on_every_opening() -> None:
    one = session([1, 2, 10, 34, 2])
    assert one.take() == []
    assert one.opened(NOW) == [Opened()]
    assert one.take() == ['{"type":"subscribe","assets":[1,2,10,34]}']
    one.closed(1006, "", NOW)
    one.subscribe(7)
    one.unsubscribe(2)
    assert one.take() == []
    one.opened(NOW)
    assert sent(one) == [{"type": "subscribe", "assets": [1, 10, 34, 7]}]


def test_unsubscribe_is_spelled_so_that_it_works() -> None:
    one = session([1, 2, 10, 34])
    one.opened(NOW)
    one.take()
    one.unsubscribe(1, 2, 10, 99)
    assert one.take() == ['{"type":"unsubscribe","assets":[1,2,10]}']
    assert one.assets == (34,)
    one.unsubscribe(1)
    one.subscribe(34)
    assert one.take() == []


def test_a_lost_connection_sends_nothing_of_its_own_to_the_next() -> None:
    one = session([1])
    one.opened(NOW)
    one.subscribe(2)
    one.closed(1006, "", NOW)
    assert one.take() == []
    assert one.deadline is None
    assert one.tick(NOW + 100 * SECOND) == []


@pytest.mark.parametrize("message", [signed(1, 2), unsigned(1, 2)])
def test_first_data_confirms(message: str) -> None:
    one = session([1, 2, 3])
    one.opened(NOW)
    events = one.received(message, NOW)
    assert events[:2] == [Subscribed("1"), Subscribed("2")]
    assert kinds(events[2:]) == [Data]
    # Once is enough; and the same message again is nothing new.
    (data,) = [event for event in events if isinstance(event, Data)]
    update = data.content if data.payload is None else payload.decode(data.payload)
    time = update.timestamp_ns
    assert one.received(message, NOW) == [Duplicate(one.channel, data.content, time)]
    assert time > 10**18
    assert one.repeated == 1
    one.opened(NOW)
    assert kinds(one.received(message, NOW))[-1] is Data
    assert one.deadline == NOW + 5 * SECOND
    assert one.tick(NOW + 5 * SECOND) == [Assumed("3")]
    assert one.deadline is None


def test_without_data_a_timer_confirms() -> None:
    one = session([1, 2], confirm_after=SECOND)
    one.opened(NOW)
    assert one.tick(NOW + SECOND - 1) == []
    events = one.tick(NOW + SECOND)
    assert events == [Assumed("1"), Assumed("2")]
    assert all(isinstance(event, Subscribed) for event in events)
    one.unsubscribe(1)
    assert one.deadline == 0, "its time begins with the next call that tells it"
    assert one.tick(NOW + 2 * SECOND) == []
    assert one.tick(NOW + 3 * SECOND) == [Unsubscribed("1")]
    assert one.deadline is None


def test_an_echo_is_an_acknowledgement() -> None:
    one = session([1, 2])
    one.opened(NOW)
    assert one.received('{"type":"subscribe","assets":[1]}', NOW) == [Subscribed("1")]
    one.unsubscribe(1)
    assert one.received('{"type":"unsubscribe","assets":[1,2]}', NOW) == [Unsubscribed("1")]
    assert kinds(one.received('{"type":"subscribe","assets":[1]}', NOW)) == [Unknown]
    assert kinds(one.received('{"type":"subscribe","assets":"1"}', NOW)) == [Unknown]


def test_changing_one_s_mind() -> None:
    one = session([1])
    one.opened(NOW)
    one.unsubscribe(1)
    one.subscribe(1)
    spoken = [(message["type"], message["assets"]) for message in sent(one)]
    assert spoken == [("subscribe", [1]), ("unsubscribe", [1]), ("subscribe", [1])]
    assert one.tick(NOW) == []
    assert one.tick(NOW + 9 * SECOND) == [Assumed("1")]


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "taxonomy_id", "timestamp", "assets", "signer"),
    [
        (FIRST, 1, 1765215119172715000, {1: 100000000000000000000}, PUBLISHED_SIGNER),
        (SECOND_ONE, 1, 1765218011771852000, {7: -700000000000000000000}, PUBLISHED_SIGNER),
        (
            SEED, 1, 1764608822324772939,
            {
                1: 999844999999999983, 2: 999795007749999964, 10: 12695000000000000284,
                34: 2739412583194596209068,
            },
            "0x3db9e960ecfccb11969509fab000c0c96dc51830",
        ),
        (
            VERSIONED, 1, 1764608698685038908,
            {1: 999875000000000069, 12001: 6540000000000000}, PUBLISHED_SIGNER,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("binary", [False, True])
def test_signed_vectors(
    text: str, taxonomy_id: int, timestamp: int, assets: dict[int, int], signer: str, binary: bool
) -> None:
    message: Message = json.dumps({"type": "signed_ecdsa", "p": text})
    if binary:
        message = str(message).encode()
    one = session(list(assets), channel="100ms")
    one.opened(NOW)
    *confirmed, event = one.received(message, NOW)
    assert confirmed == [Subscribed(str(one)) for one in assets]
    assert isinstance(event, Data)
    assert event.channel == "100ms"
    assert event.payload == bytes.fromhex(text.removeprefix("0x"))
    update = payload.decode(event.payload)
    assert (update.taxonomy_id, update.timestamp_ns) == (taxonomy_id, timestamp)
    assert {asset.asset_id: asset.value for asset in update.assets} == assets
    found = payload.recover(update)[0].address
    assert found
    assert found.lower() == signer


def test_versioned_vector_has_market_statuses() -> None:
    update = payload.decode(VERSIONED)
    assert (update.layout, update.mask) == ("versioned", 3)
    assert [asset.market_status for asset in update.assets] == [None, 1]


def test_seed_vector_digest() -> None:
    assert payload.decode(SEED).signing_digest.hex().removeprefix("0x") == (
        "61c60146fedb2562d5989f4d25f96ca9b045a786e2a72547839b18963701b763"
    )


def test_unsigned_vector() -> None:
    (event,) = session().received(json.dumps(DOCUMENTED), NOW)
    assert isinstance(event, Data)
    assert event.payload is None
    assert event.content == UnsignedUpdate(
        1,
        1764608698685038908,
        (
            Asset(1, 999875000000000069),
            Asset(2, 999825006250000036),
            Asset(10, 12693413125000001073),
            Asset(34, 2739391501743055414408),
        ),
    )


def test_unsigned_market_status() -> None:
    message = DOCUMENTED | {"a": [{"id": 1, "v": "1", "ms": 3}, {"id": 2, "v": "-2"}]}
    (event,) = session().received(json.dumps(message), NOW)
    assert isinstance(event, Data)
    assert event.content.assets == (Asset(1, 1, 3), Asset(2, -2))


@pytest.mark.parametrize(
    "text", ['{"type":"errors","m":1}', '{"type":[]}', "{}", "[]", "3", '{"type":"SIGNED_ECDSA"}']
)
def test_unknown_types_pass_through(text: str) -> None:
    (event,) = session().received(text, NOW)
    assert event == Unknown(json.loads(text), text)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"type":"signed_ecdsa"}',
        '{"type":"signed_ecdsa","p":1}',
        '{"type":"signed_ecdsa","p":"0x"}',
        '{"type":"signed_ecdsa","p":"0xzz"}',
        '{"type":"unsigned"}',
        '{"type":"unsigned","tax":1,"ts":1.5,"a":[]}',
        '{"type":"unsigned","tax":1,"ts":1,"a":[{"id":65536,"v":"1"}]}',
        '{"type":"unsigned","tax":1,"ts":1,"a":[{"id":1,"v":"1.5"}]}',
    ],
)
def test_broken_messages(text: str) -> None:
    (event,) = session().received(text, NOW)
    assert isinstance(event, Broken)
    assert event.raw == text


def test_a_payload_that_cannot_be_read_is_passed_on() -> None:
    one = session([1])
    one.opened(NOW)
    (event,) = one.received('{"type":"signed_ecdsa","p":"0x1234"}', NOW)
    assert isinstance(event, Data)
    assert event.payload == b"\x12\x34"


MESSAGES = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    JSON.map(json.dumps),
    FRAMES.map(json.dumps),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["signed_ecdsa", "unsigned", "subscribe", "unsubscribe", "x"])},
        optional={
            "p": st.sampled_from([SEED, VERSIONED, "0x"]) | JSON,
            "assets": JSON | st.lists(st.integers(0, 4)),
            "tax": JSON,
            "ts": JSON,
            "a": JSON,
        },
    ).map(json.dumps),
)


@given(st.lists(MESSAGES, max_size=6))
@example(
    ["[" * 100_000, '{"type":"unsigned","ts":' + "9" * 5000 + "}", '{"a":-1e' + "9" * 30 + "}"]
)
def test_nothing_a_server_sends_raises(messages: list[str | bytes]) -> None:
    one = session([0, 1, 2], channel="1s")
    one.opened(NOW)
    for index, message in enumerate(messages):
        events = one.received(message, NOW + index)
        assert events
        repr(events)
        for event in events:
            assert isinstance(
                event, Data | Duplicate | Unknown | Broken | Subscribed | Unsubscribed
            )
            if isinstance(event, Unknown | Broken):
                assert event.raw == message


# --- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANNELS)
def test_silence_on_fixed_rate_channels(channel: str) -> None:
    one = session([1], channel=channel)
    one.opened(NOW)
    one.received(signed(1), NOW)
    stalled = one.tick(NOW + 5 * SECOND)
    assert stalled == ([] if channel == "real_time" else [Stalled(5 * SECOND)])
    assert one.tick(NOW + 60 * SECOND) == []


def test_what_never_began_has_not_stopped() -> None:
    one = session([1], channel="10ms")
    one.opened(NOW)
    assert one.tick(NOW + 60 * SECOND) == [Assumed("1")], "nothing permitted, nothing sent"


def test_who_wants_nothing_misses_nothing() -> None:
    one = session([1], channel="10ms")
    one.opened(NOW)
    one.received(signed(1), NOW)
    one.unsubscribe(1)
    one.received(signed(1), NOW + SECOND)  # was on its way
    assert one.tick(NOW + 60 * SECOND) == [Unsubscribed("1")]
    one = session([1], silence=SECOND)
    one.opened(NOW)
    one.received(signed(1), NOW)
    assert one.tick(NOW + SECOND) == [Stalled(SECOND)], "asked for, so on real_time too"


# --- the taxonomy ---------------------------------------------------------------------------------


def test_taxonomy_request() -> None:
    request = taxonomy_request(TOKEN)
    assert request.url == "https://fast.jp.stork-oracle.network/v1/taxonomy"
    assert (request.method, request.headers) == ("GET", (("Authorization", "Basic gmork123"),))
    assert taxonomy_request(TOKEN, HERE).url == "http://127.0.0.1:4200/v1/taxonomy"
    assert server.check_request("GET", "/v1/taxonomy", request.headers, NOW, [TOKEN]) is None


def test_read_taxonomy() -> None:
    body = b'{"taxonomy_id":1,"assets":[{"name":"BTCUSD","asset_id":3},{"name":"X","asset_id":3}]}'
    found = read_taxonomy(Reply("taxonomy", 200, body))
    assert found == Taxonomy(1, {"BTCUSD": 3, "X": 3})
    assert (found.id_of("BTCUSD"), found.name_of(3), found.name_of(4)) == (3, "BTCUSD", "")
    with pytest.raises(Misuse):
        found.id_of("ETHUSD")
    with pytest.raises(Refused, match="no such token"):
        read_taxonomy(Reply("taxonomy", 401, b'{"error":"no such token"}'))
    for bad in (b"[]", b"{}", b"x", b'{"assets":[]}', b'{"taxonomy_id":1,"assets":[{"name":"a"}]}'):
        with pytest.raises(Malformed):
            read_taxonomy(Reply("taxonomy", 200, bad))


@given(
    st.sampled_from([200, 200, 401, 500]), st.binary() | JSON.map(lambda x: json.dumps(x).encode())
)
def test_taxonomies_raise_the_family_only(status: int, body: bytes) -> None:
    assert not isinstance(outcome(read_taxonomy, Reply("taxonomy", status, body)), Misuse)
    one = session(["A"])
    one.opened(NOW)
    one.take_requests()
    repr(one.replied(Reply("taxonomy", status, body), NOW))


def test_names_are_subscribed_once_the_taxonomy_is_read() -> None:
    one = session(["BTCUSD", 7, "NOPE"])
    one.opened(NOW)
    assert sent(one) == [{"type": "subscribe", "assets": [7]}]
    assert [request.purpose for request in one.take_requests()] == ["taxonomy"]
    read, unknown = one.replied(taxonomy({"BTCUSD": 3, "ETHUSD": 4}), NOW)
    assert read == TaxonomyRead(Taxonomy(1, {"BTCUSD": 3, "ETHUSD": 4}))
    assert isinstance(unknown, Rejected)
    assert unknown.about == "NOPE"
    assert sent(one) == [{"type": "subscribe", "assets": [3]}]
    assert one.assets == (3, 7)
    # A name that is known needs no more asking; one that is not may be new.
    one.subscribe("ETHUSD")
    assert sent(one) == [{"type": "subscribe", "assets": [4]}]
    one.unsubscribe("BTCUSD", "NOPE")
    assert sent(one) == [{"type": "unsubscribe", "assets": [3]}]
    assert one.take_requests() == []
    one.subscribe("NEW")
    assert one.deadline == 0
    one.tick(NOW)
    assert len(one.take_requests()) == 1


def test_a_name_that_is_asked_for_while_the_taxonomy_is_on_its_way() -> None:
    one = session(["BTCUSD"])
    one.opened(NOW)
    assert len(one.take_requests()) == 1
    one.subscribe("ETHUSD")
    assert one.take_requests() == [], "the answer has it"
    assert one.tick(NOW + SECOND) == [], "and has its time"
    one.replied(taxonomy({"BTCUSD": 3, "ETHUSD": 4}), NOW)
    assert sent(one) == [{"type": "subscribe", "assets": [3, 4]}]


def test_a_new_taxonomy_moves_subscriptions() -> None:
    one = session(["BTCUSD"])
    one.opened(NOW)
    one.replied(taxonomy({"BTCUSD": 3}), NOW)
    one.closed(1006, "", NOW)
    one.take_requests()
    one.opened(NOW)
    assert sent(one) == [{"type": "subscribe", "assets": [3]}], "at once, by what was known"
    assert len(one.take_requests()) == 1
    (read,) = one.replied(taxonomy({"BTCUSD": 4}, 2), NOW)
    assert read == TaxonomyRead(Taxonomy(2, {"BTCUSD": 4}), changed=True)
    spoken = [(message["type"], message["assets"]) for message in sent(one)]
    assert spoken == [("unsubscribe", [3]), ("subscribe", [4])]


def test_ids_alone_need_no_taxonomy() -> None:
    one = session([1])
    one.opened(NOW)
    assert one.take_requests() == []
    one = session([1], taxonomy=True)
    one.opened(NOW)
    assert len(one.take_requests()) == 1
    assert one.replied(Reply("other", 200, b""), NOW) == []


def test_the_taxonomy_is_asked_for_again_after_a_failure() -> None:
    one = session(["A"])
    one.opened(NOW)
    now, waits = NOW, []
    for _ in range(4):
        assert len(one.take_requests()) == 1
        (event,) = one.replied(Reply("taxonomy", 503, b""), now)
        assert isinstance(event, Rejected)
        assert one.deadline
        waits.append((one.deadline - now) // SECOND)
        now = one.deadline
        one.tick(now)
    assert waits == [1, 2, 4, 8]
    one.replied(Reply("taxonomy", 503, b""), now)
    assert one.deadline is None, "five times is enough"


def test_a_refused_taxonomy_is_not_asked_for_again() -> None:
    one = session(["A"])
    one.opened(NOW)
    one.take_requests()
    (event,) = one.replied(Reply("taxonomy", 401, b'{"error":"bad token"}'), NOW)
    assert isinstance(event, Rejected)
    assert (event.code, event.message, event.about) == ("HTTP 401", "bad token", "taxonomy")
    assert one.deadline is None


def test_a_taxonomy_that_never_comes() -> None:
    one = session(["A"])
    one.opened(NOW)
    one.take_requests()
    (event,) = one.tick(NOW + 60 * SECOND)
    assert isinstance(event, Rejected)
    assert (event.code, event.meaning) == ("no answer", "no answer came")
    one.tick(NOW + 61 * SECOND)
    assert len(one.take_requests()) == 1


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "again"),
    [(400, False), (401, False), (403, False), (404, False), (429, True), (500, True), (503, True)],
)
def test_refusals(status: int, again: bool) -> None:
    rejected, retry = session().rejected(status, [("Retry-After", "9")], b'{"error":"why"}')
    assert (rejected.code, rejected.message) == (f"HTTP {status}", "why")
    assert rejected.meaning == CODES[str(status)]
    assert retry.again == again
    assert retry.at_least == (9 * SECOND if again else 0)


@given(st.integers(-9, 999), st.lists(st.tuples(st.text(), st.text())), st.binary())
def test_no_refusal_raises(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    hints = [("Retry-After", text) for _, text in headers]
    rejected, retry = refusal(status, [*headers, *hints], body, Redactor(TOKEN))
    assert rejected.meaning
    assert retry.at_least >= 0


def test_closing_is_put_in_words() -> None:
    (event,) = session().closed(1001, "bye", NOW)
    assert isinstance(event, Closed)
    assert event.retry.why == "1001: the server is going away (bye)"
    assert event.retry.again


# --- life cycles ----------------------------------------------------------------------------------

ASSETS = st.lists(st.sampled_from([1, 2, 3, "A", "B", "C"]), max_size=3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "subscribe", "unsubscribe", "data", "echo", "tick", "reply", "fail", "close"]
        ),
        ASSETS,
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 20 * SECOND))
def test_any_life_cycle(steps: list[tuple[str, list[int | str]]], pace: int) -> None:
    """Whatever is called when, the service's subscriptions are what the session says they are."""
    one, now, there, is_open = session(channel="1s"), NOW, set[int](), False
    known = {"A": 1, "B": 20, "C": 30}
    for step, assets in steps:
        now += pace
        events: list[Event] = []
        if step == "open":
            events, is_open, there = one.opened(now), True, set()
        elif step == "subscribe":
            one.subscribe(*assets)
        elif step == "unsubscribe":
            one.unsubscribe(*assets)
        elif step == "data" and is_open:
            events = one.received(signed(*(one for one in assets if isinstance(one, int))), now)
        elif step == "echo" and is_open:
            events = one.received(json.dumps({"type": "subscribe", "assets": assets}), now)
        elif step == "tick":
            events = one.tick(now)
            assert one.deadline is None or one.deadline > now
        elif step in ("reply", "fail") and one.take_requests():
            reply = taxonomy(known) if step == "reply" else Reply("taxonomy", 500, b"")
            events = one.replied(reply, now)
        elif step == "close":
            events, is_open = one.closed(1006, "", now), False
            assert isinstance(events[-1], Closed)
        for event in events:
            if isinstance(event, Subscribed):
                assert int(event.what) in there
            if isinstance(event, Unsubscribed):
                assert int(event.what) not in there
        for message in one.take():
            assert is_open
            command = server.read_command(message)
            (there.update if command.kind == "subscribe" else there.difference_update)(
                command.assets
            )
        if is_open:
            assert there == set(one.assets)


# --- secrets --------------------------------------------------------------------------------------


@given(st.binary(max_size=100), st.integers(0, 400))
def test_no_secret_in_what_is_said(padding: bytes, at: int) -> None:
    one = session(["A"])
    secret = TOKEN.reveal()
    body = padding + b"x" * at + secret.encode() + padding
    dial = one.dial(NOW)
    events = [*one.opened(NOW), *one.replied(Reply("taxonomy", 401, body), NOW)]
    refused = one.rejected(401, [], body)
    events += one.closed(1008, body.decode("latin-1"), NOW)
    with pytest.raises(PayloadError) as caught:
        read_taxonomy(Reply("taxonomy", 403, body), Redactor(TOKEN))
    request = taxonomy_request(TOKEN)
    for thing in (dial, one, events, refused, caught.value, caught.value.to_dict(), request, TOKEN):
        assert secret not in repr(thing)
        assert secret not in str(thing)
    for event in (*events, *refused):
        for value in event.values:
            assert secret not in str(value)
    for said in ({"error": secret}, {"taxonomy_id": 1, "assets": [{"name": 7, "id": secret}]}):
        one.opened(NOW)
        answer = Reply("taxonomy", 200, json.dumps(said).encode())
        (broken,) = one.replied(answer, NOW)
        assert isinstance(broken, Broken)
        assert secret not in f"{broken.values} {broken.error.to_dict()}"
    assert secret not in one.redact(f'{{"token":"{secret}"}}')
    assert secret.encode() not in one.redact(secret.encode())
    assert one.redact('{"type":"subscribe","assets":[1]}') == '{"type":"subscribe","assets":[1]}'


# --- the simulator's checks -----------------------------------------------------------------------


def test_the_sessions_upgrade_is_accepted() -> None:
    dial = session(channel="1s", market_status=True).dial(NOW)
    path = dial.url.removeprefix(HERE)
    assert server.check_upgrade(path, dial.headers, [Secret("other"), TOKEN]) is None
    offered = (*dial.headers, ("sec-websocket-extensions", "permessage-deflate; x=1"))
    assert server.check_upgrade(path, offered, [TOKEN], needs_deflate=True) is None
    assert server.check_upgrade("/ws", dial.headers, [TOKEN]) is None, "the documented example"
    assert server.read_upgrade("/ws") == server.Upgrade()


BASE64 = "Basic " + base64.b64encode(b"gmork123").decode()


@pytest.mark.parametrize(
    ("path", "headers", "code", "about"),
    [
        ("/ws", [], "401", "Authorization"),
        ("/ws", [("Authorization", "")], "401", "Authorization"),
        ("/ws", [("Authorization", "gmork123")], "401", "Authorization"),
        ("/ws", [("Authorization", "Bearer gmork123")], "401", "Authorization"),
        ("/ws", [("Authorization", "Basic ")], "401", "Authorization"),
        ("/ws", [("Authorization", "Basic gmork124")], "401", "Authorization"),
        ("/ws", [("Authorization", "Basic gmork123 ")], "401", "Authorization"),
        ("/ws", [("Authorization", BASE64)], "401", "Authorization"),
        ("/ws?channel=2s", [("Authorization", "Basic gmork123")], "400", "channel"),
        ("/ws?message_type=x", [("Authorization", "Basic gmork123")], "400", "message_type"),
        ("/ws?addtl_attrs=x", [("Authorization", "Basic gmork123")], "400", "addtl_attrs"),
        ("/ws?" + "a=1&" * 200, [("Authorization", "Basic gmork123")], "400", "query"),
        ("/", [("Authorization", "Basic gmork123")], "404", "/"),
    ],
)
def test_each_way_of_being_wrong(
    path: str, headers: list[tuple[str, str]], code: str, about: str
) -> None:
    refused = server.check_upgrade(path, headers, [TOKEN])
    assert refused
    assert (refused.code, refused.about) == (code, about)
    assert refused.meaning == CODES[code]
    assert json.loads(server.body_of(refused)) == {"error": refused.message}
    assert "gmork" not in repr(refused)


def test_deflate_can_be_insisted_on() -> None:
    dial = session().dial(NOW)
    path = dial.url.removeprefix(HERE)
    refused = server.check_upgrade(path, dial.headers, [TOKEN], needs_deflate=True)
    assert refused
    assert refused.code == "400"


def test_commands() -> None:
    subscribe = '{"type":"subscribe","assets":[1,2,10,34]}'
    assert server.read_command(subscribe) == server.Command("subscribe", (1, 2, 10, 34))
    unsubscribe = b'{"type":"unsubscribe","assets":[1,2,10]}'
    assert server.read_command(unsubscribe) == server.Command("unsubscribe", (1, 2, 10))
    for bad in (
        '{"type":"usubscribe","assets":[1]}',
        '{"type":"unsubscribe","data":[1]}',
        '{"type":"subscribe","assets":["BTCUSD"]}',
        '{"type":"subscribe","assets":[65536]}',
        '{"type":"subscribe","assets":[-1]}',
        '{"type":"subscribe","assets":[true]}',
        '{"type":"subscribe","assets":[1.0]}',
        '{"type":"subscribe","assets":1}',
        "[]",
        "x",
    ):
        with pytest.raises(Malformed):
            server.read_command(bad)
    with pytest.raises(Malformed):
        server.read_command(subscribe, known=[1, 2, 10])


def test_requests_are_checked() -> None:
    def code(method: str, path: str, headers: Any, **options: Any) -> str:
        refused = server.check_request(method, path, headers, NOW, [TOKEN], **options)
        return refused.code if refused else ""

    good = taxonomy_request(TOKEN).headers
    assert code("GET", "/v1/taxonomy", good) == ""
    assert code("GET", "/v1/taxonomy", ()) == "401"
    assert code("POST", "/v1/taxonomy", good) == "405"
    assert code("GET", "/v1/other", good) == "404"
    assert code("GET", "/v1/taxonomy", good, recent=[NOW] * 4) == ""
    assert code("GET", "/v1/taxonomy", good, recent=[NOW] * 5) == "429"


@given(
    st.text(max_size=60), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=30))), MESSAGES
)
def test_no_request_raises(path: str, headers: list[tuple[str, str]], message: Message) -> None:
    for given_ in (
        headers,
        [*headers, ("Authorization", path)],
        [("Authorization", "Basic gmork123")],
    ):
        for where in (path, "/ws?" + path, "/v1/taxonomy"):
            server.check_upgrade(where, given_, [TOKEN], needs_deflate=True)
            server.check_request("GET", where, given_, NOW, [TOKEN])
    outcome(server.read_command, message)
