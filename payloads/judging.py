"""The verdict of a contract on any input that `decode` takes.

    state = payloads.State.load("state.json")
    payloads.judge(payload, state, now=…).accepted

The payload picks the system, and a state of another system is `Misuse`. Bytes that no system
recognises are judged under the state's system, because a contract answers any bytes. `Malformed` is
raised only for text that is neither hex nor a frame, and for more bytes than any block carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec.structs

from payloads import systems
from payloads.abi.fields import Record
from payloads.errors import Malformed, Misuse, PayloadError, shown
from payloads.inputs import STARTS_OF_TEXT, hex_text, json_text
from payloads.recognise import find
from payloads.system import Found, Options, Several, System, Terms, undecoded

if TYPE_CHECKING:
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.state import State
    from payloads.verdicts.together import Asking, Judgement
    from payloads.verdicts.verdict import Verdict


class Given(Record, frozen=True):
    """An input to judge: the bytes of a payload as received, or the calldata of a whole call.

    `system` is "" where the bytes do not tell it; `perhaps` is the system that there is doubtful
    evidence for. `error` is what is wrong with an item of a list.
    """

    raw: bytes
    system: str = ""
    is_call: bool = False
    error: PayloadError | None = None
    perhaps: str = ""


# Bytes up to this size are within all bounds of an input.
_SMALL = 2**16


def given(value: Any) -> Iterator[Given]:
    """The payloads in an input, undecoded: bad payloads must reach the contract's own checks.

    Hex and bytes are taken as they are. JSON frames are opened.
    """
    if isinstance(value, str | bytes) and value[:1] in ("{", b"{"):
        for system in systems.SYSTEMS:
            if (raw := system.plain(value)) is not None:
                yield Given(raw, system.name)
                return
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
            raise Malformed("not signed", field="frame", expected="a signed payload")
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
            return Given(raw, perhaps=system.name) if doubtful else Given(raw, system.name)
    return Given(raw)


# --- judging --------------------------------------------------------------------------------------


def judge(
    payload: Any,
    state: State,
    *,
    function: str | None = None,
    pay: str | bytes | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
) -> Verdict:
    """The verdict of the state's contract on one payload, or on the calldata of one call.

    `function` names the contract's function. `pay` is the way of paying: `link`, `native`,
    `wrapped`, or the address of a token; Stork takes `native`. `value` is the wei sent along, by
    default the fee if `pay` is `native` and 0 otherwise. `now` is the block's time; `at=time`
    judges with the state as it was then. `sender` calls the contract, and `origin` (the
    sender, if not given) signed the transaction. `Misuse` for several payloads in one input and
    for a state of another system than the payload's.
    """
    state, now = _state_then(state, now, at)
    terms = Terms(function, pay, value, sender, now, origin)
    return judge_given(_one(payload), state, terms)


def _state_then(state: State, now: int | None, at: int | None) -> tuple[State, int | None]:
    # Imported here, because a caller that only decodes needs no verdicts.
    from payloads.verdicts.calls import state_then

    systems.of_state(state)
    return state_then(state, now, at)


def _one(payload: Any) -> Given:
    if type(payload) is bytes and payload[:1] not in STARTS_OF_TEXT and len(payload) < _SMALL:
        return _of_bytes(payload)
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
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.together import finish

    signers = Signers() if terms.signers is None else terms.signers
    return finish(judging_given(item, system_for(item, state), state, terms, signers), signers)


def judging_given(
    item: Given, system: System, state: State, terms: Terms, signers: Signers
) -> Judgement:
    """A judgement of one payload, or of one call, that asks these signers."""
    if not item.is_call:
        return system.judging([item.raw], state, terms, signers)
    if terms.function is not None:
        raise Misuse("calldata names its function itself", field="function")
    return system.judging_calldata(item.raw, state, terms, signers)


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


# --- many at once ---------------------------------------------------------------------------------


def judge_many(
    payloads: Iterable[Any],
    state: State | Sequence[State],
    *,
    function: str | None = None,
    pay: str | bytes | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | None = None,
    at: int | None = None,
    workers: int | None = None,
) -> list[Verdict]:
    """A verdict for each payload as a call of its own, in their order.

    All distinct signatures are recovered first, in batches where payloads-simd is installed and on
    all cores; then each verdict looks them up. With several states, one for each system, payloads
    may be of any of these systems. The first state then judges the bytes that no system recognises.
    """
    from payloads.verdicts.signers import Signers
    from payloads.verdicts.together import judge_together

    _check_several(payloads)
    states, now = States.of(state, now, at)
    signers, terms = Signers(), Terms(function, pay, value, sender, now, origin)
    items = [_one(payload) for payload in payloads]
    for item in items:
        states.of_item(item)

    def start(item: Given) -> Judgement:
        return judging_given(item, *states.of_item(item), terms, signers)

    def start_all(batch: Sequence[Given]) -> Asking[list[Verdict]]:
        return _judging_all([(item, terms) for item in batch], states, signers)

    return judge_together(start, items, signers, workers, start_all)


def _judging_all(
    items: Sequence[tuple[Given, Terms]], states: States, signers: Signers
) -> Asking[list[Verdict]]:
    """A judgement of payloads and calls: a system's payloads on the same terms are one."""
    from payloads.verdicts.together import side_by_side

    places: dict[tuple[str, int], list[int]] = {}
    for index, (item, terms) in enumerate(items):
        system, _ = states.of_item(item)
        # The terms of the same time are the same object.
        key = ("call", index) if item.is_call else (system.name, id(terms))
        places.setdefault(key, []).append(index)

    def start(indices: Sequence[int]) -> Asking[Sequence[Verdict]]:
        item, terms = items[indices[0]]
        system, state = states.of_item(item)
        if item.is_call:
            return side_by_side([judging_given(item, system, state, terms, signers)])
        raws = [items[index][0].raw for index in indices]
        return system.judging_many(raws, state, terms, signers)

    found = yield from side_by_side(list(map(start, places.values())))
    verdicts: dict[int, Verdict] = {}
    for indices, several in zip(places.values(), found, strict=True):
        verdicts.update(zip(indices, several, strict=True))
    return [verdicts[index] for index in range(len(items))]


