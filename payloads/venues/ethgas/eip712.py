"""EIP-712: the digest that a signature of a typed message signs, for any typed message.

`typed_data_digest(data)` hashes nested structs, arrays and all atomic types, and raises `Malformed`
for what is none. `struct_types(data)` are its types as they were checked; `signature_of` signs a
digest and raises `Misuse` for what is no private key.

A client that lets a server choose the message signs what the server likes. So the ETHGas login
refuses everything but a login before it calls this.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from payloads.crypto import keccak256, sign
from payloads.errors import Malformed, Misuse, elide
from payloads.venues.common.redactor import Secret

DOMAIN = "EIP712Domain"
DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
_ATOM = re.compile(r"string|address|bool|(u?int|bytes)[0-9]*")
_ARRAY = re.compile(r"(.+)\[([0-9]{0,4})\]")
_SIZED = re.compile(r"(u?int|bytes)([1-9][0-9]{0,2})")
# Bounds on what a server may have us hash; a login has one type of three fields.
_MOST_FIELDS = 64
_MOST_DEPTH = 16
_MOST_ITEMS = 4096

Types = Mapping[str, Sequence[tuple[str, str]]]


def struct_types(data: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """The types of a typed message, checked in form."""
    given = data.get("types")
    if not isinstance(given, dict) or len(given) > _MOST_FIELDS:
        raise not_typed_data("types", "an object of struct types", given)
    types = {name: _fields(name, rows) for name, rows in given.items()}
    if DOMAIN not in types:
        domain = data.get("domain")
        present = domain if isinstance(domain, dict) else {}
        types[DOMAIN] = [(key, kind) for key, kind in DOMAIN_FIELDS.items() if key in present]
    return types


def _fields(name: str, rows: Any) -> list[tuple[str, str]]:
    path = f"types.{elide(name)}"
    if _ATOM.fullmatch(name) or not _NAME.fullmatch(name):
        raise not_typed_data(path, "the name of a struct", name)
    if not isinstance(rows, list) or len(rows) > _MOST_FIELDS:
        raise not_typed_data(path, "a struct's fields", rows)
    fields = []
    for row in rows:
        pair = (row.get("name"), row.get("type")) if isinstance(row, dict) else (None, None)
        if not isinstance(pair[0], str) or not isinstance(pair[1], str) or len(pair[1]) > 128:
            raise not_typed_data(path, "a name and a type", row)
        if not _NAME.fullmatch(pair[0]):
            raise not_typed_data(path, "an identifier", pair[0])
        fields.append((pair[0], pair[1]))
    if len({field for field, _ in fields}) < len(fields):
        raise not_typed_data(path, "names that differ", rows)
    return fields


def _base_type(kind: str) -> str:
    return kind.partition("[")[0]


def encode_type(name: str, types: Types) -> str:
    """A struct type with all types it refers to: `Mail(Person from)Person(string name)`."""
    if name not in types:
        raise not_typed_data("types", f"the type {elide(name)}", None)
    found: set[str] = set()
    queue = [name]
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            queue += [base for _, kind in types[each] if (base := _base_type(kind)) in types]
    return "".join(
        f"{each}({','.join(f'{kind} {field}' for field, kind in types[each])})"
        for each in [name, *sorted(found - {name})]
    )


def hash_struct(name: str, value: Any, types: Types, path: str = "", depth: int = 0) -> bytes:
    """keccak-256 of a struct's type hash and its encoded fields."""
    if not isinstance(value, dict):
        raise not_typed_data(path or name, f"an object of type {name}", value)
    encoded = [keccak256(encode_type(name, types).encode())]
    for field, kind in types[name]:
        where = f"{path or name}.{field}"
        if field not in value:
            raise Malformed("missing", field=where, expected=kind)
        encoded.append(_encode(kind, value[field], types, where, depth + 1))
    return keccak256(b"".join(encoded))


