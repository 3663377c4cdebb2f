"""A scan: inputs to tables in a folder, on all cores and in bounded memory. It can be interrupted.

    scan = forensics.scan(["captures/"], state="states/", out="found")
    scan.table("prices")

A part of an input is finished when its entry of the ledger (`parts/NNNNN-PPPPP.json`) is there.
It is written last. Whatever was not finished is done again, into files of the same names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from payloads._version import __version__
from payloads.abi.fields import Record
from payloads.capture.compression import decompressed, is_compressed
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.inputs import Input, open_inputs
from payloads.capture.seals import Sealed, Seals
from payloads.crypto import has_simd
from payloads.errors import Malformed, Misuse, shown
from payloads.forensics.scanning import parts
from payloads.forensics.scanning.files import Counted, in_doubt, miscounted, wrong_with
from payloads.forensics.scanning.native import marks
from payloads.forensics.scanning.parts import Part
from payloads.forensics.scanning.passing import Hashed, Passing
from payloads.forensics.scanning.reading import Origin, Selection
from payloads.forensics.scanning.states import StateBook
from payloads.forensics.scanning.team import Team
from payloads.forensics.scanning.work import Done, Filters, Settings, Task, work
from payloads.forensics.tables import (
    INPUTS,
    MAPPED,
    MOST_INPUTS,
    TABLES,
    TABLES_REVISION,
    batch_of_rows,
    empty,
)
from payloads.forensics.writing import prepare, write_text, write_whole
from payloads.inputs import check_depth, checked_text, to_path
from payloads.verdicts.state import State

if TYPE_CHECKING:
    from payloads.forensics.cluster import Cluster

_READ = 2**20
# A worker is worth its start where one process takes so many seconds more, for so many bytes.
_WORTH_A_WORKER, _BYTES_OF_A_WORKER = 0.5, 2**20
# Bytes a second before any part has shown how many it is: without signers, and with them, by
# payloads-simd and without it.
_PACE, _PACE_OF_SIMD, _PACE_OF_RECOVERY = 10**8, 4 * 10**7, 8 * 10**6
_EVERY = 0.5
_BY_CONTENT = ReadOptions()


class Progress(Record, frozen=True):
    """How far a scan is. `total` are the bytes of all inputs as they lie on disk.

    `had_bytes` and `had_frames` were finished before this run, which began `seconds` ago.
    """

    bytes: int
    total: int
    frames: int
    parts: int
    seconds: float
    had_bytes: int = 0
    had_frames: int = 0

    @property
    def rate(self) -> float:
        """Frames a second."""
        return (self.frames - self.had_frames) / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """The seconds that are left at this rate; None as long as there is no rate."""
        done = self.bytes - self.had_bytes
        if done <= 0 or not self.seconds:
            return None
        return max(0.0, (self.total - self.bytes) * self.seconds / done)


class Scan:
    """A scan that was made: its folder, and the tables in it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            text = (self.folder / "scan.json").read_bytes()
            check_depth(text)
            self.facts: dict[str, Any] = json.loads(text.decode())
        except (OSError, ValueError) as error:
            raise Misuse("not the folder of a scan", field=str(folder), found=str(error)) from None

    def __repr__(self) -> str:
        return f"Scan({str(self.folder)!r}, complete={self.complete})"

    @property
    def complete(self) -> bool:
        """Whether all inputs were read to their ends."""
        return bool(self.facts["complete"])

    @property
    def counts(self) -> dict[str, int]:
        """The rows of each table."""
        return dict(self.facts["counts"])

    @property
    def problems(self) -> list[str]:
        """What is wrong with inputs, in sentences."""
        inputs = self.facts["inputs"]
        return [f"{each['path']}: {why}" for each in inputs for why in each.get("problems", ())]

    def table(self, name: str) -> pa.Table:
        """A table, in the order of the frames."""
        if name not in TABLES:
            expected = ", ".join(TABLES)
            raise Misuse("no such table", field="table", expected=expected, found=shown(name))
        files = self.files(name)
        if not files:
            return pa.Table.from_batches([empty(name)])
        return pa.concat_tables([pq.read_table(each, partitioning=None) for each in files])

    def files(self, name: str) -> list[Path]:
        """The Parquet files of a table."""
        whole = self.folder / f"{name}.parquet"
        if name not in MAPPED:
            return [whole] if whole.exists() else []
        return sorted((self.folder / name).glob("[0-9]*.parquet"))


