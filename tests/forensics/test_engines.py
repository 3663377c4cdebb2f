"""The example of other engines: each calls the batch functions, and comes to the same.

Polars and DuckDB are tried always, Dask where it is installed; Spark, whose JVM takes seconds to
begin, with PAYLOADS_ENGINES=1 (`make test-engines`).
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pyarrow.compute as pc
import pytest

from docs.examples.engines import ENGINES
from payloads import forensics
from tests.forensics import kit

pytestmark = pytest.mark.filterwarnings("ignore")  # the engines' own


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> forensics.Scan:
    folder = tmp_path_factory.mktemp("engines")
    capture = kit.write(folder / "mixed.jsonl", kit.mixed(200))
    return forensics.scan(capture, out=folder / "out", jobs=1, part_bytes=60_000)


def test_all_engines_are_tried() -> None:
    assert set(ENGINES) == {"polars", "duckdb", "dask", "spark"}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_calls_the_batch_functions(
    engine: str, scan: forensics.Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = {"spark": "pyspark", "dask": "dask"}.get(engine, engine)
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if engine == "spark" and not os.environ.get("PAYLOADS_ENGINES"):
        pytest.skip("a JVM takes long: PAYLOADS_ENGINES=1 runs it")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    found = ENGINES[engine](f"{scan.folder / 'payloads'}/*.parquet")
    table = scan.table("prices")
    # Prices of a message without a signature have no payload to be decoded.
    raws = scan.table("payloads").filter(pc.field("raw").is_valid()).select(["frame", "index"])
    rows = table.join(raws, ["frame", "index"], join_type="left semi")
    expected: dict[tuple[str, str], int] = {}
    for row in kit.rows(rows):
        key = row["feed"], row["field"]
        expected[key] = max(int(row["value"]), expected.get(key, int(row["value"])))
    assert found == expected
    assert len(expected) > 5
