"""Any file that holds frames, read by its kind: the same `Frame` as live.

* `capture`: this library's own format, plain or compressed.
* `har`: Chrome's `_webSocketMessages`, which mitmproxy and others write as well; also frames as
  Firefox's network monitor names them. Firefox's own export has no messages; a record says so.
* `mitmproxy`: flow files.
* `pcap`: packets in a pcap or pcapng, which tshark reads where it is installed.
* `wscat`: lines that begin with `<` and `>`, as wscat shows them on a terminal (`script` keeps
  that). wscat shows binary messages as text, so their bytes are lost.
* `lines`: one message a line, as websocat prints them, and wscat with `-x` or without a terminal.
* `cdp`: events of the Chrome DevTools Protocol, a line each or as one list.
* `jsonl`: one JSON object a line, with the message in it, as loggers write.
* `hex`: one payload's bytes a line.
* `document` and `payload`: one payload, as JSON over several lines or as its bytes.

All of them may be compressed (gzip, zstd, bzip2, xz). `import_records` looks at the first bytes to
find the kind (`sniff`), unless it is told, and `Malformed` names a kind that is not read. Each
record comes with its place in the file, in order; a broken one is a `BrokenLine`, and the rest
still comes out. A file that as a whole is not of its kind raises `Malformed`. Lines may begin with
a time: seconds since 1970 (`ts %.s`), or ISO 8601 with a date (UTC where no zone is given). The
time that `ts` writes by default (Nov 21 16:00:00) is taken off, but has neither year nor zone; such
frames have `UNKNOWN_TIME`, as have frames without any. A HAR and a flow are read whole, up to a
bound; everything else is read in pieces. docs/bounds.md has all bounds.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO

import msgspec

from payloads.capture.compression import decompressed
from payloads.capture.format import CaptureRecord, Placed
from payloads.capture.frames import Frame
from payloads.capture.importers import single, text
from payloads.capture.importers.cdp import cdp, is_log
from payloads.capture.importers.har import har
from payloads.capture.importers.jsonl import is_logged, jsonl
from payloads.capture.importers.messages import ReadOptions
from payloads.capture.importers.mitmproxy import mitmproxy
from payloads.capture.importers.pcap import pcap
from payloads.capture.importers.pieces import head_of
from payloads.capture.importers.text import is_preamble
from payloads.capture.reader import numbered_records, opened
from payloads.errors import Malformed, Misuse, shown
from payloads.inputs import check_nesting, checked_text, to_path

_FLOW = re.compile(rb"[0-9]{1,12}:[0-9]{1,12}:")


def _capture(pieces: Iterable[bytes], _: ReadOptions) -> Iterator[Placed]:
    return numbered_records(pieces)


# What reads each kind of file.
_READERS: dict[str, Callable[[Iterable[bytes], ReadOptions], Iterator[Placed]]] = {
    "capture": _capture,
    "har": har,
    "mitmproxy": mitmproxy,
    "pcap": pcap,
    "wscat": text.wscat,
    "cdp": cdp,
    "jsonl": jsonl,
    "lines": text.lines,
    "hex": text.hexes,
    "document": single.document,
    "payload": single.payload,
}
KINDS = tuple(_READERS)


# Files that are no text and no payload, by their first bytes.
_NOT_READ = {
    b"PK\x03\x04": "a zip archive", b"7z\xbc\xaf": "a 7z archive", b"%PDF": "a PDF",
    b"\x7fELF": "a program", b"SQLite format 3\0": "an SQLite database", b"PAR1": "Parquet",
    b"ARROW1": "Arrow", b"\x89PNG": "a picture",
}  # fmt: skip
_INSTEAD = {
    "a zip archive": "the files in it", "a 7z archive": "the files in it",
    "UTF-16 text": "UTF-8 (iconv -f UTF-16 -t UTF-8)",
}  # fmt: skip
_PCAPNG, _ORDER = b"\x0a\x0d\x0d\x0a", b"\x1a\x2b\x3c\x4d"
# The four of pcap, by the machine's order of bytes and the unit of time, and the one of pcapng.
_PACKETS = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",
    _PCAPNG,
)  # fmt: skip


def check_read(head: bytes) -> None:
    """Raise `Malformed`, with the kind's name, for a file of a kind that is not read."""
    name = next((name for magic, name in _NOT_READ.items() if head.startswith(magic)), None)
    if name is None and _is_utf16(head):
        name = "UTF-16 text"
    if head.startswith(_PCAPNG) and head[8:12] not in (_ORDER, _ORDER[::-1]) and len(head) >= 12:
        name = "a broken pcapng"
    if name is not None:
        expected = _INSTEAD.get(name, "payloads, frames, a capture or a log")
        raise Malformed(f"{name}, which is not read", field="file", expected=expected)


