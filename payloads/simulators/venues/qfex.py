"""QFEX on loopback: public market data on one port, the authenticated trade socket on another.

Books are whole at every message and numbered; `*` stands for all symbols. Orders meet no others
(`payloads.simulators.venues.qfex_account`). As at the venue, order replies come only to connections
that have subscribed to `order_responses`, and cancel-on-disconnect takes all orders of the account.

Credentials and messages are checked by `payloads.venues.qfex.server`. How the venue ends a
connection that fails to authenticate is not documented; here it is closed with 1008.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Unpack
from uuid import UUID

import msgspec

from payloads.crypto import keccak256
from payloads.errors import Misuse
from payloads.simulators.base import Simulator
from payloads.simulators.http import Request, Response, answer
from payloads.simulators.market import Walk
from payloads.simulators.options import Common, Endpoint, Made
from payloads.simulators.peer import Peer
from payloads.simulators.streams import Stream
from payloads.simulators.text_options import COMMON, SECRET, TextOption, seconds, word
from payloads.simulators.venues.qfex_account import Account, Answer, rfc3339
from payloads.venues.common.jwt import make_token
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import SECOND
from payloads.venues.common.venue import variable
from payloads.venues.qfex.auth import HmacKey
from payloads.venues.qfex.codes import AUTH_WITHIN
from payloads.venues.qfex.market_session import QfexMarketSession, Subscription
from payloads.venues.qfex.records import CHANNELS
from payloads.venues.qfex.server import AuthDesk, MarketDesk, TradeDesk
from payloads.venues.qfex.trade_session import QfexTradeSession

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
    """QFEX on loopback. `feeds` are symbols; `auth_within` is how long a trade connection has, and
    `lifetime` how long a token lasts, in seconds."""

    venue: ClassVar[str] = "qfex"
    doors: ClassVar[tuple[str, ...]] = (_MDS, _TRADE)
    expires: ClassVar[str] = "every token given out so far is no longer taken"
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "account_id": word("the subaccount that there is"),
        "auth_within": seconds("in which a client has to authenticate (60)"),
        "public_key": word("the public key that it takes"),
        "secret": SECRET,
        **COMMON,
    }

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
        self._markets = {symbol: _Market(symbol, self.seed, self._when) for symbol in feeds}
        self._statistics = 0
        self._accounts: dict[str, Account] = {}

    def _new_auth(self) -> AuthDesk:
        """A desk with a new key for tokens."""
        self._jwt_keys += 1
        self._jwt_key = Secret(f"payloads insecure jwt key {self.seed} {self._jwt_keys}")
        keys, accounts = {self.public_key: Secret(self.secret)}, frozenset({self.account_id})
        return AuthDesk(keys, jwt_key=self._jwt_key, accounts=accounts)

    def account(self, account_id: str = "") -> Account:
        """The orders and trades of the primary account, or of a subaccount."""
        if account_id not in self._accounts:
            self._accounts[account_id] = Account(account_id or "primary", self.feeds[0], self._mark)
        return self._accounts[account_id]

    def _mark(self, symbol: str) -> Decimal | None:
        market = self._markets.get(symbol)
        return Decimal(market.mark_price()["price"]) if market else None

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

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        trade = Endpoint("qfex-trade", "trade socket", self.trade_url, self.trade_base, "positions")
        return (*super().endpoints, trade)

    def jwt(self, lifetime: float = 3600.0) -> str:
        """A token that the trade socket takes, for so many seconds."""
        return make_token(self._jwt_key, "test", self.now(), int(lifetime * SECOND))

    def session(self, *subscriptions: Subscription, **options: Any) -> QfexMarketSession:
        """A market data session, by default for books, best prices and trades of all symbols."""
        default = Subscription.of(_DEFAULT, self.feeds)
        options = {"endpoint": self.base} | options
        return QfexMarketSession(subscriptions or (default,), **options)

    def trade_session(self, jwt: str = "", **options: Any) -> QfexTradeSession:
        """A session for the trade socket, with the key, a token, or other `credentials`."""
        held = Secret(jwt) if jwt else HmacKey(self.public_key, Secret(self.secret))
        nonces: Callable[[], str] = options.pop("nonces", lambda: secrets.token_hex(16))
        options = dict[str, Any](endpoint=self.trade_base) | options
        return QfexTradeSession(options.pop("credentials", held), nonces=nonces, **options)

    # --- connections ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        memory["door"] = request.door
        if request.door != _TRADE:
            return None
        headers = [name.lower() for name, _ in request.headers]
        stated = any(name.startswith("x-qfex-") or name == "authorization" for name in headers)
        refused = self._auth.check_query(request.query(), self.now())
        if stated and not refused:
            refused = self._auth.check_headers(request.headers, self.now())
        return answer(401, {"error": refused[0], "message": refused[1]}) if refused else None

    def joined(self, peer: Peer) -> None:
        if peer.memory["door"] == _MDS:
            peer.memory["desk"] = MarketDesk()
            return
        spare = AUTH_WITHIN - int(self.auth_within * SECOND)
        peer.memory["desk"] = TradeDesk(self._auth, self.now() - spare)
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
            self._send_answers(peer, self.account(desk.account).cancel_all(self.now()))

    def replaces(self, message: bytes) -> bool:
        """Positions and balances do, which have neither a time nor a number."""
        return message.startswith((b'{"position_response"', b'{"balance_response"'))

    def expire_tokens(self) -> None:
        self._auth = self._new_auth()
        for peer, desk in self._traders():
            if desk.by_token:
                peer.close(1008, "token expired")

    def _traders(self) -> list[tuple[Peer, TradeDesk]]:
        """The connections to the trade socket."""
        desks = [(peer, peer.memory.get("desk")) for peer in self.peers]
        return [(peer, desk) for peer, desk in desks if isinstance(desk, TradeDesk)]

    def received(self, peer: Peer, message: Message) -> None:
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        if peer.memory["door"] == _MDS:
            self._on_market(peer, text)
        else:
            self._on_trade(peer, text)

    # --- market data ---

    def _on_market(self, peer: Peer, text: str) -> None:
        desk: MarketDesk = peer.memory["desk"]
        before = desk.streams(self.feeds)
        if not desk.received(text):
            self.counters.refused["message"] += 1
            return
        after = desk.streams(self.feeds)
        for stream in sorted(before - after):
            self.leave(peer, self._market_stream(*stream))
        for stream in sorted(after - before):
            self.join(peer, self._market_stream(*stream))

    def _market_stream(self, channel: str, symbol: str, interval: str) -> Stream:
        make: Callable[[], Iterable[Made]]
        if channel == "market_stats":
            make = partial(self._market_stats, symbol)
        else:
            make = partial(self._markets[symbol].messages, channel, interval)
        name = ":".join((channel, symbol)) + (f"/{interval}" if interval else "")
        return self.stream(name, make, pace=_PACES.get(channel))

    def _market_stats(self, symbol: str) -> Iterable[Made]:
        self._statistics += 1
        markets = [each for each in self._markets.values() if symbol in (_ALL, each.symbol)]
        yield Made(_text({
            "type": "market_stats", "symbol": symbol, "sequence": self._statistics,
            "time": self._when(),
            "bbos": [each.bbo() for each in markets],
            "mark_prices": [each.mark_price() for each in markets],
            "open_interests": [each.open_interest() for each in markets],
            "daily_volumes": [{"symbol": each.symbol, "volume": "12.5"} for each in markets],
        }))  # fmt: skip

    def _when(self) -> str:
        return rfc3339(self.now())

    # --- the trade socket ---

    def _on_trade(self, peer: Peer, text: str) -> None:
        desk: TradeDesk = peer.memory["desk"]
        before, was_in = set(desk.channels), desk.authenticated
        own, asked = desk.received(text, self.now())
        self._send_answers(peer, [Answer(message) for message in own])
        if not was_in and not desk.authenticated and '"auth"' in text:
            peer.close(1008, "authentication failed")
        for channel in ("positions", "balances"):
            if (channel in desk.channels) != (channel in before):
                stream = self.stream(
                    f"{channel} {peer.number}", partial(self._pulse, channel, desk.account)
                )
                (self.join if channel in desk.channels else self.leave)(peer, stream)
        if asked is not None:
            account = self.account(desk.account)
            answers = account.handle(asked["type"], asked.get("params", {}), self.now())
            self._send_answers(peer, answers)

    def _send_answers(self, asking: Peer, answers: Iterable[Answer]) -> None:
        """Send each answer to the connections that it is for."""
        for each in answers:
            if "err" in each.message:
                self.counters.refused[each.message["err"]["error_code"]] += 1
            for peer in self._same_account(asking) if each.for_all else [asking]:
                if not each.channel or each.channel in peer.memory["desk"].channels:
                    self._say(peer, each)

    def _say(self, peer: Peer, message: Answer) -> None:
        if message.channel == "fills":  # data that answers no message, as in a stream
            self.deliver(peer, message.channel, Made(_text(message.message)))
        else:
            peer.send(_text(message.message))

    def _same_account(self, asking: Peer) -> list[Peer]:
        account = asking.memory["desk"].account
        traders = self._traders()
        return [peer for peer, desk in traders if desk.authenticated and desk.account == account]

    def _pulse(self, channel: str, account_id: str) -> Iterable[Made]:
        account = self.account(account_id)
        for message in account.positions() if channel == "positions" else [account.balance()]:
            yield Made(_text(message))


def _text(content: Any) -> str:
    return _encode(content).decode()


class _Market:
    """One symbol's data."""

    def __init__(self, symbol: str, seed: int, when: Callable[[], str]) -> None:
        self.symbol, self._when = symbol, when
        self._walk = Walk(f"{seed} {symbol}", SYMBOLS[symbol])
        self._sequence = self._trades = 0

    def messages(self, channel: str, interval: str) -> Iterable[Made]:
        """The next message of a channel."""
        assert channel in CHANNELS
        self._walk.step()
        said = {"type": channel} | getattr(self, channel)()
        yield Made(_text(said | ({"resolution": interval} if interval else {})))

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
