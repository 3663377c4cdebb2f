"""What every venue session is, and the words they share.

A driver (the transport, a test, a replay) does the I/O and calls, in this order:

1. `dial(now)`: where to connect and with which headers. Called at every dial, so that signatures
   are fresh.
2. `opened(now)` when the websocket is open, or `rejected(status, headers, body)` when the server
   answered the upgrade with something else.
3. `received(data, now)` for every message, `tick(now)` at the latest when `deadline` says so, and
   `take()` after each of these for what is to be sent.
4. `closed(code, reason, now)` when the connection is gone; then from the start, if its `Retry`
   says so.

What the session's owner calls meanwhile (`subscribe`, `query`, …) is marked `by_caller`: it goes
through the driver, so that it may be called from any thread, and what it queues leaves at once.

All of 2 to 4 answer a list of events. None of them raises for anything a server sends: what cannot
be understood becomes a `Broken` or an `Unknown` event, with the message kept. Times are integers:
nanoseconds since 1970. Numbers never go through a float.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, Protocol, TypeVar

import msgspec

from payloads.abi.fields import Record
from payloads.errors import Malformed, PayloadError, elide
from payloads.inputs import check_nesting
from payloads.venues.common.redactor import Message

SECOND = 10**9
# No venue sends more in one message; it is the bound that the transport sets on frames as well.
MAX_MESSAGE_BYTES = 16 * 2**20


class Dial(Record, frozen=True):
    """Where to connect, and the headers of the upgrade. `url` is sent byte for byte as it is here.

    Headers may carry credentials; their names in `secret_headers` are what a capture redacts, as
    are the query parameters in `secret_parameters`.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    secret_headers: tuple[str, ...] = ()
    secret_parameters: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Dial({self.url.partition('?')[0]!r}, headers={[name for name, _ in self.headers]})"


class Request(Record, frozen=True):
    """An HTTP request that a session wants made (a login, a refresh, a backfill)."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    # What the session calls it when the answer comes back.
    purpose: str = ""
    # As in `Dial`: the names of headers that carry credentials.
    secret_headers: tuple[str, ...] = ()
    # Whether the answer is one: then a capture keeps no more of it than its size.
    secret_reply: bool = False

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]!r}, purpose={self.purpose!r})"


class Reply(Record, frozen=True):
    """The answer to a `Request`."""

    purpose: str
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        # The answer to a login is a token, and its cookies are more of them.
        return f"Reply({self.purpose!r}, status={self.status}, {len(self.body)} bytes)"


class Retry(Record, frozen=True):
    """Whether to dial again, and what the venue gave as the reason.

    `at_least` is the shortest wait in nanoseconds; the transport's backoff may make it longer.
    """

    again: bool
    why: str
    at_least: int = 0


# --- events ---------------------------------------------------------------------------------------


class Event(Record, frozen=True):
    """Something that happened on a connection."""


class Opened(Event, frozen=True):
    """The websocket is open."""


class Authenticated(Event, frozen=True):
    """The venue accepted the credentials (where it says so at all)."""

    detail: str = ""


class Subscribed(Event, frozen=True):
    """A subscription is in force: acknowledged, or, where the venue has no word for it, by data."""

    what: str


class Unsubscribed(Event, frozen=True):
    """A subscription is over."""

    what: str


class Data(Event, frozen=True):
    """A message with data: its channel (or feed), and the parsed content.

    `payload` is the signed payload's bytes where the venue sends one, undecoded.
    """

    channel: str
    content: Any
    payload: bytes | None = None


class Rejected(Event, frozen=True):
    """The venue said no: to the upgrade, to credentials, to a request. `code` is its own."""

    code: str
    message: str
    # What the code means, in words, and what it was about.
    meaning: str = ""
    about: str = ""


class Broken(Event, frozen=True):
    """A message that is not what the venue's protocol allows."""

    error: PayloadError
    raw: Message


class Unknown(Event, frozen=True):
    """A message of a kind this session does not know: passed on as it is."""

    content: Any
    raw: Message


class Stalled(Event, frozen=True):
    """Nothing has come for longer than the venue's rate allows: the driver should dial again.

    `silent_for` is in nanoseconds. The connection may still answer pings.
    """

    silent_for: int


