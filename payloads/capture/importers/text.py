"""Logs as lines of text: what wscat shows, what websocat prints, payloads in hex.

`wscat`, `lines` and `hexes` return the frames of a log, each with its place, and a `BrokenLine`
where there is no frame. `kind_of` finds out which of them is for a text. Colours, prompts and times
that a terminal, `script` and `ts` add to a line are taken off. Nothing is raised for the content of
a file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from payloads.capture.format import BrokenLine, CaptureRecord, Placed
from payloads.capture.frames import UNKNOWN_TIME, Direction, Frame
from payloads.capture.importers.messages import ISO, ReadOptions, iso_instant
from payloads.capture.reader import split_lines
from payloads.errors import Malformed, PayloadError, elide
from payloads.inputs import MAX_TEXT_CHARACTERS, check_nesting, to_bytes

# The lines of a message that wscat shows; a line takes some 60 bytes of memory beside its text.
MAX_MESSAGE_LINES = 1_000_000
# A line of JSON that is cut off after so much is a frame; before, it may be a line of a program.
_LONG_LINE = 1_000
# A payload is longer, and a number or a word that happens to be hex is shorter.
_LONG_HEX = 64
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HEX_LINE = re.compile(r"(?:0[xX])?[0-9a-fA-F]+")
_ISO = re.compile(rf"\[?{ISO}\]?\s+")
_EPOCH = re.compile(r"([0-9]{10})(?:\.([0-9]{1,9}))?\s+")
# The default of `ts`: without year and zone, so it is not a time that can be used.
_MONTH = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3][0-9]"
    r" [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\s+"
)
# The two tools' own messages.
_WSCAT_SAYS = re.compile(
    r"(?:Connected \(press|Disconnected \(code|error: |Received p[io]ng|Listening on port)"
)
_WEBSOCAT_SAYS = re.compile(r"(?:\[(?:INFO|DEBUG|TRACE|WARN|ERROR) |websocat: )")
# Lines that `script` adds. They repeat the command, with any credential in it.
_SCRIPT_SAYS = re.compile(r"Script (?:started|done) on ")


def is_preamble(line: str) -> bool:
    """Whether a line says nothing about the kind of the text."""
    bare = _bare(line)
    return not bare or bool(_SCRIPT_SAYS.match(bare))


def kind_of(text: str) -> Literal["wscat", "lines", "hex"]:
    """The reader for a text, by its first lines."""
    found = [line for line in map(_bare, text.split("\n")[:50]) if line]
    found = [line for line in found if not _SCRIPT_SAYS.match(line)]
    if any(re.match(r"(?:> )?< ", line) or _WSCAT_SAYS.match(line) for line in found):
        return "wscat"
    return "hex" if found and all(map(_HEX_LINE.fullmatch, found)) else "lines"


def shows_frames(head: bytes) -> bool:
    """Whether one of the first lines has JSON, a long hex word, or the words of wscat."""
    lines = map(_bare, head.decode("utf-8", "replace").split("\n")[:50])
    return any(map(_shows_frame, lines))


def _shows_frame(line: str) -> bool:
    message = line.strip().removeprefix("> ").removeprefix("< ")
    if _WSCAT_SAYS.match(message) or _is_json(message):
        return True
    return len(message) >= _LONG_HEX and _HEX_LINE.fullmatch(message) is not None


def _is_json(line: str) -> bool:
    """Whether a line is an object or a list of JSON, or the beginning of such a line."""
    if line[:1] not in ("{", "["):
        return False
    try:
        check_nesting(line)
        msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return "truncated" in str(error) and len(line) > _LONG_LINE
    except (Malformed, UnicodeError, RecursionError):
        return False
    return True


def _bare(line: str) -> str:
    """A line without colours and time."""
    return _timed(_undressed(line))[1]


def _undressed(line: str) -> str:
    return _COLOUR.sub("", line).replace("\r", "")


def _timed(line: str) -> tuple[int, str]:
    if match := _EPOCH.match(line):
        nanoseconds = int((match[2] or "").ljust(9, "0"))
        return int(match[1]) * 10**9 + nanoseconds, line[match.end() :]
    if match := _ISO.match(line):
        if not (at := iso_instant(match)):
            return UNKNOWN_TIME, line
        return at, line[match.end() :]
    if match := _MONTH.match(line):
        return UNKNOWN_TIME, line[match.end() :]
    return UNKNOWN_TIME, line


def lines(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """A message a line."""
    return each_line(pieces, lambda line: _plain_line(line, options.venue))


def hexes(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """A payload's bytes a line, in hex."""
    return each_line(pieces, lambda line: _hex_line(line, options.venue))


