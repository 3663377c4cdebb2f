"""Nodes without an archive: those that say so, and those that answer that nothing was there."""

from __future__ import annotations

from typing import Any

import pytest

from payloads.chain import fetch_state
from payloads.chain.rpc import Unavailable, connect
from payloads.chainlink.state import ChainlinkState
from payloads.verdicts.state import State
from tests.chain import streams_chain as streams
from tests.chain.stork_chain import ADDRESS
from tests.chain.streams_chain import KEEPER, MANAGERS, StreamsChain

KEPT = 4


class Pruned(StreamsChain):
    """A node that has the state of the newest blocks, and answers that older ones had none."""

    def __init__(self) -> None:
        super().__init__()
        self.initialize_verifier(0)
        self.set_config(0, 0, 4, 1)
        self.set_config(0, 1, 5, 1)
        self.set_fee_manager(MANAGERS[0])
        self.surcharge(0, 5)
        self.set_access(streams.BOOK)
        self.guest(KEEPER, True)
        self.check_access(False)
        self.mine(9)
        # The nonces of the transactions in each block.
        self.nonces = [0, 7]

    def gone(self, block: str) -> bool:
        return int(block, 16) <= self.head - KEPT

    def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
        return {"result": "0x"} if self.gone(block) else super().eth_getCode(address, block)

    def eth_getStorageAt(self, address: str, slot: str, block: str) -> dict[str, Any]:
        if self.gone(block):
            return {"result": "0x" + bytes(32).hex()}
        return super().eth_getStorageAt(address, slot, block)

    def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
        return {"result": "0x"} if self.gone(block) else super().eth_call(call, block)

    def eth_getTransactionByBlockNumberAndIndex(self, block: str, place: str) -> dict[str, Any]:
        index = int(place, 16)
        if index >= len(self.nonces) or int(block, 16) % 2:
            return {"result": None}
        return {"result": {"from": "0x" + "77" * 20, "nonce": hex(self.nonces[index])}}

    def eth_getTransactionCount(self, address: str, block: str) -> dict[str, Any]:
        return {"result": "0x0" if self.gone(block) else "0x9"}


class Whole(Pruned):
    def gone(self, block: str) -> bool:
        return False


def decides(state: State) -> dict[str, Any]:
    return state.deciding() | {"history": state.to_dict()["history"]}


@pytest.mark.parametrize("subscriber", [KEEPER, None])
def test_a_node_that_answers_that_nothing_was_there_is_told(subscriber: bytes | None) -> None:
    """It was believed: the deployment was found too late, and the state had no config at all."""
    state = fetch_state(Pruned(), ADDRESS, subscriber=subscriber)
    assert isinstance(state, ChainlinkState)
    assert len(state.in_force) == 2
    assert "answers that old blocks have no code" in state.source
    assert "since=" in state.source
    whole = fetch_state(Whole(), ADDRESS, subscriber=subscriber)
    assert "archive" not in whole.source
    assert decides(state) == decides(whole)


def test_since_goes_on_from_a_block_that_is_known() -> None:
    chain = Pruned()
    state = fetch_state(chain, ADDRESS, since=1)
    assert decides(state) == decides(fetch_state(Whole(), ADDRESS))


@pytest.mark.parametrize("nonces", [[], [0, 0]])
def test_blocks_that_prove_nothing_are_believed(nonces: list[int]) -> None:
    chain = Whole()
    chain.nonces = nonces
    assert "archive" not in fetch_state(chain, ADDRESS).source


def test_a_node_that_says_that_it_has_no_archive() -> None:
    class Honest(Pruned):
        def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
            block = params[-1] if params else None
            if isinstance(block, str) and block.startswith("0x") and self.gone(block):
                if method in ("eth_getCode", "eth_call", "eth_getStorageAt"):
                    return {"error": {"code": -32000, "message": "missing trie node"}}
            return super().make_request(method, params)

    state = fetch_state(Honest(), ADDRESS)
    assert "; the node has no archive" in state.source
    assert "no code" not in state.source
    assert decides(state) == decides(fetch_state(Whole(), ADDRESS))


def test_a_node_that_is_silent_is_not_one_without_an_archive() -> None:
    """All blocks were read then, and a live state remembered it."""

    class Cut(Whole):
        def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
            if int(block, 16) < self.head:
                raise ConnectionError
            return super().eth_getCode(address, block)

    with pytest.raises(Unavailable, match="cannot be asked"):
        fetch_state(connect(Cut(), pause=lambda _: None), ADDRESS)
