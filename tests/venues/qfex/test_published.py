"""QFEX's words as its documentation lists them: channels, messages, replies, statuses, errors."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec.structs
import pytest

from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Data, Rejected, Subscribed
from payloads.venues.qfex.auth import HmacKey
from payloads.venues.qfex.codes import (
    BENIGN,
    ERRORS,
    MDS_ENDPOINTS,
    ORDER_STATUS,
    RETRYABLE,
    TRADE_ENDPOINTS,
)
from payloads.venues.qfex.market_session import INTERVALS, QfexMarketSession, Subscription
from payloads.venues.qfex.records import CHANNELS, REPLIES
from payloads.venues.qfex.requests import REQUESTS, TRADE_CHANNELS
from payloads.venues.qfex.trade_session import QfexTradeSession

NOW = 1_760_545_414 * SECOND
TIME = "2025-08-20T09:26:36.861195808Z"
AT = 1755681996861195808
LEVELS = ((Decimal("564.1"), Decimal("0.1")),), ((Decimal("566.2"), Decimal("2.118")),)


def words(text: str) -> set[str]:
    return set(text.split())


def test_endpoints() -> None:
    assert MDS_ENDPOINTS == {"mainnet": "wss://mds.qfex.com", "uat": "wss://mds.qfex.io"}
    assert TRADE_ENDPOINTS == {"mainnet": "wss://trade.qfex.com", "uat": "wss://trade.qfex.io"}


def test_names() -> None:
    assert set(CHANNELS) == words(
        "level2 trade bbo candle underlier mark_price funding open_interest minmax_price "
        "market_stats"
    )
    assert INTERVALS == ("1MIN", "5MINS", "15MINS", "1HOUR", "4HOURS", "1DAY")
    assert set(TRADE_CHANNELS) == words("order_responses stop_orders positions balances fills")
    assert set(REPLIES) == words(
        "order_response fill_response all_orders_response user_trades_response "
        "user_leverage_response available_leverage_levels_response position_response "
        "balance_response stop_order_response twap_response"
    )


# Each message with what it must have, and what it may.
ASKED = {
    "subscribe": "channels |",
    "unsubscribe": "channels |",
    "add_order": "symbol side order_type order_time_in_force quantity"
    " | price take_profit stop_loss client_order_id reduce_only",
    "modify_order": "symbol order_id side order_type | price quantity take_profit stop_loss",
    "cancel_order": "symbol order_id cancel_order_id_type |",
    "cancel_all_orders": "|",
    "get_order": "order_id symbol |",
    "get_user_orders": "| limit offset symbol",
    "get_user_trades": "| limit offset order_id start_ts end_ts",
    "close_position": "symbol | client_order_id",
    "add_twap": "symbol side total_quantity num_orders order_interval_secs reduce_only"
    " | client_twap_id",
    "cancel_stop_order": "stop_order_id |",
    "modify_stop_order": "stop_order_id symbol price quantity |",
    "set_user_leverage": "symbol leverage |",
    "get_user_leverage": "| limit offset",
    "get_available_leverage_levels": "| limit offset",
    "cancel_on_disconnect": "cancel_on_disconnect |",
}


def test_messages() -> None:
    assert set(REQUESTS) == set(ASKED)
    for name, parameters in ASKED.items():
        required, optional = parameters.split("|")
        found = {field.name: field.required for field in msgspec.structs.fields(REQUESTS[name])}
        assert {name for name, needed in found.items() if needed} == words(required), name
        assert {name for name, needed in found.items() if not needed} == words(optional), name


def test_statuses() -> None:
    assert set(ORDER_STATUS) == words(
        "ACK FILLED MODIFIED CANCELLED CANCELLED_STP REJECTED NO_SUCH_ORDER INVALID_ORDER_TYPE "
        "BAD_SYMBOL PRICE_LESS_THAN_MIN_PRICE PRICE_GREATER_THAN_MAX_PRICE "
        "CANNOT_MODIFY_PARTIAL_FILL FAILED_MARGIN_CHECK INVALID_TICK_SIZE_PRECISION_PRICE "
        "INVALID_TICK_SIZE_PRECISION_QUANTITY QUANTITY_LESS_THAN_MIN_QUANTITY "
        "QUANTITY_GREATER_THAN_MAX_QUANTITY INVALID_TIME_IN_FORCE "
        "REJECTED_WOULD_BREACH_MAX_NOTIONAL CANNOT_MODIFY_NO_SUCH_ORDER REJECTED_MARKET_CLOSED "
        "REJECTED_FAILED_TO_PROCESS INVALID_TAKEPROFIT_PRICE INVALID_STOPLOSS_PRICE RATE_LIMITED "
        "REJECTED_TOO_MANY_OPEN_ORDERS REJECTED_OPEN_INTEREST_LIMIT"
    )


AGAIN, BENIGNLY, NEVER = (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RateLimited", AGAIN), ("ServerError", AGAIN), ("AlreadyAuthenticated", BENIGNLY),
        ("AlreadySubscribedToLeaderboard", BENIGNLY), ("InvalidJSONFormat", NEVER),
        ("InvalidParameter", NEVER), ("InvalidOrder", NEVER), ("PermissionDenied", NEVER),
        ("KycRequired", NEVER), ("TncRequired", NEVER),
    ],
)  # fmt: skip
def test_errors(code: str, kind: tuple[bool, bool]) -> None:
    assert (code in RETRYABLE, code in BENIGN) == kind
    session = QfexTradeSession(HmacKey("key", Secret("secret")), nonces=lambda: "c0ffee")
    session.opened(NOW)
    session.received('{"authenticated":true}', NOW)
    raw = json.dumps({"err": {"error_code": code, "message": "why", "incoming_message": {}}})
    assert session.received(raw, NOW) == [Rejected(code, "why", ERRORS[code])]


PUBLISHED: list[tuple[str, dict[str, Any]]] = [
    (
        '{"type":"level2","symbol":"AAPL-USD","time":"TIME","bid":[["564.1","0.1"]],'
        '"ask":[["566.2","2.118"]],"sig_figs":2,"sequence":1}',
        {"bid": LEVELS[0], "ask": LEVELS[1], "sig_figs": 2, "sequence": 1},
    ),
    (
        '{"type":"bbo","symbol":"AAPL-USD","time":"TIME","bid":[["564.1","0.1"]],'
        '"ask":[["566.2","2.118"]]}',
        {"bid": LEVELS[0], "ask": LEVELS[1]},
    ),
    (
        '{"type":"underlier","symbol":"AAPL-USD","price":"437.45","source":"external",'
        '"time":"TIME"}',
        {"price": Decimal("437.45"), "source": "external"},
    ),
    (
        '{"type":"mark_price","symbol":"AAPL-USD","price":"437.45","time":"TIME"}',
        {"price": Decimal("437.45")},
    ),
    (
        '{"type":"funding","symbol":"AAPL-USD","funding_rate":"0.21","time_remaining":32,'
        '"time":"TIME"}',
        {"funding_rate": Decimal("0.21"), "time_remaining": 32},
    ),
    (
        '{"type":"open_interest","symbol":"AAPL-USD","open_interest":"1000000","time":"TIME"}',
        {"open_interest": Decimal(1000000)},
    ),
    (
        '{"type":"minmax_price","symbol":"AAPL-USD","min_price":"400.00","max_price":"450.00",'
        '"time":"TIME"}',
        {"min_price": Decimal(400), "max_price": Decimal(450)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "values"), PUBLISHED)
def test_nothing_of_a_published_message_is_left_out(raw: str, values: dict[str, Any]) -> None:
    session = QfexMarketSession([Subscription(tuple(CHANNELS), ("*",), INTERVALS)])
    session.opened(NOW)
    _, event = session.received(raw.replace("TIME", TIME), NOW)
    assert isinstance(event, Data)
    record = event.content
    said = {name: getattr(record, name) for name in record.__struct_fields__}
    expected = {"symbol": "AAPL-USD", "time": AT, **values}
    assert {name: value for name, value in said.items() if value is not None} == expected


@pytest.mark.parametrize(
    "names",
    [
        '"symbol":"AAPL-USD","resolution":"1MIN"', '"symbol":"AAPL-USD/1MIN"',
        '"symbol":"AAPL-USD/1MIN","resolution":"1MIN"',
    ],
)  # fmt: skip
def test_a_candle_is_recognised_however_it_is_named(names: str) -> None:
    session = QfexMarketSession([Subscription(("candle",), ("AAPL-USD",), ("1MIN",))])
    session.opened(NOW)
    first, data = session.received(f'{{"type":"candle",{names},"open":"1"}}', NOW)
    assert first == Subscribed("candle:AAPL-USD/1MIN")
    assert isinstance(data, Data)
