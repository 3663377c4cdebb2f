"""The search for findings on a cluster: tables are dealt out by key, and each rule looks at a deal.

A rule says within what its rows belong together: a `frame`, a `connection` or a `feed`. So its
SELECT has the same rows on the parts of the tables as on the whole. Where it says nothing, one
worker runs it over everything. What a SELECT has found is written with DuckDB's own types, and
grouped and counted by `search` as on one machine.

A frame's rows are in the files of one part already. For the others, each worker sorts the rows of
some parts by the hash of their key, into a file for each table, and then each reads its own rows
out of all those files. They lie in the folder of the scan: DuckDB reads what a rule needs of them,
and a key that most rows have takes no more memory than the others.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb

from payloads.abi.fields import Record
from payloads.errors import Misuse
from payloads.forensics.examining.database import Rows, database, whole
from payloads.forensics.examining.policy import Policy
from payloads.forensics.examining.rules import WITHIN, Rule
from payloads.forensics.examining.search import Search
from payloads.forensics.quoting import literal, text
from payloads.forensics.tables import MAPPED

if TYPE_CHECKING:
    from payloads.forensics.cluster import Cluster

# The Parquet files of tables that one task reads.
_TASK_BYTES = 256 * 2**20
# Deals for each worker: keys differ in size.
_DEALS = 2
_GROUP_ROWS = 10_000

# The key of each table's rows. Signatures and verdicts are where their payload and its prices are.
_OF_CONNECTION = "SELECT *, hash(connection) % {deals} AS deal FROM {table}"
_OF_FEED = "SELECT *, hash(system, feed) % {deals} AS deal FROM {table}"
_PLACES = """
    SELECT DISTINCT frame, index, hash(system, feed) % {deals} AS deal
    FROM (SELECT frame, index, system, feed FROM payloads
          UNION ALL SELECT frame, index, system, feed FROM prices)
"""
_BY_CONNECTION = """
    SELECT t.*, hash(p.connection) % {deals} AS deal
    FROM {table} t JOIN payloads p USING (frame, index)
"""
_BY_FEED = f"SELECT t.*, p.deal FROM {{table}} t JOIN ({_PLACES}) p USING (frame, index)"
_FRAMES_BY_FEED = f"""
    SELECT t.*, p.deal
    FROM {{table}} t JOIN (SELECT DISTINCT frame, deal FROM ({_PLACES})) p USING (frame)
"""
_DEALT = {
    "connection": {
        **dict.fromkeys(("frames", "payloads", "prices", "events"), _OF_CONNECTION),
        **dict.fromkeys(("signatures", "verdicts"), _BY_CONNECTION),
    },
    "feed": {
        **dict.fromkeys(("payloads", "prices"), _OF_FEED),
        **dict.fromkeys(("signatures", "verdicts"), _BY_FEED),
        "frames": _FRAMES_BY_FEED,
    },
}


class Place(Record, frozen=True):
    """Where the search happens: the folder of the scan, one for what is passed on, the memory."""

    folder: str
    work: str
    memory: str
    policy: Policy
    duckdb: str = duckdb.__version__


class Deal(Record, frozen=True):
    """Deal out the rows of some parts by a key."""

    key: str
    number: int
    parts: tuple[str, ...]
    deals: int

    def run(self, place: Place) -> list[tuple[str, str]]:
        """Write a file for each table, sorted by the deal that a row belongs to."""
        with database(Path(place.folder), place.memory, 1, _of_parts(place, self.parts)) as opened:
            for table, query in _DEALT[self.key].items():
                folder = Path(place.work) / self.key / table
                folder.mkdir(parents=True, exist_ok=True)
                with unfinished(folder / f"{self.number:06}.parquet") as scratch:
                    opened.execute(
                        f"COPY ({query.format(table=table, deals=self.deals)} ORDER BY deal)"
                        f" TO {text(str(scratch))}"
                        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_GROUP_ROWS})"
                    )
        return []


class Look(Record, frozen=True):
    """Run rules over the rows of some parts, of a deal, or over everything."""

    name: str
    rules: tuple[Rule, ...]
    parts: tuple[str, ...] = ()
    key: str = ""
    deal: int = 0

    def run(self, place: Place) -> list[tuple[str, str]]:
        """Write what each rule finds; the rules' codes, with the files."""
        rows = _of_deal(place, self.key, self.deal) if self.key else whole(Path(place.folder))
        if self.parts:
            rows = _of_parts(place, self.parts)
        found = []
        with database(Path(place.folder), place.memory, 1, rows) as opened:
            for rule in self.rules:
                path = Path(place.work) / f"{rule.code}-{self.name}.duckdb"
                with unfinished(path) as scratch:
                    Search(opened, rule, place.policy).write(scratch)
                if path.exists():
                    found.append((rule.code, str(path)))
        return found


