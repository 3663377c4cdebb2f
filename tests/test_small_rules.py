"""Rules that are easy to break unseen: each is a sentence of the docs or of a contract."""

from __future__ import annotations

from typing import Any

import pytest

import payloads
from payloads import State, chainlink, stork
from payloads.abi.fields import hexed
from payloads.chainlink.report import BareReport, UnknownReport
from payloads.chainlink.rows import rows, title
from payloads.crypto import CURVE_ORDER, keccak256, recover
from payloads.errors import Misuse
from payloads.stork.update import Asset
from payloads.verdicts.parallel import judge_in_parallel
from tests.test_limits import (
    NOW,
    SIGNER,
    chainlink_state,
    full_report,
    stork_state,
    update,
)

CALLER, OTHER = "0x" + "bb" * 20, "0x" + "cc" * 20


# --- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [None, [], [CALLER], [CALLER, OTHER]])
def test_who_may_call_is_written_and_told_as_it_was_read(allowed: Any) -> None:
    state = chainlink_state(access_controller={"allowed": allowed})
    assert State.from_dict(state.to_dict()) == state
    assert state.to_dict()["access_controller"]["allowed"] == allowed
    told = dict(state.facts())["may call"]
    if allowed:
        assert [word.lower() for word in told.split(", ")] == allowed
    else:
        assert told == ("anybody" if allowed is None else "nobody")


def test_what_ended_is_told_with_its_time() -> None:
    ended = [{"id": "0x" + "11" * 32}, {"id": "0x" + "22" * 32, "at": NOW}]
    state = chainlink_state("v0.3.0", deactivated_feeds=ended)
    told = [value for name, value in state.facts() if name == "deactivated feed"]
    assert told[0] == "0x" + "11" * 32
    assert told[1].startswith("0x" + "22" * 32 + "  since 2025-10-09")


def test_activation_times_may_be_one_second_apart_from_zero_on() -> None:
    config = chainlink_state("v0.4.0").to_dict()["configs"][0]
    others = [f"0x{index:040x}" for index in range(1, 17)]
    later = config | {"activation_time": 1, "signers": others}
    assert len(chainlink_state("v0.4.0", configs=[config, later]).configs) == 2
    with pytest.raises(Misuse, match="must rise"):
        chainlink_state("v0.4.0", configs=[config, later | {"activation_time": 0}])


def test_a_verdict_names_the_proxy_of_its_state() -> None:
    verdict = stork.judge(update(1), stork_state(proxy="0x" + "ab" * 20))
    assert "proxy 0x" + "ab" * 20 in verdict.sentence


# --- calls ----------------------------------------------------------------------------------------


def test_s_of_half_the_order_is_the_largest_that_stork_takes() -> None:
    body = update(1)[65:]
    for s, taken in ((CURVE_ORDER // 2, True), (CURVE_ORDER // 2 + 1, False)):
        r, s_ = (1).to_bytes(32, "big"), s.to_bytes(32, "big")
        signer = recover(keccak256(body), r, s_, 0)
        assert signer is not None
        state = stork_state(signer="0x" + signer.hex())
        assert stork.judge(r + s_ + b"\0" + body, state).returned is taken


def test_stork_takes_no_parameter_payload_by_any_door() -> None:
    raw, state = update(1), stork_state()
    for judge in (
        lambda: payloads.judge(raw, state, parameter_payload=b"\1"),
        lambda: payloads.judge(stork.encode_calldata(raw), state, parameter_payload=b"\1"),
        lambda: payloads.judge_many([raw], state, parameter_payload=b"\1"),
    ):
        with pytest.raises(Misuse):
            judge()


def test_many_are_judged_at_a_past_time() -> None:
    """`at` is the time judged at, too, unless `now` says another."""
    raw, state = full_report(), chainlink_state(fee_manager=None)
    (verdict,) = chainlink.judge_many([raw], state, at=NOW - 5)
    assert verdict.now == NOW - 5
    (verdict,) = chainlink.judge_many([raw], state, at=NOW - 5, now=NOW - 3)
    assert verdict.now == NOW - 3


@pytest.mark.parametrize("count", [1, 31, 32, 33, 200])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_is_judged_once_and_in_its_place(count: int, workers: int) -> None:
    judged: list[bytes] = []

    def judge(raw: bytes) -> Any:
        judged.append(raw)
        return raw

    given = [bytes([index % 150]) for index in range(count)]
    assert judge_in_parallel(judge, given, workers) == given
    assert sorted(judged) == sorted(set(given))


@pytest.mark.parametrize(
    ("given", "function", "expected"),
    [("one", "verifyBulk", "a list of payloads"), ("many", "verify", "one payload")],
)
def test_a_function_says_what_it_takes(given: str, function: str, expected: str) -> None:
    payload: Any = full_report() if given == "one" else [full_report()]
    with pytest.raises(Misuse) as caught:
        chainlink.encode_calldata(payload, function)
    assert caught.value.expected == expected


# --- payloads -------------------------------------------------------------------------------------


def test_an_object_without_a_signature_gets_zeros() -> None:
    record = stork.to_dict(SIGNER.sign([Asset(1, 2)], timestamp_ns=NOW), signers=False)
    for key in ("r", "s", "v"):
        del record[key]
    found = stork.from_dict(record)
    assert (found.r, found.s, found.v) == (bytes(32), bytes(32), 0)


def test_an_unknown_report_is_named_and_shown_word_by_word() -> None:
    words = (hexed(b"\x01" * 32), hexed(b"\x02" * 32))
    for version, label in ((None, "unknown schema"), (0x7F, "unknown schema 0x007f")):
        report = UnknownReport(version, None, words, hexed(b"\xab"), "for a test")
        assert report.schema_label == label
        bare = BareReport(report)
        assert title(bare) == f"Chainlink unsigned report, {label}"
        shown = [(row.name, row.value) for row in rows(bare, None)]
        assert shown == [
            ("words[0]", "0x" + "01" * 32), ("words[1]", "0x" + "02" * 32), ("tail", "0xab"),
        ]  # fmt: skip
