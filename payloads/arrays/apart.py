"""Columns of records in one pass over their bytes, by payloads-simd where it is installed.

`records` makes the same columns with numpy, column by column. A `Shape` states what the bytes of
every record must be, as `records.clean` proves it, and where its columns are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from payloads.abi.fields import WORD, WORDS, Field, Table
from payloads.arrays.records import Mask, Matrix, filled, memory, packed, places, zeros
from payloads.arrays.types import is_time
from payloads.crypto import has_simd

# Payloads of one size: the rows of a matrix, or a list of bytes.
Payloads = Matrix | list[bytes]
# What a payload is taken for depends on no byte beyond, except for snappy's.
_HEAD = 128
# So many first bytes are compared as one number.
START = 8


class Alike:
    """Payloads of one size, which are still where they were given."""

    def __init__(self, payloads: Payloads) -> None:
        self.payloads = payloads
        self.size = len(payloads[0])

    def __len__(self) -> int:
        return len(self.payloads)

    def payload(self, index: int) -> bytes:
        return bytes(self.payloads[index])

    @cached_property
    def heads(self) -> Matrix | None:
        """The first bytes of each, side by side: they are looked at more than once.

        None for a list whose items are not all bytes of one size.
        """
        count = min(self.size, _HEAD)
        if isinstance(self.payloads, list):
            return first_bytes(self.payloads, count)
        return packed(self.payloads[:, :count])

    @property
    def begins(self) -> Matrix | None:
        """As `heads` or more, and no copy of them if there is none yet."""
        if isinstance(self.payloads, list) or "heads" in self.__dict__:
            return self.heads
        return self.payloads

    @cached_property
    def start(self) -> bytes:
        """The first eight bytes, if all have the same, as reports of one network do; else none."""
        begins = self.begins
        if begins is None or self.size < START:
            return b""
        numbers = begins[:, :START].view(np.uint64)[:, 0]
        first = numbers[0]
        is_same = first == numbers[-1] and (numbers == first).all()
        return first.tobytes() if is_same else b""

    @cached_property
    def matrix(self) -> Matrix:
        """All of their bytes, which a list has to be copied for."""
        if not isinstance(self.payloads, list):
            return self.payloads
        return np.frombuffer(b"".join(self.payloads), np.uint8).reshape(-1, self.size)


@dataclass(frozen=True, slots=True)
class Cell:
    """A column: its bytes in each record, and its type."""

    name: str
    at: int
    size: int
    type: pa.DataType
    # What payloads-simd knows it by: the width of a value, and the letter of its kind.
    width: int
    letter: str
    # The field, if its number may be null: it stands for nothing, or is a time of no timestamp.
    nullable: Field | None = None

    @classmethod
    def of(cls, name: str, at: int, size: int, kind: pa.DataType, row: Field | None) -> Cell:
        width = kind.bit_width // 8
        if row is None or pa.types.is_fixed_size_binary(kind):
            return cls(name, at, size, kind, width, "b")
        has_nulls = size <= 8 and (row.none is not None or (is_time(row) and size == 8))
        letter = "i" if row.type.signed else "u"
        return cls(name, at, size, kind, width, letter, row if has_nulls else None)

    def array(self, out: pa.Buffer, total: int) -> tuple[pa.Array, Mask | None]:
        """The column in its memory, and which rows have a time that is null there."""
        if self.nullable is None:
            return pa.Array.from_buffers(self.type, total, [None, out]), None
        return filled(np.frombuffer(out, f"{self.letter}{self.width}"), self.nullable, self.type)


class Shape:
    """Records of `size` bytes: `each` of them, from `begin` on, in every payload."""

    def __init__(self, size: int, begin: int = 0, each: int = 1) -> None:
        self.size, self.begin, self.each = size, begin, each
        self._template, self._mask = bytearray(size), bytearray(size)
        self._signs: list[tuple[int, int]] = []
        self._cells: list[Cell] = []

    def demand(self, at: int, wanted: bytes, mask: bytes | None = None) -> None:
        """Every record has these bytes there, where the mask has ones."""
        self._template[at : at + len(wanted)] = wanted
        self._mask[at : at + len(wanted)] = b"\xff" * len(wanted) if mask is None else mask

    def add(self, name: str, at: int, kind: pa.DataType) -> None:
        """A column of byte strings."""
        self._cells.append(Cell.of(name, at, kind.byte_width, kind, None))

    def add_table(self, at: int, table: Table, names: Mapping[str, str]) -> None:
        """The columns of a table's fields, and clean words if it is of words."""
        in_word = table.packing is WORDS
        for row, begin, kind in places(table):
            size = row.type.size
            start = at + begin
            if in_word:
                self._demand_clean(row, start if row.type.kind == "bytes" else start + size - WORD)
                if pa.types.is_decimal(kind):  # a clean word has its sign in front already
                    start, size = start + size - WORD, WORD
            name = names.get(row.name, row.name)
            self._cells.append(Cell.of(name, start, size, kind, row))

    def _demand_clean(self, row: Field, at: int) -> None:
        self.demand(at, bytes(WORD), zeros(row))
        if row.type.signed and row.type.size < WORD:
            self._signs.append((at, WORD - row.type.size))

    def columns(
        self, payloads: Payloads, only: frozenset[str] | None = None, start: bytes = b""
    ) -> tuple[dict[str, pa.Array], Mask | None] | None:
        """As `records.columns_of`, of some columns or all; None if a record differs from what is
        demanded, or if payloads-simd is not there. `start` is demanded of each record, too."""
        simd = _simd()
        if simd is None or not len(payloads) or not self.each:
            return None
        total = len(payloads) * self.each
        cells = [cell for cell in self._cells if only is None or cell.name in only]
        outs = [pa.allocate_buffer(total * cell.width) for cell in cells]
        wanted = [
            (cell.at, cell.size, cell.width, cell.letter, out)
            for cell, out in zip(cells, outs, strict=True)
        ]
        where = len(payloads[0]), self.begin, self.size, self.each
        template, mask = self._same
        if start:
            template = start + template[len(start) :]
            mask = b"\xff" * len(start) + mask[len(start) :]
        if not simd.take_apart(payloads, *where, template, mask, self._signs, wanted):
            return None
        return _arrays(cells, outs, total)

    @cached_property
    def _same(self) -> tuple[bytes, bytes]:
        return (bytes(self._template), bytes(self._mask)) if any(self._mask) else (b"", b"")


