"""QFEX's trade socket: what is sent, and what comes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from payloads.errors import Misuse
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.session import (
    SECOND,
    Broken,
    Closed,
    Data,
    Rejected,
    Subscribed,
    Unknown,
    Unsubscribed,
)
from payloads.venues.qfex.codes import ORDER_STATUS
from payloads.venues.qfex.records import (
    REPLIES,
    AllOrders,
    Balance,
    Fill,
    Leverage,
    OrderResponse,
    Position,
    StopOrder,
    Twap,
)
from payloads.venues.qfex.requests import AddOrder, CancelOnDisconnect, Unchecked, request_of
from payloads.venues.qfex.server import err
from payloads.venues.qfex.trade_session import QfexTradeSession
from tests.venues.kit import only, sent
from tests.venues.qfex.kit import NOW, ORDER, ready, say, trade


def test_numbers_go_out_exactly() -> None:
    session = ready()
    session.request(request_of("add_order", ORDER))
    assert session.take() == [
        '{"type":"add_order","params":{"symbol":"AAPL-USD","side":"BUY","order_type":"LIMIT",'
        '"order_time_in_force":"GTC","quantity":0.1,"price":150.50,"client_order_id":"my-order-123"}}'
    ]
    session.request(request_of("cancel_all_orders", {}))
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
        ready().request(request_of(kind, params))


def test_a_misspelt_parameter_is_no_order() -> None:
    misspelt: dict[str, Any] = {**ORDER, "stop_los": "140"}
    with pytest.raises(TypeError, match="stop_los"):
        AddOrder(**misspelt)
    session = ready()
    order = request_of("add_order", ORDER)
    session.request(Unchecked("add_order", {**order.params, "post_only": True}))
    session.request(Unchecked("news", {"since": 1}))
    wrong: dict[str, Any]
    for wrong in ({"since": 1.5}, {"since": object()}):
        with pytest.raises(Misuse):
            session.request(Unchecked("news", wrong))
    sent_order, news = sent(session)
    assert sent_order["params"]["post_only"] is True
    assert news == {"type": "news", "params": {"since": 1}}
    with pytest.raises(Misuse, match="expected an integer from 30"):
        request_of("add_twap", TWAP | {"order_interval_secs": 29})
    session.request(request_of("add_twap", TWAP))
    for wrong in ({"num_orders": 1}, {"num_orders": "2.5"}, {"reduce_only": 1}):
        with pytest.raises(Misuse):
            request_of("add_twap", TWAP | wrong)


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
        session.request(request_of(kind, params))
        assert session.deadline == 0, "the session is to be told the time"
        session.tick(NOW)
        return session

    session, about = asking(), f"{kind} {named}".strip()
    assert session.deadline == NOW + 10 * SECOND
    assert session.tick(NOW + 9 * SECOND) == []
    late = only(session.tick(NOW + 10 * SECOND), Rejected)
    assert (late.code, late.about) == ("no answer", about)
    assert session.deadline is None
    lost, _closed = asking().closed(1006, "", NOW)
    assert isinstance(lost, Rejected)
    assert (lost.code, lost.about) == ("lost", about)
    session = asking()
    say(session, {"order_response": {"order_id": "another", "client_order_id": "another"}})
    say(session, answer)
    assert session.deadline is None
    assert session.tick(NOW + 10 * SECOND) == []


def test_the_reply_about_another_order_is_no_answer() -> None:
    session = ready()
    say(session, {"subscribed": "order_responses"})
    session.request(request_of("add_order", ORDER))
    session.tick(NOW)
    say(session, {"order_response": {"order_id": "o9", "client_order_id": ""}})
    assert session.deadline == NOW + 10 * SECOND
    say(session, {"order_response": {"status": "BAD_SYMBOL"}})
    assert session.deadline is None, "it names no order, so it is taken for the oldest request's"


def test_orders_are_not_waited_for_where_none_is_answered() -> None:
    session = ready(channels=())
    session.request(request_of("add_order", ORDER))
    session.tick(NOW)
    assert session.deadline is None


def test_an_unchecked_subscription_is_waited_for_by_channel() -> None:
    for answer, code in (({"subscribed": "news"}, ""), ({"subscribed": "other"}, "no answer")):
        session = ready(channels=())
        session.request(Unchecked("subscribe", {"channels": ["news"]}))
        session.tick(NOW)
        say(session, answer)
        late = session.tick(NOW + 10 * SECOND)
        assert [event.code for event in late if isinstance(event, Rejected)] == [code] * bool(code)


def test_what_lasts_lasts_however_it_was_said() -> None:
    session = ready()
    session.request(request_of("subscribe", {"channels": ["fills"]}))
    session.request(request_of("unsubscribe", {"channels": ["order_responses"]}))
    session.request(request_of("cancel_on_disconnect", {"cancel_on_disconnect": True}))
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


def test_nothing_is_sent_before_the_login() -> None:
    session = trade()
    with pytest.raises(Misuse):
        session.request(request_of("cancel_all_orders", {}))
    session.subscribe("fills")
    session.opened(NOW)
    with pytest.raises(Misuse):
        session.request(request_of("cancel_all_orders", {}))
    assert [message["type"] for message in sent(session)] == ["auth"]
    say(session, {"authenticated": True})
    assert sent(session)[0]["params"] == {"channels": ["order_responses", "fills"]}


def test_channels() -> None:
    session = ready()
    session.subscribe("positions")
    assert say(session, {"subscribed": "positions"}) == [Subscribed("positions")]
    session.unsubscribe("positions")
    assert say(session, {"unsubscribed": "positions"}) == [Unsubscribed("positions")]
    assert [message["type"] for message in sent(session)] == ["subscribe", "unsubscribe"]
    session.request(CancelOnDisconnect(True))
    assert sent(session)[0]["params"] == {"cancel_on_disconnect": True}
    for channel in ("level2", "", 7):
        with pytest.raises(Misuse):
            session.subscribe(channel)  # type: ignore[arg-type]
    session.subscribe("balances")
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
    data = only(ready().received(raw, NOW), Data)
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


SECONDS, STAMP = "1758208770.5512846", 1758208770551284600
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
        (Fill("t1", "o1", None, "A", "BUY", None, Decimal("1.1"), Decimal(2),
                   Decimal("0.001"), "STOP_LOSS", "IOC"),),
    ),
    "fill_response": (
        '{"trade_id":"t1","user_id":"u","symbol":"A","price":1.1,"quantity":2,"side":"BUY",'
        '"aggressor_side":"SELL","order_id":"o1","fee":0.001,"order_type":"LIMIT","tif":"GTC",'
        '"order_price":1.2,"client_order_id":"c1","remaining_quantity":0.5,"execution_type":"T",'
        f'"timestamp":{SECONDS},"realised_pnl":-3}}',
        Fill("t1", "o1", "c1", "A", "BUY", "SELL", Decimal("1.1"), Decimal(2), Decimal("0.001"),
             "LIMIT", "GTC", STAMP, Decimal("0.5"), Decimal(-3), Decimal("1.2"),
             execution_type="T", user_id="u"),
    ),
    "position_response": (
        '{"id":"PLTR-USD","symbol":"PLTR-USD","position":-1.5,"margin_alloc":0,'
        '"realised_pnl":1.327875,"unrealised_pnl":0,"net_funding":0.00000482,"open_orders":1,'
        '"open_quantity":10,"leverage":20,"initial_margin":0,"maintenance_margin":0,'
        '"average_price":0,"timestamp":"2025-05-09T03:47:20.505934+00:00"}',
        Position("PLTR-USD", Decimal("-1.5"), Decimal(0), Decimal(20), Decimal("1.327875"),
                 Decimal(0), Decimal("0.00000482"), Decimal(0), Decimal(0), Decimal(0), Decimal(1),
                 Decimal(10), 1746762440505934000, "PLTR-USD"),
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
                  1_500_000_000, "u"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", REPLIES)
def test_every_response_is_a_record(key: str) -> None:
    raw, record = RESPONSES[key]
    assert ready().received(f'{{"{key}":{raw}}}', NOW) == [Data(key, record)]


def test_numbers_come_in_exactly() -> None:
    raw = '{"balance_response":{"fees":1.10,"deposit":"0.3000"}}'
    data = only(ready().received(raw, NOW), Data)
    assert (str(data.content.fees), str(data.content.deposit)) == ("1.10", "0.3000")


@pytest.mark.parametrize("key", REPLIES)
def test_responses_that_are_none_are_kept(key: str) -> None:
    content: Any
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
    trade = Fill("t1", None, "mine", aggressor_side="BUY", timestamp=1746908400 * SECOND)
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
    assert session.repeated == 2
    # Nothing tells these apart, so each is one.
    unnamed = {"fill_response": {"price": 1.5}}
    assert [type(event) for event in say(session, [unnamed, unnamed])] == [Data, Data]


def test_what_says_how_things_stand_is_no_repeat() -> None:
    session = ready()
    for message in (
        {"position_response": {"symbol": "AAPL-USD", "position": "1"}},
        {"balance_response": {"available_balance": "1"}},
        {"order_response": {"order_id": "o1", "status": "ACK"}},
    ):
        assert [type(event) for event in say(session, [message, message])] == [Data, Data]
    assert session.repeated == 0


def test_errors_name_what_they_are_about_and_nothing_else() -> None:
    session = ready()
    message = {"type": "add_order", "params": {**ORDER, "quantity": "1", "note": "private"}}
    incoming: Any
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
