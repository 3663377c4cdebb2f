"""Many records of one layout at once: their bytes are the rows of a matrix.

`clean` proves what a table's `read` checks, for whole columns. `columns_of` makes Arrow columns of
a table's fields, and `put` writes columns back. All of them take rows whose bytes are there: the
caller has looked at sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads.abi.fields import WORD, WORDS, Field, Table
from payloads.arrays.types import arrow_type, first_without_timestamp, is_decimal, is_time

# Rows of bytes, one payload or record each.
Matrix = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def every(count: int) -> Mask:
    """A mask of so many rows, all of them true."""
    return np.ones(count, np.bool_)


def equal(matrix: Matrix, at: int, wanted: bytes) -> Mask:
    """Which rows have these bytes there."""
    cells = matrix[:, at : at + len(wanted)]
    template = np.frombuffer(wanted, np.uint8)
    if len(wanted) % 8 == 0:
        cells, template = cells.view(np.uint64), template.view(np.uint64)
    # Nearly always every row is equal: that is one pass without a result for each row.
    same = cells == template
    return every(len(matrix)) if same.all() else np.asarray(same.all(axis=1))


def numbers(matrix: Matrix, at: int, size: int, signed: bool = False) -> NDArray[Any]:
    """The big-endian numbers of 1, 2, 4 or 8 bytes that stand there, one a row."""
    dtype = np.dtype(f">{'i' if signed else 'u'}{size}")
    found = matrix[:, at : at + size].view(dtype)[:, 0]
    return found.astype(dtype.newbyteorder("="))


# --- checks ---------------------------------------------------------------------------------------


def clean(matrix: Matrix, at: int, table: Table) -> Mask:
    """Which rows have a clean record of ABI words there: nothing beside any value."""
    good = every(len(matrix))
    if table.packing is not WORDS:
        return good
    zeros = np.frombuffer(b"".join(map(_zeros, table.fields)), np.uint64)
    if zeros.any():
        cells = matrix[:, at : at + table.size].view(np.uint64)
        dirty = cells & zeros
        if dirty.any():
            good &= ~dirty.any(axis=1)
    for row, begin in zip(table.fields, table.offsets, strict=True):
        if row.type.signed and row.type.size < WORD:
            good &= _extended(matrix[:, at + begin : at + begin + WORD], row.type.size)
    return good


def _zeros(row: Field) -> bytes:
    """Ones where a word of this type must be zero, whatever its value."""
    beside = WORD - row.type.size
    if row.type.signed:
        return bytes(WORD)
    if row.type.kind == "bytes":
        return bytes(row.type.size) + b"\xff" * beside
    return b"\xff" * beside + bytes(row.type.size)


def _extended(cells: Matrix, size: int) -> Mask:
    """Which words repeat the sign of a signed integer of so many bytes up to their top."""
    beside = WORD - size
    if beside % 8:
        sign = np.where(cells[:, beside] >= 0x80, 0xFF, 0).astype(np.uint8)
        return np.asarray((cells[:, :beside] == sign[:, None]).all(axis=1))
    words = cells.view(">i8")
    sign_of_word = words[:, beside // 8].astype(np.int64) >> 63
    good = every(len(cells))
    for index in range(beside // 8):
        good &= words[:, index] == sign_of_word
    return good


# --- to Arrow -------------------------------------------------------------------------------------


def columns_of(matrix: Matrix, at: int, table: Table) -> tuple[dict[str, pa.Array], Mask | None]:
    """The columns of a table's fields by name, and which rows have a time that is null there."""
    columns: dict[str, pa.Array] = {}
    lost: Mask | None = None
    for row, begin in zip(table.fields, table.offsets, strict=True):
        begin += at + table.packing.value_at(row.type)
        array, beyond = _column(matrix, begin, row, table.packing is WORDS)
        columns[row.name] = array
        if beyond is not None:
            lost = beyond if lost is None else lost | beyond
    return columns, lost


def _column(matrix: Matrix, at: int, row: Field, in_word: bool) -> tuple[pa.Array, Mask | None]:
    kind, size = arrow_type(row), row.type.size
    if row.type.kind == "bytes" or (size > 8 and not is_decimal(row)):
        return fixed(matrix[:, at : at + size]), None
    if size > 8:
        return _decimals(matrix, at, row, in_word), None
    values = _integers(matrix, at, row)
    if is_time(row):
        return _times(values, row)
    mask = None if row.none is None else values == row.none
    return pa.array(values, kind, mask=mask), None


