"""The tables of docs/performance.md, from the results of the last runs.

    python -m benchmarks.many --save      # measures, keeps the results, writes their tables anew
    python -m benchmarks.all --save       # the same with all benchmarks, one after the other
    python -m benchmarks.page             # writes all tables from the results that are kept

`MAKERS` says which benchmark makes which tables. The results are in benchmarks/results.json: tables
by name, each with the machine and how it was measured. The page has a place for each, between
`<!-- measured: NAME -->` and `<!-- end -->`; the prose around them is written by hand.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
# The tables of the page, by the benchmark that makes them.
MAKERS = {
    "benchmarks": ("decode", "recover-one", "verdict", "bulk", "import", "guard", "guard-simd"),
    "benchmarks.many": ("recover-many", "recover-many-python", "recover-steps"),
    "benchmarks.verdicts": ("judge-many",),
    "benchmarks.columns": ("columns-verdicts", "columns-reports", "columns-updates"),
    "benchmarks.commands": ("commands",),
    "benchmarks.scan": ("scan",),
    "benchmarks.soak": ("soak-chainlink", "soak-stork"),
    "benchmarks.cluster": ("cluster",),
}
_PLACE = re.compile(r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Table(msgspec.Struct, frozen=True):
    """A table of figures. The first column says what was measured."""

    columns: list[str]
    rows: list[list[str]]
    # The machine, the rounds, and what else the figures depend on.
    how: str
    # Lines under the table: goals met and missed, what was not measured.
    notes: list[str] = []

    @property
    def markdown(self) -> str:
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        notes = [f"- {note}" for note in self.notes]
        parts = ["\n".join(lines), "\n".join(notes), f"{self.how}."]
        return "\n\n".join(part for part in parts if part) + "\n"


def machine() -> str:
    """The processor, how many cores of it, and Python."""
    names = re.findall(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    model = re.findall(r"^(?:cpu family|model)\s*:\s*(\d+)$", _cpuinfo(), re.MULTILINE)[:2]
    name = re.sub(r"\(R\)|\(TM\)", "", names[0]) if names else platform.machine()
    which = f" (family {model[0]}, model {model[1]})" if len(model) == 2 else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{name}{which}, {os.cpu_count()} cores, {platform.system()}, {python}"


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


class Run:
    """A run of a benchmark: how busy the machine was, from its beginning to when it is asked."""

    def __init__(self, load: Callable[[], tuple[float, ...]] = os.getloadavg) -> None:
        self._load = load
        self._loads = [load()[0]]

    def how(self, *facts: str) -> str:
        """The machine, its load, and further facts, as a table states them."""
        self._loads.append(self._load()[0])
        least, most = min(self._loads), max(self._loads)
        load = f"a load of {least:.1f} to {most:.1f} (1.0 is a core in use, this run among them)"
        return "; ".join((machine(), load, *facts))


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark whose tables the page has a place for."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--save", action="store_true", help="write docs/performance.md, too")
    return made


def finish(tables: Mapping[str, Table], keep: bool) -> None:
    """Prints the tables of a run, and keeps them if that is asked for."""
    for table in tables.values():
        print(table.markdown)
    if keep:
        save(tables)


def load() -> dict[str, Table]:
    """The tables of the last runs, by name."""
    if not RESULTS.exists():
        return {}
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Table])


def written(page: str, tables: Mapping[str, Table]) -> str:
    """The page with each of its places filled. A place without a table is an error."""

    makers = {name: maker for maker, names in MAKERS.items() for name in names}

    def fill(place: re.Match[str]) -> str:
        begin, name, end = place.groups()
        table = tables[name]
        if name in makers:
            how = f"{table.how}; `python -m {makers[name]}`"
            table = msgspec.structs.replace(table, how=how)
        return f"{begin}{table.markdown}{end}"

    return _PLACE.sub(fill, page)


def places(page: str) -> list[str]:
    return [name for _, name, _ in _PLACE.findall(page)]


def save(tables: Mapping[str, Table]) -> None:
    """Keeps these tables beside those of other runs, where the page has a place, and writes it."""
    shown = places(PAGE.read_text(encoding="utf-8"))
    kept = load() | {name: table for name, table in tables.items() if name in shown}
    raw = msgspec.json.encode(dict(sorted(kept.items())))
    RESULTS.write_bytes(msgspec.json.format(raw, indent=1) + b"\n")
    write()


def write() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, load()), encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.exit(0)