def scan(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    state: StateBook | State | Sequence[State] | str | Path | None = None,
    now: int | None = None,
    jobs: int | None = None,
    cluster: Cluster | None = None,
    options: ReadOptions = _BY_CONTENT,
    venues: Sequence[str] = (),
    since: int | None = None,
    until: int | None = None,
    feeds: Sequence[str] = (),
    signers: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    recovers: bool = True,
    anew: bool = False,
    report: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
    part_bytes: int = parts.PART_BYTES,
) -> Scan:
    """Read inputs into the tables of a folder.

    `state` is a state, several, or the path of a file or of a folder of them; without it there are
    no verdicts. A payload is judged at the time of its frame, in the state that held then, or at
    `now` (unix seconds). `since` and `until` are nanoseconds. `recovers=False` leaves the signers
    out. At most `jobs` processes work at a time, this one among them, where there is enough to do;
    as many as cores, if it is not given. With a `cluster`, its workers do that, to the same tables.

    A folder with a scan of the same inputs and options is finished, and nothing is done twice.
    `anew` begins again. `report` is called with the progress, and `say` with what a person should
    know. What cannot be read is in `frames`, and in `problems` of the scan.
    """
    settings = Settings(
        checked_text(str(to_path(out)), "out"),
        Selection(tuple(venues), since, until),
        Filters(tuple(map(str.lower, feeds)), tuple(map(str.lower, signers)), tuple(verdicts)),
        now,
        recovers,
    )
    book = StateBook.of(state)
    if verdicts and not book:
        raise Misuse("verdicts want a state", field="verdicts", expected="state")
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    running = _Running(
        settings, book, _inputs(given, options), part_bytes, say or (lambda text: None)
    )
    with contextlib.closing(running):
        running.begin(anew)
        running.run(jobs, report or (lambda progress: None), cluster)
        return running.finish()


def _cores() -> int:
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known is not None else os.cpu_count() or 1


def _inputs(paths: list[Any], options: ReadOptions) -> list[Input]:
    if not paths:
        raise Misuse("nothing to scan", field="paths", expected="files, folders or -")
    found = open_inputs(paths, options)
    if len(found) > MOST_INPUTS:
        raise Misuse("too many files", field="paths", expected=f"at most {MOST_INPUTS}")
    return found


class _Known(msgspec.Struct):
    """An input as `scan.json` has it."""

    path: str
    bytes: int | None = None
    mtime: int | None = None
    kind: str = ""
    sha256: str | None = None
    parts: int | None = None
    problems: list[str] = []
    # What its hashes say, if it is a capture, and what is wrong where they do not hold.
    sealed: Sealed | None = None
    integrity: list[str] = []
    # The lines that end in it, if it is a capture.
    lines: int = 0


class _Cut(NamedTuple):
    """A part of a capture, its content, what is wrong behind it, and its bytes in the file."""

    part: Part
    content: Passing | tuple[bytes, ...]
    error: Malformed | None
    size: int
    left_out: int = 0


