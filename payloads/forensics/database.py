"""DuckDB over the tables of a scan: a view for each, in a database that is deleted afterwards.

Nothing else of the machine can be read there, and what does not fit into the memory goes to the
folder of the scan.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from payloads.errors import Misuse, elide, not_installed

try:
    import duckdb
    import pyarrow.parquet as pq
except ImportError as error:
    raise not_installed("duckdb or pyarrow", "scan") from error

from payloads.forensics.quoting import literal, text
from payloads.forensics.tables import TABLES


@contextmanager
def database(
    folder: Path, memory_limit: str, threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a view for each table of the folder but its findings."""
    work = Path(tempfile.mkdtemp(prefix=".findings-", dir=folder))
    opened = None
    try:
        opened = duckdb.connect()
        _configure(opened, work, memory_limit, threads)
        for table in TABLES:
            if table != "findings":
                _view(opened, table, _files(folder, table), work)
        # From here on a rule reads the tables and nothing else.
        allowed = {f"{folder.resolve()}/", f"{literal(str(folder.resolve()))}/"}
        opened.execute(f"SET allowed_directories = [{', '.join(map(text, sorted(allowed)))}]")
        opened.execute("SET enable_external_access = false")
        opened.execute("SET lock_configuration = true")
        yield opened
    finally:
        if opened is not None:
            opened.close()
        shutil.rmtree(work, ignore_errors=True)


def _configure(
    opened: duckdb.DuckDBPyConnection, work: Path, memory_limit: str, threads: int | None
) -> None:
    settings: dict[str, Any] = {
        "TimeZone": "UTC",
        "memory_limit": memory_limit,
        "temp_directory": work / "spilled",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        settings["threads"] = threads
    for name, value in settings.items():
        try:
            opened.execute(f"SET {name} = {text(str(value))}")
        except duckdb.Error as error:
            found, why = elide(str(value)), elide(str(error), 200)
            raise Misuse("not a setting", field=name, expected=why, found=found) from None


def _files(folder: Path, table: str) -> str | None:
    """The Parquet files of a table, as a pattern of DuckDB: those of a folder, or one file."""
    path = folder.resolve() / table
    if any(path.glob("*.parquet")):
        return f"{literal(str(path))}/*.parquet"
    file = path.with_name(f"{table}.parquet")
    return literal(str(file)) if file.is_file() else None


def _view(opened: duckdb.DuckDBPyConnection, table: str, files: str | None, work: Path) -> None:
    """A view with every column of the table, null where an older scan did not write it."""
    empty = work / f"{table}.parquet"
    pq.write_table(TABLES[table].empty_table(), empty)
    listed = ", ".join(text(each) for each in (literal(str(empty.resolve())), files) if each)
    opened.execute(
        f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    )
