"""QFEX: the spec's vector and messages, both sockets, the budget, and the desks."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.jwt import make_token
from payloads.venues.qfex import (
    CHANNELS,
    INTERVALS,
    ORDER_STATUS,
    REPLIES,
    REQUIRED,
    WEIGHTS,
    Acknowledged,
    AllOrders,
    Balance,
    Bbo,
    Candle,
    DailyVolume,
    Duplicate,
    Fill,
    Funding,
    HmacKey,
    Jwt,
    Level2,
    Leverage,
    MarketStats,
    MarkPrice,
    MinMaxPrice,
    OpenInterest,
    OrderResponse,
    Position,
    QfexMarketSession,
    QfexTradeSession,
    RateBudget,
    StopOrder,
    Subscription,
    Trade,
    Twap,
    Underlier,
    UserTrade,
    auth_message,
    check_nonce,
    meaning,
    retry_hint,
    sign,
    time_of,
)
from payloads.venues.qfex_reading import LATEST, Time
from payloads.venues.qfex_requests import MESSAGES as ASKING
from payloads.venues.qfex_server import AuthDesk, MarketDesk, TradeDesk, err
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Opened,
    Rejected,
    Secret,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
)

PUBLIC, SECRET = "qfex_pub_xxxxx", Secret("qfex_secret_yyyyyy")
NONCE = "c0ffee00c0ffee00c0ffee00c0ffee00"
NOW = 1_760_545_414 * SECOND
SIGNATURE = "12b3673e49f1a9c5c361108c3ff613daf287ad54b935d3a7bde94b2f51483260"
KEY = HmacKey(PUBLIC, SECRET)
JWT_KEY = Secret("the key that signs tokens")


class Nonces:
    """A source that never repeats itself."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{self.count:032x}"


def trade(credentials: HmacKey | Jwt = KEY, **options: Any) -> QfexTradeSession:
    return QfexTradeSession(credentials, nonces=options.pop("nonces", Nonces()), **options)


def ready(**options: Any) -> QfexTradeSession:
    """A session that has been authenticated; what it sent by itself is taken."""
    session = trade(**options)
    session.dial(NOW)
    session.opened(NOW)
    say(session, {"authenticated": True})
    session.take()
    return session


def sent(session: Any) -> list[Any]:
    return [json.loads(message) for message in session.take()]


def say(session: Any, message: Any, now: int = NOW) -> list[Any]:
    return session.received(json.dumps(message), now)


# --- authentication -------------------------------------------------------------------------------


def test_the_spec_s_vector() -> None:
    assert sign(SECRET, NONCE, 1760545414) == SIGNATURE
    session = trade(nonces=lambda: NONCE)
    session.opened(NOW)
    assert session.take() == [
        '{"type":"auth","params":{"hmac":{"public_key":"qfex_pub_xxxxx",'
        f'"nonce":"{NONCE}","unix_ts":1760545414,"signature":"{SIGNATURE}"}}}}}}'
    ]


def test_a_jwt_and_a_subaccount() -> None:
    message = auth_message(Jwt(Secret("eyJhbGci")), "", NOW, "0b9d7f3e")
    assert message == {"type": "auth", "params": {"jwt": "eyJhbGci", "account_id": "0b9d7f3e"}}
    with_key = auth_message(KEY, NONCE, NOW, "0b9d7f3e")["params"]
    assert with_key["account_id"] == "0b9d7f3e"
    assert with_key["hmac"]["signature"] == SIGNATURE  # the account is not signed


@pytest.mark.parametrize("nonce", ["", "xyz", "a" * 101, "ab cd", "é", 7])
def test_nonces_the_venue_would_not_take(nonce: Any) -> None:
    with pytest.raises(Misuse):
        check_nonce(nonce)
    with pytest.raises(Misuse):
        trade(nonces=lambda: nonce).opened(NOW)


def test_a_nonce_is_fresh_at_each_dial() -> None:
    session, seen = trade(key_in="headers"), set()
    for _ in range(5):
        seen.add(dict(session.dial(NOW).headers)["x-qfex-nonce"])
        session.opened(NOW)
        seen.add(sent(session)[0]["params"]["hmac"]["nonce"])
        session.closed(1006, "", NOW)
    assert len(seen) == 10
    repeating = trade(nonces=lambda: NONCE)
    repeating.opened(NOW)
    with pytest.raises(Misuse):
        repeating.opened(NOW)


def test_where_the_key_goes() -> None:
    dial = trade().dial(NOW)
    assert dial.url == "wss://trade.qfex.com/?api_key=qfex_pub_xxxxx"
    assert dial.headers == ()
    token = Jwt(Secret("ey.J+x/y"))
    dial = trade(token, endpoint="uat").dial(NOW)
    assert dial.url == "wss://trade.qfex.io/?jwt=ey.J%2Bx%2Fy"
    assert "jwt" in dial.secret_parameters
    dial = trade(key_in="none").dial(NOW)
    assert (dial.url, dial.headers) == ("wss://trade.qfex.com", ())
    dial = trade(key_in="headers").dial(NOW)
    assert dial.url == "wss://trade.qfex.com"
    assert [name for name, _ in dial.headers] == [
        "x-qfex-public-key", "x-qfex-hmac-signature", "x-qfex-nonce", "x-qfex-timestamp",
    ]  # fmt: skip
    assert "x-qfex-hmac-signature" in dial.secret_headers
    dial = trade(token, key_in="headers").dial(NOW)
    assert dial.headers == (("Authorization", "Bearer ey.J+x/y"),)
    assert "Authorization" in dial.secret_headers
    with pytest.raises(Misuse):
        trade(key_in="cookie")


