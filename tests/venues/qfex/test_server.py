"""QFEX's other side, against our sessions and against whoever else comes."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Authenticated, Subscribed
from payloads.venues.qfex.auth import HmacKey
from payloads.venues.qfex.market_session import Subscription
from payloads.venues.qfex.requests import REQUESTS, request_of
from payloads.venues.qfex.server import AuthDesk, MarketDesk, TradeDesk
from payloads.venues.qfex.trade_session import Acknowledged
from tests.venues.kit import sent
from tests.venues.qfex.kit import (
    JWT_KEY,
    KEY,
    NOW,
    ORDER,
    PUBLIC,
    SECRET,
    market,
    ready,
    say,
    trade,
    trees,
)


def desk() -> AuthDesk:
    return AuthDesk({PUBLIC: SECRET}, jwt_key=JWT_KEY, accounts=frozenset({"sub-1"}))


def auth(**options: Any) -> Any:
    now = options.pop("now", NOW)
    session = trade(options.pop("credentials", KEY), **options)
    session.opened(now)
    return sent(session)[0]


def test_the_auth_desk_accepts_the_session() -> None:
    assert desk().check(auth(), NOW) is None
    assert desk().check(auth(account_id="sub-1"), NOW) is None
    token = Secret(make_token(JWT_KEY, "x", NOW))
    assert desk().check(auth(credentials=token), NOW) is None
    for credentials in (KEY, token):
        headers = trade(credentials, key_in="headers").dial(NOW).headers
        assert desk().check_headers(headers, NOW) is None


def test_the_auth_desk_refuses_each_way_of_being_wrong() -> None:
    def why(message: Any, now: int = NOW) -> tuple[str, str]:
        refused = desk().check(message, now)
        assert refused
        return refused

    assert desk().check_query({"api_key": PUBLIC}, NOW) is None
    assert desk().check_query({}, NOW) is None
    assert desk().check_query({"api_key": "other"}, NOW) == ("PermissionDenied", "api_key")
    assert desk().check_query({"jwt": "a.b.c"}, NOW) == ("PermissionDenied", "invalid token")
    assert why(auth(account_id="sub-2")) == ("PermissionDenied", "account_id")
    assert why(auth(credentials=HmacKey("other", SECRET)))[1] == "public_key"
    assert why(auth(credentials=HmacKey(PUBLIC, Secret("other"))))[1] == "signature"
    for now in (NOW + 61 * SECOND, NOW - 61 * SECOND):
        assert why(auth(), now)[1].startswith("unix_ts")
    for name, value, code in (
        ("public_key", None, "InvalidParameter"), ("signature", 7, "InvalidParameter"),
        ("signature", "é", "PermissionDenied"), ("nonce", "xyz", "InvalidParameter"),
        ("nonce", None, "InvalidParameter"), ("unix_ts", "1760545414", "InvalidParameter"),
        ("unix_ts", True, "InvalidParameter"), ("unix_ts", 1760545415, "PermissionDenied"),
    ):  # fmt: skip
        message = auth()
        message["params"]["hmac"][name] = value
        assert why(message)[0] == code
    both = auth()
    both["params"]["jwt"] = "x"
    for message in (
        both,
        {},
        [],
        None,
        {"params": {}},
        {"params": {"hmac": 7}},
        {"params": {"jwt": None}},
    ):
        assert why(message)
    expired = Secret(make_token(JWT_KEY, "x", NOW))
    assert why(auth(credentials=expired), NOW + 3600 * SECOND)[1] == "expired token"
    assert why(auth(credentials=Secret(make_token(SECRET, "x", NOW))))[1] == "invalid token"
    assert desk().check_headers([], NOW)


def test_a_nonce_is_good_once_in_15_minutes() -> None:
    server, message = desk(), auth()
    assert server.check(message, NOW) is None
    assert server.check(message, NOW + SECOND) == ("PermissionDenied", "nonce used before")
    late = NOW + 16 * 60 * SECOND
    assert server.check(auth(now=late), late) is None


def test_the_trade_desk_and_the_session_agree() -> None:
    session, server = trade(cancel_on_disconnect=True), TradeDesk(desk(), NOW)
    session.opened(NOW)
    events: list[Any] = []
    for _ in range(3):
        for message in session.take():
            answers, _rest = server.received(str(message), NOW)
            for answer in answers:
                events += say(session, answer)
    assert [type(event) for event in events] == [Authenticated, Acknowledged, Subscribed]
    assert server.channels == {"order_responses"}
    assert server.cancel_on_disconnect
    assert session.cancel_on_disconnect
    session.request(request_of("add_order", ORDER))
    (message,) = session.take()
    answers, rest = server.received(str(message), NOW)
    assert answers == []
    assert rest
    assert rest["params"]["quantity"] == Decimal("0.1")
    assert not server.overdue(NOW + 3600 * SECOND)


def test_the_trade_desk_refuses_what_is_wrong() -> None:
    server = TradeDesk(desk(), NOW)
    assert not server.overdue(NOW + 59 * SECOND)
    assert server.overdue(NOW + 60 * SECOND)

    def code(message: Any) -> str:
        raw = message if isinstance(message, str) else json.dumps(message)
        answers, rest = server.received(raw, NOW)
        assert rest is None
        found: str = answers[0]["err"]["error_code"]
        return found

    assert code("{") == code("[]") == code("{}") == "InvalidJSONFormat"
    assert code({"type": "cancel_all_orders"}) == "PermissionDenied"
    assert code({"type": "auth", "params": {}}) == "InvalidParameter"
    assert server.received(json.dumps(auth()), NOW) == ([{"authenticated": True}], None)
    assert code(auth()) == "AlreadyAuthenticated"
    assert (
        code({"type": "dance"}) == code({"type": "subscribe", "params": []}) == "InvalidParameter"
    )
    assert code({"type": "subscribe", "params": {"channels": [["x"]]}}) == "InvalidParameter"
    assert code({"type": "add_order", "params": {}}) == "InvalidParameter"


def test_the_market_desk() -> None:
    session, server = market(Subscription(("bbo", "trade"), ("A", "B"))), MarketDesk()
    assert [server.received(str(message)) for message in session.take()] == [True]
    assert server.wants("bbo", "A")
    assert not server.wants("level2", "A")
    session.unsubscribe(["bbo"], ["A"])
    assert [server.received(str(message)) for message in session.take()] == [True]
    assert not server.wants("bbo", "A")
    assert server.wants("bbo", "B")
    assert server.received('{"type":"subscribe","channels":["trade"],"symbols":["*"]}')
    assert server.wants("trade", "anything")
    assert server.received('{"type":"unsubscribe","channels":["trade"],"symbols":["A"]}')
    assert not server.wants("trade", "A")
    assert server.streams(["A", "B"]) == {("bbo", "B", ""), ("trade", "B", "")}
    assert server.received('{"type":"unsubscribe","channels":["trade","bbo"],"symbols":["*"]}')
    assert server.streams(["A", "B"]) == set()
    for symbol, streams in (("A", {"A"}), ("*", {"*"})):
        assert server.received(
            json.dumps({"type": "subscribe", "channels": ["market_stats"], "symbols": [symbol]})
        )
        assert server.streams(["A", "B"]) == {("market_stats", one, "") for one in streams}
    for message in ("", "[]", "{}", '{"type":"subscribe"}', '{"type":"subscribe","channels":[[]]}'):
        assert not server.received(message)


@given(st.one_of(st.text(), trees.map(json.dumps)))
def test_nothing_a_client_sends_raises(message: str) -> None:
    server = TradeDesk(desk(), NOW)
    server.received(message, NOW)
    server.received(json.dumps(auth()), NOW)
    server.received(message, NOW)
    MarketDesk().received(message)


parameters = st.sampled_from(
    ["symbol", "side", "channels", "quantity", "price", "order_type", "order_id"]
)


@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(parameters, trees))
def test_no_parameters_raise(kind: str, params: Any) -> None:
    server = TradeDesk(desk(), NOW)
    server.received(json.dumps(auth()), NOW)
    server.received(json.dumps({"type": kind, "params": params}), NOW)
    with suppress(Misuse):
        ready().request(request_of(kind, params))
