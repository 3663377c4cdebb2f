"""What was asked for and has not come is known, with its code and the time it was asked for."""

from __future__ import annotations

import json

from payloads.venues.chainlink.session import ChainlinkSession
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import (
    LOST,
    NO_ANSWER,
    NO_DATA,
    NOT_ASKED,
    SECOND,
    Missing,
    Rejected,
    Subscribed,
)
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.finery.auth import NonceSequence
from payloads.venues.finery.session import FinerySession
from payloads.venues.qfex.market_session import QfexMarketSession, Subscription
from payloads.venues.qfex.requests import AddOrder
from payloads.venues.stork.session import StorkSession
from tests.venues.chainlink.kit import CREDENTIALS, F1, F2, make_report
from tests.venues.ethgas.kit import TOKEN
from tests.venues.kit import NOW, say
from tests.venues.qfex.kit import NOW as QFEX_NOW
from tests.venues.qfex.kit import ready, trade
from tests.venues.stork.kit import taxonomy

LATER = NOW + 60 * SECOND


def test_chainlink_s_feeds() -> None:
    session = ChainlinkSession(CREDENTIALS, [F1, F2])
    assert session.missing == dict.fromkeys([F1, F2], Missing(NOT_ASKED))
    session.opened(NOW)
    say(session, {"report": make_report(F1)}, NOW)
    assert session.missing == {F2: Missing(NO_DATA, NOW)}
    # What has come once is not missing on the next connection.
    session.closed(1006, "", LATER)
    session.opened(LATER)
    assert session.missing[F2] == Missing(NO_DATA, NOW)
    assert F1 not in session.missing
    session.tick(LATER)
    assert session.take_requests()
    assert session.missing[f"backfill of {F1}"] == Missing(NO_ANSWER, LATER)


def test_stork_s_assets() -> None:
    session = StorkSession(Secret("a-token"), ["BTCUSD", 7], message_type="unsigned")
    session.opened(NOW)
    assert session.missing == {"BTCUSD": Missing(NOT_ASKED), "7": Missing(NO_DATA, NOW)}
    session.replied(taxonomy({"BTCUSD": 3}), NOW + 1)
    session.tick(LATER)
    silent = {"BTCUSD": Missing(NO_DATA, NOW + 1), "7": Missing(NO_DATA, NOW)}
    assert session.missing == silent, "nothing contradicted, and nothing came"
    say(session, {"type": "unsigned", "tax": 1, "ts": 1, "a": [{"id": 3, "v": "1"}]}, LATER)
    assert [*session.missing] == ["7"]
    session.unsubscribe(7)
    assert session.missing == {}


def test_an_error_of_stork_s() -> None:
    session = StorkSession(Secret("a-token"), [3], message_type="unsigned")
    session.opened(NOW)
    (event,) = say(session, {"type": "error", "error": "no such asset"}, NOW)
    words = "the service does not take a message"
    assert event == Rejected("error", "no such asset", words, "3")
    assert (session.refused, session.missing) == ({"3": "error: no such asset"}, {})
    assert not session.all_refused, "nothing says that the error is about it"
    assert session.tick(LATER) == [], "it is not taken to be in force"
    session.take()
    session.subscribe(4)
    assert [json.loads(text)["assets"] for text in session.take()] == [[4]], "asked for once"
    session.unsubscribe(4)
    session.take()
    events = say(session, {"type": "unsigned", "tax": 1, "ts": 1, "a": [{"id": 3, "v": "1"}]}, NOW)
    assert events[0] == Subscribed("3")
    assert session.refused == {}
    error = {"type": "error", "error": {"code": 7, "message": "later"}}
    assert say(session, error, NOW) == [Rejected("7", "later", words)]
    (event,) = say(session, {"type": "error", "what": [1]}, NOW)
    assert event == Rejected("error", "{'type': 'error', 'what': [1]}", words)
    assert session.refused == {}


def test_finery_s_binds_and_requests() -> None:
    nonces = NonceSequence()
    session = FinerySession("key", Secret("a-secret"), ["F:7", "I"], nonces=nonces)
    session.dial(NOW)
    session.opened(NOW)
    assert session.missing == dict.fromkeys(["F:7", "I"], Missing(NOT_ASKED))
    say(session, ["X", 0, "Z", 0], NOW)
    session.tick(NOW)
    assert session.missing == dict.fromkeys(["F:7", "I"], Missing(NO_ANSWER, NOW))
    say(session, ["F", 7, "S", [[], []]], NOW)
    say(session, ["I", 0, "Z", 100], NOW)
    assert session.missing == {"I": Missing(NO_DATA, NOW)}
    first, second = session.request("add"), session.request("del")
    session.tick(LATER)
    session.tick(LATER + 20 * SECOND)
    assert session.missing[f"add #{first}"] == Missing(NO_ANSWER, LATER)
    say(session, {"event": "request", "reqId": first, "reply": {}}, LATER)
    session.closed(1006, "", LATER)
    assert [*session.missing] == ["I", f"del #{second}"]
    assert session.missing[f"del #{second}"] == Missing(LOST, LATER)


