"""Verdicts in columns are those of `payloads.judge`, for every generation and both of Stork's."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payloads
from payloads import State, columns, crypto, stork
from payloads.abi.solidity import encode
from payloads.chainlink import columns as chainlink_columns
from payloads.chainlink.frames import snappy_evidence
from payloads.chainlink.report import FULL_REPORT, decode_envelope
from payloads.chainlink.schemas import SCHEMAS
from payloads.columns.recovery import KnownSignatures
from payloads.errors import Misuse, PayloadError
from payloads.judging import opened
from payloads.stork import columns as stork_columns
from payloads.stork.update import Asset
from payloads.strategies import reports
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus, test_raw_calls, test_stork_multisigner, test_vectors
from tests.strategies import damaged
from tests.test_columns import both_ways, touched, worth

# What is compared of a verdict, and what stands where there is none.
FACTS = ("accepted", "passed", "verdict", "error", "revert_data")


def expected(items: list[Any], state: Any, nows: list[int | None], **terms: Any) -> list[Any]:
    """The rows that `payloads.judge` gives, one payload after the other."""
    rows: list[Any] = []
    for item, now in zip(items, nows, strict=True):
        try:
            found = payloads.judge(item, state, now=now, **terms)
        except PayloadError as error:
            rows.append([None] * len(FACTS) + [str(error), error.offset, error.field])
        else:
            facts = [found.accepted, found.passed, found.name, found.error, found.revert_data]
            rows.append([*facts, None, None, None])
    return rows


def rows_of(batch: Any) -> list[Any]:
    batch.validate(full=True)
    assert batch.schema.equals(columns.VERDICTS, check_metadata=True)
    assert batch["row"].to_pylist() == list(range(len(batch)))
    names = (*FACTS, "problem", "offset", "field")
    return [list(row) for row in zip(*(batch[name].to_pylist() for name in names), strict=True)]


def assert_judged(items: list[Any], state: Any, now: Any = None, **terms: Any) -> Any:
    """Both ways give the verdicts of the single engine, and the same signers."""
    nows = now if isinstance(now, list) else [now] * len(items)
    fast, slow = both_ways(lambda: columns.judge(items, state, now=now, **terms))
    assert rows_of(fast) == rows_of(slow) == expected(items, state, nows, **terms)
    assert fast["signers"].to_pylist() == slow["signers"].to_pylist()
    return fast


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The items that reach the single engine."""
    seen: list[Any] = []

    def counted(item: Any) -> Any:
        seen.append(item)
        return opened(item)

    monkeypatch.setattr("payloads.columns.verdicts.opened", counted)
    return seen


# --- recorded calls -------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.4.0", "v0.5.0", "stork-fast-1.0.0"])
def test_every_recorded_call(contract: str, single: list[Any]) -> None:
    calls: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for case in test_vectors.CASES:
        if test_vectors.WORLDS[case["world"]]["contract"] == contract:
            key = (case["world"], case.get("parameter_payload", ""), case["value"])
            calls[(*key, case.get("call", "verify"))].append(case)
    accepted = 0
    for (world, parameter, value, function), cases in calls.items():
        terms: dict[str, Any] = {"value": int(value), "function": function}
        if parameter:
            terms["pay"] = bytes.fromhex(parameter.removeprefix("0x"))
        items = [case["payload"] for case in cases]
        with worth(1):
            found = rows_of(columns.judge(items, test_vectors.STATES[world], **terms))
        for row, case in zip(found, cases, strict=True):
            outcome = case["outcome"]
            if outcome["status"] == "revert":
                assert row[4] == bytes.fromhex(outcome["data"][2:]), case["id"]
                assert (row[0], row[2]) == (False, outcome["name"])
            else:
                assert row[0] == outcome.get("verified", True), case["id"]
                accepted += bool(row[0])
                assert row[4] is None
    assert accepted > 80
    total = sum(map(len, calls.values()))
    proven = total - len(single)
    # Stork's recorded payloads have times of no real update, and are recognised by their size.
    assert proven > accepted * (0.1 if contract.startswith("stork") else 0.7)


@pytest.mark.parametrize("name", [*test_raw_calls.STATES][::12])
def test_whole_calls_go_to_the_single_engine(name: str) -> None:
    state = test_raw_calls.STATES[name]
    calls = [case["calldata"] for case in test_raw_calls.CASES if case["world"] == name]
    assert_judged(calls[:10], state, sender="0x" + "11" * 20)


