"""The errors of contracts: declared once, encoded where a check fails, read from revert data.

Each system declares its own with `ContractError.of`; `read_revert` knows every error declared.
"""

from __future__ import annotations

from typing import Any

from hexbytes import HexBytes

from payloads.abi.fields import Record, Wide, hexed, is_wide, jsonable
from payloads.abi.solidity import Argument, decode, encode
from payloads.crypto import keccak256
from payloads.errors import Malformed

# Every declared error by its selector.
ERRORS: dict[bytes, ContractError] = {}


class ContractError(Record, frozen=True):
    """An error as a contract declares it. `note` is for a person who meets it."""

    name: str
    types: tuple[str, ...]
    selector: HexBytes
    note: str = ""

    @classmethod
    def of(cls, name: str, *types: str, note: str = "") -> ContractError:
        """Declare an error."""
        selector = keccak256(f"{name}({','.join(types)})".encode())[:4]
        return ERRORS.setdefault(selector, cls(name, types, hexed(selector), note))

    def data(self, *args: int | bytes) -> bytes:
        """The revert data with these arguments."""
        names = [Argument(str(index), type_) for index, type_ in enumerate(self.types)]
        return bytes(self.selector) + encode(names, args)

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """The arguments, if the data is as long as they are."""
        if self.types == ("string",):
            return _text(data[4:])
        if len(data) != 4 + 32 * len(self.types):
            return None
        words = [data[at : at + 32] for at in range(4, len(data), 32)]
        pairs = zip(self.types, words, strict=True)
        return tuple(
            hexed(word) if type_ == "bytes32" else int.from_bytes(word, "big")
            for type_, word in pairs
        )


def _text(arguments: bytes) -> tuple[Any, ...] | None:
    """The single argument of an error that carries a text."""
    try:
        (text,) = decode((Argument("text", "bytes"),), arguments)
    except Malformed:
        return None
    return (text.decode("utf-8", "replace"),)


# Solidity's own.
PANIC = ContractError.of("Panic", "uint256")
_PANICS = {0x11: "arithmetic overflow", 0x32: "index out of bounds", 0x41: "memory allocation"}


class Revert(Record, frozen=True):
    """Revert data, read. `error` is None for a bare revert, and for unknown data."""

    data: HexBytes
    error: str | None = None
    selector: HexBytes | None = None
    args: tuple[Any, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The error as JSON has it; the arguments by their types."""
        known = None if self.error is None else ERRORS.get(bytes(self.selector or b""))
        types = known.types if known else ()
        pairs = zip(types, self.args, strict=True)
        args = [Wide(arg) if is_wide(type_) else arg for type_, arg in pairs]
        facts = {"data": self.data, "error": self.error, "selector": self.selector}
        found: dict[str, Any] = jsonable(facts | {"args": args})
        return found

    @property
    def name(self) -> str:
        """The error in a few words."""
        if self.error == "Panic":
            code = self.args[0]
            return f"Panic(0x{code:02x}) {_PANICS.get(code, '')}".rstrip()
        if self.note:
            return f"{self.error} ({self.note})"
        return self.error or ("unknown error" if self.data else "revert (empty)")


def read_revert(data: bytes) -> Revert:
    """The error that revert data spells."""
    error = ERRORS.get(data[:4])
    args = error.read(data) if error else None
    if error is None or args is None:
        return Revert(hexed(data), None, hexed(data[:4]) if len(data) >= 4 else None)
    return Revert(hexed(data), error.name, error.selector, args, error.note)


class Answer:
    """The answer of a contract to a call. It is true where the call is `accepted`."""

    __slots__ = ()

    accepted: bool

    @property
    def revert(self) -> Revert | None:
        """The contract's error, read; None where the call returns."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """`accepted`, `returns false`, or the contract's error in a few words."""
        if self.revert is not None:
            return self.revert.name
        return "accepted" if self.accepted else "returns false"

    @property
    def error(self) -> str | None:
        """The contract's name for its error: `BadVerification`, `Panic`, …"""
        return None if self.revert is None else self.revert.error

    @property
    def selector(self) -> HexBytes | None:
        """The first four bytes of the revert data."""
        return None if self.revert is None else self.revert.selector

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the error."""
        return () if self.revert is None else self.revert.args

    def __bool__(self) -> bool:
        return self.accepted
