"""Signed transactions as `eth_sendRawTransaction` takes them: what they call, and who signed them.

Legacy transactions and the types 1 to 4 of EIP-2718 are known. Anything else is `Misuse`: a guard
that cannot read a transaction does not let it through.
"""

from __future__ import annotations

from typing import Any

from payloads.errors import Misuse

# The place of `to` in the list of fields, by type (0: legacy). Value and data follow it.
_PLACE_OF_TO = {0: 3, 1: 4, 2: 5, 3: 5, 4: 5}


def read_signed(raw: bytes) -> dict[str, Any]:
    """`from`, `to`, `value`, `data` and `chainId`; `to` is missing where a contract is created."""
    kind = raw[0] if raw and raw[0] < 0x80 else 0
    if kind not in _PLACE_OF_TO or raw[:1] == b"\0":
        known = "a legacy transaction, or one of type 1 to 4"
        raise Misuse("no known kind of transaction", field="raw", expected=known, found=_head(raw))
    try:
        raw, fields = _read(raw, kind)
        place = _PLACE_OF_TO[kind]
        to, value, data = fields[place : place + 3]
        found = {"from": _signer(raw), "value": int.from_bytes(value, "big"), "data": data}
        chain_id = _chain_id(fields, kind)
    except Exception:  # of rlp, eth_account and what they use
        found = {}
    if not found:
        raise Misuse("not a signed transaction", field="raw", found=_head(raw))
    return found | ({"to": to} if to else {}) | ({} if chain_id is None else {"chainId": chain_id})


def _read(raw: bytes, kind: int) -> tuple[bytes, list[Any]]:
    """The transaction and its fields, without the blobs that it may come with (EIP-4844)."""
    import rlp  # type: ignore[import-untyped]

    fields: list[Any] = rlp.decode(raw[1:] if kind else raw)
    if kind == 3 and isinstance(fields[0], list):
        return b"\x03" + rlp.encode(fields[0]), fields[0]
    return raw, fields


def _signer(raw: bytes) -> str:
    from eth_account import Account

    return str(Account.recover_transaction(raw))


def _chain_id(fields: list[Any], kind: int) -> int | None:
    if kind:
        return int.from_bytes(fields[0], "big")
    v = int.from_bytes(fields[6], "big")
    return (v - 35) // 2 if v >= 35 else None  # EIP-155


def _head(raw: bytes) -> str:
    return "0x" + raw[:8].hex() + ("…" if len(raw) > 8 else "")
