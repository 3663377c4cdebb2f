"""Captures are written here: every message of a websocket, a line each, so that it can be trusted.

`CaptureWriter` only ever appends, to files that it created itself. Every `flush_every` seconds its
lines go to the operating system, so a process that is killed loses at most that much; with
`sync=True` they go to the disk as well. A credential that the writer was told of (`learn`) is never
written: `[redacted]` stands in its place, and the line is marked.

An `OSError` of the disk is let through. The format is described in docs/captures.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from payloads._version import agent
from payloads.abi.fields import Record
from payloads.capture import redaction
from payloads.capture.chain import Chain
from payloads.capture.compression import compression_of, compressor
from payloads.capture.format import (
    FORMAT,
    Header,
    frame_lines,
    incident_line,
    line_of,
    new_id,
)
from payloads.capture.frames import Frame, Incident
from payloads.capture.parts import part_path
from payloads.errors import Misuse
from payloads.inputs import checked_text, to_path
from payloads.venues.common.redactor import Redactor, Secret

_BUFFER = 64 * 1024
# About how much of a line is not the message.
_AROUND = 100
# Where each line is flushed, so many have one hash.
_SEALED_LINES = 64


class Summary(Record, frozen=True):
    """The counts of a writer so far. `files` are all parts, in order."""

    frames: int
    message_bytes: int
    file_bytes: int
    redacted: int
    files: tuple[str, ...]


class CaptureWriter:
    """Writes a capture. It is thread-safe and a context manager.

    The end of `path` gives the compression (.gz, .zst); the file must not exist. A part is closed
    and the next begun (`name.0002.jsonl`) when it holds `max_bytes` or is `max_seconds` old.
    An open file descriptor, as of a pipe, is written to as it is, and stays open.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | int,
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
        self._given = path if isinstance(path, int) else None
        self._path = Path("-") if isinstance(path, int) else to_path(path)
        self._venue, self._asked = checked_text(venue, "venue"), asked or {}
        self._flush_every, self._sync, self._clock = flush_every, sync, clock
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._rotates = max_bytes is not None or max_seconds is not None
        _check(not self._rotates or self._given is None, "path", "a file, to rotate", "-")
        if self._rotates and (second := part_path(self._path, 2)).exists():
            raise _there(second)
        self._redactor = Redactor(*secrets)
        self._id = new_id()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._error: OSError | None = None
        self._file: int | None = None
        self._connections = 0
        # Frames that are not lines yet: searching many at once for credentials is much faster.
        self._waiting: list[Frame] = []
        self._waiting_size = 0
        self._frames = self._message_bytes = self._file_bytes = self._redacted = 0
        self._files: list[str] = []
        self._last_hash, self._latest = "", 0
        self._begin()
        self._flusher: threading.Thread | None = None
        if flush_every:
            self._flusher = threading.Thread(
                target=self._keep_flushing, name="capture flush", daemon=True
            )
            self._flusher.start()

    # The methods of a connection's recorder: `connection`, `learn`, `frame`, `incident`.

    def connection(self) -> int:
        """A number for a websocket that is about to be opened."""
        with self._lock:
            self._connections += 1
            return self._connections

    def learn(self, secret: Secret | str) -> None:
        """Never write this credential from now on."""
        with self._lock:
            self._redactor.add(secret)

    def frame(self, frame: Frame) -> None:
        """Write a frame."""
        with self._lock:
            if self._rotates or self._file is None or self._error is not None:
                self._ready(frame.at)
            self._waiting.append(frame)
            self._waiting_size += len(frame.data) + _AROUND
            if self._waiting_size >= _BUFFER:
                self._put_down()
            elif not self._flush_every:
                self._flush()

    def incident(self, incident: Incident) -> None:
        """Write an incident."""
        with self._lock:
            self._ready(incident.at)
            self._incident(incident)

    def flush(self) -> None:
        """Give everything to the operating system."""
        with self._lock:
            self._raise_stored()
            self._flush()

    def close(self) -> None:
        """Write the last line and close the file. It may be called again."""
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
        path = part_path(self._path, len(self._files) + 1)
        self._file = self._created(path) if self._given is None else self._given
        self._stream = compressor(compression_of(path.name))
        self._pending = bytearray()
        self._dirty = False
        self._part_bytes, self._began = 0, self._clock()
        self._chain = Chain(self._last_hash)
        self._files.append(str(path))
        header = Header(
            FORMAT, self._id, len(self._files), self._began, self._venue, self._asked,
            self._flush_every, agent(" "), self._last_hash,
        )  # fmt: skip
        self._write_line(self._redactor.clean(line_of(header)))
        self._flush()

    def _created(self, path: Path) -> int:
        # A new file or an error: a capture never overwrites another, nor appends to it.
        # Only its owner may read it: it holds an account's messages.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            return os.open(path, flags, 0o600)
        except OSError as error:
            if self._files:  # too late to choose another name
                self._error = error
                raise
            if isinstance(error, FileExistsError):
                raise _there(path) from None
            raise Misuse(f"cannot be written: {error.strerror}", field=str(path)) from None

    def _end(self, following: str) -> None:
        assert self._file is not None
        try:
            self._put_down()
            state = self._chain.state
            self._last_hash = str(state["hash"])
            detail: dict[str, Any] = {"frames": self._frames, **state}
            if following:
                detail["next"] = following
            self._incident(Incident(self._venue, 0, self._clock(), "end", detail))
            self._pending += self._stream.finish()
            self._to_file(durable=self._sync)
        finally:
            file, self._file = self._file, None
            if self._given is None:
                os.close(file)

    def _ready(self, now: int) -> None:
        self._raise_stored()
        if self._file is None:
            raise Misuse("the capture is closed", field=str(self._path))
        full = self._max_bytes is not None and self._part_bytes >= self._max_bytes
        if full or (
            self._max_seconds is not None and now - self._began >= self._max_seconds * 10**9
        ):
            self._end(part_path(self._path, len(self._files) + 1).name)
            self._begin()

    def _put_down(self) -> None:
        """Write the waiting frames as lines, without credentials."""
        if not self._waiting:
            return
        waiting, self._waiting, self._waiting_size = self._waiting, [], 0
        kept = messages = [frame.data for frame in waiting]
        if self._redactor.may_find(messages):
            kept = [self._redactor.clean(message) for message in messages]
        changed = [
            frame.redacted or data is not frame.data
            for frame, data in zip(waiting, kept, strict=True)
        ]
        self._frames += len(waiting)
        self._message_bytes += sum(frame.size for frame in waiting)
        self._redacted += sum(changed)
        self._latest = waiting[-1].at
        self._write(frame_lines(zip(waiting, kept, changed, strict=True)), len(waiting))

    def _incident(self, incident: Incident) -> None:
        self._put_down()
        self._latest = incident.at
        # Before it is JSON: a text that is JSON itself is escaped twice in there.
        incident = redaction.clean_incident(incident, self._redactor)
        self._write_line(self._redactor.clean(incident_line(incident)))

    def _write_line(self, line: bytes) -> None:
        self._write(line + b"\n", 1)
        if not self._flush_every:
            self._flush()

    def _write(self, lines: bytes, count: int) -> None:
        self._chain.add(lines, count)
        self._pending += self._stream.add(lines)
        self._dirty = True
        if len(self._pending) >= _BUFFER:
            self._to_file(durable=False)

    def _seal(self) -> None:
        """Write the hash of what no hash covers yet."""
        state = self._chain.state
        detail = {"frames": self._frames, **state}
        self._chain.sealed(str(state["hash"]))
        line = incident_line(Incident(self._venue, 0, self._latest, "hash", detail))
        self._write(line + b"\n", 1)

    def _flush(self, seal: bool = False) -> None:
        if self._file is None:
            return
        self._put_down()
        if not self._dirty:
            return
        if seal or (not self._flush_every and self._chain.unsealed >= _SEALED_LINES):
            self._seal()
        self._pending += self._stream.flush()
        self._to_file(durable=self._sync)
        self._dirty = False

    def _to_file(self, durable: bool) -> None:
        assert self._file is not None
        self._raise_stored()  # nothing after a hole can be read
        view, self._pending = memoryview(self._pending), bytearray()
        try:
            while view:
                written = os.write(self._file, view)
                self._file_bytes += written
                self._part_bytes += written
                view = view[written:]
            if durable and self._given is None:
                os.fsync(self._file)
        except OSError as error:
            self._error = error
            raise

    def _raise_stored(self) -> None:
        if self._error is not None:
            raise self._error

    def _keep_flushing(self) -> None:
        # In a thread, so that the interval holds while an event loop is busy.
        while not self._stop.wait(self._flush_every):
            with self._lock:
                try:
                    self._flush(seal=True)
                except OSError as error:  # a full disk: the next write raises it
                    self._error = error
                    return


def _there(path: Path) -> Misuse:
    wanted = "the name of a file that is not there yet"
    return Misuse("is already there", field=str(path), expected=wanted)


def _check(fits: bool, field: str, expected: str, found: object) -> None:
    if not fits:
        raise Misuse("no such bound", field=field, expected=expected, found=str(found))