def test_every_recorded_call_of_several_signers() -> None:
    """The second generation of Stork."""
    by_world: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for case in test_stork_multisigner._rows("case"):
        by_world[case["world"], case["call"], int(case["value"])].append(case["payload"])
    for (world, call, value), items in by_world.items():
        assert_judged(items, test_stork_multisigner.STATES[world], function=call, value=value)


# --- made for it ----------------------------------------------------------------------------------

NETWORK = InsecureTestNetwork("columns", size=7, f=2)
TOKENS = {"link": "0x" + "1c" * 20, "native": "0x" + "2d" * 20}
PARAMETER = bytes(12) + b"\x1c" * 20
FEED = b"\x00\x03" + b"\x07" * 30
SIGNER = InsecureTestStorkSigner("columns")
OTHER = "0x" + "cc" * 20


def state_of(contract: str, **more: Any) -> Any:
    named: dict[str, dict[str, Any]] = {
        "v0.3.0": {
            "feed_id": "0x" + FEED.hex(),
            "config_digest": "0x" + NETWORK.config_digest.hex(),
        },
        "v0.4.0": {"activation_time": 100},
        "v0.5.0": {"config_digest": "0x" + NETWORK.config_digest.hex()},
        "v0.5.1": {"config_digest": "0x" + NETWORK.config_digest.hex()},
    }
    config = {**named[contract], "signers": list(NETWORK.signers), "f": 2}
    return State.from_dict({"contract": contract, "configs": [config], **more})


def report(observed: int = 1_000, expires: int = 2_000, price: int = -5, feed: bytes = FEED) -> Any:
    record = SCHEMAS[b"\x00\x03"].record
    return record(feed, observed, observed, 10**18, 10**17, expires, price, price - 1, price + 1)


def signed(by: Any = (0, 1, 2), **fields: Any) -> bytes:
    return bytes(NETWORK.sign(report(**fields), by=by).encode())


PAYLOADS = [
    signed(),
    signed(by=(4, 5, 6), price=7),
    signed(expires=1_500),
    signed(observed=50),
    signed(by=(0, 1)),
    signed(by=(0, 1, 2, 3)),
    signed(by=(0, 0, 1)),
    signed(feed=b"\x00\x03" + b"\x08" * 30),
    bytes(InsecureTestNetwork("other", size=7, f=2).sign(report(), by=(0, 1, 2)).encode()),
    signed()[:300] + b"\x01" + signed()[301:],
    signed() + bytes(32),
    signed()[:-1],
    b"",
    b"\x01" * 40,
]
FEES = {**TOKENS, "native_surcharge": 10**17, "discounts": []}


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"])
@pytest.mark.parametrize("fees", [None, FEES], ids=["free", "with fees"])
def test_each_generation(contract: str, fees: Any, single: list[Any]) -> None:
    state = state_of(contract, fee_manager=fees, subscriber="0x" + "bb" * 20)
    fast = assert_judged(PAYLOADS, state, 1_800, pay=PARAMETER)
    accepted = fast["accepted"].to_pylist()
    assert accepted[:2] == [True, True]
    assert not any(accepted[8:10])
    proven = 2 * len(PAYLOADS) - len(single)
    # The report with bytes after it is accepted, but not in an encoder's layout.
    assert proven == sum(accepted) - accepted[10]
    assert_judged(PAYLOADS, state, 1_800, function="verifyView")  # which only v0.5.1 has
    assert_judged(PAYLOADS, state, 1_800, pay=PARAMETER, value=5)
    for pay in ("link", "native", "wrapped"):
        assert assert_judged(PAYLOADS, state, 1_800, pay=pay)["accepted"].to_pylist() == accepted
    assert_judged(PAYLOADS, state, 1_800, pay="native", value=10**18)
    assert_judged(PAYLOADS, state, 1_800, pay="native", value=2 * 10**18)
    assert_judged(PAYLOADS, state, 1_800, pay=b"\x01" * 32)
    assert_judged(PAYLOADS, state, 1_800, function="verifyBulk")