class _Running:
    """A scan under way."""

    def __init__(
        self,
        settings: Settings,
        book: StateBook,
        inputs: list[Input],
        part_bytes: int,
        say: Callable[[str], None],
    ) -> None:
        self.out, self.settings, self.book = Path(settings.out), settings, book
        self.inputs, self.part_bytes, self.say = inputs, part_bytes, say
        self.known = [_known(each) for each in inputs]
        # The bytes of the inputs when the scan was begun, by which they are cut.
        self._planned = [each.bytes or 0 for each in self.known]
        self._recovers = settings.recovers or bool(book)
        recovery = _PACE_OF_SIMD if has_simd() else _PACE_OF_RECOVERY
        self._pace: float = recovery if self._recovers else _PACE
        # The first input of each capture.
        self._groups: dict[int, int] = {}
        for number, each in enumerate(inputs):
            self._groups.setdefault(each.group, number)
        # Files that can be read once only are kept here until the scan is complete.
        self.spool = self.out / "spool"
        self.done: dict[str, Done] = {}
        self.began = time.time()
        # The inputs as they are read: of a pipe, the copy.
        self.copies: dict[int, Input] = {}
        self._locked: IO[str] | None = None

    # --- the folder -------------------------------------------------------------------------------

    @property
    def _described(self) -> dict[str, Any]:
        """What must be the same for a scan to go on."""
        described: dict[str, Any] = msgspec.to_builtins(self.settings)
        described.pop("out")
        states = json.dumps(self.book.texts(), sort_keys=True, default=str).encode()
        read = msgspec.to_builtins(self.inputs[0].options) if self.inputs else {}
        described |= {
            "states": hashlib.sha256(states).hexdigest(),
            "read": read,
            "part_bytes": self.part_bytes,
        }
        return dict(json.loads(json.dumps(described)))

    def begin(self, anew: bool) -> None:
        """Prepare the folder, and find what is finished already."""
        for each in self.inputs:
            if each.is_file and self.out.resolve() in Path(each.path).resolve().parents:
                raise Misuse("an input lies in the folder that is written", field=each.path)
        earlier = self._earlier(anew)
        try:
            self._lock()
            if earlier is None:
                _clear(self.out)
            prepare(self.out)
            (self.out / "parts").mkdir(exist_ok=True)
        except OSError as error:
            raise Misuse(f"cannot write: {error.strerror}", field=str(self.out)) from None
        if earlier is not None:
            self._take_up(earlier)
        self._write_facts(False)

    def _lock(self) -> None:
        """Refuse a folder that another scan is writing to."""
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:  # as on Windows
            return
        self._locked = (self.out / ".lock").open("w")
        try:
            fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._locked.close()
            raise Misuse("another scan is writing to the folder", field=str(self.out)) from None

    def _earlier(self, anew: bool) -> dict[str, Any] | None:
        """The scan that the folder has; `Misuse` if that is another scan."""
        file = self.out / "scan.json"
        if not file.exists():
            if self.out.exists() and any(each.name != ".lock" for each in self.out.iterdir()):
                raise Misuse(
                    "the folder is not empty, and has no scan in it", field=str(self.out),
                    expected="another folder",
                )  # fmt: skip
            return None
        if anew:
            return None
        found: dict[str, Any] = Scan(self.out).facts
        other = "--anew (anew=True) to begin again, or another folder"
        if found.get("version") != __version__ or found.get("tables") != TABLES_REVISION:
            made = shown(found.get("version"))
            raise Misuse("the folder has a scan of another version", field=str(self.out),
                         expected=other, found=made)  # fmt: skip
        if (before := found.get("options")) != (now := self._described):
            names = [
                name
                for name in now
                if not isinstance(before, dict) or before.get(name) != now[name]
            ]
            raise Misuse("the folder has a scan with other options", field=str(self.out),
                         expected=other, found=", ".join(names))  # fmt: skip
        if [each["path"] for each in found["inputs"]] != [each.path for each in self.known]:
            raise Misuse(
                "the folder has a scan of other inputs", field=str(self.out), expected=other
            )
        return found

    def _take_up(self, earlier: dict[str, Any]) -> None:
        """Take what is finished, but for inputs that have changed."""
        self._planned = list(earlier["planned"])
        for file in sorted((self.out / "parts").glob("*.json")):
            done = msgspec.json.decode(file.read_bytes(), type=Done)
            self.done[done.part.name] = done
        for number, (now, before) in enumerate(zip(self.known, earlier["inputs"], strict=True)):
            same = (now.bytes, now.mtime) == (before.get("bytes"), before.get("mtime"))
            if same and self.inputs[number].is_file:
                now.sha256, now.parts = before.get("sha256"), before.get("parts")
                now.problems = list(before.get("problems", ()))
                now.sealed = msgspec.convert(before.get("sealed"), Sealed | None)
                now.lines = before.get("lines", 0)
                continue
            mine = [name for name, done in self.done.items() if done.part.input == number]
            if mine:
                self.say(f"{now.path} has changed, or cannot be read again: it is read anew")
            for name in mine:
                self._forget(name)
        if self.done:
            self.say(f"{len(self.done)} parts are finished already")

    def _forget(self, name: str) -> None:
        del self.done[name]
        (self.out / "parts" / f"{name}.json").unlink()
        for table in MAPPED:
            (self.out / table / f"{name}.parquet").unlink(missing_ok=True)

    def _write_facts(self, complete: bool) -> None:
        facts = {
            "tool": "payloads",
            "version": __version__,
            "tables": TABLES_REVISION,
            "complete": complete,
            "started": self.began,
            "ended": time.time() if complete else None,
            "options": self._described,
            "planned": self._planned,
            "states": self.book.texts(),
            "inputs": [
                msgspec.to_builtins(each) | {"problems": self._problems(number)}
                for number, each in enumerate(self.known)
            ],
            "counts": self._counts() if complete else {},
        }
        # People read it when it is complete; before, it is written often.
        indent = 1 if complete else None
        text = json.dumps(facts, indent=indent, ensure_ascii=True, default=str)
        write_text(text, self.out / "scan.json")

    def _problems(self, number: int) -> list[str]:
        """What is wrong with an input, seen by this process and by the workers."""
        mine = [done for done in self.done.values() if done.part.input == number]
        found = [*self.known[number].problems, *(why for done in mine for why in done.problems)]
        return list(dict.fromkeys(found))

    def _counts(self) -> dict[str, int]:
        counts: Counter[str] = Counter(dict.fromkeys(MAPPED, 0))
        for done in self.done.values():
            counts.update(done.counts)
        return {**counts, "inputs": len(self.inputs)}

    # --- the parts --------------------------------------------------------------------------------

    def tasks(self) -> Iterator[Task]:
        """The parts that are not finished, in order."""
        for number, each in enumerate(self.inputs):
            known = self.known[number]
            if known.parts is not None and known.sha256 is not None:
                mine = [done for done in self.done.values() if done.part.input == number]
                if len(mine) == known.parts:
                    continue
            for task in self._of_input(number, each):
                known.parts = task.part.number + 1
                if (done := self.done.get(task.part.name)) is not None:
                    if done.part == task.part:
                        continue
                    self._forget(task.part.name)
                yield task
            self._drop_more(number)
            self._write_facts(False)

    def _drop_more(self, number: int) -> None:
        """Forget parts that the input has no more."""
        count = self.known[number].parts or 0
        for name in [n for n, d in self.done.items() if d.part.input == number]:
            if self.done[name].part.number >= count:
                self._forget(name)

    def _of_input(self, number: int, each: Input) -> Iterator[Task]:
        known = self.known[number]
        known.problems = []
        if not each.is_file and not each.in_folder:
            each = self._copied(number, each)
        known.kind = each.kind
        origin = Origin(
            number, self._groups[self.inputs[number].group], each.venue, each.kind in _LISTS
        )
        if (problem := each.problem) is not None:
            known.problems.append(str(problem))
            if each.is_file:
                _hash(each.path, known)
            nothing = Part(number, 0, 0, 0)
            yield Task(nothing, origin, each.path, each.options, False, (), problem)
        elif each.kind != "capture":
            size = _hash(each.path, known)
            yield Task(Part(number, 0), origin, each.path, each.options, True, size=size)
        else:
            yield from self._of_capture(number, each, origin)

    def _of_capture(self, number: int, each: Input, origin: Origin) -> Iterator[Task]:
        known, seals = self.known[number], Seals(marks)
        with Hashed(each.path) as stream:
            cuts = self._packed if is_compressed(stream.peek()) else self._in_place
            for part, content, error, size, left_out in cuts(number, stream, seals):
                if error is not None:
                    known.problems.append(str(error))
                how = origin, each.path, each.options, False
                yield Task(part, *how, content, error, left_out, size)
            known.sha256, known.sealed = stream.digest(), seals.found
            if stream.grew():
                known.problems.append("it grew while it was read; what came later is not read")

    def _in_place(self, number: int, stream: Hashed, seals: Seals) -> Iterator[_Cut]:
        """The parts of a file: each passes once, for the work on it and for the hashes."""
        known, later = self.known[number], self._later(number)
        first, known.lines = 0, 0
        for place in count():
            most = self._size_of_next(stream.size - first + later)
            last = stream.end_of_line(first + most - 1)
            part = Part(number, place, first, last, known.lines + 1)
            passing = Passing(seals.watched(stream.blocks(last)))
            yield _Cut(part, passing, None, last - first)
            known.lines += passing.lines()
            if last == stream.size:
                return
            first = last

    def _packed(self, number: int, stream: Hashed, seals: Seals) -> Iterator[_Cut]:
        """The parts of a compressed file, each with its content."""
        known, later, taken = self.known[number], self._later(number), 0

        def most(first: int) -> int:
            return self._size_of_next(stream.size - stream.taken + later)

        pieces = seals.watched(decompressed(cast(IO[bytes], stream)))
        for part, content, error, known.lines, left_out in parts.cut(number, pieces, most):
            size, taken = stream.taken - taken, stream.taken
            yield _Cut(part, (content,), error, size, left_out)

    def _later(self, number: int) -> int:
        """The bytes of the inputs behind this one."""
        return sum(self._planned[number + 1 :])

    def _size_of_next(self, left: int) -> int:
        return parts.size_of_next(left, self.part_bytes, self._recovers)

    def _copied(self, number: int, each: Input) -> Input:
        """A copy of an input that can be read only once."""
        self.spool.mkdir(exist_ok=True)
        path = self.spool / f"{number:05}"
        stream = sys.stdin.buffer if each.path == "-" else open(each.path, "rb")  # noqa: SIM115
        with contextlib.ExitStack() as stack:
            if each.path != "-":
                stack.enter_context(stream)
            shutil.copyfileobj(stream, stack.enter_context(path.open("wb")), _READ)
        self.known[number].bytes = path.stat().st_size
        self.copies[number] = Input(str(path), each.options)
        return self.copies[number]

    # --- the work ---------------------------------------------------------------------------------

    def run(
        self,
        jobs: int | None,
        report: Callable[[Progress], None],
        cluster: Cluster | None = None,
    ) -> None:
        """Work on all parts that are not finished."""
        if jobs is not None and jobs < 1:
            raise Misuse(
                "no such number of processes", field="jobs", expected="1 or more", found=str(jobs)
            )
        self._report, self._started = report, time.monotonic()
        self._had = self._so_far()
        self._shown = 0.0
        try:
            tasks = self.tasks()
            if cluster is not None:
                self._run_on(cluster, tasks)
            else:
                self._run_here(jobs or _cores(), tasks)
        except OSError as error:
            raise Misuse(
                f"cannot go on: {error.strerror}", field=error.filename or str(self.out)
            ) from None
        self._tell(True)

    def _run_here(self, jobs: int, tasks: Iterator[Task]) -> None:
        """This process, and workers beside it where they are worth their start."""
        with Team(jobs - 1, self.settings, self.book) as team:
            for task in tasks:
                team.grow(self._worth)
                if not team.takes(task.alone):
                    self._work(task)
                self._take(team)
            while (left := team.given_back()) is not None:
                self._work(left)
                self._take(team)
            while team.works:
                self._take(team, _EVERY)

    def _worth(self) -> int:
        """How many workers are worth their start, for what is left."""
        left = sum(each.bytes or 0 for each in self.known) - self._so_far()[0]
        return int(min(left / self._pace / _WORTH_A_WORKER, left / _BYTES_OF_A_WORKER))

    def _work(self, task: Task) -> None:
        began = time.monotonic()
        self._finished(work(task, self.settings, self.book))
        self._pace = max(1.0, task.bytes) / max(1e-6, time.monotonic() - began)

    def _take(self, team: Team, wait: float = 0) -> None:
        """Take the results that are there."""
        for done in team.results(wait):
            self._finished(done)
        self._tell(False)

    def _finished(self, done: Done) -> None:
        write_text(
            msgspec.json.encode(done).decode(), self.out / "parts" / f"{done.part.name}.json"
        )
        self.done[done.part.name] = done
        self._tell(False)

    def _tell(self, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._shown < _EVERY:
            return
        self._shown = now
        done, frames = self._so_far()
        total = sum(each.bytes or 0 for each in self.known)
        seconds = now - self._started
        self._report(Progress(done, total, frames, len(self.done), seconds, *self._had))

    def _so_far(self) -> tuple[int, int]:
        found = self.done.values()
        return sum(done.size for done in found), sum(done.counts["frames"] for done in found)

    def _run_on(self, cluster: Cluster, tasks: Iterator[Task]) -> None:
        """Workers of a cluster, which have other working folders."""
        out = self.out.resolve()
        settings = replace(self.settings, out=str(out))
        to_do = (_from_anywhere(each.alone) for each in tasks)
        for done in cluster.results(work, to_do, out, settings, self.book):
            if done is None:
                self._tell(False)
            else:
                self._finished(done)

    # --- the end ----------------------------------------------------------------------------------

    def finish(self) -> Scan:
        """Write the table of the inputs, and that the scan is complete."""
        prepare(self.out)
        self._look_into()
        write_whole(pa.Table.from_batches([self._inputs_table()]), self.out / "inputs.parquet")
        self._write_facts(True)
        shutil.rmtree(self.spool, ignore_errors=True)
        return Scan(self.out)

    def _look_into(self) -> None:
        """Say what is wrong with captures whose hashes do not hold."""
        numbers = sorted(range(len(self.inputs)), key=lambda each: self.inputs[each].group)
        for _, found in groupby(numbers, key=lambda each: self.inputs[each].group):
            members = [each for each in found if self.known[each].kind == "capture"]
            sealed = [each for number in members if (each := self.known[number].sealed)]
            counted = [self._counted(number) for number in members if self.known[number].sealed]
            if not sealed or not (in_doubt(sealed) or miscounted(sealed, counted)):
                continue
            self.say(f"{self.known[members[0]].path}: its lines are compared with their hashes")
            group = [self.copies.get(number, self.inputs[number]) for number in members]
            for number, problems in zip(members, wrong_with(group), strict=True):
                self.known[number].integrity = problems

    def _counted(self, number: int) -> Counted:
        sent = (done.sent for done in self.done.values() if done.part.input == number)
        return Counted(self.known[number].lines, sum(sent))

    def close(self) -> None:
        """Let others write to the folder."""
        if self._locked is not None:
            self._locked.close()

    def _ended(self, number: int) -> bool:
        """Whether a capture has its end record, be it among the frames that are wanted or not."""
        sealed = self.known[number].sealed
        mine = (done for done in self.done.values() if done.part.input == number)
        return (sealed is not None and sealed.ended) or any(done.ended for done in mine)

    def _inputs_table(self) -> pa.RecordBatch:
        rows = []
        for number, (each, known) in enumerate(zip(self.inputs, self.known, strict=True)):
            mine = [done for done in self.done.values() if done.part.input == number]
            each = self.copies.get(number, each)
            header = each.header if each.is_file else None
            is_capture = known.kind == "capture"
            rows.append(
                {
                    "input": number, "path": known.path, "bytes": known.bytes,
                    "sha256": known.sha256, "kind": known.kind or None, "venue": each.venue or None,
                    "capture": None if header is None else header.id,
                    "part": None if header is None else header.part,
                    "created": None if header is None or not header.created else header.created,
                    "frames": sum(done.counts["frames"] for done in mine),
                    "complete": self._ended(number) if is_capture else None,
                    "read": not self._problems(number),
                    "problems": self._problems(number) + known.integrity,
                }
            )  # fmt: skip
        return batch_of_rows(rows, INPUTS)


# Kinds of files that are lists of payloads and nothing else.
_LISTS = ("hex", "payload", "document")


def _from_anywhere(task: Task) -> Task:
    """The task with whole paths."""
    options = task.options
    if options.keylog:
        options = replace(options, keylog=os.path.abspath(options.keylog))
    return replace(task, path=os.path.abspath(task.path), options=options)


def _known(each: Input) -> _Known:
    if not each.is_file:
        return _Known(each.path)
    try:
        about = os.stat(each.path)
    except OSError:
        return _Known(each.path)
    return _Known(each.path, about.st_size, about.st_mtime_ns, each.kind)


def _clear(out: Path) -> None:
    """Remove an earlier scan; nothing else is touched."""
    for name in (*MAPPED, "parts", "spool"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("scan.json", "inputs.parquet", "findings.parquet"):
        (out / name).unlink(missing_ok=True)


def _hash(path: str, known: _Known) -> int:
    try:
        with Hashed(path) as stream:
            known.sha256 = stream.digest()
            return stream.size
    except OSError as error:
        known.problems.append(f"cannot be read: {error.strerror}")
        return 0
