"""Stork's contract of both generations in Python, as far as its owner and its getters go.

It is held against the recorded calls, and stands behind a made-up node (`StorkChain`), so that
fetching a state needs no real one. Payloads are not its business: `payloads.stork` judges them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from payloads.crypto import keccak256

NOBODY = "0x" + "00" * 20
IMPLEMENTATION = "0x3c952d36207c0d52743a646e7ac2649009bd358e"

# Functions by generation: argument types, whether it takes ether, whether only the owner may call.
_BOTH = {
    "version": ((), False, False),
    "verificationFeeInWei": ((), False, False),
    "owner": ((), False, False),
    "updateVerificationFeeInWei": (("uint256",), False, True),
    "transferOwnership": (("address",), False, True),
    "renounceOwnership": ((), False, True),
}
_SINGLE = {
    "signerAddress": ((), False, False),
    "updateSignerAddress": (("address",), False, True),
    "initialize": (("address", "address", "uint256"), False, False),
}
_MULTI = {
    "getSignerAddresses": ((), False, False),
    "isValidSignerAddress": (("address",), False, False),
    "addSignerAddress": (("address",), False, True),
    "removeSignerAddress": (("address",), False, True),
    "initialize": (("address", "address[]", "uint256"), False, False),
    "acceptOwnership": ((), False, False),
    "upgradeToAndCall": (("address", "bytes"), True, False),
    "proxiableUUID": ((), False, False),
    "UPGRADE_INTERFACE_VERSION": ((), False, False),
}


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def _error(signature: str, *values: Any) -> bytes:
    types = [part for part in signature[signature.index("(") + 1 : -1].split(",") if part]
    return selector(signature) + encode(types, values)


class Reverted(Exception):
    """The call reverts with this data."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data.hex())
        self.data = data


def _require(held: bool, words: str) -> None:
    if not held:
        raise Reverted(_error("Error(string)", words))


@dataclass
class StorkContract:
    """`several`: of the second generation. `bare`: an implementation without its proxy."""

    several: bool
    signers: list[str] = field(default_factory=list)
    fee: int = 0
    contract_owner: str = NOBODY
    initialised: bool = False
    bare: bool = False
    pending: str = NOBODY
    # Topics and data of the logs that calls left.
    logs: list[tuple[list[bytes], bytes]] = field(default_factory=list)

    def call(self, calldata: bytes, sender: str = NOBODY, value: int = 0) -> tuple[bool, bytes]:
        """Whether the call returns, and what it returns or reverts with. A revert keeps nothing."""
        before = copy.deepcopy(self.__dict__)
        try:
            return True, self._run(calldata, sender.lower(), value)
        except Reverted as reverted:
            self.__dict__.update(before)
            return False, reverted.data

    def _run(self, calldata: bytes, sender: str, value: int) -> bytes:
        self.sender = sender
        for name, (types, payable, owned) in {
            **_BOTH,
            **(_MULTI if self.several else _SINGLE),
        }.items():
            if calldata[:4] != selector(f"{name}({','.join(types)})"):
                continue
            if value and not payable:
                raise Reverted
            try:
                arguments = decode(types, calldata[4:])
            except DecodingError:
                raise Reverted from None
            if owned:
                self._check_owner()
            result: bytes = getattr(self, name)(*arguments) or b""
            return result
        raise Reverted

    def _check_owner(self) -> None:
        if self.sender != self.contract_owner:
            raise Reverted(_error("OwnableUnauthorizedAccount(address)", self.sender))

    def _log(self, signature: str, *values: Any, indexed: str | None = None) -> None:
        topics = [keccak256(signature.encode())]
        if indexed is not None:
            topics.append(encode(["address"], [indexed]))
            self.logs.append((topics, b""))
            return
        types = signature[signature.index("(") + 1 : -1].split(",")
        self.logs.append((topics, encode(types, values)))

    # --- both -------------------------------------------------------------------------------------

    def version(self) -> bytes:
        return encode(["string"], ["1.0.0"])

    def verificationFeeInWei(self) -> bytes:
        return encode(["uint256"], [self.fee])

    def owner(self) -> bytes:
        return encode(["address"], [self.contract_owner])

    def updateVerificationFeeInWei(self, fee: int) -> None:
        self.fee = fee
        self._log("VerificationFeeUpdate(uint256)", fee)

    def transferOwnership(self, to: str) -> None:
        self.pending = to

    def renounceOwnership(self) -> None:
        _require(False, "Ownable: renouncing ownership is disabled")

    def initialize(self, owner: str, signer: Any, fee: int) -> None:
        if self.initialised or self.bare:
            raise Reverted(_error("InvalidInitialization()"))
        if owner == NOBODY:
            raise Reverted(_error("OwnableInvalidOwner(address)", owner))
        self.initialised, self.contract_owner = True, owner
        if not self.several:
            self.updateSignerAddress(signer)
        else:
            _require(bool(signer), "At least one signer address is required")
            for each in signer:
                self.addSignerAddress(each)
        self.updateVerificationFeeInWei(fee)

    # --- one signer -------------------------------------------------------------------------------

    def signerAddress(self) -> bytes:
        return encode(["address"], [(self.signers or [NOBODY])[0]])

    def updateSignerAddress(self, signer: str) -> None:
        _require(signer != NOBODY, "Signer address cannot be 0 address")
        self.signers = [signer]
        self._log("SignerAddressUpdate(address)", indexed=signer)

    # --- several ----------------------------------------------------------------------------------

    def getSignerAddresses(self) -> bytes:
        return encode(["address[]"], [self.signers])

    def isValidSignerAddress(self, signer: str) -> bytes:
        return encode(["bool"], [signer in self.signers])

    def addSignerAddress(self, signer: str) -> None:
        _require(signer != NOBODY, "Signer address cannot be 0 address")
        _require(signer not in self.signers, "Signer address already exists")
        _require(len(self.signers) < 8, "Signer address limit reached")
        self.signers.append(signer)
        self._log("SignerAddressAdded(address)", indexed=signer)

    def removeSignerAddress(self, signer: str) -> None:
        _require(signer in self.signers, "Signer address does not exist")
        _require(len(self.signers) > 1, "Cannot remove last signer address")
        at = self.signers.index(signer)
        self.signers[at] = self.signers[-1]
        self.signers.pop()
        self._log("SignerAddressRemoved(address)", indexed=signer)

    def acceptOwnership(self) -> None:
        if self.sender != self.pending:
            raise Reverted(_error("OwnableUnauthorizedAccount(address)", self.sender))
        self.contract_owner, self.pending = self.sender, NOBODY

    def upgradeToAndCall(self, implementation: str, _: bytes) -> None:
        if self.bare:
            raise Reverted(_error("UUPSUnauthorizedCallContext()"))
        self._check_owner()
        if implementation != IMPLEMENTATION:
            raise Reverted

    def proxiableUUID(self) -> bytes:
        if not self.bare:
            raise Reverted(_error("UUPSUnauthorizedCallContext()"))
        slot = int.from_bytes(keccak256(b"eip1967.proxy.implementation"), "big") - 1
        return slot.to_bytes(32, "big")

    def UPGRADE_INTERFACE_VERSION(self) -> bytes:
        return encode(["string"], ["5.0.0"])