def _is_utf16(head: bytes) -> bool:
    """Text with a zero beside every letter, with a mark before it or none."""
    head = head.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    halves = head[:64:2], head[1:64:2]
    return len(head) >= 16 and any(
        not any(zeros) and letters.isascii() and letters.decode().isprintable()
        for zeros, letters in (halves, halves[::-1])
    )


def tells_kind(head: bytes) -> bool:
    """Whether these bytes are enough for `sniff`: a whole line that says what it is."""
    lines = head.split(b"\n")[:-1]
    line = next((line for line in lines if not is_preamble(line.decode("utf-8", "replace"))), b"")
    return bool(line) and not begins_document(line)


def begins_document(line: bytes) -> bool:
    """Whether JSON begins on this line and goes on past it."""
    start = line.removeprefix(codecs.BOM_UTF8).lstrip()
    if start[:1] not in (b"{", b"["):
        return False
    try:
        check_nesting(start)
        msgspec.json.decode(start)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (Malformed, RecursionError):
        return False
    return False


def sniff(head: bytes) -> str:
    """The kind of a file, by the first bytes of its content (after decompression)."""
    if head.startswith(_PACKETS):
        return "pcap"
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb'\{\s*"capture"\s*:', start) or re.match(rb'\{"at":', start):
        return "capture"
    if _FLOW.match(start):
        return "mitmproxy"
    if is_log(start):
        return "cdp"
    if start.startswith(b"{") and re.search(rb'"log"\s*:\s*\{', start):
        return "har"
    if start.startswith(b"{") and _is_logged(start.split(b"\n", 1)[0]):
        return "jsonl"
    return text.kind_of(start.decode("utf-8", "replace"))


def _is_logged(line: bytes) -> bool:
    try:
        check_nesting(line)
        return is_logged(msgspec.json.decode(line))
    except (Malformed, msgspec.DecodeError, UnicodeError, RecursionError):
        return False


# Text that shows no sign of frames.
TEXT = "text"


def kind_of(head: bytes, options: ReadOptions) -> str:
    """The kind of an input that may be anything, or `TEXT`; `Malformed` for what is not read."""
    if options.kind is not None:
        return options.kind
    if _HEX_LINE.fullmatch(head.partition(b"\n")[0]):
        return "hex"
    check_read(head)
    found = sniff(head)
    if found not in ("lines", "hex", "wscat"):
        return found
    line, end, _ = head.lstrip().partition(b"\n")
    if end and begins_document(line):
        return "document"
    if text.shows_frames(head):
        return "jsonl" if options.text_field and found == "lines" else found
    return "payload" if _is_binary(head) else TEXT


def _is_binary(head: bytes) -> bool:
    # Colours are control characters of text.
    return any(byte < 9 or 13 < byte < 27 or 27 < byte < 32 or byte == 127 for byte in head) or (
        not is_utf8(head)
    )


# A line that needs no second look: a payload in hex.
_HEX_LINE = re.compile(rb"\s*(?:0[xX])?[0-9a-fA-F]{64,}\s*")


def is_utf8(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8; a character may be cut off at its end."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and error.reason == "unexpected end of data"
    return True


def checked(options: ReadOptions) -> ReadOptions:
    """The options; `Misuse` for those that cannot be."""
    if options.kind is not None and options.kind not in KINDS:
        found = shown(options.kind)
        raise Misuse("no such kind of file", field="kind", expected=", ".join(KINDS), found=found)
    for name in ("venue", "text_field", "time_field", "binary_field", "keylog"):
        checked_text(getattr(options, name), name)
    if options.keylog and not to_path(options.keylog).is_file():
        raise Misuse(f"cannot read {shown(options.keylog)}: no such file", field="keylog")
    return options


def records_of(kind: str, pieces: Iterable[bytes], options: ReadOptions) -> Iterator[Placed]:
    """Every record of a file's content of that kind, with its place."""
    return _READERS[kind](pieces, options)


def import_records(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[tuple[str, CaptureRecord]]:
    """Every record of a file with its place. `venue` is for frames whose file names none."""
    options = checked(ReadOptions(kind, venue))
    with opened(source) as stream:
        head, rest = head_of(decompressed(stream), tells_kind)
        if kind is None:
            check_read(head)
        for placed in records_of(kind or sniff(head), chain([head], rest), options):
            yield placed.where, placed.record


def import_frames(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[Frame]:
    """Only the frames. Broken records are passed over; `import_records` has them."""
    records = import_records(source, kind=kind, venue=venue)
    return (record for _, record in records if isinstance(record, Frame))
