"""What the verifier contracts would do with a `fullReport`: offline, exactly, and why.

`judge` answers for `verify(payload, parameterPayload)` through the proxy, `judge_bulk` for
`verifyBulk`, both with `view=True` for the views of v0.5.1; `judge_calldata` for any calldata sent
to the proxy, `judge_many` for many separate calls on all cores. Each returns a `Verdict`. `verify`
raises `ContractRefusal` (a `Refused`) instead of returning a revert.

`sender` calls the proxy, and `origin` is the account that signed the transaction: the sender itself
unless a contract stands in between. Some access controllers look at both.

The clock is data: `now` is the block's time (the state's own if not given), and `at=time` judges
with the state as it was then. `Malformed` is raised for text that is not hex and for more bytes
than any block carries, `Misuse` for a state that does not say what is needed (`now` where a fee
manager checks expiry, `sender` where an access controller decides).

Assumed, because neither payload nor state says it: the caller has the ether, the tokens and the
allowances that the fee takes, and can receive a refund; the call has enough gas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from hexbytes import HexBytes

from payloads.abi.calldata import Function
from payloads.abi.fields import hexed
from payloads.abi.solidity import decode_bulk_calldata, decode_calldata
from payloads.chainlink.call import Call, hash_together, split_arguments
from payloads.chainlink.calldata import FUNCTIONS, VERIFY_BULK_VIEW, VERIFY_VIEW, VIEWS
from payloads.chainlink.checks import stages
from payloads.chainlink.explanation import brief, explain, explain_accepted
from payloads.chainlink.frames import Payload, raw_of
from payloads.chainlink.payment import Pay, parameter, value_sent
from payloads.chainlink.quotes import native_fee
from payloads.chainlink.report import Input
from payloads.chainlink.state import V051, ChainlinkState
from payloads.errors import Malformed, Misuse
from payloads.signatures import address_bytes
from payloads.verdicts.calls import (
    called_function,
    check_value,
    no_function,
    raising,
    state_and_time,
    undecodable_call,
)
from payloads.verdicts.checks import running, running_together
from payloads.verdicts.signers import Signers
from payloads.verdicts.together import Asking, Judgement, finish, judge_together
from payloads.verdicts.verdict import Accepted, Reverted, Verdict


def _calls(
    state: ChainlinkState,
    pay: Pay | None,
    value: int | None,
    sender: str | bytes | None,
    origin: str | bytes | None,
    now: int | None,
    at: int | None,
    bulk: bool,
    signers: Signers,
    is_view: bool = False,
) -> Callable[[Sequence[bytes | Malformed]], Call]:
    """How to make calls of payloads on the same terms, which are looked at once."""
    state, now = state_and_time(state, ChainlinkState, now, at)
    caller = state.subscriber if sender is None else address_bytes(sender, "sender")
    if now is None and state.charges is not None and not is_view:
        raise Misuse("the fee manager checks expiry: a time is needed", field="now")
    if caller is None and state.access_controller is not None:
        raise Misuse(
            "the access controller decides by the sender: a sender is needed", field="sender"
        )
    if value is not None:
        check_value(value)
    if is_view and pay:
        raise Misuse("a view pays nothing", field="pay", expected="none")
    signed = _default_origin(state, caller) if origin is None else address_bytes(origin, "origin")
    how = (caller, signed, now, bulk, signers, is_view)
    named = parameter(pay, state)

    def call(payloads: Sequence[bytes | Malformed]) -> Call:
        sent = value_sent(pay, value, lambda: native_fee(payloads, state, caller))
        return Call(state, payloads, named, sent, *how)

    if pay == "native":
        return call
    # In any other way the value does not depend on the payload.
    sent = value_sent(pay, value, lambda: 0)
    return lambda payloads: Call(state, payloads, named, sent, *how)


def _default_origin(state: ChainlinkState, caller: bytes | None) -> bytes | None:
    """The caller itself; None where it is a contract, which signs no transaction."""
    return None if state.subscriber_is_contract and caller == state.subscriber else caller


def _functions(state: ChainlinkState) -> tuple[Function, ...]:
    """The functions that the proxy of this state has."""
    return FUNCTIONS if state.contract == V051 else FUNCTIONS[:2]


def _judging(call: Call) -> Judgement:
    if (refused := _unknown_view(call)) is not None:
        return refused
    data = yield from running(stages(call), call)
    return _verdict(call, data)


def _judging_together(calls: Sequence[Call]) -> Asking[list[Verdict]]:
    """The verdicts on calls of one function with a payload each, on the same terms."""
    first = calls[0]
    if _unknown_view(first) is not None:
        return [found for call in calls if (found := _unknown_view(call)) is not None]
    answers = yield from running_together(stages(first), calls)
    return list(map(_verdict, calls, answers))


def _unknown_view(call: Call) -> Verdict | None:
    """The verdict on a view that the contract does not have; None for any other call."""
    if not call.is_view:
        return None
    functions = _functions(call.state)
    view = VERIFY_BULK_VIEW if call.bulk else VERIFY_VIEW
    if view in functions:
        return None
    return undecodable_call(no_function(functions, view.selector), call.state, call.now)


def _verdict(call: Call, data: bytes | None) -> Verdict:
    if data is not None:
        return Reverted(None, data, call.state, call.now, explain, None, call)
    report: Any = hexed(call.items[0].report or b"") if not call.bulk else _reports(call)
    return Accepted(report, None, call.state, call.now, explain_accepted, brief, call)


def _reports(call: Call) -> tuple[HexBytes, ...]:
    return tuple(hexed(item.report or b"") for item in call.items)


def judging(
    payloads: Sequence[bytes],
    state: ChainlinkState,
    signers: Signers,
    *,
    pay: Pay | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    bulk: bool = False,
    view: bool = False,
) -> Judgement:
    """A judgement of one payload, or (`bulk`) of several in one call, that asks these signers."""
    how = (state, pay, value, sender, origin, now, at)
    return _judging(_calls(*how, bulk, signers, view)(payloads))


def judging_batch(
    payloads: Sequence[bytes],
    state: ChainlinkState,
    signers: Signers,
    *,
    pay: Pay | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    bulk: bool = False,
    view: bool = False,
) -> Asking[list[Verdict]]:
    """A judgement of each payload as a call of its own; the payloads are hashed together."""
    call = _calls(state, pay, value, sender, origin, now, None, bulk, signers, view)
    calls = [call([raw]) for raw in payloads]
    hash_together([made.items[0] for made in calls])
    return _judging_together(calls)


def judging_each(
    state: ChainlinkState,
    signers: Signers,
    pay: Pay | None,
    value: int | None,
    sender: str | bytes | None,
    origin: str | bytes | None,
    now: int | None,
    view: bool,
) -> Callable[[bytes], Judgement]:
    """A function that makes judgements of one payload each, on the same terms."""
    call = _calls(state, pay, value, sender, origin, now, None, False, signers, view)
    return lambda payload: _judging(call((payload,)))


def judge(
    payload: Payload,
    state: ChainlinkState,
    *,
    pay: Pay | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    view: bool = False,
) -> Verdict:
    """What `verify(payload, parameterPayload)` would do. `returned` is the report's bytes.

    `pay` is the way of paying (see `payment`). `value` is the wei sent along: by default the fee if
    `pay` is `native`, and 0 otherwise.

    With `view`, what `verifyView(payload)` would do.
    """
    raw, signers = [raw_of(payload)], Signers()
    how = (state, pay, value, sender, origin, now, at)
    return finish(_judging(_calls(*how, False, signers, view)(raw)), signers)


def judge_bulk(
    payloads: Iterable[Payload],
    state: ChainlinkState,
    *,
    pay: Pay | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    view: bool = False,
) -> Verdict:
    """What one `verifyBulk(payloads, parameterPayload)` would do. `returned` is all the reports.

    With `view`, what one `verifyBulkView(payloads)` would do.
    """
    raws, signers = [raw_of(payload) for payload in payloads], Signers()
    how = (state, pay, value, sender, origin, now, at)
    return finish(_judging(_calls(*how, True, signers, view)(raws)), signers)


def judge_calldata(
    calldata: Input,
    state: ChainlinkState,
    *,
    value: int = 0,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the proxy would do with this calldata, its own argument decoder included."""
    signers = Signers()
    how: dict[str, Any] = {"value": value, "sender": sender, "origin": origin, "now": now, "at": at}
    return finish(judging_calldata(calldata, state, signers, **how), signers)


