"""QFEX: public market data, and the authenticated trade socket.

`QfexMarketSession` subscribes to channels and turns every message into a `Data` event with a
record: `Level2`, `Bbo`, `Trade`, `Candle` and so on. The venue acknowledges nothing there, so a
subscription is `Subscribed` when its first data comes. Flat messages, arrays of them, `contents`
envelopes and numbers given as strings are all taken, because all of them have been seen.

`QfexTradeSession` authenticates as soon as the socket is open, with a fresh nonce, by HMAC or JWT;
states cancel-on-disconnect again, because it is off on every new connection; subscribes; and after
a reconnect asks for the open orders. `send` sends anything else. Replies have no id: correlate by
`client_order_id`, and subscribe to `order_responses`, without which orders are not answered at all.

Cancel-on-disconnect cancels *all* orders of the account by the current documentation (by older
pages, those of the connection). Assume the wider one.

What the caller asks for and the venue would not take raises `Misuse`; nothing the venue sends
raises. Numbers are `Decimal`, in both directions. `RateBudget` tells when a message may go.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, ClassVar, get_type_hints
from urllib.parse import quote

import msgspec

from payloads.errors import Malformed, Misuse, elide
from payloads.fields import Record
from payloads.venues.ethgas_login import jwt_expiry
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Dial,
    Event,
    Message,
    Opened,
    Redactor,
    Rejected,
    Retry,
    Secret,
    Session,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
    exact_decimal,
    parse_json,
)
from payloads.venues.shared import (
    check_base,
    close_words,
    closing,
    earliest,
    header_value,
    said,
    wait_asked,
)

__all__ = [
    "AUTH_WITHIN", "CHANNELS", "ERRORS", "INTERVALS", "MDS_ENDPOINTS", "ORDER_STATUS",
    "REQUIRED", "TRADE_CHANNELS", "TRADE_ENDPOINTS", "WEIGHTS", "Acknowledged", "Bbo", "Candle",
    "Funding", "HmacKey", "Jwt", "Level2", "MarketStats", "MarkPrice", "MinMaxPrice",
    "OpenInterest", "OrderResponse", "QfexMarketSession", "QfexTradeSession", "RateBudget",
    "Subscription", "Trade", "Underlier", "auth_message", "check_nonce", "meaning",
    "missing_parameter", "sign", "time_of", "without",
]  # fmt: skip

MDS_ENDPOINTS = {"mainnet": "wss://mds.qfex.com", "uat": "wss://mds.qfex.io"}
TRADE_ENDPOINTS = {"mainnet": "wss://trade.qfex.com", "uat": "wss://trade.qfex.io"}
AUTH_WITHIN = 60 * SECOND

# --- words ----------------------------------------------------------------------------------------

ERRORS = {
    "RateLimited": "too many messages: try again after the pause that the message names",
    "ServerError": "the server failed: try again later",
    "AlreadyAuthenticated": "authenticated already: nothing to do",
    "AlreadySubscribedToLeaderboard": "subscribed already: nothing to do",
    "InvalidJSONFormat": "not JSON as the venue wants it: do not send it again",
    "InvalidParameter": "a parameter is not valid: do not send it again",
    "InvalidOrder": "the order is not valid: do not send it again",
    "PermissionDenied": "permission denied: stop",
    "KycRequired": "the account's identity is not verified: stop",
    "TncRequired": "the terms are not accepted: stop",
}
RETRYABLE = frozenset({"RateLimited", "ServerError"})
BENIGN = frozenset({"AlreadyAuthenticated", "AlreadySubscribedToLeaderboard"})

ORDER_STATUS = {
    "ACK": "on the book",
    "FILLED": "filled, perhaps in part: see quantity_remaining",
    "MODIFIED": "modified",
    "CANCELLED": "cancelled",
    "CANCELLED_STP": "cancelled by self-trade prevention",
    "REJECTED": "rejected",
    "NO_SUCH_ORDER": "no such order",
    "INVALID_ORDER_TYPE": "not an order type",
    "BAD_SYMBOL": "no such symbol",
    "PRICE_LESS_THAN_MIN_PRICE": "price below the minimum",
    "PRICE_GREATER_THAN_MAX_PRICE": "price above the maximum",
    "CANNOT_MODIFY_PARTIAL_FILL": "partly filled, so it cannot be modified",
    "FAILED_MARGIN_CHECK": "not enough margin",
    "INVALID_TICK_SIZE_PRECISION_PRICE": "price is not a multiple of the tick",
    "INVALID_TICK_SIZE_PRECISION_QUANTITY": "quantity is not a multiple of the step",
    "QUANTITY_LESS_THAN_MIN_QUANTITY": "quantity below the minimum",
    "QUANTITY_GREATER_THAN_MAX_QUANTITY": "quantity above the maximum",
    "INVALID_TIME_IN_FORCE": "not a time in force",
    "REJECTED_WOULD_BREACH_MAX_NOTIONAL": "would breach the largest notional",
    "CANNOT_MODIFY_NO_SUCH_ORDER": "no such order to modify",
    "REJECTED_MARKET_CLOSED": "the market is closed",
    "REJECTED_FAILED_TO_PROCESS": "could not be processed",
    "INVALID_TAKEPROFIT_PRICE": "not a take-profit price",
    "INVALID_STOPLOSS_PRICE": "not a stop-loss price",
    "RATE_LIMITED": "rate limited",
    "REJECTED_TOO_MANY_OPEN_ORDERS": "too many open orders",
    "REJECTED_OPEN_INTEREST_LIMIT": "would breach the open interest limit",
}


def meaning(code: str) -> str:
    """An error code in words, with whether to try again."""
    return ERRORS.get(code, "a code that is not documented")


# --- authentication -------------------------------------------------------------------------------

_NONCE = re.compile(r"[0-9a-fA-F]{1,100}")


class HmacKey:
    """An API key: its public half, and the secret that signs."""

    def __init__(self, public_key: str, secret: Secret) -> None:
        self.public_key, self.secret = header_value(public_key, "public_key"), secret

    def __repr__(self) -> str:
        return "HmacKey(…)"


class Jwt:
    """A token from the venue's OAuth. Renew it before reconnecting: `session.renew`."""

    def __init__(self, token: Secret) -> None:
        header_value(token.reveal(), "jwt")
        self.token = token

    def __repr__(self) -> str:
        return "Jwt(…)"

    def expired(self, now: int) -> bool:
        """Whether the token says of itself that it is over."""
        expires = jwt_expiry(self.token.reveal())
        return expires is not None and now >= expires


