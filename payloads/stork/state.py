"""What a Stork Fast contract knows: who may sign, and its fee.

There are two generations, and both call themselves version 1.0.0. The first has a `signer`: a state
with `contract: "stork-fast-1.0.0"`. The second has up to eight `signers`, any one of whom is
enough: `contract: "stork-fast-1.0.0-multisigner"`. `verification_fee` is in wei.

The keys `owner` and `deployed_as` describe a contract and decide no verdict. `history` is a list as
in every state. It may also be an object with `initial_signers` and `then`: the signers' past
without its times.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from hexbytes import HexBytes

from payloads.abi.fields import Record, hexed
from payloads.crypto import checksum
from payloads.json_records import Wrong
from payloads.signatures import address_bytes
from payloads.verdicts.state import READING, ZERO, Address, State, Uint256, plain
from payloads.verdicts.words import amount

STORK = "stork-fast-1.0.0"
STORK_MULTISIGNER = "stork-fast-1.0.0-multisigner"
MAX_SIGNERS = 8


class Change(Record, frozen=True):
    """A signer was added or removed: `call` is the owner's call. In JSON `[call, address]`."""

    call: str
    signer: HexBytes


ADD, REMOVE = "addSignerAddress", "removeSignerAddress"


def _change(value: Any) -> Change:
    if not isinstance(value, list | tuple) or len(value) != 2 or value[0] not in (ADD, REMOVE):
        expected = f'["{ADD}" or "{REMOVE}", an address]'
        raise Wrong("not a change of the signers", expected=expected)
    return Change(value[0], hexed(address_bytes(value[1])))


class Undated(Record, frozen=True):
    """The past of the signers without times: the first signers, and the changes in order."""

    initial_signers: tuple[Address, ...] = ()
    then: tuple[Annotated[Change, _change], ...] = ()

    def signers(self) -> set[bytes]:
        """The signers after all changes."""
        found = {bytes(signer) for signer in self.initial_signers}
        for change in self.then:
            (found.add if change.call == ADD else found.discard)(bytes(change.signer))
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "initial_signers": ["0x" + signer.hex() for signer in self.initial_signers],
            "then": [[change.call, "0x" + change.signer.hex()] for change in self.then],
        }


class StorkState(State, frozen=True, kw_only=True, dict=True, gc=True):
    """A Stork Fast contract of either generation: it has a `signer`, or `signers`.

    A `signer` of zero is a contract of the first generation that was never initialised, and no
    `signers` are one of the second.
    """

    CONTRACTS: ClassVar[tuple[str, ...]] = (STORK, STORK_MULTISIGNER)
    PAST: ClassVar[tuple[str, ...]] = ("signer", "signers", "verification_fee")

    signer: Address | None = None
    signers: tuple[Address, ...] | None = None
    verification_fee: Uint256 = 0
    owner: Address | None = None
    deployed_as: str = ""
    # Read from `history`.
    undated: Annotated[Undated | None, lambda value: value] = None

    @classmethod
    def _read(cls, record: dict[str, Any]) -> Self:
        keys = {key: value for key, value in record.items() if key != "undated"}
        if isinstance(past := keys.get("history"), dict):
            del keys["history"]
            keys["undated"] = READING.read(Undated, past, "history")
        return super()._read(keys)

    def check(self) -> None:
        """Raise `Wrong` for what a contract of this generation could not have stored."""
        super().check()
        needed, other = self._keys()
        if getattr(self, needed) is None:
            raise Wrong("missing", path=needed)
        if getattr(self, other) is not None:
            raise Wrong("of the other generation", path=other, expected=needed)
        if self.signers is not None:
            _check_signers(self.signers)
        if self.undated is not None and self.undated.signers() != self.trusted:
            raise Wrong("leads to other signers", path="history")

    def _keys(self) -> tuple[str, str]:
        """The key that has who may sign, and the other generation's."""
        return ("signers", "signer") if self.multisigner else ("signer", "signers")

    def _required(self) -> set[str]:
        return super()._required() | {self._keys()[0]}

    def to_dict(self) -> dict[str, Any]:
        """The object that `from_dict` reads."""
        known = plain(signer=self.signer, owner=self.owner, deployed_as=self.deployed_as or None)
        if self.signers is not None:
            known["signers"] = ["0x" + signer.hex() for signer in self.signers]
        if self.undated is not None:
            known["history"] = self.undated.to_json()
        return super().to_dict() | known | {"verification_fee": str(self.verification_fee)}

    @property
    def multisigner(self) -> bool:
        """Whether the contract is of the second generation."""
        return self.contract == STORK_MULTISIGNER

    @cached_property
    def trusted(self) -> frozenset[bytes]:
        """The addresses that a recovered signer is looked for among.

        In a contract of the first generation that was never initialised, this is address zero, and
        so is what is recovered from an invalid signature.
        """
        found = self.signers if self.signers is not None else (self.signer or ZERO,)
        return frozenset(bytes(signer) for signer in found)

    @property
    def initialised(self) -> bool:
        """Whether the contract has a signer."""
        return any(map(any, self.trusted))

    def named(self) -> str:
        """Who may sign, in words."""
        if self.signer is not None:
            return f"the contract's signer is {checksum(self.signer)}"
        if not self.signers:
            return "the contract has no signer"
        return f"the contract's signers are {', '.join(map(checksum, self.signers))}"

    @property
    def flat_fee(self) -> int:
        """The wei that every call costs."""
        return self.verification_fee

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person."""
        if self.signer is not None:
            unset = "" if self.initialised else "  NEVER SET: every invalid signature verifies"
            yield "signer", checksum(self.signer) + unset
        else:
            few = "any one of them is enough" if self.signers else "every signature is refused"
            yield "signers", f"{len(self.signers or ())}, {few}"
            for signer in self.signers or ():
                yield "", checksum(signer)
        yield "verification fee", amount(self.verification_fee, "native")

    def deciding(self) -> dict[str, Any]:
        """The part of `to_dict` that decides verdicts. The signers' order decides nothing."""
        record = super().deciding()
        for key in ("owner", "deployed_as"):
            record.pop(key, None)
        if self.signers is not None:
            record["signers"] = {checksum(signer): True for signer in self.signers}
        return record


def _check_signers(signers: tuple[HexBytes, ...]) -> None:
    if len(signers) > MAX_SIGNERS:
        expected, found = f"at most {MAX_SIGNERS}", str(len(signers))
        raise Wrong("too many signers", path="signers", expected=expected, found=found)
    for index, signer in enumerate(signers):
        where = f"signers[{index}]"
        if signer == ZERO:
            raise Wrong("the zero address cannot be a signer", path=where)
        if signer in signers[:index]:
            raise Wrong("signer listed twice", path=where, found="0x" + signer.hex())
