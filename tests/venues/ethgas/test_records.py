"""ETHGas' payloads against the examples of the venue's own pages, and against anything else.

The examples are those of the public websocket reference, except for long keys and transactions,
which are cut.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads.errors import Malformed
from payloads.venues.common.session import Broken, Closed, Data
from payloads.venues.ethgas.protocol import PRIVATE, PRIVATE_QUERIES, PUBLIC
from payloads.venues.ethgas.records import (
    CHANNELS,
    QUERIES,
    Book,
    Builder,
    Bundle,
    BundleTransaction,
    Candle,
    Market,
    Order,
    Position,
    Slot,
    SlotBundles,
    Ticker,
    TopSales,
    Trade,
    Transaction,
    read,
)
from payloads.venues.ethgas.session import EthgasSession
from payloads.venues.ethgas.updates import Answered
from tests.venues.kit import only

NOW = 1_742_288_403_296 * 10**6
D = Decimal


def say(message: Any) -> Any:
    """The one event of a message."""
    session = EthgasSession()
    session.opened(NOW)
    (event,) = session.received(json.dumps(message), NOW)
    return event


MARKET = {
    "m": 1000000603410, "T": "inclusionPreconf", "s": 603410, "i": "ETH-PC-603410",
    "n": "Eth Preconf Inclusion Slot #603410", "M": 1744685494000, "f": 1744686266000,
    "b": 1744685498000, "q": "1", "mQ": "1", "MQ": "36000000", "PS": "0.00000000001",
    "mP": "0.00000000001", "MP": "0.00001", "C": "3.99996", "A": 36000000, "r": 0, "S": 0, "e": 1,
    "a": 1744685496000, "c": 1744684899000, "u": 1744684899000, "tp": 36000000,
}  # fmt: skip
READ_MARKET = Market(
    1000000603410,
    market_type="inclusionPreconf",
    slot=603410,
    instrument="ETH-PC-603410",
    name="Eth Preconf Inclusion Slot #603410",
    status=1,
    block_time=1744685498000,
    expiry_time=1744685494000,
    finality_time=1744686266000,
    bundle_deadline=1744685496000,
    quantity_step=D(1),
    least_quantity=D(1),
    most_quantity=D(36000000),
    price_step=D("0.00000000001"),
    least_price=D("0.00000000001"),
    most_price=D("0.00001"),
    collateral=D("3.99996"),
    available=D(36000000),
    reserved=D(0),
    submitted=D(0),
    total=D(36000000),
    created_at=1744684899000,
    updated_at=1744684899000,
)
CANDLE = {
    "I": "ETH-PC-1567", "m": 1000000001567, "t": 1736759830000, "i": 1000, "o": "0.00000000008",
    "h": "0.00000000009", "l": "0.00000000007", "c": "0.00000000006", "v": "2912472", "F": True,
}  # fmt: skip
READ_CANDLE = Candle(
    1736759830000, D("8E-11"), D("9E-11"), D("7E-11"), D("6E-11"), D(2912472), 1000, True,
    "ETH-PC-1567", 1000000001567,
)  # fmt: skip
TRADE = {
    "i": "ETH-PC-173649", "p": "0.00000000006", "q": "1702005", "s": True, "d": 1739528277070,
    "t": 683198,
}  # fmt: skip
READ_TRADE = Trade("ETH-PC-173649", D("6E-11"), D(1702005), True, 1739528277070, 683198)
TICKER = {
    "d": False, "p": "0.00000000002", "b": "0.00000000002", "M": "0.00000000002", "A": 18855242,
    "g": 17144758, "P": 1.0, "u": 1743667299000,
}  # fmt: skip
READ_TICKER = Ticker(
    price=D("2E-11"), buy=False, bid=D("2E-11"), mid=D("2E-11"), percent_change=D(1),
    available=D(18855242), purchased=D(17144758), updated_at=1743667299000,
)  # fmt: skip
SALES = {"s": 193373, "g": "11288799", "S": [{"p": "0.0000000001", "q": "11078799"}]}
READ_SALES = TopSales(193373, D(11288799), ((D("1E-10"), D(11078799)),))
BUILDER = {"s": 173614, "p": "0xcaf14edec47d", "f": "0xa1885d66bef1"}
READ_BUILDER = Builder(173614, "0xcaf14edec47d", "0xa1885d66bef1")
ORDER = {
    "o": 173639360, "c": "613ec528", "a": 2049, "C": 53, "t": 2, "i": "ETH-PC-403684",
    "m": 1000000403684, "p": "0.00000000001", "q": "3181683", "F": "3181680",
    "fp": "0.00003181683", "f": "0.0000028635147", "s": False, "P": False, "S": 10,
    "d": 1742288403289, "u": 1742288403290,
}  # fmt: skip
READ_ORDER = Order(
    173639360, "613ec528", 2049, 53, 2, "ETH-PC-403684", 1000000403684, D("1E-11"), D(3181683),
    D(3181680), D("0.00003181683"), D("0.0000028635147"), False, False, 10, 1742288403289,
    1742288403290,
)  # fmt: skip
TRANSACTION = {
    "t": 146600149, "i": "ETH-PC-403699", "o": 173651088, "a": 2049, "s": True,
    "p": "0.00000000001", "q": "1248972", "f": "0.0000011240748", "d": 1742288580863,
}  # fmt: skip
READ_TRANSACTION = Transaction(
    146600149, 173651088, 2049, "ETH-PC-403699", True, D("1E-11"), D(1248972),
    D("0.0000011240748"), 1742288580863,
)  # fmt: skip
POSITION = {
    "a": 2049, "s": 403684, "m": 1, "q": "20427356", "l": "3", "p": "0", "e": False, "b": False,
    "c": 1742288355000, "u": 1742288402000, "A": "20427353",
}  # fmt: skip
READ_POSITION = Position(
    403684, 2049, 1, D(20427356), D(3), D(20427353), D(0), False, False, 1742288355000,
    1742288402000,
)  # fmt: skip
BUNDLES = {
    "s": 519181, "e": 1260000,
    "bu": [{
        "u": "456a8e9d-ce47-421d-8135-9ed9680ab57e", "B": 1, "o": 1,
        "txs": [{"r": False, "tx": "0x02f88b", "h": "0x653304"}], "p": "0.00000000597",
    }],
    "r": "0x8f02425b5f3c522b7ef8ea124162645f0397c478",
}  # fmt: skip
READ_BUNDLES = SlotBundles(
    519181,
    D(1260000),
    (
        Bundle(
            "456a8e9d-ce47-421d-8135-9ed9680ab57e",
            D("5.97E-9"),
            (BundleTransaction("0x02f88b", "0x653304", False),),
            {"B": 1, "o": 1},
        ),
    ),
    {"r": "0x8f02425b5f3c522b7ef8ea124162645f0397c478"},
)
BOOK = {
    "a": [], "b": [{"q": "1", "p": "0.00000000567"}, {"q": "2", "p": "0.00000000566"}],
    "t": 1736759161542, "I": "ETH-WB-1535",
}  # fmt: skip
READ_BOOK = Book("ETH-WB-1535", ((D("5.67E-9"), D(1)), (D("5.66E-9"), D(2))), (), 1736759161542)
SLOT = {"t": 1736759362264, "s": 1497, "r": 1736}
READ_SLOT = Slot(1497, 1736759362264, 1736)

EXAMPLES: dict[str, tuple[Any, Any]] = {
    "preconfMarketUpdate": (MARKET, (READ_MARKET,)),
    "candlestickUpdate": (CANDLE, (READ_CANDLE,)),
    "recentTradeUpdate": (TRADE, (READ_TRADE,)),
    "orderBookUpdate": (BOOK, READ_BOOK),
    "tickerUpdate": (TICKER, READ_TICKER),
    "inclusionPreconfSaleUpdate": (SALES, READ_SALES),
    "blockBuilderUpdate": (BUILDER, READ_BUILDER),
    "accountOrderUpdate": (ORDER, (READ_ORDER,)),
    "accountTransactionUpdate": (TRANSACTION, (READ_TRANSACTION,)),
    "accountPositionUpdate": (POSITION, (READ_POSITION,)),
    "preconfBundleUpdate": (BUNDLES, (READ_BUNDLES,)),
    "preconfMarkets": (MARKET, (READ_MARKET,)),
    "orderBook": (BOOK, READ_BOOK),
    "orderBooks": ([BOOK], (READ_BOOK,)),
    "currentSlot": (SLOT, READ_SLOT),
    "candlesticks": ([CANDLE, CANDLE], (READ_CANDLE, READ_CANDLE)),
    "recentTrades": ([TRADE], (READ_TRADE,)),
    "inclusionPreconfTopSales": (SALES, READ_SALES),
    "currentBlockBuilder": (BUILDER, READ_BUILDER),
    "openOrders": ([ORDER], (READ_ORDER,)),
    "accountPositions": ([POSITION, POSITION], (READ_POSITION, READ_POSITION)),
    "preconfBundles": (BUNDLES, (READ_BUNDLES,)),
}


def test_everything_documented_has_an_example() -> None:
    assert set(CHANNELS) == {*PUBLIC, *PRIVATE}
    assert set(QUERIES) > PRIVATE_QUERIES
    assert set(EXAMPLES) == {*CHANNELS, *QUERIES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_venue_s_examples(name: str) -> None:
    payload, expected = EXAMPLES[name]
    head = {"s": "ETH-PC-1", "P": payload, "new": {"x": 1.5}}
    if name in CHANNELS:
        event = say({"e": name, "E": 1742288403296, "a": "NewEpoch", **head})
        assert isinstance(event, Data)
        update = event.content
        assert (update.payload, update.channel, update.time) == (expected, name, 1742288403296)
        assert (update.symbol, update.action) == ("ETH-PC-1", "NewEpoch")
        assert update.rest == {"new": {"x": D("1.5")}}
    else:
        rest = {"new": {"x": D("1.5")}, "a": 2049}
        assert say({"q": name, "a": 2049, **head}) == Answered(name, expected, "ETH-PC-1", rest)


def test_codes_in_words() -> None:
    assert (READ_MARKET.status_word, READ_ORDER.status_word) == ("open", "done")
    assert (READ_ORDER.type_word, Order(1).type_word) == ("limit", "")
    assert Order(1, type=9).type_word == "not documented"


def test_what_is_new_is_kept_and_what_is_null_is_absent() -> None:
    found = read(Trade, TRADE | {"new": [1], "s": None})
    assert found.rest == {"new": [1]}
    assert found.buy is None


def test_numbers_as_text_and_truth_as_numbers() -> None:
    """The venue's tables and examples do not agree on which is which."""
    assert read(Trade, TRADE | {"s": 1, "t": "683198"}) == READ_TRADE
    assert read(Position, POSITION | {"b": 0, "A": 20427353}) == READ_POSITION
    assert read(Ticker, TICKER | {"A": "18855242", "P": "1"}) == READ_TICKER


