"""One part of a scan: read, filtered, decoded, judged and written. A worker does nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from payloads.abi.fields import Record
from payloads.capture.format import BrokenLine, CaptureRecord
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.inputs import Input
from payloads.errors import Malformed
from payloads.forensics.scanning import mapping
from payloads.forensics.scanning.parts import Part
from payloads.forensics.scanning.passing import Passing, blocks_of
from payloads.forensics.scanning.reading import (
    BLOCK_BYTES,
    LineReader,
    Origin,
    Read,
    Selection,
    blocks,
    read_records,
)
from payloads.forensics.scanning.states import StateBook
from payloads.forensics.writing import PartWriter

# Lines whose rows are made together. Each time costs some milliseconds.
MOST_BYTES = 32 * 2**20


class Filters(Record, frozen=True):
    """The payloads that are kept: of any of these feeds, signers and verdicts, where there are any.

    A verdict is the name of one, `accepted` or `refused`.
    """

    feeds: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


class Settings(Record, frozen=True):
    """What is the same for all parts. `now` None: each payload at the time of its frame."""

    out: str
    selection: Selection = Selection()
    filters: Filters = Filters()
    now: int | None = None
    recovers: bool = True


class Task(Record, frozen=True):
    """A part to be worked on.

    `content` is given where it cannot be read from `path` by its offsets, or passes through this
    process anyway; the last `left_out` bytes, of a line that is too long, are not among it.
    `error` is what is wrong behind the part. `whole` says that the kind of file is
    read by an importer.
    """

    part: Part
    origin: Origin
    path: str
    options: ReadOptions
    whole: bool
    content: Passing | tuple[bytes, ...] | None = None
    error: Malformed | None = None
    left_out: int = 0
    # The bytes of the file that this part stands for, for the progress.
    size: int = 0

    @property
    def alone(self) -> Task:
        """The same for another process, through which nothing passes."""
        return replace(self, content=None) if isinstance(self.content, Passing) else self

    @property
    def bytes(self) -> int:
        """How much there is to read, as far as that is known."""
        return self.size if self.part.last is None else self.part.last - self.part.first


class Done(Record, frozen=True):
    """A part that is finished, its rows by table, and whether a capture ended in it.

    `sent` counts the frames in it, also those that were not wanted.
    """

    part: Part
    size: int
    records: int
    counts: dict[str, int]
    sent: int = 0
    ended: bool = False
    problems: tuple[str, ...] = ()


def work(task: Task, settings: Settings, book: StateBook) -> Done:
    """Write the tables of a part."""
    records, sent, ended = 0, 0, False
    problems: list[str] = []
    out = Path(settings.out)
    with PartWriter(out, task.part.name) as writer:
        for read in _reads(task, settings.selection, problems):
            found = mapping.tables(read.items, book, now=settings.now, recovers=settings.recovers)
            found |= {"frames": read.frames, "events": read.events}
            writer.add(filtered(found, settings.filters))
            records += read.records
            sent += read.sent
            ended |= bool(pc.any(pc.equal(read.frames["what"], "end")).as_py())
        writer.close()
    counts = dict(writer.counts)
    return Done(task.part, task.size, records, counts, sent, ended, tuple(problems))


def _reads(task: Task, selection: Selection, problems: list[str]) -> Iterator[Read]:
    """What the part holds; what is wrong with the whole input is added to the problems."""
    if task.whole:
        yield from read_records(_records(task, problems), task.origin, selection)
        return
    part = task.part
    offset, line = part.first, part.line
    reader = LineReader(task.origin, selection)
    for block in blocks(_content(task), BLOCK_BYTES):
        if isinstance(block, int):
            block += task.left_out
            yield reader.read()
            limit = Malformed("longer than any line", field="line", found=f"{block} bytes")
            yield from _unread(limit, line, offset, task.origin)
            offset, line = offset + block, line + 1
            continue
        line += reader.add(block, offset, line)
        offset += len(block)
        if reader.size >= MOST_BYTES:
            yield reader.read()
    if reader.size:
        yield reader.read()
    if task.error is not None:
        yield from _unread(task.error, line, offset, task.origin)


def _records(
    task: Task, problems: list[str]
) -> Iterator[tuple[CaptureRecord, int | None, int | None]]:
    for each in Input(task.path, task.options).records():
        if isinstance(each.record, BrokenLine) and not each.line:
            problems.append(str(each.record.error))
        yield each.record, each.line, each.offset


def _unread(error: Malformed, line: int, offset: int, origin: Origin) -> Iterator[Read]:
    return read_records([(BrokenLine(line, error), line, offset)], origin)


def _content(task: Task) -> Iterator[bytes]:
    if task.content is not None:
        yield from task.content
        return
    part = task.part
    yield from blocks_of(task.path, part.first, part.last or 0)


# --- filters --------------------------------------------------------------------------------------


def filtered(found: dict[str, pa.RecordBatch], filters: Filters) -> dict[str, pa.RecordBatch]:
    """The tables without the payloads that are not wanted, and without the frames of those alone.

    Messages, incidents and what could not be read are kept: they say what happened between.
    """
    if filters == Filters():
        return found
    payloads = found["payloads"]
    keep = np.ones(len(payloads), np.bool_)
    places = {name: _places(found[name], payloads) for name in _OF_PAYLOADS}
    if filters.feeds:
        mine = _any(found, "prices", _among(found["prices"]["feed"], filters.feeds), places)
        keep &= mine | _among(payloads["feed"], filters.feeds)
    if filters.signers:
        keep &= _any(
            found, "signatures", _among(found["signatures"]["signer"], filters.signers), places
        )
    if filters.verdicts:
        keep &= _any(found, "verdicts", _of_verdicts(found["verdicts"], filters.verdicts), places)
    kept = dict(found)
    kept["payloads"] = payloads.filter(pa.array(keep))
    for name in _OF_PAYLOADS:
        mask = keep[places[name]]
        if name == "prices" and filters.feeds:
            mask &= _among(found[name]["feed"], filters.feeds)
        kept[name] = found[name].filter(pa.array(mask))
    kept["frames"] = _frames(found["frames"], kept["payloads"])
    return kept


_OF_PAYLOADS = ("prices", "signatures", "verdicts")


def _places(rows: pa.RecordBatch, payloads: pa.RecordBatch) -> Any:
    """The row of `payloads` that each row is about: those of a frame stand together, in order."""
    firsts = np.searchsorted(payloads["frame"].to_numpy(), rows["frame"].to_numpy())
    return firsts + rows["index"].to_numpy()


def _any(found: dict[str, pa.RecordBatch], name: str, mask: Any, places: dict[str, Any]) -> Any:
    """Which payloads have a row in that table for which the mask is true."""
    keep = np.zeros(len(found["payloads"]), np.bool_)
    keep[places[name][mask]] = True
    return keep


def _among(column: pa.Array, wanted: tuple[str, ...]) -> Any:
    return pc.is_in(column, pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)


def _of_verdicts(verdicts: pa.RecordBatch, wanted: tuple[str, ...]) -> Any:
    mask = _among(verdicts["verdict"], wanted) | _among(verdicts["error"], wanted)
    if "refused" in wanted:
        mask |= pc.invert(verdicts["passed"]).fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _frames(frames: pa.RecordBatch, payloads: pa.RecordBatch) -> pa.RecordBatch:
    """The frames with the number of payloads that were kept, without those that had others only."""
    counts: Counter[int] = Counter(payloads["frame"].to_pylist())
    left = np.array([counts.get(frame, 0) for frame in frames["frame"].to_pylist()], np.int32)
    signed = pc.equal(frames["kind"], "signed").to_numpy(zero_copy_only=False)
    index = frames.schema.get_field_index("payloads")
    counted = frames.set_column(index, frames.schema.field(index), pa.array(left))
    return counted.filter(pa.array((left > 0) | ~signed))
