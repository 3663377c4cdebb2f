"""`python -m benchmarks.findings`: the time of each rule on ten million payloads, and the memory.

The tables are made by DuckDB: a report a second of each of 500 feeds, received from two origins,
and a row in each table for each receipt. A few are wrong. In the second kind of tables the same
thousand signed contents come again and again.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

from payloads.forensics.examining.database import database
from payloads.forensics.examining.findings import MEMORY
from payloads.forensics.examining.policy import Policy
from payloads.forensics.examining.rules import ours
from payloads.forensics.examining.search import Search
from payloads.forensics.tables import MAPPED, TABLES

FEEDS = 500
# One row in so many is wrong.
ODD = 100_003
_KINDS = ("normal", "repeated")
_BEGAN = 1_764_600_000 * 10**9

# Two receipts follow each other for each report; `report` numbers the reports, `feed` the feeds.
_RECEIPTS = f"""
CREATE TEMP VIEW receipts AS
SELECT *, {_BEGAN} + second * 1000000000 AS observed_ns,
       {_BEGAN} + second * 1000000000 + 300000000 + origin * 100000000 AS at_ns,
       '0x0003' || lpad(to_hex(feed_number), 60, '0') AS feed_id,
       i % {ODD} = 0 AS odd, 1000000000 * CASE WHEN odd THEN -9 ELSE 86400 END::BIGINT AS lasts,
       sha256(CASE WHEN $repeated THEN (report % 1000)::VARCHAR ELSE report::VARCHAR END) AS hash
FROM (
    SELECT i, i // 2 AS report, i % 2 AS origin, (i // 2) % {FEEDS} AS feed_number,
           (i // 2) // {FEEDS} AS second
    FROM range($rows) t(i)
)
"""
_TIME = "make_timestamp_ns({0})::TIMESTAMPTZ_NS"
_COMMON = f"i AS frame, {_TIME.format('at_ns')} AS at, origin AS connection, 'chainlink' AS venue"
_ABOUT = (
    f"0 AS index, 'chainlink' AS system, feed_id AS feed, {_TIME.format('observed_ns')} AS observed"
)
_SELECTS = {
    "frames": f"""{_COMMON}, 0 AS input, 'in' AS direction, 'text' AS opcode,
        1500 AS size, 'signed' AS kind, 1 AS payloads, false AS redacted""",
    "payloads": f"""{_COMMON}, {_ABOUT}, 'in' AS direction, 'full_report' AS form, 'v3' AS schema,
        '0x' || hash AS signed_hash, '0x' || hash AS payload_hash,
        '0x' || repeat('07', 32) AS network,
        {_TIME.format("observed_ns")} AS valid_from,
        {_TIME.format("observed_ns + lasts")} AS expires,
        report AS sequence, NOT odd AS canonical,
        CASE WHEN odd THEN 'overlap,dirty-padding' END AS departures,
        6 - odd::INT AS signatures, 992 AS size""",
    "prices": f"""{_COMMON}, {_ABOUT}, 'benchmark_price' AS field,
        ((1000 + feed_number) * 1000000000000000000::DECIMAL(38, 0)
         + report + i * odd::INT) AS value""",
    "signatures": f"""{_COMMON}, {_ABOUT}, 0 AS position, '0x' || repeat('01', 20) AS signer,
        '0x' || hash AS signed_hash, CASE WHEN NOT odd THEN 'known' END AS member""",
    "verdicts": """i AS frame, 0 AS index, NOT odd AS passed, 'accepted' AS verdict,
        'state' AS state""",
}


def make(folder: Path, rows: int, repeated: bool) -> None:
    """Write the tables."""
    with duckdb.connect() as opened:
        opened.execute(f"SET temp_directory = '{folder}/spilled'")
        opened.execute("SET preserve_insertion_order = false")
        for table in MAPPED:
            (folder / table).mkdir(parents=True)
            if table not in _SELECTS:
                continue
            receipts = _RECEIPTS.replace("$rows", str(rows)).replace("$repeated", str(repeated))
            opened.execute(receipts.replace("TEMP VIEW", "OR REPLACE TEMP VIEW"))
            given = opened.execute(f"DESCRIBE SELECT {_SELECTS[table]} FROM receipts").fetchall()
            known = set(TABLES[table].names)
            names = ", ".join(f'"{row[0]}"' for row in given if row[0] in known)
            opened.execute(
                f"COPY (SELECT {names} FROM (SELECT {_SELECTS[table]} FROM receipts)) "
                f"TO '{folder / table}/00000-00000.parquet' (COMPRESSION zstd)"
            )


def measure(folder: Path, memory: str) -> None:
    """Print a line for each rule."""
    policy = Policy()
    with database(folder, memory, None) as opened:
        for rule in ours():
            began, worked = time.perf_counter(), time.process_time()
            found = list(Search(opened, rule, policy).findings())
            took, cpu = time.perf_counter() - began, time.process_time() - worked
            count = sum(finding.count for finding in found)
            print(
                f"{rule.code:26}{took:7.1f} s{cpu:7.1f} s of CPU"
                f"{len(found):6,} findings{count:12,} occurrences",
                flush=True,
            )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.findings", description=__doc__)
    parser.add_argument("--rows", type=int, default=10**7)
    parser.add_argument("--memory", default=MEMORY)
    parser.add_argument("--only", choices=_KINDS, action="append")
    options = parser.parse_args(argv)
    for words in options.only or _KINDS:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            folder = Path(name)
            make(folder, options.rows, words == _KINDS[1])
            size = sum(path.stat().st_size for path in folder.glob("*/*.parquet"))
            print(
                f"{words}: {options.rows:,} payloads, {size / 1e6:,.0f} MB, memory {options.memory}"
            )
            measure(folder, options.memory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of the process: {peak:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
