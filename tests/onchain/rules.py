"""What was measured of solc 0.8.19's ABI decoder, as executable pseudo-code.

It is written to be read beside `README.md`, not to be fast, and shares nothing with the library.
`test_rules.py` holds it against the real decoder and the published contracts, call by call.
A refusal is `Refused(data)`, with the revert data that a contract gives: empty, or Panic(0x41).

Two decoders, which refuse differently:
* memory (`full`, `pair`): what `abi.decode(bytes calldata, (...))` does. It allocates before it
  checks, so a length can be a Panic(0x41). Needs to know the free memory pointer.
* calldata (`verify_args`, `bulk_args`, `element`): what happens to the arguments of a call. It
  never allocates, so every refusal is empty, and nested offsets are signed.
"""

from __future__ import annotations

from typing import Final

U64: Final = 2**64 - 1
PANIC_MEMORY: Final = bytes.fromhex("4e487b71") + (0x41).to_bytes(32, "big")

# Where a contract's free memory begins; `bytes32[3] memory` takes three words of it.
FIRST_FREE: Final = 0x80
CONTEXT: Final = 0x60


class Refused(Exception):
    """`data` is the exact revert data."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data.hex())
        self.data = data


class Memory:
    """The free memory pointer. It need not be a multiple of 32 (v0.4.0 in bulk)."""

    def __init__(self, free: int) -> None:
        self.free = free

    def allocate(self, size: int) -> None:
        self.free += up(size)
        if self.free > U64:
            raise Refused(PANIC_MEMORY)


def up(size: int) -> int:
    return (size + 31) // 32 * 32


def word(blob: bytes, at: int) -> int:
    """mload and calldataload alike: zeros past the end, and from negative (wrapped) positions."""
    return int.from_bytes(blob[at : at + 32].ljust(32, b"\0"), "big") if at >= 0 else 0


# Memory decoding


def full(blob: bytes, free: int = FIRST_FREE) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """(bytes32[3], bytes, bytes32[], bytes32[], bytes32); arrays as their concatenated words."""
    if len(blob) < 224:
        raise Refused
    memory = Memory(free + CONTEXT)
    # In this order, each one's checks complete before the next one's begin.
    report = _tail(blob, word(blob, 96), 1, memory)
    rs = _tail(blob, word(blob, 128), 32, memory)
    ss = _tail(blob, word(blob, 160), 32, memory)
    return blob[:96], report, rs, ss, blob[192:224]


def pair(blob: bytes, free: int = FIRST_FREE) -> tuple[bytes, bytes]:
    """(bytes32[3], bytes)"""
    if len(blob) < 128:
        raise Refused
    return blob[:96], _tail(blob, word(blob, 96), 1, Memory(free + CONTEXT))


def _tail(blob: bytes, offset: int, unit: int, memory: Memory) -> bytes:
    """`bytes` (unit 1) or `bytes32[]` (unit 32)."""
    if offset > U64 or offset + 31 >= len(blob):
        raise Refused
    length = word(blob, offset)
    if length > U64:
        raise Refused(PANIC_MEMORY)
    # One word for the length. Allocated before the end is looked at.
    memory.allocate(32 + up(length * unit))
    if offset + 32 + length * unit > len(blob):
        raise Refused
    return blob[offset + 32 : offset + 32 + length * unit]


def static(blob: bytes, types: tuple[str, ...]) -> bytes:
    """Static members only: `bytes32`, `address`, `uintN`, `intN`. All refusals are empty."""
    if len(blob) < 32 * len(types):
        raise Refused
    for index, name in enumerate(types):
        if not _clean(word(blob, 32 * index), name):
            raise Refused
    return blob[: 32 * len(types)]


def _clean(value: int, name: str) -> bool:
    if name == "bytes32":
        return True
    if name == "address":
        return value < 2**160
    bits = int(name.removeprefix("u").removeprefix("int"))
    if name.startswith("uint"):
        return value >> bits == 0
    return _signed(value) >> (bits - 1) in (0, -1)


# The free memory pointer where the published contracts begin to decode


def free_in_verifier(
    generation: str, *, access_controller: bool, bulk: int = 0, earlier: tuple[int, ...] = ()
) -> int:
    """`bulk`: how many payloads the call has (0 for `verify`); `earlier`: `used_by_v4` of each
    payload before this one, all of them verified by then."""
    if generation != "v0.4.0":
        # The proxy calls the verifier anew for each payload.
        return FIRST_FREE
    # The answer of the access controller is left in memory.
    free = FIRST_FREE + (32 if access_controller else 0)
    if bulk:
        free += 2 * (32 + 32 * bulk)
    return free + sum(earlier)


def used_by_v4(report_length: int, signatures: int) -> int:
    """What verifying one payload of a bulk leaves behind in v0.4.0."""
    decoded = CONTEXT + 32 + up(report_length) + 2 * (32 + 32 * signatures)
    digest = 32 + 4 * 32
    signers = 32 + 32 * signatures
    configs = 3 * 0x80
    # Each recovery leaves a word, each look-up 32 + 20 + 24 bytes, unrounded.
    return decoded + digest + signers + configs + signatures * (32 + 76)


def free_in_fee_manager(*, bulk: int = 0, earlier: tuple[int, ...] = ()) -> int:
    """v0.3.0 and v0.5.0; `earlier`: `used_by_fee` of each payload before this one. (v0.4.0's
    decodes only what its verifier has already accepted.)"""
    assets = 0x80
    if not bulk:
        return FIRST_FREE + assets
    return FIRST_FREE + 32 + 32 * bulk + 0x100 * bulk + assets + sum(earlier)


def used_by_fee(report_length: int, fee: int) -> int:
    """What billing one payload of a bulk leaves behind; `fee` is what it costs in the quote."""
    return CONTEXT + 32 + up(report_length) + 0x180 + (0x80 if fee else 0)


# Calldata decoding


def verify_args(calldata: bytes) -> tuple[bytes, bytes]:
    """`verify(bytes,bytes)`, behind a selector that has already been recognised."""
    _need_head(calldata, 2)
    return _argument(calldata, 0), _argument(calldata, 1)


def stork_args(calldata: bytes) -> bytes:
    """Either Stork function: `(bytes)`."""
    _need_head(calldata, 1)
    return _argument(calldata, 0)


def bulk_args(calldata: bytes) -> tuple[int, int, bytes]:
    """`verifyBulk(bytes[],bytes)`: where the elements' offsets begin, how many, the parameter
    payload. No element is looked at yet: see `element`."""
    _need_head(calldata, 2)
    base, count = _place(calldata, 0, 32)
    return base, count, _argument(calldata, 1)


def bulk_view_args(calldata: bytes) -> tuple[int, int]:
    """`verifyBulkView(bytes[])`: where the elements' offsets begin, and how many."""
    _need_head(calldata, 1)
    return _place(calldata, 0, 32)


