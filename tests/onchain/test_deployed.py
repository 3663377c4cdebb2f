"""`payloads.testing.deployed`: everything that a state says is so on the chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import encode

import payloads
from payloads import chainlink, stork
from payloads.errors import Misuse
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.testing import (
    LINK,
    SUBSCRIBER,
    InsecureTestNetwork,
    InsecureTestStorkSigner,
    SettableClock,
    cost,
    damaged,
    deployed,
)
from payloads.testing.onchain.encoding import calldata, selector
from payloads.testing.submission import Submission
from tests.onchain.build import ensure_artifacts

pytestmark = pytest.mark.onchain

NOW = 1_800_000_000
OTHER = "0x" + "99" * 20
FEED = b"\x00\x03" + b"\x5a" * 30
NETWORK = InsecureTestNetwork("deployed", 7, 2)
SIGNER = InsecureTestStorkSigner("deployed")
V3 = chainlink.schema_named("v3").record
CHAINLINK = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")
TENTH, HALF = str(10**17), str(5 * 10**17)


def signed(*, observed: int = NOW, expires: int = NOW + 60, **how: Any) -> chainlink.FullReport:
    report = V3(FEED, observed, observed, 10**12 + 7, 10**15 + 7, expires, 7, 7, 7)
    return NETWORK.sign(report, **how)


def state(generation: str, **keys: Any) -> chainlink.ChainlinkState:
    feeds = [FEED] if generation == "v0.3.0" else []
    return NETWORK.state(generation, feeds=feeds, now=NOW, **({"fees": True} | keys))


PAYLOAD = signed()


@pytest.mark.parametrize("generation", CHAINLINK)
def test_a_call_is_answered_as_it_is_judged(generation: str) -> None:
    terms = state(generation)
    contract = deployed(terms)
    bad = [signed(by=[0, 1]), signed(expires=NOW - 1), b"\1" * 300, b""]
    for pay in ("link", "native", "wrapped", OTHER, None, b"\1" * 40):
        for payload in (PAYLOAD, *bad):
            outcome = contract.verify(payload, pay=pay)
            assert outcome.agrees(payloads.judge(payload, terms, pay=pay)), (pay, outcome)
    accepted = contract.verify(PAYLOAD, pay="native")
    assert (bool(accepted), accepted.name, accepted.error) == (True, "accepted", None)
    assert accepted.returned == PAYLOAD.report_blob
    both = contract.verify_bulk([PAYLOAD, PAYLOAD], pay="native")
    assert both.returned == (PAYLOAD.report_blob,) * 2
    assert both.agrees(chainlink.judge_bulk([PAYLOAD] * 2, terms, pay="native"))
    assert not both.agrees(payloads.judge(PAYLOAD, terms, pay="native"))
    short = contract.verify(PAYLOAD, pay="native", value=1)
    assert short.agrees(payloads.judge(PAYLOAD, terms, pay="native", value=1))
    assert not short
    assert not short.agrees(payloads.judge(PAYLOAD, terms, pay="native"))
    view = contract.verify(PAYLOAD, function="verifyView")
    assert view.accepted is (generation == "v0.5.1")
    assert view.agrees(payloads.judge(PAYLOAD, terms, function="verifyView"))


@pytest.mark.parametrize("generation", CHAINLINK)
def test_gas_is_that_of_a_transaction_of_its_own(generation: str) -> None:
    terms = state(generation)
    contract = deployed(terms)
    first = [contract.verify(PAYLOAD, pay="link").gas_used for _ in range(3)]
    assert len(set(first)) == 1, "a call leaves nothing warm"
    expected = cost(PAYLOAD, terms, pay="link").gas
    # A first payment writes two slots that were empty.
    assert first[0] == expected + 2 * 17_100
    assert 21_000 < contract.verify(signed(by=[0]), pay="link").gas_used < first[0]


def test_gas_of_a_free_call_is_what_cost_says() -> None:
    for generation in CHAINLINK:
        terms = NETWORK.state(generation, feeds=[FEED] if generation == "v0.3.0" else (), now=NOW)
        found, expected = deployed(terms).verify(PAYLOAD).gas_used, cost(PAYLOAD, terms).gas
        assert found == expected, generation


@pytest.mark.parametrize("generation", CHAINLINK)
def test_time_is_that_of_the_clock(generation: str) -> None:
    clock = SettableClock(NOW)
    terms = clock.follow(state(generation))
    contract = deployed(terms, clock=clock)
    expired = "BadVerification" if generation == "v0.4.0" else "ExpiredReport"
    for step, error in ((0, None), (60, None), (1, expired), (-61, None)):
        clock.advance(step)
        outcome = contract.verify(PAYLOAD, pay="link")
        assert outcome.error == error
        assert outcome.agrees(payloads.judge(PAYLOAD, terms, pay="link"))
    assert contract.verify(PAYLOAD, pay="link", now=NOW + 61).error == expired


def test_a_contract_without_a_time_asks_for_one() -> None:
    contract = deployed(NETWORK.state("v0.5.0"))
    with pytest.raises(Misuse, match="the block of a call has a time"):
        contract.verify(PAYLOAD)
    assert contract.verify(PAYLOAD, now=NOW)


@pytest.mark.parametrize("generation", CHAINLINK)
def test_discounts_and_surcharge(generation: str) -> None:
    entries: list[dict[str, Any]] = [
        {"subscriber": OTHER, "token": "link", "discount": HALF, "feed_id": FEED},
        {"subscriber": SUBSCRIBER, "token": "native", "discount": HALF, "feed_id": FEED},
        {"token": "native", "discount": TENTH, "feed_id": FEED},
        {"token": "link", "discount": TENTH, "feed_id": FEED},
    ]
    if generation != "v0.3.0":
        entries.append({"subscriber": OTHER, "token": "native", "discount": TENTH, "feed_id": None})
    terms = state(generation, fees={"native_surcharge": TENTH, "discounts": entries})
    contract = deployed(terms)
    for sender in (SUBSCRIBER, OTHER, "0x" + "77" * 20):
        fee = chainlink.quote(PAYLOAD, terms, pay="native", sender=sender).value
        for value in (fee - 1, fee):
            how: dict[str, Any] = {"pay": "native", "value": value, "sender": sender}
            outcome = contract.verify(PAYLOAD, **how)
            assert outcome.accepted is (value == fee), (sender, value)
            assert outcome.agrees(payloads.judge(PAYLOAD, terms, **how))
        assert contract.verify(PAYLOAD, pay="link", sender=sender)


@pytest.mark.parametrize("generation", CHAINLINK)
@pytest.mark.parametrize("origins", [True, False])
@pytest.mark.parametrize("allowed", [None, [], [SUBSCRIBER, OTHER]])
def test_access(generation: str, origins: bool, allowed: list[str] | None) -> None:
    access = {"allowed": allowed, "admits_origins": origins}
    terms = state(generation, fees=False, access_controller=access)
    contract = deployed(terms)
    for sender in (SUBSCRIBER, OTHER, "0x" + "77" * 20):
        outcome = contract.verify(PAYLOAD, sender=sender)
        assert outcome.agrees(payloads.judge(PAYLOAD, terms, sender=sender))
        assert outcome.accepted is (allowed is None or origins or sender in allowed)


def test_configs_that_are_not_in_force() -> None:
    config = {"signers": list(NETWORK.signers), "f": 2}
    digests = ["0x" + bytes([0, 9, index]).hex() + "00" * 29 for index in range(4)]
    for generation in ("v0.3.0", "v0.5.0", "v0.5.1"):
        feed = {"feed_id": FEED} if generation == "v0.3.0" else {}
        named = [config | feed | {"config_digest": digest} for digest in digests]
        gone = ["0x" + "ee" * 32] if generation == "v0.3.0" else []
        terms = NETWORK.state(
            generation, feeds=[FEED], now=NOW,
            configs=[named[0], named[1] | {"active": False}, named[2] | {"removed_at": NOW},
                     named[3]],
            # The proxy may have forgotten a digest of which the state has no config.
            unset_digests=[digests[3], "0x" + "dd" * 32], deactivated_feeds=gone,
        )  # fmt: skip
        contract, found = deployed(terms), []
        for digest in digests:
            network = InsecureTestNetwork("deployed", 7, 2, config_digest=bytes.fromhex(digest[2:]))
            payload = network.sign(PAYLOAD.report_blob)
            outcome = contract.verify(payload)
            assert outcome.agrees(payloads.judge(payload, terms))
            found.append(outcome.name)
        assert [name == "accepted" for name in found] == [True, False, False, False]


def test_configs_of_v04_apply_from_their_times() -> None:
    old, new = InsecureTestNetwork("old", 7, 2), InsecureTestNetwork("new", 7, 2)
    configs = [
        {"signers": list(old.signers), "f": 2, "activation_time": NOW - 100},
        {"signers": list(NETWORK.signers), "f": 2, "activation_time": NOW - 50, "active": False},
        {"signers": list(new.signers), "f": 2, "activation_time": NOW + 50},
    ]
    terms = NETWORK.state("v0.4.0", now=NOW, configs=configs)
    contract, found = deployed(terms), set()
    for network in (old, NETWORK, new):
        for observed in (NOW - 101, NOW - 100, NOW - 50, NOW + 49, NOW + 50):
            payload = network.sign(V3(FEED, observed, observed, 1, 1, NOW + 99, 7, 7, 7))
            outcome = contract.verify(payload)
            assert outcome.agrees(payloads.judge(payload, terms))
            found.add(outcome.accepted)
    assert found == {True, False}


@pytest.mark.parametrize("kind", ["NoOpFeeManager 0.5.0", "NoOpFeeManager 0.5.1"])
@pytest.mark.parametrize("generation", ["v0.5.0", "v0.5.1"])
def test_fee_managers_that_do_nothing(generation: str, kind: str) -> None:
    for fees in (kind, {"type": kind, "link": None, "native": None}):
        terms = state(generation, fees=fees)
        contract = deployed(terms)
        for pay, value in ((None, 0), ("link", 5), (OTHER, 0)):
            outcome = contract.verify(signed(expires=1), pay=pay, value=value)
            assert outcome.agrees(payloads.judge(signed(expires=1), terms, pay=pay, value=value))
            assert outcome


@pytest.mark.parametrize("generation", [STORK, STORK_MULTISIGNER])
def test_stork(generation: str) -> None:
    payload = SIGNER.sign([stork.Asset(1, -5), stork.Asset(2, 10**18)], timestamp_ns=NOW * 10**9)
    wrong = InsecureTestStorkSigner("other").sign([], timestamp_ns=1)
    terms = SIGNER.state(generation, fee=7, now=NOW)
    contract = deployed(terms)
    for function in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
        for each in (payload, wrong, b"", b"\0" * 75):
            for how in ({"pay": "native"}, {"value": 6}, {"value": 8}):
                outcome = contract.verify(each, function=function, **how)
                assert outcome.agrees(payloads.judge(each, terms, function=function, **how))
    assert contract.verify(payload, pay="native").returned is True
    refused = contract.verify(wrong, pay="native")
    assert (refused.accepted, refused.returned, refused.name) == (False, False, "returns false")
    assert contract.verify(payload).error == "InsufficientFee"
    with pytest.raises(Misuse, match="no bulk call"):
        contract.verify_bulk([payload])
    # Another function of the contract: its bytes as they are.
    fee = contract.call(calldata("verificationFeeInWei()"))
    assert int.from_bytes(fee.returned, "big") == 7


def test_stork_before_it_was_initialised() -> None:
    for terms in (
        payloads.State.from_dict({"contract": STORK, "signer": "0x" + "00" * 20, "now": NOW}),
        payloads.State.from_dict({"contract": STORK_MULTISIGNER, "signers": [], "now": NOW}),
    ):
        for fee in (0, 7):
            record = {**terms.to_dict(), "verification_fee": fee}
            known = payloads.State.from_dict(record)
            contract = deployed(known)
            for payload in (SIGNER.sign([], timestamp_ns=1), b"\0" * 75):
                outcome = contract.verify(payload, pay="native")
                assert outcome.agrees(payloads.judge(payload, known, pay="native"))


def test_a_submission_is_answered_as_it_promises() -> None:
    for label in ("expired", "bit-flip", "short-value"):
        made = damaged(PAYLOAD, label, by=NETWORK, amount=1, state=state("v0.5.1"))
        assert isinstance(made, Submission)
        outcome = deployed(made.state).submit(made)
        assert outcome.agrees(made)
        assert outcome.agrees(made.judge())
        assert not outcome
    with pytest.raises(Misuse, match="a submission for a contract in another state"):
        deployed(state("v0.5.0")).submit(made)


def test_the_contract_lies_where_the_state_says() -> None:
    proxy = "0x" + "44" * 20
    for terms in (*(state(each, proxy=proxy) for each in CHAINLINK),
                  *(SIGNER.state(each, proxy=proxy, now=NOW) for each in (STORK, STORK_MULTISIGNER))
                  ):  # fmt: skip
        contract = deployed(terms)
        assert contract.address == proxy
        assert terms.contract in repr(contract)
        name = "owner()"
        assert contract.call(calldata(name)).returned.hex().endswith("d0" * 20), "it has an owner"
    assert deployed(state("v0.5.1")).address not in (proxy, "0x" + "00" * 20)


@pytest.mark.parametrize("generation", CHAINLINK)
def test_a_contract_of_the_users_own_calls_it(generation: str) -> None:
    contract = deployed(state(generation))
    code = ensure_artifacts()["Consumer"]["bytecode"]
    consumer = contract.deploy(code, encode(["address"], [contract.address]))
    pull = calldata("pull(bytes,bytes)", PAYLOAD.encode(), bytes(12) + bytes.fromhex(LINK[2:]))
    # It holds no tokens yet.
    assert not contract.call(pull, to=consumer, sender=OTHER)
    contract.fund(consumer)
    outcome = contract.call(pull, to=consumer, sender=OTHER)
    assert (outcome.accepted, outcome.returned) == (True, b"")
    contract.send(calldata("setPaused(bool)", True), to=consumer, sender=OTHER)
    paused = contract.call(pull, to=consumer, sender=OTHER)
    assert paused.revert_data == selector("Paused()")
    with pytest.raises(Misuse, match="the call reverted"):
        contract.send(calldata("setNothing()"), to=consumer)


def test_wrong_arguments_are_named() -> None:
    contract = deployed(state("v0.5.1"))
    wrong: dict[str, Callable[[], Any]] = {
        "function": lambda: contract.verify(PAYLOAD, function="verifyBulk"),
        "pay": lambda: contract.verify(PAYLOAD, function="verifyView", pay="link"),
        "payload": lambda: contract.verify(chainlink.encode_calldata(PAYLOAD)),
        "sender": lambda: contract.verify(PAYLOAD, sender="0x12"),
        "now": lambda: contract.verify(PAYLOAD, now="noon"),  # type: ignore[arg-type]
        "value": lambda: contract.call(b"", value=-1),
    }
    for field, call in wrong.items():
        with pytest.raises(Misuse) as error:
            call()
        assert error.value.field == field
    with pytest.raises(Misuse, match="verify takes one payload"):
        contract.verify_bulk([PAYLOAD], function="verify")
    assert contract.call(b"").revert_data == b""


def test_a_state_that_no_contract_can_have() -> None:
    config = {"signers": list(NETWORK.signers), "f": 2}
    twice = [config | {"activation_time": time} for time in (1, 2)]
    refused = r"refuse this state: setConfig.* reverts, found DonConfigAlreadyExists"
    with pytest.raises(Misuse, match=refused):
        deployed(NETWORK.state("v0.4.0", configs=twice))
    access = {"allowed": [], "admits_origins": True}
    with pytest.raises(Misuse, match="the subscriber is a contract"):
        deployed(state("v0.5.1", subscriber_is_contract=True, access_controller=access))
    with pytest.raises(Misuse):
        deployed({"contract": "v0.5.1"})  # type: ignore[arg-type]