def _of_parts(place: Place, parts: Sequence[str]) -> Rows:
    folder = Path(place.folder)
    of_parts = {
        table: tuple(literal(str(folder / table / f"{part}.parquet")) for part in parts)
        for table in MAPPED
    }
    return Rows(whole(folder).files | of_parts)


def _of_deal(place: Place, key: str, deal: int) -> Rows:
    dealt = {
        table: (f"{literal(place.work)}/{key}/{table}/*.parquet",) if table in _DEALT[key] else ()
        for table in MAPPED
    }
    return Rows(whole(Path(place.folder)).files | dealt, deal)


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A file that is renamed when it is whole, if it was made: a worker may end before, and another
    does its task again."""
    scratch = path.with_name(f".{path.name}.{uuid4().hex}")
    yield scratch
    if scratch.exists():
        os.replace(scratch, path)


def run(task: Deal | Look, place: Place) -> list[tuple[str, str]]:
    """A task of the search, wherever."""
    if place.duckdb != duckdb.__version__:  # whose hashes may be others
        raise Misuse("a machine of the cluster has another version", field="duckdb",
                     expected=place.duckdb, found=duckdb.__version__)  # fmt: skip
    return task.run(place)


class Shuffle(AbstractContextManager["Shuffle"]):
    """A search on a cluster. Use it as a context manager: what it passes on is deleted."""

    def __init__(self, cluster: Cluster, folder: Path, policy: Policy, memory: str) -> None:
        self._cluster, self._folder = cluster, folder.resolve()
        self._scratch = tempfile.TemporaryDirectory(prefix=".findings-", dir=self._folder)
        self._place = Place(str(self._folder), self._scratch.name, memory, policy)

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def found(self, rules: Sequence[Rule]) -> dict[str, list[Path]]:
        """The files with what each rule has found, by its code."""
        deals, bundles = self._cluster.workers * _DEALS, list(self._bundles())
        keys = sorted({rule.within for rule in rules} & _DEALT.keys()) if bundles else []
        of = {key: tuple(rule for rule in rules if rule.within == key) for key in WITHIN}
        alone = [rule for rule in rules if not rule.within or not bundles]
        first: list[Deal | Look] = [
            *(Deal(key, number, parts, deals) for key in keys
              for number, parts in enumerate(bundles)),
            *(Look("all", (rule,)) for rule in alone),
            *(Look(f"parts-{number:06}", of["frame"], parts)
              for number, parts in enumerate(bundles)),
        ]  # fmt: skip
        then = [
            Look(f"{key}-{deal:06}", of[key], (), key, deal)
            for key in keys
            for deal in range(deals)
        ]
        found: dict[str, list[Path]] = {rule.code: [] for rule in rules}
        for tasks in (first, then):
            for code, path in self._done(tasks):
                found[code].append(Path(path))
        return {code: sorted(paths) for code, paths in found.items()}

    def _done(self, tasks: Iterable[Deal | Look]) -> Iterator[tuple[str, str]]:
        for result in self._cluster.results(run, tasks, self._folder, self._place):
            yield from result or ()

    def _bundles(self) -> Iterator[tuple[str, ...]]:
        """The names of parts, about as many bytes together."""
        parts: list[str] = []
        size = 0
        for path in sorted((self._folder / "frames").glob("*.parquet")):
            files = [self._folder / table / path.name for table in MAPPED]
            mine = sum(file.stat().st_size for file in files if file.exists())
            if parts and size + mine > _TASK_BYTES:
                yield tuple(parts)
                parts, size = [], 0
            parts.append(path.stem)
            size += mine
        if parts:
            yield tuple(parts)
