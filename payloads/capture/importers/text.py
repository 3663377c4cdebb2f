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
from datetime import UTC, datetime
from typing import Literal

from msgspec.structs import replace

from payloads.capture.format import BrokenLine
from payloads.capture.frames import UNKNOWN_TIME, Direction, Frame
from payloads.capture.importers.messages import Placed
from payloads.capture.reader import split_lines
from payloads.errors import Malformed, PayloadError, elide
from payloads.inputs import MAX_TEXT_CHARACTERS, to_bytes

# The lines of a message that wscat shows; a line takes some 60 bytes of memory beside its text.
MAX_MESSAGE_LINES = 1_000_000
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HEX_LINE = re.compile(r"(?:0[xX])?[0-9a-fA-F]+")
_ISO = re.compile(
    r"\[?([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?\]?\s+"
)
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
        day, clock, fraction, zone = match.groups()
        zone = (zone or "Z").replace("Z", "+00:00")
        try:
            when = datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            return UNKNOWN_TIME, line
        at = int(when.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))
        return at, line[match.end() :]
    if match := _MONTH.match(line):
        return UNKNOWN_TIME, line[match.end() :]
    return UNKNOWN_TIME, line


def lines(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """A message a line."""
    return _each(pieces, lambda line: _plain_line(line, venue))


def hexes(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """A payload's bytes a line, in hex."""
    return _each(pieces, lambda line: _hex_line(line, venue))


def _each(pieces: Iterable[bytes], make: Callable[[str], Frame | None]) -> Iterator[Placed]:
    for where, number, line in numbered_lines(pieces):
        try:
            record = line if isinstance(line, BrokenLine) else make(line)
        except PayloadError as error:
            record = BrokenLine(number, error)
        if record is not None:
            yield where, record


def numbered_lines(pieces: Iterable[bytes]) -> Iterator[tuple[str, int, str | BrokenLine]]:
    """Lines of text, each with its place."""
    number = 0
    try:
        for number, (raw, _) in enumerate(split_lines(pieces, MAX_TEXT_CHARACTERS), 1):
            try:
                yield f"line {number}", number, _text(raw, number)
            except Malformed as error:
                yield f"line {number}", number, BrokenLine(number, error)
    except Malformed as error:  # of the compression
        yield f"line {number + 1}", number + 1, BrokenLine(number + 1, error)


def _text(line: bytes | None, number: int) -> str:
    if line is None:
        limit = f"at most {MAX_TEXT_CHARACTERS} bytes"
        raise Malformed("longer than any line", field="line", expected=limit, found="more")
    try:
        return (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
    except UnicodeDecodeError as error:
        reason = "not UTF-8 text"
        raise Malformed(reason, offset=error.start, field="line", found=error.reason) from None


def wscat(pieces: Iterable[bytes], venue: str) -> Iterator[Placed]:
    """Messages as wscat shows them on a terminal. A message may take several lines."""
    last: tuple[str, Frame] | None = None
    more: list[str] = []
    size = 0
    for where, number, line in numbered_lines(pieces):
        if isinstance(line, BrokenLine):
            yield where, line
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
            last = where, Frame(venue, 1, direction, "text", at, text[2:])
        elif not begins and text.strip(" >"):
            error = Malformed("neither sent nor received", field="line", found=elide(text))
            yield where, BrokenLine(number, error)
    if last is not None:
        yield _continued(*last, more, size)


def _continued(where: str, frame: Frame, more: list[str], size: int) -> Placed:
    if size and not more:
        limit = f"at most {MAX_MESSAGE_LINES} lines and {MAX_TEXT_CHARACTERS} characters"
        error = Malformed("longer than any message", field="message", expected=limit, found="more")
        return where, BrokenLine(int(where.rpartition(" ")[2]), error)
    return where, replace(frame, data="\n".join([str(frame.data), *more])) if more else frame


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