@pytest.mark.parametrize("contract", ["v0.3.0", "v0.4.0", "v0.5.0", "v0.5.1"])
def test_what_is_accepted_never_reaches_the_single_engine(contract: str, single: list[Any]) -> None:
    """Unless value is sent to a fee manager, or the payload is in no encoder's layout."""
    ours = "0x" + "bb" * 20

    def proven(fees: Any, access: Any = None, **terms: Any) -> tuple[int, int]:
        state = state_of(contract, fee_manager=fees, access_controller=access, subscriber=ours)
        single.clear()
        fast = assert_judged(PAYLOADS, state, 1_800, **terms)
        accepted = fast["accepted"].to_pylist()
        return 2 * len(PAYLOADS) - len(single), sum(accepted) - accepted[10]

    for terms in ({}, {"value": 5}, {"pay": "native"}, {"pay": "link", "value": 0}):
        found, accepted = proven(None, **terms)
        assert found == accepted > 1, terms
    for pay in ("link", "native", "wrapped", PARAMETER):
        found, accepted = proven(FEES, pay=pay)
        assert found == accepted > 1, pay
    assert proven(FEES, pay=PARAMETER, value=5)[0] == 0
    assert proven(FEES, pay="native", value=2 * 10**18)[0] == 0
    for access in ({"allowed": None}, {"allowed": [ours]}):
        found, accepted = proven(None, access)
        assert found == accepted > 1
    listed = {"allowed": ["0x" + "cc" * 20]}
    found, accepted = proven(None, listed, sender="0x" + "cc" * 20)
    assert found == accepted > 1
    assert proven(None, listed) == (0, 0)
    if contract == "v0.5.1":
        found, accepted = proven(FEES, function="verifyView")
        assert found == accepted > 1
        assert proven(FEES, function="verifyView", value=1) == (0, 0)


def test_a_time_for_each_payload(single: list[Any]) -> None:
    state = state_of("v0.5.0", fee_manager=FEES, subscriber="0x" + "bb" * 20, now=1)
    items = [signed(expires=2_000, price=price) for price in range(40)]
    nows = [1_990 + index for index in range(40)]
    fast = assert_judged(items, state, nows, pay=PARAMETER)
    assert fast["accepted"].to_pylist() == [now <= 2_000 for now in nows]
    assert 2 * len(items) - len(single) == 11
    assert fast["now"].to_pylist() == nows
    batch = pa.record_batch({"payload": items, "at": pa.array(nows, pa.timestamp("s", "UTC"))})
    again = columns.judge(batch, state, now="at", pay=PARAMETER)
    assert again.equals(fast)
    own = columns.judge(items, state, pay=PARAMETER)
    assert own["now"].to_pylist() == [1] * 40


def test_who_may_call() -> None:
    allowed = {"allowed": ["0x" + "bb" * 20]}
    state = state_of("v0.5.0", access_controller=allowed, subscriber="0x" + "bb" * 20)
    assert assert_judged(PAYLOADS, state)["accepted"].to_pylist()[0]
    refused = assert_judged(PAYLOADS, state, sender="0x" + "11" * 20)
    assert not any(refused["accepted"].to_pylist())


def test_configs_that_do_not_apply() -> None:
    state = state_of("v0.5.0")
    record = state.to_dict()
    for change in ({"active": False}, {"removed_at": 5}):
        off = State.from_dict({**record, "configs": [{**record["configs"][0], **change}]})
        assert not any(assert_judged(PAYLOADS, off)["accepted"].to_pylist())
    unset = {"unset_digests": ["0x" + NETWORK.config_digest.hex()]}
    assert not any(assert_judged(PAYLOADS, state_of("v0.5.0", **unset))["accepted"].to_pylist())
    dead = {"deactivated_feeds": ["0x" + FEED.hex()]}
    assert not any(assert_judged(PAYLOADS, state_of("v0.3.0", **dead))["accepted"].to_pylist())