def sign(secret: Secret, nonce: str, unix_ts: int) -> str:
    """The HMAC-SHA256, in hex, of `nonce:unix_ts` with the time in seconds."""
    text = f"{nonce}:{unix_ts}".encode()
    return hmac.new(secret.reveal().encode(), text, hashlib.sha256).hexdigest()


def check_nonce(nonce: str) -> str:
    """`nonce`, if the venue would take it."""
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Misuse("not a nonce", field="nonce", expected="1 to 100 hex digits")
    return nonce


def auth_message(
    credentials: HmacKey | Jwt, nonce: str, now: int, account_id: str | None = None
) -> dict[str, Any]:
    """The message that authenticates; `account_id` names a subaccount and is not signed."""
    if isinstance(credentials, Jwt):
        params: dict[str, Any] = {"jwt": credentials.token.reveal()}
    else:
        seconds = now // SECOND
        params = {
            "hmac": {
                "public_key": credentials.public_key,
                "nonce": check_nonce(nonce),
                "unix_ts": seconds,
                "signature": sign(credentials.secret, nonce, seconds),
            }
        }
    if account_id is not None:
        params["account_id"] = account_id
    return {"type": "auth", "params": params}


# --- rate weights ---------------------------------------------------------------------------------

BUDGET = Decimal(12_000)
WINDOW = 60 * SECOND
_ORDER, _CHEAP = Decimal(1), Decimal("0.1")
WEIGHTS: dict[str, Decimal] = {
    **dict.fromkeys(("add_order", "modify_order", "cancel_order", "add_twap"), _ORDER),
    **dict.fromkeys(("close_position", "cancel_stop_order", "modify_stop_order"), _ORDER),
    "get_order": Decimal(2),
    "get_user_orders": Decimal(5),
    "cancel_all_orders": Decimal(2),
    "get_user_trades": Decimal("0.5"),
    **dict.fromkeys(("subscribe", "unsubscribe", "cancel_on_disconnect"), _CHEAP),
    **dict.fromkeys(("set_user_leverage", "get_user_leverage"), _CHEAP),
    "get_available_leverage_levels": _CHEAP,
}
# Stop-order cancels are taken to count as cancels; the venue says only that the two are separate.
_CANCELS = frozenset({"cancel_order", "cancel_all_orders", "cancel_stop_order"})
_MATH = Context(prec=28)


class RateBudget:
    """12,000 units of weight a minute, decaying exponentially; cancels have a budget of their own.

    The limit is the user's, over all connections: give every session of a user the same object.
    """

    def __init__(self, limit: Decimal = BUDGET) -> None:
        if not limit > max(WEIGHTS.values()):
            raise Misuse("a budget that some message never fits", field="limit", expected="over 5")
        self._limit = limit
        self._used: dict[bool, tuple[Decimal, int]] = {}

    def used(self, kind: str, now: int) -> Decimal:
        """What counts against a message of this kind at this moment."""
        level, at = self._used.get(kind in _CANCELS, (Decimal(0), now))
        # Beyond this nothing is left of it.
        age = Decimal(min(max(0, now - at), 100 * WINDOW))
        return _MATH.multiply(level, _MATH.exp(_MATH.divide(-age, Decimal(WINDOW))))

    def wait(self, kind: str, now: int) -> int:
        """The nanoseconds until a message of this kind may go; 0 for now."""
        room = self._limit - WEIGHTS.get(kind, _ORDER)
        if (level := self.used(kind, now)) <= room:
            return 0
        return int(_MATH.multiply(_MATH.ln(_MATH.divide(level, room)), Decimal(WINDOW))) + 1

    def spend(self, kind: str, now: int) -> None:
        """Note that a message goes out."""
        level = self.used(kind, now) + WEIGHTS.get(kind, _ORDER)
        _, at = self._used.get(kind in _CANCELS, (Decimal(0), now))
        self._used[kind in _CANCELS] = level, max(at, now)


