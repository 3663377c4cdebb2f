"""Inputs that hold frames: files of any kind, folders, globs, standard input, pipes.

    for found in open_inputs(["captures/", "session.har"]):
        print(found.path, found.kind, found.problem)
        for placed in found.records(): ...

`open_inputs` finds the inputs; the parts of a capture stand together in their order, with the same
`group`. An `Input` is told by its content. What is not read has a `problem`, and its only record is
a `BrokenLine` with it, so that the other inputs go on. `sequence` reads inputs one after the other,
and `merged` by time; both report missing parts of captures.

Nothing is opened before it is asked for. A pipe is read once, and a file as far as it went when it
was opened.
"""

from __future__ import annotations

import glob
import heapq
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain, groupby, islice
from pathlib import Path
from threading import get_ident
from typing import IO, Any, cast

from msgspec.structs import replace

from payloads.abi.fields import Record
from payloads.capture.compression import decompressed
from payloads.capture.format import BrokenLine, Header, LaterFormat, Placed, record_of
from payloads.capture.frames import Frame, Incident
from payloads.capture.importers import any_file
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.importers.pieces import head_of, must_wait
from payloads.capture.importers.single import WHOLE
from payloads.capture.parts import Continuity, grouped
from payloads.errors import Malformed, Misuse
from payloads.inputs import to_path

# Paths of one command, those in folders included.
MAX_INPUTS = 100_000
# PATH_MAX of Linux; a pattern of many brackets takes the square of its length.
MAX_NAME = 4096
# Inputs that `merged` has open at a time: those whose times overlap.
MAX_MERGED = 100
_READ = 64 * 1024
# So many records are looked at for the first time in an input.
_MOST_UNTIMED = 1_000

PLAIN = ReadOptions()

Waiting = Callable[[], object]


class Input:
    """A file, or a pipe: its kind, what is wrong with it, and its records.

    `group` is the same for the parts of one capture.
    """

    def __init__(
        self,
        path: str,
        options: ReadOptions = PLAIN,
        *,
        group: int = 0,
        problem: Malformed | None = None,
        in_folder: bool = False,
        waiting: Waiting | None = None,
    ) -> None:
        self.path, self.options, self.group, self.in_folder = path, options, group, in_folder
        self._problem, self._waiting = problem, waiting
        # The place among the paths of `open_inputs`; None for a part that was not named.
        self.argument: int | None = None
        # What was read of a pipe to find out its kind.
        self._begun: _Content | None = None
        self._read = False

    def __repr__(self) -> str:
        return f"Input({self.path!r})"

    @property
    def kind(self) -> str:
        """One of `any_file.KINDS`, `TEXT` for text without frames, or "" where that is unknown."""
        return self._seen.kind

    @property
    def problem(self) -> Malformed | None:
        """Why nothing of this input is read; None where it is."""
        return self._seen.problem

    @property
    def header(self) -> Header | None:
        """The header of a capture."""
        return self._seen.header

    @property
    def venue(self) -> str:
        """The venue that a capture or the caller names; other files may name one for each frame."""
        header = self.header
        return (header.venue if header is not None else "") or self.options.venue

    @property
    def is_file(self) -> bool:
        """Whether it can be read any number of times."""
        return self.path != "-" and Path(self.path).is_file()

    @property
    def size(self) -> int | None:
        """The bytes of the file as it lies there; None for a pipe."""
        try:
            return os.stat(self.path).st_size if self.is_file else None
        except OSError:
            return None

    @property
    def content(self) -> Iterator[bytes]:
        """The content after decompression, in pieces; `Malformed` where it cannot go on."""
        with self._opened() as content:
            yield from content.pieces
            if (error := content.stream.grew()) is not None:
                raise error

    def records(self) -> Iterator[Placed]:
        """Everything in it, in order. What cannot be read comes out as a `BrokenLine`."""
        if (problem := self.problem) is not None:
            yield self._whole(problem)
            return
        try:
            with self._opened() as content:
                options = replace(self.options, waiting=self._waiting)
                yield from any_file.records_of(self.kind, content.pieces, options)
                if (grew := content.stream.grew()) is not None:
                    yield Placed("the end", BrokenLine(0, grew))
        except Malformed as error:
            yield self._whole(error)

    @staticmethod
    def _whole(error: Malformed) -> Placed:
        return Placed(WHOLE, BrokenLine(0, error))

    @cached_property
    def _seen(self) -> _Seen:
        if self._problem is not None:
            return _Seen(problem=self._problem)
        try:
            content = self._open()
            try:
                return self._look(content)
            finally:
                if self.is_file:
                    content.close()
                else:
                    self._begun = content
        except Malformed as error:
            return _Seen(problem=error)

    def _look(self, content: _Content) -> _Seen:
        if not content.head:
            next(content.rest, None)  # raises what is wrong with a compressed stream
            return _Seen(problem=Malformed("an empty file", field="file", expected="frames"))
        kind = any_file.kind_of(content.head, self.options)
        if kind == any_file.TEXT:
            if self.is_file:
                next(content.rest, None)
            return _Seen(kind, _no_frames())
        return _Seen(kind, None, _header(content.head) if kind == "capture" else None)

    def _open(self) -> _Content:
        try:
            if self.path == "-":
                return _Content(_Stream(sys.stdin.buffer, None, self._waiting))
            raw = to_path(self.path).open("rb")
            about = os.fstat(raw.fileno())
        except OSError as error:
            raise _unreadable(error) from None
        size = about.st_size if stat.S_ISREG(about.st_mode) else None
        return _Content(_Stream(raw, size, self._waiting))

    @contextmanager
    def _opened(self) -> Iterator[_Content]:
        if self._read and not self.is_file:
            raise Misuse("can be read only once", field=self.path, expected="a file")
        content, self._begun = self._begun or self._open(), None
        self._read = True
        try:
            yield content
        finally:
            if self.path != "-":
                content.close()


