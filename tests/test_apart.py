"""Columns taken apart by payloads-simd are those of numpy, row for row."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payloads import columns
from payloads.arrays import apart
from payloads.arrays import rows as inputs
from payloads.chainlink import columns as of_reports
from payloads.chainlink.calldata import VERIFY
from payloads.stork import calldata as stork_calls
from payloads.stork import columns as of_updates
from payloads.strategies import reports
from payloads.testing import InsecureTestNetwork
from tests import corpus
from tests.test_columns import MANY, assert_equal_tables, signed_payloads, worth

pytest.importorskip("payloads_simd")

NETWORK = InsecureTestNetwork("apart", size=4, f=1)


@pytest.fixture
def by_numpy(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Call something as without the wheel."""

    def call(work: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(apart, "_simd", lambda: None)
            return work()

    return call


def pieces(reader: Any, matrix: Any) -> list[Any]:
    with worth(1):
        return [
            (piece.table, piece.rows.tolist(), {k: v.to_pylist() for k, v in piece.columns.items()})
            for piece in reader.read(matrix)
        ]


def matrix_of(raws: list[bytes]) -> Any:
    return np.frombuffer(b"".join(raws), np.uint8).reshape(len(raws), -1)


@given(reports(), st.integers(0, 4), st.integers(1, 70))
@settings(max_examples=40)
def test_reports_of_any_schema(report: Any, count: int, rows: int) -> None:
    raw = NETWORK.sign(report, by=range(count)).encode()
    found = pieces(of_reports, matrix_of([raw] * rows))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(apart, "_simd", lambda: None)
        assert found == pieces(of_reports, matrix_of([raw] * rows))


@given(signed_payloads(), st.integers(1, 40))
@settings(max_examples=60)
def test_payloads_with_a_byte_changed(raw: bytes, rows: int) -> None:
    found = [pieces(reader, matrix_of([raw] * rows)) for reader in (of_reports, of_updates)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(apart, "_simd", lambda: None)
        for reader, mine in zip((of_reports, of_updates), found, strict=True):
            assert mine == pieces(reader, matrix_of([raw] * rows))


def test_every_bit_that_must_not_change_is_looked_at(by_numpy: Any) -> None:
    """Payloads with a bit changed, each in a batch of its own, and among unchanged ones."""
    raw = corpus.entry("cl-003").raw
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :]
        for batch in ([changed], [raw, changed]):
            matrix = matrix_of(batch)
            assert pieces(of_reports, matrix) == by_numpy(lambda m=matrix: pieces(of_reports, m))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MANY[:30],
        lambda: [raw.hex() for raw in MANY[:30]],
        lambda: ["0x" + raw.hex() for raw in MANY[30:]],
        lambda: [raw.hex().upper() for raw in MANY[30:]],
        lambda: pa.array(MANY[:30], pa.binary(len(MANY[0]))),
        lambda: pa.array(MANY[:30], pa.binary(len(MANY[0]))).slice(3, 26),
        lambda: pa.array([None, *MANY[:30], None], pa.binary(len(MANY[0]))),
    ],
)
def test_lists_and_arrays_of_one_size(by_numpy: Any, make: Any) -> None:
    items = make()
    assert_equal_tables(columns.decode(items), by_numpy(lambda: columns.decode(items)))


@pytest.mark.parametrize(
    "odd",
    [b"?", b"", bytearray(len(MANY[0])), None, 7, "?", MANY[0].hex(), "ü" * len(MANY[0])],
)
@pytest.mark.parametrize("place", [0, 17, 29])
def test_lists_with_an_item_of_another_kind(by_numpy: Any, odd: Any, place: int) -> None:
    for items in (list(MANY[:30]), [raw.hex() for raw in MANY[:30]]):
        items[place] = odd
        assert_equal_tables(columns.decode(items), by_numpy(lambda i=items: columns.decode(i)))


def test_a_list_of_one_layout_is_taken_apart_where_it_is(
    monkeypatch: pytest.MonkeyPatch, by_numpy: Any
) -> None:
    items = MANY[:30]
    wanted = by_numpy(lambda: columns.decode(items))
    monkeypatch.delattr(inputs, "read")  # which copies
    assert_equal_tables(columns.decode(items), wanted)
    assert_equal_tables(columns.decode(items, form="full_report"), wanted)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(len(MANY[0]))])
def test_an_array_of_one_layout_is_taken_apart_where_it_is(
    monkeypatch: pytest.MonkeyPatch, by_numpy: Any, kind: Any
) -> None:
    array = pa.array(MANY[:30], kind)
    wanted = [by_numpy(lambda a=part: columns.decode(a)) for part in (array, array.slice(4, 26))]
    monkeypatch.delattr(inputs, "read")  # which looks at every size
    assert_equal_tables(columns.decode(array), wanted[0])
    assert_equal_tables(columns.decode(array.slice(4, 26)), wanted[1])
    assert_equal_tables(columns.decode(pa.record_batch([array], ["payload"])), wanted[0])


