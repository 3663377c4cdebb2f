"""What the sessions of more than one venue need, each thing once.

`JsonSession` is a session whose messages are JSON and whose credentials a server may repeat;
`Subscriptions` says how far each subscription has come, `Pings` and `Watchdog` keep time, `Repeats`
notices what came twice. The functions put refusals into words and find hints to wait in them.

Everything here takes what a server sent and never raises for it. `address`, `check_base` and
`header_value` are for what a caller gives, and raise `Misuse` without showing the value.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from payloads.errors import Malformed, Misuse, elide
from payloads.venues.common.redactor import Message, Redactor, Secret
from payloads.venues.common.session import (
    SECOND,
    Broken,
    Closed,
    Event,
    Rejected,
    Retry,
    Session,
    Stalled,
    parse_json,
)

Headers = Sequence[tuple[str, str]]
K = TypeVar("K", bound=Hashable)

# RFC 6455, section 7.4.1, and the IANA registry of close codes.
CLOSE_CODES = {
    1000: "closed normally",
    1001: "the server is going away",
    1002: "protocol error",
    1003: "a kind of message the server does not take",
    1005: "closed without a code",
    1006: "the connection broke without a close frame",
    1007: "a text message that is not UTF-8",
    1008: "the server's policy does not allow it",
    1009: "a message too large",
    1010: "an extension the client needs was not offered",
    1011: "the server failed",
    1012: "the server restarts",
    1013: "the server is overloaded: try again later",
    1014: "bad gateway",
    1015: "TLS failed",
}

# What HTTP means by them, whoever answers.
SERVER_ERRORS = {
    "500": "the service failed",
    "502": "the service cannot be reached for the moment",
    "503": "the service is not available for the moment",
    "504": "the service did not answer in time",
}
_STATUSES = {
    "401": "the credentials are missing or not valid",
    "403": "the credentials are not allowed to do this",
    "404": "nothing is there: no such path on this host",
    "429": "too many requests or connections",
    **SERVER_ERRORS,
}

# No server that means it asks for more; what does is broken, and must not stop a client for good.
_LONGEST_WAIT = 86_400
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_VISIBLE = re.compile(r"[!-~]+")


# --- what a caller gives --------------------------------------------------------------------------


def header_value(value: str, field: str) -> str:
    """`value`, if it can be a credential in a header: visible ASCII without white space."""
    if not _VISIBLE.fullmatch(value):
        raise Misuse("no such credential", field=field, expected="visible ASCII without spaces")
    return value


def check_base(url: str, schemes: Sequence[str], field: str) -> str:
    """`url` without a slash at its end, if it is no more than a scheme and a host."""
    try:
        parts = urlsplit(url)
        spare = parts.path.strip("/") or re.search(r"[@?#\\]", url)
        fits = parts.scheme in schemes and parts.hostname and not spare and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not _VISIBLE.fullmatch(url):
        expected = f"{' or '.join(schemes)}, a host, and nothing behind it"
        raise Misuse("not an endpoint", field=field, expected=expected)
    return url.rstrip("/")


def address(endpoint: str, known: Mapping[str, str], schemes: Sequence[str] = ("wss", "ws")) -> str:
    """The base of an endpoint that is named, or given as a URL."""
    if endpoint not in known and "://" not in endpoint:
        expected = f"{', '.join(known)}, or a URL of {' or '.join(schemes)}"
        raise Misuse("no such endpoint", field="endpoint", expected=expected)
    return check_base(known.get(endpoint, endpoint), schemes, "endpoint")


# --- what a server says ---------------------------------------------------------------------------


def header(headers: Headers, name: str) -> str:
    """The first value of a header, whatever its case; "" if there is none."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), "")


def _http_date(text: str) -> int | None:
    """The seconds of an HTTP date in the one form that servers may still write."""
    if not (match := _HTTP_DATE.fullmatch(text.strip())) or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[index]) for index in (1, 3, 4, 5, 6))
    month = _MONTHS.index(match[2]) + 1
    try:
        when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(when.timestamp())


def wait_asked(headers: Headers, now: int | None = None) -> int:
    """The nanoseconds that `Retry-After` asks to wait; 0 for none.

    A date in it is counted from the answer's own `Date`, and only without one from `now`.
    """
    asked = header(headers, "Retry-After").strip()
    if re.fullmatch(r"[0-9]{1,9}", asked):
        seconds = int(asked)
    else:
        until, sent = _http_date(asked), _http_date(header(headers, "Date"))
        begin = now // SECOND if sent is None and now is not None else sent
        seconds = 0 if until is None or begin is None else until - begin
    return max(0, min(seconds, _LONGEST_WAIT)) * SECOND


