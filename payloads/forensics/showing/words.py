"""Times, durations and places of a scan as a person reads them."""

from __future__ import annotations

from typing import Any

from payloads.verdicts.words import duration, instant

_SECOND = 10**9


def instant_ns(time: int | None) -> str:
    """A time in nanoseconds since 1970, to the millisecond."""
    if time is None:
        return "an unknown time"
    seconds, rest = divmod(time, _SECOND)
    return instant(seconds).replace(" UTC", f".{rest // 10**6:03d} UTC")


def duration_ns(count: int | None) -> str:
    """So many nanoseconds, with three digits below a minute and in two units above it."""
    if count is None:
        return "unknown"
    sign, size = ("-" if count < 0 else ""), abs(count)
    if size >= 60 * _SECOND:
        return sign + duration(size // _SECOND)
    if size >= _SECOND:
        return f"{sign}{size / _SECOND:.3g} s"
    return f"{sign}{size / 10**6:.3g} ms"


def place_words(place: dict[str, Any]) -> str:
    """A file with the line or the byte of a record in it."""
    path = place["path"] or "an unknown file"
    if place["line"] is not None:
        return f"{path}, line {place['line']:,}"
    if place["offset"] is not None:
        return f"{path}, byte {place['offset']:,}"
    return str(path)


def connection_words(connection: dict[str, Any]) -> str:
    """A connection by its number in its file."""
    if connection["path"] is None:
        return f"connection {connection['connection']}"
    return f"connection {connection['number']} of {connection['path']}"