_HINT = re.compile(r"\b([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|milliseconds?|s|secs?|seconds?)\b")


def retry_hint(message: str) -> int | None:
    """The pause that a RateLimited message names, in nanoseconds."""
    if not (match := _HINT.search(message)):
        return None
    return int(Decimal(match[1]) * (10**6 if match[2].startswith("m") else SECOND))


# --- what comes: numbers, times, records ----------------------------------------------------------

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,18}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


class Time(int):
    """Nanoseconds since 1970."""


Level = tuple[Decimal, Decimal]


def time_of(text: str) -> Time | None:
    """The nanoseconds of an RFC 3339 time, finer digits cut off; None if it is none."""
    if not (match := _TIME.fullmatch(text)):
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        whole = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    days = whole.toordinal() - datetime(1970, 1, 1).toordinal()
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset if match[8] == "+" else -offset
    return Time(seconds * SECOND + int((match[7] or "0").ljust(9, "0")[:9]))


def _number(value: Any) -> Decimal | None:
    return exact_decimal(value)


def _whole(value: Any) -> int | None:
    number = exact_decimal(value)
    # The exponent is at most three digits, so this is a number that fits in memory.
    return int(number) if number is not None and number == number.to_integral_value() else None


def _time(value: Any) -> Time | None:
    """RFC 3339, or seconds with a fraction as orders have them."""
    if isinstance(value, str) and (time := time_of(value)) is not None:
        return time
    seconds = exact_decimal(value)
    if seconds is None or abs(seconds) > 2**40:
        return None
    return Time(int(seconds.scaleb(9, _MATH)))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _levels(value: Any) -> tuple[Level, ...] | None:
    if not isinstance(value, list):
        return None
    rows = [row if isinstance(row, list) and len(row) >= 2 else [None, None] for row in value]
    pairs = [(exact_decimal(row[0]), exact_decimal(row[1])) for row in rows]
    whole = [(price, size) for price, size in pairs if price is not None and size is not None]
    return tuple(whole) if len(whole) == len(pairs) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _list(value: Any) -> tuple[Any, ...] | None:
    return tuple(value) if isinstance(value, list) else None


Levels = tuple[Level, ...]
_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    Decimal | None: _number,
    int | None: _whole,
    Time | None: _time,
    str | None: _text,
    bool | None: _flag,
    Levels | None: _levels,
    tuple[Any, ...]: _list,
}


class Level2(Record, frozen=True):
    """The whole book, at most 20 levels a side, the best first."""

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
    # None where the venue has not said; a side that it says is empty is empty.
    bid: Levels | None = None
    ask: Levels | None = None
    time: Time | None = None


class Trade(Record, frozen=True):
    symbol: str
    trade_id: str | None = None
    time: Time | None = None
    size: Decimal | None = None
    price: Decimal | None = None
    side: str | None = None
    execution_type: str | None = None


class Candle(Record, frozen=True):
    symbol: str
    start: Time | None = None
    resolution: str | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    usd_volume: Decimal | None = None
    trades: int | None = None


class Underlier(Record, frozen=True):
    symbol: str
    price: Decimal | None = None
    source: str | None = None
    time: Time | None = None


class MarkPrice(Record, frozen=True):
    symbol: str
    price: Decimal | None = None
    time: Time | None = None


class Funding(Record, frozen=True):
    symbol: str
    funding_rate: Decimal | None = None
    time_remaining: int | None = None
    time: Time | None = None


class OpenInterest(Record, frozen=True):
    symbol: str
    open_interest: Decimal | None = None
    time: Time | None = None


class MinMaxPrice(Record, frozen=True):
    symbol: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    time: Time | None = None


