"""The matrix of transactions on a real node: what guard and preflight say, and what the chain does.

    python -m tests.onchain.matrix      # plays all of them, and writes the table of docs/keepers.md

Each case is played on its own: the world is set up, guard and preflight are asked, and then the
transaction is really sent, whatever they said. `disagreement` says where the answers differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode

from payloads.chain import Policy, PolicyRefusal, Preflight, fetch_state, preflight
from payloads.chain.guarding.consumer import in_words
from payloads.chain.guarding.guard import refuse_transaction
from payloads.chainlink.calldata import encode_calldata
from payloads.stork import Asset
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.testing.onchain.encoding import calldata, keccak256
from payloads.verdicts.state import State
from payloads.verdicts.verdict import ContractRefusal
from tests.onchain.deployed import LINK, NATIVE, NOWHERE, Deployment, proxy_and_verifier, report
from tests.onchain.rpcnode import Failed, HardhatNode

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "keepers.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"

READ, WRITE = "SimpleReadAccessController", "SimpleWriteAccessController"
NETWORK = InsecureTestNetwork("matrix", 7, 2)
STRANGERS = InsecureTestNetwork("strangers", 7, 2)
SIGNER, STRANGER = InsecureTestStorkSigner("matrix"), InsecureTestStorkSigner("stranger")
NATIVE_FEE, LINK_FEE = 3 * 10**15 + 1, 7 * 10**17 + 1
STORK_FEE = 5
# Seconds from the newest block to the one that takes a transaction, and the policy's margin.
MARGIN = 12
VERIFIED = "0x" + keccak256(b"ReportVerified(bytes32,address)").hex()
MOST = 2**256 - 1


@dataclass
class World:
    """Contracts on the node, and the state that was read of them."""

    name: str
    fees: str
    node: HardhatNode
    proxy: str
    consumer: str
    state: State
    network: InsecureTestNetwork = NETWORK
    deployment: Deployment | None = None

    @property
    def keeper(self) -> str:
        return self.node.accounts[1]

    @property
    def own(self) -> Deployment:
        assert self.deployment is not None
        return self.deployment

    @property
    def pays(self) -> str | None:
        """What a good transaction pays in."""
        return LINK if self.fees == "charging" else None

    # --- payloads and transactions ------------------------------------------------------------

    def good(self, expires_in: int = 10_000, signers: InsecureTestNetwork | None = None) -> bytes:
        now = self.node.time()
        return (signers or self.network).sign(report(now, expires=now + expires_in)).encode()

    def bad(self) -> bytes:
        """A report that others signed, under the same digest."""
        strangers = InsecureTestNetwork(
            "strangers", STRANGERS.size, STRANGERS.f, 1, self.network.config_digest
        )
        return self.good(signers=strangers)

    def few(self) -> bytes:
        now = self.node.time()
        return self.network.sign(report(now), by=range(self.network.f)).encode()

    def straight(self, payload: bytes | list[bytes], **changes: Any) -> dict[str, Any]:
        data = encode_calldata(payload, pay=changes.pop("pay", self.pays))
        return {"from": self.keeper, "to": self.proxy, "data": data, **changes}

    def through(self, signature: str, *args: Any, **changes: Any) -> dict[str, Any]:
        data = calldata(signature, *args)
        return {"from": self.keeper, "to": self.consumer, "data": data, **changes}

    def pull(self, payload: bytes, pay: str | None = "", **changes: Any) -> dict[str, Any]:
        token = self.pays if pay == "" else pay
        parameter = b"" if token is None else bytes(12) + bytes.fromhex(token[2:])
        return self.through("pull(bytes,bytes)", payload, parameter, **changes)

    # --- changing it --------------------------------------------------------------------------

    def approve(self, token: str, spender: str, amount: int, of: str = "") -> None:
        """The allowance of the keeper, or of the consumer."""
        if of == self.consumer:
            self.node.send(of, "approve(address,address,uint256)", token, spender, amount)
            return
        data = "0x" + calldata("approve(address,uint256)", spender, amount).hex()
        self.node.transact({"from": self.keeper, "to": token, "data": data})

    def control(self, controller: str, *listed: str) -> None:
        """An access controller that lists these."""
        book = self.node.deploy(controller)
        for user in listed:
            self.node.send(book, "addAccess(address)", user)
        owner = self.own.verifier if self.own.generation == "v0.4.0" else self.proxy
        self.node.send(owner, "setAccessController(address)", book)

    def read(self, subscriber: str | None = None) -> None:
        self.state = fetch_state(self.node.url, self.proxy, subscriber=subscriber)


@dataclass
class Case:
    """A transaction in a world. `first` changes the world before it."""

    world: str
    what: str
    make: Callable[[World], dict[str, Any]]
    first: Callable[[World], object] | None = None


@dataclass
class Line:
    """What was said about a case, and what happened."""

    case: Case
    fees: str
    refusal: str
    by_policy: bool
    checked: Preflight
    passed: bool | None
    data: bytes
    logs: list[dict[str, Any]]
    returned: bytes

    @property
    def guard(self) -> str:
        return self.refusal or "sends it"

    @property
    def chain(self) -> str:
        if self.passed is None:
            return "does not take it"
        if not self.passed:
            return f"reverts: {in_words(self.data)}" if self.data else "reverts"
        return "returns false" if self.returned == bytes(32) else "passes"

    @property
    def said(self) -> str:
        return ", ".join(each.code for each in self.checked.problems) or "ok"

    def row(self) -> str:
        cells = (self.case.world, self.fees, self.case.what, self.guard, self.said, self.chain)
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


# --- playing --------------------------------------------------------------------------------------


def play(world: World, case: Case) -> Line:
    """Ask about the case, send it, and leave the world as it was."""
    node, known = world.node, world.state
    before = node.ask("evm_snapshot")
    try:
        if case.first is not None:
            case.first(world)
        transaction = case.make(world)
        policy = Policy(margin=MARGIN, consumers=(world.consumer,))
        refusal, by_policy = "", False
        try:
            refuse_transaction(node.url, transaction, world.state, policy)
        except PolicyRefusal as error:
            refusal, by_policy = f"refuses: {error.found}", True
        except ContractRefusal as error:
            verdict = error.verdict
            refusal = f"refuses: {error if verdict is None else verdict.refusal}"
        checked = preflight(node.url, transaction, world.state, policy)
        return _sent(world, case, transaction, refusal, by_policy, checked)
    finally:
        node.ask("evm_revert", before)
        world.state = known


def _sent(
    world: World, case: Case, transaction: dict[str, Any], refusal: str, by_policy: bool,
    checked: Preflight,
) -> Line:  # fmt: skip
    node = world.node
    wire = {key: _on_wire(value) for key, value in transaction.items()}
    # A call's answer is not in the receipt.
    simple = {key: wire[key] for key in ("from", "value") if key in wire}
    _, returned = node.call(wire["to"], bytes(transaction["data"]), **simple)
    node.ask("evm_setNextBlockTimestamp", node.time() + MARGIN)
    passed: bool | None
    try:
        hash_, passed, data = node.ask("eth_sendTransaction", wire), True, b""
    except Failed as failed:
        found = failed.error.get("data")
        hash_ = found.get("txHash") if isinstance(found, dict) else None
        passed = None if hash_ is None else False
        data = bytes.fromhex(found["data"][2:]) if hash_ and found.get("data") else b""
    logs = []
    if hash_ is not None:
        receipt = node.ask("eth_getTransactionReceipt", hash_)
        assert (receipt["status"] == "0x1") is passed
        logs = receipt["logs"]
    return Line(case, world.fees, refusal, by_policy, checked, passed, data, logs, returned)


def _on_wire(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return hex(value) if isinstance(value, int) else value


# --- holding against each other -------------------------------------------------------------------

_NOT_TAKEN = {"nonce-used", "nonce-gap", "gas-above-block", "gas-below-minimum", "ether"}
_REVERTS = {"allowance", "balance", "refund", "gas-low", "run-reverts"}


def disagreement(line: Line) -> str:
    """Where guard, preflight and chain differ; "" where they agree."""
    codes = {each.code for each in line.checked.problems if each.severity == "danger"}
    verdict = line.checked.verdict
    if verdict is None or line.checked.unknown:
        return "no verdict, or something is not known"
    if line.checked.ok:
        return _of_good(line)
    if codes & _NOT_TAKEN:
        return "" if line.passed is None else "preflight says that no node takes it"
    if codes & _REVERTS:
        return "" if line.passed is False else "preflight says that it reverts"
    if not verdict.accepted and not line.refusal:
        return "the guard sends what the contract refuses"
    if "node-disagrees" in codes:
        alarmed = line.refusal and line.passed and line.case.what.endswith("(alarm)")
        return "" if alarmed else "an alarm that was not expected"
    if verdict.accepted:  # the policy alone
        return "" if line.by_policy and line.passed else "the policy refuses what reverts"
    if verdict.revert_data is None and not line.case.what.startswith("through"):
        return "" if line.passed and line.returned == bytes(32) else "it does not return false"
    if line.passed is not False:
        return "the contract was to refuse it"
    if verdict.revert_data is None:  # the consumer reverts when it is answered false
        return "" if "Consumer" in in_words(line.data) else "not the consumer's own refusal"
    return "" if line.data == verdict.revert_data else "another refusal than the verdict's"


def _of_good(line: Line) -> str:
    if line.refusal:
        return "the guard refuses what preflight takes"
    if line.passed is not True:
        return "guard and preflight take what fails"
    assert line.checked.verdict is not None
    if "Stork" in line.case.world or "View" in line.case.what:
        return ""
    returned = line.checked.verdict.returned
    count = len(returned) if isinstance(returned, tuple) else 1
    found = sum(log["topics"][0] == VERIFIED for log in line.logs)
    return "" if found == count else f"{found} events of verified reports, and not {count}"


# --- the worlds -----------------------------------------------------------------------------------

GENERATIONS = ("v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1")


def worlds(node: HardhatNode) -> dict[str, World]:
    """All worlds by name and fees."""
    found = []
    for generation in GENERATIONS:
        for fees in ("none", "charging", "no-op"):
            if fees != "no-op" or generation in ("v0.5.0", "v0.5.1"):
                found.append(_chainlink(node, generation, fees))
    found += [_stork(node, several) for several in (False, True)]
    return {f"{world.name}, {world.fees}": world for world in found}


def _chainlink(node: HardhatNode, generation: str, fees: str) -> World:
    deployment = Deployment(node, generation)
    proxy_and_verifier(deployment)
    network = _configure(deployment)
    if fees == "charging":
        deployment.set_fee_manager()
    elif fees == "no-op":
        version = generation.removeprefix("v")
        tokens = () if version == "0.5.0" else (LINK, NATIVE, NOWHERE)
        types = ("address",) * len(tokens)
        manager = node.deploy(f"{generation}/NoOpFeeManager", types, *tokens)
        deployment.on_proxy("setFeeManager(address)", manager)
    consumer = node.deploy("Consumer", ("address",), deployment.proxy)
    for token in (LINK, NATIVE):
        node.send(token, "mint(address,uint256)", consumer, 10**30)
    state = fetch_state(node.url, deployment.proxy)
    world = World(generation, fees, node, deployment.proxy, consumer, state, network, deployment)
    if fees == "charging":
        world.approve(LINK, deployment.rewards, MOST, consumer)
        world.approve(NATIVE, deployment.fee_manager, MOST, consumer)
    return world


def _configure(deployment: Deployment) -> InsecureTestNetwork:
    """Let the verifier know the network's signers; the network, with the digest of that config."""
    signers = [address.lower() for address in NETWORK.signers]
    feed = report(0).feed_id
    if deployment.generation == "v0.4.0":
        deployment.on_verifier(
            "setConfigWithActivationTime(address[],uint8,(address,uint64)[],uint32)",
            signers, NETWORK.f, [], 1_000_000_000,
        )  # fmt: skip
        return NETWORK
    if deployment.generation != "v0.3.0":
        signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
        deployment.on_verifier(signature, NETWORK.config_digest, signers, NETWORK.f, [])
        return NETWORK
    receipt = deployment.on_verifier(
        "setConfig(bytes32,address[],bytes32[],uint8,bytes,uint64,bytes,(address,uint64)[])",
        feed, signers, [bytes(32)] * NETWORK.size, NETWORK.f, b"", 1, b"", [],
    )  # fmt: skip
    log = next(one for one in receipt["logs"] if one["address"] == deployment.verifier.lower())
    digest = bytes.fromhex(log["data"][2:])[32:64]
    return InsecureTestNetwork("matrix", NETWORK.size, NETWORK.f, 1, digest)


