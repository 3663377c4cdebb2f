"""The REST service of Chainlink Data Streams: requests to make, and what their answers say.

`Rest` makes signed `Request` objects (each good for about 5 seconds) and reads the `Reply` to each.
Reading raises `Refused` for a status that is no success, with the venue's words and what they mean,
and `Malformed` for a success whose body is not what the service sends. Credentials that a body
repeats are taken out before it is read. `read_report` is for the same object in a websocket frame.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from payloads import chainlink
from payloads.abi.fields import Record
from payloads.chainlink.frames import payload_bytes
from payloads.errors import Malformed, Misuse, PayloadError, Refused, shown
from payloads.inputs import to_bytes
from payloads.venues.chainlink.auth import (
    AVAILABLE_ORIGINS,
    COMMAS,
    FEED_ID,
    LITERAL,
    MAINNET,
    SECRET_HEADERS,
    Credentials,
    Endpoint,
    feed_ids,
    refusal,
    signed_headers,
)
from payloads.venues.common.http_words import header
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES, parse_json
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import Rejected, Reply, Request, Retry

FEEDS_PATH = "/api/v1/feeds"
REPORT_PATH = "/api/v1/reports"
LATEST_PATH = "/api/v1/reports/latest"
BULK_PATH = "/api/v1/reports/bulk"
PAGE_PATH = "/api/v1/reports/page"

# Connections that one user may have at once, which is also the most origins worth remembering.
MOST_CONNECTIONS = 20


class StreamReport(Record, frozen=True):
    """A report as the service wraps it. Nothing in it is verified: see `chainlink.decode`.

    The timestamps are UNIX seconds, as the wrapping says; where it says none, as the report does.
    """

    feed_id: str
    full_report: bytes
    observations_timestamp: int | None
    valid_from_timestamp: int | None
    # Which connection brought it, in HA mode.
    origin: str = ""
    # Asked for over REST after a gap, not streamed.
    backfilled: bool = False
    # What else was in the object, if anything.
    extra: dict[str, Any] | None = None


class Bulk(Record, frozen=True):
    """Reports of several feeds at one time, in no order, and the feeds there was none for."""

    reports: tuple[StreamReport, ...]
    missing: tuple[str, ...]


class Page(Record, frozen=True):
    """Reports of one feed in ascending order; `next_timestamp` is None where it is the last."""

    reports: tuple[StreamReport, ...]
    next_timestamp: int | None


def page_purpose(feed: str, start: int) -> str:
    """What the request for a page, and its answer, is known by."""
    return f"page:{feed}:{start}"


# --- reading a report object ----------------------------------------------------------------------


_Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Plain(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A report object with what the service is known to put there, and nothing else."""

    feedID: str
    fullReport: str
    observationsTimestamp: _Seconds
    validFromTimestamp: _Seconds


