"""What the Stork Fast contract would do with a `signed_ecdsa` payload: offline, exactly, and why.

`judge` answers for either of its functions (`call`), `judge_calldata` for any calldata sent to it,
`judge_many` for many separate calls. Each returns a `Verdict`; `verify` raises `ContractRefusal`
where the contract reverts, and also where it returns false: a caller who ignores that answer would
take the payload for good.

The contract knows the plain layout only, keeps any over-payment, and looks at no clock. Raised are
`Malformed` for text that is not hex and for more bytes than any block carries, and `Misuse`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from payloads.abi.calldata import Function
from payloads.abi.solidity import decode_calldata
from payloads.errors import Malformed, Misuse
from payloads.stork.call import Call, hash_together
from payloads.stork.calldata import FUNCTIONS, OTHERS, OTHERS_OF_MULTISIGNER, VERIFY, check_pay
from payloads.stork.checks import STAGES
from payloads.stork.explanation import brief, explain
from payloads.stork.frames import Payload, raw_of
from payloads.stork.state import StorkState
from payloads.stork.update import Input
from payloads.verdicts.calls import (
    called_function,
    check_value,
    raising,
    state_and_time,
    undecodable_call,
)
from payloads.verdicts.checks import running, running_together
from payloads.verdicts.signers import Signers
from payloads.verdicts.together import Asking, Judgement, finish, judge_together
from payloads.verdicts.verdict import Accepted, ReturnsFalse, Reverted, Verdict


def _function(call: str | Function) -> Function:
    for known in FUNCTIONS:
        if call is known or call in (known.name, known.signature):
            return known
    names = " or ".join(known.name for known in FUNCTIONS)
    raise Misuse("no such function", field="call", expected=names, found=repr(call))


def value_sent(pay: str | bytes | None, value: int | None, state: StorkState) -> int:
    """The wei sent along: the fee if `pay` is `native` and no `value` is given."""
    check_pay(pay)
    if value is None:
        return 0 if pay is None else state.verification_fee
    check_value(value)
    return value


def judge(
    payload: Payload,
    state: StorkState,
    *,
    call: str | Function = VERIFY,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the contract would do. `returned` is whether the signature is right (`VERIFY`), or the
    assets (`DESERIALIZE`, named in full: `verifyAndDeserializeSignedECDSAPayload`).

    Stork is paid in native: `pay="native"` sends the fee, unless `value` says how much is sent.
    The contract reads no clock: `now` only dates the verdict, for its findings and the state's age.
    """
    signers = Signers()
    how: dict[str, Any] = {"call": call, "pay": pay, "value": value, "now": now, "at": at}
    return finish(judging(raw_of(payload), state, signers, **how), signers)


def judging(
    raw: bytes,
    state: StorkState,
    signers: Signers,
    *,
    call: str | Function = VERIFY,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Judgement:
    """A judgement of a payload that asks these signers."""
    state, now = state_and_time(state, StorkState, now, at)
    sent = value_sent(pay, value, state)
    return (yield from _judging(Call(raw, state, _function(call), sent, now, signers)))


def judging_batch(
    payloads: Sequence[bytes],
    state: StorkState,
    signers: Signers,
    *,
    call: str | Function = VERIFY,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
) -> Asking[list[Verdict]]:
    """A judgement of each payload as a call of its own; the payloads are hashed together."""
    state, now = state_and_time(state, StorkState, now, None)
    function, sent = _function(call), value_sent(pay, value, state)
    calls = [Call(raw, state, function, sent, now, signers) for raw in payloads]
    hash_together(calls)
    answers = yield from running_together(STAGES, calls)
    return list(map(_verdict, calls, answers))


def _judging(made: Call) -> Judgement:
    data = yield from running(STAGES, made)
    return _verdict(made, data)


def _verdict(made: Call, data: bytes | None) -> Verdict:
    state, now = made.state, made.now
    if data is not None:
        return Reverted(None, data, state, now, explain, None, made)
    if made.deserializes:
        return Accepted(made.assets(), None, state, now, explain, brief, made)
    kind = Accepted if made.signed else ReturnsFalse
    return kind(made.signed, None, state, now, explain, brief, made)


def judge_calldata(
    calldata: Input,
    state: StorkState,
    *,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the contract would do with this calldata, its own argument decoder included."""
    signers = Signers()
    how: dict[str, Any] = {"pay": pay, "value": value, "now": now, "at": at}
    return finish(judging_calldata(calldata, state, signers, **how), signers)


def judging_calldata(
    calldata: Input,
    state: StorkState,
    signers: Signers,
    *,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Judgement:
    """A judgement of calldata that asks these signers."""
    raw = raw_of(calldata, "calldata")
    state, now = state_and_time(state, StorkState, now, at)
    _check_function(raw, state)
    try:
        function = called_function(FUNCTIONS, raw)
        (payload,) = decode_calldata(function.arguments, raw)
    except Malformed as error:
        return undecodable_call(error, state, now)
    how: dict[str, Any] = {"pay": pay, "value": value, "now": now}
    return (yield from judging(payload, state, signers, call=function, **how))


def _check_function(calldata: bytes, state: StorkState) -> None:
    """`Misuse` for the getters and the owner's functions: a revert would be a wrong answer."""
    others = OTHERS_OF_MULTISIGNER if state.multisigner else OTHERS
    if (other := others.get(calldata[:4])) is not None:
        names = " or ".join(function.name for function in FUNCTIONS)
        raise Misuse(
            "a function that verifies nothing", field="calldata", expected=names, found=other
        )


def judge_many(
    payloads: Iterable[Payload],
    state: StorkState,
    *,
    call: str | Function = VERIFY,
    pay: str | bytes | None = None,
    value: int | None = None,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order.

    The same bytes are judged once. Signatures are recovered in batches where payloads-simd is
    installed, and on all cores.
    """
    state, now = state_and_time(state, StorkState, now, at)
    raws, signers = [raw_of(payload) for payload in payloads], Signers()
    how: dict[str, Any] = {"call": call, "pay": pay, "value": value, "now": now}
    start = partial(judging, state=state, signers=signers, **how)
    start_all = partial(judging_batch, state=state, signers=signers, **how)
    return judge_together(start, raws, signers, workers, start_all)


verify = raising(
    judge, "As `judge`, but raises `ContractRefusal` where the contract reverts or returns false."
)
