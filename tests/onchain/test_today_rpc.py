"""Proxies as they are today, fetched from a real node: the views, and no-op fee managers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payloads.chainlink.calldata import encode_calldata
from payloads.chainlink.state import ChainlinkState
from payloads.chainlink.verifier import judge_calldata
from payloads.testing import InsecureTestNetwork

pytest.importorskip("web3")

from payloads.chain.reading.fetch import fetch_state
from payloads.chain.rpc import Unavailable
from tests.onchain.deployed import (
    LINK,
    NATIVE,
    NOWHERE,
    Deployment,
    addresses,
    proxy_and_verifier,
    report,
)
from tests.onchain.rpcnode import HardhatNode

pytestmark = pytest.mark.onchain

NETWORK = InsecureTestNetwork("today", 7, 2)


@pytest.fixture(scope="module")
def node() -> Iterator[HardhatNode]:
    with HardhatNode() as running:
        yield running


@pytest.fixture(scope="module", params=["v0.5.0", "v0.5.1"])
def deployment(request: pytest.FixtureRequest, node: HardhatNode) -> Deployment:
    made = Deployment(node, request.param)
    proxy_and_verifier(made)
    signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
    made.on_verifier(signature, NETWORK.config_digest, addresses(NETWORK), NETWORK.f, [])
    made.done("deployed")
    return made


def _fetched(deployment: Deployment, block: int | None = None) -> ChainlinkState:
    found = fetch_state(
        deployment.node.url, deployment.proxy, block=block, subscriber=deployment.subscriber
    )
    assert isinstance(found, ChainlinkState)
    assert found.contract == deployment.generation
    return found


def _agree(deployment: Deployment, state: ChainlinkState) -> None:
    """Every function, with good and bad payloads: the verdict is the node's own answer."""
    node, now = deployment.node, deployment.node.time()
    good = NETWORK.sign(report(now)).encode()
    few = NETWORK.sign(report(now), by=range(NETWORK.f)).encode()
    stale = NETWORK.sign(report(now, expires=1_700_000_000)).encode()
    for payload in (good, few, stale):
        calls = [
            (encode_calldata(payload), 0),
            (encode_calldata(payload), 10**15),
            (encode_calldata([good, payload]), 0),
            (encode_calldata(payload, "verifyView"), 0),
            (encode_calldata(payload, "verifyView"), 1),
            (encode_calldata([payload, good], "verifyBulkView"), 0),
        ]
        for data, value in calls:
            sender = deployment.subscriber
            options = {"from": sender, "value": hex(value)}
            accepted, returned = node.call(deployment.proxy, data, **options)
            verdict = judge_calldata(data, state, value=value, now=now, sender=sender)
            assert verdict.accepted == accepted, verdict.explanation
            assert accepted or verdict.revert_data == returned


def _no_op(deployment: Deployment, version: str) -> str:
    types, tokens = ((), ()) if version == "0.5.0" else (("address",) * 3, (LINK, NATIVE, NOWHERE))
    return deployment.node.deploy(f"v{version}/NoOpFeeManager", types, *tokens)


def test_a_proxy_of_today(deployment: Deployment) -> None:
    bare = _fetched(deployment)
    assert bare.fee_manager is None
    _agree(deployment, bare)
    for version, tokens in (("0.5.0", {}), ("0.5.1", {"link": LINK, "native": NATIVE})):
        manager = _no_op(deployment, version)
        deployment.on_proxy("setFeeManager(address)", manager)
        deployment.done(version)
        state = _fetched(deployment)
        named = {"type": f"NoOpFeeManager {version}", "address": manager.lower()}
        assert state.to_dict()["fee_manager"] == named | tokens
        _agree(deployment, state)
    # What was in use before is remembered, and so is when it changed.
    newest = _fetched(deployment)
    then = newest.at(deployment.node.time(deployment.steps["0.5.0"]))
    assert then.fee_manager == _fetched(deployment, deployment.steps["0.5.0"]).fee_manager
    assert newest.at(deployment.node.time(deployment.steps["deployed"])).fee_manager is None
    # A fee manager that charges, after those that do not.
    deployment.set_fee_manager()
    deployment.done("charging")
    charging = _fetched(deployment)
    assert charging.charges is not None
    _agree(deployment, charging)


def test_an_unknown_fee_manager_is_told(deployment: Deployment) -> None:
    deployment.on_proxy("setFeeManager(address)", deployment.node.deploy("Untold"))
    with pytest.raises(Unavailable, match=r"unknown fee manager.*write a state by hand") as caught:
        _fetched(deployment)
    assert "Untold 9.9.9" in str(caught.value)
    assert "NoOpFeeManager 0.5.1" in str(caught.value)
