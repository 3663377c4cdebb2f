"""Single reports over REST, decoded: a request, and how its answer is read.

What is read is what was asked for: a report of another feed is `Malformed`, by the feed ID that was
signed. A refusal of the service is `Refused`, in words. Nothing is verified: see `payloads.judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from payloads import chainlink
from payloads.abi.fields import Record
from payloads.chainlink import FullReport
from payloads.errors import Malformed
from payloads.venues.chainlink.auth import feed_ids
from payloads.venues.chainlink.reports import StreamReport
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.session import Reply, Request

T = TypeVar("T")


class Lookup(Record, Generic[T], frozen=True):
    """A request that is good for five seconds, and the reader of its answer."""

    request: Request
    read: Callable[[Reply], T]


class BulkReports(Record, frozen=True):
    """The reports of several feeds at a time, in the order asked, and the feeds that had none."""

    reports: tuple[FullReport, ...]
    missing: tuple[str, ...]


def latest(rest: Rest, feed: str, now: int) -> Lookup[FullReport]:
    """The newest report of a feed."""
    (feed,) = feed_ids([feed])
    return Lookup(
        rest.latest(feed, now), lambda reply: _decoded(rest.read_one(reply, signed_at=now), {feed})
    )


def at(rest: Rest, feed: str, timestamp: int, now: int) -> Lookup[FullReport]:
    """The report of a feed at a time (UNIX seconds)."""
    (feed,) = feed_ids([feed])
    return Lookup(
        rest.at(feed, timestamp, now),
        lambda reply: _decoded(rest.read_one(reply, signed_at=now), {feed}),
    )


def bulk(rest: Rest, feeds: Iterable[str], timestamp: int, now: int) -> Lookup[BulkReports]:
    """The reports of several feeds at a time (UNIX seconds)."""
    asked = feed_ids(feeds)

    def read(reply: Reply) -> BulkReports:
        answered = rest.read_bulk(reply, asked, signed_at=now)
        wanted = set(asked)
        found = {_feed_of(each): each for each in (_decoded(r, wanted) for r in answered.reports)}
        reports = tuple(found[feed] for feed in asked if feed in found)
        return BulkReports(reports, tuple(feed for feed in asked if feed not in found))

    return Lookup(rest.bulk(asked, timestamp, now), read)


def _decoded(report: StreamReport, wanted: set[str]) -> FullReport:
    decoded = chainlink.decode(report.full_report)
    if (found := _feed_of(decoded)) not in wanted:
        raise Malformed(
            "a report of another feed", field="report.fullReport",
            expected=" or ".join(sorted(wanted)[:3]), found=found,
        )  # fmt: skip
    return decoded


def _feed_of(report: FullReport) -> str:
    """The feed ID that was signed: the first word of any report."""
    return "0x" + report.report_blob[:32].hex()
