"""Transactions explained after the fact, over made-up chains."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from payloads import chainlink
from payloads.chain import Explained, aio, connect, explain, fetch_state, save_state
from payloads.chain.explaining import mined
from payloads.chain.explaining.receipt_events import REPORT_VERIFIED
from payloads.chain.rpc import Unavailable
from payloads.chainlink.schemas import ReportV3
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.stork import Asset
from payloads.stork.calldata import DESERIALIZE, VERIFY
from payloads.stork.errors import INSUFFICIENT_FEE, INVALID_SIGNATURE
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests.chain.loopback_node import over_http
from tests.chain.stork_chain import ADDRESS, StorkChain
from tests.chain.test_aio import AsyncLike
from tests.cli.test_verify import run

SIGNER, STRANGER = InsecureTestStorkSigner("signer"), InsecureTestStorkSigner("stranger")
KEEPER, CONSUMER = "0x" + "bb" * 20, "0x" + "cc" * 20
FEE = 5
HASH = "0x" + "ab" * 32
PROXY = "0x" + ADDRESS.hex()


class Ledger(StorkChain):
    """A chain whose transactions can be asked for. `reverts` is what a call made again gives."""

    def __init__(self, several: bool = True) -> None:
        super().__init__(several)
        self.transactions: dict[str, dict[str, Any]] = {}
        self.receipts: dict[str, dict[str, Any]] = {}
        self.traces: dict[str, Any] = {}
        self.reverts: bytes | None = None

    def include(
        self, data: bytes, ok: bool = True, *, to: str = PROXY, value: int = FEE,
        logs: tuple[tuple[bytes, list[bytes], bytes], ...] = (), trace: Any = None,
        gas_used: int = 50_000,
    ) -> str:  # fmt: skip
        """Mine a block with this transaction alone; its hash."""
        self.mine()
        block = hex(self.head)
        self.transactions[HASH] = {
            "hash": HASH, "from": KEEPER, "to": to, "input": "0x" + data.hex(),
            "value": hex(value), "gas": hex(100_000), "blockNumber": block,
        }  # fmt: skip
        self.receipts[HASH] = {
            "status": hex(ok), "blockNumber": block, "transactionIndex": "0x3",
            "blockHash": self.eth_getBlockByNumber(block, False)["result"]["hash"],
            "gasUsed": hex(gas_used),
            "logs": [
                self._log(index, self.head, topics, body) | {"address": "0x" + address.hex()}
                for index, (address, topics, body) in enumerate(logs)
            ],
        }  # fmt: skip
        if trace is not None:
            self.traces[HASH] = trace
        return HASH

    def eth_getTransactionByHash(self, hash_: str) -> dict[str, Any]:
        return {"result": self.transactions.get(hash_)}

    def eth_getTransactionReceipt(self, hash_: str) -> dict[str, Any]:
        return {"result": self.receipts.get(hash_)}

    def debug_traceTransaction(self, hash_: str, _: Any) -> dict[str, Any]:
        if hash_ not in self.traces:
            return {"error": {"code": -32601, "message": "the method does not exist"}}
        return {"result": self.traces[hash_]}

    def eth_call(self, call: dict[str, str], block: str) -> dict[str, Any]:
        if call.get("from") == checksum(bytes.fromhex(KEEPER[2:])):  # the transaction made again
            if self.reverts is None:
                return {"result": "0x"}
            data = "0x" + self.reverts.hex()
            return {"error": {"code": 3, "message": "execution reverted", "data": data}}
        return super().eth_call(call, block)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.initialize([SIGNER.address.lower(), "0x" + "a1" * 20], FEE)
    made.mine(3)
    return made


def update(signer: InsecureTestStorkSigner = SIGNER) -> bytes:
    return signer.sign([Asset(7, 10**18)], timestamp_ns=10**18, taxonomy_id=1).encode()


def frame(data: bytes, to: str = PROXY, sender: str = KEEPER, **more: Any) -> dict[str, Any]:
    return {
        "type": "CALL", "from": sender, "to": to, "input": "0x" + data.hex(), "value": hex(FEE),
        "output": "0x", **more,
    }  # fmt: skip


# --- straight to the contract ---------------------------------------------------------------------


def test_a_call_that_passed(ledger: Ledger) -> None:
    hash_ = ledger.include(VERIFY.calldata(update()))
    found = explain(ledger, hash_)
    assert (found.accepted, found.agrees, found.succeeded, found.through) == (
        True, True, True, False,
    )  # fmt: skip
    assert found.conclusion == (
        "the contract accepts it, as the chain decided; the transaction succeeded"
    )
    (call,) = found.calls
    assert (call.function, call.value, call.seen) == (VERIFY.name, FEE, True)
    (payload,) = call.payloads
    assert (payload.raw, payload.feeds, payload.system) == (update(), ("7",), "stork")
    assert payload.decoded.value.assets[0].asset_id == 7
    assert call.verdict.now == ledger.time(ledger.head) == found.time
    assert call.verdict.state.block_number == ledger.head - 1
    text = "\n".join(found.lines)
    assert f"number 3 of block {ledger.head} (2023-11-14" in text
    assert "gas used: 50,000 of 100,000" in text
    assert "Stork signed_ecdsa, plain layout, 1 assets; feed 7; timestamp_ns 2001-09-09" in text


@pytest.mark.parametrize("traced", [False, True])
def test_a_call_that_was_refused(ledger: Ledger, traced: bool) -> None:
    bad, error = DESERIALIZE.calldata(update(STRANGER)), INVALID_SIGNATURE.data()
    trace = frame(bad, error="execution reverted", output="0x" + error.hex()) if traced else None
    ledger.reverts = error
    found = explain(ledger, ledger.include(bad, False, trace=trace))
    assert (found.accepted, found.agrees, found.succeeded) == (False, True, False)
    assert found.conclusion == (
        "the contract refuses it: InvalidSignature, as the chain decided; "
        "the transaction reverted (InvalidSignature)"
    )
    assert found.revert is not None
    assert found.revert.error == "InvalidSignature"
    assert any("on the block before" in note for note in found.notes) is not traced
    assert "the call reverted with InvalidSignature" in "\n".join(found.lines)


def test_false_is_not_accepted(ledger: Ledger) -> None:
    found = explain(ledger, ledger.include(VERIFY.calldata(update(STRANGER))))
    assert (found.accepted, found.agrees, found.succeeded) == (False, True, True)
    assert found.conclusion.startswith("the contract refuses it: returns false")


def test_the_two_disagree(ledger: Ledger) -> None:
    good = VERIFY.calldata(update())
    found = explain(ledger, ledger.include(good, False))
    assert (found.accepted, found.agrees) == (False, False)
    assert found.conclusion == (
        "the chain and the verdict DISAGREE: the transaction reverted (why is not known), "
        "the verdict is accepted"
    )
    assert any("no balances" in note for note in found.notes)
    found = explain(ledger, ledger.include(good, False, gas_used=99_990))
    assert any("out of gas" in note for note in found.notes)
    found = explain(ledger, ledger.include(good, value=FEE - 1))
    assert found.conclusion.endswith("the transaction succeeded, the verdict is InsufficientFee")


def test_another_error_of_a_call_made_again_is_no_contradiction(ledger: Ledger) -> None:
    bad = DESERIALIZE.calldata(update(STRANGER))
    ledger.reverts = INSUFFICIENT_FEE.data()
    found = explain(ledger, ledger.include(bad, False))
    assert found.agrees is None
    trace = frame(bad, error="execution reverted", output="0x" + INSUFFICIENT_FEE.data().hex())
    assert explain(ledger, ledger.include(bad, False, trace=trace)).agrees is False


def test_a_block_that_changed_the_contract_is_told(ledger: Ledger) -> None:
    """The fee rises in the transaction's own block: before it or after it?"""
    data = VERIFY.calldata(update())
    ledger.send("updateVerificationFeeInWei(uint256)", FEE + 1)
    ledger.blocks.pop()  # what `include` mines is the block of the change
    found = explain(ledger, ledger.include(data))
    assert found.agrees is True
    assert any("the block changed the contract: verification_fee" in note for note in found.notes)
    assert not any("came before" in note for note in found.notes)


