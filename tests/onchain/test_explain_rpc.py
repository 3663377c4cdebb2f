"""Transactions on a real node, explained: each verdict is what the real contracts decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from payloads.chain import Explained, explain
from payloads.chain.guarding.transaction import build_transaction
from payloads.chain.reading.fetch import fetch_state
from payloads.chainlink.state import ChainlinkState
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.stork import Asset
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.onchain.encoding import calldata
from tests.onchain.deployed import FAR, FEED, LINK, NATIVE, Deployment, proxy_and_verifier, report
from tests.onchain.rpcnode import GAS, Failed, HardhatNode

NETWORK = InsecureTestNetwork("explained", 4, 1)
CONFIGS = {
    "v0.3.0": "setConfig(bytes32,address[],bytes32[],uint8,bytes,uint64,bytes,(address,uint64)[])",
    "v0.4.0": "setConfig(address[],uint8,(address,uint64)[])",
    "v0.5.0": "setConfig(bytes32,address[],uint8,(address,uint64)[])",
}


@pytest.fixture(scope="module")
def node() -> Iterator[HardhatNode]:
    with HardhatNode() as running:
        yield running


def sent(node: HardhatNode, transaction: dict[str, Any]) -> tuple[str, bool]:
    """The hash of a transaction that was sent, and whether it succeeded."""
    call = {**transaction, "gas": hex(GAS), "value": hex(transaction.get("value", 0))}
    call.pop("chainId", None)
    try:
        hash_ = node.ask("eth_sendTransaction", call)
    except Failed as failed:
        hash_ = failed.error["data"]["txHash"]
    return hash_, node.ask("eth_getTransactionReceipt", hash_)["status"] == "0x1"


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def deployment(request: pytest.FixtureRequest, node: HardhatNode) -> Deployment:
    made = Deployment(node, request.param)
    proxy_and_verifier(made)
    signers = [signer.lower() for signer in NETWORK.signers]
    signature = CONFIGS[request.param]
    if request.param == "v0.3.0":
        rest: tuple[Any, ...] = ([bytes(32)] * NETWORK.size, NETWORK.f, b"", 1, b"", [])
        receipt = made.on_verifier(signature, FEED, signers, *rest)
        # ConfigSet: the previous block number, then the digest.
        made.digests.append(bytes.fromhex(receipt["logs"][0]["data"][2:])[32:64])
    else:
        head = [NETWORK.config_digest] if request.param == "v0.5.0" else []
        made.on_verifier(signature, *head, signers, NETWORK.f, [])
    made.set_fee_manager()
    node.mine(3)
    return made


def signed(deployment: Deployment, expires: int = FAR, by: Any = None) -> bytes:
    now, digest = deployment.node.time(), (deployment.digests or [NETWORK.config_digest])[0]
    network = InsecureTestNetwork("explained", NETWORK.size, NETWORK.f, 1, digest)
    return network.sign(report(now, expires=expires), by=by).encode()


def explained(
    deployment: Deployment, transaction: dict[str, Any], **how: Any
) -> tuple[Explained, bool]:
    hash_, ok = sent(deployment.node, transaction)
    return explain(deployment.node.url, hash_, **how), ok


@pytest.mark.parametrize("pay", ["link", "native", "wrapped"])
def test_direct_calls(deployment: Deployment, pay: str) -> None:
    state = fetch_state(deployment.node.url, deployment.proxy, subscriber=deployment.subscriber)
    assert isinstance(state, ChainlinkState)
    good, few = signed(deployment), signed(deployment, by=range(NETWORK.f))
    stale = signed(deployment, expires=deployment.node.time() - 10)
    for payload, accepted in ((good, True), ([good, good], True), (few, False), (stale, False),
                              ([good, stale], False)):  # fmt: skip
        found, ok = explained(deployment, build_transaction(payload, state, pay=pay))
        assert ok is accepted, found.lines
        assert (found.accepted, found.agrees, found.through) == (accepted, True, False), found.lines
        assert len(found.calls[0].payloads) == (2 if isinstance(payload, list) else 1)
        names = [event.name for event in found.events]
        assert ("ReportVerified" in names) is accepted
        assert ("FeePaid" in names) is (accepted and pay == "link"), names
        if not accepted:
            assert found.revert is not None
            assert found.revert.data == found.calls[0].verdict.revert_data


def test_what_a_verdict_does_not_know_is_a_disagreement(deployment: Deployment) -> None:
    state = fetch_state(deployment.node.url, deployment.proxy, subscriber=deployment.subscriber)
    poor = deployment.node.accounts[9]
    transaction = build_transaction(signed(deployment), state, pay="link", sender=poor)
    found, ok = explained(deployment, {**transaction, "from": poor})
    assert (ok, found.accepted, found.agrees) == (False, False, False)
    assert "DISAGREE" in found.conclusion
    assert any("no allowances" in note for note in found.notes)


def test_a_consumer(deployment: Deployment) -> None:
    node = deployment.node
    consumer = node.deploy("Consumer", ("address",), deployment.proxy)
    for token, spender in ((LINK, deployment.rewards), (NATIVE, deployment.fee_manager)):
        node.send(token, "mint(address,uint256)", consumer, 10**30)
        node.send(consumer, "approve(address,address,uint256)", token, spender, 2**256 - 1)
    in_link = bytes(12) + bytes.fromhex(LINK[2:])
    few = signed(deployment, by=range(NETWORK.f))
    for payload, accepted in ((signed(deployment), True), (few, False)):
        data = "0x" + calldata("pull(bytes,bytes)", payload, in_link).hex()
        transaction = {"from": deployment.subscriber, "to": consumer, "data": data}
        found, ok = explained(deployment, transaction, proxy=deployment.proxy)
        assert ok is accepted
        assert (found.accepted, found.agrees, found.through) == (accepted, True, True), found.lines
        (call,) = found.calls
        assert (call.seen, call.sender) == (False, bytes.fromhex(consumer[2:]))
        assert call.payloads[0].raw == payload
    hash_, _ = sent(node, transaction)
    with pytest.raises(Misuse, match="which contract verifies is not known"):
        explain(node.url, hash_)


def test_stork(node: HardhatNode) -> None:
    signer, stranger = (InsecureTestStorkSigner(name) for name in ("signer", "stranger"))
    address = node.deploy("StorkModel")
    node.send(address, "initialize(address,address,uint256)", node.owner, signer.address, 1_000)
    good, bad = (
        each.sign([Asset(7, 10**18)], timestamp_ns=10**18, taxonomy_id=1).encode()
        for each in (signer, stranger)
    )
    for data, value, ok, accepted in (
        (VERIFY.calldata(good), 1_000, True, True),
        (VERIFY.calldata(bad), 1_000, True, False),
        (VERIFY.calldata(good), 999, False, False),
        (DESERIALIZE.calldata(bad), 1_000, False, False),
    ):
        call = {"from": node.owner, "to": address, "data": "0x" + data.hex(), "value": value}
        hash_, succeeded = sent(node, call)
        found = explain(node.url, hash_)
        assert succeeded is ok
        assert (found.accepted, found.agrees) == (accepted, True), found.lines
        assert checksum(found.calls[0].contract) == checksum(bytes.fromhex(address[2:]))


def test_a_plain_transaction_has_nothing_to_explain(node: HardhatNode) -> None:
    hash_, _ = sent(node, {"from": node.owner, "to": node.accounts[1], "value": 1})
    with pytest.raises(Misuse, match="no payload in the calldata"):
        explain(node.url, hash_)