def clock_ahead(headers: Headers, now: int) -> int | None:
    """How many seconds the server's clock is ahead of `now`, where its answer is dated."""
    sent = _http_date(header(headers, "Date"))
    return None if sent is None else sent - now // SECOND


def clock_words(headers: Headers, signed_at: int | None, allowed: int = 0) -> str:
    """How far apart the clocks are, for a refusal that is about time; "" where nobody can tell.

    Nothing is said of as many seconds as the venue allows.
    """
    ahead = clock_ahead(headers, signed_at) if signed_at is not None else None
    if ahead is None or abs(ahead) <= allowed:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    words = f"; the server's clock is {abs(ahead)} s {side} the one that signed"
    return words + (f", and {allowed} s are allowed" if allowed else "")


def worth_retrying(status: int) -> bool:
    """Whether an HTTP status is one of those that pass: the server is busy, or failed.

    Status 0 stands for an answer that never came.
    """
    return status in (408, 425, 429) or status >= 500 or status <= 0


def status_words(status: int) -> str:
    """What an HTTP status means, where the venue has no words of its own for it."""
    if status <= 0:
        return "no answer came"
    if status < 300:
        return "an answer, but not the one asked for"
    if status < 400:
        return "the service sends elsewhere, where credentials for here do not go"
    other = "the request is refused" if status < 500 else SERVER_ERRORS["500"]
    return _STATUSES.get(str(status), other)


def status_code(status: int) -> str:
    """An HTTP status as a code, which is not to be taken for one of a venue's own."""
    return f"HTTP {status}" if status > 0 else "no answer"


def refused(
    status: int,
    headers: Headers,
    body: bytes,
    redactor: Redactor,
    meaning: str,
    *,
    pause: int,
    now: int | None = None,
    about: str = "",
    code: str = "",
) -> tuple[Rejected, Retry]:
    """A refusal whose code is the HTTP status, if none is given; what passes is asked again after
    `pause` or more."""
    code = code or (str(status) if status > 0 else status_code(status))
    rejected = Rejected(code, said(body, redactor), meaning, about)
    again = worth_retrying(status)
    wait = max(pause, wait_asked(headers, now)) if again else 0
    return rejected, Retry(again, f"{code}: {meaning}", wait)


def upgrade_refused(
    status: int, headers: Headers, body: bytes, redactor: Redactor, meaning: str = ""
) -> tuple[Rejected, Retry]:
    """A refused upgrade of a venue that has no codes of its own for it."""
    code, meaning = status_code(status), meaning or status_words(status)
    event = Rejected(code, said(body, redactor), meaning, "upgrade")
    return event, Retry(worth_retrying(status), f"{code}: {meaning}", wait_asked(headers))


def said(body: bytes, redactor: Redactor) -> str:
    """A refusal's own words on one line, without any credential that the server repeats."""
    cleaned = redactor.clean(body)
    assert isinstance(cleaned, bytes)
    text = cleaned[:4096].decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        words = [found[key] for key in ("error", "message") if isinstance(found.get(key), str)]
        text = redactor.clean(": ".join(dict.fromkeys(words)) or text)
    return elide(" ".join(text.split()), 300)


def close_words(code: int) -> str:
    """What a close code means."""
    if 4000 <= code <= 4999:
        return "a code of the venue's own, which it does not document"
    return CLOSE_CODES.get(code, "a code that means nothing by the standard")


def closing(
    code: int,
    reason: str,
    retry_after: int,
    redactor: Redactor,
    for_good: Mapping[int, str] | None = None,
) -> Closed:
    """The `Closed` of a code, in words. `for_good` are the codes after which nobody dials again."""
    reason = said(reason.encode("utf-8", "replace"), redactor)
    final = (for_good or {}).get(code)
    why = f"{code}: {final or close_words(code)}" + (f" ({reason})" if reason else "")
    return Closed(code, reason, Retry(final is None, why, retry_after))


# --- a session that talks -------------------------------------------------------------------------


