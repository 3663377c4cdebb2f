"""What QFEX's side checks: for a simulator, and for a user's own tests.

`AuthDesk` judges authentication (signature, clock, nonces, JWT) and `TradeDesk` and `MarketDesk`
the messages after it; all answer in the venue's own words. Nothing here does I/O.

How a failed authentication is answered is not documented; an `err` of `PermissionDenied` is what
its error list has for it. The venue acknowledges nothing on market data, so `MarketDesk` does not.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from payloads.errors import Malformed, Misuse
from payloads.venues.ethgas_server import check_token
from payloads.venues.qfex import (
    AUTH_WITHIN,
    REQUIRED,
    RateBudget,
    Subscription,
    check_nonce,
    missing_parameter,
    sign,
    without,
)
from payloads.venues.session import SECOND, Secret, parse_json
from payloads.venues.shared import Headers, header

__all__ = ["AuthDesk", "MarketDesk", "TradeDesk", "err"]

CLOCK_TOLERANCE = 60 * SECOND
NONCE_WINDOW = 15 * 60 * SECOND


def err(code: str, message: str, incoming: Any = None) -> dict[str, Any]:
    """An error as the venue sends it."""
    return {"err": {"error_code": code, "message": message, "incoming_message": incoming}}


class AuthDesk:
    """Judges credentials, and remembers nonces for as long as they must be unique."""

    def __init__(
        self,
        keys: Mapping[str, Secret],
        *,
        jwt_key: Secret | None = None,
        accounts: frozenset[str] = frozenset(),
    ) -> None:
        self._keys, self._jwt_key, self._accounts = dict(keys), jwt_key, accounts
        self._nonces: dict[tuple[str, str], int] = {}

    def check(self, message: Any, now: int) -> tuple[str, str] | None:
        """None if an auth message is good; else an error code and why."""
        params = message.get("params") if isinstance(message, dict) else None
        if not isinstance(params, dict) or ("hmac" in params) == ("jwt" in params):
            return "InvalidParameter", "exactly one of hmac and jwt"
        account = params.get("account_id")
        if account is not None and account not in tuple(self._accounts):
            return "PermissionDenied", "account_id"
        if "jwt" in params:
            return self._check_jwt(params["jwt"], now)
        given = params["hmac"]
        if not isinstance(given, dict):
            return "InvalidParameter", "hmac"
        key, nonce, stamp = (given.get(name) for name in ("public_key", "nonce", "unix_ts"))
        return self._check_hmac(key, nonce, stamp, given.get("signature"), now)

    def check_headers(self, headers: Headers, now: int) -> tuple[str, str] | None:
        """The same for the headers of an upgrade."""
        bearer = header(headers, "Authorization")
        if bearer:
            return self._check_jwt(bearer.removeprefix("Bearer "), now)
        names = ("public-key", "nonce", "timestamp", "hmac-signature")
        key, nonce, stamp, signature = (header(headers, f"x-qfex-{name}") for name in names)
        seconds = int(stamp) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 20 else None
        return self._check_hmac(key, nonce, seconds, signature, now)

    def _check_jwt(self, token: Any, now: int) -> tuple[str, str] | None:
        if self._jwt_key is None:
            return "PermissionDenied", "jwt"
        why = check_token(self._jwt_key, token, now)
        return ("PermissionDenied", why) if why else None

    def _check_hmac(
        self, key: Any, nonce: Any, stamp: Any, signature: Any, now: int
    ) -> tuple[str, str] | None:
        if not isinstance(key, str) or not isinstance(signature, str):
            return "InvalidParameter", "public_key and signature"
        if type(stamp) is not int:
            return "InvalidParameter", "unix_ts"
        try:
            check_nonce(nonce)
        except Misuse:
            return "InvalidParameter", "nonce"
        secret = self._keys.get(key)
        if secret is None:
            return "PermissionDenied", "public_key"
        expected = sign(secret, nonce, stamp).encode()
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            return "PermissionDenied", "signature"
        if abs(stamp * SECOND - now) > CLOCK_TOLERANCE:
            return "PermissionDenied", "unix_ts is more than a minute away"
        if not self._fresh(key, nonce, now):
            return "PermissionDenied", "nonce used before"
        return None

    def _fresh(self, key: str, nonce: str, now: int) -> bool:
        for old in [one for one, at in self._nonces.items() if now - at > NONCE_WINDOW]:
            del self._nonces[old]
        if (key, nonce) in self._nonces:
            return False
        self._nonces[key, nonce] = now
        return True


class TradeDesk:
    """Judges the messages of one trade connection, and answers those that are about itself."""

    def __init__(self, auth: AuthDesk, opened_at: int, budget: RateBudget | None = None) -> None:
        self._auth, self._until = auth, opened_at + AUTH_WITHIN
        self._budget = budget or RateBudget()
        self.authenticated = False
        self.channels: set[str] = set()
        self.cancel_on_disconnect = False

    def overdue(self, now: int) -> bool:
        """Whether the connection is to be closed for not having authenticated in time."""
        return not self.authenticated and now >= self._until

    def received(
        self, message: str, now: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """The answers, and the message itself where it is one for an order book to answer."""
        try:
            content = parse_json(message)
        except Malformed:
            return [err("InvalidJSONFormat", "not JSON", message[:200])], None
        kind = content.get("type") if isinstance(content, dict) else None
        if not isinstance(kind, str):
            return [err("InvalidJSONFormat", "no type", content)], None
        if kind == "auth":
            return [self._authenticate(content, now)], None
        if not self.authenticated:
            return [err("PermissionDenied", "authenticate first", content)], None
        return self._judge(kind, content, now)

    def _authenticate(self, content: dict[str, Any], now: int) -> dict[str, Any]:
        if self.authenticated:
            return err("AlreadyAuthenticated", "once is enough", {"type": "auth"})
        refused = self._auth.check(content, now)
        self.authenticated = refused is None
        return err(*refused, {"type": "auth"}) if refused else {"authenticated": True}

    def _judge(
        self, kind: str, content: dict[str, Any], now: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        params = content.get("params", {})
        if kind not in REQUIRED or not isinstance(params, dict):
            return [err("InvalidParameter", "type or params", content)], None
        if wait := self._budget.wait(kind, now):
            hint = f"rate limited, retry after {wait // 10**6 + 1} ms"
            return [err("RateLimited", hint, content)], None
        self._budget.spend(kind, now)
        if missing := missing_parameter(kind, params):
            return [err("InvalidParameter", missing, content)], None
        if kind in ("subscribe", "unsubscribe"):
            return self._subscribe(kind, params["channels"]), None
        if kind == "cancel_on_disconnect":
            self.cancel_on_disconnect = params["cancel_on_disconnect"] is True
            return [{"ack": {"incoming_message": content}}], None
        return [], content

    def _subscribe(self, kind: str, channels: list[str]) -> list[dict[str, Any]]:
        (self.channels.update if kind == "subscribe" else self.channels.difference_update)(channels)
        return [{f"{kind}d": channel} for channel in channels]


class MarketDesk:
    """What one market data connection has subscribed to."""

    def __init__(self) -> None:
        self._subscribed: list[Subscription] = []

    def received(self, message: str) -> bool:
        """Whether it is a message the venue would act on; it answers none."""
        try:
            content = parse_json(message)
            one = self._subscription(content)
        except (Malformed, Misuse):
            return False
        if content["type"] == "subscribe":
            self._subscribed.append(one)
        else:
            self._subscribed = [left for each in self._subscribed for left in without(each, one)]
        return True

    def _subscription(self, content: Any) -> Subscription:
        if not isinstance(content, dict) or content.get("type") not in ("subscribe", "unsubscribe"):
            raise Misuse("not a subscription", field="type")
        lists = [content.get(name, []) for name in ("channels", "symbols", "intervals")]
        if not all(isinstance(v, list) and all(isinstance(i, str) for i in v) for v in lists):
            raise Misuse("not lists of text", field="channels")
        return Subscription.of(*lists)

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether a message is one that this connection is to get."""
        return any(
            channel in one.channels and (symbol in one.symbols or "*" in one.symbols)
            for one in self._subscribed
        )
