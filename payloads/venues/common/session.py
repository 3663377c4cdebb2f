"""What every venue session is, and the events that it reports.

A driver (the transport, a test, a replay) does the I/O and calls, in this order:

1. `dial(now)`: where to connect and with which headers. Called at every dial, so that signatures
   are fresh.
2. `opened(now)` when the websocket is open, or `rejected(status, headers, body)` when the server
   answered the upgrade with something else.
3. `received(data, now)` for every message, `tick(now)` at the latest when `deadline` says so, and
   `take()` after each of these for what is to be sent.
4. `closed(code, reason, now)` when the connection is gone; then from the start, if its `Retry`
   says so.

The methods for the session's owner (`subscribe`, `unsubscribe`, `request`) are marked `by_caller`:
the driver makes the call, so that it may come from any thread, and sends at once what it queues.
They take no time; where the session needs one, `deadline` is 0 and the driver calls `tick`.

The calls of 2 to 4 answer a list of events. None of them raises for anything a server sends: what
cannot be understood becomes a `Broken` or an `Unknown` event, with the message kept. Times are
integers: nanoseconds since 1970. Numbers never go through a float.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, Protocol, TypeVar

from payloads.abi.fields import Record
from payloads.errors import PayloadError
from payloads.venues.common.redactor import Message

SECOND = 10**9


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
    # Whether the answer is a credential: then a capture keeps only its size.
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

    # Whether the driver acts on it: it does not look at all the others.
    for_driver: ClassVar[bool] = False


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


# The codes of requests without an answer: none came in time, or the connection went before.
NO_ANSWER, LOST = "no answer", "lost"
# The other codes of what has not come: the venue agreed and sent nothing, or was not even asked.
NO_DATA, NOT_ASKED = "no data", "not asked for"
# The session has stopped asking: it will not come any more.
GIVEN_UP = "given up"


class Missing(Record, frozen=True):
    """Something that is wanted of a venue and has not come so far.

    `code` is `no data` (nothing came for a subscription), `no answer`, `lost`, `given up` (a gap
    that will not be filled), or `not asked for` where the session did not get so far. `asked_at` is
    when it was asked for first, in nanoseconds; 0 where it was not.
    """

    code: str
    asked_at: int = 0


class Rejected(Event, frozen=True):
    """The venue refused something: the upgrade, credentials, a subscription, a request.

    `code` has one form at every venue: the venue's own code, as it sent it; else the status of its
    HTTP answer, as `HTTP 403`; else words for what it did not say: `no answer`, `lost`, or another
    reason in lower case. `message` is what the venue said, `meaning` is the code in words, and
    `about` is what was refused.
    """

    for_driver: ClassVar[bool] = True

    code: str
    message: str
    meaning: str = ""
    about: str = ""


class Broken(Event, frozen=True):
    """A message that is not what the venue's protocol allows."""

    for_driver: ClassVar[bool] = True

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

    for_driver: ClassVar[bool] = True

    silent_for: int


class Closed(Event, frozen=True):
    """The connection is gone."""

    for_driver: ClassVar[bool] = True

    code: int
    reason: str
    retry: Retry


# --- the session ----------------------------------------------------------------------------------

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Session")


class Driver(Protocol):
    """Makes a call of the session's owner where the session is driven."""

    def __call__(self, call: Callable[[], R]) -> R: ...


def by_caller(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Mark a method that is for the session's owner. A driver, if any, makes the call."""

    def made(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result = method(self, *args, **kwargs)
        self._called()
        return result

    @wraps(method)
    def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = partial(made, self, *args, **kwargs)
        return call() if self.driver is None else self.driver(call)

    return called


class Session(ABC):
    """A connection's protocol state. See the module's first lines for who calls what when."""

    venue: ClassVar[str]

    def __init__(self) -> None:
        self._outgoing: list[Message] = []
        self._requests: list[Request] = []
        # When `tick` wants to be called, at the latest; None for never.
        self.deadline: int | None = None
        # Set while a driver has this session that wants to know of its owner's calls.
        self.driver: Driver | None = None

    @property
    def refused(self) -> dict[str, str]:
        """The subscriptions that the venue refused for good, and why."""
        return {}

    @property
    def missing(self) -> dict[str, Missing]:
        """What is wanted and has never come, on no connection so far, without what is refused.

        A subscription has come with its first data. An acknowledgement is enough where the venue
        sends data only when something happens: trades, orders, fills.
        """
        return {}

    @property
    def all_refused(self) -> bool:
        """Whether there were subscriptions, and none of them can come any more."""
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

    def _called(self) -> None:
        """The owner has made a call: plan anew."""
        return

    def _send(self, message: Mapping[str, Any]) -> None:
        self._outgoing.append(json.dumps(message, separators=(",", ":"), ensure_ascii=False))