def element(calldata: bytes, base: int, index: int) -> bytes:
    """`payloads[index]`, and each element alike when the array is passed on to another contract."""
    offset = _signed(word(calldata, base + 32 * index))
    # Signed: an offset may point backwards, before the array, before the selector even, ...
    if offset >= len(calldata) - base - 31:
        raise Refused
    at = base + offset
    # ... where nothing but zeros is read, so that the element is empty.
    length = word(calldata, at)
    if length > U64:
        raise Refused
    if _signed((at + 32) % 2**256) > len(calldata) - length:
        raise Refused
    return calldata[at + 32 : at + 32 + length] if length else b""


def _need_head(calldata: bytes, words: int) -> None:
    if len(calldata) < 4 + 32 * words:
        raise Refused


def _argument(calldata: bytes, index: int) -> bytes:
    at, length = _place(calldata, index, 1)
    return calldata[at : at + length]


def _place(calldata: bytes, index: int, unit: int) -> tuple[int, int]:
    """Where a top-level `bytes` (unit 1) or `bytes[]` (unit 32) has its content, and its length."""
    offset = word(calldata, 4 + 32 * index)
    # Offsets count from behind the selector.
    if offset > U64 or 4 + offset + 31 >= len(calldata):
        raise Refused
    length = word(calldata, 4 + offset)
    if length > U64 or 4 + offset + 32 + length * unit > len(calldata):
        raise Refused
    return 4 + offset + 32, length


def _signed(value: int) -> int:
    return value - 2**256 if value >> 255 else value
