"""Columns: many payloads at once give what the single decoder and the single engine give.

Each batch is read twice: with the fast way for every row that it proves, and without it. The second
way is the single decoder's values, put into columns one by one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Annotated, Any

import msgspec.structs
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payloads
from payloads import chainlink, columns, recognise, stork, systems
from payloads.abi.fields import field
from payloads.abi.units import MILLISECONDS, NANOSECONDS, PRICE, SECONDS
from payloads.arrays import rows as inputs
from payloads.arrays.apart import Alike
from payloads.arrays.records import keccak_rows, nulls
from payloads.chainlink import calldata as chainlink_calls
from payloads.chainlink.compressed import decompress
from payloads.chainlink.schemas import PUBLISHED_TABLES, SCHEMAS, ReportHead, schema
from payloads.columns import decoding
from payloads.crypto import keccak256
from payloads.errors import Misuse, PayloadError
from payloads.inputs import hex_text, json_text
from payloads.stork import calldata as stork_calls
from payloads.stork.update import Asset
from payloads.strategies import assets, reports
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests import corpus
from tests.checks import outcome
from tests.strategies import damaged, honest_blobs

NETWORK = InsecureTestNetwork("columns", size=4, f=1)
SIGNER = InsecureTestStorkSigner("columns")
NOW = 1_700_000_000 * 10**9
ALL = 10**9


@contextmanager
def worth(count: int) -> Iterator[None]:
    """The fast way from so many payloads of one size."""
    before, inputs.WORTH_AN_ARRAY = inputs.WORTH_AN_ARRAY, count
    try:
        yield
    finally:
        inputs.WORTH_AN_ARRAY = before


def both_ways(work: Any) -> tuple[Any, Any]:
    with worth(1):
        fast = work()
    with worth(ALL):
        slow = work()
    return fast, slow


def assert_equal_tables(fast: dict[str, Any], slow: dict[str, Any]) -> None:
    assert list(fast) == list(slow)
    for name, batch in fast.items():
        batch.validate(full=True)
        for column in batch.schema.names:
            assert batch[column].equals(slow[name][column]), (name, column)
        assert batch.schema.equals(slow[name].schema, check_metadata=True)


def numbers(batch: Any, name: str) -> list[Any]:
    """A column as Python has it; times as numbers."""
    array = batch[name]
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    return list(array.to_pylist())


@pytest.fixture
def singles(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The items that reach the single decoder, in the order of their coming."""
    seen: list[Any] = []
    single = recognise.decode

    def counted(item: Any, **options: Any) -> Any:
        seen.append(item)
        return single(item, **options)

    monkeypatch.setattr(recognise, "decode", counted)
    return seen


# --- the published payloads -----------------------------------------------------------------------


def test_every_published_payload_is_as_the_single_decoder_has_it(singles: list[Any]) -> None:
    texts = [entry.text for entry in corpus.entries()]
    fast, slow = both_ways(lambda: columns.decode(texts))
    assert_equal_tables(fast, slow)
    # The others are unsigned, compressed, damaged, or in a layout that no encoder writes.
    assert len(singles) - len(texts) == 35


def test_values_are_those_of_the_records() -> None:
    entries = corpus.entries()
    for table, batch in columns.decode([entry.raw for entry in entries]).items():
        places = batch["row"].to_pylist()
        if table == "errors":
            _assert_errors([entries[place].raw for place in places], batch)
            continue
        for at, place in enumerate(places):
            (leaf,) = payloads.decode(entries[place].raw).leaves()
            _assert_row(batch.slice(at, 1), leaf.value)


def _assert_errors(raws: list[Any], batch: Any) -> None:
    found = zip(
        raws, *(batch[name].to_pylist() for name in ("error", "offset", "field")), strict=True
    )
    for raw, *said in found:
        with pytest.raises(PayloadError) as error:
            payloads.decode(raw)
        assert said == [str(error.value), error.value.offset, error.value.field]


def _assert_row(row: Any, value: Any) -> None:
    """One row of a table against the decoded payload, without `columns`' own conversions."""
    if isinstance(value, stork.SignedUpdate):
        assert numbers(row, "timestamp_ns") == [value.timestamp_ns]
        for name in ("r", "s", "v", "layout", "mask", "taxonomy_id"):
            assert row[name].to_pylist() == [getattr(value, name)]
        expected = [[asset.asset_id, asset.value, asset.market_status] for asset in value.assets]
        found = [list(asset.values()) for asset in row["assets"].to_pylist()[0]]
        assert found == expected
        return
    for name in value.report.schema.table.fields:
        assert numbers(row, name.name) == [getattr(value.report, name.name)]
    if isinstance(value, chainlink.FullReport):
        for name in ("config_digest", "context_padding", "epoch", "round", "extra_hash", "raw_vs"):
            assert row[name].to_pylist() == [getattr(value, name)]
        assert row["rs"].to_pylist() == [list(value.rs)]
        assert row["ss"].to_pylist() == [list(value.ss)]


def assert_encodes(tables: dict[str, Any], items: list[Any]) -> None:
    """Every row gives back the bytes of its payload; an error of no bytes has none."""
    for batch in tables.values():
        made = columns.encode(batch).to_pylist()
        rows, paths = (batch[name].to_pylist() for name in ("row", "path"))
        for row, path, raw in zip(rows, paths, made, strict=True):
            leaves = decoding.leaves(items[row], None)
            assert (raw or b"") in [leaf.raw for leaf in leaves if (leaf.path or None) == path]