def fixed(cells: Matrix) -> pa.Array:
    """Byte strings of one length."""
    return _array(np.ascontiguousarray(cells), pa.binary(cells.shape[1]))


def _array(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """The memory of contiguous values as an Arrow array."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _integers(matrix: Matrix, at: int, row: Field) -> NDArray[Any]:
    size = row.type.size
    if size in (1, 2, 4, 8):
        return numbers(matrix, at, size, row.type.signed)
    wide = 4 if size == 3 else 8
    cells = np.zeros((len(matrix), wide), np.uint8)
    cells[:, wide - size :] = matrix[:, at : at + size]
    if row.type.signed:
        cells[cells[:, wide - size] >= 0x80, : wide - size] = 0xFF
    return numbers(cells, 0, wide, row.type.signed)


def _times(values: NDArray[Any], row: Field) -> tuple[pa.Array, Mask | None]:
    whole = values.astype(np.int64)
    limit = first_without_timestamp(row)
    if row.type.size < 8 or not len(values) or values.max() < limit:
        return _array(whole, arrow_type(row)), None
    beyond = values >= np.uint64(limit)
    whole[beyond] = 0
    return pa.array(whole, pa.int64(), mask=beyond).cast(arrow_type(row)), beyond


def _decimals(matrix: Matrix, at: int, row: Field, in_word: bool) -> pa.Array:
    """A decimal256 is the word with its bytes reversed: four numbers in reverse order."""
    size = row.type.size
    words = np.empty((len(matrix), 4), np.uint64)
    if in_word:  # a clean word has its sign in front already
        at, size = at + size - WORD, WORD
    elif size % 8:
        matrix, at, size = _widened(matrix, at, row), 0, WORD
    count = size // 8
    cells = matrix[:, at : at + size].view(">u8")
    for index in range(count):
        words[:, index] = cells[:, count - 1 - index]
    if count < 4:
        sign = words[:, count - 1].view(np.int64) >> 63 if row.type.signed else 0
        for index in range(count, 4):
            words[:, index] = sign if row.type.signed else 0
    return _array(words, arrow_type(row))


def _widened(matrix: Matrix, at: int, row: Field) -> Matrix:
    """Packed integers as ABI words."""
    size = row.type.size
    words = np.zeros((len(matrix), WORD), np.uint8)
    words[:, WORD - size :] = matrix[:, at : at + size]
    if row.type.signed:
        words[words[:, WORD - size] >= 0x80, : WORD - size] = 0xFF
    return words


def lists(values: pa.Array, each: int, count: int) -> pa.Array:
    """`count` lists of `each` values."""
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(each)
    return pa.ListArray.from_arrays(_array(offsets, pa.int32()), values)


# --- from Arrow -----------------------------------------------------------------------------------


def bytes_of(array: pa.Array, size: int) -> Matrix:
    """The rows of an array of byte strings of one length; nulls are zeros."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, buffer = array.buffers()
    if buffer is None or not len(array):
        return np.zeros((len(array), size), np.uint8)
    rows = np.frombuffer(buffer, np.uint8, len(array) * size, array.offset * size)
    return rows.reshape(-1, size)


def put(matrix: Matrix, at: int, table: Table, columns: dict[str, pa.Array]) -> None:
    """Write the columns of a table's fields into rows of zeros, as `columns_of` would read them."""
    for row, begin in zip(table.fields, table.offsets, strict=True):
        cell = matrix[:, at + begin : at + begin + table.packing.width(row.type)]
        array, size = columns[row.name], row.type.size
        if row.type.kind == "bytes":
            cell[:, :size] = bytes_of(array, size)
            continue
        wide = _wide(array, row)
        cell[:] = wide[:, WORD - cell.shape[1] :]


def _wide(array: pa.Array, row: Field) -> Matrix:
    """The integers of a column as clean ABI words."""
    size = row.type.size
    if size > 8 and not is_decimal(row):
        return bytes_of(array, size) if size == WORD else _widened(bytes_of(array, size), 0, row)
    if size > 8:
        return np.ascontiguousarray(bytes_of(array, WORD)[:, ::-1])
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    values = array.fill_null(row.none or 0).to_numpy(zero_copy_only=False)
    words = np.zeros((len(values), 4), np.int64)
    words[:, 3] = values.astype(np.uint64).view(np.int64) if not row.type.signed else values
    if row.type.signed:
        words[:, :3] = (words[:, 3] >> 63)[:, None]
    return words.astype(">i8").view(np.uint8).reshape(-1, WORD)
