"""Chainlink's reports over REST, in one call each: the latest, at a time, of many feeds at a time.

    found = latest("0x00039d9e…")              # with the credentials in the environment
    found.report                               # decoded, as by `payloads.chainlink.decode`
    found.raw                                  # the bytes as they came
    bulk(["0x0003…", "0x0008…"], 1_772_300_000).missing     # the feeds without a report then

`credentials` are `ChainlinkCredentials`; without them, `PAYLOADS_CHAINLINK_KEY` and
`PAYLOADS_CHAINLINK_SECRET` are used. `payloads.live.reports.aio` has the same for asyncio.

A call is one signed request; it is not made again by itself. `Refused` is the service's refusal, in
words, or no answer; `Malformed` is an answer that is not what was asked for. No error shows a
credential. Nothing is verified: see `payloads.judge`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import TypedDict, TypeVar, Unpack

from payloads.chainlink import FullReport
from payloads.live.credentials import from_environment
from payloads.live.http import perform_now
from payloads.venues.chainlink import lookups
from payloads.venues.chainlink.auth import ChainlinkCredentials, Endpoint
from payloads.venues.chainlink.lookups import BulkReports as BulkReports
from payloads.venues.chainlink.lookups import Lookup
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.venue import variable

T = TypeVar("T")
Credentials = ChainlinkCredentials | None


class Options(TypedDict, total=False):
    """How a request is made: its seconds, the proxy (True: the environment's), and TLS."""

    timeout: float
    proxy: str | bool
    tls: ssl.SSLContext | None


def latest(
    feed: str,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> FullReport:
    """The newest report of a feed."""
    return _asked(lookups.latest(rest_of(credentials, endpoint), feed, time.time_ns()), options)


def at(
    feed: str,
    timestamp: int,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> FullReport:
    """The report of a feed at a time (UNIX seconds)."""
    rest = rest_of(credentials, endpoint)
    return _asked(lookups.at(rest, feed, timestamp, time.time_ns()), options)


def bulk(
    feeds: Iterable[str],
    timestamp: int,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> BulkReports:
    """The reports of several feeds at a time (UNIX seconds)."""
    rest = rest_of(credentials, endpoint)
    return _asked(lookups.bulk(rest, feeds, timestamp, time.time_ns()), options)


def rest_of(credentials: Credentials, endpoint: str | Endpoint) -> Rest:
    """The REST service of an endpoint, by its name or by the URL of its websocket."""
    if credentials is None:
        credentials = ChainlinkCredentials(
            *(from_environment(variable("chainlink", name)) for name in ("key", "secret"))
        )
    return Rest(credentials, endpoint)


def _asked(lookup: Lookup[T], options: Options) -> T:
    return lookup.read(perform_now(lookup.request, **options))
