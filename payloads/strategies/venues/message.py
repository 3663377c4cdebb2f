"""A message of a venue, with what it says."""

from __future__ import annotations

from typing import Any

import msgspec
from hexbytes import HexBytes

from payloads.abi.fields import Record


class VenueFrame(Record, frozen=True):
    """A message of a venue, and what it says: the signed payload in it, or its records.

    `kind` is the venue's word for it, or ours where the venue has none: the name of a channel, of a
    reply, of an error.
    """

    venue: str
    kind: str
    message: str | bytes
    payload: HexBytes | None = None
    records: tuple[Record, ...] = ()


def text_of(content: Any) -> str:
    """JSON as the venues write it."""
    return msgspec.json.encode(content).decode()


def as_tuple(value: Any) -> tuple[Any, ...]:
    """The records of a message that has one record, or several."""
    return value if isinstance(value, tuple) else (value,)
