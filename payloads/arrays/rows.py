"""Payloads as they are given, in one buffer, and those of one size as a matrix of bytes.

Hex and bytes are taken, in lists, Arrow arrays, or a column of a batch. An item that is neither has
no bytes here: the single decoder says what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads.arrays.apart import Alike, Payloads, joined
from payloads.arrays.records import Mask, Matrix, every
from payloads.errors import Misuse, shown
from payloads.inputs import MAX_PAYLOAD_BYTES, STARTS_OF_TEXT, hex_text, json_text, unhex

Positions = NDArray[np.int64]
# Fewer payloads of one size than this are faster one by one.
WORTH_AN_ARRAY = 24
# Bytes that are looked at in one go: so the memory beside the tables is bounded.
_GO = 2**28
# First bytes of text: JSON, hex, and white space in front of them.
_OPENS_JSON = np.isin(np.arange(256), list(b"{["))
_MAY_BE_TEXT = np.isin(np.arange(256), list(STARTS_OF_TEXT))
# What follows white space or a zero there.
_SECOND = np.isin(np.arange(256), list(b"{[0 \t\n\r\v\fxX"))
# So many bytes show nearly always that they are no UTF-8.
_LOOKED_AT = 64


def alike(values: NDArray[Any]) -> Iterator[tuple[int, Positions]]:
    """Each value that is worth an array, with the places where it stands."""
    if len(values) and (values == values[0]).all():
        groups = [np.arange(len(values))]
    else:
        order = np.argsort(values, kind="stable")
        begins = np.flatnonzero(np.diff(values[order])) + 1
        groups = np.split(order, begins)
    for positions in groups:
        if len(positions) >= WORTH_AN_ARRAY:
            yield int(values[positions[0]]), positions


def no_text(alike: Alike) -> Mask:
    """Which payloads are neither JSON nor hex."""
    if is_no_text(alike.start):
        return every(len(alike))
    if (begins := alike.begins) is None:
        return np.zeros(len(alike), np.bool_)
    good = ~_MAY_BE_TEXT[begins[:, 0]]
    suspects = np.flatnonzero(~good)
    if begins.shape[1] > 1 and len(suspects):
        good[suspects] = _begin_so_by_chance(begins[suspects, :_LOOKED_AT])
        suspects = suspects[~good[suspects]]
    for index in suspects.tolist():
        raw = alike.payload(index)
        good[index] = json_text(raw) is None and hex_text(raw) is raw
    return good


def is_no_text(start: bytes) -> bool:
    """Whether payloads with these first bytes are no text for certain."""
    return bool(start) and start[0] not in STARTS_OF_TEXT


def _begin_so_by_chance(begins: Matrix) -> Mask:
    """Which bytes are no text for certain, as most that begin like text.

    In UTF-8, no byte from 0x80 to 0xbf stands behind a byte below 0x80.
    """
    opens_json = _OPENS_JSON[begins[:, 0]]
    is_continued = (begins[:, 1:] & 0xC0) == 0x80
    is_no_utf8 = (is_continued & (begins[:, :-1] < 0x80)).any(axis=1)
    return np.where(opens_json, is_no_utf8, ~_SECOND[begins[:, 1]])


@dataclass(frozen=True, eq=False)
class Rows:
    """Payloads: the items as given, and the bytes of each (none where they are not plain)."""

    items: Any
    raws: pa.LargeBinaryArray
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    data: NDArray[np.uint8]
    # Which items came as bytes: those may be text all the same.
    as_bytes: Mask

    def __len__(self) -> int:
        return len(self.sizes)

    def item(self, index: int) -> Any:
        """An item as it was given."""
        found = self.items[index]
        return found.as_py() if isinstance(found, pa.Scalar) else found

    def groups(self) -> Iterator[tuple[Positions, Matrix]]:
        """The payloads of each size that several have, with their places."""
        count = len(self)
        if count < WORTH_AN_ARRAY:
            return
        if (matrix := self.matrix) is not None:
            yield from self._parts(np.arange(count), matrix)
            return
        for size, positions in alike(self.sizes):
            if size:
                taken = self.raws.take(pa.array(positions))
                data = np.frombuffer(taken.buffers()[2], np.uint8, len(positions) * size)
                yield from self._parts(positions, data.reshape(-1, size))

    @cached_property
    def matrix(self) -> Matrix | None:
        """All payloads, if they have one size and stand one after the other."""
        count = len(self)
        size = int(self.sizes[0]) if count else 0
        if not size or not (self.sizes == size).all():
            return None
        first = int(self.starts[0])
        if self.starts[-1] - first != (count - 1) * size:
            return None
        return self.data[first : first + count * size].reshape(count, size)

    def _parts(self, positions: Positions, matrix: Matrix) -> Iterator[tuple[Positions, Matrix]]:
        if (size := matrix.shape[1]) > MAX_PAYLOAD_BYTES:
            return
        step = max(WORTH_AN_ARRAY, _GO // size)
        for at in range(0, len(positions), step):
            yield positions[at : at + step], matrix[at : at + step]

    def no_text(self, positions: Positions, alike: Alike) -> Mask:
        """Which payloads are the bytes that they are: no JSON and no hex that came as bytes."""
        return ~self.as_bytes[positions] | no_text(alike)


def column_of(payloads: Any, column: str) -> Any:
    """The payloads, also those in a column of a batch or table; an Arrow array in one piece."""
    if isinstance(payloads, pa.RecordBatch | pa.Table):
        if column not in payloads.schema.names:
            found = shown(payloads.schema.names, 200)
            raise Misuse("no such column", field="column", expected=column, found=found)
        payloads = payloads.column(column)
    if isinstance(payloads, pa.ChunkedArray):
        payloads = payloads.combine_chunks()
    return payloads


def in_place(payloads: Any) -> Payloads | None:
    """Payloads of one size where they are, without a copy: those of a list or an Arrow array.

    A list may have other items behind the first.
    """
    if type(payloads) is list:
        return payloads if payloads and type(payloads[0]) is bytes else None
    if not isinstance(payloads, pa.Array) or payloads.null_count or not len(payloads):
        return None
    *_, places, data = payloads.buffers()
    kind, count, offset = payloads.type, len(payloads), payloads.offset
    if pa.types.is_fixed_size_binary(kind):
        begin, size = offset * kind.byte_width, kind.byte_width
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        wide = 4 if pa.types.is_binary(kind) else 8
        ends = np.frombuffer(places, f"i{wide}", count + 1, wide * offset)
        begin, size = int(ends[0]), int(ends[1]) - int(ends[0])
        if (ends[1:] - ends[:-1] != size).any():
            return None
    else:
        return None
    return np.frombuffer(data, np.uint8, count * size, begin).reshape(count, size) if size else None


def read(payloads: Any, column: str = "payload") -> Rows:
    """The rows of a list, an Arrow array, or this column of a batch or table."""
    payloads = column_of(payloads, column)
    if isinstance(payloads, pa.Array):
        return _of_array(payloads)
    if isinstance(payloads, str | bytes | dict) or not isinstance(payloads, Sequence):
        found = type(payloads).__name__
        expected = "a list, an Arrow array or a batch"
        raise Misuse("not several payloads", field="payloads", expected=expected, found=found)
    return _of_items(payloads)


def _of_array(array: pa.Array) -> Rows:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return _of_items(array.to_pylist())
    try:
        raws = array.cast(pa.binary(), safe=True) if kind == pa.binary_view() else array
        in_place = _in_place(raws)
        raws = raws.cast(pa.large_binary()) if in_place is None else in_place
    except pa.ArrowException as error:
        raise Misuse(
            "not a column of payloads",
            field="payloads",
            expected="binary or string",
            found=str(kind),
        ) from error
    return _rows(array, raws, np.ones(len(array), np.bool_))


def _of_items(items: Sequence[Any]) -> Rows:
    if type(items) is list and (matrix := joined(items)) is not None:
        as_bytes = np.full(len(items), type(items[0]) is bytes)
        raws = _large(len(items), matrix.shape[1], pa.py_buffer(matrix))
        return _rows(items, raws, as_bytes)
    kinds = set(map(type, items))
    raws = list(items) if kinds == {bytes} else _unhexed(items) if kinds == {str} else None
    as_bytes = np.full(len(items), kinds == {bytes})
    if raws is None:
        raws = [_plain(item) for item in items]
        as_bytes = np.fromiter((not isinstance(item, str) for item in items), bool, len(items))
    sizes = np.fromiter(map(len, raws), np.int64, len(raws))
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(raws))]
    array = pa.Array.from_buffers(pa.large_binary(), len(raws), buffers)
    return _rows(items, array, as_bytes)


def _in_place(array: pa.Array) -> pa.LargeBinaryArray | None:
    """The same array with large offsets, and no byte copied; None where that needs a cast."""
    kind, count = array.type, len(array)
    if array.null_count or not count:
        return None
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width:
        return _large(
            count, kind.byte_width, array.buffers()[1].slice(array.offset * kind.byte_width)
        )
    data = array.buffers()[-1]
    if not pa.types.is_binary(kind) or data is None:
        return None
    offsets = array.buffers()[1]
    wide = np.frombuffer(offsets, np.int32, count + 1, 4 * array.offset).astype(np.int64)
    return pa.Array.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(wide), data])


def _large(count: int, size: int, data: pa.Buffer) -> pa.LargeBinaryArray:
    """An array of byte strings of one size."""
    offsets = np.arange(0, (count + 1) * size, size)
    return pa.Array.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(offsets), data])


def _unhexed(texts: Sequence[str]) -> list[bytes] | None:
    """The bytes of plain hex; None if an item is anything else."""
    try:
        return list(map(unhex, texts))
    except ValueError:
        return None


def _plain(item: Any) -> bytes:
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    found = _unhexed([item]) if isinstance(item, str) else None
    return found[0] if found else b""


def _rows(items: Any, raws: pa.LargeBinaryArray, as_bytes: Mask) -> Rows:
    _, offsets, data = raws.buffers()
    ends = np.frombuffer(offsets, np.int64, len(raws) + 1, 8 * raws.offset)
    sizes = np.diff(ends)
    if raws.null_count:
        sizes[raws.is_null().to_numpy(zero_copy_only=False)] = 0
    flat = np.frombuffer(data if data is not None else b"", np.uint8)
    return Rows(items, raws, ends[:-1], sizes, flat, as_bytes)
