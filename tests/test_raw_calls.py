"""2,100 raw calls of the verifier proxies: each must be judged as it was recorded, to the byte.

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
from hypothesis import example, given
from hypothesis import strategies as st

from payloads import State, chainlink
from payloads.abi.solidity import Argument, decode_calldata
from payloads.chainlink.call import split_arguments
from payloads.crypto import keccak256
from payloads.errors import Malformed

FIXTURES = Path(__file__).parents[1] / "fixtures"


def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(FIXTURES / name, "rt") as lines:
        return [json.loads(line) for line in lines]


# Of v0.5.1 (its views included), and of proxies whose fee manager does nothing.
TODAY = _lines("today-call-outcomes.jsonl.gz")
LINES = [*_lines("raw-call-outcomes.jsonl.gz"), *TODAY]
WORLDS = {line["world"]: line for line in LINES if line["kind"] == "world"}
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


def _kind(world: dict[str, Any]) -> str:
    """The generation, and the type of the fee manager if it is named."""
    fees = (world["fee_manager"] or {}).get("type")
    return f"{world['contract']} {fees}" if fees else world["contract"]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("v0.3.0", 400),
        ("v0.4.0", 400),
        ("v0.5.0", 400),
        ("v0.5.1", 160),
        ("v0.5.1 FeeManager", 160),
        ("v0.5.1 NoOpFeeManager 0.5.0", 160),
        ("v0.5.1 NoOpFeeManager 0.5.1", 160),
        ("v0.5.0 NoOpFeeManager 0.5.0", 120),
        ("v0.5.0 NoOpFeeManager 0.5.1", 140),
    ],
)
def test_every_raw_call_does_what_it_did(kind: str, count: int) -> None:
    judged = 0
    for case in CASES:
        if _kind(WORLDS[case["world"]]) != kind:
            continue
        state, value = STATES[case["world"]], int(case["value"])
        assert _outcome(case["calldata"], state, value) == case["outcome"], case["id"]
        judged += 1
    assert judged == count


def test_there_are_2100() -> None:
    assert len(CASES) == 2100


@pytest.mark.parametrize("name", [line["world"] for line in TODAY if line["kind"] == "world"])
def test_worlds_of_today_load_as_they_are(name: str) -> None:
    state = STATES[name]
    assert state.to_dict() == WORLDS[name]
    assert State.from_dict(state.to_dict()) == state


def _known(world: str) -> Any:
    return STATES[world]


def test_findings_without_the_checks_are_those_beside_them() -> None:
    """An accepted call is not judged again for its findings, bills and last good time."""
    accepted = 0
    for line in CASES[::5]:
        verdict = chainlink.judge_calldata(
            line["calldata"], _known(line["world"]), value=int(line["value"])
        )
        brief = (verdict.findings, verdict.bills, verdict.good_until)
        whole = verdict.why
        assert brief == (whole.findings, whole.bills, whole.good_until)
        assert all(bill.amount > 0 for bill in verdict.bills)
        accepted += verdict.accepted
    assert accepted > 50


_WORDS = st.one_of(
    st.integers(0, 200), st.integers(0, 2**256 - 1), st.sampled_from([2**64 - 1, 2**64, 64, 96])
)


@given(words=st.lists(_WORDS, max_size=8), rest=st.binary(max_size=40), count=st.integers(1, 2))
@example([64, 96, 0, 0], b"", 2)
@example([0, 0], b"", 2)
@example([32, 2], b"ab", 1)
def test_arguments_are_split_as_the_decoder_reads_them(
    words: list[int], rest: bytes, count: int
) -> None:
    raw = b"\x00\x01\x02\x03" + b"".join(word.to_bytes(32, "big") for word in words) + rest
    arguments = (Argument("first", "bytes"), Argument("second", "bytes"))[:count]
    try:
        wanted = decode_calldata(arguments, raw)
    except Malformed:
        wanted = None
    assert split_arguments(raw, count) == wanted
