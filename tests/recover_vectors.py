"""Vectors for ecrecover: `python -m tests.recover_vectors` writes fixtures/recover-vectors.json.

`valid`: as an honest signer makes it. `acceptable`: ecrecover gives an address, but no honest
signer makes it so. `invalid`: ecrecover gives nothing. The addresses are those of eth-keys in pure
Python; the results do not come from it, but from the way in which a vector was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eth_keys.backends.native.jacobian import fast_multiply

from payloads.crypto import CURVE_ORDER, keccak256, reference_recover, reference_sign

PAGE = Path(__file__).resolve().parent.parent / "fixtures" / "recover-vectors.json"
FIELD = 2**256 - 2**32 - 977
LAMBDA = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
HALF = CURVE_ORDER // 2
FLAGS = {
    "Honest": "a signature by RFC 6979 with a low s",
    "HighS": "s above half the order, which ecrecover takes; v is flipped with it",
    "FlippedV": "the other recovery id: another signer, or none",
    "OtherV": "a recovery id other than 0 and 1",
    "EdgeR": "r at an edge of its range, or outside of it",
    "EdgeS": "s at an edge of its range, or outside of it",
    "EdgeDigest": "a digest of zero, or one not below the order, which is taken modulo the order",
    "NoPoint": "no point of the curve has this x",
    "Infinity": "u1 G + u2 R is the point at infinity",
    "Doubling": "u1 G equals u2 R",
    "SmallFactors": "u1 or u2 is small, near the order, or a power of 8 or 2",
    "SmallPoint": "R is a small multiple of G, or of LAMBDA G",
    "Bit": "a bit of an honest signature is flipped",
}


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def honest(number: int) -> tuple[int, int, int, int]:
    """Digest, r, s and v."""
    digest = keccak256(b"vector %d" % number)
    r, s, v = reference_sign(keccak256(b"key of vector %d" % number), digest)
    numbers = (int.from_bytes(each, "big") for each in (digest, r, s))
    z, r_, s_ = numbers
    return z, r_, s_, v


def with_factors(u1: int, u2: int, k: int) -> tuple[int, int, int, int]:
    """The signature with R = k G whose key is u1 G + u2 R: s = u2 r, z = -u1 r."""
    x, y = fast_multiply(G, k % CURVE_ORDER)
    assert 0 < x < CURVE_ORDER
    return -u1 * x % CURVE_ORDER, x, u2 * x % CURVE_ORDER, y & 1


def _on_curve(x: int) -> bool:
    right = (pow(x, 3, FIELD) + 7) % FIELD
    return pow(right, (FIELD - 1) // 2, FIELD) == 1


def cases() -> Iterator[tuple[str, str, tuple[int, int, int, int]]]:
    """The flag, the result and the signature of each vector."""
    for number in range(12):
        yield "Honest", "valid", honest(number)
    for number in range(6):
        z, r, s, v = honest(number)
        yield "HighS", "acceptable", (z, r, CURVE_ORDER - s, 1 - v)
        yield "FlippedV", "acceptable", (z, r, s, 1 - v)
    for number, v in enumerate((2, 3, 4, 26, 27, 28, 29, 30, 228, 229, 255)):
        z, r, s, _ = honest(number)
        yield "OtherV", "invalid", (z, r, s, v)
    z, r, s, v = honest(20)
    edges = [0, 1, 2, 3, HALF, HALF + 1, CURVE_ORDER - 1, CURVE_ORDER, CURVE_ORDER + 1]
    edges += [FIELD - CURVE_ORDER - 1, FIELD - CURVE_ORDER, FIELD - 1, FIELD, 2**256 - 1]
    for edge in edges:
        inside = 0 < edge < CURVE_ORDER
        good = inside and _on_curve(edge)
        flag = "NoPoint" if inside and not good else "EdgeR"
        yield flag, "acceptable" if good else "invalid", (z, edge, s, v)
        yield "EdgeS", "acceptable" if inside else "invalid", (z, r, edge, v)
        yield "EdgeDigest", "acceptable", (edge, r, s, v)
    lone = [x for x in range(4, 40) if not _on_curve(x)]
    for x in lone[:6]:
        yield "NoPoint", "invalid", (z, x, s, v)
    for k in (1, 2, 7, LAMBDA, 2**128, honest(1)[1]):
        for u2 in (1, 8, CURVE_ORDER - 3, honest(2)[2]):
            yield "Infinity", "invalid", with_factors(-k * u2, u2, k)
            yield "Doubling", "acceptable", with_factors(k * u2, u2, k)
    factors = [1, 2, CURVE_ORDER - 1, CURVE_ORDER - 2, 2**127, 2**128, 2**255, 8**41, 5 * 8**20]
    for i, u1 in enumerate(factors):
        for u2 in factors[i % 3 :: 3]:
            yield "SmallFactors", "acceptable", with_factors(u1, u2, 1000 + i)
        yield "SmallFactors", "acceptable", with_factors(0, u1, 77 + i)
    for k in range(2, 8):
        for scale in (1, LAMBDA, CURVE_ORDER - LAMBDA):
            yield "SmallPoint", "acceptable", with_factors(honest(3)[0], honest(4)[2], k * scale)
    for number in range(8):
        z, r, s, v = honest(30 + number)
        yield "Bit", "acceptable", (z ^ 1 << (37 * number % 256), r, s, v)
        yield "Bit", "acceptable", (z, r, s ^ 1 << (29 * number % 250), v)


def vectors() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for flag, result, (z, r, s, v) in cases():
        address = reference_recover(word(z), word(r), word(s), v)
        assert (address is None) == (result == "invalid"), (flag, result)
        made.append({
            "id": len(made) + 1, "flag": flag, "result": result, "digest": word(z).hex(),
            "r": word(r).hex(), "s": word(s).hex(), "v": v,
            "address": None if address is None else address.hex(),
        })  # fmt: skip
    return made


def text() -> str:
    """The file: one vector a line."""
    lines = ",\n  ".join(json.dumps(vector) for vector in vectors())
    return f'{{"flags": {json.dumps(FLAGS, indent=1)},\n "vectors": [\n  {lines}\n]}}\n'


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
