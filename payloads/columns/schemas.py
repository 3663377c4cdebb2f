"""The tables by name, each with its Arrow schema."""

from __future__ import annotations

import pyarrow as pa

from payloads import systems
from payloads.arrays.reader import Columns
from payloads.arrays.types import PLACE, table_schema
from payloads.errors import Misuse, shown

_ROW, _PATH = PLACE[:2]
_ADDRESS = pa.binary(20)

# What could not be read: the reason as the single decoder says it, and the bytes if there are any.
ERRORS = table_schema(
    "errors",
    (
        *(_ROW, _PATH),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("offset", pa.int64()),
        pa.field("field", pa.string()),
        pa.field("raw", pa.large_binary()),
    ),
)
# A row for each signature, in the order of the payloads and of the signatures in them.
SIGNATURES = table_schema(
    "signatures",
    (
        *(_ROW, _PATH),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("signer", _ADDRESS),
        pa.field("r", pa.binary(32), nullable=False),
        pa.field("s", pa.binary(32), nullable=False),
        pa.field("v", pa.uint8(), nullable=False),
        pa.field("digest", pa.binary(32), nullable=False),
        pa.field("high_s", pa.bool_(), nullable=False),
        pa.field("why", pa.string()),
    ),
)
# A row for each payload. `problem` is why there is no verdict, where there is none.
VERDICTS = table_schema(
    "verdicts",
    (
        _ROW,
        pa.field("accepted", pa.bool_()),
        pa.field("passed", pa.bool_()),
        pa.field("verdict", pa.string()),
        pa.field("error", pa.string()),
        pa.field("revert_data", pa.binary()),
        pa.field("signers", pa.list_(_ADDRESS)),
        pa.field("now", pa.int64()),
        pa.field("problem", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("field", pa.string()),
    ),
)


def readers() -> dict[str, Columns]:
    """The systems' own parts by the systems' names."""
    known = ((system.name, system.columns()) for system in systems.SYSTEMS)
    return {name: found for name, found in known if found is not None}


def schemas() -> dict[str, pa.Schema]:
    """Every table of `decode` by its name, with its schema."""
    found = {"errors": ERRORS}
    for reader in readers().values():
        found |= reader.tables()
    return found


def schema(table: str) -> pa.Schema:
    """The schema of a table of `decode`."""
    known = schemas()
    if table not in known:
        expected = ", ".join(known)
        raise Misuse("no such table", field="table", expected=expected, found=shown(table))
    return known[table]
