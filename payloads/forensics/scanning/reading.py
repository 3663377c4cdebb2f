"""A part of an input, read: a row for each record, and the payloads and typed messages in it.

`LineReader` reads whole lines of a capture. Lines of one shape are read together; all others, and
the records of every other kind of file (`read_records`), one by one. Both give the same rows. No
record is lost: what cannot be read is a row of `frames` with its offset and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec.structs import replace
from numpy.typing import NDArray

from payloads.abi.fields import Record
from payloads.arrays.records import fixed
from payloads.capture.format import (
    MAX_LINE_BYTES,
    BrokenLine,
    CaptureRecord,
    LaterFormat,
    record_of,
)
from payloads.capture.frames import Frame, Incident
from payloads.errors import Malformed, PayloadError
from payloads.forensics.scanning.events import events_in
from payloads.forensics.scanning.items import ITEMS, batch, concat
from payloads.forensics.scanning.native import line_ends
from payloads.forensics.scanning.opening import (
    CLAIMED,
    content_of,
    facts_claimed,
    found_in,
    is_plain,
    stated,
    system_of,
)
from payloads.forensics.scanning.shapes import Lines, Shaped, Shapes, joined
from payloads.forensics.tables import (
    CONNECTION_BITS,
    EVENTS,
    FRAMES,
    OFFSET_BITS,
    batch_of_rows,
    empty,
)
from payloads.inputs import to_bytes
from payloads.recognise import Decoded, decode, to_dict
from payloads.system import Found

# Lines that are read together: they stay in the cache of a core meanwhile.
BLOCK_BYTES = 2**20
# Records of other kinds that are read together.
BLOCK_RECORDS = 4096


class Origin(Record, frozen=True):
    """An input: its number, and that of the first input of its capture.

    `venue` is for frames that name none. `is_list` says that it is a list of payloads.
    """

    input: int
    group: int = 0
    venue: str = ""
    is_list: bool = False


class Selection(Record, frozen=True):
    """The records that are wanted: of these venues (all, if none), from one time until another.

    Times are nanoseconds. What could not be read, or has no time, is always wanted.
    """

    venues: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


EVERYTHING = Selection()


class Read(NamedTuple):
    """What a part holds: rows of `frames` and `events`, and the payloads as items."""

    frames: pa.RecordBatch
    items: pa.RecordBatch
    events: pa.RecordBatch
    # The records that were read and the frames among them, with those that were not wanted.
    records: int
    sent: int


# --- the lines of a capture -----------------------------------------------------------------------


def blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes | int]:
    """Whole lines, about `size` bytes at a time; for a line that is too long, its size."""
    kept, skipped = bytearray(), 0
    for piece in pieces:
        if skipped:
            end = piece.find(b"\n") + 1
            skipped += end or len(piece)
            if not end:
                continue
            yield skipped
            piece, skipped = piece[end:], 0
        if not kept and len(piece) >= size and piece.endswith(b"\n"):
            yield piece
            continue
        kept += piece
        if len(kept) < size:
            continue
        end = kept.rfind(b"\n") + 1
        if end:
            yield bytes(memoryview(kept)[:end])
            del kept[:end]
        if len(kept) > MAX_LINE_BYTES:
            kept, skipped = bytearray(), len(kept)
    if skipped or kept:
        yield skipped or bytes(kept)


class LineReader:
    """Reads the lines of a capture, block by block, until their rows are asked for."""

    def __init__(self, origin: Origin, wanted: Selection = EVERYTHING) -> None:
        self._origin, self._wanted = origin, wanted
        self._shapes = Shapes()
        self._begin()

    def _begin(self) -> None:
        self._found: dict[int, list[_InFile]] = {}
        self._rest = _Rows(self._origin, self._wanted)
        # The bytes of all lines since the last rows.
        self.size = 0

    def add(self, block: bytes, offset: int, line: int) -> int:
        """Whole lines, the first of which is this line and stands at this offset.

        Returned is how many lines end in them.
        """
        self.size += len(block)
        starts, ends = _lines(block)
        left = np.ones(len(starts), np.bool_)
        last = len(starts) - 1 if not block.endswith(b"\n") else -1
        for size, places in _of_length(starts, ends if last < 0 else ends[:last]):
            for found in self._shapes.shaped(Lines(block, starts[places], size)):
                rows = places[found.rows]
                left[rows] = False
                mine = self._found.setdefault(id(found.shape), [])
                mine.append(_InFile(found, starts[rows] + offset, rows + line))
        for index in np.flatnonzero(left).tolist():
            text = block[starts[index] : ends[index]]
            if index == 0 and line == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if text.strip():
                record = _record(text, line + index, index != last)
                self._rest.add(record, line + index, offset + int(starts[index]))
        return len(starts) - (last >= 0)

    def read(self) -> Read:
        """The rows of all lines since they were asked for last."""
        reads = [_of_shape(_joined_in_file(each), self._origin, self._wanted)
                 for each in self._found.values()]  # fmt: skip
        if len(self._rest) or not reads:
            reads.append(self._rest.read())
        self._begin()
        return _joined(reads)


class _InFile(NamedTuple):
    """Lines of one shape, with their offsets and numbers."""

    lines: Shaped
    offsets: NDArray[np.int64]
    numbers: NDArray[np.int64]


def _joined_in_file(found: list[_InFile]) -> _InFile:
    if len(found) == 1:
        return found[0]
    lines, offsets, numbers = zip(*found, strict=True)
    return _InFile(joined(lines), np.concatenate(offsets), np.concatenate(numbers))


def read_block(
    block: bytes, origin: Origin, offset: int, line: int, wanted: Selection = EVERYTHING
) -> Read:
    """The records in whole lines, the first of which is this line and stands at this offset."""
    reader = LineReader(origin, wanted)
    reader.add(block, offset, line)
    return reader.read()


def _lines(block: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the lines begin and end."""
    ends = line_ends(block)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    return np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1)), ends