def test_a_change_that_came_first_decides(ledger: Ledger) -> None:
    data = VERIFY.calldata(update())
    ledger.send("updateVerificationFeeInWei(uint256)", FEE + 1)
    ledger.blocks.pop()
    ledger.reverts = INSUFFICIENT_FEE.data()
    found = explain(ledger, ledger.include(data, False))
    assert (found.agrees, found.calls[0].verdict.error) == (True, "InsufficientFee")
    assert "the change came before the transaction: the verdict follows it" in found.notes


# --- through a contract in between ----------------------------------------------------------------

WRAPPED = b"\x12\x34\x56\x78" + encode(["uint256", "bytes"], [1, update()])


def test_without_a_trace_each_payload_is_judged(ledger: Ledger) -> None:
    hash_ = ledger.include(WRAPPED, to=CONSUMER)
    with pytest.raises(Misuse, match="which contract verifies is not known"):
        explain(ledger, hash_)
    found = explain(ledger, hash_, proxy=PROXY)
    (call,) = found.calls
    assert (found.through, call.seen, call.succeeded, found.agrees) == (True, False, None, None)
    assert call.verdict.accepted
    assert call.payloads[0].offset == WRAPPED.index(update())
    assert found.accepted
    assert found.conclusion == "the contract would accept it; the transaction succeeded"
    assert any("the node traces no calls" in note for note in found.notes)
    assert any("no event says that" in note for note in found.notes)
    bad = WRAPPED.replace(update(), update(STRANGER))
    found = explain(ledger, ledger.include(bad, False, to=CONSUMER), proxy=PROXY)
    assert not found.accepted
    assert found.conclusion.startswith("the contract would refuse it: returns false")


