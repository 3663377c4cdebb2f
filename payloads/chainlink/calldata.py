"""The calldata of the verifier proxies: `verify(bytes,bytes)` and `verifyBulk(bytes[],bytes)`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function, function_named
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.chainlink.frames import Payload, raw_of
from payloads.chainlink.report import Input
from payloads.crypto import checksum
from payloads.errors import Misuse
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


def encode_calldata(
    payload: Payload | Iterable[Payload],
    function: str | None = None,
    *,
    fee_token: str | bytes | None = None,
) -> bytes:
    """Calldata for `verify` or, with a list of payloads, for `verifyBulk`.

    It pays in `fee_token`, if a token is given.
    """
    several = isinstance(payload, list | tuple)
    found = VERIFY_BULK if several else VERIFY
    if function is not None:
        found = function_named(FUNCTIONS, function)
    if found.takes_many != several:
        expected = "a list of payloads" if found.takes_many else "one payload"
        raise Misuse(f"{found.name} takes {expected}", field="payload", expected=expected)
    payloads: Any = payload if several else [payload]
    raws = [to_bytes(raw_of(item)) for item in payloads]
    return found.calldata(raws if several else raws[0], parameter(fee_token))
