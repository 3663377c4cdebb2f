"""Captures: what came over websockets, kept a line each, so that it can be trusted later.

`CaptureWriter` only ever appends, to files that it created itself. Every `flush_every` seconds what
it has goes to the operating system, so a process that is killed loses at most that much; with
`sync=True` it goes to the disk as well. Credentials never reach it: `learn` them, and whatever
holds one is written with `[redacted]` in its place and marked so.

`records` reads a capture in bounded memory: the header, frames and happenings in order, and a
`BrokenLine` with its number and error for whatever cannot be read (a line cut off by a crash among
them); the rest still comes out. It raises `Malformed` for a capture of a later format. Both let
`OSError` through. The format is described in docs/captures.md.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from payloads.errors import Malformed, Misuse, PayloadError, elide
from payloads.fields import Record
from payloads.inputs import check_nesting
from payloads.transport.agent import agent
from payloads.transport.codecs import Torn, compression_of, squeeze, unsqueezed
from payloads.transport.frames import Direction, Frame, Happening, Opcode
from payloads.venues.session import MAX_MESSAGE_BYTES, Message, Redactor, Secret

__all__ = [
    "FORMAT", "BrokenLine", "CaptureRecord", "CaptureWriter", "Header", "Summary", "frame_line",
    "frames", "header_line", "line_of", "numbered", "parts", "records", "split_lines",
]  # fmt: skip

FORMAT = 1
# A message of control characters takes six characters each in JSON; the rest is what is around it.
MAX_LINE_BYTES = 6 * MAX_MESSAGE_BYTES + 64 * 1024
_BUFFER = 64 * 1024
# What stands in a line besides the message, about.
_AROUND = 100
_NAME_PARTS = (".jsonl", ".ndjson", ".json")


class Header(Record, frozen=True):
    """The first line of a file: what was asked for, of whom, and when.

    `id` is the same in all parts of one capture, which `part` numbers from 1.
    """

    capture: int
    id: str = ""
    part: int = 1
    created: int = 0
    venue: str = ""
    asked: dict[str, Any] = msgspec.field(default_factory=dict)
    flush_every: float = 0
    by: str = ""


class BrokenLine(Record, frozen=True):
    """A line that could not be read, and why."""

    line: int
    error: PayloadError


CaptureRecord = Header | Frame | Happening | BrokenLine


class Summary(Record, frozen=True):
    """What a writer has written so far. `files` are all parts, in order."""

    frames: int
    message_bytes: int
    file_bytes: int
    redacted: int
    files: tuple[str, ...]


class _FrameLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    at: int
    venue: str
    conn: int
    dir: str
    op: str
    text: str | None = None
    base64: str | None = None
    redacted: bool = False


class _HappeningLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    at: int
    venue: str
    conn: int
    what: str
    detail: msgspec.Raw
    redacted: bool = False


_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


def frame_line(frame: Frame, data: Message, redacted: bool) -> bytes:
    """A frame as a line, without the line's end."""
    return _encode(_frame_line(frame, data, redacted))


def _frame_line(frame: Frame, data: Message, redacted: bool) -> _FrameLine:
    text, base64 = None, None
    try:
        if isinstance(data, bytes):
            text = data.decode()
        else:
            if not data.isascii():
                data.encode()  # a lone surrogate has no place in JSON, nor in a websocket
            text = data
    except UnicodeError:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        base64 = b64encode(raw).decode()
    return _FrameLine(
        frame.at, frame.venue, frame.connection, frame.direction, frame.opcode, text, base64,
        redacted,
    )  # fmt: skip


def _happening_line(one: Happening) -> bytes:
    detail = json.dumps(one.detail, ensure_ascii=False, separators=(",", ":"), default=str)
    raw = msgspec.Raw(detail.encode("utf-8", "replace"))
    line = _HappeningLine(one.at, one.venue, one.connection, one.what, raw, one.redacted)
    return _encode(line)


def line_of(record: Header | Frame | Happening) -> bytes:
    """A record as its line, without the line's end; nothing is redacted."""
    if isinstance(record, Frame):
        return frame_line(record, record.data, record.redacted)
    return _encode(record) if isinstance(record, Header) else _happening_line(record)


def header_line(venue: str, asked: dict[str, Any]) -> bytes:
    """The first line of a capture that begins now."""
    return _encode(Header(FORMAT, _new_id(), 1, time.time_ns(), venue, asked, 0, agent(" ")))


