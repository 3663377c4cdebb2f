"""Whatever is wrong with an input, one clear line says what and where; and nothing is allocated
for what an input only claims to hold."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

import payloads
from payloads import chainlink, inputs, stork
from payloads.abi.solidity import MAX_ELEMENT_BYTES
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.inputs import MAX_PAYLOAD_BYTES, MAX_TEXT_CHARACTERS, to_bytes
from payloads.testing import InsecureTestStorkSigner
from tests import corpus
from tests.checks import assert_sound, outcome

V3 = corpus.entry("cl-001")
UPDATE = corpus.entry("st-001")


def line(value: Any, decode: Callable[..., Any] = payloads.decode, **options: Any) -> str:
    """The one line that an input is refused with."""
    with pytest.raises(PayloadError) as refused:
        decode(value, **options)
    assert_sound(refused.value)
    return str(refused.value)


HEX_AND_OTHERS = (
    st.text() | st.text("0123456789abcdefABCDEFxXg \u00e9\ud800") | st.binary().map(bytes.hex)
)


@given(HEX_AND_OTHERS, st.sampled_from(["", "0x", "0X", "0x0x"]))
def test_hex_is_read_alike_by_the_wheel_and_without_it(digits: str, prefix: str) -> None:
    module = pytest.importorskip("payloads_simd", reason="not installed (make native)")

    def read(unhex: Callable[[str], bytes]) -> bytes | None:
        try:
            return unhex(prefix + digits)
        except ValueError:
            return None

    assert read(module.unhex) == read(inputs.unhexlified)


# --- every shape that is taken --------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        lambda raw: raw.hex(),
        lambda raw: "0x" + raw.hex(),
        lambda raw: "0X" + raw.hex().upper(),
        lambda raw: raw.hex().upper(),
        lambda raw: f" \t\r\n0x{raw.hex()}\n ",
        lambda raw: f"\u00a0{raw.hex()}\u2003",
        bytes,
        bytearray,
        memoryview,
        HexBytes,
    ],
)
@pytest.mark.parametrize("decode", [chainlink.decode, payloads.decode])
def test_every_shape_gives_the_same(decode: Any, shape: Callable[[bytes], Any]) -> None:
    found = decode(shape(V3.raw))
    assert getattr(found, "value", found) == chainlink.decode(V3.raw)


def test_bytes_are_kept_as_plain_bytes() -> None:
    assert type(to_bytes(HexBytes(b"\x01"))) is bytes
    mutable = bytearray(V3.raw)
    payload = chainlink.decode(mutable)
    mutable[:] = bytes(len(mutable))
    assert payload.encode() == V3.raw


def test_hex_as_bytes_is_hex_and_not_a_payload() -> None:
    """What a file read in binary mode, or a socket, gives."""
    assert payloads.decode(V3.text.encode()).value == chainlink.decode(V3.raw)


# --- every bad class ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "payload at byte 0: empty input, expected a payload, found nothing"),
        ("   \n", "payload at byte 0: empty input, expected a payload, found nothing"),
        ("0x", "payload at byte 0: empty input, expected a payload, found nothing"),
        (b"", "payload at byte 0: empty input, expected a payload, found nothing"),
        (
            "0x0x00",
            "payload at byte 2: 0x prefix given twice (character 3 of the text), "
            "expected hex digits, found '0x'",
        ),
        (
            "0xabc",
            "payload at byte 5: odd number of hex digits (character 6 of the text), "
            "expected two digits a byte, found 3 digits",
        ),
        (
            "0x00g0",
            "payload at byte 4: not hex (character 5 of the text), expected a hex digit, found 'g'",
        ),
        (
            "  00 11",
            "payload at byte 4: not hex (character 5 of the text), expected a hex digit, found ' '",
        ),
        (
            "00\n11",
            "payload at byte 2: not hex (character 3 of the text), "
            "expected a hex digit, found '\\n'",
        ),
        (
            "٠٠",
            "payload at byte 0: not hex (character 1 of the text), "
            "expected a hex digit, found '\\u0660'",
        ),
        (
            "\x1b[31m",
            "payload at byte 0: not hex (character 1 of the text), "
            "expected a hex digit, found '\\x1b'",
        ),
        (
            None,
            "payload: not something a payload can be read from, "
            "expected hex text or bytes, found NoneType",
        ),
        (
            17,
            "payload: not something a payload can be read from, "
            "expected hex text or bytes, found int",
        ),
    ],
)
def test_bad_text_is_one_line_that_says_where(value: Any, said: str) -> None:
    assert line(value) == said
    for decode in (chainlink.decode, stork.decode, chainlink.decode_envelope):
        assert line(value, decode) == said


@pytest.mark.parametrize("decode", [payloads.decode, chainlink.decode, stork.decode])
def test_the_wrong_type_is_misuse_and_bad_bytes_are_malformed(decode: Any) -> None:
    assert isinstance(outcome(decode, None), Misuse)
    assert isinstance(outcome(decode, "zz"), Malformed)
    assert isinstance(outcome(decode, b"\x00"), Malformed)


@pytest.mark.parametrize("name", ["cl-001", "cl-061", "cl-093"])
def test_a_full_report_cut_anywhere_is_refused_at_the_field_that_is_cut(name: str) -> None:
    """Every length but the whole: a canonical payload has no bytes to spare."""
    raw = corpus.entry(name).raw
    ends = {raw.index(word): word for word in chainlink.decode(raw).ss}
    for size in range(1, len(raw)):
        with pytest.raises(Malformed) as refused:
            chainlink.decode(raw[:size])
        error = refused.value
        assert_sound(error)
        assert error.revert_data == b""
        assert error.offset <= size
        if size < 224:
            assert (error.field, error.offset) == ("head", size)
        elif size >= min(ends):
            assert error.field == "ss.length"


def test_an_update_cut_anywhere_is_refused_unless_a_whole_number_of_assets_is_left() -> None:
    for size in range(1, len(UPDATE.raw)):
        found = outcome(stork.decode, UPDATE.raw[:size])
        whole = size >= 75 and (size - 75) % 18 == 0
        assert isinstance(found, Malformed) != whole
        if not whole:
            assert found.offset <= size
            assert found.revert_data.hex() == "7c6953f9"
            assert found.field == (f"assets[{(size - 75) // 18}]" if size > 75 else "body")


@pytest.mark.parametrize("name", ["cl-blob-v03", "cl-blob-v10"])
def test_a_bare_report_cut_anywhere_names_the_field_that_is_cut(name: str) -> None:
    raw = corpus.entry(name).raw
    names = [row.name for row in chainlink.decode_report(raw).report.schema.table.fields]
    for size in range(2, len(raw)):
        with pytest.raises(Malformed) as refused:
            chainlink.decode_report(raw[:size])
        error = refused.value
        assert error.field == names[size // 32]
        assert error.offset == size // 32 * 32
        assert error.found == f"{size % 32}"


@pytest.mark.parametrize("extra", [1, 31, 32, 1_000])
def test_padded_is_taken_as_the_contract_takes_it_and_refused_as_canonical(extra: int) -> None:
    raw = V3.raw + b"\x01" * extra
    assert chainlink.decode(raw).report == chainlink.decode(V3.raw).report
    said = line(raw, chainlink.decode, profile=payloads.CANONICAL)
    assert said == (
        f"trailing at byte {len(V3.raw)}: not canonical: trailing, expected the one encoding an "
        f"encoder writes, found {extra} bytes after the last field that nothing reads or signs"
    )


@pytest.mark.parametrize("extra", range(1, 18))
def test_a_padded_update_is_refused(extra: int) -> None:
    said = line(UPDATE.raw + bytes(extra), stork.decode)
    assert said.startswith(f"assets[4] at byte {len(UPDATE.raw)}: not a size the plain layout")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("{", "frame: not JSON"),
        ('{"a": 1}', "frame: JSON, but no frame that is known"),
        ('{"fullReport": null}', "fullReport: no payload, expected a hex string, found None"),
        ('{"report": {}}', "report.fullReport: no payload, expected a hex string, found nothing"),
        ('{"report": {"fullReport": "0xz"}}', "report.fullReport at byte 2: not hex"),
        ('{"report": {"fullReport": ""}}', "report.fullReport at byte 0: empty input"),
        ('{"type": "signed_ecdsa"}', "p: no payload, expected a hex string, found nothing"),
        ('{"type": "signed_ecdsa", "p": "0x00"}', "body at byte 1: not a size the plain layout"),
        ('{"type": "unsigned"}', "a: no list of assets"),
        ('{"type": "unsigned", "tax": 65536, "ts": 1, "a": []}', "tax: not a number in range"),
        ('{"type": "unsigned", "tax": 1, "ts": -1, "a": []}', "ts: not a number in range"),
        ('{"type": "unsigned", "tax": 1, "ts": 1, "a": [3]}', "a[0].id: not a number in range"),
        (
            '{"type": "unsigned", "tax": 1, "ts": 1, "a": [{"id": 1, "v": "1.5"}]}',
            "a[0].v: not a number in range",
        ),
    ],
)
def test_a_bad_frame_is_one_line_that_names_the_key(frame: str, said: str) -> None:
    assert line(frame).startswith(said)


def test_a_bad_item_of_a_list_is_named_and_the_others_come_out() -> None:
    first, second = payloads.decode(["0x00", V3.text]).inner
    assert str(first.error).startswith("[0].payload at byte 0: too short for any payload")
    assert second.value == chainlink.decode(V3.raw)


# --- bounds ---------------------------------------------------------------------------------------


# Far below every bound, and enough for the modules that a first call imports.
LITTLE = 500_000


def peak_of(act: Callable[[], Any]) -> int:
    """The most that a call had allocated at any time, beyond what there was before it."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_largest_payload_is_taken_and_one_byte_more_is_not() -> None:
    head = InsecureTestStorkSigner().sign([], timestamp_ns=10**18).encode()
    count = (MAX_PAYLOAD_BYTES - len(head)) // 18
    largest = head + bytes(18) * count
    assert len(stork.decode(largest).assets) == count
    assert len(stork.decode("0x" + largest.hex()).assets) == count
    assert to_bytes(bytes(MAX_PAYLOAD_BYTES))
    for value in (bytes(MAX_PAYLOAD_BYTES + 1), "00" * (MAX_PAYLOAD_BYTES + 1)):
        said = line(value, to_bytes)
        assert said.startswith("payload: larger than a block can carry, expected at most 4194304")


