"""QFEX on loopback: public market data on one port, the authenticated trade socket on another.

Books are whole at every message and numbered; `*` stands for all symbols. Orders meet nobody: a
limit order rests until it is cancelled, a market order is filled at once at the mark price. As at
the venue, order replies come only to connections that have subscribed to `order_responses`, and
cancel-on-disconnect takes all orders of the account.

Credentials and messages are checked by `payloads.venues.qfex_server`. How the venue ends a
connection that fails to authenticate is not documented; here it is closed with 1008.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Unpack
from uuid import UUID

import msgspec

from payloads.crypto import keccak256
from payloads.errors import Misuse
from payloads.simulators.base import Common, Made, Simulator, Stream
from payloads.simulators.http import Request, Response, answer
from payloads.simulators.market import Walk
from payloads.simulators.peer import Peer
from payloads.transport.secrets import variable
from payloads.venues.ethgas_server import make_token
from payloads.venues.qfex import (
    AUTH_WITHIN,
    CHANNELS,
    HmacKey,
    Jwt,
    QfexMarketSession,
    QfexTradeSession,
    Subscription,
)
from payloads.venues.qfex_server import AuthDesk, MarketDesk, TradeDesk
from payloads.venues.session import SECOND, Message, Secret, parse_json

__all__ = ["SYMBOLS", "QfexSimulator"]

# Symbols and their first price, in millionths.
SYMBOLS = {
    "AAPL-USD": 230_000_000, "PLTR-USD": 157_000_000, "TSLA-USD": 340_000_000,
    "EUR-USD": 1_080_000,
}  # fmt: skip
_MILLION = 10**6
# Messages a second of each channel: level2 pulses every 50 ms, market_stats once a second.
_PACES = {"level2": 20.0, "bbo": 10.0, "trade": 4.0}
_DEFAULT = ("level2", "bbo", "trade")
_ALL = "*"
_MDS, _TRADE = "mds", "trade"
_WATCH = 1.0
_encode = msgspec.json.Encoder(decimal_format="number").encode


class QfexSimulator(Simulator):
    """QFEX on loopback. `feeds` are symbols; `auth_within` is how long a trade connection has."""

    venue: ClassVar[str] = "qfex"
    doors: ClassVar[tuple[str, ...]] = (_MDS, _TRADE)

    def __init__(
        self,
        *,
        feeds: Sequence[str] = tuple(SYMBOLS),
        public_key: str = "qfex_pub_payloads_insecure",
        secret: str = "payloads-insecure-test-secret",
        account_id: str = "00000000-0000-4000-8000-000000000001",
        auth_within: float = AUTH_WITHIN / SECOND,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        for symbol in feeds:
            if symbol not in SYMBOLS:
                raise Misuse("no such symbol", field="feeds", expected=", ".join(SYMBOLS),
                             found=symbol)  # fmt: skip
        self.feeds = tuple(feeds)
        self.public_key, self.secret, self.account_id = public_key, secret, account_id
        self.auth_within = auth_within
        self._jwt_keys = 0
        self._auth = self._new_auth()
        self._markets = {one: _Market(one, self.seed, self._when) for one in feeds}
        self._statistics = 0
        self._orders: dict[str, dict[str, Any]] = {}
        self._order_count = 0

    def _new_auth(self) -> AuthDesk:
        """A desk with a new key for tokens."""
        self._jwt_keys += 1
        self._jwt_key = Secret(f"payloads insecure jwt key {self.seed} {self._jwt_keys}")
        keys, accounts = {self.public_key: Secret(self.secret)}, frozenset({self.account_id})
        return AuthDesk(keys, jwt_key=self._jwt_key, accounts=accounts)

    # --- what to connect to ---

    @property
    def trade_base(self) -> str:
        """The endpoint of the trade socket."""
        return self.base_of(_TRADE)

    @property
    def trade_url(self) -> str:
        return f"{self.trade_base}/?api_key={self.public_key}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"public_key": self.public_key, "secret": self.secret}

    @property
    def environment(self) -> dict[str, str]:
        """Market data needs none; to the command line the trade socket is a venue of its own."""
        return {variable("qfex-trade", name): value for name, value in self.credentials.items()}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return tuple(f"{channel}:{symbol}" for channel in _DEFAULT for symbol in self.feeds)

    def jwt(self, lifetime: float = 3600.0) -> str:
        """A token that the trade socket takes, for so many seconds."""
        return make_token(self._jwt_key, "test", self.now(), int(lifetime * SECOND))

    def session(self, *subscriptions: Subscription, **options: Any) -> QfexMarketSession:
        """A market data session, by default for books, best prices and trades of all symbols."""
        default = Subscription.of(_DEFAULT, self.feeds)
        return QfexMarketSession(
            subscriptions or (default,), endpoint=options.get("endpoint", self.base)
        )

    def trade_session(self, jwt: str = "", **options: Any) -> QfexTradeSession:
        """A session for the trade socket, with the key or with a token."""
        held = Jwt(Secret(jwt)) if jwt else HmacKey(self.public_key, Secret(self.secret))
        nonces: Callable[[], str] = options.pop("nonces", lambda: secrets.token_hex(16))
        options = dict[str, Any](endpoint=self.trade_base) | options
        return QfexTradeSession(held, nonces=nonces, **options)

    # --- connections ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        memory["door"] = request.door
        headers = [name.lower() for name, _ in request.headers]
        stated = any(name.startswith("x-qfex-") or name == "authorization" for name in headers)
        if request.door == _TRADE and stated:
            if refused := self._auth.check_headers(request.headers, self.now()):
                code, why = refused
                return answer(401, {"error": code, "message": why})
        return None

    def joined(self, peer: Peer) -> None:
        if peer.memory["door"] == _MDS:
            peer.memory |= {"desk": MarketDesk(), "wanted": set(), "intervals": {"1MIN": None}}
            return
        spare = AUTH_WITHIN - int(self.auth_within * SECOND)
        peer.memory |= {"desk": TradeDesk(self._auth, self.now() - spare), "jwt": False}
        self._watch(peer)

    def _watch(self, peer: Peer) -> None:
        desk: TradeDesk = peer.memory["desk"]
        if not peer.open or desk.authenticated:
            return
        if desk.overdue(self.now()):
            self.counters.refused["not authenticated in time"] += 1
            peer.close(1008, "not authenticated in time")
            return
        self._later(min(_WATCH, self.auth_within / 4), lambda: self._watch(peer))

    def left(self, peer: Peer) -> None:
        desk = peer.memory.get("desk")
        if isinstance(desk, TradeDesk) and desk.cancel_on_disconnect:
            self._cancel_all(None)

    def expire_tokens(self) -> None:
        self._auth = self._new_auth()
        for peer in self.peers:
            if peer.memory.get("jwt"):
                peer.close(1008, "token expired")

    def received(self, peer: Peer, message: Message) -> None:
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        if peer.memory["door"] == _MDS:
            self._on_market(peer, text)
        else:
            self._on_trade(peer, text)

    # --- market data ---

    def _on_market(self, peer: Peer, text: str) -> None:
        if not peer.memory["desk"].received(text):
            self.counters.refused["message"] += 1
            return
        content = parse_json(text)
        symbols = set(content["symbols"])
        known = {*self.feeds} if _ALL in symbols else symbols & {*self.feeds}
        pairs = {
            (channel, symbol)
            for channel in content["channels"]
            for symbol in ({_ALL} if channel == "market_stats" else known)
        }
        wanted: set[tuple[str, str]] = peer.memory["wanted"]
        for pair in sorted(pairs):
            if content["type"] == "subscribe":
                wanted.add(pair)
                self._note_intervals(content)
                self.join(peer, self._market_stream(*pair))
            elif pair in wanted:
                wanted.discard(pair)
                self.leave(peer, self._market_stream(*pair))

    def _note_intervals(self, content: dict[str, Any]) -> None:
        for symbol in content["symbols"]:
            if symbol in self._markets:
                self._markets[symbol].intervals |= dict.fromkeys(content.get("intervals", ()))

    def _market_stream(self, channel: str, symbol: str) -> Stream:
        if channel == "market_stats":
            make: Callable[[], Iterable[Made]] = self._market_stats
        else:
            make = partial(self._markets[symbol].messages, channel)
        return self.stream(f"{channel}:{symbol}", make, pace=_PACES.get(channel))

    def _market_stats(self) -> Iterable[Made]:
        self._statistics += 1
        markets = self._markets.values()
        yield Made(_text({
            "type": "market_stats", "symbol": _ALL, "sequence": self._statistics,
            "time": self._when(),
            "bbos": [one.bbo() for one in markets],
            "mark_prices": [one.mark_price() for one in markets],
            "open_interests": [one.open_interest() for one in markets],
            "daily_volumes": [{"symbol": one.symbol, "volume": "12.5"} for one in markets],
        }))  # fmt: skip

    def _when(self) -> str:
        """Now, as the venue writes it: with nanoseconds."""
        now = self.now()
        return f"{datetime.fromtimestamp(now // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{now % SECOND:09d}Z"

    # --- the trade socket ---

    def _on_trade(self, peer: Peer, text: str) -> None:
        desk: TradeDesk = peer.memory["desk"]
        before, was_in = set(desk.channels), desk.authenticated
        answers, order = desk.received(text, self.now())
        for one in answers:
            self._tell(peer, one)
        if not was_in:
            self._authenticated(peer, desk, text)
        for channel in ("positions", "balances"):
            if (channel in desk.channels) != (channel in before):
                stream = self.stream(f"{channel} {peer.number}", partial(self._pulse, channel))
                (self.join if channel in desk.channels else self.leave)(peer, stream)
        if order is not None:
            self._on_order(peer, order["type"], order.get("params", {}))

    def _authenticated(self, peer: Peer, desk: TradeDesk, text: str) -> None:
        if desk.authenticated:
            peer.memory["jwt"] = "jwt" in parse_json(text)["params"]
        elif '"auth"' in text:
            peer.close(1008, "authentication failed")

    def _tell(self, peer: Peer, content: dict[str, Any]) -> None:
        if "err" in content:
            self.counters.refused[content["err"]["error_code"]] += 1
        peer.send(_text(content))

    def _pulse(self, channel: str) -> Iterable[Made]:
        mark = self._markets[self.feeds[0]].mark_price()
        positions = {"symbol": self.feeds[0], "position": 0, "mark_price": mark["price"]}
        balances = {"balance": 100_000, "available_balance": 100_000}
        kind = {"positions": "position_response", "balances": "balance_response"}[channel]
        yield Made(_text({kind: positions if channel == "positions" else balances}))

    def _on_order(self, peer: Peer, kind: str, params: dict[str, Any]) -> None:
        handlers: dict[str, Callable[[Peer, dict[str, Any]], None]] = {
            "add_order": self._add,
            "modify_order": self._modify,
            "cancel_order": self._cancel,
            "get_order": self._get,
            "cancel_all_orders": lambda peer, _: self._cancel_all(peer),
            "close_position": self._close_position,
            "get_user_orders": self._list_orders,
        }
        if kind in handlers:
            handlers[kind](peer, params)
        elif kind in _EMPTY:
            self._tell(peer, {_EMPTY[kind]: []})
        elif kind == "set_user_leverage":
            self._tell(peer, {"ack": {"incoming_message": {"type": kind, "params": params}}})
        else:
            # Stop orders and TWAPs: there never are any.
            reply = "twap_response" if kind == "add_twap" else "stop_order_response"
            self._tell(peer, {reply: {"status": "REJECTED", **params}})

    def _respond(self, peer: Peer | None, order: dict[str, Any], status: str, **more: Any) -> None:
        """An order's fate, to whoever has asked to be told."""
        seconds, rest = divmod(self.now(), SECOND)
        told = {**order, "status": status, "trade_id": None, **more}
        told["update_time"] = msgspec.Raw(f"{seconds}.{rest // 10**7:02d}".encode())
        if peer is not None and "order_responses" in peer.memory["desk"].channels:
            self._tell(peer, {"order_response": told})

    def _add(self, peer: Peer, params: dict[str, Any]) -> None:
        self._order_count += 1
        order = {
            "order_id": str(UUID(bytes=keccak256(b"%d order" % self._order_count)[:16])),
            "symbol": params["symbol"], "side": params["side"], "type": params["order_type"],
            "time_in_force": params["order_time_in_force"], "price": params.get("price", 0),
            "quantity": params["quantity"], "quantity_remaining": params["quantity"],
            "client_order_id": params.get("client_order_id"),
        }  # fmt: skip
        if order["symbol"] not in self._markets:
            self._respond(peer, order, "BAD_SYMBOL")
        elif order["type"] == "MARKET":
            mark = msgspec.Raw(self._markets[order["symbol"]].mark_price()["price"].encode())
            self._respond(peer, order, "FILLED", price=mark, quantity_remaining=0)
        elif order["time_in_force"] != "GTC":  # nobody is there to trade with at once
            self._respond(peer, order, "CANCELLED")
        else:
            self._orders[order["order_id"]] = order
            self._respond(peer, order, "ACK")

    def _find(self, params: dict[str, Any]) -> dict[str, Any] | None:
        key = params.get("cancel_order_id_type", "order_id")
        key = key if key in ("order_id", "client_order_id") else "order_id"
        found = (one for one in self._orders.values() if one[key] == params["order_id"])
        return next(found, None)

    def _missing(self, peer: Peer, params: dict[str, Any], status: str) -> None:
        self._respond(peer, {key: params[key] for key in ("order_id", "symbol")}, status)

    def _modify(self, peer: Peer, params: dict[str, Any]) -> None:
        if (order := self._find(params)) is None:
            return self._missing(peer, params, "CANNOT_MODIFY_NO_SUCH_ORDER")
        order |= {key: params[key] for key in ("price", "quantity") if key in params}
        order["quantity_remaining"] = order["quantity"]
        return self._respond(peer, order, "MODIFIED")

    def _cancel(self, peer: Peer, params: dict[str, Any]) -> None:
        if (order := self._find(params)) is None:
            return self._missing(peer, params, "NO_SUCH_ORDER")
        del self._orders[order["order_id"]]
        return self._respond(peer, order, "CANCELLED")

    def _get(self, peer: Peer, params: dict[str, Any]) -> None:
        if (order := self._find(params)) is None:
            return self._missing(peer, params, "NO_SUCH_ORDER")
        return self._respond(peer, order, "ACK")

    def _cancel_all(self, peer: Peer | None) -> None:
        orders, self._orders = self._orders, {}
        for order in orders.values():
            self._respond(peer, order, "CANCELLED")

    def _close_position(self, peer: Peer, params: dict[str, Any]) -> None:
        order = {"order_id": None, "symbol": params["symbol"]}
        self._respond(peer, order, "REJECTED_FAILED_TO_PROCESS")

    def _list_orders(self, peer: Peer, _: dict[str, Any]) -> None:
        orders = [{**order, "status": "ACK"} for order in self._orders.values()]
        self._tell(peer, {"all_orders_response": {"orders": orders, "twaps": []}})


