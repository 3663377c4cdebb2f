"""Requests to the REST service of Data Streams, and their answers.

`Rest` makes signed `Request` objects (each good for about 5 seconds) and reads the `Reply` to each.
Reading raises `Refused` for a status that is no success, with the venue's words and what they mean,
and `Malformed` for a success whose body is not what the service sends. Credentials that a body
repeats are taken out before it is read.
"""

from __future__ import annotations

import re
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, Refused, shown
from payloads.venues.chainlink.auth import (
    AVAILABLE_ORIGINS,
    COMMAS,
    LITERAL,
    MAINNET,
    SECRET_HEADERS,
    ChainlinkCredentials,
    Endpoint,
    feed_ids,
    signed_headers,
)
from payloads.venues.chainlink.codes import refusal
from payloads.venues.chainlink.reports import StreamReport, read_feed_id, read_report
from payloads.venues.common.http_words import header
from payloads.venues.common.json_text import parse_json
from payloads.venues.common.session import Rejected, Reply, Request, Retry

FEEDS_PATH = "/api/v1/feeds"
REPORT_PATH = "/api/v1/reports"
LATEST_PATH = "/api/v1/reports/latest"
BULK_PATH = "/api/v1/reports/bulk"
PAGE_PATH = "/api/v1/reports/page"

# Connections that one user may have at once, which is also the most origins worth remembering.
MOST_CONNECTIONS = 20


class Bulk(Record, frozen=True):
    """Reports of several feeds at one time, in no order, and the feeds without a report then."""

    reports: tuple[StreamReport, ...]
    missing: tuple[str, ...]


class Page(Record, frozen=True):
    """Reports of one feed in ascending order; `next_timestamp` is None on the last page."""

    reports: tuple[StreamReport, ...]
    next_timestamp: int | None


def page_purpose(feed: str, start: int) -> str:
    """The purpose of the request for a page, and of its reply."""
    return f"page:{feed}:{start}"


# A token of RFC 9110, and the colons, slashes and brackets of a host or URL: safe in a header.
_ORIGIN_VALUE = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~:/@?=\[\]-]{1,256}")


def parse_origins(value: str) -> tuple[str, ...]:
    """The origins of `X-Cll-Available-Origins`: a list with commas, perhaps in braces.

    Names that could not stand in a header again are left out, and so are repetitions.
    """
    text = value.strip().removeprefix("{").removesuffix("}")
    names = (name.strip() for name in text.split(","))
    usable = dict.fromkeys(name for name in names if _ORIGIN_VALUE.fullmatch(name))
    return tuple(usable)[:MOST_CONNECTIONS]


class Rest:
    """Requests of one user to one endpoint, signed at `now` (nanoseconds), and their answers."""

    def __init__(
        self,
        credentials: ChainlinkCredentials,
        endpoint: Endpoint | str = MAINNET,
        *,
        comma: str = LITERAL,
    ) -> None:
        if comma not in COMMAS:
            raise Misuse("no such comma", field="comma", expected=" or ".join(COMMAS))
        self.credentials, self.comma = credentials, comma
        self.endpoint = Endpoint.of(endpoint) if isinstance(endpoint, str) else endpoint
        self.redactor = credentials.redactor

    def __repr__(self) -> str:
        return f"Rest({self.endpoint.rest!r})"

    # --- requests ---

    def origins(self, now: int) -> Request:
        """The origins that there are to connect to: `HEAD /` on the websocket's host."""
        return self._request("HEAD", self.endpoint.ws_over_http, "/", now, "origins")

    def feeds(self, now: int) -> Request:
        """The feeds that these credentials may see."""
        return self._get(FEEDS_PATH, now, "feeds")

    def latest(self, feed: str, now: int) -> Request:
        """The newest report of a feed."""
        (feed,) = feed_ids([feed])
        return self._get(f"{LATEST_PATH}?feedID={feed}", now, f"latest:{feed}")

    def at(self, feed: str, timestamp: int, now: int) -> Request:
        """The report of a feed at a time (UNIX seconds)."""
        (feed,) = feed_ids([feed])
        query = f"feedID={feed}&timestamp={_seconds(timestamp)}"
        return self._get(f"{REPORT_PATH}?{query}", now, f"at:{feed}:{timestamp}")

    def bulk(self, feeds: tuple[str, ...] | list[str], timestamp: int, now: int) -> Request:
        """The reports of several feeds at a time."""
        listed = self.comma.join(feed_ids(feeds))
        query = f"feedIDs={listed}&timestamp={_seconds(timestamp)}"
        return self._get(f"{BULK_PATH}?{query}", now, f"bulk:{timestamp}")

    def page(self, feed: str, start: int, now: int, limit: int | None = None) -> Request:
        """The reports of a feed from a time on: `limit`, or as many as the service likes."""
        (feed,) = feed_ids([feed])
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
        """A status that is no success in words, and whether and when to try again.

        The next try needs a new request: a signature is good for 5 seconds.
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
        """The origins that the service names, if any."""
        self._check(reply, (200, 204))
        return parse_origins(header(reply.headers, AVAILABLE_ORIGINS))

    def read_feeds(self, reply: Reply) -> tuple[str, ...]:
        """The feed IDs that `feeds` asked for."""
        found = self._body(reply, "feeds", list)
        return tuple(_feed(item, f"feeds[{index}]") for index, item in enumerate(found))

    def read_one(self, reply: Reply, *, signed_at: int | None = None) -> StreamReport:
        """The report that `latest` or `at` asked for."""
        return read_report(self._body(reply, "report", dict, signed_at=signed_at))

    def read_bulk(
        self, reply: Reply, asked: tuple[str, ...] | list[str], *, signed_at: int | None = None
    ) -> Bulk:
        """The reports, and the feeds without one: status 206 does not say which these are."""
        reports = _reports(self._body(reply, "reports", list, (200, 206), signed_at))
        found = {report.feed_id for report in reports}
        return Bulk(reports, tuple(feed for feed in feed_ids(asked) if feed not in found))

    def read_page(self, reply: Reply) -> Page:
        """The reports of a page, and where the next page begins."""
        reports = _reports(self.items(reply))
        times = [report.observations_timestamp for report in reports]
        last = max((time for time in times if time is not None), default=None)
        return Page(reports, None if last is None else last + 1)

    def items(self, reply: Reply) -> list[Any]:
        """The report objects of a page, unread, so that a broken one does not cost the others."""
        found: list[Any] = self._body(reply, "reports", list)
        return found

    def _check(self, reply: Reply, wanted: tuple[int, ...], signed_at: int | None = None) -> None:
        if reply.status in wanted:
            return
        rejected, _ = self.refusal(reply, signed_at=signed_at)
        found = f"{rejected.code} {rejected.message}".strip()
        raise Refused(rejected.meaning, field=reply.purpose, expected="success", found=found)

    def _body(
        self,
        reply: Reply,
        key: str,
        kind: type,
        wanted: tuple[int, ...] = (200,),
        signed_at: int | None = None,
    ) -> Any:
        self._check(reply, wanted, signed_at)
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
    if not isinstance(feed, str) or not (feed_id := read_feed_id(feed)):
        raise Malformed("not a feed", field=path, expected="a feedID", found=shown(item))
    return feed_id


def _reports(items: list[Any]) -> tuple[StreamReport, ...]:
    return tuple(read_report(item) for item in items)
