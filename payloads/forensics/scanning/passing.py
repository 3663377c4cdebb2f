"""Files as they are read: hashed, and handed on while they are in the cache of a core.

This process hashes all files, and works on some parts itself. Such a part is read once: its bytes
pass through the hashes to the work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import IO

from payloads.forensics.scanning.native import count_lines
from payloads.forensics.scanning.reading import BLOCK_BYTES

_READ = 2**20
# The end of a line is looked for in so many bytes at a time.
_AHEAD = 2**14


class Hashed:
    """A file up to the size that it has now, hashed as it is read."""

    def __init__(self, path: str) -> None:
        self._stream = open(path, "rb", buffering=0)  # noqa: SIM115
        self.size = os.fstat(self._stream.fileno()).st_size
        self._hash = hashlib.sha256()
        self._left, self._at = b"", 0
        self._read = self.taken = 0

    def __enter__(self) -> Hashed:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def peek(self) -> bytes:
        """The first bytes, which are read again."""
        return os.pread(self._stream.fileno(), 16, 0)

    def read(self, size: int) -> bytes:
        """At most so many bytes."""
        if self._at >= len(self._left):
            self._left, self._at = self._more(_READ), 0
        found = self._left[self._at : self._at + size]
        self._at += len(found)
        self.taken += len(found)
        return found

    def blocks(self, last: int) -> Iterator[bytes]:
        """What comes next up to this byte, in whole lines if they are not too long."""
        while self._read < last:
            end = end_of_block(self._stream, self._read, last)
            if not (block := self._more(end - self._read)):
                return
            yield block

    def end_of_line(self, at: int) -> int:
        """Where the line ends that this byte is in."""
        return _end_of_line(self._stream, at, self.size)

    def _more(self, size: int) -> bytes:
        found = self._stream.read(min(size, self.size - self._read)) or b""
        self._read += len(found)
        self._hash.update(found)
        return found

    def digest(self) -> str:
        """The hash of the whole file, what was not asked for included."""
        while self._more(_READ):
            pass
        return self._hash.hexdigest()

    def grew(self) -> bool:
        return os.fstat(self._stream.fileno()).st_size > self.size


class Passing:
    """The bytes of a part, which pass once: to the work on it, if that asks for them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._lines = pieces, 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._lines += count_lines(piece)
            yield piece

    def lines(self) -> int:
        """How many lines end in them. What was not asked for passes now."""
        for _ in self:
            pass
        return self._lines


def blocks_of(path: str, first: int, last: int) -> Iterator[bytes]:
    """The bytes of a file from one to another, in blocks as `Hashed.blocks` has them."""
    with open(path, "rb", buffering=0) as stream:
        stream.seek(first)
        while first < last:
            block = stream.read(end_of_block(stream, first, last) - first)
            if not block:
                return
            first += len(block)
            yield block


def end_of_block(stream: IO[bytes], first: int, last: int) -> int:
    """Where a block ends that begins there: whole lines need not be put together."""
    return _end_of_line(stream, first + BLOCK_BYTES - 1, min(last, first + 2 * BLOCK_BYTES))


def _end_of_line(stream: IO[bytes], at: int, last: int) -> int:
    """Where the line ends that this byte is in, or the last byte if that comes before."""
    while at < last:
        some = os.pread(stream.fileno(), min(_AHEAD, last - at), at)
        newline = some.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        if not some:
            break
        at += len(some)
    return last
