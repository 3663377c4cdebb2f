"""The inputs of a command: arguments, files and standard input, with one payload or many each.

A source becomes items, each with a label that errors are reported under. Text is read a line at a
time, so a file of hours of frames takes no more memory than its longest line; a file that is one
JSON document, or that is not text, is one item.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from payloads.errors import Malformed, Misuse
from payloads.inputs import MAX_TEXT_CHARACTERS, check_nesting
from payloads.recognise import may_hold_payload

if TYPE_CHECKING:
    from payloads.capture.format import CaptureRecord

    # The place of a record, the number of its line there, and the record.
    Placed = tuple[str, int, CaptureRecord]

_SNIFFED = 64 * 1024
# The first bytes of a capture, plain or compressed.
_CAPTURES = (b'{"capture":', b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


@dataclass(frozen=True, slots=True)
class Item:
    """A payload as it came in, or the error of reading it, with its place."""

    where: str
    value: str | bytes
    line: int | None = None
    error: Malformed | None = None
    # `reply` for the answer to an HTTP request; "" for a message on a websocket.
    provenance: str = ""

    @property
    def origin(self) -> dict[str, str]:
        """The provenance as a JSON object has it."""
        return {"provenance": self.provenance} if self.provenance else {}


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
    try:
        with (_file(source) or Path()).open("rb") as stream:
            return stream.read(len(_CAPTURES[0])).startswith(_CAPTURES)
    except OSError:  # no file, or one that says so when it is read
        return False


def _of(group: tuple[str, ...], label: str) -> Iterator[Item]:
    source, *others = group
    if others:
        return _captured(_parts(group), f"{source}: ")
    if source == "-":
        return _stream(sys.stdin.buffer, "")
    if (path := _file(source)) is not None:
        return _opened(path)
    return iter([Item(label, source, error=_unreadable(source))])


def _file(source: str) -> Path | None:
    """The file of that name, if there is one; a payload is rarely a file's name."""
    if not source.strip() or len(source) > 4096 or source.lstrip()[:1] in ("{", "["):
        return None
    try:
        return path if (path := Path(source)).is_file() else None
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
    try:
        with path.open("rb") as stream:
            yield from _stream(stream, f"{path}: ")
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None


def _stream(stream: IO[bytes], prefix: str) -> Iterator[Item]:
    # Some editors put a byte order mark before text; no payload starts with one.
    head = stream.read(_SNIFFED).removeprefix(codecs.BOM_UTF8)
    if head.startswith(_CAPTURES):
        yield from _captured(_placed(head, stream, prefix), prefix)
    elif _is_binary(head):
        yield _whole(head, stream, f"{prefix}the whole input", text=False)
    elif _is_document(head):
        yield _whole(head, stream, f"{prefix}the whole input", text=True)
    else:
        yield from _lines(head, stream, prefix)


def _parts(names: Iterable[str]) -> Iterator[Placed]:
    """The records of several files."""
    for name in names:
        try:
            with open(name, "rb") as stream:
                yield from _placed(b"", stream, f"{name}: ")
        except OSError as error:
            raise Misuse(f"cannot read {name}: {error.strerror}") from None


def _placed(head: bytes, stream: IO[bytes], prefix: str) -> Iterator[Placed]:
    from payloads.capture.compression import decompressed
    from payloads.capture.reader import numbered_records

    for number, record in numbered_records(decompressed(stream, head)):
        yield f"{prefix}line {number}", number, record


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
    for where, number, record in records:
        if (missing := parts.saw(record)) is not None:
            yield Item(where, "", number, missing)
        if isinstance(record, BrokenLine) and isinstance(record.error, Malformed):
            yield Item(where, "", number, record.error)
        elif isinstance(record, Frame) and record.direction == "in" and record.is_message:
            if _may_hold_payload(record.raw):
                found += 1
                yield Item(where, record.data, number)
            else:
                others += 1
        elif isinstance(record, Incident) and (reply := record.reply) is not None:
            if reply.status // 100 == 2 and _may_hold_payload(reply.body):
                found += 1
                yield Item(f"{where}, reply", reply.body, number, provenance="reply")
    if (missing := parts.over()) is not None:
        yield Item(f"{prefix}the end", "", error=missing)
    if not found:
        what = f"{others} other messages"
        error = Malformed("no payload in this capture", field="frames", found=what)
        yield Item(f"{prefix}the whole input", "", error=error)


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


def _is_document(head: bytes) -> bool:
    """JSON that goes on past its first line, as a person's editor or `jq` prints it."""
    text = head.lstrip()
    if text[:1] not in (b"{", b"["):
        return False
    line = text.split(b"\n", 1)[0]
    try:
        check_nesting(line)
        msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (Malformed, RecursionError):
        return False
    return False


def _whole(head: bytes, stream: IO[bytes], where: str, text: bool) -> Item:
    data = head + stream.read(MAX_TEXT_CHARACTERS + 1 - len(head))
    if len(data) > MAX_TEXT_CHARACTERS:
        return Item(where, b"", error=_too_large())
    return Item(where, data.decode(errors="replace") if text else data)


def _too_large() -> Malformed:
    limit = f"at most {MAX_TEXT_CHARACTERS} characters"
    return Malformed("larger than any payload", field="payload", expected=limit, found="more")


def _lines(head: bytes, stream: IO[bytes], prefix: str) -> Iterator[Item]:
    for number, line in enumerate(_bounded(head, stream), 1):
        where = f"{prefix}line {number}"
        if line is None:
            yield Item(where, "", number, _too_large())
        elif (text := line.decode(errors="replace")).strip():
            yield Item(where, text, number)


def _bounded(head: bytes, stream: IO[bytes]) -> Iterator[bytes | None]:
    """Lines, with None in place of a line that is longer than any payload."""
    pending, too_long = head, False
    while True:
        *lines, pending = pending.split(b"\n")
        for line in lines:
            yield None if too_long or len(line) > MAX_TEXT_CHARACTERS else line
            too_long = False
        if len(pending) > MAX_TEXT_CHARACTERS:
            pending, too_long = b"", True
        chunk = stream.read(_SNIFFED)
        if not chunk:
            break
        pending += chunk
    if pending or too_long:
        yield None if too_long else pending
