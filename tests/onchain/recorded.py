"""The recorded outcomes (`onchain-outcomes.jsonl.gz`), read and found."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

NAME: Final = "onchain-outcomes.jsonl.gz"
REPO: Final = Path(__file__).resolve().parents[2]


def find(name: str = NAME) -> Path | None:
    """`PAYLOADS_VECTORS` if set, else a copy in the repo, else `shared/vectors` beside it."""
    named = os.environ.get("PAYLOADS_VECTORS")
    if named and name == NAME:
        return Path(named)
    kept = sorted((REPO / "fixtures").rglob(name)) + sorted((REPO / "tests").rglob(name))
    for path in (*kept, REPO.parent / "shared" / "vectors" / name):
        if path.exists():
            return path
    return None


def cases(name: str = NAME) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each world with its cases, in the order of the file."""
    path = find(name)
    if path is None:
        raise FileNotFoundError(name)
    worlds: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            if record["kind"] == "world":
                worlds[record["world"]] = (record, [])
            else:
                worlds[record["world"]][1].append(record)
    yield from worlds.values()
