"""The parts of a capture: the files that rotation made, and their order.

`grouped` orders files by their headers, not by the order in which a shell lists them. `Continuity`
sees the records as they are read, and returns an error where a part is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from payloads.capture.compression import decompressed
from payloads.capture.format import CaptureRecord, Header
from payloads.capture.frames import Incident
from payloads.capture.reader import numbered_records
from payloads.errors import Malformed

_NAME_ENDS = (".jsonl", ".ndjson", ".json")
_BEGINS = b'{"capture":'


def part_path(path: Path, number: int) -> Path:
    """`name.jsonl.zst`, then `name.0002.jsonl.zst` and so on."""
    if number == 1:
        return path
    stem, ends = path.name, ""
    for group in ((".gz", ".zst", ".zstd"), _NAME_ENDS):
        end = next((end for end in group if stem.endswith(end) and stem != end), "")
        stem, ends = stem.removesuffix(end), end + ends
    return path.with_name(f"{stem}.{number:04d}{ends}")


def part_paths(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A capture's first file, and the files after it up to the first that is missing."""
    yield Path(path)
    number = 2
    while (following := part_path(Path(path), number)).exists():
        yield following
        number += 1


def grouped(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Sources to be read in turn; the parts of a capture together, in their order.

    A capture's first part brings the others beside it. Other files stay where they are.
    """
    groups: list[dict[str, tuple[int, str]]] = []
    captures: dict[str, dict[str, tuple[int, str]]] = {}
    for name in names:
        header = _header(name)
        if header is None or not header.id:
            groups.append({name: (1, name)})
            continue
        if header.id not in captures:
            captures[header.id] = {}
            groups.append(captures[header.id])
        for part, found in _with_others(name, header):
            captures[header.id].setdefault(os.path.realpath(found), (part, found))
    return [tuple(name for _, name in sorted(group.values())) for group in groups]


def _with_others(name: str, header: Header) -> Iterator[tuple[int, str]]:
    yield header.part, name
    if header.part != 1:
        return
    for beside in [*part_paths(name)][1:]:
        other = _header(str(beside))
        if other is not None and other.id == header.id:
            yield other.part, str(beside)


def _header(name: str) -> Header | None:
    """The header of a file, if it is a capture; an unreadable file fails when it is read."""
    try:
        # A pipe can be read only once.
        if not Path(name).is_file():
            return None
        with open(name, "rb") as stream:
            pieces = decompressed(stream)
            head = next(pieces, b"")
            if not head.startswith(_BEGINS):
                return None
            first = next(numbered_records(chain([head], pieces))).record
    except (OSError, ValueError):  # a payload can be too long for a file's name, or hold a zero
        return None
    return first if isinstance(first, Header) else None


class Continuity:
    """Finds missing parts of a capture.

    A reader that begins with the first part wants all of them. A reader that begins with a later
    part wants only what there is.
    """

    def __init__(self) -> None:
        self._id, self._first, self._part = "", 0, 0
        # The name of the next part, once the end of this part has given it.
        self._next = ""

    def saw(self, record: CaptureRecord) -> Malformed | None:
        """See the next record; returns an error for parts that are missing before it."""
        if isinstance(record, Incident) and record.what == "end":
            self._next = str(record.detail.get("next", ""))
        if not isinstance(record, Header):
            return None
        if record.id != self._id or record.part <= self._part:
            missing, self._first = self.over(), record.part
        else:
            missing = _missing(self._part + 1, record.part - 1)
        self._id, self._part, self._next = record.id, record.part, ""
        return missing

    def over(self) -> Malformed | None:
        """See the end; returns an error for a part that is missing there."""
        if not self._next or self._first != 1:
            return None
        return _missing(self._part + 1, self._part + 1, self._next)


def _missing(first: int, last: int, name: str | None = None) -> Malformed | None:
    if last < first:
        return None
    which = f"part {first} is" if first == last else f"parts {first} to {last} are"
    return Malformed(f"{which} not here", field="capture", expected=name)