def test_what_every_connection_is_told() -> None:
    session = trade(channels=("order_responses", "fills"), cancel_on_disconnect=True)
    for connection in range(3):
        session.dial(NOW)
        assert session.opened(NOW) == [Opened()]
        assert [message["type"] for message in sent(session)] == ["auth"]
        assert not session.authenticated
        assert say(session, {"authenticated": True}) == [Authenticated()]
        messages = sent(session)
        assert messages[:2] == [
            {"type": "cancel_on_disconnect", "params": {"cancel_on_disconnect": True}},
            {"type": "subscribe", "params": {"channels": ["order_responses", "fills"]}},
        ]
        since = {"start_ts": NOW // SECOND}
        reread = [
            {"type": "get_user_orders", "params": {}},
            {"type": "get_user_trades", "params": since},
        ]
        assert messages[2:] == (reread if connection else [])
        assert session.cancel_on_disconnect is None
        assert say(session, {"ack": {"incoming_message": messages[0]}}) == [
            Acknowledged("cancel_on_disconnect", {"cancel_on_disconnect": True})
        ]
        assert session.cancel_on_disconnect is True
        (closed,) = session.closed(1006, "", NOW)
        assert closed.retry.again
        assert session.cancel_on_disconnect is None


def test_what_is_asked_after_a_reconnect_begins_where_we_last_heard() -> None:
    session = ready(channels=("fills",))
    say(session, {"subscribed": "fills"}, NOW + 7 * SECOND)
    session.closed(1006, "", NOW + 90 * SECOND)
    for _ in range(2):  # connections on which nothing could be asked
        session.opened(NOW + 100 * SECOND)
        session.closed(1006, "", NOW + 101 * SECOND)
    session.opened(NOW + 200 * SECOND)
    say(session, {"authenticated": True}, NOW + 200 * SECOND)
    (asked,) = [one for one in sent(session) if one["type"] == "get_user_trades"]
    assert asked["params"] == {"start_ts": (NOW + 7 * SECOND) // SECOND}


def test_the_minute() -> None:
    session = trade()
    session.opened(NOW)
    assert session.deadline == NOW + 60 * SECOND
    assert session.tick(NOW + 59 * SECOND) == []
    late, stalled = session.tick(NOW + 60 * SECOND)
    assert (late.code, late.about) == ("timeout", "auth")
    assert isinstance(stalled, Stalled)
    assert session.deadline is None
    session.opened(NOW)
    say(session, {"authenticated": True})
    say(session, {"subscribed": "order_responses"})
    assert session.deadline is None


@pytest.mark.parametrize(
    "message",
    [{"authenticated": False}, {"type": "auth", "result": "failure"},
     err("PermissionDenied", "no"), {"type": "error", "message": "no", "code": "KycRequired"}],
)  # fmt: skip
def test_a_refused_login_is_not_tried_again(message: Any) -> None:
    session = trade()
    session.opened(NOW)
    (event,) = say(session, message)
    assert isinstance(event, Rejected)
    assert event.about == "auth"
    (closed,) = session.closed(1006, "", NOW)
    assert not closed.retry.again
    session.renew(HmacKey("another", SECRET))
    session.opened(NOW)
    assert session.closed(1006, "", NOW)[-1].retry.again


@pytest.mark.parametrize(
    ("code", "again"), [(1008, False), (4001, False), (1000, False), (1012, True)]
)
def test_a_close_before_the_login_is_a_no_unless_it_says_otherwise(code: int, again: bool) -> None:
    session = trade()
    session.opened(NOW)
    assert session.closed(code, "", NOW)[-1].retry.again == again
    assert ready().closed(code, "", NOW)[-1].retry.again


def test_errors_worth_another_try() -> None:
    for code in ("RateLimited", "ServerError"):
        session = trade()
        session.opened(NOW)
        (event,) = say(session, err(code, "later"))
        assert event.code == code
        assert session.closed(1006, "", NOW)[-1].retry.again


def test_benign_errors() -> None:
    session = trade()
    session.opened(NOW)
    assert say(session, err("AlreadyAuthenticated", "")) == [Authenticated()]
    assert session.authenticated
    (event,) = say(session, err("AlreadyAuthenticated", ""))
    assert "nothing to do" in event.meaning


def test_the_older_reply() -> None:
    session = trade()
    session.opened(NOW)
    assert say(session, {"type": "auth", "result": "success"}) == [Authenticated()]


def test_an_expired_jwt_is_renewed_first() -> None:
    token = Jwt(Secret(make_token(JWT_KEY, "x", NOW, 60 * SECOND)))
    session = trade(token)
    session.opened(NOW)
    say(session, {"authenticated": True})
    assert session.closed(1006, "", NOW)[-1].retry.again
    session.opened(NOW)
    (closed,) = session.closed(1006, "", NOW + 61 * SECOND)
    assert not closed.retry.again
    assert "renew" in closed.retry.why


# --- trade messages -------------------------------------------------------------------------------

ORDER = {
    "symbol": "AAPL-USD", "side": "BUY", "order_type": "LIMIT", "order_time_in_force": "GTC",
    "quantity": Decimal("0.1"), "price": "150.50", "client_order_id": "my-order-123",
}  # fmt: skip


def test_numbers_go_out_exactly() -> None:
    session = ready()
    session.send("add_order", ORDER, now=NOW)
    assert session.take() == [
        '{"type":"add_order","params":{"symbol":"AAPL-USD","side":"BUY","order_type":"LIMIT",'
        '"order_time_in_force":"GTC","quantity":0.1,"price":150.50,"client_order_id":"my-order-123"}}'
    ]
    session.send("cancel_all_orders", now=NOW)
    assert session.take() == ['{"type":"cancel_all_orders","params":{}}']


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("dance", {}),
        ("add_order", {**ORDER, "side": "buy"}),
        ("add_order", {**ORDER, "price": None}),
        ("add_order", {**ORDER, "quantity": 0.1}),
        ("add_order", {**ORDER, "quantity": "NaN"}),
        ("add_order", {**ORDER, "quantity": True}),
        ("add_order", {**ORDER, "order_time_in_force": "GFD"}),
        ("add_order", {**ORDER, "client_order_id": 1.5}),
        ("add_order", {**ORDER, "extra": object()}),
        ("add_order", {**ORDER, "quantity": "1e1000"}),
        ("cancel_order", {"symbol": "A", "order_id": "1"}),
        ("cancel_order", {"symbol": "A", "order_id": "1", "cancel_order_id_type": "other"}),
        ("subscribe", {"channels": ["level2"]}),
        ("subscribe", {"channels": []}),
        ("cancel_on_disconnect", {}),
    ],
)
def test_messages_the_venue_would_not_take(kind: str, params: Any) -> None:
    with pytest.raises(Misuse):
        ready().send(kind, params, now=NOW)


def test_a_misspelt_parameter_is_no_order() -> None:
    with pytest.raises(Misuse, match="stop_los: add_order does not take this"):
        ready().send("add_order", {**ORDER, "stop_los": "140"}, now=NOW)
    session = ready()
    session.send("add_order", {**ORDER, "post_only": True}, now=NOW, unchecked=True)
    session.send("news", {"since": 1}, now=NOW, unchecked=True)
    order, news = sent(session)
    assert order["params"]["post_only"] is True
    assert news == {"type": "news", "params": {"since": 1}}
    with pytest.raises(Misuse, match="a whole number from 30"):
        session.send("add_twap", TWAP | {"order_interval_secs": 29}, now=NOW)
    session.send("add_twap", TWAP, now=NOW)
    for wrong in ({"num_orders": 1}, {"num_orders": "2.5"}, {"reduce_only": 1}):
        with pytest.raises(Misuse):
            session.send("add_twap", TWAP | wrong, now=NOW)


