"""The changes that would make a bad signature good: for explanations, never for acceptance.

`signature_hints` tries the ways in which signatures are usually mangled on their way to a contract,
and names the changes after which a wanted signer is recovered. It recovers up to a dozen times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from payloads.crypto import CURVE_ORDER, checksum, keccak256, recover

_ETHEREUM_PREFIX = b"\x19Ethereum Signed Message:\n32"


def _variants(r: bytes, s: bytes, v: int) -> Iterator[tuple[str, bytes, bytes, int]]:
    """The same signature as it may have been before it was mangled."""
    if v in (0, 1):
        yield f"v flipped to {1 - v}", r, s, 1 - v
    elif v in (27, 28):
        yield f"v {v - 27} instead of {v}: the chain adds 27 itself", r, s, v - 27
        yield f"v {28 - v} instead of {v}", r, s, 28 - v
    else:
        yield f"v 0 instead of {v}", r, s, 0
        yield f"v 1 instead of {v}", r, s, 1
    for recovery_id in (0, 1):
        yield f"r and s exchanged, v {recovery_id}", s, r, recovery_id
        yield f"the bytes of r and s reversed, v {recovery_id}", r[::-1], s[::-1], recovery_id


def signature_hints(
    digest: bytes,
    r: bytes,
    s: bytes,
    v: int,
    wanted: Callable[[bytes], str],
    other_digests: Mapping[str, bytes] | None = None,
) -> list[str]:
    """A sentence for each change that yields a wanted signer.

    `wanted` gives the name of an address, or "" if it is not wanted. `other_digests` are digests
    that may have been signed instead, by what they are.
    """
    hints = []
    for change, r_, s_, v_ in _variants(r, s, v):
        if (signer := recover(digest, r_, s_, v_)) and (name := wanted(signer)):
            hints.append(f"{change} gives {checksum(signer)}, {name}")
    number = int.from_bytes(s, "big")
    if v in (0, 1) and CURVE_ORDER // 2 < number < CURVE_ORDER and hints:
        low = (CURVE_ORDER - number).to_bytes(32, "big")
        if (signer := recover(digest, r, low, v)) and (name := wanted(signer)):
            hints.append(f"s replaced by the order minus s gives {checksum(signer)}, {name}")
    candidates = {"the digest with an EIP-191 prefix": keccak256(_ETHEREUM_PREFIX + digest)}
    for what, other in (candidates | dict(other_digests or {})).items():
        if other != digest and (signer := recover(other, r, s, v)) and (name := wanted(signer)):
            hints.append(f"it signs {what}: {checksum(signer)}, {name}")
    return hints
