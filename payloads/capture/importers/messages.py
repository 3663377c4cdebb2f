"""The parts of a recorded message that several kinds of files have: opcode, time, text, venue."""

from __future__ import annotations

import contextlib
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from payloads import venues
from payloads.abi.fields import Record
from payloads.capture.format import BrokenLine, CaptureRecord
from payloads.capture.frames import UNKNOWN_TIME, Frame, Opcode
from payloads.errors import Malformed, PayloadError, shown


class ReadOptions(Record, frozen=True):
    """What the caller knows of an input that its content does not say.

    `kind` is taken instead of the one that the content shows. `venue` is for frames whose file
    names none, and `hosts` has venues by their hosts, with or without a port. The fields name the
    members of a JSON line that have the message, the time, and whether the message is binary.
    `keylog` is a file of TLS secrets, for packets. `waiting` is called before another program's
    output is awaited.
    """

    kind: str | None = None
    venue: str = ""
    hosts: tuple[tuple[str, str], ...] = ()
    text_field: str = ""
    time_field: str = ""
    binary_field: str = ""
    keylog: str = ""
    waiting: Callable[[], object] | None = None


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


def made(
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


def binary_of(text: str, field: str) -> bytes:
    """The bytes of base64; `Malformed` for any other text."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("not base64", field=field, found=str(error)) from None


def opcode_of(number: Any) -> Opcode:
    if type(number) is int and number in _OPCODES:
        return _OPCODES[number]
    expected = ", ".join(map(str, _OPCODES))
    raise Malformed("unknown opcode", field="opcode", expected=expected, found=shown(number))


# The powers of ten that make nanoseconds of a number below each limit.
_UNITS = ((10**11, 9), (10**14, 6), (10**17, 3), (2**63, 0))


def instant_of(time: Any) -> int:
    """Nanoseconds of a number in seconds to nanoseconds, whose size shows the unit, or of ISO 8601.

    Any other time is unknown.
    """
    if isinstance(time, str) and (match := _ISO_ALONE.fullmatch(time)):
        return iso_instant(match)
    try:
        number = Decimal(time) if type(time) in (int, float, str, Decimal) else None
    except (InvalidOperation, ValueError):
        number = None
    if number is None or not number.is_finite() or not 0 <= number < 2**63:
        return UNKNOWN_TIME
    scale = next(scale for limit, scale in _UNITS if number < limit)
    return int(number.scaleb(scale))


ISO = (
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ISO_ALONE = re.compile(ISO)


def iso_instant(match: re.Match[str]) -> int:
    """The nanoseconds of a match of `ISO`; UTC where no zone is given."""
    day, clock, fraction, zone = match.groups()
    zone = (zone or "Z").replace("Z", "+00:00")
    try:
        when = datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return UNKNOWN_TIME
    return max(UNKNOWN_TIME, int(when.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0")))