class _Seen(Record, frozen=True):
    """What the first bytes of an input say."""

    kind: str = ""
    problem: Malformed | None = None
    header: Header | None = None


def _header(head: bytes) -> Header | None:
    line, end, _ = head.partition(b"\n")
    try:
        record = record_of(line, 1, bool(end))
    except LaterFormat:  # which is told when it is read
        return None
    return record if isinstance(record, Header) else None


def _no_frames() -> Malformed:
    expected = "JSON, hex or a log of frames; --kind lines reads it all the same"
    return Malformed("text without frames, which is not read", field="file", expected=expected)


class _Content:
    """An input that is open: its first bytes, and all of it in pieces."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream
        pieces = decompressed(cast(IO[bytes], stream))
        self.head, self.rest = head_of(pieces, any_file.tells_kind)

    @property
    def pieces(self) -> Iterator[bytes]:
        return chain([self.head] if self.head else [], self.rest)

    def close(self) -> None:
        self.stream.close()


class _Stream:
    """Bytes of a file up to the size that it had, or of a pipe as they come.

    A read returns what there is. `waiting` is called before a read of a pipe that has nothing yet,
    but not in a thread that feeds another program: what it does is for the thread that opened the
    stream.
    """

    def __init__(self, raw: Any, size: int | None, waiting: Waiting | None) -> None:
        self._raw, self._size, self._waiting = raw, size, waiting
        self._read = getattr(raw, "read1", raw.read)
        self._thread = get_ident()
        self._left, self._at, self._taken = b"", 0, 0

    def read(self, size: int) -> bytes:
        if self._at >= len(self._left):
            self._left, self._at = self._more(), 0
        self._at += size
        return self._left[self._at - size : self._at]

    def _more(self) -> bytes:
        if self._must_wait() and self._waiting is not None:
            self._waiting()  # its errors are those of the output
        most = _READ if self._size is None else min(_READ, self._size - self._taken)
        try:
            found = self._read(most) if most > 0 else b""
        except OSError as error:
            reason = f"cannot be read any further: {error.strerror}"
            raise Malformed(reason, offset=self._taken, field="file") from None
        self._taken += len(found)
        return found or b""

    def _must_wait(self) -> bool:
        return self._size is None and get_ident() == self._thread and must_wait(self._raw)

    def grew(self) -> Malformed | None:
        """The error for a file that has become longer since it was opened."""
        if self._size is None or os.fstat(self._raw.fileno()).st_size <= self._size:
            return None
        reason = "grew while it was read; what came later is not read"
        return Malformed(reason, offset=self._size, field="file")

    def close(self) -> None:
        self._raw.close()


# --- finding inputs -------------------------------------------------------------------------------


def open_inputs(
    paths: Iterable[str | os.PathLike[str]],
    options: ReadOptions = PLAIN,
    *,
    waiting: Waiting | None = None,
) -> list[Input]:
    """The inputs of files, folders, globs and `-`; `Misuse` for a name that is not there.

    A folder stands for the files in it and in its folders, without those whose names begin with a
    dot. `waiting` is called before a read that has to wait, as of a pipe.
    """
    any_file.checked(options)
    found: dict[str, list[Input]] = {}
    seen: dict[str, bool] = {}
    names: list[str] = []
    for argument, each in _all_found(paths, options, waiting):
        each.argument = argument
        real = os.path.realpath(each.path)
        if real in seen and (each.in_folder or seen[real]):
            continue  # a glob or a folder has it, too
        seen[real] = each.in_folder
        if len(names) == MAX_INPUTS:
            raise Misuse("too many files", field="path", expected=f"at most {MAX_INPUTS}")
        found.setdefault(each.path, []).append(each)
        names.append(each.path)
    groups = grouped(names) if options.kind in (None, "capture") else [(name,) for name in names]
    ordered = []
    for group, members in enumerate(groups):
        for name in members:
            # The later parts of a capture need not be named.
            first, *found[name] = found.get(name) or [Input(name, options, waiting=waiting)]
            first.group = group
            ordered.append(first)
    return ordered


def _all_found(
    paths: Iterable[str | os.PathLike[str]], options: ReadOptions, waiting: Waiting | None
) -> Iterator[tuple[int, Input]]:
    for argument, path in enumerate(paths):
        for each in _found(os.fspath(path), options, waiting):
            yield argument, each


def _found(path: str, options: ReadOptions, waiting: Waiting | None) -> Iterator[Input]:
    if path == "-" or (os.path.exists(to_path(path)) and not os.path.isdir(path)):
        yield Input(path, options, waiting=waiting)
        return
    names = [path] if os.path.isdir(path) else _matching(path)
    if not names:
        raise Misuse(f"cannot read {path}: no such file or folder")
    for name in names:
        inside = _inside(name) if os.path.isdir(name) else [(name, _special(name))]
        for member, problem in inside:
            yield Input(member, options, problem=problem, in_folder=True, waiting=waiting)


def _matching(pattern: str) -> list[str]:
    """The names that a pattern matches. No name is longer than a path, nor is a pattern read."""
    return sorted(glob.glob(pattern, recursive=True)) if len(pattern) <= MAX_NAME else []


def _inside(folder: str) -> Iterator[tuple[str, Malformed | None]]:
    """The files in a folder, each with why it is not read."""
    refused: list[OSError] = []
    empty = True
    for where, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        for name in sorted([*links, *(name for name in files if not name.startswith("."))]):
            path, empty = os.path.join(where, name), False
            yield path, _special(path)
    for error in refused:
        empty = False
        yield str(error.filename), _unreadable(error)
    if empty:
        yield folder, Malformed("a folder without files", field="file")


_SPECIAL = {
    stat.S_IFIFO: ("a pipe in a folder", "its name as an argument"),
    stat.S_IFSOCK: ("a socket", "a file"),
    stat.S_IFCHR: ("a device", "a file"),
    stat.S_IFBLK: ("a device", "a file"),
    stat.S_IFDIR: ("a link to a folder", "its name as an argument"),
}


def _special(path: str) -> Malformed | None:
    """The error for what stands in a folder and is no file: it may never end."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError as error:
        return _unreadable(error)
    if kind == stat.S_IFREG:
        return None
    what, expected = _SPECIAL.get(kind, ("no file", "a file"))
    return Malformed(f"{what}, which is not read", field="file", expected=expected)


