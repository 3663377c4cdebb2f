"""A caller's mistakes are answered by the documented errors, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import payloads
from payloads import State, capture, chainlink, stork
from payloads.chain import save_state
from payloads.errors import PayloadError
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus
from tests.checks import assert_sound

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "fixtures" / "examples"
STATE = State.load(EXAMPLES / "state.json")
REPORT: Any = corpus.entry("cl-003").text


def nested(depth: int) -> list[Any]:
    """A list in a list in a list: deeper than any parser would make it."""
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


DEEP = nested(100_000)
# Not typed as their functions want them, which is the point.
judge: Any = payloads.judge
MISTAKES: dict[str, Callable[[], Any]] = {
    "a lone surrogate in a frame": lambda: payloads.decode('{"a":"\udcff"}'),
    "a lone surrogate": lambda: payloads.decode("\udcff"),
    "a lone surrogate to judge": lambda: judge('{"a":"\udcff"}', STATE),
    "a payload of one byte": lambda: chainlink.recover("0x00"),
    "no payload": lambda: payloads.decode(None),
    "a number": lambda: payloads.recover(5),
    "a list too deep": lambda: payloads.inspect({"fullReport": DEEP}),
    "a time in words": lambda: judge(REPORT, STATE, now="now"),
    "a time with a fraction": lambda: judge(REPORT, STATE, now=1.5),
    "a past time in words": lambda: judge(REPORT, STATE, at="then"),
    "a value in words": lambda: judge(REPORT, STATE, value="1"),
    "a value in words for no payload": lambda: chainlink.judge_many([], STATE, value="1"),  # type: ignore[arg-type]
    "a value too large": lambda: judge(REPORT, STATE, value=2**256),
    "a sender that is none": lambda: judge(REPORT, STATE, sender="me"),
    "a function that is none": lambda: judge(REPORT, STATE, function=5),
    "a way of paying that is none": lambda: judge(REPORT, STATE, pay=5),
    "no state": lambda: judge(REPORT, None),
    "calldata without a state": lambda: chainlink.judge_calldata("0x00", None),  # type: ignore[arg-type]
    "a number of payloads": lambda: payloads.judge_many(5, STATE),  # type: ignore[arg-type]
    "one payload as many": lambda: payloads.judge_many(REPORT, STATE),
    "a text for an object": lambda: chainlink.from_dict("x"),  # type: ignore[arg-type]
    "a text for an update": lambda: stork.from_dict("x"),  # type: ignore[arg-type]
    "a text for a state": lambda: State.from_dict("x"),  # type: ignore[arg-type]
    "a state too deep": lambda: State.from_dict({"contract": "v0.5.0", "configs": DEEP}),
    "a path with a NUL": lambda: State.load("a\0b"),
    "a capture's path with a NUL": lambda: list(capture.read_records("a\0b")),
    "an importer's path with a NUL": lambda: list(capture.import_records("a\0b")),
    "a writer's path with a NUL": lambda: capture.CaptureWriter("a\0b"),
    "a saved state's path with a NUL": lambda: save_state(STATE, "a\0b"),
    "a venue that is no text": lambda: capture.CaptureWriter("a", venue="\udcff"),
    "an imported venue that is no text": lambda: list(capture.import_records("a", venue="\udcff")),
    "a seed that is no text": lambda: InsecureTestNetwork("\udcff"),
    "a number signed": lambda: InsecureTestNetwork().sign(3),  # type: ignore[arg-type]
    "signed by an oracle that is none": lambda: InsecureTestNetwork().sign(b"", by=[16]),
    "signed by the last oracle from behind": lambda: InsecureTestNetwork().sign(b"", by=[-1]),
    "signed by a number": lambda: InsecureTestNetwork().sign(b"", by=3),  # type: ignore[arg-type]
    "assets that are none": lambda: InsecureTestStorkSigner().sign([5], timestamp_ns=1),  # type: ignore[list-item]
    "a numeral with an underscore": lambda: judge("0x1_0", STATE),
    "a negative hex number": lambda: judge("-0x5", STATE),
    "a quote for no time": lambda: chainlink.quote(REPORT, STATE, now="x"),  # type: ignore[arg-type]
    "a number compressed": lambda: chainlink.decompress(5),  # type: ignore[arg-type]
    "calldata of a number": lambda: chainlink.encode_calldata(5),  # type: ignore[arg-type]
    "signers that are none": lambda: chainlink.expect_signers(REPORT, 5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(mistake: str) -> None:
    with pytest.raises(PayloadError) as caught:
        MISTAKES[mistake]()
    assert_sound(caught.value)


@given(st.text(st.characters(categories=["Cs"]) | st.characters(), max_size=60))
def test_any_text_is_decoded_or_told(text: str) -> None:
    for frame in (text, '{"report":{"fullReport":"' + text + '"}}', "[" + text + "]"):
        try:
            payloads.decode(frame)
        except PayloadError as error:
            assert_sound(error)


def test_deep_values_are_told_where_the_recursion_limit_is_raised() -> None:
    """web3.py and others raise it to 100,000: then recursion ends the process and not the call."""
    code = """
import sys
sys.setrecursionlimit(100_000)
from tests.test_misuse import DEEP, KEYS, MISTAKES, STATE
from payloads import State
from payloads.errors import PayloadError

told = 0
for mistake in ("a list too deep", "a state too deep"):
    try:
        MISTAKES[mistake]()
    except PayloadError as error:
        told += len(str(error)) < 300
for key in KEYS:
    try:
        repr(State.from_dict(STATE.to_dict() | {key: DEEP}))
    except PayloadError as error:
        told += 1
print(told)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == str(2 + len(KEYS)), ran.stderr


KEYS = [*STATE.to_dict()]
VALUES = [
    9_000_000_000, 2**70, 10**5000, -1, True, 1.5, "x", "0x", "\udcff", [1] * 20, {}, DEEP, [[]],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_state_with_any_value_is_read_or_told(key: str) -> None:
    for value in VALUES:
        try:
            state = State.from_dict(STATE.to_dict() | {key: value})
        except PayloadError as error:
            assert_sound(error)
        else:
            assert repr(state)