class _Frame(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    report: _Plain


_KNOWN = frozenset(_Plain.__struct_fields__)
_decode_plain = msgspec.json.Decoder(_Frame).decode


def read_frame(data: Message, origin: str = "") -> StreamReport | None:
    """The report of a streamed message; None for a message of another kind, which is JSON."""
    try:
        # Nearly all messages, in one pass; what is wrong with others is told below.
        plain = _decode_plain(data).report if len(data) <= MAX_MESSAGE_BYTES else None
    except (msgspec.MsgspecError, ValueError):
        plain = None
    if plain is not None and (feed := _feed_id(plain.feedID)):
        raw = to_bytes(plain.fullReport, name="report.fullReport")
        times = plain.observationsTimestamp, plain.validFromTimestamp
        return StreamReport(feed, raw, *times, origin)
    message = parse_json(data)
    if not isinstance(message, dict) or "report" not in message:
        return None
    return read_report(message["report"], origin=origin)


def read_report(message: Any, *, origin: str = "", backfilled: bool = False) -> StreamReport:
    """The object under `report`, or one of `reports`; `Malformed` if it is none."""
    if not isinstance(message, dict):
        raise Malformed("no report", field="report", expected="an object", found=shown(message))
    feed = message.get("feedID")
    if not isinstance(feed, str) or not (feed_id := _feed_id(feed)):
        raise _not_in_report("feedID", "0x and 64 hex digits", feed)
    raw = payload_bytes(message, "report.")
    observed = _timestamp(message, "observationsTimestamp")
    valid_from = _timestamp(message, "validFromTimestamp")
    if observed is None or valid_from is None:
        signed_from, signed_at = _signed_timestamps(raw)
        observed = signed_at if observed is None else observed
        valid_from = signed_from if valid_from is None else valid_from
    extra = {key: value for key, value in message.items() if key not in _KNOWN} or None
    return StreamReport(feed_id, raw, observed, valid_from, origin, backfilled, extra)


@lru_cache(1024)
def _feed_id(text: str) -> str:
    """A feed ID as it is compared; "" for what is none. The same few come again and again."""
    return text.lower() if FEED_ID.fullmatch(text) else ""


def _timestamp(message: dict[str, Any], key: str) -> int | None:
    value = message.get(key)
    if value is None or (type(value) is int and 0 <= value < 2**64):
        return value
    raise _not_in_report(key, "UNIX seconds as an integer", value)


def _not_in_report(key: str, expected: str, found: Any) -> Malformed:
    reason = "not what a report has here"
    return Malformed(reason, field=f"report.{key}", expected=expected, found=shown(found))


def _signed_timestamps(raw: bytes) -> tuple[int | None, int | None]:
    """What the report itself says; nothing where it cannot be read, which is for others to say."""
    try:
        report = chainlink.decode_envelope(raw).report
    except PayloadError:
        return None, None
    head = report.head
    valid_from = getattr(head, "valid_from_timestamp", None)
    return valid_from, getattr(head, "observations_timestamp", None)


# A token of RFC 9110, and the colons, slashes and brackets of a host or URL: safe in a header.
_ORIGIN_VALUE = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~:/@?=\[\]-]{1,256}")


def parse_origins(value: str) -> tuple[str, ...]:
    """The origins of `X-Cll-Available-Origins`: a comma list, perhaps in braces.

    What could not stand in a header again is left out, and so are repetitions.
    """
    text = value.strip().removeprefix("{").removesuffix("}")
    origins = (one.strip() for one in text.split(","))
    usable = dict.fromkeys(one for one in origins if _ORIGIN_VALUE.fullmatch(one))
    return tuple(usable)[:MOST_CONNECTIONS]


# --- requests -------------------------------------------------------------------------------------