def judging_calldata(
    calldata: Input,
    state: ChainlinkState,
    signers: Signers,
    *,
    value: int = 0,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Judgement:
    """A judgement of calldata that asks these signers."""
    raw = raw_of(calldata, "calldata")
    state, now = state_and_time(state, ChainlinkState, now, at)
    found: list[bytes]
    try:
        function = called_function(_functions(state), raw)
        bulk = function.takes_many
        if bulk:
            payloads, found = decode_bulk_calldata(function.arguments, raw)
        else:
            arguments = function.arguments
            payload, *found = split_arguments(raw, len(arguments)) or decode_calldata(
                arguments, raw
            )
            payloads = [payload]
    except Malformed as error:
        call = _calls(state, None, value, sender, origin, now, None, True, signers)([])
        return undecodable_call(error, call.state, call.now)
    how = (state, None, value, sender, origin, now, None)
    call = _calls(*how, bulk, signers, is_view=function in VIEWS)(payloads)
    call.parameter_payload = found[0] if found else b""
    return (yield from _judging(call))


# --- many at once ---------------------------------------------------------------------------------


def judge_many(
    payloads: Iterable[Payload],
    state: ChainlinkState,
    *,
    pay: Pay | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order.

    The same bytes are judged once, and the same signature of the same digest is recovered once:
    one report is published under several subsets of its signers. Signatures are recovered in
    batches where payloads-simd is installed, and on all cores.
    """
    state, now = state_and_time(state, ChainlinkState, now, at)
    raws, signers = [raw_of(payload) for payload in payloads], Signers()
    how: dict[str, Any] = {"pay": pay, "value": value, "sender": sender, "origin": origin}
    start_all = partial(judging_batch, state=state, signers=signers, now=now, **how)
    start = judging_each(state, signers, pay, value, sender, origin, now, view=False)
    return judge_together(start, raws, signers, workers, start_all)


# --- raising --------------------------------------------------------------------------------------


verify = raising(
    judge, "As `judge`, but a call that would revert raises `ContractRefusal` with the same facts."
)
