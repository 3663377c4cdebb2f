"""A live state over a real node: at every step of each generation's story, and over blocks that
the node takes back, it is what fetching gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("web3")

from web3 import HTTPProvider

from payloads.chain import LiveState, StateChange, fetch_state
from payloads.testing import InsecureTestNetwork
from tests.onchain.deployed import SCALE, STORIES, Deployment, v5
from tests.onchain.rpcnode import HardhatNode

FIRST = InsecureTestNetwork("first", 10, 3)
SECOND = InsecureTestNetwork("second", 7, 2)


@pytest.fixture(scope="module")
def node() -> Iterator[HardhatNode]:
    with HardhatNode() as running:
        yield running


class Then:
    """The node as it was when `head` was its newest block."""

    def __init__(self, url: str, head: int) -> None:
        self._provider, self.head, self.asked = HTTPProvider(url), head, 0

    def make_request(self, method: Any, params: Any) -> Any:
        self.asked += 1
        if method == "eth_blockNumber":
            return {"result": hex(self.head)}
        return self._provider.make_request(method, params)


@pytest.mark.parametrize("generation", sorted(STORIES))
def test_each_step_of_a_story_is_read_as_by_fetching(
    node: HardhatNode, generation: str, tmp_path: Path
) -> None:
    deployment = STORIES[generation](node, FIRST, SECOND)
    first, *later = deployment.steps.values()
    then, told = Then(node.url, first), list[StateChange]()

    def made() -> LiveState:
        return LiveState(
            then, deployment.proxy, subscriber=deployment.subscriber, max_age=None, reread=2,
            file=tmp_path / "state.json", on_change=told.append,
        )  # fmt: skip

    live = made()
    live.refresh()
    whole = then.asked
    for index, block in enumerate(later):
        then.head = block
        live = live if index % 3 else made()
        state = live.refresh()
        fetched = fetch_state(
            Then(node.url, block), deployment.proxy, subscriber=deployment.subscriber
        )
        assert state == fetched, block
    assert {change.kind for change in told} == {"config", "fees", "fee_manager", "access"}
    assert not any(change.undone for change in told)
    assert whole


def test_blocks_that_a_node_takes_back(node: HardhatNode) -> None:
    deployment = v5(node, FIRST, SECOND)
    told = list[StateChange]()
    live = LiveState(
        node.url, deployment.proxy, subscriber=deployment.subscriber, max_age=None, reread=2,
        on_change=told.append,
    )  # fmt: skip

    def compared() -> None:
        subscriber = deployment.subscriber
        assert live.refresh() == fetch_state(node.url, deployment.proxy, subscriber=subscriber)

    compared()
    for blocks in (1, 6):  # within the blocks that are read again, and beyond them
        snapshot = node.ask("evm_snapshot")
        surcharge(deployment, SCALE // 9)
        for _ in range(blocks):
            node.ask("evm_mine")
        compared()
        assert told.pop().kind == "fees"
        assert node.ask("evm_revert", snapshot)
        # As long as it is shorter, and when it is longer.
        compared()
        assert told.pop().undone
        for _ in range(blocks + 3):
            node.ask("evm_mine")
        surcharge(deployment, SCALE // 8)
        compared()
        assert told.pop().after == str(SCALE // 8)
        surcharge(deployment, SCALE // 7)
        compared()
        told.clear()


def surcharge(deployment: Deployment, share: int) -> None:
    deployment.on_fees("setNativeSurcharge(uint64)", share)
