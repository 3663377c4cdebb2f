"""The published llo-feeds contracts, set up as a `world` dict of the recorded vectors describes.

    chain = RealChainlink(world)
    chain.verify(payload, parameter_payload, value)   # Outcome, data = the report returned

Everything is set up by the contracts' own calls, with one exception: v0.3.0 derives a config's
digest by hashing inputs that a world does not record, so no call can be found that gives a wanted
digest. There the storage of verifier and proxy is written instead (`_write_config`), slot by slot
as `_setConfig` and `setVerifier` would have. Deactivations are the real calls again.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

from eth_abi.abi import decode, encode

from tests.onchain.build import ensure_artifacts
from tests.onchain.evm import DEPLOYER, Chain, Outcome
from tests.onchain.oracle import (
    STORK_DESERIALIZE,
    STORK_VERIFY,
    VERIFY,
    VERIFY_BULK,
    keccak256,
    selector,
)

NOWHERE: Final = "0x" + "00" * 20
PLENTY_OF_TOKENS: Final = 2**254
PLENTY_OF_ETHER: Final = 2**200

# Storage of v0.3.0's Verifier: two slots of ConfirmedOwner, then the mapping of feed states.
_FEED_STATES: Final = 2
# Storage of its VerifierProxy: the same two, the initialised verifiers, then verifier by digest.
_VERIFIER_BY_DIGEST: Final = 3
# Offsets in a feed's state, and in a config, of the mappings inside them.
_CONFIGS: Final = 2
_ORACLES: Final = 1
_ROLE_SIGNER: Final = 1


class World(TypedDict, total=False):
    """A line of `onchain-outcomes.jsonl.gz` with kind `world`."""

    contract: str
    now: int
    subscriber: str
    configs: list[dict[str, Any]]
    unset_digests: list[str]
    deactivated_feeds: list[str]
    fee_manager: dict[str, Any] | None


class RealChainlink:
    """One generation's proxy, verifier and fee manager, and a subscriber who can pay.

    `allowed`: None sets no access controller; otherwise one is set that lets the subscriber
    through, or refuses it.
    """

    def __init__(self, world: World, *, allowed: bool | None = None) -> None:
        self.generation = world["contract"]
        self.subscriber = world["subscriber"]
        self.chain = Chain(now=world["now"])
        self.chain.give(self.subscriber, PLENTY_OF_ETHER)
        self._artifacts = ensure_artifacts()
        builder = _BUILDERS[self.generation]
        self.proxy, self.verifier = builder(self, world)
        if allowed is not None:
            self._guard(allowed)

    def verify(self, payload: bytes, parameter_payload: bytes = b"", value: int = 0) -> Outcome:
        """Through the proxy. A successful outcome's data is the report the contract returned."""
        args = encode(["bytes", "bytes"], [payload, parameter_payload])
        outcome = self.raw(selector(VERIFY) + args, value)
        if not outcome.ok:
            return outcome
        (report,) = decode(["bytes"], outcome.data)
        return Outcome(True, report)

    def verify_bulk(
        self, payloads: list[bytes], parameter_payload: bytes = b"", value: int = 0
    ) -> Outcome:
        """Through the proxy. A successful outcome's data is for `reports`."""
        args = encode(["bytes[]", "bytes"], [payloads, parameter_payload])
        return self.raw(selector(VERIFY_BULK) + args, value)

    def raw(self, calldata: bytes, value: int = 0) -> Outcome:
        """Any call of the proxy by the subscriber; data is as returned."""
        return self.chain.call(self.proxy, calldata, sender=self.subscriber, value=value)

    # What follows builds the world.

    def deploy(self, name: str, types: tuple[str, ...] = (), *args: object) -> str:
        bytecode = self._artifacts[f"{self.generation}/{name}"]["bytecode"]
        return self.chain.deploy(bytecode, encode(types, args))

    def no_op(self, fees: dict[str, Any]) -> str:
        """A fee manager that does nothing, of the version that its type names."""
        version = fees["type"].removeprefix("NoOpFeeManager ")
        bytecode = self._artifacts[f"v{version}/NoOpFeeManager"]["bytecode"]
        if version == "0.5.0":
            return self.chain.deploy(bytecode)
        tokens = (fees["link"], fees["native"], NOWHERE)
        return self.chain.deploy(bytecode, encode(["address"] * 3, tokens))

    def send(self, to: str, signature: str, *args: object, sender: str = DEPLOYER) -> None:
        types = signature[signature.index("(") :]
        data = selector(signature) + encode([types], [args])
        if _is_dynamic(types):
            # encode() put the whole tuple behind one offset; a call's arguments stand bare.
            data = data[:4] + data[36:]
        self.chain.transact(to, data, sender=sender)

    def place_tokens(self, fees: dict[str, Any]) -> None:
        """Our tokens' code at the recorded addresses: the recorded quotes name them."""
        for token in (fees["link"], fees["native"]):
            self.chain.place(token, self._artifacts["Token"]["runtime"])
            self.send(token, "mint(address,uint256)", self.subscriber, PLENTY_OF_TOKENS)

    def fund(self, fees: dict[str, Any], fee_manager: str, reward_manager: str) -> None:
        """LINK is taken by the reward manager and wrapped native by the fee manager."""
        for token, spender in ((fees["link"], reward_manager), (fees["native"], fee_manager)):
            approve = "approve(address,uint256)"
            self.send(token, approve, spender, 2**256 - 1, sender=self.subscriber)

    def price(self, fees: dict[str, Any], fee_manager: str) -> None:
        self.send(fee_manager, "setNativeSurcharge(uint64)", int(fees["native_surcharge"]))
        for entry in fees["discounts"]:
            token, discount = fees[entry["token"]], int(entry["discount"])
            if entry["feed_id"] is None:
                signature = "updateSubscriberGlobalDiscount(address,address,uint64)"
                self.send(fee_manager, signature, self.subscriber, token, discount)
            else:
                signature = "updateSubscriberDiscount(address,bytes32,address,uint64)"
                feed = _bytes(entry["feed_id"])
                self.send(fee_manager, signature, self.subscriber, feed, token, discount)

    def _guard(self, allowed: bool) -> None:
        gate = self.chain.deploy(self._artifacts["Gate"]["bytecode"])
        self.send(gate, "setAccess(address,bool)", self.subscriber, allowed)
        # v0.4.0 asks it in the verifier, the others in the proxy.
        guarded = self.verifier if self.generation == "v0.4.0" else self.proxy
        self.send(guarded, "setAccessController(address)", gate)


