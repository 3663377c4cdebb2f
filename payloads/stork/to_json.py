"""Stork payloads as JSON objects with stable keys, and back."""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import json_object, jsonable
from payloads.errors import Misuse, shown
from payloads.json_in import field_values, integer_in
from payloads.stork.signers import recover
from payloads.stork.update import (
    ASSETS,
    PLAIN,
    SIGNATURE,
    VALUE_BIT,
    Asset,
    SignedUpdate,
    UnsignedUpdate,
)


def _assets(update: SignedUpdate | UnsignedUpdate) -> list[dict[str, Any]]:
    return [jsonable(asset) for asset in update.assets]


def to_dict(payload: SignedUpdate | UnsignedUpdate, *, signers: bool = True) -> dict[str, Any]:
    """The payload as a JSON object; its signer is recovered unless that is not wanted."""
    if isinstance(payload, SignedUpdate):
        return _signed_to_dict(payload, signers)
    record: dict[str, Any] = {"system": "stork", "form": "unsigned"}
    record |= {"taxonomy_id": payload.taxonomy_id, "timestamp_ns": payload.timestamp_ns}
    return json_object(record) | {"assets": _assets(payload)}


def _signed_to_dict(update: SignedUpdate, signers: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"system": "stork", "form": "signed_ecdsa", "layout": update.layout}
    if update.layout != PLAIN:
        record["mask"] = update.mask
    if update.guess:
        record["guess"] = update.guess
    record |= {"taxonomy_id": update.taxonomy_id, "timestamp_ns": update.timestamp_ns}
    record |= {"r": update.r, "s": update.s, "v": update.v}
    record["signing_digest"] = update.signing_digest
    if signers:
        record["signers"] = [found.address for found in recover(update)]
    return json_object(record) | {"assets": _assets(update)}


# --- and back -------------------------------------------------------------------------------------

_NO_SIGNATURE = {"r": "0x" + "00" * 32, "s": "0x" + "00" * 32, "v": 0}


def from_dict(record: dict[str, Any]) -> SignedUpdate:
    """The payload that an object describes. An object without a signature gets one of zeros."""
    if not _NO_SIGNATURE.keys() & record.keys():
        record = _NO_SIGNATURE | record
    layout = record.get("layout", PLAIN)
    mask = VALUE_BIT if layout == PLAIN else integer_in(record, "mask")
    if mask not in ASSETS:
        raise Misuse("no such mask", field="mask", expected="0 to 3", found=shown(mask))
    items = record.get("assets")
    if not isinstance(items, list):
        raise Misuse("missing", field="assets", expected="a list of assets")
    return SignedUpdate(
        **field_values(SIGNATURE.fields, record),
        layout=layout,
        mask=mask,
        taxonomy_id=integer_in(record, "taxonomy_id"),
        timestamp_ns=integer_in(record, "timestamp_ns"),
        assets=tuple(_asset(item, mask, f"assets[{i}].") for i, item in enumerate(items)),
    )


def _asset(item: Any, mask: int, path: str) -> Asset:
    if not isinstance(item, dict):
        raise Misuse("not an object", field=path.rstrip("."), found=shown(item))
    return Asset(**field_values(ASSETS[mask].fields, item, path))