def test_tables_encode_to_the_bytes_they_came_from() -> None:
    raws = [entry.raw for entry in corpus.entries()]
    fast, slow = both_ways(lambda: columns.decode(raws))
    assert_encodes(fast, raws)
    assert_encodes(slow, raws)
    assert sum(batch["raw"].null_count for batch in fast.values()) > 70, "most need no bytes"


def test_signers_are_those_of_the_single_recovery() -> None:
    entries = corpus.entries()
    fast, slow = both_ways(lambda: columns.recover([entry.text for entry in entries]))
    assert fast.equals(slow)
    found: dict[int, list[Any]] = {}
    for row in fast.to_pylist():
        found.setdefault(row["row"], []).append(row)
    for place, entry in enumerate(entries):
        try:
            expected = payloads.recover(entry.text)
        except PayloadError:
            expected = ()
        assert [row["index"] for row in found.get(place, [])] == list(range(len(expected)))
        for row, signature in zip(found.get(place, []), expected, strict=True):
            signer = None if signature.address is None else signature.raw_address
            assert (row["signer"], row["why"] or "") == (signer, signature.why)
            assert (row["r"], row["s"], row["v"]) == (signature.r, signature.s, signature.v)
            assert (row["digest"], row["high_s"]) == (signature.digest, signature.high_s)


# --- forms of the input ---------------------------------------------------------------------------

MANY = [corpus.entry("cl-003").raw] * 30 + [corpus.entry("st-001").raw] * 30


@pytest.mark.parametrize(
    "make",
    [
        lambda: MANY,
        lambda: tuple(map(bytearray, MANY)),
        lambda: [raw.hex() for raw in MANY],
        lambda: ["0x" + raw.hex() for raw in MANY],
        lambda: [f" 0X{raw.hex().upper()}\n" for raw in MANY],
        lambda: [("0x" + raw.hex()).encode() for raw in MANY],
        lambda: [raw.hex() if index % 2 else raw for index, raw in enumerate(MANY)],
        lambda: pa.array(MANY, pa.binary()),
        lambda: pa.array([b"?", *MANY], pa.large_binary()).slice(1),
        lambda: pa.array(MANY, pa.binary_view()),
        lambda: pa.array([raw.hex() for raw in MANY]),
        lambda: pa.chunked_array([MANY[:7], MANY[7:]]),
        lambda: pa.record_batch({"payload": MANY}),
        lambda: pa.table({"other": [raw.hex() for raw in MANY]}).rename_columns(["payload"]),
    ],
)
def test_hex_and_bytes_in_lists_arrays_and_batches(make: Any) -> None:
    given_ = make()
    fast, slow = both_ways(lambda: columns.decode(given_))
    assert_equal_tables(fast, slow)
    assert_equal_tables(fast, columns.decode(MANY))
    assert {name: len(batch) for name, batch in fast.items()} == {
        "errors": 0,
        "chainlink_v3": 30,
        "stork_updates": 30,
    }


def test_whole_groups_never_reach_the_single_decoder(singles: list[Any]) -> None:
    columns.decode(MANY)
    columns.decode(pa.array([raw.hex() for raw in MANY]))
    assert singles == []


@pytest.mark.parametrize("key", [known.key for known in SCHEMAS.values()])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33])
def test_reports_of_any_schema_never_reach_the_single_decoder(
    singles: list[Any], key: str, count: int
) -> None:
    known = next(known for known in SCHEMAS.values() if known.key == key)
    made = []
    for number in range(30):
        cells = [
            known.prefix.ljust(row.type.size, bytes([number + 1])) if row.type.kind == "bytes"
            else number + 1
            for row in known.table.fields
        ]  # fmt: skip
        payload = NETWORK.sign(known.record(*cells), by=[])
        words = tuple(bytes([number, index]) * 16 for index in range(count))
        changes = {"rs": words, "ss": words[::-1], "raw": b""}
        made.append(msgspec.structs.replace(payload, **changes).encode())
    name = "chainlink_" + key.replace("-", "_")
    found = columns.decode(made)
    assert len(found[name]) == 30
    assert columns.encode(found[name]).to_pylist() == made
    assert len(singles) == 0
    assert_equal_tables(*both_ways(lambda: columns.decode(made)))
    if key == "v3":
        fast, slow = both_ways(lambda: columns.recover(made))
        assert fast.equals(slow)
        assert len(fast) == 30 * min(count, 32)


@pytest.mark.parametrize("layout", ["plain", "versioned"])
@pytest.mark.parametrize("mask", range(4))
@pytest.mark.parametrize("time", [10**18, NOW, 4_102_444_800 * 10**9 - 1])
def test_updates_of_any_layout_never_reach_the_single_decoder(
    singles: list[Any], layout: str, mask: int, time: int
) -> None:
    if layout == "plain" and mask != 1:
        return
    asset = Asset(0x1234, 5 if mask & 1 else None, 1 if mask & 2 else None)
    word = b"\x11" * 32
    update = stork.SignedUpdate(word, word, 0, layout, mask, 7, time, (asset,) * 40)
    found = columns.decode([update.encode()] * 30)
    assert len(found["stork_updates"]) == 30
    assert len(singles) == 0
    for wrong in (10**18 - 1, 4_102_444_800 * 10**9):
        other = msgspec.structs.replace(update, timestamp_ns=wrong)
        columns.decode([other.encode()] * 30)
    assert len(singles) == 60, "these are recognised by their size, which is not certain"


