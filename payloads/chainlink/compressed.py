"""Solana's form of a payload: raw snappy, without framing, of the ABI bytes.

The size that the data claims is read and bounded before anything is decompressed.
"""

from __future__ import annotations

from payloads.errors import Malformed
from payloads.inputs import MAX_PAYLOAD_BYTES, to_bytes


def uncompressed_size(data: bytes) -> int:
    """The size in a snappy header: a little-endian base-128 number of at most five bytes."""
    size = 0
    for index, byte in enumerate(data[:5]):
        size |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return size
    raise _malformed("no snappy header: its size does not end", 0, "at most 5 bytes", data[:5])


# The elements that are looked at before anything is decompressed.
_LOOK = 8
# The bytes of a copy's offset, by the kind of element.
_OFFSETS = {1: 1, 2: 2, 3: 4}


def begins_well(data: bytes) -> bool:
    """Whether the first elements may be raw snappy: no copy is of bytes that are not there yet."""
    at, made = 1, 0
    while data[at - 1] >= 0x80:
        at += 1
    for _ in range(_LOOK):
        if at >= len(data):
            break
        kind, high = data[at] & 3, data[at] >> 2
        at += 1
        if kind:
            width = _OFFSETS[kind]
            offset = int.from_bytes(data[at : at + width], "little")
            if kind == 1:
                offset, high = offset | high >> 3 << 8, (high & 7) + 3
            if not 0 < offset <= made:
                return False
        else:
            width = max(0, high - 59)  # from 60 on, so many bytes have the length
            high = int.from_bytes(data[at : at + width], "little") if width else high
            at += high + 1
        at, made = at + width, made + high + 1
    return at <= len(data)


def decompress(data: bytes) -> bytes:
    """The bytes inside raw snappy."""
    import cramjam

    data = to_bytes(data, name="snappy")
    size = uncompressed_size(data)
    if size > MAX_PAYLOAD_BYTES:
        raise _malformed("would decompress to too much", 0, f"at most {MAX_PAYLOAD_BYTES}", size)
    try:
        raw = bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise _malformed("not raw snappy", 0, f"{size} bytes of content", str(error)) from None
    return raw


def compress(data: bytes) -> bytes:
    """Raw snappy of ABI bytes."""
    import cramjam

    return bytes(cramjam.snappy.compress_raw(data))


def _malformed(reason: str, offset: int, expected: str, found: object) -> Malformed:
    shown = "0x" + found.hex() if isinstance(found, bytes) else str(found)
    return Malformed(reason, offset=offset, field="snappy", expected=expected, found=shown)