def _arrays(
    cells: list[Cell], outs: list[pa.Buffer], total: int
) -> tuple[dict[str, pa.Array], Mask | None]:
    columns: dict[str, pa.Array] = {}
    lost: Mask | None = None
    for cell, out in zip(cells, outs, strict=True):
        columns[cell.name], beyond = cell.array(out, total)
        if beyond is not None:
            lost = beyond if lost is None else lost | beyond
    return columns, lost


def joined(items: list[Any]) -> Matrix | None:
    """The bytes of payloads of one size, all of them bytes or all of them plain hex, as a matrix.

    None if an item is anything else, or of another size; and without payloads-simd.
    """
    simd = _simd()
    if simd is None or not items:
        return None
    return _joined_bytes(simd, items) if type(items[0]) is bytes else _joined_texts(simd, items)


def first_bytes(items: list[Any], count: int) -> Matrix | None:
    """So many bytes of each item; None if the items are not all bytes of one size, of `count` at
    least, and without payloads-simd."""
    simd = _simd()
    if simd is None or not items or type(items[0]) is not bytes or len(items[0]) < count:
        return None
    out = memory(np.uint8, len(items), count)
    whole = [(0, count, count, "b", out.view(np.int8))]
    return out if simd.take_apart(items, len(items[0]), 0, count, 1, b"", b"", [], whole) else None


def _joined_bytes(simd: Any, items: list[Any]) -> Matrix | None:
    size = len(items[0])
    # Sizes are looked at before there is memory for them.
    if not size or not simd.take_apart(items, size, 0, size, 1, b"", b"", [], []):
        return None
    return first_bytes(items, size)


def _joined_texts(simd: Any, items: list[Any]) -> Matrix | None:
    if set(map(type, items)) != {str} or len(set(map(len, items))) != 1:
        return None
    size = len(items[0].removeprefix("0x")) // 2
    if not size:
        return None
    out = memory(np.uint8, len(items), size)
    return out if simd.unhex_many(items, size, out.reshape(-1)) else None


def is_available() -> bool:
    """Whether columns can be made in one pass."""
    return _simd() is not None


@cache
def _simd() -> Any:
    """payloads-simd; None where it is not installed."""
    return import_module("payloads_simd") if has_simd() else None
