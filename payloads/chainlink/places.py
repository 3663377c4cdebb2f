"""Where full reports stand inside other bytes: the calldata of a consumer's own function.

A full report is told by its head: words 3, 4 and 5 are small offsets, and what stands there fits in
the bytes around. No alignment is assumed, because consumers nest and pack as they like.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator

from payloads.abi.fields import WORD
from payloads.system import Place

_FORM = "full_report"
# A config digest is a hash with a prefix, so its first 24 bytes are never all zero. An offset of 0
# would make the digest a length.
_HEAD = re.compile(rb"(?s)(?=(?!\0{24}).{96}(?:\0{28}(?!\0{4}).{4}){3}.{32})")
_OFFSETS = struct.Struct(">28xI28xI28xI")
# Zeros as in a number or an address, but not in a hash.
_ZEROS = bytes(12)
# What no honest encoder goes below: the first offset, and a report's common head.
_HEAD_SIZE, _SHORTEST = 7 * WORD, 6 * WORD
# More signatures than any contract takes. The bound keeps the search linear.
_MOST_SIGNATURES = 64


def places(data: bytes, signers: Collection[bytes] = ()) -> Iterator[Place]:
    """Every full report in `data`, from left to right, those within another included."""
    for match in _HEAD.finditer(data):
        if (place := _place(data, match.start())) is not None:
            yield place


def _place(data: bytes, start: int) -> Place | None:
    offsets = _OFFSETS.unpack_from(data, start + 3 * WORD)
    end = _end(data, start, *offsets)
    length = int.from_bytes(data[start - WORD : start], "big") if start >= WORD else 0
    exact = end is not None and length == end - start and offsets[0] == _HEAD_SIZE
    if _ZEROS in data[start : start + WORD] and not exact:
        return None
    if length <= len(data) - start:
        if end is not None and length >= end - start:
            return Place(start, start + length, _FORM, "a bytes argument with a fullReport")
        if end is None and length >= _HEAD_SIZE and offsets[0] == _HEAD_SIZE:
            words = "a bytes argument that begins as a fullReport does, and is broken"
            return Place(start, start + length, _FORM, words)
    if end is None or min(offsets) < _HEAD_SIZE or _number(data, start + offsets[0]) < _SHORTEST:
        return None
    return Place(start, end, _FORM, "a fullReport, packed without a length")


def _end(data: bytes, start: int, blob: int, *arrays: int) -> int | None:
    """The end of the parts that the head points to; None if any is not in `data`."""
    sizes = [_number(data, start + blob), *(_number(data, start + at) for at in arrays)]
    if not all(0 < count <= _MOST_SIGNATURES for count in sizes[1:]):
        return None
    padded = sizes[0] + -sizes[0] % WORD
    ends = [start + blob + WORD + padded]
    ends += [start + at + WORD + WORD * n for at, n in zip(arrays, sizes[1:], strict=True)]
    return max(ends) if max(ends) <= len(data) else None


def _number(data: bytes, at: int) -> int:
    """The word there; more than any length if it is not in `data`."""
    word = data[at : at + WORD]
    return int.from_bytes(word, "big") if len(word) == WORD else 1 << 256
