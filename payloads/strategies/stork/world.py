"""The world of a keeper of Stork Fast: a contract of either generation, and signers."""

from __future__ import annotations

from typing import Any

from payloads.abi.fields import hexed
from payloads.errors import PayloadError
from payloads.stork.state import STORK_MULTISIGNER
from payloads.stork.update import PLAIN, Asset, SignedUpdate, decode
from payloads.strategies.machines.world import Facts, Parts, World
from payloads.testing.networks import InsecureTestStorkSigner, stork_signer_of
from payloads.testing.stork.damage import LABELS
from payloads.testing.stork.draft import StorkDraft


class StorkWorld(World):
    """A Stork Fast contract. A rotation brings a signer; only a contract with several overlaps."""

    labels = LABELS

    def __init__(
        self, generation: str, network: InsecureTestStorkSigner | None, max_fee: int
    ) -> None:
        super().__init__(generation, network or stork_signer_of("test"), max_fee)
        self._others: list[str] = []

    def keys(self) -> dict[str, Any]:
        fees = {"plain": self.max_fee, "surcharge": self.max_fee + 1, "discount": 1}
        keys: dict[str, Any] = {"fee": fees.get(self.terms, 0)}
        if self.generation == STORK_MULTISIGNER:
            keys["others"] = self._others
        return keys

    @property
    def pay(self) -> str:
        return "native"

    def successor(self) -> InsecureTestStorkSigner:
        return stork_signer_of(self.seed_after(self.network.seed))

    def rotated(self, overlap: bool) -> None:
        self._others = [old.address for old in self.networks[:-1]] if overlap else []

    def content(self, feed: int, price: int, fee: int, lifetime: int) -> SignedUpdate:
        # Two updates never have the same time.
        time = self.now * 10**9 + self.published
        signer: InsecureTestStorkSigner = self.network
        return signer.sign([Asset(feed + 1, price)], timestamp_ns=time)

    def draft(self, made: Parts) -> StorkDraft:
        state: Any = self.state
        return StorkDraft(
            state, made.network, made.content, now=self.now, extra=0, deserializes=False
        )

    def facts(self, raw: bytes) -> Facts | None:
        try:
            found = decode(raw, layout=PLAIN)
        except PayloadError:
            return None
        numbers = {asset.asset_id: frozenset((asset.value or 0,)) for asset in found.assets}
        return Facts(hexed(found.signed_bytes), found.timestamp_ns, numbers)
