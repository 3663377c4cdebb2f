"""What ETHGas sends, as records: each class is the table from which its reader is made.

`CHANNELS` has the payloads of updates and `QUERIES` those of replies: one record, or a tuple of
them where the venue may send several. Prices and quantities are `Decimal`, times milliseconds since
1970. Keys that are new or that the venue does not describe are in `rest` as they came.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from msgspec import field

from payloads.abi.fields import Record
from payloads.json_records import Reading
from payloads.venues.common.values import Levels, levels
from payloads.venues.ethgas.codes import MARKET_STATUS, ORDER_STATUS, ORDER_TYPES

read = Reading({Levels: levels("p", "q")}).read


def _word(words: dict[int, str], code: int | None) -> str:
    return words.get(code, "not documented") if code is not None else ""


# --- markets --------------------------------------------------------------------------------------


class Market(Record, frozen=True):
    """A market of one slot. `available`, `reserved`, `submitted` and `total` are gas."""

    market_id: Annotated[int, "m"]
    market_type: Annotated[str | None, "T"] = None
    slot: Annotated[int | None, "s"] = None
    instrument: Annotated[str | None, "i"] = None
    name: Annotated[str | None, "n"] = None
    status: Annotated[int | None, "e"] = None
    block_time: Annotated[int | None, "b"] = None
    expiry_time: Annotated[int | None, "M"] = None
    finality_time: Annotated[int | None, "f"] = None
    bundle_deadline: Annotated[int | None, "a"] = None
    quantity_step: Annotated[Decimal | None, "q"] = None
    least_quantity: Annotated[Decimal | None, "mQ"] = None
    most_quantity: Annotated[Decimal | None, "MQ"] = None
    price_step: Annotated[Decimal | None, "PS"] = None
    least_price: Annotated[Decimal | None, "mP"] = None
    most_price: Annotated[Decimal | None, "MP"] = None
    price: Annotated[Decimal | None, "p"] = None
    price_change: Annotated[Decimal | None, "PC"] = None
    open: Annotated[Decimal | None, "o"] = None
    buy: Annotated[bool | None, "d"] = None
    best_bid: Annotated[Decimal | None, "BB"] = None
    best_ask: Annotated[Decimal | None, "BA"] = None
    collateral: Annotated[Decimal | None, "C"] = None
    available: Annotated[Decimal | None, "A"] = None
    reserved: Annotated[Decimal | None, "r"] = None
    submitted: Annotated[Decimal | None, "S"] = None
    total: Annotated[Decimal | None, "tp"] = None
    created_at: Annotated[int | None, "c"] = None
    updated_at: Annotated[int | None, "u"] = None
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def status_word(self) -> str:
        return _word(MARKET_STATUS, self.status)


class Book(Record, frozen=True):
    """An order book, which replaces the book before it. The venue does not say that it is whole."""

    instrument: Annotated[str, "I"] = ""
    bids: Annotated[Levels, "b"] = ()
    asks: Annotated[Levels, "a"] = ()
    time: Annotated[int | None, "t"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Trade(Record, frozen=True):
    """A trade. `index` counts on this connection only (in the reply to a query it is an id)."""

    instrument: Annotated[str, "i"]
    price: Annotated[Decimal, "p"]
    quantity: Annotated[Decimal, "q"]
    buy: Annotated[bool | None, "s"] = None
    time: Annotated[int | None, "d"] = None
    index: Annotated[int | None, "t"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Candle(Record, frozen=True):
    """`interval` is in milliseconds; a candle that is not `final` still changes."""

    time: Annotated[int, "t"]
    open: Annotated[Decimal, "o"]
    high: Annotated[Decimal, "h"]
    low: Annotated[Decimal, "l"]
    close: Annotated[Decimal, "c"]
    volume: Annotated[Decimal, "v"]
    interval: Annotated[int | None, "i"] = None
    final: Annotated[bool | None, "F"] = None
    instrument: Annotated[str | None, "I"] = None
    market_id: Annotated[int | None, "m"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Ticker(Record, frozen=True):
    """Of the instrument that its message names. `available` and `purchased` are gas."""

    price: Annotated[Decimal | None, "p"] = None
    buy: Annotated[bool | None, "d"] = None
    bid: Annotated[Decimal | None, "b"] = None
    ask: Annotated[Decimal | None, "a"] = None
    mid: Annotated[Decimal | None, "M"] = None
    percent_change: Annotated[Decimal | None, "P"] = None
    available: Annotated[Decimal | None, "A"] = None
    purchased: Annotated[Decimal | None, "g"] = None
    updated_at: Annotated[int | None, "u"] = None
    rest: dict[str, Any] = field(default_factory=dict)


# --- slots ----------------------------------------------------------------------------------------


class Slot(Record, frozen=True):
    """The current slot, of which `remaining` milliseconds are left.

    The page calls that a count of updates, but in its example `time` and `remaining` are together
    the very second at which a slot begins.
    """

    slot: Annotated[int, "s"]
    time: Annotated[int | None, "t"] = None
    remaining: Annotated[int | None, "r"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class TopSales(Record, frozen=True):
    """The gas purchased in a slot, and the price and quantity of its best sales."""

    slot: Annotated[int, "s"]
    gas: Annotated[Decimal | None, "g"] = None
    sales: Annotated[Levels, "S"] = ()
    rest: dict[str, Any] = field(default_factory=dict)


class Builder(Record, frozen=True):
    """The builder of a slot's block, by public keys; without a delegation the first is None."""

    slot: Annotated[int, "s"]
    public_key: Annotated[str | None, "p"] = None
    fallback: Annotated[str | None, "f"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class BundleTransaction(Record, frozen=True):
    """A transaction as signed, and its hash, both in hex."""

    raw: Annotated[str | None, "tx"] = None
    hash: Annotated[str | None, "h"] = None
    can_revert: Annotated[bool | None, "r"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Bundle(Record, frozen=True):
    """Transactions in order, at a price of gas. What `B` and `o` say is not documented."""

    uuid: Annotated[str | None, "u"] = None
    price: Annotated[Decimal | None, "p"] = None
    transactions: Annotated[tuple[BundleTransaction, ...], "txs"] = ()
    rest: dict[str, Any] = field(default_factory=dict)


class SlotBundles(Record, frozen=True):
    """The bundles of a slot. Its owner is told how much space is empty; `r` is not documented."""

    slot: Annotated[int, "s"]
    empty_space: Annotated[Decimal | None, "e"] = None
    bundles: Annotated[tuple[Bundle, ...], "bu"] = ()
    rest: dict[str, Any] = field(default_factory=dict)


# --- accounts -------------------------------------------------------------------------------------


class Order(Record, frozen=True):
    """An order. `filled_value` is the sum of price times quantity; only pricers see `user_id`."""

    order_id: Annotated[int, "o"]
    client_order_id: Annotated[str | None, "c"] = None
    account_id: Annotated[int | None, "a"] = None
    user_id: Annotated[int | None, "C"] = None
    type: Annotated[int | None, "t"] = None
    instrument: Annotated[str | None, "i"] = None
    market_id: Annotated[int | None, "m"] = None
    price: Annotated[Decimal | None, "p"] = None
    quantity: Annotated[Decimal | None, "q"] = None
    filled: Annotated[Decimal | None, "F"] = None
    filled_value: Annotated[Decimal | None, "fp"] = None
    fee: Annotated[Decimal | None, "f"] = None
    buy: Annotated[bool | None, "s"] = None
    post_only: Annotated[bool | None, "P"] = None
    status: Annotated[int | None, "S"] = None
    created_at: Annotated[int | None, "d"] = None
    updated_at: Annotated[int | None, "u"] = None
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def type_word(self) -> str:
        return _word(ORDER_TYPES, self.type)

    @property
    def status_word(self) -> str:
        return _word(ORDER_STATUS, self.status)


class Transaction(Record, frozen=True):
    """A trade of the account."""

    transaction_id: Annotated[int, "t"]
    order_id: Annotated[int | None, "o"] = None
    account_id: Annotated[int | None, "a"] = None
    instrument: Annotated[str | None, "i"] = None
    buy: Annotated[bool | None, "s"] = None
    price: Annotated[Decimal | None, "p"] = None
    quantity: Annotated[Decimal | None, "q"] = None
    fee: Annotated[Decimal | None, "f"] = None
    time: Annotated[int | None, "d"] = None
    rest: dict[str, Any] = field(default_factory=dict)


class Position(Record, frozen=True):
    """What an account has of a slot. `market_type` is a number here, which is not explained."""

    slot: Annotated[int, "s"]
    account_id: Annotated[int | None, "a"] = None
    market_type: Annotated[int | None, "m"] = None
    quantity: Annotated[Decimal | None, "q"] = None
    locked: Annotated[Decimal | None, "l"] = None
    available: Annotated[Decimal | None, "A"] = None
    price: Annotated[Decimal | None, "p"] = None
    expired: Annotated[bool | None, "e"] = None
    builder_fill: Annotated[bool | None, "b"] = None
    created_at: Annotated[int | None, "c"] = None
    updated_at: Annotated[int | None, "u"] = None
    rest: dict[str, Any] = field(default_factory=dict)


# --- what comes where -----------------------------------------------------------------------------

CHANNELS: dict[str, Any] = {
    "preconfMarketUpdate": tuple[Market, ...],
    "candlestickUpdate": tuple[Candle, ...],
    "recentTradeUpdate": tuple[Trade, ...],
    "orderBookUpdate": Book,
    "tickerUpdate": Ticker,
    "inclusionPreconfSaleUpdate": TopSales,
    "blockBuilderUpdate": Builder,
    "accountOrderUpdate": tuple[Order, ...],
    "accountTransactionUpdate": tuple[Transaction, ...],
    "accountPositionUpdate": tuple[Position, ...],
    "preconfBundleUpdate": tuple[SlotBundles, ...],
}
QUERIES: dict[str, Any] = {
    "preconfMarkets": tuple[Market, ...],
    # Of the venue's two pages one has a book here, the other books.
    "orderBook": Book,
    "orderBooks": tuple[Book, ...],
    "currentSlot": Slot,
    "candlesticks": tuple[Candle, ...],
    "recentTrades": tuple[Trade, ...],
    "inclusionPreconfTopSales": TopSales,
    "currentBlockBuilder": Builder,
    "openOrders": tuple[Order, ...],
    "accountPositions": tuple[Position, ...],
    "preconfBundles": tuple[SlotBundles, ...],
}
