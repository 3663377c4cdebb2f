"""What `payloads.arrays.apart` asks of payloads-simd, without the wheel.

`take_apart` here does what the compiled function does, value by value. `tests/test_apart.py` asks
the compiled function itself, where it is installed.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from payloads.arrays import apart
from payloads.chainlink import columns as of_reports
from payloads.chainlink.schemas import SCHEMAS
from payloads.stork import columns as of_updates
from payloads.stork.update import ASSETS, Asset
from payloads.testing import InsecureTestNetwork, InsecureTestStorkSigner
from tests.test_columns import worth

NETWORK = InsecureTestNetwork("taken apart", size=4, f=1)
SIGNER = InsecureTestStorkSigner("taken apart")


def number_of(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def take_apart(
    payloads: Any, size: int, begin: int, record: int, each: int,
    template: bytes, mask: bytes, signs: list[tuple[int, int]], wanted: list[Any],
) -> bool:  # fmt: skip
    """Whether all records have the demanded bytes. `wanted` has the memory of each column."""
    raws = [bytes(one) for one in payloads]
    assert {len(raw) for raw in raws} == {size}
    records = [raw[begin + number * record :][:record] for raw in raws for number in range(each)]
    for one in records:
        if mask and (number_of(one) ^ number_of(template)) & number_of(mask):
            return False
        for at, count in signs:
            if one[at : at + count] != (b"\xff" if one[at + count] >> 7 else b"\0") * count:
                return False
    for at, long, width, letter, out in wanted:
        found = [one[at : at + long] for one in records]
        if letter != "b":
            numbers = [int.from_bytes(each, "big", signed=letter == "i") for each in found]
            found = [each.to_bytes(width, "little", signed=letter == "i") for each in numbers]
        np.frombuffer(out, np.uint8)[:] = np.frombuffer(b"".join(found), np.uint8)
    return True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The answers of `take_apart`, which stands for the wheel's."""
    answers: list[bool] = []

    def answered(*given: Any) -> bool:
        answers.append(take_apart(*given))
        return answers[-1]

    monkeypatch.setattr(apart, "_simd", lambda: SimpleNamespace(take_apart=answered))
    return answers


def pieces(reader: Any, raws: list[bytes]) -> Any:
    matrix = np.frombuffer(b"".join(raws), np.uint8).reshape(len(raws), -1)
    with worth(1):
        return [
            (piece.table, piece.rows.tolist(), pa.table(piece.columns).to_pylist())
            for piece in reader.read(matrix)
        ]


def by_numpy(reader: Any, raws: list[bytes]) -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(apart, "_simd", lambda: None)
        return pieces(reader, raws)


def reports_of(known: Any, sign: int, count: int) -> list[bytes]:
    """Three payloads, no value of which is like another. Signed numbers have this sign."""
    made = []
    for first in (1, 50, 100):
        cells = [
            known.prefix.ljust(row.type.size, bytes([first + number]))
            if row.type.kind == "bytes"
            else (first + number) * (sign if row.type.signed else 1)
            for number, row in enumerate(known.table.fields)
        ]
        made.append(bytes(NETWORK.sign(known.record(*cells), by=range(count)).encode()))
    return made


@pytest.mark.parametrize("known", list(SCHEMAS.values()), ids=lambda known: known.key)
@pytest.mark.parametrize(("sign", "count"), [(1, 1), (-1, 2)])
def test_reports_of_every_schema(asked: list[bool], known: Any, sign: int, count: int) -> None:
    raws = reports_of(known, sign, count)
    assert pieces(of_reports, raws) == by_numpy(of_reports, raws)
    assert asked == [True]


def test_reports_that_begin_alike_and_others(asked: list[bool]) -> None:
    """Only where their first bytes differ are they looked at twice."""
    raws = reports_of(SCHEMAS[b"\x00\x03"], 1, 2)
    other = raws[1][:100] + bytes([raws[1][100] ^ 1]) + raws[1][101:]  # no report as encoders write
    for changed, answers in (
        (raws, [True]),
        ([raws[0], b"\xee" + raws[1][1:], raws[2]], [False, True]),
        ([raws[0], other, raws[2]], [False]),
    ):
        asked.clear()
        assert pieces(of_reports, changed) == by_numpy(of_reports, changed)
        assert asked == answers


def test_reports_of_no_encoder_are_not_taken_apart(asked: list[bool]) -> None:
    """A word more than their signatures need, or no signature at all."""
    known = SCHEMAS[b"\x00\x03"]
    longer = [raw + bytes(32) for raw in reports_of(known, 1, 2)]
    assert pieces(of_reports, longer) == by_numpy(of_reports, longer) == []
    unsigned = reports_of(known, 1, 0)
    assert pieces(of_reports, unsigned) == by_numpy(of_reports, unsigned)
    assert asked == []


def test_every_byte_that_must_not_change_is_looked_at(asked: list[bool]) -> None:
    raw = reports_of(SCHEMAS[b"\x00\x03"], -1, 2)[0]
    for at in range(len(raw)):
        raws = [raw, raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :]]
        assert pieces(of_reports, raws) == by_numpy(of_reports, raws)
    assert {True, False} == {*asked}


@pytest.mark.parametrize("mask", [None, *ASSETS])
def test_updates_of_every_layout(asked: list[bool], mask: int | None) -> None:
    bits = 1 if mask is None else mask
    raws = []
    for number in range(3):
        held = [
            Asset(number + each, each - 5 if bits & 1 else None, each if bits & 2 else None)
            for each in range(1, 4)
        ]
        time = 1_700_000_000 * 10**9 + number
        raws.append(bytes(SIGNER.sign(held, timestamp_ns=time, mask=mask).encode()))
    assert pieces(of_updates, raws) == by_numpy(of_updates, raws)
    assert True in asked
    for at in range(65, 77):
        changed = [raws[0], raws[1][:at] + bytes([raws[1][at] ^ 1]) + raws[1][at + 1 :]]
        assert pieces(of_updates, changed) == by_numpy(of_updates, changed)
