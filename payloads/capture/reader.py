"""Captures are read here, in bounded memory and in order.

A line that cannot be read (a line cut off by a crash among them) comes out as a `BrokenLine` with
its number and error, and the rest still comes out. A capture of a later format raises `Malformed`.
An `OSError` is let through. The format is described in docs/captures.md.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
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
    Placed,
    record_of,
)
from payloads.capture.frames import Frame
from payloads.errors import Malformed
from payloads.inputs import to_path


def read_records(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[CaptureRecord]:
    """Everything in one file of a capture, in order."""
    with opened(source) as stream:
        for placed in numbered_records(decompressed(stream)):
            yield placed.record


def numbered_records(pieces: Iterable[bytes]) -> Iterator[Placed]:
    """The records of a file's content, which comes in pieces; each with its place."""
    number = 0
    try:
        for number, (offset, line, whole) in enumerate(split_lines(pieces), 1):
            if number == 1 and line is not None:
                line = line.removeprefix(BOM_UTF8)
            if line is None or line.strip():
                record = record_of(line, number, whole)
                yield Placed(f"line {number}", record, number, offset)
    except LaterFormat as error:
        raise error.why from None
    except Malformed as error:  # as of the compression
        broken = BrokenLine(number + 1, error)
        yield Placed(f"line {number + 1}", broken, number + 1)


def read_frames(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Frame]:
    """Only the frames. Broken lines are passed over; `read_records` has them."""
    return (record for record in read_records(source) if isinstance(record, Frame))


@contextmanager
def opened(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file by its path, or a stream as it is. `Misuse` for text that can be no path."""
    if isinstance(source, str | os.PathLike):
        with to_path(source).open("rb") as stream:
            yield stream
    else:
        yield source


def split_lines(
    pieces: Iterable[bytes], most: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, bytes | None, bool]]:
    """Lines, each with the offset of its first byte and whether it was ended.

    None stands in place of a line of more than `most` bytes.
    """
    begun, size, at = BytesIO(), 0, 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        size += len(first)
        if size <= most:
            begun.write(first)
        else:
            begun = BytesIO()
        if not others:
            continue
        yield at, (begun.getvalue() if size <= most else None), True
        at += size + 1
        for line in others[:-1]:
            yield at, line, True
            at += len(line) + 1
        begun, size = BytesIO(), len(others[-1])
        begun.write(others[-1])
    if size:
        yield at, (begun.getvalue() if size <= most else None), False
