"""1,200 raw calls of the verifier proxies: each must be judged as it was recorded, to the byte.

They hold what only bulk calls show: the bill over several payloads, the order of the checks across
payloads, and how far the contract's memory has grown when an absurd length is met.
fixtures/README.md says how they were recorded.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from payloads import State, chainlink
from payloads.crypto import keccak256

CALLS = Path(__file__).parents[1] / "fixtures" / "raw-call-outcomes.jsonl.gz"


def _lines() -> list[dict[str, Any]]:
    with gzip.open(CALLS, "rt") as lines:
        return [json.loads(line) for line in lines]


LINES = _lines()
STATES = {line["world"]: State.from_dict(line) for line in LINES if line["kind"] == "world"}
CASES = [line for line in LINES if line["kind"] == "case"]


def _outcome(calldata: str, state: Any, value: int) -> dict[str, Any]:
    """What our verdict says the call does, in the words of the recording."""
    verdict = chainlink.judge_calldata(calldata, state, value=value)
    if verdict.revert_data is not None:
        data = "0x" + verdict.revert_data.hex()
        return {"status": "revert", "data": data, "name": verdict.name}
    kind = "bytes" if isinstance(verdict.returned, bytes) else "bytes[]"
    returned = encode([kind], [verdict.returned])
    return {"status": "return", "keccak": "0x" + keccak256(returned).hex()}


@pytest.mark.parametrize("generation", ["v0.3.0", "v0.4.0", "v0.5.0"])
def test_every_raw_call_does_what_it_did(generation: str) -> None:
    judged = 0
    for case in CASES:
        state = STATES[case["world"]]
        if state.contract != generation:
            continue
        assert _outcome(case["calldata"], state, int(case["value"])) == case["outcome"], case["id"]
        judged += 1
    assert judged == 400


def test_there_are_1200() -> None:
    assert len(CASES) == 1200
