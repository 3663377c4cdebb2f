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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from payloads.arrays.records import Mask, Matrix, every, packed
from payloads.capture.format import LaterFormat, line_of, record_of
from payloads.capture.frames import Frame
from payloads.errors import PayloadError
from payloads.forensics.scanning.opening import found_in, is_plain
from payloads.system import Found

# Different shapes of one length that are tried. Feeds and channels differ in length mostly.
_MOST_SHAPES = 8
# A shape that fits fewer lines costs more than it saves.
_FEW = 8

_AT = re.compile(rb'\{"at":([1-9][0-9]{0,18}),')
# The members of the message, which stands in the line as a JSON text: quotes have a backslash.
_MEMBER = re.compile(rb'\\"(\w+)\\":(?:\\"0x([0-9a-fA-F]+)\\"|([1-9][0-9]{0,17})(?=[,}]))')
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


@dataclass(frozen=True, eq=False)
class Shaped:
    """Lines of one shape: their places, and what differs in them."""

    shape: Shape
    rows: NDArray[np.int64]
    at: NDArray[np.int64]
    payloads: Matrix
    # The frame's statements: numbers, or the digits of hex as bytes.
    claims: Mapping[str, NDArray[Any]]


def shaped(matrix: Matrix) -> Iterator[Shaped]:
    """The lines of one length that have a shape in common. The matrix is without line ends."""
    left = np.arange(len(matrix))
    for _ in range(_MOST_SHAPES):
        if len(left) < _FEW:
            return
        shape = _shape(matrix[left[0]].tobytes())
        if shape is None:
            left = left[1:]
            continue
        part = matrix if len(left) == len(matrix) else matrix[left]
        good = _same(part, shape)
        rows = left[good]
        if len(rows) >= _FEW:
            found = _read(part if good.all() else part[good], shape, rows)
            if found is not None:
                yield found
                left = left[~np.isin(left, found.rows)]
                continue
        left = left[1:] if good.all() else left[~good]


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
    if not isinstance(found, Found) or not found.raw or not is_plain(found):
        return None
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
    if len(names) < len(spans) or len(same) != 1 or not claims.keys() <= names.keys():
        return None
    for name, value in claims.items():
        text = line[names[name].begin : names[name].end].decode()
        if value not in ("0x" + text, *([int(text)] if not names[name].is_hex else ())):
            return None
    stated = {name: names[name] for name in claims}
    return Shape(line, frame, found, at, same[0], stated, (at, *spans))


def _same(matrix: Matrix, shape: Shape) -> Mask:
    """Which lines have the exemplar's bytes outside of its spans."""
    good, begin = every(len(matrix)), 0
    for span in (*shape.spans, None):
        end = len(shape.line) if span is None else span.begin
        good &= _equal(matrix[:, begin:end], shape.line[begin:end])
        begin = end if span is None else span.end
    return good


def _equal(cells: Matrix, wanted: bytes) -> Mask:
    kind = f"V{len(wanted)}"
    return np.asarray(cells.view(kind)[:, 0] == np.frombuffer(wanted, kind)[0])


def _read(matrix: Matrix, shape: Shape, rows: NDArray[np.int64]) -> Shaped | None:
    """What differs in lines that fit; a line with something else than digits is left out."""
    good = every(len(matrix))
    values: dict[str, NDArray[Any]] = {}
    for span in shape.spans:
        cells = matrix[:, span.begin : span.end]
        if not span.is_hex:
            values[span.name] = _numbers(cells, good)
        elif span is shape.payload:
            values[span.name] = _unhexed(cells, good)
        else:
            values[span.name] = packed(cells)
            good &= _are_hex(cells)
    if not good.all():
        if np.count_nonzero(good) < _FEW:
            return None
        values = {name: value[good] for name, value in values.items()}
    claims = {name: values[name] for name in shape.claims}
    return Shaped(shape, rows[good], values["at"], values[shape.payload.name], claims)


def _numbers(cells: Matrix, good: Mask) -> NDArray[np.int64]:
    """The numbers that digits spell; `good` becomes false where they spell none."""
    digits = cells - np.uint8(48)
    bad = (digits > 9).any(axis=1)
    bad |= digits[:, 0] == 0
    found = np.zeros(len(cells), np.int64)
    for index in range(digits.shape[1]):
        found *= 10
        found += digits[:, index]
    good &= ~bad & (found > 0)  # negative beyond 63 bits
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
    pairs = np.ascontiguousarray(cells).view("<u2")
    return np.asarray((_HEX[pairs] < _NOT_HEX).all(axis=1))
