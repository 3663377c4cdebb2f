"""ETHGas: preconfirmation markets over a websocket, public and private.

`EthgasSession` speaks the official protocol (`OFFICIAL`), or by name the one of a withdrawn draft
(`DRAFT`). With an `EthgasLogin` it gets a token over REST, logs in on the socket, waits for the
answer, and only then subscribes; it renews the token before it expires, and after a reconnect it
does all of that again. Without one it takes public channels only.

Messages with data become `Data` events: an `Update`, whose payload is a `Book` or `Trades` for the
channels that have them and the venue's own object for all others. Queries have no id, so replies
are matched by query type in order. Prices and quantities are decimal strings and become `Decimal`.

`subscribe`, `unsubscribe` and `query` raise `Misuse` for what the venue would not take; nothing is
raised for anything it sends. Its error codes mean different things on different pages of its own
documentation, so `Rejected` keeps code and message, and `meaning` gives every reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from payloads.errors import Malformed, Misuse, elide
from payloads.fields import Record
from payloads.venues.ethgas_login import EthgasLogin
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
    Reply,
    Request,
    Retry,
    Secret,
    Session,
    Subscribed,
    Unknown,
    Unsubscribed,
    exact_decimal,
    parse_json,
)
from payloads.venues.shared import check_base, close_words, earliest, said, wait_asked

__all__ = [
    "CODES", "DIALECTS", "DRAFT", "MARKET_TYPES", "OFFICIAL", "ORDER_STATUS", "ORDER_TYPES",
    "PRIVATE", "PUBLIC", "Answered", "Book", "Channel", "Dialect", "EthgasSession", "Trade",
    "Update", "meaning",
]  # fmt: skip

PING_EVERY = 25 * SECOND
LOGIN_WITHIN = 15 * SECOND
RATE_PAUSE = 30 * SECOND
# A login that fails with a new token will fail with the next one too.
MOST_FAILURES = 2
# The venue's own close code for a connection that it does not want back.
CLOSED_FOR_GOOD = 4000

MARKET_TYPES = ("inclusionPreconf", "wholeBlock")
_MARKET, _PRICER = "marketType", "pricerOnly"
# Channels, and the arguments that each takes.
PUBLIC: dict[str, tuple[str, ...]] = {
    "preconfMarketUpdate": (_MARKET,),
    "candlestickUpdate": (_MARKET,),
    "recentTradeUpdate": (_MARKET,),
    "orderBookUpdate": (_MARKET,),
    "tickerUpdate": (_MARKET,),
    "inclusionPreconfSaleUpdate": (),
    "blockBuilderUpdate": (),
}
PRIVATE: dict[str, tuple[str, ...]] = {
    "accountOrderUpdate": (_MARKET, _PRICER),
    "accountTransactionUpdate": (_MARKET,),
    "accountPositionUpdate": (_MARKET, _PRICER),
    "preconfBundleUpdate": (),
}
PRIVATE_QUERIES = frozenset({"openOrders", "accountPositions", "preconfBundles"})

# --- codes in words -------------------------------------------------------------------------------

CODES = {
    0: "success (of a login)",
    1: "success",
    2: "permission denied",
    99: "unexpected error",
    102: "INVALID_ACCOUNT",
    104: "TIMEOUT",
    107: "MINIMUM_QUANTITY_NOT_REACH",
    108: "NO_ORDER",
    109: "ORDER_DONE_OR_CANCELLED",
    110: "server could not parse",
    111: "server: order book",
    112: "server: database",
    113: "server: database connection",
    114: "MARKET_EXPIRED",
    115: "RATE_TRANSACTION_ERROR",
    120: "quantity is not a multiple of the step",
    122: "duplicate string",
    191: "auto-cancelled",
    192: "manually cancelled",
    401: "invalid token: renew it",
    403: "insufficient permissions",
    429: "rate limited: wait before trying again",
    500: "server error: try again later",
    503: "service unavailable: try again later",
    1000: "permission denied",
    1001: "validation failed, or (websocket page) authentication failed",
    1002: "operation failed, or (websocket page) invalid channel",
    1003: "rate limit (websocket page): wait before trying again",
    1004: "timeout (websocket page)",
    9999: "unexpected error",
    10000: "deposit: account",
    10001: "deposit: token",
    10010: "withdrawal: account",
    10011: "withdrawal: token",
    10012: "withdrawal: insufficient funds",
}
_INVALID_TOKEN = frozenset({401})
_RATE_LIMITED = frozenset({429, 1003})
_FORBIDDEN = frozenset({2, 403, 1000})
ORDER_STATUS = {
    0: "pending",
    1: "on book",
    10: "done",
    11: "cancelled manually",
    12: "cancelled automatically",
    13: "partially done",
    14: "expired",
    99: "error",
}
ORDER_TYPES = {1: "market", 2: "limit", 3: "fill or kill"}


def meaning(code: int) -> str:
    """A code in words."""
    return CODES.get(code, "a code that is not documented")


# --- channels and dialects ------------------------------------------------------------------------


class Channel(Record, frozen=True):
    """A channel with its arguments."""

    name: str
    market_type: str | None = None
    pricer_only: bool | None = None

    @classmethod
    def of(
        cls, name: str, market_type: str | None = None, pricer_only: bool | None = None
    ) -> Channel:
        """A channel that the venue has; `Misuse` otherwise."""
        takes = PUBLIC.get(name, PRIVATE.get(name)) if isinstance(name, str) else None
        if takes is None:
            known = ", ".join((*PUBLIC, *PRIVATE))
            raise Misuse("no such channel", field="channel", expected=known)
        wanted = MARKET_TYPES if _MARKET in takes else (None,)
        if market_type not in wanted:
            expected = " or ".join(MARKET_TYPES) if _MARKET in takes else "none"
            raise Misuse(f"{name} and its market type", field="market_type", expected=expected)
        if pricer_only is not None and _PRICER not in takes:
            raise Misuse(f"{name} takes no such argument", field="pricer_only")
        return cls(name, market_type, pricer_only)

    @property
    def private(self) -> bool:
        return self.name in PRIVATE

    @property
    def label(self) -> str:
        return self.name if self.market_type is None else f"{self.name}:{self.market_type}"

    @property
    def argument(self) -> dict[str, Any]:
        """What stands for it in a message."""
        given = {"channel": self.name, _MARKET: self.market_type, _PRICER: self.pricer_only}
        return {key: value for key, value in given.items() if value is not None}


class Dialect(Record, frozen=True):
    """One of the two forms of the protocol."""

    name: str
    endpoints: dict[str, str]

    def login(self, token: str) -> dict[str, Any]:
        """What logs in on the socket."""
        if self.name == "official":
            return {"op": "login", "args": [{"accessToken": token}]}
        return {"cmd": "login", "data": {"accessToken": token}}

    def on_channels(self, verb: str, channels: Sequence[Channel]) -> list[dict[str, Any]]:
        """What subscribes or unsubscribes."""
        if self.name == "official":
            return [{"op": verb, "args": [channel.argument for channel in channels]}]
        return [{"cmd": verb, **channel.argument} for channel in channels]

    def query(self, query_type: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What asks for something once."""
        if self.name == "official":
            return {"op": "query", "args": [{"queryType": query_type, **arguments}]}
        raise Misuse("the draft has no queries", field="dialect", expected="official")


