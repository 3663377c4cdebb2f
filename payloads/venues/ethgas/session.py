"""ETHGas: preconfirmation markets over a websocket, public and private.

`EthgasSession` speaks the official protocol (`OFFICIAL`), or by name the one of a withdrawn draft
(`DRAFT`). With an `EthgasLogin` it gets a token over REST, logs in on the socket, waits for the
answer, and only then subscribes to what is private; it renews the token before it expires, and
after a reconnect it does all of that again. What is public waits for no token, neither one that is
on its way nor one that is refused. Without a login there are public channels only.

Messages with data become `Data` events: an `Update`, whose payload is what `ethgas_records` has for
its channel. One that came before on this connection, letter for letter and with a time of its own,
is a `Duplicate`. Queries have no id, so replies, which are `Answered` events, are matched by query
type in order. A query or a subscription without an answer is told, as `Rejected`.

`subscribe`, `unsubscribe` and `query` raise `Misuse` for what the venue would not take; nothing is
raised for anything it sends. Its error codes mean different things on different pages of its own
documentation, so `Rejected` keeps code and message, and `meaning` gives every reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from payloads.errors import Misuse
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message, Redactor
from payloads.venues.common.session import (
    SECOND,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Reply,
    Request,
    Retry,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.shared import (
    ASKED,
    HELD,
    IN_FORCE,
    Duplicate,
    JsonSession,
    Pings,
    Repeats,
    Subscriptions,
    closing,
    earliest,
    upgrade_refused,
)
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.control import (
    Acknowledged,
    Control,
    LoggedIn,
    LoginRefused,
    TokenExpired,
    control_of,
)
from payloads.venues.ethgas.protocol import (
    CODES,
    INVALID_TOKEN,
    MARKET_OF,
    OFFICIAL,
    PASSING,
    PRIVATE_QUERIES,
    Channel,
    Dialect,
    meaning,
)
from payloads.venues.ethgas.queries import REPLY_WITHIN, Queries
from payloads.venues.ethgas.socket_login import RATE_PAUSE, SocketLogin
from payloads.venues.ethgas.updates import Update, read_reply, read_update

PING_EVERY = 25 * SECOND
# How long a login waits for answers to what was asked before it.
ANSWERS_WITHIN = 5 * SECOND
# The venue's own close code for a connection that it does not want back.
CLOSED_FOR_GOOD = {4000: "closed for good"}


class EthgasSession(JsonSession):
    """A connection to ETHGas. `ping_every` and `reply_within` are in nanoseconds."""

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
        reply_within: int = REPLY_WITHIN,
    ) -> None:
        super().__init__(login.redactor if login else Redactor())
        self._url, self._dialect = dialect.url(endpoint), dialect
        self._login, self._bearer = login, bearer
        self._entry = SocketLogin(login, dialect, self._redactor, self._send)
        self._pings, self._repeats = Pings(ping_every), Repeats()
        self._wanted = Subscriptions[Channel]()
        self._queries = Queries(dialect, self._send, reply_within)
        # Subscriptions that are waited for, and some that came to something else meanwhile.
        self._until = Timeouts[Channel](reply_within)
        # What a login waits for, as long as it does, and subscriptions for the venue to recover.
        self._answers = Timeouts[str](ANSWERS_WITHIN)
        self._subscribe_again: int | None = None
        # How channels were refused of which it is not known yet which ones.
        self._unplaced: list[str] = []
        for channel in channels:
            self._want(channel)

    @property
    def authenticated(self) -> bool:
        """Whether the venue accepted the login on this connection."""
        return self._entry.authenticated

    @property
    def subscribed(self) -> list[str]:
        """The labels of the subscriptions in force."""
        return [channel.label for channel in self._wanted.those(IN_FORCE)]

    @property
    def denied(self) -> dict[str, str]:
        found = super().denied
        if self._entry.denied:
            found |= {one.label: self._entry.denied for one in self._wanted if one.private}
        if self._unplaced:
            asked = ", ".join(channel.label for channel in self._wanted.those(ASKED))
            found[f"{len(self._unplaced)} of {asked}"] = self._unplaced[-1]
        return found

    @property
    def hopeless(self) -> bool:
        left = [one for one in self._wanted if not (one.private and self._entry.denied)]
        return bool(self.denied) and not left

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
        self._ask_held()
        self._plan()

    @by_caller
    def unsubscribe(self, name: str, market_type: str | None = None) -> None:
        """Unsubscribe; nothing happens for what is not subscribed."""
        for channel, state in list(self._wanted.items()):
            if (channel.name, channel.market_type) == (name, market_type):
                del self._wanted[channel]
                self._place()
                if state != HELD and self._open:
                    self._send_all(self._dialect.on_channels("unsubscribe", [channel]))

    @by_caller
    def query(self, /, query_type: str, **arguments: Any) -> None:
        """Ask once: `currentSlot`, `orderBook`, `openOrders`, … The reply is an `Answered`."""
        self._queries.check(query_type, arguments)
        if query_type in PRIVATE_QUERIES and self._login is None:
            raise Misuse("a private query without a login", field="query_type", found=query_type)
        if not self._open:
            raise Misuse("not connected, and a query is not kept for later")
        self._queries.ask(query_type, arguments)
        self._ask_held()
        self._plan()

    @by_caller
    def logout(self) -> None:
        """End the login on this connection; private channels end with it."""
        if self._open:
            self._entry.leave()

    def _want(self, channel: Channel) -> None:
        channel = Channel.of(*channel.values)
        if channel.private and self._login is None:
            raise Misuse("a private channel without a login", field="channel", found=channel.name)
        # What had no answer in time may be asked for once more.
        overdue = self._wanted.get(channel) == ASKED and channel not in self._until
        if overdue or channel not in self._wanted:
            self._wanted[channel] = HELD
        self._denied.pop(channel.label, None)

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
        self._entry.opened()
        return [Opened(), *self._go_on(now)]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        own = CODES.get(status, "")
        event, retry = upgrade_refused(status, headers, body, self._redactor, own)
        again, at_least = retry.again, retry.at_least or (RATE_PAUSE if status == 429 else 0)
        if status == 401 and self._bearer:
            again = self._entry.dial_refused()
        return event, Retry(again, retry.why, at_least)

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
        if self._subscribe_again is not None and now >= self._subscribe_again:
            self._subscribe_again = None
        self._answers.ripe(now)
        late = [*self._entry.late(now), *self._queries.late(now), *self._late(now)]
        return [*late, *self._go_on(now)]

    def replied(self, reply: Reply, now: int) -> list[Event]:
        events = self._login.replied(reply, now) if self._login else []
        return [*events, *self._go_on(now)]

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        lost = self._queries.lost()
        self._drop()
        self._entry.told(now)
        self._plan()
        return [*lost, closing(code, reason, 0, self._redactor, CLOSED_FOR_GOOD)]

    def take_requests(self) -> list[Request]:
        return [*super().take_requests(), *(self._login.take_requests() if self._login else [])]

    def _drop(self) -> None:
        """Forget what belonged to the connection."""
        self._open, self._outgoing = False, []
        self._entry.closed()
        self._queries.lost()
        self._answers.clear()
        self._until.clear()
        self._subscribe_again = None
        self._unplaced.clear()
        self._pings.stop()
        self._repeats.forget()
        self._wanted.hold()

    # --- asking -----------------------------------------------------------------------------------

    def _go_on(self, now: int) -> list[Event]:
        """Whatever can be done now: renew the token, log in, subscribe."""
        # An error does not say what it is for, so a login waits for what was asked before it.
        waits = self._answers and (self._queries.open or self._wanted.those(ASKED))
        events = self._entry.step(now, self._open and not waits)
        self._ask_held()
        for clock in (self._entry, self._answers, self._until, self._queries.waiting):
            clock.told(now)
        self._plan()
        return events

    def _ask_held(self) -> None:
        """Ask for what may be asked for now: what is public, and after a login the rest."""
        # For the same reason nothing is asked for while a login is under way.
        if not self._open or self._entry.asking:
            return
        ready = []
        if HELD in self._wanted.values() and self._subscribe_again is None:
            held = self._wanted.those(HELD)
            ready = [one for one in held if self._entry.inside or not one.private]
        if ready:
            self._send_all(self._dialect.on_channels("subscribe", ready))
            self._wanted.update(dict.fromkeys(ready, ASKED))
            for channel in ready:
                self._until.add(channel)
        if self._queries.release(private=not self._entry.ahead) or ready:
            self._answers.add("answers")

    def _late(self, now: int) -> list[Event]:
        """Subscriptions that nothing has answered in time; an answer may still come."""
        late = [one for one in self._until.ripe(now) if self._wanted.get(one) == ASKED]
        words = "no answer came" + (", or it was one of the refusals" if self._unplaced else "")
        return [Rejected("timeout", "", words, one.label) for one in late]

    def _plan(self) -> None:
        self.deadline = earliest(
            self._pings.deadline,
            self._entry.deadline,
            self._answers.deadline,
            self._until.deadline,
            self._queries.waiting.deadline,
            self._subscribe_again,
        )

    # --- what comes -------------------------------------------------------------------------------

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        if not isinstance(content, dict):
            return [Unknown(content, raw)]
        if isinstance(content.get("event"), str) or isinstance(content.get("cmd"), str):
            control = control_of(content)
            return self._controlled(control, now) if control else [Unknown(content, raw)]
        if isinstance(content.get("e"), str):
            return self._update(content, raw)
        if isinstance(content.get("q"), str):
            self._queries.answered(content["q"])
            return [read_reply(content)]
        return [Unknown(content, raw)]

    def _controlled(self, control: Control, now: int) -> list[Event]:
        if isinstance(control, LoggedIn):
            return self._entry.accepted(control.detail)
        if isinstance(control, LoginRefused):
            return self._entry.refused(control.code, control.message, now)
        if isinstance(control, TokenExpired):
            return self._expired("token_expired", control.message)
        if isinstance(control, Acknowledged):
            return self._acknowledged(control)
        return self._error(control.code, control.message, now)

    def _expired(self, code: str, message: str) -> list[Event]:
        """The venue's word that the token has expired: everything private has to start anew."""
        if self._entry.expired():
            private = [channel for channel in self._wanted if channel.private]
            self._wanted.update(dict.fromkeys(private, HELD))
        return [Rejected(code, message, "the access token has expired", "login")]

    def _error(self, code: int, message: str, now: int) -> list[Event]:
        if self._entry.asking:
            return self._entry.refused(code, message, now)
        if code in INVALID_TOKEN:
            return self._expired(str(code), message)
        asked = self._wanted.those(ASKED)
        waiting = [*(one.label for one in asked), *self._queries.open]
        # An error does not say what it is for; it is certain only where one thing is open.
        about = waiting[0] if len(waiting) == 1 else ""
        if code in PASSING and asked:
            self._wanted.update(dict.fromkeys(asked, HELD))
            self._subscribe_again = now + RATE_PAUSE
        elif asked and not self._queries.open:
            self._unplaced.append(f"{code}: {meaning(code)}")
            self._place()
        elif about:
            self._queries.failed()
        return [Rejected(str(code), message, meaning(code), about)]

    def _place(self) -> None:
        """Which channels were refused is certain once as many are left without an answer."""
        asked = self._wanted.those(ASKED)
        if self._unplaced and len(asked) <= len(self._unplaced):
            for channel, words in zip(asked, self._unplaced, strict=False):
                del self._wanted[channel]
                self._denied[channel.label] = words
            self._unplaced.clear()

    def _acknowledged(self, said: Acknowledged) -> list[Event]:
        label = said.channel.label
        if said.verb == "unsubscribe":
            return [Unsubscribed(label)]
        known = [channel for channel in self._wanted if channel.label == label]
        new = any(self._wanted[channel] != IN_FORCE for channel in known)
        self._wanted.update(dict.fromkeys(known, IN_FORCE))
        self._place()
        return [Subscribed(label)] if new else []

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
        self._place()
        return [Subscribed(same[0].label)]
