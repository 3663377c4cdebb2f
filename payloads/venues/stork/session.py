"""Stork Fast: a websocket of signed or unsigned updates, and the taxonomy that names its assets.

`StorkSession` is one connection on one channel. It always states channel and message type, because
their defaults are not published. Subscriptions belong to the connection and are sent again at every
`opened`. The service acknowledges nothing: an asset counts as subscribed with the first data for
it, or, since a quiet asset on `real_time` sends none, when a timer runs out (`Assumed`). Asset ids
mean something only under a taxonomy, so names are looked up in the one that is read over REST
(request in `take_requests`, answer to `replied`) and ids are never built in.

`signed_ecdsa` messages come as `Data` with the payload's bytes, `unsigned` ones with a decoded
`UnsignedUpdate`; messages of other types come as `Unknown`. A message that came before on this
connection, letter for letter, is a `Duplicate`: each holds its time in nanoseconds. On fixed-rate
channels a stream that has begun and then stops for `silence` comes as `Stalled`.

Nothing public says that tokens end. One that is withdrawn shows as a 401 at the next dial, which is
not tried again.

Known only from clients in the field: the gateway wants permessage-deflate to be offered, and no
more than 5 REST requests a second are allowed. What statuses mean is in `CODES`; the service
publishes none for the websocket, and no close codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar

from payloads.errors import Misuse, PayloadError, shown
from payloads.stork.frames import SIGNED, UNSIGNED, payload_bytes
from payloads.stork.update import SignedUpdate, UnsignedUpdate, decode, decode_unsigned
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import (
    SECOND,
    Data,
    Dial,
    Event,
    Opened,
    Rejected,
    Reply,
    Retry,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.shared import (
    Duplicate,
    JsonSession,
    Repeats,
    Watchdog,
    address,
    closing,
    earliest,
)
from payloads.venues.stork.rest import (
    ENDPOINTS,
    MAIN,
    PAUSE,
    SECRET_HEADERS,
    Taxonomy,
    authorization,
    check_token,
    refusal,
)
from payloads.venues.stork.taxonomy import TaxonomyRead, TaxonomyReader

# Nanoseconds between messages; None for on change only.
CHANNELS: dict[str, int | None] = {
    "10ms": SECOND // 100,
    "20ms": SECOND // 50,
    "50ms": SECOND // 20,
    "100ms": SECOND // 10,
    "500ms": SECOND // 2,
    "1s": SECOND,
    "real_time": None,
}
MESSAGE_TYPES = (UNSIGNED, SIGNED)
WS_PATH = "/ws"

# On a fixed-rate channel, even the slowest, this is silence.
_SILENCE = 5 * SECOND
# After so long without data a subscription is taken to be in force (or over) all the same.
_CONFIRM_AFTER = 5 * SECOND
_NOT_THERE = "not in the taxonomy, as far as this token may see it"


class Assumed(Subscribed, frozen=True):
    """A subscription that nothing contradicts: no data came for it, and no refusal either."""


# --- the session ----------------------------------------------------------------------------------


class StorkSession(JsonSession):
    """One connection to Stork Fast. See the module's first lines.

    `assets` are ids or names. With names the taxonomy is read at every `opened`; `taxonomy` has it
    read without. `market_status` asks for `ms` beside every value, and with it for the versioned
    payload. `silence` and `confirm_after` are in nanoseconds; without `silence` fixed-rate channels
    have 5 seconds and `real_time` has none.
    """

    venue: ClassVar[str] = "stork"

    def __init__(
        self,
        token: Secret,
        assets: Iterable[int | str] = (),
        *,
        channel: str = "real_time",
        message_type: str = SIGNED,
        market_status: bool = False,
        endpoint: str = MAIN,
        taxonomy: bool = False,
        silence: int | None = None,
        confirm_after: int = _CONFIRM_AFTER,
    ) -> None:
        super().__init__(token)
        check_token(token)
        _one_of(channel, CHANNELS, "channel")
        _one_of(message_type, MESSAGE_TYPES, "message_type")
        self.channel, self.message_type = channel, message_type
        self.endpoint = address(endpoint, ENDPOINTS)
        self._token = token
        self._reader = TaxonomyReader(token, self.endpoint, self._redactor)
        self._market_status, self._reads_taxonomy = market_status, taxonomy
        fixed = CHANNELS[channel] is not None
        self._watchdog = Watchdog(_SILENCE if silence is None and fixed else silence)
        self._repeats = Repeats()
        # What the caller wants, and the ids that this connection was asked for.
        self._wanted: dict[int | str, None] = dict.fromkeys(_checked(assets))
        self._asked: dict[int, None] = {}
        # When a subscription, or its end, is taken to be in force without a sign of it.
        self._joining = Timeouts[int](confirm_after)
        self._leaving = Timeouts[int](confirm_after)

    def __repr__(self) -> str:
        return f"StorkSession({self.endpoint!r}, {self.channel!r}, {self.message_type!r})"

    # --- what a caller wants ---

    @property
    def repeated(self) -> int:
        """How many messages came twice and were dropped."""
        return self._repeats.count

    @property
    def taxonomy(self) -> Taxonomy | None:
        """The taxonomy as it was read last."""
        return self._reader.latest

    @property
    def denied(self) -> dict[str, str]:
        if self._reader.deadline is not None:  # being read
            return {}
        why = self._reader.gave_up or (_NOT_THERE if self.taxonomy else "")
        return dict.fromkeys(self._nameless(), why) if why else {}

    @property
    def hopeless(self) -> bool:
        if self._asked or not self._wanted:
            return False
        return len(self.denied) == len(self._wanted)

    @property
    def assets(self) -> tuple[int, ...]:
        """The ids that are wanted, as far as they are known."""
        ids = self.taxonomy.ids if self.taxonomy else {}
        found = (ids.get(one) if isinstance(one, str) else one for one in self._wanted)
        return tuple(dict.fromkeys(one for one in found if one is not None))

    @by_caller
    def subscribe(self, assets: Iterable[int | str], now: int) -> None:
        """Ask for more assets: at once if the connection is open, and after every reconnect."""
        new = dict.fromkeys(_checked(assets))
        self._wanted |= new
        if self._open and any(name in new for name in self._nameless()):
            self._reader.want(now)
        self._settle(now)

    @by_caller
    def unsubscribe(self, assets: Iterable[int | str], now: int) -> None:
        """Give up assets, by the ids or names they were asked by; some may still be on its way."""
        for asset in _checked(assets):
            self._wanted.pop(asset, None)
        self._settle(now)

    def _nameless(self) -> list[str]:
        """The names whose ids are not known."""
        known: Collection[str] = self.taxonomy.ids if self.taxonomy else ()
        return [one for one in self._wanted if isinstance(one, str) and one not in known]

    def _settle(self, now: int) -> None:
        """Bring the connection to what is wanted, and say when time alone changes something."""
        if self._open:
            self._sync(now)
            self._requests += self._reader.due(now)
        self._plan()

    def _plan(self) -> None:
        self.deadline = earliest(
            self._watchdog.deadline,
            self._joining.deadline,
            self._leaving.deadline,
            self._reader.deadline,
        )

    def _sync(self, now: int) -> None:
        """Send what differs. Spelled as the service takes it: its page has `usubscribe` too."""
        wanted = dict.fromkeys(self.assets)
        if wanted == self._asked:
            return
        gone = [one for one in self._asked if one not in wanted]
        new = [one for one in wanted if one not in self._asked]
        self._asked = wanted
        self._announce("unsubscribe", gone, self._leaving, self._joining, now)
        self._announce("subscribe", new, self._joining, self._leaving, now)
        if not wanted:
            self._watchdog.stop()

    def _announce(
        self, kind: str, ids: list[int], begun: Timeouts[int], ended: Timeouts[int], now: int
    ) -> None:
        if ids:
            self._send({"type": kind, "assets": ids})
        for asset_id in ids:
            begun.add(asset_id)
            ended.discard(asset_id)
        begun.told(now)

    # --- what a driver calls ---

    def dial(self, now: int) -> Dial:
        query = f"channel={self.channel}&message_type={self.message_type}"
        if self._market_status:
            query += "&addtl_attrs=ms"
        url = f"{self.endpoint}{WS_PATH}?{query}"
        return Dial(url, authorization(self._token), SECRET_HEADERS)

    def opened(self, now: int) -> list[Event]:
        self._forget()
        self._open = True
        if self._reads_taxonomy or any(isinstance(one, str) for one in self._wanted):
            self._reader.want(now)
        self._settle(now)
        return [Opened()]

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == SIGNED:
            found = Data(self.channel, content, payload_bytes(content))
        elif kind == UNSIGNED:
            found = Data(self.channel, decode_unsigned(content))
        else:
            return self._echoed(content) or [Unknown(content, raw)]
        if self._asked:
            self._watchdog.fed(now)
        # Nothing else acknowledges a subscription.
        confirmed = self._confirmed(_asset_ids(found)) if self._joining else []
        new = not self._repeats.again(raw)
        return [*confirmed, found if new else Duplicate(found.channel, found.content)]

    def _go_on(self, now: int) -> list[Event]:
        if self._joining or self._leaving or self._reader.deadline is not None:
            self._plan()
        else:  # as it is for nearly every message
            self.deadline = self._watchdog.deadline
        return []

    def _confirmed(self, ids: list[int]) -> list[Event]:
        """Of these, what was asked for and is in force now."""
        return [Subscribed(str(one)) for one in ids if self._joining.discard(one)]

    def _echoed(self, message: Any) -> list[Event]:
        """An echo of what was sent, which is not documented, is taken as an acknowledgement."""
        kind, ids = _echo(message)
        if kind == "subscribe":
            return self._confirmed(ids)
        return [Unsubscribed(str(one)) for one in ids if self._leaving.discard(one)]

    def tick(self, now: int) -> list[Event]:
        events: list[Event] = [*self._watchdog.check(now)]
        events += [Assumed(str(one)) for one in self._joining.ripe(now)]
        events += [Unsubscribed(str(one)) for one in self._leaving.ripe(now)]
        events += self._reader.check(now)
        self._settle(now)
        return events

    def replied(self, reply: Reply, now: int) -> list[Event]:
        if reply.purpose != "taxonomy":
            return []
        events = self._reader.replied(reply, now)
        if any(isinstance(event, TaxonomyRead) for event in events):
            events += [self._not_there(name) for name in self._nameless()]
        self._settle(now)
        return events

    @staticmethod
    def _not_there(name: str) -> Rejected:
        return Rejected("no such asset", shown(name), _NOT_THERE, name)

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return refusal(status, headers, body, self._redactor)

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        self._forget()
        self._settle(now)
        return [closing(code, reason, PAUSE, self._redactor)]

    def _forget(self) -> None:
        """What belonged to a connection that is gone."""
        self._open = False
        for one in (self._outgoing, self._asked, self._joining, self._leaving):
            one.clear()
        self._requests.clear()
        self._reader.stop()
        self._watchdog.stop()
        self._repeats.forget()


# --- pieces ---------------------------------------------------------------------------------------


def _one_of(value: str, known: Collection[str], field: str) -> None:
    if value not in known:
        raise Misuse("not known", field=field, expected=", ".join(known), found=shown(value))


def _checked(assets: Iterable[int | str]) -> list[int | str]:
    """Ids of two bytes, and names."""
    listed: list[int | str] = [assets] if isinstance(assets, str) else list(assets)
    for one in listed:
        if not (0 <= one < 2**16 if type(one) is int else isinstance(one, str) and one):
            expected = "an id from 0 to 65535, or a name"
            raise Misuse("not an asset", field="assets", expected=expected, found=shown(one))
    return listed


def _asset_ids(data: Data) -> list[int]:
    """What a message has data for; nothing where its payload cannot be read."""
    try:
        update: SignedUpdate | UnsignedUpdate = (
            decode(data.payload) if data.payload else data.content
        )
    except PayloadError:
        return []
    return [asset.asset_id for asset in update.assets]


def _echo(message: Any) -> tuple[str, list[int]]:
    """The kind and ids of a message that repeats one of the client's; none of any other."""
    if not isinstance(message, dict) or message.get("type") not in ("subscribe", "unsubscribe"):
        return "", []
    ids = message.get("assets")
    listed = ids if isinstance(ids, list) else []
    return message["type"], [one for one in listed if type(one) is int]
