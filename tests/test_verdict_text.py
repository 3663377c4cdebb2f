"""`verify --json` prints in one pass, out of what the checks found, what the slow ways give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from payloads import chainlink, systems
from payloads.chainlink.explanation import explain
from payloads.cli import terminal
from payloads.cli.verdict_text import VerdictTexts
from payloads.errors import PayloadError
from payloads.judging import Given
from payloads.judging import given as payloads_in
from payloads.strategies import Submission, submissions
from payloads.system import Terms
from payloads.verdicts.checks import Check, Explanation, Finding
from payloads.verdicts.signers import Signers
from payloads.verdicts.together import finish
from payloads.verdicts.verdict import Accepted, Verdict
from tests import corpus

STATE = chainlink.ChainlinkState.load(corpus.FIXTURES / "examples" / "state.json")


def printed(text: str | None) -> str | None:
    """A text as it is printed."""
    return None if text is None else terminal._json(text)


def read(frame: str | bytes | dict[str, Any]) -> list[Given] | str:
    try:
        return list(payloads_in(frame))
    except PayloadError as error:
        return str(error)


def slowly(verdict: Verdict) -> str:
    return terminal._compact(verdict.to_dict() | {"passed": verdict.passed, "hex": "0xab"})


@given(submissions())
@settings(max_examples=60)
def test_any_call(submission: Submission) -> None:
    texts, verdict = VerdictTexts(), submission.judge()
    assert printed(texts.text(verdict, b"\xab")) == slowly(verdict)
    assert read(submission.frame) == read(json.loads(submission.frame))
    if submission.payload:  # bytes that are no frame are a payload
        assert read(submission.frame.encode()) == read(submission.frame)
    if isinstance(verdict, Accepted) and submission.system == "chainlink":
        # What its checks found explains a call that passed them all.
        call = verdict._call
        assert verdict.why == explain(call)
    system, terms = systems.named(submission.system), Terms(**submission.terms)
    if system.judging_each is not None and not submission.function.startswith("verifyBulk"):
        # Terms that are looked at once.
        start = system.judging_each(submission.state, terms, signers := Signers())
        again = finish(start(bytes(submission.payload)), signers)
        assert (again, again.why) == (verdict, verdict.why)


@pytest.mark.parametrize("text", ["é", "\x7f", "\u202e", "\ud800", '"\\\n', "\x00"], ids=ascii)
def test_words_that_need_escapes(text: str) -> None:
    explanation = Explanation(
        (Check(text, text, {"it": text, "raw": b"\x01", "wide": 2**70}, None, text, text),),
        (Finding("code", "note", text, text, text),),
    )
    verdict = Accepted(b"\x02", None, STATE, 1, lambda: explanation)
    found = printed(VerdictTexts().text(verdict, b"\xab"))
    assert found == slowly(verdict) if text != "\ud800" else found is None
    listed: dict[str, Any] = {"values": [b"\x03", 2**60, True, None]}
    plain = Accepted(True, None, STATE, 1, lambda: Explanation((Check("a", "b", listed, True),)))
    assert VerdictTexts().text(plain, b"\xab") == slowly(plain)


def test_each_state_has_its_own_words() -> None:
    texts, none = VerdictTexts(), Explanation()
    for now in (1, 2, None, 1):
        verdict = Accepted(True, None, STATE, now, lambda: none)
        assert texts.text(verdict, b"\xab") == slowly(verdict)
