"""Stork payloads as JSON objects with stable keys, and back."""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import Record, json_object, jsonable
from payloads.errors import Misuse, shown
from payloads.json_records import EXACT, Reading, check_object
from payloads.stork.signers import recover
from payloads.stork.update import (
    ASSETS,
    BODIES,
    PLAIN,
    SIGNATURE,
    VALUE_BIT,
    Asset,
    SignedUpdate,
    UnsignedUpdate,
)


def _assets(update: SignedUpdate | UnsignedUpdate) -> list[dict[str, Any]]:
    return [jsonable(asset) for asset in update.assets]


def _head(update: SignedUpdate | UnsignedUpdate) -> dict[str, Any]:
    return {row.name: row.json(getattr(update, row.name)) for row in BODIES[PLAIN].fields}


def to_dict(payload: SignedUpdate | UnsignedUpdate, *, signers: bool = True) -> dict[str, Any]:
    """The payload as a JSON object; its signer is recovered unless that is not wanted."""
    if isinstance(payload, SignedUpdate):
        return _signed_to_dict(payload, signers)
    record: dict[str, Any] = {"system": "stork", "form": "unsigned"}
    record |= _head(payload)
    return json_object(record) | {"assets": _assets(payload)}


def _signed_to_dict(update: SignedUpdate, signers: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"system": "stork", "form": "signed_ecdsa", "layout": update.layout}
    if update.layout != PLAIN:
        record["mask"] = update.mask
    if update.guess:
        record["guess"] = update.guess
    record |= _head(update)
    record |= {"r": update.r, "s": update.s, "v": update.v}
    record["signing_digest"] = update.signing_digest
    if signers:
        record["signers"] = [found.address for found in recover(update)]
    return json_object(record) | {"assets": _assets(update)}


# --- and back -------------------------------------------------------------------------------------

_READING = Reading(base=EXACT, error=Misuse)
_NO_SIGNATURE = {"r": "0x" + "00" * 32, "s": "0x" + "00" * 32, "v": 0}


class _Described(Record, frozen=True):
    """What an object says besides the signature."""

    taxonomy_id: int
    timestamp_ns: int
    assets: tuple[Any, ...]
    layout: str = PLAIN
    mask: int | None = None
    guess: str = ""


def from_dict(record: dict[str, Any]) -> SignedUpdate:
    """The payload that an object describes. Without a signature it gets a signature of zeros."""
    check_object(record)
    if not _NO_SIGNATURE.keys() & record.keys():
        record = _NO_SIGNATURE | record
    described: _Described = _READING.read(_Described, record)
    mask = VALUE_BIT if described.layout == PLAIN else described.mask
    if mask not in ASSETS:
        raise Misuse("no such mask", field="mask", expected="0 to 3", found=shown(mask))
    rows = ASSETS[mask].fields
    return SignedUpdate(
        **_READING.fields(SIGNATURE.fields, record),
        layout=described.layout,
        mask=mask,
        taxonomy_id=described.taxonomy_id,
        timestamp_ns=described.timestamp_ns,
        assets=tuple(
            Asset(**_READING.fields(rows, asset, f"assets[{index}]"))
            for index, asset in enumerate(described.assets)
        ),
        guess=described.guess,
    )
