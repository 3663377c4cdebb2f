"""The preflight over made-up chains: each thing that stops a transaction, and their order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payloads.chain import Policy, Preflight, Problem, States, preflight
from payloads.chain.reading.contract_events import calldata
from payloads.chainlink.errors import ACCESS_FORBIDDEN, BAD_VERIFICATION
from payloads.chainlink.state import ChainlinkState
from payloads.crypto import checksum
from payloads.errors import Misuse
from payloads.stork.calldata import DESERIALIZE
from tests.chain.test_consumer import CONSUMER, POLICY, through
from tests.chain.test_guard import (
    FEE,
    KEEPER,
    LINK,
    NATIVE,
    OTHER,
    STRANGER,
    Web3Like,
    call,
    chainlink,
    report,
    stork,
    update,
    verify,
)

MANAGER, REWARDS = "0x" + "f1" * 20, "0x" + "f2" * 20
GAS = 200_000


class Ledger:
    """What the node of a made-up chain knows of accounts, and how it runs transactions."""

    def __init__(self, w3: Web3Like) -> None:
        self.ether, self.nonce, self.pending = 10**18, 7, 7
        self.held: dict[str, int] = {}
        self.allowed: dict[tuple[str, str], int] = {}
        self.code: dict[str, str] = {}
        self.takes_ether = True
        self.reverts: bytes | None = None
        self.needed = 150_000
        self.refused: set[str] = set()
        made: Any = w3.chain
        ask, blocks = made.make_request, made.eth_getBlockByNumber
        made.eth_getBalance = lambda address, block: {"result": hex(self.ether)}
        made.eth_getTransactionCount = lambda address, block: {
            "result": hex(self.pending if block == "pending" else self.nonce)
        }
        made.eth_gasPrice = lambda: {"result": hex(10**9)}
        made.eth_estimateGas = lambda call: {"result": hex(self.needed)}
        made.eth_getCode = lambda address, block: {"result": self.code.get(address.lower(), "0x")}
        made.eth_call = self._call

        def block(number: str, full: bool) -> Any:
            found = blocks(number, full)
            found["result"]["gasLimit"] = hex(30_000_000)
            return found

        made.eth_getBlockByNumber = block

        def request(method: str, params: list[Any]) -> Any:
            if method in self.refused:
                return {"error": {"code": -32601, "message": "no such method"}}
            return ask(method, params)

        w3.make_request = request

    def _call(self, call: dict[str, Any], block: str) -> dict[str, Any]:
        to, data = call["to"].lower(), bytes.fromhex(call["data"][2:])
        words = ["0x" + data[at + 12 : at + 32].hex() for at in range(4, len(data), 32)]
        selector = data[:4]
        if selector == calldata("i_rewardManager()"):
            return {"result": "0x" + bytes.fromhex(REWARDS[2:]).rjust(32, b"\0").hex()}
        if selector == calldata("balanceOf(address)", bytes(20))[:4]:
            return {"result": f"0x{self.held.get(to, 0):064x}"}
        if selector == calldata("allowance(address,address)", bytes(20), bytes(20))[:4]:
            return {"result": f"0x{self.allowed.get((to, words[1]), 0):064x}"}
        revert = self.reverts if data else (None if self.takes_ether else b"")
        if revert is None:
            return {"result": "0x"}
        error = {"code": 3, "message": "execution reverted", "data": "0x" + revert.hex()}
        return {"error": error}


def paid(**changes: Any) -> tuple[Web3Like, ChainlinkState, Ledger]:
    w3, state = chainlink(
        fee_manager={"link": LINK, "native": NATIVE, "address": MANAGER}, **changes
    )
    return w3, state, Ledger(w3)


def full(transaction: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return transaction | {"gas": GAS, "nonce": 7, "gasPrice": 10**9} | changes


def codes(checked: Preflight) -> list[str]:
    return [problem.code for problem in checked.problems]


def test_nothing_stops_a_good_transaction() -> None:
    w3, state, ledger = paid()
    ledger.held[NATIVE], ledger.allowed[NATIVE, MANAGER] = 1_000, 1_000
    for transaction in (full(verify(report(w3, native_fee=1_000))), verify(report(w3))):
        checked = preflight(w3, transaction, state)
        assert checked, checked
        assert checked.ok
        assert checked.problems == ()
        assert checked.verdict
        assert repr(checked) == "Preflight(ok)"
        assert str(checked) == "nothing stops the transaction"
    assert w3.sent == []


def test_all_that_is_wrong_is_said_in_order() -> None:
    w3, state, ledger = paid(access_controller={"allowed": []})
    ledger.ether = 10**14
    ledger.reverts = ACCESS_FORBIDDEN.data()
    raw = report(w3, valid_for=-5, native_fee=1_000)
    raw = raw[:-40] + bytes([raw[-40] ^ 1]) + raw[-39:]
    checked = preflight(
        w3, full(verify(raw), nonce=5, gas=21_000, gasPrice=10**12), state, Policy(max_fee=5)
    )
    assert not checked
    assert codes(checked) == [
        "policy-max_fee", "nonce-used", "gas-below-minimum", "ether", "access", "expiry",
        "allowance", "balance", "signatures",
    ]  # fmt: skip
    record = json.loads(json.dumps(checked.to_dict()))
    assert record["ok"] is False
    assert [each["code"] for each in record["problems"]] == codes(checked)
    assert record["verdict"]["verdict"] == "AccessForbidden"
    assert repr(checked).startswith("Preflight(policy-max_fee, nonce-used, ")
    allowance = checked.problems[6]
    assert isinstance(allowance, Problem)
    assert (allowance.expected, allowance.found) == ("at least 1000", "0")
    assert checksum(bytes.fromhex(MANAGER[2:])) in allowance.sentence
    assert str(allowance).startswith("danger allowance (from): the fee manager 0x")


def test_link_is_taken_by_the_reward_manager() -> None:
    w3, state, ledger = paid()
    ledger.reverts = b""
    transaction = full(verify(report(w3, link_fee=70), token=LINK))
    checked = preflight(w3, transaction, state)
    assert codes(checked) == ["allowance", "balance"]
    assert "reward manager " + checksum(bytes.fromhex(REWARDS[2:])) in checked.problems[0].sentence
    ledger.allowed[LINK, MANAGER] = 70  # the wrong contract
    assert codes(preflight(w3, transaction, state)) == ["allowance", "balance"]
    ledger.allowed[LINK, REWARDS], ledger.held[LINK] = 70, 69
    assert codes(preflight(w3, transaction, state)) == ["balance"]
    ledger.held[LINK], ledger.reverts = 70, None
    assert preflight(w3, transaction, state)
    # A run that passes though the payment was found to be impossible is an alarm.
    ledger.held[LINK] = 69
    assert codes(preflight(w3, transaction, state)) == ["balance", "node-disagrees"]


def test_native_needs_no_allowance_and_wrapped_does() -> None:
    w3, state, ledger = paid()
    transaction = full(verify(report(w3, native_fee=1_000)))
    assert preflight(w3, transaction | {"value": 1_000}, state)
    ledger.reverts = b""
    assert codes(preflight(w3, transaction, state)) == ["allowance", "balance"]
    short = preflight(w3, transaction | {"value": 999}, state)
    assert codes(short)[0] == "deposit"
    assert short.problems[0].field == "value"


def test_the_nonce() -> None:
    w3, state, ledger = paid()
    transaction = full(verify(report(w3)))
    for nonce, pending, code in (
        (6, 7, ["nonce-used"]), (7, 7, []), (8, 7, ["nonce-gap"]), (8, 9, []), (9, 9, []),
    ):  # fmt: skip
        ledger.pending = pending
        assert codes(preflight(w3, transaction | {"nonce": nonce}, state)) == code
    del transaction["nonce"]
    assert preflight(w3, transaction, state)


def test_the_gas_limit() -> None:
    w3, state, ledger = paid()
    transaction = full(verify(report(w3)))
    assert preflight(w3, transaction | {"gas": 150_000}, state)
    low = preflight(w3, transaction | {"gas": 149_999}, state)
    assert codes(low) == ["gas-low"]
    assert low.problems[0].expected == "at least 150000"
    assert codes(preflight(w3, transaction | {"gas": 30_000_001}, state)) == ["gas-above-block"]
    ledger.reverts = b"\x12\x34\x56\x78"
    least = preflight(w3, transaction | {"gas": 22_000}, state)
    assert codes(least) == ["gas-below-minimum", "run-reverts"]


def test_the_ether_for_value_and_gas() -> None:
    w3, state, ledger = paid()
    transaction = full(verify(report(w3, native_fee=1_000)), value=1_000)
    ledger.ether = GAS * 10**9 + 1_000
    assert preflight(w3, transaction, state)
    ledger.ether -= 1
    short = preflight(w3, transaction, state)
    assert codes(short) == ["ether"]
    assert "value 1000, gas 200000" in short.problems[0].expected
    ledger.ether += 1
    assert codes(preflight(w3, transaction | {"maxFeePerGas": 2 * 10**9}, state)) == ["ether"]
    del transaction["gasPrice"]  # the node's price
    assert preflight(w3, transaction, state)


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.5.0"])
def test_a_caller_that_cannot_take_the_refund(contract: str) -> None:
    w3, state, ledger = paid()
    if contract == "v0.3.0":
        record = state.to_dict() | {"contract": contract}
        record["configs"][0]["feed_id"] = "0x" + "0003" + "aa" * 30
        state = ChainlinkState.from_dict(record)
    transaction = full(verify(report(w3, native_fee=1_000)), value=1_001)
    assert preflight(w3, transaction, state)
    ledger.code[KEEPER], ledger.takes_ether = "0xef0100" + "aa" * 20, False
    assert codes(preflight(w3, transaction | {"value": 1_000}, state)) == []
    ledger.reverts = b""
    checked = preflight(w3, transaction, state)
    assert codes(checked) == ["refund"]
    assert "cannot take back" in checked.problems[0].sentence
    refund = next(
        params[0] for method, params in reversed(w3.chain.asked)
        if method == "eth_call" and params[0]["data"] == "0x"
    )  # fmt: skip
    assert refund["value"] == "0x1"
    assert refund.get("gas") == (hex(23_300) if contract == "v0.3.0" else None)
    ledger.takes_ether, ledger.reverts = True, None
    assert preflight(w3, transaction, state)


def test_the_wrong_chain_target_and_subscriber() -> None:
    w3, state, _ = paid(subscriber=KEEPER)
    good = full(verify(report(w3)))
    for change, code in (
        ({"chainId": 5}, "chain"), ({"to": OTHER}, "target"), ({"to": None}, "target"),
        ({"from": OTHER}, "sender"), ({"data": b"\x12\x34\x56\x78"}, "transaction"),
        ({"value": "much"}, "transaction"), ({"value": 2**256}, "transaction"),
        ({"gas": "some"}, "transaction"), ({"nonce": 1.5}, "transaction"),
    ):  # fmt: skip
        checked = preflight(w3, good | change, state)
        assert codes(checked) == [code], change
        assert checked.verdict is None
        assert checked.findings == ()
        assert checked.to_dict()["verdict"] is None
    _, listed, _ = paid(access_controller={"allowed": []})
    nameless = {key: value for key, value in good.items() if key != "from"}
    assert codes(preflight(w3, nameless, listed)) == ["sender"]
    both = preflight(w3, good | {"chainId": 5, "to": OTHER}, state)
    assert codes(both) == ["chain", "target"]
    w3.chain.chain_id = 9
    assert codes(preflight(w3, good, state)) == ["chain"]
    assert codes(preflight(w3, good, States([state]))) == ["target"]
    with pytest.raises(Misuse, match="not a state"):
        preflight(w3, good, "state.json")  # type: ignore[arg-type]


def test_a_policy_stops_it_too() -> None:
    w3, state = chainlink(fees=False)
    Ledger(w3)
    kept = preflight(w3, full(verify(report(w3), token=None, value=10**15)), state)
    assert codes(kept) == ["policy-refuse"]
    assert "value-kept" in kept.problems[0].sentence
    listed = Policy(refuse=(), feeds=(bytes(32),), recipients=(OTHER,))
    transaction = full(verify(report(w3), token=None))
    assert codes(preflight(w3, transaction, state, listed)) == [
        "policy-recipients", "policy-feeds",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("eth_chainId", "the chain of the node"),
        ("eth_blockNumber", "the newest block"),
        ("eth_getTransactionCount", "the account's nonce"),
        ("eth_getBalance", "the account's ether"),
        ("eth_getBlockByNumber", "the newest block"),
        ("eth_estimateGas", "the gas that the transaction needs"),
        ("eth_call", "how the node runs the transaction"),
        ("eth_getCode", "the caller's code"),
    ],
)
def test_what_the_node_does_not_answer_is_said(method: str, what: str) -> None:
    w3, state, ledger = paid()
    ledger.refused = {method}
    checked = preflight(w3, full(verify(report(w3, native_fee=10)), value=11), state)
    assert not checked
    assert not checked.ok
    assert f"not known: {what}" in [problem.sentence for problem in checked.unknown]
    assert {problem.code for problem in checked.problems} == {"not-known"}


def test_allowances_that_nothing_says_are_not_taken_for_fine() -> None:
    w3, state, ledger = paid()
    transaction = full(verify(report(w3, native_fee=10)))
    ledger.refused = {"eth_call"}
    unknown = preflight(w3, transaction, state)
    assert len(unknown.unknown) == 3
    ledger.refused = set()
    nameless = ChainlinkState.from_dict(
        state.to_dict() | {"fee_manager": {"link": LINK, "native": NATIVE}}
    )
    ledger.held[NATIVE] = 10
    (one,) = preflight(w3, transaction, nameless).unknown
    assert "allowance" in one.sentence
    del transaction["from"]
    checked = preflight(w3, transaction, state)
    assert {"from"} == {problem.field for problem in checked.unknown}
    assert not checked


def test_a_run_that_contradicts_the_verdict_is_an_alarm() -> None:
    w3, state, ledger = paid()
    ledger.reverts = BAD_VERIFICATION.data()
    transaction = full(verify(report(w3)))
    checked = preflight(w3, transaction, state)
    assert codes(checked) == ["node-disagrees"]
    assert checked.problems[0].severity == "danger"
    assert "node-disagrees" in {finding.code for finding in checked.findings}
    ledger.reverts = None
    stale = preflight(w3, full(verify(report(w3, valid_for=-5))), state)
    assert codes(stale) == ["expiry", "node-disagrees"]
    ledger.reverts = BAD_VERIFICATION.data()
    other = preflight(w3, full(verify(report(w3, valid_for=-5))), state)
    assert codes(other) == ["expiry", "node-disagrees"]


def test_stork_calls() -> None:
    w3, state = stork()
    ledger = Ledger(w3)
    assert preflight(w3, full(call(update())), state)
    false = preflight(w3, full(call(update(STRANGER))), state)
    assert "return false" in false.problems[0].sentence
    assert not false
    ledger.reverts = bytes.fromhex("8baa579f")
    strange = preflight(w3, full(call(update(STRANGER), function=DESERIALIZE)), state)
    assert strange.verdict is not None
    assert strange.verdict.error == "InvalidSignature"
    assert "node-disagrees" not in codes(strange)
    ledger.reverts = bytes.fromhex("025dbdd4")
    short = preflight(w3, full(call(update(), value=FEE - 1)), state)
    assert short.problems[0].field == "value"


def test_through_a_consumer() -> None:
    w3, state, ledger = paid()
    transaction = full(through(report(w3)))
    assert codes(preflight(w3, transaction, state)) == ["target"]
    checked = preflight(w3, transaction, state, POLICY)
    assert checked, checked
    assert "through-consumer" in {finding.code for finding in checked.findings}
    bad = preflight(w3, full(through(report(w3), report(w3, valid_for=-5))), state, POLICY)
    assert codes(bad) == ["expiry", "node-disagrees"]
    assert bad.problems[0].sentence.startswith("payload 1: ")
    ledger.reverts = b""
    own = preflight(w3, transaction, state, POLICY)
    assert codes(own) == ["run-reverts"]
    ledger.code[CONSUMER], ledger.takes_ether = "0x60", False
    hinted = preflight(w3, transaction | {"value": 5}, state, POLICY)
    assert codes(hinted) == ["run-reverts", "refund"]
    assert hinted.problems[1].severity == "note"
