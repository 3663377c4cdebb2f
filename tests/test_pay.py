"""One word for paying, `pay`: what it means to every function and contract that takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import payloads
from payloads import chainlink, stork
from payloads.chain import build_transaction
from payloads.chainlink import quotes
from payloads.chainlink.calldata import FUNCTIONS
from payloads.chainlink.state import GENERATIONS, ChainlinkState
from payloads.errors import Malformed, Misuse, Refused
from payloads.verdicts.checks import Check
from payloads.verdicts.verdict import Verdict
from tests.cli.test_verify import run
from tests.test_limits import stork_state, update
from tests.test_verify import CALLER, LINK, NATIVE, fees, payload, report, state

WORDS = {"link": LINK, "native": NATIVE, "wrapped": NATIVE}
PROXY = "0x" + "77" * 20
STATE, REPORT = "fixtures/examples/state.json", "fixtures/examples/report.hex"
STORK_STATE, UPDATE = "fixtures/examples/stork-state.json", "fixtures/examples/update.hex"


def named(token: str) -> bytes:
    return bytes(12) + bytes.fromhex(token[2:])


def costly(generation: str = "v0.5.0", **changes: Any) -> tuple[bytes, ChainlinkState]:
    return payload(report(link=7, native=1000)), state(generation, fee_manager=fees(**changes))


def check(verdict: Verdict, name: str) -> Check:
    return next(each for each in verdict.checks if each.name == name)


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
@pytest.mark.parametrize("pay", ["link", "native", "wrapped", LINK, NATIVE, named(LINK)])
def test_each_way_is_accepted_by_each_generation(generation: str, pay: Any) -> None:
    raw, known = costly(generation)
    one = chainlink.judge(raw, known, pay=pay)
    many = chainlink.judge_bulk([raw, raw], known, pay=pay)
    assert one.accepted, one.explanation
    assert many.accepted, many.explanation
    assert payloads.judge(raw, known, pay=pay) == one
    assert payloads.judge_many([raw], known, pay=pay) == [one]


def test_native_sends_the_fee_and_no_more() -> None:
    raw, known = costly(native_surcharge=str(10**17))
    verdict = chainlink.judge(raw, known, pay="native")
    assert check(verdict, "deposit").inputs["value"] == 1100 == quotes.quote(raw, known).value
    assert "refund" not in {finding.code for finding in verdict.findings}
    bulk = chainlink.judge_bulk([raw, raw], known, pay="native")
    assert check(bulk, "deposit").inputs["value"] == 2200
    assert chainlink.judge(raw, known, pay="native", value=1099).error == "InvalidDeposit"
    for wallet in ("link", "wrapped"):
        assert check(chainlink.judge(raw, known, pay=wallet), "deposit").inputs["value"] == 0


def test_ways_that_contradict_the_value_are_misuse() -> None:
    raw, known = costly()
    with pytest.raises(Misuse, match=r'expected 1000, or pay="wrapped"'):
        chainlink.judge(raw, known, pay="native", value=0)
    with pytest.raises(Misuse, match=r'0, or pay="native"'):
        chainlink.judge(raw, known, pay="wrapped", value=1000)
    free = state(fee_manager=fees(discounts=[{"token": "native", "discount": str(10**18)}]))
    assert chainlink.judge(raw, free, pay="native", value=0).accepted  # nothing is due


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_forgetting_it_is_told_with_what_to_write(generation: str) -> None:
    raw, known = costly(generation)
    words = r'no pay= given: .* write pay="link", pay="native" or pay="wrapped" \(in a shell'
    calls: dict[str, Callable[[], Verdict]] = {
        "payload": lambda: payloads.judge(raw, known),
        "calldata": lambda: payloads.judge(chainlink.encode_calldata(raw), known),
        "bulk": lambda: payloads.judge(chainlink.encode_calldata([raw]), known),
    }
    for name, judge in calls.items():
        verdict = judge()
        assert not verdict.accepted, name
        with pytest.raises(Refused, match=words):
            verdict.raise_if_refused()
        assert "no pay= given" in verdict.explanation
    with pytest.raises(Misuse, match=words):
        chainlink.encode_calldata(raw, state=known)


def test_a_token_that_is_neither_reverts_as_the_contract_does() -> None:
    raw, known = costly()
    for pay in ("0x" + "99" * 20, bytes(12) + b"\x99" * 20):
        assert payloads.judge(raw, known, pay=pay).error == "InvalidQuote"


@pytest.mark.parametrize("pay", ["ether", "LINK", "0x12", "0x", "", 5, [], {}])
def test_no_other_words(pay: Any) -> None:
    raw, known = costly()
    for call in (
        lambda: payloads.judge(raw, known, pay=pay),
        lambda: quotes.quote(raw, known, pay=pay),
        lambda: chainlink.encode_calldata(raw, pay=pay, state=known),
    ):
        with pytest.raises(Misuse):
            call()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_where_nothing_is_charged_each_word_pays_nothing(generation: str) -> None:
    raw, known = payload(), state(generation)
    for pay in WORDS:
        verdict = payloads.judge(raw, known, pay=pay)
        assert verdict.accepted, verdict.explanation
        assert "value-kept" not in {finding.code for finding in verdict.findings}
        assert chainlink.encode_calldata(raw, pay=pay, state=known) == (
            chainlink.encode_calldata(raw)
        )


# --- calldata -------------------------------------------------------------------------------------


def test_calldata_names_the_token_of_the_word() -> None:
    raw, known = costly()
    for pay, token in WORDS.items():
        made = chainlink.encode_calldata([raw], pay=pay, state=known)
        assert made == chainlink.encode_calldata([raw], pay=token)
        assert chainlink.decode_call(made).parameter_payload == named(token)
        with pytest.raises(Misuse, match="a state is needed"):
            chainlink.encode_calldata(raw, pay=pay)
    with pytest.raises(Misuse, match="another system"):
        chainlink.encode_calldata(raw, pay="link", state=stork_state())
    with pytest.raises(Misuse, match="calldata says itself"):
        payloads.judge(made, known, pay="link")


def test_views_are_not_billed() -> None:
    raw, known = payload(), state("v0.5.1", fee_manager=fees())
    assert chainlink.encode_calldata(raw, "verifyView", state=known)
    for pay in ("link", "native", LINK):
        with pytest.raises(Misuse, match="not billed"):
            chainlink.encode_calldata(raw, "verifyView", pay=pay, state=known)
        with pytest.raises(Misuse, match="a view pays nothing"):
            payloads.judge(raw, known, function="verifyView", pay=pay)


# --- quotes ---------------------------------------------------------------------------------------


def test_a_quote_of_one_way() -> None:
    raw, known = costly()
    for pay, value in {"link": 0, "native": 1000, "wrapped": 0, LINK: 0, NATIVE: 0}.items():
        found = quotes.quote(raw, known, pay=pay)
        assert found.value == value == quotes.quote_bulk([raw], known, pay=pay).value, pay
        assert found.pay == {LINK: "link", NATIVE: "wrapped"}.get(pay, pay)
        assert found.to_dict()["pay"] == found.pay
    assert quotes.quote(raw, known).charge("wrapped") == quotes.quote(raw, known).native
    with pytest.raises(Misuse, match="takes LINK and wrapped native only"):
        quotes.quote(raw, known, pay="0x" + "99" * 20)
    with pytest.raises(Misuse, match="no fee manager charges"):
        quotes.quote(raw, state(), pay=b"")
    with pytest.raises(Misuse, match="link or native or wrapped"):
        quotes.quote(raw, known).charge("ether")


# --- Stork ----------------------------------------------------------------------------------------


def test_storks_fee_is_paid_in_native() -> None:
    raw, known = update(1), stork_state(verification_fee=1000)
    for pay in ("link", "wrapped", NATIVE, b"\1"):
        with pytest.raises(Misuse, match="paid in native only"):
            payloads.judge(raw, known, pay=pay)
        with pytest.raises(Misuse, match="paid in native only"):
            stork.encode_calldata(raw, pay=pay)
    calldata = stork.encode_calldata(raw, pay="native", state=known)
    for subject in (raw, calldata):
        assert payloads.judge(subject, known, pay="native") == (
            payloads.judge(subject, known, value=1000)
        )
        assert payloads.judge(subject, known, pay="native", value=999).error == "InsufficientFee"
        forgotten = payloads.judge(subject, known)
        with pytest.raises(Refused, match=r'no pay= given: .* write pay="native"'):
            forgotten.raise_if_refused()
    with pytest.raises(Misuse, match="no pay= given"):
        stork.encode_calldata(raw, state=known)
    assert stork.encode_calldata(raw, state=stork_state(verification_fee=0))


# --- transactions ---------------------------------------------------------------------------------


def test_a_transaction_is_made_of_payloads_and_the_word() -> None:
    raw, known = costly()
    placed = ChainlinkState.from_dict(known.to_dict() | {"proxy": PROXY, "chain_id": 1})
    for pay, value in {"link": 0, "native": 1000, "wrapped": 0}.items():
        made = build_transaction(raw, placed, pay=pay, sender=CALLER)
        assert made["value"] == value
        assert (made["to"], made["chainId"]) == (PROXY, 1)
        assert made["from"].lower() == CALLER
        verdict = payloads.judge(made["data"], placed, value=made["value"], sender=CALLER)
        assert verdict == payloads.judge(raw, placed, pay=pay, sender=CALLER)
        many = build_transaction([raw, raw], placed, pay=pay)
        assert (many["value"], many["data"][:10]) == (2 * value, "0x" + FUNCTIONS[1].selector.hex())
    with pytest.raises(Misuse, match="no pay= given"):
        build_transaction(raw, placed)
    with pytest.raises(Misuse, match="which contract it is of"):
        build_transaction(raw, known, pay="link")
    with pytest.raises(Misuse, match="not one payload"):
        build_transaction(chainlink.encode_calldata(raw), placed, pay="link")
    with pytest.raises(Misuse, match="a payload of stork"):
        build_transaction(update(1), placed, pay="link")
    with pytest.raises(Malformed):
        build_transaction("", placed, pay="link")


def test_a_transaction_to_stork() -> None:
    known = stork_state(verification_fee=1000, proxy=PROXY)
    made = build_transaction(update(1), known, pay="native")
    assert made == {
        "to": PROXY, "value": 1000, "data": "0x" + stork.encode_calldata(update(1)).hex(),
    }  # fmt: skip
    with pytest.raises(Misuse, match="one payload a call"):
        build_transaction([update(1)], known, pay="native")
    with pytest.raises(Misuse, match="paid in native only"):
        build_transaction(update(1), known, pay="link")


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize("pay", ["link", "native", "wrapped", "0x" + "1c" * 20])
def test_verify_in_a_shell(pay: str) -> None:
    assert run("verify", "--state", STATE, "--pay", pay, REPORT).exit_code == 0


def test_forgetting_it_in_a_shell() -> None:
    result = run("verify", "--state", STATE, REPORT)
    assert result.exit_code == 1
    assert "no pay= given" in result.stdout
    assert "--pay" in result.stdout
    result = run("encode", "--to", "verify", "--state", STATE, REPORT)
    assert result.exit_code == 2
    assert "no pay= given" in result.stderr
    result = run("encode", "--to", "verify", "--pay", "link", REPORT)
    assert "a state is needed" in result.stderr
    result = run("encode", "--to", "report", "--pay", "link", REPORT)
    assert "only calldata pays" in result.stderr


def test_encode_in_a_shell() -> None:
    result = run("encode", "--to", "verify", "--pay", "link", "--state", STATE, REPORT)
    raw = Path(REPORT).read_text().strip()
    known = ChainlinkState.load(STATE)
    expected = chainlink.encode_calldata(raw, pay="link", state=known)
    assert result.stdout.strip() == "0x" + expected.hex()


def test_quote_in_a_shell() -> None:
    shown = run("quote", "--state", STATE, "--pay", "link", REPORT).stdout
    assert "fee in LINK" in shown
    assert "fee in native" not in shown
    assert "paid in native" not in shown
    shown = run("quote", "--state", STATE, "--pay", "wrapped", REPORT, REPORT).stdout
    assert "fee in LINK" not in shown
    assert "value to send          0 " in shown
    assert "paid in wrapped native where the fee manager holds LINK" in shown
    asked = run("quote", "--state", STATE, "--pay", "native", "--json", REPORT).stdout
    record = json.loads(asked)
    assert (record["pay"], record["value"]) == ("native", str(record["native"]["fee"]))
    refused = run("quote", "--state", STORK_STATE, "--pay", "link", UPDATE)
    assert refused.exit_code == 2
    assert "paid in native only" in refused.stderr


def test_calldata_is_sent_without_value_unless_one_is_given() -> None:
    raw, known = costly()
    data = chainlink.encode_calldata(raw, pay=NATIVE)
    unpaid = chainlink.judge_calldata(data, known)
    paid = chainlink.judge_calldata(data, known, value=1000)
    assert check(unpaid, "deposit").inputs["value"] == 0
    assert check(paid, "deposit").inputs["value"] == 1000
