"""The records in QFEX's messages, without a session: for captures that are read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.qfex.market_session import opened
from payloads.venues.qfex.records import CHANNELS, OLDER, REPLIES, read
from payloads.venues.qfex.session import listed


def market_records(content: Any) -> Iterator[Record]:
    """The records of market data in a message. Other messages have none."""
    for item in listed(content):
        for message in opened(item):
            kind = message.get("type") if isinstance(message, dict) else None
            if isinstance(kind, str) and kind in CHANNELS:
                yield read(CHANNELS[kind], message)


def trade_records(content: Any) -> Iterator[Record]:
    """The records in a reply of the trade socket. Other messages have none."""
    for message in listed(content):
        for key, value in message.items() if isinstance(message, dict) else ():
            # Another name, on one of the venue's pages.
            key = "user_trades_response" if key == "user_trades" else key
            if key in REPLIES:
                found = read(REPLIES[key], value, key)
                yield from found if isinstance(found, tuple) else (found,)
        yield from _older_records(message)


def _older_records(message: Any) -> Iterator[Record]:
    """The rows in the envelope that was current until 2025."""
    if not isinstance(message, dict):
        return
    channel, rows = message.get("channel", message.get("type")), message.get("contents")
    if isinstance(channel, str) and channel in OLDER and isinstance(rows, list):
        key = OLDER[channel][1]
        yield from (read(REPLIES[key], row, key) for row in rows)
