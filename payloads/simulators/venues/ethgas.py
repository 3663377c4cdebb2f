"""ETHGas on loopback: login over REST and on the socket, channels public and private, queries.

Any account may log in, as at the venue; its access tokens end after `lifetime` seconds, or when
`expire` is called; refresh tokens go on. What happens then to what is open on a socket is not
documented. Here every client that has logged in with such a token is told, by an error 401 (in the
draft's dialect by `token_expired`), and its private channels end.

Logins, tokens and messages are checked by `payloads.venues.ethgas.server`; `ethgas_market` makes
the messages, with the keys and types of the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any, ClassVar, Unpack

from payloads.crypto import address_of, checksum, keccak256
from payloads.errors import Malformed, Misuse
from payloads.simulators.base import Simulator
from payloads.simulators.http import Request, Response, answer
from payloads.simulators.options import Common, Made
from payloads.simulators.peer import Peer
from payloads.simulators.streams import Stream
from payloads.simulators.text_options import COMMON, LIFETIME, TextOption, names, word, yes_or_no
from payloads.simulators.venues.ethgas_market import ACTIONS, EthgasMarket
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.jwt import check_token, jwt_expiry
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import SECOND
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.protocol import (
    DIALECTS,
    MARKET_TYPES,
    OFFICIAL,
    PRIVATE_QUERIES,
    PUBLIC,
    Channel,
)
from payloads.venues.ethgas.server import LoginDesk, SocketDesk
from payloads.venues.ethgas.session import EthgasSession

_COOKIE = "x_auth_refresh_token"
_REST = "/api/v1/user/"
_WATCH = 0.5
_INVALID_TOKEN, _VALIDATION_FAILED = 401, 1001


class EthgasSimulator(Simulator):
    """ETHGas on loopback. `dialect` is `official` or `draft`; `lifetime` is in seconds.

    An access token is an object in an answer, or with `flat` a text; the draft has a text. Queries
    of the types in `unanswered` get no reply.
    """

    venue: ClassVar[str] = "ethgas"
    pace: ClassVar[float] = 2.0
    expires: ClassVar[str] = "every access token given out so far is no longer taken"
    text_options: ClassVar[Mapping[str, TextOption]] = {
        "dialect": word("official or draft (official)"),
        "flat": yes_or_no("tokens as text instead of as objects (draft: yes)"),
        "lifetime": LIFETIME,
        "unanswered": names("types of queries that it does not answer"),
        **COMMON,
    }

    def __init__(
        self,
        *,
        feeds: Sequence[str] = ("orderBookUpdate", "recentTradeUpdate", "blockBuilderUpdate"),
        dialect: str = "official",
        lifetime: float = 3600.0,
        flat: bool | None = None,
        unanswered: Iterable[str] = (),
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        if dialect not in DIALECTS:
            raise Misuse("no such dialect", field="dialect", expected=" or ".join(DIALECTS),
                         found=dialect)  # fmt: skip
        for feed in feeds:
            if feed not in PUBLIC:
                raise Misuse("no such public channel", field="feeds", expected=", ".join(PUBLIC),
                             found=feed)  # fmt: skip
        self.feeds, self.dialect = tuple(feeds), DIALECTS[dialect]
        self._unanswered = frozenset(unanswered)
        self.lifetime = int(lifetime * SECOND)
        self._account = keccak256(b"payloads insecure test account of ETHGas")
        self._nonces = self._keys = 0
        self._key = self._new_key()
        flat = self.dialect is not OFFICIAL if flat is None else flat
        self._desk = LoginDesk(self._key, self._nonce, lifetime=self.lifetime, flat=flat)
        self._market = EthgasMarket(self.seed, self.now, self.address)

    def _new_key(self) -> Secret:
        """A key that signs access tokens; those of earlier keys are not valid any more."""
        self._keys += 1
        return Secret(f"payloads insecure token key {self.seed} {self._keys}")

    def _nonce(self) -> str:
        self._nonces += 1
        return keccak256(f"{self.seed} {self._nonces} nonce".encode())[:4].hex()

    # --- what to connect to ---

    @property
    def url(self) -> str:
        """Where to connect: the dialects have different paths."""
        return self.base + ("/ws" if self.dialect is OFFICIAL else "")

    @property
    def credentials(self) -> dict[str, str]:
        return {"private_key": "0x" + self._account.hex()}

    @property
    def tokens(self) -> dict[str, str]:
        return self._desk.tokens_of(self.address, self.now())

    @property
    def subscriptions(self) -> tuple[str, ...]:
        return tuple(_channel(name).label for name in self.feeds)

    def capture(self, output: str) -> list[str]:
        """The same, in this simulator's dialect."""
        return [*super().capture(output), "--set", f"dialect={self.dialect.name}"]

    @property
    def address(self) -> str:
        """The test account's address."""
        return checksum(address_of(self._account))

    def login(self, **options: Any) -> EthgasLogin:
        """A login with the test account."""
        key = Secret(self.credentials["private_key"])
        given = dict[str, Any](endpoint=self.http_url, dialect=self.dialect) | options
        return EthgasLogin(private_key=key, **given)

    def session(
        self, *channels: Channel, login: EthgasLogin | None = None, **options: Any
    ) -> EthgasSession:
        """A session for these channels, or for `feeds`; private channels need a login."""
        wanted = channels or tuple(_channel(name) for name in self.feeds)
        if login is None and any(channel.private for channel in wanted):
            login = self.login()
        options = dict[str, Any](dialect=self.dialect, endpoint=self.url) | options
        return EthgasSession(wanted, login=login, **options)

    # --- dials and requests ---

    def admit(self, request: Request, memory: dict[str, Any]) -> Response | None:
        if self.dialect is OFFICIAL and request.path != "/ws":
            return answer(404, {"error": "no websocket there"})
        scheme, _, token = request.header("Authorization").partition(" ")
        if scheme and (scheme != "Bearer" or check_token(self._key, token, self.now())):
            return answer(401, {"error": "invalid token"})
        return None

    async def answer_http(self, request: Request) -> Response:
        step = request.path.removeprefix(_REST) if request.path.startswith(_REST) else ""
        if step not in ("login", "login/verify", "login/refresh", "logout"):
            return answer(404, {"error": "no such path"})
        if request.method != "POST":
            return answer(405, {"error": "POST is wanted"})
        form, cookies, now = _form(request), _cookies(request), self.now()
        if step == "login":
            return answer(*self._desk.login(form, now))
        if step == "logout":
            return answer(*self._desk.logout(cookies))
        if step == "login/verify":
            status, content = self._desk.verify(form, now)
        else:
            status, content = self._desk.refresh(form, cookies, now)
        refresh = content.get("data", {}).get("refreshToken")
        return answer(status, content, *((("Set-Cookie", _cookie(refresh)),) if refresh else ()))

    # --- sockets ---

    def joined(self, peer: Peer) -> None:
        self._seat(peer)

    def _seat(self, peer: Peer) -> SocketDesk:
        """A desk for a connection, with the current key."""
        connection = keccak256(f"{self.seed} {peer.number}".encode())[:4].hex()
        desk = SocketDesk(self._key, connection, self.dialect)
        peer.memory |= {"desk": desk, "connection": connection}
        return desk

    def received(self, peer: Peer, message: Message) -> None:
        desk: SocketDesk = peer.memory["desk"]
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        before = set(desk.subscribed)
        token = desk.token
        for reply in desk.received(text, self.now()):
            if isinstance(reply, dict):
                self._count(reply)
            peer.send(reply if isinstance(reply, str) else _compact(reply))
        for channel in sorted(desk.subscribed - before, key=lambda each: each.label):
            self.join(peer, self._stream(peer, channel))
        for channel in before - desk.subscribed:
            self.leave(peer, self._stream(peer, channel))
        self._queried(peer, text)
        if desk.token not in ("", token):
            self._watch(peer, desk.token)

    def _watch(self, peer: Peer, token: str) -> None:
        """When a client's token ends, and it has no other by then, tell it."""
        desk: SocketDesk = peer.memory["desk"]
        left = (jwt_expiry(token) or 0) - self.now()
        if peer.open and desk.token == token and left > 0:
            # In steps: a test's clock may be faster than the loop's.
            self._later(min(left / SECOND, _WATCH), lambda: self._watch(peer, token))
        elif peer.open and desk.token == token:
            self._lapse(peer)

    def _count(self, content: dict[str, Any]) -> None:
        error = content if content.get("event") == "error" else content.get("error")
        if isinstance(error, dict):
            self.counters.refused[f"code {error.get('code')}"] += 1

    # --- the end of tokens ---

    def expire_tokens(self) -> None:
        self._key = self._new_key()
        self._desk.change_key(self._key)
        for peer in self.peers:
            old: SocketDesk = peer.memory["desk"]
            was_in = old.authenticated(self.now())
            desk = self._seat(peer)
            desk.subscribed = old.subscribed
            if was_in:
                self._lapse(peer)

    def _lapse(self, peer: Peer) -> None:
        """A token has ended: say so, and end the private channels."""
        desk: SocketDesk = peer.memory["desk"]
        for channel in [each for each in desk.subscribed if each.private]:
            desk.subscribed.discard(channel)
            self.leave(peer, self._stream(peer, channel))
        error = {"event": "error", "code": _INVALID_TOKEN, "msg": "expired token"}
        notice = desk.token_expired() or error | {"connId": peer.memory["connection"]}
        self.counters.refused[f"code {_INVALID_TOKEN}"] += 1
        peer.send(_compact(notice))

    # --- the streams ---

    def _stream(self, peer: Peer, channel: Channel) -> Stream:
        """Each client has streams of its own: trades are numbered by connection."""
        memory = {"count": 0}
        make = partial(self._update, peer, channel, memory)
        return self.stream(f"{channel.label} {peer.number}", make)

    def _update(self, peer: Peer, channel: Channel, memory: dict[str, int]) -> Iterable[Made]:
        desk: SocketDesk = peer.memory["desk"]
        if channel.private and not desk.authenticated(self.now()):
            if channel in desk.subscribed:  # else the client knows, and this is the rest of a burst
                self._lapse(peer)
            return
        memory["count"] += 1
        payload = self._market.payload(channel, memory["count"])
        # The documentation has the instrument only where the channel has a market.
        market = channel.market_type
        head: dict[str, Any] = {"e": channel.name, "E": self._market.milliseconds}
        head |= {"s": self._market.instrument(market)} if market else {}
        head |= {"a": ACTIONS[channel.name]} if channel.name in ACTIONS else {}
        yield Made(_compact(head | {"P": payload}))

    @property
    def slot(self) -> int:
        """The slot by the simulator's clock."""
        return self._market.slot

    # --- queries ---

    def _queried(self, peer: Peer, text: str) -> None:
        """Answer the queries of a message that the desk has let pass."""
        try:
            content = parse_json(text)
        except Malformed:
            return
        if self.dialect is not OFFICIAL or not isinstance(content, dict):
            return
        if content.get("op") != "query" or not isinstance(content.get("args"), list):
            return
        for query in content["args"]:
            if isinstance(query, dict):
                self._answer_query(peer, query)

    def _answer_query(self, peer: Peer, asked: dict[str, Any]) -> None:
        kind = asked.get("queryType")
        if kind in tuple(self._unanswered):
            return
        if kind in tuple(PRIVATE_QUERIES) and not peer.memory["desk"].authenticated(self.now()):
            return
        reply = self._market.answer(asked)
        if reply is None:
            self.counters.refused[f"code {_VALIDATION_FAILED}"] += 1
            error = {"event": "error", "code": _VALIDATION_FAILED, "msg": "no such query"}
            peer.send(_compact(error | {"connId": peer.memory["connection"]}))
            return
        peer.send(_compact({"q": kind} | reply))


def _channel(name: str) -> Channel:
    return Channel.of(name, MARKET_TYPES[0] if PUBLIC[name] else None)


def _compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def _form(request: Request) -> dict[str, str]:
    """The parameters: in the query, in a form, or (on the newer page) in JSON."""
    form = request.query()
    if request.header("Content-Type").startswith("application/json"):
        try:
            content = parse_json(request.body)
        except Malformed:
            return form
        if isinstance(content, dict):
            form |= {key: value for key, value in content.items() if isinstance(value, str)}
    return form


def _cookies(request: Request) -> dict[str, str]:
    try:
        found = SimpleCookie(request.header("Cookie"))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}


def _cookie(refresh: str) -> str:
    return f"{_COOKIE}={refresh}; Path=/; HttpOnly; SameSite=Strict"
