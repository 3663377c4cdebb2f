"""The lines of a capture: header, frames and incidents; each to its line and back.

`record_of` raises `LaterFormat` for a header of a later format. Any other line that cannot be read
is a `BrokenLine`. The format is described in docs/captures.md.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any

import msgspec

from payloads._version import agent
from payloads.abi.fields import Record
from payloads.capture.compression import Torn
from payloads.capture.frames import Direction, Frame, Incident, Opcode
from payloads.errors import Malformed, PayloadError, elide
from payloads.inputs import MAX_VALUES, check_nesting, check_values
from payloads.venues.common.json_text import MAX_MESSAGE_BYTES
from payloads.venues.common.redactor import Message

FORMAT = 1
# A quotation mark takes two characters in JSON; the rest is for the fields around the message. A
# text of control characters, which take six, is written as base64.
MAX_LINE_BYTES = 2 * MAX_MESSAGE_BYTES + 64 * 1024


class Header(Record, frozen=True):
    """The first line of a file: the venue, what was `asked` for, and when.

    `id` is the same in all parts of a capture, and `part` numbers them from 1. `previous` is the
    last hash of the part before.
    """

    capture: int
    id: str = ""
    part: int = 1
    created: int = 0
    venue: str = ""
    asked: dict[str, Any] = msgspec.field(default_factory=dict)
    flush_every: float = 0
    by: str = ""
    previous: str = ""


class BrokenLine(Record, frozen=True):
    """A line that could not be read, and the error."""

    line: int
    error: PayloadError


CaptureRecord = Header | Frame | Incident | BrokenLine


class Placed(Record, frozen=True):
    """A record and its place in the input: in words, and as numbers where the kind has them.

    `offset` counts bytes of the content after decompression.
    """

    where: str
    record: CaptureRecord
    line: int | None = None
    offset: int | None = None


# --- to lines -------------------------------------------------------------------------------------


class _FrameLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    at: int
    venue: str
    conn: int
    dir: str
    op: str
    text: str | None = None
    base64: str | None = None
    redacted: bool = False


class _IncidentLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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
        if 6 * len(text) > MAX_LINE_BYTES and len(_encode(text)) > 2 * MAX_MESSAGE_BYTES:
            raise UnicodeError
    except UnicodeError:
        text = None
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        base64 = b64encode(raw).decode()
    return _FrameLine(
        frame.at, frame.venue, frame.connection, frame.direction, frame.opcode, text, base64,
        redacted,
    )  # fmt: skip


def frame_lines(kept: Iterable[tuple[Frame, Message, bool]]) -> bytes:
    """Many frames as lines with their ends; each is as the arguments of `frame_line`."""
    return _encoder.encode_lines([_frame_line(*one) for one in kept])


def incident_line(incident: Incident) -> bytes:
    detail = json.dumps(incident.detail, ensure_ascii=False, separators=(",", ":"), default=str)
    raw = msgspec.Raw(detail.encode("utf-8", "replace"))
    line = _IncidentLine(
        incident.at, incident.venue, incident.connection, incident.what, raw, incident.redacted
    )
    return _encode(line)


def line_of(record: Header | Frame | Incident) -> bytes:
    """A record as its line, without the line's end; nothing is redacted."""
    if isinstance(record, Frame):
        return frame_line(record, record.data, record.redacted)
    return _encode(record) if isinstance(record, Header) else incident_line(record)


def header_line(venue: str, asked: dict[str, Any]) -> bytes:
    """The first line of a capture that begins now."""
    header = Header(FORMAT, new_id(), 1, time.time_ns(), venue, asked, 0.0, agent(" "))
    try:
        return _encode(header)
    except UnicodeEncodeError:  # of the name of a file, which need not be text
        plain = msgspec.to_builtins(header)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")


def new_id() -> str:
    return secrets.token_hex(8)


# --- from lines -----------------------------------------------------------------------------------


class _AnyLine(msgspec.Struct, frozen=True, gc=False):
    """A line of any kind. Fields that a later version adds are ignored."""

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


class LaterFormat(Exception):
    def __init__(self, why: Malformed) -> None:
        self.why = why


def record_of(line: bytes | None, number: int, whole: bool) -> CaptureRecord:
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
    check_values(line, MAX_VALUES)
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
        return Incident(found.venue, found.conn, found.at, found.what, found.detail, found.redacted)
    if found.dir is None or found.op is None:
        expected = '"dir" and "op", or "what"'
        raise Malformed("not a line of a capture", field="line", expected=expected)
    data = _data(found)
    return Frame(found.venue, found.conn, found.dir, found.op, found.at, data, found.redacted)


def _header(line: bytes, version: int) -> Header:
    if version != FORMAT:
        expected, found = f"format {FORMAT}", f"format {version}"
        reason = "a capture of another format"
        raise LaterFormat(Malformed(reason, field="capture", expected=expected, found=found))
    try:
        return _decode_header(line)
    except msgspec.DecodeError as error:
        raise Malformed("a broken header", field="capture", found=elide(str(error), 120)) from None


def _data(line: _AnyLine) -> Message:
    """The message as it was: text where the opcode is text and the bytes are UTF-8."""
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