TWAP = {
    "symbol": "A", "side": "BUY", "total_quantity": 10, "num_orders": 5, "order_interval_secs": 30,
    "reduce_only": False, "client_twap_id": "mine-2",
}  # fmt: skip


# What is sent, the ids in it, and what the venue answers.
STOP = {"stop_order_id": "s1"}
ASKED: list[tuple[str, dict[str, Any], str, Any]] = [
    ("add_order", ORDER, "my-order-123", {"order_response": {"client_order_id": "my-order-123"}}),
    ("cancel_order", {"symbol": "A", "order_id": "o1", "cancel_order_id_type": "order_id"}, "o1",
     {"order_response": {"order_id": "o1", "client_order_id": "x"}}),
    ("cancel_order", {"symbol": "A", "order_id": "c1", "cancel_order_id_type": "client_order_id"},
     "c1", {"order_response": {"order_id": "o1", "client_order_id": "c1"}}),
    ("get_user_trades", {}, "", {"user_trades_response": []}),
    ("add_twap", TWAP, "mine-2", {"twap_response": {"client_twap_id": "mine-2"}}),
    ("cancel_stop_order", STOP, "s1",
     {"ack": {"incoming_message": {"type": "cancel_stop_order", "params": STOP}}}),
    ("cancel_all_orders", {}, "", {"ack": {"incoming_message": {"type": "cancel_all_orders"}}}),
    ("get_order", {"symbol": "A", "order_id": "o1"}, "o1",
     err("InvalidParameter", "no", {"type": "get_order", "params": {"order_id": "o1"}})),
    ("get_order", {"symbol": "A", "order_id": "c1"}, "c1",
     {"order_response": {"order_id": "o1", "client_order_id": "c1"}}),
    ("get_user_leverage", {}, "", err("ServerError", "no")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "params", "named", "answer"), ASKED)
def test_what_is_not_answered_is_told(kind: str, params: Any, named: str, answer: Any) -> None:
    def asking() -> QfexTradeSession:
        session = ready()
        say(session, {"subscribed": "order_responses"})
        session.send(kind, params, now=NOW)
        return session

    session, about = asking(), f"{kind} {named}".strip()
    assert session.deadline == NOW + 10 * SECOND
    assert session.tick(NOW + 9 * SECOND) == []
    (late,) = session.tick(NOW + 10 * SECOND)
    assert (late.code, late.about) == ("timeout", about)
    assert session.deadline is None
    lost, _closed = asking().closed(1006, "", NOW)
    assert (lost.code, lost.about) == ("lost", about)
    session = asking()
    say(session, {"order_response": {"order_id": "another", "client_order_id": "another"}})
    say(session, answer)
    assert session.deadline is None
    assert session.tick(NOW + 10 * SECOND) == []


def test_orders_are_not_waited_for_where_none_is_answered() -> None:
    session = ready(channels=())
    session.send("add_order", ORDER, now=NOW)
    assert session.deadline is None


def test_what_lasts_lasts_however_it_was_said() -> None:
    session = ready()
    session.send("subscribe", {"channels": ["fills"]}, now=NOW)
    session.send("unsubscribe", {"channels": ["order_responses"]}, now=NOW)
    session.send("cancel_on_disconnect", {"cancel_on_disconnect": True}, now=NOW)
    assert [message["type"] for message in sent(session)] == [
        "subscribe", "unsubscribe", "cancel_on_disconnect",
    ]  # fmt: skip
    assert [type(event) for event in session.closed(1006, "", NOW)] == [Closed]
    session.opened(NOW)
    say(session, {"authenticated": True})
    assert sent(session)[1:3] == [
        {"type": "cancel_on_disconnect", "params": {"cancel_on_disconnect": True}},
        {"type": "subscribe", "params": {"channels": ["fills"]}},
    ]


def test_what_is_refused_for_the_moment_is_said_again() -> None:
    session = trade(cancel_on_disconnect=True, channels=("fills", "positions"))
    session.opened(NOW)
    say(session, {"authenticated": True})
    stated, subscribed = sent(session)[1:]
    say(session, err("RateLimited", "retry after 2500 ms", subscribed))
    say(session, err("ServerError", "", stated))
    say(session, {"subscribed": "positions"})
    assert session.deadline == NOW + SECOND
    session.tick(NOW + SECOND)
    # One of the two is answered now; what is confirmed is not said again.
    again = sent(session)
    assert again == [stated, {"type": "subscribe", "params": {"channels": ["fills"]}}]
    say(session, {"ack": {"incoming_message": stated}}, NOW + SECOND)
    say(session, err("ServerError", "", again[1]), NOW + SECOND)
    session.tick(NOW + 2 * SECOND)
    assert sent(session) == again[1:]