class MarketStats(Record, frozen=True):
    """A snapshot and then once a second. The lists' rows are the venue's own objects."""

    symbol: str
    sequence: int | None = None
    time: Time | None = None
    bbos: tuple[Any, ...] = ()
    mark_prices: tuple[Any, ...] = ()
    open_interests: tuple[Any, ...] = ()
    daily_volumes: tuple[Any, ...] = ()


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

    @property
    def meaning(self) -> str:
        """The status in words."""
        return ORDER_STATUS.get(self.status or "", "a status that is not documented")

    @property
    def complete(self) -> bool:
        """Whether nothing of the order is left to fill."""
        return self.status == "FILLED" and self.quantity_remaining == 0


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
_WIRE_NAMES = {"usd_volume": "usdVolume"}
_KINDS: tuple[type[Record], ...] = (*CHANNELS.values(), OrderResponse)
_PLANS: dict[type[Record], list[tuple[str, str, Callable[[Any], Any]]]] = {
    kind: [
        (name, _WIRE_NAMES.get(name, name), _READERS[hint])
        for name, hint in get_type_hints(kind).items()
        if name in kind.__struct_fields__
    ]
    for kind in _KINDS
}


def _read(kind: type[Record], content: Mapping[str, Any]) -> Any:
    """The record of an object; absent and null fields take their defaults."""
    values = {}
    for name, wire, read in _PLANS[kind]:
        given = content.get(wire)
        if given is None:
            continue
        if (value := read(given)) is None:
            shown = given if isinstance(given, str) else type(given).__name__
            raise Malformed("not what this field holds", field=wire, found=elide(shown))
        values[name] = value
    if "symbol" in values or kind is OrderResponse:
        return kind(**values)
    raise Malformed("a message about no symbol", field="symbol")


# The nesting of arrays and envelopes that is followed; the venue has one of each at most.
_MOST_DEPTH = 4


def _flatten(content: Any, depth: int = 0) -> Iterable[Any]:
    """The messages in a message: the items of an array one by one."""
    if isinstance(content, list) and content and depth < _MOST_DEPTH:
        for one in content:
            yield from _flatten(one, depth + 1)
    else:
        yield content


def _opened(content: Any) -> Iterable[Any]:
    """What is in a `contents` envelope; the envelope fills in what its messages do not say."""
    inside = content.get("contents") if isinstance(content, dict) else None
    if not inside or not isinstance(inside, list | dict):
        # An envelope of nothing must not be taken for a message, an empty book for example.
        yield content if inside is None else inside
        return
    head = {key: value for key, value in content.items() if key != "contents"}
    for one in inside if isinstance(inside, list) else [inside]:
        yield {**head, **one} if isinstance(one, dict) else one


# --- market data ----------------------------------------------------------------------------------

INTERVALS = ("1MIN", "5MINS", "15MINS", "1HOUR", "4HOURS", "1DAY")
# Where `*` is documented to stand for every symbol.
ALL_SYMBOLS = frozenset({"level2", "trade", "market_stats"})


_SYMBOL = re.compile(r"[!-~]{1,64}")


class Subscription(Record, frozen=True):
    """Channels of some symbols; `intervals` belong to candles, and candles need them."""

    channels: tuple[str, ...]
    symbols: tuple[str, ...]
    intervals: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> Subscription:
        """A subscription that the venue would take; `Misuse` otherwise."""
        one = cls(tuple(channels), tuple(symbols), tuple(intervals))
        _check_known("channels", one.channels, CHANNELS)
        if not one.symbols or not all(_SYMBOL.fullmatch(symbol) for symbol in one.symbols):
            raise Misuse("no symbols", field="symbols", expected="at least one, like AAPL-USD")
        if ("candle" in one.channels) != bool(one.intervals):
            raise Misuse("candles and intervals go together", field="intervals")
        if one.intervals:
            _check_known("intervals", one.intervals, INTERVALS)
        return one

    def message(self, verb: str) -> dict[str, Any]:
        """What subscribes or unsubscribes: flat, without `params`."""
        named = {"channels": self.channels, "symbols": self.symbols, "intervals": self.intervals}
        return {"type": verb, **{key: list(value) for key, value in named.items() if value}}


def _check_known(field: str, given: Sequence[str], known: Iterable[str]) -> None:
    known = tuple(known)
    if not given or any(one not in known for one in given):
        raise Misuse(f"no such {field}", field=field, expected=", ".join(known))


