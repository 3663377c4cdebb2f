"""Chainlink's reports over REST, for asyncio: the functions of `payloads.live.reports`, awaited."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar, Unpack

from payloads.chainlink import FullReport
from payloads.live.http import perform
from payloads.live.reports import Credentials, Options, rest_of
from payloads.venues.chainlink import lookups
from payloads.venues.chainlink.auth import Endpoint
from payloads.venues.chainlink.lookups import BulkReports, Lookup

T = TypeVar("T")


async def latest(
    feed: str,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> FullReport:
    """The newest report of a feed."""
    rest = rest_of(credentials, endpoint)
    return await _asked(lookups.latest(rest, feed, time.time_ns()), options)


async def at(
    feed: str,
    timestamp: int,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> FullReport:
    """The report of a feed at a time (UNIX seconds)."""
    rest = rest_of(credentials, endpoint)
    return await _asked(lookups.at(rest, feed, timestamp, time.time_ns()), options)


async def bulk(
    feeds: Iterable[str],
    timestamp: int,
    credentials: Credentials = None,
    *,
    endpoint: str | Endpoint = "mainnet",
    **options: Unpack[Options],
) -> BulkReports:
    """The reports of several feeds at a time (UNIX seconds)."""
    rest = rest_of(credentials, endpoint)
    return await _asked(lookups.bulk(rest, feeds, timestamp, time.time_ns()), options)


async def _asked(lookup: Lookup[T], options: Options) -> T:
    return lookup.read(await perform(lookup.request, **options))
