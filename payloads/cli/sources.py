"""The inputs of a command: arguments, files, folders and pipes, with one payload or many each.

A source becomes items, each with its origin. What kind of file it is follows from its content:
payloads or frames a line, a JSON document, bytes, a capture, or a file of another tool; each plain
or compressed. Text is read a line at a time, as it comes: a file of hours of frames takes no more
memory than its longest line, and a line that was piped in is answered before the next one comes.
"""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from payloads.abi.fields import Digits, Record
from payloads.cli import terminal
from payloads.errors import Malformed, Misuse, PayloadError
from payloads.inputs import MAX_TEXT_CHARACTERS, check_nesting
from payloads.recognise import may_hold_payload

if TYPE_CHECKING:
    from payloads.capture.format import Placed
    from payloads.capture.frames import Frame
    from payloads.capture.importers.messages import ReadOptions
    from payloads.capture.inputs import Connections, Input
    from payloads.venues.common.session import Event


class Reading(Record, frozen=True):
    """How the inputs of a command are read: the options of inputs by their names.

    `messages` is whether messages of venues that sign nothing are decoded.
    """

    options: Mapping[str, str] = {}
    # Each is the name of a venue, or has a host before it: `localhost:9105=qfex`.
    venues: tuple[str, ...] = ()
    messages: bool = False

    @property
    def read_options(self) -> ReadOptions:
        from payloads.capture.importers.messages import ReadOptions

        named = [each.rpartition("=") for each in self.venues if "=" in each]
        hosts = [(host, name) for host, _, name in named]
        venue = next((each for each in self.venues if "=" not in each), "")
        found: Any = {name: value for name, value in self.options.items() if value}
        return ReadOptions(venue=venue, hosts=tuple(hosts), **found)


PLAIN = Reading()


class Item(Record, frozen=True):
    """A payload as it came in, or the error of reading it, with its place.

    `other` says what it is if it is no payload: a `message`, or what was `sent`, a `ping` and so
    on. `events` are what a venue's session says of such a message.
    """

    where: str
    value: str | bytes
    line: int | None = None
    error: PayloadError | None = None
    # What else is known of where it is from.
    more: dict[str, Any] = msgspec.field(default_factory=dict)
    other: str = ""
    events: tuple[Event, ...] = ()

    @property
    def origin(self) -> dict[str, Any]:
        """Where the payload is from, as a JSON object has it."""
        line = {} if self.line is None else {"line": self.line}
        return {"where": self.where} | line | self.more

    @property
    def place(self) -> str:
        """Where the payload is from, in words for a person."""
        known = self.more
        connection = f"connection {known['connection']}" if "connection" in known else ""
        at = _time(known.get("received_at"))
        parts = [known.get("venue"), connection, known.get("direction"), at]
        words = ", ".join(part for part in parts if part)
        return f"{self.where} ({words})" if words else self.where


def _time(at: str | None) -> str:
    """Nanoseconds as ISO 8601, exactly."""
    from datetime import UTC, datetime

    try:
        seconds, fraction = divmod(int(at or ""), 10**9)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
    except (ValueError, OverflowError, OSError):
        return ""


def items(sources: Iterable[str], reading: Reading = PLAIN) -> Iterator[Item]:
    """Everything that the sources hold. No source at all means standard input."""
    named = list(sources)
    if not named:
        if sys.stdin.isatty():
            raise Misuse("no input", expected="a payload, a file, or - for standard input")
        named = ["-"]
    found = False
    for item in _all(named, reading):
        found = True
        yield item
    if not found:
        raise Malformed("empty input", expected="a payload", found="nothing but white space")


def _all(named: list[str], reading: Reading) -> Iterator[Item]:
    paths = [name if _is_path(name) else None for name in named]
    groups = _groups([path for path in paths if path is not None], reading)
    several = _several(groups)
    number = 0
    for index, (name, path) in enumerate(zip(named, paths, strict=True), 1):
        if path is None:
            yield Item(f"argument {index}", name, error=_unreadable(name))
            continue
        for group in groups:
            if number == min(each.argument for each in group if each.argument is not None):
                yield from _of(group, several, reading)
        number += 1


