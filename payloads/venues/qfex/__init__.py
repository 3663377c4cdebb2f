"""QFEX: public market data, and the authenticated trade socket.

`QfexMarketSession` turns each message of the subscribed channels into a record: `Level2`, `Bbo`,
`Trade`, `Candle` and so on. `QfexTradeSession` authenticates, subscribes to private channels, sends
requests (`session.request(AddOrder(…))`) and reads the replies (`OrderResponse`, `Fill` …).

Replies have no number: match them by `client_order_id`, and subscribe to `order_responses`, without
which orders are not answered. A request without an answer within 10 s, or before the connection
goes, is `Rejected`: what became of it is not known.

After a reconnect the trade session asks for as many trades as the venue lists at once. For more,
send `GetUserTrades` with an `offset`. Cancel-on-disconnect cancels *all* orders of the account by
the current documentation, and those of the connection by older pages.

Trades, fills, books and prices that come again, word for word, are `Duplicate`. Numbers are
`Decimal` in both directions. The server sends websocket pings; the transport answers them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.common.session import Session
from payloads.venues.common.venue import SILENCE, SessionConfig, Venue


def _session(config: SessionConfig) -> Session:
    from payloads.venues.qfex.market_session import QfexMarketSession

    return QfexMarketSession(
        config.subscriptions,
        endpoint=config.endpoint or "mainnet",
        silence=config.seconds("silence"),
        client=config.options.get("client", ""),
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
    stated = "cancel_on_disconnect" in config.options
    return QfexTradeSession(
        credentials,
        nonces=lambda: secrets.token_hex(16),
        account_id=config.options.get("account_id"),
        channels=config.subscriptions or ("order_responses",),
        cancel_on_disconnect=config.flag("cancel_on_disconnect") if stated else None,
        key_in=config.options.get("key_in", "query"),
        endpoint=config.endpoint or "mainnet",
        client=config.options.get("client", ""),
    )


def _records(content: Any) -> Iterable[Record]:
    from payloads.venues.qfex.messages import market_records

    return market_records(content)


def _trade_records(content: Any) -> Iterable[Record]:
    from payloads.venues.qfex.messages import trade_records

    return trade_records(content)


_CLIENT = "NAME that the client gives itself"
VENUE = Venue(
    "qfex", "QFEX market data",
    "CHANNEL:SYMBOL, as level2:AAPL-USD, level2:*, level2:AAPL-USD/1 (sig_figs) or "
    "candle:AAPL-USD/1MIN",
    ("mainnet", "uat"), (), {"client": _CLIENT, "silence": SILENCE}, _session,
    hosts=("qfex.com", "qfex.io"),
    simulator="payloads.simulators.venues.qfex:QfexSimulator",
    records=_records,
)  # fmt: skip

TRADE_VENUE = Venue(
    "qfex-trade", "QFEX trade socket", "a channel, as order_responses",
    ("mainnet", "uat"), ("public_key", "secret", "jwt"),
    {
        "account_id": "ID of a subaccount",
        "cancel_on_disconnect": "yes or no: orders go when this connection does",
        "client": _CLIENT,
        "key_in": "query, headers or none: where the key goes besides the message",
    },
    _trade_session,
    needs_subscriptions=False,
    records=_trade_records,
)  # fmt: skip