@pytest.mark.parametrize("several", [False, True])
def test_both_generations_of_stork(several: bool) -> None:
    plain = [SIGNER.sign([Asset(1, 5)], timestamp_ns=10**18 + n).encode() for n in range(3)]
    other = InsecureTestStorkSigner("other").sign([Asset(1, 5)], timestamp_ns=10**18).encode()
    high = bytes(32) + b"\xf0" * 32 + plain[0][64:]
    items = [*plain, other, high, plain[0][:64] + b"\x07" + plain[0][65:], plain[0][:-1], b""]
    items.append(corpus.entry("cl-003").raw)
    signers: dict[str, Any] = (
        {"signers": [SIGNER.address]} if several else {"signer": SIGNER.address}
    )
    contract = "stork-fast-1.0.0-multisigner" if several else "stork-fast-1.0.0"
    states: list[dict[str, Any]] = [{**signers, "verification_fee": 7}]
    states.append({"signers": []} if several else {"signer": "0x" + "00" * 20})
    for keys in states:
        state = State.from_dict({"contract": contract, **keys})
        for function in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
            for value in (0, 7, 8):
                assert_judged(items, state, function=function, value=value)
            assert_judged(items, state, function=function, pay="native")


@pytest.mark.parametrize("several", [False, True])
def test_updates_that_are_accepted_never_reach_the_single_engine(
    several: bool, single: list[Any]
) -> None:
    made = [
        SIGNER.sign([Asset(0x1234, -5)] * 4, timestamp_ns=10**18 + n).encode() for n in range(40)
    ]
    # Some signatures begin as compressed data does.
    items = [raw for raw in made if not snappy_evidence(raw)]
    assert len(items) > 30
    mine = SIGNER.address
    signers: dict[str, Any] = {"signers": [OTHER, mine]} if several else {"signer": mine}
    contract = "stork-fast-1.0.0-multisigner" if several else "stork-fast-1.0.0"
    state: Any = State.from_dict({"contract": contract, **signers, "verification_fee": 7})
    for function in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
        for value, fast in ((6, 0), (7, len(items)), (8, len(items))):
            single.clear()
            assert_judged(items, state, function=function, value=value)
            assert 2 * len(items) - len(single) == fast
    single.clear()
    bad = [raw[:-1] + b"\1" for raw in items]
    assert not any(assert_judged(bad, state, value=7)["accepted"].to_pylist())
    assert len(single) == 2 * len(items)


def test_both_functions_accept_65535_assets_and_only_one_of_them_more(single: list[Any]) -> None:
    for count, reached in ((2**16 - 1, 0), (2**16, 1)):
        body = SIGNER.sign([], timestamp_ns=10**18 + 1).encode()[65:] + b"\1" * (18 * count)
        r, s, v = crypto.sign(SIGNER.key, crypto.keccak256(body))
        raw = r + s + bytes([v]) + body
        state = State.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address})
        for function in ("verifySignedECDSAPayload", "verifyAndDeserializeSignedECDSAPayload"):
            single.clear()
            with worth(1):
                found = columns.judge([raw], state, function=function)
            fits = count < 2**16 or function == "verifySignedECDSAPayload"
            assert found["accepted"].to_pylist() == [fits]
            assert len(single) == reached


def test_a_state_for_each_system() -> None:
    update = SIGNER.sign([Asset(1, 5)], timestamp_ns=10**18).encode()
    states = [
        state_of("v0.5.0", now=7),
        State.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address, "now": 8}),
    ]
    items = [update, signed(), signed(by=(0,)), b"", update[:-1]] * 10
    fast, slow = both_ways(lambda: columns.judge(items, states))
    assert fast.equals(slow)
    many = payloads.judge_many(items, states)
    assert fast["verdict"].to_pylist() == [verdict.name for verdict in many]
    assert fast["now"].to_pylist() == [verdict.now for verdict in many]


def test_signers_that_were_recovered_are_not_recovered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recovered: list[int] = []

    begin = crypto.Workers.recover_packed

    def packed(workers: crypto.Workers, *words: Any) -> Any:
        recovered.append(len(words[3]))
        return begin(workers, *words)

    monkeypatch.setattr(crypto.Workers, "recover_packed", packed)
    monkeypatch.setattr(crypto.Workers, "recover_many", None)
    monkeypatch.setattr("payloads.verdicts.signers.recover", None)
    items = [signed(by=(0, 0, 1), price=price) for price in range(30)]
    found = columns.judge(items, state_of("v0.5.0"))
    assert recovered == [90]
    assert set(found["error"].to_pylist()) == {"BadVerification"}


