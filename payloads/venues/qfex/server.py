"""What QFEX's side checks: for a simulator, and for a user's own tests.

`AuthDesk` judges authentication (signature, clock, nonces, JWT) and `TradeDesk` and `MarketDesk`
the messages after it; all answer in the venue's own words. Nothing here does I/O.

How a failed authentication is answered is not documented; an `err` of `PermissionDenied` is what
its error list has for it. The venue acknowledges nothing on market data, so `MarketDesk` does not.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from payloads.errors import Malformed, Misuse
from payloads.venues.common.http_words import Headers, header
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import check_token
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND
from payloads.venues.qfex.auth import check_nonce, sign
from payloads.venues.qfex.codes import AUTH_WITHIN
from payloads.venues.qfex.market_session import INTERVALS, Interest, Stream, Subscription
from payloads.venues.qfex.records import CHANNELS
from payloads.venues.qfex.requests import checked, request_of

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

    def check_query(self, query: Mapping[str, str], now: int) -> tuple[str, str] | None:
        """The same for the query of an upgrade, in which a key is only named."""
        if "jwt" in query:
            return self._check_jwt(query["jwt"], now)
        if query.get("api_key", "") not in ("", *self._keys):
            return "PermissionDenied", "api_key"
        return None

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
        for old in [key for key, at in self._nonces.items() if now - at > NONCE_WINDOW]:
            del self._nonces[old]
        if (key, nonce) in self._nonces:
            return False
        self._nonces[key, nonce] = now
        return True


class TradeDesk:
    """Judges the messages of one trade connection, and answers those about the connection."""

    def __init__(self, auth: AuthDesk, opened_at: int) -> None:
        self._auth, self._until = auth, opened_at + AUTH_WITHIN
        self.authenticated = False
        # The subaccount, "" for the primary; and whether it was by a token, which may end.
        self.account, self.by_token = "", False
        self.channels: set[str] = set()
        self.cancel_on_disconnect = False

    def overdue(self, now: int) -> bool:
        """Whether the connection is to be closed for not having authenticated in time."""
        return not self.authenticated and now >= self._until

    def received(
        self, message: str, now: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """The answers; and the message itself, if the answer is for the order book to give."""
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
        return self._judge(kind, content)

    def _authenticate(self, content: dict[str, Any], now: int) -> dict[str, Any]:
        if self.authenticated:
            return err("AlreadyAuthenticated", "once is enough", {"type": "auth"})
        if refused := self._auth.check(content, now):
            return err(*refused, {"type": "auth"})
        params = content["params"]
        self.authenticated, self.by_token = True, "jwt" in params
        self.account = params.get("account_id") or ""
        return {"authenticated": True}

    def _judge(
        self, kind: str, content: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        params = content.get("params", {})
        if not isinstance(params, dict):
            return [err("InvalidParameter", "params", content)], None
        try:
            params = request_of(kind, params).params
        except Misuse as wrong:
            return [err("InvalidParameter", str(wrong.field), content)], None
        if kind in ("subscribe", "unsubscribe"):
            return self._subscribe(kind, params["channels"]), None
        if kind == "cancel_on_disconnect":
            self.cancel_on_disconnect = params["cancel_on_disconnect"] is True
            return [{"ack": {"incoming_message": content}}], None
        return [], {"type": kind, "params": params}

    def _subscribe(self, kind: str, channels: list[str]) -> list[dict[str, Any]]:
        (self.channels.update if kind == "subscribe" else self.channels.difference_update)(channels)
        return [{f"{kind}d": channel} for channel in channels]


class MarketDesk:
    """The subscriptions of a market data connection."""

    def __init__(self) -> None:
        self._interest = Interest()

    def received(self, message: str) -> bool:
        """Whether the venue would act on the message; it answers none."""
        try:
            content = parse_json(message)
            subscription: Subscription = checked(Subscription, content)
        except (Malformed, Misuse):
            return False
        if content.get("type") not in ("subscribe", "unsubscribe"):
            return False
        self._interest.change(subscription, content["type"] == "subscribe")
        return True

    def wants(self, channel: str, symbol: str, interval: str = "") -> bool:
        """Whether this connection gets such a message."""
        return self._interest.wants(channel, symbol, interval)

    def streams(self, symbols: Iterable[str]) -> set[Stream]:
        """The streams that it gets from a venue with these symbols."""
        symbols = tuple(symbols)
        asked = (
            (channel, symbol, interval)
            for channel in CHANNELS
            for symbol in self._symbols(channel, symbols)
            for interval in (INTERVALS if channel == "candle" else ("",))
        )
        return {stream for stream in asked if self.wants(*stream)}

    def _symbols(self, channel: str, symbols: tuple[str, ...]) -> tuple[str, ...]:
        # The statistics of all symbols are one message, not one for each.
        together = channel == "market_stats" and self.wants(channel, "*")
        return ("*",) if together else symbols
