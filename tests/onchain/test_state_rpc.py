"""States fetched from a real node: what was deployed, at every step of its life, and what follows.

For each generation a story of changes is told to the published contracts. At every step the node's
own answer to a call of the proxy is compared with our verdict, once with the state fetched at that
block and once with the newest state as it says it was then (`state.at`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hexbytes import HexBytes

from payloads.chainlink.calldata import encode_calldata
from payloads.chainlink.quotes import quote
from payloads.chainlink.state import ChainlinkState
from payloads.chainlink.verifier import judge, judge_calldata
from payloads.cli.main import main
from payloads.errors import Misuse, Refused
from payloads.stork import Asset
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.stork.state import StorkState
from payloads.stork.verifier import judge_calldata as judge_stork
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from payloads.verdicts.state import State
from payloads.verdicts.verdict import ContractRefusal

pytest.importorskip("web3")

from web3 import HTTPProvider, Web3
from web3.types import TxParams, Wei

from payloads.chain.guarding.guard import judge_transaction, send_guarded
from payloads.chain.guarding.policy import Policy, PolicyRefusal
from payloads.chain.reading.fetch import fetch_state, save_state
from payloads.chain.rpc import Unavailable
from tests.onchain.deployed import (
    FEED,
    LINK,
    NATIVE,
    NOWHERE,
    OTHER_FEED,
    STORIES,
    Deployment,
    report,
)
from tests.onchain.rpcnode import Failed, HardhatNode

FIRST = InsecureTestNetwork("first", 10, 3)
SECOND = InsecureTestNetwork("second", 7, 2)


@pytest.fixture(scope="module")
def node() -> Iterator[HardhatNode]:
    with HardhatNode() as running:
        yield running


@pytest.fixture(scope="module", params=sorted(STORIES))
def deployment(request: pytest.FixtureRequest, node: HardhatNode) -> Deployment:
    return STORIES[request.param](node, FIRST, SECOND)


@pytest.fixture(scope="module")
def newest(deployment: Deployment) -> ChainlinkState:
    return fetched(deployment)


def fetched(deployment: Deployment, block: int | None = None) -> ChainlinkState:
    url, proxy = deployment.node.url, deployment.proxy
    state = fetch_state(url, proxy, block=block, subscriber=deployment.subscriber)
    assert isinstance(state, ChainlinkState)
    return state


def networks(deployment: Deployment) -> list[InsecureTestNetwork]:
    """The signers, with the digests that the contracts know them by."""
    if not deployment.digests:
        f = FIRST.f - 1
        fewer = InsecureTestNetwork("first", 3 * f + 1, f, 1, FIRST.config_digest)
        return [FIRST, SECOND, fewer]
    first, _, second = deployment.digests
    return [
        InsecureTestNetwork("first", FIRST.size, FIRST.f, 1, first),
        InsecureTestNetwork("second", SECOND.size, SECOND.f, 1, second),
        InsecureTestNetwork("first", FIRST.size, FIRST.f, 1, deployment.digests[1]),
    ]


def calls(deployment: Deployment) -> list[tuple[bytes, int]]:
    """Calldata and value: good and bad payloads of every config, in every way of paying."""
    times = sorted({1_000_000_000, *(deployment.node.time(b) for b in deployment.steps.values())})
    found: list[tuple[bytes, int]] = []
    for network in networks(deployment):
        for feed in (FEED, OTHER_FEED):
            for observed in (*times[::4], times[-1]):
                payload = network.sign(report(observed, feed)).encode()
                found.append((encode_calldata(payload, pay=LINK), 0))
        payload = network.sign(report(times[-1])).encode()
        few = network.sign(report(times[-1]), by=range(network.f)).encode()
        twice = network.sign(report(times[-1]), by=[0] * (network.f + 1)).encode()
        stale = network.sign(report(times[0], expires=1_700_000_000)).encode()
        damaged = payload[:-70] + bytes([payload[-70] ^ 1]) + payload[-69:]
        broken = (few, twice, stale, damaged, payload[:99])
        found += [(encode_calldata(one, pay=LINK), 0) for one in broken]
        found += [
            (encode_calldata(payload, pay=token), 0) for token in (NATIVE, deployment.proxy, None)
        ]
        # The native fee is around this, with and without surcharge and discount.
        found += [
            (encode_calldata(payload, pay=NATIVE), 10**15 * value // 10) for value in range(24, 44)
        ]
        found.append((encode_calldata([payload, stale], pay=LINK), 0))
        found.append((encode_calldata([payload, payload], pay=NATIVE), 10**16))
    return found


def answer(deployment: Deployment, data: bytes, value: int, block: int) -> tuple[bool, bytes]:
    options: dict[str, Any] = {"from": deployment.subscriber, "value": hex(value)}
    return deployment.node.call(deployment.proxy, data, block=hex(block), **options)


def test_every_verdict_at_every_step(deployment: Deployment, newest: ChainlinkState) -> None:
    node, accepted, refused = deployment.node, 0, set()
    known = calls(deployment)
    for step, block in deployment.steps.items():
        then = fetched(deployment, block)
        assert then.now == node.time(block)
        assert then.now is not None
        remembered = newest.at(then.now)
        for data, value in known:
            ok, said = answer(deployment, data, value, block)
            for state in (then, remembered):
                verdict = judge_calldata(data, state, value=value)
                assert verdict.accepted is ok, (step, verdict.explanation, said.hex())
                assert ok or verdict.revert_data == said, (step, verdict.explanation)
            accepted += ok
            refused.add(said[:4] if not ok else b"")
    assert accepted > 200
    # v0.4.0 says BadVerification for nearly everything, its fee manager's errors included.
    assert len(refused) >= (3 if deployment.generation == "v0.4.0" else 8)


def test_configs_are_what_was_deployed(deployment: Deployment, newest: ChainlinkState) -> None:
    step = deployment.steps
    time = {name: deployment.node.time(block) for name, block in step.items()}
    configs = [config.to_json() for config in newest.configs]
    first, second = ([one.lower() for one in network.signers] for network in (FIRST, SECOND))
    if deployment.generation == "v0.3.0":
        one, other, two = (bytes(config.config_digest or b"") for config in newest.configs)
        assert [one, other, two] == deployment.digests
        assert configs[0] == {
            "config_digest": "0x" + one.hex(), "feed_id": "0x" + FEED.hex(), "signers": first,
            "f": 3, "active": True, "set_at": configs[0]["set_at"],
            "switched": [{"at": time["first deactivated"], "active": False},
                         {"at": time["first activated"], "active": True}],
        }  # fmt: skip
        assert configs[2]["signers"] == second
        assert [(bytes(e.id), e.at) for e in newest.unset_digests] == [(one, time["first unset"])]
        assert [bytes(e.id) for e in newest.deactivated_feeds] == [OTHER_FEED]
    elif deployment.generation == "v0.4.0":
        assert [(sorted(c["signers"]), c["active"]) for c in configs] == [
            (sorted(first), False),
            (sorted(second), True),
            (sorted(first), True),
            (sorted(first), True),
        ]
        starts = [config["activation_time"] for config in configs]
        assert starts[:3] == [1_000_000_000, time["second config"], time["first config again"]]
        assert configs[2]["removed_at"] == time["newest removed"]
        assert configs[0]["switched"] == [{"at": time["oldest deactivated"], "active": False}]
    else:
        assert [(c["signers"], c["f"]) for c in configs] == [
            (first, 3), (second, 2), (first[:7], 2),
        ]  # fmt: skip
        assert configs[0]["removed_at"] == configs[2]["set_at"] == time["first updated"]
        assert [bytes(e.id) for e in newest.unset_digests] == [SECOND.config_digest]


def test_fees_are_what_was_set(deployment: Deployment, newest: ChainlinkState) -> None:
    assert newest.access_controller is None
    assert newest.fee_manager is not None
    assert newest.fee_manager.native_surcharge == 10**18 // 7
    assert newest.fee_manager.discounts == ()
    before = fetched(deployment, deployment.steps["discount"])
    assert before.fee_manager is not None
    assert [one.to_json() for one in before.fee_manager.discounts] == [
        {
            "feed_id": "0x" + FEED.hex(),
            "subscriber": deployment.subscriber,
            "token": "link",
            "discount": str(10**18 // 2),
        }
    ]
    assert fetched(deployment, deployment.steps["first " + _first(deployment)]).fee_manager is None


def _first(deployment: Deployment) -> str:
    return "config" if deployment.generation == "v0.4.0" else "configs"


def test_without_a_subscriber_every_discount_is_read(deployment: Deployment) -> None:
    block = deployment.steps["discount"]
    state = fetch_state(deployment.node.url, deployment.proxy, block=block)
    assert isinstance(state, ChainlinkState)
    assert state.fee_manager is not None
    assert {one.subscriber.hex() for one in state.fee_manager.discounts if one.subscriber} == {
        one[2:] for one in (deployment.subscriber, deployment.node.accounts[5])
    }


def test_a_saved_state_is_the_same_offline(newest: ChainlinkState, tmp_path: Path) -> None:
    save_state(newest, tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == newest
    assert "block hash 0x" in newest.source
    assert newest.chain_id == 31337


def test_access_controllers(deployment: Deployment) -> None:
    controlled = fetched(deployment, deployment.steps["guest added"]).access_controller
    assert controlled is not None
    guests = [one.hex() for one in controlled.allowed or ()]
    # The published controller lists one, and admits every account that calls by itself.
    assert guests == [deployment.node.accounts[7][2:]]
    assert controlled.admits_origins
    opened = fetched(deployment, deployment.steps["access open"]).access_controller
    assert opened is not None
    assert opened.allowed is None
    with pytest.raises(Misuse, match="subscriber"):
        fetch_state(deployment.node.url, deployment.proxy, block=deployment.steps["gate shut"])


class Stingy:
    """A provider that allows few blocks of logs at once, and is sometimes busy."""

    def __init__(self, node: HardhatNode, most: int, archive: bool = True) -> None:
        self.node, self.most, self.archive = node, most, archive
        self.head = node.number
        self.asked: list[str] = []

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        self.asked.append(method)
        if len(self.asked) % 7 == 0:
            return {"error": {"code": 429, "message": "Too many requests"}}
        if method == "eth_getLogs":
            span = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            if span > self.most:
                return {"error": {"code": -32005, "message": "block range is too wide"}}
        stateful = ("eth_call", "eth_getCode", "eth_getStorageAt")
        if not self.archive and method in stateful and params[-1] != hex(self.head):
            return {"error": {"code": -32000, "message": "missing trie node 12ab (path )"}}
        try:
            return {"result": self.node.ask(method, *params)}
        except Failed as failed:
            return {"error": failed.error}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payloads.chain.rpc.FIRST_PAUSE", 0.0)


def test_small_ranges_and_busy_nodes(deployment: Deployment, newest: ChainlinkState) -> None:
    seen: list[tuple[str, int, int, int]] = []
    provider = Stingy(deployment.node, 9)
    state = fetch_state(
        provider,
        deployment.proxy,
        block=newest.block_number,
        subscriber=deployment.subscriber,
        progress=lambda *what: seen.append(what),
    )
    assert state.to_dict() | {"source": ""} == newest.to_dict() | {"source": ""}
    assert provider.asked.count("eth_getLogs") > 20
    assert {"the verifier's events", "the surcharges"} <= {what for what, _, _, _ in seen}
    assert all(done <= total for _, done, total, _ in seen)


def test_without_an_archive(deployment: Deployment) -> None:
    """The newest block needs none; what was so before is taken from events and transactions."""
    provider = Stingy(deployment.node, 1_000, archive=False)
    state = fetch_state(provider, deployment.proxy, subscriber=deployment.subscriber)
    full = fetched(deployment, provider.head)
    assert isinstance(state, ChainlinkState)
    assert "no archive" in state.source
    if deployment.generation == "v0.4.0":
        # Which of two equal configs was switched, and when, only an archive knows.
        assert state.in_force[-1].active == full.in_force[-1].active
        starts = [config.activation_time for config in full.configs]
        assert [config.activation_time for config in state.configs] == starts
    else:
        assert state.configs == full.configs
    with pytest.raises(Unavailable, match="archive node"):
        fetch_state(provider, deployment.proxy, block=deployment.steps["deployed"])


def test_missing_logs_are_noticed(deployment: Deployment) -> None:
    class Forgetful(Stingy):
        def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
            found = super().make_request(method, params)
            if method == "eth_getLogs" and "result" in found:
                found["result"] = [
                    log for log in found["result"] if int(log["blockNumber"], 16) not in lost
                ]
            return found

    generation = deployment.generation
    names = {"v0.3.0": "first unset", "v0.4.0": "newest removed", "v0.5.0": "second unset"}
    for name in (names[generation], "surcharge", "another fee manager"):
        lost = range(deployment.steps[name] - 12, deployment.steps[name] + 1)
        with pytest.raises(Unavailable, match=r"missing|disagree"):
            fetch_state(
                Forgetful(deployment.node, 1_000),
                deployment.proxy,
                block=deployment.steps[name],
                subscriber=deployment.subscriber,
            )


def test_fetching_from_the_command_line(
    deployment: Deployment, newest: ChainlinkState, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    where = ["--rpc", deployment.node.url + "/SECRET-KEY", "--subscriber", deployment.subscriber]
    block = ["--block", str(newest.block_number)]
    fetch = ["state", "fetch", deployment.proxy, *where, *block]
    result = CliRunner().invoke(main, [*fetch, "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert "SECRET-KEY" not in result.output + path.read_text()
    assert State.load(path) == newest
    assert State.from_dict(json.loads(CliRunner().invoke(main, fetch).stdout)) == newest
    payload = current(deployment).sign(report(newest.now or 0)).encode()
    verify = ["verify", "--state", str(path), "--pay", "link", "0x" + payload.hex()]
    assert CliRunner().invoke(main, verify).exit_code == 0


# --- errors ---------------------------------------------------------------------------------------


def test_what_is_no_proxy(deployment: Deployment) -> None:
    url = deployment.node.url
    with pytest.raises(Misuse, match="not a contract at block"):
        fetch_state(url, deployment.subscriber)
    with pytest.raises(Misuse, match="a verifier, and not the proxy"):
        fetch_state(url, deployment.verifier)
    with pytest.raises(Misuse, match=r"typeAndVersion of VerifierProxy 2\.0\.0"):
        fetch_state(url, deployment.fee_manager)
    with pytest.raises(Misuse, match="no typeAndVersion"):
        fetch_state(url, LINK)
    with pytest.raises(Misuse, match="no such block"):
        fetch_state(url, deployment.proxy, block=10**9)
    with pytest.raises(Misuse, match="deployed before this block"):
        fetch_state(url, deployment.proxy, since=deployment.steps["prices changed"])


def test_no_secret_leaves() -> None:
    url = "http://user:hunter2222@127.0.0.1:1/v2/SECRET-KEY?token=ANOTHER-ONE"
    with pytest.raises(Unavailable) as caught:
        fetch_state(url, LINK)
    shown = str(caught.value) + repr(caught.value) + json.dumps(caught.value.to_dict())
    shown += repr(caught.value.__context__) + repr(caught.value.__cause__)
    for secret in ("hunter2222", "SECRET-KEY", "ANOTHER-ONE", "user"):
        assert secret not in shown


def test_a_secret_that_a_server_repeats_is_cut_out(node: HardhatNode) -> None:
    url = node.url + "/v2/SECRET-KEY"

    class Telling:
        endpoint_uri = url

        def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
            return {"error": {"code": 1, "message": "project SECRET-KEY has no credit"}}

    with pytest.raises(Unavailable) as caught:
        fetch_state(Telling(), LINK)
    assert "SECRET-KEY" not in str(caught.value)
    assert "has no credit" in str(caught.value)


def test_the_url_is_not_in_the_saved_state(deployment: Deployment) -> None:
    # Hardhat takes any path.
    state = fetch_state(deployment.node.url + "/SECRET-KEY", deployment.proxy, subscriber=LINK)
    assert "SECRET-KEY" not in json.dumps(state.to_dict())
    assert deployment.node.url in state.source


# --- Stork ----------------------------------------------------------------------------------------


STORK_TIME = 1_764_608_822_324_772_939
STORK_SIGNERS = [InsecureTestStorkSigner(f"stork {index}") for index in range(3)]


def _stork(node: HardhatNode, several: bool, fee: int) -> str:
    """A contract behind a proxy, and initialised: with the first signer, or the first two."""
    model = "StorkManyModel" if several else "StorkModel"
    contract = node.deploy("Relay", ("address",), node.deploy(model))
    node.pass_time(100)
    found = [signer.address for signer in STORK_SIGNERS]
    signers = found[:2] if several else found[0]
    types = "address[]" if several else "address"
    node.send(contract, f"initialize(address,{types},uint256)", node.owner, signers, fee)
    return contract


@pytest.mark.parametrize("several", [False, True])
def test_stork_behind_a_proxy(node: HardhatNode, several: bool) -> None:
    """At each step of its life, what the node says is what the state of then says."""
    before = node.number + 2  # deployed, and not yet initialised
    contract = _stork(node, several, 12_345)
    first, second, third = (signer.address for signer in STORK_SIGNERS)
    steps = [before, node.number]
    changes: list[tuple[str, object]] = [("updateVerificationFeeInWei(uint256)", 7)]
    if several:
        changes += [("addSignerAddress(address)", third), ("removeSignerAddress(address)", first)]
    else:
        changes += [("updateSignerAddress(address)", signer) for signer in (third, first)]
    for signature, value in changes:
        node.pass_time(100)
        node.send(contract, signature, value)
        steps.append(node.number)
    node.pass_time(100)
    newest = fetch_state(node.url, contract)
    assert isinstance(newest, StorkState)
    assert newest.multisigner is several
    assert newest.trusted == {bytes.fromhex(signer[2:]) for signer in
                              ((second, third) if several else (first,))}  # fmt: skip

    payloads = [b"", bytes(75), bytes(64) + b"\xff" + bytes(10)]
    for signer in STORK_SIGNERS:
        good = signer.sign([Asset(1, 10**18, None)], timestamp_ns=STORK_TIME).encode()
        payloads += [good, good[:-1] + bytes([good[-1] ^ 1])]
    returned = 0
    for block in steps:
        fetched_then = fetch_state(node.url, contract, block=block)
        then = newest.at(node.time(block))
        for raw in payloads:
            for function in (VERIFY, DESERIALIZE):
                for value in (6, 7, 12_345):
                    data = function.calldata(raw)
                    ok, said = node.call(contract, data, value=hex(value), block=hex(block))
                    for state in (fetched_then, then):
                        assert isinstance(state, StorkState)
                        verdict = judge_stork(data, state, value=value)
                        assert ok or verdict.revert_data == said
                        if ok and function is VERIFY:
                            assert bool(int.from_bytes(said, "big")) is verdict.returned
                        elif ok:
                            returned += 1
                            assert len(verdict.returned) == 1 or raw == bytes(75)
    assert returned


def test_an_unknown_version_of_stork_is_refused(node: HardhatNode) -> None:
    class Newer(Stingy):
        def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
            found = super().make_request(method, params)
            if method == "eth_call" and params[0]["data"] == "0x54fd4d50" and "result" in found:
                found["result"] = found["result"].replace("312e302e30", "322e302e30")
            return found

    contract = node.deploy("StorkModel")
    with pytest.raises(Unavailable, match="unknown version of Stork Fast"):
        fetch_state(Newer(node, 1_000), contract)


# --- the guard ------------------------------------------------------------------------------------


def current(deployment: Deployment) -> InsecureTestNetwork:
    """A network whose reports about FEED are accepted in the end."""
    return networks(deployment)[{"v0.3.0": 1, "v0.4.0": 0, "v0.5.0": 2}[deployment.generation]]


def test_judge_with_a_fetched_state(deployment: Deployment, newest: ChainlinkState) -> None:
    """The one line that a keeper writes."""
    payload = current(deployment).sign(report(newest.now or 0))
    verdict = judge(payload, newest, pay="link")
    assert verdict.accepted, verdict.explanation
    assert "read over RPC" in verdict.sentence


def test_the_guard_lets_good_transactions_through(deployment: Deployment) -> None:
    w3 = Web3(HTTPProvider(deployment.node.url))
    state = fetch_state(w3, deployment.proxy, subscriber=deployment.subscriber)
    assert isinstance(state, ChainlinkState)
    payload = current(deployment).sign(report(state.now or 0))
    fee = quote(payload, state).value
    assert fee
    good: TxParams = {
        "from": w3.to_checksum_address(deployment.subscriber),
        "to": w3.to_checksum_address(deployment.proxy),
        "data": HexBytes(encode_calldata(payload.encode(), pay=NATIVE)),
        "value": Wei(fee),
    }
    sent = send_guarded(w3, good, state)
    assert sent.findings == sent.verdict.findings
    receipt = w3.eth.wait_for_transaction_receipt(sent.hash)
    assert receipt["status"] == 1

    before = w3.eth.block_number
    short = good | {"value": Wei(fee - 1)}
    with pytest.raises(Refused) as caught:
        send_guarded(w3, short, state)
    assert isinstance(caught.value, ContractRefusal)
    assert caught.value.verdict is not None
    assert w3.eth.block_number == before, "nothing was sent"
    ok, said = deployment.node.call(
        deployment.proxy,
        HexBytes(good["data"]),
        **{"from": deployment.subscriber, "value": hex(fee - 1)},
    )
    assert (ok, said) == (False, caught.value.revert_data)


def test_the_guard_refuses_what_it_cannot_judge(
    deployment: Deployment, newest: ChainlinkState
) -> None:
    payload = current(deployment).sign(report(newest.now or 0)).encode()
    data = encode_calldata(payload, pay=LINK)
    good = {"to": deployment.proxy, "data": data, "chainId": 31337}
    url = deployment.node.url
    assert judge_transaction(url, good, newest).accepted
    assert judge_transaction(url, good | {"data": "0x" + data.hex()}, newest).accepted
    for change, field in (
        ({"to": LINK}, "to"),
        ({"to": None}, "to"),
        ({"data": b"\x12\x34\x56\x78"}, "data"),
        ({"data": None}, "data"),
        ({"value": "much"}, "value"),
        ({"chainId": 1}, "chainId"),
        ({"from": deployment.node.accounts[6]}, "from"),
    ):
        with pytest.raises(Misuse) as caught:
            judge_transaction(url, good | change, newest)
        assert caught.value.field == field
    anywhere: dict[str, Any] = {"contract": "v0.5.0", "configs": []}
    with pytest.raises(Misuse, match="does not say which chain"):
        judge_transaction(url, good, State.from_dict(anywhere))
    anywhere["chain_id"] = 31337
    with pytest.raises(Misuse, match="does not say which contract"):
        judge_transaction(url, good, State.from_dict(anywhere))
    elsewhere = State.from_dict(newest.to_dict() | {"chain_id": 5})
    with pytest.raises(Misuse, match="another chain than the node's"):
        judge_transaction(url, {"to": deployment.proxy, "data": data}, elsewhere)


def test_an_unknown_access_controller_of_the_past_needs_no_subscriber(
    deployment: Deployment,
) -> None:
    """The story ends without one. In use, it must be asked about an account."""
    url, proxy = deployment.node.url, deployment.proxy
    state = fetch_state(url, proxy)
    assert isinstance(state, ChainlinkState)
    assert state.access_controller is None
    assert "the past leaves out access controller" in state.source
    for step in ("gate shut", "gate open"):
        with pytest.raises(Misuse, match="can only be asked about an address"):
            fetch_state(url, proxy, block=deployment.steps[step])


def test_the_block_that_takes_a_transaction_is_later(deployment: Deployment) -> None:
    """A report that the newest block would still take has expired in the block that is mined."""
    node = deployment.node
    for _ in range(120):  # blocks of one second, as far as the guard looks back
        node.pass_time(1)
    state = fetched(deployment)
    now = node.time()
    payload = current(deployment).sign(report(now, expires=now + 1)).encode()
    data = encode_calldata(payload, pay=LINK)
    call = {"from": deployment.subscriber, "to": deployment.proxy, "data": data}
    assert judge_transaction(node.url, call, state, Policy(margin=0)).accepted
    verdict = judge_transaction(node.url, call, state)
    node.pass_time(3)
    ok, said = node.call(deployment.proxy, data, **{"from": deployment.subscriber})
    assert not ok
    assert (verdict.accepted, verdict.revert_data) == (ok, said)


def test_ether_is_not_left_in_a_proxy(node: HardhatNode) -> None:
    """Without a fee manager a proxy keeps what is sent. The chain takes it; the guard does not."""
    deployment = Deployment(node, "v0.5.0")
    deployment.proxy = deployment.make("VerifierProxy", ("address",), NOWHERE)
    deployment.verifier = deployment.make("Verifier", ("address",), deployment.proxy)
    deployment.on_proxy("initializeVerifier(address)", deployment.verifier)
    signature = "setConfig(bytes32,address[],uint8,(address,uint64)[])"
    signers = [signer.lower() for signer in FIRST.signers]
    deployment.on_verifier(signature, FIRST.config_digest, signers, FIRST.f, [])
    w3, state = Web3(HTTPProvider(node.url)), fetched(deployment)
    payload = FIRST.sign(report(node.time())).encode()
    call: TxParams = {
        "from": w3.to_checksum_address(deployment.subscriber),
        "to": w3.to_checksum_address(deployment.proxy),
        "data": HexBytes(encode_calldata(payload)),
        "value": Wei(10**15),
    }
    with pytest.raises(PolicyRefusal, match="value-kept"):
        send_guarded(w3, call, state)
    assert w3.eth.get_balance(call["to"]) == 0  # type: ignore[arg-type]
    sent = send_guarded(w3, call, state, Policy(refuse=()))
    assert w3.eth.wait_for_transaction_receipt(sent.hash)["status"] == 1
    assert "value-kept" in {finding.code for finding in sent.findings}
    assert w3.eth.get_balance(call["to"]) == 10**15  # type: ignore[arg-type]


def test_the_guard_refuses_a_stork_call_that_returns_false(node: HardhatNode) -> None:
    signer, contract = STORK_SIGNERS[0], _stork(node, False, 5)
    w3 = Web3(HTTPProvider(node.url))
    state = fetch_state(w3, contract)
    good = signer.sign([Asset(1, 10**18, None)], timestamp_ns=STORK_TIME).encode()
    to, sender = (Web3.to_checksum_address(one) for one in (contract, node.owner))
    call = {"from": sender, "to": to, "value": 5, "data": VERIFY.calldata(good)}
    assert len(send_guarded(w3, call, state).hash) == 32
    with pytest.raises(Refused, match="would return false"):
        send_guarded(w3, call | {"data": VERIFY.calldata(good[:-1] + b"?")}, state)
    with pytest.raises(Refused, match="InsufficientFee"):
        send_guarded(w3, call | {"value": 4}, state)
