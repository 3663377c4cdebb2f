"""Transactions through a contract of one's own: what is judged, and what the node's run adds."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from payloads.chain import (
    Policy,
    PolicyRefusal,
    States,
    judge_transaction,
    refuse_transaction,
    send_guarded,
)
from payloads.chainlink import encode_calldata
from payloads.chainlink.errors import (
    ACCESS_FORBIDDEN,
    BAD_VERIFICATION,
    INVALID_DEPOSIT,
    INVALID_QUOTE,
    REFUND_FAILED,
)
from payloads.errors import Misuse
from payloads.stork.errors import INSUFFICIENT_FEE
from payloads.verdicts.verdict import ContractRefusal, Verdict
from tests.chain.stork_chain import ADDRESS
from tests.chain.test_guard import (
    FEE,
    KEEPER,
    LINK,
    NATIVE,
    OTHER,
    STRANGER,
    Web3Like,
    chainlink,
    report,
    stork,
    update,
)

CONSUMER = "0x" + "c0" * 20
POLICY = Policy(consumers=(CONSUMER,))
SELECTOR = b"\x12\x34\x56\x78"
NOTE = "through-consumer"


def through(*payloads: bytes, **changes: Any) -> dict[str, Any]:
    """A call of the consumer with these payloads, in an array of tuples."""
    orders = [(1, payload, OTHER) for payload in payloads]
    data = SELECTOR + encode(["(uint256,bytes,address)[]"], [orders])
    return {"from": KEEPER, "to": CONSUMER, "data": data, **changes}


def runs(w3: Web3Like, revert: bytes | None = None, refuses: bool = False) -> list[Any]:
    """Let the node's run of transactions end so; the runs that are asked for."""
    asked: list[Any] = []

    def eth_call(call: dict[str, Any], block: str) -> dict[str, Any]:
        asked.append((call, block))
        if refuses:
            return {"error": {"code": -32000, "message": "no such method"}}
        if revert is None:
            return {"result": "0x"}
        error = {"code": 3, "message": "execution reverted", "data": "0x" + revert.hex()}
        return {"error": error}

    w3.chain.eth_call = eth_call  # type: ignore[method-assign]
    return asked


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def test_a_payload_for_a_consumer_is_judged_and_run() -> None:
    w3, state = chainlink()
    asked = runs(w3)
    transaction = through(report(w3), value=5)
    sent = send_guarded(w3, transaction, state, POLICY)
    assert sent.verdict
    assert NOTE in codes(sent.verdict)
    (note,) = (each for each in sent.findings if each.code == NOTE)
    assert "not known is which of its payloads" in note.sentence
    assert "paid in LINK" in note.detail
    ((call, block),) = asked
    assert (call["from"].lower(), call["value"]) == (KEEPER, "0x5")
    assert call["to"].lower() == CONSUMER
    assert block == hex(w3.chain.head)


def test_an_unknown_target_is_misuse_still() -> None:
    w3, state = chainlink()
    runs(w3)
    for policy in (Policy(), Policy(consumers=(OTHER,))):
        with pytest.raises(Misuse, match="another contract") as caught:
            send_guarded(w3, through(report(w3)), state, policy)
        assert caught.value.field == "to"
    with pytest.raises(Misuse, match="carries no payload"):
        send_guarded(w3, through(b"nothing"), state, POLICY)
    with pytest.raises(Misuse, match="carries no payload") as caught:
        send_guarded(w3, through(update()), state, POLICY)
    assert caught.value.found == "stork"
    assert w3.sent == []


def test_each_payload_is_judged_and_the_first_refused_is_named() -> None:
    w3, state = chainlink()
    good = report(w3)
    bad = good[:-40] + bytes([good[-40] ^ 1]) + good[-39:]
    stale = report(w3, valid_for=-5)
    runs(w3, BAD_VERIFICATION.data())
    verdict = judge_transaction(w3, through(good, bad, stale), state, POLICY)
    assert verdict.error == "BadVerification"
    assert verdict.payload == 1
    assert verdict.refusal == "payload 1: BadVerification"
    assert {check.payload for check in verdict.problems} == {1, 2}
    assert "node-disagrees" not in codes(verdict)
    with pytest.raises(ContractRefusal, match="payload 1: BadVerification"):
        send_guarded(w3, through(good, bad, stale), state, POLICY)
    runs(w3)
    verdict = judge_transaction(w3, through(good, good), state, POLICY)
    assert verdict.accepted
    assert len(verdict.returned) == 2
    assert [check.payload for check in verdict.checks if check.decided] == []


def test_the_consumer_is_the_sender_and_the_keeper_the_origin() -> None:
    w3, _ = chainlink()
    runs(w3)
    raw = report(w3)
    read = {"allowed": [], "admits_origins": True}
    for access, accepted in (
        ({"allowed": [CONSUMER]}, True),
        ({"allowed": [KEEPER]}, False),
        (read, False),
        (read | {"allowed": [CONSUMER]}, True),
    ):
        _, state = chainlink(access_controller=access)
        transaction = through(raw)
        assert judge_transaction(w3, transaction, state, POLICY).accepted is accepted
        del transaction["from"]
        assert judge_transaction(w3, transaction, state, POLICY).accepted is accepted
    _, own = chainlink(subscriber=CONSUMER, subscriber_is_contract=True)
    assert send_guarded(w3, through(raw), own, POLICY)
    _, keepers = chainlink(subscriber=KEEPER)
    with pytest.raises(Misuse, match="another subscriber") as caught:
        send_guarded(w3, through(raw), keepers, POLICY)
    assert caught.value.field == "to"


