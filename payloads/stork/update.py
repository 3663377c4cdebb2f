"""Stork Fast payloads: the signed update in both layouts, and the unsigned message.

`decode` takes a `signed_ecdsa` payload apart and raises `Malformed` for anything else. The plain
layout is the only one the contract knows; the versioned one (0xFF 0x02) is sent when additional
attributes were asked for. Nothing decoded here is verified: see `recover` and `judge`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from payloads.abi.fields import PACKED, Record, Table, field, hexed
from payloads.abi.solidity import Departure
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.abi.units import IDENTIFIER, NANOSECONDS, STORK_MARKET_STATUS, STORK_VALUE
from payloads.crypto import keccak256
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import to_bytes

Input = str | bytes | bytearray | memoryview

PLAIN = "plain"
VERSIONED = "versioned"
# Bits of the versioned layout's mask: which fields each record carries.
VALUE_BIT, STATUS_BIT = 1, 2
_MARKER, _VERSION = 0xFF, 0x02


class Signature(Record, frozen=True):
    """The first 65 bytes."""

    r: Annotated[bytes, field("bytes32", meaning="r of the signature")]
    s: Annotated[bytes, field("bytes32", meaning="s of the signature")]
    v: Annotated[int, field("uint8", meaning="Recovery id, 0 or 1")]


class PlainBody(Record, frozen=True):
    """The head of the signed body in the plain layout."""

    taxonomy_id: Annotated[int, field("uint16", IDENTIFIER, "What the asset ids refer to")]
    timestamp_ns: Annotated[int, field("uint64", NANOSECONDS, "Time of the update")]


class VersionedBody(Record, frozen=True):
    """The head of the signed body in the versioned layout."""

    marker: Annotated[int, field("uint8", meaning="0xFF: not the plain layout")]
    version: Annotated[int, field("uint8", meaning="Version of the layout")]
    mask: Annotated[int, field("uint16", meaning="Bit 0: values, bit 1: market statuses")]
    taxonomy_id: Annotated[int, field("uint16", IDENTIFIER, "What the asset ids refer to")]
    timestamp_ns: Annotated[int, field("uint64", NANOSECONDS, "Time of the update")]


class Asset(Record, frozen=True, gc=False):
    """One record: an asset's value, scaled by 1e18, and its market's status where that is sent."""

    asset_id: Annotated[int, field("uint16", IDENTIFIER, "Asset, under the taxonomy")]
    value: Annotated[int | None, field("int128", STORK_VALUE, "Value, scaled by 1e18")] = None
    market_status: Annotated[
        int | None, field("uint8", STORK_MARKET_STATUS, "State of the market", none=0xFF)
    ] = None


SIGNATURE = Table.of(Signature, PACKED)
BODIES = {PLAIN: Table.of(PlainBody, PACKED), VERSIONED: Table.of(VersionedBody, PACKED)}
_OPTIONAL = {VALUE_BIT: "value", STATUS_BIT: "market_status"}
# The record's table for each mask.
ASSETS = {
    mask: Table.of(Asset, PACKED, absent=[n for bit, n in _OPTIONAL.items() if not mask & bit])
    for mask in range(4)
}


class SignedUpdate(Record, frozen=True, gc=False):
    """A decoded `signed_ecdsa` payload. Not verified: see `recover` and `judge`."""

    r: bytes
    s: bytes
    v: int
    layout: str
    mask: int
    taxonomy_id: int
    timestamp_ns: int
    assets: tuple[Asset, ...]
    # How the layout was found, where that is not plain from the bytes.
    guess: str = ""

    @property
    def signed_bytes(self) -> bytes:
        """What the signing digest is the hash of: the body."""
        return _head(self) + b"".join(ASSETS[self.mask].pack(asset) for asset in self.assets)

    @property
    def signing_digest(self) -> bytes:
        """What the signature signs: keccak-256 of the body, with no EIP-191 prefix."""
        return hexed(keccak256(self.signed_bytes))

    @property
    def departures(self) -> list[Departure]:
        """None: the layouts leave an encoder no choice."""
        return []

    def encode(self) -> bytes:
        """The payload's bytes."""
        return SIGNATURE.pack(self) + self.signed_bytes


def _head(update: SignedUpdate) -> bytes:
    if update.layout == PLAIN:
        if update.mask != VALUE_BIT:
            raise Misuse("the plain layout carries values only", field="mask", expected="1")
        return BODIES[PLAIN].pack(update)
    return BODIES[VERSIONED].pack(
        VersionedBody(_MARKER, _VERSION, update.mask, update.taxonomy_id, update.timestamp_ns)
    )


# --- reading --------------------------------------------------------------------------------------


def decode(
    value: Input, *, profile: Profile = AS_CONTRACT, layout: str | None = None
) -> SignedUpdate:
    """A `signed_ecdsa` payload, from hex or bytes.

    `layout` (`plain` or `versioned`) overrides the choice by the body's first byte, for a plain
    payload whose taxonomy is 0xFF00 or above.
    """
    raw = to_bytes(value)
    layout, guess = _layout(raw, layout)
    if layout == PLAIN:
        return _decode_plain(raw, guess)
    return _decode_versioned(raw, guess)


