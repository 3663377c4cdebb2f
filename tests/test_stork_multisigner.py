"""612 recorded calls of Stork Fast with several signers: each must be judged as it was recorded.

fixtures/README.md says how they were recorded. Payloads and raw calls of the functions that verify
are judged to the byte; the getters and the owner's calls hold the contract that other tests use.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from payloads import State, stork
from payloads.crypto import keccak256
from payloads.errors import Misuse
from payloads.stork.calldata import FUNCTIONS
from payloads.verdicts.verdict import Verdict
from tests.stork_contract import StorkContract

CALLS = Path(__file__).parents[1] / "fixtures" / "stork-multisigner-outcomes.jsonl.gz"
ASSETS = ["(uint16,uint64,int192)[]"]


def _lines() -> list[dict[str, Any]]:
    with gzip.open(CALLS, "rt") as lines:
        return [json.loads(line) for line in lines]


LINES = _lines()
WORLDS = {line["world"]: line for line in LINES if line["kind"] == "world"}
STATES = {name: stork.StorkState.from_dict(world) for name, world in WORLDS.items()}


def _rows(kind: str) -> list[dict[str, Any]]:
    return [line for line in LINES if line["kind"] == kind]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _returned(verdict: Verdict) -> bytes:
    """The return data of a call."""
    if isinstance(verdict.returned, bool):
        return encode(["bool"], [verdict.returned])
    return encode(ASSETS, [[asset.values for asset in verdict.returned]])


def _reverted(verdict: Verdict) -> dict[str, Any]:
    assert verdict.revert_data is not None
    # The recording gives the code of a panic alone.
    name = "Panic(0x11)" if verdict.error == "Panic" else verdict.name
    return {"status": "revert", "data": "0x" + verdict.revert_data.hex(), "name": name}


def _outcome(verdict: Verdict) -> dict[str, Any]:
    if verdict.revert_data is not None:
        return _reverted(verdict)
    if isinstance(verdict.returned, bool):
        return {"status": "return", "verified": verdict.returned}
    assets = [[asset.asset_id, asset.timestamp_ns, str(asset.value)] for asset in verdict.returned]
    return {"status": "return", "assets": assets}


def _call(row: dict[str, Any], raw: bytes) -> bytes:
    function = next(function for function in FUNCTIONS if function.name == row["call"])
    return function.calldata(raw)


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_load_as_they_are(name: str) -> None:
    assert STATES[name].to_dict() == WORLDS[name]
    assert State.from_dict(STATES[name].to_dict()) == STATES[name]


def test_every_payload_is_judged_as_recorded() -> None:
    rows = _rows("case")
    for row in rows:
        state, value, raw = STATES[row["world"]], int(row["value"]), _bytes(row["payload"])
        direct = stork.judge(raw, state, call=row["call"], value=value)
        assert _outcome(direct) == row["outcome"], row["id"]
        called = stork.judge_calldata(_call(row, raw), state, value=value)
        assert _outcome(called) == row["outcome"], row["id"]
        deciding = [check.revert for check in direct.checks if check.decided]
        assert deciding == ([] if direct.revert is None else [direct.name]), row["id"]
    assert len(rows) == 337


def test_what_the_contract_with_one_signer_answers_otherwise() -> None:
    """It was recorded with the first of the signers, or never initialised where there is none."""
    rows = [row for row in _rows("case") if "single_signer_1_0_0" in row]
    for row in rows:
        world = WORLDS[row["world"]]
        signer = (world["signers"] or ["0x" + "00" * 20])[0]
        fee = world["verification_fee"]
        record = {"contract": "stork-fast-1.0.0", "signer": signer, "verification_fee": fee}
        state = stork.StorkState.from_dict(record)
        value = int(row["value"])
        verdict = stork.judge(row["payload"], state, call=row["call"], value=value)
        recorded = row["single_signer_1_0_0"]
        assert _outcome(verdict) == recorded.get("outcome", recorded), row["id"]
    assert len(rows) == 54


def test_large_payloads_are_judged_as_recorded() -> None:
    rows = _rows("large")
    for row in rows:
        raw = _bytes(row["payload_head"]) + bytes(row["then_zero_bytes"])
        state, value = STATES[row["world"]], int(row["value"])
        verdict = stork.judge(raw, state, call=row["call"], value=value)
        outcome = dict(row["outcome"])
        if "assets_count" in outcome:
            assert len(verdict.returned) == outcome["assets_count"]
            assert keccak256(_assets(verdict)) == _bytes(outcome["return_keccak"])
        else:
            assert _outcome(verdict) == outcome, row["id"]
    assert len(rows) == 9


def _assets(verdict: Verdict) -> bytes:
    """As `_returned`, and fast enough for 65,534 assets."""
    words = [
        value.to_bytes(32, "big", signed=True)
        for asset in verdict.returned
        for value in asset.values
    ]
    return b"".join([encode(["uint256", "uint256"], [32, len(verdict.returned)]), *words])


def _contract(world: dict[str, Any]) -> StorkContract:
    return StorkContract(
        several=True,
        signers=list(world["signers"]),
        fee=int(world["verification_fee"]),
        contract_owner=world["owner"],
        initialised=world["deployed_as"] == "proxy",
        bare=world["deployed_as"] == "implementation",
    )


def test_every_raw_call_does_what_it_did() -> None:
    judged = others = 0
    for row in _rows("calldata"):
        state, value, raw = STATES[row["world"]], int(row["value"]), _bytes(row["calldata"])
        expected = row["outcome"]
        if not _is_other(raw, state):
            verdict = stork.judge_calldata(raw, state, value=value)
            found = (
                {"status": "return", "data": "0x" + _returned(verdict).hex()}
                if verdict.revert_data is None
                else _reverted(verdict)
            )
            assert found == expected, row["id"]
            judged += 1
            continue
        ok, data = _contract(WORLDS[row["world"]]).call(raw, row["sender"], value)
        said = {"status": "return" if ok else "revert", "data": "0x" + data.hex()}
        assert said == {key: expected[key] for key in said}, row["id"]
        others += 1
    assert judged + others == 266
    assert judged > 100


def _is_other(raw: bytes, state: stork.StorkState) -> bool:
    """Whether the contract has this function, and it verifies nothing: no verdict is given."""
    try:
        stork.judge_calldata(raw, state)
    except Misuse as misuse:
        return misuse.reason == "a function that verifies nothing"
    return False


def test_a_function_of_the_other_generation_reverts() -> None:
    (row,) = [
        row
        for row in _rows("calldata")
        if row["call"] == "signerAddress()" and row["world"] == "multi-1"
    ]
    assert stork.judge_calldata(row["calldata"], STATES["multi-1"]).revert_data == b""
    single = {"contract": "stork-fast-1.0.0", "signer": "0x" + "11" * 20}
    with pytest.raises(Misuse, match=r"signerAddress\(\)"):
        stork.judge_calldata(row["calldata"], stork.StorkState.from_dict(single))


def _world(**changes: Any) -> dict[str, Any]:
    return {"contract": "stork-fast-1.0.0-multisigner", "signers": ["0x" + "11" * 20], **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signers": None}, "signers"),
        ({"signers": ["0x" + "00" * 20]}, "signers[0]"),
        ({"signers": ["0x" + "11" * 20] * 2}, "signers[1]"),
        ({"signers": [f"0x{index:040x}" for index in range(1, 10)]}, "signers"),
        ({"signer": "0x" + "11" * 20}, "signer"),
        ({"contract": "stork-fast-1.0.0"}, "signer"),
        ({"contract": "stork-fast-1.0.0", "signer": "0x" + "11" * 20}, "signers"),
        ({"history": {"initial_signers": []}}, "history"),
        ({"history": {"then": [["replace", "0x" + "11" * 20]]}}, "history.then[0]"),
        ({"history": {"then": [["addSignerAddress", "0x11"]]}}, "history.then[0]"),
        ({"history": {"first": []}}, "history.first"),
        ({"history": [{"until": 5, "signer": "0x" + "11" * 20}]}, "signer"),
    ],
)
def test_what_no_contract_stores_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Misuse) as caught:
        State.from_dict(_world(**changes))
    assert caught.value.field == field


def test_a_contract_without_signers_refuses_what_the_older_one_accepts() -> None:
    raw = bytes(75)
    old = {"contract": "stork-fast-1.0.0", "signer": "0x" + "00" * 20}
    older = stork.judge(raw, stork.StorkState.from_dict(old))
    newer = stork.judge(raw, stork.StorkState.from_dict(_world(signers=[])))
    assert (older.returned, newer.returned) == (True, False)
    (danger,) = [each for each in older.findings if each.code == "stork-uninitialised"]
    (warning,) = [each for each in newer.findings if each.code == "stork-uninitialised"]
    assert (danger.severity, warning.severity) == ("danger", "warning")
    assert "accepts every invalid signature" in danger.sentence
    assert "refuses every signature" in warning.sentence


def test_explanations_name_all_signers() -> None:
    state = stork.StorkState.from_dict(_world(signers=["0x" + "11" * 20, "0x" + "22" * 20]))
    row = next(row for row in _rows("case") if row["outcome"].get("verified"))
    (check,) = stork.judge(row["payload"], state, value=7).problems
    assert check.detail.count("0x") == 3
    assert check.inputs["signers"] == state.signers
    facts = dict(state.facts())
    assert facts["signers"] == "2, any one of them is enough"
    assert "every signature is refused" in dict(STATES["multi-impl"].facts())["signers"]
    assert state.deciding()["signers"] == dict.fromkeys(facts_of_signers(state), True)


def facts_of_signers(state: stork.StorkState) -> list[str]:
    return [value for name, value in state.facts() if not name]


def test_the_past_of_the_signers() -> None:
    history = [{"until": 100, "signers": []}, {"until": 200, "verification_fee": "7"}]
    state = stork.StorkState.from_dict(_world(history=history, now=300))
    assert [len(state.at(time).signers or ()) for time in (99, 100, 300)] == [0, 1, 1]
    assert [state.at(time).verification_fee for time in (99, 199, 200)] == [7, 7, 0]
    assert STATES["multi-3"].at(5).undated is None
