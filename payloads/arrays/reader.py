"""What a system gives to `payloads.columns`: its tables, and a fast way for whole groups of rows.

The fast way takes payloads of one size. It answers only for rows that it can prove to be what the
single decoder would read, and leaves all others out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from payloads.abi.fields import WORD
from payloads.arrays.apart import Alike
from payloads.arrays.records import Mask, Matrix, packed
from payloads.arrays.types import PLACE, table_schema

# Facts that every system states in columns of its own. A column that is left out is null.
# `unsigned` counts the bytes of a fixed field that are not zero, and that no signature covers.
FACTS = table_schema(
    "facts",
    [
        *PLACE,
        pa.field("system", pa.string()),
        pa.field("schema", pa.string()),
        pa.field("feed", pa.string()),
        pa.field("network", pa.string()),
        pa.field("observed", pa.timestamp("ns", "UTC")),
        pa.field("valid_from", pa.timestamp("ns", "UTC")),
        pa.field("expires", pa.timestamp("ns", "UTC")),
        pa.field("last_seen", pa.timestamp("ns", "UTC")),
        pa.field("sequence", pa.int64()),
        pa.field("signatures", pa.int16()),
        pa.field("unsigned", pa.int32()),
    ],
)


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows of one table: which rows of the matrix, and their columns by name."""

    table: str
    rows: NDArray[np.int64]
    columns: Mapping[str, pa.Array]


@dataclass(frozen=True, eq=False)
class Signed:
    """The signatures of rows with as many signatures each: `count`.

    `hashed` makes `digests`: a word for each row. `rs` and `ss` have a word for each signature, and
    `vs` a byte. `payloads` are the rows' bytes, and `places` where `rs`, `ss` and `vs` begin in
    them. `facts` is for the system that made this.
    """

    rows: NDArray[np.int64]
    count: int
    hashed: Callable[[], Matrix]
    payloads: Matrix
    places: tuple[int, int, int]
    facts: Any = None

    # They are made when they are asked for: not all are wanted where signatures are known.

    @cached_property
    def digests(self) -> Matrix:
        return self.hashed()

    @cached_property
    def rs(self) -> Matrix:
        return self._column(self.places[0], WORD)

    @cached_property
    def ss(self) -> Matrix:
        return self._column(self.places[1], WORD)

    @cached_property
    def vs(self) -> NDArray[np.uint8]:
        return self._column(self.places[2], 1).reshape(-1)

    def _column(self, at: int, size: int) -> Matrix:
        return packed(self.payloads[:, at : at + size * self.count]).reshape(-1, size)


@dataclass(frozen=True, eq=False)
class Signers:
    """The address of each signature, row by row, and whether there is one (else it is zeros)."""

    addresses: NDArray[np.uint8]
    found: Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """A system's part of `payloads.columns`."""

    # The form that the fast way reads; which rows certainly have evidence of this strength for it,
    # if they are read; and which may have stronger evidence than so much for a form of this system.
    form: str
    strength: int
    recognised: Callable[[Alike], Mask]
    may_be: Callable[[Alike, int], Mask]
    # The tables by name, and the pieces of them in rows of one size.
    tables: Callable[[], dict[str, pa.Schema]]
    read: Callable[[Matrix], Iterable[Piece]]
    # All payloads as one piece, in one pass over them where they are, with these columns of the
    # table at least (all, if None). None if they are not proven to be of one layout.
    whole: Callable[[Alike, frozenset[str] | None], Piece | None] | None = None
    # For one decoded payload and its bytes: the table, and a value for each column.
    row: Callable[[Any, bytes], tuple[str, dict[str, Any]]]
    # The payloads' bytes from a table's batch; None for a row without them.
    encode: Callable[[pa.RecordBatch], list[bytes | None]]
    # The prices in a table's batch, in any order: batches of `PRICES`.
    prices: Callable[[pa.RecordBatch], Iterable[pa.RecordBatch]]
    # The signatures in rows of one size: `decodes` asks for rows only that the decoder takes.
    signed: Callable[[Matrix, bool], Iterator[Signed]]
    # Rows that the state's contract accepts for certain: from terms and each row's time.
    accepted: Callable[[Signed, Signers, Any, Any, NDArray[np.int64] | None], Mask]
    # What a table's batch says of each payload, whatever its layout: columns of `FACTS`.
    facts: Callable[[pa.RecordBatch], dict[str, pa.Array]]
    # For a state, a signer and a network in hex: what lists the signer; None where nothing does.
    member: Callable[[Any, str, str], str | None]
    # The statements of a JSON frame about its payload, and the facts that they are about.
    claims: Mapping[str, str]
    # The signatures of bytes as a contract reads them; none where it reads nothing.
    signers: Callable[[bytes], Iterable[bytes | None] | None]
