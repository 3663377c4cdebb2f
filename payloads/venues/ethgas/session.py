"""ETHGas: preconfirmation markets over a websocket, public and private.

`EthgasSession` speaks the official protocol (`OFFICIAL`), or by name the one of a withdrawn draft
(`DRAFT`). With an `EthgasLogin` it gets a token over REST, logs in on the socket, waits for the
answer, and only then subscribes to what is private; it renews the token before it expires, and
after a reconnect it does all of that again. Public channels never wait for a token. Without a login
there are public channels only.

Messages with data become `Data` events: an `Update`, whose payload is the record of its channel
(see `records`). A message that came before on this connection, letter for letter and with a time of
its own, is a `Duplicate`. Queries have no id, so replies, which are `Answered` events, are matched
by query type in order. A query or a subscription without an answer is reported as `Rejected`.

`subscribe`, `unsubscribe` and `request` raise `Misuse` for what the venue would not take; nothing
is raised for what it sends. Its error codes mean different things on different pages of its own
documentation, so `Rejected` keeps code and message, and `meaning` gives every reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from payloads.errors import Misuse
from payloads.venues.common.dedupe import Duplicate, Repeats
from payloads.venues.common.http_words import refused, wait_asked
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.redactor import Message, Redactor
from payloads.venues.common.session import (
    NO_ANSWER,
    SECOND,
    Data,
    Dial,
    Event,
    Missing,
    Rejected,
    Reply,
    Request,
    Retry,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.subscriptions import ASKED, HELD, IN_FORCE, OVERDUE, Subscriptions
from payloads.venues.common.timers import Pings, Timeout
from payloads.venues.ethgas.auth import EthgasLogin
from payloads.venues.ethgas.codes import CODES, INVALID_TOKEN, PASSING, meaning
from payloads.venues.ethgas.control import (
    Acknowledged,
    Control,
    LoggedIn,
    LoginRefused,
    TokenExpired,
    control_of,
)
from payloads.venues.ethgas.protocol import MARKET_OF, OFFICIAL, PRIVATE_QUERIES, Channel, Dialect
from payloads.venues.ethgas.requests import REPLY_WITHIN, Queries
from payloads.venues.ethgas.socket_login import RATE_PAUSE, SocketLogin
from payloads.venues.ethgas.updates import Update, read_reply, read_update

PING_EVERY = 25 * SECOND
# How long a login waits for answers to what was asked before it.
ANSWERS_WITHIN = 5 * SECOND


class EthgasSession(JsonSession):
    """A connection to ETHGas. `ping_every` and `reply_within` are in nanoseconds."""

    venue: ClassVar[str] = "ethgas"
    # The venue's own code for a connection that it does not want back.
    final_closes: ClassVar[Mapping[int, str]] = {4000: "closed for good"}

    def __init__(
        self,
        channels: Iterable[Channel | str] = (),
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
        self._repeats = Repeats()
        self._subscriptions = Subscriptions[Channel](reply_within)
        self._requested = Queries(dialect, self._send, reply_within)
        add = self._timers.add
        if login:
            add(login, lasting=True)
        add(self._entry.answer)
        add(self._entry.pause)
        add(self._subscriptions.timeouts)
        add(self._requested.timeouts)
        self._pings = add(Pings(ping_every))
        # A login waits for the answers to what was asked before it, and subscriptions wait for the
        # venue to recover.
        self._answers, self._pause = add(Timeout(ANSWERS_WITHIN)), add(Timeout(RATE_PAUSE))
        # The refusals of channels, as long as it is not known which channels are refused.
        self._unplaced: list[str] = []
        for channel in channels:
            self._subscriptions.add(self._checked(channel))

    @property
    def authenticated(self) -> bool:
        """Whether the venue accepted the login on this connection."""
        return self._entry.authenticated

    @property
    def subscribed(self) -> list[str]:
        """The labels of the subscriptions in force."""
        return [channel.label for channel in self._subscriptions.in_state(IN_FORCE)]

    @property
    def refused(self) -> dict[str, str]:
        found = {channel.label: why for channel, why in self._subscriptions.refused.items()}
        if why := self._entry.gave_up:
            found |= {channel.label: why for channel in self._subscriptions if channel.private}
        if self._unplaced:
            asked = ", ".join(channel.label for channel in self._unanswered())
            found[f"{len(self._unplaced)} of {asked}"] = self._unplaced[-1]
        return found

    @property
    def missing(self) -> dict[str, Missing]:
        channels = {channel.label: how for channel, how in self._subscriptions.missing.items()}
        found = self._entry.missing | channels | self._requested.missing
        refused = self.refused
        return {label: how for label, how in found.items() if label not in refused}

    @property
    def all_refused(self) -> bool:
        gave_up = bool(self._entry.gave_up)
        return bool(self.refused) and all(held.private and gave_up for held in self._subscriptions)

    @property
    def repeated(self) -> int:
        """How many messages came twice and were dropped."""
        return self._repeats.count

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def subscribe(self, *channels: Channel | str) -> None:
        """Subscribe, now or as soon as the login has been answered, and after every reconnect.

        A channel is a `Channel` or its label, as `orderBookUpdate:inclusionPreconf`.
        """
        for channel in [self._checked(each) for each in channels]:
            self._subscriptions.add(channel)

    @by_caller
    def unsubscribe(self, *channels: Channel | str) -> None:
        """Unsubscribe; nothing happens for what is not subscribed."""
        labels = {Channel.checked(channel).label for channel in channels}
        for channel in [each for each in self._subscriptions if each.label in labels]:
            state = self._subscriptions.remove(channel)
            self._place()
            if state is not HELD and self._open:
                self._send_all(self._dialect.on_channels("unsubscribe", [channel]))

    @by_caller
    def request(self, query_type: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Ask once: `currentSlot`, `orderBook`, `openOrders`, … The reply is an `Answered`."""
        arguments = dict(arguments or {})
        self._requested.check(query_type, arguments)
        if query_type in PRIVATE_QUERIES and self._login is None:
            raise Misuse("a private query without a login", field="query_type", found=query_type)
        if not self._open:
            raise Misuse("not connected, and a query is not kept for later")
        self._requested.ask(query_type, arguments)

    @by_caller
    def logout(self) -> None:
        """End the login on this connection; private channels end with it."""
        if self._open:
            self._entry.leave()

    def _checked(self, given: Channel | str) -> Channel:
        channel = Channel.checked(given)
        if channel.private and self._login is None:
            raise Misuse("a private channel without a login", field="channel", found=channel.name)
        return channel

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

    def _begin(self, now: int) -> list[Event]:
        self._pings.start(now)
        self._entry.opened()
        return []

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        own, again = CODES.get(status, ""), None
        if status == 401 and self._bearer:
            again = self._entry.dial_refused()
        pause = RATE_PAUSE if status == 429 and not wait_asked(headers) else 0
        answer = status, headers, body
        return refused(*answer, self._redactor, own, about="upgrade", again=again, pause=pause)

    def received(self, data: Message, now: int) -> list[Event]:
        if data in ("pong", b"pong"):
            return []
        if data in ("ping", b"ping"):
            self._outgoing.append("pong")
            return []
        return super().received(data, now)

    def _check_timers(self, now: int) -> list[Event]:
        if self._pings.expired(now):
            self._outgoing.append("ping")
        self._pause.expired(now)
        self._answers.expired(now)
        return [*self._entry.late(now), *self._requested.expired(now), *self._late(now)]

    def _read_reply(self, reply: Reply, now: int) -> list[Event]:
        return self._login.replied(reply, now) if self._login else []

    def _give_up(self) -> list[Event]:
        return self._requested.lost()

    def take_requests(self) -> list[Request]:
        return [*super().take_requests(), *(self._login.take_requests() if self._login else [])]

    def _forget(self) -> None:
        self._entry.closed()
        self._requested.lost()
        self._unplaced.clear()
        self._repeats.forget()
        self._subscriptions.reset()

    # --- asking -----------------------------------------------------------------------------------

    def _proceed(self, now: int | None) -> list[Event]:
        """Renew the token, log in, and ask for what may be asked for now."""
        events: list[Event] = []
        if now is not None:
            # An error does not say what it is for, so a login waits for what was asked before it.
            # Another login does not: what is private stands still without it.
            asked = self._answers.deadline is not None and not self._entry.was_in
            waits = asked and (self._requested.pending or self._unanswered())
            events = self._entry.step(now, self._open and not waits)
        # For the same reason nothing is asked for while a login is under way.
        if self._open and not self._entry.asking:
            self._ask()
        return events

    def _ask(self) -> None:
        """Ask for what is public, and after a login for the rest."""
        ready = []
        if self._pause.deadline is None:
            held = self._subscriptions.in_state(HELD)
            ready = [channel for channel in held if self._entry.inside or not channel.private]
        if ready:
            self._send_all(self._dialect.on_channels("subscribe", ready))
            for channel in ready:
                self._subscriptions.asked(channel)
        if self._requested.release(private=not self._entry.ahead) or ready:
            self._answers.at(0)  # its time begins when the driver tells the time

    def _unanswered(self) -> list[Channel]:
        """The subscriptions whose answer may still come."""
        return self._subscriptions.in_state(ASKED, OVERDUE)

    def _late(self, now: int) -> list[Event]:
        """The subscriptions that the venue has not answered in time."""
        words = "no answer came" + (", or it was one of the refusals" if self._unplaced else "")
        late = self._subscriptions.expired(now)
        return [Rejected(NO_ANSWER, "", words, channel.label) for channel in late]

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
            number = self._requested.oldest(content["q"])
            if number is not None:
                self._requested.answered(number)
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
            self._subscriptions.hold(*(each for each in self._subscriptions if each.private))
        return [Rejected(code, message, "the access token has expired", "login")]

    def _error(self, code: int, message: str, now: int) -> list[Event]:
        if self._entry.asking:
            return self._entry.refused(code, message, now)
        if code in INVALID_TOKEN:
            return self._expired(str(code), message)
        asked = self._unanswered()
        waiting = [*(held.label for held in asked), *self._requested.pending.values()]
        # An error does not say what it is for; it is certain only if one request is open.
        about = waiting[0] if len(waiting) == 1 else ""
        if code in PASSING and asked:
            self._subscriptions.hold(*asked)
            self._pause.start(now)
        elif asked and not self._requested.pending:
            self._unplaced.append(f"{code}: {meaning(code)}")
            self._place()
        elif about:
            self._requested.refused()
        return [Rejected(str(code), message, meaning(code), about)]

    def _place(self) -> None:
        """Which channels were refused is certain once as many are left without an answer."""
        asked = self._unanswered()
        if self._unplaced and len(asked) <= len(self._unplaced):
            for channel, words in zip(asked, self._unplaced, strict=False):
                self._subscriptions.refuse(channel, words)
            self._unplaced.clear()

    def _acknowledged(self, said: Acknowledged) -> list[Event]:
        label = said.channel.label
        if said.verb == "unsubscribe":
            return [Unsubscribed(label)]
        known = [channel for channel in self._subscriptions if channel.label == label]
        for channel in known:
            if channel.may_be_silent:
                self._subscriptions.come(channel)
        new = [channel for channel in known if self._subscriptions.in_force(channel)]
        self._place()
        return [Subscribed(label)] if new else []

    def _update(self, content: dict[str, Any], raw: Message) -> list[Event]:
        update = read_update(content)
        confirmed = self._confirmed(update)
        # Without a time two messages may be the same and both be meant.
        if update.time is not None and self._repeats.again(raw):
            return [*confirmed, Duplicate(update.channel, update, update.time * 10**6)]
        return [*confirmed, Data(update.channel, update)]

    def _confirmed(self, update: Update) -> list[Event]:
        """Data says as much as an acknowledgement, which the documentation does not promise."""
        unanswered = self._unanswered()
        if not unanswered and self._subscriptions.all_have_come:
            return []
        same = [channel for channel in self._subscriptions if channel.name == update.channel]
        if len(same) > 1:
            market = MARKET_OF.get(update.symbol[:6])
            same = [channel for channel in same if channel.market_type == market]
        if len(same) != 1:
            return []
        self._subscriptions.come(same[0])
        if same[0] not in unanswered:
            return []
        self._subscriptions.in_force(same[0])
        self._place()
        return [Subscribed(same[0].label)]