def test_a_packed_payload_is_found_by_the_signers_of_the_contract(ledger: Ledger) -> None:
    hash_ = ledger.include(b"\x12\x34\x56\x78" + update() + b"\7", to=CONSUMER)
    found = explain(ledger, hash_, proxy=PROXY)
    assert (found.calls[0].payloads[0].offset, found.accepted) == (4, True)


def test_a_revert_of_another_contract_is_told_in_words(ledger: Ledger) -> None:
    ledger.reverts = bytes.fromhex("08c379a0") + encode(["string"], ["too poor"])
    found = explain(ledger, ledger.include(VERIFY.calldata(update()), False))
    assert found.conclusion.startswith(
        "the chain and the verdict DISAGREE: the transaction reverted ('too poor')"
    )


def test_a_trace_shows_the_call_as_it_was_made(ledger: Ledger) -> None:
    inner = frame(DESERIALIZE.calldata(update(STRANGER)), sender=CONSUMER)
    error = {"error": "execution reverted", "output": "0x" + INVALID_SIGNATURE.data().hex()}
    outer = frame(WRAPPED, to=CONSUMER, calls=[{**inner, **error}])
    found = explain(ledger, ledger.include(WRAPPED, to=CONSUMER, trace=outer))
    (call,) = found.calls
    assert (call.seen, call.sender, call.function) == (
        True, bytes.fromhex(CONSUMER[2:]), DESERIALIZE.name,
    )  # fmt: skip
    assert (call.succeeded, call.agrees, found.succeeded) == (False, True, True)
    assert "the contract refuses it: InvalidSignature, as the chain decided" in found.conclusion
    passed = frame(DESERIALIZE.calldata(update()), sender=CONSUMER)
    outer = frame(WRAPPED, to=CONSUMER, calls=[passed], error="execution reverted")
    found = explain(ledger, ledger.include(WRAPPED, False, to=CONSUMER, trace=outer))
    assert (found.calls[0].succeeded, found.agrees, found.accepted) == (True, True, False)
    assert "the call passed and was undone: a call around it reverted" in found.notes
    assert found.conclusion == (
        "the contract accepts it, as the chain decided; the transaction reverted (revert (empty))"
    )
    nothing = frame(WRAPPED, to=CONSUMER)
    found = explain(ledger, ledger.include(WRAPPED, to=CONSUMER, trace=nothing), proxy=PROXY)
    assert any("no payload came to it" in note for note in found.notes)


