"""The content of a file as pieces of bytes: its first bytes, a bound, a stream, a list in JSON."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any

from payloads.errors import Malformed

# With the largest message taken out of it, a file of this size stays below 256 MB of memory.
MAX_WHOLE_BYTES = 64 * 2**20
_HEAD = 64 * 1024


def head_of(
    pieces: Iterator[bytes], enough: Callable[[bytes], bool]
) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, until they are enough (a pipe may bring no more for hours), and the rest."""
    head = b""
    try:
        while len(head) < _HEAD and not (head and enough(head)):
            head += next(pieces)
    except StopIteration:
        return head, iter(())
    except Malformed as error:  # raised in its place, after what could be read
        return head, _raising(error)
    return head, pieces


def _raising(error: Malformed) -> Iterator[bytes]:
    raise error
    yield b""


def must_wait(stream: Any) -> bool:
    """Whether a read may have to wait for what a pipe brings. Where that is not known, it may."""
    try:
        return not select.select([stream], [], [], 0)[0]
    except (OSError, ValueError):  # no descriptor, a high one, or a pipe on Windows
        return True


def whole(pieces: Iterable[bytes], most: int = MAX_WHOLE_BYTES) -> bytes:
    """All of a file, up to a bound; kept once."""
    content = BytesIO()
    for piece in pieces:
        if content.tell() + len(piece) > most:
            limit, reason = f"at most {most} bytes", "too large to be read whole"
            raise Malformed(reason, offset=most, field="file", expected=limit)
        content.write(piece)
    return content.getvalue()


class JoinedPieces:
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
        content, missing = BytesIO(), size - len(found)
        content.write(found)
        try:
            for piece in self._pieces:
                taken = content.write(piece[:missing])
                missing -= taken
                if not missing:
                    self._left = BytesIO(piece[taken:])
                    break
        except Malformed as error:  # first what could be read, then this
            self._error = error
        return content.getvalue()


# --- JSON -----------------------------------------------------------------------------------------


def number_of(text: str) -> Decimal:
    """A number that is not rounded; NaN for an exponent that no Decimal has."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.S)
_BLANK = re.compile(rb"\s*+")
_QUOTE, _COMMA, _OPENING, _CLOSING = ord('"'), ord(","), b"[{", b"]}"


def elements(array: Any) -> Iterator[memoryview]:
    """The elements of a list that a JSON parser has passed, each as its text."""
    text = memoryview(array)
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        at = token.start()
        mark = text[at]
        if mark == _QUOTE:
            continue
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth -= 1
        if depth == (1 if mark == _COMMA else 0):
            if not _BLANK.fullmatch(text, start, at):
                yield text[start:at]
            start = at + 1
