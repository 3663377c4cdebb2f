"""Signed updates in columns: one table, and the fast way for many payloads at once.

The layouts leave an encoder no choice, so there is little to prove: the size, and the head.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payloads.abi.calldata import function_named
from payloads.abi.fields import Table
from payloads.arrays.apart import Alike, Shape
from payloads.arrays.reader import Columns, Piece, Signed, Signers
from payloads.arrays.records import (
    Mask,
    Matrix,
    columns_of,
    every,
    keccak_rows,
    lists,
    numbers,
    packed,
    put,
)
from payloads.arrays.types import (
    PLACE,
    PRICES,
    arrow_field,
    column_value,
    nanoseconds,
    spread,
    table_schema,
)
from payloads.crypto import keccak256, recover
from payloads.stork.call import ASSET_SIZE, BODY, HEAD_SIZE
from payloads.stork.calldata import FUNCTIONS
from payloads.stork.checks import HALF_ORDER, MOST_ASSETS
from payloads.stork.frames import NAME, SIGNED
from payloads.stork.state import StorkState
from payloads.stork.update import (
    ASSETS,
    BODIES,
    PLAIN,
    SIGNATURE,
    VALUE_BIT,
    VERSIONED,
    SignedUpdate,
    UnsignedUpdate,
    decode,
)
from payloads.stork.verifier import value_sent

UPDATES = "stork_updates"
_EVERY_ASSET = ASSETS[max(ASSETS)]
_HEAD = BODIES[PLAIN]
_ASSET = pa.struct([arrow_field(row) for row in _EVERY_ASSET.fields])
# More than there are numbers of assets.
_ASSETS = pa.scalar(2**32, pa.uint64())
_VERSIONED_MARK = bytes([0xFF, 0x02])
# Nanoseconds of the years 2001 to 2100: with them a payload is recognised for certain.
_FIRST_TIME, _LAST_TIME = 10**18, 4_102_444_800 * 10**9


_TABLE = table_schema(
    UPDATES,
    (
        *PLACE,
        *map(arrow_field, SIGNATURE.fields),
        pa.field("layout", pa.string()),
        pa.field("mask", pa.uint16()),
        *map(arrow_field, _HEAD.fields),
        pa.field("assets", pa.list_(_ASSET)),
    ),
)


def tables() -> dict[str, pa.Schema]:
    """The one table of updates, with a list of assets in each row."""
    return {UPDATES: _TABLE}


# --- the fast way ---------------------------------------------------------------------------------


def _layouts(heads: Matrix, size: int) -> Iterator[tuple[NDArray[np.int64], str, int]]:
    """The rows that decode, by layout and mask: from the first bytes of payloads of this size."""
    if size <= BODY:
        return
    versioned = heads[:, BODY] == 0xFF
    rows = np.flatnonzero(~versioned)
    if len(rows) and _count(size, PLAIN, VALUE_BIT) is not None:
        yield rows, PLAIN, VALUE_BIT
    if not versioned.any() or size < BODY + BODIES[VERSIONED].size:
        return
    marked = (heads[:, BODY : BODY + 2] == np.frombuffer(_VERSIONED_MARK, np.uint8)).all(axis=1)
    masks = numbers(heads, BODY + 2, 2)
    for mask in ASSETS:
        rows = np.flatnonzero(marked & (masks == mask))
        if len(rows) and _count(size, VERSIONED, mask) is not None:
            yield rows, VERSIONED, mask


def _count(size: int, layout: str, mask: int) -> int | None:
    """How many assets payloads of this size carry; None if they are no payloads."""
    count, rest = divmod(size - BODY - BODIES[layout].size, ASSETS[mask].size)
    return None if rest or count < 0 else count


def read(matrix: Matrix) -> Iterator[Piece]:
    """The table's rows in payloads of one size."""
    for rows, layout, mask in _layouts(matrix, matrix.shape[1]):
        part = matrix if len(rows) == len(matrix) else matrix[rows]
        yield Piece(UPDATES, rows, _columns(Alike(part), layout, mask))


def whole(alike: Alike, only: frozenset[str] | None) -> Piece | None:
    """All rows as one piece, if all have one layout and one mask."""
    if alike.heads is None:
        return None
    for rows, layout, mask in _layouts(alike.heads, alike.size):
        if len(rows) == len(alike):
            return Piece(UPDATES, rows, _columns(alike, layout, mask, only))
    return None


def _columns(
    alike: Alike, layout: str, mask: int, only: frozenset[str] | None = None
) -> dict[str, pa.Array]:
    total = len(alike)
    columns, lost = _heads(alike, layout, only)
    columns["layout"] = pa.repeat(layout, total)
    columns["mask"] = pa.array(np.full(total, mask, np.uint16))
    if only is None or "assets" in only:
        columns["assets"] = _assets(alike, layout, mask)
    if layout == VERSIONED and (guess := decode(alike.payload(0)).guess):
        columns["guess"] = pa.repeat(guess, total)
    if lost is not None:
        raws = [alike.payload(index) if gone else None for index, gone in enumerate(lost)]
        columns["raw"] = pa.array(raws, pa.large_binary())
    return columns


