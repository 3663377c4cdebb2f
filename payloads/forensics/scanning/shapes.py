"""The fast way through the lines of a capture: lines that differ in nothing but digits.

Venues send the same JSON again and again, with other numbers in it. An exemplar of a line is read
by the reader of captures and opened by the recogniser. A line of the same length that has the same
bytes everywhere, but for other digits in the same numbers and other hex digits in the same strings,
is the same JSON with other values, and means the same. So whole groups of lines are read as columns
of a matrix. All other lines are left to the reader of single lines.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from payloads.arrays import rows
from payloads.arrays.records import Mask, Matrix, every, memory, packed
from payloads.capture.format import LaterFormat, line_of, record_of
from payloads.capture.frames import Frame
from payloads.errors import PayloadError
from payloads.forensics.scanning.native import simd
from payloads.forensics.scanning.opening import found_in, is_plain, stated
from payloads.system import Found

# Different shapes of one length that are tried. Feeds and channels differ in length mostly.
_MOST_SHAPES = 8
# A shape that fits fewer lines costs more than it saves, unless it fits all of a length.
_FEW = 8
# After so many exemplars of a length that were like no other line, only many lines are tried.
_MOST_ALONE = 16
# Lengths that are remembered, and the longest line that is.
_MOST_LENGTHS, _LONGEST = 1024, 2**16

_AT = re.compile(rb'\{"at":([1-9][0-9]{0,18}),')
# The members of the message, which stands in the line as a JSON text: quotes have a backslash.
_MEMBER = re.compile(rb'\\"(\w+)\\":(?:\\"0x([0-9a-fA-F]+)\\"|([1-9][0-9]{0,17})(?=[,}]))')
# Bytes that are compared as one number. A payload is at least as long.
_WORD = 8
_POWERS = 10 ** np.arange(18, -1, -1)
_NOT_HEX = 0x100
_HEX = np.full(65536, _NOT_HEX, np.uint16)
for _high in "0123456789abcdefABCDEF":
    for _low in "0123456789abcdefABCDEF":
        _HEX[ord(_high) | ord(_low) << 8] = int(_high + _low, 16)


@dataclass(frozen=True)
class Span:
    """Bytes of a line that may differ: the digits of a number or a hex string, and its name."""

    name: str
    begin: int
    end: int
    is_hex: bool


@dataclass(frozen=True, eq=False)
class Shape:
    """An exemplar: its frame, what the recogniser found in it, and the spans that may differ."""

    line: bytes
    frame: Frame
    found: Found
    at: Span
    payload: Span
    claims: Mapping[str, Span]
    spans: tuple[Span, ...]

    @cached_property
    def fixed(self) -> tuple[Fixed, Fixed]:
        """What is the same in every line, before the payload and behind it."""
        mask = bytearray(b"\xff" * len(self.line))
        for span in self.spans:
            mask[span.begin : span.end] = bytes(span.end - span.begin)
        # Whole words: what is left over of them is the payload's.
        head = self.payload.begin + -self.payload.begin % _WORD
        tail = len(self.line) - self.payload.end
        begin = self.payload.end - -tail % _WORD
        return Fixed.of(self.line, mask, 0, head), Fixed.of(self.line, mask, begin, len(self.line))


@dataclass(frozen=True, eq=False)
class Fixed:
    """Bytes of a line from one on, as words of eight: the exemplar's, and ones where lines have the
    same."""

    begin: int
    end: int
    template: NDArray[np.uint64]
    mask: NDArray[np.uint64]

    @classmethod
    def of(cls, line: bytes, mask: bytes | bytearray, begin: int, end: int) -> Fixed:
        words = (np.frombuffer(each[begin:end], np.uint64) for each in (line, mask))
        return cls(begin, end, *words)


@dataclass(frozen=True, eq=False)
class Shaped:
    """Lines of one shape: their places, and what differs in them."""

    shape: Shape
    rows: NDArray[np.int64]
    at: NDArray[np.int64]
    payloads: Matrix
    # The frame's statements: numbers, or the digits of hex as bytes.
    claims: Mapping[str, NDArray[Any]]


def joined(found: Sequence[Shaped]) -> Shaped:
    """Lines of one shape in several blocks; their places are in their blocks."""
    rows, at = (np.concatenate([getattr(each, name) for each in found]) for name in ("rows", "at"))
    shape = found[0].shape
    payloads = memory(np.uint8, len(rows), found[0].payloads.shape[1])
    np.concatenate([each.payloads for each in found], out=payloads)
    claims = {name: np.concatenate([each.claims[name] for each in found]) for name in shape.claims}
    return Shaped(shape, rows, at, payloads, claims)


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of one length in a block: where each begins."""

    block: bytes
    starts: NDArray[np.int64]
    size: int

    def text(self, index: int) -> bytes:
        """A line, without its end."""
        return self.block[self.starts[index] : self.starts[index] + self.size]

    def matrix(self, rows: NDArray[np.int64]) -> Matrix:
        """Some of the lines, each a row."""
        starts, count, size = self.starts[rows], len(rows), self.size
        if int(starts[-1] - starts[0]) == (count - 1) * (size + 1):
            return np.ndarray((count, size), np.uint8, self.block, int(starts[0]), (size + 1, 1))
        whole = np.ndarray((len(self.block) - size + 1,), f"V{size}", self.block, 0, (1,))
        return whole[starts].view(np.uint8).reshape(count, size)


