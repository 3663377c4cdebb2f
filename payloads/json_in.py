"""Reading the JSON objects that `decode --json` prints: each value checked, each error named.

Everything here raises `Misuse`, because such an object is the caller's description of a payload
and not a payload.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.abi.fields import Field
from payloads.errors import Misuse, PayloadError, shown
from payloads.inputs import to_bytes

_MISSING = object()


def bytes_in(record: dict[str, Any], key: str, size: int | None, default: Any = _MISSING) -> bytes:
    """The bytes of a hex string, of a given size if one is given."""
    value = record.get(key, default)
    if value is _MISSING:
        raise Misuse("missing", field=key, expected="a hex string")
    raw = b"" if value in (b"", "0x", "") else _bytes(value, key)
    if size is not None and len(raw) != size:
        raise Misuse("wrong length", field=key, expected=f"{size} bytes", found=str(len(raw)))
    return raw


def _bytes(value: Any, key: str) -> bytes:
    try:
        return to_bytes(value, name=key)
    except PayloadError as error:
        raise Misuse(error.reason, field=key, expected=error.expected, found=error.found) from None


def list_in(record: dict[str, Any], key: str, size: int) -> tuple[bytes, ...]:
    """A list of hex strings of one size."""
    values = record.get(key)
    if not isinstance(values, list | tuple):
        raise Misuse("missing", field=key, expected="a list of hex strings")
    pairs = {f"{key}[{index}]": value for index, value in enumerate(values)}
    return tuple(bytes_in(pairs, path, size) for path in pairs)


def integer_in(record: dict[str, Any], key: str, path: str = "") -> int:
    """An integer, given as a number or (as large ones are) as a string."""
    value = record.get(key, _MISSING)
    if value is _MISSING:
        raise Misuse("missing", field=path + key, expected="an integer")
    if type(value) is int:
        return value
    if isinstance(value, str) and len(value) <= 80 and value.isascii():
        if value.removeprefix("-").isdecimal():
            return int(value)
    raise Misuse("not an integer", field=path + key, found=shown(value))


def field_values(fields: Iterable[Field], record: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The values of a table's fields from an object with their names as keys."""
    values: dict[str, Any] = {}
    for row in fields:
        if row.type.kind == "bytes":
            values[row.name] = bytes_in(record, row.name, row.type.size)
        elif row.none is not None and record.get(row.name) is None:
            values[row.name] = None
        else:
            values[row.name] = integer_in(record, row.name, path)
    return values
