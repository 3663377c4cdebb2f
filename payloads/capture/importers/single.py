"""Files that hold one payload and nothing around it: its bytes, or JSON over several lines.

A file that holds neither raises `Malformed`, so bytes and documents of any other kind make no
frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from payloads import recognise
from payloads.capture.format import Placed
from payloads.capture.frames import UNKNOWN_TIME, Frame, Opcode
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.importers.pieces import whole
from payloads.inputs import MAX_PAYLOAD_BYTES, MAX_TEXT_CHARACTERS
from payloads.system import Options
from payloads.venues.common.redactor import Message

WHOLE = "the whole input"


def payload(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """The bytes of a payload as one binary message."""
    raw = whole(pieces, MAX_PAYLOAD_BYTES)
    recognise.form_of(raw)
    yield _one(raw, options)


def document(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """A JSON document with payloads as one text message."""
    raw = whole(pieces, MAX_TEXT_CHARACTERS)
    recognise.find(raw, Options(form="frame"))
    yield _one(raw.decode("utf-8", "replace"), options)


def _one(data: Message, options: ReadOptions) -> Placed:
    opcode: Opcode = "text" if isinstance(data, str) else "binary"
    return Placed(WHOLE, Frame(options.venue, 1, "in", opcode, UNKNOWN_TIME, data), None, 0)