def test_ethgas_s_channels_logins_and_queries() -> None:
    book, trades, orders = (
        "orderBookUpdate:wholeBlock",
        "recentTradeUpdate:wholeBlock",
        "preconfBundleUpdate",
    )
    session = EthgasSession([book, trades, orders], login=EthgasLogin(access_token=TOKEN))
    session.opened(NOW)
    session.tick(NOW)
    assert session.missing["login"] == Missing(NO_ANSWER, NOW)
    assert session.missing[orders] == Missing(NOT_ASKED)
    say(session, {"event": "login", "code": 0, "msg": ""}, NOW)
    session.tick(NOW)
    assert {label: how.code for label, how in session.missing.items()} == {
        book: NO_ANSWER, trades: NO_ANSWER, orders: NO_ANSWER,
    }  # fmt: skip
    market = {"marketType": "wholeBlock"}
    for name, more in (("orderBookUpdate", market), ("recentTradeUpdate", market)):
        say(session, {"event": "subscribe", "arg": {"channel": name, **more}}, NOW)
    say(session, {"event": "subscribe", "arg": {"channel": orders}}, NOW)
    assert session.missing == {book: Missing(NO_DATA, NOW)}, "without trades there is nothing more"
    content = {"I": "ETH-WB-1", "a": [], "b": [], "t": 1}
    say(session, {"e": "orderBookUpdate", "E": 1, "s": "ETH-WB-1", "P": content}, NOW)
    assert session.missing == {}
    session.request("currentSlot")
    session.tick(NOW)
    session.tick(LATER)
    assert session.missing == {"query currentSlot": Missing(NO_ANSWER, NOW)}
    say(session, {"q": "currentSlot", "P": {"t": 1, "s": 2, "r": 3}}, LATER)
    assert session.missing == {}, "it came late"


def test_qfex_s_market_data() -> None:
    session = QfexMarketSession(["level2:*", "trade:AAPL-USD", "candle:AAPL-USD/1MIN"])
    labels = ["level2:*", "trade:AAPL-USD", "candle:AAPL-USD/1MIN"]
    assert session.missing == dict.fromkeys(labels, Missing(NOT_ASKED))
    session.opened(NOW)
    book = {"type": "level2", "symbol": "PLTR-USD", "time": "2025-08-20T09:26:36Z",
            "bid": [], "ask": []}  # fmt: skip
    say(session, book, NOW)
    assert session.missing == dict.fromkeys(labels[1:], Missing(NO_DATA, NOW))
    session.subscribe(Subscription.of(["level2"], ["AAPL-USD"], sig_figs=[1]))
    assert session.deadline == 0
    session.tick(LATER)
    assert session.missing["level2:AAPL-USD/1"] == Missing(NO_DATA, LATER)
    say(session, book | {"symbol": "AAPL-USD"}, LATER)
    session.unsubscribe("trade:AAPL-USD")
    assert [*session.missing] == ["candle:AAPL-USD/1MIN"]


def test_qfex_s_trade_socket() -> None:
    session = trade(channels=["fills", "order_responses"])
    session.dial(QFEX_NOW)
    session.opened(QFEX_NOW)
    assert session.missing == {
        "auth": Missing(NO_ANSWER, QFEX_NOW),
        "fills": Missing(NOT_ASKED),
        "order_responses": Missing(NOT_ASKED),
    }
    session = ready(channels=["fills", "order_responses"])
    say(session, {"subscribed": "order_responses"}, QFEX_NOW)
    assert session.missing == {"fills": Missing(NO_ANSWER, QFEX_NOW)}
    say(session, {"subscribed": "fills"}, QFEX_NOW)
    assert session.missing == {}
    for name in ("one", "two"):
        order = AddOrder("AAPL-USD", "BUY", "MARKET", "IOC", 1, client_order_id=name)
        session.request(order)
    session.tick(QFEX_NOW)
    session.tick(QFEX_NOW + 20 * SECOND)
    unanswered = Missing(NO_ANSWER, QFEX_NOW)
    assert session.missing == {"add_order one": unanswered, "add_order two": unanswered}
    say(session, {"order_response": {"client_order_id": "one", "symbol": "AAPL-USD"}}, QFEX_NOW)
    session.closed(1006, "", QFEX_NOW)
    assert session.missing == {"add_order two": Missing(LOST, QFEX_NOW)}
