"""The calldata of Stork Fast's two contract functions."""

from __future__ import annotations

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function, function_named
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.crypto import keccak256
from payloads.inputs import to_bytes
from payloads.stork.frames import Payload, raw_of
from payloads.stork.update import Input

_PAYLOAD = Argument("payload", "bytes")
VERIFY = Function.of("verifySignedECDSAPayload", _PAYLOAD)
DESERIALIZE = Function.of("verifyAndDeserializeSignedECDSAPayload", _PAYLOAD)
FUNCTIONS = (VERIFY, DESERIALIZE)

# The functions beside these two, by generation: of their calls there are no verdicts.
_BOTH = (
    "version()", "verificationFeeInWei()", "updateVerificationFeeInWei(uint256)", "owner()",
    "renounceOwnership()", "transferOwnership(address)",
)  # fmt: skip
_SINGLE = (
    "signerAddress()", "updateSignerAddress(address)", "initialize(address,address,uint256)",
)  # fmt: skip
_MULTISIGNER = (
    "getSignerAddresses()", "isValidSignerAddress(address)", "addSignerAddress(address)",
    "removeSignerAddress(address)", "initialize(address,address[],uint256)", "pendingOwner()",
    "acceptOwnership()", "upgradeToAndCall(address,bytes)", "proxiableUUID()",
    "UPGRADE_INTERFACE_VERSION()",
)  # fmt: skip


def _by_selector(signatures: tuple[str, ...]) -> dict[bytes, str]:
    return {keccak256(signature.encode())[:4]: signature for signature in signatures}


OTHERS = _by_selector(_BOTH + _SINGLE)
OTHERS_OF_MULTISIGNER = _by_selector(_BOTH + _MULTISIGNER)


def decode_call(value: Input, *, profile: Profile = AS_CONTRACT) -> Call:
    """Transaction data sent to a Stork Fast contract."""
    return calldata.decode_call(FUNCTIONS, value, profile)


def encode_calldata(payload: Payload, function: str = VERIFY.name) -> bytes:
    """Calldata for the function of that name."""
    return function_named(FUNCTIONS, function).calldata(to_bytes(raw_of(payload)))
