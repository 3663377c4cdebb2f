"""What the Stork Fast contract would do with a `signed_ecdsa` payload: offline, exactly, and why.

`judge` answers for either of its functions (`call`), `judge_calldata` for any calldata sent to it,
`judge_many` for many separate calls. Each returns a `Verdict`; `verify` raises `ContractRefusal`
where the contract reverts, and also where it returns false: a caller who ignores that answer would
take the payload for good.

The contract knows the plain layout only, keeps any over-payment, and looks at no clock. Raised are
`Malformed` for text that is not hex and for more bytes than any block carries, and `Misuse`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from payloads.abi.calldata import Function, function_of
from payloads.abi.fields import Record
from payloads.abi.solidity import decode_calldata
from payloads.crypto import CURVE_ORDER, checksum, keccak256, recover
from payloads.errors import Malformed, Misuse, panic
from payloads.inputs import to_bytes
from payloads.stork.calldata import DESERIALIZE, FUNCTIONS, VERIFY
from payloads.stork.state import StorkState
from payloads.stork.update import Input, SignedUpdate
from payloads.verdicts.parallel import judge_distinct
from payloads.verdicts.signature_hints import repairs
from payloads.verdicts.state import ZERO
from payloads.verdicts.verdict import (
    INSUFFICIENT_FEE,
    INVALID_PAYLOAD,
    INVALID_SIGNATURE,
    Accepted,
    Check,
    ContractRefusal,
    Explanation,
    Finding,
    Hazard,
    Reverted,
    Stop,
    Verdict,
    read_revert,
)

Payload = Input | SignedUpdate

HEAD, ASSET = 75, 18
BODY = 65
# OpenZeppelin's ECDSA takes no s above half the order.
HALF_ORDER = CURVE_ORDER // 2
MOST_V = 255 - 27
# The contract counts assets in a uint16.
MOST_ASSETS = 2**16 - 1
_RECORD = struct.Struct(">HqQ")


class StoredAsset(Record, frozen=True):
    """One asset as the contract returns it: the update's taxonomy and time, and its own value."""

    taxonomy_id: int
    asset_id: int
    timestamp_ns: int
    value: int


class _Ask:
    """One call: what it carries, and what checks find out on the way."""

    __slots__ = ("digest", "function", "raw", "signer", "state", "value")

    def __init__(self, raw: bytes, state: StorkState, function: Function, value: int) -> None:
        self.raw, self.state, self.function, self.value = raw, state, function, value
        self.signer = ZERO
        self.digest = b""

    @property
    def r(self) -> bytes:
        return self.raw[:32]

    @property
    def s(self) -> bytes:
        return self.raw[32:64]

    @property
    def v(self) -> int:
        return self.raw[64]

    @property
    def assets(self) -> int:
        return (len(self.raw) - HEAD) // ASSET


# --- the contract's checks, in its order ----------------------------------------------------------


def _fee(ask: _Ask) -> None:
    if ask.value < ask.state.verification_fee:
        raise Stop(INSUFFICIENT_FEE.data(), "less value is sent than the fee")


def _fits(raw: bytes) -> bool:
    return len(raw) >= HEAD and (len(raw) - HEAD) % ASSET == 0


def _size(ask: _Ask) -> None:
    if not _fits(ask.raw):
        raise Stop(INVALID_PAYLOAD.data(), "not 75 bytes and 18 for each asset")


def overflows(v: int) -> bool:
    """Whether `v + 27` is more than a uint8 holds."""
    return v > MOST_V


def _recovery(ask: _Ask) -> None:
    if overflows(ask.v):
        raise Stop(panic(0x11), f"v is {ask.v}, and 27 more is no uint8")
    ask.digest = keccak256(ask.raw[BODY:])
    # What cannot be recovered is address zero, and no error.
    if int.from_bytes(ask.s, "big") <= HALF_ORDER:
        ask.signer = recover(ask.digest, ask.r, ask.s, ask.v) or ZERO


def _signed(ask: _Ask) -> bool:
    return ask.signer == ask.state.signer


def _signature(ask: _Ask) -> None:
    """Only `verifyAndDeserialize…` reverts; the other returns what it found."""
    if ask.function is DESERIALIZE and not _signed(ask):
        raise Stop(INVALID_SIGNATURE.data(), _who(ask))


def _count(ask: _Ask) -> None:
    if ask.function is DESERIALIZE and ask.assets > MOST_ASSETS:
        raise Stop(panic(0x32), f"{ask.assets} assets, counted in 16 bits")


def _who(ask: _Ask) -> str:
    found = "nobody" if ask.signer == ZERO else checksum(ask.signer)
    return f"signed by {found}, and the contract's signer is {checksum(bytes(ask.state.signer))}"