def _groups(paths: list[str], reading: Reading) -> list[list[Input]]:
    """The inputs that are read together: one, or the parts of a capture."""
    if not paths:
        return []
    from payloads.capture.inputs import open_inputs

    found = open_inputs(paths, reading.read_options, waiting=terminal.flush)
    return [list(group) for _, group in groupby(found, key=lambda each: each.group)]


def _is_path(source: str) -> bool:
    """Whether it is standard input, or names a file, pipe or folder that is there.

    A payload is rarely a file's name.
    """
    if source == "-":
        return True
    if not source.strip() or len(source) > 4096 or source.lstrip()[:1] in ("{", "["):
        return False
    try:
        if Path(source).exists():
            return True
        return glob.has_magic(source) and next(glob.iglob(source, recursive=True), None) is not None
    except (OSError, ValueError):
        return False


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


# The kinds of input that hold payloads without a word about where they are from.
_LINES, _WHOLE = ("lines", "hex"), ("payload", "document")


def _several(groups: list[list[Input]]) -> Connections | None:
    """The numbers of connections, where several inputs may have them."""
    if len(groups) < 2:
        return None
    from payloads.capture.inputs import Connections

    return Connections()


def _of(group: list[Input], several: Connections | None, reading: Reading) -> Iterator[Item]:
    from payloads.capture.importers.any_file import TEXT

    first, name = group[0], _name(group[0])
    if first.kind == TEXT and not first.in_folder:  # of which each line is refused by itself
        return _lines(first, name)
    if first.problem is not None or first.kind not in (*_LINES, *_WHOLE):
        return _captured(group, several, reading)
    return _lines(first, name) if first.kind in _LINES else iter([_whole(first, name)])


class _Name(Record, frozen=True):
    """The name of an input, as it stands before a place in it, and as JSON has it."""

    prefix: str
    more: dict[str, str]


def _name(found: Input) -> _Name:
    return _Name("", {}) if found.path == "-" else _Name(f"{found.path}: ", {"file": found.path})


# --- captures and files of other tools ------------------------------------------------------------


def _captured(group: list[Input], several: Connections | None, reading: Reading) -> Iterator[Item]:
    """The messages of a capture, those that may hold a signed payload first of all.

    A received message that may hold a payload, or does not decode as JSON, is an item; so are the
    answers to HTTP requests with a payload, which fill a gap. All other frames are `other` items.
    """
    from payloads.capture.format import BrokenLine
    from payloads.capture.frames import Frame, Incident
    from payloads.capture.inputs import sequence
    from payloads.capture.unsigned import UnsignedReader, is_unsigned

    messages = UnsignedReader()
    found = others = unsigned = unread = 0
    for source, placed in sequence(group, several):
        record, name = placed.record, _name(source)
        if isinstance(record, BrokenLine):
            unread += record.line == 0
            yield _item(name, placed, "", error=record.error)
        elif not isinstance(record, Frame | Incident):
            messages.events(record)
        elif isinstance(record, Frame) and not is_unsigned(record.venue) and _is_signed(record):
            found += 1
            yield _item(name, placed, record.data, _received(record))
        elif isinstance(record, Frame):
            events = tuple(messages.events(record)) if reading.messages else ()
            read = _item(name, placed, record.data, _received(record), _what(record), events)
            found += bool(read.events)
            others += read.other == "message"
            unsigned += is_unsigned(record.venue)
            yield read
        elif (reply := record.reply) is not None:
            if reply.status // 100 == 2 and _may_hold_payload(reply.body):
                found += 1
                more = _received(record) | {"provenance": "reply"}
                yield _item(name, placed, reply.body, more, place=f"{placed.where}, reply")
        else:
            messages.events(record)
    if not found and not unread and (several is None or not unsigned):
        what = f"{others} other messages"
        error = Malformed("no payload in this capture", field="frames", found=what)
        yield Item(f"{_name(group[0]).prefix}the whole input", "", error=error)