def _build_v3_or_v5(build: RealChainlink, world: World) -> tuple[str, str]:
    proxy = build.deploy("VerifierProxy", ("address",), NOWHERE)
    verifier = build.deploy("Verifier", ("address",), proxy)
    build.send(proxy, "initializeVerifier(address)", verifier)
    fees = world.get("fee_manager")
    if fees and fees.get("type", "").startswith("NoOp"):
        build.send(proxy, "setFeeManager(address)", build.no_op(fees))
    elif fees:
        build.place_tokens(fees)
        rewards = build.deploy("RewardManager", ("address",), fees["link"])
        pay_to = (fees["link"], fees["native"], proxy, rewards)
        fee_manager = build.deploy("FeeManager", ("address",) * 4, *pay_to)
        build.send(rewards, "setFeeManager(address)", fee_manager)
        build.send(proxy, "setFeeManager(address)", fee_manager)
        build.fund(fees, fee_manager, rewards)
        build.price(fees, fee_manager)
    configure = _configure_v3 if world["contract"] == "v0.3.0" else _configure_v5
    configure(build, proxy, verifier, world)
    for digest in world.get("unset_digests") or []:
        build.send(proxy, "unsetVerifier(bytes32)", _bytes(digest))
    return proxy, verifier


def _configure_v3(build: RealChainlink, proxy: str, verifier: str, world: World) -> None:
    for config in world["configs"]:
        feed, digest = _bytes(config["feed_id"]), _bytes(config["config_digest"])
        _write_config(build.chain, verifier, feed, digest, config)
        build.chain.store(proxy, _mapped(_VERIFIER_BY_DIGEST, digest), int(verifier, 16))
        if not config["active"]:
            build.send(verifier, "deactivateConfig(bytes32,bytes32)", feed, digest)
    for feed_id in world.get("deactivated_feeds") or []:
        feed = _bytes(feed_id)
        if not build.chain.load(verifier, _mapped(_FEED_STATES, feed)):
            # The contract refuses to deactivate a feed that was never configured.
            build.chain.store(verifier, _mapped(_FEED_STATES, feed), 1)
        build.send(verifier, "deactivateFeed(bytes32)", feed)