@pytest.mark.parametrize("mask", [None, 0, 1, 2, 3])
def test_updates_without_assets_are_read_the_fast_way_if_they_are_named(
    singles: list[Any], mask: int | None
) -> None:
    made = [SIGNER.sign([], timestamp_ns=NOW + n, mask=mask).encode() for n in range(30)]
    found = columns.decode(made, form="signed_ecdsa")
    assert columns.encode(found["stork_updates"]).to_pylist() == made
    assert len(singles) == 0
    # The versioned head is long enough to have its time in it.
    assert_equal_tables(columns.decode(made), found)
    assert len(singles) == (30 if mask is None else 0)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 66, 67, 74, 75, 78, 79])
def test_bytes_that_end_anywhere_are_updates_or_errors_both_ways(size: int) -> None:
    for raw in (b"\1" * size, (b"\1" * 65 + b"\xff\2\0\1" + b"\1" * 10)[:size]):
        assert_equal_tables(
            *both_ways(lambda raw=raw: columns.decode([raw] * 2, form="signed_ecdsa"))
        )


@pytest.mark.parametrize("mask", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("form", [None, "signed_ecdsa"])
def test_updates_with_a_part_of_an_asset_are_errors(mask: int | None, form: Any) -> None:
    """And a whole asset more is an update again, though no signature is of it."""
    asset = Asset(0x1234, 5 if mask in (None, 1, 3) else None, 1 if mask in (2, 3) else None)
    raw = SIGNER.sign([asset] * 2, timestamp_ns=NOW, mask=mask).encode()
    one = len(SIGNER.sign([asset] * 3, timestamp_ns=NOW, mask=mask).encode()) - len(raw)
    assert one == {None: 18, 0: 2, 1: 18, 2: 3, 3: 19}[mask]
    for more in range(one + 1):
        batch = [raw + bytes(more)] * 2
        fast, slow = both_ways(lambda batch=batch: columns.decode(batch, form=form))
        assert_equal_tables(fast, slow)
        assert len(fast["errors"]) == (0 if more in (0, one) else 2)


def test_frames_calls_and_lists_hold_payloads() -> None:
    raw = corpus.entry("cl-003").raw
    call = chainlink.encode_calldata([raw, b"\x01" * 40])
    frame = '{"report": {"fullReport": "0x' + raw.hex() + '"}}'
    unsigned = {"type": "unsigned", "tax": 1, "ts": 2, "a": [{"id": 1, "v": "-5"}]}
    found = columns.decode([call, frame, frame.encode(), unsigned])
    assert found["chainlink_v3"]["row"].to_pylist() == [0, 1, 2]
    assert found["chainlink_v3"]["path"].to_pylist() == ["payloads[0]", None, None]
    assert columns.encode(found["chainlink_v3"]).to_pylist() == [raw] * 3
    assert found["errors"].select(["row", "path", "kind"]).to_pylist() == [
        {"row": 0, "path": "payloads[1]", "kind": "malformed"}
    ]
    assert columns.encode(found["stork_updates"]).to_pylist() == [None]


def test_what_is_no_payload_is_a_row_of_errors() -> None:
    items = [None, "", "0x", "zz", b"", b"\x01", 5, "0x0"]
    fast, slow = both_ways(lambda: columns.decode(items))
    assert_equal_tables(fast, slow)
    assert list(fast) == ["errors"]
    _assert_errors(items, fast["errors"])
    assert columns.decode([])["errors"].num_rows == 0
    nulls = pa.array([None, MANY[0]], pa.binary())
    assert columns.decode(nulls)["errors"]["row"].to_pylist() == [0]


def test_bytes_that_could_be_text_are_read_as_the_recogniser_reads_them() -> None:
    raw = bytearray(corpus.entry("cl-003").raw)
    odd = []
    for first in (b"0x", b"{}", b"[1", b"  ", b" {", b"\x85[", b"\xa0{"):
        raw[: len(first)] = first
        odd.append(bytes(raw))
    ascii_ = [text + b"0" * (992 - len(text)) for text in (b"0x", b"{", b" [")]
    assert_equal_tables(*both_ways(lambda: columns.decode(odd + ascii_)))


def test_calldata_is_no_report_though_it_may_look_like_one() -> None:
    raw = corpus.entry("cl-003").raw
    disguised = [
        function.selector + raw[4:]
        for function in (*chainlink_calls.FUNCTIONS, *stork_calls.FUNCTIONS)
    ]
    fast, slow = both_ways(lambda: columns.decode(disguised))
    assert_equal_tables(fast, slow)
    assert list(fast) == ["errors"]
    named = columns.decode(disguised, form="full_report")
    assert len(named["chainlink_v3"]) == len(disguised)


@pytest.mark.parametrize("more", [-64, -1, 1, 32])
def test_reports_that_are_longer_or_shorter_than_their_schema(more: int) -> None:
    """What stands behind a report is signed, too; a report without its end is none."""
    for each in SCHEMAS.values():
        report = each.prefix + bytes(each.size + more - len(each.prefix))
        raws = [NETWORK.sign(report, epoch=epoch).encode() for epoch in range(1, 4)]
        assert_equal_tables(*both_ways(partial(columns.decode, raws)))


def test_one_table_alone() -> None:
    batch = pa.record_batch({"payload": MANY})
    found = columns.decode_table(batch, "stork_updates")
    assert found.schema == columns.schema("stork_updates")
    assert found["row"].to_pylist() == list(range(30, 60))
    empty = columns.decode_table(batch, "chainlink_v11")
    assert (len(empty), empty.schema) == (0, columns.schema("chainlink_v11"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: columns.decode("0x00"), "not several payloads"),
        (lambda: columns.decode(pa.array([1, 2])), "not a column of payloads"),
        (lambda: columns.decode(pa.record_batch({"a": [b""]})), "no such column"),
        (lambda: columns.decode([], form="odd"), "no such form"),
        (lambda: columns.schema("odd"), "no such table"),
        (lambda: columns.encode(pa.record_batch({"a": [b""]})), "not a batch of a table"),
        (lambda: columns.encode(5), "not a batch of a table"),
    ],
)
def test_misuse(call: Any, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        call()


def test_without_pyarrow_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from payloads.errors import Misuse\n"
        "try:\n    import payloads.columns\n"
        "except Misuse as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install '.[arrow]'" in run.stdout


# --- fuzzing --------------------------------------------------------------------------------------


@st.composite
def touched(draw: st.DrawFn, raw: bytes) -> bytes:
    """A payload with a byte changed, which the fast way must notice where it matters."""
    if not draw(st.booleans()):
        return raw
    at, value = draw(st.integers(0, len(raw) - 1)), draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    return raw[:at] + bytes([value]) + raw[at + 1 :]


@st.composite
def signed_payloads(draw: st.DrawFn) -> bytes:
    """A payload of any schema or layout, valid or with a byte changed."""
    if draw(st.booleans()):
        count = draw(st.integers(0, 4))
        report = draw(reports())
        return draw(touched(NETWORK.sign(report, by=range(count)).encode()))
    mask = draw(st.sampled_from(range(4)))
    word = st.binary(min_size=32, max_size=32)
    update = stork.SignedUpdate(
        draw(word),
        draw(word),
        draw(st.integers(0, 1)),
        draw(st.sampled_from(["plain", "versioned"])) if mask == 1 else "versioned",
        mask,
        draw(st.integers(0, 2**16 - 1)),
        draw(st.just(NOW) | st.integers(0, 2**64 - 1)),
        tuple(draw(st.lists(assets(mask=mask), max_size=3))),
    )
    return draw(touched(update.encode()))


BLOBS = honest_blobs()
FORMS = st.sampled_from([None, None, None, "full_report", "signed_ecdsa", "report"])


@given(st.lists(signed_payloads() | damaged(BLOBS), max_size=12), FORMS)
@settings(max_examples=50)
def test_any_batch_is_as_the_single_decoder_has_it(batch: list[bytes], form: str | None) -> None:
    fast, slow = both_ways(lambda: columns.decode(batch, form=form))
    assert_equal_tables(fast, slow)
    if form is None:
        assert_encodes(fast, batch)


@given(st.lists(signed_payloads() | damaged(BLOBS), max_size=6), FORMS)
@settings(max_examples=30)
def test_any_batch_has_the_signers_of_the_single_recovery(
    batch: list[bytes], form: str | None
) -> None:
    fast, slow = both_ways(lambda: columns.recover(batch, form=form))
    assert fast.equals(slow)


def test_every_byte_that_matters_is_looked_at(singles: list[Any]) -> None:
    """Each byte of a canonical report, changed: the answer is the single decoder's."""
    raw = corpus.entry("cl-003").raw
    batch = [raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :] for at in range(len(raw))]
    assert_equal_tables(*both_ways(lambda: columns.decode(batch)))
    update = corpus.entry("st-001").raw
    batch = [
        update[:at] + bytes([byte]) + update[at + 1 :] for at in range(79) for byte in (0, 255)
    ]
    assert_equal_tables(*both_ways(lambda: columns.decode(batch)))