def test_enormous_text_is_refused_before_it_is_converted() -> None:
    text = "00" * MAX_TEXT_CHARACTERS
    frame = '{"p":"' + text
    for value, decode in ((text, to_bytes), (text, payloads.decode), (frame, payloads.decode)):
        assert peak_of(partial(outcome, decode, value)) < LITTLE
        assert "at most" in line(value, decode)


SNAPPY_CLAIMS = [2**32 - 1, 2**31, MAX_PAYLOAD_BYTES + 1]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("claim", SNAPPY_CLAIMS)
def test_a_snappy_bomb_is_refused_by_its_header(claim: int) -> None:
    bomb = _varint(claim) + b"\xfe\x01\x00" * 1_000
    assert peak_of(lambda: outcome(chainlink.decompress, bomb)) < LITTLE
    said = line(bomb, chainlink.decompress)
    assert said == (
        f"snappy at byte 0: would decompress to too much, "
        f"expected at most {MAX_PAYLOAD_BYTES}, found {claim}"
    )
    assert peak_of(lambda: outcome(payloads.decode, bomb)) < LITTLE


@pytest.mark.parametrize("header", [b"\xff" * 5, b"\x80", b"", b"\xff" * 4 + b"\x7f"])
def test_a_snappy_header_without_an_end_or_beyond_32_bits_is_malformed(header: bytes) -> None:
    assert isinstance(outcome(chainlink.decompress, header), Malformed)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


