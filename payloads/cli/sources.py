"""The inputs of a command: arguments, files and standard input, with one payload or many each.

A source becomes items, each with its origin. What kind of file it is follows from its content:
payloads or frames a line, a JSON document, bytes, a capture, or a file of another tool; each plain
or compressed. Text is read a line at a time, as it comes: a file of hours of frames takes no more
memory than its longest line, and a line that was piped in is answered before the next one comes.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from payloads import systems
from payloads.abi.fields import Digits
from payloads.cli import terminal
from payloads.errors import Malformed, Misuse
from payloads.inputs import MAX_TEXT_CHARACTERS, check_nesting, to_path
from payloads.recognise import may_hold_payload

if TYPE_CHECKING:
    from payloads.capture.format import Placed

_READ = 64 * 1024
_MAGIC = 16
_CAPTURE = b'{"capture":'
# A line that needs no second look: a payload in hex.
_HEX_LINE = re.compile(rb"\s*(?:0[xX])?[0-9a-fA-F]{4,}\s*")
_LINE = re.compile(r"line ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Item:
    """A payload as it came in, or the error of reading it, with its place."""

    where: str
    value: str | bytes
    line: int | None = None
    error: Malformed | None = None
    # What else is known of where it is from.
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> dict[str, Any]:
        """Where the payload is from, as a JSON object has it."""
        line = {} if self.line is None else {"line": self.line}
        return {"where": self.where} | line | self.more


def items(sources: Iterable[str]) -> Iterator[Item]:
    """Everything that the sources hold. No source at all means standard input."""
    named = list(sources)
    if not named:
        if sys.stdin.isatty():
            raise Misuse("no input", expected="a payload, a file, or - for standard input")
        named = ["-"]
    found = False
    for group, label in _groups(named):
        for item in _of(group, label):
            found = True
            yield item
    if not found:
        raise Malformed("empty input", expected="a payload", found="nothing but white space")


def _groups(named: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The groups that are read together, each with its label: a source, or a capture's parts."""
    groups: list[tuple[str, ...]] = [(source,) for source in named]
    if any(_looks_captured(source) for source in named):
        from payloads.capture.parts import grouped

        groups = grouped(named)
    places: dict[str, list[int]] = {}
    for index, source in enumerate(named, 1):
        places.setdefault(source, []).append(index)
    for group in groups:
        index = places[group[0]].pop(0) if len(group) == 1 else 0
        yield group, f"argument {index}"


def _looks_captured(source: str) -> bool:
    from payloads.capture.compression import is_compressed

    try:
        if (path := _file(source)) is None or not path.is_file():  # a pipe is read once
            return False
        with path.open("rb") as stream:
            head = stream.read(_MAGIC)
    except OSError:  # it says so when it is read
        return False
    return head.startswith(_CAPTURE) or is_compressed(head)


def _of(group: tuple[str, ...], label: str) -> Iterator[Item]:
    source, *others = group
    if others:
        return _captured(_parts(group), f"{source}: ")
    if source == "-":
        return _stream(sys.stdin.buffer, "", "-")
    if (path := _file(source)) is not None:
        return _opened(path)
    return iter([Item(label, source, error=_unreadable(source))])


def _file(source: str) -> Path | None:
    """The file, pipe or folder of that name, if there is one; a payload is rarely a file's name."""
    if not source.strip() or len(source) > 4096 or source.lstrip()[:1] in ("{", "["):
        return None
    try:
        return path if (path := Path(source)).exists() else None
    except (OSError, ValueError):
        return None


def _unreadable(source: str) -> Malformed | None:
    """The error for text that is neither hex nor JSON nor the name of a file."""
    text = source.strip()
    if not text or text[:1] in ("{", "[") or text[:2] in ("0x", "0X"):
        return None
    bad = next((i for i, c in enumerate(text) if c not in "0123456789abcdefABCDEF"), None)
    if bad is None:
        return None
    return Malformed(
        f"not hex (character {bad + 1}), and no file of that name",
        offset=bad,
        field="payload",
        expected="hex, JSON, or the name of a file",
        found=ascii(text[bad]),
    )


def _opened(path: Path) -> Iterator[Item]:
    if path.is_dir():
        expected = "the names of its files"
        error = Malformed("a folder, which is not read", field="file", expected=expected)
        yield Item(f"{path}", "", error=error)
        return
    with opened(path) as stream:
        yield from _stream(stream, f"{path}: ", str(path))


def opened(path: str | Path) -> IO[bytes]:
    """A file to read; one that cannot be opened is misuse."""
    try:
        return to_path(path).open("rb")
    except OSError as error:
        raise _unread(str(path), error) from None


