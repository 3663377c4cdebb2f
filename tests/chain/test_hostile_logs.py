"""Logs and transactions that are short, dirty or no hex raise the documented errors alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payloads import State
from payloads.chain import connect, judge_transaction
from payloads.chain.reading.contract_events import ACCESS, FEES, PROXY, VERIFIER_EVENTS, Event
from payloads.chain.rpc import Log, Unavailable
from payloads.errors import Misuse
from tests import corpus

pytest.importorskip("eth_abi")

EVENTS = [*PROXY, *FEES, *ACCESS, *(event for each in VERIFIER_EVENTS.values() for event in each)]
ADDRESS = b"\x11" * 20
_words = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.sampled_from([0, 1, 32, 64, 96, 128, 224, 2**160, 2**255, 2**256 - 1]).map(
        lambda number: number.to_bytes(32, "big")
    ),
)
_data = st.one_of(st.binary(max_size=100), st.lists(_words, max_size=12).map(b"".join))


def log(event: Event, topics: tuple[bytes, ...], data: bytes) -> Log:
    return Log(5, 0, ADDRESS, (event.topic, *topics), data, "0x")


@given(st.sampled_from(EVENTS), st.lists(_data, max_size=3).map(tuple), _data)
def test_a_log_of_any_bytes_is_read_or_unavailable(
    event: Event, topics: tuple[bytes, ...], data: bytes
) -> None:
    with suppress(Unavailable):
        assert set(event.read(log(event, topics, data))) == {name for name, _, _ in event.arguments}


@pytest.mark.parametrize("data", [b"", bytes(31), b"\xff" * 64], ids=["none", "short", "dirty"])
def test_a_log_that_does_not_fit_says_where_it_was(data: bytes) -> None:
    with pytest.raises(Unavailable, match="does not fit FeeManagerSet, found block 5"):
        PROXY[0].read(log(PROXY[0], (), data))


class Logs:
    """A provider with one log for every question."""

    def __init__(self, **changes: Any) -> None:
        self.log = {
            "blockNumber": "0x5", "logIndex": "0x0", "address": "0x" + ADDRESS.hex(),
            "topics": [], "data": "0x",
        } | changes  # fmt: skip

    def make_request(self, method: str, params: list[Any]) -> Any:
        return {"result": [self.log]}


def test_what_is_no_hex_is_not_read_as_hex() -> None:
    assert connect(Logs()).logs([ADDRESS], [], 5, 5)
    numbers: list[Any] = [
        "1_0",
        "-0x5",
        "0x1_0",
        "0x",
        "5",
        "0x" + "1" * 65,
        " 0x5",
        "0x٥",
        None,
        [],
        -5,
    ]
    no_hex = ("0x1", "0x1 2", "0x_1", 5, None)
    cases: list[tuple[str, Any]] = []
    cases += [(key, bad) for key in ("blockNumber", "logIndex") for bad in numbers]
    cases += [(key, bad) for key in ("address", "data") for bad in no_hex]
    cases += [("topics", ["0x1 2"]), ("topics", 5), ("topics", None)]
    for key, bad in cases:
        with pytest.raises(Unavailable):
            connect(Logs(**{key: bad})).logs([ADDRESS], [], 5, 5)


class Chain:
    """A provider of chain 16, with code wherever it is asked for."""

    def make_request(self, method: str, params: list[Any]) -> Any:
        block = {"number": "0x5", "hash": "0x" + "11" * 32, "timestamp": hex(1722349010)}
        known = {"eth_chainId": "0x10", "eth_blockNumber": "0x5", "eth_getBlockByNumber": block}
        return {"result": known.get(method, "0x60")}


def test_a_transaction_s_numbers_are_quantities() -> None:
    known = State.load(corpus.FIXTURES / "examples" / "state.json").to_dict()
    state = State.from_dict(known | {"proxy": "0x" + ADDRESS.hex(), "chain_id": 16})
    sound = {"to": "0x" + ADDRESS.hex(), "data": "0x00", "chainId": "0x10"}
    numbers: list[Any] = ["1_0", "10", "-0x10", "0x1_0", "0x" + "1" * 65, 1.5, [], 10**5000]
    for chain in numbers:
        with pytest.raises(Misuse, match="chainId"):
            judge_transaction(Chain(), sound | {"chainId": chain}, state)
    for data in ("0x1", "0x1 2", "zz", 5):
        with pytest.raises(Misuse, match="not hex"):
            judge_transaction(Chain(), sound | {"data": data}, state)