HUGE = [2**20, 2**31, 2**58, 2**59 - 9, 2**63, 2**64 - 1, 2**64, 2**255, 2**256 - 1]


@pytest.mark.parametrize("length", HUGE)
@pytest.mark.parametrize("name", ["report_blob", "rs", "ss"])
def test_an_absurd_length_allocates_nothing(name: str, length: int) -> None:
    at = chainlink.decode(V3.raw).offset_of(f"{name}.length")
    raw = V3.raw[:at] + _word(length) + V3.raw[at + 32 :]
    assert peak_of(lambda: outcome(chainlink.decode_envelope, raw)) < LITTLE
    with pytest.raises(Malformed) as refused:
        chainlink.decode_envelope(raw)
    assert (refused.value.field, refused.value.offset) == (f"{name}.length", at)
    # Panic(0x41) where solc's memory would not hold it, a bare revert where only the bytes end.
    unit = 1 if name == "report_blob" else 32
    assert bool(refused.value.revert_data) == (length * unit > 2**64 - 1_000)


def test_an_absurd_number_of_elements_allocates_nothing() -> None:
    honest = chainlink.encode_calldata([V3.raw])
    at = 4 + 64
    for length in HUGE:
        raw = honest[:at] + _word(length) + honest[at + 32 :]
        assert peak_of(partial(outcome, chainlink.decode_call, raw)) < LITTLE
        assert line(raw, chainlink.decode_call).startswith("payloads.length at byte 68: ")