_STEPS: tuple[tuple[str, str, Callable[[_Ask], None], Callable[[_Ask], dict[str, Any]]], ...] = (
    (
        "fee",
        "the value sent must cover the verification fee",
        _fee,
        lambda ask: {"value": ask.value, "fee": ask.state.verification_fee},
    ),
    (
        "size",
        "the payload must be 75 bytes and 18 for each asset",
        _size,
        lambda ask: {"bytes": len(ask.raw)},
    ),
    (
        "recovery",
        "v must be at most 228",
        _recovery,
        lambda ask: {"r": ask.r, "s": ask.s, "v": ask.v},
    ),
    (
        "signature",
        "the recovered address must be the contract's signer",
        _signature,
        lambda ask: {"digest": ask.digest, "recovered": ask.signer, "signer": ask.state.signer},
    ),
    (
        "assets",
        "at most 65,535 assets can be deserialized",
        _count,
        lambda ask: {"assets": ask.assets},
    ),
)


def _assets(raw: bytes) -> tuple[StoredAsset, ...]:
    taxonomy = int.from_bytes(raw[65:67], "big")
    time = int.from_bytes(raw[67:75], "big")
    entries = _RECORD.iter_unpack(raw[HEAD:])
    return tuple(StoredAsset(taxonomy, id_, time, high << 64 | low) for id_, high, low in entries)


# --- judging --------------------------------------------------------------------------------------


def _function(call: str | Function) -> Function:
    for known in FUNCTIONS:
        if call is known or call in (known.name, known.signature):
            return known
    names = " or ".join(known.name for known in FUNCTIONS)
    raise Misuse("no such function", field="call", expected=names, found=repr(call))


def _raw(payload: Payload, name: str = "payload") -> bytes:
    if isinstance(payload, SignedUpdate):
        return payload.encode()
    if payload in (b"", "", "0x", "0X"):
        return b""
    return to_bytes(payload, name=name)


