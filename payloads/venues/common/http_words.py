"""What a server's HTTP answers and close codes mean, in words, and how long they ask to wait.

A refusal's code has one form at every venue (see `Rejected`): the venue's own code where it gave
one, else `HTTP 403`, or `no answer` where none came, for which status 0 stands.

Everything here takes what a server sent, and never raises for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from payloads.errors import elide
from payloads.venues.common.redactor import Redactor
from payloads.venues.common.session import NO_ANSWER, SECOND, Closed, Rejected, Retry

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

# What HTTP means by these statuses, at every server.
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
# --- what a server says ---------------------------------------------------------------------------


def header(headers: Headers, name: str) -> str:
    """The first value of a header, whatever its case; "" if there is none."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), "")


def _http_date(text: str) -> int | None:
    """The seconds of an HTTP date, in the only form that servers may still write."""
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


_PAUSE = re.compile(r"\b([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|milliseconds?|s|secs?|seconds?)\b")


def pause_named(message: str) -> int | None:
    """The nanoseconds of the pause that a refusal names in its words; None for none."""
    if not (match := _PAUSE.search(message)):
        return None
    return int(Decimal(match[1]) * (10**6 if match[2].startswith("m") else SECOND))


def clock_ahead(headers: Headers, now: int) -> int | None:
    """How many seconds the server's clock is ahead of `now`, where its answer is dated."""
    sent = _http_date(header(headers, "Date"))
    return None if sent is None else sent - now // SECOND


def clock_words(headers: Headers, signed_at: int | None, allowed: int = 0) -> str:
    """How far apart the clocks are, for a refusal that is about time.

    "" where the answer has no date, and for no more seconds than the venue allows.
    """
    ahead = clock_ahead(headers, signed_at) if signed_at is not None else None
    if ahead is None or abs(ahead) <= allowed:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    words = f"; the server's clock is {abs(ahead)} s {side} the one that signed"
    return words + (f", and {allowed} s are allowed" if allowed else "")


def worth_retrying(status: int) -> bool:
    """Whether an HTTP status says that the server is busy or failed, which may pass."""
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
    """An HTTP status as a code that cannot be taken for a venue's own code."""
    return f"HTTP {status}" if status > 0 else NO_ANSWER


def refused(
    status: int,
    headers: Headers,
    body: bytes,
    redactor: Redactor,
    meaning: str = "",
    *,
    code: str = "",
    about: str = "",
    again: bool | None = None,
    pause: int = 0,
    now: int | None = None,
) -> tuple[Rejected, Retry]:
    """A refused request, with its status as the code if the venue gave none.

    `again` says whether to try again, where the venue's answer says more than its status. The next
    try waits for `pause`, or for what the answer asks for if that is longer.
    """
    code, meaning = code or status_code(status), meaning or status_words(status)
    again = worth_retrying(status) if again is None else again
    wait = max(pause, wait_asked(headers, now)) if again else 0
    rejected = Rejected(code, said(body, redactor), meaning, about)
    return rejected, Retry(again, f"{code}: {meaning}", wait)


def said(body: bytes, redactor: Redactor) -> str:
    """A refusal's own words on one line, without the credentials that a server may repeat."""
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
    """The `Closed` of a code, in words; after a code of `for_good` there is no next dial."""
    reason = said(reason.encode("utf-8", "replace"), redactor)
    final = (for_good or {}).get(code)
    why = f"{code}: {final or close_words(code)}" + (f" ({reason})" if reason else "")
    return Closed(code, reason, Retry(final is None, why, retry_after))
