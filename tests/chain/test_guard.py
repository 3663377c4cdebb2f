"""The guard over made-up chains: each way in which it once let through what it should not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hexbytes import HexBytes

from payloads import chain
from payloads.chain import (
    Policy,
    PolicyRefusal,
    judge_transaction,
    refuse_transaction,
    send_guarded,
)
from payloads.chain.reading.fetch import fetch_state
from payloads.chainlink import encode_calldata
from payloads.chainlink.schemas import ReportV3
from payloads.chainlink.state import ChainlinkState
from payloads.errors import Misuse, Refused
from payloads.stork import Asset
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State
from payloads.verdicts.verdict import ContractRefusal
from tests.chain.stork_chain import ADDRESS, SECONDS, StorkChain

STRANGER = InsecureTestStorkSigner("stranger")
SIGNER = InsecureTestStorkSigner("signer")
KEEPER, OTHER = "0x" + "bb" * 20, "0x" + "cc" * 20
LINK, NATIVE = "0x" + "1c" * 20, "0x" + "2d" * 20
FEED = b"\x00\x03" + b"\xaa" * 30
FEE = 5


class Web3Like:
    """As much of a `Web3` as the guard uses, over a made-up chain."""

    def __init__(self, made: StorkChain) -> None:
        self.make_request = made.make_request
        self.eth = SimpleNamespace(send_transaction=self._send)
        self.chain, self.sent = made, made.sent

    def _send(self, transaction: Any) -> HexBytes:
        return HexBytes(self.chain.eth_sendTransaction(transaction)["result"])


def stork(several: bool = True, fee: int = FEE) -> tuple[Web3Like, State]:
    made = StorkChain(several)
    made.initialize([SIGNER.address.lower(), "0x" + "a1" * 20], fee)
    made.mine(3)
    w3 = Web3Like(made)
    return w3, fetch_state(w3, ADDRESS)


def update(signer: InsecureTestStorkSigner = SIGNER, asset: int = 7, taxonomy: int = 1) -> bytes:
    signed = signer.sign([Asset(asset, 10**18)], timestamp_ns=10**18, taxonomy_id=taxonomy)
    return signed.encode()


def call(raw: bytes, **changes: Any) -> dict[str, Any]:
    data = changes.pop("function", VERIFY).calldata(raw)
    return {"from": KEEPER, "to": "0x" + ADDRESS.hex(), "value": FEE, "data": data, **changes}


NETWORK = InsecureTestNetwork("guard", 4, 1)


def chainlink(fees: bool = True, **changes: Any) -> tuple[Web3Like, ChainlinkState]:
    """A state as if it had been fetched at the newest block."""
    made = StorkChain()
    made.mine(3)
    record = {
        "contract": "v0.5.0",
        "chain_id": 1,
        "proxy": "0x" + ADDRESS.hex(),
        "now": made.time(made.head),
        "configs": [
            {
                "config_digest": "0x" + NETWORK.config_digest.hex(),
                "signers": [signer.lower() for signer in NETWORK.signers],
                "f": NETWORK.f,
            }
        ],
        "fee_manager": {"link": LINK, "native": NATIVE} if fees else None,
    }
    return Web3Like(made), ChainlinkState.from_dict(record | changes)


def report(w3: Web3Like, valid_for: int = 1_000, native_fee: int = 0, **changes: Any) -> bytes:
    now = w3.chain.time(w3.chain.head)
    values = {"bid": 4, "ask": 6, "link_fee": 0} | changes
    fees = (native_fee, values["link_fee"])
    signed = ReportV3(
        HexBytes(FEED), now, now, *fees, now + valid_for, 5, values["bid"], values["ask"]
    )
    return NETWORK.sign(signed).encode()


def verify(raw: bytes, **changes: Any) -> dict[str, Any]:
    data = encode_calldata(raw, pay=changes.pop("token", NATIVE))
    return {"from": KEEPER, "to": "0x" + ADDRESS.hex(), "data": data, **changes}


# --- what is sent ---------------------------------------------------------------------------------


def test_a_good_transaction_is_sent_with_its_findings() -> None:
    w3, state = stork()
    sent = send_guarded(w3, call(update()), state)
    assert len(sent.hash) == 32
    assert sent.verdict.accepted
    assert "stork-no-clock" in {finding.code for finding in sent.findings}
    assert len(w3.sent) == 1


@pytest.mark.parametrize("several", [False, True])
def test_what_the_contract_refuses_is_not_sent(several: bool) -> None:
    w3, state = stork(several)
    for bad, match in (
        (call(update(STRANGER)), "would return false"),
        (call(update(STRANGER), function=DESERIALIZE), "InvalidSignature"),
        (call(update(), value=FEE - 1), "InsufficientFee"),
        (call(update()[:-1]), "InvalidPayload"),
    ):
        with pytest.raises(ContractRefusal, match=match) as caught:
            send_guarded(w3, bad, state)
        assert caught.value.verdict is not None
        assert not judge_transaction(w3, bad, state)
    assert w3.sent == []


# --- the chain ------------------------------------------------------------------------------------


def test_a_node_of_another_chain_is_misuse() -> None:
    w3, state = stork()
    w3.chain.chain_id = 5
    for ask in (judge_transaction, refuse_transaction, send_guarded):
        with pytest.raises(Misuse, match="another chain than the node's") as caught:
            ask(w3, call(update()), state)
        assert caught.value.field == "w3"
    with pytest.raises(Misuse, match="for another chain"):
        judge_transaction(w3, call(update(), chainId=5), state)
    assert w3.sent == []


def test_a_state_of_no_chain_judges_nothing() -> None:
    w3, state = stork()
    record = {key: value for key, value in state.to_dict().items() if key != "chain_id"}
    with pytest.raises(Misuse, match="which chain"):
        judge_transaction(w3, call(update()), State.from_dict(record))


# --- the sender -----------------------------------------------------------------------------------


def test_a_state_of_one_subscriber_judges_nobody_else() -> None:
    w3, state = chainlink(subscriber=KEEPER)
    assert judge_transaction(w3, verify(report(w3)), state).accepted
    without = {key: value for key, value in verify(report(w3)).items() if key != "from"}
    assert judge_transaction(w3, without, state).accepted
    with pytest.raises(Misuse, match="another subscriber") as caught:
        judge_transaction(w3, verify(report(w3)) | {"from": OTHER}, state)
    assert caught.value.field == "from"


# --- the clock ------------------------------------------------------------------------------------


def test_the_clock_is_the_chains() -> None:
    """The state's own time, and this machine's, play no part."""
    w3, state = chainlink()
    raw = report(w3, valid_for=100)
    assert judge_transaction(w3, verify(raw), state).accepted
    w3.chain.mine(20)
    verdict = judge_transaction(w3, verify(raw), state)
    assert verdict.error == "ExpiredReport"
    assert not verdict.at_state_time


@pytest.mark.parametrize(
    ("policy", "most"),
    [(Policy(), 2 * SECONDS), (Policy(margin=0), 0), (Policy(margin=300), 300)],
)
def test_a_report_must_outlive_the_margin(policy: Policy, most: int) -> None:
    w3, state = chainlink()
    assert refuse_transaction(w3, verify(report(w3, valid_for=most)), state, policy).accepted
    if most:
        with pytest.raises(ContractRefusal, match="ExpiredReport"):
            refuse_transaction(w3, verify(report(w3, valid_for=most - 1)), state, policy)


def test_a_danger_that_comes_within_the_margin_is_told() -> None:
    """Without a fee manager the contract takes an expired report."""
    w3, state = chainlink(fees=False)
    transaction = verify(report(w3, valid_for=5), token=None)
    with pytest.raises(PolicyRefusal, match="expired"):
        refuse_transaction(w3, transaction, state)
    assert refuse_transaction(w3, transaction, state, Policy(margin=0)).accepted


def test_a_chain_of_one_block_has_a_margin() -> None:
    w3, state = chainlink()
    w3.chain.blocks = w3.chain.blocks[:1]
    start = w3.chain.time(0)
    fresh = ChainlinkState.from_dict(state.to_dict() | {"now": start})
    with pytest.raises(ContractRefusal, match="ExpiredReport"):
        refuse_transaction(w3, verify(report(w3, valid_for=20)), fresh)


# --- the policy -----------------------------------------------------------------------------------


def test_dangers_stop_a_transaction_unless_the_policy_says_otherwise() -> None:
    """Ether was left in a proxy without a fee manager, with a verdict of accepted."""
    w3, state = chainlink(fees=False)
    transaction = verify(report(w3), token=None, value=10**15)
    with pytest.raises(PolicyRefusal, match="value-kept") as caught:
        send_guarded(w3, transaction, state)
    assert isinstance(caught.value, Refused)
    assert caught.value.verdict is not None
    assert caught.value.verdict.accepted
    assert caught.value.to_dict()["verdict"]["accepted"] is True
    assert w3.sent == []
    sent = send_guarded(w3, transaction, state, Policy(refuse=()))
    assert "value-kept" in {finding.code for finding in sent.findings}


def test_a_policy_may_refuse_a_severity_or_a_code() -> None:
    w3, state = stork()
    overpaid = call(update(), value=FEE + 1)
    assert send_guarded(w3, overpaid, state)
    for refuse in (("warning",), ("stork-overpaid",)):
        with pytest.raises(PolicyRefusal, match="stork-overpaid"):
            send_guarded(w3, overpaid, state, Policy(refuse=refuse))
    with pytest.raises(PolicyRefusal, match="stork-versioned-body"):
        send_guarded(w3, call(update(taxonomy=0xFF02)), state)


def test_an_old_state_is_refused() -> None:
    w3, state = stork()
    w3.chain.mine(600 // SECONDS)
    assert refuse_transaction(w3, call(update()), state)
    w3.chain.mine()
    with pytest.raises(PolicyRefusal, match="the state is old"):
        refuse_transaction(w3, call(update()), state)
    assert refuse_transaction(w3, call(update()), state, Policy(max_age=None))
    assert refuse_transaction(w3, call(update()), state, Policy(max_age=10_000))
    undated = {key: value for key, value in state.to_dict().items() if key != "now"}
    with pytest.raises(PolicyRefusal, match="how old"):
        refuse_transaction(w3, call(update()), State.from_dict(undated))


def test_only_listed_feeds_pass() -> None:
    w3, state = stork()
    assert refuse_transaction(w3, call(update()), state, Policy(feeds=(7, 8)))
    with pytest.raises(PolicyRefusal, match="a feed that is not listed"):
        refuse_transaction(w3, call(update(asset=9)), state, Policy(feeds=(7, 8)))
    w3, known = chainlink()
    wanted = Policy(feeds=("0x" + FEED.hex(),))
    assert refuse_transaction(w3, verify(report(w3)), known, wanted)
    with pytest.raises(PolicyRefusal, match="0x0003aa"):
        refuse_transaction(w3, verify(report(w3)), known, Policy(feeds=(bytes(32),)))


def test_only_listed_recipients_pass() -> None:
    w3, state = stork()
    assert refuse_transaction(w3, call(update()), state, Policy(recipients=(ADDRESS, OTHER)))
    with pytest.raises(PolicyRefusal, match="recipients"):
        refuse_transaction(w3, call(update()), state, Policy(recipients=(OTHER,)))


def test_a_call_may_cost_so_much_and_no_more() -> None:
    w3, state = stork()
    assert refuse_transaction(w3, call(update()), state, Policy(max_fee=FEE))
    with pytest.raises(PolicyRefusal, match="max_fee"):
        refuse_transaction(w3, call(update()), state, Policy(max_fee=FEE - 1))
    w3, known = chainlink()
    wrapped = verify(report(w3, native_fee=1_000))  # paid in a token: no value is sent
    assert refuse_transaction(w3, wrapped, known, Policy(max_fee=1_000))
    with pytest.raises(PolicyRefusal, match="found 1000"):
        refuse_transaction(w3, wrapped, known, Policy(max_fee=999))


@pytest.mark.parametrize(
    "bad",
    [
        {"margin": -1},
        {"max_age": True},
        {"max_fee": 1.5},
        {"refuse": "danger"},
        {"feeds": [1]},
        {"feeds": ("0x12",)},
        {"feeds": (None,)},
        {"recipients": ("0x12",)},
    ],
)
def test_a_policy_that_makes_no_sense_is_misuse(bad: dict[str, Any]) -> None:
    with pytest.raises(Misuse) as caught:
        Policy(**bad)
    assert caught.value.field == next(iter(bad))


def test_a_policy_is_frozen() -> None:
    policy = chain.Policy()
    with pytest.raises(AttributeError):
        policy.margin = 5  # type: ignore[misc]
    assert policy == Policy()


# --- what cannot be judged ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": LINK}, "to"),
        ({"to": None}, "to"),
        ({"data": b"\x12\x34\x56\x78"}, "data"),
        ({"data": None}, "data"),
        ({"data": "0xzz"}, "data"),
        ({"value": "much"}, "value"),
        ({"from": "0x12"}, "from"),
        ({"chainId": 2}, "chainId"),
    ],
)
def test_what_it_cannot_judge_it_does_not_wave_through(change: Any, field: str) -> None:
    w3, state = stork()
    with pytest.raises(Misuse) as caught:
        send_guarded(w3, call(update()) | change, state)
    assert caught.value.field == field
    assert w3.sent == []
