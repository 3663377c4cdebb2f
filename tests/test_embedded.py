"""Payloads inside other bytes: each is found where a consumer put it, and nothing else is."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import example, given, settings
from hypothesis import strategies as st

import payloads
from payloads.chainlink import encode_calldata
from payloads.crypto import CURVE_ORDER
from payloads.errors import Malformed, Misuse
from payloads.stork import encode_calldata as stork_calldata
from payloads.stork.update import Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus

REPORTS = [
    entry.raw for entry in corpus.of("fullReport") if payloads.recover(entry.raw, schema=None)
]
UPDATES = [entry.raw for entry in corpus.of("signed_ecdsa")]
# What the contract reads; the versioned layout is for other readers.
PLAIN = [raw for raw in UPDATES if raw[65] != 0xFF]
EITHER = st.sampled_from([*REPORTS, *PLAIN])
SELECTOR = b"\x12\x34\x56\x78"


def found_in(data: bytes) -> list[tuple[int, bytes]]:
    return [(found.offset, bytes(found.raw)) for found in payloads.embedded(data)]


# --- where consumers put payloads -----------------------------------------------------------------


@st.composite
def arguments(draw: st.DrawFn) -> tuple[str, Any, list[bytes]]:
    """An ABI type with a value that holds payloads somewhere, and the payloads in order."""
    kind = draw(st.sampled_from(["bytes", "bytes[]", "tuple", "call", "nested", "static"]))
    if kind == "bytes":
        payload = draw(EITHER)
        return "bytes", payload, [payload]
    if kind == "bytes[]":
        several = draw(st.lists(EITHER, min_size=1, max_size=4))
        return "bytes[]", several, several
    if kind == "tuple":
        payload, word = draw(EITHER), draw(st.binary(min_size=32, max_size=32))
        number = draw(st.integers(0, 2**256 - 1))
        return (
            "(address,bytes,bytes32,uint256)",
            ("0x" + "ab" * 20, payload, word, number),
            [payload],
        )
    if kind == "call":
        payload = draw(st.sampled_from(REPORTS))
        return "bytes", encode_calldata(payload, pay="0x" + "11" * 20), [payload]
    if kind == "nested":
        name, value, inside = draw(arguments())
        return "bytes", SELECTOR + abi_encode([name], [value]), inside
    return "uint256", draw(st.integers(0, 2**256 - 1)), []


@given(st.lists(arguments(), min_size=1, max_size=4), st.sampled_from([b"", SELECTOR]))
@settings(max_examples=100)
def test_every_payload_in_abi_encoded_calldata_is_found(
    given_: list[tuple[str, Any, list[bytes]]], selector: bytes
) -> None:
    names, values = [name for name, _, _ in given_], [value for _, value, _ in given_]
    data = selector + abi_encode(names, values)
    expected = [payload for _, _, inside in given_ for payload in inside]
    found = found_in(data)
    assert [payload for _, payload in found] == expected
    assert all(data[at : at + len(payload)] == payload for at, payload in found)


@given(
    st.lists(st.tuples(st.binary(max_size=80), st.sampled_from(REPORTS)), min_size=1, max_size=3),
    st.binary(max_size=80),
)
@settings(max_examples=100)
def test_packed_reports_are_found_without_any_length(
    pieces: list[tuple[bytes, bytes]], end: bytes
) -> None:
    data = b"".join(before + payload for before, payload in pieces) + end
    found = found_in(data)
    assert [payload for _, payload in found if payload in REPORTS] == [raw for _, raw in pieces]


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(PLAIN))
@settings(max_examples=60)
def test_a_packed_update_is_found_by_its_signer(before: bytes, after: bytes, update: bytes) -> None:
    (signature,) = payloads.recover(update)
    assert signature.address is not None
    data = before + update + after
    found = payloads.embedded(data, signers=[signature.address])
    assert [(item.offset, bytes(item.raw)) for item in found] == [(len(before), update)]
    assert "known signer" in found[0].why


def test_a_packed_update_of_an_unknown_signer_is_not_found() -> None:
    update = (
        InsecureTestStorkSigner("unknown")
        .sign([Asset(1, 5)], timestamp_ns=1_764_608_822_324_772_939)
        .encode()
    )
    assert payloads.embedded(b"\x07" * 13 + update) == ()


@pytest.mark.parametrize("function", ["verify", "verifyBulk"])
def test_the_verifiers_own_calldata_holds_payloads_too(function: str) -> None:
    many = REPORTS[:3] if function == "verifyBulk" else REPORTS[:1]
    data = encode_calldata(many if function == "verifyBulk" else many[0], function=function)
    assert [raw for _, raw in found_in(data)] == many
    update = stork_calldata(PLAIN[0])
    assert found_in(update) == [(4 + 64, PLAIN[0])]


def test_what_is_found_can_be_decoded_judged_and_printed() -> None:
    data = SELECTOR + abi_encode(["address", "bytes"], ["0x" + "22" * 20, REPORTS[0]])
    (found,) = payloads.embedded("0x" + data.hex())
    assert (found.system, found.form) == ("chainlink", "full_report")
    assert (found.offset, found.end) == (4 + 3 * 32, 4 + 3 * 32 + len(REPORTS[0]))
    assert found.decoded.value == payloads.decode(REPORTS[0]).value
    record = found.to_dict()
    assert record["offset"] == found.offset
    assert record["config_digest"] == "0x" + REPORTS[0][:32].hex()


def test_a_broken_report_in_a_bytes_argument_is_found_as_broken() -> None:
    broken = REPORTS[0][:-64]
    data = SELECTOR + abi_encode(["bytes"], [broken])
    (found,) = payloads.embedded(data)
    assert found.raw == broken
    assert "broken" in found.why
    with pytest.raises(Malformed):
        _ = found.decoded


# --- what is none ---------------------------------------------------------------------------------

SIMPLE = st.sampled_from(["uint256", "address", "bytes32", "bool", "int128", "uint8", "bytes4"])


@st.composite
def plain_calldata(draw: st.DrawFn) -> bytes:
    """Calldata of a consumer without any signed payload in it."""
    names, values = [], []
    for name in draw(
        st.lists(st.sampled_from(["simple", "bytes", "string", "uint256[]"]), max_size=9)
    ):
        if name == "simple":
            name = draw(SIMPLE)
        value: Any
        match name:
            case "address":
                value = "0x" + draw(st.binary(min_size=20, max_size=20)).hex()
            case "bytes" | "string":
                value = draw(st.binary(max_size=120) if name == "bytes" else st.text(max_size=50))
            case "bytes32" | "bytes4":
                size = int(name[5:])
                value = draw(st.binary(min_size=size, max_size=size))
            case "bool":
                value = draw(st.booleans())
            case "uint256[]":
                value = draw(st.lists(st.integers(0, 2**256 - 1), max_size=6))
            case _:
                bits = int(name.removeprefix("u").removeprefix("int"))
                low, high = (0, 2**bits - 1) if name[0] == "u" else (-(2**127), 2**127 - 1)
                value = draw(st.integers(low, high))
        names.append(name)
        values.append(value)
    return draw(st.binary(min_size=4, max_size=4)) + abi_encode(names, values)


@given(plain_calldata())
@settings(max_examples=100)
def test_calldata_without_payloads_has_none(data: bytes) -> None:
    assert payloads.embedded(data) == ()


@pytest.mark.parametrize("words", range(3, 12))
def test_consumer_calldata_is_never_an_update_of_stork(words: int) -> None:
    """An offset of 32 as the second argument reads as a time of 2043, behind a recovery id of 0."""
    head = [bytes(12) + b"\xab" * 20, 0x20.to_bytes(32, "big")]
    data = SELECTOR + b"".join([*head, *[bytes(9) + b"\xcd" * 23] * (words - 2)])
    with pytest.raises(Malformed, match="not recognised"):
        payloads.decode(data)
    assert payloads.embedded(data) == ()


def test_calldata_with_a_payload_inside_is_refused_with_a_hint() -> None:
    data = SELECTOR + abi_encode(["address", "bytes"], ["0x" + "22" * 20, REPORTS[0]])
    with pytest.raises(Malformed, match=r"payload at byte 100.*payloads\.embedded"):
        payloads.decode(data)


@given(st.binary(max_size=3000))
@example(bytes(3000))
@settings(max_examples=100)
def test_any_bytes_have_an_answer(data: bytes) -> None:
    if data:
        for found in payloads.embedded(data):
            assert data[found.offset : found.end] == found.raw


def test_what_is_no_bytes_is_misuse() -> None:
    bad: Any
    for bad in (None, 5, {}, ["0x00"]):
        with pytest.raises((Misuse, Malformed)):
            payloads.embedded(bad)
    with pytest.raises(Misuse):
        payloads.embedded("0x00", signers=["0x12"])


# --- hostile bytes --------------------------------------------------------------------------------


def hostile() -> dict[str, bytes]:
    """Each is a quarter of a megabyte that nearly is a payload at every turn."""
    chance = random.Random(7)
    head = b"\x06" * 32 + bytes(64) + b"".join(n.to_bytes(32, "big") for n in (224, 224, 224))
    near_update = chance.randbytes(64) + b"\x00\x00\x01" + (1764608822324772939).to_bytes(8, "big")
    size = 2**18
    return {
        "zeros": bytes(size),
        "ones": b"\x01" * size,
        "heads": head * (size // len(head)),
        "words": b"".join((i % 900).to_bytes(32, "big") for i in range(size // 32)),
        "updates": near_update * (size // len(near_update)),
        "lengths": (bytes(31) + b"\x4b" + near_update) * (size // 107),
        "random": chance.randbytes(size),
    }


@pytest.mark.parametrize("name", hostile())
def test_bytes_full_of_near_misses_cost_little(name: str) -> None:
    data = hostile()[name]
    tracemalloc.start()
    try:
        payloads.embedded(data)
        assert tracemalloc.get_traced_memory()[1] < 50 * len(data)
    finally:
        tracemalloc.stop()


# --- the ends of what is found --------------------------------------------------------------------


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_report_that_holds_a_report_is_one_payload() -> None:
    """The outer one; what is signed within it is its content."""
    network = InsecureTestNetwork("outer", 4, 1)
    for inner in REPORTS[:3]:
        outer = bytes(network.sign(bytes(192) + inner).encode())
        assert found_in(SELECTOR + outer) == [(4, outer)]


def test_a_report_may_begin_behind_the_first_word() -> None:
    """As an argument; so it may where the word before it is no length."""
    raw = REPORTS[0]
    for first, why in ((_word(len(raw)), "a bytes argument with"), (_word(7), "packed without")):
        (found,) = payloads.embedded(first + raw)
        assert (found.offset, bytes(found.raw)) == (32, raw)
        assert why in found.why
    (found,) = payloads.embedded(raw)
    assert (found.offset, found.end) == (0, len(raw))


def _packed_report(size: int, signatures: int, *, blob_last: bool = False) -> bytes:
    """A payload that nobody signed, in an order of its parts that an encoder may choose."""
    blob = _word(size) + b"\x5a" * size + bytes(-size % 32)
    array = _word(signatures) + b"\x6b" * 32 * signatures
    parts = [array, array, blob] if blob_last else [blob, array, array]
    starts = [224, 224 + len(parts[0]), 224 + len(parts[0] + parts[1])]
    if blob_last:
        starts = [starts[2], *starts[:2]]
    head = b"\x3c" * 96 + b"".join(map(_word, starts)) + b"\1" * 32
    return head + b"".join(parts)


@pytest.mark.parametrize("blob_last", [True, False])
@pytest.mark.parametrize("size", [192, 193, 223, 224])
def test_a_packed_report_ends_with_its_last_part(blob_last: bool, size: int) -> None:
    raw = _packed_report(size, 2, blob_last=blob_last)
    assert found_in(b"\7" * 3 + raw + b"\7" * 70) == [(3, raw)]
    assert found_in(b"\7" * 3 + raw) == [(3, raw)]
    for cut in (1, 31, 32, 33, 64):
        assert found_in(b"\7" * 3 + raw[:-cut]) == []


def test_a_packed_report_has_a_head_a_report_and_signatures() -> None:
    for size, signatures, count in ((192, 1, 1), (191, 1, 0), (192, 64, 1), (192, 65, 0),
                                    (192, 0, 0)):  # fmt: skip
        assert len(found_in(_packed_report(size, signatures))) == count, (size, signatures)
    # A head of six words, or of eight.
    raw = _packed_report(192, 1)
    for by, count in ((-32, 0), (32, 1)):
        moved = [int.from_bytes(raw[at : at + 32], "big") + by for at in (96, 128, 160)]
        other = raw[:96] + b"".join(map(_word, moved)) + raw[192 : 224 + min(by, 0)]
        other += bytes(max(by, 0)) + raw[224:]
        assert len(found_in(other)) == count, by


@pytest.mark.parametrize("more", [0, 1, 31, 32])
def test_a_length_that_leads_beyond_the_data_is_no_length(more: int) -> None:
    raw = REPORTS[0]
    data = _word(len(raw) + more) + raw
    (found,) = payloads.embedded(data)
    assert (found.offset, bytes(found.raw)) == (32, raw)
    assert ("argument" in found.why) is (more == 0)


def test_a_digest_of_twelve_zeros_is_no_digest_unless_all_fits() -> None:
    raw = bytearray(_packed_report(192, 1))
    for zeros, count in ((11, 1), (12, 0)):
        raw[:32] = (b"\3" + bytes(zeros)).ljust(32, b"\3")
        assert len(found_in(b"\7" * 40 + bytes(raw))) == count
        assert len(found_in(_word(len(raw)) + bytes(raw))) == 1


UPDATE = PLAIN[0]


def _update(time: int, r: bytes = b"\x11" * 32, s: bytes = b"\x22" * 32) -> bytes:
    body = b"\0\1" + time.to_bytes(8, "big") + (b"\0\1" + bytes(15) + b"\1")
    return r + s + b"\0" + body


def _as_argument(raw: bytes) -> bytes:
    return _word(32) + _word(len(raw)) + raw + bytes(-len(raw) % 32)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (_update(10**18), 1),
        (_update(10**18)[:75], 1),  # of no assets
        (_update(10**18 - 1), 0),
        (_update(4_102_444_800 * 10**9 - 1), 1),
        (_update(4_102_444_800 * 10**9), 0),
        # A time with nothing in its last seven bytes is rather a number in calldata.
        (_update(0x18 << 56), 0),
        (_update(0x18 << 56 | 1 << 48), 1),
        (_update(0x18 << 56 | 1), 1),
        # So are eight zeros in r or in s, but not in both together.
        (_update(10**18, r=b"\x11" * 24 + bytes(8)), 0),
        (_update(10**18, s=bytes(8) + b"\x11" * 24), 0),
        (_update(10**18, r=b"\x11" * 25 + bytes(7), s=bytes(7) + b"\x11" * 25), 1),
        (_update(10**18, s=b"\x11" * 25 + bytes(7)), 1),
        (_update(10**18, s=(CURVE_ORDER // 2).to_bytes(32, "big")), 1),
        (_update(10**18, s=(CURVE_ORDER // 2 + 1).to_bytes(32, "big")), 0),
    ],
)
def test_an_argument_is_an_update_if_its_time_and_its_signature_are_no_numbers(
    raw: bytes, count: int
) -> None:
    assert len(found_in(_as_argument(raw))) == count


def test_an_update_far_behind_is_found_by_its_signer() -> None:
    """The work is counted by the bytes of an update, not by where it stands."""
    signer = InsecureTestStorkSigner("far")
    raw = signer.sign([Asset(1, 2)], timestamp_ns=10**18 + 1).encode()
    data = b"\7" * 9_000_000 + raw + b"\7" * 5
    (found,) = payloads.embedded(data[-3_000_000:], signers=[signer.address])
    assert bytes(found.raw) == raw


def test_the_work_for_packed_updates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 2,000 recoveries, and one fewer for each 4,096 bytes that are hashed."""
    tried: list[int] = []

    def signer(raw: bytes) -> None:
        tried.append(len(raw))

    monkeypatch.setattr("payloads.stork.places._signer", signer)
    start = _update(10**18 + 1)
    payloads.embedded(start * 40, signers=["0x" + "11" * 20])
    assert len(tried) == 2_000
    tried.clear()
    size = 75 + 18 * 3_000
    payloads.embedded((start[:75] + bytes(size - 75)) * 1, signers=["0x" + "11" * 20])
    assert tried[0] == size
    assert sum(1 + size // 4_096 for size in tried) <= 2_000


@pytest.mark.parametrize("more", [-18, -17, 17, 18, 36])
def test_an_update_with_another_length_is_no_argument(more: int) -> None:
    """Also where the bytes that are there would have a size of Stork's."""
    raw = _update(10**18) + (b"\0\1" + bytes(15) + b"\1")
    assert found_in(_word(32) + _word(len(raw)) + raw) == [(64, raw)]
    assert found_in(_word(32) + _word(len(raw) + more) + raw) == []


@pytest.mark.parametrize("before", range(0, 33, 3))
def test_the_padding_of_an_update_ends_with_its_word(before: int) -> None:
    """Wherever the argument stands: what follows is the next argument."""
    raw = _update(10**18)
    data = b"\7" * before + _as_argument(raw) + b"\7" * 40
    assert found_in(data) == [(before + 64, raw)]
    short = b"\7" * before + _as_argument(raw)[:-1] + b"\7" * 40
    assert found_in(short) == []
