"""QFEX's trade socket: authentication, subscriptions, requests and replies.

Every authenticated connection is first told about cancel-on-disconnect (off on a new connection)
and the channels, and after a reconnect is asked for what happened meanwhile. If the venue refuses
some of this for the moment, the session says it again after the pause that the venue names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from payloads.errors import Malformed, Misuse
from payloads.venues.common.dedupe import Duplicate, Repeats
from payloads.venues.common.endpoints import address
from payloads.venues.common.http_words import refused
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import (
    NO_ANSWER,
    SECOND,
    Authenticated,
    Broken,
    Closed,
    Data,
    Dial,
    Event,
    Rejected,
    Retry,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.timers import Timeout, earliest
from payloads.venues.qfex.auth import Credentials, Login
from payloads.venues.qfex.codes import (
    AUTH_WITHIN,
    BENIGN,
    RETRYABLE,
    TRADE_ENDPOINTS,
    echoed,
    error_of,
    identity,
    retry_hint,
)
from payloads.venues.qfex.records import (
    ALSO,
    LATEST,
    OLDER,
    REPLIES,
    Fill,
    came_before,
    flatten,
    read,
)
from payloads.venues.qfex.requests import (
    TRADE_CHANNELS,
    CancelOnDisconnect,
    GetUserOrders,
    GetUserTrades,
    Pending,
    Request,
    Subscribe,
    Unchecked,
    Unsubscribe,
    encode,
)

# A server that closes before it has authenticated us says no, except with these codes.
_NOT_A_NO = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
# How long a server that said no may take to close; then the connection is left.
_TO_CLOSE = 5 * SECOND
# The pause after a refusal for the moment that names none.
_PAUSE = SECOND
_SUBSCRIPTIONS: dict[str, type[Subscribed] | type[Unsubscribed]] = {
    "subscribed": Subscribed,
    "unsubscribed": Unsubscribed,
}


class Acknowledged(Event, frozen=True):
    """A message of ours that the venue took, as the venue echoes it, without credentials."""

    kind: str
    params: Mapping[str, Any]


class QfexTradeSession(JsonSession):
    """A connection to the trade socket.

    `nonces` returns a fresh nonce at each call (`lambda: secrets.token_hex(16)`). `key_in` says
    where the public key (or JWT) goes besides the message: `query` as the documentation has it,
    `headers` as the venue's own client does, or `none`. `payloads.venues.qfex.auth` says what
    becomes of `credentials` that are a function.
    """

    venue: ClassVar[str] = "qfex"

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
    ) -> None:
        super().__init__()
        self._url = address(endpoint, TRADE_ENDPOINTS)
        self._login = Login(
            credentials, nonces, account_id=account_id, key_in=key_in, redactor=self._redactor
        )
        self._channels = dict.fromkeys(channels)
        if self._channels:
            Subscribe(tuple(self._channels))  # which checks them
        self._cod = cancel_on_disconnect
        self._pending, self._repeats = Pending(), Repeats(LATEST)
        self._authenticated = False
        # What the venue has confirmed on this connection.
        self._in_force: set[str] = set()
        self._cod_in_force: bool | None = None
        self._refused: dict[str, str] = {}
        add = self._timers.add
        self._auth_timeout, self._tell_again = add(Timeout(AUTH_WITHIN)), add(Timeout())
        add(self._pending.timeouts)
        # When we last heard from a connection that was authenticated, and from the one before.
        self._heard: int | None = None
        self._away_since: int | None = None

    @property
    def authenticated(self) -> bool:
        """Whether the venue has accepted the credentials on this connection."""
        return self._authenticated

    @property
    def cancel_on_disconnect(self) -> bool | None:
        """Whether orders go when this connection does, as far as the venue has confirmed it."""
        return self._cod_in_force

    @property
    def subscribed(self) -> list[str]:
        """The channels that the venue has confirmed on this connection."""
        return sorted(self._in_force)

    @property
    def repeated(self) -> int:
        """How many fills came twice and were dropped."""
        return self._repeats.count

    @property
    def refused(self) -> dict[str, str]:
        return {**self._refused}

    @property
    def all_refused(self) -> bool:
        return bool(self._channels) and self._channels.keys() <= self._refused.keys()

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def subscribe(self, *channels: str) -> None:
        """Subscribe to private channels, now and after every reconnect."""
        self._want(Subscribe(channels))

    @by_caller
    def unsubscribe(self, *channels: str) -> None:
        """Unsubscribe from private channels."""
        self._want(Unsubscribe(channels))

    @by_caller
    def request(self, request: Request | Unchecked) -> None:
        """Send a request; `Misuse` before the session is authenticated, as nothing is kept.

        Subscriptions and cancel-on-disconnect hold after every reconnect, and may come earlier.
        """
        if isinstance(request, Subscribe | Unsubscribe | CancelOnDisconnect):
            self._want(request)
        elif not self._authenticated:
            raise Misuse("not authenticated, and nothing is kept for later")
        else:
            self._say(request)

    @by_caller
    def renew(self, credentials: Credentials) -> None:
        """Use other credentials from the next connection on; a JWT wants this before it ends."""
        self._login.renew(credentials)

    def _want(self, request: Subscribe | Unsubscribe | CancelOnDisconnect) -> None:
        """Remember what every later connection is to be told, and tell this one."""
        if isinstance(request, CancelOnDisconnect):
            self._cod = request.cancel_on_disconnect
        else:
            for channel in request.channels:
                self._channels.pop(channel, None)
            if isinstance(request, Subscribe):
                self._channels.update(dict.fromkeys(request.channels))
            self._forgive(request.channels)
        if self._authenticated:
            self._say(request, by_itself=True)

    def _forgive(self, channels: Iterable[str]) -> None:
        """An earlier refusal of these is not the last word any more."""
        for channel in channels:
            self._refused.pop(channel, None)

    def _say(self, request: Request | Unchecked, by_itself: bool = False) -> None:
        self._outgoing.append(encode(request))
        # Without that channel orders are not answered at all.
        if request.answer != "order_response" or "order_responses" in self._channels:
            self._pending.sent(request, by_itself)

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        return self._login.dial(self._url, now)

    def _begin(self, now: int) -> list[Event]:
        message = self._login.message(now)
        if message is None:
            self._open = False
            retry = self._login.after_close(Retry(True, ""), False, now)
            return [self._no_token(), Closed(1000, "", retry)]
        self._send(message)
        self._auth_timeout.start(now)
        return []

    def _no_token(self) -> Rejected:
        return Rejected("no token", "", self._login.no_token, "auth")

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        event, retry = refused(status, headers, body, self._redactor, about="upgrade")
        event = self._no_token() if self._login.no_token else event
        return event, self._login.after_upgrade(status, retry)

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        return [event for one in flatten(content) for event in self._guarded(one, raw, now)]

    def received(self, data: Message, now: int) -> list[Event]:
        events = super().received(data, now)
        if self._authenticated:
            self._heard = now
        return events

    def _check_timers(self, now: int) -> list[Event]:
        events: list[Event] = [*self._pending.late(now)]
        if self._auth_timeout.expired(now):
            events += self._not_inside()
        if self._tell_again.expired(now):
            self._tell()
        return events

    def _not_inside(self) -> list[Event]:
        if self._login.refused:
            return [Stalled(_TO_CLOSE)]
        words = "not authenticated within the minute"
        return [Rejected(NO_ANSWER, "", words, "auth"), Stalled(AUTH_WITHIN)]

    def _give_up(self) -> list[Event]:
        if self._away_since is None:  # else what happened since is still not known
            self._away_since = self._heard
        return [*self._pending.lost()]

    def _closed(self, code: int, reason: str, now: int) -> Closed:
        refused = self._open and not self._authenticated and code not in _NOT_A_NO
        event = super()._closed(code, reason, now)
        retry = self._login.after_close(event.retry, refused, now)
        return Closed(code, event.reason, retry)

    def _forget(self) -> None:
        # Cancel-on-disconnect is off on every new connection.
        self._authenticated, self._cod_in_force, self._in_force = False, None, set()

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
            return self._failed(content, now)
        if isinstance(content.get("ack"), dict):
            return [self._acknowledged(content["ack"])]
        for verb in _SUBSCRIPTIONS:
            if isinstance(content.get(verb), str):
                return self._subscription(verb, content[verb])
        for key in content:
            if (name := ALSO.get(key, key)) in REPLIES:
                return [self._reply(name, read(REPLIES[name], content[key], key))]
        return self._older(content, raw, now)

    def _answer(self, accepted: bool, now: int) -> list[Event]:
        """The answer to the login."""
        if not accepted:
            self._authenticated = False
            self._login_refused(now)
            return [Rejected("authenticated: false", "", "the credentials are refused", "auth")]
        again = self._authenticated
        self._auth_timeout.stop()
        self._authenticated = True
        self._login.accepted()
        if not again:
            self._tell()
            self._catch_up()
        return [Authenticated()]

    def _tell(self) -> None:
        """Say what every connection is told, as far as the venue has not confirmed it."""
        self._tell_again.stop()
        if self._cod is not None and self._cod_in_force is not self._cod:
            self._say(CancelOnDisconnect(self._cod), by_itself=True)
        if missing := tuple(name for name in self._channels if name not in self._in_force):
            self._say(Subscribe(missing))

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
        event, (kind, params) = error_of(content), echoed(content)
        if not self._authenticated and self._open:
            return self._login_failed(event, now)
        self._pending.failed(kind, params)
        if event.code in RETRYABLE:
            if kind in ("subscribe", "cancel_on_disconnect"):
                self._tell_again.at(now + (retry_hint(event.message) or _PAUSE))
        elif kind in ("subscribe", "cancel_on_disconnect") and event.code not in BENIGN:
            self._deny(kind, params, event)
        return [event]

    def _deny(self, kind: str, params: Mapping[str, Any], event: Rejected) -> None:
        """The venue says no for good to what every connection is told."""
        channels = params.get("channels", ()) if kind == "subscribe" else [kind]
        words = f"{event.code}: {event.meaning or event.message}"
        for channel in channels if isinstance(channels, list | tuple) else ():
            if isinstance(channel, str) and channel not in self._in_force:
                self._refused[channel] = words

    def _login_failed(self, event: Rejected, now: int) -> list[Event]:
        """Before we are authenticated only a login can have failed."""
        if event.code == "AlreadyAuthenticated":
            return self._answer(True, now)
        if event.code in RETRYABLE:
            # With nothing to be said again in place, the minute runs out and the driver redials.
            self._login.refused = False
        elif event.code not in BENIGN:
            self._login_refused(now)
        return [Rejected(event.code, event.message, event.meaning, event.about or "auth")]

    def _login_refused(self, now: int) -> None:
        self._login.refused = True
        until = earliest(self._auth_timeout.deadline, now + _TO_CLOSE)
        self._auth_timeout.at(until or 0)

    def _acknowledged(self, ack: dict[str, Any]) -> Event:
        kind, params = echoed(ack)
        if not kind:
            raise Malformed("an acknowledgement of nothing", field="ack.incoming_message")
        self._pending.answered("ack", identity(kind, params), kind)
        if kind == "cancel_on_disconnect":
            stated = params.get("cancel_on_disconnect")
            self._cod_in_force = stated if isinstance(stated, bool) else None
            self._forgive([kind])
        return Acknowledged(kind, params)

    def _subscription(self, verb: str, channel: str) -> list[Event]:
        self._pending.answered(verb, {"channel": channel})
        if verb == "subscribed" and channel in TRADE_CHANNELS:
            self._in_force.add(channel)
            self._forgive([channel])
        elif verb == "unsubscribed":
            self._in_force.discard(channel)
        return [_SUBSCRIPTIONS[verb](channel)]

    def _reply(self, key: str, record: Any) -> Event:
        ids = {
            name: getattr(record, name, None) for name in getattr(record, "__struct_fields__", ())
        }
        self._pending.answered(key, identity("", ids))
        if key == "user_trades_response":
            self._away_since = None
        if isinstance(record, Fill) and came_before(self._repeats, key, record):
            return Duplicate(key, record)
        return Data(key, record)

    def _older(self, content: dict[str, Any], raw: Message, now: int) -> list[Event]:
        """Forms that were current until 2025 and are still in the venue's examples."""
        name = content.get("type")
        if name == "auth" and "result" in content:
            return self._answer(content["result"] == "success", now)
        channel = content.get("channel", name)
        if not isinstance(name, str) or not isinstance(channel, str):
            return [Unknown(content, raw)]
        # Every message of the channel says that it is subscribed.
        channel, key = OLDER.get(channel, (channel, ""))
        events: list[Event] = []
        if name in _SUBSCRIPTIONS and (name != "subscribed" or channel not in self._in_force):
            events = self._subscription(name, channel)
        rows = content.get("contents")
        if key and isinstance(rows, list):
            records = [read(REPLIES[key], row, key) for row in rows]
            return [*events, *(Data(key, record) for record in records)]
        return events or [Unknown(content, raw)]
