"""The server's side of Data Streams, for simulators and tests: pure functions of a request.

`check_upgrade` and `check_request` return None for a request that is accepted, or else a `Rejected`
whose code is the HTTP status to send and whose message is the error in the body. They take the path
as it came on the wire, because that is what is signed. `answer` is the REST service over the
reports that a simulator has kept. The service keeps no nonces: a request that is repeated within
the window is accepted again.

It is not published whether a stale timestamp gets 400 or 401; here it is 401, as a failed
authentication. Nor is the status of a path or report that does not exist; here it is 404.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, shown
from payloads.venues.chainlink.auth import (
    AVAILABLE_ORIGINS,
    KEY,
    ORIGIN,
    SIGNATURE,
    TIMESTAMP,
    WS_PATH,
    ChainlinkCredentials,
    feed_ids,
    sign,
)
from payloads.venues.chainlink.codes import CLOCK_WINDOW, CODES
from payloads.venues.chainlink.rest import (
    BULK_PATH,
    FEEDS_PATH,
    LATEST_PATH,
    MOST_CONNECTIONS,
    PAGE_PATH,
    REPORT_PATH,
)
from payloads.venues.common.http_words import Headers, header
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Rejected

# How many reports a page has when the client does not say, and at most.
_PAGE_SIZE, _MOST_IN_PAGE = 10, 1000


class Account(Record, frozen=True):
    """A user's secret, and the feeds that are permitted; None for all feeds."""

    secret: Secret
    feeds: tuple[str, ...] | None = None


# Accounts by API key.
Accounts = Mapping[str, Account]


class Query(Record, frozen=True):
    """A path, read. The kinds are `ws`, `origins`, `feeds`, `report`, `latest`, `bulk`, `page`."""

    kind: str
    feeds: tuple[str, ...] = ()
    timestamp: int = 0
    limit: int = _PAGE_SIZE


# --- the path -------------------------------------------------------------------------------------

# The kind and the arguments of each path. Arguments with a question mark may be left out.
_PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "/": ("origins", ()),
    WS_PATH: ("ws", ("feedIDs",)),
    FEEDS_PATH: ("feeds", ()),
    REPORT_PATH: ("report", ("feedID", "timestamp")),
    LATEST_PATH: ("latest", ("feedID",)),
    BULK_PATH: ("bulk", ("feedIDs", "timestamp")),
    PAGE_PATH: ("page", ("feedID", "startTimestamp", "limit?")),
}


def read_query(path: str) -> Query:
    """Reads a path with its query: `Malformed` for a 400, `Misuse` for an unknown path.

    Unknown arguments are ignored, as the service does.
    """
    where, _, text = path.partition("?")
    if where not in _PATHS:
        raise Misuse("no such path", field="path", found=shown(where))
    kind, wanted = _PATHS[where]
    try:
        given = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Malformed("too many arguments", field="query", expected="at most 100") from None
    feeds: tuple[str, ...] = ()
    numbers = {"limit": _PAGE_SIZE}
    for name in wanted:
        key = name.removesuffix("?")
        if key not in given and key != name:
            continue
        if key in ("feedID", "feedIDs"):
            feeds = _feeds(given.get(key, ""), key)
        else:
            numbers[key] = _number(given.get(key, ""), key)
    timestamp = numbers.get("timestamp", numbers.get("startTimestamp", 0))
    return Query(kind, feeds, timestamp, min(numbers["limit"], _MOST_IN_PAGE))


def _feeds(text: str, key: str) -> tuple[str, ...]:
    try:
        feeds = feed_ids(text.split(","))
    except Misuse as error:
        raise Malformed(error.reason, field=key, expected=error.expected) from None
    if key == "feedID" and len(feeds) != 1:
        raise Malformed("more than one feed", field=key, expected="one feed ID")
    return feeds


