"""2,300 calls and what the real contracts did with them: every one must be judged so, to the byte.

The outcomes were recorded in an EVM (fixtures/README.md says how); a live comparison with the
contracts themselves is in tests/onchain.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from payloads.abi.calldata import function_named
from payloads.chainlink import calldata as chainlink_calldata
from payloads.chainlink import verifier as chainlink
from payloads.chainlink.state import ChainlinkState
from payloads.crypto import keccak256
from payloads.stork import calldata as stork_calldata
from payloads.stork import verifier as stork
from payloads.stork.state import StorkState
from payloads.verdicts.state import State
from payloads.verdicts.verdict import Verdict

VECTORS = Path(__file__).parents[1] / "fixtures" / "onchain-outcomes.jsonl.gz"


def _lines() -> list[dict[str, Any]]:
    with gzip.open(VECTORS, "rt") as lines:
        return [json.loads(line) for line in lines]


LINES = _lines()
WORLDS = {line["world"]: line for line in LINES if line["kind"] == "world"}
CASES = [line for line in LINES if line["kind"] == "case"]
STATES = {name: State.from_dict(world) for name, world in WORLDS.items()}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _judge(case: dict[str, Any]) -> Verdict:
    state, value = STATES[case["world"]], int(case["value"])
    if isinstance(state, StorkState):
        return stork.judge(case["payload"], state, call=case["call"], value=value)
    assert isinstance(state, ChainlinkState)
    parameter = case["parameter_payload"]
    return chainlink.judge(case["payload"], state, pay=_bytes(parameter), value=value)


def _judge_calldata(case: dict[str, Any]) -> Verdict:
    """The same call, as the calldata of an honest caller."""
    state, value = STATES[case["world"]], int(case["value"])
    raw = _bytes(case["payload"])
    if isinstance(state, StorkState):
        function = function_named(stork_calldata.FUNCTIONS, case["call"])
        return stork.judge_calldata(function.calldata(raw), state, value=value)
    assert isinstance(state, ChainlinkState)
    calldata = chainlink_calldata.VERIFY.calldata(raw, _bytes(case["parameter_payload"]))
    return chainlink.judge_calldata(calldata, state, value=value)


def _outcome(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the vectors spell it."""
    if verdict.revert_data is not None:
        data = "0x" + verdict.revert_data.hex()
        return {"status": "revert", "data": data, "name": verdict.name}
    if isinstance(verdict.returned, bool):
        return {"status": "return", "verified": verdict.returned}
    if isinstance(verdict.returned, tuple):
        assets = [
            [asset.asset_id, asset.timestamp_ns, str(asset.value)] for asset in verdict.returned
        ]
        return {"status": "return", "assets": assets}
    return {"status": "return", "report_keccak": "0x" + keccak256(verdict.returned).hex()}


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.4.0", "v0.5.0", "stork-fast-1.0.0"])
def test_every_outcome_is_the_recorded_one(contract: str) -> None:
    judged = 0
    for case in CASES:
        if WORLDS[case["world"]]["contract"] == contract:
            assert _outcome(_judge(case)) == case["outcome"], case["id"]
            assert _outcome(_judge_calldata(case)) == case["outcome"], case["id"]
            judged += 1
    assert judged == (500 if contract.startswith("stork") else 600)


def test_there_are_2300() -> None:
    assert len(CASES) == 2300


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_load_as_they_are(name: str) -> None:
    state = STATES[name]
    assert state.to_dict() == WORLDS[name]
    assert State.from_dict(state.to_dict()) == state


def test_explanations_name_the_deciding_check() -> None:
    """What an explanation marks as decisive is what the chain reverted with, for every case."""
    for case in CASES:
        verdict = _judge(case)
        deciding = [check.revert for check in verdict.checks if check.decided]
        name = case["outcome"].get("name")
        assert deciding == ([] if name is None else [name]), case["id"]
        assert verdict.sentence in verdict.explanation
        assert json.dumps(verdict.to_dict())


def test_many_at_once_are_judged_as_one_by_one() -> None:
    by_call: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for case in CASES:
        key = (case["world"], case.get("parameter_payload", ""), case["value"])
        by_call.setdefault(key, []).append(case)
    for (world, parameter, value), cases in by_call.items():
        state = STATES[world]
        if not isinstance(state, ChainlinkState):
            continue
        payloads = [case["payload"] for case in cases] * 2
        many = chainlink.judge_many(
            payloads, state, pay=_bytes(parameter), value=int(value), workers=2
        )
        assert [_outcome(verdict) for verdict in many] == [case["outcome"] for case in cases] * 2
        assert many[0] is many[len(cases)]  # the same bytes were judged once
