"""The limits of both contracts' calls, each with the last value that fits and the first beyond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import payloads
from payloads import State, chainlink, stork
from payloads.abi.fields import Wide, is_wide, jsonable, with_numbers
from payloads.abi.solidity import MAX_ELEMENT_BYTES
from payloads.chainlink.calldata import VERIFY_BULK
from payloads.chainlink.payment import parameter
from payloads.errors import Malformed, Misuse, panic
from payloads.stork.update import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus

NOW = 1_760_000_000
SIGNER = InsecureTestStorkSigner()
DESERIALIZE = "verifyAndDeserializeSignedECDSAPayload"


def stork_state(**changes: Any) -> Any:
    return State.from_dict({"contract": "stork-fast-1.0.0", "signer": SIGNER.address, **changes})


def update(assets: int) -> bytes:
    """An update of so many assets, whose last bytes differ from each other."""
    signed = SIGNER.sign([Asset(index % 2**16, index) for index in range(assets)],
                         timestamp_ns=NOW * 10**9)  # fmt: skip
    return signed.encode()


# --- Stork: how many assets -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 202, 203, 255, 256, 257, 4096])
def test_every_asset_is_returned(count: int) -> None:
    verdict = stork.judge(update(count), stork_state(), call=DESERIALIZE)
    assert [asset.value for asset in verdict.returned] == list(range(count))


def test_65535_assets_are_the_most_that_are_returned() -> None:
    raw = update(2**16)
    assert stork.judge(raw, stork_state()).returned is True, "the other function counts none"
    verdict = stork.judge(raw, stork_state(), call=DESERIALIZE)
    assert (verdict.returned, verdict.revert_data) == (None, panic(0x32))
    (check,) = [check for check in verdict.checks if check.decided]
    assert (check.name, check.passed) == ("assets", False)
    assert "65536 assets" in check.detail
    # Signed anew, because the signature is of the whole body.
    verdict = stork.judge(update(2**16 - 1), stork_state(), call=DESERIALIZE)
    assert verdict.returned[-1].value == 2**16 - 2
    assert len(verdict.returned) == 2**16 - 1


def test_a_bad_signature_is_told_before_the_count() -> None:
    raw = bytearray(update(2**16))
    raw[-1] ^= 1
    assert stork.judge(bytes(raw), stork_state(), call=DESERIALIZE).error == "InvalidSignature"


@pytest.mark.parametrize(("v", "outcome"), [(228, False), (229, panic(0x11))])
def test_the_largest_v(v: int, outcome: Any) -> None:
    raw = bytearray(update(1))
    raw[64] = v
    verdict = stork.judge(bytes(raw), stork_state())
    assert (verdict.revert_data or verdict.returned) == outcome


# --- exactly the fee ------------------------------------------------------------------------------


@pytest.mark.parametrize("fee", [1, 2, 10**18])
def test_storks_fee_paid_exactly_is_enough_and_no_finding(fee: int) -> None:
    state = stork_state(verification_fee=str(fee))

    def judge(value: int) -> Any:
        return stork.judge(update(1), state, value=value)

    assert judge(fee - 1).error == "InsufficientFee"
    exact, more = judge(fee), judge(fee + 1)
    assert exact.returned is more.returned is True
    assert "stork-overpaid" not in {finding.code for finding in exact.findings}
    (found,) = [finding for finding in more.findings if finding.code == "stork-overpaid"]
    assert found.detail == "1 wei"


NETWORK = InsecureTestNetwork()
LINK, NATIVE = "0x" + "1c" * 20, "0x" + "2d" * 20
V3 = corpus.entry("cl-003")


def full_report(native: int = 1000, link: int = 500, expires: int = NOW + 60) -> bytes:
    schema: Any = chainlink.decode(V3.raw).report
    record = {name: getattr(schema, name) for name in schema.__struct_fields__}
    record |= {"native_fee": native, "link_fee": link, "expires_at": expires,
               "valid_from_timestamp": NOW - 1, "observations_timestamp": NOW}  # fmt: skip
    return NETWORK.sign(type(schema)(**record).encode()).encode()


def chainlink_state(contract: str = "v0.5.0", **changes: Any) -> Any:
    digest = chainlink.decode(full_report()).config_digest
    config: dict[str, Any] = {"signers": list(NETWORK.signers), "f": NETWORK.f, "active": True}
    if contract == "v0.4.0":
        config["activation_time"] = 0
    else:
        config["config_digest"] = "0x" + digest.hex()
    if contract == "v0.3.0":
        config["feed_id"] = "0x" + chainlink.decode(V3.raw).report.feed_id.hex()
    fees = {"link": LINK, "native": NATIVE, "native_surcharge": "0", "discounts": []}
    return State.from_dict({
        "contract": contract, "now": NOW, "subscriber": "0x" + "bb" * 20, "configs": [config],
        "fee_manager": fees,
    } | changes)  # fmt: skip


GENERATIONS = ["v0.3.0", "v0.4.0", "v0.5.0"]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_chainlinks_fee_paid_exactly_is_enough(generation: str) -> None:
    state, native = chainlink_state(generation), NATIVE

    def judge(count: int, value: int) -> Any:
        how: Any = {"pay": native, "value": value}
        raws = [full_report()] * count
        if count == 1:
            return chainlink.judge(raws[0], state, **how)
        return chainlink.judge_bulk(raws, state, **how)

    for count in (1, 3):
        fee = 1000 * count
        # What is sent is wrapped, and the rest refused or sent back.
        assert not judge(count, fee - 1).accepted, (generation, count)
        assert judge(count, fee).accepted, (generation, count)
        assert "refund" not in {finding.code for finding in judge(count, fee).findings}
        assert "refund" in {finding.code for finding in judge(count, fee + 1).findings}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_report_expires_after_its_last_second(generation: str) -> None:
    for now, accepted in ((NOW + 60, True), (NOW + 61, False)):
        verdict = chainlink.judge(full_report(), chainlink_state(generation), pay=LINK, now=now)
        assert verdict.accepted is accepted, now


# --- bulk calls -----------------------------------------------------------------------------------


def _bulk(*elements: bytes) -> bytes:
    return VERIFY_BULK.calldata(list(elements), parameter(LINK, None))


def _point(calldata: bytes, index: int, offset: int) -> bytes:
    """The same call, with the offset of one element replaced."""
    at = 4 + 64 + 32 + 32 * index
    return calldata[:at] + (offset % 2**256).to_bytes(32, "big") + calldata[at + 32 :]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_bad_element_reverts_the_call_without_data(generation: str, index: int) -> None:
    good = full_report()
    call = _bulk(good, good, good)
    assert chainlink.judge_calldata(call, chainlink_state(generation)).accepted
    for offset in (2**40, 2**255 - 1, len(call)):
        verdict = chainlink.judge_calldata(_point(call, index, offset), chainlink_state(generation))
        assert (verdict.accepted, verdict.revert_data) == (False, b"")
        failed = [check for check in verdict.checks if check.decided]
        assert f"payloads[{index}]" in failed[0].detail or failed[0].payload == index


def test_an_element_may_point_backwards() -> None:
    """Offsets are signed: the second element is the first, and so is one behind a full turn."""
    good = full_report()
    call = _bulk(good, good)
    first = int.from_bytes(call[100:132], "big")
    for offset in (first, first - 2**256):
        verdict = chainlink.judge_calldata(_point(call, 1, offset), chainlink_state())
        assert verdict.accepted
        assert verdict.returned[0] == verdict.returned[1]
    # Before the start of the calldata everything reads as zeros: an empty element.
    for raw in (_point(call, 1, -(2**200)), _point(call, 1, -(2**254))):
        assert chainlink.decode_call(raw).payloads[1] == b""


def _lengths(first: int, rest: int, count: int) -> bytes:
    """A bulk call with one element of its own, and others that are all the same bytes."""
    offsets = [32 * count] + [32 * count + 32 + first] * (count - 1)
    elements = first.to_bytes(32, "big") + bytes(first) + rest.to_bytes(32, "big") + bytes(rest)
    body = b"".join(offset.to_bytes(32, "big") for offset in offsets) + elements
    heads = (64).to_bytes(32, "big") + (64 + 32 + len(body)).to_bytes(32, "big")
    return VERIFY_BULK.selector + heads + count.to_bytes(32, "big") + body + bytes(32)


def test_elements_of_unequal_size_are_summed_up_to_16_mib() -> None:
    size = 2**20
    # 15 of 1 MiB, and one that fills up the rest to the byte.
    exact = _lengths(size, size, 16)
    assert sum(map(len, chainlink.decode_call(exact).payloads)) == MAX_ELEMENT_BYTES
    for first, rest in ((size + 32, size), (size, size + 32), (64, size + 2**17)):
        with pytest.raises(Malformed, match="the elements add up") as caught:
            chainlink.decode_call(_lengths(first, rest, 16))
        total = first + 15 * rest
        assert caught.value.found == f"{total} so far"
        assert caught.value.field == "payloads[15]"
    assert len(chainlink.decode_call(_lengths(64, size, 16)).payloads[0]) == 64


@pytest.mark.parametrize("before", [0, 1, 2, 3, 11])
@pytest.mark.parametrize(("access", "answer"), [(None, 0), ({"allowed": None}, 32)])
def test_a_payload_that_v040_verifies_leaves_2280_bytes_of_memory(
    before: int, access: Any, answer: int
) -> None:
    """A payload with six signatures and nine words of report.

    The memory that is left decides how the next payload fails: whether a huge length is a panic.
    Memory is handed out in whole words, so a difference of one byte shows after eleven payloads.
    The answer of an access controller takes a word.
    """
    state = chainlink_state("v0.4.0", fee_manager=None, access_controller=access)
    good = full_report()
    arrays = 2 * (32 + 32 * (before + 1))
    free = 0x80 + answer + arrays + 2280 * before + 96
    most = (2**64 - 1 - free) // 32 * 32 - 32
    for length, data in ((most, b""), (most + 1, panic(0x41))):
        bad = good[:224] + length.to_bytes(32, "big") + good[256:]
        verdict = chainlink.judge_bulk([good] * before + [bad], state)
        assert (verdict.accepted, verdict.revert_data) == (False, data)


# --- the time judged at ---------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "future"), [(NOW - 1, True), (NOW, False), (NOW + 1, False)])
def test_stork_is_from_the_future_only_after_the_time_judged_at(now: int, future: bool) -> None:
    raw = update(1)
    known = stork_state(now=NOW + 500)
    calldata = stork.encode_calldata(raw)
    for verdict in (
        stork.judge(raw, known, now=now),
        stork.judge_calldata(calldata, known, now=now),
        *stork.judge_many([raw], known, now=now),
        payloads.judge(raw, known, now=now),
        payloads.judge(calldata, known, now=now),
        *payloads.judge_many([raw], known, now=now),
        stork.judge(raw, stork_state(now=now)),
    ):
        assert verdict.now == now
        assert ("stork-from-the-future" in {found.code for found in verdict.findings}) is future


def test_a_nanosecond_after_the_time_judged_at_is_the_future() -> None:
    raw = SIGNER.sign([], timestamp_ns=NOW * 10**9 + 1).encode()
    codes = {found.code for found in stork.judge(raw, stork_state(), now=NOW).findings}
    assert "stork-from-the-future" in codes


# --- numbers in JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, -(2**53), 2**53 + 1])
def test_an_integer_has_the_json_type_of_its_type(value: int) -> None:
    """Not of its size: `jq` and a consumer's schema see one type a key."""
    assert jsonable(value) == value
    assert jsonable(Wide(value)) == str(value)
    asset, update = Asset(1, value), SIGNER.sign([Asset(1, value)], timestamp_ns=1)
    assert jsonable(asset) == {"asset_id": 1, "value": str(value)}
    record = stork.to_dict(update)
    assert (record["timestamp_ns"], record["assets"]) == ("1", [jsonable(asset)])
    assert with_numbers(record)["assets"][0]["value"] == value
    assert stork.from_dict(record) == stork.from_dict(with_numbers(record)) == update