def _unreadable(error: OSError) -> Malformed:
    return Malformed(f"cannot be read: {error.strerror}", field="file")


# --- reading several ------------------------------------------------------------------------------

Found = tuple[Input, Placed]


class Connections:
    """Numbers of connections, from 1 over several inputs in the order in which they appear."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}

    def numbered(self, found: Found) -> Found:
        """A record with the number that its connection has among those of all inputs."""
        each, placed = found
        record = placed.record
        if not isinstance(record, Frame | Incident) or not record.connection:
            return found
        key = each.group, record.connection
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        return each, replace(placed, record=replace(record, connection=number))


def sequence(inputs: Iterable[Input], connections: Connections | None = None) -> Iterator[Found]:
    """Everything in the inputs, one after the other, with errors for missing parts of captures.

    Connections keep the numbers of their inputs, unless `connections` are given.
    """
    for _, group in groupby(inputs, key=lambda each: each.group):
        records = _of_group(list(group))
        yield from records if connections is None else map(connections.numbered, records)


def _of_group(group: list[Input]) -> Iterator[Found]:
    parts = Continuity()
    for each in group:
        for placed in each.records():
            if (missing := parts.saw(placed.record)) is not None:
                broken = BrokenLine(placed.line or 0, missing)
                yield each, replace(placed, record=broken)
            yield each, placed
    if (missing := parts.over()) is not None:
        yield group[-1], Placed("the end", BrokenLine(0, missing))


def merged(inputs: Iterable[Input]) -> Iterator[Found]:
    """Everything in the inputs by time. The order within an input stays as it is.

    Connections are numbered from 1 over all inputs, in the order in which they appear, unless there
    is only one capture or file. Records without a time follow those before them. An input is opened
    when its first time has come: at most `MAX_MERGED` whose times overlap.
    """
    groups = [list(group) for _, group in groupby(inputs, key=lambda each: each.group)]
    if len(groups) == 1:
        yield from _of_group(groups[0])
        return
    yield from map(Connections().numbered, _by_time(groups))


def _by_time(groups: list[list[Input]]) -> Iterator[Found]:
    # The time of the next record, the place among the inputs, that record, and those after it.
    # Nothing is open as long as there is no record.
    queue: list[tuple[int, int, Found | None, Iterator[Found]]] = []
    for order, group in enumerate(groups):
        began, records = _began(group)
        heapq.heappush(queue, (began, order, None, records))
    opened = 0
    while queue:
        at, order, found, records = queue[0]
        if found is not None:
            yield found
        elif (opened := opened + 1) > MAX_MERGED:
            expected = f"at most {MAX_MERGED} whose times overlap"
            raise Misuse("too many inputs to be merged by time", field="path", expected=expected)
        if (following := next(records, None)) is None:
            heapq.heappop(queue)
            opened -= 1
        else:
            at = max(at, _time_of(following[1]))
            heapq.heapreplace(queue, (at, order, following, records))


def _began(group: list[Input]) -> tuple[int, Iterator[Found]]:
    """The first time in a group, and its records; a file is closed again."""
    records = _of_group(group)
    seen = []
    for found in islice(records, _MOST_UNTIMED):
        seen.append(found)
        if at := _time_of(found[1]):
            break
    else:
        at = 0
    if all(each.is_file for each in group):
        records.close()  # type: ignore[attr-defined]
        return at, _of_group(group)
    return at, chain(seen, records)


def _time_of(placed: Placed) -> int:
    record = placed.record
    if isinstance(record, Header):
        return record.created
    return record.at if isinstance(record, Frame | Incident) else 0