class Shapes:
    """The shapes of lines that were read, by length: a shape that came once is tried first."""

    def __init__(self) -> None:
        self._known: dict[int, list[Shape]] = {}
        # How often lines of a length came, and how often an exemplar of them was like no other.
        self._seen: Counter[int] = Counter()
        self._alone: Counter[int] = Counter()

    def shaped(self, lines: Lines) -> Iterator[Shaped]:
        """The lines that have a shape in common."""
        self._seen[lines.size] += len(lines.starts)
        left = np.arange(len(lines.starts))
        for shape in reversed(self._known.get(lines.size, ())):
            if not len(left):
                return
            good, found = _read(lines, left, shape)
            if found is not None:
                yield found
                left = left[~good]
        if self._seen[lines.size] < rows.WORTH_AN_ARRAY:
            return
        for _ in range(_MOST_SHAPES):
            enough = min(_FEW, len(left)) if self._alone[lines.size] < _MOST_ALONE else _FEW
            if not 0 < enough <= len(left):
                return
            good = np.zeros(len(left), np.bool_)
            if (new := _shape(lines.text(int(left[0])))) is not None:
                good, found = _read(lines, left, new)
                if found is not None and len(found.rows) >= enough:
                    self._keep(new)
                    yield found
                    left = left[~good]
                    continue
            self._alone[lines.size] += 1
            good[0] = True
            left = left[~good]

    def _keep(self, shape: Shape) -> None:
        if len(self._seen) > _MOST_LENGTHS or len(shape.line) > _LONGEST:
            self._known.clear()
            self._seen.clear()
            self._alone.clear()
        known = self._known.setdefault(len(shape.line), [])
        known.append(shape)
        del known[:-_MOST_SHAPES]


def _shape(line: bytes) -> Shape | None:
    """The shape of a line with one payload; None for any other line."""
    head = _AT.match(line)
    if head is None:
        return None
    try:
        frame = record_of(line, 1, True)
    except LaterFormat:
        return None
    if not isinstance(frame, Frame) or frame.opcode != "text" or frame.redacted:
        return None
    if line_of(frame) != line or not isinstance(frame.data, str):
        return None
    try:
        found = found_in(frame)
    except PayloadError:
        return None
    if not isinstance(found, Found) or len(found.raw) < _WORD or not is_plain(found):
        return None
    if "claims" in stated(found.system, found.claims):
        return None  # of another type, or a feed of another length
    at = Span("at", *head.span(1), False)
    return _with_spans(line, frame, found, at)


def _with_spans(line: bytes, frame: Frame, found: Found, at: Span) -> Shape | None:
    spans = []
    for match in _MEMBER.finditer(line, line.index(b'"text":"')):
        which = 2 if match[2] is not None else 3
        spans.append(Span(match[1].decode(), *match.span(which), which == 2))
    names = {span.name: span for span in spans}
    payload = "0x" + found.raw.hex()
    same = [s for s in spans if s.is_hex and line[s.begin - 2 : s.end].lower() == payload.encode()]
    claims = dict(found.claims)
    if len({at.name, *names}) <= len(spans) or len(same) != 1 or not claims.keys() <= names.keys():
        return None
    for name, value in claims.items():
        text = line[names[name].begin : names[name].end].decode()
        if value not in ("0x" + text, *([int(text)] if not names[name].is_hex else ())):
            return None
    stated = {name: names[name] for name in claims}
    return Shape(line, frame, found, at, same[0], stated, (at, *spans))


