"""Captures to tables: what was sent, who signed it, and what its contract would have said.

    found = forensics.scan(["captures/"], state="states/", out="found")
    found.table("prices")                  # an Arrow table
    found.files("prices")                  # its Parquet files, for DuckDB, Polars or pandas
    forensics.find("found")                # what is odd in them

The tables are described in docs/tables.md, findings in docs/findings.md. It needs the extra `scan`.
Each name is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads._late import late

if TYPE_CHECKING:
    from payloads.forensics.cluster import Cluster
    from payloads.forensics.examining.findings import Findings, find
    from payloads.forensics.scanning.run import Progress, Scan, scan
    from payloads.forensics.tables import TABLES, TABLES_REVISION

__all__ = ["TABLES", "TABLES_REVISION", "Cluster", "Findings", "Progress", "Scan", "find", "scan"]

_MODULES = {
    "TABLES": "tables", "TABLES_REVISION": "tables", "Cluster": "cluster",
    "Progress": "scanning.run", "Scan": "scanning.run", "scan": "scanning.run",
    "Findings": "examining.findings", "find": "examining.findings",
}  # fmt: skip

__getattr__, __dir__ = late(__name__, _MODULES)
