"""Whether the captures of a scan are whole and unchanged, noted in its table `inputs`.

A scan compares their hashes while it reads them (`capture.seals`), and `wrong_with` says what is
wrong where these do not hold. `examine(folder)` reads all captures again, those without hashes
included. The findings `altered-file` and `incomplete-file` come from these notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from payloads.errors import Misuse, not_installed

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise not_installed("pyarrow", "scan") from error

from payloads.capture.inputs import Input, open_inputs
from payloads.capture.integrity import FileCheck, check
from payloads.capture.seals import Sealed
from payloads.forensics.tables import INPUTS
from payloads.forensics.writing import write_whole
from payloads.inputs import to_path

# Problems of one file that are noted.
MOST_NOTED = 20
_KINDS = ("altered", "incomplete", "unreadable")
# What the codes of a check say of the file; every other one that it was altered.
_OF_CODES = {
    "no-end": "incomplete",
    "torn": "incomplete",
    "part-missing": "incomplete",
    "unread": "unreadable",
}


def examine(folder: str | Path) -> None:
    """Note in `inputs` what is wrong with the captures of a scan.

    Files of other kinds have no hashes, and a file that is no longer there is left out.
    """
    path = to_path(folder) / "inputs.parquet"
    if not path.is_file():
        raise Misuse("not the folder of a scan", field=str(folder), expected="its table inputs")
    table = pq.read_table(path)
    names, kinds = (table.column(name).to_pylist() for name in ("path", "kind"))
    captures = (name for name, kind in zip(names, kinds, strict=True) if kind == "capture")
    found = dict(_checked(captures))
    problems = [
        _without_ours(before) + found.get(name, [])
        for name, before in zip(names, table.column("problems").to_pylist(), strict=True)
    ]
    place = table.schema.get_field_index("problems")
    field = INPUTS.field("problems")
    table = table.set_column(place, field, pa.array(problems, field.type))
    write_whole(table, path)


def _without_ours(problems: list[str] | None) -> list[str]:
    ours = tuple(f"{kind}: " for kind in _KINDS)
    return [each for each in problems or [] if not each.startswith(ours)]


def _checked(names: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    there = [name for name in names if Path(name).is_file()]
    for _, group in groupby(open_inputs(there), key=lambda each: each.group):
        for result in check(group):
            yield result.file, list(_sentences(result))


def in_doubt(sealed: Sequence[Sealed]) -> bool:
    """Whether the parts of a capture, in their order, are not what was written, or not all here.

    Files without hashes are not in doubt: nothing in them could tell.
    """
    if not any(each.hashes for each in sealed):
        return False
    follow = all(
        after.part == before.part + 1 and after.previous == before.last
        for before, after in pairwise(sealed)
    )
    whole = sealed[0].part != 1 or not sealed[-1].next
    return not (follow and whole and all(each.sound for each in sealed))


class Counted(NamedTuple):
    """What was read of a file: all lines, and frames."""

    lines: int
    frames: int


def miscounted(sealed: Sequence[Sealed], counted: Sequence[Counted]) -> bool:
    """Whether an end record counts otherwise than what was read: no hash covers that record."""
    # The frames of the parts before: those of a first part that is not here are not known.
    before = 0 if sealed[0].part == 1 else None
    for each, found in zip(sealed, counted, strict=True):
        more = None if before is None or each.frames is None else each.frames - before
        if each.lines not in (None, found.lines - 1) or more not in (None, found.frames):
            return True
        before = each.frames
    return False


def wrong_with(group: Sequence[Input]) -> list[list[str]]:
    """What is wrong with the files of one capture, in sentences."""
    return [list(_sentences(result)) for result in check(group)]


def _sentences(result: FileCheck) -> Iterator[str]:
    for each in result.problems[:MOST_NOTED]:
        kind = _OF_CODES.get(each.code, "altered")
        line = "" if each.line is None else f"line {each.line}: "
        yield f"{kind}: {line}{each.message}"
    more = max(0, len(result.problems) - MOST_NOTED) + result.more_problems
    if more:
        yield f"altered: {more:,} more problems"
