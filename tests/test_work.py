"""Time and memory grow with an input's size, and no faster; or the input is refused."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import payloads
from payloads import State, chainlink
from payloads.chainlink.calldata import VERIFY_BULK
from payloads.chainlink.state import ChainlinkState
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.inputs import MAX_VALUES, parse_json
from payloads.inspection import inspect_each
from payloads.recognise import FEW_ITEMS, MIN_ITEM_CHARACTERS
from payloads.verdicts.checks import MOST_EXPLAINED
from payloads.verdicts.state import MAX_STATE_BYTES, MAX_TOML_BYTES, MAX_TOML_DOTS
from tests.checks import assert_sound
from tests.memory_limit import needs_measure, run_limited

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "examples"
STATE = State.load(EXAMPLES / "state.json")
# What a byte of input may take of memory.
MOST_A_BYTE = 50


def peak(act: Callable[[], Any]) -> int:
    """The most memory that Python's objects take while this runs."""
    tracemalloc.start()
    try:
        act()
    except PayloadError as error:
        assert_sound(error)
    finally:
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


# --- lists ----------------------------------------------------------------------------------------

ITEMS = ["0", '""', "{}", "null", '"0x"', '{"a":1}', "[]"]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("frame", ["[%s]", '{"data":{"reports":[%s]}}', '{"reports":[%s]}'])
def test_a_list_of_what_is_no_payload_is_cheap(item: str, frame: str) -> None:
    text = frame % ",".join([item] * 20_000)
    most = MOST_A_BYTE * len(text) + 10**6
    assert peak(lambda: inspect_each(text)) < most
    assert peak(lambda: payloads.decode(text)) < most
    assert peak(lambda: payloads.judge(text, STATE)) < most


def test_a_list_of_more_items_than_payloads_is_refused() -> None:
    with pytest.raises(Malformed, match="more items than payloads fit"):
        payloads.decode([0] * (10**6))
    with pytest.raises(Malformed, match="more items than payloads fit"):
        inspect_each("[" + "0," * 10_000 + "0]")
    # The shortest items of which a text may have any number.
    text = json.dumps(["0x" + "0" * (MIN_ITEM_CHARACTERS - 2)] * (2 * FEW_ITEMS))
    assert len(payloads.decode(text).inner) == 2 * FEW_ITEMS
    assert len(inspect_each([0] * FEW_ITEMS)) == FEW_ITEMS


def test_json_of_more_values_than_fit_in_memory_is_refused() -> None:
    assert len(parse_json("[" + "0," * (MAX_VALUES - 2) + "0]")) == MAX_VALUES - 1
    with pytest.raises(Malformed, match="too many values"):
        parse_json("[" + "0," * MAX_VALUES + "0]")
    text = '["' + "," * (2 * MAX_VALUES + 10) + '"]'  # commas in a text are no values
    assert len(parse_json(text)) == 1


# --- calls of many payloads -----------------------------------------------------------------------


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def bulk(count: int, payload: bytes = b"") -> bytes:
    """Calldata of `verifyBulk` whose elements are all the same bytes."""
    offsets = word(32 * count) * count
    payload = word(len(payload)) + payload + bytes(-len(payload) % 32)
    parameter = 64 + 32 + len(offsets) + len(payload)
    return VERIFY_BULK.selector + b"".join(
        (word(64), word(parameter), word(count), offsets, payload, word(0))
    )


def test_the_explanation_of_a_long_bulk_call_is_short() -> None:
    data = bulk(16_000)
    verdict = payloads.judge(data, STATE)
    assert peak(lambda: verdict.explanation) < MOST_A_BYTE * len(data)
    explained = [check for check in verdict.checks if check.payload is not None]
    assert max(check.payload or 0 for check in explained) == MOST_EXPLAINED - 1
    assert [check.decided for check in verdict.checks].count(True) == 1
    (deposit,) = [check for check in verdict.checks if check.name == "deposit"]
    assert deposit.passed is None
    assert "only the first 1,000" in deposit.detail


