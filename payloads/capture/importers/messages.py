"""The parts of a recorded message that several kinds of files have: opcode, time, text, venue."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from payloads import venues
from payloads.capture.format import BrokenLine, CaptureRecord
from payloads.capture.frames import UNKNOWN_TIME, Frame, Opcode
from payloads.errors import Malformed, PayloadError, shown

# A record, and where in its file it stood.
Placed = tuple[str, CaptureRecord]

_OPCODES: dict[int, Opcode] = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def venue_of(url_or_host: str) -> str:
    """The venue that the host belongs to, by the catalogue; "" if to none."""
    try:
        host = (urlsplit(url_or_host).hostname if "//" in url_or_host else url_or_host) or ""
    except ValueError:  # not a URL
        return ""
    for venue in venues.VENUES.values():
        if any(host == end or host.endswith("." + end) for end in venue.hosts):
            return venue.name
    return ""


def placed(
    number: int, make: Callable[[Any, str, int], Frame], message: Any, venue: str, connection: int
) -> CaptureRecord:
    try:
        return make(message, venue, connection)
    except PayloadError as error:
        return BrokenLine(number, error)


def text_or_bytes(opcode: Opcode, raw: bytes) -> str | bytes:
    """Text for a text message, unless it is not UTF-8."""
    if opcode == "text":
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode()
    return raw


def opcode_of(number: Any) -> Opcode:
    if type(number) is int and number in _OPCODES:
        return _OPCODES[number]
    expected = ", ".join(map(str, _OPCODES))
    raise Malformed("unknown opcode", field="opcode", expected=expected, found=shown(number))


def instant_of(time: Any) -> int:
    """Nanoseconds of a time in seconds, milliseconds or microseconds; its size shows the unit."""
    try:
        number = Decimal(time) if type(time) in (int, float, str, Decimal) else None
    except (InvalidOperation, ValueError):
        number = None
    if number is None or not number.is_finite() or not 0 <= number < 10**18:
        return UNKNOWN_TIME
    scale = next(s for limit, s in ((10**11, 9), (10**14, 6), (10**18, 3)) if number < limit)
    return int(number.scaleb(scale))