@pytest.mark.parametrize("trace", [[], {"type": "CALL"}, {**frame(b""), "calls": 5}, {"type": 1}])
def test_a_trace_that_is_none_is_no_trace(ledger: Ledger, trace: Any) -> None:
    found = explain(ledger, ledger.include(VERIFY.calldata(update()), trace=trace))
    assert found.accepted


def test_a_trace_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mined, "MAX_FRAMES", 3)
    data = VERIFY.calldata(update())
    short, long = (frame(data, calls=[frame(b"")] * count) for count in (2, 3))
    for trace, read in ((short, True), (long, False)):
        hash_ = ledger.include(data, trace=trace)
        assert (mined.frames(connect(ledger), hash_) is not None) is read
        assert explain(ledger, hash_).accepted


# --- a given state --------------------------------------------------------------------------------


def test_a_state_of_a_file_is_used_as_it_was_then(ledger: Ledger, tmp_path: Path) -> None:
    hash_ = ledger.include(VERIFY.calldata(update()))
    ledger.mine(3)
    ledger.send("removeSignerAddress(address)", SIGNER.address.lower())
    state = fetch_state(ledger, ADDRESS)
    asked = len(ledger.asked)
    found = explain(ledger, hash_, state=state)
    assert found.accepted
    assert any("taken back to its time" in note for note in found.notes)
    assert not any(method == "eth_getLogs" for method, _ in ledger.asked[asked:])
    other = type(state).from_dict(state.to_dict() | {"chain_id": 2})
    with pytest.raises(Misuse, match="another chain"):
        explain(ledger, hash_, state=other)
    moved = type(state).from_dict(state.to_dict() | {"proxy": CONSUMER})
    with pytest.raises(Misuse):
        explain(ledger, hash_, state=moved)


# --- Chainlink: events ----------------------------------------------------------------------------

NETWORK = InsecureTestNetwork("explained", 4, 1)
FEED = b"\x00\x03" + b"\xaa" * 30


def test_an_event_says_which_report_was_verified(ledger: Ledger) -> None:
    now = ledger.time(ledger.head)
    report = ReportV3(FEED, now, now, 0, 0, now + 1_000, 5, 4, 6)  # type: ignore[arg-type]
    raw = NETWORK.sign(report).encode()
    record: dict[str, Any] = {
        "contract": "v0.5.0", "chain_id": 1, "proxy": PROXY, "now": now,
        "configs": [{
            "config_digest": "0x" + NETWORK.config_digest.hex(),
            "signers": [signer.lower() for signer in NETWORK.signers], "f": NETWORK.f,
        }],
        "fee_manager": {"link": "0x" + "1c" * 20, "native": "0x" + "2d" * 20},
    }  # fmt: skip
    state = chainlink.ChainlinkState.from_dict(record)
    data = b"\x12\x34\x56\x78" + encode(["bytes[]"], [[raw]])
    seen = (
        ADDRESS, [REPORT_VERIFIED.topic, FEED], encode(["address"], [CONSUMER]),
    )  # fmt: skip
    strange = (ADDRESS, [REPORT_VERIFIED.topic, FEED], b"\1")
    found = explain(ledger, ledger.include(data, to=CONSUMER, logs=(seen, strange)), state=state)
    assert (found.agrees, found.accepted, len(found.events)) == (True, True, 1)
    assert found.conclusion == (
        "the contract accepts it, as the chain decided; the transaction succeeded"
    )
    assert f"event ReportVerified of {checksum(ADDRESS)}: feed_id 0x0003aa" in "\n".join(
        found.lines
    )
    bulk = chainlink.encode_calldata([raw, raw[:-1]], pay="link", state=state)
    ledger.reverts = b""
    found = explain(ledger, ledger.include(bulk, False, value=0), state=state)
    first, second = found.calls[0].payloads
    assert (first.verdict.accepted, second.verdict.accepted) == (True, False)
    assert found.calls[0].verdict.payload == 1
    text = "\n".join(found.lines)
    assert "; alone it is: accepted" in text
    assert "broken" in text
    assert json.dumps(found.to_dict())


# --- what cannot be explained ---------------------------------------------------------------------