def _configure_v5(build: RealChainlink, proxy: str, verifier: str, world: World) -> None:
    for config in world["configs"]:
        digest = _bytes(config["config_digest"])
        signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
        build.send(verifier, signature, digest, config["signers"], config["f"], [])
        if not config["active"]:
            build.send(verifier, "deactivateConfig(bytes32)", digest)


def _build_v4(build: RealChainlink, world: World) -> tuple[str, str]:
    proxy = build.deploy("DestinationVerifierProxy")
    verifier = build.deploy("DestinationVerifier", ("address",), proxy)
    build.send(proxy, "setVerifier(address)", verifier)
    fees = world.get("fee_manager")
    if fees:
        build.place_tokens(fees)
        rewards = build.deploy("DestinationRewardManager", ("address",), fees["link"])
        pay_to = (fees["link"], fees["native"], verifier, rewards)
        fee_manager = build.deploy("DestinationFeeManager", ("address",) * 4, *pay_to)
        build.send(rewards, "addFeeManager(address)", fee_manager)
        build.send(verifier, "setFeeManager(address)", fee_manager)
        build.fund(fees, fee_manager, rewards)
        build.price(fees, fee_manager)
    for index, config in enumerate(world["configs"]):
        signature = "setConfigWithActivationTime(address[],uint8,(address,uint64)[],uint32)"
        activation = config["activation_time"]
        build.send(verifier, signature, config["signers"], config["f"], [], activation)
        if not config["active"]:
            build.send(verifier, "setConfigActive(uint256,bool)", index, False)
    return proxy, verifier


_BUILDERS: Final = {
    "v0.3.0": _build_v3_or_v5,
    "v0.4.0": _build_v4,
    "v0.5.0": _build_v3_or_v5,
    "v0.5.1": _build_v3_or_v5,
}


def _write_config(
    chain: Chain, verifier: str, feed: bytes, digest: bytes, config: dict[str, Any]
) -> None:
    """What v0.3.0's `_setConfig` stores, for a digest of our choosing."""
    state = _mapped(_FEED_STATES, feed)
    # configCount is the lowest uint32; block number, epoch and isDeactivated stay zero. The latest
    # digest is left alone too: it would only keep this config from being deactivated.
    chain.store(verifier, state, chain.load(verifier, state) + 1)
    slot = _mapped(state + _CONFIGS, digest)
    is_active = 1 << 8
    chain.store(verifier, slot, is_active | config["f"])
    for index, signer in enumerate(config["signers"]):
        oracle = _mapped(slot + _ORACLES, _bytes(signer).rjust(32, b"\0"))
        chain.store(verifier, oracle, _ROLE_SIGNER << 8 | index)


def _mapped(slot: int, key: bytes) -> int:
    """Where solc keeps `mapping[key]` for a mapping at `slot`."""
    return int.from_bytes(keccak256(key + slot.to_bytes(32, "big")), "big")


class StorkWorld:
    """Our models of Stork Fast's generations, set up as a recorded Stork world says."""

    SENDER: Final = "0x" + "bb" * 20

    def __init__(self, world: dict[str, Any]) -> None:
        self.chain = Chain()
        self.chain.give(self.SENDER, PLENTY_OF_ETHER)
        several = "signers" in world
        model = "StorkManyModel" if several else "StorkModel"
        self.contract = self.chain.deploy(ensure_artifacts()[model]["bytecode"])
        signers, fee = world["signers" if several else "signer"], int(world["verification_fee"])
        owner = world.get("owner", DEPLOYER)
        if signers and signers != NOWHERE:
            types = ["address", "address[]" if several else "address", "uint256"]
            data = selector(f"initialize({','.join(types)})") + encode(types, [owner, signers, fee])
            self.chain.transact(self.contract, data)
        elif fee:
            self.chain.store(self.contract, 0, fee)  # as no contract can have it

    def verify(self, payload: bytes, value: int = 0) -> Outcome:
        return self.raw(selector(STORK_VERIFY) + encode(["bytes"], [payload]), value)

    def deserialize(self, payload: bytes, value: int = 0) -> Outcome:
        return self.raw(selector(STORK_DESERIALIZE) + encode(["bytes"], [payload]), value)

    def raw(self, calldata: bytes, value: int = 0, sender: str = SENDER) -> Outcome:
        return self.chain.call(self.contract, calldata, sender=sender, value=value)


def reports(bulk: Outcome) -> list[bytes]:
    """The reports of a successful `verify_bulk`."""
    (found,) = decode(["bytes[]"], bulk.data)
    return list(found)


def _is_dynamic(types: str) -> bool:
    return "[]" in types


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