def _of_length(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each length of lines, with the places of those."""
    sizes = ends - starts[: len(ends)]
    if len(sizes) and (sizes == sizes[0]).all():
        yield int(sizes[0]), np.arange(len(sizes))
        return
    order = np.argsort(sizes, kind="stable")
    begins = np.flatnonzero(np.diff(sizes[order])) + 1
    for places in np.split(order, begins) if len(order) else ():
        yield int(sizes[places[0]]), places


def _record(text: bytes, number: int, whole: bool) -> CaptureRecord:
    try:
        return record_of(text, number, whole)
    except LaterFormat as error:
        return BrokenLine(number, error.why)


def _of_shape(placed: _InFile, origin: Origin, wanted: Selection) -> Read:
    """The rows of lines of one shape."""
    found, offsets, lines = placed
    shape, count = found.shape, len(found.rows)
    frame = shape.frame
    at, payloads = found.at, found.payloads
    claims = dict(found.claims)
    keep = _wanted(frame.venue or origin.venue, at, wanted)
    if not keep.all():
        offsets, lines, at, payloads = offsets[keep], lines[keep], at[keep], payloads[keep]
        claims = {name: values[keep] for name, values in claims.items()}
    shared = {
        "frame": pa.array((origin.input << OFFSET_BITS) + offsets),
        "at": pa.array(at).cast(pa.timestamp("ns", "UTC")),
        "venue": frame.venue or origin.venue or None,
        "connection": connection_of(origin, frame.connection),
        "direction": frame.direction,
    }
    frames = shared | {
        "input": origin.input, "line": pa.array(lines), "offset": pa.array(offsets),
        "opcode": frame.opcode, "size": frame.size, "redacted": False, "kind": "signed",
        "what": _type_of(content_of(frame)), "payloads": 1,
    }  # fmt: skip
    items = shared | {
        "index": 0, "path": "", "provenance": shape.found.why, "system": shape.found.system,
        "form": shape.found.form, "raw": _binary(payloads), **_claimed(shape.found.system, claims),
    }  # fmt: skip
    kept = len(offsets)
    return Read(batch(FRAMES, frames, kept), batch(ITEMS, items, kept), _NO_EVENTS, count, count)


def _binary(rows: NDArray[np.uint8]) -> pa.Array:
    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    data = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.Array.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(offsets), data])


def _claimed(system: str, claims: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The statements of frames by the facts that they are about."""
    names = facts_claimed(system)
    found: dict[str, Any] = {}
    for name, values in claims.items():
        column = CLAIMED[names[name]]
        found[column] = _hex_of_digits(values) if values.ndim == 2 else pa.array(values)
    return found


def _hex_of_digits(digits: NDArray[np.uint8]) -> pa.Array:
    encoded = fixed(digits).dictionary_encode()
    words = ["0x" + word.decode() for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)


def connection_of(origin: Origin, number: int) -> int:
    """The number of a connection, unique among all inputs."""
    return (origin.group << CONNECTION_BITS) | (number % (1 << CONNECTION_BITS))


def _wanted(venue: str, at: NDArray[np.int64], wanted: Selection) -> NDArray[np.bool_]:
    keep = np.full(len(at), not wanted.venues or venue in wanted.venues)
    if wanted.since is not None:
        keep &= at >= wanted.since
    if wanted.until is not None:
        keep &= at < wanted.until
    return keep


# --- records of any kind --------------------------------------------------------------------------


class _Rows:
    """Rows while they are made, record by record."""

    def __init__(self, origin: Origin, wanted: Selection) -> None:
        self._origin, self._wanted = origin, wanted
        self._frames: list[dict[str, Any]] = []
        self._items: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._count = self._sent = 0

    def add(
        self, record: CaptureRecord, line: int | None, offset: int | None, place: int = 0
    ) -> None:
        """A record; `place` is its ordinal, where the kind of file has no offsets."""
        self._count += 1
        self._sent += isinstance(record, Frame)
        place = place if offset is None else offset
        row = {
            "frame": self._origin.input << OFFSET_BITS | place,
            "input": self._origin.input, "line": line, "offset": offset,
            "connection": connection_of(self._origin, 0), "redacted": False, "payloads": 0,
        }  # fmt: skip
        if isinstance(record, BrokenLine):
            self._frames.append(row | {"kind": "unread"} | error_columns(record.error))
        elif isinstance(record, Frame | Incident) and self._is_wanted(record):
            row |= self._shared(record)
            if isinstance(record, Incident):
                self._frames.append(row | _incident(record) | self._reply(record, row))
            else:
                self._frames.append(row | self._frame(record, row))

    def __len__(self) -> int:
        return self._count

    def read(self) -> Read:
        return Read(
            batch_of_rows(self._frames, FRAMES),
            batch_of_rows(self._items, ITEMS),
            batch_of_rows(self._events, EVENTS),
            self._count,
            self._sent,
        )

    def _is_wanted(self, record: Frame | Incident) -> bool:
        wanted, at = self._wanted, record.at
        if wanted.venues and (record.venue or self._origin.venue) not in wanted.venues:
            return False
        if not at:
            return True
        return (wanted.since is None or at >= wanted.since) and (
            wanted.until is None or at < wanted.until
        )

    def _shared(self, record: Frame | Incident) -> dict[str, Any]:
        return {
            "at": record.at if record.at and -(2**63) <= record.at < 2**63 else None,
            "venue": record.venue or self._origin.venue or None,
            "connection": connection_of(self._origin, record.connection),
            "redacted": record.redacted,
        }

    def _reply(self, incident: Incident, row: dict[str, Any]) -> dict[str, Any]:
        """What an answer over HTTP is beside an incident: its payloads are added."""
        if (reply := incident.reply) is None:
            return {}
        body = reply.body.decode("utf-8", "replace")
        frame = Frame(incident.venue, incident.connection, "in", "text", incident.at, body)
        found = self._frame(frame, row)
        if found["kind"] != "signed":  # of a login, or an error in words
            return {}
        return {"kind": "signed", "direction": "in", "payloads": found["payloads"]}

    def _frame(self, frame: Frame, row: dict[str, Any]) -> dict[str, Any]:
        """What a frame is; its payloads and events are added."""
        found = {"direction": frame.direction, "opcode": frame.opcode, "size": frame.size}
        if not frame.is_message:
            return found | {"kind": "control"}
        place = {name: row[name] for name in ("frame", "at", "venue", "connection")}
        place["direction"] = frame.direction
        frame = replace(frame, venue=row["venue"] or "")
        try:
            content = content_of(frame)
            items = list(_items(frame, content, self._origin.is_list))
            known = frame.venue if not items and frame.direction == "in" else ""
            events = list(events_in(known, content))
        except PayloadError as error:
            return found | {"kind": "message"} | error_columns(error)
        self._items += (place | item for item in items)
        self._events += (place | event for event in events)
        kind = "signed" if items else "message"
        return found | {"kind": kind, "what": _type_of(content), "payloads": len(items)}


def _incident(incident: Incident) -> dict[str, Any]:
    detail = json.dumps(incident.detail, ensure_ascii=False, separators=(",", ":"), default=str)
    detail = detail.encode("utf-8", "replace").decode()
    return {"kind": "incident", "what": _text(incident.what), "detail": detail}


def _type_of(content: Any) -> str | None:
    kind = content.get("type") if isinstance(content, dict) else None
    return _text(kind) if isinstance(kind, str) else None


def _text(text: str) -> str:
    """A text that can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def error_columns(error: PayloadError) -> dict[str, Any]:
    """The columns of an error."""
    return {"error": _text(str(error)), "error_offset": error.offset, "error_field": error.field}


def _items(frame: Frame, content: Any, is_list: bool) -> Iterator[dict[str, Any]]:
    """The payloads in a message; `is_list` says that its input is a list of nothing else."""
    item: dict[str, Any] = {"index": 0, "path": ""}
    raw = frame.raw if content is not None else _bytes(frame.data)
    if raw is None:
        return  # words
    try:
        found = found_in(frame, content)
        if isinstance(found, Found) and found.raw and is_plain(found):
            leaves = [
                Decoded(
                    found.form, found.why, raw=found.raw, claims=found.claims, system=found.system
                )
            ]
        else:
            leaves = (
                [] if found is None else list(decode(raw if content is None else content).leaves())
            )
    except Malformed as error:
        # Bytes of an unknown protocol are no broken payload.
        if content is not None or is_list or frame.venue:
            item |= {"raw": raw if content is None else None, "system": system_of(frame.venue)}
            yield item | error_columns(error)
        return
    for index, leaf in enumerate(leaves):
        yield item | {"index": index, "path": leaf.path} | _leaf(leaf, frame)


def _bytes(data: str | bytes) -> bytes | None:
    """The bytes of a message that is no JSON; None for words."""
    if isinstance(data, bytes):
        return data
    try:
        return to_bytes(data)
    except Malformed:
        return None


def _leaf(leaf: Decoded, frame: Frame) -> dict[str, Any]:
    item = {
        "provenance": leaf.why,
        "system": leaf.system or None,
        "form": leaf.form,
        "raw": leaf.raw or None,
    }
    if leaf.error is not None:
        return item | error_columns(leaf.error)
    if not leaf.raw:  # spelled out, and not signed
        text = frame.raw.decode() if not leaf.path else json.dumps(to_dict(leaf, signers=False))
        return item | {"message": text}
    return item | stated(leaf.system, leaf.claims)


def _joined(reads: list[Read]) -> Read:
    """The rows of several reads, in the order of the frames."""
    frames, items, events, counts, sent = zip(*reads, strict=True)
    return Read(
        _sorted(concat(FRAMES, [each for each in frames if len(each)])),
        _sorted(concat(ITEMS, [each for each in items if len(each)])),
        _sorted(concat(EVENTS, [each for each in events if len(each)])),
        sum(counts),
        sum(sent),
    )


def _sorted(batch: pa.RecordBatch) -> pa.RecordBatch:
    order = batch["frame"].to_numpy()
    if (order[1:] >= order[:-1]).all():
        return batch
    return batch.take(pa.array(np.argsort(order, kind="stable")))


_NO_EVENTS = empty("events")


def read_records(
    records: Iterable[tuple[CaptureRecord, int | None, int | None]],
    origin: Origin,
    wanted: Selection = EVERYTHING,
    most: int = BLOCK_RECORDS,
) -> Iterator[Read]:
    """Records of any kind of file, each with its line and its offset where the kind has them."""
    rows, size = _Rows(origin, wanted), 0
    for ordinal, (record, line, offset) in enumerate(records):
        rows.add(record, line, offset, ordinal)
        size += 1000 + (record.size if isinstance(record, Frame) else 0)
        if size >= most * 1000:
            yield rows.read()
            rows, size = _Rows(origin, wanted), 0
    yield rows.read()
