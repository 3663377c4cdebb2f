"""QFEX: public market data, and the authenticated trade socket.

`QfexMarketSession` subscribes to channels and turns every message into a `Data` event with a
record: `Level2`, `Bbo`, `Trade`, `Candle` and so on. The venue acknowledges nothing there, so a
subscription is `Subscribed` when its first data comes. Flat messages, arrays of them, `contents`
envelopes and numbers given as strings are all taken, because all of them have been seen.

`QfexTradeSession` authenticates as soon as the socket is open, with a fresh nonce, by HMAC, by a
JWT of yours or by `OAuth`, which gets and renews its own. It states cancel-on-disconnect again,
because that is off on every new connection, subscribes, and after a reconnect asks for the open
orders and, with `fills`, for the trades since: as many as the venue lists at once, which it does
not say, so after a long night `send` for more with an `offset`. `send` sends anything else.

Replies are records, too (`OrderResponse`, `Fill`, `Position`, `Balance` …), and have no number:
correlate by `client_order_id`, and subscribe to `order_responses`, without which orders are not
answered at all. What is not answered within 10 s or before the connection goes is a `Rejected`
event, because what became of it is not known.

Cancel-on-disconnect cancels *all* orders of the account by the current documentation (by older
pages, those of the connection). Assume the wider one.

Trades, fills, books and prices that come a second time, word for word, are `Duplicate`s; positions,
balances and orders, which say how things stand, are not. Messages and keys that are not known pass
through as `Unknown`.

What the caller asks for and the venue would not take raises `Misuse`; nothing the venue sends
raises. Numbers are `Decimal`, in both directions. `RateBudget` tells when a message may go. The
server sends websocket pings, which the transport answers; there is no ping of the venue's own.

The parts: `qfex_codes` (words), `qfex_records` and `qfex_reading` (what comes), `qfex_requests`
(what may be said), `qfex_auth`, `qfex_oauth` and `qfex_login` (who says it), `qfex_market` and
`qfex_trade` (the sessions).
"""

from __future__ import annotations

from payloads.venues.qfex_auth import HmacKey, Jwt, auth_message, check_nonce, sign
from payloads.venues.qfex_codes import (
    AUTH_WITHIN,
    ERRORS,
    MDS_ENDPOINTS,
    ORDER_STATUS,
    TRADE_ENDPOINTS,
    meaning,
    retry_hint,
)
from payloads.venues.qfex_market import INTERVALS, Interest, QfexMarketSession, Subscription
from payloads.venues.qfex_oauth import (
    OAUTH_ENDPOINTS,
    Code,
    OAuth,
    TokensRenewed,
    authorize_url,
    code_challenge,
    code_in,
)
from payloads.venues.qfex_reading import time_of
from payloads.venues.qfex_records import (
    CHANNELS,
    REPLIES,
    AllOrders,
    Balance,
    Bbo,
    Candle,
    DailyVolume,
    Fill,
    Funding,
    Level2,
    Leverage,
    MarketStats,
    MarkPrice,
    MinMaxPrice,
    OpenInterest,
    OrderResponse,
    Position,
    StopOrder,
    Trade,
    Twap,
    Underlier,
    UserTrade,
)
from payloads.venues.qfex_requests import (
    MESSAGES,
    REQUIRED,
    TRADE_CHANNELS,
    WEIGHTS,
    RateBudget,
    missing_parameter,
)
from payloads.venues.qfex_trade import Acknowledged, QfexTradeSession
from payloads.venues.shared import Duplicate

__all__ = [
    "AUTH_WITHIN", "CHANNELS", "ERRORS", "INTERVALS", "MDS_ENDPOINTS", "MESSAGES",
    "OAUTH_ENDPOINTS", "ORDER_STATUS", "REPLIES", "REQUIRED", "TRADE_CHANNELS", "TRADE_ENDPOINTS",
    "WEIGHTS", "Acknowledged", "AllOrders", "Balance", "Bbo", "Candle", "Code", "DailyVolume",
    "Duplicate", "Fill", "Funding", "HmacKey", "Interest", "Jwt", "Level2", "Leverage",
    "MarketStats", "MarkPrice", "MinMaxPrice", "OAuth", "OpenInterest", "OrderResponse",
    "Position", "QfexMarketSession", "QfexTradeSession", "RateBudget", "StopOrder",
    "Subscription", "TokensRenewed", "Trade", "Twap", "Underlier", "UserTrade", "auth_message",
    "authorize_url", "check_nonce", "code_challenge", "code_in", "meaning", "missing_parameter",
    "retry_hint", "sign", "time_of",
]  # fmt: skip