def judge_stream(
    payloads: Iterable[Any],
    state: State | Sequence[State],
    *,
    function: str | None = None,
    pay: str | bytes | None = None,
    value: int | None = None,
    sender: str | bytes | None = None,
    origin: str | bytes | None = None,
    now: int | Callable[[], int] | None = None,
    together: int = 256,
    max_wait: float | None = None,
    workers: int | None = None,
) -> Iterator[Verdict | PayloadError]:
    """A verdict for each payload of a stream that may be endless, in their order, as `judge_many`.

    As many as `together` payloads are judged at once. With `max_wait` the source is read in a
    thread, and a payload waits for others so many seconds at most; without it, a piece is judged
    when it is full. The memory is bounded by `together`, and by the last 16,384 signatures, of
    which each is recovered once. A payload that has no verdict (its text is no hex, or there is no
    state of its system) gets its error in its place. `now` may be a function: a piece is judged at
    the time that it returns.
    """
    _check_several(payloads)
    if not isinstance(together, int) or together < 1:
        raise Misuse("not a number of payloads", field="together", found=shown(together))
    clock = now if callable(now) else None
    states, time = States.of(state, None if callable(now) else now, None)
    terms = Terms(function, pay, value, sender, time, origin)
    return _verdicts(payloads, states, terms, clock, (together, max_wait, workers))