def test_a_payload_of_another_system_has_a_problem_and_no_verdict() -> None:
    batch = columns.judge([corpus.entry("st-001").raw] * 30, state_of("v0.5.0"))
    assert batch["accepted"].null_count == 30
    said = batch["problem"].to_pylist()[0]
    assert said.startswith("state: a payload of stork, but a state of chainlink")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"now": [1, 2]}, "not a time for each payload"),
        ({"now": ["a"]}, "not a time for each payload"),
        ({"now": True}, "not a time for each payload"),
        ({"now": 2**63}, "not a time"),
        ({"now": [None]}, "not a time for each payload"),
        ({"value": -1}, "not an amount of wei"),
        ({"function": "odd"}, "no such function"),
        ({"function": "verifyView", "pay": b"1"}, "a view pays nothing"),
    ],
)
def test_terms_that_no_payload_can_be_judged_by(terms: Any, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        columns.judge([signed()], state_of("v0.5.1"), **terms)


def test_a_state_and_a_time_are_needed() -> None:
    with pytest.raises(Misuse, match="a time is needed"):
        columns.judge([signed()], state_of("v0.5.0", fee_manager=FEES), pay=PARAMETER)
    with pytest.raises(Misuse, match="not a state"):
        columns.judge([signed()], None)  # type: ignore[arg-type]


# --- fuzzing --------------------------------------------------------------------------------------

STATES = [
    state_of(contract, fee_manager=fees, subscriber="0x" + "bb" * 20, now=1)
    for contract in ("v0.3.0", "v0.4.0", "v0.5.0")
    for fees in (None, FEES)
]


@st.composite
def attempts(draw: st.DrawFn) -> bytes:
    """A payload that one of the states may accept, or a byte beside it."""
    kind = draw(st.sampled_from(["ours", "ours", "ours", "any schema", "damaged"]))
    if kind == "damaged":
        return draw(damaged(PAYLOADS[:2]))
    by = draw(st.lists(st.integers(0, 6), min_size=2, max_size=4, unique=draw(st.booleans())))
    times = st.integers(90, 2_100)
    made = report(draw(times), draw(times))
    if kind == "any schema":
        made = draw(reports())
    return draw(touched(bytes(NETWORK.sign(made, by=by).encode())))


@given(st.lists(attempts(), max_size=8), st.sampled_from(STATES), st.data())
@settings(max_examples=40)
def test_any_batch_is_judged_as_one_by_one(batch: Any, state: Any, data: st.DataObject) -> None:
    nows = [data.draw(st.integers(0, 2_100)) for _ in batch]
    assert_judged(batch, state, nows, pay=PARAMETER)


@given(st.lists(st.integers(0, 2), max_size=6), st.data())
@settings(max_examples=20)
def test_any_batch_of_updates(kinds: list[int], data: st.DataObject) -> None:
    made = SIGNER.sign([Asset(1, 5), Asset(2, -5)], timestamp_ns=10**18).encode()
    batch = [data.draw(touched(made) if kind else damaged([made])) for kind in kinds]
    state = stork.StorkState.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address})
    assert_judged(batch, state)


def test_signatures_that_are_given_are_not_recovered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = InsecureTestNetwork("given")
    items = [bytes(network.sign(bytes(31) + bytes([n]) * 257).encode()) for n in range(30)]
    config = {"config_digest": network.config_digest, "signers": list(network.signers), "f": 5}
    state = State.from_dict({"contract": "v0.5.0", "configs": [config]})
    signatures = columns.recover(items)
    want = columns.judge(items, state, now=1)

    def none(*_: Any, **__: Any) -> Any:
        raise AssertionError("a signature was recovered again")

    monkeypatch.setattr(crypto.Workers, "recover_packed", none)
    with worth(1):
        found = columns.judge(items, state, now=1, signatures=signatures)
    assert found.drop_columns(["signers"]).equals(want.drop_columns(["signers"]))
    changed = signatures.set_column(6, "v", pa.array([9] * len(signatures), pa.uint8()))
    with worth(1), pytest.raises(AssertionError, match="again"):
        columns.judge(items, state, now=1, signatures=changed)


