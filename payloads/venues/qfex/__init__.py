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
"""

from __future__ import annotations

import secrets
from typing import Any

from payloads.venues.common.session import Session
from payloads.venues.common.venue import SILENCE, SessionConfig, Venue


def _session(config: SessionConfig) -> Session:
    from payloads.venues.qfex.market_session import QfexMarketSession, Subscription

    subscriptions = []
    for one in config.subscriptions:
        channel, _, named = one.partition(":")
        symbol, _, interval = named.partition("/")
        intervals = [interval] if interval else []
        subscriptions.append(Subscription.of([channel], [symbol or "*"], intervals))
    return QfexMarketSession(
        subscriptions,
        endpoint=config.endpoint or "mainnet",
        silence=config.seconds("silence"),
    )


def _trade_session(config: SessionConfig) -> Session:
    from payloads.venues.qfex.auth import Credentials, HmacKey
    from payloads.venues.qfex.trade_session import QfexTradeSession

    credentials: Credentials
    if "jwt" in config.credentials:
        credentials = config.credentials["jwt"]
    elif "public_key" not in config.credentials:
        raise config.missing("public_key", "jwt")
    else:
        public = config.credential("public_key").reveal()
        credentials = HmacKey(public, config.credential("secret"))
    options: dict[str, Any] = {"channels": config.subscriptions} if config.subscriptions else {}
    if "key_in" in config.options:
        options["key_in"] = config.options["key_in"]
    if "cancel_on_disconnect" in config.options:
        options["cancel_on_disconnect"] = config.flag("cancel_on_disconnect")
    return QfexTradeSession(
        credentials,
        nonces=lambda: secrets.token_hex(16),
        account_id=config.options.get("account_id"),
        endpoint=config.endpoint or "mainnet",
        **options,
    )


VENUE = Venue(
    "qfex", "QFEX market data",
    "CHANNEL:SYMBOL, as level2:AAPL-USD, level2:* or candle:AAPL-USD/1MIN",
    ("mainnet", "uat"), (), {"silence": SILENCE}, _session,
    hosts=("qfex.com", "qfex.io"),
    simulator="payloads.simulators.venues.qfex:QfexSimulator",
)  # fmt: skip

TRADE_VENUE = Venue(
    "qfex-trade", "QFEX trade socket", "a channel, as order_responses",
    ("mainnet", "uat"), ("public_key", "secret", "jwt"),
    {
        "account_id": "ID of a subaccount",
        "cancel_on_disconnect": "yes or no: orders go when this connection does",
        "key_in": "query, headers or none: where the key goes besides the message",
    },
    _trade_session,
    needs_subscriptions=False,
)  # fmt: skip
