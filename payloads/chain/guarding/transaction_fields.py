"""The fields of a transaction, as web3.py would send it."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from typing import Any

from payloads.chain.rpc import QUANTITY
from payloads.errors import Misuse, shown
from payloads.signatures import address_bytes

Transaction = Mapping[str, Any]


def target(transaction: Transaction) -> bytes | None:
    """The contract that is called; None where one is created."""
    to = transaction.get("to")
    return None if to is None else address_bytes(to, "to")


def origin(transaction: Transaction) -> bytes | None:
    """The account that signs; None where the transaction does not say it."""
    given = transaction.get("from")
    return None if given is None else address_bytes(given, "from")


def data(transaction: Transaction) -> bytes:
    """The calldata."""
    value = transaction.get("data", transaction.get("input"))
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    try:
        return unhexlify(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise Misuse("not hex", field="data", found=shown(value)) from None


def value(transaction: Transaction) -> int:
    """The wei that are sent along."""
    return integer(transaction.get("value", 0), "value")


def optional(transaction: Transaction, name: str) -> int | None:
    """An integer that may be missing."""
    given = transaction.get(name)
    return None if given is None else integer(given, name)


def integer(given: Any, name: str) -> int:
    if isinstance(given, str) and QUANTITY.fullmatch(given):
        return int(given, 16)
    if type(given) is not int:
        raise Misuse("not an integer", field=name, found=shown(given))
    return given
