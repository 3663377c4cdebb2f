"""Whether a capture is as its writer left it, seen in passing: only lines with a hash are read.

    seals = Seals()
    with open("capture.jsonl", "rb") as file:
        for line in seals.watched(file): ...
    seals.found.sound

Where the hashes hold, nothing was changed. Where they do not, or not as the writer writes them,
`integrity.check` reads the file line by line and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from payloads.abi.fields import Record
from payloads.capture.chain import Chain
from payloads.capture.format import Header, LaterFormat, record_of
from payloads.capture.frames import Incident
from payloads.crypto import has_simd

# As the writer has it. A hash that stands otherwise is missed, so that the next one does not hold.
MARK = b',"conn":0,"what":"'
# It begins within so much of its line: of long lines, no more is looked at.
BEGINS_WITHIN, _LONG_LINE = 128, 1024
# The writer puts a hash after each second. Without one in so many bytes, there are none.
_FIRST_WITHIN = 16 * 2**20
# A line with a hash is shorter.
_LONGEST = 64 * 2**10


class Sealed(Record, frozen=True):
    """What the hashes of a file say. `sound`: they hold to its last byte, the end record's.

    `ended`: there is an end record, with a hash or without. It states `lines` before it in the
    file, and `frames` of the capture.
    """

    hashes: int = 0
    sound: bool = False
    ended: bool = False
    capture: str = ""
    part: int = 1
    previous: str = ""
    last: str = ""
    next: str = ""
    lines: int | None = None
    frames: int | None = None


# Where marks begin in some bytes, between two places at which lines begin or end: the first of each
# line, and perhaps more.
Marks = Callable[[bytes, int, int], Iterable[int]]


def marks(data: bytes, begin: int, end: int) -> Iterator[int]:
    """Where marks begin between these places: the first of each line."""
    place = _marked(data, begin, end)
    while place >= 0:
        yield place
        behind = data.find(b"\n", place, end) + 1
        place = _marked(data, behind, end) if behind else -1


def _marked(data: bytes, begin: int, end: int) -> int:
    """Where the first mark begins between these places; -1 where none is."""
    if has_simd():
        return int(_simd().find(data, MARK, begin, end))
    if data.find(b"\n", begin, begin + _LONG_LINE) >= 0:
        return data.find(MARK, begin, end)
    while 0 <= begin < end:
        place = data.find(MARK, begin, min(end, begin + BEGINS_WITHIN))
        if place >= 0:
            return place
        begin = data.find(b"\n", begin, end) + 1 or end
    return -1


@cache
def _simd() -> Any:
    return import_module("payloads_simd")


class Seals:
    """Compares the hashes of a capture while its content goes by."""

    def __init__(self, marks: Marks = marks) -> None:
        self._marks, self._chain = marks, Chain()
        self._header: Header | None = None
        self._end: Incident | None = None
        # The bytes behind the last whole line, or whether they are of a line too long for a hash.
        self._kept, self._inside = b"", False
        self._size = self._hashes = 0
        # Before the first hash: of a file without any, nothing need be hashed.
        self._waiting: list[bytes | memoryview] = []
        self._last, self._holds, self._watches, self._ended = "", True, True, False

    def watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces, as they are."""
        for piece in pieces:
            if self._watches:
                self._see(piece)
            elif any(True for _ in self._marks(piece, 0, len(piece))):
                self._hashes, self._holds = self._hashes + 1, False
            yield piece

    @property
    def found(self) -> Sealed:
        """What was found, when all has gone by."""
        header, whole = self._header, not self._kept and not self._inside
        sound = self._holds and self._end is not None and whole
        if header is None:
            return Sealed(self._hashes)
        detail = {} if self._end is None else self._end.detail
        lines, frames = (
            stated if type(stated := detail.get(name)) is int and abs(stated) < 2**53 else None
            for name in ("lines", "frames")
        )
        return Sealed(self._hashes, sound, self._ended, header.id, header.part, header.previous,
                      self._last, str(detail.get("next", "")), lines, frames)  # fmt: skip

    def _see(self, piece: bytes) -> None:
        self._size += len(piece)
        data = self._behind_the_line(self._kept + piece if self._kept else piece)
        at, end = self._begin(data), data.rfind(b"\n") + 1
        stop = at
        for place in self._marks(data, at, end):
            if place < stop:  # in the same line as the one before
                continue
            start = data.rfind(b"\n", at, place) + 1 or at
            stop = data.index(b"\n", place) + 1
            record = record_of(data[start : stop - 1], 1, True) if stop - start < _LONGEST else None
            if isinstance(record, Incident) and record.what in ("hash", "end"):
                self._pass(data[at:start])
                self._stated(record, data[start:stop])
                at = stop
        self._pass(memoryview(data)[at:end])
        self._kept = data[end:]
        if self._header is not None and len(self._kept) > _LONGEST:
            self._pass(self._kept)
            self._kept, self._inside = b"", True
        if not self._hashes and self._size > _FIRST_WITHIN:
            self._watches, self._kept = False, b""
            self._waiting.clear()

    def _behind_the_line(self, data: bytes) -> bytes:
        """What stands behind the long line that has begun, if one has."""
        if not self._inside:
            return data
        end = data.find(b"\n") + 1
        self._inside = not end
        end = end or len(data)
        self._pass(data[:end])
        return data[end:]

    def _begin(self, data: bytes) -> int:
        """Take the header, with which the hashes begin, and return its size."""
        size = data.find(b"\n") + 1
        if self._header is not None or not size:
            return 0
        try:
            record = record_of(data[: size - 1], 1, True)
        except LaterFormat:
            record = None
        if isinstance(record, Header):
            self._header, self._chain = record, Chain(record.previous)
            self._chain.add(data[:size])
            return size
        self._watches = False
        return 0

    def _pass(self, lines: bytes | memoryview) -> None:
        """Lines without a hash. There are none after the end."""
        self._holds &= not lines or self._end is None
        if self._hashes:
            self._chain.add(lines)
        else:
            self._waiting.append(lines)

    def _stated(self, record: Incident, line: bytes) -> None:
        """A hash, as a record states it. Another one may follow, but for the end's."""
        self._ended |= record.what == "end"
        stated = record.detail.get("hash")
        if not isinstance(stated, str):  # of an older format
            self._pass(line)
            return
        self._hashes += 1
        for lines in self._waiting:
            self._chain.add(lines)
        self._waiting.clear()
        self._holds &= self._end is None and stated == self._chain.state["hash"]
        self._chain.sealed(stated)
        self._chain.add(line)
        self._last = stated
        self._end = record if record.what == "end" else None