# --- writing --------------------------------------------------------------------------------------


class CaptureWriter:
    """Writes one capture; thread-safe; a context manager.

    `path` says the compression by its end (.gz, .zst) and must not exist. A part is closed and the
    next begun (`name.0002.jsonl`) when it holds `max_bytes` or is `max_seconds` old.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        venue: str = "",
        asked: dict[str, Any] | None = None,
        secrets: Iterable[Secret | str] = (),
        flush_every: float = 1.0,
        sync: bool = False,
        max_bytes: int | None = None,
        max_seconds: float | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        _check(flush_every >= 0, "flush_every", "0 or more seconds", flush_every)
        _check(max_bytes is None or max_bytes > 0, "max_bytes", "1 or more", max_bytes)
        _check(max_seconds is None or max_seconds > 0, "max_seconds", "more than 0", max_seconds)
        self._path = Path(path)
        self._venue, self._asked = venue, asked or {}
        self._flush_every, self._sync, self._clock = flush_every, sync, clock
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._rotates = max_bytes is not None or max_seconds is not None
        if self._rotates and (second := _part(self._path, 2)).exists():
            raise _there(second)
        self._redactor = Redactor(*secrets)
        self._id = _new_id()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._error: OSError | None = None
        self._file: int | None = None
        self._connections = 0
        # Frames that are no lines yet: many at once are looked through for credentials much faster.
        self._waiting: list[Frame] = []
        self._waiting_size = 0
        self._frames = self._message_bytes = self._file_bytes = self._redacted = 0
        self._files: list[str] = []
        self._begin()
        self._flusher: threading.Thread | None = None
        if flush_every:
            self._flusher = threading.Thread(
                target=self._keep_flushing, name="capture flush", daemon=True
            )
            self._flusher.start()

    # What the client calls a recorder: `connection`, `learn`, `frame`, `happening`.

    def connection(self) -> int:
        """A number for a websocket that is about to be opened."""
        with self._lock:
            self._connections += 1
            return self._connections

    def learn(self, secret: Secret | str) -> None:
        """A credential that must not be written from now on."""
        with self._lock:
            self._redactor.add(secret)

    def frame(self, frame: Frame) -> None:
        """Keep a frame."""
        with self._lock:
            if self._rotates or self._file is None or self._error is not None:
                self._ready(frame.at)
            self._waiting.append(frame)
            self._waiting_size += len(frame.data) + _AROUND
            if self._waiting_size >= _BUFFER:
                self._put_down()
            elif not self._flush_every:
                self._flush()

    def happening(self, happening: Happening) -> None:
        """Keep anything else."""
        with self._lock:
            self._ready(happening.at)
            self._happening(happening)

    def flush(self) -> None:
        """Hand over to the operating system all there is."""
        with self._lock:
            self._raise_stored()
            self._flush()

    def close(self) -> None:
        """End the capture: a last line, then the file is closed. May be called again."""
        self._stop.set()
        if self._flusher is not None and self._flusher is not threading.current_thread():
            self._flusher.join()
        with self._lock:
            if self._file is not None:
                self._end("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def summary(self) -> Summary:
        with self._lock:
            if self._file is not None:
                self._put_down()
            return Summary(
                self._frames, self._message_bytes, self._file_bytes, self._redacted,
                tuple(self._files),
            )  # fmt: skip

    # Everything below is called with the lock held.

    def _begin(self) -> None:
        path = _part(self._path, len(self._files) + 1)
        # Created here and now, or not at all: a capture is never written over or into another.
        # For its owner's eyes: it holds an account's messages.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            if self._files:  # too late to be called otherwise
                self._error = error
                raise
            if isinstance(error, FileExistsError):
                raise _there(path) from None
            raise Misuse(f"cannot be written: {error.strerror}", field=str(path)) from None
        self._stream = squeeze(compression_of(path.name))
        self._pending = bytearray()
        self._dirty = False
        self._part_bytes, self._began = 0, self._clock()
        self._files.append(str(path))
        header = Header(
            FORMAT, self._id, len(self._files), self._began, self._venue, self._asked,
            self._flush_every, agent(" "),
        )  # fmt: skip
        self._write_line(self._redactor.clean(_encode(header)))
        self._flush()

    def _end(self, following: str) -> None:
        assert self._file is not None
        try:
            self._put_down()
            detail: dict[str, Any] = {"frames": self._frames}
            if following:
                detail["next"] = following
            self._happening(Happening(self._venue, 0, self._clock(), "end", detail))
            self._pending += self._stream.finish()
            self._to_file(durable=self._sync)
        finally:
            file, self._file = self._file, None
            os.close(file)

    def _ready(self, now: int) -> None:
        self._raise_stored()
        if self._file is None:
            raise Misuse("the capture is closed", field=str(self._path))
        full = self._max_bytes is not None and self._part_bytes >= self._max_bytes
        if full or (
            self._max_seconds is not None and now - self._began >= self._max_seconds * 10**9
        ):
            self._end(_part(self._path, len(self._files) + 1).name)
            self._begin()

    def _put_down(self) -> None:
        """Make lines of the frames that wait, without what must not be in them."""
        if not self._waiting:
            return
        waiting, self._waiting, self._waiting_size = self._waiting, [], 0
        held = self._redactor.may_find([frame.data for frame in waiting])
        lines = []
        for frame in waiting:
            data = self._redactor.clean(frame.data) if held else frame.data
            lines.append(_frame_line(frame, data, frame.redacted or data is not frame.data))
        self._frames += len(waiting)
        self._message_bytes += sum(frame.size for frame in waiting)
        self._redacted += sum(line.redacted for line in lines)
        self._write(_encoder.encode_lines(lines))

    def _happening(self, one: Happening) -> None:
        self._put_down()
        # Before it is JSON: a text that is JSON itself is escaped twice in there.
        detail = _cleaned(one.detail, self._redactor)
        if detail != one.detail:
            one = Happening(one.venue, one.connection, one.at, one.what, detail, True)
        self._write_line(self._redactor.clean(_happening_line(one)))

    def _write_line(self, line: bytes) -> None:
        self._write(line + b"\n")
        if not self._flush_every:
            self._flush()

    def _write(self, lines: bytes) -> None:
        self._pending += self._stream.add(lines)
        self._dirty = True
        if len(self._pending) >= _BUFFER:
            self._to_file(durable=False)

    def _flush(self) -> None:
        if self._file is None:
            return
        self._put_down()
        if not self._dirty:
            return
        self._pending += self._stream.flush()
        self._to_file(durable=self._sync)
        self._dirty = False

    def _to_file(self, durable: bool) -> None:
        assert self._file is not None
        self._raise_stored()  # what stands behind a hole cannot be read
        view, self._pending = memoryview(self._pending), bytearray()
        try:
            while view:
                written = os.write(self._file, view)
                self._file_bytes += written
                self._part_bytes += written
                view = view[written:]
            if durable:
                os.fsync(self._file)
        except OSError as error:
            self._error = error
            raise

    def _raise_stored(self) -> None:
        if self._error is not None:
            raise self._error

    def _keep_flushing(self) -> None:
        # In a thread, so that the interval holds also while an event loop is busy elsewhere.
        while not self._stop.wait(self._flush_every):
            with self._lock:
                try:
                    self._flush()
                except OSError as error:  # a full disk: whoever writes next is told
                    self._error = error
                    return


def _there(path: Path) -> Misuse:
    wanted = "the name of a file that is not there yet"
    return Misuse("is already there", field=str(path), expected=wanted)


def _cleaned(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(one, redactor) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one, redactor) for one in value]
    return redactor.clean(value) if isinstance(value, str) else value


def _new_id() -> str:
    return secrets.token_hex(8)


def _check(fits: bool, field: str, expected: str, found: object) -> None:
    if not fits:
        raise Misuse("no such bound", field=field, expected=expected, found=str(found))


def _part(path: Path, number: int) -> Path:
    """`name.jsonl.zst`, then `name.0002.jsonl.zst` and so on."""
    if number == 1:
        return path
    stem, ends = path.name, ""
    for group in ((".gz", ".zst", ".zstd"), _NAME_PARTS):
        end = next((end for end in group if stem.endswith(end) and stem != end), "")
        stem, ends = stem.removesuffix(end), end + ends
    return path.with_name(f"{stem}.{number:04d}{ends}")


def parts(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A capture's first file and those that rotation made after it, as far as they are there."""
    yield Path(path)
    number = 2
    while (following := _part(Path(path), number)).exists():
        yield following
        number += 1