def _read(lines: Lines, left: NDArray[np.int64], shape: Shape) -> tuple[Mask, Shaped | None]:
    """Which of the lines have the shape, and what differs in them; None if none has."""
    good, values = (_by_numpy if simd() is None else _by_simd)(lines, left, shape)
    if not good.any():
        return good, None
    claims = {name: values[name] for name in shape.claims}
    found = left if good.all() else left[good]
    return good, Shaped(shape, found, values["at"], values[shape.payload.name], claims)


Values = dict[str, NDArray[Any]]


def _by_simd(lines: Lines, left: NDArray[np.int64], shape: Shape) -> tuple[Mask, Values]:
    good = np.empty(len(left), np.uint8)
    values: Values = {}
    wanted = []
    for span in shape.spans:
        kind = "n" if not span.is_hex else "b" if span is shape.payload else "d"
        width = {"n": 8, "d": span.end - span.begin, "b": (span.end - span.begin) // 2}[kind]
        cells = memory(np.uint8, len(left), width)
        values[span.name] = cells.view(np.int64)[:, 0] if kind == "n" else cells
        wanted.append((span.begin, span.end, kind, cells.reshape(-1)))
    simd().read_lines(lines.block, lines.starts[left], shape.line, wanted, good)
    return good.view(np.bool_), _only(good.view(np.bool_), values)


def _by_numpy(lines: Lines, left: NDArray[np.int64], shape: Shape) -> tuple[Mask, Values]:
    matrix = lines.matrix(left)
    same = _same(matrix, shape)
    if not same.any():
        return same, {}
    if not same.all():
        matrix = matrix[same]
    good = every(len(matrix))
    values: Values = {}
    for span in shape.spans:
        cells = matrix[:, span.begin : span.end]
        if not span.is_hex:
            values[span.name] = _numbers(cells, good)
        elif span is shape.payload:
            values[span.name] = _unhexed(cells, good)
        else:
            values[span.name] = packed(cells)
            good &= _are_hex(cells)
    same[same] = good
    return same, _only(good, values)


def _only(good: Mask, values: Values) -> Values:
    return values if good.all() else {name: each[good] for name, each in values.items()}


def _same(matrix: Matrix, shape: Shape) -> Mask:
    """Which lines have the exemplar's bytes outside of its spans."""
    good = every(len(matrix))
    for fixed in shape.fixed:
        words = packed(matrix[:, fixed.begin : fixed.end]).view(np.uint64)
        differ = words ^ fixed.template
        differ &= fixed.mask
        if differ.any():
            good &= ~differ.any(axis=1)
    return good


def _numbers(cells: Matrix, good: Mask) -> NDArray[np.int64]:
    """The numbers that digits spell; `good` becomes false where they spell none."""
    digits = cells - np.uint8(48)
    found = digits.astype(np.int64) @ _POWERS[-digits.shape[1] :]
    good &= (digits[:, 0] != 0) & (found > 0)  # negative beyond 63 bits
    # A result for each row takes several times as long as one for all.
    if (no_digit := digits > 9).any():
        good &= ~no_digit.any(axis=1)
    return found


def _unhexed(cells: Matrix, good: Mask) -> Matrix:
    """The bytes that hex digits spell; `good` becomes false where they spell none."""
    text = cells.tobytes()
    width = cells.shape[1] // 2
    try:
        return np.frombuffer(unhexlify(text), np.uint8).reshape(-1, width)
    except ValueError:
        found = _HEX[np.frombuffer(text, np.uint16).reshape(-1, width)]
        good &= (found < _NOT_HEX).all(axis=1)
        return found.astype(np.uint8)


def _are_hex(cells: Matrix) -> Mask:
    if cells.shape[1] % 2:
        last = cells[:, -1:]
        ends = np.isin(last[:, 0], np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))
        return np.asarray(ends & _are_hex(cells[:, :-1])) if cells.shape[1] > 1 else ends
    cells = np.ascontiguousarray(cells)
    try:
        unhexlify(cells.data)
        return every(len(cells))
    except ValueError:
        return np.asarray((_HEX[cells.view("<u2")] < _NOT_HEX).all(axis=1))
