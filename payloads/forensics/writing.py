"""The files of a part: a Parquet file for each table, renamed into place when it is whole."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from payloads.forensics.tables import MAPPED

# So much of a part's tables is in memory before it is written.
_MOST_BYTES = 32 * 2**20
# A file is written in many small pieces, which are gathered.
_BUFFER = 2**16
# Columns whose bounds a reader can skip rows by.
_BOUNDED = frozenset({"frame", "at"})
# Texts of which hardly any comes twice.
_UNIQUE = frozenset({"signed_hash", "payload_hash", "data", "wide"})
# zstd's levels: payloads are mostly signatures, and more effort makes them hardly smaller.
_LEVEL, _LEVEL_OF_PAYLOADS = 1, -5


class _Writer(pq.ParquetWriter):  # type: ignore[misc]
    """As pyarrow's, which is closed here in any case. Its destructor is Python code: a Ctrl-C that
    came while memory was freed would be raised there, and lost."""

    __del__ = object.__repr__  # code in C, and without an effect


class PartWriter(AbstractContextManager["PartWriter"]):
    """Writes the tables of a part. Without `close`, nothing of it is left but unfinished files."""

    def __init__(self, out: Path, name: str) -> None:
        self._out, self._name = out, name
        self._waiting: dict[str, list[pa.RecordBatch]] = {table: [] for table in MAPPED}
        self._writers: dict[str, _Writer] = {}
        self._opened = ExitStack()
        self._size = 0
        self.counts: Counter[str] = Counter(dict.fromkeys(MAPPED, 0))

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add(self, tables: dict[str, pa.RecordBatch]) -> None:
        """Rows of several tables."""
        for table, rows in tables.items():
            self.counts[table] += len(rows)
            if len(rows):
                self._waiting[table].append(rows)
                self._size += rows.nbytes
        if self._size > _MOST_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what waits, and rename the files of all tables into place."""
        self._flush()
        self._opened.close()
        for table in MAPPED:
            if table not in self._writers:
                self._scratch(table).write_bytes(_without_rows(table))
            os.replace(self._scratch(table), self._out / table / f"{self._name}.parquet")

    def _flush(self) -> None:
        for table, batches in self._waiting.items():
            if batches:
                self._writer(table).write_table(pa.Table.from_batches(batches))
                batches.clear()
        self._size = 0

    def _scratch(self, table: str) -> Path:
        # Named after the process: a worker may outlive the scan that began it for a moment.
        return self._out / table / f".{self._name}.{os.getpid()}.unfinished"

    def _writer(self, table: str) -> _Writer:
        if table not in self._writers:
            schema, path = MAPPED[table], self._scratch(table)
            stream = pa.output_stream(path, compression=None, buffer_size=_BUFFER)
            writer = _Writer(self._opened.enter_context(stream), schema, **options(schema))
            self._writers[table] = self._opened.enter_context(writer)
        return self._writers[table]


@cache
def _without_rows(table: str) -> bytes:
    """The file of a table that has no rows, as most parts have one."""
    sink = pa.BufferOutputStream()
    schema = MAPPED[table]
    _Writer(sink, schema, **options(schema)).close()
    return bytes(sink.getvalue())


def options(schema: pa.Schema) -> dict[str, Any]:
    """How a table is written: small, with times in nanoseconds."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    repeated = [name for name in texts if name not in _UNIQUE]
    bounded = [name for name in schema.names if name in _BOUNDED]
    levels = {name: _LEVEL_OF_PAYLOADS if name == "raw" else _LEVEL for name in schema.names}
    numbers = {field.name: "DELTA_BINARY_PACKED" for field in schema if _is_number(field.type)}
    return {
        "compression": "zstd", "compression_level": levels, "version": "2.6",
        "use_dictionary": repeated, "write_statistics": bounded, "column_encoding": numbers,
    }  # fmt: skip


def _is_number(kind: pa.DataType) -> bool:
    """Times and numbers grow, or stay: their differences are few bits, without compression."""
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def prepare(out: Path) -> None:
    """Make the folders of the tables, and remove what an interrupted scan left unfinished."""
    for table in MAPPED:
        folder = out / table
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.unfinished"):
            left.unlink(missing_ok=True)


def write_whole(table: pa.Table, path: Path) -> None:
    """One Parquet file, whole or not at all."""
    scratch = path.with_name(f".{path.name}.unfinished")
    pq.write_table(table, scratch, **options(table.schema))
    os.replace(scratch, path)


def write_text(text: str, path: Path) -> None:
    """One text file, whole or not at all."""
    scratch = path.with_name(f".{path.name}.unfinished")
    scratch.write_text(text, encoding="utf-8", errors="surrogatepass")
    os.replace(scratch, path)
