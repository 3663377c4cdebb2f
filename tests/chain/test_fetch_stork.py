"""States of Stork Fast, fetched from a made-up chain: both generations, and their past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from payloads.chain.reading.fetch import fetch_state, save_state
from payloads.chain.rpc import Unavailable
from payloads.stork.state import StorkState
from payloads.verdicts.state import State
from tests.chain.stork_chain import ADDRESS, StorkChain

A, B, C = ("0x" + letter * 20 for letter in ("a1", "b2", "c3"))


def fetched(chain: StorkChain, block: int | None = None) -> StorkState:
    state = fetch_state(chain, ADDRESS, block=block)
    assert isinstance(state, StorkState)
    return state


def single() -> StorkChain:
    chain = StorkChain()
    chain.mine(3)
    chain.initialize([A], 5)
    chain.mine(2)
    chain.send("updateSignerAddress(address)", B)
    chain.send("updateVerificationFeeInWei(uint256)", 7)
    chain.send("updateSignerAddress(address)", C)
    chain.mine()
    return chain


def several() -> StorkChain:
    chain = StorkChain(several=True)
    chain.mine(3)
    chain.initialize([A, B], 5)
    chain.send("addSignerAddress(address)", C)
    chain.send("updateVerificationFeeInWei(uint256)", 0)
    chain.send("removeSignerAddress(address)", A)
    chain.mine(2)
    chain.send("addSignerAddress(address)", A)
    return chain


def known(state: StorkState) -> tuple[Any, ...]:
    return state.contract, state.signer, state.signers, state.verification_fee


@pytest.mark.parametrize("made", [single, several])
def test_the_past_is_what_the_contract_said_then(made: Any) -> None:
    """The newest state, taken back to each block, is the state fetched at that block."""
    chain = made()
    newest = fetched(chain)
    assert newest.multisigner is chain.contract.several
    for block in range(2, chain.head + 1):
        contract = chain.blocks[block]
        assert contract is not None
        then = fetched(chain, block)
        assert newest.at(chain.time(block)).trusted == then.trusted
        assert newest.at(chain.time(block)).verification_fee == then.verification_fee
        signers = ["0x" + signer.hex() for signer in sorted(then.trusted) if any(signer)]
        assert (signers, then.verification_fee) == (sorted(contract.signers), contract.fee)
    assert not newest.at(chain.time(2)).initialised
    assert "history" in newest.to_dict()


def test_a_saved_state_is_the_same(tmp_path: Path) -> None:
    state = fetched(several())
    save_state(state, tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == state
    assert state.chain_id == 1
    assert state.proxy == ADDRESS
    assert [signer.hex()[:2] for signer in state.signers or ()] == ["c3", "b2", "a1"]


def test_missing_logs_are_noticed() -> None:
    for made in (single, several):
        chain = made()
        chain.log_of = chain.log_of[:-1]
        with pytest.raises(Unavailable, match="disagree about the signers"):
            fetched(chain)
        chain = made()
        chain.send("updateVerificationFeeInWei(uint256)", 1_000)
        chain.log_of = chain.log_of[:-1]
        with pytest.raises(Unavailable, match="disagree about the fee"):
            fetched(chain)


def test_an_event_that_indexes_nothing_is_read_too() -> None:
    chain = single()
    chain.log_of = [(number, topics[:1], b"".join(topics[1:]) + data)
                    for number, topics, data in chain.log_of]  # fmt: skip
    assert known(fetched(chain)) == known(fetched(single()))


@pytest.mark.parametrize(
    ("getter", "answer", "match"),
    [
        ("0x54fd4d50", {"result": "0x" + "00" * 31 + "20" + "00" * 32}, "unknown version"),
        ("0x7e7ce368", {"error": {"code": 3, "message": "execution reverted"}}, "its fee"),
        ("0x5b7633d0", {"result": "0x" + "00" * 32}, "both generations"),
        ("0x914946aa", {"result": "0x" + "00" * 31 + "20" + "ff" * 32}, "not a contract that"),
        ("0x914946aa", {"result": "0x" + "00" * 64}, "not a contract that"),
    ],
)
def test_answers_that_no_stork_contract_gives(getter: str, answer: Any, match: str) -> None:
    class Odd(StorkChain):
        def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
            return answer if call["data"] == getter else super().eth_call(call, block)

    chain = Odd(several=True)
    chain.initialize([A], 5)
    with pytest.raises(Unavailable, match=match):
        fetched(chain)


def test_signers_of_another_generation_are_left_out_and_told() -> None:
    """A proxy whose owner put the newer contract behind it."""
    chain = single()
    chain.contract.several, chain.contract.initialised = True, False
    chain.contract.signers = []
    chain.mine()
    chain.initialize([B], 1)
    state = fetched(chain)
    assert state.multisigner
    assert "before an upgrade" in state.source
    assert "signer" not in json.dumps([each.to_json() for each in state.history]).replace(
        "signers", ""
    )
