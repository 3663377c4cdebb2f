"""The messages that QFEX sends, as records: a class is the table from which its reader is made.

`CHANNELS` has the messages of the market data, `REPLIES` those of the trade socket. To describe
another message, write a class and name it there. Numbers come as JSON numbers or as decimal
strings, times as RFC 3339 or as seconds with a fraction, and both are taken wherever they stand.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from payloads.abi.fields import Record
from payloads.json_records import Reading
from payloads.venues.common.values import Levels, levels, time_of
from payloads.venues.qfex.codes import ORDER_STATUS

# Nanoseconds since 1970.
Time = Annotated[int, time_of]
# None is a side that the venue left out; an empty side is ().
Side = Annotated[Levels | None, levels(0, 1)]

read = Reading().read


# --- market data ----------------------------------------------------------------------------------


class _Quote(Record, frozen=True):
    symbol: str
    time: Time | None = None
    # In some of the venue's samples and clients. It rises; nothing says what a gap means.
    sequence: int | None = None


class _Book(_Quote, frozen=True):
    bid: Side = None
    ask: Side = None


class Bbo(_Book, frozen=True):
    """The best bid and offer."""


class Level2(_Book, frozen=True):
    """The whole book, at most 20 levels a side, the best first; every 50 or 500 ms by its pages."""

    sig_figs: int | None = None


class Trade(_Quote, frozen=True):
    trade_id: str | None = None
    size: Decimal | None = None
    price: Decimal | None = None
    side: str | None = None
    execution_type: str | None = None


class Candle(_Quote, frozen=True):
    start: Time | None = None
    resolution: str | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    usd_volume: Annotated[Decimal | None, "usdVolume"] = None
    trades: int | None = None


class Underlier(_Quote, frozen=True):
    price: Decimal | None = None
    source: str | None = None


class MarkPrice(_Quote, frozen=True):
    price: Decimal | None = None


class Funding(_Quote, frozen=True):
    """`time_remaining` is in seconds."""

    funding_rate: Decimal | None = None
    time_remaining: int | None = None


class OpenInterest(_Quote, frozen=True):
    open_interest: Decimal | None = None


class MinMaxPrice(_Quote, frozen=True):
    min_price: Decimal | None = None
    max_price: Decimal | None = None


class DailyVolume(Record, frozen=True):
    symbol: str
    volume: Decimal | None = None


class MarketStats(_Quote, frozen=True):
    """A snapshot, and then once a second. `symbol` is that of the subscription, or `*`."""

    bbos: tuple[Bbo, ...] = ()
    mark_prices: tuple[MarkPrice, ...] = ()
    open_interests: tuple[OpenInterest, ...] = ()
    daily_volumes: tuple[DailyVolume, ...] = ()


CHANNELS: dict[str, type[Record]] = {
    "level2": Level2, "trade": Trade, "bbo": Bbo, "candle": Candle, "underlier": Underlier,
    "mark_price": MarkPrice, "funding": Funding, "open_interest": OpenInterest,
    "minmax_price": MinMaxPrice, "market_stats": MarketStats,
}  # fmt: skip


# --- the trade socket -----------------------------------------------------------------------------


class OrderResponse(Record, frozen=True):
    """What became of an order. FILLED may be a part of it: see `quantity_remaining`."""

    order_id: str | None = None
    symbol: str | None = None
    status: str | None = None
    side: str | None = None
    type: str | None = None
    time_in_force: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    quantity_remaining: Decimal | None = None
    client_order_id: str | None = None
    update_time: Time | None = None
    trade_id: str | None = None
    reduce_only: bool | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    user_id: str | None = None

    @property
    def meaning(self) -> str:
        """The status in words."""
        return ORDER_STATUS.get(self.status or "", "a status that is not documented")

    @property
    def complete(self) -> bool:
        """Whether nothing of the order is left to fill."""
        return self.status == "FILLED" and self.quantity_remaining == 0


class Fill(Record, frozen=True):
    """A trade of the account. The venue's pages do not agree on the fields in its history."""

    trade_id: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    aggressor_side: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    fee: Decimal | None = None
    order_type: str | None = None
    tif: str | None = None
    timestamp: Time | None = None
    # Only as it happens, and not in the history.
    remaining_quantity: Decimal | None = None
    realised_pnl: Decimal | None = None
    order_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    execution_type: str | None = None
    user_id: str | None = None


class Position(Record, frozen=True):
    """Once a second while subscribed; a short position is negative."""

    symbol: str | None = None
    position: Decimal | None = None
    average_price: Decimal | None = None
    leverage: Decimal | None = None
    realised_pnl: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    net_funding: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    margin_alloc: Decimal | None = None
    open_orders: Decimal | None = None
    open_quantity: Decimal | None = None
    timestamp: Time | None = None
    id: str | None = None
    user_id: str | None = None


class Balance(Record, frozen=True):
    """Once a second while subscribed."""

    available_balance: Decimal | None = None
    deposit: Decimal | None = None
    realised_pnl: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    order_margin: Decimal | None = None
    position_margin: Decimal | None = None
    net_funding: Decimal | None = None
    fees: Decimal | None = None
    referral_rewards: Decimal | None = None
    id: str | None = None
    user_id: str | None = None


class StopOrder(Record, frozen=True):
    stop_order_id: str | None = None
    stop_order_type: str | None = None
    symbol: str | None = None
    direction: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    client_order_id: str | None = None
    update_time: Time | None = None
    user_id: str | None = None


class Twap(Record, frozen=True):
    """An order that is placed in parts over time."""

    twap_id: str | None = None
    client_twap_id: str | None = None
    symbol: str | None = None
    status: str | None = None
    side: str | None = None
    total_quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    average_fill_price: Decimal | None = None
    total_num_orders: int | None = None
    order_interval_secs: int | None = None
    reduce_only: bool | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    user_id: str | None = None


class AllOrders(Record, frozen=True):
    """What is open."""

    orders: tuple[OrderResponse, ...] = ()
    twaps: tuple[Twap, ...] = ()


class Leverage(Record, frozen=True):
    """What is set for a symbol, or what can be."""

    symbol: str | None = None
    leverage: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    max_notional: Decimal | None = None
    id: str | None = None


REPLIES: dict[str, Any] = {
    "order_response": OrderResponse,
    "fill_response": Fill,
    "position_response": Position,
    "balance_response": Balance,
    "stop_order_response": StopOrder,
    "twap_response": Twap,
    "all_orders_response": AllOrders,
    "user_trades_response": tuple[Fill, ...],
    "user_leverage_response": tuple[Leverage, ...],
    "available_leverage_levels_response": tuple[Leverage, ...],
}
# The older envelope's names, and the channel and the reply that they stand for.
OLDER: dict[str, tuple[str, str]] = {
    "v4_positions": ("positions", "position_response"),
    "v4_balances": ("balances", "balance_response"),
    "position_update": ("positions", "position_response"),
    "balance_update": ("balances", "balance_response"),
}
