"""Stork Fast: a websocket of signed or unsigned updates, and the taxonomy that names its assets.

`StorkSession` is one connection on one channel. It always states channel and message type, because
their defaults are not published. Subscriptions belong to the connection and are sent again at every
`opened`. The service acknowledges nothing: an asset counts as subscribed with the first data for
it, or, since a quiet asset on `real_time` sends none, when a timer runs out (`Assumed`). Asset ids
mean something only under a taxonomy, so names are looked up in the taxonomy read over REST
(request in `take_requests`, answer to `replied`) and ids are never built in.

`signed_ecdsa` messages come as `Data` with the payload's bytes, `unsigned` messages with a decoded
`UnsignedUpdate`. A message of type `error`, which is not documented, is a `Rejected`: assets that
have no data by then are in `refused` while none comes. Messages of other types come as `Unknown`. A
message that came before on this connection, letter for letter, is a `Duplicate`: each holds its
time in nanoseconds. On fixed-rate channels a stream that has begun and then stops for `silence`
comes as `Stalled`.

Nothing public says that tokens end. A token that is withdrawn shows as a 401 at the next dial,
which is not tried again.

Known only from clients in the field: the gateway wants permessage-deflate to be offered, and no
more than 5 REST requests a second are allowed. What statuses mean is in `codes`; the service
publishes none for the websocket, and no close codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar

from payloads.errors import Malformed, Misuse, PayloadError, elide, shown
from payloads.stork.frames import SIGNED, UNSIGNED, payload_bytes
from payloads.stork.update import SignedUpdate, UnsignedUpdate, decode, decode_unsigned
from payloads.venues.common.dedupe import Duplicate, Repeats
from payloads.venues.common.endpoints import address
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.pending import Timeouts
from payloads.venues.common.redactor import Message, Secret
from payloads.venues.common.session import (
    NO_DATA,
    NOT_ASKED,
    SECOND,
    Data,
    Dial,
    Event,
    Missing,
    Rejected,
    Reply,
    Retry,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
)
from payloads.venues.common.subscriptions import ASKED, ENDED, HELD, Subscriptions
from payloads.venues.common.timers import Watchdog
from payloads.venues.stork.auth import SECRET_HEADERS, authorization, check_token
from payloads.venues.stork.codes import PAUSE, refusal
from payloads.venues.stork.rest import ENDPOINTS, MAIN, Taxonomy
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
    redial_after: ClassVar[int] = PAUSE

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
        self._market_status, self._reads_taxonomy = market_status, taxonomy
        # What the caller wants; whether the connection may not be subscribed to just that.
        self._wanted: dict[int | str, None] = dict.fromkeys(_checked(assets))
        self._differs = True
        self._repeats = Repeats()
        self._reader = TaxonomyReader(token, self.endpoint, self._redactor)
        add = self._timers.add
        add(self._reader.due)
        add(self._reader.answer)
        fixed = CHANNELS[channel] is not None
        self._watchdog = add(Watchdog(_SILENCE if silence is None and fixed else silence))
        # By id. Without a sign of it a subscription, or its end, is taken to be in force.
        self._subscriptions = Subscriptions[int](confirm_after)
        add(self._subscriptions.timeouts)
        self._leaving = add(Timeouts[int](confirm_after))
        # The subscriptions that were without data when the service sent an error, and its words.
        self._contested: dict[int, str] = {}

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
    def refused(self) -> dict[str, str]:
        contested = ((asset, self._id_of(asset)) for asset in self._wanted)
        return self._refused_names | {
            str(asset): self._contested[asset_id]
            for asset, asset_id in contested
            if asset_id in self._contested and not self._subscriptions.has_come(asset_id)
        }

    @property
    def _refused_names(self) -> dict[str, str]:
        if self._reader.busy:
            return {}
        why = self._reader.gave_up or (_NOT_THERE if self.taxonomy else "")
        return dict.fromkeys(self._nameless(), why) if why else {}

    @property
    def missing(self) -> dict[str, Missing]:
        refused, found = self.refused, dict[str, Missing]()
        for asset in self._wanted:
            asset_id = self._id_of(asset)
            if str(asset) not in refused and not self._subscriptions.has_come(asset_id):
                asked_at = self._subscriptions.asked_at(asset_id)
                found[str(asset)] = Missing(NO_DATA if asked_at else NOT_ASKED, asked_at)
        return found

    @property
    def all_refused(self) -> bool:
        return bool(self._wanted) and len(self._refused_names) == len(self._wanted)

    @property
    def assets(self) -> tuple[int, ...]:
        """The ids that are wanted, as far as they are known."""
        found = map(self._id_of, self._wanted)
        return tuple(dict.fromkeys(asset_id for asset_id in found if asset_id >= 0))

    def _id_of(self, asset: int | str) -> int:
        """The id of a wanted asset; -1 for a name that is not known."""
        if not isinstance(asset, str):
            return asset
        return self.taxonomy.ids.get(asset, -1) if self.taxonomy else -1

    @by_caller
    def subscribe(self, *assets: int | str) -> None:
        """Subscribe to assets by id or name, now and after every reconnect."""
        new = dict.fromkeys(_checked(assets))
        self._wanted |= new
        self._differs = True
        for asset in new:
            self._contested.pop(self._id_of(asset), None)
        if self._open and any(name in new for name in self._nameless()):
            self._reader.want()

    @by_caller
    def unsubscribe(self, *assets: int | str) -> None:
        """Unsubscribe assets, by the ids or names they were subscribed by."""
        for asset in _checked(assets):
            self._wanted.pop(asset, None)
        self._differs = True

    def _nameless(self) -> list[str]:
        """The names whose ids are not known."""
        known: Collection[str] = self.taxonomy.ids if self.taxonomy else ()
        return [name for name in self._wanted if isinstance(name, str) and name not in known]

    # --- what a driver calls ---

    def dial(self, now: int) -> Dial:
        query = f"channel={self.channel}&message_type={self.message_type}"
        if self._market_status:
            query += "&addtl_attrs=ms"
        url = f"{self.endpoint}{WS_PATH}?{query}"
        return Dial(url, authorization(self._token), SECRET_HEADERS)

    def _begin(self, now: int) -> list[Event]:
        if self._reads_taxonomy or any(isinstance(asset, str) for asset in self._wanted):
            self._reader.want()
        return []

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == SIGNED:
            found = Data(self.channel, content, payload_bytes(content))
        elif kind == UNSIGNED:
            found = Data(self.channel, decode_unsigned(content))
        elif kind == "error":
            return [self._refused(content)]
        else:
            return self._echoed(content) or [Unknown(content, raw)]
        if self._watchdog.limit and self._subscriptions:
            self._watchdog.touch(now)
        # Nothing else acknowledges a subscription.
        confirmed = self._came(_asset_ids(found)) if self._subscriptions.any_waits else ()
        new = not self._repeats.again(raw)
        return [*confirmed, found if new else _repeated(found)]

    def _came(self, ids: list[int]) -> list[Event]:
        """There is data for these assets."""
        for asset_id in ids:
            self._subscriptions.come(asset_id)
        return self._confirmed(ids)

    def _refused(self, message: dict[str, Any]) -> Event:
        """An error, which is not documented. It may be about any subscription without data."""
        code, words = _error_of(message)
        asked = self._subscriptions.in_state(ASKED)
        for asset_id in asked:
            self._subscriptions.end(asset_id)
            self._contested[asset_id] = f"{code}: {words}" if words else code
        about = str(asked[0]) if len(asked) == 1 else ""
        return Rejected(code, words, "the service does not take a message", about)

    def _confirmed(self, ids: list[int]) -> list[Event]:
        """The events of the subscriptions that were asked for, and are in force now."""
        open_states = (ASKED, ENDED)  # after an error its fate is not known
        asked = [asset for asset in ids if self._subscriptions.state(asset) in open_states]
        return [Subscribed(str(asset)) for asset in asked if self._subscriptions.in_force(asset)]

    def _echoed(self, message: Any) -> list[Event]:
        """An echo of what was sent, which is not documented, is taken as an acknowledgement."""
        kind, ids = _echo(message)
        if kind == "subscribe":
            return self._confirmed(ids)
        return [Unsubscribed(str(asset_id)) for asset_id in ids if self._leaving.discard(asset_id)]

    def _check_timers(self, now: int) -> list[Event]:
        events: list[Event] = [*self._watchdog.expired(now)]
        for asset_id in self._subscriptions.expired(now):
            self._subscriptions.in_force(asset_id)
            events.append(Assumed(str(asset_id)))
        events += [Unsubscribed(str(asset_id)) for asset_id in self._leaving.expired(now)]
        return events + self._reader.expired(now)

    def _read_reply(self, reply: Reply, now: int) -> list[Event]:
        if reply.purpose != "taxonomy":
            return []
        events = self._reader.replied(reply, now)
        self._differs = True
        if any(isinstance(event, TaxonomyRead) for event in events):
            events += [
                Rejected("no such asset", shown(name), _NOT_THERE, name)
                for name in self._nameless()
            ]
        return events

    def _proceed(self, now: int | None) -> list[Event]:
        if self._differs and self._open:
            self._subscribe_anew()
        if now is not None and self._reader.due.expired(now):
            self._requests.append(self._reader.request(now))
        return []

    def _subscribe_anew(self) -> None:
        """Bring the connection to what is wanted."""
        subscriptions, wanted = self._subscriptions, self.assets
        self._differs = False
        gone = [asset_id for asset_id in subscriptions if asset_id not in wanted]
        gone = [asset_id for asset_id in gone if subscriptions.remove(asset_id) is not HELD]
        for asset_id in wanted:
            # What an error may have been about would be refused again, and others with it.
            if asset_id not in self._contested:
                subscriptions.add(asset_id)
        new = subscriptions.in_state(HELD)
        # Spelled as the service takes it: its page has `usubscribe` too.
        for kind, ids in (("unsubscribe", gone), ("subscribe", new)):
            if ids:
                self._send({"type": kind, "assets": ids})
        for asset_id in gone:
            self._leaving.add(asset_id)
        for asset_id in new:
            self._leaving.discard(asset_id)
            subscriptions.asked(asset_id)
        if not wanted:
            self._watchdog.stop()

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        return refusal(status, headers, body, self._redactor)

    def _forget(self) -> None:
        self._subscriptions.reset()
        self._contested.clear()
        self._differs = True
        self._repeats.forget()


# --- pieces ---------------------------------------------------------------------------------------


def _one_of(value: str, known: Collection[str], field: str) -> None:
    if value not in known:
        raise Misuse("not known", field=field, expected=", ".join(known), found=shown(value))


def _checked(assets: Iterable[int | str]) -> list[int | str]:
    """Ids of two bytes, and names."""
    listed: list[int | str] = [assets] if isinstance(assets, str) else list(assets)
    for asset in listed:
        if not (0 <= asset < 2**16 if type(asset) is int else isinstance(asset, str) and asset):
            expected = "an id from 0 to 65535, or a name"
            raise Misuse("not an asset", field="assets", expected=expected, found=shown(asset))
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


def _error_of(message: dict[str, Any]) -> tuple[str, str]:
    """The code and the words of an error, under the names that services have for them."""
    inner = message.get("error")
    message = inner if isinstance(inner, dict) else message
    codes = [message[key] for key in ("code", "error_code") if type(message.get(key)) in (int, str)]
    words = [message.get(key) for key in ("error", "message", "msg", "reason")]
    said = next((text for text in words if isinstance(text, str)), None)
    code = elide(str(codes[0]), 60) if codes else "error"
    return code, shown(message) if said is None else elide(said, 300)


def _echo(message: Any) -> tuple[str, list[int]]:
    """The kind and ids of a message that repeats a message of the client's; no ids otherwise."""
    if not isinstance(message, dict) or message.get("type") not in ("subscribe", "unsubscribe"):
        return "", []
    ids = message.get("assets")
    listed = ids if isinstance(ids, list) else []
    return message["type"], [asset for asset in listed if type(asset) is int]


def _repeated(found: Data) -> Duplicate:
    """Data that came before, with the time that was signed."""
    try:
        update = found.content if found.payload is None else decode(found.payload)
    except Malformed:
        return Duplicate(found.channel, found.content)
    return Duplicate(found.channel, found.content, update.timestamp_ns)