def _item(
    name: _Name,
    placed: Placed,
    value: str | bytes,
    more: dict[str, Any] | None = None,
    other: str = "",
    events: tuple[Event, ...] = (),
    *,
    error: PayloadError | None = None,
    place: str = "",
) -> Item:
    known = name.more | (more or {})
    where = name.prefix + (place or placed.where)
    events = tuple(each for each in events if type(each).__name__ not in _NO_DATA)
    return Item(where, value, placed.line, error, known, other, events)


# What a session says of a message that it cannot read, or of itself.
_NO_DATA = ("Unknown", "Subscribed")


def _is_signed(frame: Frame) -> bool:
    """Whether a frame may hold a signed payload, by its content."""
    return frame.direction == "in" and frame.is_message and _may_hold_payload(frame.raw)


def _what(frame: Frame) -> str:
    """What a frame is that holds no payload."""
    if not frame.is_message:
        return frame.opcode
    return "message" if frame.direction == "in" else "sent"


def _received(record: Any) -> dict[str, Any]:
    """When, from whom and in which direction a message came."""
    from payloads.capture.frames import UNKNOWN_TIME

    at = {} if record.at == UNKNOWN_TIME else {"received_at": Digits(record.at)}
    venue = {"venue": record.venue} if record.venue else {}
    direction = getattr(record, "direction", "in")
    return at | venue | {"connection": record.connection, "direction": direction}


def _may_hold_payload(raw: bytes) -> bool:
    try:
        check_nesting(raw)
        record = msgspec.json.decode(raw)
    except (Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Text that is not JSON is a word of the protocol (`pong`); bytes are a payload, or broken.
        return not raw.isascii() or any(byte < 32 for byte in raw) or raw[:1] in (b"{", b"[")
    return isinstance(record, dict) and may_hold_payload(record)


# --- payloads alone -------------------------------------------------------------------------------


def _whole(found: Input, name: _Name) -> Item:
    where = f"{name.prefix}the whole input"
    data = bytearray()
    try:
        for piece in found.content:
            data += piece
            if len(data) > MAX_TEXT_CHARACTERS:
                return Item(where, b"", error=_too_large(), more=name.more)
    except Malformed as error:
        return Item(where, b"", error=error, more=name.more)
    # Some editors put a byte order mark before text.
    value = data.decode("utf-8-sig", "replace") if found.kind == "document" else bytes(data)
    return Item(where, value, more=name.more)


def _too_large() -> Malformed:
    limit = f"at most {MAX_TEXT_CHARACTERS} characters"
    return Malformed("larger than any payload", field="payload", expected=limit, found="more")


def _lines(found: Input, name: _Name) -> Iterator[Item]:
    from payloads.capture.reader import split_lines

    number = 0
    try:
        for number, (_, line, _) in enumerate(split_lines(found.content, MAX_TEXT_CHARACTERS), 1):
            where = f"{name.prefix}line {number}"
            if line is None:
                yield Item(where, "", number, _too_large(), name.more)
                continue
            text = line.decode(errors="replace")
            if (text := text.removeprefix("\ufeff") if number == 1 else text).strip():
                yield from _line(text, where, number, name)
    except Malformed as error:  # of the compression
        yield Item(f"{name.prefix}line {number + 1}", "", number + 1, error, name.more)


def _line(text: str, where: str, number: int, name: _Name) -> Iterator[Item]:
    """The item on a line, without the time and the colours that tools add; none for their words."""
    if text.lstrip()[:1] in "{[":
        yield _of_record(text) or Item(where, text, number, more=name.more)
        return
    from payloads.capture.importers.text import message_in

    if (found := message_in(text)) is not None:
        at, message = found
        more = name.more | ({"received_at": Digits(at)} if at else {})
        yield Item(where, message, number, more=more)


# The keys in which our own JSON objects say where a payload is from, and what may stand there.
_ORIGIN: dict[str, type] = {
    "file": str, "received_at": str, "venue": str, "connection": int, "direction": str,
    "provenance": str, "path": str, "call": str, "parameter_payload": str,
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
    other = "message" if isinstance(record.get("event") or record.get("other"), str) else ""
    return Item(where, text, line if type(line) is int else None, more=more, other=other)