def _heads(
    alike: Alike, layout: str, only: frozenset[str] | None
) -> tuple[dict[str, pa.Array], Mask | None]:
    """The columns before the assets, and which rows have a time that is null there."""
    found = _head_shape(layout).columns(alike.payloads, only)
    if found is None:
        columns, _ = columns_of(alike.matrix, 0, SIGNATURE)
        head, lost = columns_of(alike.matrix, BODY, BODIES[layout])
        found = columns | head, lost
    return found


def _assets(alike: Alike, layout: str, mask: int) -> pa.ListArray:
    """The assets of each row."""
    table, start = ASSETS[mask], BODY + BODIES[layout].size
    count = (alike.size - start) // table.size
    found = _asset_shape(layout, mask, count).columns(alike.payloads)
    if found is None:
        found = columns_of(packed(alike.matrix[:, start:]).reshape(-1, table.size), 0, table)
    columns, total = found[0], count * len(alike)
    arrays = [columns.get(field.name) for field in _ASSET]
    arrays = [
        pa.nulls(total, field.type) if array is None else array
        for field, array in zip(_ASSET, arrays, strict=True)
    ]
    structs = pa.StructArray.from_arrays(arrays, fields=list(_ASSET))
    return lists(structs, count, len(alike))


@lru_cache
def _head_shape(layout: str) -> Shape:
    body = BODIES[layout]
    shape = Shape(BODY + body.size)
    shape.add_table(0, SIGNATURE, {})
    shape.add_table(BODY, body, {})
    return shape


@lru_cache
def _asset_shape(layout: str, mask: int, count: int) -> Shape:
    shape = Shape(ASSETS[mask].size, BODY + BODIES[layout].size, count)
    shape.add_table(0, ASSETS[mask], {})
    return shape


# --- one by one -----------------------------------------------------------------------------------


def row(value: SignedUpdate | UnsignedUpdate, raw: bytes) -> tuple[str, dict[str, Any]]:
    """The table of a decoded payload, and a value for each column."""
    found = _values(_HEAD, value)
    if None in found.values() and raw:
        found["raw"] = raw
    found["assets"] = [_values(_EVERY_ASSET, asset) for asset in value.assets]
    if isinstance(value, SignedUpdate):
        found |= _values(SIGNATURE, value)
        found |= {"layout": value.layout, "mask": value.mask, "guess": value.guess or None}
    return UPDATES, found


def _values(table: Table, record: Any) -> dict[str, Any]:
    return {row.name: column_value(row, getattr(record, row.name)) for row in table.fields}


# --- back to bytes --------------------------------------------------------------------------------


def encode_rows(batch: pa.RecordBatch) -> list[bytes | None]:
    """The payload of each row, from its columns."""
    signatures = _written(batch, SIGNATURE)
    layouts, masks = batch["layout"].to_pylist(), batch["mask"].to_pylist()
    plain = _written(batch, _HEAD)
    ends = batch["assets"].offsets.to_pylist()
    records = {mask: _records(batch["assets"].values, ASSETS[mask]) for mask in {*masks} - {None}}
    found: list[bytes | None] = []
    for index, (layout, mask) in enumerate(zip(layouts, masks, strict=True)):
        if layout is None:
            found.append(None)
            continue
        mark = b"" if layout == PLAIN else _VERSIONED_MARK + mask.to_bytes(2, "big")
        size = ASSETS[mask].size
        assets = records[mask][size * ends[index] : size * ends[index + 1]]
        found.append(signatures[index].tobytes() + mark + plain[index].tobytes() + assets)
    return found


def _written(batch: pa.RecordBatch | pa.StructArray, table: Table) -> Matrix:
    matrix = np.zeros((len(batch), table.size), np.uint8)
    columns = {
        row.name: batch[row.name] if isinstance(batch, pa.RecordBatch) else batch.field(row.name)
        for row in table.fields
    }
    put(matrix, 0, table, columns)
    return matrix


def _records(assets: pa.StructArray, table: Table) -> bytes:
    return _written(assets, table).tobytes()


# --- prices ---------------------------------------------------------------------------------------


