"""What `payloads` says about payloads and calls, as text: written once, and held by a test.

    python -m tests.explained          # writes fixtures/explanations.txt anew; read the diff

The cases are the recorded calls and the published payloads of `fixtures/`. Of those, the first that
shows something new is taken: a check that ends in a new way, a finding, a kind of byte range. So
every sentence stands in the text a few times at most. The text says nothing about the chain, which
the outcomes beside it record; it holds what a reader is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import payloads
from payloads import State, chainlink, recognise, stork, systems
from payloads.abi.fields import jsonable
from payloads.errors import Malformed, Misuse
from payloads.verdicts.verdict import Verdict
from tests import corpus, test_raw_calls, test_stork_multisigner

TEXT = Path(__file__).parents[1] / "fixtures" / "explanations.txt"
# Values differ from case to case; what they stand in is new or not.
_VALUES = re.compile(r"0x[0-9a-fA-F]*|\[.*\]|-?\d[\d.: -]*|'[^']*'")
_TIMES = 2

Case = tuple[str, Callable[[], Iterable[str]]]


def chosen() -> Iterator[str]:
    """The text: from each case the lines that say something for the first or second time."""
    known: Counter[str] = Counter()
    for name, said in cases():
        found = list(said())
        shapes = [_VALUES.sub("…", line) for line in found]
        new = [line for line, shape in zip(found, shapes, strict=True) if known[shape] < _TIMES]
        known.update(set(shapes))
        if new:
            yield f"== {name}"
            yield from new


def cases() -> Iterator[Case]:
    yield from _published()
    yield from _chainlink_calls()
    yield from _stork_calls()
    yield from _states()


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


if __name__ == "__main__":
    TEXT.write_text("\n".join([*chosen(), ""]), encoding="utf-8")
