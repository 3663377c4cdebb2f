"""Frames from the files that people already have: the same `Frame` as live.

* `capture`: our own format, plain or compressed (see `capture`).
* `har`: Chrome's `_webSocketMessages`, which mitmproxy and others write as well; also frames as
  Firefox's network monitor names them. Firefox's own export leaves them out, and that is said.
* `mitmproxy`: flow files.
* `wscat`: lines that begin with `<` and `>`, as wscat shows them on a terminal (`script` keeps
  that); it shows binary messages as text, so their bytes are lost.
* `lines`: one message a line, as websocat prints them, and wscat with `-x` or without a terminal.
* `hex`: one payload's bytes a line.

`read` says which by looking (`sniff`), unless told. It gives each record with the place it stood,
in order, and goes on after whatever is broken (`BrokenLine`). It raises `Malformed` where a file as
a whole is not of its kind. Lines may begin with a time: seconds since 1970 (`ts %.s`), or ISO 8601
with a date (UTC where no zone is said). What `ts` writes by itself (Nov 21 16:00:00) is taken off,
but says neither year nor zone; such frames have `UNKNOWN_TIME`, as have those without any. HAR and
flow files are read whole, entry by entry, up to `MAX_WHOLE_BYTES`; everything else in bounded
memory.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from io import BytesIO
from itertools import chain
from typing import IO, Any, Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec

from payloads import venues
from payloads.capture.compression import Torn, unsqueezed
from payloads.capture.format import BrokenLine, CaptureRecord
from payloads.capture.frames import UNKNOWN_TIME, Direction, Frame, Opcode
from payloads.capture.importers import text
from payloads.capture.importers.mitmproxy import MAX_FLOW_BYTES, flows, messages
from payloads.capture.importers.text import Placed
from payloads.capture.writer import numbered
from payloads.errors import Malformed, Misuse, PayloadError, elide
from payloads.inputs import check_nesting

Kind = Literal["capture", "har", "mitmproxy", "wscat", "lines", "hex"]
KINDS: tuple[str, ...] = get_args(Kind)
# A HAR of a day in a browser is some hundred megabytes.
MAX_WHOLE_BYTES = MAX_FLOW_BYTES
_HEAD = 64 * 1024

_OPCODES: dict[int, Opcode] = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_SENT, _RECEIVED = ("send", "sent", "out"), ("receive", "received", "in")

_FLOW = re.compile(rb"[0-9]{1,12}:[0-9]{1,12}:")


def venue_of(url_or_host: str) -> str:
    """The venue whose host it is; "" if it is none that this package knows."""
    try:
        host = (urlsplit(url_or_host).hostname if "//" in url_or_host else url_or_host) or ""
    except ValueError:  # no URL at all
        return ""
    for venue in venues.VENUES.values():
        if any(host == end or host.endswith("." + end) for end in venue.hosts):
            return venue.name
    return ""


def sniff(head: bytes) -> Kind:
    """What a file is, by the first bytes of what is in it (after decompression)."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb'\{\s*"capture"\s*:', start) or re.match(rb'\{"at":', start):
        return "capture"
    if _FLOW.match(start):
        return "mitmproxy"
    if start.startswith(b"{") and re.search(rb'"log"\s*:\s*\{', start):
        return "har"
    return text.kind_of(start.decode("utf-8", "replace"))