def test_updates_that_begin_like_snappy() -> None:
    """A third of all signatures begins like the size of something compressed."""
    random = Random(5)
    batch = [random.randbytes(65) + corpus.entry("st-001").raw[65:] for _ in range(400)]
    assert_equal_tables(*both_ways(lambda: columns.decode(batch)))


@pytest.mark.parametrize("assets_", [1, 4, 40])
def test_updates_that_are_snappy_are_taken_for_snappy(assets_: int) -> None:
    """The evidence of a time where Stork has it is weaker, so the fast way must leave them."""
    listed = [Asset(0x1234, -5)] * assets_
    raws = [SIGNER.sign(listed, timestamp_ns=10**18 + n).encode() for n in range(30)]
    # No element of 61 bytes ends before a far copy: this literal's length is in its next bytes.
    raws = [raw[:62] + b"\2" * 5 + raw[67:] for raw in raws]
    size = len(raws[0])
    # One literal: its size, its tag, and its length less one.
    content = size - (3 if size < 128 else 4 if size < 260 else 5)
    length = bytes([60 << 2, content - 1]) if size < 260 else (
        bytes([61 << 2]) + (content - 1).to_bytes(2, "little")
    )  # fmt: skip
    head = bytes([content]) if size < 128 else bytes([content & 0x7F | 0x80, content >> 7])
    head += length
    batch = [head + raw[len(head) :] for raw in raws]
    assert all(decompress(raw) == raw[len(head) :] for raw in batch)
    fast, slow = both_ways(lambda: columns.decode(batch))
    assert_equal_tables(fast, slow)
    assert "stork_updates" not in fast
    assert_equal_tables(*both_ways(lambda: columns.decode(raws)))