# --- reading --------------------------------------------------------------------------------------


class _AnyLine(msgspec.Struct, frozen=True, gc=False):
    """A line of any kind. What a later version adds to one is ignored."""

    capture: int | None = None
    at: int | None = None
    venue: str = ""
    conn: int = 0
    dir: Direction | None = None
    op: Opcode | None = None
    text: str | None = None
    base64: str | None = None
    redacted: bool = False
    what: str | None = None
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


_decode_line = msgspec.json.Decoder(_AnyLine).decode
_decode_header = msgspec.json.Decoder(Header).decode


def records(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[CaptureRecord]:
    """Everything in one file of a capture, in order."""
    with _opened(source) as stream:
        for _, record in numbered(unsqueezed(stream)):
            yield record


def numbered(pieces: Iterable[bytes]) -> Iterator[tuple[int, CaptureRecord]]:
    """The same of what is in a file, in pieces, each with the number of its line."""
    number = 0
    try:
        for number, (line, whole) in enumerate(split_lines(pieces), 1):
            if line is None or line.strip():
                yield number, _record(line, number, whole)
    except _Later as error:
        raise error.why from None
    except Malformed as error:  # of the compression, for one
        yield number + 1, BrokenLine(number + 1, error)


def frames(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Frame]:
    """Only the frames; what is broken is passed over (`records` tells)."""
    return (record for record in records(source) if isinstance(record, Frame))


class _Later(Exception):
    def __init__(self, why: Malformed) -> None:
        self.why = why


@contextmanager
def _opened(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as stream:
            yield stream
    else:
        yield source


def split_lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes | None, bool]]:
    """Lines and whether their end was there; None in place of one longer than any can be."""
    begun: list[bytes] = []
    size = 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        size += len(first)
        begun.append(first)
        if size > MAX_LINE_BYTES:
            begun.clear()
        if not others:
            continue
        yield (b"".join(begun) if size <= MAX_LINE_BYTES else None), True
        for line in others[:-1]:
            yield line, True
        begun, size = [others[-1]], len(others[-1])
    if size:
        yield (b"".join(begun) if size <= MAX_LINE_BYTES else None), False


