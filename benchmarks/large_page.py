"""`python -m benchmarks.large_page`: the page of a scan of ten million payloads.

The tables are those of `benchmarks.findings`, with every column, and bytes where a row is wrong.
Said are the time and the peak of memory of the findings and of the page, its size, and how long
Chromium takes until it is drawn, where playwright and Chromium are installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from benchmarks import findings
from benchmarks.columns import reports
from payloads.forensics import find
from payloads.forensics.showing.folder import Folder
from payloads.forensics.showing.page import write_page
from payloads.forensics.tables import MAPPED, TABLES

_MORE = {
    "prices": """SELECT *, epoch_ns("at") - epoch_ns(observed) AS latency_ns, "at" AS received,
        frame % 100003 <> 0 AS passed""",
    "payloads": """SELECT *, '' AS path, CASE WHEN frame % 100003 = 0 THEN $raw END AS raw""",
}


def complete(folder: Path) -> None:
    """Give the tables of `benchmarks.findings` all columns, and the folder its inputs."""
    rows = [{"input": 0, "path": "made.jsonl", "read": True, "complete": True, "problems": []}]
    inputs = TABLES["inputs"].empty_table().from_pylist(rows, schema=TABLES["inputs"])
    pq.write_table(inputs, folder / "inputs.parquet")
    with duckdb.connect() as opened:
        opened.execute(f"SET memory_limit = '1GB'; SET temp_directory = '{folder}/spilled'")
        opened.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
        for table, schema in MAPPED.items():
            path, empty = folder / table / "00000-00000.parquet", folder / "empty.parquet"
            pq.write_table(schema.empty_table(), empty)
            if not path.exists():
                empty.rename(path)
                continue
            more = _MORE.get(table, "SELECT *").replace("$raw", f"'{_escaped()}'::BLOB")
            opened.execute(
                f"COPY (SELECT * FROM '{empty}' UNION ALL BY NAME {more} FROM '{path}') "
                f"TO '{path}.new' (FORMAT parquet, COMPRESSION zstd)"
            )
            Path(f"{path}.new").rename(path)
            empty.unlink()
    shutil.rmtree(folder / "spilled", ignore_errors=True)


def _escaped() -> str:
    return "".join(f"\\x{byte:02x}" for byte in reports(1)[0])


def timed(what: str, work: Callable[[], Any]) -> Any:
    """The result of the work; a line says how long it took and the peak of memory by then."""
    began, worked = time.perf_counter(), time.process_time()
    found = work()
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    words = f"{took:8.1f} s {cpu:8.1f} s of CPU   peak {peak:,.0f} MB"
    print(f"{what:12}{words}", flush=True)
    return found


def opened_in(page: Path) -> None:
    """Print how long Chromium takes until the page is drawn."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        api = import_module("playwright.sync_api")
    except ImportError:
        chromium = None
    if chromium is None:
        print("not opened: playwright or Chromium is not installed")
        return
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_context(offline=True).new_page()
        began = time.perf_counter()
        shown.goto(page.as_uri())
        shown.wait_for_selector("body[data-ready=yes]", state="attached", timeout=300_000)
        print(f"drawn in Chromium after {time.perf_counter() - began:.1f} s", flush=True)
        browser.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_page", description=__doc__)
    parser.add_argument("--rows", type=int, default=10**7)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder, page = Path(name), Path(name) / "report.html"
        findings.make(folder, options.rows, False)
        complete(folder)
        size = sum(path.stat().st_size for path in folder.glob("*/*.parquet")) / 1e6
        print(f"{options.rows:,} payloads, {size:,.0f} MB of Parquet", flush=True)
        timed("findings", lambda: find(folder).write(folder))
        with Folder(folder) as opened:
            timed("page", lambda: write_page(opened, page))
        print(f"{page.stat().st_size / 1e6:.2f} MB", flush=True)
        opened_in(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