@pytest.mark.parametrize("name", ["uint8", "uint32", "int32", "uint48", "int48"])
def test_types_that_a_double_holds_are_numbers(name: str) -> None:
    assert not is_wide(name)


@pytest.mark.parametrize("name", ["uint56", "int56", "uint64", "int64", "int192", "uint256"])
def test_types_that_a_double_does_not_hold_are_strings(name: str) -> None:
    assert is_wide(name)


@given(st.integers())
def test_a_wide_number_survives_readers_with_doubles(number: int) -> None:
    """Many JSON readers make a double of every number."""
    shown = json.loads(json.dumps(jsonable(Wide(number))), parse_int=float)
    assert int(shown) == number


# --- what a state's numbers may be ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "most"),
    [("now", 2**64 - 1), ("verification_fee", 2**256 - 1), ("block_number", 2**256 - 1)],
)
def test_the_largest_numbers_of_a_state(key: str, most: int) -> None:
    assert getattr(stork_state(**{key: most}), key) == most
    assert getattr(stork_state(**{key: str(most)}), key) == most
    for wrong in (most + 1, str(most + 1), -1, "-1"):
        with pytest.raises(Misuse) as caught:
            stork_state(**{key: wrong})
        assert caught.value.field == key


@pytest.mark.parametrize(("name", "most"), [("a.json", 8 * 2**20), ("a.toml", 2**20)])
def test_the_largest_state_file(name: str, most: int, tmp_path: Path) -> None:
    state, path = stork_state(), tmp_path / name
    lines = (f"{key} = {json.dumps(value)}" for key, value in state.to_dict().items())
    text = json.dumps(state.to_dict()) if name == "a.json" else "\n".join(lines)
    path.write_text(text.ljust(most))
    assert State.load(path) == state
    path.write_text(text.ljust(most + 1))
    with pytest.raises(Misuse, match="larger than any state file"):
        State.load(path)
