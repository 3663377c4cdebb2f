"""The files of a part: small, and read by others as they were written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from payloads.forensics.tables import TABLES
from payloads.forensics.writing import options, write_whole

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
