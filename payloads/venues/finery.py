"""Finery Markets: feeds by letter, order books, and REST methods over a websocket.

`FinerySession` signs the upgrade (`EFX-Key`, `EFX-Content`, `EFX-Sign`: HMAC-SHA384), waits until
the gateway says that it is connected to the exchange (a frame `X` with code 0), binds what was
asked for, and binds it again after a reconnect or when that link has been down. Frames become
`Data` events whose content is a `Frame`; for the feeds B and F it carries the applied changes, and
`book(letter, id)` is the book they lead to. Books are dropped when the connection or the link goes,
because the venue has no sequence numbers and starts every feed with a snapshot.

`bind`, `unbind` and `request` raise `Misuse` for what the venue would not take; nothing is raised
for what it sends. A request is never sent while the link is down, and never sent twice: a lost one
is reported as `RequestFailed`, because whether an order arrived is for the caller to find out.

Cancel-on-disconnect is the venue's: orders with `cod` that were placed over a connection are
cancelled when it is lost. Nothing has to be stated again after a reconnect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from payloads.errors import Malformed, Misuse, elide
from payloads.fields import Record
from payloads.venues.finery_book import Book, Change
from payloads.venues.finery_codes import FATAL, TRANSIENT, meaning, rows_of
from payloads.venues.session import (
    SECOND,
    Authenticated,
    Broken,
    Data,
    Dial,
    Event,
    Message,
    Opened,
    Redactor,
    Rejected,
    Request,
    Retry,
    Secret,
    Session,
    Subscribed,
    Unknown,
    Unsubscribed,
    parse_json,
)
from payloads.venues.shared import (
    check_base,
    closing,
    earliest,
    header_value,
    said,
    wait_asked,
)

__all__ = [
    "ENDPOINTS", "IDLE_LIMIT", "Answered", "Binding", "FinerySession", "Frame", "NonceSequence",
    "RequestFailed", "Status", "rest_request", "sign", "signed_headers",
]  # fmt: skip

MILLISECOND = 10**6
ENDPOINTS = {
    "mainnet": "wss://trade.finerymarkets.com",
    "test": "wss://test.finerymarkets.com",
}
PATH = "/ws"
# The venue's limits.
IDLE_LIMIT = 80 * SECOND
MAX_CONNECTIONS_PER_IP = 100
# Well below the idle limit, and it is not said that websocket pings count as activity.
PING_EVERY = 25 * SECOND
RETRY_AFTER = 5 * SECOND

# Which feeds take which id. C comes with I, and X with every connection; neither can be bound.
WITHOUT_ID = frozenset("IPGLMRN")
BY_INSTRUMENT = frozenset("BFO")
BY_CURRENCY = frozenset("KS")
LETTERS = WITHOUT_ID | BY_INSTRUMENT | BY_CURRENCY
BOOKS = frozenset("BF")
# Whose updates come under other letters: O and S are also feeds of their own, with an id.
_PARENTS = {"C": "I", "O": "P", "S": "P"}


# --- credentials ----------------------------------------------------------------------------------


class NonceSequence:
    """Strictly increasing nonces, seeded from the clock. One for each key, shared by its users."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, now: int) -> int:
        """A nonce larger than every one before: the clock's milliseconds where they are."""
        self.last = max(self.last + 1, now // MILLISECOND)
        if self.last >= 2**64:
            raise Misuse("the nonces have run out", field="nonce", expected="below 2**64")
        return self.last


def sign(secret: Secret, text: str) -> str:
    """The venue's signature of a text. The secret's own text is the key; it is not decoded."""
    code = hmac.new(secret.reveal().encode(), text.encode(), hashlib.sha384)
    return base64.b64encode(code.digest()).decode()


def signed_headers(
    key: str, secret: Secret, content: str, method: str = ""
) -> tuple[tuple[str, str], ...]:
    """The EFX headers for a content that is sent as this very string: white space counts.

    REST calls sign the method's name in front of their body, and have no `EFX-Content`.
    """
    head = ("EFX-Key", key), ("EFX-Sign", sign(secret, method + content))
    return head if method else (*head, ("EFX-Content", content))


def _stamp(nonces: NonceSequence, now: int) -> dict[str, int]:
    return {"nonce": nonces.next(now), "timestamp": now // MILLISECOND}


def _compact(message: Mapping[str, Any]) -> str:
    try:
        return json.dumps(message, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misuse("not JSON", field="content", found=elide(str(error))) from None


def rest_request(
    key: str,
    secret: Secret,
    method: str,
    content: Mapping[str, Any],
    *,
    nonces: NonceSequence,
    now: int,
    endpoint: str = "mainnet",
) -> Request:
    """The same methods over HTTP: `POST /api/<method>`, its body signed together with its name."""
    base = _base(endpoint).replace("ws", "http", 1)
    body = _compact({**_stamp(nonces, now), **content})
    kind = ("Content-Type", "application/json")
    headers = (*signed_headers(key, secret, body, method), kind)
    return Request("POST", f"{base}/api/{_method(method)}", headers, body.encode(), method)


def _base(endpoint: str) -> str:
    return check_base(ENDPOINTS.get(endpoint, endpoint), ("wss", "ws"), "endpoint")


def _method(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,63}", name):
        raise Misuse("not a method's name", field="method", expected="letters and digits")
    return name


# --- what is bound, and what comes ----------------------------------------------------------------


class Binding(Record, frozen=True):
    """A feed to bind: its letter, and an instrument or currency where it takes one."""

    feed: str
    feed_id: int | str | None = None

    @classmethod
    def of(cls, feed: str, feed_id: int | str | None = None) -> Binding:
        """A binding that the venue would take; `Misuse` otherwise."""
        if not isinstance(feed, str) or feed not in LETTERS:
            raise Misuse("no such feed", field="feed", expected=", ".join(sorted(LETTERS)))
        if feed in WITHOUT_ID and feed_id is not None:
            raise Misuse(f"feed {feed} takes no id", field="feed_id", found=elide(repr(feed_id)))
        if feed not in WITHOUT_ID:
            _check_id(feed, feed_id)
        return cls(feed, feed_id)

    @property
    def label(self) -> str:
        return self.feed if self.feed_id is None else f"{self.feed}:{self.feed_id}"

    def message(self, event: str) -> dict[str, Any]:
        """What binds or unbinds it."""
        named = {} if self.feed_id is None else {"feedId": self.feed_id}
        return {"event": event, "feed": self.feed, **named}


def _check_id(feed: str, feed_id: int | str | None) -> None:
    if type(feed_id) is int and 0 < feed_id < 2**64:
        return
    if isinstance(feed_id, str) and re.fullmatch(r"[!-~]{1,64}", feed_id):
        return
    what = "an instrument" if feed in BY_INSTRUMENT else "a currency"
    raise Misuse(f"feed {feed} takes {what}", field="feed_id", expected="a number or a name")


class Frame(Record, frozen=True):
    """A frame of a feed. `rows` are its data as records, where its rows are known.

    `bids` and `asks` are the applied changes of an order book's update, and `odd` says how many of
    them did not fit the book, which is the only sign of a lost one.
    """

    feed: str
    feed_id: int | str
    action: str
    data: Any
    rows: tuple[Record, ...] = ()
    bids: tuple[Change, ...] = ()
    asks: tuple[Change, ...] = ()
    odd: int = 0

    @property
    def snapshot(self) -> bool:
        return self.action == "S"


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


class FinerySession(Session):
    """A connection to Finery Markets."""

    venue = "finery"

    def __init__(
        self,
        key: str,
        secret: Secret,
        bindings: Iterable[Binding] = (),
        *,
        nonces: NonceSequence,
        endpoint: str = "mainnet",
        ping_every: int | None = PING_EVERY,
    ) -> None:
        super().__init__()
        if ping_every is not None and not 0 < ping_every < IDLE_LIMIT:
            raise Misuse("too late", field="ping_every", expected="less than the 80 s idle limit")
        self._key, self._secret, self._nonces = header_value(key, "key"), secret, nonces
        self._url = _base(endpoint) + PATH
        self._redactor = Redactor(secret)
        self._ping_every, self._next_ping = ping_every, None if ping_every is None else 0
        # Bindings in the order they were made; the value says how far each has come.
        self._wanted: dict[Binding, str] = {Binding.of(*one.values): "held" for one in bindings}
        self._leaving: set[Binding] = set()
        self._again: dict[Binding, int] = {}
        self._books: dict[Binding, Book] = {}
        # Numbers the venue uses for what was bound by name: guessed once, or told by feed I.
        self._aliases: dict[tuple[str, int | str], Binding] = {}
        self._names: dict[tuple[str, int | str], str] = {}
        self._pending: dict[int, str] = {}
        self._last_request = 0
        self._open = False
        self._status: int | None = None
        self._bad_nonces = 0

    @property
    def up(self) -> bool:
        """Whether the gateway is connected to the exchange."""
        return self._open and self._status == 0

    @property
    def bound(self) -> list[str]:
        """The labels of the feeds in force."""
        return [binding.label for binding, state in self._wanted.items() if state == "bound"]

    def book(self, feed: str, feed_id: int | str) -> Book | None:
        """The order book of a feed, by the id it was bound with; None before its snapshot."""
        return self._books.get(Binding(feed, feed_id))

    # --- what the caller wants --------------------------------------------------------------------

    def bind(self, feed: str, feed_id: int | str | None = None) -> None:
        """Bind a feed, now or as soon as the link is up, and again after every reconnect."""
        binding = Binding.of(feed, feed_id)
        if self._wanted.get(binding, "ended") == "ended":
            self._wanted[binding] = "held"
            self._bind_held()

    def unbind(self, feed: str, feed_id: int | str | None = None) -> None:
        """Unbind a feed; nothing happens if it is not bound."""
        binding = Binding.of(feed, feed_id)
        self._again.pop(binding, None)
        if self._wanted.pop(binding, "held") != "held":
            self._leave(binding)

    def request(self, method: str, content: Mapping[str, Any] | None = None) -> int:
        """Send a REST method's call; its `reqId`, under which the reply is reported."""
        if not self.up:
            raise Misuse("the venue is not connected, and a request is not kept for later")
        self._last_request += 1
        message = {"event": "request", "reqId": self._last_request, "method": _method(method)}
        # An empty object is wanted where there is nothing to pass.
        self._outgoing.append(_compact({**message, "content": dict(content or {})}))
        self._pending[self._last_request] = method
        return self._last_request

    # --- what the driver calls --------------------------------------------------------------------

    def dial(self, now: int) -> Dial:
        content = _compact(_stamp(self._nonces, now))
        headers = signed_headers(self._key, self._secret, content)
        self._redactor.add(dict(headers)["EFX-Sign"])
        return Dial(self._url, headers, secret_headers=("EFX-Key", "EFX-Sign"))

    def opened(self, now: int) -> list[Event]:
        self._drop()
        self._open, self._bad_nonces = True, 0
        if self._ping_every is not None:
            self._next_ping = now + self._ping_every
        self._schedule()
        return [Opened(), Authenticated("the upgrade's signature was accepted")]

    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        message = said(body, self._redactor)
        code = _code_in(body)
        if code is None:
            event = Rejected(f"HTTP {status}", message, "the upgrade was refused", "upgrade")
            again = status in (408, 425, 429) or status >= 500
        else:
            event = Rejected(str(code), message, meaning(code), "upgrade")
            again = code not in FATAL and not 400 <= status < 500
            if code == 6:
                self._bad_nonces += 1
                again = self._bad_nonces <= 1
            again = again or code in TRANSIENT
        return event, Retry(again, event.meaning, wait_asked(headers))

    def received(self, data: Message, now: int) -> list[Event]:
        data = self._redactor.clean(data)
        try:
            content = parse_json(data)
            events = self._dispatch(content, data, now)
        except Malformed as error:
            events = [Broken(error, data)]
        self._schedule()
        return events

    def tick(self, now: int) -> list[Event]:
        if self._open and self._next_ping is not None and now >= self._next_ping:
            self._send({"event": "ping"})
            self._next_ping = now + (self._ping_every or 0)
        for binding in [one for one, due in self._again.items() if now >= due]:
            del self._again[binding]
        self._bind_held()
        self._schedule()
        return []

    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        lost = [
            RequestFailed(
                "lost", "", "no reply before the connection went", f"{method} #{number}", number
            )
            for number, method in self._pending.items()
        ]
        self._drop()
        self._schedule()
        return [*lost, closing(code, reason, 0, self._redactor)]

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)

    def _drop(self) -> None:
        """Forget what belonged to the connection."""
        self._open, self._status, self._outgoing = False, None, []
        self._pending.clear()
        self._leaving.clear()
        self._unlink()

    def _unlink(self) -> None:
        """Nothing is bound any more, and every book is old."""
        self._again.clear()
        self._books.clear()
        self._aliases.clear()
        self._wanted = dict.fromkeys(self._wanted, "held")

    def _schedule(self) -> None:
        ping = self._next_ping if self._open else None
        self.deadline = earliest(ping, *self._again.values())

    def _bind_held(self) -> None:
        # Binds are held until the gateway is connected, or they would fail.
        if not self.up:
            return
        for binding, state in self._wanted.items():
            if state == "held" and binding not in self._again:
                self._wanted[binding] = "asked"
                self._send(binding.message("bind"))

    def _leave(self, binding: Binding) -> None:
        self._books.pop(binding, None)
        if self.up:
            self._leaving.add(binding)
            self._send(binding.message("unbind"))

    def _later(self, binding: Binding, now: int) -> None:
        """Bind again after a pause."""
        self._books.pop(binding, None)
        self._wanted[binding] = "held"
        self._again[binding] = now + RETRY_AFTER

    # --- what comes -------------------------------------------------------------------------------

    def _dispatch(self, content: Any, raw: Message, now: int) -> list[Event]:
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
        if type(feed_id) not in (int, str):
            raise Malformed("not a frame", field="feedId", expected="a number or a name")
        if feed == "X":
            return self._link(_code(data))
        if feed not in LETTERS and feed != "C":
            return [Unknown(frame, raw)]
        if action == "Z":
            return self._refused(feed, feed_id, _code(data), now)
        if action == "U":
            return self._unbound(feed, feed_id)
        return self._data(Frame(feed, feed_id, action, data), raw, now)

    def _link(self, code: int) -> list[Event]:
        was_up, self._status = self.up, code
        if code:
            self._unlink()
            self._leaving.clear()
        elif not was_up:
            self._bind_held()
        words = "connected to the exchange" if code == 0 else meaning(code)
        return [Status(code, words)]

    def _refused(self, feed: str, feed_id: int | str, code: int, now: int) -> list[Event]:
        leaving = self._find(feed, feed_id, self._leaving)
        if leaving:
            self._leaving.discard(leaving)
            if code in (0, 101):
                return [Unsubscribed(leaving.label)]
            return [Rejected(str(code), "", meaning(code), f"unbind {leaving.label}")]
        binding = self._find(feed, feed_id, self._in_state("asked")) or self._owner(feed, feed_id)
        if binding is None:
            return [Rejected(str(code), "", meaning(code), f"{feed}:{feed_id}")]
        if code in (0, 100):  # bound already, which is what was asked for
            self._wanted[binding] = "bound"
            return [Subscribed(binding.label)]
        if code in TRANSIENT:
            self._later(binding, now)
        else:
            self._forget(binding)
        return [Rejected(str(code), "", meaning(code), f"bind {binding.label}")]

    def _forget(self, binding: Binding) -> None:
        for known in (self._wanted, self._books, self._again):
            known.pop(binding, None)

    def _unbound(self, feed: str, feed_id: int | str) -> list[Event]:
        binding = self._find(feed, feed_id, self._leaving)
        if binding:
            self._leaving.discard(binding)
        elif binding := self._owner(feed, feed_id):
            # By the server's own will: not asked for again before the next time the link is up.
            self._books.pop(binding, None)
            self._wanted[binding] = "ended"
        return [Unsubscribed(binding.label if binding else f"{feed}:{feed_id}")]

    def _data(self, frame: Frame, raw: Message, now: int) -> list[Event]:
        events: list[Event] = []
        binding = self._owner(frame.feed, frame.feed_id)
        if binding is None and frame.snapshot:
            binding = self._find(frame.feed, frame.feed_id, self._in_state("asked"))
        if binding and frame.snapshot and self._wanted[binding] == "asked":
            self._wanted[binding] = "bound"
            events.append(Subscribed(binding.label))
        label = binding.label if binding else Binding(frame.feed, frame.feed_id or None).label
        if frame.feed not in BOOKS:
            rows = rows_of(frame.feed, frame.action, frame.data)
            self._learn(rows)
            return [*events, Data(label, _with(frame, rows=rows))]
        if frame.action not in ("S", "M"):
            return [*events, Unknown([*frame.values[:4]], raw)]
        if binding is None or self._wanted[binding] in ("held", "ended"):
            # Left, or never asked for: there is no book to keep.
            return [*events, Data(label, frame)]
        try:
            return [*events, Data(label, self._keep(binding, frame))]
        except Malformed as error:
            # What was missed cannot be known, so the book starts anew. Once: the next bad frame
            # finds the feed left already.
            if self._wanted[binding] == "bound":
                self._leave(binding)
                self._later(binding, now)
            return [*events, Broken(error, raw)]

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

    def _learn(self, rows: Iterable[Record]) -> None:
        """Which numbers stand for which names, for what is bound by name."""
        for row in rows:
            kind = type(row).__name__
            if kind in ("Currency", "Instrument"):
                name, number = row.values[:2]
                self._names[kind, number] = name

    # --- whose frame it is ------------------------------------------------------------------------

    def _in_state(self, state: str) -> list[Binding]:
        return [binding for binding, each in self._wanted.items() if each == state]

    def _owner(self, feed: str, feed_id: int | str) -> Binding | None:
        """The binding a frame belongs to, as far as it is certain."""
        alias = self._aliases.get((feed, feed_id))
        if alias in self._wanted:
            return alias
        own = Binding(feed, None if feed in WITHOUT_ID else feed_id)
        if own in self._wanted:
            return own
        kind = "Currency" if feed in BY_CURRENCY else "Instrument"
        named = Binding(feed, self._names.get((kind, feed_id)))
        if named in self._wanted:
            return named
        # P's updates come as O and S, and I's as C, with the id 0.
        parent = Binding(_PARENTS.get(feed, ""))
        return parent if parent in self._wanted and not feed_id else None

    def _find(self, feed: str, feed_id: int | str, among: Iterable[Binding]) -> Binding | None:
        """The binding that a first answer belongs to: the certain one, else the oldest by name.

        The venue answers with numbers to what is bound by name, and says nowhere which is which;
        where feed I has not told either, answers are taken to come in the order of the questions.
        """
        candidates = [binding for binding in among if binding.feed == feed]
        exact = (feed_id, self._names.get(("Instrument", feed_id)), None)
        if feed in BY_CURRENCY:
            exact = (feed_id, self._names.get(("Currency", feed_id)), None)
        for binding in candidates:
            if binding.feed_id in exact or self._aliases.get((feed, feed_id)) == binding:
                return binding
        by_name = [one for one in candidates if isinstance(one.feed_id, str)]
        if not by_name:
            # A refused id may be answered as 0.
            return candidates[0] if candidates and feed_id == 0 else None
        if feed_id:
            self._aliases[feed, feed_id] = by_name[0]
        return by_name[0]

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
    return Frame(frame.feed, frame.feed_id, frame.action, frame.data, **changes)


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