@pytest.mark.parametrize(
    "copy",
    [b"", b"\x01\x14", b"\xfe\x14\0", b"\xff\x14\0\0\0", b"\0\x07", b"\x10abcde"],
    ids=["none", "near", "far", "farther", "one byte", "five bytes"],
)
def test_updates_that_are_snappy_of_many_elements(copy: bytes) -> None:
    """A literal of 20 bytes, an element that may be a copy, and a literal with all the rest."""
    made: list[bytes] = []
    for number in range(30):
        listed = [Asset(0x1234, -5)] * 40
        raw = SIGNER.sign(listed, timestamp_ns=10**18 + number).encode()
        begin = bytes([19 << 2]) + raw[3:23] + copy
        rest = raw[2 + len(begin) + 3 :]
        begin += bytes([61 << 2]) + (len(rest) - 1).to_bytes(2, "little")
        content = begin + rest
        for more in (0, 1, 4, 5, 64):
            size = 20 + more + len(rest)
            data = bytes([size & 0x7F | 0x80, size >> 7]) + content
            if isinstance(outcome(decompress, data), bytes):
                made.append(data)
    assert len(made) == 30
    found, slow = both_ways(lambda: columns.decode(made))
    assert_equal_tables(found, slow)
    assert "stork_updates" not in found


def test_updates_that_are_snappy_of_very_many_bytes() -> None:
    """A size of three bytes, which only copies can reach from so few."""
    raw = SIGNER.sign([Asset(0x1234, -5)] * 46, timestamp_ns=10**18).encode()
    literal = raw[5 : 5 + 80]
    copies = (len(raw) - 5 - len(literal)) // 3
    spare = len(raw) - 5 - len(literal) - 3 * copies
    literal += bytes(spare)
    size = len(literal) + 64 * copies
    assert size >= 128**2
    begin = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    data = begin + bytes([60 << 2, len(literal) - 1]) + literal + b"\xfe\x40\x00" * copies
    assert len(data) == len(raw)
    assert len(decompress(data)) == size
    found, slow = both_ways(lambda: columns.decode([data] * 30))
    assert_equal_tables(found, slow)
    assert "stork_updates" not in found


@pytest.mark.parametrize(
    ("size", "low"),
    [(75 + 18 * 8, [0, 0, 0]), (75 + 18 * 40, [2**32 - 1, 2**31, 2**24]), (165, [128, 5, 0])],
    ids=["zero", "large", "without signatures"],
)
@pytest.mark.parametrize("begin", [b"", b"\xdb\1\0\0\0"], ids=["any bytes", "like snappy"])
def test_updates_that_may_be_reports(size: int, low: list[int], begin: bytes) -> None:
    """Three small words where a report has its offsets are stronger evidence than a time."""
    update = SIGNER.sign([Asset(0x1234, -5)] * 40, timestamp_ns=10**18).encode()
    plain = begin + update[len(begin) : size]
    words = b"".join(number.to_bytes(32, "big") for number in low)
    report = (plain[:96] + words + plain[192:])[:size]
    found, slow = both_ways(lambda: columns.decode([report, plain] * 15))
    assert_equal_tables(found, slow)
    assert found["stork_updates"]["row"].to_pylist() == list(range(1, 30, 2))


# --- schemas from the field tables ----------------------------------------------------------------


@pytest.fixture(name="odd_schema")
def made_up_schema() -> Iterator[Any]:
    @schema(0x0F0E, "odd widths")
    class ReportOdd(ReportHead, frozen=True):
        whole: Annotated[int, field("uint256")]
        signed_whole: Annotated[int, field("int256", PRICE)]
        almost: Annotated[int, field("uint248")]
        small: Annotated[int, field("int24", meaning="Small")]
        odd: Annotated[int, field("uint40")]
        tiny: Annotated[int, field("int8")]
        name: Annotated[bytes, field("bytes5")]
        round: Annotated[int, field("int72")]
        seconds: Annotated[int, field("uint64", SECONDS)]
        millis: Annotated[int, field("uint64", MILLISECONDS)]
        nanos: Annotated[int, field("uint64", NANOSECONDS)]

    yield ReportOdd
    del SCHEMAS[ReportOdd.schema.prefix], PUBLISHED_TABLES[ReportOdd.schema.prefix]


HEAD = (b"\x0f\x0e" + b"\x07" * 30, 1, 2, 3, 4, 5)


