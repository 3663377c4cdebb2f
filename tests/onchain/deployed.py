"""The published contracts on a real node, changed step by step as their owners would.

Each generation's `story` is a list of steps; after each, time passes and `Checkpoint`s remember the
block, so that a test can ask what was so then. Keys are the insecure test networks' of the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hexbytes import HexBytes

from payloads.chainlink.schemas import ReportV3
from payloads.testing import InsecureTestNetwork
from payloads.testing.onchain.encoding import calldata
from tests.onchain.build import ensure_artifacts
from tests.onchain.rpcnode import HardhatNode

NOWHERE: Final = "0x" + "00" * 20
LINK, NATIVE = "0x" + "1c" * 20, "0x" + "2d" * 20
FEED: Final = b"\x00\x03" + b"\xaa" * 30
OTHER_FEED: Final = b"\x00\x03" + b"\xbb" * 30
FAR: Final = 4_000_000_000
SCALE: Final = 10**18


@dataclass
class Deployment:
    """A proxy with what stands behind it, and what has been done to it."""

    node: HardhatNode
    generation: str
    proxy: str = ""
    verifier: str = ""
    fee_manager: str = ""
    rewards: str = ""
    # Block number after each step, by the step's name.
    steps: dict[str, int] = field(default_factory=dict)
    # v0.3.0: the digest that a set_config gave, by feed and order.
    digests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.subscriber = self.node.accounts[1]
        for token in (LINK, NATIVE):
            self.node.place(token, ensure_artifacts()["Token"]["runtime"])
            self.node.send(token, "mint(address,uint256)", self.subscriber, 10**40)

    def make(self, name: str, types: tuple[str, ...] = (), *args: object) -> str:
        return self.node.deploy(f"{self.generation}/{name}", types, *args)

    def done(self, step: str) -> None:
        """Remember the block, and let blocks and time pass before the next step."""
        self.steps[step] = self.node.number
        self.node.mine(3)
        self.node.pass_time(1_000)

    def on_verifier(self, signature: str, *args: object) -> dict[str, Any]:
        return self.node.send(self.verifier, signature, *args)

    def on_proxy(self, signature: str, *args: object) -> dict[str, Any]:
        return self.node.send(self.proxy, signature, *args)

    def on_fees(self, signature: str, *args: object) -> dict[str, Any]:
        return self.node.send(self.fee_manager, signature, *args)

    def set_fee_manager(self) -> None:
        """Deploy a fee manager, and put it to use."""
        destination = self.generation == "v0.4.0"
        word = "Destination" if destination else ""
        owner = self.verifier if destination else self.proxy
        self.rewards = self.make(f"{word}RewardManager", ("address",), LINK)
        args = (LINK, NATIVE, owner, self.rewards)
        self.fee_manager = self.make(f"{word}FeeManager", ("address",) * 4, *args)
        admit = "addFeeManager(address)" if destination else "setFeeManager(address)"
        self.node.send(self.rewards, admit, self.fee_manager)
        for token, spender in ((LINK, self.rewards), (NATIVE, self.fee_manager)):
            data = "0x" + calldata("approve(address,uint256)", spender, 2**256 - 1).hex()
            self.node.transact({"from": self.subscriber, "to": token, "data": data})
        self.node.send(owner, "setFeeManager(address)", self.fee_manager)


def addresses(network: InsecureTestNetwork) -> list[str]:
    return [address.lower() for address in network.signers]


def report(observed: int, feed: bytes = FEED, expires: int = FAR) -> ReportV3:
    return ReportV3(
        HexBytes(feed), observed, observed, 3 * 10**15 + 1, 7 * 10**17 + 1, expires, 5, 4, 6
    )


def proxy_and_verifier(deployment: Deployment) -> None:
    if deployment.generation == "v0.4.0":
        deployment.proxy = deployment.make("DestinationVerifierProxy")
        verifier = deployment.make("DestinationVerifier", ("address",), deployment.proxy)
        deployment.verifier = verifier
        deployment.on_proxy("setVerifier(address)", verifier)
        return
    deployment.proxy = deployment.make("VerifierProxy", ("address",), NOWHERE)
    deployment.verifier = deployment.make("Verifier", ("address",), deployment.proxy)
    deployment.on_proxy("initializeVerifier(address)", deployment.verifier)


def _fee_steps(deployment: Deployment) -> None:
    """The same for all generations: a fee manager, prices, discounts, another fee manager."""
    deployment.set_fee_manager()
    deployment.done("fee manager")
    deployment.on_fees("setNativeSurcharge(uint64)", SCALE // 5)
    deployment.done("surcharge")
    one = "updateSubscriberDiscount(address,bytes32,address,uint64)"
    deployment.on_fees(one, deployment.subscriber, FEED, LINK, SCALE // 2)
    deployment.on_fees(one, deployment.node.accounts[5], FEED, LINK, SCALE // 4)
    deployment.done("discount")
    if deployment.generation != "v0.3.0":
        every = "updateSubscriberGlobalDiscount(address,address,uint64)"
        deployment.on_fees(every, deployment.subscriber, NATIVE, SCALE // 10)
        deployment.done("global discount")
    deployment.on_fees(one, deployment.subscriber, FEED, LINK, 0)
    deployment.on_fees("setNativeSurcharge(uint64)", SCALE // 3)
    deployment.done("prices changed")
    deployment.set_fee_manager()
    deployment.on_fees("setNativeSurcharge(uint64)", SCALE // 7)
    deployment.done("another fee manager")


def _access_steps(deployment: Deployment, set_access: Callable[..., Any]) -> None:
    book = deployment.node.deploy("SimpleReadAccessController")
    set_access("setAccessController(address)", book)
    deployment.done("access controlled")
    deployment.node.send(book, "addAccess(address)", deployment.node.accounts[7])
    deployment.done("guest added")
    deployment.node.send(book, "disableAccessCheck()")
    deployment.done("access open")
    gate = deployment.node.deploy("Gate")
    set_access("setAccessController(address)", gate)
    deployment.done("gate shut")
    deployment.node.send(gate, "setAccess(address,bool)", deployment.subscriber, True)
    deployment.done("gate open")
    set_access("setAccessController(address)", NOWHERE)
    deployment.done("access free")


def v3(node: HardhatNode, first: InsecureTestNetwork, second: InsecureTestNetwork) -> Deployment:
    deployment = Deployment(node, "v0.3.0")
    proxy_and_verifier(deployment)
    deployment.done("deployed")

    def set_config(feed: bytes, network: InsecureTestNetwork) -> None:
        signature = (
            "setConfig(bytes32,address[],bytes32[],uint8,bytes,uint64,bytes,(address,uint64)[])"
        )
        transmitters = [bytes(32)] * network.size
        args: tuple[Any, ...] = (
            addresses(network),
            transmitters,
            network.f,
            b"",
            1,
            b"off chain",
            [],
        )
        receipt = deployment.on_verifier(signature, feed, *args)
        log = next(one for one in receipt["logs"] if one["address"] == deployment.verifier.lower())
        # ConfigSet: the previous block number, then the digest.
        deployment.digests.append(bytes.fromhex(log["data"][2:])[32:64])

    set_config(FEED, first)
    set_config(OTHER_FEED, first)
    deployment.done("first configs")
    set_config(FEED, second)
    deployment.done("second config")
    old = deployment.digests[0]
    deployment.on_verifier("deactivateConfig(bytes32,bytes32)", FEED, old)
    deployment.done("first deactivated")
    deployment.on_verifier("activateConfig(bytes32,bytes32)", FEED, old)
    deployment.done("first activated")
    deployment.on_verifier("deactivateFeed(bytes32)", OTHER_FEED)
    deployment.done("feed deactivated")
    deployment.on_verifier("activateFeed(bytes32)", OTHER_FEED)
    deployment.done("feed activated")
    deployment.on_verifier("deactivateFeed(bytes32)", OTHER_FEED)
    deployment.on_proxy("unsetVerifier(bytes32)", deployment.digests[0])
    deployment.done("first unset")
    _fee_steps(deployment)
    _access_steps(deployment, deployment.on_proxy)
    return deployment


def v4(node: HardhatNode, first: InsecureTestNetwork, second: InsecureTestNetwork) -> Deployment:
    deployment = Deployment(node, "v0.4.0")
    proxy_and_verifier(deployment)
    deployment.done("deployed")

    def set_config(network: InsecureTestNetwork) -> None:
        signature = "setConfig(address[],uint8,(address,uint64)[])"
        deployment.on_verifier(signature, addresses(network), network.f, [])

    timed = "setConfigWithActivationTime(address[],uint8,(address,uint64)[],uint32)"
    deployment.on_verifier(timed, addresses(first), first.f, [], 1_000_000_000)
    deployment.done("first config")
    set_config(second)
    deployment.done("second config")
    # The first set once more: its name stands in the list twice from here on.
    set_config(first)
    deployment.done("first config again")
    deployment.on_verifier("setConfigActive(uint256,bool)", 0, False)
    deployment.done("oldest deactivated")
    deployment.on_verifier("setConfigActive(uint256,bool)", 2, False)
    deployment.done("newest deactivated")
    deployment.on_verifier("setConfigActive(uint256,bool)", 2, True)
    deployment.done("newest activated")
    deployment.on_verifier("removeLatestConfig()")
    deployment.done("newest removed")
    deployment.on_verifier(timed, addresses(first), first.f, [], deployment.node.time() - 500)
    deployment.done("another newest")
    _fee_steps(deployment)
    _access_steps(deployment, deployment.on_verifier)
    return deployment


def v5(node: HardhatNode, first: InsecureTestNetwork, second: InsecureTestNetwork) -> Deployment:
    deployment = Deployment(node, "v0.5.0")
    proxy_and_verifier(deployment)
    deployment.done("deployed")
    signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
    for network in (first, second):
        args: tuple[Any, ...] = (network.config_digest, addresses(network), network.f, [])
        deployment.on_verifier(signature, *args)
    deployment.done("first configs")
    deployment.on_verifier("deactivateConfig(bytes32)", first.config_digest)
    deployment.done("first deactivated")
    deployment.on_verifier("activateConfig(bytes32)", first.config_digest)
    deployment.done("first activated")
    # Signers and f replaced under the same digest: the event does not say f.
    update = "updateConfig(bytes32,address[],address[],uint8)"
    fewer = addresses(first)[: 3 * (first.f - 1) + 1]
    deployment.on_verifier(update, first.config_digest, addresses(first), fewer, first.f - 1)
    deployment.done("first updated")
    deployment.on_proxy("unsetVerifier(bytes32)", second.config_digest)
    deployment.done("second unset")
    _fee_steps(deployment)
    _access_steps(deployment, deployment.on_proxy)
    return deployment


STORIES: Final = {"v0.3.0": v3, "v0.4.0": v4, "v0.5.0": v5}
