"""Values of static types, and of the fields of a table."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from payloads.abi.fields import AbiType, Field, Table
from payloads.errors import Misuse


@cache
def values_of(abi: AbiType) -> st.SearchStrategy[Any]:
    """Values of a static type. Hypothesis draws the ends of a range more often than the rest."""
    if abi.kind == "bytes":
        return st.binary(min_size=abi.size, max_size=abi.size)
    bits = 8 * abi.size - abi.signed
    return st.integers(-(2**bits) if abi.signed else 0, 2**bits - 1)


def fixed_value(row: Field, value: Any) -> st.SearchStrategy[Any]:
    """The strategy for a field that the caller names: a strategy, or a value that fits it."""
    if isinstance(value, st.SearchStrategy):
        return value
    if value is not None or row.none is None:
        row.type.bytes_of(value, row.name)
    return st.just(value)


def values_of_table(table: Table, **fixed: Any) -> dict[str, st.SearchStrategy[Any]]:
    """A strategy for each field of a table. `Misuse` for an unknown name or a value too large."""
    names = {row.name for row in table.fields}
    for name in fixed:
        if name not in names:
            raise Misuse("no such field", field=name, expected=", ".join(sorted(names)))
    return {
        row.name: fixed_value(row, fixed[row.name]) if row.name in fixed else values_of(row.type)
        for row in table.fields
    }
