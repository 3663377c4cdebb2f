"""An input is cut into parts, each of which is read, decoded and written by itself.

The lines of a capture are cut at line ends, by the content alone: a part does not depend on the
machine, nor on how the content came. Other kinds of files are one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from payloads.abi.fields import Record
from payloads.errors import Malformed
from payloads.forensics.scanning.native import count_lines

# A worker has a part's lines in memory, and then its tables.
PART_BYTES = 32 * 2**20


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
    """A part with its content, if that was kept, and what is wrong behind it."""

    part: Part
    content: bytes | None
    error: Malformed | None


def cut(number: int, pieces: Iterable[bytes], keeps: bool, size: int = PART_BYTES) -> Iterator[Cut]:
    """The parts of an input whose content comes in pieces; at least one.

    Where the content breaks off with an error, the line that is cut off there belongs to no part.
    """
    first = at = lines = 0  # of the part that is open
    line, parts = 1, 0
    kept = bytearray()
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
            if at + len(piece) - first >= size:
                newline = piece.find(b"\n", max(0, size - (at - first) - 1))
                if newline >= 0:
                    stop, closes = newline + 1, True
            taken = piece[:stop]
            if keeps:
                kept += taken
            lines += count_lines(taken)
            newline = taken.rfind(b"\n")
            if newline >= 0:
                end = at + newline + 1
            at += stop
            piece = piece[stop:]
            if closes:
                yield Cut(
                    Part(number, parts, first, at, line), bytes(kept) if keeps else None, None
                )
                first, parts, line, lines = at, parts + 1, line + lines, 0
                kept.clear()
    last = at if error is None else max(end, first)
    if last > first or not parts or error is not None:
        content = bytes(kept[: last - first]) if keeps else None
        yield Cut(Part(number, parts, first, last, line), content, error)
