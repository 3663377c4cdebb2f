"""QFEX's trade socket: authentication, subscriptions, requests and replies.

Every authenticated connection is first told about cancel-on-disconnect (off on a new connection)
and the channels, and after a reconnect is asked for what happened meanwhile. If the venue refuses
some of this for the moment, the session says it again after the pause that the venue names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from payloads.errors import Malformed, Misuse
from payloads.venues.common.endpoints import address
from payloads.venues.common.http_words import pause_named
from payloads.venues.common.pending import Sent, UnnumberedRequests
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    NO_ANSWER,
    NOT_ASKED,
    SECOND,
    Authenticated,
    Closed,
    Data,
    Dial,
    Event,
    Missing,
    Rejected,
    Retry,
    Stalled,
    Subscribed,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.subscriptions import HELD, IN_FORCE, Subscriptions
from payloads.venues.common.timers import Timeout
from payloads.venues.qfex import codes
from payloads.venues.qfex.auth import Credentials, Login
from payloads.venues.qfex.records import OLDER, REPLIES, Fill, read
from payloads.venues.qfex.requests import (
    CancelOnDisconnect,
    GetUserOrders,
    GetUserTrades,
    Request,
    Subscribe,
    Unchecked,
    Unsubscribe,
    encode,
)
from payloads.venues.qfex.session import QfexSession

# A server that closes before it has authenticated us says no, except with these codes.
_NOT_A_NO = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
# How long a server that said no may take to close; then the connection is left.
_TO_CLOSE = 5 * SECOND
# How long an answer may take, as the venue's own client waits.
_ANSWER_WITHIN = 10 * SECOND
# The requests that are answered once for each channel; all of them fail at once.
_OF_CHANNELS = ("subscribe", "unsubscribe")
# The pause after a refusal for the moment that names none.
_PAUSE = SECOND
# The requests that the session makes again on every connection.
_TOLD = ("subscribe", "cancel_on_disconnect")


class Acknowledged(Event, frozen=True):
    """A message of ours that the venue took, as the venue echoes it, without credentials."""

    kind: str
    params: Mapping[str, Any]


class QfexTradeSession(QfexSession):
    """A connection to the trade socket.

    `nonces` returns a fresh nonce at each call (`lambda: secrets.token_hex(16)`). `key_in` says
    where the public key (or JWT) goes besides the message: `query` as the documentation has it,
    `headers` as the venue's own client does, or `none`.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        nonces: Callable[[], str],
        account_id: str | None = None,
        channels: Iterable[str] = ("order_responses",),
        cancel_on_disconnect: bool | None = None,
        key_in: str = "query",
        endpoint: str = "mainnet",
        client: str = "",
    ) -> None:
        super().__init__(address(endpoint, codes.TRADE_ENDPOINTS), client)
        self._login = Login(
            credentials, nonces, account_id=account_id, key_in=key_in, redactor=self._redactor
        )
        self._channels = Subscriptions[str](_ANSWER_WITHIN, channels)
        if held := tuple(self._channels):
            encode(Subscribe(held))  # which checks it
        self._pending, add = UnnumberedRequests(_ANSWER_WITHIN), self._timers.add
        self._auth_timeout, self._tell_again = add(Timeout(codes.AUTH_WITHIN)), add(Timeout())
        add(self._channels.timeouts)
        add(self._pending.timeouts)
        # Whether the venue has accepted the credentials on this connection.
        self.authenticated = False
        # Cancel-on-disconnect: as it is wanted, as the venue confirmed it, and why it refused it.
        self._cod, self._cod_refused = cancel_on_disconnect, ""
        self._cod_in_force: bool | None = None
        # The time of the last message: of this authenticated connection, and of the one before it.
        self._heard: int | None = None
        # Over all connections: whether one was authenticated, and what is missing while none was.
        self._was_in, self._auth = False, Missing(NOT_ASKED)
        self._away_since: int | None = None

    @property
    def cancel_on_disconnect(self) -> bool | None:
        """Whether orders go when this connection does, as far as the venue has confirmed it."""
        return self._cod_in_force

    @property
    def subscribed(self) -> list[str]:
        """The channels that the venue has confirmed on this connection."""
        return sorted(self._channels.in_state(IN_FORCE))

    @property
    def refused(self) -> dict[str, str]:
        cod = {"cancel_on_disconnect": self._cod_refused} if self._cod_refused else {}
        return {**cod, **self._channels.refused}

    @property
    def missing(self) -> dict[str, Missing]:
        found = self._channels.missing | self._pending.missing
        return found if self._was_in else {"auth": self._auth} | found

    @property
    def all_refused(self) -> bool:
        return self._channels.all_refused

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def subscribe(self, *channels: str) -> None:
        """Subscribe to private channels, now and after every reconnect."""
        self._remember(Subscribe(channels))

    @by_caller
    def unsubscribe(self, *channels: str) -> None:
        """Unsubscribe from private channels."""
        self._remember(Unsubscribe(channels))

    @by_caller
    def request(self, request: Request | Unchecked) -> None:
        """Send a request; `Misuse` before the session is authenticated, because nothing is kept.

        Subscriptions and cancel-on-disconnect may come earlier, and hold after every reconnect.
        """
        if isinstance(request, Subscribe | CancelOnDisconnect):
            self._remember(request)
        elif self.authenticated:
            self._say(request)
        else:
            raise Misuse("not authenticated, and nothing is kept for later")

    @by_caller
    def renew(self, credentials: Credentials) -> None:
        """Use other credentials from the next connection on; a JWT wants this before it ends."""
        self._login.renew(credentials)

    def _remember(self, request: Subscribe | CancelOnDisconnect) -> None:
        """Note a request for every later connection, and make it on this connection."""
        encode(request)  # which checks it
        match request:
            case Unsubscribe(channels):
                for channel in channels:
                    self._channels.remove(channel)
            case Subscribe(channels):
                for channel in channels:
                    self._channels.add(channel)
            case CancelOnDisconnect(wanted):
                self._cod, self._cod_refused = wanted, ""
        if self.authenticated and isinstance(request, Unsubscribe | CancelOnDisconnect):
            self._say(request, by_itself=True)
        elif self.authenticated:
            self._ask_for_channels()

    def _say(self, request: Request | Unchecked, by_itself: bool = False) -> None:
        self._outgoing.append(encode(request))
        params = request.params
        ids = [codes.ids_of(params)]
        if request.name in _OF_CHANNELS:
            ids = [(channel,) for channel in params.get("channels", ())]
        # Without that channel orders are not answered at all.
        unheard = request.answer == "order_response" and "order_responses" not in self._channels
        # The reply to the cancelling of a TWAP is not documented.
        of_twap = "twap" in str(params.get("cancel_order_id_type"))
        if request.answer and not unheard and not of_twap:
            for each in ids:
                self._pending.sent(Sent(request.name, request.answer, each, by_itself))

    def _tell(self) -> None:
        """Say what every connection is told, as far as the venue has not confirmed it."""
        self._tell_again.stop()
        if self._cod is not None and self._cod_in_force is not self._cod:
            self._say(CancelOnDisconnect(self._cod), by_itself=True)
        self._ask_for_channels()

    def _ask_for_channels(self) -> None:
        if held := tuple(self._channels.in_state(HELD)):
            self._outgoing.append(encode(Subscribe(held)))
            for channel in held:
                self._channels.asked(channel)

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        return self._login.dial(super().dial(now), now)

    def _begin(self, now: int) -> list[Event]:
        message = self._login.message(now)
        if message is None:
            return [self._no_token(), Closed(1000, "", Retry(True, self._login.no_token))]
        self._send(message)
        self._auth = Missing(NO_ANSWER, self._auth.asked_at or now)
        self._auth_timeout.start(now)
        return []

    def _no_token(self) -> Rejected:
        return Rejected("no token", "", self._login.no_token, "auth")

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        event, retry = super().rejected(status, headers, body)
        event = self._no_token() if self._login.no_token else event
        return event, self._login.after_upgrade(status, retry)

    def received(self, data: Message, now: int) -> list[Event]:
        events = super().received(data, now)
        if self.authenticated:
            self._heard = now
        return events

    def _check_timers(self, now: int) -> list[Event]:
        events: list[Event] = self._pending.expired(now)
        for channel in self._channels.expired(now):
            events.append(Rejected(NO_ANSWER, "", "no answer within 10 s", f"subscribe {channel}"))
        if self._auth_timeout.expired(now):
            if self._login.refused:
                return [*events, Stalled(_TO_CLOSE)]
            words = "not authenticated within the minute"
            events += [Rejected(NO_ANSWER, "", words, "auth"), Stalled(codes.AUTH_WITHIN)]
        if self._tell_again.expired(now):
            self._tell()
        return events

    def _closed(self, code: int, reason: str, now: int) -> Closed:
        no = self._open and not self.authenticated and code not in _NOT_A_NO
        closed = super()._closed(code, reason, now)
        return replace(closed, retry=self._login.after_close(closed.retry, no, now))

    def _give_up(self) -> list[Event]:
        if self._away_since is None:  # else what happened since is still not known
            self._away_since = self._heard
        return self._pending.lost()

    def _forget(self) -> None:
        # Cancel-on-disconnect is off on every new connection.
        self.authenticated, self._cod_in_force = False, None
        self._channels.reset()

    # --- what comes -------------------------------------------------------------------------------

    def _message(self, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        match content:
            case {"authenticated": bool(accepted)}:
                return self._login_answered(accepted, now)
            case {"type": "auth", "result": result}:  # until 2025, and still in some examples
                return self._login_answered(result == "success", now)
            case {"err": _} | {"type": "error"}:
                return self._failed(content, now)
            case {"ack": dict(ack)}:
                return [self._acknowledged(ack)]
            case {"subscribed": str(channel)}:
                return [self._subscribed(channel)]
            case {"unsubscribed": str(channel)}:
                self._pending.answered("", (channel,), "unsubscribed")
                return [Unsubscribed(channel)]
            case {"user_trades": trades}:  # another name, on one of the venue's pages
                return [self._reply("user_trades_response", trades)]
        if known := [key for key in content if key in REPLIES]:
            return [self._reply(known[0], content[known[0]])]
        return self._older(content, raw, now)

    def _login_answered(self, accepted: bool, now: int) -> list[Event]:
        if not accepted:
            self.authenticated = False
            words = "the credentials are refused"
            return self._login_failed(Rejected("authenticated: false", "", words), now)
        again, self.authenticated = self.authenticated, True
        self._auth_timeout.stop()
        self._login.accepted()
        self._was_in = True
        if not again:
            self._tell()
            self._catch_up()
        return [Authenticated()]

    def _catch_up(self) -> None:
        """Ask for orders and fills of the time away, which the venue does not send again."""
        since = self._away_since
        if since is None:
            return
        if "order_responses" in self._channels:
            self._say(GetUserOrders(), by_itself=True)
        if "fills" in self._channels:
            # Inclusive, and in whole seconds; a fill that came already comes again in the list.
            # Until that has come, a connection that is lost as well must not move the beginning.
            self._say(GetUserTrades(start_ts=since // SECOND), by_itself=True)
        else:
            self._away_since = None

    def _failed(self, content: Mapping[str, Any], now: int) -> list[Event]:
        event, kind, params = codes.error_of(content)
        if not self.authenticated and self._open:
            return self._login_failed(event, now)
        self._pending.answered(kind, codes.ids_of(params), every=kind in _OF_CHANNELS)
        named = params.get("channels") if kind == "subscribe" else None
        channels = [name for name in self._channels if isinstance(named, list) and name in named]
        if event.code in codes.RETRYABLE:
            if kind in _TOLD:
                self._channels.hold(*channels)
                self._tell_again.at(now + (pause_named(event.message) or _PAUSE))
        elif event.code in codes.BENIGN:
            for channel in channels:
                self._channels.timeouts.discard(channel)
        else:
            why = f"{event.code}: {event.meaning or event.message}"
            for channel in channels:
                if self._channels.state(channel) is not IN_FORCE:
                    self._channels.refuse(channel, why)
            self._cod_refused = why if kind == "cancel_on_disconnect" else self._cod_refused
        return [event]

    def _login_failed(self, event: Rejected, now: int) -> list[Event]:
        """Before the session is authenticated only its login can have failed."""
        if event.code == "AlreadyAuthenticated":
            return self._login_answered(True, now)
        if event.code in codes.RETRYABLE:
            # With nothing to be said again in place, the minute runs out and the driver redials.
            self._login.refused = False
        elif event.code not in codes.BENIGN:
            # A server that does not close is left, but no later than it was to be left anyway.
            self._login.refused = True
            until = self._auth_timeout.deadline or now + _TO_CLOSE
            self._auth_timeout.at(min(now + _TO_CLOSE, until))
        return [replace(event, about=event.about or "auth")]

    def _acknowledged(self, ack: dict[str, Any]) -> Event:
        kind, params = codes.echoed(ack)
        if not kind:
            raise Malformed("an acknowledgement of nothing", field="ack.incoming_message")
        self._pending.answered(kind, codes.ids_of(params), "ack")
        if kind == "cancel_on_disconnect":
            stated = params.get("cancel_on_disconnect")
            self._cod_in_force = stated if isinstance(stated, bool) else None
            self._cod_refused = ""
        return Acknowledged(kind, params)

    def _subscribed(self, channel: str) -> Event:
        self._pending.answered("", (channel,), "subscribed")
        if channel in self._channels.refused:
            self._channels.add(channel)
        self._channels.in_force(channel)
        # There may be nothing else: no order, no fill, no position.
        self._channels.come(channel)
        return Subscribed(channel)

    def _reply(self, key: str, content: Any) -> Event:
        record = read(REPLIES[key], content, key)
        self._pending.answered("", codes.ids_of(content), key)
        if key == "user_trades_response":
            self._away_since = None
        return self._once(key, key, record) if isinstance(record, Fill) else Data(key, record)

    def _older(self, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        """The envelope that was current until 2025 and is still in the venue's examples."""
        name, rows = content.get("type"), content.get("contents")
        channel = content.get("channel", name)
        if not isinstance(name, str) or not isinstance(channel, str):
            return []
        channel, key = OLDER.get(channel, (channel, ""))
        # Every message of the channel says that it is subscribed.
        again = name == "subscribed" and self._channels.state(channel) is IN_FORCE
        change = name in ("subscribed", "unsubscribed") and not again
        events = self._message({name: channel}, raw, now) if change else []
        if key and isinstance(rows, list):
            events += [Data(key, read(REPLIES[key], row, key)) for row in rows]
        return events
