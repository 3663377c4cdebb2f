"""What QFEX sends, as records: each class is the table from which its reader is made.

`CHANNELS` has the messages of the market data, `REPLIES` those of the trade socket. To describe one
more, write a class and name it there; `qfex_reading` says what annotations may be.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from payloads.abi.fields import Record
from payloads.venues.qfex.codes import ORDER_STATUS
from payloads.venues.qfex.reading import Levels, Time

# --- market data ----------------------------------------------------------------------------------

# `sequence` is in some of the venue's samples and clients, for any of these. It rises; what a gap
# in it means is said nowhere.


class Level2(Record, frozen=True):
    """The whole book, at most 20 levels a side, the best first; every 50 ms."""

    symbol: str
    # None where the venue has not said; a side that it says is empty is empty.
    bid: Levels | None = None
    ask: Levels | None = None
    time: Time | None = None
    sig_figs: int | None = None
    sequence: int | None = None


class Bbo(Record, frozen=True):
    """The best bid and offer."""

    symbol: str
    # As in `Level2`: None is unsaid.
    bid: Levels | None = None
    ask: Levels | None = None
    time: Time | None = None
    sequence: int | None = None


class Trade(Record, frozen=True):
    symbol: str
    trade_id: str | None = None
    time: Time | None = None
    size: Decimal | None = None
    price: Decimal | None = None
    side: str | None = None
    execution_type: str | None = None
    sequence: int | None = None


class Candle(Record, frozen=True):
    symbol: str
    start: Time | None = None
    resolution: str | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    usd_volume: Annotated[Decimal | None, "usdVolume"] = None
    trades: int | None = None
    sequence: int | None = None


class Underlier(Record, frozen=True):
    symbol: str
    price: Decimal | None = None
    source: str | None = None
    time: Time | None = None
    sequence: int | None = None


class MarkPrice(Record, frozen=True):
    symbol: str
    price: Decimal | None = None
    time: Time | None = None
    sequence: int | None = None


class Funding(Record, frozen=True):
    """`time_remaining` is in seconds."""

    symbol: str
    funding_rate: Decimal | None = None
    time_remaining: int | None = None
    time: Time | None = None
    sequence: int | None = None


class OpenInterest(Record, frozen=True):
    symbol: str
    open_interest: Decimal | None = None
    time: Time | None = None
    sequence: int | None = None


class MinMaxPrice(Record, frozen=True):
    symbol: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    time: Time | None = None
    sequence: int | None = None


class DailyVolume(Record, frozen=True):
    symbol: str
    volume: Decimal | None = None


class MarketStats(Record, frozen=True):
    """A snapshot, and then once a second. `symbol` is the one that was asked for, or `*`."""

    symbol: str
    sequence: int | None = None
    time: Time | None = None
    bbos: tuple[Bbo, ...] = ()
    mark_prices: tuple[MarkPrice, ...] = ()
    open_interests: tuple[OpenInterest, ...] = ()
    daily_volumes: tuple[DailyVolume, ...] = ()


CHANNELS: dict[str, type[Record]] = {
    "level2": Level2,
    "trade": Trade,
    "bbo": Bbo,
    "candle": Candle,
    "underlier": Underlier,
    "mark_price": MarkPrice,
    "funding": Funding,
    "open_interest": OpenInterest,
    "minmax_price": MinMaxPrice,
    "market_stats": MarketStats,
}


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
    """A trade of the account, as it happens."""

    trade_id: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    aggressor_side: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    remaining_quantity: Decimal | None = None
    fee: Decimal | None = None
    realised_pnl: Decimal | None = None
    timestamp: Time | None = None
    order_type: str | None = None
    order_price: Decimal | None = None
    tif: str | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    execution_type: str | None = None
    user_id: str | None = None


class UserTrade(Record, frozen=True):
    """A trade of the account, from its history. The venue's pages do not agree on its fields."""

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


class Position(Record, frozen=True):
    """Once a second while subscribed; `position` is negative for a short one."""

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
    "user_trades_response": tuple[UserTrade, ...],
    "user_leverage_response": tuple[Leverage, ...],
    "available_leverage_levels_response": tuple[Leverage, ...],
}
# Another name for a reply, on one of the venue's pages.
ALSO = {"user_trades": "user_trades_response"}
# The older envelope's words for two of the channels, and what came in it is called now.
OLDER = {
    "v4_positions": ("positions", "position_response"),
    "v4_balances": ("balances", "balance_response"),
    "position_update": ("positions", "position_response"),
    "balance_update": ("balances", "balance_response"),
}