def _number(text: str, key: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Malformed("not a number", field=key, expected="UNIX seconds", found=shown(text))
    return int(text)


# --- credentials ----------------------------------------------------------------------------------


def _no(status: int, message: str, about: str = "") -> Rejected:
    return Rejected(str(status), message, CODES.get(str(status), ""), about)


def _check_signature(
    method: str, path: str, headers: Headers, body: bytes, now: int, accounts: Accounts
) -> Rejected | Account:
    for name in (KEY, TIMESTAMP, SIGNATURE):
        if not header(headers, name):
            return _no(400, f"missing header {name}", name)
    key, stamp = header(headers, KEY), header(headers, TIMESTAMP)
    if not re.fullmatch(r"[0-9]{1,18}", stamp):
        return _no(400, f"malformed header {TIMESTAMP}: not milliseconds", TIMESTAMP)
    if (account := accounts.get(key)) is None:
        return _no(401, "unknown API key", KEY)
    if abs(int(stamp) - now // 10**6) > CLOCK_WINDOW * 1000:
        off = int(stamp) - now // 10**6
        return _no(401, f"the timestamp is {off:+} ms off the server's clock", TIMESTAMP)
    expected = sign(
        ChainlinkCredentials(Secret(key), account.secret), method, path, int(stamp), body
    )
    given = header(headers, SIGNATURE).encode("utf-8", "replace")
    if not hmac.compare_digest(expected.encode(), given):
        return _no(401, "HMAC signature mismatch", SIGNATURE)
    return account


def _check_feeds(query: Query, account: Account, existing: Iterable[str] | None) -> Rejected | None:
    """The service does not tell an unknown feed from one that is not permitted."""
    known = None if existing is None else {feed.lower() for feed in existing}
    permitted = None if account.feeds is None else {feed.lower() for feed in account.feeds}
    for feed in query.feeds:
        if any(allowed is not None and feed not in allowed for allowed in (known, permitted)):
            return _no(401, f"feed {feed} does not exist or is not permitted", feed)
    return None


def check_upgrade(
    path: str,
    headers: Headers,
    now: int,
    accounts: Accounts,
    *,
    feeds: Iterable[str] | None = None,
    origins: Sequence[str] = (),
    open_connections: int = 0,
) -> Rejected | None:
    """Whether a websocket may be opened.

    `feeds` are the feeds that exist; None for any. `open_connections` counts the user's websockets.
    """
    try:
        query = read_query(path)
    except Malformed as error:
        return _no(400, str(error), error.field or "")
    except Misuse:
        return _no(404, "no such path", path.partition("?")[0])
    if query.kind != "ws":
        return _no(404, "no websocket there", path.partition("?")[0])
    account = _check_signature("GET", path, headers, b"", now, accounts)
    if isinstance(account, Rejected):
        return account
    origin = header(headers, ORIGIN)
    if origin and origin not in origins:
        return _no(400, "no such origin", ORIGIN)
    if open_connections >= MOST_CONNECTIONS:
        return _no(429, f"{open_connections} connections are open already")
    return _check_feeds(query, account, feeds)


def check_request(
    method: str,
    path: str,
    headers: Headers,
    now: int,
    accounts: Accounts,
    *,
    body: bytes = b"",
    feeds: Iterable[str] | None = None,
    recent: Sequence[int] = (),
) -> Rejected | None:
    """Whether a REST request is answered. `HEAD /` asks for the origins; all others are GET.

    `recent` are the times of this user's earlier requests to the same path.
    """
    try:
        query = read_query(path)
    except Malformed as error:
        return _no(400, str(error), error.field or "")
    except Misuse:
        return _no(404, "no such path", path.partition("?")[0])
    if method != ("HEAD" if query.kind == "origins" else "GET"):
        return _no(405, "no such method here", method)
    account = _check_signature(method, path, headers, body, now, accounts)
    if isinstance(account, Rejected):
        return account
    if sum(now - SECOND < at <= now for at in recent) >= 10:
        return _no(429, "more than 10 requests in a second", path.partition("?")[0])
    return _check_feeds(query, account, feeds)


def body_of(rejected: Rejected) -> bytes:
    """The body of a refusal; the vendor's TypeScript SDK looks for `message` in it."""
    return json.dumps({"error": rejected.message, "message": rejected.message}).encode()


def origins_headers(origins: Sequence[str], *, braces: bool = True) -> tuple[tuple[str, str], ...]:
    """The headers that answer `HEAD /`: they name the origins, if there are any."""
    listed = ",".join(origins)
    value = f"{{{listed}}}" if braces else listed
    return ((AVAILABLE_ORIGINS, value),) if origins else ()


# --- answers --------------------------------------------------------------------------------------

Reports = Sequence[Mapping[str, Any]]
Archive = Mapping[str, Reports]


def answer(query: Query, archive: Archive) -> tuple[int, bytes]:
    """Status and body for a REST query, from report objects by feed, oldest first."""
    if query.kind == "feeds":
        return _json(200, {"feeds": [{"feedID": feed} for feed in archive]})
    if query.kind == "page":
        return _json(200, {"reports": _page(archive.get(query.feeds[0], ()), query)})
    if query.kind == "bulk":
        found = [_report_at(archive.get(feed, ()), query.timestamp) for feed in query.feeds]
        reports = [report for report in found if report is not None]
        return _json(200 if len(reports) == len(found) else 206, {"reports": reports})
    if query.kind in ("latest", "report"):
        kept = archive.get(query.feeds[0], ())
        latest = kept[-1] if kept else None
        report = latest if query.kind == "latest" else _report_at(kept, query.timestamp)
        if report is not None:
            return _json(200, {"report": report})
    return 404, body_of(_no(404, "no report"))


def _report_at(reports: Reports, timestamp: int) -> Mapping[str, Any] | None:
    """The newest report that was in force at a time."""
    for report in reversed(reports):
        if report["validFromTimestamp"] <= timestamp <= report["observationsTimestamp"]:
            return report
    return None


def _page(reports: Reports, query: Query) -> Reports:
    """A page ends with a second: the next page starts a second later, and would miss the rest."""
    later = [report for report in reports if report["observationsTimestamp"] >= query.timestamp]
    if len(later) <= query.limit or not query.limit:
        return later[: query.limit]
    last = later[query.limit - 1]["observationsTimestamp"]
    return [report for report in later if report["observationsTimestamp"] <= last]


def _json(status: int, body: Mapping[str, Any]) -> tuple[int, bytes]:
    return status, json.dumps(body, separators=(",", ":")).encode()
