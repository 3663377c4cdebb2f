"""What the sessions of more than one venue need: refusals in words, hints to wait, silence.

Everything here takes what a server sent and never raises for it. `check_base` and `header_value`
are for what a caller gives, and raise `Misuse` without showing the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from payloads.errors import Misuse, elide
from payloads.venues.session import SECOND, Closed, Redactor, Retry, Stalled

__all__ = [
    "CLOSE_CODES", "Headers", "Watchdog", "check_base", "clock_ahead", "close_words", "closing",
    "earliest", "header", "header_value", "said", "wait_asked",
]  # fmt: skip

Headers = Sequence[tuple[str, str]]

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
        spare = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        fits = parts.scheme in schemes and parts.hostname and not spare and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not _VISIBLE.fullmatch(url):
        expected = f"{' or '.join(schemes)}, a host, and nothing behind it"
        raise Misuse("not an endpoint", field=field, expected=expected)
    return url.rstrip("/")


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
        text = redactor.text(": ".join(dict.fromkeys(words)) or text)
    return elide(" ".join(text.split()), 300)


def close_words(code: int) -> str:
    """What a close code means."""
    if 4000 <= code <= 4999:
        return "a code of the venue's own, which it does not document"
    return CLOSE_CODES.get(code, "a code that means nothing by the standard")


def closing(code: int, reason: str, retry_after: int, redactor: Redactor) -> Closed:
    """The `Closed` of a venue that publishes no close codes: in words, and always dialled again."""
    reason = said(reason.encode("utf-8", "replace"), redactor)
    why = f"{code}: {close_words(code)}" + (f" ({reason})" if reason else "")
    return Closed(code, reason, Retry(True, why, retry_after))


# --- silence --------------------------------------------------------------------------------------


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