def test_the_check_that_decides_is_explained_wherever_it_stands() -> None:
    """The first payloads pass, so that the chain comes to a bad one after them."""
    report = chainlink.decode((EXAMPLES / "report.hex").read_text()).encode()
    free = STATE.to_dict() | {"fee_manager": None}
    state = ChainlinkState.from_dict(free)
    raws = [report] * (MOST_EXPLAINED + 2) + [b"x" * 300, b""]
    verdict = chainlink.judge_bulk(raws, state)
    assert not verdict.accepted
    (decided,) = [check for check in verdict.checks if check.decided]
    assert decided == verdict.checks[-1]
    assert decided.payload == MOST_EXPLAINED + 2
    assert decided.revert == verdict.name
    assert all((check.payload or 0) < MOST_EXPLAINED for check in verdict.checks[:-1])


# --- states ---------------------------------------------------------------------------------------


def with_history(count: int, **past: Any) -> dict[str, Any]:
    history = [{"until": 10 + index, **past} for index in range(count)]
    return STATE.to_dict() | {"history": history}


def test_each_part_of_a_state_s_history_is_read_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    before = ChainlinkState._read.__func__  # type: ignore[attr-defined]

    def counted(cls: type[State], record: dict[str, Any]) -> State:
        read.append(len(record.get("history", ())) + len(record.get("configs", ())))
        state: State = before(cls, record)
        return state

    monkeypatch.setattr(ChainlinkState, "_read", classmethod(counted))
    for count in (100, 400):
        read.clear()
        State.from_dict(with_history(count, unset_digests=["0x" + "11" * 32]))
        assert len(read) + sum(read) < 5 * count + 20


def test_a_part_of_a_state_s_history_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of short parts took 0.8 s while each was read and made into a state of then."""
    reads = 0
    before = ChainlinkState._read.__func__  # type: ignore[attr-defined]

    def counted(cls: type[State], record: dict[str, Any]) -> State:
        nonlocal reads
        reads += 1
        state: State = before(cls, record)
        return state

    monkeypatch.setattr(ChainlinkState, "_read", classmethod(counted))
    State.from_dict(with_history(300, fee_manager=None))
    assert reads == 302


def test_what_is_wrong_in_a_history_is_found_at_once() -> None:
    signers = [f"0x{n:040x}" for n in range(1, 5)]
    named: dict[str, Any] = {
        "config_digest": "0x" + "11" * 32,
        "feed_id": "0x" + "22" * 32,
        "signers": signers,
    }
    twice = named | {"f": 1}
    first = twice | {"removed_at": 7}
    then = with_history(1)
    with pytest.raises(Misuse, match="same name"):
        State.from_dict(then | {"history": [{"until": 5, "configs": [first, twice]}]})
    State.from_dict(then | {"history": [{"until": 9, "configs": [first, twice]}]})
    wrong = with_history(3, configs=[]) | {"history": [{"until": 5, "configs": [{"f": 1}]}]}
    with pytest.raises(Misuse, match="signers"):
        State.from_dict(wrong)
    with pytest.raises(Misuse, match="no past"):
        State.from_dict(with_history(1, source="x"))


HOSTILE_STATES = {
    "too-long.json": b" " * (MAX_STATE_BYTES + 1),
    "too-long.toml": b" " * (MAX_TOML_BYTES + 1),
    "values.json": b"[" + b"{}," * MAX_VALUES + b"{}]",
    "texts.json": b'{"contract":[' + b'"aa",' * 900_000 + b'""]}',
    "dots.toml": b"contract='v0.5.0'\n[[history]]\nuntil=5\nconfigs." + b"a." * 90_000 + b"a=1",
    "keys.toml": b"".join(b"a%d=1\n" % index for index in range(20_000)),
    "dotted.toml": b"".join(b"b%d." % i + b"a." * (MAX_TOML_DOTS - 1) + b"a=1\n" for i in range(9)),
}


def load(folder: str) -> None:
    for name in HOSTILE_STATES:
        with pytest.raises(Misuse) as caught:
            State.load(f"{folder}/{name}")
        print(caught.value)


@needs_measure
def test_no_state_file_takes_the_memory(tmp_path: Path) -> None:
    for name, content in HOSTILE_STATES.items():
        (tmp_path / name).write_bytes(content)
    told = run_limited(load, str(tmp_path)).splitlines()
    assert len(told) == len(HOSTILE_STATES)
    for line, why in zip(told, ("larger", "larger", "too many values", "", "dots"), strict=False):
        assert why in line