def overlapping(count: int, size: int) -> bytes:
    """A bulk call all of whose elements are the same bytes: small to send, large to unfold."""
    base = 4 + 64 + 32
    offsets = b"".join(_word(32 * count) for _ in range(count))
    element = _word(size) + bytes(size)
    parameter = _word(0)
    heads = _word(64) + _word(base - 4 + len(offsets) + len(element))
    selector = chainlink.encode_calldata([])[:4]
    return selector + heads + _word(count) + offsets + element + parameter


def test_elements_that_overlap_are_bounded_together() -> None:
    assert len(chainlink.decode_call(overlapping(3, 64)).payloads) == 3
    bomb = overlapping(30_000, 2**20)
    assert len(bomb) < MAX_PAYLOAD_BYTES
    for decode in (chainlink.decode_call, payloads.decode):
        assert peak_of(partial(outcome, decode, bomb)) < 3 * MAX_ELEMENT_BYTES
        said = line(bomb, decode)
        assert "the elements add up to more than any block has gas to copy" in said
        assert said.startswith(f"payloads[{MAX_ELEMENT_BYTES // 2**20}] at byte ")


@pytest.mark.parametrize("depth", [2, 50, 1_000])
def test_nothing_nests(depth: int) -> None:
    lists = "[" * depth + '"0x00"' + "]" * depth
    found = outcome(payloads.decode, lists)
    errors = [found] if isinstance(found, PayloadError) else [one.error for one in found.leaves()]
    assert all(isinstance(error, Malformed) for error in errors)
    raw = V3.raw
    for _ in range(depth):
        raw = chainlink.compress(raw)
    assert "compressed inside something else" in line(raw)


# --- values that cannot be encoded ----------------------------------------------------------------


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


NO_INTEGERS = [1.5, "7", b"\x01", None, [], 10**5_000, 2**191, Unprintable()]


@pytest.mark.parametrize("value", NO_INTEGERS, ids=lambda value: type(value).__name__)
def test_a_value_that_is_no_integer_of_the_type_is_misuse(value: Any) -> None:
    blob = corpus.entry("cl-blob-v07")
    report: Any = chainlink.decode_report(blob.raw).report
    with pytest.raises(Misuse) as misuse:
        type(report)(*report.values[:-1], value).encode()
    assert_sound(misuse.value)
    assert (misuse.value.field, misuse.value.expected) == ("exchange_rate", "int192")


@pytest.mark.parametrize("value", [32, "00" * 32, b"\x01" * 31, b"\x01" * 33, [0] * 32, None])
def test_a_value_that_is_not_so_many_bytes_is_misuse(value: Any) -> None:
    """Least of all 32, of which Python's own `bytes` makes 32 zeros."""
    report = chainlink.decode_report(corpus.entry("cl-blob-v07").raw).report
    with pytest.raises(Misuse) as misuse:
        type(report)(value, *report.values[1:]).encode()
    assert misuse.value.field == "feed_id"


ANYTHING = [10**5_000, Unprintable(), 1.5, True, "1" * 5_000]