def _encode(kind: str, value: Any, types: Types, path: str, depth: int) -> bytes:
    if depth > _MOST_DEPTH:
        raise Malformed("nested too deeply", field=path, expected=f"at most {_MOST_DEPTH}")
    if match := _ARRAY.fullmatch(kind):
        inner, size = match[1], match[2]
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            raise not_typed_data(path, f"a list of {inner}", value)
        if size and len(value) != int(size):
            raise not_typed_data(path, f"{size} items", value)
        items = (_encode(inner, v, types, f"{path}[{i}]", depth + 1) for i, v in enumerate(value))
        return keccak256(b"".join(items))
    if kind in types:
        return hash_struct(kind, value, types, path, depth)
    return _encode_atom(kind, value, path)


def _encode_atom(kind: str, value: Any, path: str) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise not_typed_data(path, "text", value)
        try:
            return keccak256(value.encode())
        except UnicodeEncodeError:
            raise not_typed_data(path, "text that UTF-8 can hold", value) from None
    if kind == "bytes":
        return keccak256(_hex(value, path))
    if kind == "bool":
        if type(value) is not bool:
            raise not_typed_data(path, "true or false", value)
        return int(value).to_bytes(32, "big")
    if kind == "address":
        return _integer(_hex_number(value, path), 160, False, path)
    match = _SIZED.fullmatch(kind)
    width = int(match[2]) if match else 0
    if match and match[1] == "bytes" and width <= 32:
        raw = _hex(value, path)
        if len(raw) != width:
            raise not_typed_data(path, f"{width} bytes", value)
        return raw.ljust(32, b"\0")
    if match and match[1] != "bytes" and width <= 256 and width % 8 == 0:
        return _integer(_number(value, path), width, match[1] == "int", path)
    raise not_typed_data(path, "a type of EIP-712", kind)


def _hex(value: Any, path: str) -> bytes:
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return binascii.unhexlify(value[2:])
    except ValueError:
        pass
    raise not_typed_data(path, "0x and hex digits", value)


def _hex_number(value: Any, path: str) -> int:
    """An address. Short text is taken as a number, because the venue writes `0x0`."""
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,40}", value):
        return int(value, 16)
    raise not_typed_data(path, "an address", value)


def _number(value: Any, path: str) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,80}", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        return int(value, 16)
    raise not_typed_data(path, "an integer", value)


def _integer(value: int, bits: int, signed: bool, path: str) -> bytes:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if not low <= value < high:
        raise not_typed_data(path, f"{bits} bits", value)
    return value.to_bytes(32, "big", signed=signed)


def domain_separator(data: Mapping[str, Any]) -> bytes:
    """The hash of a typed message's domain."""
    return hash_struct(DOMAIN, data.get("domain"), struct_types(data), "domain")


def typed_data_digest(data: Mapping[str, Any]) -> bytes:
    """What a signature of the typed message signs; `Malformed` if it is none."""
    types, primary = struct_types(data), data.get("primaryType")
    if not isinstance(primary, str) or primary not in types:
        raise not_typed_data("primaryType", "a type of this message", primary)
    parts = [b"\x19\x01", hash_struct(DOMAIN, data.get("domain"), types, "domain")]
    if primary != DOMAIN:
        parts.append(hash_struct(primary, data.get("message"), types, "message"))
    return keccak256(b"".join(parts))


def signature_of(private_key: Secret, digest: bytes) -> str:
    """The 65 bytes of a signature in hex, with v as 27 or 28."""
    r, s, recovery_id = sign(private_key_bytes(private_key), digest)
    return "0x" + (r + s + bytes([27 + recovery_id])).hex()


def private_key_bytes(private_key: Secret) -> bytes:
    """The 32 bytes of a key in hex."""
    digits = private_key.reveal().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise Misuse("not a private key", field="private_key", expected="64 hex digits")
    return bytes.fromhex(digits)


def not_typed_data(path: str, expected: str, found: Any) -> Malformed:
    """What is wrong with a typed message, and where."""
    shown = found if isinstance(found, str) else type(found).__name__
    return Malformed("not typed data", field=path, expected=expected, found=elide(shown))