def read(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[Placed]:
    """Every record of a file with its place; `venue` names what the file does not."""
    if kind is not None and kind not in KINDS:
        raise Misuse("no such kind of file", expected=", ".join(KINDS), found=kind)
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as stream:
            yield from read(stream, kind=kind, venue=venue)
        return
    pieces = unsqueezed(source)
    head, rest = _head(pieces)
    again = chain([head], rest)
    kind = kind or sniff(head)
    if kind == "capture":
        for number, record in numbered(again):
            yield f"line {number}", record
    elif kind == "har":
        yield from _har(b"".join(_bounded(again)), venue)
    elif kind == "mitmproxy":
        yield from _mitmproxy(cast(IO[bytes], _Joined(again)), venue)
    elif kind == "wscat":
        yield from text.wscat(again, venue)
    else:
        yield from (text.hexes if kind == "hex" else text.lines)(again, venue)


def frames(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[Frame]:
    """Only the frames; what is broken is passed over (`read` tells)."""
    return (
        record for _, record in read(source, kind=kind, venue=venue) if isinstance(record, Frame)
    )


def _head(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    try:
        while len(head) < _HEAD:
            head += next(pieces)
    except StopIteration:
        return head, iter(())
    except Malformed as error:  # told in its place, after what could be read
        return head, _raising(error)
    return head, pieces


def _raising(error: Malformed) -> Iterator[bytes]:
    raise error
    yield b""


def _bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_WHOLE_BYTES:
            limit = f"at most {MAX_WHOLE_BYTES} bytes"
            raise Malformed("too large to be read whole", field="file", expected=limit)
        yield piece


class _Joined:
    """Pieces as a stream that can be read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = BytesIO()
        self._error: Malformed | None = None

    def read(self, size: int) -> bytes:
        found = self._left.read(size)
        if len(found) == size:
            return found
        if self._error is not None:
            raise self._error
        parts, missing = [found], size - len(found)
        try:
            for piece in self._pieces:
                parts.append(piece[:missing])
                missing -= len(parts[-1])
                if not missing:
                    self._left = BytesIO(piece[len(parts[-1]) :])
                    break
        except Malformed as error:  # first what could be read, then this
            self._error = error
        return b"".join(parts)


# --- HAR ------------------------------------------------------------------------------------------


def _har(data: bytes, venue: str) -> Iterator[Placed]:
    try:
        # A byte order mark is no JSON, but some browsers wrote one.
        text = data.removeprefix(codecs.BOM_UTF8)
        check_nesting(text)
        found = msgspec.json.Decoder(float_hook=Decimal).decode(text)
        entries = found["log"]["entries"]
        if not isinstance(entries, list):
            raise TypeError("entries is no list")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        why = elide(str(error), 120)
        raise Malformed("not a HAR", field="file", expected="log.entries", found=why) from None
    connection = 0
    for index, entry in enumerate(entries, 1):
        listed, url = _entry_messages(entry), _entry_url(entry)
        if listed is None and url.startswith(("ws://", "wss://")):
            yield f"entry {index}", BrokenLine(index, _left_out(url))
        if not listed:
            continue
        connection += 1
        known = venue or venue_of(url)
        for number, message in enumerate(listed, 1):
            where = f"entry {index}, message {number}"
            yield where, _placed(number, _har_frame, message, known, connection)


def _entry_messages(entry: Any) -> list[Any] | None:
    """The messages of an entry; None if it does not speak of any."""
    if not isinstance(entry, dict):
        return None
    for name in ("_webSocketMessages", "_webSocketFrames", "webSocketFrames", "_frames"):
        if isinstance(entry.get(name), list):
            return cast(list[Any], entry[name])
    return None


def _entry_url(entry: Any) -> str:
    request = entry.get("request") if isinstance(entry, dict) else None
    return str(request.get("url", "")) if isinstance(request, dict) else ""


def _left_out(url: str) -> Malformed:
    """Of a websocket that was opened, but whose messages were not exported."""
    return Malformed(
        "the websocket's messages are not in this file: Firefox leaves them out",
        field="_webSocketMessages",
        expected="an export of Chrome or mitmproxy, or a capture",
        found=elide(url.partition("?")[0], 80),
    )


def _placed(
    number: int, make: Callable[[Any, str, int], Frame], message: Any, venue: str, connection: int
) -> CaptureRecord:
    try:
        return make(message, venue, connection)
    except PayloadError as error:
        return BrokenLine(number, error)


def _har_frame(message: Any, venue: str, connection: int) -> Frame:
    """Chrome says `type`, `time`, `opcode`, `data`; Firefox's monitor `timeStamp` and `payload`."""
    if not isinstance(message, dict):
        raise Malformed("not a message", field="message", expected="an object")
    kind = message.get("type")
    direction: Direction = "out" if kind in _SENT else "in"
    if kind == "error":
        raise Malformed("the browser noted an error here", field="type", found=_words(message))
    if kind not in (*_SENT, *_RECEIVED):
        expected = "send or receive"
        raise Malformed("unknown direction", field="type", expected=expected, found=repr(kind))
    opcode = _opcode(message.get("opcode", message.get("opCode", 1)))
    at = _instant(message.get("time", message.get("timeStamp")))
    data, payload = message.get("data"), message.get("payload")
    if isinstance(payload, str) and data is None:
        raw = _byte_string(payload)
    elif not isinstance(data, str):
        raise Malformed("a message without its data", field="data", expected="text")
    elif opcode == "text":
        return Frame(venue, connection, direction, opcode, at, data)
    else:
        raw = _base64(data)
    return Frame(venue, connection, direction, opcode, at, _text_or_bytes(opcode, raw))


def _words(message: dict[str, Any]) -> str:
    data = message.get("data")
    return elide(data, 80) if isinstance(data, str) else ""


def _byte_string(payload: str) -> bytes:
    """Firefox's interfaces give a frame's bytes as a string with a character for each."""
    try:
        return payload.encode("latin-1")
    except UnicodeEncodeError:  # somebody has decoded it already
        return payload.encode("utf-8", "surrogatepass")


def _base64(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("not base64", field="data", found=str(error)) from None


def _text_or_bytes(opcode: Opcode, raw: bytes) -> str | bytes:
    """A text message as text, unless it is none."""
    if opcode == "text":
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode()
    return raw


def _opcode(number: Any) -> Opcode:
    if isinstance(number, int) and number in _OPCODES:
        return _OPCODES[number]
    expected = ", ".join(map(str, _OPCODES))
    raise Malformed("unknown opcode", field="opcode", expected=expected, found=repr(number))


def _instant(time: Any) -> int:
    """Nanoseconds of a time in seconds, milliseconds or microseconds: its size says which."""
    try:
        number = Decimal(time) if not isinstance(time, bool) else None
    except (InvalidOperation, TypeError, ValueError):
        number = None
    if number is None or not number.is_finite() or not 0 <= number < 10**18:
        return UNKNOWN_TIME
    scale = next(s for limit, s in ((10**11, 9), (10**14, 6), (10**18, 3)) if number < limit)
    return int(number.scaleb(scale))


# --- mitmproxy ------------------------------------------------------------------------------------


def _mitmproxy(stream: IO[bytes], venue: str) -> Iterator[Placed]:
    connection = number = 0
    try:
        for number, flow in enumerate(flows(stream), 1):
            host, listed = messages(flow)
            connection += bool(listed)
            for index, message in enumerate(listed, 1):
                where = f"flow {number}, message {index}"
                known = venue or venue_of(host)
                yield where, _placed(index, _mitm_frame, message, known, connection)
    except Malformed as error:
        if not number and not isinstance(error, Torn):
            raise
        yield f"flow {number + 1}", BrokenLine(number + 1, error)


def _mitm_frame(message: Any, venue: str, connection: int) -> Frame:
    if not isinstance(message, list) or len(message) < 3:
        raise Malformed("not a message", field="message", expected="type, from_client, content")
    kind, from_client, content, *more = message
    opcode = _opcode(kind)
    if isinstance(content, str):  # some versions kept text as text
        content = content.encode()
    if not isinstance(content, bytes) or not isinstance(from_client, bool):
        raise Malformed("not a message", field="message", expected="type, from_client, content")
    at = _instant(more[0]) if more else UNKNOWN_TIME
    direction: Direction = "out" if from_client else "in"
    return Frame(venue, connection, direction, opcode, at, _text_or_bytes(opcode, content))
