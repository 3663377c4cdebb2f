"""The calldata of Stork Fast's two contract functions."""

from __future__ import annotations

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.errors import Misuse
from payloads.inputs import to_bytes
from payloads.stork.update import Input

_PAYLOAD = Argument("payload", "bytes")
VERIFY = Function.of("verifySignedECDSAPayload", _PAYLOAD)
DESERIALIZE = Function.of("verifyAndDeserializeSignedECDSAPayload", _PAYLOAD)
FUNCTIONS = (VERIFY, DESERIALIZE)


def decode_call(value: Input, *, profile: Profile = AS_CONTRACT) -> Call:
    """Transaction data sent to a Stork Fast contract."""
    return calldata.decode_call(FUNCTIONS, value, profile)


def encode_call(payload: Input, function: str = VERIFY.name) -> bytes:
    """Calldata for one of the two functions, by its name."""
    for known in FUNCTIONS:
        if known.name == function:
            return known.calldata(to_bytes(payload))
    names = " or ".join(known.name for known in FUNCTIONS)
    raise Misuse("no such function", field="function", expected=names, found=repr(function))
