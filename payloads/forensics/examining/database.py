"""DuckDB over the tables of a scan: a view for each, in a database that is deleted afterwards.

`database` is for rules: nothing else of the machine can be read there, and what does not fit into
the memory goes to the folder of the scan. `folder` has views with further columns on the same rows.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from payloads.abi.fields import Record
from payloads.errors import Misuse, elide, not_installed

try:
    import duckdb
    import pyarrow.parquet as pq
except ImportError as error:
    raise not_installed("duckdb or pyarrow", "scan") from error

from payloads.forensics.quoting import literal, text
from payloads.forensics.tables import MAPPED, TABLES


class Rows(Record, frozen=True):
    """The Parquet files of each table, as patterns of DuckDB; `deal`: its rows in them alone."""

    files: dict[str, tuple[str, ...]]
    deal: int | None = None


def whole(folder: Path) -> Rows:
    """All rows of a folder: files of parts in a folder for each table, or one file."""
    return Rows({table: _files(folder.resolve() / table) for table in TABLES})


def _files(path: Path) -> tuple[str, ...]:
    if any(path.glob("*.parquet")):
        return (f"{literal(str(path))}/*.parquet",)
    file = path.with_name(f"{path.name}.parquet")
    return (literal(str(file)),) if file.is_file() else ()


@contextmanager
def database(
    folder: Path, memory_limit: str, threads: int | None, rows: Rows | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a view for each table of the folder but its findings.

    `rows` are those that the views have: all of the folder, if not given.
    """
    rows = rows or whole(folder)
    work = Path(tempfile.mkdtemp(prefix=".findings-", dir=folder))
    opened = None
    try:
        opened = connected(work, memory_limit, threads)
        for table in TABLES:
            if table != "findings":
                opened.execute(f"CREATE VIEW {table} AS {selected(table, rows, work)}")
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


def connected(
    work: Path, memory_limit: str, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A database that spills to a folder."""
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
    opened = duckdb.connect()
    for name, value in settings.items():
        try:
            opened.execute(f"SET {name} = {text(str(value))}")
        except duckdb.Error as error:
            opened.close()
            found, why = elide(str(value)), elide(str(error), 200)
            raise Misuse("not a setting", field=name, expected=why, found=found) from None
    return opened


def selected(table: str, rows: Rows, work: Path) -> str:
    """SQL for the rows of a table, with every column: null where an older scan did not write it."""
    empty = work / f"{table}.parquet"
    pq.write_table(TABLES[table].empty_table(), empty)
    files = rows.files.get(table, ())
    listed = ", ".join(text(each) for each in (literal(str(empty.resolve())), *files))
    query = f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
    if rows.deal is None or not files or table not in MAPPED:
        return query
    return f"SELECT * EXCLUDE (deal) FROM ({query}) WHERE deal = {rows.deal}"
