"""Values, names and paths as DuckDB's SQL has them."""

from __future__ import annotations

import re


def text(value: str) -> str:
    """A value as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + value.replace('"', '""') + '"'


def literal(path: str) -> str:
    """A path in which DuckDB finds no pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)
