"""The records in QFEX's messages, without a session: for captures that are read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.venues.qfex.market_session import opened
from payloads.venues.qfex.records import CHANNELS, REPLIES, read
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
        for key in message if isinstance(message, dict) else ():
            if key in REPLIES:
                found = read(REPLIES[key], message[key], key)
                yield from found if isinstance(found, tuple) else (found,)
