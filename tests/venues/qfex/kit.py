"""What the tests of QFEX's sessions share: credentials, sessions, and messages of any kind."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Session
from payloads.venues.qfex.auth import Credentials, HmacKey
from payloads.venues.qfex.market_session import INTERVALS, QfexMarketSession, Subscription
from payloads.venues.qfex.records import CHANNELS
from payloads.venues.qfex.trade_session import QfexTradeSession
from tests.venues import kit

PUBLIC, SECRET = "qfex_pub_xxxxx", Secret("qfex_secret_yyyyyy")
NONCE = "c0ffee00c0ffee00c0ffee00c0ffee00"
NOW = 1_760_545_414 * SECOND
SIGNATURE = "12b3673e49f1a9c5c361108c3ff613daf287ad54b935d3a7bde94b2f51483260"
KEY = HmacKey(PUBLIC, SECRET)
JWT_KEY = Secret("the key that signs tokens")


class Nonces:
    """A source that never repeats itself."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{self.count:032x}"


def trade(credentials: Credentials = KEY, **options: Any) -> QfexTradeSession:
    return QfexTradeSession(credentials, nonces=options.pop("nonces", Nonces()), **options)


def ready(**options: Any) -> QfexTradeSession:
    """A session that has been authenticated; what it sent by itself is taken."""
    session = trade(**options)
    session.dial(NOW)
    session.opened(NOW)
    say(session, {"authenticated": True})
    session.take()
    return session


def say(session: Session, message: Any, now: int = NOW) -> list[Any]:
    return kit.say(session, message, now)


ALL = Subscription(tuple(CHANNELS), ("*",), INTERVALS)


def market(*subscriptions: Subscription, **options: Any) -> QfexMarketSession:
    session = QfexMarketSession(subscriptions, **options)
    session.dial(NOW)
    session.opened(NOW)
    return session


ORDER = {
    "symbol": "AAPL-USD", "side": "BUY", "order_type": "LIMIT", "order_time_in_force": "GTC",
    "quantity": Decimal("0.1"), "price": "150.50", "client_order_id": "my-order-123",
}  # fmt: skip


trees = kit.json_trees(
    ["level2", "1.5", "auth", "A", "1e999", "2025-08-20T09:26:36Z"],
    ["type", "symbol", "contents", "bid", "time", "err", "ack", "incoming_message",
     "params", "order_response", "subscribed", "channel", "authenticated",
     "update_time", "error_code", "message", "price", "sequence", "bbos"],
)  # fmt: skip
messages = st.one_of(st.text(), st.binary(), trees.map(json.dumps))
data_messages = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CHANNELS)), "symbol": st.just("A")},
    optional={"bid": trees, "time": trees, "price": trees, "sequence": trees, "contents": trees},
).map(json.dumps)
