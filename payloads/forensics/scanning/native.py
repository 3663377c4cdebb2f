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

from payloads.arrays.records import Matrix
from payloads.crypto import has_simd

# From this length on, lines are looked for one by one.
_LONG_LINE = 512
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
    if data.find(b"\n", 0, _LONG_LINE) < 0:
        return np.fromiter(_found(data), np.int64)
    return np.flatnonzero(np.frombuffer(data, np.uint8) == 10)


def count_lines(data: bytes) -> int:
    """How many lines end in this: `bytes.count` takes several times as long."""
    if (module := simd()) is not None:
        return int(module.count_lines(data))
    if data.find(b"\n", 0, _LONG_LINE) < 0:
        return sum(1 for _ in _found(data))
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10))


def _found(data: bytes) -> Iterator[int]:
    """The ends of lines, one after the other: of long lines, that is faster than a whole mask."""
    find = data.find
    at = find(b"\n")
    while at >= 0:
        yield at
        at = find(b"\n", at + 1)


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
