"""What ETHGas' session makes of messages, whatever they are."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.pending import RequestFailed
from payloads.venues.common.session import SECOND, Broken, Closed, Data, Reply, Request, Unknown
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.codes import ORDER_STATUS, ORDER_TYPES, meaning
from payloads.venues.ethgas.protocol import DRAFT, OFFICIAL
from payloads.venues.ethgas.records import QUERIES, Book, Slot, Trade
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.ethgas.updates import Answered, Update
from tests.venues.ethgas.kit import (
    BOOK,
    LOGGED_IN,
    ORDERS,
    PRIVATE_KEY,
    ack,
    answer_all,
    by_token,
    objects,
    private,
    serve,
    trees,
)
from tests.venues.kit import NOW, only, say, sent


def test_the_spec_s_messages() -> None:
    session = EthgasSession()
    session.opened(NOW)
    book = {
        "a": [],
        "b": [{"p": "0.00000000005", "q": "5861476"}],
        "I": "ETH-PC-863",
        "t": 1736751224941,
    }
    message = {"e": "orderBookUpdate", "E": 1736751224943, "s": "ETH-PC-863", "P": book}
    (data,) = say(session, message)
    assert data == Data(
        "orderBookUpdate",
        Update(
            "orderBookUpdate",
            1736751224943,
            "ETH-PC-863",
            "",
            Book("ETH-PC-863", ((Decimal("0.00000000005"), Decimal(5861476)),), (), 1736751224941),
        ),
    )
    session.request("currentSlot")
    assert sent(session) == [{"op": "query", "args": [{"queryType": "currentSlot"}]}]
    reply = {"t": 1739527942002, "s": 603410, "r": 4000}
    slot = Slot(603410, 1739527942002, 4000)
    assert say(session, {"q": "currentSlot", "P": reply}) == [Answered("currentSlot", slot)]
    counted = {"event": "…", "channel": "orderBookUpdate", "count": 1, "connId": "25f9ee2c"}
    (event,) = say(session, counted)
    assert isinstance(event, Unknown)
    (event,) = say(session, {"event": "error", "code": 1001, "msg": "…", "connId": "25f9ee2c"})
    assert (event.code, event.about) == ("1001", "")


def test_trades_and_others() -> None:
    session = EthgasSession()
    trade = {"i": "ETH-WB-1", "p": "0.1", "q": 3, "s": True, "d": 17, "t": 0}
    (data,) = say(session, {"e": "recentTradeUpdate", "P": [trade], "a": "Snapshot"})
    assert data.content.payload == (Trade("ETH-WB-1", Decimal("0.1"), Decimal(3), True, 17, 0),)
    assert data.content.action == "Snapshot"
    (data,) = say(session, {"e": "of tomorrow", "P": {"d": "1"}})
    assert data.content.payload == {"d": "1"}


def test_a_private_query_waits_for_the_login_and_a_public_one_does_not() -> None:
    session, server = private()
    session.opened(NOW)
    session.request("openOrders")
    session.request("currentSlot")
    asked = [one["args"][0].get("queryType") for one in sent(session) if one["op"] == "query"]
    assert asked == ["currentSlot"]
    say(session, ack(BOOK))
    say(session, {"q": "currentSlot", "P": {"s": 1}})
    answer_all(session, server, NOW)
    assert [one["op"] for one in sent(session)] == ["login"]
    say(session, LOGGED_IN)
    assert [one["op"] for one in sent(session)] == ["subscribe", "query"]
    say(session, ack(ORDERS))
    # Its time begins now.
    event = only(session.tick(NOW + 10 * SECOND), RequestFailed)
    assert (event.code, event.about) == ("no answer", "query openOrders")


def test_a_query_without_a_reply_is_told() -> None:
    session = EthgasSession(ping_every=None)
    session.opened(NOW)
    for _ in range(2):
        session.request("currentSlot")
    assert session.deadline == 0, "the driver is asked to send it, and to tell the time"
    assert session.tick(NOW + 60 * SECOND) == []
    session.request("preconfMarkets")
    session.tick(NOW + 61 * SECOND)
    assert session.deadline == NOW + 66 * SECOND, "until which a login would wait"
    session.tick(NOW + 66 * SECOND)
    assert session.deadline == NOW + 70 * SECOND
    say(session, {"q": "currentSlot", "P": {"s": 1}}, NOW + 67 * SECOND)
    (event,) = session.tick(NOW + 70 * SECOND)
    words = "no reply in time: what became of it is not known"
    assert event == RequestFailed("no answer", "", words, "query currentSlot", 2)
    # Late, but a reply.
    (event,) = say(session, {"q": "currentSlot", "P": {"s": 2}}, NOW + 70 * SECOND)
    assert event.reply == Slot(2)
    lost, _ = session.closed(1006, "", NOW + 70 * SECOND)
    assert isinstance(lost, RequestFailed)
    assert (lost.code, lost.about) == ("lost", "query preconfMarkets")
    assert session.deadline is None
    with pytest.raises(Misuse):
        EthgasSession(reply_within=0)


def test_an_error_is_about_the_one_thing_that_is_open() -> None:
    session = EthgasSession([BOOK])
    session.opened(NOW)
    (event,) = say(session, {"event": "error", "code": 1002, "msg": "invalid"})
    assert event.about == BOOK.label
    session.request("orderBook", {"marketType": "wholeBlock"})
    (event,) = say(session, {"event": "error", "code": 1001, "msg": "invalid"})
    assert event.about == "query orderBook"
    with pytest.raises(Misuse):
        EthgasSession().request("currentSlot")


@pytest.mark.parametrize(
    "message",
    ["", "{", {"event": "login"}, {"event": "login", "code": "0"}, {"event": "subscribe"},
     {"e": "orderBookUpdate", "P": []}, {"e": "recentTradeUpdate", "P": [7]},
     {"e": "orderBookUpdate", "P": {"b": [{"p": "x", "q": "1"}]}},
     {"e": "orderBookUpdate", "P": {"a": [{"p": "NaN", "q": "1"}]}},
     {"e": "orderBookUpdate", "P": {"a": [{"p": "1_0", "q": "1"}]}}],
)  # fmt: skip
def test_broken_messages_are_kept(message: Any) -> None:
    raw = message if isinstance(message, str) else json.dumps(message)
    (event,) = EthgasSession().received(raw, NOW)
    assert isinstance(event, Broken)
    assert event.raw == raw


messages = st.one_of(
    st.text(),
    st.binary(),
    st.sampled_from(["ping", "pong"]),
    st.one_of(objects, trees).map(json.dumps),
)


@given(st.lists(messages, max_size=10), st.sampled_from([OFFICIAL, DRAFT]))
def test_nothing_a_server_sends_raises(received: list[str | bytes], dialect: Any) -> None:
    session, server = private(dialect=dialect)
    session.opened(NOW)
    for query in QUERIES if dialect is OFFICIAL else ():
        session.request(query)
    for index, message in enumerate(received):
        now = NOW + index * 20 * SECOND
        answer_all(session, server, now)
        for event in session.received(message, now):
            assert repr(event)
        session.tick(now)
        session.take()
    assert isinstance(session.closed(1006, "x", NOW)[-1], Closed)


@given(st.integers(100, 599), st.binary(), st.text())
def test_no_refusal_raises(status: int, body: bytes, text: str) -> None:
    session = by_token(ORDERS, bearer=True)
    session.rejected(status, [("Retry-After", text)], body)
    session.closed(4000, text, NOW)


# The venue's lists, a word or two of each. 1001 and 1002 mean other things on another page.
CODE_WORDS = {
    0: ["success"], 1: ["success"], 2: ["permission denied"], 99: ["unexpected"],
    102: ["INVALID_ACCOUNT"], 104: ["TIMEOUT"], 107: ["MINIMUM_QUANTITY_NOT_REACH"],
    108: ["NO_ORDER"], 109: ["ORDER_DONE_OR_CANCELLED"], 110: ["parse"], 111: ["order book"],
    112: ["database"], 113: ["database connection"], 114: ["MARKET_EXPIRED"],
    115: ["RATE_TRANSACTION_ERROR"], 120: ["step"], 122: ["duplicate"], 191: ["auto-cancelled"],
    192: ["manually cancelled"], 401: ["invalid token"], 403: ["permissions"],
    429: ["rate limited"], 500: ["server error"], 503: ["unavailable"],
    1000: ["permission denied"], 1001: ["validation", "authentication failed"],
    1002: ["operation failed", "invalid channel"], 1003: ["rate limit"], 1004: ["timeout"],
    9999: ["unexpected"], 10000: ["deposit", "account"], 10001: ["deposit", "token"],
    10010: ["withdrawal", "account"], 10011: ["withdrawal", "token"],
    10012: ["withdrawal", "insufficient funds"],
}  # fmt: skip


def test_the_venue_s_codes_in_words() -> None:
    documented = {code for code in range(-1, 20_000) if "not documented" not in meaning(code)}
    assert documented == set(CODE_WORDS)
    for code, words in CODE_WORDS.items():
        assert all(word in meaning(code) for word in words), code
    assert set(ORDER_STATUS) == {0, 1, 10, 11, 12, 13, 14, 99}
    assert set(ORDER_TYPES) == {1, 2, 3}


@given(st.integers())
def test_every_code_has_words(code: int) -> None:
    assert meaning(code)


def test_no_secret_shows() -> None:
    session, server = private(bearer=True)
    shown: list[str] = []
    requests: list[Request] = []
    session.opened(NOW)
    secrets = [PRIVATE_KEY.reveal()]
    while taken := session.take_requests():
        for request in taken:
            requests.append(request)
            reply = serve(server, request, NOW)
            shown += [repr(request), str(request), repr(reply)]
            shown += [repr(event.values) for event in session.replied(reply, NOW)]
            secrets += [
                v.split("=", 1)[1].split(";")[0] for k, v in reply.headers if k == "Set-Cookie"
            ]
    secrets.append(dict(parse_qsl(requests[1].body.decode()))["signature"])
    session.take()
    say(session, ack(BOOK))
    (login,) = session.take()
    assert isinstance(login, str)
    token = json.loads(login)["args"][0]["accessToken"]
    secrets.append(token)
    assert len(secrets) == 4
    assert session.redact(login) == '{"op":"login","args":[{"accessToken":"[redacted]"}]}'
    shown += [repr(session), repr(session._login), repr(session.dial(NOW))]
    for secret in secrets:
        for echo in (
            {"event": "error", "code": 1, "msg": secret},
            {"e": "x", "P": secret},
            [secret],
        ):
            events = say(session, echo)
            shown += [repr([event.values for event in events])]
        shown += [repr(session.rejected(401, [], secret.encode())[0].values)]
        shown += [repr(session.closed(1008, secret, NOW)[-1].values)]
        shown += [str(session.redact(f'{{"x":"{secret}"}}')), str(session.redact(secret.encode()))]
    bad = Reply("ethgas login", 200, b'{"data":{"accessToken":"an-other-token","nonceHash":3}}')
    login_ = EthgasLogin(private_key=PRIVATE_KEY)
    login_.step(NOW)
    shown += [repr([event.values for event in login_.replied(bad, NOW)])]
    assert not [text for text in shown for secret in [*secrets, "an-other-token"] if secret in text]
