"""What a Stork Fast contract knows: its signer and its fee."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from payloads.crypto import checksum
from payloads.verdicts.state import Address, State, Uint256, plain
from payloads.verdicts.words import amount

STORK = "stork-fast-1.0.0"


class StorkState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A Stork Fast contract. A `signer` of zero is a contract that was never initialised."""

    CONTRACTS: ClassVar[tuple[str, ...]] = (STORK,)
    PAST: ClassVar[tuple[str, ...]] = ("signer", "verification_fee")

    signer: Address
    verification_fee: Uint256 = 0

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        fee = {"verification_fee": str(self.verification_fee)}
        return super().to_dict() | plain(signer=self.signer) | fee

    @property
    def flat_fee(self) -> int:
        """The wei that every call costs."""
        return self.verification_fee

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person."""
        unset = "" if any(self.signer) else "  NEVER SET: every invalid signature verifies"
        yield "signer", checksum(self.signer) + unset
        yield "verification fee", amount(self.verification_fee, "native")
