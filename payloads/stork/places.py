"""Where signed updates stand inside other bytes: the calldata of a consumer's own function.

An update has no marker. It is found as a `bytes` argument that has its size, a recovery id and a
time where Stork has them. Packed without a length, it is found only by its signer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from payloads.abi.fields import WORD
from payloads.crypto import keccak256, recover
from payloads.stork.frames import SIGNED, plausible
from payloads.system import Place

# A signature, and the first byte of a time from 2001 to 2100 behind the taxonomy.
_START = rb".{64}[\0\1].{2}[\r-8].{7}"
_VERSIONED = rb".{64}[\0\1]\xff\x02"
_ARGUMENT = re.compile(rb"(?s)(?=\0{28}.{4}(?:" + _START + b"|" + _VERSIONED + b"))")
_PACKED = re.compile(rb"(?s)(?=" + _START + b")")
_HEAD, _ASSET = 75, 18
# The work for updates that are packed without a length: a recovery each, and so many bytes hashed.
_MOST_TRIES, _BYTES_A_TRY = 2_000, 4_096
_MOST_ASSETS = 200


def places(data: bytes, signers: Collection[bytes] = ()) -> Iterator[Place]:
    """Every signed update in `data`; packed updates only of `signers`."""
    arguments = list(_arguments(data))
    yield from arguments
    if signers:
        yield from _packed(data, frozenset(signers), arguments)


def _arguments(data: bytes) -> Iterator[Place]:
    resume = 0
    for match in _ARGUMENT.finditer(data):
        start = match.start() + WORD
        end = start + int.from_bytes(data[start - 4 : start], "big")
        if start < resume or end > len(data) or end - start < _HEAD:
            continue
        padding = data[end : end + -(end - start) % WORD]
        if plausible(data[start:end]) and not any(padding):
            resume = end
            yield Place(start, end, SIGNED, "a bytes argument with a signed_ecdsa payload")


def _packed(data: bytes, signers: frozenset[bytes], known: Iterable[Place]) -> Iterator[Place]:
    resume, tries = 0, _MOST_TRIES
    arguments = {place.start for place in known}
    for match in _PACKED.finditer(data):
        start = match.start()
        if start < resume or start in arguments or not plausible(data[start : start + _HEAD]):
            continue
        for end in _ends(start, len(data)):
            tries -= 1 + (end - start) // _BYTES_A_TRY
            if tries < 0:
                return
            if _signer(data[start:end]) in signers:
                resume = end
                yield Place(start, end, SIGNED, "a signed_ecdsa payload of a known signer, packed")
                break


def _ends(start: int, stop: int) -> Iterator[int]:
    """Where an update may end: with the data, or after so many assets."""
    if (stop - start - _HEAD) % _ASSET == 0:
        yield stop
    for count in range(_MOST_ASSETS + 1):
        end = start + _HEAD + _ASSET * count
        if end > stop:
            return
        yield end


def _signer(raw: bytes) -> bytes | None:
    return recover(keccak256(raw[65:]), raw[:32], raw[32:64], raw[64])