def _record(line: bytes | None, number: int, whole: bool) -> CaptureRecord:
    try:
        if line is None:
            limit = f"at most {MAX_LINE_BYTES} bytes"
            raise Malformed("longer than any line", field="line", expected=limit, found="more")
        return _parsed(line)
    except Malformed as error:
        if whole:
            return BrokenLine(number, error)
        size = len(line or b"")
        return BrokenLine(number, Torn("the last line is cut off", field="line", offset=size))


def _parsed(line: bytes) -> CaptureRecord:
    check_nesting(line)
    try:
        found = _decode_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found_there = elide(str(error), 120)
        raise Malformed("not a line of a capture", field="line", found=found_there) from None
    if found.capture is not None:
        return _header(line, found.capture)
    if found.at is None:
        raise Malformed("not a line of a capture", field="line", expected='"at"')
    if found.what is not None:
        return Happening(
            found.venue, found.conn, found.at, found.what, found.detail, found.redacted
        )
    if found.dir is None or found.op is None:
        expected = '"dir" and "op", or "what"'
        raise Malformed("not a line of a capture", field="line", expected=expected)
    data = _data(found)
    return Frame(found.venue, found.conn, found.dir, found.op, found.at, data, found.redacted)


def _header(line: bytes, version: int) -> Header:
    if version != FORMAT:
        expected, found = f"format {FORMAT}", f"format {version}"
        reason = "a capture of another format"
        raise _Later(Malformed(reason, field="capture", expected=expected, found=found))
    try:
        return _decode_header(line)
    except msgspec.DecodeError as error:
        raise Malformed("a broken header", field="capture", found=elide(str(error), 120)) from None


def _data(line: _AnyLine) -> Message:
    """The message as it was: text only where the opcode says so and the bytes allow it."""
    if line.text is not None:
        return line.text if line.op == "text" else line.text.encode()
    if line.base64 is None:
        raise Malformed("a frame without its bytes", field="line", expected='"text" or "base64"')
    try:
        raw = a2b_base64(line.base64, strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("not base64", field="base64", found=str(error)) from None
    if line.op != "text":
        return raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
