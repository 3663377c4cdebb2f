"""The Arrow type of a field, and what all tables of columns share.

Integers keep their value. Those of up to 64 bits are Arrow integers, wider ones decimals without a
fraction: a decimal256 holds 76 digits, which is enough for 252 bits. A wider integer (`uint256`,
`int256`) stays the 32 bytes that it is.

A field in seconds, milliseconds or nanoseconds is a timestamp in UTC. Times that no reader of Arrow
can show (after the year 9999; in nanoseconds after 2262) are null, and their row keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from payloads.abi.fields import Field
from payloads.abi.units import MILLISECONDS, NANOSECONDS, SECONDS, Unit

_MOST_DIGITS = 76
_YEAR_10000 = 253_402_300_800
# The Arrow unit of each unit of time, and the first value that has no timestamp.
_TIMES: dict[Unit, tuple[str, int]] = {
    SECONDS: ("s", _YEAR_10000),
    MILLISECONDS: ("ms", _YEAR_10000 * 1000),
    NANOSECONDS: ("ns", 2**63),
}
# The key under which a schema names its table.
_TABLE = b"payloads.table"

# What each row has, whatever its table: its place in the input, the path inside it where it was a
# container, how its layout was guessed, and the payload's bytes where the columns do not give them.
PLACE = (
    pa.field("row", pa.int64(), nullable=False),
    pa.field("path", pa.string()),
    pa.field("guess", pa.string()),
    pa.field("raw", pa.large_binary()),
)


# A row for each price, of whatever system: what every table of payloads can be turned into.
PRICES = pa.schema(
    [
        *PLACE[:2],
        pa.field("system", pa.string(), nullable=False),
        pa.field("feed", pa.string()),
        pa.field("field", pa.string(), nullable=False),
        pa.field("value", pa.decimal256(_MOST_DIGITS, 0)),
        pa.field("observed", pa.timestamp("ns", "UTC")),
    ],
    metadata={_TABLE: b"prices"},
)
_LAST_NANOSECOND = 2**63 - 1


def nanoseconds(times: pa.Array) -> pa.Array:
    """Timestamps in nanoseconds; null where that is later than their last, in 2262."""
    factor = {"s": 10**9, "ms": 10**6, "ns": 1}[times.type.unit]
    numbers = times.cast(pa.int64())
    fits = pc.less_equal(numbers, _LAST_NANOSECOND // factor)
    numbers = pc.if_else(fits, numbers, pa.scalar(None, pa.int64()))
    return pc.multiply(numbers, factor).cast(pa.timestamp("ns", "UTC"))


def hex_texts(array: pa.Array) -> pa.Array:
    """Byte strings as 0x-hex. Each different string is spelled once."""
    if not len(array):
        return pa.array([], pa.string())
    encoded = array.dictionary_encode()
    texts = [None if raw is None else "0x" + raw.hex() for raw in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def spread(array: pa.Array, places: pa.Array) -> pa.Array:
    """What stands at these places, all of which exist. One value for all is not looked up."""
    if places.null_count:
        return array.take(places)
    if array.null_count == len(array):
        return pa.nulls(len(places), array.type)
    if pa.types.is_string(array.type) and array[0] == array[-1]:
        different = array.unique()
        if len(different) == 1:
            return pa.repeat(different[0], len(places))
    return pc.take(array, places, boundscheck=False)


def is_time(row: Field) -> bool:
    """Whether the field's column is a timestamp."""
    return row.unit in _TIMES and row.type.kind == "uint" and row.type.size <= 8


def first_without_timestamp(row: Field) -> int:
    """The least value of a time that its column cannot hold."""
    return _TIMES[row.unit][1]


def digits(row: Field) -> int:
    """The decimal digits of the field's largest numbers."""
    bits = 8 * row.type.size - row.type.signed
    return len(str(2**bits - (not row.type.signed)))


def arrow_type(row: Field) -> pa.DataType:
    """The type of a field's column."""
    size = row.type.size
    if row.type.kind == "bytes":
        return pa.binary(size)
    if is_time(row):
        return pa.timestamp(_TIMES[row.unit][0], "UTC")
    if size <= 8:
        width = next(width for width in (8, 16, 32, 64) if 8 * size <= width)
        return getattr(pa, f"{row.type.kind}{width}")()
    count = digits(row)
    return pa.decimal256(count, 0) if count <= _MOST_DIGITS else pa.binary(size)


def is_decimal(row: Field) -> bool:
    """Whether the field's column is a decimal."""
    return bool(pa.types.is_decimal(arrow_type(row)))


def arrow_field(row: Field, name: str = "") -> pa.Field:
    """The column of a field, with its ABI type, unit and meaning as metadata."""
    facts = {"abi": row.type.name, "unit": row.unit.name, "meaning": row.meaning}
    metadata = {key: value for key, value in facts.items() if value}
    return pa.field(name or row.name, arrow_type(row), metadata=metadata)


def column_names(rows: Iterable[Field], taken: Iterable[str]) -> dict[str, str]:
    """The name of each field's column: its own, or behind `report_` if that name is taken."""
    used = set(taken)
    return {row.name: f"report_{row.name}" if row.name in used else row.name for row in rows}


def table_schema(name: str, columns: Iterable[pa.Field], **facts: str) -> pa.Schema:
    """The schema of a table of columns. `facts` are kept in its metadata."""
    metadata = {
        _TABLE: name.encode(),
        **{key.encode(): text.encode() for key, text in facts.items()},
    }
    return pa.schema(list(columns), metadata=metadata)


def table_of(schema: pa.Schema) -> str | None:
    """The name of the table that a schema is of; None for a schema of other origin."""
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    name = metadata.get(_TABLE)
    return None if name is None else name.decode()


def column_value(row: Field, value: object) -> object:
    """A decoded value as its column takes it; None where the column cannot hold it."""
    if isinstance(value, int):
        if is_time(row) and value >= first_without_timestamp(row):
            return None
        if row.type.size > 8 and not is_decimal(row):
            return value.to_bytes(row.type.size, "big", signed=row.type.signed)
    return value
