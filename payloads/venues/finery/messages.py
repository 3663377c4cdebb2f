"""The records in Finery's messages, without a session: for captures that are read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.finery.feeds import BOOKS, Frame, feed_id_of
from payloads.venues.finery.records import rows_of

# Actions without data: an end of a subscription, and a refusal.
_NO_DATA = ("U", "Z")


def records(content: Any) -> Iterator[Record]:
    """The rows of a frame; the frame itself for an order book. Other messages have none."""
    if not isinstance(content, list) or len(content) < 4:
        return
    feed, feed_id, action, data = content[:4]
    if not isinstance(feed, str) or not isinstance(action, str) or action in _NO_DATA:
        return
    if feed in BOOKS:
        yield Frame(feed, feed_id_of(feed_id), action, data)
    else:
        yield from rows_of(feed, action, data)