class JsonSession(Session):
    """A session whose messages are JSON, and which redacts what a server repeats of credentials.

    A message is cleaned before it is read, so that no event can hold a credential.
    """

    def __init__(self, redactor: Redactor | Secret | None = None) -> None:
        super().__init__()
        self._redactor = redactor if isinstance(redactor, Redactor) else Redactor(redactor)
        self._open = False

    def received(self, data: Message, now: int) -> list[Event]:
        data = self._redactor.clean(data)
        try:
            events = self._read(parse_json(data), data, now)
        except Malformed as error:
            events = [Broken(error, data)]
        events += self._go_on(now)
        return events

    @abstractmethod
    def _read(self, content: Any, raw: Message, now: int) -> list[Event]:
        """The events of a message; `Malformed` for what the protocol does not allow."""

    @abstractmethod
    def _go_on(self, now: int) -> list[Event]:
        """Whatever can be done now, after anything that happened; sets the deadline."""

    def redact(self, data: Message) -> Message:
        return self._redactor.clean(data)


# --- subscriptions --------------------------------------------------------------------------------

# Wanted but not asked for yet; asked for; acknowledged; without an answer for too long; ended by
# the venue, and not asked for again on this connection.
HELD, ASKED, IN_FORCE, OVERDUE, ENDED = "held", "asked", "in force", "overdue", "ended"


class Subscriptions(dict[K, str]):
    """What is wanted of a connection, in the order in which it was, and how far each has come."""

    def those(self, *states: str) -> list[K]:
        """What has come this far and no further."""
        return [key for key, state in self.items() if state in states]

    def hold(self) -> None:
        """Everything has to be asked for anew."""
        self.update(dict.fromkeys(self, HELD))


# --- time -----------------------------------------------------------------------------------------


class Pings:
    """When the next ping of the application's own is due, while the connection is open."""

    def __init__(self, every: int | None) -> None:
        self.every = every
        self.deadline: int | None = None

    def start(self, now: int) -> None:
        self.deadline = None if self.every is None else now + self.every

    def stop(self) -> None:
        self.deadline = None

    def due(self, now: int) -> bool:
        """Whether one is to be sent now; the next is due its time later."""
        if self.deadline is None or now < self.deadline:
            return False
        self.start(now)
        return True


class Watchdog:
    """Notices silence: armed by the first `fed`, it barks once for each silence.

    It waits for the first message because nobody can tell a stream that has stopped from one that
    has nothing to say until it has said something.
    """

    def __init__(self, limit: int | None) -> None:
        if limit is not None and limit <= 0:
            raise Misuse("no such time", field="silence", expected="more than 0 nanoseconds")
        self.limit = limit
        self.deadline: int | None = None
        self._last = 0

    def fed(self, now: int) -> None:
        if self.limit is not None:
            self._last, self.deadline = now, now + self.limit

    def stop(self) -> None:
        self.deadline = None

    def check(self, now: int) -> list[Stalled]:
        if self.deadline is None or now < self.deadline:
            return []
        self.stop()
        return [Stalled(now - self._last)]


def earliest(*deadlines: int | None) -> int | None:
    """The first of some deadlines, any of which may be none."""
    return min((one for one in deadlines if one is not None), default=None)


# --- repetition -----------------------------------------------------------------------------------


class Duplicate(Event, frozen=True):
    """Data that was delivered before: dropped here; a capture has the frame all the same.

    `content` is what `Data` would have had, where the session reads what it drops.
    """

    channel: str
    content: Any = None


class Repeats:
    """Notices what is one of the latest of its stream, by a mark that no two messages share.

    Where messages hold a time or a number of their own, the message itself is such a mark. Only
    hashes are kept, because messages may be long.
    """

    # More streams than any venue has; beyond that nothing is remembered.
    STREAMS = 4096

    def __init__(self, latest: int = 256) -> None:
        self.count = 0
        self._latest = latest
        self._known: dict[str, OrderedDict[int, None]] = {}

    def again(self, mark: Hashable, stream: str = "") -> bool:
        """Whether it came before; it is remembered from now on."""
        known = self._known.get(stream)
        if known is None:
            if len(self._known) >= self.STREAMS:
                return False
            known = self._known[stream] = OrderedDict()
        key = hash(mark)
        if key in known:
            self.count += 1
            return True
        known[key] = None
        if len(known) > self._latest:
            known.popitem(last=False)
        return False

    def forget(self) -> None:
        """What comes now may be the same as before; the count goes on."""
        self._known.clear()
