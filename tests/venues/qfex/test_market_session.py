"""QFEX's market data: subscriptions, and each form in which messages come."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Misuse
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import (
    SECOND,
    Broken,
    Data,
    Rejected,
    Stalled,
    Subscribed,
    Unknown,
)
from payloads.venues.common.values import time_of
from payloads.venues.common.venue import SessionConfig
from payloads.venues.qfex import TRADE_VENUE, VENUE
from payloads.venues.qfex.market_session import QfexMarketSession, Subscription
from payloads.venues.qfex.records import (
    CHANNELS,
    Bbo,
    Candle,
    DailyVolume,
    Funding,
    Level2,
    MarketStats,
    MarkPrice,
    MinMaxPrice,
    OpenInterest,
    Trade,
    Underlier,
)
from payloads.venues.qfex.server import MarketDesk
from payloads.venues.qfex.session import LATEST
from payloads.venues.qfex.trade_session import QfexTradeSession
from tests.venues.kit import sent
from tests.venues.qfex.kit import ALL, NOW, market, say, trade


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
    session.unsubscribe("level2:AAPL-USD")
    assert session.take() == ['{"type":"unsubscribe","channels":["level2"],"symbols":["AAPL-USD"]}']
    session.subscribe("bbo:*")
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
        QfexMarketSession().subscribe(Subscription.of(channels, symbols, intervals))
    with pytest.raises(Misuse):
        market(Subscription(tuple(channels), tuple(symbols), tuple(intervals)))


def test_unsubscribing_takes_subscriptions_apart() -> None:
    session = market(Subscription(("bbo", "candle"), ("A", "B"), ("1MIN", "1DAY")))
    session.unsubscribe(Subscription.of(["candle"], ["A"], ["1MIN"]))
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
        session.subscribe(Subscription.of(["level2", "trade"], [f"S{number}"]))
    (message,) = again(session)
    assert message["channels"] == ["level2", "trade"]
    assert len(message["symbols"]) == 300


def test_a_star_is_all_symbols() -> None:
    session = market(Subscription(("bbo", "trade"), ("A", "B")))
    session.take()
    session.unsubscribe("bbo:*")
    assert again(session) == [{"type": "subscribe", "channels": ["trade"], "symbols": ["A", "B"]}]
    session.subscribe("trade:*")
    assert again(session) == [{"type": "subscribe", "channels": ["trade"], "symbols": ["*"]}]
    session.subscribe("trade:A")
    assert sent(session) == [], "that is in it"
    session.unsubscribe("trade:A")
    assert sent(session) == [{"type": "unsubscribe", "channels": ["trade"], "symbols": ["A"]}]
    assert [message["type"] for message in again(session)] == ["subscribe", "unsubscribe"]
    session.unsubscribe("trade:*")
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
        wanted = sorted(intervals) if "candle" in channels else ()
        act(Subscription.of(sorted(channels), sorted(symbols), wanted))
    for message in session.take():
        here.received(str(message))
    session.closed(1006, "", NOW)
    session.opened(NOW)
    for message in session.take():
        assert there.received(str(message))
    assert here.streams(["A", "B", "C"]) == there.streams(["A", "B", "C"])


def test_books_are_subscribed_with_their_figures() -> None:
    session = market(Subscription.of(["level2", "bbo"], ["A", "B"], sig_figs=[1]))
    flat = {"channels": ["level2", "bbo"], "symbols": ["A", "B"], "sig_figs": [1]}
    assert sent(session) == [
        {"type": "subscribe", "channels": ["level2"], "symbols": ["A", "B"], "sig_figs": [1]},
        {"type": "subscribe", "channels": ["bbo"], "symbols": ["A", "B"]},
    ]
    assert say(session, BOOK)[1:] == [], "of a symbol that is not wanted"
    book = BOOK | {"symbol": "A"}
    assert [type(event) for event in say(session, book)] == [Subscribed, Data]
    session.subscribe(Subscription.of(["level2"], ["A"], sig_figs=[0, 2]))
    session.unsubscribe(Subscription.of(["level2", "bbo"], ["B"], sig_figs=[1]))
    assert [(message["type"], message["sig_figs"]) for message in sent(session)] == [
        ("subscribe", [0, 2]), ("unsubscribe", [1]),
    ]  # fmt: skip
    assert again(session) == [
        {"type": "subscribe", "channels": ["level2"], "symbols": ["A"], "sig_figs": [1, 0, 2]},
        {"type": "subscribe", "channels": ["bbo"], "symbols": ["A"]},
    ]
    assert MarketDesk().received(json.dumps({"type": "subscribe", **flat}))
    for channels, sig_figs in ((["level2"], [3]), (["level2"], [True]), (["bbo"], [1])):
        with pytest.raises(Misuse):
            session.subscribe(Subscription.of(channels, ["A"], sig_figs=sig_figs))


def test_the_sig_figs_of_a_book_stand_in_its_label() -> None:
    for label, sig_figs in (("level2:A/1", [1]), ("level2:A/2", [2]), ("level2:A", None)):
        (message,) = sent(market(Subscription.checked(label)))
        assert message.get("sig_figs") == sig_figs
    for label in ("level2:A/3", "level2:A/1MIN", "bbo:A/1"):
        with pytest.raises(Misuse):
            Subscription.checked(label)


def test_the_command_line_can_name_the_client() -> None:
    config = SessionConfig(("level2:A",), options={"client": "bot/1"})
    session = VENUE.make(config)
    assert isinstance(session, QfexMarketSession)
    assert session.dial(NOW).headers == (("x-qfex-client", "bot/1"),)
    held = {"public_key": Secret("key"), "secret": Secret("secret")}
    trading = TRADE_VENUE.make(SessionConfig((), options={"client": "bot/1"}, credentials=held))
    assert isinstance(trading, QfexTradeSession)
    assert ("x-qfex-client", "bot/1") in trading.dial(NOW).headers


def test_a_client_names_itself() -> None:
    assert QfexMarketSession(client="bot/1").dial(NOW).headers == (("x-qfex-client", "bot/1"),)
    assert QfexMarketSession().dial(NOW).headers == ()
    for key_in in ("query", "headers", "none"):
        dial = trade(key_in=key_in, client="bot/1").dial(NOW)
        assert dial.headers[-1] == ("x-qfex-client", "bot/1")
        assert "x-qfex-client" not in dial.secret_headers
    with pytest.raises(Misuse):
        QfexMarketSession(client="two\r\nlines")


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
        Subscribed("level2:AAPL-USD"), Data("level2", Level2("AAPL-USD", AT, 1, *LEVELS, 2)),
    ]  # fmt: skip
    assert session.subscribed == ["level2:AAPL-USD"]
    again = BOOK | {"sequence": 2}
    assert [type(event) for event in say(session, again)] == [Data]
    # Word for word, and also after a reconnect: a repeat.
    assert say(session, BOOK) == [
        Duplicate("level2", events[1].content, time=1755681996861195808, sequence=1)
    ]
    assert session.repeated == 1
    session.closed(1006, "", NOW)
    session.opened(NOW)
    assert session.subscribed == []
    assert [type(event) for event in say(session, again)] == [Subscribed, Duplicate]
    other = BOOK | {"bid": []}
    assert [type(event) for event in say(session, other)] == [Data]
    assert session.subscribed == ["level2:AAPL-USD"]


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
    session.unsubscribe("bbo:A")
    assert session.subscribed == []
    assert [type(event) for event in say(session, late)] == [Data]
    assert session.subscribed == []
    session.subscribe("bbo:A")
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
        Bbo("A", AT - 861195808, None, ((Decimal(1), Decimal(2)),), ()),
    ),
    (
        {"type": "bbo", "symbol": "A", "bid": [], "ask": [], "sequence": 7},
        Bbo("A", None, 7, (), ()),
    ),
    (
        {"type": "trade", "trade_id": "ab59768f", "symbol": "PLTR-USD", "size": "0.100000",
         "price": "157.025000", "side": "SELL", "execution_type": "T"},
        Trade("PLTR-USD", None, None, "ab59768f", Decimal("0.1"), Decimal("157.025"), "SELL", "T"),
    ),
    (
        {"type": "candle", "symbol": "P", "start": "1970-01-01T00:01:00Z", "resolution": "1MIN",
         "low": "155.7", "high": "157.225", "open": "156.475", "close": "156.9", "usdVolume": 16700,
         "trades": "16"},
        Candle("P", None, None, 60 * SECOND, "1MIN", Decimal("156.475"),
               Decimal("157.225"), Decimal("155.7"), Decimal("156.9"), Decimal(16700), 16),
    ),
    (
        {"type": "funding", "symbol": "A", "funding_rate": "0.21", "time_remaining": "32"},
        Funding("A", None, None, Decimal("0.21"), 32),
    ),
    (
        {"type": "market_stats", "symbol": "*", "sequence": 30272540,
         "daily_volumes": [{"symbol": "A", "volume": "12.5"}]},
        MarketStats("*", None, 30272540, daily_volumes=(DailyVolume("A", Decimal("12.5")),)),
    ),
    (
        {"type": "market_stats", "symbol": "A", "time": "1970-01-01T00:01:00Z",
         "bbos": [{"symbol": "A", "bid": [["1", "2"]], "ask": []}],
         "mark_prices": [{"symbol": "A", "price": "10102", "time": "1970-01-01T00:00:00Z"}],
         "open_interests": [{"symbol": "A", "open_interest": "12.5"}]},
        MarketStats("A", 60 * SECOND, None,
                    (Bbo("A", None, None, ((Decimal(1), Decimal(2)),), ()),),
                    (MarkPrice("A", 0, None, Decimal(10102)),),
                    (OpenInterest("A", None, None, Decimal("12.5")),)),
    ),
    (
        {"type": "minmax_price", "symbol": "A", "min_price": "400.00", "max_price": "450.00"},
        MinMaxPrice("A", None, None, Decimal(400), Decimal(450)),
    ),
    (
        {"type": "underlier", "symbol": "A", "price": "437.45", "source": "external"},
        Underlier("A", None, None, Decimal("437.45"), "external"),
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
    message: Any
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
def test_times_are_exact(delivery: datetime, hours: int) -> None:
    expected = (delivery - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000
    assert time_of(delivery.isoformat() + "Z") == expected
    there = delivery.replace(tzinfo=UTC) + timedelta(hours=hours)
    sign_ = "+" if hours >= 0 else "-"
    assert time_of(f"{there.replace(tzinfo=None).isoformat()}{sign_}{abs(hours):02}:00") == expected
    assert time_of("1970-01-01T00:00:59.123456789123Z") == 59_123_456_789
    assert time_of("1970-01-01T00:00:60Z") == 60 * SECOND