def _stork(node: HardhatNode, several: bool) -> World:
    model = "StorkManyModel" if several else "StorkModel"
    contract = node.deploy("Relay", ("address",), node.deploy(model))
    types = "address[]" if several else "address"
    signers: Any = [SIGNER.address.lower()] if several else SIGNER.address.lower()
    node.send(contract, f"initialize(address,{types},uint256)", node.owner, signers, STORK_FEE)
    consumer = node.deploy("Consumer", ("address",), contract)
    name = "Stork, several signers" if several else "Stork, one signer"
    return World(name, "5 wei", node, contract, consumer, fetch_state(node.url, contract))


# --- the cases ------------------------------------------------------------------------------------


def cases() -> Iterator[Case]:
    """Every case of the matrix."""
    for generation in GENERATIONS:
        for fees in ("none", "charging", "no-op"):
            if fees != "no-op" or generation in ("v0.5.0", "v0.5.1"):
                yield from _everywhere(f"{generation}, {fees}")
        yield from _charged(f"{generation}, charging")
        yield from _access(f"{generation}, none")
        yield Case(f"{generation}, none", "value without a fee manager",
                   lambda w: w.straight(w.good(), value=10**15))  # fmt: skip
    for generation in ("v0.5.0", "v0.5.1"):
        yield from _given_back(f"{generation}, no-op")
        yield from _views(f"{generation}, none")
    yield from _account("v0.5.0, none")
    yield from _shapes("v0.5.1, none")
    for name in ("Stork, one signer", "Stork, several signers"):
        yield from _of_stork(f"{name}, 5 wei")


