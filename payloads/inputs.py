"""From any input (hex of any shape, bytes, HexBytes) to bytes, within a stated bound.

`to_bytes` raises `Malformed` with the position of the first character that is not hex, and never
allocates more than its input: sizes are checked before anything is converted. `parse_json` reads
the JSON text that may be around a payload, within the same bound.
"""

from __future__ import annotations

import os
import re
import sys
from binascii import unhexlify
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from payloads.errors import Malformed, Misuse, elide, shown

# A 60-million-gas block at 16 gas a byte carries 3.75 MB of calldata, so no payload that a chain
# could check is larger than this.
MAX_PAYLOAD_BYTES = 4 * 2**20
# Hex doubles it; the rest is room for white space and for the JSON around it.
MAX_TEXT_CHARACTERS = 2 * MAX_PAYLOAD_BYTES + 2**16
# No message of any venue is nested deeper than a tenth of this.
MAX_NESTING = 500
# As objects of Python they take some 70 MB. The largest call has 130,000 elements.
MAX_VALUES = 1_000_000
# Up to this recursion limit, parsers of JSON raise an exception before the stack is used up.
_SAFE_RECURSION = 5000
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.S)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_HEX = frozenset("0123456789abcdefABCDEF")


def unhexlified(text: str) -> bytes:
    """The bytes of plain hex, with or without 0x; `ValueError` for any other text."""
    return unhexlify(text.removeprefix("0x"))


def _fastest_unhex() -> Callable[[str], bytes]:
    try:
        found: Callable[[str], bytes] = import_module("payloads_simd").unhex
    except (ImportError, AttributeError):
        return unhexlified
    return found


# The same by the wheel payloads-simd, where it is installed.
unhex = _fastest_unhex()


def to_bytes(value: str | bytes | bytearray | memoryview, *, name: str = "payload") -> bytes:
    """The bytes of hex text (with or without 0x, any case, white space around it), or of bytes."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARACTERS:
            raise _too_large(len(value), MAX_TEXT_CHARACTERS, "characters", name)
        try:
            raw = unhex(value)
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


def to_path(path: str | os.PathLike[str]) -> Path:
    """A path; `Misuse` for a text with a NUL, which no file can be named."""
    if "\0" in os.fspath(path):
        raise Misuse("not a path", field="path", found=shown(os.fspath(path)))
    return Path(path)


def read_bounded(path: str | Path, most: int, kind: str) -> bytes:
    """The bytes of a file; `Misuse` for more than `most`, and `OSError` as it comes."""
    with to_path(path).open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        expected = f"at most {most} bytes"
        raise Misuse(f"larger than any {kind}", field=str(path), expected=expected, found="more")
    return content


def checked_text(text: str, name: str) -> str:
    """A text that UTF-8 can hold; `Misuse` for lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Misuse("not text", field=name, found=shown(text)) from None
    return text


# JSON and hex in bytes begin with these: white space may be before them.
STARTS_OF_TEXT = b"{[0 \t\n\r\v\f"


def json_text(value: Any) -> str | bytes | None:
    """The input if it may be JSON text, which hex cannot be mistaken for; else None."""
    if isinstance(value, str):
        return value if value.lstrip()[:1] in ("{", "[") else None
    if isinstance(value, bytes | bytearray) and value.lstrip()[:1] in (b"{", b"["):
        text = bytes(value)
        return text if text.isascii() or _is_utf8(text) else None
    return None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def hex_text(value: Any) -> Any:
    """Hex as text where it came as bytes, as it does from a file or a socket; else the input."""
    if isinstance(value, bytes) and value.lstrip()[:2] in (b"0x", b"0X") and value.isascii():
        return value.decode()
    return value


def parse_json(text: str | bytes) -> Any:
    """The value of JSON text; `Malformed` for text that is no JSON, too long or too deep."""
    if len(text) > MAX_TEXT_CHARACTERS:
        limit = f"at most {MAX_TEXT_CHARACTERS} characters"
        raise Malformed("frame too large", field="frame", expected=limit, found=str(len(text)))
    check_nesting(text)
    check_values(text, MAX_VALUES)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed("not JSON", field="frame", found=elide(str(error), 160)) from None


def check_nesting(data: str | bytes) -> None:
    """Raise `Malformed` for JSON so deep that a parser could crash; to be called before any.

    Parsers recurse in C, and trust Python's recursion limit to stop them. Libraries of this field
    raise that limit (py_ecc to 100,000), and then a message of brackets would kill the process.
    """
    if sys.getrecursionlimit() > _SAFE_RECURSION:
        check_depth(data)


def check_depth(data: str | bytes | bytearray) -> None:
    """`check_nesting`, whatever the recursion limit is now."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if raw.count(b"[") + raw.count(b"{") > MAX_NESTING and _depth(raw) > MAX_NESTING:
        expected = f"at most {MAX_NESTING} levels"
        raise Malformed("not JSON: nested too deeply", field="message", expected=expected)


def check_values(data: str | bytes | bytearray, most: int) -> None:
    """Raise `Malformed` for JSON of more than `most` values, keys included; before it is parsed.

    A value takes two bytes of JSON, and as an object of Python up to a hundred and twelve.
    """
    if len(data) <= most or _marks(data) <= most:
        return
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if (count := _marks(_outside_strings(raw))) > most:  # commas in strings do not count
        expected = f"at most {most} values"
        raise Malformed("too many values", field="message", expected=expected, found=str(count))


def _marks(data: str | bytes | bytearray) -> int:
    marks: Any = ",:[{" if isinstance(data, str) else b",:[{"
    return sum(map(data.count, marks))


def _outside_strings(raw: bytes | bytearray) -> bytearray:
    """JSON without its strings. `re.sub` would keep a list of all pieces, thirty times the text."""
    found, at = bytearray(), 0
    for string in _STRING.finditer(raw):
        found += raw[at : string.start()]
        at = string.end()
    return found + raw[at:]


def _depth(raw: bytes | bytearray) -> int:
    """How deep brackets are nested. Brackets in strings do not count."""
    depth = deepest = 0
    for bracket in _outside_strings(raw).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _too_large(size: int, limit: int, unit: str, name: str) -> Malformed:
    return Malformed(
        "larger than a block can carry",
        field=name,
        expected=f"at most {limit} {unit}",
        found=f"{size}",
    )


def _tidy(text: str, name: str) -> bytes:
    """The slow path for text that is not plain hex: strip it, or say where it is wrong."""
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
