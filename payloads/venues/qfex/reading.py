"""How QFEX's messages are read: a record's annotations say what its fields hold.

Numbers come as JSON numbers or as decimal strings, times as RFC 3339 or as seconds with a fraction,
and both of each are taken wherever they stand. Absent and null fields take their defaults; unknown
ones are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

import msgspec

from payloads.abi.fields import Record
from payloads.json_records import Reading, exact_decimal
from payloads.venues.common.dedupe import Repeats
from payloads.venues.common.session import SECOND


class Time(int):
    """Nanoseconds since 1970."""


Level = tuple[Decimal, Decimal]
Levels = tuple[Level, ...]


_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,18}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_MATH = Context(prec=28)
_EPOCH = datetime(1970, 1, 1).toordinal()


def time_of(text: str) -> Time | None:
    """The nanoseconds of an RFC 3339 time, finer digits cut off; None if it is none."""
    if not (match := _TIME.fullmatch(text)):
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        whole = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    seconds = (whole.toordinal() - _EPOCH) * 86_400 + hour * 3600 + minute * 60 + second
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset if match[8] == "+" else -offset
    return Time(seconds * SECOND + int((match[7] or "0").ljust(9, "0")[:9]))


def _time(value: Any) -> Time | None:
    """RFC 3339, or seconds with a fraction as orders have them."""
    if isinstance(value, str) and (time := time_of(value)) is not None:
        return time
    seconds = exact_decimal(value)
    if seconds is None or abs(seconds) > 2**40:
        return None
    return Time(int(seconds.scaleb(9, _MATH)))


def _levels(value: Any) -> Levels | None:
    if not isinstance(value, list):
        return None
    rows = [row if isinstance(row, list) and len(row) >= 2 else [None, None] for row in value]
    pairs = [(exact_decimal(row[0]), exact_decimal(row[1])) for row in rows]
    whole = [(price, size) for price, size in pairs if price is not None and size is not None]
    return tuple(whole) if len(whole) == len(pairs) else None


read = Reading({Time: _time, Levels: _levels}).read


# --- the forms in which messages come -------------------------------------------------------------

# The nesting of arrays and envelopes that is followed; the venue has one of each at most.
_MOST_DEPTH = 4


def flatten(content: Any, depth: int = 0) -> Iterable[Any]:
    """The messages in a message: the items of an array one by one."""
    if isinstance(content, list) and content and depth < _MOST_DEPTH:
        for one in content:
            yield from flatten(one, depth + 1)
    else:
        yield content


def opened(content: Any) -> Iterable[Any]:
    """What is in a `contents` envelope; the envelope fills in what its messages do not say."""
    inside = content.get("contents") if isinstance(content, dict) else None
    if not inside or not isinstance(inside, list | dict):
        # An envelope of nothing must not be taken for a message, an empty book for example.
        yield content if inside is None else inside
        return
    head = {key: value for key, value in content.items() if key != "contents"}
    for one in inside if isinstance(inside, list) else [inside]:
        yield {**head, **one} if isinstance(one, dict) else one


# --- what came before -----------------------------------------------------------------------------

# Messages of each stream that are remembered, also over a reconnect.
LATEST = 64


def came_before(repeats: Repeats, stream: str, record: Record) -> bool:
    """Whether a record came before on this stream; it has now.

    The venue says of no number that it never repeats, so only a message that equals an earlier one
    in everything is a repeat, and only where something in it tells it from the next: a time or a
    number, and for a trade its id, whatever number it came with.
    """
    names = ("trade_id",) if "trade_id" in record.__struct_fields__ else ("sequence", "time")
    if all(getattr(record, name, None) is None for name in names):
        return False
    if names == ("trade_id",) and getattr(record, "sequence", None) is not None:
        record = msgspec.structs.replace(record, sequence=None)
    return repeats.again(record, stream)