def _everywhere(world: str) -> Iterator[Case]:
    case = partial(Case, world)
    yield case("a good report", lambda w: w.straight(w.good()))
    yield case("signed by strangers", lambda w: w.straight(w.bad()))
    yield case("a signature too few", lambda w: w.straight(w.few()))
    yield case("expired", lambda w: w.straight(w.good(-5)))
    yield case("expires in the block before", lambda w: w.straight(w.good(MARGIN - 1)))
    yield case("expires in the block that takes it", lambda w: w.straight(w.good(MARGIN)))
    yield case("two good reports", lambda w: w.straight([w.good(), w.good()]))
    yield case("two reports, the second by strangers", lambda w: w.straight([w.good(), w.bad()]))
    yield case("through a consumer", lambda w: w.pull(w.good()))
    yield case("through a consumer, by strangers", lambda w: w.pull(w.bad()))


def _charged(world: str) -> Iterator[Case]:
    case = partial(Case, world)
    good = World.good
    yield case("native, exactly",
               lambda w: w.straight(good(w), pay=NATIVE, value=NATIVE_FEE))  # fmt: skip
    yield case("native, a wei too little",
               lambda w: w.straight(good(w), pay=NATIVE, value=NATIVE_FEE - 1))  # fmt: skip
    yield case("native, a wei too much",
               lambda w: w.straight(good(w), pay=NATIVE, value=NATIVE_FEE + 1))  # fmt: skip
    yield case("wrapped native", lambda w: w.straight(good(w), pay=NATIVE))
    yield case("in another token", lambda w: w.straight(good(w), pay=w.proxy))
    yield case("no parameter payload", lambda w: w.straight(good(w), pay=None))
    yield case("LINK, no allowance", lambda w: w.straight(good(w)),
               lambda w: w.approve(LINK, w.own.rewards, 0))  # fmt: skip
    yield case("LINK, a juel of allowance too little", lambda w: w.straight(good(w)),
               lambda w: w.approve(LINK, w.own.rewards, LINK_FEE - 1))  # fmt: skip
    yield case("LINK, allowance for exactly the fee", lambda w: w.straight(good(w)),
               lambda w: w.approve(LINK, w.own.rewards, LINK_FEE))  # fmt: skip
    yield case("LINK, allowance for the fee manager", lambda w: w.straight(good(w)), _wrong_spender)
    yield case("LINK, no balance", lambda w: w.straight(good(w)), partial(_spend, LINK))
    yield case("wrapped, no allowance", lambda w: w.straight(good(w), pay=NATIVE),
               lambda w: w.approve(NATIVE, w.own.fee_manager, 0))  # fmt: skip
    yield case("wrapped, no balance", lambda w: w.straight(good(w), pay=NATIVE),
               partial(_spend, NATIVE))  # fmt: skip
    yield case("no allowance, and by strangers", lambda w: w.straight(w.bad()),
               lambda w: w.approve(LINK, w.own.rewards, 0))  # fmt: skip
    yield case("through a consumer without an allowance", lambda w: w.pull(good(w)),
               lambda w: w.approve(LINK, w.own.rewards, 0, w.consumer))  # fmt: skip
    yield case("through a consumer, native",
               lambda w: w.pull(good(w), NATIVE, value=NATIVE_FEE))  # fmt: skip
    yield case("through a consumer that refuses the refund",
               lambda w: w.pull(good(w), NATIVE, value=NATIVE_FEE + 1))  # fmt: skip
    yield case("through a consumer that takes the refund",
               lambda w: w.pull(good(w), NATIVE, value=NATIVE_FEE + 1), _takes_ether)  # fmt: skip
    yield case("through a consumer, a wei too little",
               lambda w: w.pull(good(w), NATIVE, value=NATIVE_FEE - 1))  # fmt: skip