class QfexMarketSession(Session):
    """A connection to the public market data, which needs no credentials."""

    venue: ClassVar[str] = "qfex"

    def __init__(
        self, subscriptions: Iterable[Subscription] = (), *, endpoint: str = "mainnet"
    ) -> None:
        super().__init__()
        url = MDS_ENDPOINTS.get(endpoint, endpoint)
        self._url = check_base(url, ("wss", "ws"), "endpoint")
        self._wanted = [Subscription.of(*one.values) for one in subscriptions]
        self._seen: set[str] = set()
        self._open = False
        self._redactor = Redactor()

    @property
    def subscribed(self) -> list[str]:
        """What data has come for on this connection."""
        return sorted(self._seen)

    def subscribe(
        self, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> None:
        """Subscribe, now and after every reconnect."""
        one = Subscription.of(channels, symbols, intervals)
        if one not in self._wanted:
            self._wanted.append(one)
            if self._open:
                self._send(one.message("subscribe"))

    def unsubscribe(
        self, channels: Iterable[str], symbols: Iterable[str], intervals: Iterable[str] = ()
    ) -> None:
        """Unsubscribe channels and symbols, however they were put together when subscribing."""
        gone = Subscription.of(channels, symbols, intervals)
        self._wanted = [rest for one in self._wanted for rest in without(one, gone)]
        labels = {f"{channel}:{symbol}" for channel in gone.channels for symbol in gone.symbols}
        self._seen -= labels
        if self._open:
            self._send(gone.message("unsubscribe"))

    def dial(self, now: int) -> Dial:
        return Dial(self._url)

    def opened(self, now: int) -> list[Event]:
        self._seen.clear()
        self._outgoing, self._open = [], True
        for one in self._wanted:
            self._send(one.message("subscribe"))
        return [Opened()]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return _refused_upgrade(status, headers, body, self._redactor)

    def received(self, data: Message, now: int) -> list[Event]:
        try:
            content = parse_json(data)
        except Malformed as error:
            return [Broken(error, data)]
        messages = (message for one in _flatten(content) for message in _opened(one))
        return [event for one in messages for event in self._one(one, data)]

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        self._open, self._outgoing = False, []
        self._seen.clear()
        return [closing(code, reason, 0, self._redactor)]

    def _one(self, content: Any, raw: Message) -> list[Event]:
        name = content.get("type") if isinstance(content, dict) else None
        kind = CHANNELS.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(content, dict) or not isinstance(name, str):
            if isinstance(content, dict) and (name == "error" or "err" in content):
                return [_error(content, "")]
            return [Unknown(content, raw)]
        try:
            record = _read(kind, content)
        except Malformed as error:
            return [Broken(error, raw)]
        label = f"{name}:{record.symbol}"
        events: list[Event] = [Data(name, record)]
        if label not in self._seen and len(self._seen) < _MOST_LABELS:
            self._seen.add(label)
            events.insert(0, Subscribed(label))
        return events


# More symbols than any venue lists; what is beyond is data all the same.
_MOST_LABELS = 100_000


def without(one: Subscription, gone: Subscription) -> Iterable[Subscription]:
    """What is left of a subscription without the channels and symbols of another."""
    kept = tuple(channel for channel in one.channels if channel not in gone.channels)
    if kept:
        yield Subscription(kept, one.symbols, one.intervals if "candle" in kept else ())
    left = tuple(symbol for symbol in one.symbols if symbol not in gone.symbols)
    hit = tuple(symbol for symbol in one.symbols if symbol in gone.symbols)
    for channel in (channel for channel in one.channels if channel not in kept):
        intervals = one.intervals if channel == "candle" else ()
        if left:
            yield Subscription((channel,), left, intervals)
        rest = tuple(interval for interval in intervals if interval not in gone.intervals)
        if rest and hit:
            yield Subscription((channel,), hit, rest)


# --- errors ---------------------------------------------------------------------------------------


def _refused_upgrade(
    status: int, headers: Sequence[tuple[str, str]], body: bytes, redactor: Redactor
) -> tuple[Rejected, Retry]:
    words = {401: "not authorised", 403: "forbidden", 429: "too many connections or messages"}
    meant = words.get(status, "the upgrade was refused")
    again = status in (408, 425, 429) or status >= 500
    event = Rejected(f"HTTP {status}", said(body, redactor), meant, "upgrade")
    return event, Retry(again, meant, wait_asked(headers))


def _error(content: Mapping[str, Any], about: str) -> Rejected:
    """Any of the forms an error has had."""
    inner = content.get("err", content.get("error", content))
    fields = inner if isinstance(inner, dict) else {"message": inner}
    code = fields.get("error_code", fields.get("code"))
    code = code if isinstance(code, str) else "unknown"
    message = fields.get("message")
    words = elide(message, 300) if isinstance(message, str) else ""
    return Rejected(elide(code, 80), words, meaning(code), about or _what(fields))


def _what(error: Mapping[str, Any]) -> str:
    """What an error is about, from the message that it echoes: its type and ids, never its rest.

    An echoed login holds a signature or a token.
    """
    message = error.get("incoming_message")
    if isinstance(message, str):
        try:
            message = parse_json(message)
        except Malformed:
            return ""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return ""
    params = message.get("params")
    ids = ("client_order_id", "order_id", "stop_order_id", "client_twap_id")
    given = params if isinstance(params, dict) and message["type"] != "auth" else {}
    named = next((given[key] for key in ids if isinstance(given.get(key), str)), "")
    return elide(f"{message['type']} {named}".strip(), 160)


# --- trade ----------------------------------------------------------------------------------------

TRADE_CHANNELS = ("order_responses", "stop_orders", "positions", "balances", "fills")
REQUIRED: dict[str, tuple[str, ...]] = {
    "subscribe": ("channels",),
    "unsubscribe": ("channels",),
    "add_order": ("symbol", "side", "order_type", "order_time_in_force", "quantity"),
    "modify_order": ("symbol", "order_id", "side", "order_type"),
    "cancel_order": ("symbol", "order_id", "cancel_order_id_type"),
    "cancel_all_orders": (),
    "get_order": ("order_id", "symbol"),
    "get_user_orders": (),
    "get_user_trades": (),
    "close_position": ("symbol",),
    "add_twap": (
        "symbol", "side", "total_quantity", "num_orders", "order_interval_secs", "reduce_only",
    ),
    "cancel_stop_order": ("stop_order_id",),
    "modify_stop_order": ("stop_order_id", "symbol", "price", "quantity"),
    "set_user_leverage": ("symbol", "leverage"),
    "get_user_leverage": (),
    "get_available_leverage_levels": (),
    "cancel_on_disconnect": ("cancel_on_disconnect",),
}  # fmt: skip
_CHOICES: dict[str, tuple[str, ...]] = {
    "side": ("BUY", "SELL"),
    "order_type": ("LIMIT", "MARKET", "ALO"),
    "order_time_in_force": ("GTC", "IOC", "FOK"),
    "cancel_order_id_type": ("order_id", "client_order_id", "twap_id", "client_twap_id"),
}
_NUMBERS = frozenset(
    {"quantity", "price", "take_profit", "stop_loss", "total_quantity", "leverage", "num_orders"}
)
_RESPONSES = frozenset(
    {
        "order_response", "fill_response", "all_orders_response", "user_trades_response",
        "user_leverage_response", "available_leverage_levels_response", "position_response",
        "balance_response", "stop_order_response", "twap_response",
    }
)  # fmt: skip


def missing_parameter(kind: str, params: Mapping[str, Any]) -> str:
    """The first parameter that is missing or is not one of those it may be; "" if none."""
    needed = [*REQUIRED[kind]]
    if kind == "add_order" and params.get("order_type") in ("LIMIT", "ALO"):
        needed.append("price")
    for name in needed:
        if params.get(name) is None:
            return name
    for name, value in params.items():
        choices = _CHOICES.get(name)
        if choices and value not in choices:
            return name
        if name in _NUMBERS and value is not None and exact_decimal(value) is None:
            return name
    return _bad_channels(params) if "channels" in needed else ""


def _bad_channels(params: Mapping[str, Any]) -> str:
    given = params["channels"]
    fits = isinstance(given, list | tuple) and given and all(c in TRADE_CHANNELS for c in given)
    return "" if fits else "channels"


class Acknowledged(Event, frozen=True):
    """A message of ours that the venue took, as it echoes it."""

    kind: str
    params: Any


# A server that closes before it has authenticated us says no, unless it says that it is itself.
_NOT_A_NO = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
_encoder = msgspec.json.Encoder(decimal_format="number")


class QfexTradeSession(Session):
    """A connection to the trade socket.

    `nonces` gives a fresh nonce at each call (`lambda: secrets.token_hex(16)`). `key_in` says where
    the public key (or JWT) goes besides the message: `query` as the documentation has it, `headers`
    as the venue's own client does, or `none`.
    """

    venue: ClassVar[str] = "qfex"

    def __init__(
        self,
        credentials: HmacKey | Jwt,
        *,
        nonces: Callable[[], str],
        account_id: str | None = None,
        channels: Iterable[str] = ("order_responses",),
        cancel_on_disconnect: bool | None = None,
        key_in: str = "query",
        endpoint: str = "mainnet",
        budget: RateBudget | None = None,
    ) -> None:
        super().__init__()
        _check_known("key_in", (key_in,), ("query", "headers", "none"))
        url = TRADE_ENDPOINTS.get(endpoint, endpoint)
        self._url = check_base(url, ("wss", "ws"), "endpoint")
        self._credentials, self._nonces, self._key_in = credentials, nonces, key_in
        self._account = None if account_id is None else header_value(account_id, "account_id")
        self._channels = dict.fromkeys(channels)
        if self._channels:
            _check_known("channels", tuple(self._channels), TRADE_CHANNELS)
        self._cod, self.budget = cancel_on_disconnect, budget or RateBudget()
        self._redactor = Redactor(_secret_of(credentials))
        self._drawn: deque[str] = deque(maxlen=64)
        self._open = self._authenticated = self._refused = False
        self._cod_in_force: bool | None = None
        self._auth_until: int | None = None
        self._connected_before = False

    @property
    def authenticated(self) -> bool:
        """Whether the venue has accepted the credentials on this connection."""
        return self._authenticated

    @property
    def cancel_on_disconnect(self) -> bool | None:
        """Whether orders go when this connection does, as far as the venue has confirmed it."""
        return self._cod_in_force

    # --- what the caller wants --------------------------------------------------------------------

    def subscribe(self, *channels: str, now: int) -> None:
        """Subscribe to private channels, now and after every reconnect."""
        _check_known("channels", channels, TRADE_CHANNELS)
        self._channels.update(dict.fromkeys(channels))
        if self._authenticated:
            self._request("subscribe", {"channels": list(channels)}, now)

    def unsubscribe(self, *channels: str, now: int) -> None:
        """Unsubscribe from private channels."""
        _check_known("channels", channels, TRADE_CHANNELS)
        for channel in channels:
            self._channels.pop(channel, None)
        if self._authenticated:
            self._request("unsubscribe", {"channels": list(channels)}, now)

    def set_cancel_on_disconnect(self, wanted: bool, now: int) -> None:
        """State it, now and after every reconnect."""
        self._cod = wanted
        if self._authenticated:
            self._request("cancel_on_disconnect", {"cancel_on_disconnect": wanted}, now)

    def send(self, kind: str, params: Mapping[str, Any] | None = None, *, now: int) -> None:
        """Send a message; `Misuse` if it lacks something, or the budget says to wait.

        Numbers may be `int`, `Decimal` or decimal strings; a float is refused.
        """
        given = {key: value for key, value in (params or {}).items() if value is not None}
        if kind not in REQUIRED:
            raise Misuse("no such message", field="type", expected=", ".join(REQUIRED))
        if name := missing_parameter(kind, given):
            expected = " or ".join(_CHOICES.get(name, ("a value that fits",)))
            raise Misuse(f"{kind} needs {name}", field=name, expected=expected)
        if not self._authenticated:
            raise Misuse("not authenticated, and nothing is kept for later")
        if wait := self.budget.wait(kind, now):
            raise Misuse("over the rate limit", field=kind, expected=f"a pause of {wait} ns")
        self._request(kind, given, now)

    def renew(self, credentials: HmacKey | Jwt) -> None:
        """Use these from the next connection on; a JWT wants this before it ends."""
        self._credentials, self._refused = credentials, False
        self._redactor.add(_secret_of(credentials))

    def _request(self, kind: str, params: Mapping[str, Any], now: int) -> None:
        numbers = {key: _as_number(key, value) for key, value in params.items()}
        try:
            text = _encoder.encode({"type": kind, "params": numbers}).decode()
        except (OverflowError, TypeError, ValueError) as error:
            raise Misuse("not JSON", field=kind, found=elide(str(error))) from None
        self._outgoing.append(text)
        self.budget.spend(kind, now)

    def _nonce(self) -> str:
        nonce = check_nonce(self._nonces())
        if nonce in self._drawn:
            raise Misuse("a nonce given twice", field="nonce", expected="unique for 15 minutes")
        self._drawn.append(nonce)
        return nonce

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        held = self._credentials
        if self._key_in == "none":
            return Dial(self._url)
        if self._key_in == "query":
            name = "jwt" if isinstance(held, Jwt) else "api_key"
            value = held.token.reveal() if isinstance(held, Jwt) else held.public_key
            url = f"{self._url}/?{name}={quote(value, safe='')}"
            return Dial(url, secret_parameters=("jwt", "api_key"))
        if isinstance(held, Jwt):
            headers: tuple[tuple[str, str], ...] = (
                ("Authorization", f"Bearer {held.token.reveal()}"),
            )
        else:
            seconds, nonce = now // SECOND, self._nonce()
            signature = sign(held.secret, nonce, seconds)
            self._redactor.add(signature)
            headers = (
                ("x-qfex-public-key", held.public_key),
                ("x-qfex-hmac-signature", signature),
                ("x-qfex-nonce", nonce),
                ("x-qfex-timestamp", str(seconds)),
            )
        hidden = ("Authorization", "x-qfex-public-key", "x-qfex-hmac-signature")
        return Dial(self._url, headers, hidden)

    def opened(self, now: int) -> list[Event]:
        self._drop()
        self._open = True
        held = self._credentials
        nonce = "" if isinstance(held, Jwt) else self._nonce()
        message = auth_message(held, nonce, now, self._account)
        self._redactor.add(message["params"].get("hmac", {}).get("signature"))
        self._send(message)
        self._auth_until = self.deadline = now + AUTH_WITHIN
        return [Opened()]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return _refused_upgrade(status, headers, body, self._redactor)

    def received(self, data: Message, now: int) -> list[Event]:
        data = self._redactor.clean(data)
        try:
            content = parse_json(data)
        except Malformed as error:
            return [Broken(error, data)]
        events = [event for one in _flatten(content) for event in self._guarded(one, data, now)]
        self.deadline = earliest(self._auth_until)
        return events

    def tick(self, now: int) -> list[Event]:
        if self._auth_until is None or now < self._auth_until:
            return []
        self._auth_until = self.deadline = None
        late = Rejected("timeout", "", "not authenticated within the minute", "auth")
        return [late] if self._refused else [late, Stalled(AUTH_WITHIN)]

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        waiting = self._open and not self._authenticated
        refused = self._refused or (waiting and code not in _NOT_A_NO)
        held = self._credentials
        expired = isinstance(held, Jwt) and held.expired(now)
        self._drop()
        event = closing(code, reason, 0, self._redactor)
        why = "the JWT has expired: renew it first" if expired else ""
        if refused and not expired:
            why = "the venue does not accept the credentials"
        if not why:
            return [event]
        return [Closed(code, event.reason, Retry(False, f"{why} ({code}: {close_words(code)})"))]

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)

    def _drop(self) -> None:
        """Forget what belonged to the connection; cancel-on-disconnect is off on every new one."""
        self._open = self._authenticated = False
        self._outgoing, self._auth_until, self.deadline = [], None, None
        self._cod_in_force = None

    # --- what comes -------------------------------------------------------------------------------

    def _guarded(self, content: Any, raw: Message, now: int) -> list[Event]:
        try:
            return self._one(content, raw, now)
        except Malformed as error:
            return [Broken(error, raw)]

    def _one(self, content: Any, raw: Message, now: int) -> list[Event]:
        if not isinstance(content, dict):
            return [Unknown(content, raw)]
        if isinstance(content.get("authenticated"), bool):
            return self._answer(content["authenticated"], now)
        if "err" in content or content.get("type") == "error":
            return self._failed(_error(content, ""), now)
        if content.get("type") == "auth" and "result" in content:  # as it was until 2025
            return self._answer(content["result"] == "success", now)
        for verb, event in (("subscribed", Subscribed), ("unsubscribed", Unsubscribed)):
            if isinstance(content.get(verb), str):
                return [event(content[verb])]
            if content.get("type") == verb and isinstance(content.get("channel"), str):
                return self._enveloped(event(content["channel"]), content)
        if isinstance(content.get("ack"), dict):
            return [self._acknowledged(content["ack"])]
        for key in content:
            if key in _RESPONSES:
                return [Data(key, _response(key, content[key]))]
        return [Unknown(content, raw)]

    def _enveloped(self, event: Event, content: dict[str, Any]) -> list[Event]:
        """The older envelope says what was subscribed and holds data with it."""
        meta = {"type", "channel", "connection_id", "message_id"}
        inner = {key: value for key, value in content.items() if key not in meta}
        return [event, *([Data(content["channel"], inner)] if inner else [])]

    def _answer(self, accepted: bool, now: int) -> list[Event]:
        if not accepted:
            self._refused, self._authenticated, self._auth_until = True, False, None
            return [Rejected("authenticated: false", "", "the credentials are refused", "auth")]
        again, self._auth_until = self._authenticated, None
        self._authenticated, self._refused = True, False
        if not again:
            self._restore(now)
        return [Authenticated()]

    def _restore(self, now: int) -> None:
        """What every connection has to be told, before anything else."""
        if self._cod is not None:
            self._request("cancel_on_disconnect", {"cancel_on_disconnect": self._cod}, now)
        if self._channels:
            self._request("subscribe", {"channels": list(self._channels)}, now)
        if self._connected_before and "order_responses" in self._channels:
            # What became of orders while we were away, nobody sends again.
            self._request("get_user_orders", {}, now)
        self._connected_before = True

    def _failed(self, event: Rejected, now: int) -> list[Event]:
        if event.code == "AlreadyAuthenticated" and not self._authenticated:
            return self._answer(True, now)
        # Before we are authenticated only a login can have failed.
        if not self._authenticated and self._open and event.code not in BENIGN:
            # With nothing to be said again in place, the minute runs out and the driver redials.
            self._refused = event.code not in RETRYABLE
            return [Rejected(event.code, event.message, event.meaning, event.about or "auth")]
        return [event]

    def _acknowledged(self, ack: dict[str, Any]) -> Event:
        message = ack.get("incoming_message")
        if isinstance(message, str):
            message = parse_json(message)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Malformed("an acknowledgement of nothing", field="ack.incoming_message")
        params = message.get("params")
        if message["type"] == "auth":  # whatever it is, it is made of credentials
            return Acknowledged("auth", None)
        if message["type"] == "cancel_on_disconnect" and isinstance(params, dict):
            stated = params.get("cancel_on_disconnect")
            self._cod_in_force = stated if isinstance(stated, bool) else None
        return Acknowledged(message["type"], params)


def _secret_of(credentials: HmacKey | Jwt) -> Secret:
    return credentials.token if isinstance(credentials, Jwt) else credentials.secret


def _as_number(key: str, value: Any) -> Any:
    """Decimal strings as the JSON numbers that the venue wants; floats not at all."""
    if isinstance(value, float):
        raise Misuse("a float", field=key, expected="a Decimal, an integer or a decimal string")
    if key not in _NUMBERS or isinstance(value, bool):
        return value
    number = exact_decimal(value)
    if number is None:
        raise Misuse("not a number", field=key, found=elide(str(value)))
    return int(number) if number == number.to_integral_value() else number


def _response(key: str, content: Any) -> Any:
    if key == "order_response" and isinstance(content, dict):
        return _read(OrderResponse, content)
    return content
