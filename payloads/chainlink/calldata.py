"""The calldata of the verifier proxies: `verify(bytes,bytes)`, `verifyBulk(bytes[],bytes)`, and
since v0.5.1 `verifyView(bytes)` and `verifyBulkView(bytes[])`, which are not billed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from payloads.abi import calldata
from payloads.abi.calldata import Call, Function, function_named
from payloads.abi.solidity import Argument
from payloads.abi.strictness import AS_CONTRACT, Profile
from payloads.chainlink.frames import Payload, raw_of
from payloads.chainlink.payment import FORGOTTEN, Pay, parameter
from payloads.chainlink.report import Input
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.inputs import to_bytes

if TYPE_CHECKING:
    from payloads.chainlink.state import ChainlinkState

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


def token_named(parameter_payload: bytes) -> str | None:
    """The token that a parameter payload names, if it starts with a clean address word."""
    if len(parameter_payload) < 32 or any(parameter_payload[:12]):
        return None
    return checksum(parameter_payload[12:32])


def encode_calldata(
    payload: Payload | Iterable[Payload],
    function: str | None = None,
    *,
    pay: Pay | None = None,
    state: ChainlinkState | None = None,
) -> bytes:
    """Calldata for `verify` or, with a list of payloads, for `verifyBulk`.

    `pay` is the way of paying (see `payment`); its words need the `state`, which has the tokens.
    The views take none. `Misuse` if the state's fee manager charges and `pay` is not given.
    """
    several = isinstance(payload, list | tuple)
    found = VERIFY_BULK if several else VERIFY
    if function is not None:
        found = function_named(FUNCTIONS, function)
    if found.takes_many != several:
        expected = "a list of payloads" if found.takes_many else "one payload"
        raise Misuse(f"{found.name} takes {expected}", field="payload", expected=expected)
    if found in VIEWS and pay:
        raise Misuse(f"{found.name} is not billed", field="pay", expected="none")
    payloads: Any = payload if several else [payload]
    raws = [to_bytes(raw_of(item)) for item in payloads]
    parameters = () if found in VIEWS else (_parameter(pay, state),)
    return found.calldata(raws if several else raws[0], *parameters)


def _parameter(pay: Pay | None, state: ChainlinkState | None) -> bytes:
    if state is not None:
        from payloads.chainlink.state import ChainlinkState
        from payloads.verdicts.calls import check_system

        check_system(state, ChainlinkState)
        if not pay and state.charges is not None:
            raise Misuse(FORGOTTEN, field="pay")
    return parameter(pay, state)
