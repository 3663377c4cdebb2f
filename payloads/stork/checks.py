"""The checks of the Stork Fast contract, in its order.

Each is a `Step` of the engine in `payloads.verdicts.checks`, with the `Call` as its subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payloads.abi.fields import Wide
from payloads.crypto import CURVE_ORDER, checksum
from payloads.errors import panic
from payloads.stork.call import Call
from payloads.stork.calldata import FORGOTTEN
from payloads.stork.errors import INSUFFICIENT_FEE, INVALID_PAYLOAD, INVALID_SIGNATURE
from payloads.verdicts.checks import Stage, Step, Stop
from payloads.verdicts.signers import Asked
from payloads.verdicts.state import ZERO

# OpenZeppelin's ECDSA takes no s above half the order.
HALF_ORDER = CURVE_ORDER // 2
# `v + 27` is checked uint8 arithmetic.
MOST_V = 255 - 27
# The contract counts assets in a uint16.
MOST_ASSETS = 2**16 - 1


def _fee(call: Call) -> None:
    if call.value < call.state.verification_fee:
        why = "less value is sent than the fee" if call.value else FORGOTTEN
        raise Stop(INSUFFICIENT_FEE.data(), why)


def _size(call: Call) -> None:
    if not call.fits:
        raise Stop(INVALID_PAYLOAD.data(), "not 75 bytes and 18 for each asset")
    call.signature = call.raw[:65]


def overflows(v: int) -> bool:
    """Whether `v + 27` is more than a uint8 holds."""
    return v > MOST_V


def _recovery(call: Call) -> None:
    if overflows(call.v):
        raise Stop(panic(0x11), f"v is {call.v}, and 27 more is no uint8")
    call.digest = call.hash()
    if _asks(call):
        # What cannot be recovered is address zero, and no error.
        call.signer = call.signers.recover(call.digest, call.r, call.s, call.v) or ZERO


def _asks(call: Call) -> bool:
    """Whether the contract asks for a signer: it does not where s is high."""
    return int.from_bytes(call.s, "big") <= HALF_ORDER


def _signatures(call: Call) -> Sequence[Asked]:
    return [(call.hash(), (call.r,), (call.s,), call.raw[64:65])] if _asks(call) else ()


def _signature(call: Call) -> None:
    """Only `verifyAndDeserialize…` reverts; the other function returns what it found."""
    if call.deserializes and not call.signed:
        raise Stop(INVALID_SIGNATURE.data(), signed_by(call))


def _count(call: Call) -> None:
    if call.deserializes and call.count > MOST_ASSETS:
        raise Stop(panic(0x32), f"{call.count} assets, counted in 16 bits")


def signed_by(call: Call) -> str:
    """The signer that was found and who is expected, in words."""
    found = "no signer is found" if call.signer == ZERO else f"signed by {checksum(call.signer)}"
    return f"{found}, and {call.state.named()}"


def _signers(call: Call) -> dict[str, Any]:
    state = call.state
    return {"signer": state.signer} if state.signers is None else {"signers": state.signers}


FEE = Step(
    "fee",
    "the value sent must cover the verification fee",
    _fee,
    lambda call: {"value": Wide(call.value), "fee": Wide(call.state.verification_fee)},
)
SIZE = Step(
    "size",
    "the payload must be 75 bytes and 18 for each asset",
    _size,
    lambda call: {"bytes": len(call.raw)},
)
RECOVERY = Step(
    "recovery",
    "v must be at most 228",
    _recovery,
    lambda call: {"r": call.r, "s": call.s, "v": call.v},
    ("signature",),
    signatures=_signatures,
)
SIGNATURE = Step(
    "signature",
    "the recovered address must be a signer of the contract",
    _signature,
    lambda call: {"digest": call.digest, "recovered": call.signer, **_signers(call)},
    ("signature",),
)
ASSETS = Step(
    "assets",
    "at most 65,535 assets can be deserialized",
    _count,
    lambda call: {"assets": call.count},
    ("signature",),
)

STAGES = (Stage((FEE, SIZE, RECOVERY, SIGNATURE, ASSETS), each=False),)
