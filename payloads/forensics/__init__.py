"""Captures to tables: what was sent, who signed it, and what its contract would have said.

The tables are described in docs/tables.md. It needs the extra `scan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from payloads._late import late

if TYPE_CHECKING:
    from payloads.forensics.tables import TABLES, TABLES_REVISION

__all__ = ["TABLES", "TABLES_REVISION"]

_MODULES = {"TABLES": "tables", "TABLES_REVISION": "tables"}

__getattr__, __dir__ = late(__name__, _MODULES)