def test_a_made_up_schema_has_its_columns_at_once(odd_schema: Any) -> None:
    table = columns.schema("chainlink_v3854")
    types = {name: str(table.field(name).type) for name in table.names[4:]}
    assert list(types.items())[5:-3] == [
        ("feed_id", "fixed_size_binary[32]"),
        ("valid_from_timestamp", "timestamp[s, tz=UTC]"),
        ("observations_timestamp", "timestamp[s, tz=UTC]"),
        ("native_fee", "decimal256(58, 0)"),
        ("link_fee", "decimal256(58, 0)"),
        ("expires_at", "timestamp[s, tz=UTC]"),
        ("whole", "fixed_size_binary[32]"),
        ("signed_whole", "fixed_size_binary[32]"),
        ("almost", "decimal256(75, 0)"),
        ("small", "int32"),
        ("odd", "uint64"),
        ("tiny", "int8"),
        ("name", "fixed_size_binary[5]"),
        ("report_round", "decimal256(22, 0)"),
        ("seconds", "timestamp[s, tz=UTC]"),
        ("millis", "timestamp[ms, tz=UTC]"),
        ("nanos", "timestamp[ns, tz=UTC]"),
    ]
    assert table.field("small").metadata == {b"abi": b"int24", b"meaning": b"Small"}
    assert table.field("signed_whole").metadata == {b"abi": b"int256", b"unit": b"price"}


def test_its_extremes_are_exact(odd_schema: Any) -> None:
    low = odd_schema(*HEAD, 0, -(2**255), 0, -(2**23), 0, -128, b"\0" * 5, -(2**71), 0, 0, 0)
    last = 253_402_300_799
    high = odd_schema(
        *(*HEAD, 2**256 - 1, 2**255 - 1, 2**248 - 1, 2**23 - 1, 2**40 - 1, 127, b"\xff" * 5),
        *(2**71 - 1, last, last * 1000 + 999, 2**63 - 1),
    )
    raws = [NETWORK.sign(report).encode() for report in (low, high)]
    fast, slow = both_ways(lambda: columns.decode(raws))
    assert_equal_tables(fast, slow)
    batch = fast["chainlink_v3854"]
    assert columns.encode(batch).to_pylist() == raws
    assert batch["raw"].null_count == 2
    for name in ("almost", "small", "odd", "tiny", "name", "seconds", "millis", "nanos"):
        assert numbers(batch, name) == [getattr(low, name), getattr(high, name)]
    assert numbers(batch, "report_round") == [low.round, high.round]
    words = [low.signed_whole.to_bytes(32, "big", signed=True), b"\x7f" + b"\xff" * 31]
    assert batch["signed_whole"].to_pylist() == words


def test_a_time_that_no_timestamp_holds_is_null_and_its_row_keeps_the_bytes(
    odd_schema: Any,
) -> None:
    zeros = (0, 0, 0, 0, 0, 0, b"\0" * 5, 0)
    beyond = [(253_402_300_800, 0, 0), (0, 253_402_300_800_000, 0), (0, 0, 2**63), (2**64 - 1,) * 3]
    made = [odd_schema(*HEAD, *zeros, *times) for times in [*beyond, (1, 2, 3)]]
    raws = [NETWORK.sign(report).encode() for report in made]
    fast, slow = both_ways(lambda: columns.decode(raws))
    assert_equal_tables(fast, slow)
    batch = fast["chainlink_v3854"]
    assert batch["raw"].to_pylist() == [*raws[:4], None]
    assert numbers(batch, "seconds") == [None, 0, 0, None, 1]
    assert numbers(batch, "millis") == [0, None, 0, None, 2]
    assert numbers(batch, "nanos") == [0, 0, None, None, 3]
    assert columns.encode(batch).to_pylist() == raws


def test_narrow_decimals_lose_nothing(odd_schema: Any) -> None:
    zeros = (0, 0, 0, 0, b"\0" * 5, 7, 1, 2, 3)
    made = [odd_schema(*HEAD, 0, 0, most, *zeros[1:]) for most in (10**38 - 1, 10**38)]
    assets_ = [Asset(1, 10**38 - 1), Asset(2, -(10**38))]
    items: list[Any] = [NETWORK.sign(report).encode() for report in made]
    items += [SIGNER.sign(assets_[:n], timestamp_ns=NOW).encode() for n in (0, 1, 2)]
    items.append({"type": "unsigned", "tax": 1, "ts": 2, "a": [{"id": 1, "v": "5"}]})
    for tables in both_ways(lambda: columns.decode(items)):
        found = {name: columns.narrow(table) for name, table in tables.items()}
        for name, table in found.items():
            table.validate(full=True)
            assert "decimal256" not in str(table.schema)
            assert columns.encode(table).equals(columns.encode(tables[name]))
            assert columns.narrow(table).equals(table)
            assert len(table) == len(columns.narrow(table.slice(1))) + 1 or not len(table)
        some = columns.narrow(columns.prices(tables))["value"]
        assert (some.null_count, some[0].as_py()) == (1, 10**38 - 1)
        odd, updates = found["chainlink_v3854"], found["stork_updates"]
        assert odd["almost"].to_pylist() == [10**38 - 1, None]
        assert odd["raw"].to_pylist() == [None, items[1]]
        assert updates["raw"].to_pylist() == [None, None, items[4], None]
        values = [[one["value"] for one in row] for row in updates["assets"].to_pylist()]
        assert values == [[], [10**38 - 1], [10**38 - 1, None], [5]]


def test_every_schema_of_the_field_tables_has_a_table() -> None:
    tables = columns.schemas()
    for known in SCHEMAS.values():
        names = tables["chainlink_" + known.key.replace("-", "_")].names
        assert {row.name for row in known.table.fields} <= set(names)
    assert set(tables) == {
        *("errors", "chainlink_unknown", "stork_updates"),
        *("chainlink_" + known.key.replace("-", "_") for known in SCHEMAS.values()),
    }