def _verdicts(
    payloads: Iterable[Any],
    states: States,
    terms: Terms,
    clock: Callable[[], int] | None,
    how: tuple[int, float | None, int | None],
) -> Iterator[Verdict | PayloadError]:
    from payloads.verdicts.pieces import pieces
    from payloads.verdicts.signers import Signers

    signers = Signers()
    together, max_wait, workers = how
    for piece in pieces(payloads, together, max_wait):
        now = terms.now if clock is None else clock()
        items = [(opened(each), now) for each in piece]
        yield from judge_opened(items, states, terms, signers, workers)


def judge_opened(
    items: Sequence[tuple[Given, int | None]],
    states: States,
    terms: Terms,
    signers: Signers,
    workers: int | None,
) -> list[Verdict | PayloadError]:
    """A verdict for each payload at its time, or the error of a payload that has none."""
    from payloads.verdicts.together import judge_together, side_by_side

    def start(timed: tuple[Given, int | None]) -> Asking[Verdict | PayloadError]:
        item, now = timed
        if (error := states.refuses(item)) is not None:
            return error
        then = msgspec.structs.replace(terms, now=now)
        try:
            return (yield from judging_given(item, *states.of_item(item), then, signers))
        except Malformed as malformed:
            return malformed

    def start_all(
        batch: Sequence[tuple[Given, int | None]],
    ) -> Asking[list[Verdict | PayloadError]]:
        # A state's own time is equal to the same time as a number, and not the same.
        kinds = {(type(now), now) for _, now in batch}
        at = {kind: msgspec.structs.replace(terms, now=kind[1]) for kind in kinds}
        found = [states.refuses(item) for item, _ in batch]
        left = [
            (item, at[type(now), now])
            for (item, now), error in zip(batch, found, strict=True)
            if error is None
        ]
        try:
            verdicts = iter((yield from _judging_all(left, states, signers)))
        except Malformed:  # by a payload, which says so in its place
            return (yield from side_by_side([start(timed) for timed in batch]))
        return [next(verdicts) if error is None else error for error in found]

    return judge_together(start, items, signers, workers, start_all)


def opened(payload: Any) -> Given:
    """The payload, or the call, in an input; or its error."""
    try:
        return _one(payload)
    except PayloadError as error:
        return Given(b"", error=error)


def _check_several(payloads: Any) -> None:
    if not isinstance(payloads, Iterable) or isinstance(payloads, str | bytes | dict):
        found = type(payloads).__name__
        raise Misuse("not several payloads", field="payloads", expected="a list", found=found)


class States:
    """The states to judge with, by their systems."""

    def __init__(self, states: Sequence[State]) -> None:
        self.pairs = pairs = [(systems.of_state(state), state) for state in states]
        self._by_name = {system.name: (system, state) for system, state in pairs}
        if not states or len(self._by_name) < len(states):
            expected = "one state for each system"
            found = ", ".join(system.name for system, _ in pairs) or "none"
            raise Misuse("not states to judge with", field="state", expected=expected, found=found)
        self._first = pairs[0]

    @classmethod
    def of(
        cls, state: State | Sequence[State], now: int | None, at: int | None
    ) -> tuple[States, int | None]:
        """The states of time `at`, if given, and the block's time."""
        several = state if isinstance(state, list | tuple) else (state,)
        then = [_state_then(each, now, at) for each in several]
        return cls([each for each, _ in then]), then[0][1] if then else now

    def refuses(self, item: Given) -> PayloadError | None:
        """Why an item has no verdict: its own error, or no state of its system."""
        if item.error is not None:
            return item.error
        try:
            self.of_item(item)
        except Misuse as error:
            return error
        return None

    def of_item(self, item: Given) -> tuple[System, State]:
        """The system and the state to judge a payload with."""
        if (found := self._by_name.get(item.system or item.perhaps)) is not None:
            return found
        if not item.system or len(self._by_name) == 1:
            system_for(item, self._first[1])
            return self._first
        names = " or ".join(self._by_name)
        raise Misuse(
            f"a payload of {item.system}, but states of {names}",
            field="state",
            expected=f"a state of {item.system}",
            found=names,
        )
