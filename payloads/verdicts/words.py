"""Times, durations and amounts as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def instant(time: int | None) -> str:
    """A time in unix seconds."""
    if time is None:
        return "an unknown time"
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(time)


def duration(count: int) -> str:
    """So many seconds, in the two largest units."""
    words, left = [], abs(count)
    for unit, size in _UNITS:
        if left >= size:
            words.append(f"{left // size} {unit}")
            left %= size
    return " ".join(words[:2]) or "0 s"


def amount(wei: int, token: str) -> str:
    """An exact amount, and the same in whole tokens."""
    whole, part = divmod(wei, 10**18)
    digits = f"{whole}.{part:018d}".rstrip("0").rstrip(".")
    return f"{wei}  {digits} {token}"
