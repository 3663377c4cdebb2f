"""ETHGas: preconfirmation markets over a websocket, public and private.

`EthgasSession` speaks the official protocol (`OFFICIAL`), or by name the one of a withdrawn draft
(`DRAFT`). With an `EthgasLogin` it gets a token over REST, logs in on the socket, waits for the
answer, and only then subscribes to what is private; it renews the token before it expires, and
after a reconnect it does all of that again. What is public waits for no token, neither one that is
on its way nor one that is refused. Without a login there are public channels only.

Messages with data become `Data` events: an `Update`, whose payload is a `Book` or `Trades` for the
channels that have them and the venue's own object for all others. One that came before on this
connection, letter for letter and with a time of its own, is a `Duplicate`. Queries have no id, so
replies are matched by query type in order.

`subscribe`, `unsubscribe` and `query` raise `Misuse` for what the venue would not take; nothing is
raised for anything it sends. Its error codes mean different things on different pages of its own
documentation, so `Rejected` keeps code and message, and `meaning` gives every reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from payloads.errors import Malformed, Misuse, elide
from payloads.venues.ethgas_login import EthgasLogin
from payloads.venues.ethgas_protocol import (
    CODES,
    DIALECTS,
    DRAFT,
    FORBIDDEN,
    INVALID_TOKEN,
    MARKET_OF,
    MARKET_TYPES,
    OFFICIAL,
    ORDER_STATUS,
    ORDER_TYPES,
    PASSING,
    PRIVATE,
    PRIVATE_QUERIES,
    PUBLIC,
    RATE_LIMITED,
    Channel,
    Dialect,
    meaning,
)
from payloads.venues.ethgas_updates import Book, Trade, Update, read_update, short_text
from payloads.venues.session import (
    SECOND,
    Authenticated,
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
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.shared import (
    ASKED,
    HELD,
    IN_FORCE,
    Conversation,
    Duplicate,
    Pings,
    Repeats,
    Standing,
    closing,
    earliest,
    upgrade_refused,
)

__all__ = [
    "CODES", "DIALECTS", "DRAFT", "MARKET_TYPES", "OFFICIAL", "ORDER_STATUS", "ORDER_TYPES",
    "PRIVATE", "PUBLIC", "Answered", "Book", "Channel", "Dialect", "EthgasSession", "Trade",
    "Update", "meaning",
]  # fmt: skip

PING_EVERY = 25 * SECOND
LOGIN_WITHIN = 15 * SECOND
# How long a login waits for answers to what was asked before it.
ANSWERS_WITHIN = 5 * SECOND
RATE_PAUSE = 30 * SECOND
# A login that fails with a new token will fail with the next one too.
MOST_FAILURES = 2
# The venue's own close code for a connection that it does not want back.
CLOSED_FOR_GOOD = {4000: "closed for good"}


class Answered(Event, frozen=True):
    """The reply to a query."""

    query_type: str
    reply: Any


class EthgasSession(Conversation):
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
        super().__init__(login.redactor if login else Redactor())
        self._url, self._dialect = dialect.url(endpoint), dialect
        self._login, self._bearer = login, bearer
        self._pings, self._repeats = Pings(ping_every), Repeats()
        self._wanted = Standing[Channel]()
        self._queries: list[str] = []
        self._held_queries: list[tuple[str, dict[str, Any]]] = []
        self._now = 0
        # On this connection: before, waiting for, with and without hope of a login.
        self._stage = "none"
        self._sent_token: Secret | None = None
        self._login_until: int | None = None
        self._login_again: int | None = None
        # Until when a login waits for what is open, and subscriptions for the venue to recover.
        self._answers_until: int | None = None
        self._subscribe_again: int | None = None
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
        return [channel.label for channel in self._wanted.those(IN_FORCE)]

    @property
    def repeated(self) -> int:
        """How many messages came twice and were dropped."""
        return self._repeats.count

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def subscribe(
        self, name: str, market_type: str | None = None, pricer_only: bool | None = None
    ) -> None:
        """Subscribe, now or as soon as the login has been answered, and after every reconnect."""
        self._want(Channel.of(name, market_type, pricer_only))
        self._subscribe_held()

    @by_caller
    def unsubscribe(self, name: str, market_type: str | None = None) -> None:
        """Unsubscribe; nothing happens for what is not subscribed."""
        for channel, state in list(self._wanted.items()):
            if (channel.name, channel.market_type) == (name, market_type):
                del self._wanted[channel]
                if state != HELD and self._open:
                    self._send_all(self._dialect.on_channels("unsubscribe", [channel]))

    @by_caller
    def query(self, /, query_type: str, **arguments: Any) -> None:
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

    @by_caller
    def logout(self) -> None:
        """End the login on this connection; private channels end with it."""
        if self._open and self._stage == "in":
            self._send(self._dialect.logout())
            self._stage = "out"

    def _want(self, channel: Channel) -> None:
        channel = Channel.of(*channel.values)
        if channel.private and self._login is None:
            raise Misuse("a private channel without a login", field="channel", found=channel.name)
        self._wanted.setdefault(channel, HELD)

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
        self._pings.start(now)
        self._stage = "before" if self._login else "none"
        return [Opened(), *self._go_on(now)]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        event, retry = upgrade_refused(status, headers, body, self._redactor, meaning(status))
        again, at_least = retry.again, retry.at_least or (RATE_PAUSE if status == 429 else 0)
        if status == 401 and self._bearer and self._login:
            self._failures += 1
            self._login.expire()  # the next dial goes without it, and a new one is fetched
            again = self._failures <= MOST_FAILURES
        return event, Retry(again, event.meaning, at_least)

    def received(self, data: Message, now: int) -> list[Event]:
        if data in ("pong", b"pong"):
            return []
        if data in ("ping", b"ping"):
            self._outgoing.append("pong")
            return []
        return super().received(data, now)

    def tick(self, now: int) -> list[Event]:
        if self._pings.due(now):
            self._outgoing.append("ping")
        events: list[Event] = []
        if self._login_until is not None and now >= self._login_until:
            self._login_until = self._sent_token = None
            events.append(Rejected("timeout", "", "no answer to the login", "login"))
            self._stage, self._login_again = "before", now + RATE_PAUSE
        self._login_again = _ahead(self._login_again, now)
        self._answers_until = _ahead(self._answers_until, now)
        self._subscribe_again = _ahead(self._subscribe_again, now)
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
        return [*lost, closing(code, reason, 0, self._redactor, CLOSED_FOR_GOOD)]

    def take_requests(self) -> list[Request]:
        return [*super().take_requests(), *(self._login.take_requests() if self._login else [])]

    def _drop(self) -> None:
        """Forget what belonged to the connection."""
        self._open, self._stage, self._outgoing = False, "none", []
        self._queries, self._held_queries = [], []
        self._sent_token = self._login_until = self._login_again = None
        self._answers_until = self._subscribe_again = None
        self._pings.stop()
        self._repeats.forget()
        self._wanted.hold()

    # --- logging in and subscribing ---------------------------------------------------------------

    def _go_on(self, now: int) -> list[Event]:
        """Whatever can be done now: renew the token, log in, subscribe."""
        self._now = now
        events: list[Event] = []
        if self._login:
            events += self._login.step(now)
            if self._may_log_in():
                events += self._log_in(self._login, now)
        self._subscribe_held()
        self._schedule(now)
        return events

    def _may_log_in(self) -> bool:
        # An error does not say what it is for, so a login waits for what was asked before it.
        waits = self._answers_until is not None and (self._queries or self._wanted.those(ASKED))
        fits = self._open and self._stage in ("before", "in") and self._login_again is None
        return fits and not waits

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
        if code in RATE_LIMITED:
            self._stage, self._login_again = "before", now + RATE_PAUSE
        elif code in FORBIDDEN or self._failures > MOST_FAILURES or self._login is None:
            self._stage = "out"
        else:
            # Whatever the code says: 1001 alone has two meanings, and a new token settles it.
            self._stage = "before"
            self._login.expire()
        return [event]

    def _expired(self, code: str, message: str) -> list[Event]:
        """The venue's word that the token has expired: everything private has to start anew."""
        if self._login and self._stage in ("asked", "in", "in, asked"):
            self._stage, self._login_until = "before", None
            self._sent_token = None
            self._login.expire()
            for channel in self._wanted:
                if channel.private:
                    self._wanted[channel] = HELD
        return [Rejected(code, message, "the access token has expired", "login")]

    def _subscribe_held(self) -> None:
        """Ask for what may be asked for now: what is public, and after a login the rest."""
        # For the same reason nothing is asked for while a login is under way.
        if not self._open or self._stage in ("asked", "in, asked"):
            return
        held = self._wanted.those(HELD) if self._subscribe_again is None else []
        ready = [one for one in held if self._stage == "in" or not one.private]
        if ready:
            self._send_all(self._dialect.on_channels("subscribe", ready))
            self._wanted.update(dict.fromkeys(ready, ASKED))
        still: list[tuple[str, dict[str, Any]]] = []
        for query_type, arguments in self._held_queries:
            if self._stage == "before" and query_type in PRIVATE_QUERIES:
                still.append((query_type, arguments))
                continue
            self._send(self._dialect.query(query_type, arguments))
            self._queries.append(query_type)
        if ready or len(still) < len(self._held_queries):
            self._answers_until = self._now + ANSWERS_WITHIN
        self._held_queries = still

    def _schedule(self, now: int) -> None:
        renewal = self._login.due(now) if self._login else None
        self.deadline = earliest(
            self._pings.deadline,
            self._login_until,
            self._login_again,
            self._answers_until,
            self._subscribe_again,
            renewal,
        )

    # --- what comes -------------------------------------------------------------------------------

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        if not isinstance(content, dict):
            return [Unknown(content, raw)]
        if isinstance(content.get("event"), str):
            return self._control(content["event"], content, raw, now)
        if isinstance(content.get("cmd"), str):
            return self._draft(content["cmd"], content, raw, now)
        if isinstance(content.get("e"), str):
            return self._update(content, raw)
        if isinstance(content.get("q"), str):
            if content["q"] in self._queries:
                self._queries.remove(content["q"])
            return [Answered(content["q"], content.get("P"))]
        return [Unknown(content, raw)]

    def _control(self, event: str, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        if event in ("login", "error"):
            code, message = _code(content.get("code")), short_text(content.get("msg"))
            if event == "error":
                return self._error(code, message, now)
            if code == 0:
                return self._logged_in(short_text(content.get("connId")))
            return self._login_failed(code, message, now)
        if event in ("subscribe", "unsubscribe"):
            return self._acknowledged(event, content.get("arg"))
        return [Unknown(content, raw)]

    def _error(self, code: int, message: str, now: int) -> list[Event]:
        if self._stage in ("asked", "in, asked"):
            return self._login_failed(code, message, now)
        if code in INVALID_TOKEN:
            return self._expired(str(code), message)
        asked = self._wanted.those(ASKED)
        waiting = [*(one.label for one in asked), *(f"query {query}" for query in self._queries)]
        # An error does not say what it is for; it is certain only where one thing is open.
        about = waiting[0] if len(waiting) == 1 else ""
        if code in PASSING and asked:
            self._wanted.update(dict.fromkeys(asked, HELD))
            self._subscribe_again = now + RATE_PAUSE
        elif about and asked:
            del self._wanted[asked[0]]
        elif about:
            self._queries.clear()
        return [Rejected(str(code), message, meaning(code), about)]

    def _acknowledged(self, verb: str, argument: Any) -> list[Event]:
        """One for each channel, by its argument."""
        if not isinstance(argument, dict) or not isinstance(argument.get("channel"), str):
            raise Malformed("an acknowledgement of nothing", field="arg", expected="a channel")
        market = argument.get("marketType")
        name = Channel(argument["channel"], market if isinstance(market, str) else None)
        if verb == "unsubscribe":
            return [Unsubscribed(name.label)]
        known = [channel for channel in self._wanted if channel.label == name.label]
        new = not known or any(self._wanted[channel] != IN_FORCE for channel in known)
        self._wanted.update(dict.fromkeys(known, IN_FORCE))
        return [Subscribed(name.label)] if new else []

    def _draft(self, cmd: str, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        data, error = content.get("data"), content.get("error")
        if cmd == "token_expired":
            words = short_text(data.get("message")) if isinstance(data, dict) else ""
            return self._expired(cmd, words)
        if isinstance(error, dict) and cmd in ("login", "error"):
            code, message = _code(error.get("code")), short_text(error.get("message"))
            fail = self._login_failed if cmd == "login" else self._error
            return fail(code, message, now)
        if cmd == "login" and content.get("status") == "success":
            return self._logged_in(short_text(data.get("userId")) if isinstance(data, dict) else "")
        if cmd in ("subscribe", "unsubscribe") and content.get("status") in (None, "success"):
            return self._acknowledged(cmd, content)
        return [Unknown(content, raw)]

    def _update(self, content: dict[str, Any], raw: Message) -> list[Event]:
        update = read_update(content)
        confirmed = self._confirmed(update)
        # Without a time two messages may be the same and both be meant.
        if update.time is not None and self._repeats.again(raw):
            return [*confirmed, Duplicate(update.channel)]
        return [*confirmed, Data(update.channel, update)]

    def _confirmed(self, update: Update) -> list[Event]:
        """Data says as much as an acknowledgement, which the documentation does not promise."""
        if ASKED not in self._wanted.values():
            return []
        same = [channel for channel in self._wanted if channel.name == update.channel]
        if len(same) > 1:
            market = MARKET_OF.get(update.symbol[:6])
            same = [channel for channel in same if channel.market_type == market]
        if len(same) != 1 or self._wanted[same[0]] != ASKED:
            return []
        self._wanted[same[0]] = IN_FORCE
        return [Subscribed(same[0].label)]


def _code(value: Any) -> int:
    if type(value) is not int:
        raise Malformed("not a code", field="code", expected="an integer")
    return value


def _ahead(deadline: int | None, now: int) -> int | None:
    """A deadline that has not come yet."""
    return None if deadline is None or now >= deadline else deadline
