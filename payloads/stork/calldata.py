"""The calldata of Stork Fast's two contract functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function, function_named
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.crypto import keccak256
from payloads.errors import Misuse, shown
from payloads.inputs import to_bytes
from payloads.stork.frames import Payload, raw_of
from payloads.stork.update import Input

if TYPE_CHECKING:
    from payloads.stork.state import StorkState

FORGOTTEN = (
    'no pay= given: the contract charges a fee; write pay="native" (in a shell --pay native)'
)
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


def check_pay(pay: object) -> None:
    """Refuse every way of paying that Stork does not have."""
    if pay not in (None, "native"):
        raise Misuse("Stork is paid in native only", field="pay", expected="native",
                     found=shown(pay))  # fmt: skip


def encode_calldata(
    payload: Payload,
    function: str = VERIFY.name,
    *,
    pay: str | bytes | None = None,
    state: StorkState | None = None,
) -> bytes:
    """Calldata for the function of that name. `pay` may be `native`, which no calldata shows: the
    fee is sent as value. `Misuse` if the state has a fee and `pay` is not given."""
    check_pay(pay)
    if state is not None:
        _check_paid(pay, state)
    return function_named(FUNCTIONS, function).calldata(to_bytes(raw_of(payload)))


def _check_paid(pay: object, state: StorkState) -> None:
    from payloads.stork.state import StorkState
    from payloads.verdicts.calls import check_system

    check_system(state, StorkState)
    if pay is None and state.verification_fee:
        raise Misuse(FORGOTTEN, field="pay")
