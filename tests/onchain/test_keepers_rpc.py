"""The guard as a middleware, its forms for asyncio, and the examples, on real nodes.

What is sent is mined by the real contracts and succeeds. What is refused never reaches the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from payloads import State, simulators
from payloads.chain import Policy, States, build_transaction
from payloads.errors import Refused
from payloads.simulators import ChainlinkSimulator, StorkSimulator
from payloads.testing import InsecureTestNetwork

pytest.importorskip("web3")

from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3.middleware import SignAndSendRawMiddlewareBuilder

from docs.examples import pull, push, several_chains, stork, with_asyncio
from payloads.chain import aio
from payloads.chain.middleware import GuardMiddlewareBuilder
from payloads.testing.onchain.encoding import calldata
from tests.onchain.deployed import Deployment, addresses, proxy_and_verifier, report
from tests.onchain.rpcnode import HardhatNode

pytestmark = pytest.mark.onchain

NETWORK = InsecureTestNetwork("keepers", 7, 2)
STRANGER = InsecureTestNetwork("stranger", 7, 2, NETWORK.don_id, NETWORK.config_digest)
KEY = Account.from_key(b"\x11" * 32)
POLICY = Policy(max_fee=10**19)


@pytest.fixture(scope="module")
def node() -> Iterator[HardhatNode]:
    with HardhatNode() as running:
        yield running


@pytest.fixture(scope="module")
def other_node() -> Iterator[HardhatNode]:
    with HardhatNode(31338) as running:
        yield running


def deployed(node: HardhatNode, network: InsecureTestNetwork) -> Deployment:
    """A proxy of today with a fee manager that charges."""
    made = Deployment(node, "v0.5.1")
    proxy_and_verifier(made)
    signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
    made.on_verifier(signature, network.config_digest, addresses(network), network.f, [])
    made.set_fee_manager()
    return made


@pytest.fixture(scope="module")
def deployment(node: HardhatNode) -> Deployment:
    return deployed(node, NETWORK)


def succeeded(node: HardhatNode, since: int) -> int:
    """How many transactions were mined after a block; each must have succeeded."""
    count = 0
    for number in range(since + 1, node.number + 1):
        for hash_ in node.ask("eth_getBlockByNumber", hex(number), False)["transactions"]:
            assert node.ask("eth_getTransactionReceipt", hash_)["status"] == "0x1"
            count += 1
    return count


# --- the middleware -------------------------------------------------------------------------------


@asynccontextmanager
async def connected(node: HardhatNode, kind: str) -> AsyncIterator[Any]:
    if kind == "websocket":
        async with AsyncWeb3(WebSocketProvider("ws" + node.url.removeprefix("http"))) as w3:
            yield w3
        return
    w3 = AsyncWeb3(AsyncHTTPProvider(node.url))
    try:
        yield w3
    finally:
        await w3.provider.disconnect()


def _calls(deployment: Deployment, state: State, account: str) -> tuple[Any, Any, Any]:
    """A good call, one with another network's signatures, and one that pays too little."""
    now = deployment.node.time()
    good = NETWORK.sign(report(now)).encode()
    bad = STRANGER.sign(report(now)).encode()
    sent = build_transaction(good, state, pay="native", sender=account)
    return (
        sent,
        build_transaction(bad, state, pay="native", sender=account),
        sent | {"value": sent["value"] - 1},
    )


def _funded(node: HardhatNode) -> None:
    node.ask("hardhat_setBalance", KEY.address, hex(10**22))


@pytest.mark.parametrize("outside", [False, True])
def test_the_middleware_with_and_without_one_that_signs(
    deployment: Deployment, outside: bool
) -> None:
    node = deployment.node
    _funded(node)
    w3 = Web3(HTTPProvider(node.url))
    state = asyncio.run(aio.fetch_state(node.url, deployment.proxy))
    guard = GuardMiddlewareBuilder.build(States([state]), POLICY)
    sign = SignAndSendRawMiddlewareBuilder.build(KEY)
    inner, outer = (sign, guard) if outside else (guard, sign)
    w3.middleware_onion.inject(inner, "inner", layer=0)
    w3.middleware_onion.add(outer, "outer")
    since = node.number
    for account in (KEY.address, deployment.subscriber):
        good, *refused = _calls(deployment, state, account)
        w3.eth.send_transaction(good)
        for call in refused:
            # With a limit, web3.py does not ask for the gas of a call that reverts.
            with pytest.raises(Refused, match="would revert"):
                w3.eth.send_transaction(call | {"gas": 1_000_000, "gasPrice": 0})
    w3.eth.send_transaction({"from": w3.to_checksum_address(node.owner), "to": KEY.address})
    assert succeeded(node, since) == 3


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_asyncio(deployment: Deployment, kind: str) -> None:
    node = deployment.node
    _funded(node)

    async def main() -> None:
        async with connected(node, kind) as w3:
            state = await aio.fetch_state(w3, deployment.proxy)
            sent, *refused = _calls(deployment, state, deployment.subscriber)
            await aio.send_guarded(w3, sent, state, POLICY)
            for call in refused:
                assert not await aio.judge_transaction(w3, call, state)
                with pytest.raises(Refused, match="would revert"):
                    await aio.send_guarded(w3, call, state, POLICY)
            w3.middleware_onion.inject(GuardMiddlewareBuilder.build(state, POLICY), layer=0)
            w3.middleware_onion.add(SignAndSendRawMiddlewareBuilder.build(KEY))
            for account in (KEY.address, deployment.subscriber):
                good, *refused = _calls(deployment, state, account)
                await w3.eth.send_transaction(good)
                for call in refused:
                    with pytest.raises(Refused, match="would revert"):
                        await w3.eth.send_transaction(call | {"gas": 1_000_000, "gasPrice": 0})

    since = node.number
    asyncio.run(main())
    assert succeeded(node, since) == 3


