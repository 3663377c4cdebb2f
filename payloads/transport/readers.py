"""Frames from the files that people already have: the same `Frame` as live.

* `capture`: our own format, plain or compressed (see `capture`).
* `har`: Chrome's `_webSocketMessages`, and the frames of Firefox's network monitor.
* `mitmproxy`: flow files.
* `wscat`: lines that begin with `<` and `>`, as wscat shows them on a terminal (`script` keeps
  that); it shows binary messages as text, so their bytes are lost.
* `lines`: one message a line, as websocat prints them, and wscat without a terminal.
* `hex`: one payload's bytes a line.

`read` says which by looking (`sniff`), unless told. It gives each record with the place it stood,
in order, and goes on after whatever is broken (`BrokenLine`). It raises `Malformed` where a file as
a whole is not of its kind. Lines may begin with a time, as `ts` writes it (UTC where no zone is
said); frames without any have `UNKNOWN_TIME`. HAR and flow files are read whole, entry by entry, up
to `MAX_WHOLE_BYTES`; everything else in bounded memory.
"""

from __future__ import annotations

import codecs
import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from io import BytesIO
from itertools import chain
from typing import IO, Any, Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from payloads.errors import Malformed, Misuse, PayloadError, elide
from payloads.inputs import to_bytes
from payloads.transport.capture import (
    BrokenLine,
    CaptureRecord,
    numbered,
    split_lines,
)
from payloads.transport.codecs import Torn, unsqueezed
from payloads.transport.flows import MAX_FLOW_BYTES, flows, messages
from payloads.transport.frames import UNKNOWN_TIME, Direction, Frame, Opcode

__all__ = ["KINDS", "MAX_WHOLE_BYTES", "Kind", "frames", "read", "sniff", "venue_of"]

Kind = Literal["capture", "har", "mitmproxy", "wscat", "lines", "hex"]
KINDS: tuple[str, ...] = get_args(Kind)
# A HAR of a day in a browser is some hundred megabytes.
MAX_WHOLE_BYTES = MAX_FLOW_BYTES
_HEAD = 64 * 1024

_HOSTS = {
    "chain.link": "chainlink", "stork-oracle.network": "stork", "finerymarkets.com": "finery",
    "ethgas.com": "ethgas", "qfex.com": "qfex", "qfex.io": "qfex",
}  # fmt: skip
_OPCODES: dict[int, Opcode] = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_SENT, _RECEIVED = ("send", "sent", "out"), ("receive", "received", "in")

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HEX_LINE = re.compile(r"(?:0[xX])?[0-9a-fA-F]+")
_FLOW = re.compile(rb"[0-9]{1,12}:[0-9]{1,12}:")
_ISO = re.compile(
    r"\[?([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?\]?\s+"
)
_EPOCH = re.compile(r"([0-9]{10})(?:\.([0-9]{1,9}))?\s+")
# What the two tools say themselves.
_WSCAT_SAYS = re.compile(
    r"(?:Connected \(press|Disconnected \(code|error: |Received p[io]ng|Listening on port)"
)
_WEBSOCAT_SAYS = re.compile(r"(?:\[(?:INFO|DEBUG|TRACE|WARN|ERROR) |websocat: )")

Placed = tuple[str, CaptureRecord]


def venue_of(url_or_host: str) -> str:
    """The venue whose host it is; "" if it is none that this package knows."""
    host = (urlsplit(url_or_host).hostname if "//" in url_or_host else url_or_host) or ""
    found = (venue for end, venue in _HOSTS.items() if host == end or host.endswith("." + end))
    return next(found, "")