def test_a_pause_that_the_venue_names_is_kept() -> None:
    session = ready()
    session.send("add_order", ORDER, now=NOW)
    say(session, err("RateLimited", "retry after 2500 ms", json.loads(session.take()[0])))
    with pytest.raises(Misuse, match="a pause of 1500000000 ns"):
        session.send("add_order", ORDER, now=NOW + SECOND)
    cancel = {"symbol": "A", "order_id": "1", "cancel_order_id_type": "order_id"}
    session.send("cancel_order", cancel, now=NOW + SECOND)  # on a budget of its own
    session.send("add_order", ORDER, now=NOW + 5 * SECOND // 2)


def test_nothing_is_sent_before_the_login() -> None:
    session = trade()
    with pytest.raises(Misuse):
        session.send("cancel_all_orders", now=NOW)
    session.subscribe("fills", now=NOW)
    session.opened(NOW)
    with pytest.raises(Misuse):
        session.send("cancel_all_orders", now=NOW)
    assert [message["type"] for message in sent(session)] == ["auth"]
    say(session, {"authenticated": True})
    assert sent(session)[0]["params"] == {"channels": ["order_responses", "fills"]}


def test_channels() -> None:
    session = ready()
    session.subscribe("positions", now=NOW)
    assert say(session, {"subscribed": "positions"}) == [Subscribed("positions")]
    session.unsubscribe("positions", now=NOW)
    assert say(session, {"unsubscribed": "positions"}) == [Unsubscribed("positions")]
    assert [message["type"] for message in sent(session)] == ["subscribe", "unsubscribe"]
    session.set_cancel_on_disconnect(True, NOW)
    assert sent(session)[0]["params"] == {"cancel_on_disconnect": True}
    for channel in ("level2", "", 7):
        with pytest.raises(Misuse):
            session.subscribe(channel, now=NOW)  # type: ignore[arg-type]
    old = {
        "type": "subscribed", "connection_id": "c", "message_id": 1, "channel": "v4_balances",
        "contents": [{"available_balance": 1.5}],
    }  # fmt: skip
    data = Data("balance_response", Balance(Decimal("1.5")))
    # Each of its messages says that it is subscribed; once is enough.
    assert say(session, old) == [Subscribed("balances"), data]
    assert say(session, old) == [data]
    assert session.subscribed == ["balances"]
    updates = {"type": "position_update", "contents": [{"symbol": "A"}, {"symbol": "B"}]}
    assert [event.content.symbol for event in say(session, updates)] == ["A", "B"]


def test_the_spec_s_order_response() -> None:
    raw = (
        '{"order_response":{"order_id":"5b30","symbol":"AAPL-USD","status":"ACK","side":"BUY",'
        '"type":"LIMIT","time_in_force":"GTC","price":150.1,"quantity":10,"quantity_remaining":10,'
        '"client_order_id":"my-order-123","update_time":1760545414.25,"trade_id":null}}'
    )
    (data,) = ready().received(raw, NOW)
    assert data.channel == "order_response"
    order = data.content
    assert isinstance(order, OrderResponse)
    assert order.price == Decimal("150.1")
    assert order.update_time == 1760545414250000000
    assert (order.meaning, order.complete, order.trade_id) == ("on the book", False, None)
    part = say(ready(), {"order_response": {"status": "FILLED", "quantity_remaining": "0.5"}})
    assert not part[0].content.complete
    whole = say(ready(), {"order_response": {"status": "FILLED", "quantity_remaining": 0}})
    assert whole[0].content.complete
    assert all(
        OrderResponse(status=status).meaning == words for status, words in ORDER_STATUS.items()
    )


SECONDS, STAMP = "1758208770.5512846", Time(1758208770551284600)
ORDER_ROW = OrderResponse(
    "2f05", "GOOG-USD", "ACK", "SELL", "LIMIT", "GTC", Decimal("251.25"), Decimal("2.708"),
    Decimal("2.708"), "7a25", STAMP, take_profit=Decimal(0), user_id="0020",
)  # fmt: skip
ORDER_JSON = (
    '{"order_id":"2f05","symbol":"GOOG-USD","status":"ACK","quantity":2.708,"price":251.25,'
    '"take_profit":0.0,"side":"SELL","type":"LIMIT","time_in_force":"GTC","user_id":"0020",'
    f'"client_order_id":"7a25","quantity_remaining":2.708,"update_time":{SECONDS},"trade_id":null}}'
)
TWAP_ROW = Twap(
    "0c7c", "rebalance-1", "GOOG-USD", "PENDING", "BUY", Decimal(5), Decimal(1), Decimal("250.5"),
    5, 30, False, STAMP, None, "0020",
)  # fmt: skip
TWAP_JSON = (
    '{"twap_id":"0c7c","client_twap_id":"rebalance-1","user_id":"0020","status":"PENDING",'
    '"symbol":"GOOG-USD","total_quantity":5,"filled_quantity":1,"average_fill_price":250.5,'
    '"total_num_orders":5,"order_interval_secs":30,"reduce_only":false,"side":"BUY",'
    f'"updated_at":null,"created_at":{SECONDS}}}'
)
LEVERAGE_JSON = (
    '[{"id":"1","symbol":"A","initial_margin":0.05,"maintenance_margin":0.025,'
    '"max_notional":1000000,"leverage":"20"}]'
)
LEVERAGE_ROW = Leverage("A", Decimal(20), Decimal("0.05"), Decimal("0.025"), Decimal(10**6), "1")
RESPONSES: dict[str, tuple[str, Any]] = {
    "order_response": (ORDER_JSON, ORDER_ROW),
    "all_orders_response": (
        f'{{"orders":[{ORDER_JSON}],"twaps":[{TWAP_JSON}]}}', AllOrders((ORDER_ROW,), (TWAP_ROW,)),
    ),
    "twap_response": (TWAP_JSON, TWAP_ROW),
    "user_leverage_response": (LEVERAGE_JSON, (LEVERAGE_ROW,)),
    "available_leverage_levels_response": (LEVERAGE_JSON, (LEVERAGE_ROW,)),
    "user_trades_response": (
        '[{"trade_id":"t1","symbol":"A","price":1.10,"quantity":2,"side":"BUY","order_id":"o1",'
        '"fee":0.001,"order_type":"STOP_LOSS","tif":"IOC"}]',
        (UserTrade("t1", "o1", None, "A", "BUY", None, Decimal("1.1"), Decimal(2),
                   Decimal("0.001"), "STOP_LOSS", "IOC"),),
    ),
    "fill_response": (
        '{"trade_id":"t1","user_id":"u","symbol":"A","price":1.1,"quantity":2,"side":"BUY",'
        '"aggressor_side":"SELL","order_id":"o1","fee":0.001,"order_type":"LIMIT","tif":"GTC",'
        '"order_price":1.2,"client_order_id":"c1","remaining_quantity":0.5,"execution_type":"T",'
        f'"timestamp":{SECONDS},"realised_pnl":-3}}',
        Fill("t1", "o1", "c1", "A", "BUY", "SELL", Decimal("1.1"), Decimal(2), Decimal("0.5"),
             Decimal("0.001"), Decimal(-3), STAMP, "LIMIT", Decimal("1.2"), "GTC",
             execution_type="T", user_id="u"),
    ),
    "position_response": (
        '{"id":"PLTR-USD","symbol":"PLTR-USD","position":-1.5,"margin_alloc":0,'
        '"realised_pnl":1.327875,"unrealised_pnl":0,"net_funding":0.00000482,"open_orders":1,'
        '"open_quantity":10,"leverage":20,"initial_margin":0,"maintenance_margin":0,'
        '"average_price":0,"timestamp":"2025-05-09T03:47:20.505934+00:00"}',
        Position("PLTR-USD", Decimal("-1.5"), Decimal(0), Decimal(20), Decimal("1.327875"),
                 Decimal(0), Decimal("0.00000482"), Decimal(0), Decimal(0), Decimal(0), Decimal(1),
                 Decimal(10), Time(1746762440505934000), "PLTR-USD"),
    ),
    "balance_response": (
        '{"id":"b","user_id":"u","deposit":1000,"realised_pnl":-898.65735,"unrealised_pnl":0,'
        '"order_margin":0,"position_margin":0,"net_funding":-1.5354636,"available_balance":99.80721}',
        Balance(Decimal("99.80721"), Decimal(1000), Decimal("-898.65735"), Decimal(0), Decimal(0),
                Decimal(0), Decimal("-1.5354636"), id="b", user_id="u"),
    ),
    "stop_order_response": (
        '{"stop_order_id":"s","user_id":"u","symbol":"A","price":160,"quantity":5,'
        '"direction":"SELL","stop_order_type":"TAKE_PROFIT","client_order_id":"c",'
        '"update_time":"1970-01-01T00:00:01.5Z"}',
        StopOrder("s", "TAKE_PROFIT", "A", "SELL", Decimal(160), Decimal(5), "c",
                  Time(1_500_000_000), "u"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", REPLIES)
def test_every_response_is_a_record(key: str) -> None:
    raw, record = RESPONSES[key]
    assert ready().received(f'{{"{key}":{raw}}}', NOW) == [Data(key, record)]


def test_numbers_come_in_exactly() -> None:
    (data,) = ready().received('{"balance_response":{"fees":1.10,"deposit":"0.3000"}}', NOW)
    assert (str(data.content.fees), str(data.content.deposit)) == ("1.10", "0.3000")


@pytest.mark.parametrize("key", REPLIES)
def test_responses_that_are_none_are_kept(key: str) -> None:
    for content in (7, "x", {"symbol": 7}, [{"symbol": 7}], {"orders": {}}, True):
        raw = json.dumps({key: content})
        (event,) = ready().received(raw, NOW)
        if isinstance(event, Data):  # what is wrong is a field that this one does not have
            assert isinstance(content, dict)
        else:
            assert isinstance(event, Broken)
            assert event.raw == raw
            assert key in str(event.error)


def test_empty_lists_however_they_are_written() -> None:
    for key in ("user_trades_response", "user_leverage_response"):
        for raw in ("[]", "null"):
            assert ready().received(f'{{"{key}":{raw}}}', NOW) == [Data(key, ())]


def test_trades_under_their_other_name() -> None:
    raw = (
        '{"user_trades":[{"trade_id":"t1","aggressor_side":"BUY","client_order_id":"mine",'
        '"timestamp":1746908400}],"count":1}'
    )
    trade = UserTrade("t1", None, "mine", aggressor_side="BUY", timestamp=Time(1746908400 * SECOND))
    assert ready().received(raw, NOW) == [Data("user_trades_response", (trade,))]


def test_several_messages_in_one() -> None:
    many = [{"fill_response": {}}, {"subscribed": "fills"}, {"nothing": 1}]
    assert [type(event) for event in say(ready(), many)] == [Data, Subscribed, Unknown]


def test_a_fill_counts_once() -> None:
    session = ready()
    fill = {"fill_response": {"trade_id": "t1", "order_id": "o1", "price": 1.5}}
    other_half = {"fill_response": {"trade_id": "t1", "order_id": "o2", "price": 1.5}}
    assert [type(e) for e in say(session, [fill, other_half, fill])] == [Data, Data, Duplicate]
    session.closed(1006, "", NOW)
    session.opened(NOW)
    assert isinstance(say(session, fill)[-1], Duplicate)
    # Nothing tells these apart, so each is one.
    unnamed = {"fill_response": {"price": 1.5}}
    assert [type(event) for event in say(session, [unnamed, unnamed])] == [Data, Data]


def test_errors_name_what_they_are_about_and_nothing_else() -> None:
    session = ready()
    message = {"type": "add_order", "params": {**ORDER, "quantity": "1", "note": "private"}}
    for incoming in (message, json.dumps(message)):
        (event,) = say(session, err("InvalidOrder", "no", incoming))
        assert event == Rejected(
            "InvalidOrder", "no", "the order is not valid: do not send it again",
            "add_order my-order-123",
        )  # fmt: skip
    for incoming in (None, "", "[", 7, {"type": 7}, {"type": "auth", "params": {"order_id": "x"}}):
        (event,) = say(session, err("ServerError", "no", incoming))
        assert event.about in ("", "auth")
    (event,) = say(session, {"err": "plain"})
    assert (event.code, event.message) == ("unknown", "plain")


# --- the budget -----------------------------------------------------------------------------------


def test_the_budget_is_12_000_a_minute() -> None:
    budget = RateBudget()
    for _ in range(12_000):
        assert budget.wait("add_order", NOW) == 0
        budget.spend("add_order", NOW)
    wait = budget.wait("add_order", NOW)
    assert 0 < wait < SECOND
    assert budget.wait("add_order", NOW + wait) == 0
    assert budget.wait("add_order", NOW + wait - 10**6) > 0
    # Cancels are counted apart, so that they can always go.
    assert budget.wait("cancel_order", NOW) == 0
    assert budget.used("cancel_order", NOW) == 0
    assert budget.wait("add_order", NOW + 10**6 * SECOND) == 0


def test_cancels_are_on_a_budget_of_their_own() -> None:
    assert {kind for kind, one in ASKING.items() if one.cancels} == {
        "cancel_order", "cancel_all_orders", "cancel_stop_order",
    }  # fmt: skip
    budget = RateBudget(Decimal(6))
    for _ in range(3):
        budget.spend("cancel_all_orders", NOW)
    assert budget.used("add_order", NOW) == 0
    assert budget.wait("cancel_order", NOW) > 0
    budget.hold("cancel_stop_order", NOW + 90 * SECOND)
    assert budget.wait("add_order", NOW) == 0
    assert budget.wait("cancel_order", NOW) == 90 * SECOND
    assert budget.wait("cancel_order", NOW + 90 * SECOND) == 0


def test_the_weights() -> None:
    assert {kind: str(weight) for kind, weight in WEIGHTS.items() if weight != 1} == {
        "get_order": "2", "get_user_orders": "5", "cancel_all_orders": "2",
        "get_user_trades": "0.5", "subscribe": "0.1", "unsubscribe": "0.1",
        "cancel_on_disconnect": "0.1", "set_user_leverage": "0.1", "get_user_leverage": "0.1",
        "get_available_leverage_levels": "0.1",
    }  # fmt: skip
    assert set(WEIGHTS) == set(REQUIRED)


@given(
    st.lists(st.tuples(st.integers(0, 90 * SECOND), st.sampled_from(sorted(WEIGHTS))), max_size=40)
)
def test_after_the_wait_a_message_may_go(steps: list[tuple[int, str]]) -> None:
    budget, now = RateBudget(Decimal(8)), NOW
    for pause, kind in steps:
        now += pause
        now += budget.wait(kind, now)
        assert budget.wait(kind, now) == 0
        budget.spend(kind, now)
        assert budget.used(kind, now) <= 8


def test_the_session_holds_to_the_budget() -> None:
    with pytest.raises(Misuse):
        RateBudget(Decimal(5))
    budget = RateBudget(Decimal(6))
    session = ready(budget=budget, channels=())
    for _ in range(6):
        session.send("add_order", ORDER, now=NOW)
    with pytest.raises(Misuse) as caught:
        session.send("add_order", ORDER, now=NOW)
    assert "pause" in str(caught.value)
    session.send("cancel_all_orders", now=NOW)
    session.send("add_order", ORDER, now=NOW + budget.wait("add_order", NOW))


def test_hints_of_how_long_to_wait() -> None:
    for message, hint in (
        ("retry after 500ms", SECOND // 2), ("retry in 1.5 seconds", 3 * SECOND // 2),
        ("try again in 2s", 2 * SECOND), ("slow down", None), ("", None),
    ):  # fmt: skip
        assert retry_hint(message) == hint


# --- market data ----------------------------------------------------------------------------------


ALL = Subscription(tuple(CHANNELS), ("*",), INTERVALS)


def market(*subscriptions: Subscription, **options: Any) -> QfexMarketSession:
    session = QfexMarketSession(subscriptions, **options)
    session.dial(NOW)
    session.opened(NOW)
    return session


def test_the_spec_s_subscriptions() -> None:
    session = market(
        Subscription(("level2", "trade"), ("AAPL-USD",)),
        Subscription(("candle",), ("AAPL-USD",), ("1MIN",)),
    )
    assert session.dial(NOW).url == "wss://mds.qfex.com"
    assert session.take() == [
        '{"type":"subscribe","channels":["level2","trade"],"symbols":["AAPL-USD"]}',
        '{"type":"subscribe","channels":["candle"],"symbols":["AAPL-USD"],"intervals":["1MIN"]}',
    ]
    session.unsubscribe(["level2"], ["AAPL-USD"])
    assert session.take() == ['{"type":"unsubscribe","channels":["level2"],"symbols":["AAPL-USD"]}']
    session.subscribe(["bbo"], ["*"])
    session.take()
    session.closed(1006, "", NOW)
    session.opened(NOW)
    assert [message["channels"] for message in sent(session)] == [["trade"], ["candle"], ["bbo"]]


@pytest.mark.parametrize(
    ("channels", "symbols", "intervals"),
    [
        ([], ["A"], []), (["level3"], ["A"], []), (["bbo"], [], []), (["bbo"], [""], []),
        (["candle"], ["A"], []), (["bbo"], ["A"], ["1MIN"]), (["candle"], ["A"], ["2MIN"]),
        (["bbo"], ["a b"], []),
    ],
)  # fmt: skip
def test_subscriptions_the_venue_would_not_take(
    channels: Any, symbols: Any, intervals: Any
) -> None:
    with pytest.raises(Misuse):
        QfexMarketSession().subscribe(channels, symbols, intervals)
    with pytest.raises(Misuse):
        market(Subscription(tuple(channels), tuple(symbols), tuple(intervals)))


def test_unsubscribing_takes_subscriptions_apart() -> None:
    session = market(Subscription(("bbo", "candle"), ("A", "B"), ("1MIN", "1DAY")))
    session.unsubscribe(["candle"], ["A"], ["1MIN"])
    session.closed(1006, "", NOW)
    session.opened(NOW)
    candles = {"type": "subscribe", "channels": ["candle"]}
    assert sent(session) == [
        {"type": "subscribe", "channels": ["bbo"], "symbols": ["A", "B"]},
        {**candles, "symbols": ["A"], "intervals": ["1DAY"]},
        {**candles, "symbols": ["B"], "intervals": ["1MIN", "1DAY"]},
    ]


def again(session: QfexMarketSession) -> list[Any]:
    """What the next connection is told."""
    session.closed(1006, "", NOW)
    session.opened(NOW)
    return sent(session)


def test_few_messages_bring_everything_back() -> None:
    session = market()
    for number in range(300):
        session.subscribe(["level2", "trade"], [f"S{number}"])
    (message,) = again(session)
    assert message["channels"] == ["level2", "trade"]
    assert len(message["symbols"]) == 300


def test_a_star_is_all_symbols() -> None:
    session = market(Subscription(("bbo", "trade"), ("A", "B")))
    session.take()
    session.unsubscribe(["bbo"], ["*"])
    assert again(session) == [{"type": "subscribe", "channels": ["trade"], "symbols": ["A", "B"]}]
    session.subscribe(["trade"], ["*"])
    assert again(session) == [{"type": "subscribe", "channels": ["trade"], "symbols": ["*"]}]
    session.subscribe(["trade"], ["A"])
    assert sent(session) == [], "that is in it"
    session.unsubscribe(["trade"], ["A"])
    assert sent(session) == [{"type": "unsubscribe", "channels": ["trade"], "symbols": ["A"]}]
    assert [message["type"] for message in again(session)] == ["subscribe", "unsubscribe"]
    session.unsubscribe(["trade"], ["*"])
    assert again(session) == []


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sets(st.sampled_from(["bbo", "trade", "candle"]), min_size=1),
            st.sets(st.sampled_from(["A", "B", "*"]), min_size=1),
            st.sets(st.sampled_from(["1MIN", "1DAY"]), min_size=1),
        ),
        max_size=8,
    )
)
def test_the_next_connection_has_what_this_one_had(steps: list[Any]) -> None:
    """Whatever was subscribed and unsubscribed: the server's side of both agree."""
    session, here, there = market(), MarketDesk(), MarketDesk()
    for subscribing, channels, symbols, intervals in steps:
        act = session.subscribe if subscribing else session.unsubscribe
        act(sorted(channels), sorted(symbols), sorted(intervals) if "candle" in channels else ())
    for message in session.take():
        here.received(str(message))
    session.closed(1006, "", NOW)
    session.opened(NOW)
    for message in session.take():
        assert there.received(str(message))
    assert here.streams(["A", "B", "C"]) == there.streams(["A", "B", "C"])


BOOK = {
    "type": "level2", "symbol": "AAPL-USD", "time": "2025-08-20T09:26:36.861195808Z",
    "bid": [["564.1", "0.1"]], "ask": [["566.2", "2.118"]], "sig_figs": 2, "sequence": 1,
}  # fmt: skip
AT = 1755681996861195808
LEVELS = ((Decimal("564.1"), Decimal("0.1")),), ((Decimal("566.2"), Decimal("2.118")),)


def test_the_spec_s_level2() -> None:
    session = market(ALL)
    events = say(session, BOOK)
    assert events == [
        Subscribed("level2:AAPL-USD"), Data("level2", Level2("AAPL-USD", *LEVELS, AT, 2, 1)),
    ]  # fmt: skip
    assert session.subscribed == ["level2:AAPL-USD"]
    again = BOOK | {"sequence": 2}
    assert [type(event) for event in say(session, again)] == [Data]
    # Word for word, and also after a reconnect: a repeat.
    assert say(session, BOOK) == [Duplicate("level2", events[1].content)]
    session.closed(1006, "", NOW)
    session.opened(NOW)
    assert [type(event) for event in say(session, again)] == [Duplicate]
    assert session.subscribed == []
    other = BOOK | {"bid": []}
    assert [type(event) for event in say(session, other)] == [Subscribed, Data]


def test_only_what_can_be_told_apart_is_a_repeat() -> None:
    session = market(ALL)
    for message in (
        {"type": "open_interest", "symbol": "A", "open_interest": "1"},
        {"type": "trade", "symbol": "A", "time": "2025-08-20T09:26:36Z", "price": "1"},
    ):
        assert [type(e) for e in say(session, [message, message])] == [Subscribed, Data, Data]
    trade = {"type": "trade", "symbol": "B", "trade_id": "1"}
    assert [type(e) for e in say(session, [trade, trade])] == [Subscribed, Data, Duplicate]
    numbered = [trade | {"sequence": number} for number in (5, 6)]
    assert [type(event) for event in say(session, numbered)] == [Duplicate, Duplicate]
    for number in range(LATEST):
        say(session, trade | {"trade_id": f"later {number}"})
    assert [type(e) for e in say(session, trade)] == [Data], "that is too long ago"


def test_what_was_unsubscribed_may_still_come() -> None:
    session = market(Subscription(("bbo",), ("A", "B")))
    late = {"type": "bbo", "symbol": "A"}
    assert [type(event) for event in say(session, late)] == [Subscribed, Data]
    session.unsubscribe(["bbo"], ["A"])
    assert session.subscribed == []
    assert [type(event) for event in say(session, late)] == [Data]
    assert session.subscribed == []
    session.subscribe(["bbo"], ["A"])
    assert [type(event) for event in say(session, late)] == [Subscribed, Data]


def test_candles_of_each_interval_are_subscribed_by_themselves() -> None:
    session = market(Subscription(("candle",), ("A",), ("1MIN", "1DAY")))
    for interval in ("1MIN", "1DAY", "4HOURS"):
        say(session, {"type": "candle", "symbol": "A", "resolution": interval})
    assert session.subscribed == ["candle:A/1DAY", "candle:A/1MIN"]


def test_silence() -> None:
    session = market(ALL, silence=5 * SECOND)
    assert session.deadline is None, "nobody knows whether there is anything to say"
    say(session, BOOK)
    assert session.tick(NOW + 4 * SECOND) == []
    say(session, BOOK | {"sequence": 2}, NOW + 4 * SECOND)
    assert session.deadline == NOW + 9 * SECOND
    assert session.tick(NOW + 9 * SECOND) == [Stalled(5 * SECOND)]
    session.closed(1006, "", NOW)
    assert session.deadline is None


MESSAGES: list[tuple[dict[str, Any], Any]] = [
    (
        {"type": "bbo", "symbol": "A", "time": "2025-08-20T09:26:36Z", "bid": [["1", "2"]],
         "ask": []},
        Bbo("A", ((Decimal(1), Decimal(2)),), (), AT - 861195808),
    ),
    (
        {"type": "bbo", "symbol": "A", "bid": [], "ask": [], "sequence": 7},
        Bbo("A", (), (), sequence=7),
    ),
    (
        {"type": "trade", "trade_id": "ab59768f", "symbol": "PLTR-USD", "size": "0.100000",
         "price": "157.025000", "side": "SELL", "execution_type": "T"},
        Trade("PLTR-USD", "ab59768f", None, Decimal("0.1"), Decimal("157.025"), "SELL", "T"),
    ),
    (
        {"type": "candle", "symbol": "P", "start": "1970-01-01T00:01:00Z", "resolution": "1MIN",
         "low": "155.7", "high": "157.225", "open": "156.475", "close": "156.9", "usdVolume": 16700,
         "trades": "16"},
        Candle("P", 60 * SECOND, "1MIN", Decimal("156.475"), Decimal("157.225"), Decimal("155.7"),
               Decimal("156.9"), Decimal(16700), 16),
    ),
    (
        {"type": "funding", "symbol": "A", "funding_rate": "0.21", "time_remaining": "32"},
        Funding("A", Decimal("0.21"), 32),
    ),
    (
        {"type": "market_stats", "symbol": "*", "sequence": 30272540,
         "daily_volumes": [{"symbol": "A", "volume": "12.5"}]},
        MarketStats("*", 30272540, daily_volumes=(DailyVolume("A", Decimal("12.5")),)),
    ),
    (
        {"type": "market_stats", "symbol": "A", "time": "1970-01-01T00:01:00Z",
         "bbos": [{"symbol": "A", "bid": [["1", "2"]], "ask": []}],
         "mark_prices": [{"symbol": "A", "price": "10102", "time": "1970-01-01T00:00:00Z"}],
         "open_interests": [{"symbol": "A", "open_interest": "12.5"}]},
        MarketStats("A", None, Time(60 * SECOND), (Bbo("A", ((Decimal(1), Decimal(2)),), ()),),
                    (MarkPrice("A", Decimal(10102), Time(0)),),
                    (OpenInterest("A", Decimal("12.5")),)),
    ),
    (
        {"type": "minmax_price", "symbol": "A", "min_price": "400.00", "max_price": "450.00"},
        MinMaxPrice("A", Decimal(400), Decimal(450)),
    ),
    (
        {"type": "underlier", "symbol": "A", "price": "437.45", "source": "external"},
        Underlier("A", Decimal("437.45"), "external"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "record"), MESSAGES)
def test_each_form_in_which_messages_come(message: dict[str, Any], record: Any) -> None:
    expected = Data(message["type"], record)
    inner = {key: value for key, value in message.items() if key != "type"}
    for form in (
        message, [message], {"type": message["type"], "contents": [inner]},
        {"type": message["type"], "contents": inner}, [{"type": "x", "contents": [message]}],
    ):  # fmt: skip
        assert say(market(ALL), form)[-1] == expected


def test_all_channels_have_a_record() -> None:
    for channel in CHANNELS:
        (_, data) = say(market(ALL), {"type": channel, "symbol": "A"})
        assert data == Data(channel, CHANNELS[channel]("A"))
    (data,) = say(market(), {"type": "level2", "symbol": "A"})
    assert data.content.bid is None  # unsaid, which is not empty


@pytest.mark.parametrize(
    "message",
    ["", "{", "\ud800", {"type": "bbo"}, {"type": "bbo", "symbol": None},
     {"type": "bbo", "symbol": 7},
     {**BOOK, "bid": [["x", "1"]]}, {**BOOK, "bid": [["1"]]}, {**BOOK, "bid": {}},
     {**BOOK, "time": "yesterday"}, {**BOOK, "time": "2025-13-20T09:26:36Z"},
     {**BOOK, "sequence": "1.5"},
     {"type": "funding", "symbol": "A", "funding_rate": "1_0"}, {**BOOK, "bid": [["NaN", "1"]]}],
)  # fmt: skip
def test_broken_messages_are_kept(message: Any) -> None:
    raw = message if isinstance(message, str) else json.dumps(message)
    (event,) = market().received(raw, NOW)
    assert isinstance(event, Broken)
    assert event.raw == raw


def test_unknown_messages_pass_through() -> None:
    for message in (
        7,
        None,
        "x",
        [],
        {},
        {"type": "news"},
        {"type": ["x"]},
        {"type": "bbo", "contents": []},
    ):
        (event,) = say(market(), message)
        assert isinstance(event, Unknown)
    (event,) = say(market(), {"type": "error", "message": "no"})
    assert isinstance(event, Rejected)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(-14, 14))
def test_times_are_exact(moment: datetime, hours: int) -> None:
    expected = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000
    assert time_of(moment.isoformat() + "Z") == expected
    there = moment.replace(tzinfo=UTC) + timedelta(hours=hours)
    sign_ = "+" if hours >= 0 else "-"
    assert time_of(f"{there.replace(tzinfo=None).isoformat()}{sign_}{abs(hours):02}:00") == expected
    assert time_of("1970-01-01T00:00:59.123456789123Z") == 59_123_456_789
    assert time_of("1970-01-01T00:00:60Z") == 60 * SECOND


# --- anything at all ------------------------------------------------------------------------------

trees = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.floats(allow_nan=False),
        st.sampled_from(["level2", "1.5", "auth", "A", "1e999", "2025-08-20T09:26:36Z"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["type", "symbol", "contents", "bid", "time", "err", "ack", "incoming_message",
                 "params", "order_response", "subscribed", "channel", "authenticated",
                 "update_time", "error_code", "message", "price", "sequence", "bbos"]
            ),
            inner,
        ),
    ),
    max_leaves=14,
)  # fmt: skip
messages = st.one_of(st.text(), st.binary(), trees.map(json.dumps))
data_messages = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CHANNELS)), "symbol": st.just("A")},
    optional={"bid": trees, "time": trees, "price": trees, "sequence": trees, "contents": trees},
).map(json.dumps)


