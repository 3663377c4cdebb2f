"""Calls of contracts by their signatures, encoded by eth-abi and hashed by pycryptodome.

Neither is this library's own code, on purpose: what is compared with it shares nothing with it.
"""

from __future__ import annotations

from Crypto.Hash import keccak
from eth_abi.abi import encode


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def calldata(signature: str, *args: object) -> bytes:
    """The calldata of a call, such as `calldata("setFeeManager(address)", address)`."""
    types = signature[signature.index("(") :]
    encoded = encode([types], [args]) if args else b""
    # encode() puts a dynamic tuple behind one offset; a call's arguments stand bare.
    dynamic = "[]" in types or "bytes," in types or "bytes)" in types
    return selector(signature) + encoded[32 if dynamic else 0 :]


def mapped(slot: int, key: bytes) -> int:
    """Where solc keeps `mapping[key]` for a mapping at `slot`."""
    word = key.rjust(32, b"\0")
    return int.from_bytes(keccak256(word + slot.to_bytes(32, "big")), "big")