def test_what_cannot_be_explained_is_told(ledger: Ledger) -> None:
    with pytest.raises(Misuse, match="chain 1 has no such transaction"):
        explain(ledger, HASH)
    for bad in ("0x12", "ab" * 32, 5, None):
        with pytest.raises(Misuse, match="not the hash"):
            explain(ledger, bad)  # type: ignore[arg-type]
    for nothing in (b"\x12\x34\x56\x78", b""):
        ledger.include(nothing)
        with pytest.raises(Misuse, match="no payload in the calldata"):
            explain(ledger, HASH)
    assert explain(ledger, bytes.fromhex(ledger.include(VERIFY.calldata(update()))[2:])).accepted
    receipt = ledger.receipts.pop(HASH)
    with pytest.raises(Unavailable, match="no receipt"):
        explain(ledger, HASH)
    ledger.receipts[HASH] = {**receipt, "blockHash": "0x" + "00" * 32}
    with pytest.raises(Unavailable, match="replaced"):
        explain(ledger, HASH)
    damages: tuple[dict[str, Any], ...] = (
        {"gasUsed": "0x"},
        {"logs": 5},
        {"logs": [{}]},
        {"status": []},
    )
    for damage in damages:
        ledger.receipts[HASH] = {**receipt, **damage}
        with pytest.raises(Unavailable, match="an answer that no node should"):
            explain(ledger, HASH)
    ledger.receipts[HASH] = {key: receipt[key] for key in receipt if key != "status"}
    with pytest.raises(Unavailable, match="without a status"):
        explain(ledger, HASH)
    ledger.receipts[HASH] = receipt
    ledger.transactions[HASH]["to"] = None
    with pytest.raises(Misuse, match="creates a contract"):
        explain(ledger, HASH)
    ledger.transactions[HASH]["blockNumber"] = None
    with pytest.raises(Unavailable, match="pending"):
        explain(ledger, HASH)


def test_a_node_without_old_blocks_is_told(ledger: Ledger) -> None:
    class Young(Ledger):
        def eth_getCode(self, address: str, block: str) -> dict[str, Any]:
            return {"error": {"code": -32000, "message": "missing trie node"}}

    ledger.__class__ = Young
    with pytest.raises(Unavailable, match="an archive node"):
        explain(ledger, ledger.include(VERIFY.calldata(update())))


def test_the_form_for_asyncio(ledger: Ledger) -> None:
    hash_ = ledger.include(VERIFY.calldata(update()))
    twin = AsyncLike(ledger)
    found = asyncio.run(aio.explain(twin, hash_))
    assert (found.conclusion, found.agrees) == (explain(ledger, hash_).conclusion, True)
    with pytest.raises(Misuse, match=r"payloads\.chain\.aio\.explain"):
        explain(twin, hash_)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def url(ledger: Ledger) -> Iterator[str]:
    with over_http(ledger.make_request) as found:
        yield found


def test_the_command(ledger: Ledger, url: str, tmp_path: Path) -> None:
    hash_ = ledger.include(VERIFY.calldata(update()))
    result = run("explain", hash_, "--rpc", url)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("the contract accepts it, as the chain decided")
    assert "checks, in the contract's order" in result.stdout
    record = json.loads(run("explain", hash_, "--rpc", url, "--json").stdout)
    assert (record["agrees"], record["accepted"], record["hash"]) == (True, True, hash_)
    assert record["calls"][0]["payloads"][0]["feeds"] == ["7"]
    assert record["calls"][0]["value"] == str(FEE)
    state = tmp_path / "state.json"
    save_state(fetch_state(ledger, ADDRESS), state)
    assert run("explain", hash_, "--rpc", url, "--state", str(state)).exit_code == 0
    ledger.include(VERIFY.calldata(update(STRANGER)))
    refused = run("explain", hash_, "--rpc", url)
    assert refused.exit_code == 1
    assert refused.stdout.startswith("the contract refuses it: returns false")
    unknown = run("explain", "0x" + "00" * 32, "--rpc", url)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "no such transaction" in unknown.stderr
    assert run("explain", hash_, "--rpc", url, "--proxy", "0x12").exit_code == 2


def test_explained_is_a_record(ledger: Ledger) -> None:
    found = explain(ledger, ledger.include(VERIFY.calldata(update())))
    assert isinstance(found, Explained)
    with pytest.raises(AttributeError):
        found.hash = ""  # type: ignore[misc]