OFFICIAL = Dialect(
    "official",
    {
        "mainnet": "wss://mainnet.app.ethgas.com/ws",
        "hoodi": "wss://hoodi.app.ethgas.com/ws",
        "testchain": "wss://testchain.app.ethgas.com/ws",
    },
)
# Published for a few months in 2025 and withdrawn.
DRAFT = Dialect(
    "draft", {"mainnet": "wss://ws.ethgas.com", "testnet": "wss://testnet-ws.ethgas.com"}
)
DIALECTS = {dialect.name: dialect for dialect in (OFFICIAL, DRAFT)}


def _address(dialect: Dialect, endpoint: str) -> str:
    if known := dialect.endpoints.get(endpoint):
        return known
    path = "/ws" if dialect is OFFICIAL else ""
    return check_base(endpoint.removesuffix(path or " "), ("wss", "ws"), "endpoint") + path


# --- what comes -----------------------------------------------------------------------------------

Level = tuple[Decimal, Decimal]


class Book(Record, frozen=True):
    """An order book, which replaces the one before. It is not said that it always is whole."""

    instrument: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time: int | None = None


class Trade(Record, frozen=True):
    """A trade. `index` counts on this connection only; `time` is in milliseconds."""

    instrument: str
    price: Decimal
    quantity: Decimal
    buy: bool | None
    time: int | None
    index: int | None


