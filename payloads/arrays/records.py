"""Many records of one layout at once: their bytes are the rows of a matrix.

`clean` proves what a table's `read` checks, for whole columns. `columns_of` makes Arrow columns of
a table's fields, and `put` writes columns back. All of them take rows whose bytes are there: the
caller has looked at sizes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads.abi.fields import WORD, WORDS, Field, Table
from payloads.arrays.types import arrow_type, first_without_timestamp, is_decimal
from payloads.crypto import has_simd, keccak256, keccak_many

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
    # Nearly always every row is equal. Column by column, that is found without a result to keep.
    if all((cells[:, index] == number).all() for index, number in enumerate(template)):
        return every(len(matrix))
    return np.asarray((cells == template).all(axis=1))


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
    words = matrix[:, at : at + table.size].view(np.uint64)
    dirty = np.zeros(len(matrix), np.uint64)
    for index, mask in _masks(table):
        dirty |= words[:, index] if mask == _ALL else words[:, index] & mask
    if dirty.any():
        good &= dirty == 0
    for row, begin in zip(table.fields, table.offsets, strict=True):
        if row.type.signed and row.type.size < WORD:
            good &= _extended(matrix[:, at + begin : at + begin + WORD], row.type.size)
    return good


_ALL = np.uint64(2**64 - 1)


@lru_cache(256)
def _masks(table: Table) -> tuple[tuple[int, np.uint64], ...]:
    """The bits that are zero in every clean record: numbers of eight bytes and masks."""
    masks = np.frombuffer(b"".join(map(zeros, table.fields)), np.uint64)
    return tuple((int(index), masks[index]) for index in np.flatnonzero(masks))


def zeros(row: Field) -> bytes:
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
    for row, begin, kind in places(table):
        array, beyond = _column(matrix, at + begin, row, kind, table.packing is WORDS)
        columns[row.name] = array
        if beyond is not None:
            lost = beyond if lost is None else lost | beyond
    return columns, lost


@lru_cache(256)
def places(table: Table) -> list[tuple[Field, int, pa.DataType]]:
    """The fields with the positions of their values, and the types of their columns."""
    pairs = zip(table.fields, table.offsets, strict=True)
    return [(row, at + table.packing.value_at(row.type), arrow_type(row)) for row, at in pairs]


def _column(
    matrix: Matrix, at: int, row: Field, kind: pa.DataType, in_word: bool
) -> tuple[pa.Array, Mask | None]:
    size = row.type.size
    if pa.types.is_fixed_size_binary(kind):
        return array_of(packed(matrix[:, at : at + size]), kind), None
    if size > 8:
        return _decimals(matrix, at, row, kind, in_word), None
    return filled(_integers(matrix, at, row), row, kind)


def filled(values: NDArray[Any], row: Field, kind: pa.DataType) -> tuple[pa.Array, Mask | None]:
    """The column of a field's numbers, and which rows have a time that is null there."""
    if pa.types.is_timestamp(kind):
        return _times(values, row, kind)
    if row.none is None:
        return array_of(values, kind), None
    return pa.array(values, kind, mask=values == row.none), None


def fixed(cells: Matrix) -> pa.Array:
    """Byte strings of one length."""
    return array_of(packed(cells), pa.binary(cells.shape[1]))


def packed(cells: Matrix) -> Matrix:
    """The same rows without gaps between them."""
    if cells.flags.c_contiguous:
        return cells
    found = memory(np.uint8, *cells.shape)
    width = cells.shape[1]
    # An element a row is copied faster than its bytes.
    found.view(f"V{width}")[:, 0] = cells.view(f"V{width}")[:, 0]
    return found


def memory(dtype: Any, count: int, width: int) -> NDArray[Any]:
    """Rows to be filled, in memory of Arrow's own pool: it is used again when it is free again,
    where the memory of a large array goes back to the system, page by page."""
    size = count * width * np.dtype(dtype).itemsize
    return np.frombuffer(pa.allocate_buffer(size), dtype).reshape(count, width)


# Rows that are hashed before their memory is used again.
_AT_ONCE = 1024