def _wrong_spender(world: World) -> None:
    world.approve(LINK, world.own.rewards, 0)
    world.approve(LINK, world.own.fee_manager, MOST)


def _spend(token: str, world: World) -> None:
    """The keeper gives all of a token away."""
    _, held = world.node.call(token, calldata("balanceOf(address)", world.keeper))
    amount = int.from_bytes(held, "big")
    data = "0x" + calldata("transfer(address,uint256)", world.proxy, amount).hex()
    world.node.transact({"from": world.keeper, "to": token, "data": data})


def _takes_ether(world: World) -> None:
    world.node.send(world.consumer, "setTakesEther(bool)", True)


def _access(world: str) -> Iterator[Case]:
    case = partial(Case, world)

    def control(
        controller: str, *listed: str, subscriber: str | None = None
    ) -> Callable[[World], None]:
        def first(world: World) -> None:
            world.control(controller, *(getattr(world, name) for name in listed))
            world.read(subscriber and getattr(world, subscriber))

        return first

    yield case("access by origin", lambda w: w.straight(w.good()), control(READ))
    yield case(
        "access by list, not listed",
        lambda w: w.straight(w.good()),
        control(WRITE),
    )
    yield case("access by list, listed", lambda w: w.straight(w.good()),
               control(WRITE, "keeper"))  # fmt: skip
    yield case("through a consumer, access by origin", lambda w: w.pull(w.good()),
               control(READ))  # fmt: skip
    yield case("through a consumer, the keeper is listed", lambda w: w.pull(w.good()),
               control(WRITE, "keeper"))  # fmt: skip
    yield case("through a consumer that is listed", lambda w: w.pull(w.good()),
               control(READ, "consumer"))  # fmt: skip
    yield case("through a consumer that the state was fetched for", lambda w: w.pull(w.good()),
               lambda w: w.read(w.consumer))  # fmt: skip
    yield case("the same, access by origin", lambda w: w.pull(w.good()),
               control(READ, subscriber="consumer"))  # fmt: skip
    yield case("the same, listed", lambda w: w.pull(w.good()),
               control(READ, "consumer", subscriber="consumer"))  # fmt: skip


