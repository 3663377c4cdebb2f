"""Finery Markets: feeds by letter, order books, and REST methods over a websocket.

`FinerySession` signs the upgrade (`EFX-Key`, `EFX-Content`, `EFX-Sign`: HMAC-SHA384), waits until
the gateway says that it is connected to the exchange (a frame `X` with code 0), binds what was
asked for, and binds it again after a reconnect or when that link has been down. Frames become
`Data` events whose content is a `Frame`; for the feeds B and F it carries the applied changes, and
`book(letter, id)` is the book they lead to. Books are dropped when the connection or the link goes,
because the venue has no sequence numbers and starts every feed with a snapshot.

Nothing is waited for in silence: a link that is down, no word about the link within
`status_within`, and a bind without an answer are all told, as `Rejected`; the second ends in
`Stalled`, because a gateway that says nothing is not there. An update that repeats the one before
it, letter for letter, changes nothing, and is a `Duplicate`.

`bind`, `unbind` and `request` raise `Misuse` for what the venue would not take; nothing is raised
for what it sends. A request is never sent while the link is down, and never sent twice: a lost one
is reported as `RequestFailed`, because whether an order arrived is for the caller to find out.

Cancel-on-disconnect is the venue's: orders with `cod` that were placed over a connection are
cancelled when it is lost. Nothing has to be stated again after a reconnect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from payloads.errors import Malformed, Misuse, elide
from payloads.venues.finery_auth import (
    ENDPOINTS,
    NonceSequence,
    check_method,
    compact,
    rest_request,
    sign,
    signed_headers,
    stamp,
)
from payloads.venues.finery_book import Book
from payloads.venues.finery_codes import FATAL, TRANSIENT, meaning
from payloads.venues.finery_feeds import BOOKS, LETTERS, Binding, Frame, Names
from payloads.venues.finery_rows import rows_of
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Data,
    Dial,
    Event,
    Message,
    Opened,
    Rejected,
    Retry,
    Secret,
    Stalled,
    Subscribed,
    Unknown,
    Unsubscribed,
    by_caller,
    parse_json,
)
from payloads.venues.shared import (
    ASKED,
    ENDED,
    HELD,
    IN_FORCE,
    OVERDUE,
    Conversation,
    Duplicate,
    Pings,
    Standing,
    address,
    clock_words,
    closing,
    earliest,
    header_value,
    upgrade_refused,
)

__all__ = [
    "ENDPOINTS", "IDLE_LIMIT", "Answered", "Binding", "FinerySession", "Frame", "NonceSequence",
    "RequestFailed", "Status", "rest_request", "sign", "signed_headers",
]  # fmt: skip

PATH = "/ws"
# The venue's limits.
IDLE_LIMIT = 80 * SECOND
MAX_CONNECTIONS_PER_IP = 100
# Well below the idle limit, and it is not said that websocket pings count as activity.
PING_EVERY = 25 * SECOND
RETRY_AFTER = 5 * SECOND
# The frame X follows the handshake at once; nobody states a time for either.
STATUS_WITHIN = 10 * SECOND
ANSWER_WITHIN = 10 * SECOND
_BAD_NONCE, _BAD_TIMESTAMP = 6, 7


class Status(Event, frozen=True):
    """The gateway's link to the exchange: code 0 is up."""

    code: int
    meaning: str

    @property
    def up(self) -> bool:
        return self.code == 0


class Answered(Event, frozen=True):
    """The reply to a request."""

    request_id: int
    method: str
    reply: Any


class RequestFailed(Rejected, frozen=True):
    """A request that was refused, or whose reply is lost (`code` is then "lost")."""

    request_id: int | None = None


# --- the session ----------------------------------------------------------------------------------


