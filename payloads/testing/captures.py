"""A capture file of given messages."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from payloads.capture.frames import Frame, Incident
from payloads.capture.writer import CaptureWriter

_SECOND = 10**9


def write_capture(
    path: str | os.PathLike[str],
    venue: str,
    frames: Iterable[str | bytes | Frame] = (),
    *,
    at: int,
    what: Sequence[str] = (),
) -> Path:
    """Write a capture of these messages, a second apart from `at` (nanoseconds) on.

    They came on one connection; a `Frame` is written as it is. `what` is what the session of the
    capture had subscribed to: `payloads.capture.session_of` makes it from the file again.
    """
    with CaptureWriter(path, venue=venue, asked={"what": [*what]}, flush_every=0) as writer:
        number = writer.connection()
        writer.incident(Incident(venue, number, at, "opened", {}))
        for index, data in enumerate(frames):
            time = at + _SECOND * index
            writer.frame(data if isinstance(data, Frame) else _frame(venue, number, time, data))
    return Path(path)


def _frame(venue: str, number: int, at: int, data: str | bytes) -> Frame:
    return Frame(venue, number, "in", "text" if isinstance(data, str) else "binary", at, data)