class Closed(Event, frozen=True):
    """The connection is gone."""

    code: int
    reason: str
    retry: Retry


# --- the session ----------------------------------------------------------------------------------

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Session")


class Driver(Protocol):
    """Makes a call of the session's owner where it is driven, and sees to what it wants then."""

    def __call__(self, call: Callable[[], R]) -> R: ...


def by_caller(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Mark a method that is for the session's owner: it goes by the driver, if there is one."""

    @wraps(method)
    def handed_over(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.driver is None:
            return method(self, *args, **kwargs)
        return self.driver(partial(method, self, *args, **kwargs))

    return handed_over


class Session(ABC):
    """A connection's protocol state. See the module's first lines for who calls what when."""

    venue: ClassVar[str]

    def __init__(self) -> None:
        self._outgoing: list[Message] = []
        self._requests: list[Request] = []
        # When `tick` wants to be called, at the latest; None for never.
        self.deadline: int | None = None
        # Set while somebody drives this session who wants to hear of its owner's calls.
        self.driver: Driver | None = None
        self._denied: dict[str, str] = {}

    @property
    def denied(self) -> dict[str, str]:
        """What was asked for and will not come, because the venue refused it for good; and why."""
        return {**self._denied}

    @property
    def hopeless(self) -> bool:
        """Whether nothing is left to come of all the subscriptions that were asked for."""
        return False

    def ready(self, now: int) -> bool:
        """Whether `dial` may be called: not while a reply is on its way that it needs."""
        return True

    @abstractmethod
    def dial(self, now: int) -> Dial:
        """Where to connect now, with fresh credentials."""

    @abstractmethod
    def opened(self, now: int) -> list[Event]:
        """The websocket is open: queue what is to be sent first."""

    @abstractmethod
    def received(self, data: Message, now: int) -> list[Event]:
        """A message came in, text or binary."""

    def tick(self, now: int) -> list[Event]:
        """Time has passed."""
        return []

    def replied(self, reply: Reply, now: int) -> list[Event]:
        """The answer to a request from `take_requests` came in."""
        return []

    @abstractmethod
    def rejected(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Rejected, Retry]:
        """The server answered the upgrade with an HTTP status instead of a websocket."""

    @abstractmethod
    def closed(self, code: int, reason: str, now: int) -> list[Event]:
        """The connection is gone. The last event is a `Closed` that says whether to dial again."""

    def take(self) -> list[Message]:
        """Everything to send, in order; each message is handed out once."""
        taken, self._outgoing = self._outgoing, []
        return taken

    def take_requests(self) -> list[Request]:
        """HTTP requests to make; each is handed out once, and answered through `replied`."""
        taken, self._requests = self._requests, []
        return taken

    def redact(self, data: Message) -> Message:
        """A sent message as a capture may keep it: credentials replaced, the rest as it was."""
        return data

    def _send(self, message: Mapping[str, Any]) -> None:
        self._outgoing.append(json.dumps(message, separators=(",", ":"), ensure_ascii=False))


# --- JSON without floats --------------------------------------------------------------------------


def _fraction(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond what the decimal module can hold
        raise ValueError("a number out of all range") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Python and msgspec refuse to parse longer integers; no venue sends one.
_MOST_DIGITS = 4300


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits.lstrip("-")) <= _MOST_DIGITS else Decimal(digits)


_decode_fast = msgspec.json.Decoder(float_hook=_fraction).decode
_decoder = json.JSONDecoder(parse_float=_fraction, parse_int=_whole, parse_constant=_no_constant)


def parse_json(data: Message) -> Any:
    """The JSON of a message, numbers exact (`int` or `Decimal`); `Malformed` if it is none."""
    if len(data) > MAX_MESSAGE_BYTES:
        limit = f"at most {MAX_MESSAGE_BYTES} bytes"
        raise Malformed("message too large", expected=limit, found=str(len(data)))
    check_nesting(data)
    try:
        return _decode_fast(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # the slow way takes a little more (lone surrogates, for one), or says what is wrong
    try:
        text = data.decode() if isinstance(data, bytes) else data
        return _decoder.decode(text.strip())
    except (ValueError, RecursionError) as error:
        found = elide(str(error), 120)
        raise Malformed("not JSON", field="message", found=found) from None