_EMPTY = {
    "get_user_trades": "user_trades_response",
    "get_user_leverage": "user_leverage_response",
    "get_available_leverage_levels": "available_leverage_levels_response",
}


def _text(content: Any) -> str:
    return _encode(content).decode()


class _Market:
    """One symbol's data."""

    def __init__(self, symbol: str, seed: int, when: Callable[[], str]) -> None:
        self.symbol, self._when = symbol, when
        self.intervals: dict[str, None] = {}
        self._walk = Walk(f"{seed} {symbol}", SYMBOLS[symbol])
        self._sequence = self._trades = 0

    def messages(self, channel: str) -> Iterable[Made]:
        """The next messages of a channel."""
        self._walk.step()
        if channel == "candle":
            for interval in self.intervals or {"1MIN": None}:
                yield Made(_text({"type": "candle"} | self.candle() | {"resolution": interval}))
        else:
            assert channel in CHANNELS
            yield Made(_text({"type": channel} | getattr(self, channel)()))

    def _price(self, offset_ppm: int = 0) -> str:
        value = self._walk.value + self._walk.value * offset_ppm // _MILLION
        return f"{value // _MILLION}.{value % _MILLION:06d}"

    def _size(self) -> str:
        value = self._walk.size(_MILLION)
        return f"{value // _MILLION}.{value % _MILLION:06d}"

    def _levels(self, sign: int, count: int) -> list[list[str]]:
        return [[self._price(sign * 100 * level), self._size()] for level in range(1, count + 1)]

    def _said(self, **values: Any) -> dict[str, Any]:
        return {"symbol": self.symbol, "time": self._when(), **values}

    def level2(self) -> dict[str, Any]:
        self._sequence += 1
        sides = {"bid": self._levels(-1, 10), "ask": self._levels(1, 10)}
        return self._said(**sides, sig_figs=2, sequence=self._sequence)

    def bbo(self) -> dict[str, Any]:
        return self._said(bid=self._levels(-1, 1), ask=self._levels(1, 1))

    def trade(self) -> dict[str, Any]:
        self._trades += 1
        identity = keccak256(f"{self.symbol} {self._trades}".encode())[:16]
        side = self._walk.dice.choice(("BUY", "SELL"))
        return self._said(
            trade_id=str(UUID(bytes=identity)), size=self._size(), price=self._price(),
            side=side, execution_type="T",
        )  # fmt: skip

    def candle(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol, "start": self._when()[:17] + "00Z",
            "low": self._price(-300), "high": self._price(300), "open": self._price(-100),
            "close": self._price(), "usdVolume": 16_700, "trades": self._trades,
        }  # fmt: skip

    def underlier(self) -> dict[str, Any]:
        return self._said(price=self._price(), source="external")

    def mark_price(self) -> dict[str, Any]:
        return self._said(price=self._price())

    def funding(self) -> dict[str, Any]:
        return self._said(funding_rate="0.21", time_remaining=32)

    def open_interest(self) -> dict[str, Any]:
        return self._said(open_interest="1000000")

    def minmax_price(self) -> dict[str, Any]:
        return self._said(min_price=self._price(-50_000), max_price=self._price(50_000))
