"""An input is cut into parts, each of which is read, decoded and written by itself.

The lines of a capture are cut at line ends, by the content and the sizes of the inputs alone: a
part does not depend on the machine, nor on the number of processes. Other kinds of files are one
part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from payloads.abi.fields import Record
from payloads.capture.format import MAX_LINE_BYTES
from payloads.errors import Malformed
from payloads.forensics.scanning.native import count_lines

# A worker has a part's lines in memory, and then its tables.
PART_BYTES = 32 * 2**20
# Where signers are recovered, what is left is cut into smaller and smaller parts, so that all
# workers end at about the same time: each is a third of it, but no less than this. A part costs ten
# milliseconds by itself, which is little beside recoveries, and much beside all else.
_SHARE, _LEAST_RECOVERED = 3, 2 * 2**20


def size_of_next(left: int, most: int, recovers: bool) -> int:
    """The size of a part, if so many bytes of all inputs are left, its own included."""
    return min(most, max(_LEAST_RECOVERED, left // _SHARE)) if recovers else most


class Part(Record, frozen=True):
    """Lines of an input from one byte to another, counted in the decompressed content.

    `line` is the number of the first. `last` None: the whole input, whatever it is.
    """

    input: int
    number: int
    first: int = 0
    last: int | None = None
    line: int = 1

    @property
    def name(self) -> str:
        """The name of the part's files."""
        return f"{self.input:05}-{self.number:05}"


class Cut(NamedTuple):
    """A part with its content, and what is wrong behind it.

    `lines` are those that end in the input up to the end of the part. `left_out` are the bytes at
    the end of the content that were not kept: of a line that is too long to be read.
    """

    part: Part
    content: bytes
    error: Malformed | None
    lines: int
    left_out: int = 0


def cut(
    number: int,
    pieces: Iterable[bytes],
    size: int | Callable[[int], int] = PART_BYTES,
) -> Iterator[Cut]:
    """The parts of an input whose content comes in pieces; at least one.

    `size` may depend on the byte at which a part begins. Where the content breaks off with an
    error, the line that is cut off there belongs to no part.
    """
    first = at = lines = 0  # of the part that is open
    line, parts = 1, 0
    kept = bytearray()
    size_at = (lambda _: size) if isinstance(size, int) else size
    most = size_at(0)
    end = 0  # behind the last whole line
    error: Malformed | None = None
    source = iter(pieces)
    while True:
        try:
            piece = next(source)
        except StopIteration:
            break
        except Malformed as problem:
            error = problem
            break
        while piece:
            stop = len(piece)
            closes = False
            if at + len(piece) - first >= most:
                newline = piece.find(b"\n", max(0, most - (at - first) - 1))
                if newline >= 0:
                    stop, closes = newline + 1, True
            taken = piece[:stop]
            # A line that is too long, and that the part ends with, may be the whole of a bomb.
            if len(kept) < most or at - max(end, first) <= MAX_LINE_BYTES:
                kept += taken
            lines += count_lines(taken)
            newline = taken.rfind(b"\n")
            if newline >= 0:
                end = at + newline + 1
            at += stop
            piece = piece[stop:]
            if closes:
                part = Part(number, parts, first, at, line)
                yield Cut(part, bytes(kept), None, line + lines - 1, at - first - len(kept))
                first, parts, line, lines = at, parts + 1, line + lines, 0
                kept.clear()
                most = size_at(first)
    last = at if error is None else max(end, first)
    if last > first or not parts or error is not None:
        content = bytes(memoryview(kept)[: last - first])
        part, left_out = Part(number, parts, first, last, line), last - first - len(content)
        yield Cut(part, content, error, line + lines - 1, left_out)