def each_line(
    pieces: Iterable[bytes], make: Callable[[str], CaptureRecord | None]
) -> Iterator[Placed]:
    """The record that `make` finds on each line; None for a line without one."""
    for number, offset, line in numbered_lines(pieces):
        try:
            record = line if isinstance(line, BrokenLine) else make(line)
        except PayloadError as error:
            record = BrokenLine(number, error)
        if record is not None:
            yield on_line(record, number, offset)


def on_line(record: CaptureRecord, number: int, offset: int | None) -> Placed:
    """A record with the number of its line."""
    return Placed(f"line {number}", record, number, offset)


def numbered_lines(
    pieces: Iterable[bytes],
) -> Iterator[tuple[int, int | None, str | BrokenLine]]:
    """Lines of text, each with its number and the offset of its first byte."""
    number = 0
    try:
        split = split_lines(pieces, MAX_TEXT_CHARACTERS)
        for number, (offset, raw, _) in enumerate(split, 1):
            try:
                yield number, offset, _text(raw, number)
            except Malformed as error:
                yield number, offset, BrokenLine(number, error)
    except Malformed as error:  # of the compression
        yield number + 1, None, BrokenLine(number + 1, error)


def _text(line: bytes | None, number: int) -> str:
    if line is None:
        limit = f"at most {MAX_TEXT_CHARACTERS} bytes"
        raise Malformed("longer than any line", field="line", expected=limit, found="more")
    try:
        return (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
    except UnicodeDecodeError as error:
        reason = "not UTF-8 text"
        raise Malformed(reason, offset=error.start, field="line", found=error.reason) from None


def wscat(pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Messages as wscat shows them on a terminal. A message may take several lines."""
    last: tuple[Frame, int, int | None] | None = None
    more: list[str] = []
    size = 0
    for number, offset, line in numbered_lines(pieces):
        if isinstance(line, BrokenLine):
            yield on_line(line, number, offset)
            continue
        at, text = _timed(_undressed(line))
        if _SCRIPT_SAYS.match(text):
            continue
        # A message that came while the prompt was shown has the prompt before it.
        text = text.removeprefix("> ") if text.startswith("> <") else text
        begins = text[:2] in ("< ", "> ") or _WSCAT_SAYS.match(text.lstrip("<> "))
        if not begins and last is not None and text.strip(" >"):
            size += len(text) + 1
            if size <= MAX_TEXT_CHARACTERS and len(more) < MAX_MESSAGE_LINES:
                more.append(text)
            else:
                more, size = [], MAX_TEXT_CHARACTERS  # the rest of it is passed over
            continue
        if last is not None:
            yield _continued(*last, more, size)
        last, more, size = None, [], 0
        if begins and text[2:].strip() and not _WSCAT_SAYS.match(text.lstrip("<> ")):
            direction: Direction = "in" if text[0] == "<" else "out"
            frame = Frame(options.venue, 1, direction, "text", at, text[2:])
            last = frame, number, offset
        elif not begins and text.strip(" >"):
            error = Malformed("neither sent nor received", field="line", found=elide(text))
            yield on_line(BrokenLine(number, error), number, offset)
    if last is not None:
        yield _continued(*last, more, size)


def _continued(frame: Frame, number: int, offset: int | None, more: list[str], size: int) -> Placed:
    if size and not more:
        limit = f"at most {MAX_MESSAGE_LINES} lines and {MAX_TEXT_CHARACTERS} characters"
        error = Malformed("longer than any message", field="message", expected=limit, found="more")
        return on_line(BrokenLine(number, error), number, offset)
    if more:
        frame = replace(frame, data="\n".join([str(frame.data), *more]))
    return on_line(frame, number, offset)


def _plain_line(line: str, venue: str) -> Frame | None:
    if (found := message_in(line)) is None:
        return None
    at, text = found
    return Frame(venue, 1, "in", "text", at, text)


def message_in(line: str) -> tuple[int, str] | None:
    """The message of a line with its time; None for a line that a tool wrote about itself."""
    # wscat prints its prompt also where it prints only messages, before the first of them.
    line = _undressed(line) if "\x1b" in line else line.strip("\r")
    at, text = _timed(line.removeprefix("> "))
    text = text.removeprefix("> ")
    if not text.strip(" >") or _WEBSOCAT_SAYS.match(text) or _SCRIPT_SAYS.match(text):
        return None
    return at, text


def _hex_line(line: str, venue: str) -> Frame | None:
    at, text = _timed(line.strip())
    if not text:
        return None
    return Frame(venue, 1, "in", "binary", at, to_bytes(text))
