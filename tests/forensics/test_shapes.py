"""Lines that are read together give what they give one by one, whatever is changed in them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payloads.capture import seals
from payloads.forensics.scanning import native, parts, reading, shapes
from payloads.forensics.scanning.reading import LineReader, Origin
from tests.forensics import kit

# Bytes that are digits, hex digits, or nearly so; and those that JSON gives a meaning.
NEARLY = b'0123456789abcdefABCDEFxXgG/:@`"\\{}[], \r\n\x00\x7f\xc3\xff'
BASE = kit.content(
    [kit.line(kit.chainlink_frame(kit.report(number), number)) for number in range(12)]
    + [kit.line(kit.stork_frame(kit.update(number), number)) for number in range(12)]
)


@pytest.fixture(params=["python", "simd"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways to read lines of a shape; the second one where payloads-simd is installed."""
    if request.param == "simd" and native.simd() is None:
        pytest.skip("payloads-simd is not installed")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(native, "simd", lambda: None)
            patch.setattr(shapes, "simd", lambda: None)
        yield request.param


def read(content: bytes, *sizes: int) -> reading.Read:
    """The rows of content that comes in blocks of about these sizes, and the rest at once."""
    reader = LineReader(Origin(0))
    at, line = 0, 1
    for size in (*sizes, 0):
        end = content.find(b"\n", at + size) + 1 if size else len(content)
        if at < (end := end or len(content)):
            line += reader.add(content[at:end], at, line)
            at = end
    return reader.read()


def same(content: bytes, *sizes: int) -> reading.Read:
    with kit.every_way_fast():
        fast = read(content, *sizes)
    with kit.every_way_slow():
        slow = read(content)
    for name in ("frames", "items", "events"):
        batch: pa.RecordBatch = getattr(fast, name)
        batch.validate(full=True)
        assert kit.rows(batch) == kit.rows(getattr(slow, name)), name
    assert fast.records == slow.records
    return fast


def edited(content: bytes, source: random.Random) -> bytes:
    """The content with some bytes of some lines changed, taken out, doubled or exchanged."""
    lines = content.split(b"\n")
    for _ in range(source.randrange(1, 12)):
        at = source.randrange(1, len(lines))
        line = bytearray(lines[at] or b"?")
        place = source.randrange(len(line))
        kind = source.randrange(7)
        if kind < 4:
            line[place] = source.choice(NEARLY)
        elif kind == 4:
            del line[place]
        elif kind == 5:
            line.insert(place, source.choice(NEARLY))
        else:
            other = lines[source.randrange(1, len(lines))]
            line[place:] = other[place:]
        lines[at] = bytes(line)
    return b"\n".join(lines)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(1, 9_000), max_size=6))
def test_edited_lines_give_the_same_rows(source: random.Random, sizes: list[int]) -> None:
    content = edited(BASE, source)
    same(content, *sizes)
    if native.simd() is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "simd", lambda: None)
            patch.setattr(shapes, "simd", lambda: None)
            same(content, *sizes)


def test_every_byte_of_a_line_may_be_another(way: str) -> None:
    lines = BASE.split(b"\n")
    first = lines[1]
    source = random.Random(3)
    # All bytes around the payload's digits, and some of those.
    digits = range(first.index(b"fullReport"), len(first))
    places = [
        *range(digits.start + 20),
        *source.sample(digits, 60),
        *range(len(first) - 160, len(first)),
    ]
    made = [first[:place] + bytes([source.choice(NEARLY)]) + first[place + 1 :] for place in places]
    same(b"\n".join([lines[0], *lines[1:9], *made, b""]))


