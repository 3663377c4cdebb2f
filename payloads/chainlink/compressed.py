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
