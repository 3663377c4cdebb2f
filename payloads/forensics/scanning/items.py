"""What reading a part gives: rows of `frames` and `events`, and the payloads in them as items.

An item is a payload that is not decoded yet, with its frame. The functions of `mapping` take
batches of items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from payloads.arrays.types import table_schema
from payloads.forensics.tables import PAYLOADS

# Columns of an item that `payloads` has as well.
_SHARED = (
    "frame", "index", "path", "at", "venue", "connection", "direction", "provenance", "system",
    "form",
)  # fmt: skip

ITEMS = table_schema(
    "items",
    (
        *(PAYLOADS.field(name) for name in _SHARED),
        # The payload's bytes; or the message, where it has no bytes of a payload in it.
        pa.field("raw", pa.large_binary()),
        pa.field("message", pa.large_string()),
        # What the frame says about its payload: plain values by the facts they are about, and a
        # JSON object of all of them where a value is not plain.
        pa.field("claimed_feed", pa.string()),
        pa.field("claimed_valid_from", pa.int64()),
        pa.field("claimed_observed", pa.int64()),
        pa.field("claims", pa.string()),
        # Why it cannot be decoded, where that is known already.
        *(PAYLOADS.field(name) for name in ("error", "error_offset", "error_field")),
    ),
)


def items_of(payloads: Sequence[bytes | str], **columns: Any) -> pa.RecordBatch:
    """Items from payloads of another source, for `mapping`; columns are arrays or constants.

    `frame` is the place in the list, if it is not given.
    """
    count = len(payloads)
    raws = [
        bytes.fromhex(each.removeprefix("0x")) if isinstance(each, str) else each
        for each in payloads
    ]
    given = {
        "frame": pa.array(np.arange(count)),
        "index": 0,
        "path": "",
        "connection": 0,
        "raw": raws,
    }
    return batch(ITEMS, given | columns, count)


def batch(schema: pa.Schema, columns: Mapping[str, Any], count: int) -> pa.RecordBatch:
    """A batch from columns that are arrays, lists or constants; others are null."""
    arrays = [_column(columns.get(field.name), field.type, count) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    if value is None:
        return pa.nulls(count, kind)
    if isinstance(value, pa.Array):
        return value if value.type == kind else value.cast(kind)
    if isinstance(value, list):
        return pa.array(value, kind)
    if isinstance(value, np.ndarray):
        return pa.array(value).cast(kind)
    return pa.repeat(pa.scalar(value, kind), count)


def concat(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """A batch of the rows of batches of one schema. It may have no rows."""
    if len(batches) == 1:
        return batches[0]
    return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=schema)