def _layout(raw: bytes, named: str | None) -> tuple[str, str]:
    if named is not None:
        if named not in BODIES:
            raise Misuse("no such layout", expected=" or ".join(BODIES), found=repr(named))
        return named, "named by the caller"
    if raw[SIGNATURE.size : SIGNATURE.size + 1] != b"\xff":
        return PLAIN, ""
    if fits_plain(raw):
        guess = "also fits the plain layout, with a taxonomy of 0xff00 or above"
        return VERSIONED, guess
    return VERSIONED, ""


def fits_plain(raw: bytes) -> bool:
    """Whether the contract accepts this size as the plain layout."""
    head = SIGNATURE.size + BODIES[PLAIN].size
    return len(raw) >= head and (len(raw) - head) % ASSETS[VALUE_BIT].size == 0


def _decode_plain(raw: bytes, guess: str) -> SignedUpdate:
    return _assemble(raw, PLAIN, VALUE_BIT, guess)


def _assemble(raw: bytes, layout: str, mask: int, guess: str) -> SignedUpdate:
    table, start = ASSETS[mask], SIGNATURE.size + BODIES[layout].size
    spare = (len(raw) - start) % table.size
    if len(raw) < start or spare:
        raise _wrong_size(raw, start, table.size, layout)
    signature: Signature = SIGNATURE.read(raw)
    head: PlainBody | VersionedBody = BODIES[layout].read(raw, SIGNATURE.size)
    return SignedUpdate(
        signature.r,
        signature.s,
        signature.v,
        layout,
        mask,
        head.taxonomy_id,
        head.timestamp_ns,
        table.read_many(memoryview(raw)[start:]),
        guess,
    )


def _wrong_size(raw: bytes, start: int, width: int, layout: str) -> Malformed:
    whole = max(0, len(raw) - start) // width
    at = min(len(raw), start + whole * width)
    path = f"assets[{whole}]" if len(raw) > start else "body"
    return Malformed(
        f"not a size the {layout} layout can have",
        offset=at,
        field=path,
        expected=f"{start} bytes and {width} for each asset",
        found=f"{len(raw)} bytes",
        # InvalidPayload()
        revert_data=bytes.fromhex("7c6953f9") if layout == PLAIN else None,
    )


def _decode_versioned(raw: bytes, guess: str) -> SignedUpdate:
    start = SIGNATURE.size
    if len(raw) < start + BODIES[VERSIONED].size:
        raise _wrong_size(raw, start + BODIES[VERSIONED].size, 1, VERSIONED)
    head = BODIES[VERSIONED].read(raw, start)
    hint = "; if this is a plain payload with a taxonomy of 0xff00 or above, name the layout"
    if head.marker != _MARKER:
        raise _unknown("marker", start, f"0x{_MARKER:02x}", f"0x{head.marker:02x}", "")
    if head.version != _VERSION:
        raise _unknown("version", start + 1, f"0x{_VERSION:02x}", f"0x{head.version:02x}", hint)
    if head.mask not in ASSETS:
        known = f"a mask of {len(ASSETS) - 1} at most"
        raise _unknown("mask", start + 2, known, f"0x{head.mask:04x}", hint)
    return _assemble(raw, VERSIONED, head.mask, guess)


def _unknown(name: str, at: int, expected: str, found: str, hint: str) -> Malformed:
    reason = f"unknown {name} of the versioned layout"
    return Malformed(reason, offset=at, field=name, expected=expected, found=found + hint)


# --- the unsigned message -------------------------------------------------------------------------


class UnsignedUpdate(Record, frozen=True):
    """The `unsigned` JSON message. It has no signature, and no contract takes it."""

    taxonomy_id: int
    timestamp_ns: int
    assets: tuple[Asset, ...]

    def to_message(self) -> dict[str, Any]:
        """The JSON message as Stork sends it."""
        items = [_item(asset) for asset in self.assets]
        return {"type": "unsigned", "tax": self.taxonomy_id, "ts": self.timestamp_ns, "a": items}


def _item(asset: Asset) -> dict[str, Any]:
    item: dict[str, Any] = {"id": asset.asset_id}
    if asset.value is not None:
        item["v"] = str(asset.value)
    if asset.market_status is not None:
        item["ms"] = asset.market_status
    return item


_DECIMAL = re.compile(r"-?[0-9]{1,40}")


def _integer(item: Any, key: str, path: str, low: int, high: int) -> int:
    value: Any = item.get(key) if isinstance(item, dict) else None
    if type(value) is int or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
        if low <= (number := int(value)) < high:
            return number
    raise Malformed(
        "not a number in range",
        field=f"{path}{key}",
        expected=f"an integer from {low} to {high - 1}",
        found=shown(value),
    )


def decode_unsigned(message: dict[str, Any]) -> UnsignedUpdate:
    """The `unsigned` message, from parsed JSON."""
    items = message.get("a")
    if not isinstance(items, list):
        raise Malformed("no list of assets", field="a", expected="a list", found=shown(items))
    return UnsignedUpdate(
        _integer(message, "tax", "", 0, 2**16),
        _integer(message, "ts", "", 0, 2**64),
        tuple(_unsigned_asset(item, f"a[{index}].") for index, item in enumerate(items)),
    )


def _unsigned_asset(item: Any, path: str) -> Asset:
    def optional(key: str, low: int, high: int) -> int | None:
        present = isinstance(item, dict) and item.get(key) is not None
        return _integer(item, key, path, low, high) if present else None

    asset_id = _integer(item, "id", path, 0, 2**16)
    return Asset(asset_id, optional("v", -(2**127), 2**127), optional("ms", 0, 2**8))