@pytest.mark.parametrize("value", ANYTHING, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("key", ["tax", "ts", "id", "v"])
def test_parsed_frames_may_hold_anything(key: str, value: Any) -> None:
    frame: dict[str, Any] = {"type": "unsigned", "tax": 1, "ts": 1, "a": [{"id": 1, "v": "1"}]}
    (frame if key in frame else frame["a"][0])[key] = value
    assert key in line(frame)
    assert isinstance(outcome(payloads.decode, {"fullReport": value}), Malformed)
    claims = {"fullReport": V3.text, "feedID": value, "validFromTimestamp": value}
    codes = [note.code for note in payloads.decode(claims).notes]
    assert codes == ["frame-contradicts-payload"] * 2


@given(st.text(max_size=60) | st.binary(max_size=30))
def test_an_address_is_an_address_or_misuse(value: Any) -> None:
    update = stork.decode(UPDATE.raw)
    found = outcome(stork.expect_signers, update, value)
    if isinstance(value, str) or len(value) != 20:
        assert isinstance(found, Misuse)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("3db9E960ECfCcb11969509FAB000c0c96DC51830", "address: not an address"),
        ("0x3db9E960ECfCcb11969509FAB000c0c96DC5183", "address: not an address"),
        ("0x3d b9E960ECfCcb11969509FAB000c0c96DC51830", "address: not an address"),
        ("0x3Db9E960ECfCcb11969509FAB000c0c96DC51830", "address: checksum of the address is wrong"),
        (None, "address: not an address"),
        ("\x1b[31m\n", "address: not an address"),
    ],
)
def test_a_bad_address_is_one_line(address: Any, said: str) -> None:
    update = stork.decode(UPDATE.raw)
    assert line(address, lambda one: stork.expect_signers(update, one)).startswith(said)


@pytest.mark.parametrize("spell", [str, str.lower, lambda a: "0x" + a[2:].upper()])
def test_an_address_in_one_case_needs_no_checksum(spell: Callable[[str], str]) -> None:
    signer = "0x3db9E960ECfCcb11969509FAB000c0c96DC51830"
    assert stork.expect_signers(stork.decode(UPDATE.raw), spell(signer))[0].address == signer


# --- nesting --------------------------------------------------------------------------------------

_HOSTILE = """
import sys
sys.setrecursionlimit(100_000)  # as py_ecc does, which many Ethereum tools import
import payloads
from payloads.cli import sources
from payloads.errors import Malformed
from payloads.capture import reader
from payloads.capture.importers.any_file import begins_document
from payloads.capture import redaction
from payloads.venues.common.json_text import parse_json

deep = '{"detail":' + "[" * 99_000 + "]" * 99_000 + "}"
for read in (payloads.inspect, parse_json):
    try:
        read(deep)
    except Malformed as error:
        print(error.reason)
for placed in reader.numbered_records([deep.encode() + b"\\n"]):
    print(placed.record.error.reason)
print(redaction.removed(deep, deep + " ").__class__.__name__, list(redaction.removed(deep, "{}")))
print(sources._may_hold_payload(deep.encode()), begins_document(deep.encode()))
"""


def test_a_message_of_brackets_kills_no_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HOSTILE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    deep = "not JSON: nested too deeply"
    assert done.stdout.splitlines() == [deep, deep, deep, "generator []", "True False"]


_nested = st.recursive(
    st.text('[]{}"\\x', max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("[{"), inner, max_size=3),
)


@given(_nested)
def test_depth_is_counted_outside_of_strings(value: object) -> None:
    def depth(one: object) -> int:
        if isinstance(one, dict):
            one = list(one.values())
        return 1 + max(map(depth, one), default=0) if isinstance(one, list) else 0

    assert inputs._depth(json.dumps(value).encode()) == depth(value)


@pytest.mark.parametrize(("levels", "fits"), [(500, True), (501, False)])
def test_the_bound_on_nesting(levels: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: 100_000)
    text = "[" * levels + '"[[["' + "]" * levels + "[]" * 1000
    if fits:
        inputs.check_nesting(text)
    else:
        with pytest.raises(Malformed, match="nested too deeply"):
            inputs.check_nesting(text)
