"""The verdict of a contract on any input that `decode` takes.

    state = payloads.State.load("state.json")
    payloads.judge(payload, state, now=…).accepted

The payload picks the system, and a state of another system is `Misuse`. Bytes that no system
recognises are judged under the state's system, because a contract answers any bytes. `Malformed` is
raised only for text that is neither hex nor a frame, and for more bytes than any block carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from payloads import systems
from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.inputs import hex_text, json_text
from payloads.recognise import find
from payloads.system import Found, Options, Several, System, Terms, undecoded

if TYPE_CHECKING:
    from payloads.verdicts.state import State
    from payloads.verdicts.verdict import Verdict


class Given(Record, frozen=True):
    """An input to judge: the bytes of a payload as received, or the calldata of a whole call.

    `system` is "" where the bytes do not tell it. `error` is what is wrong with an item of a list.
    """

    raw: bytes
    system: str = ""
    is_call: bool = False
    error: PayloadError | None = None


def given(value: Any) -> Iterator[Given]:
    """The payloads in an input, undecoded: bad payloads must reach the contract's own checks.

    Hex and bytes are taken as they are. JSON frames are opened.
    """
    if isinstance(value, str | bytes | bytearray | memoryview):
        if isinstance(found := _frame(value), Found | Several):
            yield from _each(found)
        else:
            yield _of_bytes(_bytes(value))
    else:
        yield from _each(find(value, Options()))


def _frame(value: Any) -> Found | Several | None:
    """The frame that text is, or that bytes are; bytes that are no frame are bytes."""
    if json_text(value) is None:
        return None
    try:
        return find(value, Options())
    except Malformed:
        if isinstance(value, str):
            raise
        return None


def _bytes(value: str | bytes | bytearray | memoryview) -> bytes:
    """The bytes of hex, which may have come as bytes; bytes that are no hex are bytes."""
    try:
        return undecoded(hex_text(value))
    except Malformed:
        return undecoded(value)


def _each(found: Found | Several) -> Iterator[Given]:
    if isinstance(found, Found):
        if not found.raw:
            raise Malformed("not signed by anybody", field="frame", expected="a signed payload")
        yield Given(found.raw, found.system, found.form == "call")
        return
    for item in found.items:
        try:
            yield from given(item)
        except PayloadError as error:
            yield Given(b"", error=error)


def _of_bytes(raw: bytes) -> Given:
    """Bytes with their system, unless the evidence is doubtful: then the state decides."""
    if (call := systems.called(raw)) is not None:
        return Given(raw, call[0].name, is_call=True)
    for _, find_evidence, system, doubtful in systems.evidence():
        if find_evidence(raw):
            return Given(raw, "" if doubtful else system.name)
    return Given(raw)


# --- judging --------------------------------------------------------------------------------------


def judge(
    payload: Any,
    state: State,
    *,
    function: str | None = None,
    parameter_payload: bytes = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """The verdict of the state's contract on one payload, or on the calldata of one call.

    `function` names the contract's function, `value` is the wei sent along, `now` the block's time;
    `at=time` judges with the state as it was then. `sender` calls the contract, and `origin` (the
    sender, if not given) signed the transaction. `Misuse` for several payloads in one input and
    for a state of another system than the payload's.
    """
    state, now = _state_then(state, now, at)
    terms = Terms(function, parameter_payload, value, sender, now, origin)
    return judge_given(_one(payload), state, terms)


def _state_then(state: State, now: int | None, at: int | None) -> tuple[State, int | None]:
    # Only whoever judges pays for importing the verdicts.
    from payloads.verdicts.calls import state_then

    systems.of_state(state)
    return state_then(state, now, at)


def _one(payload: Any) -> Given:
    found = list(given(payload))
    if len(found) != 1:
        raise Misuse(
            "several payloads in one input" if found else "no payload in this input",
            field="payload",
            expected="one payload, or the calldata of one call",
            found=str(len(found)),
        )
    if found[0].error is not None:
        raise found[0].error
    return found[0]


def judge_given(item: Given, state: State, terms: Terms) -> Verdict:
    """The verdict on one payload, or on one call."""
    system = system_for(item, state)
    if not item.is_call:
        return system.judge([item.raw], state, terms)
    if terms.function is not None:
        raise Misuse("calldata names its function itself", field="function")
    return system.judge_calldata(item.raw, state, terms)


def system_for(item: Given, state: State) -> System:
    """The system of the state; `Misuse` if the payload is of another system."""
    system = systems.of_state(state)
    if item.system not in ("", system.name):
        raise Misuse(
            f"a payload of {item.system}, but a state of {system.name}",
            field="state",
            expected=f"a state of {item.system} (payloads state fetch ADDRESS)",
            found=state.contract,
        )
    return system


def judge_many(
    payloads: Iterable[Any],
    state: State,
    *,
    function: str | None = None,
    parameter_payload: bytes = b"",
    value: int = 0,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order, on all cores."""
    if not isinstance(payloads, Iterable) or isinstance(payloads, str | bytes | dict):
        found = type(payloads).__name__
        raise Misuse("not several payloads", field="payloads", expected="a list", found=found)
    state, now = _state_then(state, now, at)
    terms = Terms(function, parameter_payload, value, sender, now, origin)
    items = [_one(payload) for payload in payloads]
    for item in items:
        system_for(item, state)
    if any(item.is_call for item in items):
        return [judge_given(item, state, terms) for item in items]
    raws = [item.raw for item in items]
    return systems.of_state(state).judge_many(raws, state, terms, workers)
