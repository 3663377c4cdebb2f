"""Tables for engines whose decimals have 38 digits at most: DuckDB, Polars and most databases."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from payloads.arrays.records import Mask
from payloads.columns.decoding import encode

_DIGITS = 38
_LARGEST = 10**_DIGITS - 1


def narrow(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch of a table with decimals of 38 digits.

    A number with more digits is null, and its row has the payload's bytes in `raw`: nothing is
    lost, and numbers of real markets are much smaller. (A row of `prices` has no bytes: they are
    with its payload.)
    """
    columns, beyond = {}, np.zeros(len(batch), np.bool_)
    for field in batch.schema:
        columns[field.name], lost = _narrow(batch[field.name])
        beyond |= lost
    if beyond.any() and "raw" in columns:
        kept = pa.array([*map(bool, beyond)])
        columns["raw"] = pc.if_else(kept, encode(batch), batch["raw"])
    fields = [field.with_type(columns[field.name].type) for field in batch.schema]
    schema = pa.schema(fields, metadata=batch.schema.metadata)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _narrow(array: pa.Array) -> tuple[pa.Array, Mask]:
    """An array without wide decimals, and the rows in which a number did not fit."""
    kind = array.type
    if pa.types.is_decimal256(kind):
        return _narrow_decimals(array)
    if pa.types.is_list(kind):
        begin, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        values, lost = _narrow(array.values.slice(begin, end - begin))
        offsets = pc.subtract(array.offsets, array.offsets[0])
        found = pa.ListArray.from_arrays(offsets, values, mask=_nulls(array))
        places = np.repeat(np.arange(len(array)), np.diff(offsets.to_numpy()))
        return found, np.isin(np.arange(len(array)), places[lost])
    if pa.types.is_struct(kind):
        pairs = [_narrow(array.field(index)) for index in range(kind.num_fields)]
        fields = [kind.field(i).with_type(part.type) for i, (part, _) in enumerate(pairs)]
        parts = [part for part, _ in pairs]
        none = np.zeros(len(array), np.bool_)
        lost = np.logical_or.reduce([none, *(each for _, each in pairs)])
        return pa.StructArray.from_arrays(parts, fields=fields, mask=_nulls(array)), lost
    return array, np.zeros(len(array), np.bool_)


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None


def _narrow_decimals(array: pa.Array) -> tuple[pa.Array, Mask]:
    kind = pa.decimal128(_DIGITS, 0)
    if array.type.precision > _DIGITS:
        most, least = (pa.scalar(number, array.type) for number in (_LARGEST, -_LARGEST))
        large = pc.or_(pc.greater(array, most), pc.less(array, least)).fill_null(False)
        lost = large.to_numpy(zero_copy_only=False)
        if lost.any():
            array = pc.if_else(large, pa.scalar(None, array.type), array)
    else:
        lost = np.zeros(len(array), np.bool_)
    return array.cast(kind), lost
