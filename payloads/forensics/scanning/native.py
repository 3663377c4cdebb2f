"""Work on many lines and words at once, by payloads-simd where it is installed.

Each function gives what Python gives without it.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from payloads.arrays.records import Matrix, memory
from payloads.capture import seals
from payloads.crypto import has_simd

# Pieces that are hashed before their memory is used again.
_AT_ONCE = 1024


@cache
def simd() -> Any:
    """payloads-simd; None where it is not installed."""
    return import_module("payloads_simd") if has_simd() else None


def line_ends(data: bytes) -> NDArray[np.int64]:
    """Where lines end."""
    if (module := simd()) is not None:
        return np.frombuffer(module.line_ends(data), np.int64)
    return _ends.of(data)


class _Ends:
    """Where lines end in the bytes that were asked about last: several steps ask, one after the
    other."""

    def __init__(self) -> None:
        self._found: tuple[bytes, NDArray[np.int64]] = b"", np.zeros(0, np.int64)

    def of(self, data: bytes) -> NDArray[np.int64]:
        known, ends = self._found
        if data is not known:
            ends = _ends_in(data)
            self._found = data, ends
        return ends


_ends = _Ends()


def _ends_in(data: bytes) -> NDArray[np.int64]:
    # Most groups of eight bytes have no end in them, and are not looked at one by one.
    is_end = memory(np.bool_, 1, len(data))[0]
    groups = np.packbits(np.equal(np.frombuffer(data, np.uint8), ord("\n"), out=is_end))
    some = np.flatnonzero(groups != 0)
    bits = np.flatnonzero(np.unpackbits(groups[some]))
    return np.asarray(some[bits >> 3] * 8 + (bits & 7))


def count_lines(data: bytes) -> int:
    """How many lines end in this."""
    if (module := simd()) is not None:
        return int(module.count_lines(data))
    return len(line_ends(data))


def marks(data: bytes, begin: int, end: int) -> Iterator[int]:
    """As `seals.marks`, in the first bytes of lines, which are looked at together.

    A mark behind another in the same line may be among them.
    """
    if simd() is not None or len(data) < seals.BEGINS_WITHIN:
        yield from seals.marks(data, begin, end)
        return
    width, size = seals.BEGINS_WITHIN, len(seals.MARK)
    starts = np.concatenate((np.zeros(1, np.int64), line_ends(data) + 1))
    starts = np.minimum(starts[(starts >= begin) & (starts < end)], len(data) - width)
    windows = np.ndarray((len(data) - width + 1,), f"V{width}", data, 0, (1,))
    heads = windows[starts].tobytes()
    last, at = begin - 1, heads.find(seals.MARK)
    while at >= 0:
        line, inside = divmod(at, width)
        place = int(starts[line]) + inside
        # Short lines stand in the windows of those before them, too.
        if last < place <= end - size and inside <= width - size:
            yield place
            last = place
        at = heads.find(seals.MARK, at + 1)


def sha256_many(data: Any, ends: NDArray[np.int64]) -> bytes:
    """SHA-256 of each piece of the data between two ends that follow each other."""
    if (module := simd()) is not None:
        found: bytes = module.sha256_many(np.frombuffer(data, np.uint8), ends)
        return found
    hashed = (b"".join([sha256(each).digest() for each in some]) for some in _pieces(data, ends))
    return b"".join(hashed)


def _pieces(data: Any, ends: NDArray[np.int64]) -> Iterator[list[Any]]:
    """The pieces, some at a time; those of one length are made in one call."""
    sizes = np.diff(ends)
    begins = range(0, len(sizes), _AT_ONCE)
    if len(sizes) and sizes[0] > 0 and (sizes == sizes[0]).all():
        content = np.frombuffer(data, np.uint8)[int(ends[0]) : int(ends[-1])]
        rows = content.view(f"V{sizes[0]}")
        yield from (rows[begin : begin + _AT_ONCE].tolist() for begin in begins)
        return
    view = memoryview(data)
    for begin in begins:
        some = ends[begin : begin + _AT_ONCE + 1].tolist()
        yield [view[a:b] for a, b in pairwise(some)]


def hex_words(words: Matrix) -> Any:
    """Byte strings of one length as texts, one after the other: 0x and hex."""
    count, size = words.shape
    if size and (module := simd()) is not None:
        return module.hex_words(np.ascontiguousarray(words).reshape(-1), size)
    text = np.empty((count, 2 + 2 * size), np.uint8)
    text[:, :2] = np.frombuffer(b"0x", np.uint8)
    if size:
        digits = np.frombuffer(hexlify(words.tobytes()), f"V{2 * size}")
        text[:, 2:].view(f"V{2 * size}")[:, 0] = digits
    return text