@pytest.mark.parametrize("place", [0, 1, 17, 29])
@pytest.mark.parametrize("start", [b"\x01", b"{", b"0", VERIFY.selector])
def test_reports_of_several_networks(by_numpy: Any, place: int, start: bytes) -> None:
    """They differ in their first bytes, which only one of them may have."""
    items = list(MANY[:30])
    items[place] = start + items[place][len(start) :]
    for batch in (items, pa.array(items, pa.binary())):
        for form in (None, "full_report"):
            found = columns.decode(batch, form=form)
            slow = by_numpy(lambda g=batch, f=form: columns.decode(g, form=f))
            assert_equal_tables(found, slow)


def test_a_list_of_updates_is_taken_apart_where_it_is(
    monkeypatch: pytest.MonkeyPatch, by_numpy: Any
) -> None:
    """Whatever their signatures begin with: like text, or like the size of something compressed."""
    random, end = Random(6), MANY[-1][65:]
    starts = [bytes([first]) for first in b"{[0 \t\n\r\v\f\xff"]
    items = [(random.choice(starts) + random.randbytes(65))[:65] + end for _ in range(300)]
    items += [random.randbytes(65) + end for _ in range(300)]
    wanted = by_numpy(lambda: columns.decode(items))
    monkeypatch.delattr(inputs, "read")
    assert_equal_tables(columns.decode(items), wanted)
    assert_equal_tables(columns.decode(items, form="signed_ecdsa"), wanted)


@pytest.mark.parametrize("text", [b"{", b"0", b" ", b"{}", b"0x", b"\n0x12", b"[1]", b"  ", b"00"])
def test_short_text_is_no_payload(by_numpy: Any, text: bytes) -> None:
    for form in (None, "signed_ecdsa", "full_report"):
        found = columns.decode([text] * 30, form=form)
        assert_equal_tables(
            found, by_numpy(lambda form=form: columns.decode([text] * 30, form=form))
        )
    assert found["errors"].num_rows == 30


def test_an_update_that_is_text_is_read_as_text(by_numpy: Any) -> None:
    """As JSON it is no frame, though it has the size of an update."""
    text = b'{"a": "' + b"7" * (len(MANY[-1]) - 9) + b'"}'
    for items in ([text] * 30, [*MANY[-29:], text]):
        found = columns.decode(items, form="signed_ecdsa")
        slow = by_numpy(lambda i=items: columns.decode(i, form="signed_ecdsa"))
        assert_equal_tables(found, slow)


@pytest.mark.parametrize("form", [None, "full_report", "report", "signed_ecdsa"])
@pytest.mark.parametrize(
    "start",
    [b"{", b"0", b" ", VERIFY.selector, stork_calls.FUNCTIONS[0].selector, b"\xff\xff"],
)
def test_what_may_be_text_or_a_call_is_recognised_first(
    by_numpy: Any, form: str | None, start: bytes
) -> None:
    """These are canonical reports all the same, whose digest begins like something else."""
    raw = MANY[0]
    for items in ([start + raw[len(start) :]] * 30, [raw] * 29 + [start + raw[len(start) :]]):
        found = columns.decode(items, form=form)
        assert_equal_tables(found, by_numpy(lambda i=items: columns.decode(i, form=form)))


@pytest.mark.parametrize("text", ["", "0x", "0x0", "0", "zz" * 20, "0x" + "é" * 20])
def test_texts_that_are_no_hex(by_numpy: Any, text: str) -> None:
    items = [text] * 30
    assert_equal_tables(columns.decode(items), by_numpy(lambda: columns.decode(items)))


def test_a_large_item_among_small_ones_is_no_reason_for_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: Any) -> Any:
        raise AssertionError("memory for all items in the size of the first")

    monkeypatch.setattr(apart, "memory", none)
    for small, large in ((b"?", bytes(10**6)), ("00", "00" * 10**6)):
        assert inputs.read([large, *[small] * 50]).sizes[0] == 10**6


def test_misfits_are_errors_and_no_writing_anywhere() -> None:
    simd: Any = pytest.importorskip("payloads_simd")
    data, out = np.zeros((4, 8), np.uint8), np.zeros((4, 4), np.int8)

    def take(rows: Any = data, where: Any = (8, 0, 8, 1), column: Any = (0, 4, 4, "b")) -> Any:
        return simd.take_apart(rows, *where, b"", b"", [], [(*column, out)])

    assert take()
    for where in ((8, 0, 8, 2), (8, 1, 8, 1), (8, 0, 0, 1), (0, 0, 8, 1), (8, 0, 8, 0)):
        with pytest.raises(ValueError, match="records"):
            take(where=where)
    for column in ((5, 4, 4, "b"), (0, 4, 8, "u"), (0, 4, 2, "u"), (0, 4, 4, "x")):
        with pytest.raises(ValueError, match="column"):
            take(column=column)
    with pytest.raises(ValueError, match="one after the other"):
        take(rows=data[:, ::2])
    with pytest.raises(ValueError, match="fit"):
        simd.take_apart(data, 8, 0, 8, 1, b"", b"", [], [(0, 8, 8, "b", data.view(np.int8))])
    with pytest.raises(ValueError, match="records"):
        simd.take_apart([bytes(8)] * 4, 8, 0, 8, 1, b"\0", b"\0", [], [])
    with pytest.raises(ValueError, match="fit"):
        simd.unhex_many(["00"] * 3, 1, np.zeros(4, np.uint8))
    frozen = np.zeros(4, np.uint8)
    frozen.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        simd.unhex_many(["00"] * 4, 1, frozen)
