"""Tables as CSV and as JSON lines, beside the Parquet files: a file a table.

Times are ISO 8601 in UTC with nanoseconds, bytes are 0x-hex, and prices are decimal digits, so that
nothing is rounded. An empty field of CSV is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from payloads.forensics.scanning.run import Scan
from payloads.forensics.tables import TABLES

Format = Literal["csv", "json"]
_ROWS = 16_384
_encode = msgspec.json.Encoder()


def write_copies(scan: Scan, kind: Format) -> list[Path]:
    """Write every table that the scan has as `DIR/csv/TABLE.csv` or `DIR/json/TABLE.jsonl`."""
    folder = scan.folder / kind
    folder.mkdir(exist_ok=True)
    suffix = "csv" if kind == "csv" else "jsonl"
    written = []
    for table in TABLES:
        if scan.files(table):
            path = folder / f"{table}.{suffix}"
            scratch = path.with_name(f".{path.name}.unfinished")
            with scratch.open("wb") as stream:
                _WRITERS[kind](stream, table, _batches(scan, table))
            scratch.replace(path)
            written.append(path)
    return written


def _batches(scan: Scan, table: str) -> Iterator[pa.RecordBatch]:
    for file in scan.files(table):
        with pq.ParquetFile(file) as parquet:
            for rows in parquet.iter_batches(_ROWS):
                yield plain(rows)


def plain(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with times, bytes and decimals as text."""
    arrays = [_plain(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_binary(kind):
        texts = [None if raw is None else "0x" + raw.hex() for raw in column.to_pylist()]
        return pa.array(texts, pa.string())
    return column.cast(pa.string()) if pa.types.is_decimal(kind) else column


def _write_csv(stream: IO[bytes], table: str, batches: Iterator[pa.RecordBatch]) -> None:
    header = True
    for rows in batches:
        flat = pa.RecordBatch.from_arrays(
            [_flat(each) for each in rows.columns], names=rows.schema.names
        )
        csv.write_csv(flat, stream, csv.WriteOptions(include_header=header))
        header = False
    if header:
        stream.write((",".join(f'"{name}"' for name in TABLES[table].names) + "\n").encode())


def _flat(column: pa.Array) -> pa.Array:
    """Lists as JSON: a field of CSV has no structure."""
    if not pa.types.is_list(column.type):
        return column
    texts = [None if each is None else _encode.encode(each).decode() for each in column.to_pylist()]
    return pa.array(texts, pa.string())


def _write_json(stream: IO[bytes], table: str, batches: Iterator[pa.RecordBatch]) -> None:
    for rows in batches:
        stream.write(_encode.encode_lines(rows.to_pylist()))


_WRITERS: dict[Format, Callable[[IO[bytes], str, Iterator[pa.RecordBatch]], Any]] = {
    "csv": _write_csv,
    "json": _write_json,
}