@pytest.mark.parametrize(
    ("name", "change", "where"),
    [
        ("candlestickUpdate", {"o": None}, "P[0].o"),
        ("candlestickUpdate", {"t": 1.5}, "P[0].t"),
        ("recentTradeUpdate", {"s": 2}, "P[0].s"),
        ("tickerUpdate", {"p": "NaN"}, "P.p"),
        ("inclusionPreconfSaleUpdate", {"S": [{"p": "1"}]}, "P.S[0]"),
        ("blockBuilderUpdate", {"p": 7}, "P.p"),
        ("accountOrderUpdate", {"o": "x"}, "P[0].o"),
        ("preconfBundleUpdate", {"bu": [{"txs": [{"h": 1}]}]}, "P[0].bu[0].txs[0].h"),
        ("currentSlot", {"s": None}, "P.s"),
        ("openOrders", {"d": True}, "P[0].d"),
    ],
)
def test_a_payload_that_is_none_is_broken(name: str, change: Any, where: str) -> None:
    payload, _ = EXAMPLES[name]
    one = payload[0] if isinstance(payload, list) else payload
    message = {"e" if name in CHANNELS else "q": name, "P": one | change}
    event = say(message)
    assert isinstance(event, Broken)
    assert isinstance(event.error, Malformed)
    assert event.error.field == where
    assert event.raw == json.dumps(message)