def _unread(name: str, error: OSError) -> Misuse:
    return Misuse(f"cannot read {name}: {error.strerror}")


class Awaited:
    """A stream that hands on the results so far before it waits for more input.

    A read returns what there is. So results are written together while input comes fast, and at
    once when it comes slowly.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._read, self._name = getattr(stream, "read1", stream.read), name
        self._left, self._at = b"", 0

    def read(self, size: int) -> bytes:
        if self._at >= len(self._left):
            terminal.flush()  # its errors are those of the output
            try:
                self._left, self._at = self._read(_READ) or b"", 0
            except OSError as error:
                raise _unread(self._name, error) from None
        self._at += size
        return self._left[self._at - size : self._at]


def _stream(stream: IO[bytes], prefix: str, name: str) -> Iterator[Item]:
    from payloads.capture.compression import decompressed
    from payloads.capture.importers.pieces import head_of

    pieces = decompressed(Awaited(stream, name))  # type: ignore[arg-type]
    head, pieces = head_of(pieces, _tells_kind)
    # Some editors put a byte order mark before text; no payload starts with one.
    head = head.removeprefix(codecs.BOM_UTF8)
    try:
        yield from _content(head, chain([head], pieces), prefix)
    except Malformed as error:  # of the compression, or a file that is not read
        yield Item(f"{prefix}the whole input", "", error=error)


def _tells_kind(head: bytes) -> bool:
    """Whether the kind of a file can be told by these bytes: most often by its first line."""
    line, end, _ = head.partition(b"\n")
    if _HEX_LINE.fullmatch(line):
        return bool(end)
    from payloads.capture.importers.any_file import tells_kind

    return tells_kind(head)


def _content(head: bytes, pieces: Iterable[bytes], prefix: str) -> Iterator[Item]:
    """The items of a file, by the kind of its content."""
    whole = f"{prefix}the whole input"
    if _HEX_LINE.fullmatch(head.partition(b"\n")[0]):
        yield from _lines(pieces, prefix)
        return
    from payloads.capture.importers import any_file
    from payloads.capture.importers.messages import ReadOptions

    any_file.check_read(head)
    # Colours are control characters of text; what has zeros besides, or no UTF-8, is no log.
    kind = "" if b"\0" in head or not _is_utf8(head) else any_file.sniff(head)
    if kind not in ("", "lines", "hex") or any_file.sniff(head) == "mitmproxy":
        yield from _captured(
            any_file.records_of(kind or "mitmproxy", pieces, ReadOptions()), prefix
        )
    elif _is_binary(head):
        yield _whole(pieces, whole, text=False)
    elif any_file.begins_document(head.lstrip().partition(b"\n")[0]):
        yield _whole(pieces, whole, text=True)
    else:
        yield from _lines(pieces, prefix)


def _parts(names: Iterable[str]) -> Iterator[Placed]:
    """The records of several files."""
    from payloads.capture.format import Placed
    from payloads.capture.importers.any_file import import_records

    for name in names:
        with opened(name) as stream:
            awaited: Any = Awaited(stream, name)
            for where, record in import_records(awaited, kind="capture"):
                yield Placed(f"{name}: {where}", record)


def _captured(records: Iterable[Placed], prefix: str) -> Iterator[Item]:
    """The received messages of a capture that may hold a signed payload, or do not decode as JSON.

    Other messages of a venue, such as acknowledgements, are passed over. So are answers to HTTP
    requests without a payload; the answers that fill a gap have payloads.
    """
    from payloads.capture.format import BrokenLine
    from payloads.capture.frames import Frame, Incident
    from payloads.capture.parts import Continuity

    parts = Continuity()
    found = others = 0
    for placed in records:
        place, record = placed.where, placed.record
        where = place if place.startswith(prefix) else prefix + place
        match = _LINE.fullmatch(place.removeprefix(prefix).rpartition(": ")[2])
        number = int(match[1]) if match else None
        if (missing := parts.saw(record)) is not None:
            yield Item(where, "", number, missing)
        if isinstance(record, BrokenLine) and isinstance(record.error, Malformed):
            yield Item(where, "", number, record.error)
        elif isinstance(record, Frame) and record.direction == "in" and record.is_message:
            if _may_be_signed(record.venue) and _may_hold_payload(record.raw):
                found += 1
                yield Item(where, record.data, number, more=_received(record))
            else:
                others += 1
        elif isinstance(record, Incident) and (reply := record.reply) is not None:
            if reply.status // 100 == 2 and _may_hold_payload(reply.body):
                found += 1
                more = _received(record) | {"provenance": "reply"}
                yield Item(f"{where}, reply", reply.body, number, more=more)
    if (missing := parts.over()) is not None:
        yield Item(f"{prefix}the end", "", error=missing)
    if not found:
        what = f"{others} other messages"
        error = Malformed("no payload in this capture", field="frames", found=what)
        yield Item(f"{prefix}the whole input", "", error=error)


def _received(record: Any) -> dict[str, Any]:
    """When and from whom a message was received."""
    from payloads.capture.frames import UNKNOWN_TIME

    at = {} if record.at == UNKNOWN_TIME else {"received_at": Digits(record.at)}
    venue = {"venue": record.venue} if record.venue else {}
    return at | venue | {"connection": record.connection, "direction": "in"}


def _may_be_signed(venue: str) -> bool:
    """Whether messages of a venue can hold signed payloads; those of three venues are unsigned."""
    from payloads.venues import VENUES

    return venue not in VENUES or any(venue == system.name for system in systems.SYSTEMS)


def _may_hold_payload(raw: bytes) -> bool:
    try:
        check_nesting(raw)
        record = msgspec.json.decode(raw)
    except (Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Text that is not JSON is a word of the protocol (`pong`); bytes are a payload, or broken.
        return not raw.isascii() or any(byte < 32 for byte in raw) or raw[:1] in (b"{", b"[")
    return isinstance(record, dict) and may_hold_payload(record)


def _is_binary(head: bytes) -> bool:
    return any(byte < 9 or 13 < byte < 32 or byte == 127 for byte in head) or not _is_utf8(head)


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and error.reason == "unexpected end of data"
    return True


def _whole(pieces: Iterable[bytes], where: str, text: bool) -> Item:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > MAX_TEXT_CHARACTERS:
            return Item(where, b"", error=_too_large())
    return Item(where, data.decode(errors="replace") if text else bytes(data))


def _too_large() -> Malformed:
    limit = f"at most {MAX_TEXT_CHARACTERS} characters"
    return Malformed("larger than any payload", field="payload", expected=limit, found="more")


def _lines(pieces: Iterable[bytes], prefix: str) -> Iterator[Item]:
    number = 0
    try:
        for number, line in enumerate(_bounded(pieces), 1):
            where = f"{prefix}line {number}"
            if line is None:
                yield Item(where, "", number, _too_large())
            elif (text := line.decode(errors="replace")).strip():
                yield from _line(text, where, number)
    except Malformed as error:  # of the compression
        yield Item(f"{prefix}line {number + 1}", "", number + 1, error)


def _line(text: str, where: str, number: int) -> Iterator[Item]:
    """The item on a line, without the time and the colours that tools add; none for their words."""
    if text.lstrip()[:1] in "{[" or _HEX_LINE.fullmatch(text.encode("utf-8", "replace")):
        yield _of_record(text) or Item(where, text, number)
        return
    from payloads.capture.importers.text import message_in

    if (found := message_in(text)) is not None:
        at, message = found
        yield Item(where, message, number, more={"received_at": Digits(at)} if at else {})


# The keys in which our own JSON objects say where a payload is from, and what may stand there.
_ORIGIN: dict[str, type] = {
    "received_at": str, "venue": str, "connection": int, "direction": str, "provenance": str,
    "path": str, "call": str, "parameter_payload": str,
}  # fmt: skip


def _of_record(text: str) -> Item | None:
    """The item of an object that another command printed, with the origin that it names."""
    if '"where"' not in text:
        return None
    try:
        check_nesting(text)
        record = msgspec.json.decode(text)
    except (Malformed, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(where := record.get("where"), str):
        return None
    line = record.get("line")
    more = {key: record[key] for key, kind in _ORIGIN.items() if type(record.get(key)) is kind}
    if type(at := record.get("received_at")) in (int, str):
        more["received_at"] = Digits(at)
    return Item(where, text, line if type(line) is int else None, more=more)


def _bounded(pieces: Iterable[bytes]) -> Iterator[bytes | None]:
    """Lines, with None in place of a line that is longer than any payload."""
    pending, too_long = bytearray(), False
    for piece in pieces:
        first, *others = piece.split(b"\n")
        pending += first
        for following in others:
            yield None if too_long or len(pending) > MAX_TEXT_CHARACTERS else bytes(pending)
            pending, too_long = bytearray(following), False
        if len(pending) > MAX_TEXT_CHARACTERS:
            pending, too_long = bytearray(), True
    if pending or too_long:
        yield None if too_long else bytes(pending)
