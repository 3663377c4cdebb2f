"""Finery Markets: feeds by letter, order books, and REST methods over a websocket.

`FinerySession` signs the upgrade (`EFX-Key`, `EFX-Content`, `EFX-Sign`: HMAC-SHA384), waits until
the gateway says that it is connected to the exchange (a frame `X` with code 0), binds what was
asked for, and binds it again after a reconnect or when that link has been down. Frames become
`Data` events whose content is a `Frame`; for the feeds B, F and MD it carries the applied changes,
and `book(letter, id)` is the book they lead to. Books are dropped when the connection or the link
goes, because the venue has no sequence numbers and starts every feed with a snapshot.

The session reports as `Rejected`: a link that is down, no word about the link within
`status_within`, and a bind or a request without an answer. Without a word about the link it also
reports `Stalled`, so that the driver dials again. An update that repeats the update before it,
letter for letter, changes nothing, and is a `Duplicate`; a snapshot never is.

`subscribe`, `unsubscribe` and `request` raise `Misuse` for what the venue would not take; nothing
is raised for what it sends. A request is never sent while the link is down, and never sent twice. A
late or lost request is a `RequestFailed`, because only the caller can find out whether it arrived.

Cancel-on-disconnect is the venue's: orders with `cod` that were placed over a connection are
cancelled when it is lost. Nothing has to be stated again after a reconnect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from payloads.errors import Malformed, Misuse
from payloads.venues.common.dedupe import Duplicate
from payloads.venues.common.endpoints import address, header_value
from payloads.venues.common.http_words import clock_words, refused, worth_retrying
from payloads.venues.common.json_session import JsonSession
from payloads.venues.common.pending import Requests
from payloads.venues.common.redactor import Message, Redactor, Secret
from payloads.venues.common.session import (
    NO_ANSWER,
    SECOND,
    Authenticated,
    Broken,
    Data,
    Dial,
    Event,
    Missing,
    Rejected,
    Retry,
    Stalled,
    Unknown,
    by_caller,
)
from payloads.venues.common.subscriptions import IN_FORCE
from payloads.venues.common.timers import Pings, Timeout, check_length
from payloads.venues.finery.auth import (
    ENDPOINTS,
    NonceSequence,
    compact,
    signed_headers,
    stamp,
)
from payloads.venues.finery.book import Book
from payloads.venues.finery.codes import FATAL, TRANSIENT, code_in, code_of, meaning
from payloads.venues.finery.feeds import (
    BOOKS,
    LETTERS,
    Binding,
    FeedId,
    Frame,
    feed_id_of,
)
from payloads.venues.finery.records import rows_of
from payloads.venues.finery.requests import ABOUT, REPLY_WITHIN, read_reply, request_message
from payloads.venues.finery.subscriptions import FeedSubscriptions

PATH = "/ws"
# The venue's limits.
IDLE_LIMIT = 80 * SECOND
MAX_CONNECTIONS_PER_IP = 100
# Well below the idle limit, and it is not said that websocket pings count as activity.
PING_EVERY = 25 * SECOND
# The frame X follows the handshake at once; the venue states no time.
STATUS_WITHIN = 10 * SECOND
_BAD_NONCE, _BAD_TIMESTAMP = 6, 7


class Status(Event, frozen=True):
    """The gateway's link to the exchange: code 0 is up."""

    code: int
    meaning: str

    @property
    def up(self) -> bool:
        return self.code == 0