def _given_back(world: str) -> Iterator[Case]:
    case = partial(Case, world)
    yield case("value, which comes back", lambda w: w.straight(w.good(), value=10**15))
    yield case("through a consumer that refuses its value",
               lambda w: w.pull(w.good(), value=10**15))  # fmt: skip
    yield case("through a consumer that takes its value back",
               lambda w: w.pull(w.good(), value=10**15), _takes_ether)  # fmt: skip


def _views(world: str) -> Iterator[Case]:
    case = partial(Case, world)

    def view(payload: bytes, w: World, **changes: Any) -> dict[str, Any]:
        data = encode_calldata(payload, "verifyView")
        return {"from": w.keeper, "to": w.proxy, "data": data, **changes}

    yield case("verifyView", lambda w: view(w.good(), w))
    yield case("verifyView, by strangers", lambda w: view(w.bad(), w))
    yield case("verifyView with value", lambda w: view(w.good(), w, value=1))
    if "v0.5.1" in world:
        yield case("through a consumer, verifyView", lambda w: w.through("look(bytes)", w.good()))


def _account(world: str) -> Iterator[Case]:
    case = partial(Case, world)

    def nonce(w: World) -> int:
        return int(w.node.ask("eth_getTransactionCount", w.keeper, "latest"), 16)

    yield case("a nonce of before", lambda w: w.straight(w.good(), nonce=nonce(w) - 1))
    yield case("the next nonce", lambda w: w.straight(w.good(), nonce=nonce(w)))
    yield case("a nonce too high", lambda w: w.straight(w.good(), nonce=nonce(w) + 1))
    yield case("enough gas", lambda w: w.straight(w.good(), gas=200_000))
    yield case("too little gas for any transaction", lambda w: w.straight(w.good(), gas=21_000))
    yield case("too little gas to verify", lambda w: w.straight(w.good(), gas=60_000))
    yield case("more gas than a block has", lambda w: w.straight(w.good(), gas=30_000_001))
    yield case("less ether than the gas costs",
               lambda w: w.straight(w.good(), gas=1_000_000, gasPrice=10**12),
               lambda w: w.node.ask("hardhat_setBalance", w.keeper, hex(10**15)))  # fmt: skip