def test_a_shape_is_used_in_later_blocks(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exemplars: list[bytes] = []
    shape = shapes._shape

    def counted(line: bytes) -> shapes.Shape | None:
        exemplars.append(line)
        return shape(line)

    monkeypatch.setattr(shapes, "_shape", counted)
    head, *frames = BASE.rstrip(b"\n").split(b"\n")
    assert len(frames) == 24
    two = [frames[0], frames[12]] * 40
    found = same(b"\n".join([head, *two, b""]), *[len(frames[0]) * 3] * 30)
    assert found.frames["kind"].to_pylist().count("signed") == 80
    # The header's line is one, too.
    assert len(exemplars) <= 4


def test_a_member_named_at_is_no_time_of_the_frame(way: str) -> None:
    lines = [
        kit.line(kit.stork_frame(kit.update(number), number)).replace(
            rb"{\"type\"", rb"{\"at\":5,\"type\""
        )
        for number in range(9)
    ]
    assert all(rb"\"at\":5" in line for line in lines)
    times = same(kit.content(lines)).items["at"].cast(pa.int64()).to_pylist()
    assert min(times) > 5


@pytest.mark.parametrize(
    "claims",
    [
        {"feedID": "0x" + "0" * 63},
        {"feedID": 7},
        {"observationsTimestamp": "0x" + "0" * 63},
        {"observationsTimestamp": 0},
    ],
)
def test_statements_of_another_type_are_kept_as_they_are(claims: dict[str, Any], way: str) -> None:
    lines = [
        kit.line(kit.chainlink_frame(kit.report(number), number, **claims)) for number in range(9)
    ]
    stated = same(kit.content(lines)).items["claims"].to_pylist()
    (name, value), *_ = claims.items()
    assert [json.loads(each)[name] if each else each for each in stated] == [
        None if value == 0 else value
    ] * 9


@pytest.mark.parametrize("long", [False, True])
def test_lines_are_found_and_counted(long: bool, way: str) -> None:
    source = random.Random(long)
    lines = [b"x" * source.randrange(600 if long else 0, 900 if long else 40) for _ in range(50)]
    content = b"\n".join(lines)
    wanted = [at for at, byte in enumerate(content) if byte == 10]
    assert native.line_ends(content).tolist() == wanted
    assert native.count_lines(content) == len(wanted) == 49
    assert native.line_ends(b"").tolist() == []


def test_hashes_and_their_texts(way: str) -> None:
    data, ends = bytes(range(200)), np.array([3, 3, 4, 60, 200])
    digests = native.sha256_many(data, ends)
    wanted = [hashlib.sha256(data[a:b]).digest() for a, b in ((3, 3), (3, 4), (4, 60), (60, 200))]
    assert digests == b"".join(wanted)
    words = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    texts = bytes(memoryview(native.hex_words(words)).cast("B")).decode()
    assert texts == "".join("0x" + each.hex() for each in wanted)
    assert bytes(native.hex_words(words[:0])) == b""


@pytest.mark.parametrize("size", [0, 1, 31, 64])
def test_hashes_of_pieces_of_one_length(size: int, way: str) -> None:
    data, count = random.Random(size).randbytes(2 + size * 3000), 3000
    digests = native.sha256_many(data, np.arange(count + 1) * size + 2)
    pieces = [data[2 + size * at : 2 + size * (at + 1)] for at in range(count)]
    assert digests == b"".join(hashlib.sha256(each).digest() for each in pieces)


def test_hashes_of_many_pieces_of_different_lengths(way: str) -> None:
    source = random.Random(1)
    pieces = [source.randbytes(source.randrange(4)) for _ in range(3000)]
    ends = np.cumsum([2, *map(len, pieces)])
    digests = native.sha256_many(b"ab" + b"".join(pieces), ends)
    assert digests == b"".join(hashlib.sha256(each).digest() for each in pieces)


def test_simd_refuses_memory_that_does_not_fit() -> None:
    simd: Any = pytest.importorskip("payloads_simd")
    block, starts, good = b"ab12\nab34\n", np.array([0, 5]), np.zeros(2, np.uint8)
    out = np.zeros(4, np.uint8)
    simd.read_lines(block, starts, b"ab12", [(2, 4, "d", out)], good)
    assert (good.tolist(), out.tobytes()) == ([1, 1], b"1234")
    for wrong in (
        (block, np.array([0, 7]), b"ab12", [(2, 4, "d", out)], good),
        (block, np.array([-1, 0]), b"ab12", [(2, 4, "d", out)], good),
        (block, starts, b"ab12", [(2, 5, "d", out)], good),
        (block, starts, b"ab12", [(2, 4, "?", out)], good),
        (block, starts, b"ab12", [(2, 4, "d", out[:3])], good),
        (block, starts, b"ab12", [(2, 4, "d", out)], out[:2]),
        (block, starts, b"ab12", [(2, 4, "d", np.frombuffer(b"1234", np.uint8))], good),
    ):
        with pytest.raises(ValueError, match=r"fit|beyond|kind"):
            simd.read_lines(*wrong)
    with pytest.raises(ValueError, match="beyond"):
        simd.sha256_many(np.zeros(3, np.uint8), np.array([0, 4]))


MARKED = b'{"at":1700000000000000000,"venue":"stork","conn":0,"what":"hash"}\n'


@pytest.mark.parametrize("size", [0, 10, 3000])
@pytest.mark.parametrize("marks", ["simd", "line by line", "together"])
def test_marks_of_hashes_are_found(size: int, marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if marks == "simd":
        pytest.importorskip("payloads_simd")
    monkeypatch.setattr(seals, "has_simd", lambda: marks == "simd")
    monkeypatch.setattr(native, "simd", lambda: None)
    found = native.marks if marks == "together" else seals.marks
    frame = b'{"at":1,"venue":"stork","conn":1,"text":"' + b"0" * size + b'"}\n'
    data = frame * 3 + MARKED + frame + MARKED
    first = 3 * len(frame) + MARKED.index(seals.MARK)
    second = first + len(MARKED) + len(frame)
    assert list(found(data, 0, len(data))) == [first, second]
    assert list(found(data, 3 * len(frame), len(data))) == [first, second]
    assert list(found(data, 3 * len(frame) + len(MARKED), len(data))) == [second]
    assert list(found(data, 0, first + 5)) == []
    assert list(found(data, len(data), len(data))) == []
    assert list(found(MARKED, 0, len(MARKED))) == [MARKED.index(seals.MARK)]


def test_marks_are_found_together_wherever_lines_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "simd", lambda: None)
    source, within = random.Random(3), seals.BEGINS_WITHIN - len(seals.MARK)
    for _ in range(500):
        fronts = source.choices((0, 1, 20, 90, within, within + 1, 300), k=source.randrange(1, 9))
        marks = (b"", seals.MARK, seals.MARK * 2, seals.MARK[:-1])
        data = b"".join(b"x" * size + source.choice(marks) + b"yy\n" for size in fronts)
        starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)][:-1]
        begin, end = source.choice(starts), source.choice((*starts, len(data)))
        found = list(native.marks(data, begin, end))
        assert found == sorted(set(found))
        assert all(data.startswith(seals.MARK, at) for at in found)
        assert all(begin <= at <= end - len(seals.MARK) for at in found)
        for start, size in zip(starts, fronts, strict=True):
            has_mark = data.startswith(seals.MARK, start + size) and begin <= start < end
            assert start + size in found or not has_mark or size > within


def test_line_ends_are_those_of_the_bytes_that_were_asked_about(way: str) -> None:
    first, second = b"a\nbb\n", b"cc\ndddd\n"
    for _ in range(2):
        assert native.line_ends(b"").tolist() == []
        for data in (first, second):
            assert native.line_ends(data).tolist() == [len(data) - len(data.split()[1]) - 2,
                                                       len(data) - 1]  # fmt: skip
            assert native.count_lines(data) == 2


def test_parts_count_their_lines(way: str) -> None:
    content = BASE * 3
    pieces = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    found = [each.part for each in parts.cut(0, pieces, 8_000)]
    assert len(found) > 5
    for part in found:
        assert part.line == content.count(b"\n", 0, part.first) + 1