class FinerySession(JsonSession):
    """A connection to Finery Markets. All times are in nanoseconds."""

    venue: ClassVar[str] = "finery"

    def __init__(
        self,
        key: str,
        secret: Secret,
        bindings: Iterable[Binding | str] = (),
        *,
        nonces: NonceSequence,
        endpoint: str = "mainnet",
        ping_every: int | None = PING_EVERY,
        status_within: int = STATUS_WITHIN,
        reply_within: int = REPLY_WITHIN,
    ) -> None:
        super().__init__(Redactor(secret, key))
        if ping_every is not None and not 0 < ping_every < IDLE_LIMIT:
            raise Misuse("too late", field="ping_every", expected="less than the 80 s idle limit")
        check_length("status_within", status_within)
        self._key, self._secret, self._nonces = header_value(key, "key"), secret, nonces
        self._url = address(endpoint, ENDPOINTS) + PATH
        self._feeds = FeedSubscriptions(bindings, self._send)
        self._requested = Requests(reply_within, ABOUT)
        add = self._timers.add
        self._pings, self._status_timeout = add(Pings(ping_every)), add(Timeout(status_within))
        add(self._feeds.wanted.timeouts)
        add(self._feeds.pauses)
        add(self._requested.timeouts)
        self._status: int | None = None
        self._opened_at = 0
        self._dialled_at: int | None = None

    @property
    def repeated(self) -> int:
        """How many updates came twice and were dropped."""
        return self._feeds.repeats.count

    @property
    def up(self) -> bool:
        """Whether the gateway is connected to the exchange."""
        return self._open and self._status == 0

    @property
    def bound(self) -> list[str]:
        """The labels of the feeds in force."""
        return [binding.label for binding in self._feeds.wanted.in_state(IN_FORCE)]

    @property
    def refused(self) -> dict[str, str]:
        return {binding.label: why for binding, why in self._feeds.wanted.refused.items()}

    @property
    def missing(self) -> dict[str, Missing]:
        feeds = self._feeds.wanted.missing
        return {each.label: how for each, how in feeds.items()} | self._requested.missing

    @property
    def all_refused(self) -> bool:
        return self._feeds.wanted.all_refused

    def book(self, feed: str, feed_id: FeedId) -> Book | None:
        """The order book of a feed, by the id it was bound with; None before its snapshot."""
        return self._feeds.book(Binding.of(feed, feed_id))

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def subscribe(self, *bindings: Binding | str) -> None:
        """Bind feeds, now or as soon as the link is up, and again after every reconnect.

        A feed is a `Binding` or its label, as `I` or `B:BTC-USD`.
        """
        for binding in [*map(Binding.checked, bindings)]:
            self._feeds.wanted.add(binding)

    @by_caller
    def unsubscribe(self, *bindings: Binding | str) -> None:
        """Unbind feeds; nothing happens for a feed that is not bound."""
        for binding in [*map(Binding.checked, bindings)]:
            self._feeds.remove(binding, self.up)

    @by_caller
    def request(self, method: str, content: Mapping[str, Any] | None = None) -> int:
        """Send a REST method's call; its `reqId`, under which the reply is reported."""
        if not self.up:
            raise Misuse("the venue is not connected, and a request is not kept for later")
        message = request_message(self._requested.next, method, content)
        self._outgoing.append(compact(message))
        return self._requested.sent(method)

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        content = compact(stamp(self._nonces, now))
        headers = signed_headers(self._key, self._secret, content)
        self._redactor.add(dict(headers)["EFX-Sign"])
        self._dialled_at = now
        return Dial(self._url, headers, secret_headers=("EFX-Key", "EFX-Sign"))

    def _begin(self, now: int) -> list[Event]:
        self._opened_at = now
        self._pings.start(now)
        self._status_timeout.start(now)
        return [Authenticated("the upgrade's signature was accepted")]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        code = code_in(body)
        if code is None:
            return super().rejected(status, headers, body)
        words = meaning(code)
        if code == _BAD_TIMESTAMP:
            words += clock_words(headers, self._dialled_at)
        # A nonce that is too small grows with the clock, so time mends it.
        passing = code in TRANSIENT or code == _BAD_NONCE
        busy = worth_retrying(status) or not 400 <= status < 500
        again = passing or (code not in FATAL and busy)
        answer = status, headers, body
        return refused(*answer, self._redactor, words, code=str(code), about="upgrade", again=again)

    def _check_timers(self, now: int) -> list[Event]:
        if self._pings.expired(now):
            self._send({"event": "ping"})
        unheard = self._unheard(now) if self._status_timeout.expired(now) else []
        return [*unheard, *self._feeds.expired(now), *self._requested.expired(now)]

    def _unheard(self, now: int) -> list[Event]:
        """Nothing can be bound before the frame X, and none has come."""
        words = "the gateway does not say whether it is connected to the exchange (no frame X)"
        silent = now - self._opened_at
        return [Rejected(NO_ANSWER, "", words, "connection status"), Stalled(silent)]

    def _proceed(self, now: int | None) -> list[Event]:
        # Binds are held until the gateway is connected, or they would fail.
        if self.up:
            self._feeds.ask()
        return []

    def _give_up(self) -> list[Event]:
        return self._requested.lost()

    def _forget(self) -> None:
        self._status = None
        self._requested.lost()
        self._feeds.reset()

    # --- what comes -------------------------------------------------------------------------------

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        if isinstance(content, list):
            return self._frame(content, raw)
        if isinstance(content, dict) and type(content.get("reqId")) is int:
            return [read_reply(content, raw, self._requested)]
        return [Unknown(content, raw)]

    def _frame(self, frame: list[Any], raw: Message) -> list[Event]:
        """By position, because S and M are letters of feeds as well as actions."""
        if len(frame) < 4:
            raise Malformed("not a frame", expected="4 values", found=str(len(frame)))
        feed, feed_id, action, data = frame[:4]
        if not isinstance(feed, str) or not isinstance(action, str):
            raise Malformed("not a frame", expected="text for feed and action")
        if feed == "X":
            return self._link(code_of(data))
        if feed not in LETTERS and feed != "C":
            return [Unknown(frame, raw)]
        feed_id = feed_id_of(feed_id)
        if action == "Z":
            return self._feeds.refused(feed, feed_id, code_of(data))
        if action == "U":
            return self._feeds.unbound(feed, feed_id)
        if feed in BOOKS and action not in ("S", "M"):
            return [Unknown(frame, raw)]
        return self._data(Frame(feed, feed_id, action, data), raw)

    def _link(self, code: int) -> list[Event]:
        self._status = code
        self._status_timeout.stop()
        if code == 0:
            return [Status(code, "connected to the exchange")]
        self._feeds.reset()
        return [Status(code, meaning(code)), Rejected(str(code), "", meaning(code), "connection")]

    def _data(self, frame: Frame, raw: Message) -> list[Event]:
        binding, events = self._feeds.arrived(frame)
        label = binding.label if binding else Binding(frame.feed, frame.feed_id or None).label
        if binding and self._feeds.again_the_same(binding, frame, raw):
            return [*events, Duplicate(label, frame, _time_of(frame))]
        if frame.feed not in BOOKS:
            rows = rows_of(frame.feed, frame.action, frame.data)
            self._feeds.learn(rows)
            return [*events, Data(label, msgspec.structs.replace(frame, rows=rows))]
        if binding is None:  # never asked for
            return [*events, Data(label, frame)]
        try:
            return [*events, Data(label, self._feeds.keep(binding, frame))]
        except Malformed as error:
            return [*events, Broken(error, raw)]


def _time_of(frame: Frame) -> int | None:
    """The time of a deal or an order, in nanoseconds; books have none."""
    if frame.feed in BOOKS:
        return None
    for row in rows_of(frame.feed, frame.action, frame.data):
        for name in ("deal_moment", "settlement_moment", "created_at"):
            if type(found := getattr(row, name, None)) is int:
                return found * 10**6
    return None