def test_the_middleware_before_a_contract_of_ones_own(deployment: Deployment) -> None:
    node, types = deployment.node, ("address",)
    bare = Deployment(node, "v0.5.1")
    proxy_and_verifier(bare)
    signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
    bare.on_verifier(signature, NETWORK.config_digest, addresses(NETWORK), NETWORK.f, [])
    consumer = Web3.to_checksum_address(node.deploy("Consumer", types, bare.proxy))
    w3 = Web3(HTTPProvider(node.url))
    state = asyncio.run(aio.fetch_state(node.url, bare.proxy))
    policy = Policy(consumers=(consumer,))
    w3.middleware_onion.inject(GuardMiddlewareBuilder.build(state, policy), layer=0)
    since, now = node.number, node.time()
    account = Web3.to_checksum_address(deployment.subscriber)

    def pull_with(network: InsecureTestNetwork) -> Any:
        raw = network.sign(report(now)).encode()
        data = calldata("pull(bytes,bytes)", raw, b"")
        return {"from": account, "to": consumer, "data": data, "gas": 1_000_000}

    w3.eth.send_transaction(pull_with(NETWORK))
    with pytest.raises(Refused, match="would revert"):
        w3.eth.send_transaction(pull_with(STRANGER))
    other = {"data": calldata("setPaused(bool)", False)}
    w3.eth.send_transaction(pull_with(STRANGER) | other)
    assert succeeded(node, since) == 2


# --- the examples ---------------------------------------------------------------------------------


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChainlinkSimulator]:
    with simulators.start("chainlink", rate=20) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def test_the_example_of_pulling(node: HardhatNode, venue: ChainlinkSimulator) -> None:
    made = deployed(node, venue.network)
    since = node.number
    assert pull.main(node.url, made.proxy, made.subscriber, venue.feeds[0], venue.base) == 0
    made.on_verifier("deactivateConfig(bytes32)", venue.network.config_digest)
    assert pull.main(node.url, made.proxy, made.subscriber, venue.feeds[0], venue.base) == 1
    assert succeeded(node, since) == 2


def test_the_example_of_pushing(node: HardhatNode, venue: ChainlinkSimulator) -> None:
    made = deployed(node, venue.network)
    since = node.number
    push.main(node.url, made.proxy, made.subscriber, ",".join(venue.feeds[:2]), venue.base, "2")
    assert succeeded(node, since) == 2


def test_the_example_of_asyncio(node: HardhatNode, venue: ChainlinkSimulator) -> None:
    made = deployed(node, venue.network)
    since, url = node.number, "ws" + node.url.removeprefix("http")
    feed = venue.feeds[0]
    with_asyncio.main(node.url, url, made.proxy, made.subscriber, feed, venue.base, "2")
    assert succeeded(node, since) == 2


def test_the_example_of_several_chains(
    node: HardhatNode,
    other_node: HardhatNode,
    venue: ChainlinkSimulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = [deployed(each, venue.network) for each in (node, other_node)]
    since = [each.node.number for each in made]
    account = made[0].subscriber
    chains = [f"{each.node.url}={each.proxy}" for each in made]
    several_chains.main(account, venue.feeds[0], venue.base, *chains)
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" sent ")[0] for line in told] == ["chain 31337:", "chain 31338:"]
    assert [succeeded(each.node, block) for each, block in zip(made, since, strict=True)] == [1, 1]


def test_the_example_of_stork(node: HardhatNode, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = node.deploy("Relay", ("address",), node.deploy("StorkModel"))
    with simulators.start("stork", rate=20, bad_share=0.3, bad=["wrong_signer"]) as venue:
        assert isinstance(venue, StorkSimulator)
        for name, value in venue.environment.items():
            monkeypatch.setenv(name, value)
        signer = str(venue.state().to_dict()["signer"])
        node.send(contract, "initialize(address,address,uint256)", node.owner, signer, 12_345)
        since = node.number
        stork.main(node.url, contract, node.accounts[2], "BTCUSD", venue.base, "3")
        assert succeeded(node, since) == 3
