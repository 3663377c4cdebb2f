"""The state of a Stork Fast contract, and its past from its events.

Both generations answer `version()` with the same text. A getter that only one of them has tells
them apart. What the events say is compared with the getters; where they disagree (logs are
missing), nothing is returned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.chain.reading.contract_events import Event
from payloads.chain.reading.contract_reader import ContractReader
from payloads.chain.reading.history import History, TimedEvent, hex_text
from payloads.chain.rpc import Unavailable
from payloads.errors import shown
from payloads.stork.state import MAX_SIGNERS, STORK, STORK_MULTISIGNER
from payloads.verdicts.state import ZERO

VERSIONS = ("1.0.0",)
EVENTS = (
    Event.of("SignerAddressUpdate", "address indexed signer"),
    Event.of("SignerAddressAdded", "address indexed signer"),
    Event.of("SignerAddressRemoved", "address indexed signer"),
    Event.of("VerificationFeeUpdate", "uint256 fee"),
)
# The events about signers that each generation has.
_ITS_OWN = {
    STORK: ("SignerAddressUpdate",),
    STORK_MULTISIGNER: ("SignerAddressAdded", "SignerAddressRemoved"),
}


def generation(reader: ContractReader, address: bytes) -> tuple[str, list[bytes]] | None:
    """The generation of the contract, and its signers; None if it is no Stork Fast contract."""
    signer = reader.address(address, "signerAddress()")
    signers = _addresses(reader.ask(address, "getSignerAddresses()"))
    if signer is not None and signers is not None:
        raise Unavailable("it answers as both generations of Stork Fast", field="signerAddress")
    if signers is not None:
        return STORK_MULTISIGNER, signers
    return None if signer is None else (STORK, [signer])


def _addresses(answer: bytes | None) -> list[bytes] | None:
    """The addresses in an `address[]`; None for any other answer."""
    if answer is None or len(answer) < 64 or len(answer) % 32:
        return None
    offset, count, *words = (answer[at : at + 32] for at in range(0, len(answer), 32))
    right = int.from_bytes(offset, "big") == 32 and int.from_bytes(count, "big") == len(words)
    if not right or len(words) > MAX_SIGNERS or any(any(word[:12]) for word in words):
        return None
    return [word[12:] for word in words]


def read(
    reader: ContractReader, address: bytes, contract: str, signers: list[bytes]
) -> tuple[dict[str, Any], list[str]]:
    """The record of the state, and notes for its source."""
    version = reader.text(address, "version()")
    if version not in VERSIONS:
        raise Unavailable(
            "an unknown version of Stork Fast",
            field="version", expected=" or ".join(VERSIONS), found=shown(version),
        )  # fmt: skip
    fee = reader.word(address, "verificationFeeInWei()")
    if fee is None:
        raise Unavailable("it does not say its fee", field="verificationFeeInWei")
    first = reader.first(address)
    events = reader.events([address], EVENTS, first, "the contract's events")
    replay = StorkReplay(contract)
    replay.read(events)
    if set(replay.signers) != set(signers) or replay.fee != fee:
        what = "the fee" if set(replay.signers) == set(signers) else "the signers"
        raise Unavailable(
            f"events and getters disagree about {what}",
            field="eth_getLogs",
            expected="a node that returns all logs, from the contract's deployment on",
        )
    key, value = _signers(contract, signers)
    record = {
        "contract": contract,
        key: value,
        "verification_fee": str(fee),
        "history": replay.history.to_json(),
    }
    return record, [*replay.notes, *reader.notes]


def _signers(contract: str, signers: list[bytes]) -> tuple[str, Any]:
    """The key of a state that has the signers, and its value."""
    if contract == STORK:
        return "signer", hex_text(signers[0])
    return "signers", [hex_text(signer) for signer in signers]


class StorkReplay:
    """The signers and the fee of a contract while its events are read."""

    def __init__(self, contract: str) -> None:
        self.contract = contract
        self.signers: list[bytes] = [ZERO] if contract == STORK else []
        self.fee = 0
        self.history = History()
        self.notes: list[str] = []

    def read(self, events: Iterable[TimedEvent]) -> None:
        """Go through events in order."""
        for event in events:
            if event.name == "VerificationFeeUpdate":
                self.history.add(event.time, "verification_fee", str(self.fee))
                self.fee = event.arguments["fee"]
            elif event.name in _ITS_OWN[self.contract]:
                self.history.add(event.time, *_signers(self.contract, self.signers))
                self._change(event.name, event.arguments["signer"])
            elif not self.notes:
                self.notes.append(
                    "its signers before an upgrade from the other generation are left out"
                )

    def _change(self, name: str, signer: bytes) -> None:
        if name == "SignerAddressUpdate":
            self.signers = [signer]
        elif name == "SignerAddressAdded":
            self.signers = [*self.signers, signer]
        elif signer in self.signers:
            # The last signer takes the place of the removed one.
            *others, last = self.signers
            self.signers = [last if each == signer else each for each in others]