def keccak_rows(cells: Matrix) -> Matrix:
    """keccak-256 of each row."""
    count, size = cells.shape
    if has_simd() and size:
        digests = keccak_many(cells.tobytes(), size)
    else:
        rows = cells.view(f"V{size}")[:, 0] if size else np.full(count, b"")
        parts = (rows[at : at + _AT_ONCE].tolist() for at in range(0, count, _AT_ONCE))
        digests = b"".join([b"".join(map(keccak256, part)) for part in parts])
    return np.frombuffer(digests, np.uint8).reshape(-1, WORD)


def array_of(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
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


def _times(values: NDArray[Any], row: Field, kind: pa.DataType) -> tuple[pa.Array, Mask | None]:
    whole = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64)
    limit = first_without_timestamp(row)
    if row.type.size < 8 or not len(values) or values.max() < limit:
        return array_of(whole, kind), None
    beyond = values >= np.uint64(limit)
    whole[beyond] = 0
    return pa.array(whole, pa.int64(), mask=beyond).cast(kind), beyond


# So many numbers stay in a core's cache between the steps of their conversion.
_PIECE = 8192


def _decimals(matrix: Matrix, at: int, row: Field, kind: pa.DataType, in_word: bool) -> pa.Array:
    """A decimal256 is the word with its bytes reversed: four numbers in reverse order."""
    size = row.type.size
    if in_word:  # a clean word has its sign in front already
        at, size = at + size - WORD, WORD
    elif size % 8:
        matrix, at, size = _widened(matrix, at, row), 0, WORD
    words = memory(np.uint64, len(matrix), 4)
    cells = matrix[:, at : at + size].view(">u8")
    for begin in range(0, len(words), _PIECE):
        _reverse(cells[begin : begin + _PIECE], words[begin : begin + _PIECE], row.type.signed)
    return array_of(words, kind)


def _reverse(cells: NDArray[Any], words: NDArray[np.uint64], signed: bool) -> None:
    count = cells.shape[1]
    for index in range(count):
        words[:, index] = cells[:, count - 1 - index]
    if count < 4:
        sign = words[:, count - 1].view(np.int64) >> 63 if signed else np.int64(0)
        for index in range(count, 4):
            words[:, index].view(np.int64)[:] = sign


def _widened(matrix: Matrix, at: int, row: Field) -> Matrix:
    """Packed integers as ABI words."""
    size = row.type.size
    words = np.zeros((len(matrix), WORD), np.uint8)
    words[:, WORD - size :] = matrix[:, at : at + size]
    if row.type.signed:
        words[words[:, WORD - size] >= 0x80, : WORD - size] = 0xFF
    return words


# Zeros for all arrays of nulls. Nothing is written there, so that they are one page of memory.
_ZEROS = pa.py_buffer(np.zeros(2**20, np.uint8))
# The bytes of an offset.
_OFFSETS = {pa.string(): 4, pa.large_binary(): 8}


def nulls(count: int, kind: pa.DataType) -> pa.Array:
    """As `pa.nulls`, and without memory of their own if they are texts or byte strings."""
    size = _OFFSETS.get(kind, 0) * (count + 1)
    if not 0 < size <= _ZEROS.size:
        return pa.nulls(count, kind)
    bits, offsets = _ZEROS.slice(0, (count + 7) // 8), _ZEROS.slice(0, size)
    return pa.Array.from_buffers(kind, count, [bits, offsets, _ZEROS.slice(0, 0)], count)


def lists(values: pa.Array, each: int, count: int) -> pa.Array:
    """`count` lists of `each` values."""
    offsets = np.arange(count + 1, dtype=np.int32)
    offsets *= np.int32(each)
    return pa.ListArray.from_arrays(array_of(offsets, pa.int32()), values)


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
        array = array.cast(arrow_type(row))  # a narrow table has smaller decimals
        return np.ascontiguousarray(bytes_of(array, WORD)[:, ::-1])
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    values = array.fill_null(row.none or 0).to_numpy(zero_copy_only=False)
    words = np.zeros((len(values), 4), np.int64)
    words[:, 3] = values.astype(np.uint64).view(np.int64) if not row.type.signed else values
    if row.type.signed:
        words[:, :3] = (words[:, 3] >> 63)[:, None]
    return words.astype(">i8").view(np.uint8).reshape(-1, WORD)
