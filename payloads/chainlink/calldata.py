"""The calldata of the verifier proxies: `verify(bytes,bytes)` and `verifyBulk(bytes[],bytes)`."""

from __future__ import annotations

from collections.abc import Sequence

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.chainlink.report import Input
from payloads.crypto import checksum
from payloads.inputs import to_bytes
from payloads.signatures import address_bytes

_PARAMETER = Argument("parameter_payload", "bytes")
VERIFY = Function.of("verify", Argument("payload", "bytes"), _PARAMETER)
VERIFY_BULK = Function.of("verifyBulk", Argument("payloads", "bytes[]"), _PARAMETER)
FUNCTIONS = (VERIFY, VERIFY_BULK)


def decode_call(value: Input, *, profile: Profile = AS_CONTRACT) -> Call:
    """Transaction data sent to a verifier proxy."""
    return calldata.decode_call(FUNCTIONS, value, profile)


def parameter(fee_token: str | bytes | None) -> bytes:
    """The parameter payload that names the token to pay in; empty if none is named."""
    return bytes(12) + address_bytes(fee_token, "fee_token") if fee_token else b""


def token_named(parameter_payload: bytes) -> str | None:
    """The token that a parameter payload names, if it starts with a clean address word."""
    if len(parameter_payload) < 32 or any(parameter_payload[:12]):
        return None
    return checksum(parameter_payload[12:32])


def encode_verify(payload: Input, fee_token: str | bytes | None = None) -> bytes:
    """Calldata for `verify(bytes,bytes)` that pays in `fee_token`, if one is given."""
    return VERIFY.calldata(to_bytes(payload), parameter(fee_token))


def encode_verify_bulk(payloads: Sequence[Input], fee_token: str | bytes | None = None) -> bytes:
    """Calldata for `verifyBulk(bytes[],bytes)`."""
    return VERIFY_BULK.calldata([to_bytes(payload) for payload in payloads], parameter(fee_token))