def test_a_broken_reply_is_a_reply_all_the_same() -> None:
    session = EthgasSession()
    session.opened(NOW)
    session.request("currentSlot")
    (event,) = session.received('{"q":"currentSlot","P":[]}', NOW)
    assert isinstance(event, Broken)
    assert only(session.closed(1006, "", NOW), Closed).code == 1006, "nothing is reported as lost"


def test_what_nobody_describes_is_as_it_came() -> None:
    event = say({"e": "somethingNew", "P": {"a": [1]}})
    assert event.content.payload == {"a": [1]}
    assert say({"q": "somethingNew", "P": 7}) == Answered("somethingNew", 7)


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.text(max_size=4))
keys = st.sampled_from([*"aAbBcCdeEfFghiIlmMnopPqrsStuT", "bu", "txs", "tx", "tp", "fp", "mQ"])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=6)),
    max_leaves=20,
)


@given(st.sampled_from([*CHANNELS.values(), *QUERIES.values()]), trees)
def test_any_payload_is_read_or_malformed(kind: Any, payload: Any) -> None:
    try:
        found = read(kind, payload, "P")
    except Malformed:
        return
    rows = found if get_origin(kind) is tuple else (found,)
    inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
    assert all(type(row) is inner for row in rows)
    assert repr(found)
