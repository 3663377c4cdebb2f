"""A report as the service wraps it, in a websocket frame and in an answer over REST.

`payloads.chainlink.frames` describes the object. Nearly every frame has exactly the known members,
and is read in one pass. Any other frame is read member by member, which also finds what is wrong
with it: `Malformed` for a report object that is not what the service sends. The payload itself is
not decoded here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from payloads import chainlink
from payloads.abi.fields import Record
from payloads.chainlink.frames import MEMBERS, payload_bytes, plain_report
from payloads.errors import Malformed, PayloadError, shown
from payloads.inputs import to_bytes
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES
from payloads.venues.common.redactor import Message
from payloads.venues.common.session import SECOND

FEED_ID = re.compile(r"0x[0-9a-fA-F]{64}")
# A timestamp further ahead than this, in seconds, is not believed.
_FURTHEST_AHEAD = 60


class StreamReport(Record, frozen=True):
    """A report as the service wraps it. Nothing in it is verified: see `payloads.judge`.

    The timestamps are UNIX seconds: those of the frame, or of the report where the frame has none.
    """

    feed_id: str
    full_report: bytes
    observations_timestamp: int | None
    valid_from_timestamp: int | None
    # The origin that sent it, with high availability.
    origin: str = ""
    # Whether it was asked for over REST, to fill a gap.
    backfilled: bool = False
    # The object's other members, if it has any.
    extra: dict[str, Any] | None = None

    def credible_time(self, now: int) -> int | None:
        """The time of the observations, unless it is too far in the future to be true."""
        time = self.observations_timestamp
        return None if time is None or time > now // SECOND + _FURTHEST_AHEAD else time


def read_plain_frame(data: Message, origin: str = "") -> StreamReport | None:
    """The report in a websocket message that is a plain frame; None for any other message."""
    plain = plain_report(data) if len(data) <= MAX_MESSAGE_BYTES else None
    if plain is None or not (feed_id := read_feed_id(plain.feedID)):
        return None
    try:
        raw = to_bytes(plain.fullReport, name="report.fullReport")
    except Malformed:
        return None
    return StreamReport(feed_id, raw, plain.observationsTimestamp, plain.validFromTimestamp, origin)


def read_report(message: Any, *, origin: str = "", backfilled: bool = False) -> StreamReport:
    """The report of the object under `report`, or of an element of `reports`."""
    if not isinstance(message, dict):
        raise Malformed("no report", field="report", expected="an object", found=shown(message))
    feed = message.get("feedID")
    if not isinstance(feed, str) or not (feed_id := read_feed_id(feed)):
        raise _wrong_member("feedID", "0x and 64 hex digits", feed)
    raw = payload_bytes(message, "report.")
    observed = _timestamp(message, "observationsTimestamp")
    valid_from = _timestamp(message, "validFromTimestamp")
    if observed is None or valid_from is None:
        signed_from, signed_at = _signed_timestamps(raw)
        observed = signed_at if observed is None else observed
        valid_from = signed_from if valid_from is None else valid_from
    extra = {key: value for key, value in message.items() if key not in MEMBERS} or None
    return StreamReport(feed_id, raw, observed, valid_from, origin, backfilled, extra)


@lru_cache(1024)
def read_feed_id(text: str) -> str:
    """A feed ID in lower case; "" for a text that is none. The same few come again and again."""
    return text.lower() if FEED_ID.fullmatch(text) else ""


def _timestamp(message: dict[str, Any], key: str) -> int | None:
    value = message.get(key)
    if value is None or (type(value) is int and 0 <= value < 2**64):
        return value
    raise _wrong_member(key, "UNIX seconds as an integer", value)


def _wrong_member(key: str, expected: str, found: Any) -> Malformed:
    reason = "not what a report has here"
    return Malformed(reason, field=f"report.{key}", expected=expected, found=shown(found))


def _signed_timestamps(raw: bytes) -> tuple[int | None, int | None]:
    """The timestamps in the report itself; None for a report that cannot be read."""
    try:
        report = chainlink.decode_envelope(raw).report
    except PayloadError:
        return None, None
    head = report.head
    valid_from = getattr(head, "valid_from_timestamp", None)
    return valid_from, getattr(head, "observations_timestamp", None)
