"""What can be said of a capture's file: whether it is whole, and whether anything was changed.

The writer puts hashes and counts into a capture (`chain`). `check` reads the files of one capture
and compares. The hashes show an accident, or a change by a program that did not make them anew.
They are no signature. Of files without hashes, and of other tools' files, less can be said, and a
note says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from payloads.abi.fields import Record
from payloads.capture.chain import Chain
from payloads.capture.format import BrokenLine, CaptureRecord, Header, LaterFormat, record_of
from payloads.capture.frames import Frame, Incident
from payloads.capture.inputs import Input
from payloads.capture.parts import Continuity
from payloads.capture.reader import split_lines
from payloads.errors import Malformed

# Problems that are told of one file; all are counted.
MOST_PROBLEMS = 1_000
_READ = 2**20


class Problem(Record, frozen=True):
    """Something that is wrong with a file: a code, a sentence, and the lines it is about."""

    code: str
    message: str
    line: int | None = None
    last_line: int | None = None
    offset: int | None = None


class FileCheck(Record, frozen=True):
    """What was found in a file. `hash` is the last hash that it states; "" for none."""

    file: str
    kind: str
    sha256: str = ""
    size: int | None = None
    capture: str = ""
    part: int | None = None
    lines: int = 0
    frames: int = 0
    began: int = 0
    ended: int = 0
    hash: str = ""
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with the file."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The check as `payloads check --json` prints it."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        for name in ("began", "ended"):
            found[name] = str(found[name]) if found[name] else None
        found["problems"] = [
            {name: value for name, value in zip(each.__struct_fields__, each.values, strict=True)
             if value is not None}
            for each in self.problems
        ]  # fmt: skip
        found["sound"] = self.sound
        return {name: value for name, value in found.items() if value not in (None, "", ())}


def check(group: Iterable[Input]) -> Iterator[FileCheck]:
    """Check the files of one capture, in the order of its parts, or one other file."""
    parts, before = Continuity(), _Before()
    files = list(group)
    for number, each in enumerate(files):
        checking = _Checking(each, parts, before)
        checking.read()
        if number == len(files) - 1 and (missing := parts.over()) is not None:
            checking.add("part-missing", missing.reason)
        yield checking.result()


class _Before:
    """What the parts before this one came to."""

    def __init__(self) -> None:
        self.part: int | None = None
        self.hash = ""
        # The frames of all parts so far; None where the first part is not here.
        self.frames: int | None = None


class _Checking:
    """One file that is being checked."""

    def __init__(self, source: Input, parts: Continuity, before: _Before) -> None:
        self._source, self._parts, self._before = source, parts, before
        self._chain = Chain()
        self._header: Header | None = None
        self._problems: list[Problem] = []
        self._count = 0
        self._lines = self._frames = self._stated_at = self._latest = self._latest_line = 0
        self._began = self._ended = self._frames_before = 0
        self._suspects: list[Problem] = []
        self._hashes, self._last_hash, self._end_line = 0, "", 0

    def add(
        self, code: str, message: str, line: int | None = None, last_line: int | None = None,
        offset: int | None = None,
    ) -> None:  # fmt: skip
        """Tell a problem."""
        self._count += 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(code, message, line, last_line, offset))

    def read(self) -> None:
        """Read the file to its end."""
        source = self._source
        if (problem := source.problem) is not None:
            self.add("unread", str(problem))
        elif source.kind == "capture":
            self._capture()
        else:
            for placed in source.records():
                record = placed.record
                self._frames += isinstance(record, Frame)
                self._lines += 1
                self._timed(record)
                if isinstance(record, BrokenLine):
                    self.add("unreadable", str(record.error), placed.line, None, placed.offset)

    def result(self) -> FileCheck:
        source, header = self._source, self._header
        return FileCheck(
            source.path,
            source.kind,
            _sha256(source),
            source.size,
            "" if header is None else header.id,
            None if header is None else header.part,
            self._lines,
            self._frames,
            self._began,
            self._ended,
            self._last_hash,
            tuple(self._problems),
            self._count - len(self._problems),
            tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self._source.problem is not None:
            return
        if self._source.kind != "capture":
            yield f"a file of the kind {self._source.kind} has no counts and no hashes"
        elif not self._hashes:
            yield "there are no hashes in this file: only what cannot be read is noticed"

    # --- captures ---------------------------------------------------------------------------------

    def _capture(self) -> None:
        number = 0
        try:
            for number, (offset, line, whole) in enumerate(split_lines(self._source.content), 1):
                self._line(number, offset, line, whole)
        except LaterFormat as error:
            self.add("unread", str(error.why), number)
            return
        except Malformed as error:  # of the compression, or a file that grew
            self.add("torn", str(error), number + 1)
        if self._suspects:
            self._told(self._suspects)
        if not self._end_line:
            after = f" after line {number}" if number else ""
            self.add("no-end", f"the end record is missing: the file stops{after}", number or None)
        self._before.hash = self._last_hash if self._end_line else ""
        self._before.part = self._header.part if self._header is not None else None

    def _line(self, number: int, offset: int, line: bytes | None, whole: bool) -> None:
        if line is not None and not line.strip():
            self._chain.add(line + b"\n")
            return
        record = record_of(line, number, whole)
        self._lines = number
        if self._end_line and not isinstance(record, Header):
            self.add("after-end", "a line after the end record", number, None, offset)
            return
        if (missing := self._parts.saw(record)) is not None:
            self.add("part-missing", missing.reason, number)
        if isinstance(record, Header):
            self._begins(record, number)
        elif isinstance(record, BrokenLine):
            self._suspects.append(Problem("unreadable", str(record.error), number, None, offset))
        elif isinstance(record, Incident) and record.what in ("hash", "end"):
            self._stated(record, number)
        else:
            self._timed(record, number, offset)
            self._frames += isinstance(record, Frame)
        self._chain.add((line or b"") + (b"\n" if whole else b""))

    def _begins(self, header: Header, number: int) -> None:
        if number > 1:  # several parts in one file, or a header in the middle
            self._before.hash, self._before.part = self._last_hash, self._part
            self._end_line = 0
        self._header, before = header, self._before
        follows = before.part is not None and header.part == before.part + 1
        if header.part == 1:
            before.frames = 0
        elif not follows:
            before.frames = None
        if follows and before.hash and header.previous != before.hash:
            self.add("another-part", f"part {before.part} is not what was there when this part "
                     "was begun", number)  # fmt: skip
        self._chain = Chain(header.previous)
        self._began = self._began or header.created
        self._latest, self._latest_line, self._stated_at = header.created, number, number - 1
        self._frames_before = self._frames

    @property
    def _part(self) -> int | None:
        return None if self._header is None else self._header.part

    def _timed(self, record: CaptureRecord, number: int = 0, offset: int | None = None) -> None:
        """See a record's time: in a capture, times do not go back."""
        if not isinstance(record, Frame | Incident) or not record.at:
            return
        self._began = self._began or record.at
        self._ended = max(self._ended, record.at)
        if number and record.at < self._latest:
            words = f"its time is before that of line {self._latest_line}"
            self._suspects.append(Problem("time-back", words, number, None, offset))
            return
        self._latest, self._latest_line = record.at, number

    def _stated(self, record: Incident, number: int) -> None:
        """Compare a hash and counts, as a record states them, with what was read."""
        detail, first = record.detail, self._stated_at + 1
        is_end = record.what == "end"
        stated, state = detail.get("hash"), self._chain.state
        if isinstance(stated, str):
            self._hashes += 1
            missing = self._missing(detail.get("lines"), int(state["lines"]))
            if missing:
                self.add("lines-missing" if missing > 0 else "lines-added",
                         f"{_lines(abs(missing))} {'missing' if missing > 0 else 'too many'} "
                         f"between line {first} and line {number}", first, number)  # fmt: skip
                self._chain.lines = int(detail["lines"])
            elif stated != state["hash"]:
                self.add("altered", f"lines {first} to {number - 1} are not what was written"
                         f"{self._suspected()}", first, number - 1)  # fmt: skip
            elif self._suspects:  # written so: a clock that was set back
                self._suspects = [each for each in self._suspects if each.code != "time-back"]
                self._told(self._suspects)
            self._chain.sealed(stated)
            self._last_hash = stated
            self._stated_at = number
        else:
            self._told(self._suspects)
        self._suspects = []
        self._counted(detail.get("frames"), number)
        if is_end:
            self._end_line = number

    @staticmethod
    def _missing(stated: Any, found: int) -> int:
        return stated - found if type(stated) is int and abs(stated) < 2**53 else 0

    def _suspected(self) -> str:
        words = [f"line {each.line}: {each.message}" for each in self._suspects[:5]]
        return f" ({'; '.join(words)})" if words else ""

    def _told(self, problems: list[Problem]) -> None:
        for each in problems:
            self.add(each.code, each.message, each.line, each.last_line, each.offset)

    def _counted(self, stated: Any, number: int) -> None:
        """Compare the frames of the whole capture so far."""
        before = self._before
        if before.frames is None or type(stated) is not int:
            return
        found = before.frames + self._frames - self._frames_before
        if stated != found:
            code, what = "frames-missing", "are missing"
            if found > stated:
                code, what = "frames-added", "too many are here"
            message = f"{abs(stated - found)} frames {what} before line {number}"
            self.add(code, message, number)
        before.frames, self._frames_before = stated, self._frames


def _lines(count: int) -> str:
    return f"{count} line is" if count == 1 else f"{count} lines are"


def _sha256(source: Input) -> str:
    """The hash of a file as it lies there."""
    if not source.is_file:
        return ""
    found = hashlib.sha256()
    try:
        with open(source.path, "rb") as stream:
            while piece := stream.read(_READ):
                found.update(piece)
    except OSError:
        return ""
    return found.hexdigest()
