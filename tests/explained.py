"""What `payloads` says about payloads and calls, as text: written once, and held by a test.

    python -m tests.explained          # writes fixtures/explanations.txt anew; read the diff

The cases are the recorded calls and the published payloads of `fixtures/`, and those of
`tests/made_up.py`. Of those, the first that shows something new is taken: a check that ends in a
new way, a finding, a kind of byte range. So every sentence stands in the text a few times at most.
The text says nothing about the chain, which the outcomes beside it record; it holds what a reader
is told.

Of what is made up the text ends with a digest for each kind, which holds all lines. Where only a
digest differs, compare what these print before and after a change:

    python -m tests.explained made call v0.5.0
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import payloads
from payloads import State, chainlink, recognise, stork, systems
from payloads.abi.fields import jsonable
from payloads.errors import Malformed, Misuse
from payloads.verdicts.verdict import Verdict
from tests import corpus, made_up, test_raw_calls, test_stork_multisigner
from tests.test_limits import NOW, SIGNER

TEXT = Path(__file__).parents[1] / "fixtures" / "explanations.txt"
# Values differ from case to case; what they stand in is new or not.
_VALUES = re.compile(r"0x[0-9a-fA-F]*|\[.*\]|-?\d[\d.: -]*|'[^']*'")
_TIMES = 2
_KIND = re.compile(r"made call \S+|made change \w+|made \w+")

Case = tuple[str, Callable[[], Iterable[str]]]


def chosen() -> Iterator[str]:
    """The text: from each case the lines that say something for the first or second time."""
    known: Counter[str] = Counter()
    for name, said in cases():
        found = list(said())
        shapes = [_VALUES.sub("…", line) for line in found]
        times = 1 if name.startswith("made") else _TIMES
        new = [line for line, shape in zip(found, shapes, strict=True) if known[shape] < times]
        known.update(set(shapes))
        if new:
            yield f"== {name}"
            yield from new
    yield "== digests"
    for kind in made_up_by_kind():
        yield f"{kind}: {digest_of(kind)}"


@cache
def made_up_by_kind() -> dict[str, list[Case]]:
    """The cases that are made up."""
    found: dict[str, list[Case]] = {}
    for name, said in made_up_cases():
        match = _KIND.match(name)
        assert match is not None
        found.setdefault(match[0], []).append((name, said))
    return found


def lines_of(kind: str) -> Iterator[str]:
    """All that is told of the cases of a kind."""
    for name, said in made_up_by_kind()[kind]:
        yield f"== {name}"
        yield from said()


def digest_of(kind: str) -> str:
    """What stands for all of that in the text."""
    return sha256("\n".join(lines_of(kind)).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def cases() -> Iterator[Case]:
    yield from _published()
    yield from _chainlink_calls()
    yield from _stork_calls()
    yield from _states()
    yield from made_up_cases()


# --- payloads -------------------------------------------------------------------------------------


def _published() -> Iterator[Case]:
    for entry in corpus.entries():
        for name, raw in _cut(entry.id, entry.raw):
            yield f"inspect {name}", partial(_view, raw)
            yield f"rows {name}", partial(_rows, raw)


def _cut(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The payload, and what is left of it after an accident."""
    yield name, raw
    yield f"{name} without its last byte", raw[:-1]
    yield f"{name} and a byte", raw + b"\x07"
    yield f"{name}, its first half", raw[: len(raw) // 2]


def _view(raw: bytes) -> Iterator[str]:
    try:
        view = payloads.inspect(raw)
    except Malformed as error:
        yield f"not recognised: {error}"
        return
    yield f"{view.form}, {view.size} bytes: {view.why}"
    for span in view.spans:
        said = [span.path, span.type, span.unit, span.said, span.meaning, span.problem or ""]
        yield f"  {span.offset}  " + " | ".join(said)
    if view.error is not None:
        yield f"  error {view.error}"


def _rows(raw: bytes) -> Iterator[str]:
    try:
        decoded = payloads.decode(raw)
    except Malformed as error:
        yield f"{type(error).__name__} {error}"
        return
    system = systems.of_value(decoded.value)
    if system is None:
        yield f"{decoded.form}: {decoded.why}"
        return
    yield f"{system.title(decoded.value)}: {decoded.why}"
    for row in system.rows(decoded.value, None):
        yield f"  {row.name}: {row.value}  {row.said}"
    for note in decoded.notes:
        yield f"  {note}"
    for found in payloads.recover(raw) if recognise.is_signed(decoded.value) else ():
        yield f"  signature {found.index}: {found.address or found.why} {found.high_s}"


# --- verdicts -------------------------------------------------------------------------------------


def _chainlink_calls() -> Iterator[Case]:
    for case in test_raw_calls.RANDOM:
        state, value = test_raw_calls.STATES[case["world"]], int(case["value"])

        def said(data: str = case["calldata"], state: Any = state, value: int = value) -> Any:
            yield from _verdict(chainlink.judge_calldata(data, state, value=value))
            for found in payloads.embedded(data):
                yield from _quote(found.raw, state)

        yield f"call {case['id']} of {state.contract}", said


def _quote(raw: bytes, state: Any) -> Iterator[str]:
    try:
        yield f"  quote {chainlink.quote(raw, state).to_dict()}"
    except (Malformed, Misuse) as error:
        yield f"  no quote: {error}"


def _stork_calls() -> Iterator[Case]:
    for case in test_stork_multisigner.LINES:
        if case["kind"] == "world" or "calldata" not in case:
            continue
        state = test_stork_multisigner.STATES[case["world"]]

        def said(case: Any = case, state: Any = state) -> Iterator[str]:
            try:
                value = int(case.get("value", 0))
                yield from _verdict(stork.judge_calldata(case["calldata"], state, value=value))
            except (Malformed, Misuse) as error:
                yield f"{type(error).__name__} {error}"

        yield f"call {case['id']} of {state.contract}", said


def _verdict(verdict: Verdict) -> Iterator[str]:
    record = jsonable(verdict.to_dict())
    yield f"{record['verdict']}"
    yield f"{verdict.sentence}"
    for check in record["checks"]:
        yield "  " + " ".join(f"{key}={value!r}" for key, value in check.items() if key != "rule")
    for finding in record["findings"]:
        yield f"  {finding['severity']} {finding['code']}: {finding['detail']}"


def _states() -> Iterator[Case]:
    every = {**test_raw_calls.STATES, **test_stork_multisigner.STATES}
    for name, state in every.items():
        yield f"state {name}", partial(_facts, state)


def _facts(state: State) -> Iterator[str]:
    for key, value in state.facts():
        yield f"  {key}: {value}"


# --- made up --------------------------------------------------------------------------------------


def made_up_cases() -> Iterator[Case]:
    yield from _made_up_states()
    for name, judge in made_up.calls():
        yield f"made call {name}", partial(_judged, judge)
    for name, state in made_up.chainlink_states():
        for what, raw in made_up.chainlink_payloads():
            yield f"made quote of {what}, {name}", partial(_quote_in_lines, raw, state)
    for name, raw in (*made_up.chainlink_payloads(), *made_up.of_each_schema(),
                      *made_up.stork_payloads()):  # fmt: skip
        yield f"made view of {name}", partial(_view, raw)
        yield f"made rows of {name}", partial(_rows, raw)
        yield f"made object of {name}", partial(_object, raw)
    for name, raw in made_up.damaged_words():
        yield f"made damage, {name}", partial(_damaged, raw)
    for name, raw in made_up.damaged_calls():
        yield f"made damage, {name}", partial(_damaged_call, raw)
    for name, read, record in made_up.json_objects():
        for change, other in made_up.changed(record):
            yield f"made change {name}{change}", partial(_read, read, other)
    for name, raw in made_up.surroundings():
        yield f"made bytes around, {name}", partial(_embedded, raw)


def _made_up_states() -> Iterator[Case]:
    for name, state in (*made_up.chainlink_states(), *made_up.stork_states()):
        yield f"made state {name}", partial(_state, state)


def _state(state: Any) -> Iterator[str]:
    yield from _facts(state)
    yield f"  {state.described()} | age {state.age()} | flat fee {state.flat_fee}"
    for key, value in (*state.to_dict().items(), *state.deciding().items()):
        yield f"  {key} is {value}"
    for ago in (NOW, 51, 50, 45, 41, 40, 35, 31, 30, 8, 7, 3, 2, 0):
        time = NOW - ago
        try:
            then = state.at(time)
        except Misuse as error:
            yield f"  at {time}: {error}"
        else:
            yield from (f"  at {time}: {key} is {value}" for key, value in then.to_dict().items())


def _judged(judge: Callable[[], Verdict]) -> Iterator[str]:
    try:
        verdict = judge()
    except (Malformed, Misuse) as error:
        yield from made_up.error_lines(error)
        return
    yield from _verdict(verdict)
    yield f"  {verdict.bills} | good until {verdict.good_until} | {verdict.payload}"
    yield f"  {verdict.error} {verdict.args} {verdict.revert_data!r}"


def _quote_in_lines(raw: bytes, state: Any) -> Iterator[str]:
    try:
        found = chainlink.quote(raw, state, now=NOW)
        other = chainlink.quote(raw, state, sender=made_up.OTHER)
        bulk = chainlink.quote_bulk([raw, raw], state, pay="native", now=NOW)
    except (Malformed, Misuse) as error:
        yield from made_up.error_lines(error)
        return
    yield from (f"  {key}: {value}" for key, value in found.to_dict().items())
    yield f"  {other.link} {other.native} {other.expires_in}"
    yield f"  {bulk.link} {bulk.native} {bulk.value} {bulk.reward()} {bulk.reward('native')}"


def _object(raw: bytes) -> Iterator[str]:
    try:
        found: Any = payloads.decode(raw).value
    except Malformed as error:
        yield from made_up.error_lines(error)
        return
    system: Any = chainlink if hasattr(found, "report") else stork
    yield from (f"  {key}: {value}" for key, value in system.to_dict(found).items())
    yield from (f"  {departure!r}" for departure in getattr(found, "departures", ()))


def _damaged(raw: bytes) -> Iterator[str]:
    try:
        found = chainlink.decode_envelope(raw)
    except Malformed as error:
        yield from made_up.error_lines(error)
        return
    yield from (f"  {part}" for part in found.parts)
    yield from (f"  {departure}" for departure in found.departures)
    yield f"  {found.encode() == raw}"


def _damaged_call(raw: bytes) -> Iterator[str]:
    try:
        call = chainlink.decode_call(raw)
    except Malformed as error:
        yield from made_up.error_lines(error)
        return
    yield f"  {call!r}"


def _read(read: Callable[[Any], Any], record: Any) -> Iterator[str]:
    try:
        found = read(record)
        raw = found.encode() if hasattr(found, "encode") else b""
    except (Malformed, Misuse) as error:
        yield from made_up.error_lines(error)
        return
    yield f"  {found!r} {raw.hex()}"


def _embedded(raw: bytes) -> Iterator[str]:
    for found in payloads.embedded(raw, signers=[SIGNER.address]):
        yield f"  {found.offset} to {found.end}: {found.system}, {found.why}"


if __name__ == "__main__":
    if sys.argv[1:]:
        print(*lines_of(" ".join(sys.argv[1:])), sep="\n")
    else:
        text = "\n".join([*chosen(), ""])
        TEXT.write_text(text, encoding="utf-8", errors="backslashreplace")