@pytest.mark.parametrize("system", ["chainlink", "stork"])
def test_digests_that_are_known_are_not_made_again(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = InsecureTestNetwork("given")
    config = {"config_digest": network.config_digest, "signers": list(network.signers), "f": 5}
    made: dict[str, tuple[list[bytes], dict[str, Any]]] = {
        "chainlink": (
            [bytes(network.sign(bytes(31) + bytes([n]) * 257).encode()) for n in range(5)],
            {"contract": "v0.5.0", "configs": [config]},
        ),
        "stork": (
            [SIGNER.sign([Asset(n, 5)], timestamp_ns=10**18).encode() for n in range(5)],
            {"contract": "stork-fast-1.0.0", "signer": SIGNER.address},
        ),
    }
    items, facts = made[system]
    state, signatures = State.from_dict(facts), columns.recover(items)
    want = columns.judge(items, state, now=10**9)
    assert want["accepted"].to_pylist() == [True] * 5

    def none(*_: Any) -> Any:
        raise AssertionError("a digest was made again")

    monkeypatch.setattr(chainlink_columns, "keccak_rows", none)
    monkeypatch.setattr(stork_columns, "keccak_rows", none)
    with worth(1):
        known = KnownSignatures(signatures, certain=True)
        found = columns.judge(items, state, now=10**9, signatures=known)
        assert found.drop_columns(["signers"]).equals(want.drop_columns(["signers"]))
        with pytest.raises(AssertionError, match="digest"):
            columns.judge(items, state, now=10**9, signatures=signatures)


def test_the_contract_or_the_config_that_lists_a_signer_is_named() -> None:
    first, second = "0x" + "a1" * 32, "0x" + "b2" * 32
    only = ["0x" + f"{number:02x}" * 20 for number in range(1, 6)]
    configs = [
        {"config_digest": first, "signers": only[:4], "f": 1},
        {"config_digest": second, "signers": only[1:], "f": 1},
    ]
    state: Any = State.from_dict({"contract": "v0.5.0", "configs": configs})
    member = chainlink_columns.member
    assert [member(state, only[0], network) for network in (first, second, OTHER)] == [first] * 3
    assert [member(state, only[4], network) for network in (first, second, OTHER)] == [second] * 3
    assert [member(state, only[2], network) for network in (first, second, OTHER)] == [
        first, second, first,
    ]  # fmt: skip
    assert member(state, OTHER, first) is None
    nameless = state_of("v0.4.0")
    assert member(nameless, NETWORK.signers[0], first) == "0x"
    assert member(nameless, OTHER, first) is None

    proxy = "0x" + "cc" * 20
    mine: Any = {"contract": "stork-fast-1.0.0", "signer": SIGNER.address}
    for more, name in (({}, "stork-fast-1.0.0"), ({"proxy": proxy}, proxy)):
        trusting: Any = State.from_dict(mine | more)
        assert stork_columns.member(trusting, SIGNER.address, first) == name
        assert stork_columns.member(trusting, OTHER, first) is None


@pytest.mark.parametrize("size", [0, 1, 2, 31, 32, 33, 64, 288])
def test_signatures_of_a_report_of_any_size_are_read_the_fast_way(size: int) -> None:
    """Where a contract reads them, whether the report decodes or not: one to 32 signatures."""
    for count in (0, 1, 2, 31, 32, 33):
        words = tuple(bytes([count, index]) * 16 for index in range(count))
        parts = ((b"\1" * 32,) * 3, b"\xee" * size, words, words[::-1], bytes(range(32)))
        raw = encode(FULL_REPORT, parts)
        matrix = np.frombuffer(raw, np.uint8).reshape(1, -1)
        with worth(1):
            assert list(chainlink_columns.signed(matrix, True)) == []
            found = list(chainlink_columns.signed(matrix, False))
        assert len(found) == (0 < count <= 32)
        for each in found:
            assert (each.count, each.vs.tobytes()) == (count, bytes(range(count)))
            assert each.rs.tobytes() == b"".join(words)
            assert each.ss.tobytes() == b"".join(words[::-1])
            assert each.digests.tobytes() == decode_envelope(raw).signing_digest


def test_updates_without_assets_are_judged_in_columns() -> None:
    raw = SIGNER.sign([], timestamp_ns=10**18).encode()
    for more in (b"", bytes(18)):
        matrix = np.frombuffer(raw + more, np.uint8).reshape(1, -1)
        (found,) = stork_columns.signed(matrix, False)
        assert found.digests.tobytes() == crypto.keccak256((raw + more)[65:])
    for size in (74, 76, 92, 94):
        matrix = np.frombuffer((raw + bytes(18))[:size].ljust(size, b"\1"), np.uint8).reshape(1, -1)
        assert list(stork_columns.signed(matrix, False)) == []


def test_native_with_a_value_that_is_given_goes_to_the_single_engine(single: list[Any]) -> None:
    state = state_of("v0.5.0", fee_manager=FEES)
    assert_judged([signed()] * 2, state, 1_500, pay="native", value=1)
    assert len(single) == 4
    with worth(1), pytest.raises(Misuse, match="without value the fee is taken in wrapped native"):
        columns.judge([signed()], state, now=1_500, pay="native", value=0)


def test_reports_of_the_first_schema_never_expire(single: list[Any]) -> None:
    """Where others have their time of expiry, these have the number of a block."""
    state = state_of("v0.5.0", fee_manager=FEES)
    words = b"".join(number.to_bytes(32, "big") for number in (1_000, 1, 1, 1, 5, 6, 4, 7))
    first = [NETWORK.sign(b"\x00\x01" + bytes(30) + words, by=(0, 1, n)).encode() for n in (2, 3)]
    other = [NETWORK.sign(b"\x00\x02" + bytes(30) + words, by=(0, 1, n)).encode() for n in (2, 3)]
    fast = assert_judged(first + other, state, 1_800, pay=PARAMETER)
    assert fast["accepted"].to_pylist() == [True, True, False, False]
    assert single == [*other, *first, *other]


@pytest.mark.parametrize(
    ("contract", "words", "accepted"),
    [("v0.3.0", 1, True), ("v0.4.0", 2, False), ("v0.4.0", 3, True), ("v0.5.0", 0, True)],
)
def test_a_report_is_judged_in_columns_from_what_finds_its_config_on(
    contract: str, words: int, accepted: bool, single: list[Any]
) -> None:
    """Behind two words stands the number of signatures, which is no time of v0.4.0's."""
    state = state_of(contract)
    if contract == "v0.4.0":
        config = {"activation_time": 1, "signers": list(NETWORK.signers), "f": 2}
        state = state_of(contract, configs=[config])
    blob = (FEED + b"".join(number.to_bytes(32, "big") for number in (5, 6)))[: 32 * words]
    raw = NETWORK.sign(blob, by=(0, 1, 2)).encode()
    with worth(1):
        assert columns.judge([raw], state)["accepted"].to_pylist() == [accepted]
    assert len(single) == (not accepted)


@pytest.mark.parametrize("at", [1, 2])
def test_times_that_v040_does_not_read_go_to_the_single_engine(at: int, single: list[Any]) -> None:
    words = [FEED, bytes(28) + b"\0\0\7\0", bytes(28) + b"\0\0\7\0"]
    words[at] = b"\1" + words[at][1:]
    raw = NETWORK.sign(b"".join(words), by=(0, 1, 2)).encode()
    fast = assert_judged([raw], state_of("v0.4.0"))
    assert fast["accepted"].to_pylist() == [False]
    assert len(single) == 2


@pytest.mark.parametrize(("words", "accepted"), [(5, False), (6, True)])
def test_a_report_is_judged_in_columns_from_its_common_head_on(
    words: int, accepted: bool, single: list[Any]
) -> None:
    """Behind five words stands the number of signatures, which is no time of expiry."""
    blob = b"".join(value.to_bytes(32, "big") for value in (1, 1, 0, 0, 9)[: words - 1])
    raw = NETWORK.sign(FEED + blob, by=(0, 1, 2)).encode()
    with worth(1):
        found = columns.judge([raw], state_of("v0.5.0", fee_manager=FEES), now=1, pay=PARAMETER)
    assert found["accepted"].to_pylist() == [accepted]
    assert len(single) == (not accepted)


def test_short_updates_are_judged_in_columns(single: list[Any]) -> None:
    signer = InsecureTestStorkSigner("short")
    items = [
        signer.sign([Asset(1, n)], timestamp_ns=1_700_000_000 * 10**9 + n).encode()
        for n in range(40)
    ]
    state = State.from_dict({"contract": "stork-fast-1.0.0", "signer": signer.address, "now": 1})
    assert columns.judge(items, state)["accepted"].to_pylist() == [True] * 40
    assert single == []
