"""Any file that holds frames, read by its kind: the same `Frame` as live.

* `capture`: this library's own format, plain or compressed.
* `har`: Chrome's `_webSocketMessages`, which mitmproxy and others write as well; also frames as
  Firefox's network monitor names them. Firefox's own export has no messages; a record says so.
* `mitmproxy`: flow files.
* `wscat`: lines that begin with `<` and `>`, as wscat shows them on a terminal (`script` keeps
  that). wscat shows binary messages as text, so their bytes are lost.
* `lines`: one message a line, as websocat prints them, and wscat with `-x` or without a terminal.
* `hex`: one payload's bytes a line.

`import_records` looks at the first bytes to find the kind (`sniff`), unless it is told. Each record
comes with its place in the file, in order; a broken one is a `BrokenLine`, and the rest still comes
out. A file that as a whole is not of its kind raises `Malformed`. Lines may begin with a time:
seconds since 1970 (`ts %.s`), or ISO 8601 with a date (UTC where no zone is given). The time that
`ts` writes by default (Nov 21 16:00:00) is taken off, but has neither year nor zone; such frames
have `UNKNOWN_TIME`, as have frames without any. A HAR and a flow are read whole, up to a bound;
everything else is read in pieces. docs/bounds.md has all bounds.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO

from payloads.capture.compression import decompressed
from payloads.capture.frames import Frame
from payloads.capture.importers import text
from payloads.capture.importers.har import har
from payloads.capture.importers.messages import Placed
from payloads.capture.importers.mitmproxy import mitmproxy
from payloads.capture.importers.pieces import head_of
from payloads.capture.reader import numbered_records
from payloads.errors import Misuse

_FLOW = re.compile(rb"[0-9]{1,12}:[0-9]{1,12}:")


def _capture(pieces: Iterable[bytes], _: str) -> Iterator[Placed]:
    for number, record in numbered_records(pieces):
        yield f"line {number}", record


# What reads each kind of file. The text is the venue of frames whose file names none.
_READERS: dict[str, Callable[[Iterable[bytes], str], Iterator[Placed]]] = {
    "capture": _capture,
    "har": har,
    "mitmproxy": mitmproxy,
    "wscat": text.wscat,
    "lines": text.lines,
    "hex": text.hexes,
}
KINDS = tuple(_READERS)


def sniff(head: bytes) -> str:
    """The kind of a file, by the first bytes of its content (after decompression)."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb'\{\s*"capture"\s*:', start) or re.match(rb'\{"at":', start):
        return "capture"
    if _FLOW.match(start):
        return "mitmproxy"
    if start.startswith(b"{") and re.search(rb'"log"\s*:\s*\{', start):
        return "har"
    return text.kind_of(start.decode("utf-8", "replace"))


def import_records(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[Placed]:
    """Every record of a file with its place. `venue` is for frames whose file names none."""
    if kind is not None and kind not in KINDS:
        raise Misuse("no such kind of file", expected=", ".join(KINDS), found=kind)
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as stream:
            yield from import_records(stream, kind=kind, venue=venue)
        return
    head, rest = head_of(decompressed(source))
    yield from _READERS[kind or sniff(head)](chain([head], rest), venue)


def import_frames(
    source: str | os.PathLike[str] | IO[bytes], *, kind: str | None = None, venue: str = ""
) -> Iterator[Frame]:
    """Only the frames. Broken records are passed over; `import_records` has them."""
    records = import_records(source, kind=kind, venue=venue)
    return (record for _, record in records if isinstance(record, Frame))