def _shapes(world: str) -> Iterator[Case]:
    case = partial(Case, world)
    fill, second = "fill((uint256,bytes,address)[],bytes)", "pullSecond(bytes,bytes,bytes)"
    many, tried = "pullMany(bytes[],bytes)", "pullTried(bytes,bytes)"

    def orders(w: World, *payloads: bytes) -> dict[str, Any]:
        listed = [(1, payload, w.keeper) for payload in payloads]
        data = keccak256(fill.encode())[:4]
        data += encode(["(uint256,bytes,address)[]", "bytes"], [listed, b""])
        return {"from": w.keeper, "to": w.consumer, "data": data}

    yield case("through a consumer, two orders", lambda w: orders(w, w.good(), w.good()))
    yield case("through a consumer, two orders, the second by strangers",
               lambda w: orders(w, w.good(), w.bad()))  # fmt: skip
    yield case(
        "through a consumer, verifyBulk", lambda w: w.through(many, [w.good(), w.good()], b"")
    )
    yield case("through a consumer that drops the bad one (alarm)",
               lambda w: w.through(second, w.bad(), w.good(), b""))  # fmt: skip
    yield case("through a consumer that swallows the refusal (alarm)",
               lambda w: w.through(tried, w.bad(), b""))  # fmt: skip
    yield case("through a consumer that is paused", lambda w: w.pull(w.good()),
               lambda w: w.node.send(w.consumer, "setPaused(bool)", True))  # fmt: skip


def _of_stork(world: str) -> Iterator[Case]:
    case = partial(Case, world)

    def update(signer: InsecureTestStorkSigner) -> bytes:
        return signer.sign([Asset(1, 10**18, None)], timestamp_ns=1_764_608_822 * 10**9).encode()

    def straight(w: World, raw: bytes, value: int = STORK_FEE, function: Any = VERIFY) -> Any:
        data = function.calldata(raw)
        return {"from": w.keeper, "to": w.proxy, "data": data, "value": value}

    def through(w: World, raw: bytes, value: int = STORK_FEE) -> dict[str, Any]:
        return w.through("pullStork(bytes)", raw, value=value)

    yield case("a good update", lambda w: straight(w, update(SIGNER)))
    yield case("a good update, deserialized",
               lambda w: straight(w, update(SIGNER), function=DESERIALIZE))  # fmt: skip
    yield case("signed by a stranger", lambda w: straight(w, update(STRANGER)))
    yield case("signed by a stranger, deserialized",
               lambda w: straight(w, update(STRANGER), function=DESERIALIZE))  # fmt: skip
    yield case("a wei too little", lambda w: straight(w, update(SIGNER), STORK_FEE - 1))
    yield case("a wei too much", lambda w: straight(w, update(SIGNER), STORK_FEE + 1))
    yield case("a byte too few", lambda w: straight(w, update(SIGNER)[:-1]))
    yield case("through a consumer", lambda w: through(w, update(SIGNER)))
    yield case("through a consumer, signed by a stranger", lambda w: through(w, update(STRANGER)))
    yield case("through a consumer, a wei too little",
               lambda w: through(w, update(SIGNER), STORK_FEE - 1))  # fmt: skip


# --- the page -------------------------------------------------------------------------------------


def play_all(node: HardhatNode) -> list[Line]:
    """All cases, played."""
    known = worlds(node)
    order = list(known)
    found = sorted(cases(), key=lambda case: order.index(case.world))
    return [play(known[case.world], replace(case, world=known[case.world].name)) for case in found]


def section(lines: list[Line]) -> str:
    """The table of the page."""
    names = ("contract", "fees", "transaction", "guard", "preflight", "chain")
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"
    return head + "".join(line.row() + "\n" for line in lines)


def on_page() -> str:
    """The table that the page has."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0]


def main() -> None:
    with HardhatNode() as node:
        lines = play_all(node)
    for line in lines:
        if wrong := disagreement(line):
            print(f"{wrong}: {line.row()}\n{line.checked}")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + section(lines) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
