"""The files of a part: small, and read by others as they were written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from payloads.forensics.tables import MAPPED, TABLES
from payloads.forensics.writing import PartWriter, options, prepare, write_whole

_LARGEST = 2**63 - 1


@pytest.mark.parametrize("name", TABLES)
def test_every_number_and_time_is_written_as_differences(name: str) -> None:
    schema = TABLES[name]
    encodings = options(schema)["column_encoding"]
    whole = [each.name for each in schema if str(each.type).startswith(("int", "timestamp"))]
    assert whole == list(encodings)
    assert set(encodings.values()) <= {"DELTA_BINARY_PACKED"}


def test_numbers_come_back_as_they_were_whatever_they_are(tmp_path: Path) -> None:
    source = np.random.default_rng(7)
    extremes = [0, -1, 1, _LARGEST, -_LARGEST - 1, None, _LARGEST, None, -_LARGEST]
    numbers = [*extremes, *source.integers(-_LARGEST - 1, _LARGEST, 3_000).tolist(), *range(3_000)]
    small = [None if number is None else number % 2**15 for number in numbers]
    table = pa.table(
        {
            "at": pa.array(numbers, pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "sequence": pa.array(numbers, pa.int64()),
            "position": pa.array(small, pa.int16()),
            "nothing": pa.nulls(len(numbers), pa.int32()),
        }
    )
    path = tmp_path / "numbers.parquet"
    write_whole(table, path)
    assert pq.read_table(path).equals(table)
    found = duckdb.sql(f"select sequence, position, nothing from '{path}'").fetchall()
    assert found == list(zip(numbers, small, [None] * len(numbers), strict=True))


def test_no_ctrl_c_is_lost_when_the_writers_of_a_part_are_freed(tmp_path: Path) -> None:
    """It is raised where the next function of Python begins: in a destructor, it is ignored."""
    prepare(tmp_path)
    writer = PartWriter(tmp_path, "00000-00000")
    rows = pa.RecordBatch.from_pylist(
        [{"frame": 1, "index": 0, "type": "Trade", "connection": 0}], schema=TABLES["events"]
    )
    with writer:
        writer.add({"events": rows})
        writer.close()
    called = []

    def see(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(see)
    del writer
    sys.setprofile(None)
    assert called == []
    assert pq.read_table(tmp_path / "events" / "00000-00000.parquet").num_rows == 1


def test_a_table_without_rows_is_a_file_as_any_other(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name in ("00000-00000", "00000-00001"):
        with PartWriter(tmp_path, name) as writer:
            writer.close()
        for table, schema in MAPPED.items():
            found = pq.read_table(tmp_path / table / f"{name}.parquet", partitioning=None)
            assert found.schema.equals(schema, check_metadata=True)
            assert found.num_rows == 0