@pytest.mark.parametrize("error", [ACCESS_FORBIDDEN, BAD_VERIFICATION])
def test_a_verifier_that_reverts_though_we_accept_is_an_alarm(error: Any) -> None:
    w3, state = chainlink()
    runs(w3, error.data())
    with pytest.raises(PolicyRefusal, match="node-disagrees") as caught:
        send_guarded(w3, through(report(w3)), state, POLICY)
    assert error.name in str(caught.value)
    assert w3.sent == []
    verdict = judge_transaction(w3, through(report(w3)), state, POLICY)
    assert verdict.accepted
    (alarm,) = (each for each in verdict.findings if each.code == "node-disagrees")
    assert alarm.severity == "danger"


def test_a_run_that_passes_though_we_refuse_is_an_alarm() -> None:
    """The consumer drops the payload, or swallows the revert, or the state is wrong."""
    w3, state = chainlink()
    runs(w3)
    verdict = judge_transaction(w3, through(report(w3, valid_for=-5)), state, POLICY)
    assert verdict.error == "ExpiredReport"
    assert "node-disagrees" in codes(verdict)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (INVALID_QUOTE.data(), "InvalidQuote, as for a payment or a refund that is not taken"),
        (INVALID_DEPOSIT.data(), "InvalidDeposit, as for a payment or a refund that is not taken"),
        (bytes.fromhex("08c379a0") + encode(["string"], ["paused"]), "paused"),
        (b"\x9e\x87\xfa\xc8", "0x9e87fac8"),
        (REFUND_FAILED.data(), "RefundFailed, as for a payment or a refund that is not taken"),
    ],
)
def test_a_run_that_reverts_for_other_reasons_stops_the_transaction(
    data: bytes, match: str
) -> None:
    w3, state = chainlink()
    runs(w3, data)
    transaction = through(report(w3, native_fee=1_000))
    with pytest.raises(PolicyRefusal, match="run-reverts") as caught:
        send_guarded(w3, transaction, state, POLICY)
    assert match in str(caught.value)
    assert refuse_transaction(w3, transaction, state, Policy(consumers=(CONSUMER,), refuse=()))


def test_the_run_is_compared_with_the_verdict_of_its_own_time() -> None:
    """A report that expires within the margin passes the run and is refused, without an alarm."""
    w3, state = chainlink()
    runs(w3)
    verdict = judge_transaction(w3, through(report(w3, valid_for=5)), state, POLICY)
    assert verdict.error == "ExpiredReport"
    assert "node-disagrees" not in codes(verdict)


def test_a_run_that_the_node_refuses_is_not_taken_for_fine() -> None:
    w3, state = chainlink()
    runs(w3, refuses=True)
    with pytest.raises(Misuse, match="refuses eth_call"):
        send_guarded(w3, through(report(w3)), state, POLICY)
    assert w3.sent == []


def test_the_policy_looks_at_every_payload() -> None:
    w3, state = chainlink()
    runs(w3)
    listed = Policy(consumers=(CONSUMER,), feeds=(bytes(32),))
    with pytest.raises(PolicyRefusal, match="a feed that is not listed"):
        refuse_transaction(w3, through(report(w3)), state, listed)
    dear = Policy(consumers=(CONSUMER,), max_fee=4)
    with pytest.raises(PolicyRefusal, match="max_fee"):
        refuse_transaction(w3, through(report(w3), value=5), state, dear)


def test_stork_through_a_consumer() -> None:
    w3, state = stork()
    runs(w3)
    good = update()
    verdict = judge_transaction(w3, through(good, value=FEE), state, POLICY)
    assert verdict.accepted
    # The consumer may pay from its own ether.
    assert judge_transaction(w3, through(good), state, POLICY).accepted
    refused = judge_transaction(w3, through(good, update(STRANGER)), state, POLICY)
    assert not refused
    assert "node-disagrees" in codes(refused)
    runs(w3, INSUFFICIENT_FEE.data())
    with pytest.raises(PolicyRefusal, match="payment"):
        refuse_transaction(w3, through(good), state, POLICY)


def test_payloads_of_another_system_are_told() -> None:
    w3, state = chainlink()
    runs(w3)
    verdict = judge_transaction(w3, through(report(w3), update()), state, POLICY)
    (note,) = (each for each in verdict.findings if each.code == "other-system")
    assert "stork at byte" in note.detail


def test_the_right_state_of_many_is_taken_by_the_payload() -> None:
    w3, state = chainlink()
    runs(w3)
    elsewhere: dict[str, Any] = {"proxy": "0x" + "77" * 20, "configs": []}
    _, other = chainlink(**elsewhere)
    states = States([other, state])
    assert judge_transaction(w3, through(report(w3)), states, POLICY).state == state
    data = encode_calldata(report(w3), pay=NATIVE)
    straight = {"from": KEEPER, "to": "0x" + ADDRESS.hex(), "data": data}
    assert judge_transaction(w3, straight, states, POLICY).state == state
    with pytest.raises(Misuse, match="carries no payload"):
        judge_transaction(w3, through(b""), states, POLICY)


def test_a_consumer_is_an_address() -> None:
    for bad in ((("0x12",)), [LINK], LINK):
        with pytest.raises(Misuse) as caught:
            Policy(consumers=bad)  # type: ignore[arg-type]
        assert caught.value.field == "consumers"
