"""Backing off: how long to wait after failures in a row, for everything that tries again."""

from __future__ import annotations

from typing import TypeVar

Length = TypeVar("Length", int, float)
# The shift is bounded, so that years of failures make no huge number.
_MOST_DOUBLINGS = 40


def pause_after(failures: int, first: Length, longest: Length | None = None) -> Length:
    """The pause after `failures` (1 or more) in a row: `first`, doubled each time, to `longest`."""
    pause = first * (1 << min(failures - 1, _MOST_DOUBLINGS))
    return pause if longest is None else min(pause, longest)
