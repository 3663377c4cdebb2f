"""The batch functions of `payloads.columns` inside other engines: Polars, DuckDB, Dask and Spark.

    python -m docs.examples.engines ENGINE 'scanned/payloads/*.parquet'

Each reads a column of payloads and gives the greatest value of each feed and field. The function
that decodes is the same in all of them: it takes a batch and gives a batch, and keeps nothing in
between. So an engine may call it in any process, on any machine that has `payloads[arrow]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from payloads import columns

Greatest = dict[tuple[str, str], int]


def prices(payloads: pa.Array) -> pa.RecordBatch:
    """A row for each price: feed, field, and the value as text: few engines have 76 digits."""
    found = columns.prices(columns.decode(payloads))
    value = found.column("value").cast(pa.string())
    return found.select(["feed", "field"]).append_column("value", value)


def with_polars(files: str) -> Greatest:
    """A streaming `map_batches` over files that are read lazily."""
    pl: Any = import_module("polars")
    schema = {"feed": pl.String, "field": pl.String, "value": pl.String}
    raw = pl.scan_parquet(files).select("raw").drop_nulls()
    found = raw.map_batches(
        lambda frame: pl.from_arrow(prices(frame["raw"].to_arrow())), schema=schema, streamable=True
    )
    value = pl.col("value").cast(pl.Decimal(38, 0))
    rows = found.group_by("feed", "field").agg(value.max()).collect(engine="streaming").rows()
    return {(feed, field): int(most) for feed, field, most in rows}


def with_duckdb(files: str) -> Greatest:
    """A function of SQL that takes columns as Arrow has them."""
    duckdb: Any = import_module("duckdb")
    database = duckdb.connect()
    kind = "STRUCT(feed VARCHAR, field VARCHAR, value VARCHAR)[]"
    database.create_function("prices", _lists, ["BLOB"], kind, type="arrow")
    rows = database.execute(
        "SELECT p.feed, p.field, max(p.value::HUGEINT) FROM"
        " (SELECT unnest(prices(raw)) AS p FROM read_parquet($files) WHERE raw IS NOT NULL)"
        " GROUP BY ALL",
        {"files": files},
    ).fetchall()
    return {(feed, field): most for feed, field, most in rows}


def _lists(payloads: Any) -> pa.Array:
    """A list of prices for each payload."""
    found = columns.prices(columns.decode(payloads)).sort_by("row")
    value = found.column("value").cast(pa.string())
    parts = [found.column("feed"), found.column("field"), value]
    prices = pa.StructArray.from_arrays(parts, ["feed", "field", "value"])
    ends = np.searchsorted(found.column("row").to_numpy(), np.arange(len(payloads) + 1))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), prices)


def with_dask(files: str) -> Greatest:
    """A `map_partitions`, with a task for each file."""
    dd: Any = import_module("dask.dataframe")
    meta = {"feed": "str", "field": "str", "value": "object"}
    raw = dd.read_parquet(files, columns=["raw"]).dropna()
    found = raw.map_partitions(_exact, meta=meta)
    greatest = found.groupby(["feed", "field"])["value"].apply(max, meta=("value", "object"))
    return dict(greatest.compute().items())


def _exact(frame: Any) -> Any:
    """The prices of a data frame, as Python's integers."""
    found = prices(pa.array(frame["raw"], pa.binary())).to_pandas()
    return found.assign(value=found["value"].map(int).astype(object))


def with_spark(files: str) -> Greatest:
    """A `mapInArrow`. Spark wants a JVM."""
    session: Any = import_module("pyspark.sql").SparkSession
    functions: Any = import_module("pyspark.sql.functions")
    # The times of a scan are in nanoseconds, which Spark does not have.
    options = {"spark.ui.enabled": "false", "spark.sql.legacy.parquet.nanosAsLong": "true"}
    spark = session.builder.master("local[2]").config(map=options).getOrCreate()
    try:
        raw = spark.read.parquet(files).select("raw").dropna()
        found = raw.mapInArrow(_batches, "feed string, field string, value string")
        value = functions.col("value").cast("decimal(38,0)")
        rows = found.groupBy("feed", "field").agg(functions.max(value).alias("most")).collect()
        return {(row.feed, row.field): int(row.most) for row in rows}
    finally:
        spark.stop()


def _batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield prices(batch.column("raw"))


ENGINES: dict[str, Callable[[str], Greatest]] = {
    "polars": with_polars, "duckdb": with_duckdb, "dask": with_dask, "spark": with_spark,
}  # fmt: skip
