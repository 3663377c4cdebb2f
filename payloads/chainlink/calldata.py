"""The calldata of the verifier proxies: `verify(bytes,bytes)`, `verifyBulk(bytes[],bytes)`, and
since v0.5.1 `verifyView(bytes)` and `verifyBulkView(bytes[])`, which are not billed."""

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
VERIFY_VIEW = Function.of("verifyView", Argument("payload", "bytes"))
VERIFY_BULK_VIEW = Function.of("verifyBulkView", Argument("payloads", "bytes[]"))
VIEWS = (VERIFY_VIEW, VERIFY_BULK_VIEW)
FUNCTIONS = (VERIFY, VERIFY_BULK, *VIEWS)


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

    It pays in `fee_token`, if a token is given. The views take no token.
    """
    several = isinstance(payload, list | tuple)
    found = VERIFY_BULK if several else VERIFY
    if function is not None:
        found = function_named(FUNCTIONS, function)
    if found.takes_many != several:
        expected = "a list of payloads" if found.takes_many else "one payload"
        raise Misuse(f"{found.name} takes {expected}", field="payload", expected=expected)
    if found in VIEWS and fee_token:
        raise Misuse(f"{found.name} is not billed", field="fee_token", expected="no token")
    payloads: Any = payload if several else [payload]
    raws = [to_bytes(raw_of(item)) for item in payloads]
    parameters = () if found in VIEWS else (parameter(fee_token),)
    return found.calldata(raws if several else raws[0], *parameters)