# --- prices ---------------------------------------------------------------------------------------


def _prices(place: int, value: Any) -> Iterator[tuple[Any, ...]]:
    """The prices of a decoded payload, as rows."""
    if isinstance(value, stork.SignedUpdate):
        for asset in value.assets:
            feed = f"{value.taxonomy_id}/{asset.asset_id}"
            if asset.value is not None:
                yield place, "stork", feed, "value", asset.value, value.timestamp_ns
    elif isinstance(value.report, chainlink.Report):
        report: Any = value.report
        factor = 10**6 if report.schema.key == "v3-hf" else 10**9
        observed, feed = report.observations_timestamp * factor, "0x" + report.feed_id.hex()
        for row in report.schema.table.fields:
            if row.unit.is_price:
                yield place, "chainlink", feed, row.name, getattr(report, row.name), observed


def test_every_price_has_a_row() -> None:
    raws = [entry.raw for entry in corpus.entries()]
    mask = stork.SignedUpdate(
        b"\x01" * 32, b"\x02" * 32, 0, "versioned", 2, 7, NOW, (Asset(1, None, 3), Asset(2, None))
    )
    tables = columns.decode([*raws, mask.encode()])
    found = columns.prices(tables)
    found.validate(full=True)
    assert found.schema.equals(columns.PRICES, check_metadata=True)
    expected: list[Any] = []
    for place, raw in enumerate(raws):
        try:
            (leaf,) = payloads.decode(raw).leaves()
        except PayloadError:
            continue
        expected += _prices(place, leaf.value)
    names = ("row", "system", "feed", "field", "value", "observed")
    rows = list(zip(*(numbers(found, name) for name in names), strict=True))
    assert rows == [(*row[:-1], row[-1]) for row in expected]
    assert len(rows) > 200
    halves = {name: columns.narrow(table.slice(1)) for name, table in tables.items()}
    kept = set(zip(*(numbers(columns.prices(halves), name) for name in names), strict=True))
    assert kept < set(rows)
    assert columns.prices({"errors": tables["errors"]}).num_rows == 0


# --- some columns ---------------------------------------------------------------------------------


def assert_selected(found: dict[str, Any], whole: dict[str, Any], only: set[str]) -> None:
    assert list(found) == list(whole)
    assert found["errors"].equals(whole["errors"])
    for name in found.keys() - {"errors"}:
        names = [each for each in whole[name].schema.names if each in {"row", *only}]
        assert found[name].equals(whole[name].select(names)), name
        assert found[name].schema.names == names


_NAMES = sorted({name for each in columns.schemas().values() for name in each.names})


@given(st.sets(st.sampled_from(_NAMES), max_size=5))
@settings(max_examples=15)
def test_some_columns_are_those_of_the_whole_tables(only: set[str]) -> None:
    mixed: list[Any] = [entry.raw for entry in corpus.entries()]
    reports_, updates = MANY[:30], MANY[-30:]
    for items in (mixed, reports_, updates, [raw.hex() for raw in reports_], pa.array(updates)):
        assert_selected(columns.decode(items, only=only), columns.decode(items), only)


def test_some_columns_of_times_that_no_timestamp_shows(singles: list[Any]) -> None:
    """They are null, and their rows keep their bytes, for whoever asks for them."""
    made = [SIGNER.sign([Asset(1, 5)], timestamp_ns=2**63 + n).encode() for n in range(30)]
    for only in ({"raw"}, {"r"}, {"raw", "r"}, {"timestamp_ns"}, {"assets"}, set[str]()):
        whole = columns.decode(made, form="signed_ecdsa")
        assert_selected(columns.decode(made, form="signed_ecdsa", only=only), whole, only)
    assert whole["stork_updates"]["raw"].to_pylist() == made
    assert len(singles) == 0


@pytest.mark.parametrize("only", [["bid", "worth"], ["r", "worth"], "worth", ["chainlink_v3"], [7]])
def test_columns_that_no_table_has_are_misuse(only: Any) -> None:
    with pytest.raises(Misuse, match="no such column"):
        columns.decode(MANY, only=only)


def test_a_table_without_some_of_its_columns_is_not_taken_for_the_whole() -> None:
    tables = columns.decode(MANY, only=["bid", "ask", "feed_id"])
    with pytest.raises(Misuse, match="not a batch of a table of payloads"):
        columns.encode(tables["chainlink_v3"])
    for work in (columns.facts, columns.prices):
        with pytest.raises(Misuse, match="a table without some of its columns"):
            work(tables)


# --- large batches --------------------------------------------------------------------------------


def test_a_large_batch_of_all_kinds_keeps_the_order_of_its_input(singles: list[Any]) -> None:
    random = Random(7)
    made = [entry.raw for entry in corpus.of("fullReport")]
    update = SIGNER.sign(
        [Asset(index, -index * 10**20) for index in range(100)], timestamp_ns=NOW
    ).encode()
    made += [corpus.entry("st-001").raw, update, b"\x01" * 500]
    batch = [random.choice(made) for _ in range(4_000)]
    found = columns.decode(batch)
    for name, table in found.items():
        assert (table["row"].to_numpy()[1:] > table["row"].to_numpy()[:-1]).all(), name
        assert columns.encode(table).to_pylist() == [batch[row] for row in table["row"].to_pylist()]
    assert sum(map(len, found.values())) == len(batch)
    assert len(singles) < 400
    small = [random.choice(made[:3]) for _ in range(40)]
    assert_equal_tables(*both_ways(lambda: columns.decode(small)))


