"""Whether the captures of a scan are whole and unchanged, noted in its table `inputs`.

`examine(folder)` reads them again and compares their hashes and counts (`capture.integrity`). The
findings `altered-file` and `incomplete-file` come from what it notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from payloads.errors import Misuse, not_installed

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise not_installed("pyarrow", "scan") from error

from payloads.capture.inputs import open_inputs
from payloads.capture.integrity import FileCheck, check
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


def _sentences(result: FileCheck) -> Iterator[str]:
    for each in result.problems[:MOST_NOTED]:
        kind = _OF_CODES.get(each.code, "altered")
        line = "" if each.line is None else f"line {each.line}: "
        yield f"{kind}: {line}{each.message}"
    more = max(0, len(result.problems) - MOST_NOTED) + result.more_problems
    if more:
        yield f"altered: {more:,} more problems"