def prices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A row for each asset with a value; the feed is the taxonomy and the asset."""
    lists_ = batch["assets"]
    assets, ends = lists_.flatten(), lists_.offsets.to_numpy()
    places = pa.array(np.repeat(np.arange(len(batch)), np.diff(ends)))
    columns = [
        spread(batch["row"], places),
        spread(batch["path"], places),
        pa.repeat(NAME, len(places)),
        _feeds(spread(batch["taxonomy_id"], places), assets.field("asset_id")),
        pa.repeat("value", len(places)),
        assets.field("value").cast(PRICES.field("value").type),
        spread(nanoseconds(batch["timestamp_ns"]), places),
    ]
    found = pa.RecordBatch.from_arrays(columns, schema=PRICES)
    yield found.filter(found["value"].is_valid()) if found["value"].null_count else found


def _feeds(taxonomies: pa.Array, assets: pa.Array) -> pa.Array:
    """The names of feeds. Each different name is spelled once."""
    taxonomies, assets = (each.cast(pa.uint64()) for each in (taxonomies, assets))
    encoded = pc.add(pc.multiply(taxonomies, _ASSETS), assets).dictionary_encode()
    numbers = encoded.dictionary.to_pylist()
    texts = ["/".join(map(str, divmod(number, _ASSETS.as_py()))) for number in numbers]
    return spread(pa.array(texts, pa.string()), encoded.indices)


# --- facts ----------------------------------------------------------------------------------------


def facts(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The layout and the time of each update. Its feeds are those of its assets."""
    return {
        "schema": batch["layout"],
        "observed": nanoseconds(batch["timestamp_ns"]),
        "signatures": batch["layout"].is_valid().cast(pa.int16()),
    }


# --- signatures -----------------------------------------------------------------------------------


def signed(matrix: Matrix, decodes: bool) -> Iterator[Signed]:
    """The signatures of payloads: of those that decode, or of any that the contract reads."""
    if decodes:
        groups = [rows for rows, _, _ in _layouts(matrix, matrix.shape[1])]
    elif matrix.shape[1] >= HEAD_SIZE and (matrix.shape[1] - HEAD_SIZE) % ASSET_SIZE == 0:
        groups = [np.arange(len(matrix))]
    else:
        return
    for rows in groups:
        part = matrix if len(rows) == len(matrix) else matrix[rows]
        yield Signed(rows, 1, partial(keccak_rows, part[:, BODY:]), part, (0, 32, 64))


def signers(raw: bytes) -> list[bytes | None] | None:
    """The signer of a payload in a size that the contract takes."""
    if len(raw) < HEAD_SIZE or (len(raw) - HEAD_SIZE) % ASSET_SIZE:
        return None
    return [recover(keccak256(raw[BODY:]), raw[:32], raw[32:64], raw[64])]


# --- verdicts -------------------------------------------------------------------------------------


def accepted(
    signed: Signed, signers: Signers, state: StorkState, terms: Any, now: NDArray[np.int64] | None
) -> Mask:
    """Which rows the contract accepts for certain; all others are for the engine."""
    nothing = ~every(len(signed.rows))
    function_named(FUNCTIONS, terms.function)  # both accept the same payloads
    assets = (signed.payloads.shape[1] - HEAD_SIZE) // ASSET_SIZE
    sent = value_sent(terms.pay, terms.value, state)
    if sent < state.verification_fee or assets > MOST_ASSETS:
        return nothing
    good = signers.found & _low(signed.ss)
    trusted = np.zeros(len(nothing), np.bool_)
    for signer in state.trusted:
        trusted |= (signers.addresses == np.frombuffer(signer, np.uint8)).all(axis=1)
    return np.asarray(good & trusted)


def _low(ss: Matrix) -> Mask:
    """Which s are certainly not above half the order: their first eight bytes are below its."""
    return numbers(ss, 0, 8) < np.uint64(HALF_ORDER >> 192)


def member(state: StorkState, signer: str, network: str) -> str | None:
    """The contract, if it trusts the signer: its address, or its name where that is not known."""
    if bytes.fromhex(signer[2:]) not in state.trusted:
        return None
    return state.contract if state.proxy is None else "0x" + bytes(state.proxy).hex()


# --- recognising ----------------------------------------------------------------------------------


def may_be(alike: Alike, strength: int) -> Mask:
    """No row is known not to be of this system."""
    return every(len(alike))


def recognised(alike: Alike) -> Mask:
    """Which rows have a time where Stork has it, and cannot be taken for calldata."""
    heads, size = alike.heads, alike.size
    if heads is None or size % 32 == 4 or size < HEAD_SIZE + 4:
        return ~every(len(alike))
    times = numbers(heads, BODY + 2, 8)
    versioned = numbers(heads, BODY, 2) == int.from_bytes(_VERSIONED_MARK, "big")
    if versioned.any():
        times = np.where(versioned, numbers(heads, BODY + 6, 8), times)
    return np.asarray((times >= np.uint64(_FIRST_TIME)) & (times < np.uint64(_LAST_TIME)))


COLUMNS = Columns(
    form=SIGNED,
    strength=40,
    recognised=recognised,
    may_be=may_be,
    tables=tables,
    read=read,
    whole=whole,
    row=row,
    encode=encode_rows,
    prices=prices,
    signed=signed,
    accepted=accepted,
    facts=facts,
    member=member,
    claims={},
    signers=signers,
)