class FinerySession(Conversation):
    """A connection to Finery Markets. `ping_every` and `status_within` are in nanoseconds."""

    venue: ClassVar[str] = "finery"

    def __init__(
        self,
        key: str,
        secret: Secret,
        bindings: Iterable[Binding] = (),
        *,
        nonces: NonceSequence,
        endpoint: str = "mainnet",
        ping_every: int | None = PING_EVERY,
        status_within: int = STATUS_WITHIN,
    ) -> None:
        super().__init__(secret)
        if ping_every is not None and not 0 < ping_every < IDLE_LIMIT:
            raise Misuse("too late", field="ping_every", expected="less than the 80 s idle limit")
        if status_within <= 0:
            raise Misuse("no such time", field="status_within", expected="more than 0")
        self._key, self._secret, self._nonces = header_value(key, "key"), secret, nonces
        self._url = address(endpoint, ENDPOINTS) + PATH
        self._pings, self._status_within = Pings(ping_every), status_within
        # Bindings in the order they were made, and how far each has come.
        self._wanted = Standing((Binding.of(*one.values), HELD) for one in bindings)
        self._leaving: set[Binding] = set()
        # When to bind again, and until when an answer is waited for.
        self._again: dict[Binding, int] = {}
        self._until: dict[Binding, int] = {}
        self._books: dict[Binding, Book] = {}
        self._names = Names()
        # The latest update of each feed, for what comes twice.
        self._latest: dict[Binding, Message] = {}
        self._repeated = 0
        self._pending: dict[int, str] = {}
        self._last_request = 0
        self._status: int | None = None
        self._opened_at = self._now = 0
        self._status_until: int | None = None
        self._dialled_at: int | None = None
        self._bad_nonces = 0

    @property
    def repeated(self) -> int:
        """How many updates came twice and were dropped."""
        return self._repeated

    @property
    def up(self) -> bool:
        """Whether the gateway is connected to the exchange."""
        return self._open and self._status == 0

    @property
    def bound(self) -> list[str]:
        """The labels of the feeds in force."""
        return [binding.label for binding in self._wanted.those(IN_FORCE)]

    def book(self, feed: str, feed_id: int | str) -> Book | None:
        """The order book of a feed, by the id it was bound with; None before its snapshot."""
        return self._books.get(Binding(feed, feed_id))

    # --- what the caller wants --------------------------------------------------------------------

    @by_caller
    def bind(self, feed: str, feed_id: int | str | None = None) -> None:
        """Bind a feed, now or as soon as the link is up, and again after every reconnect."""
        binding = Binding.of(feed, feed_id)
        if self._wanted.get(binding, ENDED) in (ENDED, OVERDUE):
            self._wanted[binding] = HELD
            self._bind_held()

    @by_caller
    def unbind(self, feed: str, feed_id: int | str | None = None) -> None:
        """Unbind a feed; nothing happens if it is not bound."""
        binding = Binding.of(feed, feed_id)
        self._again.pop(binding, None)
        self._until.pop(binding, None)
        if self._wanted.pop(binding, HELD) != HELD:
            self._leave(binding)

    @by_caller
    def request(self, method: str, content: Mapping[str, Any] | None = None) -> int:
        """Send a REST method's call; its `reqId`, under which the reply is reported."""
        if not self.up:
            raise Misuse("the venue is not connected, and a request is not kept for later")
        self._last_request += 1
        message = {"event": "request", "reqId": self._last_request, "method": check_method(method)}
        # An empty object is wanted where there is nothing to pass.
        self._outgoing.append(compact({**message, "content": dict(content or {})}))
        self._pending[self._last_request] = method
        return self._last_request

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        content = compact(stamp(self._nonces, now))
        headers = signed_headers(self._key, self._secret, content)
        self._redactor.add(dict(headers)["EFX-Sign"])
        self._dialled_at = now
        return Dial(self._url, headers, secret_headers=("EFX-Key", "EFX-Sign"))

    def opened(self, now: int) -> list[Event]:
        self._drop()
        self._open, self._bad_nonces, self._opened_at = True, 0, now
        self._pings.start(now)
        self._status_until = now + self._status_within
        accepted = Authenticated("the upgrade's signature was accepted")
        return [Opened(), accepted, *self._go_on(now)]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        code = _code_in(body)
        event, retry = upgrade_refused(
            status, headers, body, self._redactor, "the upgrade was refused"
        )
        if code is None:
            return event, retry
        words = meaning(code)
        if code == _BAD_TIMESTAMP:
            words += clock_words(headers, self._dialled_at)
        again = code in TRANSIENT or (code not in FATAL and not 400 <= status < 500)
        if code == _BAD_NONCE:
            self._bad_nonces += 1
            again = self._bad_nonces <= 1
        return Rejected(str(code), event.message, words, "upgrade"), Retry(
            again, words, retry.at_least
        )

    def tick(self, now: int) -> list[Event]:
        events: list[Event] = []
        if self._pings.due(now):
            self._send({"event": "ping"})
        if self._status_until is not None and now >= self._status_until:
            self._status_until = None
            events += self._unheard(now)
        for binding in [one for one, until in self._until.items() if now >= until]:
            del self._until[binding]
            self._wanted[binding] = OVERDUE
            events.append(Rejected("timeout", "", "no answer came", f"bind {binding.label}"))
        for binding in [one for one, due in self._again.items() if now >= due]:
            del self._again[binding]
        return [*events, *self._go_on(now)]

    def _unheard(self, now: int) -> list[Event]:
        """Nothing can be bound before the frame X, and none has come."""
        words = "the gateway does not say whether it is connected to the exchange (no frame X)"
        silent = now - self._opened_at
        return [Rejected("timeout", "", words, "connection status"), Stalled(silent)]

    def _go_on(self, now: int) -> list[Event]:
        self._now = now
        self._bind_held()
        pending = (*self._again.values(), *self._until.values())
        self.deadline = earliest(self._pings.deadline, self._status_until, *pending)
        return []

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        lost = [
            RequestFailed(
                "lost", "", "no reply before the connection went", f"{method} #{number}", number
            )
            for number, method in self._pending.items()
        ]
        self._drop()
        self._go_on(now)
        return [*lost, closing(code, reason, 0, self._redactor)]

    def _drop(self) -> None:
        """Forget what belonged to the connection."""
        self._open, self._status, self._outgoing = False, None, []
        self._status_until = None
        self._pings.stop()
        self._pending.clear()
        self._leaving.clear()
        self._unlink()

    def _unlink(self) -> None:
        """Nothing is bound any more, and every book is old."""
        for known in (self._again, self._until, self._books, self._latest):
            known.clear()
        self._names.forget()
        self._wanted.hold()

    def _bind_held(self) -> None:
        # Binds are held until the gateway is connected, or they would fail.
        if not self.up:
            return
        # The venue may answer a name with a number and not say whose it is: one at a time.
        vague = {one.feed for one in self._wanted.those(ASKED) if self._names.vague(one)}
        for binding in self._wanted.those(HELD):
            if binding in self._again or (self._names.vague(binding) and binding.feed in vague):
                continue
            if self._names.vague(binding):
                vague.add(binding.feed)
            self._wanted[binding] = ASKED
            self._until[binding] = self._now + ANSWER_WITHIN
            self._send(binding.message("bind"))

    def _leave(self, binding: Binding) -> None:
        self._books.pop(binding, None)
        self._latest.pop(binding, None)
        if self.up:
            self._leaving.add(binding)
            self._send(binding.message("unbind"))

    def _later(self, binding: Binding, now: int) -> None:
        """Bind again after a pause."""
        self._books.pop(binding, None)
        self._until.pop(binding, None)
        self._wanted[binding] = HELD
        self._again[binding] = now + RETRY_AFTER

    # --- what comes -------------------------------------------------------------------------------

    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        if isinstance(content, list):
            return self._frame(content, raw, now)
        if isinstance(content, dict) and type(content.get("reqId")) is int:
            return [self._reply(content, raw)]
        return [Unknown(content, raw)]

    def _frame(self, frame: list[Any], raw: Message, now: int) -> list[Event]:
        """By position, because S and M are letters of feeds as well as actions."""
        if len(frame) < 4:
            raise Malformed("not a frame", expected="4 values", found=str(len(frame)))
        feed, feed_id, action, data = frame[:4]
        if not isinstance(feed, str) or not isinstance(action, str):
            raise Malformed("not a frame", expected="text for feed and action")
        if feed == "X":
            return self._link(_code(data))
        if feed not in LETTERS and feed != "C":
            return [Unknown(frame, raw)]
        if isinstance(feed_id, dict):  # a master account's, for a client of its own
            return [Unknown(frame, raw)]
        if type(feed_id) not in (int, str):
            raise Malformed("not a frame", field="feedId", expected="a number or a name")
        if action == "Z":
            return self._refused(feed, feed_id, _code(data), now)
        if action == "U":
            return self._unbound(feed, feed_id)
        return self._data(Frame(feed, feed_id, action, data), raw, now)

    def _link(self, code: int) -> list[Event]:
        self._status, self._status_until = code, None
        if code == 0:
            return [Status(code, "connected to the exchange")]
        self._unlink()
        self._leaving.clear()
        return [Status(code, meaning(code)), Rejected(str(code), "", meaning(code), "connection")]

    def _refused(self, feed: str, feed_id: int | str, code: int, now: int) -> list[Event]:
        leaving = self._names.answered(feed, feed_id, self._leaving)
        if leaving:
            self._leaving.discard(leaving)
            if code in (0, 101):
                return [Unsubscribed(leaving.label)]
            return [Rejected(str(code), "", meaning(code), f"unbind {leaving.label}")]
        binding = self._first_answer(feed, feed_id) or self._owner(feed, feed_id)
        if binding is None:
            return [Rejected(str(code), "", meaning(code), f"{feed}:{feed_id}")]
        if code in (0, 100):  # bound already, which is what was asked for
            return self._bound(binding)
        if code in TRANSIENT:
            self._later(binding, now)
        else:
            self._forget(binding)
        return [Rejected(str(code), "", meaning(code), f"bind {binding.label}")]

    def _forget(self, binding: Binding) -> None:
        for known in (self._wanted, self._books, self._again, self._until, self._latest):
            known.pop(binding, None)

    def _first_answer(self, feed: str, feed_id: int | str) -> Binding | None:
        return self._names.answered(feed, feed_id, self._wanted.those(ASKED))

    def _owner(self, feed: str, feed_id: int | str) -> Binding | None:
        return self._names.owner(feed, feed_id, self._wanted)

    def _bound(self, binding: Binding) -> list[Event]:
        self._until.pop(binding, None)
        self._wanted[binding] = IN_FORCE
        return [Subscribed(binding.label)]

    def _unbound(self, feed: str, feed_id: int | str) -> list[Event]:
        binding = self._names.answered(feed, feed_id, self._leaving)
        if binding:
            self._leaving.discard(binding)
        elif binding := self._owner(feed, feed_id):
            # By the server's own will: not asked for again before the next time the link is up.
            self._books.pop(binding, None)
            self._until.pop(binding, None)
            self._wanted[binding] = ENDED
        return [Unsubscribed(binding.label if binding else f"{feed}:{feed_id}")]

    def _data(self, frame: Frame, raw: Message, now: int) -> list[Event]:
        events: list[Event] = []
        binding = self._owner(frame.feed, frame.feed_id)
        if binding is None and frame.snapshot:
            binding = self._first_answer(frame.feed, frame.feed_id)
        if binding and frame.snapshot and self._wanted[binding] in (ASKED, OVERDUE):
            events += self._bound(binding)
        label = binding.label if binding else Binding(frame.feed, frame.feed_id or None).label
        if binding and self._again_the_same(binding, frame, raw):
            return [*events, Duplicate(label)]
        if frame.feed not in BOOKS:
            rows = rows_of(frame.feed, frame.action, frame.data)
            self._names.learn(rows)
            return [*events, Data(label, _with(frame, rows=rows))]
        if frame.action not in ("S", "M"):
            return [*events, Unknown([*frame.values[:4]], raw)]
        if binding is None or self._wanted[binding] not in (ASKED, IN_FORCE):
            # Left, or never asked for: there is no book to keep.
            return [*events, Data(label, frame)]
        try:
            return [*events, Data(label, self._keep(binding, frame))]
        except Malformed as error:
            # What was missed cannot be known, so the book starts anew. Once: the next bad frame
            # finds the feed left already.
            if self._wanted[binding] == IN_FORCE:
                self._leave(binding)
                self._later(binding, now)
            return [*events, Broken(error, raw)]

    def _again_the_same(self, binding: Binding, frame: Frame, raw: Message) -> bool:
        """Whether an update only repeats the one before it, which then changes nothing."""
        same = not frame.snapshot and self._latest.get(binding) == raw
        self._latest[binding] = raw
        self._repeated += same
        return same

    def _keep(self, binding: Binding, frame: Frame) -> Frame:
        if frame.snapshot:
            book = Book()
            book.snapshot(frame.data)
            self._books[binding] = book
            return _with(frame, odd=book.odd)
        kept = self._books.get(binding)
        if kept is None:
            raise Malformed("an update before its snapshot", field=binding.label)
        before = kept.odd
        bids, asks = kept.update(frame.data)
        return _with(frame, bids=bids, asks=asks, odd=kept.odd - before)

    def _reply(self, content: dict[str, Any], raw: Message) -> Event:
        number = content["reqId"]
        method = self._pending.pop(number, "")
        about = f"{method or 'request'} #{elide(str(number))}"
        if "error" in content:
            code = _code(content["error"])
            param = content.get("param", "")
            words = str(param) if isinstance(param, str | int | Decimal) else ""
            return RequestFailed(str(code), elide(words, 300), meaning(code), about, number)
        if "reply" in content:
            return Answered(number, method, content["reply"])
        return Unknown(content, raw)


def _with(frame: Frame, **changes: Any) -> Frame:
    return msgspec.structs.replace(frame, **changes)


def _code(data: Any) -> int:
    """A code, bare or (as one client sees it) alone in a list."""
    value = data[0] if isinstance(data, list) and len(data) == 1 else data
    if type(value) is not int:
        raise Malformed("not a code", expected="an integer", found=type(value).__name__)
    return value


_CODE_WORDS = re.compile(r"(?:error|code)\D{0,8}(\d{1,3})\b", re.IGNORECASE)


def _code_in(body: bytes) -> int | None:
    """The error code in the body of a refused upgrade, whose form is not published."""
    text = body[:4096].decode("utf-8", "replace").strip()
    try:
        found = parse_json(text)
        if isinstance(found, dict):
            found = found.get("error", found.get("code"))
        return _code(found) if type(found) is not str else _code(parse_json(found))
    except Malformed:
        match = _CODE_WORDS.search(text)
        return int(match[1]) if match else None
