"""The messages of venues that sign nothing, as rows of `events`: a row for each typed record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from payloads import venues
from payloads.abi.fields import Record

_NAMES = {
    "instrument": ("instrument", "symbol", "market_id", "currency", "name"),
    "side": ("side_word", "side", "buy"),
    "price": ("price", "deal_price"),
    "size": ("size", "quantity", "deal_size", "initial_size"),
    "order_id": ("order_id",),
}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def events_in(venue: str, content: Any) -> Iterator[dict[str, Any]]:
    """The events of a message; none for a message that its venue's records do not describe."""
    known = venues.VENUES.get(venue)
    if known is None or content is None:
        return
    for index, record in enumerate(known.records(content)):
        yield {"index": index} | _columns(record)


def _columns(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: next(filter(None, (_word(getattr(record, each, None)) for each in names)), None)
        for name, names in _NAMES.items()
    }
    sequence = getattr(record, "sequence", None)
    found["sequence"] = sequence if type(sequence) is int and abs(sequence) < 2**63 else None
    data = _encode(record).decode("utf-8", "replace")
    return found | {"type": type(record).__name__, "data": data}


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "buy" if value else "sell"
    return None if value is None or value == "" else str(value)