class Rest:
    """Requests of one user to one endpoint, signed at `now` (nanoseconds), and their answers."""

    def __init__(
        self, credentials: Credentials, endpoint: Endpoint = MAINNET, *, comma: str = LITERAL
    ) -> None:
        if comma not in COMMAS:
            raise Misuse("no such comma", field="comma", expected=" or ".join(COMMAS))
        self.credentials, self.endpoint, self.comma = credentials, endpoint, comma
        self.redactor = credentials.redactor

    def __repr__(self) -> str:
        return f"Rest({self.endpoint.rest!r})"

    def origins(self, now: int) -> Request:
        """Which origins there are to connect to: `HEAD /` on the websocket's host."""
        return self._request("HEAD", self.endpoint.ws_over_http, "/", now, "origins")

    def feeds(self, now: int) -> Request:
        """The feeds that these credentials may see."""
        return self._get(FEEDS_PATH, now, "feeds")

    def latest(self, feed: str, now: int) -> Request:
        (feed,) = feed_ids(feed)
        return self._get(f"{LATEST_PATH}?feedID={feed}", now, f"latest:{feed}")

    def at(self, feed: str, timestamp: int, now: int) -> Request:
        """The report of a feed at a time (UNIX seconds)."""
        (feed,) = feed_ids(feed)
        query = f"feedID={feed}&timestamp={_seconds(timestamp)}"
        return self._get(f"{REPORT_PATH}?{query}", now, f"at:{feed}:{timestamp}")

    def bulk(self, feeds: tuple[str, ...] | list[str], timestamp: int, now: int) -> Request:
        """The reports of several feeds at a time."""
        listed = self.comma.join(feed_ids(feeds))
        query = f"feedIDs={listed}&timestamp={_seconds(timestamp)}"
        return self._get(f"{BULK_PATH}?{query}", now, f"bulk:{timestamp}")

    def page(self, feed: str, start: int, now: int, limit: int | None = None) -> Request:
        """Reports of a feed from a time on; how many is for the service to say, or `limit`."""
        (feed,) = feed_ids(feed)
        query = f"feedID={feed}&startTimestamp={_seconds(start)}"
        if limit is not None:
            query += f"&limit={_seconds(limit, 'limit')}"
        return self._get(f"{PAGE_PATH}?{query}", now, page_purpose(feed, start))

    def _get(self, path: str, now: int, purpose: str) -> Request:
        return self._request("GET", self.endpoint.rest, path, now, purpose)

    def _request(self, method: str, base: str, path: str, now: int, purpose: str) -> Request:
        headers = signed_headers(self.credentials, method, path, now)
        return Request(method, base + path, headers, b"", purpose, SECRET_HEADERS)

    # --- answers ---

    def refusal(
        self, reply: Reply, *, signed_at: int | None = None, about: str = ""
    ) -> tuple[Rejected, Retry]:
        """A status that is no success in words, and whether (and when) to ask again.

        What is asked again has to be made again: a signature is good for 5 seconds.
        """
        return refusal(
            reply.status,
            reply.headers,
            reply.body,
            redactor=self.redactor,
            signed_at=signed_at,
            about=about or reply.purpose,
        )

    def read_origins(self, reply: Reply) -> tuple[str, ...]:
        """The origins there are; none where the service names none."""
        self._expect(reply, (200, 204))
        return parse_origins(header(reply.headers, AVAILABLE_ORIGINS))

    def read_feeds(self, reply: Reply) -> tuple[str, ...]:
        found = self._body(reply, "feeds", list)
        return tuple(_feed(item, f"feeds[{index}]") for index, item in enumerate(found))

    def read_one(self, reply: Reply) -> StreamReport:
        """The report that `latest` or `at` asked for."""
        return read_report(self._body(reply, "report", dict))

    def read_bulk(self, reply: Reply, asked: tuple[str, ...] | list[str]) -> Bulk:
        """The reports, and which feeds have none: 206 says that there are some, not which."""
        reports = _reports(self._body(reply, "reports", list, (200, 206)))
        found = {report.feed_id for report in reports}
        return Bulk(reports, tuple(feed for feed in feed_ids(asked) if feed not in found))

    def read_page(self, reply: Reply) -> Page:
        reports = _reports(self.items(reply))
        times = [report.observations_timestamp for report in reports]
        last = max((time for time in times if time is not None), default=None)
        return Page(reports, None if last is None else last + 1)

    def items(self, reply: Reply) -> list[Any]:
        """The report objects of a page, unread: for who wants the others where one is broken."""
        found: list[Any] = self._body(reply, "reports", list)
        return found

    def _expect(self, reply: Reply, wanted: tuple[int, ...]) -> None:
        if reply.status in wanted:
            return
        rejected, _ = self.refusal(reply)
        found = f"{rejected.code} {rejected.message}".strip()
        raise Refused(rejected.meaning, field=reply.purpose, expected="success", found=found)

    def _body(self, reply: Reply, key: str, kind: type, wanted: tuple[int, ...] = (200,)) -> Any:
        self._expect(reply, wanted)
        message = parse_json(self.redactor.clean(reply.body))
        found = message.get(key) if isinstance(message, dict) else None
        if not isinstance(found, kind):
            expected = f"an object with {key}"
            raise Malformed("not what was asked for", field=key, expected=expected)
        return found


def _seconds(value: int, field: str = "timestamp") -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        expected = "a whole number from 0"
        raise Misuse("no such number", field=field, expected=expected, found=shown(value))
    return value


def _feed(item: Any, path: str) -> str:
    feed = item.get("feedID") if isinstance(item, dict) else None
    if not isinstance(feed, str) or not (feed_id := _feed_id(feed)):
        raise Malformed("not a feed", field=path, expected="a feedID", found=shown(item))
    return feed_id


def _reports(items: list[Any]) -> tuple[StreamReport, ...]:
    return tuple(read_report(item) for item in items)
