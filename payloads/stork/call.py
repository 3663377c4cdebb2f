"""A call of the Stork Fast contract as it is judged: what it carries, and what checks find out."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from payloads.abi.calldata import Function
from payloads.abi.fields import Record
from payloads.crypto import keccak256, keccak_many
from payloads.stork.calldata import DESERIALIZE
from payloads.stork.state import StorkState
from payloads.verdicts.signers import Signers
from payloads.verdicts.state import ZERO

HEAD_SIZE, ASSET_SIZE = 75, 18
# What is signed begins here, after the signature.
BODY = 65
_TIME = slice(67, 75)
_ASSET = struct.Struct(">HqQ")


class StoredAsset(Record, frozen=True):
    """An asset as the contract returns it: with the update's time, and without its taxonomy."""

    asset_id: int
    timestamp_ns: int
    value: int


class Call:
    """A call of either function. `digest` and `signer` are not known before the recovery."""

    __slots__ = (
        "digest", "function", "hashed", "now", "raw", "signature", "signer", "signers", "state",
        "value",
    )  # fmt: skip

    def __init__(
        self,
        raw: bytes,
        state: StorkState,
        function: Function,
        value: int,
        now: int | None,
        signers: Signers,
    ) -> None:
        self.raw, self.state, self.function, self.value = raw, state, function, value
        # The time judged at. The contract reads no clock; a finding does.
        self.now = now
        self.signers = signers
        self.signature: bytes | None = None
        self.signer = ZERO
        self.digest = b""
        # The digest, where it was made together with others.
        self.hashed: bytes | None = None

    def again(self) -> Call:
        """The same call, of which nothing is known yet."""
        return Call(self.raw, self.state, self.function, self.value, self.now, self.signers)

    @property
    def deserializes(self) -> bool:
        """Whether the function returns the assets, and reverts for a bad signature."""
        return self.function is DESERIALIZE

    @property
    def fits(self) -> bool:
        """Whether the payload has a size that the contract takes."""
        return len(self.raw) >= HEAD_SIZE and (len(self.raw) - HEAD_SIZE) % ASSET_SIZE == 0

    @property
    def r(self) -> bytes:
        return self.raw[:32]

    @property
    def s(self) -> bytes:
        return self.raw[32:64]

    @property
    def v(self) -> int:
        return self.raw[64]

    @property
    def time(self) -> int:
        """The update's time in nanoseconds."""
        return int.from_bytes(self.raw[_TIME], "big")

    @property
    def count(self) -> int:
        """How many assets there are."""
        return (len(self.raw) - HEAD_SIZE) // ASSET_SIZE

    @property
    def signed(self) -> bool:
        """Whether the address that was recovered may sign."""
        return self.signer in self.state.trusted

    def hash(self) -> bytes:
        """The digest that is signed."""
        return keccak256(self.raw[BODY:]) if self.hashed is None else self.hashed

    def assets(self) -> tuple[StoredAsset, ...]:
        """The assets as the contract returns them."""
        time = self.time
        entries = _ASSET.iter_unpack(self.raw[HEAD_SIZE:])
        return tuple(StoredAsset(id_, time, high << 64 | low) for id_, high, low in entries)


def hash_together(calls: Iterable[Call]) -> None:
    """The digests of calls, those with payloads of one size at once."""
    by_size: dict[int, list[Call]] = {}
    for call in calls:
        if call.fits:
            by_size.setdefault(len(call.raw), []).append(call)
    for size, same in by_size.items():
        if len(same) > 1:
            digests = keccak_many(b"".join([call.raw[BODY:] for call in same]), size - BODY)
            for index, call in enumerate(same):
                call.hashed = digests[32 * index : 32 * index + 32]
