"""The folder of a scan, opened with DuckDB: a view for each table, and the record of the scan.

Each column of times has a second one beside it, with nanoseconds since 1970 (`at`, `at_ns`), which
can be subtracted. A table that the folder lacks is empty.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from payloads.errors import Misuse
from payloads.forensics.examining.database import connected, selected, whole
from payloads.forensics.tables import CONNECTION_BITS, OFFSET_BITS, TABLES
from payloads.inputs import check_depth, to_path

RECORD = "scan.json"
# What a query may take before it uses the disk.
_MEMORY = "1GB"
_MOST_RECORD = 256 * 2**20


class Folder(AbstractContextManager["Folder"]):
    """The tables of a scan, and what the scan is called. Use it as a context manager."""

    def __init__(self, path: str | Path, name: str = "") -> None:
        self.path = to_path(path)
        self.name = name or str(self.path)
        if not self.path.is_dir():
            raise Misuse("not the folder of a scan", field=str(path), expected="a folder")
        self.record = _record(self.path)
        self._spilled = tempfile.TemporaryDirectory(prefix="payloads-")
        self._rows = whole(self.path)
        self.database = connected(Path(self._spilled.name), _MEMORY)
        for name in TABLES:
            self._view(name)

    def _view(self, name: str) -> None:
        times = [column.name for column in TABLES[name] if pa.types.is_timestamp(column.type)]
        extra = "".join(f', epoch_ns("{time}") AS "{time}_ns"' for time in times)
        self.database.execute(f"CREATE VIEW {name} AS SELECT *{extra} FROM {self.source(name)}")

    def source(self, name: str) -> str:
        """SQL for the rows of a table, also in the database of another folder."""
        return f"({selected(name, self._rows, Path(self._spilled.name))})"

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """The rows of a query, as dictionaries."""
        found = self.database.execute(query, list(values))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def row(self, query: str, *values: Any) -> dict[str, Any]:
        """The only row of a query."""
        (row,) = self.rows(query, *values)
        return row

    def close(self) -> None:
        """Close the database. The files stay."""
        self.database.close()
        self._spilled.cleanup()

    def __exit__(self, *_: object) -> None:
        self.close()


def is_folder(path: str | Path) -> bool:
    """Whether a path is the folder of a scan."""
    folder = to_path(path)
    return (folder / RECORD).is_file() or (folder / "frames").is_dir()


def input_of(frame: str) -> str:
    """SQL for the number of a frame's input."""
    return f"({frame} >> {OFFSET_BITS})"


def named_connection(connection: str) -> str:
    """SQL for the columns `path` and `number` of a connection: its first input, and its number."""
    source = f"i.input = {connection} >> {CONNECTION_BITS}"
    path = f"(SELECT any_value(i.path) FROM inputs i WHERE {source}) AS path"
    return f"{path}, {connection} & {2**CONNECTION_BITS - 1} AS number"


def _record(folder: Path) -> dict[str, Any]:
    """What the scan says of itself; empty where it says nothing that can be read."""
    path = folder / RECORD
    if not path.is_file() or path.stat().st_size > _MOST_RECORD:
        return {}
    try:
        text = path.read_bytes()
        check_depth(text)
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Misuse(f"not the record of a scan: {error}", field=str(path)) from None
    return found if isinstance(found, dict) else {}
