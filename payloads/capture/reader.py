"""Captures are read here, in bounded memory and in order.

A line that cannot be read (a line cut off by a crash among them) comes out as a `BrokenLine` with
its number and error, and the rest still comes out. A capture of a later format raises `Malformed`.
An `OSError` is let through. The format is described in docs/captures.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO

from payloads.capture.compression import decompressed
from payloads.capture.format import (
    MAX_LINE_BYTES,
    BrokenLine,
    CaptureRecord,
    LaterFormat,
    record_of,
)
from payloads.capture.frames import Frame
from payloads.errors import Malformed


def read_records(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[CaptureRecord]:
    """Everything in one file of a capture, in order."""
    with _opened(source) as stream:
        for _, record in numbered_records(decompressed(stream)):
            yield record


def numbered_records(pieces: Iterable[bytes]) -> Iterator[tuple[int, CaptureRecord]]:
    """The records of a file's content, which comes in pieces; each with its line number."""
    number = 0
    try:
        for number, (line, whole) in enumerate(split_lines(pieces), 1):
            if line is None or line.strip():
                yield number, record_of(line, number, whole)
    except LaterFormat as error:
        raise error.why from None
    except Malformed as error:  # as of the compression
        yield number + 1, BrokenLine(number + 1, error)


def read_frames(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Frame]:
    """Only the frames. Broken lines are passed over; `read_records` has them."""
    return (record for record in read_records(source) if isinstance(record, Frame))


@contextmanager
def _opened(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as stream:
            yield stream
    else:
        yield source


def split_lines(
    pieces: Iterable[bytes], most: int = MAX_LINE_BYTES
) -> Iterator[tuple[bytes | None, bool]]:
    """Lines, each with whether it was ended; None in place of a line of more than `most` bytes."""
    begun, size = BytesIO(), 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        size += len(first)
        if size <= most:
            begun.write(first)
        else:
            begun = BytesIO()
        if not others:
            continue
        yield (begun.getvalue() if size <= most else None), True
        for line in others[:-1]:
            yield line, True
        begun, size = BytesIO(), len(others[-1])
        begun.write(others[-1])
    if size:
        yield (begun.getvalue() if size <= most else None), False
