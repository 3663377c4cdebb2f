"""Payloads to tables, and tables back to payloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from payloads import recognise
from payloads.arrays import rows as inputs
from payloads.arrays.reader import FACTS, Columns
from payloads.arrays.records import Matrix, array_of, nulls
from payloads.arrays.types import PRICES, table_of
from payloads.columns.fast import Positions, offer, whole
from payloads.columns.schemas import ERRORS, readers, schema, schemas
from payloads.errors import Misuse, PayloadError, shown
from payloads.recognise import Decoded, checked_form

# For each table: places in the input with columns, and rows that were decoded one by one.
Pieces = dict[str, list[tuple[Positions, Any]]]
Singles = dict[str, list[dict[str, Any]]]


def decode(
    payloads: Any,
    *,
    column: str = "payload",
    form: str | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, pa.RecordBatch]:
    """The tables of many payloads by name; those without rows are left out, except `errors`.

    `payloads` is a list or Arrow array of hex or bytes, or a batch with that `column`. What
    `payloads.decode` takes besides (frames, calldata) is taken, too: every payload inside is a row,
    and `row` is the place of the input. `form` names the form, as for `payloads.decode`.

    `only` names the columns that are wanted beside `row`, of any tables: no others are made, where
    payloads-simd takes the payloads apart. Everything is checked all the same.
    """
    known = schemas()
    wanted = None if only is None else _checked_names(only, known)
    pieces, singles = _pieces(payloads, column, checked_form(form), wanted)
    names = [name for name in known if name in pieces or name in singles or name == "errors"]
    return {
        name: _batch(_with_only(known[name], wanted), pieces[name], singles[name]) for name in names
    }


def _checked_names(only: Iterable[str], known: Mapping[str, pa.Schema]) -> frozenset[str]:
    """The names of columns, all of which a table has."""
    wanted = frozenset([only] if isinstance(only, str) else only)
    unknown = wanted
    for table in known.values():
        if not unknown:
            break
        unknown = unknown.difference(table.names)
    if unknown:
        raise Misuse("no such column", field="only", found=shown(min(map(str, unknown))))
    return wanted


def _with_only(table: pa.Schema, wanted: frozenset[str] | None) -> pa.Schema:
    """The schema without the columns that are not wanted. It is not that of the table any more."""
    if wanted is None or table is ERRORS:
        return table
    return pa.schema([each for each in table if each.name == "row" or each.name in wanted])


def decode_table(
    payloads: Any, table: str, *, column: str = "payload", form: str | None = None
) -> pa.RecordBatch:
    """One table of `decode`, perhaps without rows: from a batch, a batch of a known schema."""
    wanted = schema(table)
    found = decode(payloads, column=column, form=form).get(table)
    return pa.RecordBatch.from_pylist([], schema=wanted) if found is None else found


def _pieces(
    payloads: Any, column: str, form: str | None, wanted: frozenset[str] | None
) -> tuple[Pieces, Singles]:
    pieces: Pieces = defaultdict(list)
    # Whether a row has its bytes in `raw` depends on its other columns.
    only = None if wanted is None or "raw" in wanted else wanted
    given, rows = inputs.column_of(payloads, column), None
    if (alike := inputs.in_place(given)) is None:
        rows = inputs.read(given)
        alike = rows.matrix
    if alike is not None and len(alike) >= inputs.WORTH_AN_ARRAY:
        if (found := whole(alike, form, only)) is not None:
            pieces[found.table].append((found.rows, found.columns))
            return pieces, defaultdict(list)
    rows = inputs.read(given) if rows is None else rows

    def take(_: str, reader: Columns, positions: Positions, matrix: Matrix) -> Iterator[Positions]:
        for piece in reader.read(matrix):
            pieces[piece.table].append((positions[piece.rows], piece.columns))
            yield piece.rows

    left = offer(rows, take, form=form)
    singles: Singles = defaultdict(list)
    for index in np.flatnonzero(left).tolist():
        _add_single(singles, index, rows.item(index), form)
    return pieces, singles


# --- one by one -----------------------------------------------------------------------------------


def leaves(item: Any, form: str | None) -> list[Decoded]:
    """The payloads in an item, or its error, as the single decoder has it."""
    try:
        return list(recognise.decode(item, form=form).leaves())
    except PayloadError as error:
        raw = bytes(item) if isinstance(item, bytes | bytearray | memoryview) else b""
        return [Decoded("", "", raw=raw, error=error)]


def _add_single(singles: Singles, index: int, item: Any, form: str | None) -> None:
    known = readers()
    for leaf in leaves(item, form):
        place = {"row": index, "path": leaf.path or None}
        if leaf.error is not None:
            singles["errors"].append(place | _error(leaf.error, leaf.raw))
        elif (reader := known.get(leaf.system)) is None:
            error = Misuse("payloads of this system have no columns", found=leaf.system)
            singles["errors"].append(place | _error(error, leaf.raw))
        else:
            table, values = reader.row(leaf.value, leaf.raw)
            singles[table].append(place | values)


def _error(error: PayloadError, raw: bytes) -> dict[str, Any]:
    where = {"offset": error.offset, "field": error.field}
    return {"kind": error.kind, "error": str(error), "raw": raw or None, **where}


# --- tables ---------------------------------------------------------------------------------------


def _batch(
    wanted: pa.Schema, pieces: list[tuple[Positions, Any]], singles: list[dict[str, Any]]
) -> pa.RecordBatch:
    """One batch in the order of the input."""
    if wanted is ERRORS and not singles:
        return _no_errors()
    batches = [_filled(wanted, places, columns) for places, columns in pieces]
    if singles:
        batches.append(pa.RecordBatch.from_pylist(singles, schema=wanted))
    return _in_order(wanted, batches)


@cache
def _no_errors() -> pa.RecordBatch:
    return _filled(ERRORS, np.zeros(0, np.int64), {})


def _filled(wanted: pa.Schema, places: Positions, columns: Any) -> pa.RecordBatch:
    given = {"row": array_of(places, pa.int64()), **columns}
    arrays = [
        given[name] if name in given else nulls(len(places), wanted.field(name).type)
        for name in wanted.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def encode(batch: pa.RecordBatch) -> pa.LargeBinaryArray:
    """The payloads of a table's batch; null for a row that was never bytes.

    A row that is not canonical, or has a time that no timestamp holds, kept its own bytes in `raw`.
    """
    name = table_of(batch.schema) if isinstance(batch, pa.RecordBatch) else None
    if name == table_of(ERRORS):
        return batch["raw"]
    for reader in readers().values():
        if name in reader.tables():
            made = reader.encode(batch)
            raws = batch["raw"].to_pylist()
            found = [new if raw is None else raw for new, raw in zip(made, raws, strict=True)]
            return pa.array(found, pa.large_binary())
    raise Misuse("not a batch of a table of payloads", field="batch", found=str(name))


def prices(tables: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
    """A row for each price in the tables of `decode`: its feed, field, value and time.

    They are in the order of the payloads. `feed` is the feed id as hex, or Stork's taxonomy and
    asset; `observed` the time of the observations. Values are not scaled.
    """
    _check_complete(tables)
    found = [
        part
        for batch in tables.values()
        for reader in readers().values()
        if table_of(batch.schema) in reader.tables()
        for part in reader.prices(batch)
    ]
    return _in_order(PRICES, found)


def facts(tables: Mapping[str, pa.RecordBatch]) -> pa.RecordBatch:
    """A row for each payload in the tables of `decode`: what all systems state of their payloads.

    They are in the order of the payloads. `guess` and `raw` are those of the payload's table.
    """
    _check_complete(tables)
    found = [
        _filled(FACTS, batch["row"].to_numpy(), _facts(system, reader, batch))
        for name, batch in tables.items()
        for system, reader in readers().items()
        if name in reader.tables()
    ]
    return _in_order(FACTS, found)


def _check_complete(tables: Mapping[str, pa.RecordBatch]) -> None:
    known = schemas()
    for name, batch in tables.items():
        if name in known and batch.schema.names != known[name].names:
            expected = "all columns of the table"
            raise Misuse("a table without some of its columns", field=name, expected=expected)


def _in_order(wanted: pa.Schema, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """A batch of the rows of several batches, in the order of the payloads."""
    if not batches:
        return _filled(wanted, np.zeros(0, np.int64), {})
    whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    order = whole["row"].to_numpy()
    if (order[1:] >= order[:-1]).all():
        return whole
    return whole.take(pa.array(np.argsort(order, kind="stable")))


def _facts(system: str, reader: Columns, batch: pa.RecordBatch) -> dict[str, pa.Array]:
    kept = {name: batch[name] for name in ("path", "guess", "raw")}
    return kept | {"system": pa.repeat(system, len(batch))} | reader.facts(batch)
