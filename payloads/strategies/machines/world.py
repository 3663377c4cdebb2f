"""The world of a keeper: a chain with a contract, and a venue that publishes for it.

`World` has what all systems share: the clock, the state as it is read, what is published. A
subclass in the folder of each system has the rest: how the signers rotate, what a fee is, and what
a payload says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec.structs
from hexbytes import HexBytes

from payloads.abi.fields import Record
from payloads.chain.guarding.transaction import build_transaction
from payloads.strategies.made import made_state
from payloads.testing.damage import NONE, Damage, Labels
from payloads.testing.submission import Draft, finished
from payloads.verdicts.state import State

# The contract of every world, on the chain with this id, and the time at which a world begins.
PROXY, CHAIN_ID, BEGINNING = "0x" + "44" * 20, 1, 1_700_000_000
# The terms that a contract may charge by, in the order in which they shrink. A system reads them as
# it can: `no-op` is none where there is no such fee manager.
TERMS = ("none", "plain", "surcharge", "discount", "no-op")
# Who may call: everyone, listed accounts with the keeper among them, or listed accounts without it.
# A system whose contracts have no access list does not look at it.
ACCESS = ("open", "granted", "withdrawn")
# As many sets of signers as a contract knows at once.
MOST_CONFIGS = 4


class Arrival(Record, frozen=True, kw_only=True):
    """A frame that reached the keeper, with what the keeper can read on the chain at that moment.

    `payload` is the payload in the `frame`, `state` the contract's as of the newest block, and
    `now` the time of that block. `pay` is the way of paying that always fits: `native` where the
    contract charges. `damage` says what was done to the payload; a keeper must not look at it.
    """

    frame: str
    payload: HexBytes
    state: State
    now: int
    pay: str | None
    damage: str

    def transaction(self, **terms: Any) -> dict[str, Any]:
        """The transaction (`from`, `to`, `data`, `value`, `chainId`) that verifies the payload.

        `terms` are those of `payloads.chain.build_transaction`: `pay`, `value`, `function`,
        `sender`.
        """
        return build_transaction(bytes(self.payload), self.state, **{"pay": self.pay} | terms)


class Facts(Record, frozen=True):
    """What a payload says: the signed report, its time, and the numbers of each feed in it."""

    report: HexBytes
    time: int
    numbers: Mapping[Any, frozenset[int]]


class Parts(Record, frozen=True):
    """What a payload is made of: a report, or an update, and what signs it.

    `number` counts all of a world.
    """

    content: Any
    network: Any
    number: int


class Published(Record, frozen=True):
    """A payload on its way to the keeper, perhaps damaged, and its parts."""

    payload: HexBytes
    frame: str
    parts: Parts
    damage: str

    def __repr__(self) -> str:
        return f"<{self.damage} payload of {len(self.payload)} bytes>"


class World(ABC):
    """A contract of one generation and the signers that it trusts, while time passes."""

    labels: Labels
    # The labels that change the bytes, and neither the report nor what the contract answers.
    disguises: tuple[str, ...] = ()
    # What the contract charges by, at first.
    terms = "none"
    # Who may call it, at first.
    access = "open"

    def __init__(self, generation: str, network: Any, max_fee: int) -> None:
        self.generation, self.networks, self.max_fee = generation, [network], max_fee
        self.now, self.rotations, self.published = BEGINNING, 0, 0

    @property
    def network(self) -> Any:
        """What signs now."""
        return self.networks[-1]

    @property
    def state(self) -> State:
        """The contract's state as of the newest block."""
        where = {"proxy": PROXY, "chain_id": CHAIN_ID}
        made: State = made_state(self.network, self.generation, where | self.keys())
        return msgspec.structs.replace(made, now=self.now)

    def arrival(self, published: Published) -> Arrival:
        """The arrival of a payload now."""
        return Arrival(
            frame=published.frame,
            payload=published.payload,
            state=self.state,
            now=self.now,
            pay=self.pay,
            damage=published.damage,
        )

    def publish(self, feed: int, price: int, fee: int, lifetime: int) -> Published:
        """A good payload that is signed now."""
        self.published += 1
        content = self.content(feed, price, fee, lifetime)
        return self.made(Parts(content, self.network, self.published), Damage(NONE))

    @property
    def damages(self) -> list[str]:
        """The labels that this contract can show, but those of the call: the keeper makes it."""
        known = self.labels.known
        names = self.labels.fitting(self.state)
        return [name for name in names if name != NONE and known[name].stage != "call"]

    def damaged(self, published: Published, damage: Damage) -> Published:
        """A damaged copy of a payload."""
        return self.made(published.parts, damage)

    def made(self, parts: Parts, damage: Damage) -> Published:
        """The payload of these parts."""
        found = finished(self.draft(parts), self.labels.known[damage.name], damage)
        return Published(found.payload, found.frame, parts, damage.name)

    def rotate(self, overlap: bool) -> None:
        """New signers; with an `overlap` the contract goes on to take what the old signers sign."""
        self.rotations += 1
        self.networks = [*self.networks, self.successor()][-MOST_CONFIGS:]
        self.rotated(overlap)

    @abstractmethod
    def keys(self) -> dict[str, Any]:
        """The keys of the state, beside where the contract is and what the time is."""

    @abstractmethod
    def successor(self) -> Any:
        """What signs after the next rotation."""

    @abstractmethod
    def rotated(self, overlap: bool) -> None:
        """The signers were rotated: change what the contract knows."""

    @property
    @abstractmethod
    def pay(self) -> str | None:
        """The way of paying that fits."""

    def seed_after(self, seed: str) -> str:
        """The seed of the keys after the last rotation."""
        return f"{seed.partition(' after ')[0]} after {self.rotations}"

    @abstractmethod
    def content(self, feed: int, price: int, fee: int, lifetime: int) -> Any:
        """A report, or an update, of now."""

    @abstractmethod
    def draft(self, made: Parts) -> Draft:
        """The call of these parts, as the strategies make it."""

    @abstractmethod
    def facts(self, raw: bytes) -> Facts | None:
        """What a payload says; None where it says nothing."""