def sniff(head: bytes) -> Kind:
    """What a file is, by the first bytes of what is in it (after decompression)."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb'\{\s*"capture"\s*:', start) or re.match(rb'\{"at":', start):
        return "capture"
    if _FLOW.match(start):
        return "mitmproxy"
    if start.startswith(b"{") and re.search(rb'"log"\s*:\s*\{', start):
        return "har"
    lines = [_bare(line) for line in start.decode("utf-8", "replace").split("\n")[:50]]
    lines = [line for line in lines if line]
    if any(re.match(r"(?:> )?< ", line) or _WSCAT_SAYS.match(line) for line in lines):
        return "wscat"
    return "hex" if lines and all(map(_HEX_LINE.fullmatch, lines)) else "lines"


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
        yield from _wscat(again, venue)
    else:
        yield from _lines(again, kind, venue)


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
        found = msgspec.json.Decoder(float_hook=Decimal).decode(text)
        entries = found["log"]["entries"]
        if not isinstance(entries, list):
            raise TypeError("entries is no list")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        why = elide(str(error), 120)
        raise Malformed("not a HAR", field="file", expected="log.entries", found=why) from None
    connection = 0
    for index, entry in enumerate(entries, 1):
        listed = _entry_messages(entry)
        if not listed:
            continue
        connection += 1
        url = entry["request"].get("url", "") if isinstance(entry.get("request"), dict) else ""
        known = venue or venue_of(str(url))
        for number, message in enumerate(listed, 1):
            where = f"entry {index}, message {number}"
            yield where, _placed(number, _har_frame, message, known, connection)


def _entry_messages(entry: Any) -> list[Any]:
    if not isinstance(entry, dict):
        return []
    for name in ("_webSocketMessages", "_webSocketFrames", "webSocketFrames", "_frames"):
        if isinstance(entry.get(name), list):
            return cast(list[Any], entry[name])
    return []


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
    if kind not in (*_SENT, *_RECEIVED):
        expected = "send or receive"
        raise Malformed("unknown direction", field="type", expected=expected, found=repr(kind))
    opcode = _opcode(message.get("opcode", message.get("opCode", 1)))
    data = message.get("data", message.get("payload"))
    if not isinstance(data, str):
        raise Malformed("a message without its data", field="data", expected="text")
    at = _instant(message.get("time", message.get("timeStamp")))
    if opcode == "text":
        return Frame(venue, connection, direction, opcode, at, data)
    try:
        raw = b64decode(data, validate=True)
    except (Base64Error, ValueError) as error:
        raise Malformed("not base64", field="data", found=str(error)) from None
    return Frame(venue, connection, direction, opcode, at, raw)


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
    if opcode == "text":
        try:
            return Frame(venue, connection, direction, opcode, at, content.decode())
        except UnicodeDecodeError:
            pass
    return Frame(venue, connection, direction, opcode, at, content)


# --- lines ----------------------------------------------------------------------------------------


def _bare(line: str) -> str:
    """A line without what a terminal and `ts` add to it."""
    return _timed(_COLOUR.sub("", line).replace("\r", ""))[1]


def _timed(line: str) -> tuple[int, str]:
    if match := _EPOCH.match(line):
        nanoseconds = int((match[2] or "").ljust(9, "0"))
        return int(match[1]) * 10**9 + nanoseconds, line[match.end() :]
    if match := _ISO.match(line):
        day, clock, fraction, zone = match.groups()
        zone = (zone or "Z").replace("Z", "+00:00")
        try:
            when = datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            return UNKNOWN_TIME, line
        at = int(when.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))
        return at, line[match.end() :]
    return UNKNOWN_TIME, line


def _lines(pieces: Iterable[bytes], kind: str, venue: str) -> Iterator[Placed]:
    make = _hex_line if kind == "hex" else _plain_line
    for where, line in _numbered(pieces):
        try:
            record = line if isinstance(line, BrokenLine) else make(line, venue)
        except PayloadError as error:
            record = BrokenLine(_number(where), error)
        if record is not None:
            yield where, record


def _number(where: str) -> int:
    return int(where.rpartition(" ")[2])


def _numbered(pieces: Iterable[bytes]) -> Iterator[tuple[str, str | BrokenLine]]:
    """Lines of text, each with its place."""
    number = 0
    try:
        for number, (raw, _) in enumerate(split_lines(pieces), 1):
            try:
                yield f"line {number}", _text(raw, number)
            except Malformed as error:
                yield f"line {number}", BrokenLine(number, error)
    except Malformed as error:  # of the compression
        yield f"line {number + 1}", BrokenLine(number + 1, error)


def _text(line: bytes | None, number: int) -> str:
    if line is None:
        raise Malformed("longer than any line", field="line", expected="a message")
    try:
        return (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
    except UnicodeDecodeError as error:
        reason = "not UTF-8 text"
        raise Malformed(reason, offset=error.start, field="line", found=error.reason) from None


def _wscat(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """What wscat shows on a terminal. A message of several lines goes on on lines of its own."""
    last: tuple[str, Frame] | None = None
    for where, line in _numbered(pieces):
        if isinstance(line, BrokenLine):
            yield where, line
            continue
        at, text = _timed(_COLOUR.sub("", line).replace("\r", ""))
        # Where something came while the prompt stood there, the line has both.
        text = text.removeprefix("> ") if text.startswith("> <") else text
        begins = text[:2] in ("< ", "> ") or _WSCAT_SAYS.match(text.lstrip("<> "))
        if not begins and last is not None and text.strip(" >"):
            last = last[0], replace(last[1], data=f"{last[1].data!s}\n{text}")
            continue
        if last is not None:
            yield last
        last = None
        if begins and text[2:].strip() and not _WSCAT_SAYS.match(text.lstrip("<> ")):
            direction: Direction = "in" if text[0] == "<" else "out"
            last = where, Frame(venue, 1, direction, "text", at, text[2:])
        elif not begins and text.strip(" >"):
            error = Malformed("neither sent nor received", field="line", found=elide(text))
            yield where, BrokenLine(_number(where), error)
    if last is not None:
        yield last


def _plain_line(line: str, venue: str) -> Frame | None:
    # Without a terminal wscat prints its prompt all the same, in front of whatever comes first.
    at, text = _timed(line.strip("\r").removeprefix("> "))
    if not text.strip() or _WEBSOCAT_SAYS.match(text):
        return None
    return Frame(venue, 1, "in", "text", at, text)


def _hex_line(line: str, venue: str) -> Frame | None:
    at, text = _timed(line.strip())
    if not text:
        return None
    return Frame(venue, 1, "in", "binary", at, to_bytes(text))