@given(st.lists(st.one_of(messages, data_messages), max_size=8), st.booleans())
def test_nothing_a_server_sends_raises(received: list[str | bytes], logged_in: bool) -> None:
    first = trade(cancel_on_disconnect=True)
    first.opened(NOW)
    for session in (market(), ready() if logged_in else first):
        for message in received:
            for event in session.received(message, NOW):
                assert repr(event)
            session.tick(NOW + 30 * SECOND)
            session.take()
        assert isinstance(session.closed(1006, "", NOW)[-1], Closed)


def test_deep_nesting_is_survived() -> None:
    for depth in (3, 10, 500, 5000):
        for session in (market(), ready()):
            assert session.received("[" * depth + "]" * depth, NOW)
            assert session.received('{"contents":' * depth + "1" + "}" * depth, NOW)


@given(st.integers(100, 599), st.binary(), st.text())
def test_no_refusal_raises(status: int, body: bytes, text: str) -> None:
    for session in (QfexMarketSession(), trade()):
        event, retry = session.rejected(status, [("Retry-After", text)], body)
        assert event.code == f"HTTP {status}"
        assert retry.again == (status in (408, 425, 429) or status >= 500)
        session.closed(4000, text, NOW)


@given(st.text())
def test_every_code_has_words(code: str) -> None:
    assert meaning(code)


