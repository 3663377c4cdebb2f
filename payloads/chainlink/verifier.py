"""What the verifier contracts would do with a `fullReport`: offline, exactly, and why.

`judge` answers for `verify(payload, parameterPayload)` through the proxy, `judge_bulk` for
`verifyBulk`, `judge_calldata` for any calldata sent to the proxy, `judge_many` for many separate
calls on all cores. Each returns a `Verdict`. `verify` raises `ContractRefusal` (a `Refused`)
instead of returning a revert.

The clock is data: `now` is the block's time (the state's own if not given), and `at=time` judges
with the state as it was then. `Malformed` is raised for text that is not hex and for more bytes
than any block carries, `Misuse` for a state that does not say what is needed (`now` where a fee
manager checks expiry, `sender` where an access controller decides).

Assumed, since no payload or state says it: the caller has the ether, the tokens and the allowances
that the fee takes, and can receive a refund; and the call has gas enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from payloads.abi.calldata import function_of
from payloads.abi.fields import hexed
from payloads.abi.solidity import decode_bulk_calldata, decode_calldata
from payloads.chainlink.call import Call, Recover
from payloads.chainlink.calldata import FUNCTIONS, VERIFY_BULK
from payloads.chainlink.checks import run
from payloads.chainlink.explanation import explain
from payloads.chainlink.report import FullReport, Input
from payloads.chainlink.state import ChainlinkState
from payloads.crypto import recover
from payloads.errors import Malformed, Misuse
from payloads.inputs import to_bytes
from payloads.signatures import address_bytes
from payloads.verdicts.parallel import judge_distinct
from payloads.verdicts.verdict import Accepted, Check, Explanation, Reverted, Verdict

Payload = Input | FullReport


def raw_of(payload: Payload, name: str = "payload") -> bytes:
    """The bytes of a payload in any form; nothing at all is a payload too, and a bad one."""
    if isinstance(payload, FullReport):
        return payload.encode()
    if type(payload) is bytes and 0 < len(payload) < 2**16:
        return payload
    if payload in (b"", "", "0x", "0X"):
        return b""
    return to_bytes(payload, name=name)


def _call(
    payloads: Sequence[bytes | Malformed],
    state: ChainlinkState,
    parameter_payload: Input,
    value: int,
    sender: str | bytes | None,
    now: int | None,
    at: int | None,
    bulk: bool,
    recover_: Recover = recover,
) -> Call:
    if not isinstance(state, ChainlinkState):
        raise Misuse("not a Chainlink state", field="state", found=type(state).__name__)
    if at is not None:
        state, now = state.at(at), at if now is None else now
    parameter = parameter_payload
    if type(parameter) is not bytes:
        parameter = raw_of(parameter, "parameter_payload")
    who = state.subscriber if sender is None else address_bytes(sender, "sender")
    now = state.now if now is None else now
    if now is None and state.fee_manager is not None:
        raise Misuse("the fee manager checks expiry: a time is needed", field="now")
    if who is None and state.access_controller is not None:
        raise Misuse("the access controller decides by the sender: one is needed", field="sender")
    if not 0 <= value < 2**256:
        raise Misuse("not an amount of wei", field="value", found=str(value))
    return Call(state, payloads, parameter, value, who, now, bulk, recover_)


def _settle(call: Call) -> Verdict:
    """The verdict on a call."""
    data = run(call)
    why = partial(explain, call)
    if data is not None:
        return Reverted(None, data, call.state, call.now, why)
    if call.bulk:
        reports = tuple(hexed(item.report or b"") for item in call.items)
        return Accepted(reports, None, call.state, call.now, why)
    return Accepted(hexed(call.items[0].report or b""), None, call.state, call.now, why)


def judge(
    payload: Payload,
    state: ChainlinkState,
    *,
    parameter_payload: Input = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What `verify(payload, parameterPayload)` would do. `returned` is the report's bytes."""
    raw = [raw_of(payload)]
    return _settle(_call(raw, state, parameter_payload, value, sender, now, at, False))


def judge_bulk(
    payloads: Iterable[Payload],
    state: ChainlinkState,
    *,
    parameter_payload: Input = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What one `verifyBulk(payloads, parameterPayload)` would do. `returned` is all the reports."""
    raws = [raw_of(payload) for payload in payloads]
    return _settle(_call(raws, state, parameter_payload, value, sender, now, at, True))


def judge_calldata(
    calldata: Input,
    state: ChainlinkState,
    *,
    value: int = 0,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """What the proxy would do with this calldata, its own argument decoder included."""
    raw = raw_of(calldata, "calldata")
    function = function_of(FUNCTIONS, raw)
    try:
        if function is None:
            raise Malformed(
                "no function of the proxy that verifies",
                offset=0,
                field="selector",
                expected=" or ".join(one.signature for one in FUNCTIONS),
                found="0x" + raw[:4].hex(),
                revert_data=b"",
            )
        bulk = function is VERIFY_BULK
        if bulk:
            payloads, parameter = decode_bulk_calldata(function.arguments, raw)
        else:
            payload, parameter = decode_calldata(function.arguments, raw)
            payloads = [payload]
    except Malformed as error:
        if error.revert_data is None:
            raise
        call = _call([], state, b"", value, sender, now, at, True)
        why = partial(_explain_calldata, error)
        return Reverted(None, error.revert_data, call.state, call.now, why)
    return _settle(_call(payloads, state, parameter, value, sender, now, at, bulk))


def _explain_calldata(error: Malformed) -> Explanation:
    rule = "the calldata must decode as the arguments of a known function"
    check = Check("calldata", rule, {}, False, str(error), revert="revert (empty)", decided=True)
    return Explanation((check,))


# --- many at once ---------------------------------------------------------------------------------


def judge_many(
    payloads: Iterable[Payload],
    state: ChainlinkState,
    *,
    parameter_payload: Input = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order, on all cores.

    The same bytes are judged once, and the same signature of the same digest is recovered once:
    one report is published under several subsets of its signers.
    """
    if at is not None:
        state, now = state.at(at), at if now is None else now
    raws = [raw_of(payload) for payload in payloads]
    known: dict[tuple[bytes, bytes, bytes, int], bytes | None] = {}
    missing = object()

    def once(digest: bytes, r: bytes, s: bytes, v: int) -> bytes | None:
        key = (digest, r, s, v)
        found = known.get(key, missing)
        if found is missing:
            found = known[key] = recover(digest, r, s, v)
        return found  # type: ignore[return-value]

    def one(raw: bytes) -> Verdict:
        call = _call([raw], state, parameter_payload, value, sender, now, None, False, once)
        return _settle(call)

    return judge_distinct(one, raws, workers)


# --- or else --------------------------------------------------------------------------------------


def verify(
    payload: Payload,
    state: ChainlinkState,
    *,
    parameter_payload: Input = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """As `judge`, but a call that would revert raises `ContractRefusal` with the same facts."""
    return judge(
        payload,
        state,
        parameter_payload=parameter_payload,
        value=value,
        sender=sender,
        now=now,
        at=at,
    ).settle()
