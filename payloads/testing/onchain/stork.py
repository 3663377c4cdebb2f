"""Our models of Stork Fast's generations, set up as a state says.

The vendor's contracts are in no package registry. `contracts/StorkCore.sol` says what these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode

from payloads.abi.calldata import function_named, function_of
from payloads.abi.fields import hexed
from payloads.errors import Misuse
from payloads.stork.call import StoredAsset
from payloads.stork.calldata import FUNCTIONS, VERIFY
from payloads.stork.state import StorkState
from payloads.stork.verifier import value_sent
from payloads.testing.networks import SUBSCRIBER
from payloads.testing.onchain.building import Artifact
from payloads.testing.onchain.encoding import calldata
from payloads.testing.onchain.evm import DEPLOYER, Chain

_FEE: Final = 0  # the first slot of the storage


class StorkContracts:
    """A contract of Stork Fast on a chain, or rather our model of it."""

    def __init__(self, state: StorkState, artifacts: Mapping[str, Artifact]) -> None:
        self.state = state
        self.subscriber = SUBSCRIBER
        self.chain = Chain()
        model = artifacts["StorkModel" if state.signers is None else "StorkManyModel"]
        if state.proxy is None:
            self.address = self.chain.deploy(model["bytecode"])
        else:
            self.address = "0x" + state.proxy.hex()
            self.chain.place(self.address, model["runtime"])
        self._initialise()

    def _initialise(self) -> None:
        state, fee = self.state, self.state.verification_fee
        kind, signs = ("address[]", state.signers) if state.signers else ("address", state.signer)
        if not signs or not any(signs):
            if fee:
                self.chain.store(self.address, _FEE, fee)  # as no contract can have it
            return
        initialise = calldata(f"initialize(address,{kind},uint256)", self._owner(), signs, fee)
        if not self.chain.keep(self.address, initialise).ok:
            raise Misuse("the contract refuses this state", field="state", found=state.described())

    def _owner(self) -> object:
        owner = self.state.owner
        return owner if owner is not None and any(owner) else DEPLOYER

    def fund(self, account: str) -> None:
        """Give an account ether."""
        self.chain.enrich(account)

    def request(
        self,
        payloads: list[bytes],
        bulk: bool,
        function: str | None,
        pay: str | bytes | None,
        value: int | None,
        sender: bytes,
    ) -> tuple[bytes, int]:
        """The calldata and the value of a call on the terms of `judge`."""
        if bulk:
            raise Misuse("Stork has no bulk call", field="payloads", expected="one payload")
        found = function_named(FUNCTIONS, function)
        return found.calldata(payloads[0]), value_sent(pay, value, self.state)

    def returned(self, calldata: bytes, data: bytes) -> Any:
        """Whether the signature is right, or the assets, as a verdict has them."""
        function = function_of(FUNCTIONS, calldata)
        if function is None:
            return hexed(data)
        if function is VERIFY:
            return any(data)
        (found,) = decode(["(uint16,uint64,int192)[]"], data)
        return tuple(StoredAsset(*asset) for asset in found)