def judge(
    payload: Payload,
    state: StorkState,
    *,
    call: str | Function = VERIFY,
    value: int = 0,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the contract would do. `returned` is whether the signature is right (`VERIFY`), or the
    assets (`DESERIALIZE`, named in full: `verifyAndDeserializeSignedECDSAPayload`).

    The contract reads no clock: `now` only dates the verdict, for the state's age.
    """
    if not isinstance(state, StorkState):
        raise Misuse("not a Stork state", field="state", found=type(state).__name__)
    if not 0 <= value < 2**256:
        raise Misuse("not an amount of wei", field="value", found=str(value))
    if at is not None:
        state, now = state.at(at), at if now is None else now
    ask = _Ask(_raw(payload), state, _function(call), value)
    now = state.now if now is None else now
    why = partial(_explain, ask)
    try:
        for _, _, run, _ in _STEPS:
            run(ask)
    except Stop as stop:
        return Reverted(None, stop.data, state, now, why)
    returned = _assets(ask.raw) if ask.function is DESERIALIZE else _signed(ask)
    return Accepted(returned, None, state, now, why)


def judge_calldata(
    calldata: Input,
    state: StorkState,
    *,
    value: int = 0,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the contract would do with this calldata, its own argument decoder included."""
    raw = _raw(calldata, "calldata")
    function = function_of(FUNCTIONS, raw)
    state = state if at is None else state.at(at)
    try:
        if function is None:
            raise Malformed(
                "no function of the contract that verifies",
                offset=0,
                field="selector",
                expected=" or ".join(one.signature for one in FUNCTIONS),
                found="0x" + raw[:4].hex(),
                revert_data=b"",
            )
        (payload,) = decode_calldata(function.arguments, raw)
    except Malformed as error:
        if error.revert_data is None:
            raise
        why = partial(_explain_calldata, error)
        return Reverted(None, error.revert_data, state, now, why)
    return judge(payload, state, call=function, value=value, now=now)


def judge_many(
    payloads: Iterable[Payload],
    state: StorkState,
    *,
    call: str | Function = VERIFY,
    value: int = 0,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order, on all cores; the same bytes
    are judged once."""
    state = state if at is None else state.at(at)
    raws = [_raw(payload) for payload in payloads]

    def one(raw: bytes) -> Verdict:
        return judge(raw, state, call=call, value=value, now=now)

    return judge_distinct(one, raws, workers)


def verify(
    payload: Payload,
    state: StorkState,
    *,
    call: str | Function = VERIFY,
    value: int = 0,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """As `judge`, but raises `ContractRefusal` where the contract reverts or returns false."""
    verdict = judge(payload, state, call=call, value=value, now=now, at=at).settle()
    if verdict.returned is False:
        raise ContractRefusal(
            "the contract would return false",
            field="signature",
            expected=checksum(bytes(state.signer)),
            found=next((one.detail for one in verdict.problems), None),
            verdict=verdict,
        )
    return verdict


# --- why ------------------------------------------------------------------------------------------


def _explain_calldata(error: Malformed) -> Explanation:
    rule = "the calldata must decode as the arguments of a known function"
    check = Check("calldata", rule, {}, False, str(error), revert="revert (empty)", decided=True)
    return Explanation((check,))


def _explain(ask: _Ask) -> Explanation:
    ask = _Ask(ask.raw, ask.state, ask.function, ask.value)
    return Explanation(tuple(_checks(ask)), tuple(_findings(ask)))


def _checks(ask: _Ask) -> Iterator[Check]:
    decided = False
    # Without a right size there is no signature to look at.
    for name, rule, run, inputs in _STEPS if _fits(ask.raw) else _STEPS[:2]:
        try:
            run(ask)
        except Stop as stop:
            detail = "; ".join([stop.why, *(_repairs(ask) if name != "fee" else [])])
            revert = read_revert(stop.data).name
            yield Check(name, rule, inputs(ask), False, detail, revert, not decided)
            decided = True
            continue
        if name == "signature" and not _signed(ask):  # the function that returns false
            detail = "; ".join([_who(ask), *_repairs(ask)])
            yield Check(name, rule, inputs(ask), False, detail)
        else:
            yield Check(name, rule, inputs(ask), True)


def _repairs(ask: _Ask) -> list[str]:
    if not _fits(ask.raw):
        return []
    digest = keccak256(ask.raw[BODY:])
    wanted = bytes(ask.state.signer)
    found = repairs(digest, ask.r, ask.s, ask.v, lambda a: "the signer" if a == wanted else "")
    if int.from_bytes(ask.s, "big") > HALF_ORDER:
        low = (CURVE_ORDER - int.from_bytes(ask.s, "big")) % CURVE_ORDER
        word = low.to_bytes(32, "big")
        for v in (0, 1):
            if recover(digest, ask.r, word, v) == wanted:
                found.append(f"s is high, which this contract refuses: with v {v}, low s is good")
    return found


HAZARDS = {
    hazard.code: hazard
    for hazard in (
        Hazard(
            "stork-uninitialised",
            "danger",
            "the contract's signer is zero: it takes every invalid signature for a good one",
            "StorkFast 1.0.0: the recovered address is compared with the signer, and a failed "
            "recovery is address zero",
        ),
        Hazard(
            "stork-false-is-not-a-revert",
            "warning",
            "the function returns false instead of reverting: a caller must look at the answer",
            "StorkFast 1.0.0, verifySignedECDSAPayload",
        ),
        Hazard(
            "stork-overpaid",
            "warning",
            "more value is sent than the fee, and the contract keeps all of it",
            "StorkFast 1.0.0: msg.value is only compared with the fee",
        ),
        Hazard(
            "stork-duplicate-asset",
            "warning",
            "an asset appears more than once, and the contract keeps every value, in order",
            "StorkFast 1.0.0, verifyAndDeserializeSignedECDSAPayload",
        ),
        Hazard(
            "stork-versioned-body",
            "danger",
            "the body looks like the versioned layout, which the contract reads as the plain one: "
            "its taxonomy, time and values are not what was signed to mean",
            "StorkFast 1.0.0 knows the plain layout only",
        ),
        Hazard(
            "stork-no-clock",
            "note",
            "the contract checks no timestamp: an old update verifies for ever",
            "StorkFast 1.0.0 reads no clock",
        ),
        Hazard(
            "stork-from-the-future",
            "warning",
            "the update is dated after the time it is judged at",
            "StorkFast 1.0.0 reads no clock",
        ),
    )
}


def _findings(ask: _Ask) -> Iterator[Finding]:
    if ask.state.signer == ZERO:
        yield HAZARDS["stork-uninitialised"].found()
    if ask.value > ask.state.verification_fee:
        yield HAZARDS["stork-overpaid"].found(f"{ask.value - ask.state.verification_fee} wei")
    if not _fits(ask.raw):
        return
    try:
        _recovery(ask)
    except Stop:
        return
    if not _signed(ask):
        if ask.function is VERIFY:
            yield HAZARDS["stork-false-is-not-a-revert"].found()
        return
    yield from _of_content(ask)


def _of_content(ask: _Ask) -> Iterator[Finding]:
    yield HAZARDS["stork-no-clock"].found()
    if ask.raw[BODY] == 0xFF:
        yield HAZARDS["stork-versioned-body"].found()
    ids = [asset.asset_id for asset in _assets(ask.raw)]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1} if len(ids) < 1000 else ())
    if twice:
        yield HAZARDS["stork-duplicate-asset"].found(f"asset ids {', '.join(map(str, twice))}")
    time = int.from_bytes(ask.raw[67:75], "big")
    if ask.state.now is not None and time > ask.state.now * 10**9:
        yield HAZARDS["stork-from-the-future"].found(f"{time} ns, judged at {ask.state.now} s")
