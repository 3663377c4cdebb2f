"""From what people have (hex of any shape, bytes, HexBytes) to bytes, within a stated bound.

`to_bytes` raises `Malformed` with the position of the first character that is not hex, and never
allocates more than its input: sizes are checked before anything is converted.
"""

from __future__ import annotations

from binascii import unhexlify

from payloads.errors import Malformed, Misuse, elide

__all__ = ["MAX_PAYLOAD_BYTES", "MAX_TEXT_CHARACTERS", "to_bytes"]

# A 60-million-gas block at 16 gas a byte carries 3.75 MB of calldata, so no payload that a chain
# could check is larger than this.
MAX_PAYLOAD_BYTES = 4 * 2**20
# Hex doubles it; the rest is room for white space and for the JSON around it.
MAX_TEXT_CHARACTERS = 2 * MAX_PAYLOAD_BYTES + 2**16
_HEX = frozenset("0123456789abcdefABCDEF")


def to_bytes(value: str | bytes | bytearray | memoryview, *, name: str = "payload") -> bytes:
    """The bytes of hex text (with or without 0x, any case, white space around it), or of bytes."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARACTERS:
            raise _too_large(len(value), MAX_TEXT_CHARACTERS, "characters", name)
        try:
            raw = unhexlify(value.removeprefix("0x"))
        except ValueError:
            raw = _tidy(value, name)
    elif isinstance(value, bytes):
        raw = value if type(value) is bytes else bytes(memoryview(value))
    elif isinstance(value, bytearray | memoryview):
        raw = bytes(value)
    else:
        raise Misuse(
            "not something a payload can be read from",
            field=name,
            expected="hex text or bytes",
            found=type(value).__name__,
        )
    if 0 < len(raw) <= MAX_PAYLOAD_BYTES:
        return raw
    if raw:
        raise _too_large(len(raw), MAX_PAYLOAD_BYTES, "bytes", name)
    raise Malformed("empty input", offset=0, field=name, expected="a payload", found="nothing")


def _too_large(size: int, limit: int, unit: str, name: str) -> Malformed:
    return Malformed(
        "larger than a block can carry",
        field=name,
        expected=f"at most {limit} {unit}",
        found=f"{size}",
    )


def _tidy(text: str, name: str) -> bytes:
    """The slow way for text that is not plain hex: strip it, or say what is wrong and where."""
    begin = len(text) - len(text.lstrip())
    digits = text.strip()
    if digits[:2] in ("0x", "0X"):
        digits, begin = digits[2:], begin + 2
    if digits[:2] in ("0x", "0X"):
        raise _not_hex("0x prefix given twice", begin, "hex digits", repr(digits[:2]), name)
    for index, character in enumerate(digits):
        if character not in _HEX:
            raise _not_hex("not hex", begin + index, "a hex digit", elide(ascii(character)), name)
    if len(digits) % 2:
        raise _not_hex(
            "odd number of hex digits", begin + len(digits), "two digits a byte",
            f"{len(digits)} digits", name,
        )  # fmt: skip
    return unhexlify(digits)


def _not_hex(reason: str, at: int, expected: str, found: str, name: str) -> Malformed:
    return Malformed(
        f"{reason} (character {at + 1} of the text)",
        offset=at,
        field=name,
        expected=expected,
        found=found,
    )