def test_no_secret_shows() -> None:
    jwt = make_token(JWT_KEY, "x", NOW)
    for credentials in (KEY, Jwt(Secret(jwt))):
        for key_in in ("headers", "query"):
            session = trade(credentials, key_in=key_in)
            dial = session.dial(NOW)
            session.opened(NOW)
            (message,) = session.take()
            params = json.loads(message)["params"]
            secrets = [SECRET.reveal(), jwt]
            if "hmac" in params:
                secrets += [params["hmac"]["signature"]]
                secrets += [v for k, v in dial.headers if k == "x-qfex-hmac-signature"]
            shown = [repr(session), repr(dial), repr(credentials), str(session.redact(message))]
            for secret in [s for s in secrets if s in message or s in str(dial.values)]:
                for echo in (
                    err("PermissionDenied", secret, json.loads(message)),
                    err("PermissionDenied", "x", message), {"ack": {"incoming_message": message}},
                    {"ack": {"incoming_message": json.loads(message)}}, [secret], secret,
                ):  # fmt: skip
                    shown += [repr([event.values for event in say(session, echo)])]
                shown += [repr(session.received(f"{{{secret}", NOW)[0].values)]
                shown += [repr(session.rejected(401, [], secret.encode())[0].values)]
                shown += [repr(session.closed(1008, secret, NOW)[-1].values)]
                shown += [str(session.redact(secret.encode()))]
            assert not [text for text in shown for secret in secrets if secret in text]


