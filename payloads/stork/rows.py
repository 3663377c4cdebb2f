"""Stork's payloads for people: a title, and a row for each field."""

from __future__ import annotations

from collections.abc import Iterator

from payloads.abi.rows import Row
from payloads.abi.units import NANOSECONDS
from payloads.stork.update import ASSETS, STATUS_BIT, SignedUpdate, UnsignedUpdate

_UNITS = {row.name: row.unit for row in ASSETS[3].fields}
_NO_STATUS = 255


def title(value: SignedUpdate | UnsignedUpdate) -> str:
    """What the payload is, in a few words."""
    count = len(value.assets)
    if isinstance(value, SignedUpdate):
        return f"Stork signed_ecdsa, {value.layout} layout, {count} assets"
    return f"Stork unsigned message, {count} assets"


def rows(value: SignedUpdate | UnsignedUpdate, decimals: int | None) -> Iterator[Row]:
    """The fields of a payload. Every value is scaled by 1e18, whatever `decimals` says."""
    yield Row("taxonomy_id", str(value.taxonomy_id))
    said = NANOSECONDS.say(value.timestamp_ns) or f"{value.timestamp_ns // 10**9}"
    yield Row("timestamp_ns", str(value.timestamp_ns), said)
    has_status = not isinstance(value, SignedUpdate) or bool(value.mask & STATUS_BIT)
    for asset in value.assets:
        amount = "no value" if asset.value is None else _UNITS["value"].say(asset.value)
        code = _NO_STATUS if asset.market_status is None else asset.market_status
        status = "market: " + _UNITS["market_status"].say(code) if has_status else ""
        yield Row(f"asset {asset.asset_id}", amount, status)
    if isinstance(value, SignedUpdate):
        yield Row("signing_digest", "0x" + value.signing_digest.hex())
