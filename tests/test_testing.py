"""Test keys, precise damage, wrappings, costs and the settable clock: all without Hypothesis."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hexbytes import HexBytes

import payloads
from payloads import chain, chainlink, judge, stork
from payloads.chainlink.errors import BAD_VERIFICATION
from payloads.chainlink.state import GENERATIONS
from payloads.errors import Misuse, Refused
from payloads.stork.state import STORK, STORK_MULTISIGNER
from payloads.testing import (
    SUBSCRIBER,
    CallOutcome,
    InsecureTestNetwork,
    InsecureTestStorkSigner,
    SettableClock,
    cost,
    damaged,
    wrapped,
)
from payloads.testing.chainlink.damage import LABELS as OF_REPORTS
from payloads.testing.stork.damage import LABELS as OF_UPDATES
from payloads.venues.chainlink.auth import ChainlinkCredentials
from payloads.venues.chainlink.rest import Rest
from payloads.venues.common.session import Reply

NOW = 1_700_000_000
NETWORK, SIGNER = InsecureTestNetwork(), InsecureTestStorkSigner()
FEED = "0x0003" + "ab" * 30


def _report(**changes: Any) -> Any:
    fields = {
        "feed_id": bytes.fromhex(FEED[2:]), "valid_from_timestamp": NOW - 1,
        "observations_timestamp": NOW, "native_fee": 1000, "link_fee": 2000,
        "expires_at": NOW + 60, "benchmark_price": 10**18, "bid": 10**18, "ask": 10**18,
    }  # fmt: skip
    return chainlink.schema_named("v3").record(**fields | changes)


PAYLOAD = NETWORK.sign(_report(), epoch=7, round=3, by=[3, 4, 5, 6, 7, 8])
UPDATE = SIGNER.sign([stork.Asset(1, 10**18), stork.Asset(2, -5)], timestamp_ns=NOW * 10**9)


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_REPORTS.known)
def test_each_damage_to_a_report_gets_the_verdict_that_it_promises(name: str) -> None:
    for number in (0, 7, 2**16 - 1):
        made = damaged(PAYLOAD, name, by=NETWORK, at=number, amount=number)
        verdict = made.judge()
        promised = made.accepted, made.verdict, made.revert_data
        assert promised == (verdict.accepted, verdict.name, verdict.revert_data)
        assert made.meaning


@pytest.mark.parametrize("name", OF_UPDATES.known)
@pytest.mark.parametrize("function", [None, "verifyAndDeserialize"])
def test_each_damage_to_an_update_gets_the_verdict_that_it_promises(
    name: str, function: str | None
) -> None:
    function = function and stork_function(function)
    for number in (0, 7):
        made = damaged(UPDATE, name, by=SIGNER, at=number, amount=number, function=function)
        verdict = made.judge()
        promised = made.accepted, made.verdict, made.revert_data
        assert promised == (verdict.accepted, verdict.name, verdict.revert_data)


def stork_function(start: str) -> str:
    from payloads.stork.calldata import DESERIALIZE

    assert DESERIALIZE.name.startswith(start)
    return DESERIALIZE.name


def test_undamaged_the_payload_is_the_one_that_was_given() -> None:
    assert damaged(PAYLOAD, "none", by=NETWORK).payload == PAYLOAD.raw
    assert damaged(UPDATE, "none", by=SIGNER).payload == UPDATE.encode()
    flipped = damaged(PAYLOAD, "bit-flip", by=NETWORK, at=2, amount=1)
    assert flipped.payload != PAYLOAD.raw
    assert flipped == damaged(PAYLOAD, "bit-flip", by=NETWORK, at=2, amount=1)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_damage_is_shown_to_a_state_of_ones_own(generation: str) -> None:
    state = NETWORK.state(generation, feeds=[FEED], fees=True)
    made = damaged(PAYLOAD, "expired", by=NETWORK, state=state, pay="link")
    assert made.state is state
    assert not made.accepted
    assert made.judge().revert_data == made.revert_data


def test_damage_that_cannot_be_shown_is_refused_in_words() -> None:
    other = InsecureTestNetwork("other")
    free = {"by": NETWORK, "state": NETWORK.state("v0.5.0")}
    late = NETWORK.sign(_report(expires_at=NOW - 1))
    cases: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "no such damage": (PAYLOAD, "bitflip", {"by": NETWORK}),
        "not signed by this network": (PAYLOAD, "expired", {"by": other}),
        "not signed by this signer": (UPDATE, "v-offset", {"by": InsecureTestStorkSigner("no")}),
        "nothing to show this damage with: fees": (PAYLOAD, "no-token", free),
        "refuses the payload as it is": (late, "bit-flip", {"by": NETWORK}),
    }
    for words, (payload, name, options) in cases.items():
        with pytest.raises(Misuse, match=words):
            damaged(payload, name, **options)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("by", {"by": "me"}), ("at", {"at": -1}), ("amount", {"amount": "5"}),
        ("now", {"now": 1.5}), ("damage", {"damage": 3}), ("payload", {"payload": 3}),
        ("payload", {"payload": UPDATE}),
    ],
)  # fmt: skip
def test_a_wrong_argument_of_damaged_is_named(field: str, given: dict[str, Any]) -> None:
    good: dict[str, Any] = {"payload": PAYLOAD, "damage": "bit-flip", "by": NETWORK}
    with pytest.raises(Misuse) as caught:
        damaged(**good | given)
    assert caught.value.field == field


def test_a_payload_may_be_damaged_as_bytes() -> None:
    made = damaged(bytes(PAYLOAD.raw), "bit-flip", by=NETWORK)
    assert made == damaged(PAYLOAD, "bit-flip", by=NETWORK)
    raw = UPDATE.encode()
    assert damaged(raw.hex(), "none", by=SIGNER).payload == raw


# --- wrappings and costs --------------------------------------------------------------------------


def test_a_report_in_its_frame_its_reply_and_its_calldata() -> None:
    state = NETWORK.state("v0.5.1", fees=True)
    found = wrapped(PAYLOAD, state, pay="native")
    assert found.rest_reply is not None
    assert payloads.decode(found.frame).value.raw == PAYLOAD.raw
    rest = Rest(ChainlinkCredentials.of("key", "secret"), "ws://localhost")
    read = rest.read_one(Reply("latest", 200, found.rest_reply.encode()))
    assert (read.full_report, read.observations_timestamp) == (PAYLOAD.raw, NOW)
    value = cost(PAYLOAD, state).value
    assert judge(found.calldata, state, value=value, now=NOW)
    assert wrapped(PAYLOAD.raw).frame == found.frame
    with pytest.raises(Misuse, match="tokens are the state's"):
        wrapped(PAYLOAD, pay="link")


def test_an_update_in_its_frame_and_its_calldata() -> None:
    found = wrapped(UPDATE)
    assert found.rest_reply is None
    assert json.loads(found.frame) == {"type": "signed_ecdsa", "p": "0x" + UPDATE.encode().hex()}
    assert judge(found.calldata, SIGNER.state(now=NOW))
    with pytest.raises(Misuse, match="not recognised"):
        wrapped(b"\x01")


def test_the_cost_of_a_call_is_the_one_at_which_it_is_accepted() -> None:
    state = NETWORK.state("v0.5.1", fees={"native_surcharge": 10**17})
    native, link = cost(PAYLOAD, state), cost(PAYLOAD, state, pay="link")
    assert (native.fee, native.value, link.fee, link.value) == (1100, 1100, 2000, 0)
    assert native.gas
    assert link.gas
    for value, passes in ((native.value, True), (native.value - 1, False)):
        assert bool(judge(PAYLOAD, state, pay="native", value=value, now=NOW)) is passes
    free = cost(PAYLOAD, NETWORK.state("v0.5.0"), pay=None)
    assert (free.fee, free.value) == (0, 0)
    assert free.gas
    view = damaged(PAYLOAD, "none", by=NETWORK, function="verifyView").cost()
    assert view is not None
    assert view.fee == 0
    assert view.gas
    for generation in (STORK, STORK_MULTISIGNER):
        assert cost(UPDATE, SIGNER.state(generation, fee=7)).value == 7
    assert damaged(PAYLOAD, "expired", by=NETWORK).cost() is None


# --- the clock ------------------------------------------------------------------------------------


def test_a_clock_moves_the_states_that_follow_it() -> None:
    clock = SettableClock(NOW)
    state = NETWORK.state("v0.5.1", fees=True)
    own = clock.follow(state)
    clock.advance(61)
    assert (own.now, state.now, clock.now) == (NOW + 61, None, NOW + 61)
    assert not judge(PAYLOAD, own, pay="link")
    clock.now = NOW
    assert judge(PAYLOAD, own, pay="link")
    assert 0 <= clock() - NOW * 10**9 < 60 * 10**9
    for wrong in (-1, 2**63, 1.5, "now"):
        with pytest.raises(Misuse, match="not a time"):
            clock.set(wrong)  # type: ignore[arg-type]
    assert clock.now == NOW


def test_a_clock_moves_the_guard() -> None:
    clock = SettableClock(NOW)
    contract = "0x" + "44" * 20
    state = NETWORK.state("v0.5.1", fees=True, proxy=contract, chain_id=31_337)
    call = {"from": SUBSCRIBER, "to": contract, "value": 1000,
            "data": wrapped(PAYLOAD, state, pay="native").calldata}  # fmt: skip
    node = clock.node
    assert chain.send_guarded(node, call, clock.follow(state))
    assert node.sent
    clock.advance(61)
    with pytest.raises(Refused, match="ExpiredReport"):
        chain.send_guarded(node, call, clock.follow(state))
    assert len(node.sent) == 1
    assert node.make_request("eth_getBlockByNumber", ["0xfffff", False]) == {"result": None}
    assert "error" in node.make_request("eth_getLogs", [{}])


def test_nothing_of_it_needs_hypothesis() -> None:
    script = """import sys
import payloads.testing as testing
for name in testing.__all__: getattr(testing, name)
sys.exit("hypothesis" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_outcome_has_the_words_of_a_verdict() -> None:
    data = BAD_VERIFICATION.data()
    common: dict[str, Any] = {"returned": None, "gas_used": 5}
    for accepted, revert_data, name in (
        (True, None, "accepted"),
        (False, None, "returns false"),
        (False, HexBytes(data), "BadVerification"),
    ):
        outcome = CallOutcome(accepted=accepted, revert_data=revert_data, **common)
        assert bool(outcome) == outcome.accepted == accepted
        assert outcome.name == name
        assert outcome.error == (None if revert_data is None else name)
        assert outcome.selector == (None if revert_data is None else data[:4])
        assert outcome.args == ()
        assert outcome == pickle.loads(pickle.dumps(outcome))
        assert "gas_used=5" in repr(outcome)