# --- the other side -------------------------------------------------------------------------------


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
    token = Jwt(Secret(make_token(JWT_KEY, "x", NOW)))
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
    expired = Jwt(Secret(make_token(JWT_KEY, "x", NOW)))
    assert why(auth(credentials=expired), NOW + 3600 * SECOND)[1] == "expired token"
    assert why(auth(credentials=Jwt(Secret(make_token(SECRET, "x", NOW)))))[1] == "invalid token"
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
    session.send("add_order", ORDER, now=NOW)
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
        return answers[0]["err"]["error_code"]

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
    tight = TradeDesk(desk(), NOW, RateBudget(Decimal(6)))
    tight.received(json.dumps(auth()), NOW)
    order = json.dumps({"type": "modify_order", "params": {
        "symbol": "A", "order_id": "1", "side": "BUY", "order_type": "MARKET"}})  # fmt: skip
    assert all(tight.received(order, NOW)[1] for _ in range(6))
    (answer,) = tight.received(order, NOW)[0]
    assert answer["err"]["error_code"] == "RateLimited"
    assert retry_hint(answer["err"]["message"])


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


@given(st.sampled_from(sorted(REQUIRED)), st.dictionaries(parameters, trees))
def test_no_parameters_raise(kind: str, params: Any) -> None:
    server = TradeDesk(desk(), NOW)
    server.received(json.dumps(auth()), NOW)
    server.received(json.dumps({"type": kind, "params": params}), NOW)
    with suppress(Misuse):
        ready().send(kind, params, now=NOW)