class Update(Record, frozen=True):
    """A message of a channel: when it was sent (milliseconds), about what, and its payload."""

    channel: str
    time: int | None
    symbol: str
    action: str
    payload: Any


class Answered(Event, frozen=True):
    """The reply to a query."""

    query_type: str
    reply: Any


# --- the session ----------------------------------------------------------------------------------


class EthgasSession(Session):
    """A connection to ETHGas."""

    venue: ClassVar[str] = "ethgas"

    def __init__(
        self,
        channels: Iterable[Channel] = (),
        *,
        login: EthgasLogin | None = None,
        dialect: Dialect = OFFICIAL,
        endpoint: str = "mainnet",
        bearer: bool = False,
        ping_every: int | None = PING_EVERY,
    ) -> None:
        super().__init__()
        self._url, self._dialect = _address(dialect, endpoint), dialect
        self._login, self._bearer, self._ping_every = login, bearer, ping_every
        self._redactor = login.redactor if login else Redactor()
        # Channels that are wanted; the value says how far each has come.
        self._wanted: dict[Channel, str] = {}
        self._queries: list[str] = []
        self._held_queries: list[tuple[str, dict[str, Any]]] = []
        self._open = False
        # On this connection: before, waiting for, with and without hope of a login.
        self._stage = "none"
        self._sent_token: Secret | None = None
        self._login_until: int | None = None
        self._login_again: int | None = None
        self._next_ping: int | None = None
        self._failures = 0
        for channel in channels:
            self._want(channel)

    @property
    def authenticated(self) -> bool:
        """Whether the venue accepted the login on this connection."""
        return self._stage in ("in", "in, asked")

    @property
    def subscribed(self) -> list[str]:
        """The labels of the subscriptions in force."""
        return [channel.label for channel, state in self._wanted.items() if state == "in force"]

    # --- what the caller wants --------------------------------------------------------------------

    def subscribe(
        self, name: str, market_type: str | None = None, pricer_only: bool | None = None
    ) -> None:
        """Subscribe, now or as soon as the login has been answered, and after every reconnect."""
        self._want(Channel.of(name, market_type, pricer_only))
        self._subscribe_held()

    def unsubscribe(self, name: str, market_type: str | None = None) -> None:
        """Unsubscribe; nothing happens for what is not subscribed."""
        for channel, state in list(self._wanted.items()):
            if (channel.name, channel.market_type) == (name, market_type):
                del self._wanted[channel]
                if state != "held" and self._open:
                    self._send_all(self._dialect.on_channels("unsubscribe", [channel]))

    def query(self, query_type: str, **arguments: Any) -> None:
        """Ask once: `currentSlot`, `orderBook`, `openOrders`, … The reply is an `Answered`."""
        try:
            json.dumps(self._dialect.query(query_type, arguments), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            if isinstance(error, Misuse):
                raise
            raise Misuse("not JSON", field=query_type, found=elide(str(error))) from None
        if query_type in PRIVATE_QUERIES and self._login is None:
            raise Misuse("a private query without a login", field="query_type", found=query_type)
        if not self._open:
            raise Misuse("not connected, and a query is not kept for later")
        self._held_queries.append((query_type, arguments))
        self._subscribe_held()

    def logout(self) -> None:
        """End the login on this connection; private channels end with it."""
        if self._open and self._stage == "in":
            self._send({"op": "logout"} if self._dialect is OFFICIAL else {"cmd": "logout"})
            self._stage = "out"

    def _want(self, channel: Channel) -> None:
        channel = Channel.of(*channel.values)
        if channel.private and self._login is None:
            raise Misuse("a private channel without a login", field="channel", found=channel.name)
        self._wanted.setdefault(channel, "held")

    def _send_all(self, messages: Iterable[Mapping[str, Any]]) -> None:
        for message in messages:
            self._send(message)

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        token = self._login.token(now) if self._bearer and self._login else None
        if token is None:  # logging in on the socket does without
            return Dial(self._url)
        headers = (("Authorization", f"Bearer {token.reveal()}"),)
        return Dial(self._url, headers, secret_headers=("Authorization",))

    def opened(self, now: int) -> list[Event]:
        self._drop()
        self._open = True
        self._next_ping = now + self._ping_every if self._ping_every else None
        self._stage = "before" if self._login else "none"
        return [Opened(), *self._go_on(now)]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        message, again = said(body, self._redactor), False
        if status == 401 and self._bearer and self._login:
            self._failures += 1
            self._login.expire()  # the next dial goes without it, and a new one is fetched
            again = self._failures <= MOST_FAILURES
        event = Rejected(f"HTTP {status}", message, meaning(status), "upgrade")
        busy = status in (408, 425, 429) or status >= 500
        at_least = wait_asked(headers) or (RATE_PAUSE if status == 429 else 0)
        return event, Retry(again or busy, event.meaning, at_least)

    def received(self, data: Message, now: int) -> list[Event]:
        data = self._redactor.clean(data)
        if data in ("pong", b"pong"):
            return []
        if data in ("ping", b"ping"):
            self._outgoing.append("pong")
            return []
        try:
            events = self._dispatch(parse_json(data), data, now)
        except Malformed as error:
            events = [Broken(error, data)]
        return [*events, *self._go_on(now)]

    def tick(self, now: int) -> list[Event]:
        if self._open and self._next_ping is not None and now >= self._next_ping:
            self._outgoing.append("ping")
            self._next_ping = now + (self._ping_every or 0)
        events: list[Event] = []
        if self._login_until is not None and now >= self._login_until:
            self._login_until = self._sent_token = None
            events.append(Rejected("timeout", "", "no answer to the login", "login"))
            self._stage, self._login_again = "before", now + RATE_PAUSE
        if self._login_again is not None and now >= self._login_again:
            self._login_again = None
        return [*events, *self._go_on(now)]

    def replied(self, reply: Reply, now: int) -> list[Event]:
        events = self._login.replied(reply, now) if self._login else []
        return [*events, *self._go_on(now)]

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        lost = [
            Rejected("lost", "", "no reply before the connection went", f"query {query}")
            for query in [*self._queries, *(query for query, _ in self._held_queries)]
        ]
        self._drop()
        self._schedule(now)
        reason = said(reason.encode("utf-8", "replace"), self._redactor)
        words = "closed for good" if code == CLOSED_FOR_GOOD else close_words(code)
        why = f"{code}: {words}" + (f" ({reason})" if reason else "")
        return [*lost, Closed(code, reason, Retry(code != CLOSED_FOR_GOOD, why))]

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)

    def take_requests(self) -> list[Request]:
        return [*super().take_requests(), *(self._login.take_requests() if self._login else [])]

    def _drop(self) -> None:
        """Forget what belonged to the connection."""
        self._open, self._stage, self._outgoing = False, "none", []
        self._queries, self._held_queries = [], []
        self._sent_token = self._login_until = self._login_again = self._next_ping = None
        self._wanted = dict.fromkeys(self._wanted, "held")

    # --- logging in and subscribing ---------------------------------------------------------------

    def _go_on(self, now: int) -> list[Event]:
        """Whatever can be done now: renew the token, log in, subscribe."""
        events: list[Event] = []
        if self._login:
            events += self._login.step(now)
            if self._open and self._login_again is None and self._stage in ("before", "in"):
                events += self._log_in(self._login, now)
        self._subscribe_held()
        self._schedule(now)
        return events

    def _log_in(self, login: EthgasLogin, now: int) -> list[Event]:
        """Send the token, if there is one that has not been sent on this connection."""
        token = login.token(now)
        if token is None and not login.can_renew:
            self._stage = "out"
            words = login.stopped or "the token has expired, and nothing can renew it"
            return [Rejected("no token", "", words, "login")]
        if token is None or token == self._sent_token:
            return []
        self._redactor.add(token)
        self._send(self._dialect.login(token.reveal()))
        self._sent_token, self._login_until = token, now + LOGIN_WITHIN
        # A renewed token does not interrupt what the old one has opened.
        self._stage = "in, asked" if self._stage == "in" else "asked"
        return []

    def _logged_in(self, detail: str) -> list[Event]:
        self._stage, self._login_until, self._failures = "in", None, 0
        return [Authenticated(detail)]

    def _login_failed(self, code: int, message: str, now: int) -> list[Event]:
        event = Rejected(str(code), message, meaning(code), "login")
        self._login_until, self._sent_token = None, None
        self._failures += 1
        if code in _RATE_LIMITED:
            self._stage, self._login_again = "before", now + RATE_PAUSE
        elif code in _FORBIDDEN or self._failures > MOST_FAILURES or self._login is None:
            self._stage = "out"
        else:
            # Whatever the code says: 1001 alone has two meanings, and a new token settles it.
            self._stage = "before"
            self._login.expire()
        return [event]

    def _expired(self, message: str) -> list[Event]:
        """The venue's word that the token has expired: everything private has to start anew."""
        if self._login and self._stage in ("asked", "in", "in, asked"):
            self._stage, self._login_until = "before", None
            self._sent_token = None
            self._login.expire()
            for channel in self._wanted:
                if channel.private:
                    self._wanted[channel] = "held"
        return [Rejected("token_expired", message, "the access token has expired", "login")]

    def _subscribe_held(self) -> None:
        # Nothing else is under way while a login is, because an error does not say what it is for.
        if not self._open or self._stage in ("before", "asked", "in, asked"):
            return
        ready = [
            channel
            for channel, state in self._wanted.items()
            if state == "held" and (self._stage == "in" or not channel.private)
        ]
        if ready:
            self._send_all(self._dialect.on_channels("subscribe", ready))
            self._wanted.update(dict.fromkeys(ready, "asked"))
        for query_type, arguments in self._held_queries:
            self._send(self._dialect.query(query_type, arguments))
            self._queries.append(query_type)
        self._held_queries = []

    def _schedule(self, now: int) -> None:
        renewal = self._login.due(now) if self._login else None
        self.deadline = earliest(self._next_ping, self._login_until, self._login_again, renewal)

    # --- what comes -------------------------------------------------------------------------------

    def _dispatch(self, content: Any, raw: Message, now: int) -> list[Event]:
        if not isinstance(content, dict):
            return [Unknown(content, raw)]
        if isinstance(content.get("event"), str):
            return self._control(content["event"], content, raw, now)
        if isinstance(content.get("cmd"), str):
            return self._draft(content["cmd"], content, raw, now)
        if isinstance(content.get("e"), str):
            return [self._update(content)]
        if isinstance(content.get("q"), str):
            if content["q"] in self._queries:
                self._queries.remove(content["q"])
            return [Answered(content["q"], content.get("P"))]
        return [Unknown(content, raw)]

    def _control(self, event: str, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        if event == "login":
            code = _code(content.get("code"))
            return self._login_answer(code, _text(content.get("msg")), now, content.get("connId"))
        if event == "error":
            code = _code(content.get("code"))
            return self._error(code, _text(content.get("msg")), now)
        if event in ("subscribe", "unsubscribe"):
            return self._acknowledged(event, content.get("arg"))
        return [Unknown(content, raw)]

    def _login_answer(self, code: int, message: str, now: int, detail: Any) -> list[Event]:
        return (
            self._logged_in(_text(detail)) if code == 0 else self._login_failed(code, message, now)
        )

    def _error(self, code: int, message: str, now: int) -> list[Event]:
        if self._stage in ("asked", "in, asked"):
            return self._login_failed(code, message, now)
        if code in _INVALID_TOKEN:
            return self._expired(message)
        asked = [channel.label for channel, state in self._wanted.items() if state == "asked"]
        waiting = [*asked, *(f"query {query}" for query in self._queries)]
        # An error does not say what it is for; it is certain only where one thing is open.
        about = waiting[0] if len(waiting) == 1 else ""
        if about and about.startswith("query "):
            self._queries.clear()
        elif about:
            self._wanted = {c: s for c, s in self._wanted.items() if c.label != about}
        return [Rejected(str(code), message, meaning(code), about)]

    def _acknowledged(self, verb: str, argument: Any) -> list[Event]:
        """One for each channel, by its argument."""
        if not isinstance(argument, dict) or not isinstance(argument.get("channel"), str):
            raise Malformed("an acknowledgement of nothing", field="arg", expected="a channel")
        market = argument.get(_MARKET)
        name = Channel(argument["channel"], market if isinstance(market, str) else None)
        if verb == "unsubscribe":
            return [Unsubscribed(name.label)]
        for channel in self._wanted:
            if channel.label == name.label:
                self._wanted[channel] = "in force"
        return [Subscribed(name.label)]

    def _draft(self, cmd: str, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        data, error = content.get("data"), content.get("error")
        if cmd == "token_expired":
            return self._expired(_text(data.get("message")) if isinstance(data, dict) else "")
        if isinstance(error, dict) and cmd in ("login", "error"):
            code, message = _code(error.get("code")), _text(error.get("message"))
            fail = self._login_failed if cmd == "login" else self._error
            return fail(code, message, now)
        if cmd == "login" and content.get("status") == "success":
            return self._logged_in(_text(data.get("userId")) if isinstance(data, dict) else "")
        if cmd in ("subscribe", "unsubscribe") and content.get("status") in (None, "success"):
            return self._acknowledged(cmd, content)
        return [Unknown(content, raw)]

    def _update(self, content: dict[str, Any]) -> Data:
        name, payload = content["e"], content.get("P")
        read = _READERS.get(name)
        time = content.get("E")
        update = Update(
            name,
            time if type(time) is int else None,
            _text(content.get("s")),
            _text(content.get("a")),
            read(payload) if read else payload,
        )
        return Data(name, update)


# --- reading --------------------------------------------------------------------------------------


def _code(value: Any) -> int:
    if type(value) is not int:
        raise Malformed("not a code", field="code", expected="an integer")
    return value


def _text(value: Any) -> str:
    return elide(value, 300) if isinstance(value, str) else ""


def _decimal(value: Any, path: str) -> Decimal:
    """A decimal string (or, should it change, number), within what any market needs."""
    number = exact_decimal(value)
    if number is None:
        raise Malformed("not a number", field=path, expected="a decimal string")
    return number


def _entry(source: dict[str, Any], key: str, path: str) -> Decimal:
    return _decimal(source.get(key), f"{path}.{key}")


def _levels(rows: Any, path: str) -> tuple[Level, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Malformed("not a side of a book", field=path, expected="a list of levels")
    pairs = ((row, f"{path}[{index}]") for index, row in enumerate(rows))
    return tuple((_entry(row, "p", where), _entry(row, "q", where)) for row, where in pairs)


def _read_book(payload: Any) -> Book:
    if not isinstance(payload, dict):
        raise Malformed("not a book", field="P", expected="an object")
    time = payload.get("t")
    bids, asks = (_levels(payload.get(side, []), f"P.{side}") for side in "ba")
    return Book(_text(payload.get("I")), bids, asks, time if type(time) is int else None)


def _read_trades(payload: Any) -> tuple[Trade, ...]:
    """One trade, or a list of them."""
    rows = payload if isinstance(payload, list) else [payload]
    if not all(isinstance(row, dict) for row in rows):
        raise Malformed("not a trade", field="P", expected="an object")
    return tuple(_read_trade(row, f"P[{index}]") for index, row in enumerate(rows))


def _read_trade(row: dict[str, Any], path: str) -> Trade:
    # `t` is the index on this connection, as the documentation has it, and `d` the time.
    buy, index, time = row.get("s"), row.get("t"), row.get("d")
    return Trade(
        _text(row.get("i")),
        _entry(row, "p", path),
        _entry(row, "q", path),
        buy if isinstance(buy, bool) else None,
        time if type(time) is int else None,
        index if type(index) is int else None,
    )


_READERS = {"orderBookUpdate": _read_book, "recentTradeUpdate": _read_trades}