def test_narrow_tables_are_read_by_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb")
    tables = {name: columns.narrow(table) for name, table in columns.decode(MANY).items()}
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, pa.table(table))
        assert len(connection.sql(f"select * from {name}").fetchall()) == len(table)
    price = chainlink.decode(MANY[0]).report.bid
    query = "select max(bid), epoch_ms(max(observations_timestamp)) from chainlink_v3"
    (found,) = connection.sql(query).fetchall()
    assert found == (price, chainlink.decode(MANY[0]).report.observations_timestamp * 1000)
    prices = pa.table(columns.narrow(columns.prices(tables)))
    connection.register("prices", prices)
    query = "select max(value) from prices where field = 'bid'"
    assert connection.sql(query).fetchall() == [(price,)]
    query = "select sum(a.value) from (select unnest(assets) as a from stork_updates)"
    ((total,),) = connection.sql(query).fetchall()
    assert total == 30 * sum(asset.value or 0 for asset in stork.decode(MANY[-1]).assets)


# --- facts and digests ----------------------------------------------------------------------------


def test_facts_and_digests_are_those_of_the_single_decoder() -> None:
    items: list[Any] = [entry.raw for entry in corpus.entries() if entry.kind != "invalid"] * 2
    fast, slow = both_ways(lambda: columns.facts(columns.decode(items)))
    assert fast.to_pylist() == slow.to_pylist()
    assert fast.schema.equals(columns.FACTS, check_metadata=True)
    digests, again = both_ways(lambda: columns.digests(items))
    assert digests.equals(again)
    by_row = {row: index for index, row in enumerate(fast["row"].to_pylist())}
    for row, item in enumerate(items):
        decoded = outcome(payloads.decode, item)
        leaves = [] if isinstance(decoded, PayloadError) else list(decoded.leaves())
        if len(leaves) != 1 or not recognise.is_signed(leaves[0].value):
            assert digests[row].as_py() is None
            continue
        (leaf,) = leaves
        assert digests[row].as_py() == leaf.value.signing_digest
        facts = {name: fast[name][by_row[row]] for name in ("system", "schema", "signatures")}
        schema = getattr(getattr(leaf.value, "report", None), "schema", None)
        layout = getattr(leaf.value, "layout", None)
        assert facts["system"].as_py() == leaf.system
        if schema is not None or layout is not None:
            assert facts["schema"].as_py() == (layout or schema.key)
        assert facts["signatures"].as_py() == len(systems.named(leaf.system).recover(leaf.value))


# Bytes with which text begins or goes on, and bytes that no text has there.
_TEXTUAL = b"{[0xX \t\n\r\v\f1a}\x7f\x80\xbf\xc3\xe2\xf0\xff\x00"


@pytest.mark.parametrize("size", [1, 2, 3, 64, 65, 66, 200])
def test_text_is_told_from_bytes_as_each_alone_is(size: int) -> None:
    source = Random(size)
    rests = [b"a" * size, "é".encode() * size, "a€".encode() * size, source.randbytes(size)]
    raws = [
        (bytes([first, second]) + rest)[:size]
        for first in (*_TEXTUAL, ord("z"))
        for second in _TEXTUAL
        for rest in (*rests, b"a" * 62 + source.randbytes(size))
    ]
    found = inputs.no_text(Alike(np.frombuffer(b"".join(raws), np.uint8).reshape(-1, size)))
    assert found.tolist() == [json_text(raw) is None and hex_text(raw) is raw for raw in raws]


@pytest.mark.parametrize("sizes", [[], [3], [3, 3], [3, 0], [0, 0], [2, 4, 3], [3, 3, 4]])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string()])
def test_payloads_are_found_where_they_are_in_an_array(sizes: list[int], kind: Any) -> None:
    raws = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    array = pa.array([b"before", *raws, b"after"], pa.binary()).cast(kind)
    found = inputs.in_place(array.slice(1, len(raws)))
    if kind == pa.string() or len({*sizes}) != 1 or 0 in sizes:
        assert found is None
    else:
        assert found is not None
        assert list(map(bytes, found)) == raws
    assert inputs.in_place(pa.array([None, b"abc"], pa.binary())) is None


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.int64(), pa.binary(32)])
@pytest.mark.parametrize("count", [0, 1, 9, 131_071, 131_072, 262_144])
def test_nulls_are_those_of_arrow(kind: Any, count: int) -> None:
    found = nulls(count, kind)
    found.validate(full=True)
    assert found.null_count == count
    assert found.equals(pa.nulls(count, kind))
    assert found.nbytes == pa.nulls(count, kind).nbytes


@pytest.mark.parametrize("size", [0, 1, 28, 136, 288])
def test_rows_are_hashed_wherever_they_stand(size: int) -> None:
    whole = np.frombuffer(Random(size).randbytes(2500 * 300), np.uint8).reshape(2500, 300)
    found = keccak_rows(whole[:, 7 : 7 + size])
    assert found.tobytes() == b"".join(keccak256(bytes(row[7 : 7 + size])) for row in whole)
    assert keccak_rows(whole[:0, :size]).shape == (0, 32)
