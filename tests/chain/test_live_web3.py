"""A live state beside real web3.py: in a middleware, over loopback, and from asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payloads.chain import LiveState, States, aio
from payloads.errors import Refused
from tests.chain.loopback_node import over_http
from tests.chain.stork_chain import ADDRESS
from tests.chain.test_guard import FEE
from tests.chain.test_middleware import GAS, GOOD, Node

web3 = pytest.importorskip("web3")
from payloads.chain.middleware import GuardMiddlewareBuilder  # noqa: E402


def raise_fee(node: Node, live: LiveState) -> None:
    node.chain.send("updateVerificationFeeInWei(uint256)", FEE + 1)
    live.refresh()


@pytest.mark.parametrize("many", [False, True])
def test_a_middleware_follows_a_live_state(many: bool) -> None:
    node = Node()
    with over_http(node) as url:
        live = LiveState(url, ADDRESS, max_age=None)
        w3 = web3.Web3(web3.HTTPProvider(url))
        guard = GuardMiddlewareBuilder.build(States([live]) if many else live)
        w3.middleware_onion.inject(guard, "guard", layer=0)
        with live:
            w3.eth.send_transaction(GOOD | GAS)
            raise_fee(node, live)
            with pytest.raises(Refused, match="InsufficientFee"):
                w3.eth.send_transaction(GOOD | GAS)
    assert node.methods == ["eth_sendTransaction"]


def test_a_live_state_beside_asyncio() -> None:
    node = Node()

    async def keep(url: str) -> None:
        live = LiveState(url, ADDRESS, max_age=None)
        await asyncio.to_thread(live.refresh)
        w3: Any = web3.AsyncWeb3(web3.AsyncHTTPProvider(url))
        assert await aio.refuse_transaction(w3, GOOD, live)
        await asyncio.to_thread(raise_fee, node, live)
        with pytest.raises(Refused, match="InsufficientFee"):
            await aio.send_guarded(w3, GOOD, States([live]))
        await w3.provider.disconnect()

    with over_http(node) as url:
        asyncio.run(keep(url))
    assert node.methods == []
