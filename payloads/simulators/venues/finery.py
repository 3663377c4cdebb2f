"""Finery Markets on loopback: order books and the other feeds, by letter, and requests.

Each instrument has one global and one tradable book, the same for all clients, and another for each
selection of clients and makers: a snapshot on `bind`, updates behind it with every action there is,
`~` included, never more than 25 levels a side. The other feeds send a snapshot, and the feeds whose
updates are documented send updates. The methods `instruments`, `add` and `del` are answered; every
other is "method unavailable".

Upgrades and messages are checked by `payloads.venues.finery.server`. Made up here, because it is
not published: the tolerance of the clock, and what a ping is answered with (nothing).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Unpack

from payloads.errors import Malformed, Misuse
from payloads.simulators.base import Simulator
from payloads.simulators.http import Request, Response
from payloads.simulators.market import Walk
from payloads.simulators.options import Common, Made
from payloads.simulators.peer import Peer
from payloads.simulators.text_options import (
    COMMON,
    KEY,
    SECRET,
    TextOption,
    names,
    numbers,
    seconds,
    yes_or_no,
)
from payloads.simulators.venues.finery_book import E8, MovingBook
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import SECOND
from payloads.venues.common.venue import is_number
from payloads.venues.finery import server as checks
from payloads.venues.finery.auth import MILLISECOND, NonceSequence
from payloads.venues.finery.feeds import BOOKS, Binding, FeedId, Selection, sent_id
from payloads.venues.finery.session import IDLE_LIMIT, MAX_CONNECTIONS_PER_IP, FinerySession

# Name: number, asset, balance currency, first price. The first and the last number are in the
# venue's own examples, the last without a name.
INSTRUMENTS: dict[str, tuple[int, str, str, int]] = {
    "BTC-USD": (4_955_410_050, "BTC", "USD", 65_000 * E8),
    "ETH-USD": (4_955_410_051, "ETH", "USD", 3_200 * E8),
    "BTC-EUR": (4_955_410_052, "BTC", "EUR", 60_000 * E8),
    "ETH-EUR": (42, "ETH", "EUR", 2_900 * E8),
}
CURRENCIES: dict[str, tuple[int, int]] = {
    "USD": (1, E8), "EUR": (2, 108_000_000), "BTC": (3, 65_000 * E8), "ETH": (4, 3_200 * E8),
}  # fmt: skip
_IDLE_CHECK = 1.0
_METHOD_UNAVAILABLE, _UNKNOWN_INSTRUMENT = 8, 34


class FinerySimulator(Simulator):
    """Finery Markets on loopback.

    `feeds` are the instruments there are: names of `INSTRUMENTS`, or others with a number, as
    `XYZ-USD=77`. `link` changes the gateway's link to the exchange, which
    a frame X tells all clients. A client that is silent for `idle` seconds is cut off. Without
    `status_frames` no frame X is sent, as by a gateway that is stuck. Methods in `unanswered` get
    no reply. `clients` are the clients of a master account, which may bind F and MD for them.
    """

    venue: ClassVar[str] = "finery"
    ws_path: ClassVar[str] = "/ws"
    pace: ClassVar[float] = 5.0
    expires: ClassVar[str] = "the key is withdrawn"
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "clients": numbers("clients of the account's, for F and MD (5)"),
        "idle": seconds("without a message after which it hangs up (80)"),
        "increasing": yes_or_no("nonces have to increase; no: only to be new (yes)"),
        "key": KEY,
        "secret": SECRET,
        "status_frames": yes_or_no("tells whether it is connected to the exchange (yes)"),
        "unanswered": names("methods that it does not answer"),
        **COMMON,
    }

    def __init__(
        self,
        *,
        feeds: Iterable[str] = tuple(INSTRUMENTS),
        key: str = "payloads-insecure-test-key",
        secret: str = "payloads-insecure-test-secret",
        increasing: bool = True,
        idle: float = IDLE_LIMIT / SECOND,
        status_frames: bool = True,
        unanswered: Iterable[str] = (),
        clients: Iterable[int] = (5,),
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.key, self.secret, self.idle = key, secret, idle
        self.status, self._status_frames = 0, status_frames
        self._unanswered, self._clients = frozenset(unanswered), tuple(clients)
        self._gate = checks.Gate({key: Secret(secret)}, increasing=increasing)
        self.instruments = dict(map(_known, feeds))
        self._numbers = {number: name for name, (number, *_) in self.instruments.items()}
        self._books: dict[str, MovingBook] = {}
        self._walk = Walk(f"{self.seed} finery", E8)
        self._next_id = 1_000
        self._nonces = NonceSequence()

    @property
    def feeds(self) -> tuple[str, ...]:
        return tuple(self.instruments)

    @property
    def credentials(self) -> dict[str, str]:
        return {"key": self.key, "secret": self.secret}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return tuple(f"B:{name}" for name in self.feeds)

    def session(self, *bindings: Binding, **options: Any) -> FinerySession:
        """A session with these bindings, or with every instrument's global book."""
        wanted = bindings or tuple(Binding.of("B", name) for name in self.feeds)
        mine = Secret(self.secret)
        nonces: NonceSequence = options.pop("nonces", self._nonces)
        options = {"endpoint": self.base} | options
        return FinerySession(self.key, mine, wanted, nonces=nonces, **options)

    def book(self, feed: str, named: str | Selection) -> tuple[list[list[int]], list[list[int]]]:
        """A book as it is now: bids and asks, the best first."""
        return self._book(feed, named).snapshot()

    def link(self, code: int) -> None:
        """Lose the link to the exchange (2: not connected), or have it back (0). Bindings go."""

        def act() -> None:
            self.status = code
            for peer in self.peers:
                if code:
                    self._unbind_all(peer)
                self._tell_status(peer)

        self._in_loop(act)

    def replaces(self, message: bytes) -> bool:
        """A snapshot does."""
        return bool(json.loads(message)[2] == "S")

    def expire_tokens(self) -> None:
        """The key is withdrawn: what is open goes on, and nothing new is let in."""
        self._gate.withdraw(self.key)

    # --- connections ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        if len(self.peers) >= MAX_CONNECTIONS_PER_IP:
            return Response(429, b"too many connections")
        if (code := self._gate.check(request.headers, self.now())) == 0:
            return None
        status, body = checks.refusal(code)
        self.counters.refused[f"code {code}"] += 1
        return Response(status, body, (("Content-Type", "application/json"),))

    def joined(self, peer: Peer) -> None:
        known: list[int | str] = [*self.instruments, *self._numbers]
        currencies: list[int | str] = [*CURRENCIES, *(number for number, _ in CURRENCIES.values())]
        peer.memory["connection"] = checks.Connection(known, currencies, self._clients)
        self._tell_status(peer)
        self._watch(peer)

    def _tell_status(self, peer: Peer) -> None:
        if self._status_frames:
            peer.send(checks.status_frame(self.status))

    def _watch(self, peer: Peer) -> None:
        if not peer.open:
            return
        if time.monotonic() - peer.heard > self.idle:
            peer.close(1001, "idle")
        self._later(min(_IDLE_CHECK, self.idle / 2), lambda: self._watch(peer))

    # --- messages ---

    def received(self, peer: Peer, message: Message) -> None:
        try:
            content = parse_json(message)
        except Malformed:
            self._refuse(peer, "", 0, checks.BAD_PARAMETER)
            return
        kind, binding, code = peer.memory["connection"].check(content)
        if kind == "request":
            self._request(peer, content, code)
        elif kind in ("bind", "unbind"):
            self._binding(peer, kind, binding, code, content)
        elif kind != "ping":
            self._refuse(peer, "", 0, code)

    def _refuse(self, peer: Peer, feed: str, feed_id: FeedId, code: int) -> None:
        self.counters.refused[f"code {code}"] += 1
        peer.send(checks.bound_frame(feed, feed_id, code))

    def _binding(
        self, peer: Peer, kind: str, binding: Binding | None, code: int, content: dict[str, Any]
    ) -> None:
        feed = content.get("feed")
        feed_id = self._said_id(binding)
        if code == 0 and self.status:
            peer.memory["connection"].bound.discard(binding)
            code = self.status
        if binding is None or code:
            self._refuse(peer, feed if isinstance(feed, str) else "", feed_id, code)
        elif kind == "bind":
            self._bind(peer, binding)
        else:
            self._unbind(peer, binding)
            peer.send(checks.bound_frame(binding.feed, feed_id, 0))

    def _number(self, binding: Binding | None) -> int:
        """The number of what is bound; 0 for everything, and for what there is not."""
        if binding is None or binding.feed_id is None:
            return 0
        named = binding.feed_id
        if isinstance(named, Selection):
            named = named.instrument
        if isinstance(named, int):
            return named
        if named in self.instruments:
            return self.instruments[named][0]
        return CURRENCIES.get(named, (0, 0))[0]

    def _said_id(self, binding: Binding | None) -> FeedId:
        """The id in what is sent: for O, K and S and objects that of the bind, else a number."""
        if binding is None:
            return 0
        if binding.feed in ("O", "K", "S") or isinstance(binding.feed_id, Selection):
            return binding.feed_id or 0
        return self._number(binding)

    def _bind(self, peer: Peer, binding: Binding) -> None:
        feed, feed_id = binding.feed, self._said_id(binding)
        snapshot, update = self._source(feed, self._number(binding), feed_id)
        name = self._stream_name(binding)
        self.deliver(peer, name, Made(_frame(feed, feed_id, "S", snapshot())))
        if update is not None:
            self.join(peer, self.stream(name, update))

    def _stream_name(self, binding: Binding) -> str:
        return f"{binding.feed}:{self._said_id(binding)}"

    def _unbind(self, peer: Peer, binding: Binding) -> None:
        stream = self._streams.get(self._stream_name(binding))
        if stream is not None:
            self.leave(peer, stream)

    def _unbind_all(self, peer: Peer) -> None:
        connection = peer.memory["connection"]
        for binding in [*connection.bound]:
            self._unbind(peer, binding)
        connection.bound.clear()

    # --- the feeds ---

    def _source(
        self, feed: str, number: int, feed_id: FeedId
    ) -> tuple[Callable[[], Any], Callable[[], Iterable[Made]] | None]:
        """What a feed's snapshot is, and what makes its updates, if it has any."""
        if feed in BOOKS:
            named = feed_id if isinstance(feed_id, Selection) else self._numbers[number]
            book = self._book(feed, named)
            return book.snapshot, lambda: (Made(_frame(feed, feed_id, "M", book.move())),)
        if feed == "P":
            positions = [row[:3] for row in self._positions()]
            return lambda: [self._next_id, positions, [], []], lambda: self._orders(0, 0)
        if feed == "O":
            return list, lambda: self._orders(feed_id, number)
        rows: dict[str, Any] = {
            "I": [self._currencies(), self._instruments()],
            "K": [
                row for row in self._positions() if not number or CURRENCIES[row[0]][0] == number
            ],
            "G": self._limits(), "L": self._limits(), "M": self._limits(),
            "R": self._settlement_requests(), "N": [0, [], []],
        }  # fmt: skip
        return lambda: rows.get(feed, []), None

    def _book(self, feed: str, named: str | Selection) -> MovingBook:
        """The book of an instrument or of a selection, which has a book of its own."""
        name = f"{feed} {named}"
        if name not in self._books:
            start = self.instruments[named if isinstance(named, str) else named.instrument][3]
            self._books[name] = MovingBook(Walk(f"{self.seed} {name}", start, 20))
        return self._books[name]

    def _currencies(self) -> list[list[Any]]:
        return [[name, number, 1, price] for name, (number, price) in CURRENCIES.items()]

    def _instruments(self) -> list[list[Any]]:
        found = self.instruments.items()
        return [[name, number, asset, balance] for name, (number, asset, balance, _) in found]

    def _positions(self) -> list[list[Any]]:
        return [[name, 0, 1, 10**6 * E8, -(10**6) * E8] for name in CURRENCIES]

    def _limits(self) -> list[list[Any]]:
        return [[name, 10**6 * E8, 10**6 * E8, 0, 0, 0] for name in CURRENCIES]

    def _settlement_requests(self) -> list[list[list[Any]]]:
        """An incoming and an outgoing request."""
        now = self.now() // MILLISECOND
        row = [1, "USD", 0, 100 * E8, "synthetic", now + 86_400_000, "", 1, now]
        return [[row], [[*row[:7], 2, now]]]

    def _orders(self, feed_id: FeedId, number: int) -> Iterable[Made]:
        """An order appears under feed O, as P's updates do, and is gone again."""
        self._next_id += 1
        name = self.feeds[self._next_id % len(self.feeds)]
        if number:
            name = self._numbers[number]
        price, now = self.instruments[name][3], self.now() // MILLISECOND
        side, size = self._next_id % 2, self._walk.size(E8)
        order = [name, 0, side, 0, self._next_id, 0, price, size, size, now, 0]
        yield Made(_frame("O", feed_id, "+", order))
        yield Made(_frame("O", feed_id, "-", [*order[:3], 1, *order[4:]]))

    # --- requests ---

    def _request(self, peer: Peer, message: dict[str, Any], code: int) -> None:
        number, method = message.get("reqId"), message.get("method")
        if method in self._unanswered:
            return
        answer: dict[str, Any] = {"event": "request", "reqId": number}
        code = code or self.status
        methods = {"instruments": self._asked, "add": self._added, "del": self._deleted}
        if not code and method not in methods:
            code = _METHOD_UNAVAILABLE
        reply = 0 if code or method is None else methods[method](message["content"])
        if isinstance(reply, int):
            code = code or reply
            self.counters.refused[f"code {code}"] += 1
            answer |= {"error": code}
        else:
            answer["reply"] = reply
        peer.send(_compact(answer))

    def _asked(self, _: dict[str, Any]) -> Any:
        return {"currencies": self._currencies(), "instruments": self._instruments()}

    def _added(self, order: dict[str, Any]) -> Any:
        if order.get("instrument") not in self.instruments:
            return _UNKNOWN_INSTRUMENT
        self._next_id += 1
        return {
            "id": self._next_id,
            "clientOrderId": order.get("clientOrderId", 0),
            "remainingSize": order.get("size", 0),
            "cancelReason": 0,
            "deals": [],
        }

    def _deleted(self, order: dict[str, Any]) -> Any:
        known = type(order.get("orderId")) is int and 1_000 < order["orderId"] <= self._next_id
        return {"id": order["orderId"]} if known else 80


def _known(feed: str) -> tuple[str, tuple[int, str, str, int]]:
    """An instrument's name, and what is known of it."""
    name, _, number = feed.partition("=")
    asset, _, balance = name.partition("-")
    if is_number(number) and asset and balance:
        return name, (int(number), asset, balance, 100 * E8)
    if feed not in INSTRUMENTS:
        known = f"{', '.join(INSTRUMENTS)}, or NAME=NUMBER with a name such as XYZ-USD"
        raise Misuse("no such instrument", field="feeds", expected=known, found=feed)
    return feed, INSTRUMENTS[feed]


def _compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def _frame(feed: str, feed_id: FeedId, action: str, data: Any) -> str:
    return _compact([feed, sent_id(feed_id), action, data])
